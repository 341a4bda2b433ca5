//! The caches of x86 processors: snooped by the devices, or, for a device that does not, a loop between two fences.
#![expect(
    unsafe_code,
    reason = "that devices snoop, or an operation reaches every cache, is a promise"
)]

use core::ptr::NonNull;

use dma_api::{DmaSync, Error, Geometry, LineRange};

use crate::{
    geometry::{self, Clean, CleanAndInvalidate, Features},
    insn,
};

/// Caches that every device snoops, and memory that is cached (write-back): nothing is executed at all.
///
/// All methods are compiler barriers only. Maintenance is not needed where devices snoop; the barriers are not since
/// the processor keeps the order by itself: stores are seen in program order, are not reordered with earlier loads,
/// and loads are not reordered with other loads (SDM volume 3, "Memory Ordering in P6 and More Recent Processor
/// Families"; AMD APM volume 2, 7.2), uncached accesses to a device's registers included.
///
/// That is so for write-back memory. Non-temporal stores and write-combining memory are ordered weakly: where they
/// are used for memory that is handed over, take [`SnoopedWithWriteCombining`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snooped(());

impl Snooped {
    /// Caches that every device snoops.
    ///
    /// # Safety
    /// For as long as the value or a copy of it exists every device that memory is handed to snoops, in every transfer
    /// (a PCIe function does unless it sets the No Snoop attribute: PCIe Base Specification 2.2.6.5), and that memory
    /// is accessed write-back and without non-temporal instructions.
    #[must_use]
    pub const unsafe fn new() -> Self {
        Self(())
    }
}

// SAFETY: devices see what the caches hold, by `new`'s contract; each method that is given memory is a compiler
// barrier for it.
unsafe impl DmaSync for Snooped {
    fn geometry(&self) -> Geometry {
        Geometry::BYTE
    }
    #[inline]
    fn clean(&self, range: LineRange<'_>) {
        insn::compiler_barrier(range.start().as_ptr());
    }
    #[inline]
    unsafe fn invalidate(&self, range: LineRange<'_>) {
        insn::compiler_barrier(range.start().as_ptr());
    }
    #[inline]
    fn clean_and_invalidate(&self, range: LineRange<'_>) {
        insn::compiler_barrier(range.start().as_ptr());
    }
    /// Nothing was issued.
    #[inline]
    fn complete(&self) {}
    #[inline]
    fn before_doorbell(&self, memory: NonNull<u8>) {
        insn::compiler_barrier(memory.as_ptr());
    }
    #[inline]
    fn after_completion(&self, memory: NonNull<u8>) {
        insn::compiler_barrier(memory.as_ptr());
    }
}

/// Caches that every device snoops, beside write-combining memory or non-temporal stores, which need fences: MFENCE
/// before the doorbell, LFENCE after the completion.
///
/// SFENCE would do for the stores; loads from write-combining memory are speculative too, and one that is still under
/// way when the doorbell is rung is held back by MFENCE alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnoopedWithWriteCombining(Snooped);

impl SnoopedWithWriteCombining {
    /// Caches that every device snoops, beside weakly ordered accesses.
    ///
    /// # Safety
    /// As [`Snooped::new`], save that memory may be accessed write-combining and with non-temporal instructions.
    #[must_use]
    pub const unsafe fn new() -> Self {
        Self(Snooped(()))
    }
}

// SAFETY: as `Snooped`; the fences order accesses of every memory type.
unsafe impl DmaSync for SnoopedWithWriteCombining {
    fn geometry(&self) -> Geometry {
        self.0.geometry()
    }
    #[inline]
    fn clean(&self, range: LineRange<'_>) {
        self.0.clean(range);
    }
    #[inline]
    unsafe fn invalidate(&self, range: LineRange<'_>) {
        // SAFETY: passed on to the caller.
        unsafe { self.0.invalidate(range) };
    }
    #[inline]
    fn clean_and_invalidate(&self, range: LineRange<'_>) {
        self.0.clean_and_invalidate(range);
    }
    #[inline]
    fn complete(&self) {
        self.0.complete();
    }
    #[inline]
    fn before_doorbell(&self, memory: NonNull<u8>) {
        before_doorbell(memory);
    }
    #[inline]
    fn after_completion(&self, memory: NonNull<u8>) {
        after_completion(memory);
    }
}

