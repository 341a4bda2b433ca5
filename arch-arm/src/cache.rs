//! The caches of arm processors: a loop around one instruction for each operation, and one barrier behind it.
#![expect(
    unsafe_code,
    reason = "that an operation reaches every cache is a promise"
)]

use core::marker::PhantomData;
use core::ptr::NonNull;

use dma_api::{DmaSync, Error, Geometry, LineRange};

use crate::geometry;
use crate::insn::{Aarch64, Armv7, CortexA9, Instructions};

/// The caches of an AArch64 machine as far as its point of coherency, maintained by virtual address.
///
/// # What orders what
/// The rules for maintenance by address are in DDI 0487 D7.5.9, "Ordering and completion of data and instruction
/// cache instructions".
/// * Stores to a line are ordered before its clean, and its invalidate before later loads from it, by program order;
///   nothing is needed in front of the loop. This holds for *cached* accesses to the *same* line, and for no others.
/// * [`complete`](DmaSync::complete) is DSB SY. Maintenance "is only guaranteed to be complete, and its effects visible
///   to other observers" after a DSB. It is SY since a device that does not snoop is in no shareability domain.
/// * [`before_doorbell`](DmaSync::before_doorbell) is DMB OSH. What was cached and maintained is complete by then. What
///   is left are accesses to Non-cacheable memory and, for devices that snoop, to shareable memory; the doorbell is an
///   access to Device memory. Non-cacheable and Device memory are always outer shareable (B2, "Memory types and
///   attributes"). DMB OSHST, with which Linux rings doorbells, would let *loads* pass the doorbell: those from a buffer
///   that is handed over again.
/// * [`after_completion`](DmaSync::after_completion) is DMB OSH. The completion is read from another line, or from
///   Device or Non-cacheable memory, and maintenance "can execute in any order relative to" such loads "unless a DMB or
///   DSB is executed between", which "means a DMB or DSB whose required access type is both loads and stores". DMB
///   OSHLD, which would do for the loads that follow, does not order a DC IVAC.
///
/// An interrupt alone proves nothing: the handler must read the device, or memory the device has written.
///
/// # What may happen besides
/// Lines are filled speculatively. DC IVAC may clean as well as invalidate: under a hypervisor (`HCR_EL2.VM` or
/// `HCR_EL2.DC`), and on a Cortex-A53 always. Both are what [`DmaSync`] says of an implementation that says nothing.
///
/// Built for another instruction set the type is there and maintains nothing: it is no [`DmaSync`].
pub type Aarch64Caches = Caches<Aarch64>;

/// The caches of an Armv7-A machine as far as its point of coherency, maintained by virtual address, at PL1.
///
/// # What orders what
/// The rules for maintenance by address are in DDI 0406 B2.2, "Ordering of cache and branch predictor maintenance
/// operations".
/// * Maintenance of an address and explicit accesses to it are in program order: nothing is needed in front of the loop.
///   The Cortex-A9 has an erratum there, for which see [`CortexA9Caches`].
/// * [`complete`](DmaSync::complete) is DSB SY: it waits for the maintenance, and for the whole system, since a device
///   that does not snoop is in no shareability domain.
/// * [`before_doorbell`](DmaSync::before_doorbell) and [`after_completion`](DmaSync::after_completion) are DMB SY, which
///   orders maintenance as well as loads and stores. It is SY where AArch64 has OSH: what is outer shareable depends on
///   the translation tables here. Without the Large Physical Address Extension Non-cacheable and Device memory can be
///   inner or non-shareable too.
///
/// An interrupt alone proves nothing: the handler must read the device, or memory the device has written.
///
/// # What may happen besides
/// Lines are filled speculatively, and DCIMVAC may clean as well as invalidate: under a hypervisor with `HCR.VM` it does.
/// Both are what [`DmaSync`] says of an implementation that says nothing.
///
/// Built for another instruction set the type is there and maintains nothing: it is no [`DmaSync`].
pub type Armv7Caches = Caches<Armv7>;

