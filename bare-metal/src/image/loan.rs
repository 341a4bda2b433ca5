//! Memory lent where it is, or as a copy of it where that cannot be; and what the copies came to.
#![expect(unsafe_code, reason = "lends memory that a caller answers for")]

use core::{
    fmt,
    ptr::NonNull,
    sync::atomic::{AtomicUsize, Ordering},
};

use dma_api::{Device, DeviceOwned, Direction, DmaRange, Error};

use super::board::Board;

type Machine = &'static Board;

static COPIED_IN: AtomicUsize = AtomicUsize::new(0);
static COPIED_OUT: AtomicUsize = AtomicUsize::new(0);
static IN_USE: AtomicUsize = AtomicUsize::new(0);
static MOST_IN_USE: AtomicUsize = AtomicUsize::new(0);

/// What copies came to since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Copies {
    /// Bytes copied before devices had them, and after.
    pub(crate) copied_in: usize,
    pub(crate) copied_out: usize,
    /// Bytes of copies now, and the most there were at any time.
    pub(crate) in_use: usize,
    pub(crate) most_in_use: usize,
}

impl Copies {
    /// Those so far.
    pub(crate) fn so_far() -> Self {
        Self {
            copied_in: COPIED_IN.load(Ordering::Relaxed),
            copied_out: COPIED_OUT.load(Ordering::Relaxed),
            in_use: IN_USE.load(Ordering::Relaxed),
            most_in_use: MOST_IN_USE.load(Ordering::Relaxed),
        }
    }
}

impl fmt::Display for Copies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            copied_in,
            copied_out,
            in_use,
            most_in_use,
        } = self;
        write!(
            f,
            "copied_in={copied_in} copied_out={copied_out} in_use={in_use} most_in_use={most_in_use}"
        )
    }
}

/// Memory that a device has, or a copy of it.
pub(crate) struct Loan<D: Direction> {
    handle: DeviceOwned<Machine, D>,
    /// What was copied.
    original: Option<NonNull<[u8]>>,
}

// SAFETY: the original is a place in memory that its owner answers for, not bound to a thread.
unsafe impl<D: Direction> Send for Loan<D> {}

impl<D: Direction> Loan<D> {
    /// Hands memory over where it is.
    ///
    /// # Errors
    ///
    /// As [`Device::lend_in_place`].
    ///
    /// # Safety
    ///
    /// As [`Device::lend_in_place`].
    pub(crate) unsafe fn in_place(
        device: &Device<Machine>,
        memory: NonNull<[u8]>,
    ) -> Result<Self, Error> {
        // SAFETY: passed on to the caller.
        let handle = unsafe { device.lend_in_place(memory) }?;
        Ok(Self {
            handle,
            original: None,
        })
    }

    /// Hands memory over where it is, or a copy of it if it shares granules with other memory or lies where the device does
    /// not reach.
    ///
    /// # Errors
    ///
    /// As [`Device::lend_in_place`] for what no copy would change, and as [`Device::allocate`].
    ///
    /// # Safety
    ///
    /// As [`Device::lend_in_place`].
    pub(crate) unsafe fn new(
        device: &Device<Machine>,
        memory: NonNull<[u8]>,
    ) -> Result<Self, Error> {
        // SAFETY: passed on to the caller.
        match unsafe { Self::in_place(device, memory) } {
            Err(
                Error::SharedLine { .. }
                | Error::NotInDirectMap { .. }
                | Error::NotInWindow { .. }
                | Error::AboveHighest { .. },
            ) => {}
            outcome => return outcome,
        }
        let mut copy = device.allocate::<D>(memory.len())?;
        // The copy starts as the original, in every direction: what the device leaves unwritten must not change.
        // SAFETY: the caller's memory is valid, and nobody writes to it now.
        let contents = unsafe { memory.as_ref() };
        copy.as_mut_slice().copy_from_slice(contents);
        COPIED_IN.fetch_add(contents.len(), Ordering::Relaxed);
        let before = IN_USE.fetch_add(contents.len(), Ordering::Relaxed);
        MOST_IN_USE.fetch_max(before + contents.len(), Ordering::Relaxed);
        Ok(Self {
            handle: copy.sync_for_device(),
            original: Some(memory),
        })
    }

    /// Where the device finds it.
    pub(crate) const fn segment(&self) -> DmaRange {
        self.handle.segment()
    }

    /// Whether the device has a copy.
    pub(crate) const fn is_bounced(&self) -> bool {
        self.original.is_some()
    }

    /// Takes it back, and puts what the device may have written where it was lent from.
    ///
    /// # Safety
    ///
    /// The device has finished, and nobody else uses the memory.
    pub(crate) unsafe fn sync_for_cpu(self) {
        // SAFETY: passed on to the caller.
        let mut copy = unsafe { self.handle.sync_for_cpu() };
        // Of memory that was lent where it is no reference is made: its owner may have one.
        let Some(mut original) = self.original else {
            return;
        };
        IN_USE.fetch_sub(original.len(), Ordering::Relaxed);
        if D::DATA.device_writes() {
            COPIED_OUT.fetch_add(original.len(), Ordering::Relaxed);
            // SAFETY: passed on to the caller.
            unsafe { original.as_mut() }.copy_from_slice(copy.as_mut_slice());
        }
    }
}
