//! Rings of entries in cached memory, each of whose cache lines has one writer at a time.
#![expect(
    unsafe_code,
    reason = "entries are reached through the pointer that the device's address came with"
)]

use core::{fmt, marker::PhantomData, panic::Location};

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::{
    addr::{DmaAddr, DmaRange},
    cache::LineRange,
    device::Device,
    direction::{Bidirectional, DeviceReads, DeviceWrites, Direction, FromDevice, ToDevice},
    error::Error,
    handover::{self, Fills},
    isolated::{Granule, judge_granule},
    limits::Limits,
    machine::Machine,
    observe::Event,
    streaming::{CpuOwned, DeviceOwned},
    sync::DmaSync,
};

impl<M: Machine + Clone> Device<M> {
    /// A ring of entries that the CPU writes and the device only reads, all zero: a submission queue. However many
    /// entries lie in a cache line, all its stores are the CPU's.
    ///
    /// # Errors
    /// As [`allocate`](Self::allocate); [`Error::LengthOverflow`] for more entries than there can be bytes.
    #[track_caller]
    pub fn allocate_ring_to<T>(&self, entries: usize) -> Result<Ring<M, T, ToDevice>, Error>
    where
        T: IntoBytes + Immutable + Copy,
    {
        self.allocate_ring(entries)
    }

    /// A ring of entries that the device writes and the CPU only reads, all zero: a completion queue. However many
    /// entries lie in a cache line, no store of the CPU is ever among them.
    ///
    /// # Errors
    /// As [`allocate_ring_to`](Self::allocate_ring_to).
    #[track_caller]
    pub fn allocate_ring_from<T: FromBytes>(
        &self,
        entries: usize,
    ) -> Result<Ring<M, T, FromDevice>, Error> {
        self.allocate_ring(entries)
    }

    /// A ring of entries that the CPU fills and the device writes back, all zero: descriptors with their state in them.
    /// Each entry has its cache lines for itself, and whoever owns the entry writes to them.
    ///
    /// That is so only if the size of `T` is a multiple of the granule `G`; otherwise it does not compile. Descriptors of 16
    /// bytes, of which a line holds several, belong in [coherent memory](Self::allocate_coherent) (see [`Ring`]).
    ///
    /// # Errors
    /// As [`allocate_ring_to`](Self::allocate_ring_to); [`Error::GranuleAboveAssumed`] if the machine's granule is larger
    /// than `G`.
    #[track_caller]
    pub fn allocate_ring_both<T, G>(
        &self,
        entries: usize,
    ) -> Result<Ring<M, T, Bidirectional>, Error>
    where
        T: FromBytes + IntoBytes + Immutable + Copy,
        G: Granule,
    {
        const {
            assert!(
                size_of::<T>().is_multiple_of(G::BYTES),
                "CPU and device both write these entries, and several share a cache line: put them into coherent memory \
                 (`Device::allocate_coherent`)"
            );
        }
        judge_granule::<M, G>(self)?;
        self.allocate_ring(entries)
    }

    #[track_caller]
    fn allocate_ring<T, D: Direction>(&self, entries: usize) -> Result<Ring<M, T, D>, Error> {
        let (entry_len, alignment) = (size_of::<T>(), align_of::<T>() as u64);
        let len = entries
            .checked_mul(entry_len)
            .ok_or(Error::LengthOverflow {
                len: entries as u64,
                multiple: entry_len as u64,
            })?;
        let aligned = self.narrowed(Limits::UNLIMITED.alignment(alignment)?)?;
        let memory = aligned.allocate::<D>(len)?.sync_for_device();
        memory.tell(Event::Opened, Location::caller());
        Ok(Ring {
            memory,
            entry: PhantomData,
        })
    }
}

