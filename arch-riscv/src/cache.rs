//! Two kinds of processor: one that maintains its caches with Zicbom, one whose devices all snoop.
#![expect(unsafe_code, reason = "these are the promises that dma-api builds on")]

use core::ptr::NonNull;

use dma_api::{DmaSync, Geometry, LineRange};

use crate::{
    error::Error,
    geometry::cbom_block,
    insn::{cbo_clean, cbo_flush, cbo_inval, escape, fence_iorw_iorw, fence_ir_rw, fence_rw_ow},
};

/// Caches that are maintained with the Zicbom extension.
///
/// * A cache-block operation reaches every cache of the coherent set, as far as a point that all agents share, and
///   counts as a store for order ("CMO" extensions, "Cache-Block Management Instructions" and "Memory Ordering").
///   There is no other way to wait for it than a fence, so [`complete`](DmaSync::complete) is one. Where the next
///   thing is a load of the same bytes order would hold without it, but not where it is a store through an uncached
///   alias, or another cache's register.
/// * The fences are the strongest there are. A weaker one would do for cached memory and one kind of register, but
///   coherent memory of such a machine may be an alias that counts as I/O, and a read of a register is not ordered
///   before a `cbo.inval` by the fence that Linux puts behind it.
/// * Lines may be filled at any time, so they are invalidated after each transfer.
#[derive(Clone, Copy, Debug)]
pub struct ZicbomCaches {
    geometry: Geometry,
}

impl ZicbomCaches {
    /// Caches with blocks of that size.
    ///
    /// * `block_size`: the device tree's `riscv,cbom-block-size`, in bytes.
    ///
    /// # Errors
    /// [`Error::BlockSize`].
    ///
    /// # Safety
    /// Every hart that uses the value
    /// * has Zicbom, with blocks of that size, and no cache between it and memory that Zicbom does not reach;
    /// * is in M-mode, or in a mode for which menvcfg (and senvcfg, henvcfg) enable all three operations.
    pub const unsafe fn new(block_size: u32) -> Result<Self, Error> {
        match cbom_block(block_size) {
            Ok(geometry) => Ok(Self { geometry }),
            Err(error) => Err(error),
        }
    }
}

// SAFETY: the operations are those of the type's documentation on blocks of the size that `new` was promised; firmware
// may turn `cbo.inval` into `cbo.flush` (CBIE = 01), which the trait allows. No `asm!` has `nomem`.
unsafe impl DmaSync for ZicbomCaches {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    #[inline]
    fn clean(&self, range: LineRange<'_>) {
        range.pointers(self.geometry).for_each(cbo_clean);
    }

    #[inline]
    unsafe fn invalidate(&self, range: LineRange<'_>) {
        for block in range.pointers(self.geometry) {
            // SAFETY: the caller owns every granule of the range, and a block is a granule.
            unsafe { cbo_inval(block) };
        }
    }

    #[inline]
    fn clean_and_invalidate(&self, range: LineRange<'_>) {
        range.pointers(self.geometry).for_each(cbo_flush);
    }

    #[inline]
    fn complete(&self) {
        fence_iorw_iorw();
    }

    #[inline]
    fn before_doorbell(&self, memory: NonNull<u8>) {
        escape(memory);
        fence_iorw_iorw();
    }

    #[inline]
    fn after_completion(&self, memory: NonNull<u8>) {
        fence_iorw_iorw();
        escape(memory);
    }
}

/// Harts on a machine where every access of every device snoops the caches, as on most RISC-V servers and in QEMU.
///
/// Maintenance is no instruction. The fences remain, since RISC-V is weakly ordered:
/// * before the doorbell `fence rw, ow`: stores that fill a buffer, and loads from one that the device will overwrite,
///   before the store that hands it over, be that to a register (`o`) or to a descriptor in memory (`w`);
/// * after the completion `fence ir, rw`: the load that showed it, from a register (`i`) or memory (`r`), before loads
///   from the buffer and before stores that use it anew.
#[derive(Clone, Copy, Debug)]
pub struct SnoopedHarts(());

impl SnoopedHarts {
    /// Harts whose caches every device snoops.
    ///
    /// # Safety
    /// Every access of every device of the machine snoops every cache.
    #[must_use]
    pub const unsafe fn new() -> Self {
        Self(())
    }
}

// SAFETY: no device sees anything but what the caches hold, by `new`'s contract. Each method is a compiler barrier.
unsafe impl DmaSync for SnoopedHarts {
    fn geometry(&self) -> Geometry {
        Geometry::BYTE
    }

    fn invalidate_may_write_back(&self) -> bool {
        false
    }

    #[inline]
    fn clean(&self, range: LineRange<'_>) {
        escape(range.start());
    }

    #[inline]
    unsafe fn invalidate(&self, range: LineRange<'_>) {
        escape(range.start());
    }

    #[inline]
    fn clean_and_invalidate(&self, range: LineRange<'_>) {
        escape(range.start());
    }

    #[inline]
    fn complete(&self) {}

    #[inline]
    fn before_doorbell(&self, memory: NonNull<u8>) {
        escape(memory);
        fence_rw_ow();
    }

    #[inline]
    fn after_completion(&self, memory: NonNull<u8>) {
        fence_ir_rw();
        escape(memory);
    }
}
