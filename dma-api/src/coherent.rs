//! Memory that the CPU and a device use at once: private until it is published, and volatile from then on.
#![expect(
    unsafe_code,
    reason = "bytes are reached through the pointer that the device's address came with"
)]

use core::{fmt, panic::Location, ptr::NonNull};

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::{
    addr::{DmaAddr, DmaRange},
    device::{Device, Snooping},
    error::Error,
    ledger::{DeviceId, Holding, Origin},
    machine::{self, Machine},
    memory::DmaAllocator,
    observe::{Event, Notice},
    source::CoherentSource,
    sync::DmaSync,
};

impl<M: Machine + Clone> Device<M> {
    /// New memory of `len` bytes that is coherent for this device, all zero: cached memory if the device snoops,
    /// otherwise from the machine's [`coherent_source`](Machine::coherent_source). The CPU has it for itself.
    ///
    /// # Errors
    /// [`Error::NoCoherentMemory`] if the device does not snoop and the machine declares no source; otherwise as
    /// [`allocate`](Self::allocate).
    #[track_caller]
    pub fn allocate_coherent(&self, len: usize) -> Result<PrivateCoherent<M>, Error> {
        let machine = self.machine();
        let origin = match self.snooping() {
            Snooping::Snoops => Origin::Memory,
            Snooping::DoesNotSnoop => Origin::CoherentSource,
        };
        let allocate = |request: &_| match origin {
            Origin::Memory => machine.memory().allocate(request),
            Origin::CoherentSource => {
                machine
                    .coherent_source()
                    .allocate(machine.memory(), machine.sync(), request)
            }
        };
        let give_back = |block| machine::release(machine, Holding::Whole(block, origin));
        let (block, _, dma) = self.find_memory(len, allocate, give_back)?;
        let area = Area {
            machine: machine.clone(),
            device: self.id(),
            memory: NonNull::slice_from_raw_parts(block.memory().cast(), len),
            dma,
            sharing: Sharing::Private,
            holding: Holding::Whole(block, origin),
        };
        area.tell(Event::Allocated, Some(Location::caller()));
        Ok(PrivateCoherent(area))
    }
}

struct Area<M: Machine> {
    machine: M,
    device: DeviceId,
    /// Invariant: not empty; valid for reads and writes, initialised, coherent for the device, and used through
    /// this pointer alone until `holding` is released.
    memory: NonNull<[u8]>,
    /// Invariant: as long as `memory`, which the device sees there.
    dma: DmaRange,
    sharing: Sharing,
    holding: Holding,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Private,
    Published,
}

impl<M: Machine> Area<M> {
    /// Tells the machine, if it wants to know.
    fn tell(&self, event: Event, caller: Option<&'static Location<'static>>) {
        // Coherent memory is always a block of its own.
        if M::OBSERVED
            && let Holding::Whole(block, _) = &self.holding
        {
            self.machine.observe(&Notice {
                event,
                device: self.device,
                maintained: false,
                memory: self.memory,
                owned: block.phys(),
                dma: self.dma,
                direction: None,
                caller,
            });
        }
    }
}

/// Memory whose address has been told may be in use: it is never freed here.
impl<M: Machine> Drop for Area<M> {
    fn drop(&mut self) {
        self.tell(
            match self.sharing {
                Sharing::Private => Event::Released,
                Sharing::Published => Event::Quarantined,
            },
            None,
        );
        let holding = core::mem::replace(&mut self.holding, Holding::Nothing);
        match self.sharing {
            Sharing::Private => machine::release(&self.machine, holding),
            Sharing::Published => {
                self.machine
                    .ledger()
                    .quarantine(self.device, self.dma, holding);
            }
        }
    }
}

/// Coherent memory that no device knows of yet: plain bytes, and no address.
///
/// Dropping it frees it.
#[must_use = "dropping it frees the memory"]
pub struct PrivateCoherent<M: Machine>(Area<M>);

impl<M: Machine> PrivateCoherent<M> {
    /// The bytes, to prepare them.
    #[must_use]
    pub const fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: no device has been told of the memory, and the invariant of `memory`.
        unsafe { self.0.memory.as_mut() }
    }

    /// Shares the memory: from here on there is an address, and volatile access only.
    #[track_caller]
    pub fn publish(self) -> Coherent<M> {
        let Self(mut area) = self;
        area.sharing = Sharing::Published;
        let coherent = Coherent(area);
        coherent.before_doorbell();
        coherent.0.tell(Event::Published, Some(Location::caller()));
        coherent
    }
}

