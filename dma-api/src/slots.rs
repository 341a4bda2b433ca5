//! A pool of bounce slots: memory that a device reaches, through which it gets bytes that lie where it does not.
#![expect(
    unsafe_code,
    reason = "slots are cut from a block of the machine's memory"
)]

use core::{fmt, num::NonZeroUsize, ops::Deref, ptr::NonNull};

use crate::{
    addr::{DmaRange, PhysAddr, PhysRange},
    device::{Device, Quiesced},
    error::Error,
    ledger::{DeviceId, Holding, Origin},
    limits::{Alignment, Limits, Request},
    lock::Locked,
    machine::{self, Machine},
    memory::DmaAllocator,
};

/// The books of 32 slots of a [`BouncePool`].
#[derive(Clone, Copy, Debug)]
pub struct SlotWord {
    taken: u32,
    /// For the first slot of a run in quarantine: whose it was, and how many slots it has.
    quarantined: [Option<(DeviceId, usize)>; SLOTS_PER_WORD],
}

/// Slots that one [`SlotWord`] accounts for.
pub const SLOTS_PER_WORD: usize = u32::BITS as usize;

impl SlotWord {
    const FREE: Self = Self {
        taken: 0,
        quarantined: [None; SLOTS_PER_WORD],
    };
}

/// What a [`BouncePool`] has done and has left, in bytes unless it says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BounceCounts {
    /// All slots.
    pub capacity: usize,
    /// Slots in use, quarantined ones among them.
    pub in_use: usize,
    /// The most that were ever in use at a time.
    pub high_water: usize,
    /// Slots of loans that were dropped while a device owned them.
    pub quarantined: usize,
    /// Copied from the owners of memory to slots.
    pub copied_in: u64,
    /// Copied from slots to the owners of memory.
    pub copied_out: u64,
    /// Loans that found no room, as a number of loans.
    pub refused: u64,
}

/// A bounce pool: one block of the machine's cached memory in slots, with its books outside of it.
///
/// A loan takes a run of slots of the length it needs, the lowest one there is, so that what is in the cache is used
/// again. Interrupt handlers may lend: the critical section is a search of the books, a word at a time, and nothing is
/// copied inside of it. A pool may serve several devices of its machine, as far as their limits reach it. A driver that
/// must not fail makes a pool of its own in which each slot is as large as its largest loan
/// ([`slot_for`](BouncePool::slot_for)): as many loans as there are slots never find it exhausted.
///
/// Dropping the pool gives its memory back, unless slots are still in use: then it is leaked, and the machine's ledger
/// counts it.
pub struct BouncePool<M: Machine, W: ?Sized = [SlotWord]> {
    machine: M,
    /// Invariant: the block behind `cpu` and `phys`; released with the pool.
    holding: Holding,
    /// Invariant: valid for reads and writes for `phys`'s length; used through this pointer alone.
    cpu: NonNull<u8>,
    phys: PhysRange,
    dma: DmaRange,
    slot: Alignment,
    books: Locked<Books<W>>,
}

struct Books<W: ?Sized> {
    slots: usize,
    counts: BounceCounts,
    words: W,
}

/// A run of slots, used by one loan alone.
#[derive(Debug)]
pub(crate) struct Run {
    /// Invariant: a run of the pool's memory that is taken in its books.
    pub(crate) memory: NonNull<[u8]>,
    pub(crate) phys: PhysRange,
    pub(crate) dma: DmaRange,
    first: usize,
    slots: usize,
}

/// What a run must be like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) len: NonZeroUsize,
    pub(crate) alignment: Alignment,
    pub(crate) boundary: Option<Alignment>,
}

