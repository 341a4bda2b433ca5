//! Memory lent to a device and taken back, in the order it happens.
//!
//! S1, S2 and so on are the rules of soundness in the workspace's `ARCHITECTURE.md`.
#![expect(
    unsafe_code,
    reason = "bytes are reached through the pointer that the device's address came with"
)]

use core::{fmt, marker::PhantomData, panic::Location, ptr::NonNull};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{
    addr::{DmaAddr, DmaRange, PhysRange},
    cache::LineRange,
    device::Device,
    direction::{DeviceWrites, Direction},
    error::{Error, Refused},
    handover::{self, Upkeep},
    ledger::{DeviceId, Holding, Origin},
    limits::{Alignment, Request},
    machine::{self, Machine},
    memory::{Block, DmaAllocator},
    observe::{Event, Notice},
};

impl<M: Machine + Clone> Device<M> {
    /// A new buffer of `len` bytes for transfers in direction `D`: cached, contiguous, all zero, and alone in its
    /// cache lines. The CPU owns it. The zeros reach memory with the hand-over, up to the end of the last granule; what
    /// an allocator rounded up beyond that the device is not told of.
    ///
    /// # Errors
    /// * [`Error::ZeroLength`];
    /// * [`Error::SegmentTooLong`] if the device could not take it in one segment;
    /// * [`Error::LengthOverflow`] if it cannot be rounded up to whole granules;
    /// * [`Error::NeverFits`] if the machine's memory can never meet the device's limits, [`Error::Exhausted`] if
    ///   it cannot now; other errors as [`Machine::memory`] gives them.
    #[track_caller]
    pub fn allocate<D: Direction>(&self, len: usize) -> Result<CpuOwned<M, D>, Error> {
        let memory = self.machine().memory();
        self.buffer(len, Event::Allocated, |request| memory.allocate(request))
    }

    /// As [`allocate`](Self::allocate), but where the machine's allocator can tell the difference
    /// ([`DmaAllocator::allocate_dirty`]) the bytes are not zeroed: for buffers that are long, and overwritten from the first
    /// byte to the last each time.
    ///
    /// # Errors
    /// As [`allocate`](Self::allocate).
    ///
    /// # Safety
    /// No byte is read by anybody, CPU or device, before the CPU has overwritten it in this buffer, or the device in a transfer
    /// that was taken back:
    /// * of what is handed over, the device reads only what the CPU has written;
    /// * of what comes back, only that is read of which the device is known to have written it: a device that writes less than it
    ///   says leaves the rest as it was. [`received`](CpuOwned::received) and what reads through it are the whole buffer after
    ///   [`sync_for_cpu`](DeviceOwned::sync_for_cpu);
    /// * the rounding tail, which goes from the last byte up to the end of its granule and of what the allocator rounded up to,
    ///   reaches memory as it is, and no handle overwrites it: the device must not look beyond the segment it is told.
    ///
    /// Otherwise they see what an earlier owner had there, a key for example. It need not be the same at two looks, which
    /// the bytes behind a reference must be: a device that does not snoop may have had the memory last, and been proved quiet, so
    /// that lines older than what it wrote are still cached.
    #[track_caller]
    pub unsafe fn allocate_dirty<D: Direction>(&self, len: usize) -> Result<CpuOwned<M, D>, Error> {
        let memory = self.machine().memory();
        // SAFETY: the caller's promise; what is behind the buffer's bytes nobody but the hand-over touches.
        let dirty = |request: &Request| unsafe { memory.allocate_dirty(request) };
        self.buffer(len, Event::AllocatedDirty, dirty)
    }