/// Coherent memory that a device may be using now.
///
/// Every access is volatile. An access to one word of at most the CPU's register width at a multiple of its size is
/// one access on the bus; larger ones are made of several, in no particular order. Order between accesses is made with
/// [`before_doorbell`](Self::before_doorbell) and [`after_completion`](Self::after_completion). What is read was
/// written by a device: check the copy, and do not read it again.
///
/// Dropping it does not free it, since the device may still be using it: it goes to the machine's quarantine, unless
/// it was taken back with [`unpublish`](Self::unpublish).
#[must_use = "dropping it puts the memory into quarantine, since the device may still be using it"]
pub struct Coherent<M: Machine>(Area<M>);

impl<M: Machine> Coherent<M> {
    /// Where the device finds the first byte.
    #[must_use]
    pub const fn dma_addr(&self) -> DmaAddr {
        self.0.dma.start()
    }

    /// The addresses at which the device finds the memory.
    #[must_use]
    pub const fn segment(&self) -> DmaRange {
        self.0.dma
    }

    /// Length in bytes, at least 1.
    #[must_use]
    pub const fn len_bytes(&self) -> usize {
        self.0.memory.len()
    }

    /// A pointer to the first byte, for volatile access by code that brings its own layout (a virtqueue). It is valid
    /// until the memory is freed; no reference to the bytes may be made from it while the device uses them.
    #[must_use]
    pub const fn as_ptr(&self) -> NonNull<u8> {
        self.0.memory.cast()
    }

    /// Reads the value at `offset`, in bytes from the start. It has the CPU's byte order.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`]; [`Error::Misaligned`] if the place is no multiple of the type's alignment.
    pub fn read<T: FromBytes>(&self, offset: usize) -> Result<T, Error> {
        let place = self.place::<T>(offset)?;
        // SAFETY: `place` is aligned and inside the memory, and every bit pattern is a `T` (S5).
        Ok(unsafe { place.read_volatile() })
    }

    /// Writes a value at `offset`, in bytes from the start, in the CPU's byte order.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn write<T: IntoBytes + Immutable + Copy>(
        &mut self,
        offset: usize,
        value: &T,
    ) -> Result<(), Error> {
        let place = self.place::<T>(offset)?;
        // SAFETY: `place` is aligned and inside the memory, and `T` has no padding to leak (S5).
        unsafe { place.write_volatile(*value) };
        Ok(())
    }

    /// Orders earlier accesses before later stores: call it between filling a descriptor and handing it over, and
    /// before the doorbell.
    pub fn before_doorbell(&self) {
        self.0.machine.sync().before_doorbell(self.as_ptr());
    }

    /// Orders the read that showed the device to be done before later accesses: call it between reading a
    /// descriptor's state and reading the rest.
    pub fn after_completion(&self) {
        self.0.machine.sync().after_completion(self.as_ptr());
    }

    /// Takes the memory back from the device, to be freed or prepared anew.
    ///
    /// # Safety
    /// The device has been told to forget the address and has finished: it will access this memory no more.
    #[track_caller]
    pub unsafe fn unpublish(self) -> PrivateCoherent<M> {
        self.after_completion();
        let Self(mut area) = self;
        area.sharing = Sharing::Private;
        area.tell(Event::Unpublished, Some(Location::caller()));
        PrivateCoherent(area)
    }

    fn place<T>(&self, offset: usize) -> Result<NonNull<T>, Error> {
        let (len, buffer_len) = (size_of::<T>(), self.len_bytes());
        if offset.checked_add(len).is_none_or(|end| end > buffer_len) {
            return Err(Error::OutOfBounds {
                offset,
                len,
                buffer_len,
            });
        }
        // SAFETY: `offset` was just checked to lie inside the memory, or at its end for a type of no size.
        let place = unsafe { self.as_ptr().add(offset) }.cast::<T>();
        if !place.is_aligned() {
            let alignment = align_of::<T>() as u64;
            return Err(Error::Misaligned {
                addr: place.addr().get() as u64,
                alignment,
            });
        }
        Ok(place)
    }
}

// SAFETY: a handle is the CPU's only user of its memory, which every thread can access.
unsafe impl<M: Machine + Send> Send for Area<M> {}
// SAFETY: shared handles only read, and volatile where a device may write.
unsafe impl<M: Machine + Sync> Sync for Area<M> {}

impl<M: Machine> fmt::Debug for PrivateCoherent<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateCoherent({} bytes)", self.0.memory.len())
    }
}

impl<M: Machine> fmt::Debug for Coherent<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Coherent({:?})", self.0.dma)
    }
}