/// The caches of a Cortex-A9 with several cores, which has erratum 764369: maintenance by address, even of memory that
/// is shareable, may not reach the point of coherency while another core accesses the line.
///
/// Each loop has a DSB in front of it; apart from that it is [`Armv7Caches`]. The other half of the workaround, bit 0 of
/// the SCU's diagnostic control register, is the operating system's (Linux: `ERRATA_ARM_764369`).
pub type CortexA9Caches = Caches<CortexA9>;

/// The caches of an arm machine, maintained with the instructions `I`: [`Aarch64Caches`], [`Armv7Caches`] or
/// [`CortexA9Caches`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caches<I> {
    geometry: Geometry,
    instructions: PhantomData<I>,
}

impl<I: Instructions> Caches<I> {
    /// What the core that executes this says of its caches.
    ///
    /// On AArch64 the read may trap at EL0 (`SCTLR_EL1.UCT`); on Armv7-A it is undefined at PL0.
    ///
    /// # Errors
    /// As [`geometry::decode`].
    #[inline]
    pub fn geometry_of_this_core() -> Result<Geometry, Error> {
        geometry::decode(I::cache_type())
    }

    /// The caches of a machine whose cores all say the same of them.
    ///
    /// # Errors
    /// As [`geometry::decode`].
    ///
    /// # Safety
    /// As [`with_geometry`](Self::with_geometry) with the geometry of this core.
    pub unsafe fn probe() -> Result<Self, Error> {
        let geometry = Self::geometry_of_this_core()?;
        // SAFETY: passed on to the caller.
        Ok(unsafe { Self::with_geometry(geometry) })
    }

    /// The caches of a machine whose cores differ (big.LITTLE), or do not tell: `geometry` holds for all together.
    ///
    /// ```
    /// use arch_arm::Aarch64Caches;
    /// # use dma_api::{Error, Geometry};
    /// # fn example(told_by_little: Geometry) -> Result<(), Error> {
    /// // Each core asks for itself.
    /// let geometry = Aarch64Caches::geometry_of_this_core()?.join(told_by_little);
    /// // SAFETY: two kinds of core, one inner shareable domain, and no cache behind the point of coherency.
    /// let caches = unsafe { Aarch64Caches::with_geometry(geometry) };
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Safety
    /// For as long as the value or a copy of it exists:
    /// * no core has a smaller line or a larger granule;
    /// * no cache behind the point of coherency needs maintenance for devices to see memory as the CPU does;
    /// * memory that is handed over is mapped Normal Write-Back, with the same attributes in all mappings, and if more
    ///   than one core accesses it shareable by all of them: an operation reaches the cores of its mapping's
    ///   shareability domain (DDI 0487 D7.5.9, "Effects of instructions that operate by VA to the PoC"; DDI 0406 B2.2,
    ///   "Multiprocessor effects on cache maintenance operations", by which an Armv7-A core without the Multiprocessing
    ///   Extensions reaches itself alone);
    /// * on Armv7-A, all that the processor's errata ask for is done.
    #[must_use]
    pub const unsafe fn with_geometry(geometry: Geometry) -> Self {
        Self {
            geometry,
            instructions: PhantomData,
        }
    }
}

// SAFETY: `with_geometry`'s contract covers the geometry and the reach; each loop visits the range's lines, and the
// barriers are those explained at the types.
unsafe impl<I: Instructions> DmaSync for Caches<I> {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    #[inline]
    fn clean(&self, range: LineRange<'_>) {
        I::before_loop();
        range.pointers(self.geometry).for_each(I::clean);
    }

    #[inline]
    unsafe fn invalidate(&self, range: LineRange<'_>) {
        I::before_loop();
        for line in range.pointers(self.geometry) {
            // SAFETY: the caller owns the range's granules and does without what was not written back.
            unsafe { I::invalidate(line) };
        }
    }

    #[inline]
    fn clean_and_invalidate(&self, range: LineRange<'_>) {
        I::before_loop();
        range
            .pointers(self.geometry)
            .for_each(I::clean_and_invalidate);
    }

    #[inline]
    fn complete(&self) {
        I::complete();
    }

    #[inline]
    fn before_doorbell(&self, memory: NonNull<u8>) {
        I::order(memory.as_ptr());
    }

    #[inline]
    fn after_completion(&self, memory: NonNull<u8>) {
        I::order(memory.as_ptr());
    }
}
