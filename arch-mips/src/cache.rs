//! The primary data cache of a MIPS32 or MIPS64 processor, maintained with the CACHE instruction.
#![expect(unsafe_code, reason = "these are the promises that dma-api builds on")]

use core::ptr::NonNull;

use dma_api::{DmaSync, Geometry, LineRange};

use crate::{
    error::Error,
    geometry::{data_cache, has_config2, secondary_line, tertiary_line},
    insn::{
        config1, config2, escape, hit_invalidate_d, hit_writeback_d, hit_writeback_inv_d, sync,
    },
};

/// The caches of a processor that has a primary data cache and none behind it, or none at all.
///
/// * Of the operations on an address the architecture requires Hit_Writeback_Inv_D alone (MIPS32 PRA, volume II,
///   CACHE, "Compliance"); one that is not there may do nothing at all. So it serves as *clean* and *invalidate* too,
///   which dma-api allows: after a clean the line must be fetched again, and an invalidate finds no dirty line unless
///   its caller gave it up. [`with_recommended_operations`](Self::with_recommended_operations) says that the others
///   are there.
/// * Lines are taken to be filled at any time, and invalidated after each transfer.
///   [`without_speculation`](Self::without_speculation) says that the processor does not.
/// * SYNC completes the operations, and orders everything else as well.
///
/// Without a data cache no operation is executed, and SYNC remains.
#[derive(Clone, Copy, Debug)]
pub struct Mips32Caches {
    lines: Lines,
    operations: Operations,
    fills_speculatively: bool,
}

/// What there is to maintain.
#[derive(Clone, Copy, Debug)]
enum Lines {
    None,
    Of(Geometry),
}

/// The operations on an address that the processor has.
#[derive(Clone, Copy, Debug)]
enum Operations {
    Required,
    Recommended,
}

impl Mips32Caches {
    /// Reads Config1 and, if it exists, Config2. Needs kernel mode.
    ///
    /// # Errors
    /// [`Error::OuterCache`] if there is a secondary or tertiary cache; [`Error::Reserved`].
    ///
    /// # Safety
    /// * Config1 and Config2 tell all: there is no cache between a processor and memory that they do not show, such as
    ///   the secondary cache of a coherence manager, or a prefetch buffer with operations of its own.
    /// * The value is used on one processor, or on several whose CACHE operations on an address reach all of them.
    /// * The CPU reaches memory that is lent to devices by one cached address, as in KSEG0, or the ways are not larger
    ///   than a page ([`DataCache::way_len_bytes`](crate::geometry::DataCache::way_len_bytes)).
    #[inline]
    pub unsafe fn probe() -> Result<Self, Error> {
        let config1 = config1();
        if has_config2(config1) {
            let config2 = config2();
            if let Some(line) = secondary_line(config2)? {
                return Err(Error::OuterCache { level: 2, line });
            }
            if let Some(line) = tertiary_line(config2)? {
                return Err(Error::OuterCache { level: 3, line });
            }
        }
        Ok(match data_cache(config1)? {
            // SAFETY: the register says so, and tells all.
            Some(cache) => unsafe { Self::with_geometry(cache.geometry()) },
            None => Self {
                fills_speculatively: false,
                ..Self::of(Lines::None)
            },
        })
    }

    /// Caches whose lines are known otherwise.
    ///
    /// # Safety
    /// As [`probe`](Self::probe), where `geometry` takes the registers' place.
    #[must_use]
    pub const unsafe fn with_geometry(geometry: Geometry) -> Self {
        Self::of(Lines::Of(geometry))
    }

    /// The same, using Hit_Writeback_D to clean and Hit_Invalidate_D to invalidate.
    ///
    /// # Safety
    /// The processor implements both, as MIPS' own cores do (4K, M14K, 24K, 34K, 74K, 1004K).
    #[must_use]
    pub const unsafe fn with_recommended_operations(self) -> Self {
        Self {
            operations: Operations::Recommended,
            ..self
        }
    }

    /// The same for a processor that fills lines for its own accesses only: then nothing is done after a transfer.
    ///
    /// # Safety
    /// The processor never fills a line by speculation or prefetch. That is true of MIPS' own cores without MAAR
    /// registers (4K, M14K, 24K, 34K, 74K, 1004K). It is not true of R10000 and its successors, BMIPS5000, Loongson 2E
    /// and 2F, Ingenic's XBurst, P5600 and the I and P families. (Linux, `cpu_needs_post_dma_flush` in
    /// `arch/mips/mm/dma-noncoherent.c`.)
    #[must_use]
    pub const unsafe fn without_speculation(self) -> Self {
        Self {
            fills_speculatively: false,
            ..self
        }
    }

    /// Whether there is anything to maintain.
    #[must_use]
    pub const fn has_data_cache(&self) -> bool {
        matches!(self.lines, Lines::Of(_))
    }

    const fn of(lines: Lines) -> Self {
        Self {
            lines,
            operations: Operations::Required,
            fills_speculatively: true,
        }
    }

    /// Executes one operation on each line of the range, or none without a data cache.
    #[inline]
    fn each_line(&self, range: LineRange<'_>, operation: impl FnMut(*mut u8)) {
        match self.lines {
            Lines::Of(geometry) => range.pointers(geometry).for_each(operation),
            Lines::None => escape(range.start()),
        }
    }
}

// SAFETY: the registers or the maker told the lines and that there is no other cache; each operation reaches memory,
// and those used are implemented. No `asm!` has `nomem`.
unsafe impl DmaSync for Mips32Caches {
    fn geometry(&self) -> Geometry {
        match self.lines {
            Lines::Of(geometry) => geometry,
            Lines::None => Geometry::BYTE,
        }
    }

    fn fills_speculatively(&self) -> bool {
        self.fills_speculatively
    }

    fn invalidate_may_write_back(&self) -> bool {
        matches!(self.operations, Operations::Required)
    }

    #[inline]
    fn clean(&self, range: LineRange<'_>) {
        match self.operations {
            Operations::Required => self.each_line(range, hit_writeback_inv_d),
            Operations::Recommended => self.each_line(range, hit_writeback_d),
        }
    }

    #[inline]
    unsafe fn invalidate(&self, range: LineRange<'_>) {
        match self.operations {
            Operations::Required => self.each_line(range, hit_writeback_inv_d),
            Operations::Recommended => self.each_line(range, |line| {
                // SAFETY: the caller owns every granule of the range, and a line is a granule.
                unsafe { hit_invalidate_d(line) };
            }),
        }
    }

    #[inline]
    fn clean_and_invalidate(&self, range: LineRange<'_>) {
        self.each_line(range, hit_writeback_inv_d);
    }

    #[inline]
    fn complete(&self) {
        sync();
    }

    #[inline]
    fn before_doorbell(&self, memory: NonNull<u8>) {
        escape(memory);
        sync();
    }

    #[inline]
    fn after_completion(&self, memory: NonNull<u8>) {
        sync();
        escape(memory);
    }
}
