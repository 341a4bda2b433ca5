//! A contiguous pool: memory set aside for devices, with all its books kept outside that memory.
#![expect(unsafe_code, reason = "the pool hands out the memory it was given")]

mod lend;
mod runs;

use core::ptr::NonNull;

pub use lend::{Reclaiming, StillInUse};
pub use runs::{Run, Runs};

use crate::{
    addr::{PhysAddr, PhysRange},
    atomic::AtomicU32,
    error::{Error, Refused},
    limits::{Alignment, Request},
    lock::{
        once::Once,
        returns::{END, Returns, linked},
        turnstile::Turnstile,
    },
    memory::{Block, DmaAllocator},
    pages::{Books, Claimed, Entries, Frame, PageEntry},
};

/// A contiguous pool of pages.
///
/// It is made empty, so that it can be a `static`, and given its memory once, at boot. Any number of pages can be had,
/// not only powers of two, at any alignment up to that of the memory. Its books are `B`: an array of
/// [`entries`](crate::pages::entries), or a slice that the OS found room for.
///
/// # Which memory
/// Where some devices do not reach all of it, the memory is divided into zones at their highest addresses. A request
/// that may lie anywhere gets the highest zone that has room, so that the low memory is kept for those who need it.
///
/// # What it costs
/// Up to 16 pages anywhere, and every free, take constant time. More pages, an alignment above a page, a boundary, or
/// a limit inside a zone: at most 256 free runs that seem to fit, and [`patience`](Self::set_patience) more, are looked at in
/// each zone. In numbers, where an entry is 8 bytes: up to 16 pages anywhere that one zone has touch at most 16 entries; giving
/// back touches 20 in each zone that the block lies in; and every other request, a refused one too,
/// 1064 + 6 × patience in each zone, which is 1448 by default. Whoever comes after others who could not wait gives back
/// their blocks too.
///
/// The memory is zeroed outside of the lock; of memory that was zero at first ([`adopt_zeroed`](Self::adopt_zeroed)), only
/// what somebody has had; for whoever overwrites it all ([`allocate_dirty`](DmaAllocator::allocate_dirty)), nothing.
///
/// # Who may call
/// Where the processor has compare-and-swap the books have a spin lock of their own: several pools are several locks, and
/// interrupts stay on. Giving back never waits: if somebody else is at the books, the block is put in a list
/// that whoever comes next empties. So buffers may be dropped in interrupt handlers; but an interrupt handler must call nothing else
/// here, not even [`counts`](Self::counts), since it may have interrupted the one it would wait for: to allocate it takes
/// [`without_waiting`](Self::without_waiting), or a [`Reserve`](crate::Reserve). Elsewhere it is a critical section, and all of it may be called from anywhere.
///
/// ```
/// use dma_api::{Alignment, PhysAddr, Pool};
/// use dma_api::pages::{PageEntry, entries};
///
/// /// 4 MiB in pages, in two zones.
/// static POOL: Pool<[PageEntry; entries(1024, 2)]> = Pool::new();
///
/// # fn boot(window: core::ptr::NonNull<u8>) -> Result<(), dma_api::Error> {
/// // One device of this board has 31 address lines.
/// let limits = [PhysAddr::new(0x7fff_ffff)];
/// // SAFETY: the linker script sets this window aside.
/// unsafe { POOL.adopt(window, PhysAddr::new(0x7fe0_0000), 4 << 20, Alignment::new(4096)?, &limits) }
/// # }
/// ```
#[derive(Debug)]
pub struct Pool<B> {
    entries: B,
    memory: Once<Memory>,
    books: Turnstile<Option<Books>>,
    /// Blocks that were given back while somebody was at the books. Their entries say how long they are, and which is next.
    returns: Returns,
}

/// What never changes once the pool has its memory.
#[derive(Debug)]
struct Memory {
    cpu: NonNull<u8>,
    frame: Frame,
    /// Whether pages that nobody ever had are zero.
    zeroed: bool,
}

// SAFETY: the pool is the only user of the memory, which every thread can access.
unsafe impl Send for Memory {}
// SAFETY: as above; nothing in it changes.
unsafe impl Sync for Memory {}

