//! A contiguous pool: memory set aside for devices, with all its books kept outside that memory.
#![expect(unsafe_code, reason = "the pool hands out the memory it was given")]

use core::ptr::NonNull;

use crate::{
    addr::{PhysAddr, PhysRange},
    error::{Error, Refused},
    limits::{Alignment, Request},
    lock::Locked,
    memory::{Block, DmaAllocator},
};

/// Units that one word of the bitmaps accounts for: a pool of `WORDS` words has at most `WORDS * UNITS_PER_WORD`
/// units.
pub const UNITS_PER_WORD: usize = u32::BITS as usize;

/// A contiguous pool of up to `WORDS` × [`UNITS_PER_WORD`] units.
///
/// It is made empty, so that it can be a `static`, and given its memory once, at boot. Any number of units can be
/// had, not only powers of two; the lowest free place that meets a request is taken. The search takes time
/// proportional to the units in the pool, a word of the bitmap at a time, in a critical section: interrupt handlers
/// may allocate and free. The memory is zeroed outside of it.
///
/// ```
/// use dma_api::{Alignment, BitmapPool, PhysAddr};
///
/// /// 4 MiB in pages: 1024 units, 32 words.
/// static POOL: BitmapPool<32> = BitmapPool::new();
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
        let (taken, ends) = (Bits([0; WORDS]), Bits([0; WORDS]));
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
            let unit = books.memory.as_ref().map_or(0, |memory| memory.unit_len);
            books
                .runs()
                .map(|run| run.len())
                .sum::<usize>()
                .saturating_mul(unit)
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
    taken: Bits<WORDS>,
    /// Invariant: set only where `taken` is.
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
        let Some((first, phys)) = self.runs().find_map(|run| memory.place(&rounded, &run)) else {
            let whole = 0..memory.units;
            return Err(match memory.place(&rounded, &whole) {
                None => never(memory.units.saturating_mul(memory.unit_len)),
                Some(_) => {
                    let largest_free = self.largest_free();
                    Error::Exhausted {
                        len: request.len.get(),
                        largest_free,
                    }
                }
            });
        };

        let last = first
            .saturating_add(memory.units_in(len.get()))
            .saturating_sub(1);
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
        let next_end = self.ends.next(first, memory.units, true);
        let next_free = self.taken.next(first, memory.units, false);
        let ends = next_end == Some(last) && next_free.is_none_or(|free| free > last);
        if !(exact && begins && ends) {
            return Err(Error::NotAllocated { phys, len });
        }

        self.ends.set(last, false);
        self.taken.set_all(first, last, false);
        Ok(())
    }

    /// The free runs, in ascending order.
    fn runs(&self) -> impl Iterator<Item = core::ops::Range<usize>> {
        let units = self.memory.map_or(0, |memory| memory.units);
        let mut next = 0;
        core::iter::from_fn(move || {
            let start = self.taken.next(next, units, false)?;
            let end = self.taken.next(start, units, true).unwrap_or(units);
            next = end;
            Some(start..end)
        })
    }

    fn largest_free(&self) -> usize {
        let unit = self.memory.map_or(0, |memory| memory.unit_len);
        self.runs()
            .map(|run| run.len())
            .max()
            .unwrap_or(0)
            .saturating_mul(unit)
    }
}

impl Memory {
    /// Where in a run of units the request fits: its first unit and the physical address of that.
    fn place(&self, request: &Request, run: &core::ops::Range<usize>) -> Option<(usize, PhysAddr)> {
        let bytes = |units: usize| units.checked_mul(self.unit_len).map(|bytes| bytes as u64);
        let base = self.phys.start();
        let free = PhysRange::new(base.checked_add(bytes(run.start)?)?, bytes(run.len())?).ok()?;
        let phys = request.first_fit(free, self.unit)?;
        let offset = usize::try_from(phys.get().checked_sub(base.get())?).ok()?;
        Some((self.units_in(offset), phys))
    }

    /// Whole units in `bytes`.
    fn units_in(&self, bytes: usize) -> usize {
        bytes.checked_div(self.unit_len).unwrap_or(0)
    }
}

/// A bitmap. Bits behind its end read as 0 and cannot be set.
struct Bits<const WORDS: usize>([u32; WORDS]);

impl<const WORDS: usize> Bits<WORDS> {
    fn get(&self, bit: usize) -> bool {
        let (word, mask) = locate(bit);
        self.0.get(word).is_some_and(|word| word & mask != 0)
    }

    fn set(&mut self, bit: usize, value: bool) {
        let (word, mask) = locate(bit);
        if let Some(word) = self.0.get_mut(word) {
            *word = if value { *word | mask } else { *word & !mask };
        }
    }

    /// Sets all bits from `first` to `last`, both included, a word at a time.
    fn set_all(&mut self, first: usize, last: usize, value: bool) {
        let (first_word, first_mask) = locate(first);
        let (last_word, last_mask) = locate(last);
        let (from_first, up_to_last) = (
            first_mask.wrapping_neg(),
            last_mask | last_mask.wrapping_sub(1),
        );
        for (index, word) in self.0.iter_mut().enumerate().skip(first_word) {
            if index > last_word {
                break;
            }
            let mut mask = u32::MAX;
            if index == first_word {
                mask &= from_first;
            }
            if index == last_word {
                mask &= up_to_last;
            }
            *word = if value { *word | mask } else { *word & !mask };
        }
    }

    /// The first bit of that value from `from` on and below `end`, a word at a time.
    fn next(&self, from: usize, end: usize, value: bool) -> Option<usize> {
        let invert = if value { 0 } else { u32::MAX };
        let mut from = from;
        while from < end {
            let (word, mask) = locate(from);
            let candidates = (self.0.get(word)? ^ invert) & mask.wrapping_neg();
            let base = word.saturating_mul(UNITS_PER_WORD);
            if candidates != 0 {
                let bit = base.saturating_add(candidates.trailing_zeros() as usize);
                return (bit < end).then_some(bit);
            }
            from = base.saturating_add(UNITS_PER_WORD);
        }
        None
    }
}

/// The word of a bit, and its mask in there.
const fn locate(bit: usize) -> (usize, u32) {
    (bit / UNITS_PER_WORD, 1 << (bit % UNITS_PER_WORD))
}