/// Caches that some device does not snoop: a PCIe function that sets No Snoop, a GPU behind its own page tables.
///
/// # What orders what
/// CLFLUSHOPT and CLWB are ordered with fences and with older stores to their line, and with nothing else (SDM volume
/// 2); on older processors so is CLFLUSH. Intel's recipe is MFENCE, the loop, MFENCE (so too Linux,
/// `clflush_cache_range`).
/// * The first MFENCE stands in front of *each range*: the range is then right whatever came before it, be it a
///   completion that was read or maintenance by another level, and it costs little beside the loop.
/// * The second is [`complete`](DmaSync::complete), once for all ranges. MFENCE, not SFENCE: loads of what the device
///   wrote must not be executed before the lines are gone.
/// * [`before_doorbell`](DmaSync::before_doorbell) is MFENCE and [`after_completion`](DmaSync::after_completion) LFENCE
///   for memory that was mapped write-combining to be coherent; cached and uncached accesses are in order by themselves.
///
/// # What may happen besides
/// There is no instruction that only discards: *invalidate* cleans and invalidates, and so does *clean* where there is
/// no CLWB. Lines are filled speculatively, again right behind the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlushedCaches(Features);

impl FlushedCaches {
    /// The caches of a machine all of whose processors are like the one that executes this. CPUID may be executed at
    /// any privilege level, though a hypervisor may answer.
    ///
    /// # Errors
    /// As [`geometry::decode`].
    ///
    /// # Safety
    /// As [`with_features`](Self::with_features) with what this processor says.
    #[inline]
    pub unsafe fn probe() -> Result<Self, Error> {
        let features = geometry::decode(insn::cpuid(0), insn::cpuid(1), insn::cpuid(7))?;
        // SAFETY: passed on to the caller.
        Ok(unsafe { Self::with_features(features) })
    }

    /// The caches of a machine of which more is known than CPUID says.
    ///
    /// # Safety
    /// For as long as the value or a copy of it exists, every processor has the instructions and the line of
    /// `features`, and no cache outside the processors' coherence domain needs maintenance for devices to see memory
    /// as the processors do.
    #[must_use]
    pub const unsafe fn with_features(features: Features) -> Self {
        Self(features)
    }

    /// The instructions it uses.
    #[must_use]
    pub const fn features(&self) -> &Features {
        &self.0
    }
}

// SAFETY: `with_features`' contract covers line and reach, which is the whole coherence domain (SDM volume 2,
// "CLFLUSH"); each loop visits the range's lines between the fences explained at the type.
unsafe impl DmaSync for FlushedCaches {
    fn geometry(&self) -> Geometry {
        self.0.geometry
    }

    #[inline]
    fn invalidate_may_write_back(&self) -> bool {
        true
    }

    #[inline]
    fn clean(&self, range: LineRange<'_>) {
        match self.0.clean {
            Clean::Clwb => each_line(self.0.geometry, range, insn::clwb),
            Clean::AndInvalidate => self.clean_and_invalidate(range),
        }
    }

    #[inline]
    unsafe fn invalidate(&self, range: LineRange<'_>) {
        self.clean_and_invalidate(range);
    }

    #[inline]
    fn clean_and_invalidate(&self, range: LineRange<'_>) {
        match self.0.clean_and_invalidate {
            CleanAndInvalidate::Clflushopt => each_line(self.0.geometry, range, insn::clflushopt),
            CleanAndInvalidate::Clflush => each_line(self.0.geometry, range, insn::clflush),
        }
    }

    #[inline]
    fn complete(&self) {
        insn::mfence();
    }

    #[inline]
    fn before_doorbell(&self, memory: NonNull<u8>) {
        before_doorbell(memory);
    }

    #[inline]
    fn after_completion(&self, memory: NonNull<u8>) {
        after_completion(memory);
    }
}

#[inline(always)]
fn each_line(geometry: Geometry, range: LineRange<'_>, instruction: impl Fn(*mut u8)) {
    insn::mfence();
    range.pointers(geometry).for_each(instruction);
}

#[inline(always)]
fn before_doorbell(memory: NonNull<u8>) {
    insn::compiler_barrier(memory.as_ptr());
    insn::mfence();
}

#[inline(always)]
fn after_completion(memory: NonNull<u8>) {
    insn::lfence();
    insn::compiler_barrier(memory.as_ptr());
}
