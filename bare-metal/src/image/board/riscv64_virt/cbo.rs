//! Cache block operations that trapped because the CPU does not have them, counted by M-mode, read by S-mode.
//!
//! QEMU before 8.0 has no Zicbom, and a trap is then the only thing that shows such an instruction was
//! executed. On a CPU that has Zicbom nothing traps and every count stays 0.
#![expect(unsafe_code, reason = "executes one of the operations")]

use core::{
    arch::asm,
    sync::atomic::{AtomicU64, Ordering},
};

use super::memory::dma_window;
use crate::image::board::shadow::Operation;

/// How many operations of each kind have trapped since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CboCounts {
    /// `cbo.inval`.
    pub(crate) inval: u64,
    /// `cbo.clean`.
    pub(crate) clean: u64,
    /// `cbo.flush`.
    pub(crate) flush: u64,
}

/// Whether the operations trap on this CPU: executes one, as a word of its own so that nothing else is believed.
pub(super) fn traps() -> bool {
    let before = trapped_cbo();
    // SAFETY: `cbo.clean` on the window's first block, which is mapped, changes no byte (encoding: "Base Cache Management
    // Operation" specification 1.0, cbo.clean with rs1 = a0).
    unsafe {
        asm!(
            ".4byte 0x0015200f",
            in("a0") dma_window().as_ptr(),
            options(nostack, preserves_flags),
        );
    }
    trapped_cbo() != before
}

/// The counts now.
pub(crate) fn trapped_cbo() -> CboCounts {
    CboCounts {
        inval: INVAL.load(Ordering::Relaxed),
        clean: CLEAN.load(Ordering::Relaxed),
        flush: FLUSH.load(Ordering::Relaxed),
    }
}

/// One count for each kind; only M-mode adds to them.
static INVAL: AtomicU64 = AtomicU64::new(0);
static CLEAN: AtomicU64 = AtomicU64::new(0);
static FLUSH: AtomicU64 = AtomicU64::new(0);

/// An operation on the block that holds an address.
pub(super) struct Cbo {
    /// Which of the three.
    kind: Kind,
    /// What `rs1` held: a virtual address, not translated, not rounded.
    pub(super) address: u64,
}

/// The operations that keep or drop a block's content.
#[derive(Clone, Copy)]
enum Kind {
    /// `cbo.inval`.
    Inval,
    /// `cbo.clean`.
    Clean,
    /// `cbo.flush`.
    Flush,
}

impl Cbo {
    /// The operation that an instruction word is, with the registers it was executed with.
    ///
    /// MISC-MEM with funct3 = 2 and rd = 0; the immediate says which (RISC-V "Base Cache Management Operation"
    /// specification 1.0, "Instructions"). `cbo.zero` is not among them: it changes memory, so skipping it
    /// would be wrong.
    pub(super) fn decode(instruction: u32, registers: &[u64; 32]) -> Option<Self> {
        if instruction & 0x7fff != 0x200f {
            return None;
        }
        let kind = match instruction >> 20 {
            0 => Kind::Inval,
            1 => Kind::Clean,
            2 => Kind::Flush,
            _ => return None,
        };
        let address = registers[(instruction >> 15 & 31) as usize];
        Some(Self { kind, address })
    }

    /// What it does to the block.
    pub(super) const fn operation(&self) -> Operation {
        match self.kind {
            Kind::Inval => Operation::Invalidate,
            Kind::Clean => Operation::Clean,
            Kind::Flush => Operation::CleanAndInvalidate,
        }
    }

    /// Counts it.
    pub(super) fn count(&self) {
        let count = match self.kind {
            Kind::Inval => &INVAL,
            Kind::Clean => &CLEAN,
            Kind::Flush => &FLUSH,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}
