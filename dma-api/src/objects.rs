//! A pool of equal blocks: descriptors, commands, small buffers (Linux's name for it is `dma_pool`).
#![expect(unsafe_code, reason = "the pool hands out what it was given")]

mod books;

mod index;

mod summary;

use core::{num::NonZeroUsize, ptr::NonNull};

use crate::{
    addr::PhysAddr,
    error::{Error, Refused},
    layout::ObjectLayout,
    limits::{Alignment, Request},
    lock::Locked,
    memory::{Block, DmaAllocator},
};
use books::{Books, Missing};

/// Most chunks that an [`ObjectPool`] can have.
pub const MAX_CHUNKS: usize = u16::MAX as usize;

/// What an [`ObjectPool`] has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectCounts {
    /// Blocks that are handed out.
    pub in_use: usize,
    /// Blocks that are free.
    pub free: usize,
    /// Chunks they lie in.
    pub chunks: usize,
    /// Most blocks that were handed out at a time.
    pub high_water: usize,
    /// Chunks that their source refused to take back: leaked for good.
    pub leaked: usize,
}

impl ObjectCounts {
    const NONE: Self = Self {
        in_use: 0,
        free: 0,
        chunks: 0,
        high_water: 0,
        leaked: 0,
    };

    fn take(&mut self) {
        self.free = self.free.saturating_sub(1);
        self.in_use = self.in_use.saturating_add(1);
        self.high_water = self.high_water.max(self.in_use);
    }

    const fn give_back(&mut self) {
        self.free = self.free.saturating_add(1);
        self.in_use = self.in_use.saturating_sub(1);
    }
}

/// Blocks of one length, from up to `CHUNKS` chunks of memory that are taken from another allocator when they are needed.
///
/// It is an allocator itself. Devices draw from it on a machine that has it for its memory
/// ([`WithMemory`](crate::WithMemory)); over uncached memory, as
/// [`UncachedMemory`](crate::UncachedMemory)`<ObjectPool<…>>`, it is a source of coherent memory.
///
/// # Which requests it meets
/// Those that every block of its [`ObjectLayout`] meets, as is said there; the others are refused with
/// [`Error::NeverFits`]. The lowest and the highest address of a request are compared with each block's, and a chunk that is
/// taken for a request lies between both the layout's and the request's.
///
/// # What it costs
/// To allocate: at most six words of the summary, one chunk, and the zeroing of the block. That is so if the first chunk
/// that has a free block has one between the request's lowest and highest address, as it has for every request that is no
/// narrower than the layout; otherwise as much for each chunk with free blocks in front of the right one. When no block is
/// free it takes a chunk from the source, which costs what it costs there.
///
/// To give back: three multiplications and, on the average, a look at one slot and a half of a table of twice as many slots as
/// there can be chunks to find the chunk, never more than there are chunks, and one; and three multiplications to find the block.
///
/// Nothing depends on how many blocks there are, and nothing is kept inside of them. No lock is held while memory is zeroed
/// or while the source is asked: interrupt handlers may allocate if they may allocate from the source, and may always give
/// back. Two threads that find nothing free take a chunk each; one for which there is no place any more goes back. While
/// somebody else is still being given the source's last chunk, a request may be told that there is nothing.
///
/// # The end
/// [`shrink`](Self::shrink) gives chunks back. Dropping the pool does so too, save for chunks of which a block is out:
/// these are leaked, because somebody, perhaps a device, still uses them; [`counts`](Self::counts) says beforehand how
/// many blocks are out.
///
/// ```
/// use dma_api::{Alignment, DmaAllocator, ObjectLayout, ObjectPool, BitmapPool, known};
///
/// static MEMORY: BitmapPool<32> = BitmapPool::new();
///
/// /// Up to 1024 commands of 64 bytes: 16 pages, each taken when it is needed.
/// static COMMANDS: ObjectPool<&BitmapPool<32>, 16> =
///     ObjectPool::new(&MEMORY, known(ObjectLayout::new(64, known(Alignment::new(64)))));
/// ```
#[derive(Debug)]
pub struct ObjectPool<A: DmaAllocator, const CHUNKS: usize> {
    source: A,
    layout: ObjectLayout,
    books: Locked<Books<CHUNKS>>,
}

