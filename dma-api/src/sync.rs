//! What an architecture promises about its caches and barriers.
#![expect(
    unsafe_code,
    reason = "the trait's promises are what memory safety rests on"
)]

use core::ptr::NonNull;

use crate::cache::{Geometry, LineRange};

/// The caches and the bus of a machine, as an architecture or SoC crate knows them.
///
/// Generic code decides *what* is done and when ([`handover`](crate::handover)); an implementation executes it:
/// a loop over [`LineRange::pointers`] or [`LineRange::physical`] around one instruction, and nothing else. The
/// three operations may only *issue* the maintenance; [`complete`](Self::complete) waits for all that was issued.
///
/// # Implementation safety
/// * [`geometry`](Self::geometry) never under-states the granule or over-states the line, and is always the same.
/// * The operations reach every cache that holds the lines, as far as the point at which every device sees the
///   same bytes as the CPU (on Arm the point of *coherency*), whichever core executes them.
/// * They touch the lines named and no others. An implementation may clean and invalidate where only one of the
///   two was asked for, but may not write a line back that no store has changed.
/// * [`complete`](Self::complete) waits for what the calling thread issued, though it may have been moved to another
///   processor since: either the operations or the scheduler see to that (Linux has a DSB in its context switch on Arm),
///   or the operating system keeps a thread from moving in between.
/// * Each method is a compiler barrier for the memory it is given: an `asm!` without `nomem`, or an equivalent.
///
/// # Example
/// A processor with one level of cache and an (invented) instruction for each operation:
/// ```
/// # use core::ptr::NonNull;
/// # use dma_api::{DmaSync, Geometry, LineRange};
/// # mod insn {
/// #     pub fn clean(_: *mut u8) {}
/// #     pub unsafe fn invalidate(_: *mut u8) {}
/// #     pub fn clean_and_invalidate(_: *mut u8) {}
/// #     pub fn barrier() {}
/// #     pub fn barrier_for(_: core::ptr::NonNull<u8>) {}
/// # }
/// struct Caches {
///     geometry: Geometry,
/// }
///
/// // SAFETY: the manual says so, in the sections that a real crate cites here.
/// unsafe impl DmaSync for Caches {
///     fn geometry(&self) -> Geometry {
///         self.geometry
///     }
///     fn clean(&self, range: LineRange<'_>) {
///         range.pointers(self.geometry).for_each(insn::clean);
///     }
///     unsafe fn invalidate(&self, range: LineRange<'_>) {
///         for line in range.pointers(self.geometry) {
///             // SAFETY: passed on to the caller.
///             unsafe { insn::invalidate(line) };
///         }
///     }
///     fn clean_and_invalidate(&self, range: LineRange<'_>) {
///         range.pointers(self.geometry).for_each(insn::clean_and_invalidate);
///     }
///     fn complete(&self) {
///         insn::barrier();
///     }
///     fn before_doorbell(&self, memory: NonNull<u8>) {
///         insn::barrier_for(memory);
///     }
///     fn after_completion(&self, memory: NonNull<u8>) {
///         insn::barrier_for(memory);
///     }
/// }
/// ```
pub unsafe trait DmaSync {
    /// Line and granule over all levels and cores.
    fn geometry(&self) -> Geometry;

    /// Whether a line may be filled while nobody accesses it (by prefetch or speculation), hence while a device
    /// owns it. Then lines must be invalidated after the transfer; otherwise before it is enough. Say `true` when
    /// unsure.
    fn fills_speculatively(&self) -> bool {
        true
    }

    /// Whether [`invalidate`](Self::invalidate) may write a dirty line back instead of discarding it, because the
    /// hardware has nothing else. Generic code never relies on either.
    fn invalidate_may_write_back(&self) -> bool {
        true
    }

