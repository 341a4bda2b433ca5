//! The caches of AArch64 processors: a loop around one instruction each, and one barrier behind it.
#![expect(
    unsafe_code,
    reason = "that an operation reaches every cache is a promise"
)]

use core::ptr::NonNull;

use dma_api::{DmaSync, Error, Geometry, LineRange};

use crate::{geometry, insn};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aarch64Caches {
    geometry: Geometry,
}

impl Aarch64Caches {
    /// What the core that executes this says of its caches. At EL0 the read may trap (`SCTLR_EL1.UCT`).
    ///
    /// # Errors
    /// As [`geometry::decode`].
    #[inline]
    pub fn geometry_of_this_core() -> Result<Geometry, Error> {
        geometry::decode(insn::ctr_el0())
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
    ///   shareability domain (D7.5.9, "Effects of instructions that operate by VA to the PoC").
    #[must_use]
    pub const unsafe fn with_geometry(geometry: Geometry) -> Self {
        Self { geometry }
    }
}

// SAFETY: `with_geometry`'s contract covers the geometry and the reach; each loop visits the range's lines, and the
// barriers are those explained at the type.
unsafe impl DmaSync for Aarch64Caches {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    #[inline]
    fn clean(&self, range: LineRange<'_>) {
        range.pointers(self.geometry).for_each(insn::dc_cvac);
    }

    #[inline]
    unsafe fn invalidate(&self, range: LineRange<'_>) {
        for line in range.pointers(self.geometry) {
            // SAFETY: the caller owns the range's granules and does without what was not written back.
            unsafe { insn::dc_ivac(line) };
        }
    }

    #[inline]
    fn clean_and_invalidate(&self, range: LineRange<'_>) {
        range.pointers(self.geometry).for_each(insn::dc_civac);
    }

    #[inline]
    fn complete(&self) {
        insn::dsb_sy();
    }

    #[inline]
    fn before_doorbell(&self, memory: NonNull<u8>) {
        insn::dmb_osh(memory.as_ptr());
    }

    #[inline]
    fn after_completion(&self, memory: NonNull<u8>) {
        insn::dmb_osh(memory.as_ptr());
    }
}
