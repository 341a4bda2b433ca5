//! The instructions this crate executes, one function each, named after the manual's mnemonic.
//!
//! Where an operating system owns the caches they are recorded instead (`executed` returns the transcript), so that
//! tests can assert the exact sequence. They are public for those who write a `DmaSync` of their own on top of them.

cfg_if::cfg_if! {
    if #[cfg(any(unix, windows))] {
        mod recorded;
        pub use recorded::{
            Executed, cbo_clean, cbo_flush, cbo_inval, escape, executed, fence_iorw_iorw,
            fence_ir_rw, fence_rw_ow,
        };
    } else if #[cfg(any(target_arch = "riscv32", target_arch = "riscv64"))] {
        mod riscv;
        pub use riscv::{
            cbo_clean, cbo_flush, cbo_inval, escape, fence_iorw_iorw, fence_ir_rw, fence_rw_ow,
        };
    } else {
        compile_error!("arch-riscv has no instructions for this target");
    }
}

/// How a cache-block management instruction is encoded: an I-type instruction of the major opcode MISC-MEM.
///
/// RISC-V Unprivileged ISA, chapter "CMO" Extensions for Base Cache Management Operation, instruction reference.
#[cfg(any(test, not(any(unix, windows))))]
mod encoding {
    /// Major opcode MISC-MEM, in bits 6:0.
    pub(super) const MISC_MEM: u32 = 0x0f;
    /// CBO, in bits 14:12.
    pub(super) const FUNCT3: u32 = 2;
    /// `cbo.inval`, in bits 31:20.
    pub(super) const INVAL: u32 = 0;
    /// `cbo.clean`, in bits 31:20.
    pub(super) const CLEAN: u32 = 1;
    /// `cbo.flush`, in bits 31:20.
    pub(super) const FLUSH: u32 = 2;
}

#[cfg(test)]
mod tests {
    use super::encoding::{CLEAN, FLUSH, FUNCT3, INVAL, MISC_MEM};

    /// The word of an I-type instruction with rd = x0.
    const fn word(operation: u32, rs1: u32) -> u32 {
        (operation << 20) | (rs1 << 15) | (FUNCT3 << 12) | MISC_MEM
    }

    #[test]
    fn the_fields_make_the_words_of_the_manual() {
        const A0: u32 = 10;

        assert_eq!(word(INVAL, A0), 0x0005_200f);
        assert_eq!(word(CLEAN, A0), 0x0015_200f);
        assert_eq!(word(FLUSH, A0), 0x0025_200f);
        assert_eq!(word(CLEAN, 0), 0x0010_200f);
    }
}
