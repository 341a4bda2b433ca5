//! A machine on which a driver's devices have memory of their own.
#![expect(unsafe_code, reason = "the bundle's promises are passed on")]

use super::Machine;
use crate::{
    costs::Costs,
    ledger::Ledger,
    map::{BusMap, DirectMap},
    memory::DmaAllocator,
    observe::{DeviceNotice, Notice},
};

/// A machine with another allocator of cached memory, for the devices that are made on it: a pool of a driver's own.
///
/// Everything else is the inner machine's, its ledger too. Whatever such a device takes, buffers, coherent memory that
/// snoops or comes from an alias, goes back to this allocator, quarantined memory too: the ledger knows it by the device's
/// number, and no other device has that number.
///
/// A bus master that needs memory of both kinds is two [`Device`](crate::Device)s, and each has to be proved quiet. There
/// is no way to give one device a second allocator, since its proof would then not say whose the memory is.
///
/// ```
/// use dma_api::{Alignment, Device, Error, Limits, Machine, ObjectLayout, ObjectPool, BitmapPool, Snooping, WithMemory, known};
///
/// /// The board's memory, and a driver's descriptors, 64 bytes each.
/// static MEMORY: BitmapPool<32> = BitmapPool::new();
/// static COMMANDS: ObjectPool<&BitmapPool<32>, 16> =
///     ObjectPool::new(&MEMORY, known(ObjectLayout::new(64, known(Alignment::new(64)))));
///
/// fn probe<M: Machine>(board: &'static M) -> Result<(), Error> {
///     // SAFETY: `MEMORY` is the board's own, and 64 bytes is the largest granule that this board can have.
///     let machine = unsafe { WithMemory::new(board, &COMMANDS) };
///     let device = Device::new(machine, Limits::UNLIMITED, Snooping::DoesNotSnoop)?;
///     let command = device.allocate::<dma_api::ToDevice>(48)?;
///     # drop(command);
///     # Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct WithMemory<'a, M, A: ?Sized> {
    machine: M,
    memory: &'a A,
}

impl<'a, M, A: ?Sized> WithMemory<'a, M, A> {
    /// `machine`, whose devices draw from `memory`.
    ///
    /// # Safety
    /// What [`Machine`] promises of its own memory is true of `memory` on this machine, as long as the value or anything
    /// that was made from it exists: its blocks lie in the direct map and in memory whose every cache the machine's
    /// [`sync`](Machine::sync) maintains, and [`DmaAllocator`]'s promise about granules is kept for the machine's granule.
    /// An allocator that takes all it has from the machine's own memory, as [`ObjectPool`](crate::ObjectPool) and
    /// [`Reserve`](crate::Reserve) do, keeps to that.
    pub const unsafe fn new(machine: M, memory: &'a A) -> Self {
        Self { machine, memory }
    }

    /// The machine inside.
    pub const fn inside(&self) -> &M {
        &self.machine
    }
}

impl<M: Clone, A: ?Sized> Clone for WithMemory<'_, M, A> {
    fn clone(&self) -> Self {
        Self {
            machine: self.machine.clone(),
            memory: self.memory,
        }
    }
}

// SAFETY: the parts are the inner machine's but for the memory, which is always the same and fits by `new`'s contract.
unsafe impl<M: Machine, A: DmaAllocator> Machine for WithMemory<'_, M, A> {
    type Sync = M::Sync;
    type Memory = A;
    type Coherent = M::Coherent;

    const EVERYTHING_SNOOPS: bool = M::EVERYTHING_SNOOPS;
    const OBSERVED: bool = M::OBSERVED;

    fn sync(&self) -> &Self::Sync {
        self.machine.sync()
    }
    fn memory(&self) -> &A {
        self.memory
    }
    fn coherent_source(&self) -> &Self::Coherent {
        self.machine.coherent_source()
    }
    fn direct_map(&self) -> DirectMap<'_> {
        self.machine.direct_map()
    }
    fn bus(&self) -> BusMap<'_> {
        self.machine.bus()
    }
    fn ledger(&self) -> &Ledger {
        self.machine.ledger()
    }
    fn costs(&self) -> Option<Costs> {
        self.machine.costs()
    }
    fn observe(&self, notice: &Notice) {
        self.machine.observe(notice);
    }
    fn observe_device(&self, notice: &DeviceNotice) {
        self.machine.observe_device(notice);
    }
}