/// What a [`Pool`] has, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolCounts {
    /// All of it.
    pub capacity: u64,
    /// Free, in however many runs.
    pub free: u64,
    /// The longest free run.
    pub largest_free: u64,
    /// Lent to the OS.
    pub lent: u64,
    /// The most that ever was not free.
    pub high_water: u64,
}

impl PoolCounts {
    /// How much of the free memory lies outside of the longest free run, in thousandths: 0 if all of it is one run.
    #[must_use]
    pub fn fragmentation(&self) -> u64 {
        let scattered = self.free.saturating_sub(self.largest_free);
        let thousandths = scattered.saturating_mul(1000).checked_div(self.free);
        thousandths.unwrap_or(0)
    }
}

impl<const N: usize> Pool<[PageEntry; N]> {
    /// A pool without memory: until [`adopt`](Self::adopt) gives it some, no request fits.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_entries([const { PageEntry::new() }; N])
    }
}

impl<const N: usize> Default for Pool<[PageEntry; N]> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B> Pool<B> {
    /// The same with books in memory that the caller gives.
    #[must_use]
    pub const fn with_entries(entries: B) -> Self {
        Self {
            entries,
            memory: Once::new(),
            books: Turnstile::new(AtomicU32::new(0), None),
            returns: Returns::new(AtomicU32::new(END)),
        }
    }
}

impl<B: Entries> Pool<B> {
    /// Gives the pool its memory, once.
    ///
    /// * `len`: in bytes, of which the last `len % page` stay unused;
    /// * `page`: in bytes, what block lengths are rounded up to; `cpu` and `phys` are multiples of it. For devices that
    ///   do not snoop it must be a multiple of the write-back granule;
    /// * `limits`: the highest physical addresses of those devices that do not reach all of the memory, in any order, of which at
    ///   most [`MAX_ZONES`](crate::pages::MAX_ZONES) - 1 may lie inside of it.
    ///
    /// At most 64 free runs are looked at for one request in one zone, besides those that seem to fit;
    /// [`set_patience`](Self::set_patience) says otherwise.
    ///
    /// # Errors
    /// [`Error::PoolInUse`]; [`Error::ZeroLength`] if `len` is less than a page; [`Error::Misaligned`] if `cpu` or
    /// `phys` is; [`Error::RangeWraps`], also for more bytes than `isize::MAX`, which no pointer may step over;
    /// [`Error::PoolTooLarge`] if there are too few [`entries`](crate::pages::entries); [`Error::TooManyZones`].
    ///
    /// # Safety
    /// For as long as the pool or a block that it handed out exists, the `len` bytes from `cpu` on are initialised, valid for
    /// reads and writes, contiguous from `phys` on, and used by nobody else.
    pub unsafe fn adopt(
        &self,
        cpu: NonNull<u8>,
        phys: PhysAddr,
        len: usize,
        page: Alignment,
        limits: &[PhysAddr],
    ) -> Result<(), Error> {
        self.put(cpu, PhysRange::new(phys, len as u64)?, page, limits, false)
    }

    /// As [`adopt`](Self::adopt), for memory that is zero: what is handed out for the first time is not zeroed again.
    ///
    /// # Errors
    /// As [`adopt`](Self::adopt).
    ///
    /// # Safety
    /// As [`adopt`](Self::adopt); and all bytes are zero, in memory itself as in the caches.
    pub unsafe fn adopt_zeroed(
        &self,
        cpu: NonNull<u8>,
        phys: PhysAddr,
        len: usize,
        page: Alignment,
        limits: &[PhysAddr],
    ) -> Result<(), Error> {
        self.put(cpu, PhysRange::new(phys, len as u64)?, page, limits, true)
    }