/// A ring of entries in cached memory, which CPU and device use at the same time, entry by entry.
///
/// A line that both sides write has no right operation (S8), so the type says who writes:
///
/// | entries are written by | made by | direction | has |
/// |---|---|---|---|
/// | the CPU: NVMe submission queue, virtio available ring | [`allocate_ring_to`](Device::allocate_ring_to) | [`ToDevice`] | [`put`](Self::put) |
/// | the device: NVMe completion queue | [`allocate_ring_from`](Device::allocate_ring_from) | [`FromDevice`] | [`poll`](Self::poll), [`fetch`](Self::fetch) |
/// | both in turn, and each has its lines for itself | [`allocate_ring_both`](Device::allocate_ring_both) | [`Bidirectional`] | both |
/// | both, several in a line: e1000, RTL8169 | [`allocate_coherent`](Device::allocate_coherent) | | volatile access |
///
/// What an index means, how far the other side has got, and when the ring is full is the driver's and its device's affair: the
/// ring keeps no books. Dropping it puts it into the machine's quarantine, since the device may still be using it.
///
/// # Example
/// A controller with queues like those of NVMe, with two entries in flight at the most:
/// ```
/// use dma_api::{Device, Error, FromDevice, Machine, Ring, ToDevice};
/// use dma_api::zerocopy::{FromBytes, Immutable, IntoBytes, little_endian::{U16, U32}};
///
/// #[derive(Clone, Copy, IntoBytes, Immutable)]
/// #[repr(C)]
/// struct Command {
///     words: [U32; 16],
/// }
///
/// #[derive(Clone, Copy, FromBytes)]
/// #[repr(C)]
/// struct Completion {
///     result: U32,
///     reserved: U32,
///     queue: [U16; 2],
///     command: U16,
///     status: U16,
/// }
///
/// # struct Registers;
/// # impl Registers { fn submitted(&self, _tail: u16) {} fn completed(&self, _head: u16) {} }
/// struct Controller<M: Machine> {
///     registers: Registers,
///     commands: Ring<M, Command, ToDevice>,
///     tail: u16,
///     completions: Ring<M, Completion, FromDevice>,
///     head: u16,
///     phase: u16,
/// }
///
/// impl<M: Machine + Clone> Controller<M> {
///     fn submit(&mut self, command: &Command) -> Result<(), Error> {
///         self.commands.put(self.tail.into(), command)?;
///         self.tail = (self.tail + 1) % 64;
///         self.registers.submitted(self.tail); // the doorbell
///         Ok(())
///     }
///
///     fn completed(&mut self) -> Result<Option<Completion>, Error> {
///         let phase = self.phase;
///         let is_new = |entry: &Completion| entry.status.get() & 1 == phase;
///         let Some(entry) = self.completions.poll(self.head.into(), is_new)? else {
///             return Ok(None);
///         };
///         self.head = (self.head + 1) % 64;
///         if self.head == 0 {
///             self.phase ^= 1;
///         }
///         self.completions.before_doorbell();
///         self.registers.completed(self.head);
///         Ok(Some(entry))
///     }
/// }
/// ```
/// There is nothing to read in entries that only the CPU writes:
/// ```compile_fail,E0599
/// # fn example<M: dma_api::Machine>(mut ring: dma_api::Ring<M, u32, dma_api::ToDevice>) {
/// let entry = ring.fetch(0);
/// # }
/// ```
/// and nothing may be stored to those that the device writes:
/// ```compile_fail,E0599
/// # fn example<M: dma_api::Machine>(mut ring: dma_api::Ring<M, u32, dma_api::FromDevice>) {
/// let done = ring.put(0, &0);
/// # }
/// ```
/// while entries that have their lines for themselves are used both ways:
/// ```
/// # fn example<M: dma_api::Machine>(mut ring: dma_api::Ring<M, u32, dma_api::Bidirectional>) {
/// let done = ring.put(0, &0);
/// let entry = ring.fetch(0);
/// # }
/// ```
///
/// # Descriptors that both sides write
/// One of 64 bytes has a line of its own where lines are no longer than that:
/// ```
/// # use dma_api::{Device, Error, Limits, Snooping, isolated::G64};
/// # use dma_api::zerocopy::{FromBytes, Immutable, IntoBytes};
/// # use sim::{Config, SimMachine};
/// #[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
/// #[repr(C)]
/// struct Descriptor {
///     address: u64,
///     length: u32,
///     control: u32,
///     extension: [u64; 6],
/// }
///
/// # fn main() -> Result<(), Error> {
/// # let machine = SimMachine::new(Config::default())?;
/// # let device = Device::new(&machine, Limits::UNLIMITED, Snooping::DoesNotSnoop)?;
/// let ring = device.allocate_ring_both::<Descriptor, G64>(8)?;
/// # // SAFETY: no device knows of the ring.
/// # drop(unsafe { ring.sync_for_cpu() });
/// # Ok(())
/// # }
/// ```
/// Of those of 16 bytes a line holds four. A ring of them is not made:
/// ```compile_fail,E0080
/// # use dma_api::{Device, Error, Limits, Snooping, isolated::G64};
/// # use dma_api::zerocopy::{FromBytes, Immutable, IntoBytes};
/// # use sim::{Config, SimMachine};
/// #[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
/// #[repr(C)]
/// struct Descriptor {
///     address: u64,
///     length: u32,
///     control: u32,
/// }
///
/// # fn main() -> Result<(), Error> {
/// # let machine = SimMachine::new(Config::default())?;
/// # let device = Device::new(&machine, Limits::UNLIMITED, Snooping::DoesNotSnoop)?;
/// let ring = device.allocate_ring_both::<Descriptor, G64>(8)?;
/// # // SAFETY: no device knows of the ring.
/// # drop(unsafe { ring.sync_for_cpu() });
/// # Ok(())
/// # }
/// ```
/// They go into coherent memory, which is cached memory if the device snoops:
/// ```
/// # use dma_api::{Device, Error, Limits, Snooping};
/// # use dma_api::zerocopy::{FromBytes, Immutable, IntoBytes};
/// # use sim::{Config, SimMachine};
/// # #[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
/// # #[repr(C)]
/// # struct Descriptor {
/// #     address: u64,
/// #     length: u32,
/// #     control: u32,
/// # }
/// # fn main() -> Result<(), Error> {
/// # let machine = SimMachine::new(Config::default())?;
/// # let device = Device::new(&machine, Limits::UNLIMITED, Snooping::DoesNotSnoop)?;
/// # let (address, length, control) = (0, 0, 0);
/// let mut ring = device.allocate_coherent(8 * size_of::<Descriptor>())?.publish();
/// ring.write(0, &Descriptor { address, length, control })?;
/// ring.before_doorbell();
/// # // SAFETY: no device knows of the ring.
/// # drop(unsafe { ring.unpublish() });
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping it puts the ring into quarantine, since the device may still be using it"]
pub struct Ring<M: Machine, T, D: Direction> {
    /// Invariant: a whole number of `T`, aligned for it; the CPU stores to entries if the device reads them, and then each has
    /// its granules for itself if the device writes, too.
    memory: DeviceOwned<M, D>,
    entry: PhantomData<T>,
}