    /// A new buffer of memory that `allocate` finds, and what the machine is told of it.
    #[track_caller]
    fn buffer<D: Direction>(
        &self,
        len: usize,
        event: Event,
        allocate: impl Fn(&Request) -> Result<Block, Error>,
    ) -> Result<CpuOwned<M, D>, Error> {
        let give_back =
            |block| machine::release(self.machine(), Holding::Whole(block, Origin::Memory));
        let (block, owned, dma) = self.find_memory(len, allocate, give_back)?;
        let bytes = NonNull::slice_from_raw_parts(block.memory().cast(), len);
        // SAFETY: the block is the buffer's own from here on, `find_memory` found `owned` to be whole granules of it
        // with all of `bytes`, and translated `dma` from `bytes`.
        let buffer = unsafe {
            CpuOwned::new(
                self,
                bytes,
                owned,
                dma,
                Holding::Whole(block, Origin::Memory),
            )
        };
        buffer.tell(event, Location::caller());
        Ok(buffer)
    }
}

/// What both owners' handles share.
struct Mapping<M: Machine, D: Direction> {
    machine: M,
    device: DeviceId,
    upkeep: Upkeep,
    /// Parts of the buffer start at multiples of it.
    unit: Alignment,
    owner: Owner,
    /// Invariant: not empty; valid for reads and writes, initialised and used through this pointer alone until
    /// `holding` is released.
    memory: NonNull<[u8]>,
    /// Invariant: physical addresses from the first byte of `memory` to its last, or to the end of that one's granule;
    /// all of it is mapped behind `memory` and belongs to the buffer if the device may write.
    owned: PhysRange,
    /// Invariant: as long as `memory`, which the device sees there.
    dma: DmaRange,
    holding: Holding,
    direction: PhantomData<D>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Cpu,
    Device,
}

impl<M: Machine, D: Direction> Mapping<M, D> {
    /// What hand-over and hand-back have to do; a constant where everything snoops.
    const fn upkeep(&self) -> Upkeep {
        if M::EVERYTHING_SNOOPS {
            Upkeep::OrderOnly
        } else {
            self.upkeep
        }
    }

    /// What is maintained: whole granules, since a line of the last one that is still dirty would be written back
    /// together with those that the device writes.
    const fn lines(&self) -> LineRange<'_> {
        // SAFETY: the invariants of `memory` and `owned`.
        unsafe { LineRange::new_unchecked(self.memory.cast(), self.owned) }
    }

    /// Tells the machine, if it wants to know.
    fn tell(&self, event: Event, caller: Option<&'static Location<'static>>) {
        if M::OBSERVED {
            self.machine.observe(&Notice {
                event,
                device: self.device,
                maintained: self.upkeep() == Upkeep::Lines,
                memory: self.memory,
                owned: self.owned,
                dma: self.dma,
                direction: Some(D::DATA),
                caller,
            });
        }
    }
}

/// Rule S2 and S3: memory that a device owns is never freed here.
impl<M: Machine, D: Direction> Drop for Mapping<M, D> {
    fn drop(&mut self) {
        self.tell(
            match self.owner {
                Owner::Cpu => Event::Released,
                Owner::Device => Event::Quarantined,
            },
            None,
        );
        let holding = core::mem::replace(&mut self.holding, Holding::Nothing);
        match self.owner {
            Owner::Cpu => machine::release(&self.machine, holding),
            Owner::Device => self
                .machine
                .ledger()
                .quarantine(self.device, self.dma, holding),
        }
    }
}

/// A buffer the CPU owns: there are bytes, and no address that a device could be told.
///
/// Dropping it frees it.
///
/// It has no address:
/// ```compile_fail,E0599
/// # fn example<M: dma_api::Machine + Clone>(device: &dma_api::Device<M>) -> Result<(), dma_api::Error> {
/// let buffer = device.allocate::<dma_api::ToDevice>(512)?;
/// let address = buffer.dma_addr();
/// # Ok(())
/// # }
/// ```
/// and once it was handed over it has one:
/// ```
/// # fn example<M: dma_api::Machine + Clone>(device: &dma_api::Device<M>) -> Result<(), dma_api::Error> {
/// let buffer = device.allocate::<dma_api::ToDevice>(512)?.sync_for_device();
/// let address = buffer.dma_addr();
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping it frees the buffer"]
pub struct CpuOwned<M: Machine, D: Direction> {
    mapping: Mapping<M, D>,
    /// Bytes at the front that the device wrote in the last transfer; at most the buffer's length.
    received: usize,
}