    fn put(
        &self,
        cpu: NonNull<u8>,
        phys: PhysRange,
        page: Alignment,
        limits: &[PhysAddr],
        zeroed: bool,
    ) -> Result<(), Error> {
        let alignment = page.get();
        for addr in [cpu.addr().get() as u64, phys.start().get()] {
            if !page.divides(addr) {
                return Err(Error::Misaligned { addr, alignment });
            }
        }
        let len = phys.len_bytes() & !page.mask();
        let phys = PhysRange::new(phys.start(), len)?;
        let start = cpu.addr().get();
        let inside = isize::try_from(len).is_ok_and(|len| {
            let steps = len.unsigned_abs().saturating_sub(1);
            start.checked_add(steps).is_some()
        });
        if !inside {
            let start = start as u64;
            return Err(Error::RangeWraps { start, len });
        }
        let mut made = None;
        self.memory.put(|| {
            let books = Books::new(self.entries.entries(), phys, page, limits)?;
            let frame = books.frame;
            made = Some(books);
            Ok(Memory { cpu, frame, zeroed })
        })?;
        // Last, so that whoever finds the books finds the memory.
        self.books.with(|place| *place = made);
        Ok(())
    }

    /// From now on up to `runs` free runs are looked at for one request in one zone.
    ///
    /// It bounds what a call costs. A request for up to 16 pages anywhere never needs more than one. One that is
    /// aligned, must not cross a boundary or ends inside a zone is refused when so many of the longest runs do not
    /// fit, and so is one for more than 16 pages when none of so many runs of its class is long enough. With
    /// `u32::MAX` a request is refused only if no free place meets it.
    ///
    /// # Errors
    /// [`Error::NoMemory`] before the pool has been given its memory.
    pub fn set_patience(&self, runs: u32) -> Result<(), Error> {
        self.with_books(|books| books.patience = runs)
            .ok_or(Error::NoMemory)
    }

    /// What it has now. Looks at all free runs that are about as long as the longest, while nobody else can be at the books.
    pub fn counts(&self) -> PoolCounts {
        let counts = self.with_books(|books| PoolCounts {
            capacity: books.frame.memory.len_bytes(),
            free: books.free_bytes(),
            largest_free: books.largest_free(self.entries.entries(), u32::MAX),
            lent: books.lent_bytes(),
            high_water: books.high_water(),
        });
        counts.unwrap_or_default()
    }

    /// An allocator of the same memory that does not wait for whoever is at the books: then it refuses, with
    /// [`Error::Busy`]. For interrupt handlers.
    pub const fn without_waiting(&self) -> WithoutWaiting<'_, B> {
        WithoutWaiting(self)
    }

    /// Takes pages that meet the request.
    #[inline]
    fn take(&self, books: &mut Option<Books>, request: &Request) -> Result<Taken, Error> {
        let entries = self.entries.entries();
        let (len, capacity) = (request.len.get(), 0);
        let books = books.as_mut().ok_or(Error::NeverFits { len, capacity })?;
        self.put_back(books);
        let block = books.take_block(entries, request)?;
        books.note_use();
        let dirty = books.touch(block);
        Ok(Taken { block, dirty })
    }

    /// Zeroes what somebody had, and makes a block of it.
    fn zeroed(&self, taken: Taken) -> Result<Block, Error> {
        let block = self.block(taken)?;
        let zeroed = self.memory.get().is_some_and(|memory| memory.zeroed);
        let clean = if zeroed {
            taken.dirty.wrapping_sub(taken.block.first)
        } else {
            0
        };
        let skip = self.frame_bytes(clean);
        let start = block.memory().cast::<u8>();
        let len = block.len_bytes().saturating_sub(skip);
        // SAFETY: `skip` is at most the block's length.
        let dirty = unsafe { start.add(skip) };
        // SAFETY: the memory is the pool's, and nobody else was given these pages.
        unsafe { dirty.write_bytes(0, len) };
        Ok(block)
    }

    fn block(&self, taken: Taken) -> Result<Block, Error> {
        let memory = self.memory.get().ok_or(Error::NoMemory)?;
        let phys = memory.frame.range(taken.block.first, taken.block.pages);
        let offset = self.frame_bytes(taken.block.first);
        // SAFETY: the pages lie inside the memory.
        let start = unsafe { memory.cpu.add(offset) };
        let len = self.frame_bytes(taken.block.pages);
        let bytes = NonNull::slice_from_raw_parts(start, len);
        // SAFETY: the books hand out what is free; the memory is initialised, and the addresses match.
        unsafe { Block::new(bytes, phys.start()) }
    }

    /// How many bytes so many pages have; no more than `isize::MAX`.
    fn frame_bytes(&self, pages: u32) -> usize {
        let bytes = self
            .memory
            .get()
            .map_or(0, |memory| memory.frame.bytes(pages));
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// Frees what was given back while somebody was at the books.
    #[inline]
    fn put_back(&self, books: &mut Books) {
        let entries = self.entries.entries();
        let mut link = self.returns.take_all();
        while let Some(first) = linked(link) {
            let (block, next) = Books::returned(entries, first);
            books.give(entries, block);
            link = next;
        }
    }

    /// Runs `act` at the books when everything that was given back is free.
    fn with_books<R>(&self, act: impl FnOnce(&mut Books) -> R) -> Option<R> {
        self.books.with(|books| {
            let books = books.as_mut()?;
            self.put_back(books);
            Some(act(books))
        })
    }

    /// Claims a block's pages, if they are exactly one that was handed out.
    fn claim(&self, block: &Block) -> Result<Claimed, Error> {
        let (phys, len) = (block.phys().start().get(), block.len_bytes());
        let foreign = Error::ForeignBlock { phys, len };
        let memory = self.memory.get().ok_or(foreign)?;
        let offset = phys.wrapping_sub(memory.frame.memory.start().get());
        let start = memory.cpu.addr().get() as u64;
        let inside = memory.frame.memory.contains(block.phys());
        if !inside || block.memory().addr().get() as u64 != start.wrapping_add(offset) {
            return Err(foreign);
        }
        memory.frame.claim(self.entries.entries(), block.phys())
    }
}