impl<M: Machine + Clone, const N: usize> BouncePool<M, [SlotWord; N]> {
    /// A pool of `len` bytes, rounded down to whole slots, in memory that lies between the device's lowest and highest
    /// address.
    ///
    /// * `slot_len`: bytes of a slot, a power of two and at least the machine's write-back granule.
    ///
    /// # Errors
    /// [`Error::NotPowerOfTwo`]; [`Error::Misaligned`] for a slot below the granule; [`Error::ZeroLength`] for less than
    /// a slot; [`Error::PoolTooLarge`] for more than `N` × [`SLOTS_PER_WORD`] slots; and as [`Device::allocate`].
    pub fn new(device: &Device<M>, len: usize, slot_len: usize) -> Result<Self, Error> {
        let slot = Alignment::new(slot_len as u64)?;
        let granule = device.granule();
        if !granule.divides(slot.get()) {
            return Err(Error::Misaligned {
                addr: slot.get(),
                alignment: granule.get(),
            });
        }
        let slots = len.checked_div(slot_len).unwrap_or(0);
        let capacity = N.saturating_mul(SLOTS_PER_WORD);
        if slots > capacity {
            let units = slots;
            return Err(Error::PoolTooLarge { units, capacity });
        }
        let whole = slots.saturating_mul(slot_len);
        let machine = device.machine();
        let give_back = |block| machine::release(machine, Holding::Whole(block, Origin::Memory));
        let (block, phys, dma) = device.in_one_piece(slot)?.find_memory(
            whole,
            |request| machine.memory().allocate(request),
            give_back,
        )?;
        let counts = BounceCounts {
            capacity: whole,
            ..BounceCounts::default()
        };
        Ok(Self {
            machine: machine.clone(),
            cpu: block.memory().cast(),
            holding: Holding::Whole(block, Origin::Memory),
            phys,
            dma,
            slot,
            books: Locked::new(Books {
                slots,
                counts,
                words: [SlotWord::FREE; N],
            }),
        })
    }
}

impl<M: Machine + Clone> BouncePool<M> {
    /// Bytes of a slot in which every loan to `device` of one buffer of up to `longest` bytes finds room, wherever the
    /// buffer lies and whichever parts of it bounce.
    ///
    /// # Errors
    /// [`Error::LengthOverflow`].
    pub fn slot_for(device: &Device<M>, longest: usize) -> Result<usize, Error> {
        let page = device.limits().segment_page().get();
        let unit = device.unit().get().max(page);
        // All of it at any offset in a page; or its two edges, each below a unit, and the second on one.
        let whole = (longest as u64).saturating_add(page.wrapping_sub(1));
        let most = whole.max(unit.saturating_mul(2));
        let slot = most.checked_next_power_of_two();
        let overflow = Error::LengthOverflow {
            len: longest as u64,
            multiple: unit,
        };
        slot.and_then(|slot| usize::try_from(slot).ok())
            .ok_or(overflow)
    }
}

impl<M: Machine, const N: usize> Deref for BouncePool<M, [SlotWord; N]> {
    type Target = BouncePool<M>;

    fn deref(&self) -> &BouncePool<M> {
        self
    }
}

impl<M: Machine> BouncePool<M> {
    /// What it has done and has left.
    pub fn counts(&self) -> BounceCounts {
        self.books.with(|books| books.counts)
    }

    /// Bytes of the longest run of free slots now.
    pub fn largest_free(&self) -> usize {
        let slots = self.books.with(|books| {
            let longest = books.runs().map(|run| run.len()).max();
            longest.unwrap_or(0)
        });
        slots.saturating_mul(self.slot_len())
    }

    /// Whether it is a pool of this machine.
    pub(crate) fn belongs_to(&self, machine: &M) -> Result<(), Error> {
        if core::ptr::eq(self.machine.ledger(), machine.ledger()) {
            return Ok(());
        }
        Err(Error::ForeignBlock {
            phys: self.phys.start().get(),
            len: usize::try_from(self.phys.len_bytes()).unwrap_or(usize::MAX),
        })
    }

    /// Bytes of a slot.
    pub fn slot_len(&self) -> usize {
        usize::try_from(self.slot.get()).unwrap_or(usize::MAX)
    }

    /// Where a run of that shape would lie if all slots were free.
    pub(crate) fn could_take(&self, limits: &Limits, shape: Shape) -> Option<DmaRange> {
        let request = self.request(limits, shape)?;
        let start = request.first_fit(self.phys, self.slot)?;
        let offset = start.get().checked_sub(self.phys.start().get())?;
        let dma = self.dma.start().checked_add(offset)?;
        DmaRange::new(dma, request.len.get() as u64).ok()
    }

