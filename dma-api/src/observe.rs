//! What a machine is told about its buffers and devices, if it wants to know.

use core::{panic::Location, ptr::NonNull};

use crate::{
    addr::{DmaRange, PhysRange},
    direction::DataDirection,
    ledger::DeviceId,
};

/// What a buffer, a ring, or coherent memory goes through.
///
/// The life of a buffer is `Allocated`, `AllocatedDirty` or `Borrowed`, then any number of transfers (`ForDevice`, `HandedOver`, `ForCpu`,
/// `HandedBack`), then `Released` or, if the device owned it, `Quarantined`. Coherent memory has `Published` and
/// `Unpublished` in the place of transfers. A ring is handed over once and `Opened`; then its entries are used one by one
/// (`Putting`, `Put`; `Looking`, `Looked`, `Fetched`) until it is taken back whole (`ForCpu`, `HandedBack`). Notices about
/// an entry describe the whole ring; the event says which bytes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// It was made, of memory from one of the machine's allocators, which is all zero. The CPU owns it.
    Allocated,
    /// As `Allocated`, but the memory holds what earlier owners left in it, which counts as if nothing had been written there.
    AllocatedDirty,
    /// Memory that belongs to somebody else is about to be lent in place; until it is released nobody else uses it.
    Borrowed,
    /// It is about to be handed over: no maintenance has been issued yet.
    ForDevice,
    /// It was handed over: maintenance is complete and the doorbell barrier issued. The device owns it.
    HandedOver,
    /// It is about to be taken back: neither barrier nor maintenance has been issued yet.
    ForCpu,
    /// It was taken back: the completion barrier was issued and maintenance is complete. The CPU owns it.
    HandedBack {
        /// Bytes at its front that the device is said to have written: all if the driver did not count, none if the
        /// device only reads. More than there are is a claim that the library refuses with
        /// [`Error::OverlongTransfer`](crate::Error::OverlongTransfer).
        written: usize,
    },
    /// It is about to be divided: the notice is about the whole, in whose place there are two parts from now on.
    Split {
        /// Length of the first part, in bytes.
        at: usize,
    },
    /// It was dropped by the CPU's owner and is about to go back to whom it came from; a part goes back with the last.
    Released,
    /// It was dropped while the device owned it, or while it was published.
    Quarantined,
    /// Coherent memory was published: the barrier was issued, and both sides may use it.
    Published,
    /// Coherent memory was taken back: the barrier was issued, and the CPU has it for itself.
    Unpublished,
    /// A buffer that was handed over is a ring from now on: the device uses it at any time, and the CPU uses its entries.
    /// The device may read the entries of a ring that it does not write; a ring that both write is the CPU's, entry by entry.
    Opened,
    /// The CPU is about to store to an entry of a ring.
    Putting {
        /// First byte of the entry, counted from the start of the ring.
        at: usize,
        /// Its length, in bytes.
        len: usize,
    },
    /// An entry of a ring was stored to: maintenance is complete and the doorbell barrier issued. The device has it.
    Put {
        /// As in [`Putting`](Self::Putting).
        at: usize,
        /// As in [`Putting`](Self::Putting).
        len: usize,
    },
    /// The CPU is about to look at an entry of a ring: neither barrier nor maintenance has been issued yet.
    Looking {
        /// As in [`Putting`](Self::Putting).
        at: usize,
        /// As in [`Putting`](Self::Putting).
        len: usize,
    },
    /// The completion barrier was issued and maintenance is complete: the CPU copies an entry that the device may be writing
    /// at this moment, to see whether it is done.
    Looked {
        /// As in [`Putting`](Self::Putting).
        at: usize,
        /// As in [`Putting`](Self::Putting).
        len: usize,
    },
    /// The CPU knows that the device is done with an entry; since then the completion barrier was issued and maintenance is
    /// complete. The CPU copies it; an entry that both write is the CPU's.
    Fetched {
        /// As in [`Putting`](Self::Putting).
        at: usize,
        /// As in [`Putting`](Self::Putting).
        len: usize,
    },
}

/// One event in the life of a buffer or of coherent memory, and what it is about.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Notice {
    /// What happens.
    pub event: Event,
    /// The device that the memory is for.
    pub device: DeviceId,
    /// Whether cache lines are maintained: the device does not snoop, and the memory is cached.
    pub maintained: bool,
    /// Where the CPU sees the bytes that were asked for; in slots of a pool, those that precede them in their granule too.
    pub memory: NonNull<[u8]>,
    /// Physical addresses that belong to the buffer, from the first byte of `memory` on: to the last one or to the end of
    /// its granule. For coherent memory those of the whole block.
    pub owned: PhysRange,
    /// Where the device sees the bytes of `memory`.
    pub dma: DmaRange,
    /// Which way data goes; `None` for coherent memory.
    pub direction: Option<DataDirection>,
    /// Where the library was called; `None` when a handle is dropped, which has no caller.
    pub caller: Option<&'static Location<'static>>,
}

/// What happens to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceEvent {
    /// The machine's ledger has given it its number.
    Made,
    /// Its driver states that it is quiet.
    Quiet,
    /// The proof that it is quiet releases one buffer or coherent memory from quarantine, which is about to go back to
    /// whom it came from.
    Unquarantined {
        /// Where the device saw it; of a loan that bounced, all slots of a pool that it had.
        dma: DmaRange,
    },
}

/// One event in the life of a device.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct DeviceNotice {
    /// What happens.
    pub event: DeviceEvent,
    /// To which device.
    pub device: DeviceId,
    /// Where the library was called.
    pub caller: &'static Location<'static>,
}