impl<M: Machine + Clone, D: Direction> CpuOwned<M, D> {
    /// # Safety
    /// * Until `holding` is released, `memory` is valid for reads and writes, initialised, and used by nobody else.
    /// * `owned` begins with its first byte, is contiguous and mapped, and ends with its last, or with the granule of
    ///   that one.
    /// * `dma` is where the device sees `memory`.
    /// * If the device does not snoop and may write, `owned` is whole granules and shares none with anything else.
    pub(crate) unsafe fn new(
        device: &Device<M>,
        memory: NonNull<[u8]>,
        owned: PhysRange,
        dma: DmaRange,
        holding: Holding,
    ) -> Self {
        let mapping = Mapping {
            machine: device.machine().clone(),
            device: device.id(),
            upkeep: device.upkeep(),
            unit: device.unit(),
            owner: Owner::Cpu,
            memory,
            owned,
            dma,
            holding,
            direction: PhantomData,
        };
        Self {
            mapping,
            received: 0,
        }
    }

    pub(crate) fn tell(&self, event: Event, caller: &'static Location<'static>) {
        self.mapping.tell(event, Some(caller));
    }
}

impl<M: Machine, D: Direction> CpuOwned<M, D> {
    /// The pointer that the address comes from.
    pub(crate) const fn memory(&self) -> NonNull<[u8]> {
        self.mapping.memory
    }

    /// Length in bytes, at least 1.
    #[must_use]
    pub const fn len_bytes(&self) -> usize {
        self.mapping.memory.len()
    }

    /// The bytes, to fill them. What stays unwritten keeps its value, which is zero in a new buffer, unless that was made
    /// [dirty](Device::allocate_dirty).
    #[must_use]
    pub const fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: the CPU owns the memory (S1), and the invariant of `memory`.
        unsafe { self.mapping.memory.as_mut() }
    }

    /// Copies a value to `offset`, in bytes from the start, in the CPU's byte order. Any alignment will do.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`].
    pub fn write<T: IntoBytes + Immutable + ?Sized>(
        &mut self,
        offset: usize,
        value: &T,
    ) -> Result<(), Error> {
        let bytes = value.as_bytes();
        let out = out_of_bounds(offset, bytes.len(), self.len_bytes());
        let place = self
            .as_mut_slice()
            .get_mut(offset..)
            .and_then(|b| b.get_mut(..bytes.len()));
        place.ok_or(out)?.copy_from_slice(bytes);
        Ok(())
    }

    /// Divides the buffer in two at `at` bytes from the start, so that one part can be handed over and the other
    /// not. The memory is freed when both parts are gone.
    ///
    /// # Errors
    /// With the buffer, unchanged: [`Error::SplitPoint`] if a part would be empty or the second would not start at a
    /// multiple of the granule and of the device's alignment; [`Error::LedgerFull`].
    #[track_caller]
    pub fn split_at(mut self, at: usize) -> Result<(Self, Self), Refused<Self>>
    where
        M: Clone,
    {
        let len = self.len_bytes();
        let refused = Error::SplitPoint {
            at,
            unit: self.mapping.unit.get(),
            len,
        };
        let (Some(owned), Some(dma), true) = (
            self.mapping.owned.split_at(at as u64),
            self.mapping.dma.split_at(at as u64),
            self.mapping.unit.divides(at as u64),
        ) else {
            return Err(Refused::new(refused, self));
        };
        let holding = match self.mapping.hold_in_parts() {
            Ok(holding) => holding,
            Err(error) => return Err(Refused::new(error, self)),
        };
        self.mapping
            .tell(Event::Split { at }, Some(Location::caller()));

        let start = self.mapping.memory.cast::<u8>();
        // SAFETY: `at` is less than the length of the memory, or the ranges could not have been split there.
        let middle = unsafe { start.add(at) };
        let second = Self {
            mapping: Mapping {
                machine: self.mapping.machine.clone(),
                device: self.mapping.device,
                upkeep: self.mapping.upkeep,
                unit: self.mapping.unit,
                owner: Owner::Cpu,
                memory: NonNull::slice_from_raw_parts(middle, len.saturating_sub(at)),
                owned: owned.1,
                dma: dma.1,
                holding,
                direction: PhantomData,
            },
            received: self.received.saturating_sub(at),
        };
        self.mapping.memory = NonNull::slice_from_raw_parts(start, at);
        self.mapping.owned = owned.0;
        self.mapping.dma = dma.0;
        self.received = self.received.min(at);
        Ok((self, second))
    }

    /// Hands the buffer over: from here on it belongs to the device, which sees all that the CPU has stored. What
    /// follows may be the doorbell at once.
    #[track_caller]
    pub fn sync_for_device(self) -> DeviceOwned<M, D> {
        let Self { mut mapping, .. } = self;
        mapping.tell(Event::ForDevice, Some(Location::caller()));
        mapping.owner = Owner::Device;
        // SAFETY: the buffer owns its granules if the device writes, and nobody reaches its bytes from now on.
        unsafe {
            handover::for_device(
                mapping.machine.sync(),
                mapping.upkeep(),
                D::DATA,
                mapping.lines(),
            );
        }
        mapping.tell(Event::HandedOver, Some(Location::caller()));
        DeviceOwned { mapping }
    }
}