/// Who put a chunk in the place that there was.
enum Grown {
    /// This call.
    Here,
    /// Another thread, in the last one.
    Elsewhere,
}

impl<A: DmaAllocator, const CHUNKS: usize> ObjectPool<A, CHUNKS> {
    /// A pool without memory, which takes it from `source`: that decides whether it is cached, and which devices reach
    /// it.
    ///
    /// `CHUNKS` is 1 to [`MAX_CHUNKS`], or it does not compile:
    /// ```compile_fail,E0080
    /// use dma_api::{Alignment, ObjectLayout, ObjectPool, BitmapPool, known};
    ///
    /// static MEMORY: BitmapPool<32> = BitmapPool::new();
    /// const LAYOUT: ObjectLayout = known(ObjectLayout::new(64, Alignment::ONE));
    /// static NOTHING: ObjectPool<&BitmapPool<32>, 0> = ObjectPool::new(&MEMORY, LAYOUT);
    /// # let _ = &NOTHING;
    /// ```
    #[must_use]
    pub const fn new(source: A, layout: ObjectLayout) -> Self {
        const { assert!(CHUNKS > 0 && CHUNKS <= MAX_CHUNKS, "1 to 65,535 chunks") };
        Self {
            source,
            layout,
            books: Locked::new(Books::new()),
        }
    }

    /// What its blocks are like.
    #[must_use]
    pub const fn layout(&self) -> &ObjectLayout {
        &self.layout
    }

    /// Where its memory comes from.
    #[must_use]
    pub const fn source(&self) -> &A {
        &self.source
    }