impl<M: Machine, T, D: Direction> Ring<M, T, D> {
    /// Where the device finds the first entry.
    #[must_use]
    pub const fn dma_addr(&self) -> DmaAddr {
        self.memory.dma_addr()
    }

    /// The addresses at which the device finds the ring.
    #[must_use]
    pub const fn segment(&self) -> DmaRange {
        self.memory.segment()
    }

    /// How many entries it has, at least one.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.memory
            .len_bytes()
            .checked_div(size_of::<T>())
            .unwrap_or(0)
    }
}

impl<M: Machine, T, D: DeviceReads> Ring<M, T, D>
where
    T: IntoBytes + Immutable + Copy,
{
    /// Writes an entry that the device is done with, or has never had. When it returns the device sees it, whole, and what
    /// follows may be the doorbell at once.
    ///
    /// A device that looks by itself, without a doorbell, may see a part of it before: [`put_in_order`](Self::put_in_order).
    ///
    /// # Errors
    /// [`Error::OutOfBounds`].
    #[track_caller]
    pub fn put(&mut self, index: usize, entry: &T) -> Result<(), Error> {
        self.store(index, [entry])
    }

    /// The same for a device that looks by itself whether an entry is its own: it sees all of `first`, which does not yet
    /// say so, before any of `then`, which does.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    #[track_caller]
    pub fn put_in_order(&mut self, index: usize, first: &T, then: &T) -> Result<(), Error> {
        self.store(index, [first, then])
    }

    #[track_caller]
    fn store<const N: usize>(&mut self, index: usize, values: [&T; N]) -> Result<(), Error> {
        let (at, lines) = self.entry(index)?;
        let (len, memory) = (size_of::<T>(), &self.memory);
        memory.tell(Event::Putting { at, len }, Location::caller());
        for value in values {
            // SAFETY: the entry is inside the ring and aligned, no reference to it exists, and `T` has no padding (S5).
            unsafe { lines.start().cast::<T>().write_volatile(*value) };
            // SAFETY: if the device writes to the ring, the entry is whole granules and was the CPU's; it is stored to again
            // here alone, before the device has been told of it.
            unsafe { handover::for_device(memory.sync(), memory.upkeep(), D::DATA, lines) };
        }
        memory.tell(Event::Put { at, len }, Location::caller());
        Ok(())
    }
}