    /// The lowest run of free slots of that shape that meets the address limits, from now on taken.
    pub(crate) fn take(&self, limits: &Limits, shape: Shape) -> Result<Run, Error> {
        let len = shape.len.get();
        let capacity = usize::try_from(self.phys.len_bytes()).unwrap_or(usize::MAX);
        let never = Error::NeverFits { len, capacity };
        self.could_take(limits, shape).ok_or(never)?;
        let request = self.request(limits, shape).ok_or(never)?;
        let taken = self.books.with(|books| {
            let found = books.runs().find_map(|run| self.place(&request, &run));
            let Some((first, slots)) = found else {
                let longest = books.runs().map(|run| run.len()).max().unwrap_or(0);
                return Err(longest);
            };
            books.set(first, slots, true);
            Ok((first, slots))
        });
        let (first, slots) = taken.map_err(|longest| Error::Exhausted {
            len,
            largest_free: longest.saturating_mul(self.slot_len()),
        })?;

        let offset = first.saturating_mul(self.slot_len());
        // SAFETY: the slot lies inside the pool's memory.
        let start = unsafe { self.cpu.add(offset) };
        let length = request.len.get() as u64;
        let phys = PhysAddr::new(self.phys.start().get().wrapping_add(offset as u64));
        let dma = self.dma.start().checked_add(offset as u64).ok_or(never)?;
        Ok(Run {
            memory: NonNull::slice_from_raw_parts(start, request.len.get()),
            phys: PhysRange::new(phys, length)?,
            dma: DmaRange::new(dma, length)?,
            first,
            slots,
        })
    }

    /// A loan found no room.
    pub(crate) fn count_refused(&self) {
        self.books.with(|books| {
            books.counts.refused = books.counts.refused.saturating_add(1);
        });
    }

    /// The run is free again; so many bytes were copied through it.
    pub(crate) fn give_back(&self, run: &Run, copied_in: u64, copied_out: u64) {
        self.books.with(|books| {
            books.set(run.first, run.slots, false);
            books.count(copied_in, copied_out);
        });
    }

    /// The run stays taken until its device is known to be quiet.
    pub(crate) fn quarantine(&self, device: DeviceId, run: &Run, copied_in: u64) {
        let bytes = run.slots.saturating_mul(self.slot_len());
        self.books.with(|books| {
            let (word, bit) = locate(run.first);
            let place = books
                .words
                .get_mut(word)
                .and_then(|w| w.quarantined.get_mut(bit));
            if let Some(place) = place {
                *place = Some((device, run.slots));
            }
            let held = books.counts.quarantined;
            books.counts.quarantined = held.saturating_add(bytes);
            books.count(copied_in, 0);
        });
    }

    /// Where devices see a run of slots.
    fn segment(&self, first: usize, slots: usize) -> Option<DmaRange> {
        let offset = first.checked_mul(self.slot_len())? as u64;
        let len = slots.checked_mul(self.slot_len())? as u64;
        DmaRange::new(self.dma.start().checked_add(offset)?, len).ok()
    }

    fn request(&self, limits: &Limits, shape: Shape) -> Option<Request> {
        let offset = self.dma.start().get().wrapping_sub(self.phys.start().get());
        let phys = |dma: u64| PhysAddr::new(dma.wrapping_sub(offset));
        let lowest = limits.lowest().max(self.dma.start());
        let highest = limits.highest().min(self.dma.last());
        (lowest <= highest).then_some(())?;
        Some(Request {
            len: self.slot.round_up(shape.len).ok()?,
            lowest: phys(lowest.get()),
            highest: phys(highest.get()),
            alignment: shape.alignment,
            boundary: shape.boundary,
            bus_offset: offset,
        })
    }

    /// Where in a run of slots the request fits: its first slot, and how many it takes.
    fn place(&self, request: &Request, run: &core::ops::Range<usize>) -> Option<(usize, usize)> {
        let slot = self.slot_len();
        let base = self.phys.start();
        let start = base.checked_add(run.start.checked_mul(slot)? as u64)?;
        let free = PhysRange::new(start, run.len().checked_mul(slot)? as u64).ok()?;
        let found = request.first_fit(free, self.slot)?;
        let offset = usize::try_from(found.get().checked_sub(base.get())?).ok()?;
        Some((
            offset.checked_div(slot)?,
            request.len.get().checked_div(slot)?,
        ))
    }
}

impl Books<[SlotWord]> {
    /// The free runs, in ascending order.
    fn runs(&self) -> impl Iterator<Item = core::ops::Range<usize>> {
        let mut next = 0;
        core::iter::from_fn(move || {
            let start = self.next(next, false)?;
            let end = self.next(start, true).unwrap_or(self.slots);
            next = end;
            Some(start..end)
        })
    }