    /// Bytes of all blocks it can ever have at a time.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        CHUNKS
            .saturating_mul(self.layout.blocks_per_chunk())
            .saturating_mul(self.layout.block_len())
    }

    /// What it has now.
    pub fn counts(&self) -> ObjectCounts {
        self.books.with(|books| books.counts())
    }

    /// Takes chunks until at least so many blocks are free, so that as many requests that are no narrower than the layout
    /// do not come to the source.
    ///
    /// # Errors
    /// [`Error::NeverFits`] for more blocks than `CHUNKS` chunks have; [`Error::Exhausted`] if there is no place for the
    /// chunks, or as the source says. Then as many empty chunks go back as were taken.
    pub fn reserve(&self, blocks: usize) -> Result<(), Error> {
        let len = blocks.saturating_mul(self.layout.block_len());
        if len > self.capacity() {
            let capacity = self.capacity();
            return Err(Error::NeverFits { len, capacity });
        }
        let mut taken = 0_usize;
        loop {
            let counts = self.counts();
            if counts.free >= blocks {
                return Ok(());
            }
            let grown = if counts.chunks < CHUNKS {
                self.grow(None)
            } else {
                Err(self.exhausted(len))
            };
            match grown {
                Ok(Grown::Here) => taken = taken.saturating_add(1),
                Ok(Grown::Elsewhere) => {}
                Err(error) => {
                    self.give_chunks_back(taken);
                    return Err(error);
                }
            }
        }
    }

    /// Gives chunks of which no block is out back to the source. Returns how many bytes these were.
    ///
    /// A block that a device still owns, in a driver's hands or in quarantine, is out.
    pub fn shrink(&self) -> usize {
        self.give_chunks_back(CHUNKS)
    }

    fn give_chunks_back(&self, most: usize) -> usize {
        let (mut left, mut bytes) = (most, 0_usize);
        for id in (0..CHUNKS).rev() {
            if left == 0 {
                break;
            }
            let layout = &self.layout;
            if let Some(chunk) = self.books.with(|books| books.remove_empty(layout, id)) {
                let len = chunk.len_bytes();
                if self.return_chunk(chunk) {
                    bytes = bytes.saturating_add(len);
                }
                left = left.saturating_sub(1);
            }
        }
        bytes
    }

    /// Whether the source took the chunk back.
    fn return_chunk(&self, chunk: Block) -> bool {
        let returned = self.source.free(chunk).is_ok();
        if !returned {
            self.books.with(Books::count_leaked);
        }
        returned
    }

    /// One chunk more, unless there is no place for it any more.
    fn grow(&self, limits: Option<&Request>) -> Result<Grown, Error> {
        let layout = &self.layout;
        let len = NonZeroUsize::new(layout.chunk_len()).ok_or(Error::ZeroLength)?;
        let alignment = Alignment::new(len.get() as u64)?;
        let request = layout.memory(len, alignment, None, limits);
        let chunk = self.source.allocate(&request)?;
        let start = chunk.phys().start();
        // The books rest on it that a chunk lies where it was asked for.
        if request.first_fit(chunk.phys(), Alignment::ONE) != Some(start) {
            self.return_chunk(chunk);
            return Err(Error::Misaligned {
                addr: start.get(),
                alignment: alignment.get(),
            });
        }
        match self.books.with(|books| books.adopt(layout, chunk)) {
            Ok(()) => Ok(Grown::Here),
            Err(chunk) => {
                self.return_chunk(chunk);
                Ok(Grown::Elsewhere)
            }
        }
    }

    /// A free block that meets the request, or a reason why there is none.
    fn find(&self, request: &Request) -> Result<(NonNull<[u8]>, PhysAddr), Error> {
        let take = || self.books.with(|books| books.take(&self.layout, request));
        let len = request.len.get();
        // Each time round either a chunk came in or somebody else has put one in the last place.
        loop {
            match take() {
                Ok(found) => return Ok(found),
                Err(Missing::Place) => return Err(self.exhausted(len)),
                Err(Missing::Chunk) => {}
            }
            if let Err(error) = self.grow(Some(request)) {
                // Somebody may have given back a block meanwhile.
                return take().map_err(|_| self.explain(error, request));
            }
        }
    }

    /// What the source said of a chunk, said of the request.
    fn explain(&self, error: Error, request: &Request) -> Error {
        let len = request.len.get();
        match error {
            Error::NeverFits { .. } => {
                let layout = &self.layout;
                let once = self.books.with(|books| books.could_meet(layout, request));
                if once {
                    self.exhausted(len)
                } else {
                    self.never_fits(len)
                }
            }
            Error::Exhausted { .. } => self.exhausted(len),
            other => other,
        }
    }

    fn exhausted(&self, len: usize) -> Error {
        let free = self.counts().free > 0;
        Error::Exhausted {
            len,
            largest_free: if free { self.layout.block_len() } else { 0 },
        }
    }

    const fn never_fits(&self, len: usize) -> Error {
        Error::NeverFits {
            len,
            capacity: self.capacity(),
        }
    }
}

// SAFETY: a block is a part of a chunk that the source handed out, which the books gave to nobody else and keep until it is
// back; the layout admits the request, so that every block between its addresses meets it, and `Books::take` found one; it
// is zeroed whole. All that the pool relies on is in its books (S10). Blocks start and end at multiples of the largest power
// of two that divides their length, by physical address because the chunk does and by CPU address as far as the source
// keeps its promise about granules for the chunk; a request of a larger alignment is refused.
unsafe impl<A: DmaAllocator, const CHUNKS: usize> DmaAllocator for ObjectPool<A, CHUNKS> {
    fn allocate(&self, request: &Request) -> Result<Block, Error> {
        if !self.layout.admits(request) {
            return Err(self.never_fits(request.len.get()));
        }
        let (memory, phys) = self.find(request)?;

        // SAFETY: the block is part of a chunk of the pool's, and nobody else was given it.
        unsafe { memory.cast::<u8>().write_bytes(0, memory.len()) };
        // SAFETY: as above; it is initialised, and `Books::take` returned matching addresses.
        unsafe { Block::new(memory, phys) }
    }

    fn free(&self, block: Block) -> Result<(), Refused<Block>> {
        let layout = &self.layout;
        let returned = self.books.with(|books| books.give_back(layout, &block));
        returned.map_err(|error| Refused::new(error, block))
    }
}

impl<A: DmaAllocator, const CHUNKS: usize> Drop for ObjectPool<A, CHUNKS> {
    fn drop(&mut self) {
        self.shrink();
    }
}
