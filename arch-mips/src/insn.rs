//! The instructions this crate executes, one function each, named after the manual's mnemonic.
//!
//! Where an operating system owns the caches they are recorded instead (`executed` returns the transcript), so that
//! tests can assert the exact sequence. They are public for those who write a `DmaSync` of their own on top of them.

cfg_if::cfg_if! {
    if #[cfg(any(unix, windows))] {
        mod recorded;
        pub use recorded::{
            ConfigRegisters, Executed, config1, config2, escape, executed, hit_invalidate_d,
            hit_writeback_d, hit_writeback_inv_d, pretend, sync,
        };
    } else if #[cfg(any(target_arch = "mips", target_arch = "mips64"))] {
        mod mips;
        pub use mips::{
            config1, config2, escape, hit_invalidate_d, hit_writeback_d, hit_writeback_inv_d, sync,
        };
    } else {
        compile_error!("arch-mips has no instructions for this target");
    }
}

/// The operations of the CACHE instruction on the primary data cache: what to do in bits 4:2, on which cache (1) in
/// bits 1:0.
///
/// MIPS32 Architecture for Programmers, volume II, CACHE.
#[cfg(any(test, not(any(unix, windows))))]
mod encoding {
    /// Hit_Invalidate_D.
    pub(super) const HIT_INVALIDATE_D: u32 = 0x11;
    /// Hit_Writeback_Inv_D.
    pub(super) const HIT_WRITEBACK_INV_D: u32 = 0x15;
    /// Hit_Writeback_D.
    pub(super) const HIT_WRITEBACK_D: u32 = 0x19;
}

#[cfg(test)]
mod tests {
    use super::encoding::{HIT_INVALIDATE_D, HIT_WRITEBACK_D, HIT_WRITEBACK_INV_D};

    /// The word of CACHE before Release 6, with offset 0.
    const fn word(operation: u32, base: u32) -> u32 {
        (0b101111 << 26) | (base << 21) | (operation << 16)
    }

    #[test]
    fn the_fields_make_the_words_of_the_manual() {
        const A0: u32 = 4;

        assert_eq!(word(HIT_INVALIDATE_D, A0), 0xbc91_0000);
        assert_eq!(word(HIT_WRITEBACK_INV_D, A0), 0xbc95_0000);
        assert_eq!(word(HIT_WRITEBACK_D, A0), 0xbc99_0000);
    }
}