impl<M: Machine, D: DeviceWrites> CpuOwned<M, D> {
    /// The bytes, whole: what the device wrote, and what the CPU left there before.
    ///
    /// A buffer that a device only reads has nothing to be read back:
    /// ```compile_fail,E0599
    /// # fn example<M: dma_api::Machine>(lent: dma_api::DeviceOwned<M, dma_api::ToDevice>) {
    /// // SAFETY: the device's status register said so.
    /// let buffer = unsafe { lent.sync_for_cpu() };
    /// let answer = buffer.as_slice()[0];
    /// # }
    /// ```
    #[must_use]
    pub const fn as_slice(&self) -> &[u8] {
        // SAFETY: the CPU owns the memory (S1), and the invariant of `memory`.
        unsafe { self.mapping.memory.as_ref() }
    }

    /// The bytes that the device wrote in the last transfer: all after [`DeviceOwned::sync_for_cpu`], those that were
    /// counted after [`DeviceOwned::sync_for_cpu_short`], none in a new buffer.
    #[must_use]
    pub fn received(&self) -> &[u8] {
        self.as_slice().get(..self.received).unwrap_or_default()
    }

    /// A copy of the value at `offset`, in bytes from the start of what was [`received`](Self::received). Any
    /// alignment will do.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`] if it was not received whole.
    pub fn read<T: FromBytes>(&self, offset: usize) -> Result<T, Error> {
        let out = out_of_bounds(offset, size_of::<T>(), self.received);
        let bytes = self.received().get(offset..).ok_or(out)?;
        T::read_from_prefix(bytes)
            .map(|(value, _)| value)
            .map_err(|_| out)
    }

    /// What was [`received`](Self::received) from `offset` on, in place, as a value.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`] if it was not received whole; [`Error::Misaligned`] if it does not lie at a multiple of
    /// the type's alignment.
    pub fn view<T: FromBytes + KnownLayout + Immutable>(&self, offset: usize) -> Result<&T, Error> {
        let out = out_of_bounds(offset, size_of::<T>(), self.received);
        let bytes = self
            .received()
            .get(offset..)
            .and_then(|b| b.get(..size_of::<T>()));
        let bytes = bytes.ok_or(out)?;
        let (addr, alignment) = (bytes.as_ptr().addr() as u64, align_of::<T>() as u64);
        T::ref_from_bytes(bytes).map_err(|_| Error::Misaligned { addr, alignment })
    }
}