/// Pages that were taken.
#[derive(Clone, Copy)]
struct Taken {
    block: Claimed,
    /// The first that somebody may have had before.
    dirty: u32,
}

// SAFETY: the books hand out pages that are free, mark them taken, and keep all that they rely on in the entries;
// that the pages meet the request was judged there; they are zeroed but for those that are zero.
unsafe impl<B: Entries> DmaAllocator for Pool<B> {
    fn allocate(&self, request: &Request) -> Result<Block, Error> {
        let taken = self.books.with(|books| self.take(books, request))?;
        self.zeroed(taken)
    }

    unsafe fn allocate_dirty(&self, request: &Request) -> Result<Block, Error> {
        let taken = self.books.with(|books| self.take(books, request))?;
        self.block(taken)
    }

    fn free(&self, block: Block) -> Result<(), Refused<Block>> {
        let claimed = match self.claim(&block) {
            Ok(claimed) => claimed,
            Err(error) => return Err(Refused::new(error, block)),
        };
        let entries = self.entries.entries();
        let given = self.books.try_with(|books| {
            if let Some(books) = books {
                self.put_back(books);
                books.give(entries, claimed);
            }
        });
        if given.is_err() {
            let link = |next| Books::return_to(entries, claimed, next);
            self.returns.push(claimed.first, link);
        }
        Ok(())
    }
}

/// A [`Pool`] that does not wait: [`Pool::without_waiting`].
#[derive(Debug)]
pub struct WithoutWaiting<'p, B>(&'p Pool<B>);

impl<B: Entries> WithoutWaiting<'_, B> {
    fn take(&self, request: &Request) -> Result<Taken, Error> {
        let pool = self.0;
        let taken = pool.books.try_with(|books| pool.take(books, request));
        taken.unwrap_or(Err(Error::Busy))
    }
}

// SAFETY: it is the pool's memory, by the pool's books, zeroed as there.
unsafe impl<B: Entries> DmaAllocator for WithoutWaiting<'_, B> {
    fn allocate(&self, request: &Request) -> Result<Block, Error> {
        self.0.zeroed(self.take(request)?)
    }

    unsafe fn allocate_dirty(&self, request: &Request) -> Result<Block, Error> {
        self.0.block(self.take(request)?)
    }

    fn free(&self, block: Block) -> Result<(), Refused<Block>> {
        self.0.free(block)
    }
}

#[cfg(test)]
mod tests;
