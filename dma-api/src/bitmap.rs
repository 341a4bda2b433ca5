//! A contiguous pool: memory set aside for devices, with all its books kept outside that memory.
#![expect(unsafe_code, reason = "the pool hands out the memory it was given")]

mod words;

use core::{ops::Range, ptr::NonNull};

use self::words::{BITS, Bits};
use crate::{
    addr::{PhysAddr, PhysRange},
    error::{Error, Refused},
    limits::{Alignment, Request},
    lock::Locked,
    memory::{Block, DmaAllocator},
};

/// Units that one word of the bitmaps accounts for: a pool of `WORDS` words has at most `WORDS * UNITS_PER_WORD`
/// units.
pub const UNITS_PER_WORD: usize = BITS;

/// A contiguous pool of up to `WORDS` × [`UNITS_PER_WORD`] units.
///
/// It is made empty, so that it can be a `static`, and given its memory once, at boot. Any number of units can be
/// had, not only powers of two; the lowest free place that meets a request is taken, whatever its limits.
///
/// The books are two bits a unit. One says that it is taken. The other says that a block ends with it, without which a
/// block that is given back could be two neighbours, or a part of one: with it, [`free`](DmaAllocator::free) takes
/// exactly what was handed out and refuses all else.
///
/// A search looks at each word once, and at none before the first unit that the request's limits allow. Up to 64 units
/// are found in at most 6 steps a word; then, only where so many are free, the places that alignment and boundary allow
/// are calculated for the whole word. For more units a word is one step, and a free run of that length is judged in
/// constant time. A request that must wait costs one more look at each word, for the longest free run. So the cost
/// grows with the words, and not with the pieces that the free memory is in. [`free`](DmaAllocator::free) looks at the
/// block's own words.
///
/// All that is in a critical section: interrupt handlers may allocate and free. The memory is zeroed outside of it.
///
/// ```
/// use dma_api::{Alignment, BitmapPool, PhysAddr};
///
/// /// 4 MiB in pages: 1024 units, 16 words.
/// static POOL: BitmapPool<16> = BitmapPool::new();
///
/// # fn boot(window: core::ptr::NonNull<u8>) -> Result<(), dma_api::Error> {
/// // SAFETY: the linker script sets this window aside.
/// unsafe { POOL.adopt(window, PhysAddr::new(0x8400_0000), 4 << 20, Alignment::new(4096)?) }
/// # }
/// ```
#[derive(Debug)]
pub struct BitmapPool<const WORDS: usize> {
    books: Locked<Books<WORDS>>,
}

impl<const WORDS: usize> BitmapPool<WORDS> {
    /// A pool without memory: until [`adopt`](Self::adopt) gives it some, no request fits.
    #[must_use]
    pub const fn new() -> Self {
        let (taken, ends) = (Bits::CLEAR, Bits::CLEAR);
        Self {
            books: Locked::new(Books {
                memory: None,
                taken,
                ends,
            }),
        }
    }