    /// The first slot from `from` on that is taken, or that is free, a word at a time.
    fn next(&self, from: usize, taken: bool) -> Option<usize> {
        let invert = if taken { 0 } else { u32::MAX };
        let mut from = from;
        while from < self.slots {
            let (word, bit) = locate(from);
            let candidates = (self.words.get(word)?.taken ^ invert) & (u32::MAX << bit);
            let base = word.saturating_mul(SLOTS_PER_WORD);
            if candidates != 0 {
                let slot = base.saturating_add(candidates.trailing_zeros() as usize);
                return (slot < self.slots).then_some(slot);
            }
            from = base.saturating_add(SLOTS_PER_WORD);
        }
        None
    }

    fn set(&mut self, first: usize, slots: usize, taken: bool) {
        for slot in first..first.saturating_add(slots) {
            let (word, bit) = locate(slot);
            if let Some(word) = self.words.get_mut(word) {
                word.taken = if taken {
                    word.taken | (1 << bit)
                } else {
                    word.taken & !(1 << bit)
                };
            }
        }
        let slot_len = self.counts.capacity.checked_div(self.slots).unwrap_or(0);
        let bytes = slots.saturating_mul(slot_len);
        let counts = &mut self.counts;
        if taken {
            counts.in_use = counts.in_use.saturating_add(bytes);
            counts.high_water = counts.high_water.max(counts.in_use);
        } else {
            counts.in_use = counts.in_use.saturating_sub(bytes);
        }
    }

    fn count(&mut self, copied_in: u64, copied_out: u64) {
        let counts = &mut self.counts;
        counts.copied_in = counts.copied_in.saturating_add(copied_in);
        counts.copied_out = counts.copied_out.saturating_add(copied_out);
    }

    /// One run of the device's leaves quarantine, still taken: its first slot, and how many it has.
    fn leave_quarantine(&mut self, device: DeviceId) -> Option<(usize, usize)> {
        let mut places = self.words.iter_mut().flat_map(|word| &mut word.quarantined);
        let first =
            places.position(|place| matches!(place, Some((owner, _)) if *owner == device))?;
        let (word, bit) = locate(first);
        let place = self.words.get_mut(word)?.quarantined.get_mut(bit)?;
        let (_, slots) = place.take()?;
        Some((first, slots))
    }

    /// A run that has left quarantine is free.
    fn release(&mut self, first: usize, slots: usize) {
        let before = self.counts.in_use;
        self.set(first, slots, false);
        let bytes = before.saturating_sub(self.counts.in_use);
        self.counts.quarantined = self.counts.quarantined.saturating_sub(bytes);
    }
}

/// The word of a slot, and its bit in there.
const fn locate(slot: usize) -> (usize, usize) {
    (slot / SLOTS_PER_WORD, slot % SLOTS_PER_WORD)
}

impl<M: Machine> Quiesced<'_, M> {
    /// Frees the slots of `pool` that loans to this device held when they were dropped while it owned them. Returns how
    /// many loans.
    #[track_caller]
    pub fn release_bounced(&self, pool: &BouncePool<M>) -> usize {
        let mut released: usize = 0;
        if pool.belongs_to(self.machine()).is_err() {
            return released;
        }
        let device = self.device();
        while let Some((first, slots)) = pool.books.with(|books| books.leave_quarantine(device)) {
            // Nobody else has the slots before whoever watches knows that they are free.
            if let Some(dma) = pool.segment(first, slots) {
                self.tell_unquarantined(dma);
            }
            pool.books.with(|books| books.release(first, slots));
            released = released.saturating_add(1);
        }
        released
    }
}

impl<M: Machine, W: ?Sized> Drop for BouncePool<M, W> {
    fn drop(&mut self) {
        let in_use = self.books.with(|books| books.counts.in_use);
        let holding = core::mem::replace(&mut self.holding, Holding::Nothing);
        if in_use == 0 {
            machine::release(&self.machine, holding);
        } else {
            self.machine.ledger().count_leaked();
        }
    }
}

// SAFETY: the pool is the only user of its memory, and its books are locked.
unsafe impl<M: Machine + Send, W: ?Sized + Send> Send for BouncePool<M, W> {}
// SAFETY: as above.
unsafe impl<M: Machine + Sync, W: ?Sized + Send> Sync for BouncePool<M, W> {}

impl<M: Machine, W: ?Sized> fmt::Debug for BouncePool<M, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BouncePool({:?})", self.dma)
    }
}