/// A buffer the device owns: there is an address to tell it, and no bytes.
///
/// Dropping it does not free it, since the device may still be using it: it goes to the machine's quarantine
/// ([`Ledger`](crate::Ledger)). After a reset of the device rather take it back with
/// [`sync_for_cpu`](Self::sync_for_cpu), which needs no room there.
///
/// Its bytes cannot be reached:
/// ```compile_fail,E0599
/// # fn example<M: dma_api::Machine>(lent: dma_api::DeviceOwned<M, dma_api::FromDevice>) {
/// let byte = lent.as_slice()[0];
/// # }
/// ```
/// nor can the handle that was there before the hand-over:
/// ```compile_fail,E0382
/// # fn example<M: dma_api::Machine>(buffer: dma_api::CpuOwned<M, dma_api::FromDevice>) {
/// let lent = buffer.sync_for_device();
/// let byte = buffer.as_slice()[0];
/// # }
/// ```
/// only what comes back has them:
/// ```
/// # fn example<M: dma_api::Machine>(lent: dma_api::DeviceOwned<M, dma_api::FromDevice>) {
/// // SAFETY: the device's status register said so.
/// let buffer = unsafe { lent.sync_for_cpu() };
/// let byte = buffer.as_slice()[0];
/// # }
/// ```
/// and nothing is freed twice:
/// ```compile_fail,E0382
/// # fn example<M: dma_api::Machine>(lent: dma_api::DeviceOwned<M, dma_api::FromDevice>) {
/// drop(lent);
/// drop(lent);
/// # }
/// ```
#[must_use = "dropping it puts the buffer into quarantine, since the device may still be using it"]
pub struct DeviceOwned<M: Machine, D: Direction> {
    mapping: Mapping<M, D>,
}

impl<M: Machine, D: Direction> DeviceOwned<M, D> {
    /// Where the device finds the first byte.
    #[must_use]
    pub const fn dma_addr(&self) -> DmaAddr {
        self.mapping.dma.start()
    }

    /// The addresses at which the device finds the buffer: one segment.
    #[must_use]
    pub const fn segment(&self) -> DmaRange {
        self.mapping.dma
    }

    /// Length in bytes, at least 1.
    #[must_use]
    pub const fn len_bytes(&self) -> usize {
        self.mapping.memory.len()
    }

    /// Takes the buffer back. If the device could write to it, all of it counts as
    /// [`received`](CpuOwned::received).
    ///
    /// # Safety
    /// * The device has finished: the CPU has read so from the device or from memory the device wrote, and it will
    ///   access this buffer no more.
    /// * It is the device that this buffer was allocated for, and it snoops if its [`Device`] was told so.
    #[track_caller]
    pub unsafe fn sync_for_cpu(self) -> CpuOwned<M, D> {
        // SAFETY: the caller's promise is the same.
        unsafe { self.take_back(None) }
    }

    /// Takes the buffer back, of which the device is said to have written the first `claim` bytes. More than there are
    /// count as none; without a claim it is all that it could write.
    ///
    /// # Safety
    /// As [`sync_for_cpu`](Self::sync_for_cpu).
    #[track_caller]
    unsafe fn take_back(self, claim: Option<usize>) -> CpuOwned<M, D> {
        let Self { mut mapping } = self;
        mapping.tell(Event::ForCpu, Some(Location::caller()));
        // SAFETY: the device has finished (S3), and the buffer was handed over when this handle was made.
        unsafe {
            handover::for_cpu(
                mapping.machine.sync(),
                mapping.upkeep(),
                D::DATA,
                mapping.lines(),
            );
        }
        mapping.owner = Owner::Cpu;
        let received = match claim {
            Some(claim) if claim <= mapping.memory.len() => claim,
            None if D::DATA.device_writes() => mapping.memory.len(),
            Some(_) | None => 0,
        };
        let written = claim.unwrap_or(received);
        mapping.tell(Event::HandedBack { written }, Some(Location::caller()));
        CpuOwned { mapping, received }
    }

    /// The machine's caches and barriers, for a ring, whose entries the CPU uses while the device has the buffer.
    pub(crate) fn sync(&self) -> &M::Sync {
        self.mapping.machine.sync()
    }