impl<M: Machine, T: FromBytes, D: DeviceWrites> Ring<M, T, D> {
    /// Looks at an entry, and copies it if `is_done` says of it that the device has written it: by its phase bit, or an owner
    /// bit. The copy is whole, however the device's writes arrive, and `is_done` is true of it. Check everything else in it.
    ///
    /// Each look costs a barrier and, where the device does not snoop, the maintenance of the entry's lines; an entry that is
    /// done is looked at twice. Before a doorbell that gives entries back to the device call
    /// [`before_doorbell`](Self::before_doorbell).
    ///
    /// # Errors
    /// [`Error::OutOfBounds`].
    #[track_caller]
    pub fn poll(&mut self, index: usize, is_done: impl Fn(&T) -> bool) -> Result<Option<T>, Error> {
        let (at, lines) = self.entry(index)?;
        let (len, caller) = (size_of::<T>(), Location::caller());
        self.memory.tell(Event::Looking { at, len }, caller);
        let seen = self.look(lines, Event::Looked { at, len }, caller);
        if !is_done(&seen) {
            return Ok(None);
        }
        // What was seen may be half old: the state may have arrived, or been read, before the rest.
        let entry = self.look(lines, Event::Fetched { at, len }, caller);
        Ok(Some(entry).filter(is_done))
    }

    /// Copies an entry that the device is known to have written, by what it said elsewhere: an interrupt's cause, a register,
    /// another entry with a count.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`].
    #[track_caller]
    pub fn fetch(&mut self, index: usize) -> Result<T, Error> {
        let (at, lines) = self.entry(index)?;
        let (len, caller) = (size_of::<T>(), Location::caller());
        self.memory.tell(Event::Looking { at, len }, caller);
        Ok(self.look(lines, Event::Fetched { at, len }, caller))
    }

    /// Orders the copies of entries before later stores: call it before the doorbell by which the device gets them back.
    pub fn before_doorbell(&self) {
        self.memory
            .sync()
            .before_doorbell(self.memory.lines().start());
    }

    /// Copies what the device has written so far.
    fn look(&self, lines: LineRange<'_>, moment: Event, caller: &'static Location<'static>) -> T {
        let memory = &self.memory;
        // SAFETY: the lines hold entries that the device writes, and no dirty one: either the CPU never stores to the ring, or
        // the entry has its granules for itself and was cleaned when it was put.
        unsafe { handover::for_look(memory.sync(), memory.upkeep(), lines) };
        memory.tell(moment, caller);
        // SAFETY: the entry is inside the ring and aligned, and every bit pattern is a `T` (S5).
        unsafe { lines.start().cast::<T>().read_volatile() }
    }
}

impl<M: Machine, T, D: Direction> Ring<M, T, D> {
    /// Takes the whole ring back from the device.
    ///
    /// # Safety
    /// As [`DeviceOwned::sync_for_cpu`]: the device has been told to forget the ring, and has finished.
    #[track_caller]
    pub unsafe fn sync_for_cpu(self) -> CpuOwned<M, D> {
        let Self { memory, .. } = self;
        // Nothing is discarded below where the CPU alone fills lines. Here it has, when it looked.
        if D::DATA.device_writes() && Fills::of(memory.sync()) == Fills::OnAccess {
            // SAFETY: as in `look`.
            unsafe { handover::for_look(memory.sync(), memory.upkeep(), memory.lines()) };
        }
        // SAFETY: the caller's promise is the same.
        unsafe { memory.sync_for_cpu() }
    }

    /// Where an entry begins, counted from the start of the ring, and its lines.
    fn entry(&self, index: usize) -> Result<(usize, LineRange<'_>), Error> {
        let (len, buffer_len) = (size_of::<T>(), self.memory.len_bytes());
        let at = index.checked_mul(len).ok_or(Error::OutOfBounds {
            offset: usize::MAX,
            len,
            buffer_len,
        })?;
        Ok((at, self.memory.part(at, len)?))
    }
}

impl<M: Machine, T, D: Direction> fmt::Debug for Ring<M, T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (entries, data) = (self.entries(), D::DATA);
        write!(f, "Ring<{data:?}>({entries} entries, {:?})", self.segment())
    }
}