    /// Gives the pool its memory, once.
    ///
    /// * `len`: in bytes, of which the last `len % unit` stay unused;
    /// * `unit`: in bytes, what block lengths are rounded up to; `cpu` and `phys` are multiples of it. For devices that
    ///   do not snoop it must be a multiple of the write-back granule.
    ///
    /// # Errors
    /// [`Error::PoolInUse`]; [`Error::ZeroLength`] if `len` is less than a unit; [`Error::Misaligned`] if `cpu` or
    /// `phys` is; [`Error::RangeWraps`], also for more bytes than `isize::MAX`, which no pointer may step over;
    /// [`Error::PoolTooLarge`] if `WORDS` are too few.
    ///
    /// # Safety
    /// For as long as the pool or a block that it handed out exists, the `len` bytes from `cpu` on are valid for reads
    /// and writes, contiguous from `phys` on, and used by nobody else.
    pub unsafe fn adopt(
        &self,
        cpu: NonNull<u8>,
        phys: PhysAddr,
        len: usize,
        unit: Alignment,
    ) -> Result<(), Error> {
        let alignment = unit.get();
        for addr in [cpu.addr().get() as u64, phys.get()] {
            if !unit.divides(addr) {
                return Err(Error::Misaligned { addr, alignment });
            }
        }
        let unit_len = usize::try_from(alignment).map_err(|_| Error::ZeroLength)?;
        let units = len
            .checked_div(unit_len)
            .filter(|n| *n > 0)
            .ok_or(Error::ZeroLength)?;
        let capacity = WORDS.saturating_mul(UNITS_PER_WORD);
        if units > capacity {
            return Err(Error::PoolTooLarge { units, capacity });
        }
        let len = units.saturating_mul(unit_len);
        let ends = cpu
            .addr()
            .get()
            .checked_add(len.saturating_sub(1))
            .is_some();
        if !ends || isize::try_from(len).is_err() {
            return Err(Error::RangeWraps {
                start: cpu.addr().get() as u64,
                len: len as u64,
            });
        }
        let phys = PhysRange::new(phys, len as u64)?;

        self.books.with(|books| {
            if books.memory.is_some() {
                return Err(Error::PoolInUse);
            }
            // The last word's bits behind the last unit are those of no unit, and never free.
            books.taken.set_all(units, capacity, true);
            books.memory = Some(Memory {
                cpu,
                phys,
                unit,
                unit_len,
                units,
            });
            Ok(())
        })
    }

    /// Bytes that are free now, in however many pieces.
    pub fn free_bytes(&self) -> usize {
        self.books.with(|books| {
            let free = |memory: Memory| books.taken.words(memory.units).count();
            books.bytes(free)
        })
    }

    /// Bytes of the longest free run now.
    pub fn largest_free(&self) -> usize {
        self.books.with(|books| books.largest_free())
    }
}

impl<const WORDS: usize> Default for BitmapPool<WORDS> {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: `Books` hands out units that are free, marks them taken, and keeps everything it relies on in itself;
// `Request::first_fit` decided that they meet the request; they are zeroed whole.
unsafe impl<const WORDS: usize> DmaAllocator for BitmapPool<WORDS> {
    fn allocate(&self, request: &Request) -> Result<Block, Error> {
        let (memory, phys) = self.books.with(|books| books.take(request))?;

        // SAFETY: the memory is the pool's, and nobody else was given these units.
        unsafe { memory.cast::<u8>().write_bytes(0, memory.len()) };
        // SAFETY: as above; it is initialised, and `take` returned matching addresses.
        unsafe { Block::new(memory, phys) }
    }

    fn free(&self, block: Block) -> Result<(), Refused<Block>> {
        let returned = self.books.with(|books| books.give_back(&block));
        returned.map_err(|error| Refused::new(error, block))
    }
}

/// The memory of a pool.
#[derive(Clone, Copy)]
struct Memory {
    cpu: NonNull<u8>,
    phys: PhysRange,
    unit: Alignment,
    unit_len: usize,
    units: usize,
}

// SAFETY: the pool is the only user of the memory, which every thread can access.
unsafe impl Send for Memory {}

/// Which units are taken, and which of those are the last of their block.
struct Books<const WORDS: usize> {
    memory: Option<Memory>,
    /// Invariant: once there is memory, set behind its last unit.
    taken: Bits<WORDS>,
    /// Invariant: set only for units, and only where `taken` is.
    ends: Bits<WORDS>,
}

impl<const WORDS: usize> Books<WORDS> {
    /// The lowest free place for `request`, from now on taken.
    fn take(&mut self, request: &Request) -> Result<(NonNull<[u8]>, PhysAddr), Error> {
        let never = |capacity| Error::NeverFits {
            len: request.len.get(),
            capacity,
        };
        let memory = self.memory.ok_or(never(0))?;
        let len = memory.unit.round_up(request.len)?;
        let rounded = Request { len, ..*request };
        let whole = 0..memory.units;
        let Some((lowest, _)) = memory.place(&rounded, &whole) else {
            return Err(never(memory.units.saturating_mul(memory.unit_len)));
        };
        let (count, words) = (memory.units_in(len.get()), self.taken.words(memory.units));
        let found = if count <= BITS {
            let starts = |unit| rounded.starts(memory.at(unit), memory.unit);
            let first = words.find_short(lowest..memory.end(&rounded), count, starts);
            first.map(|first| (first, memory.at(first)))
        } else {
            words.find_long(lowest, count, |run| memory.place(&rounded, &run))
        };
        let Some((first, phys)) = found else {
            return Err(Error::Exhausted {
                len: request.len.get(),
                largest_free: self.largest_free(),
            });
        };

        let last = first.saturating_add(count).saturating_sub(1);
        self.taken.set_all(first, last, true);
        self.ends.set(last, true);
        let offset = first.saturating_mul(memory.unit_len);
        // SAFETY: the run of units lies inside the memory.
        let start = unsafe { memory.cpu.add(offset) };
        Ok((NonNull::slice_from_raw_parts(start, len.get()), phys))
    }