    pub(crate) const fn upkeep(&self) -> Upkeep {
        self.mapping.upkeep()
    }

    pub(crate) fn tell(&self, event: Event, caller: &'static Location<'static>) {
        self.mapping.tell(event, Some(caller));
    }

    /// All lines of the buffer, to the end of its last granule.
    pub(crate) const fn lines(&self) -> LineRange<'_> {
        self.mapping.lines()
    }

    /// The `len` bytes at `at`, counted from the start: where the CPU sees them, and their lines.
    pub(crate) fn part(&self, at: usize, len: usize) -> Result<LineRange<'_>, Error> {
        let buffer_len = self.len_bytes();
        let out = out_of_bounds(at, len, buffer_len);
        if at.checked_add(len).is_none_or(|end| end > buffer_len) {
            return Err(out);
        }
        let phys = self.mapping.owned.start().checked_add(at as u64);
        let phys = PhysRange::new(phys.ok_or(out)?, len as u64)?;
        // SAFETY: `at` was just checked to lie inside the memory.
        let start = unsafe { self.mapping.memory.cast::<u8>().add(at) };
        // SAFETY: the invariants of `memory` and `owned`, whose `len` bytes at `at` these are.
        Ok(unsafe { LineRange::new_unchecked(start, phys) })
    }
}

impl<M: Machine, D: DeviceWrites> DeviceOwned<M, D> {
    /// Takes the buffer back after a transfer of which the device says that it wrote the first `written` bytes. The
    /// others keep what the CPU had there, if the device has told the truth.
    ///
    /// # Errors
    /// [`Error::OverlongTransfer`], with the buffer as nothing received, if the device claims more than there is.
    ///
    /// # Safety
    /// As [`sync_for_cpu`](Self::sync_for_cpu).
    #[track_caller]
    pub unsafe fn sync_for_cpu_short(
        self,
        written: usize,
    ) -> Result<CpuOwned<M, D>, Refused<CpuOwned<M, D>>> {
        // SAFETY: the caller's promise is the same.
        let buffer = unsafe { self.take_back(Some(written)) };
        let buffer_len = buffer.len_bytes();
        if written > buffer_len {
            return Err(Refused::new(
                Error::OverlongTransfer {
                    written,
                    buffer_len,
                },
                buffer,
            ));
        }
        Ok(buffer)
    }
}

impl<M: Machine, D: Direction> Mapping<M, D> {
    /// What a further part of the buffer keeps alive. From now on this part holds the same.
    fn hold_in_parts(&mut self) -> Result<Holding, Error> {
        let ledger = self.machine.ledger();
        let held = core::mem::replace(&mut self.holding, Holding::Nothing);
        let index = match held {
            Holding::Nothing => return Ok(Holding::Nothing),
            Holding::Part(index) => index,
            Holding::Whole(block, origin) => match ledger.share(block, origin) {
                Ok(index) => index,
                Err(refused) => {
                    self.holding = Holding::Whole(refused.value, origin);
                    return Err(refused.error);
                }
            },
        };
        ledger.join(index);
        self.holding = Holding::Part(index);
        Ok(Holding::Part(index))
    }
}

// SAFETY: a handle is the only user of its memory, which every thread can access.
unsafe impl<M: Machine + Send, D: Direction> Send for Mapping<M, D> {}
// SAFETY: shared handles only read, and nobody writes meanwhile: the CPU's bytes are borrowed, the device's have
// no accessor.
unsafe impl<M: Machine + Sync, D: Direction> Sync for Mapping<M, D> {}

impl<M: Machine, D: Direction> fmt::Debug for CpuOwned<M, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CpuOwned<{:?}>({:?})", D::DATA, self.mapping.owned)
    }
}

impl<M: Machine, D: Direction> fmt::Debug for DeviceOwned<M, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceOwned<{:?}>({:?})", D::DATA, self.mapping.dma)
    }
}

const fn out_of_bounds(offset: usize, len: usize, buffer_len: usize) -> Error {
    Error::OutOfBounds {
        offset,
        len,
        buffer_len,
    }
}