    /// Issues: write dirty lines of the range back; they may stay cached.
    fn clean(&self, range: LineRange<'_>);

    /// Issues: discard the lines of the range.
    ///
    /// # Safety
    /// Every granule with a byte of the range belongs to the caller, who does without any store to it that has not
    /// reached memory.
    unsafe fn invalidate(&self, range: LineRange<'_>);

    /// Issues: write dirty lines of the range back, then discard them.
    fn clean_and_invalidate(&self, range: LineRange<'_>);

    /// Waits until all maintenance that was issued has taken effect for every device.
    fn complete(&self);

    /// Orders every earlier access to memory before every later store, to memory or to a device's registers: the
    /// last thing before the doorbell, or before the descriptor that hands a buffer over.
    ///
    /// `memory` points to the bytes that were handed over. It is called for devices that snoop, too.
    fn before_doorbell(&self, memory: NonNull<u8>);

    /// Orders the read by which the CPU learnt of the completion, from memory or a register, before every later
    /// access to memory and every later maintenance.
    ///
    /// `memory` points to the bytes that come back. It is called for devices that snoop, too.
    fn after_completion(&self, memory: NonNull<u8>);
}

// SAFETY: every method is the one of the value behind the reference, which keeps the promises.
unsafe impl<S: DmaSync + ?Sized> DmaSync for &S {
    fn geometry(&self) -> Geometry {
        (**self).geometry()
    }
    fn fills_speculatively(&self) -> bool {
        (**self).fills_speculatively()
    }
    fn invalidate_may_write_back(&self) -> bool {
        (**self).invalidate_may_write_back()
    }
    fn clean(&self, range: LineRange<'_>) {
        (**self).clean(range);
    }
    unsafe fn invalidate(&self, range: LineRange<'_>) {
        // SAFETY: the caller's promise is the same.
        unsafe { (**self).invalidate(range) };
    }
    fn clean_and_invalidate(&self, range: LineRange<'_>) {
        (**self).clean_and_invalidate(range);
    }
    fn complete(&self) {
        (**self).complete();
    }
    fn before_doorbell(&self, memory: NonNull<u8>) {
        (**self).before_doorbell(memory);
    }
    fn after_completion(&self, memory: NonNull<u8>) {
        (**self).after_completion(memory);
    }
}

/// Two levels of cache that are maintained separately, in the only right order.
///
/// * *Clean* works outwards: what the inner level writes back must pass the outer one.
/// * *Invalidate* works inwards: with the inner level first, it could be refilled from the stale outer one.
/// * *Clean and invalidate* cleans the inner level, does both to the outer, then does both to the inner, whose
///   lines may have been refilled in between.
///
/// Each level is complete before the next begins. (Arm L2C-310 TRM 3.3.10; Linux `arch/arm/mm/cache-l2x0.c`.)
#[derive(Clone, Copy, Debug)]
pub struct Levels<Inner, Outer> {
    inner: Inner,
    outer: Outer,
}

impl<Inner: DmaSync, Outer: DmaSync> Levels<Inner, Outer> {
    /// Two levels as one.
    ///
    /// * `inner`: the level next to the processor, whose barriers order the processor's own accesses;
    /// * `outer`: the level next to memory.
    pub const fn new(inner: Inner, outer: Outer) -> Self {
        Self { inner, outer }
    }
}

// SAFETY: each level keeps its own promises; the order is the one explained at the type.
unsafe impl<Inner: DmaSync, Outer: DmaSync> DmaSync for Levels<Inner, Outer> {
    fn geometry(&self) -> Geometry {
        self.inner.geometry().join(self.outer.geometry())
    }

    fn fills_speculatively(&self) -> bool {
        self.inner.fills_speculatively() || self.outer.fills_speculatively()
    }

    fn invalidate_may_write_back(&self) -> bool {
        self.inner.invalidate_may_write_back() || self.outer.invalidate_may_write_back()
    }

    fn clean(&self, range: LineRange<'_>) {
        self.inner.clean(range);
        self.inner.complete();
        self.outer.clean(range);
    }

    unsafe fn invalidate(&self, range: LineRange<'_>) {
        // SAFETY: the caller's promise covers the granules of both levels.
        unsafe { self.outer.invalidate(range) };
        self.outer.complete();
        // SAFETY: as above.
        unsafe { self.inner.invalidate(range) };
    }

    fn clean_and_invalidate(&self, range: LineRange<'_>) {
        self.inner.clean(range);
        self.inner.complete();
        self.outer.clean_and_invalidate(range);
        self.outer.complete();
        self.inner.clean_and_invalidate(range);
    }

    fn complete(&self) {
        self.inner.complete();
        self.outer.complete();
    }

    fn before_doorbell(&self, memory: NonNull<u8>) {
        self.inner.before_doorbell(memory);
        self.outer.before_doorbell(memory);
    }

    fn after_completion(&self, memory: NonNull<u8>) {
        self.outer.after_completion(memory);
        self.inner.after_completion(memory);
    }
}