    /// Frees the units of a block, if it is exactly one that was handed out.
    fn give_back(&mut self, block: &Block) -> Result<(), Error> {
        let (phys, len) = (block.phys().start().get(), block.len_bytes());
        let memory = self
            .memory
            .filter(|memory| memory.phys.contains(block.phys()))
            .ok_or(Error::ForeignBlock { phys, len })?;
        let offset = block
            .phys()
            .start()
            .get()
            .wrapping_sub(memory.phys.start().get());
        let offset = usize::try_from(offset).map_err(|_| Error::ForeignBlock { phys, len })?;
        if block.memory().cast::<u8>().addr().get() != memory.cpu.addr().get().wrapping_add(offset)
        {
            return Err(Error::ForeignBlock { phys, len });
        }

        let exact = memory.unit.divides(offset as u64) && memory.unit.divides(len as u64);
        let first = memory.units_in(offset);
        let last = first.saturating_add(memory.units_in(len)).saturating_sub(1);
        let before = first.checked_sub(1);
        let begins = before.is_none_or(|before| !self.taken.get(before) || self.ends.get(before));
        let behind = last.saturating_add(1);
        let ends = self.ends.next(first, behind, true) == Some(last);
        let whole = self.taken.next(first, behind, false).is_none();
        if !(exact && begins && ends && whole) {
            return Err(Error::NotAllocated { phys, len });
        }

        self.ends.set(last, false);
        self.taken.set_all(first, last, false);
        Ok(())
    }

    fn largest_free(&self) -> usize {
        self.bytes(|memory| self.taken.words(memory.units).longest())
    }

    /// So many units in bytes; none without memory.
    fn bytes(&self, units: impl Fn(Memory) -> usize) -> usize {
        let bytes = |memory: Memory| units(memory).saturating_mul(memory.unit_len);
        self.memory.map_or(0, bytes)
    }
}

impl Memory {
    /// Where in a run of units the request fits: its first unit and the physical address of that.
    fn place(&self, request: &Request, run: &Range<usize>) -> Option<(usize, PhysAddr)> {
        let bytes = |units: usize| units.checked_mul(self.unit_len).map(|bytes| bytes as u64);
        let base = self.phys.start();
        let free = PhysRange::new(base.checked_add(bytes(run.start)?)?, bytes(run.len())?).ok()?;
        let phys = request.first_fit(free, self.unit)?;
        let offset = usize::try_from(phys.get().checked_sub(base.get())?).ok()?;
        Some((self.units_in(offset), phys))
    }

    /// The unit behind the last with which a block may begin for the request's highest address.
    fn end(&self, request: &Request) -> usize {
        let last = self.phys.last().min(request.highest).get();
        let room = last.saturating_sub(self.phys.start().get());
        // A block of one byte could begin with the last.
        let steps = (request.len.get() as u64).saturating_sub(1);
        let latest = usize::try_from(room.saturating_sub(steps)).unwrap_or(usize::MAX);
        self.units_in(latest).saturating_add(1)
    }

    /// The physical address of a unit.
    fn at(&self, unit: usize) -> PhysAddr {
        let offset = unit.saturating_mul(self.unit_len) as u64;
        PhysAddr::new(self.phys.start().get().wrapping_add(offset))
    }

    /// Whole units in `bytes`.
    fn units_in(&self, bytes: usize) -> usize {
        bytes
            .checked_shr(self.unit_len.trailing_zeros())
            .unwrap_or(0)
    }
}
