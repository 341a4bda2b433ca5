//! Memory for pools of objects, from an allocator that remembers what is out.

use core::{
    alloc::Layout,
    cell::{Cell, RefCell},
    num::NonZeroUsize,
    ops::Range,
    ptr::NonNull,
    slice,
};
use std::alloc::{alloc, dealloc};

use dma_api::{Alignment, BitmapPool, Block, DmaAllocator, Error, PhysAddr, Refused, Request};

/// Memory of the host, full of bytes that are not zero.
pub(crate) struct Ram {
    pub(crate) start: NonNull<u8>,
    layout: Layout,
}

impl Ram {
    pub(crate) fn new(len: usize) -> Self {
        let layout = Layout::from_size_align(len, 4096).unwrap();
        // SAFETY: no test has no memory.
        let start = NonNull::new(unsafe { alloc(layout) }).unwrap();
        // SAFETY: it was just allocated with that length.
        unsafe { start.write_bytes(0xee, len) };
        Self { start, layout }
    }
}

impl Drop for Ram {
    fn drop(&mut self) {
        // SAFETY: it was allocated with this layout; blocks that are left are never used again.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

/// A pool, and the physical addresses of what it has handed out.
pub(crate) struct Source {
    pool: BitmapPool<64>,
    pub(crate) ram: Ram,
    pub(crate) whole: Range<u128>,
    pub(crate) out: RefCell<Vec<Range<u128>>>,
    /// Whether it says that nothing is its own.
    pub(crate) disowns: Cell<bool>,
    /// Whether it hands out what was not asked for: as much farther on.
    pub(crate) strays: Cell<u64>,
    pub(crate) asked: RefCell<Vec<Request>>,
}

impl Source {
    pub(crate) fn new(base: u64, len: usize, unit: usize) -> Self {
        let (pool, ram) = (BitmapPool::new(), Ram::new(len));
        let unit = Alignment::new(unit as u64).unwrap();
        // SAFETY: the memory is the pool's alone for as long as the source exists.
        unsafe { pool.adopt(ram.start, PhysAddr::new(base), len, unit) }.unwrap();
        Self {
            pool,
            ram,
            whole: u128::from(base)..u128::from(base) + len as u128,
            out: RefCell::default(),
            disowns: Cell::default(),
            strays: Cell::default(),
            asked: RefCell::default(),
        }
    }

    pub(crate) fn free_bytes(&self) -> usize {
        self.pool.free_bytes()
    }
}

// SAFETY: the pool's promises, but when a test wants them broken, which then accesses nothing.
unsafe impl DmaAllocator for Source {
    fn allocate(&self, request: &Request) -> Result<Block, Error> {
        self.asked.borrow_mut().push(*request);
        let block = self.pool.allocate(request)?;
        self.out.borrow_mut().push(span(&block));
        if self.strays.get() == 0 {
            return Ok(block);
        }
        let phys = PhysAddr::new(block.phys().start().get() + self.strays.get());
        // SAFETY: none of it is true, which the test is about.
        Ok(unsafe { Block::new(block.memory(), phys) }.unwrap())
    }

    fn free(&self, block: Block) -> Result<(), Refused<Block>> {
        if self.disowns.get() {
            let (phys, len) = (block.phys().start().get(), block.len_bytes());
            return Err(Refused::new(Error::ForeignBlock { phys, len }, block));
        }
        let span = span(&block);
        self.pool.free(block)?;
        self.out.borrow_mut().retain(|out| *out != span);
        Ok(())
    }
}

/// The physical addresses of a block.
pub(crate) fn span(block: &Block) -> Range<u128> {
    let phys = block.phys();
    u128::from(phys.start().get())..u128::from(phys.last().get()) + 1
}

pub(crate) fn overlap(one: &Range<u128>, two: &Range<u128>) -> bool {
    one.start < two.end && two.start < one.end
}

/// Whether the bytes meet the request. Numbers are as long as they need to be.
pub(crate) fn meets(request: &Request, bytes: &Range<u128>) -> bool {
    let wrap = 1_u128 << 64;
    let first = (bytes.start + u128::from(request.bus_offset)) % wrap;
    let last = first + (bytes.end - 1 - bytes.start);
    let boundary = request.boundary.map_or(u128::MAX, |b| u128::from(b.get()));
    request.len.get() as u128 <= bytes.end - bytes.start
        && is_between(request, bytes)
        && first.is_multiple_of(u128::from(request.alignment.get()))
        && first / boundary == last / boundary
}

pub(crate) fn is_between(request: &Request, bytes: &Range<u128>) -> bool {
    bytes.start >= u128::from(request.lowest.get())
        && bytes.end - 1 <= u128::from(request.highest.get())
}

/// Checks that a new block is zero, all of it, and fills it with what an owner might leave behind.
pub(crate) fn soil(block: &Block) {
    let memory = block.memory().cast::<u8>().as_ptr();
    // SAFETY: the block has its memory for itself.
    let bytes = unsafe { slice::from_raw_parts_mut(memory, block.len_bytes()) };
    assert!(bytes.iter().all(|byte| *byte == 0), "a new block is zero");
    bytes.fill(0xee);
}

/// A block that nobody has handed out: so far from the start of `block`, by CPU and physical address, and so long.
pub(crate) fn forged(block: &Block, cpu: isize, phys: isize, len: usize) -> Option<Block> {
    NonZeroUsize::new(len)?;
    let start = block.memory().cast::<u8>().as_ptr().wrapping_offset(cpu);
    let memory = NonNull::slice_from_raw_parts(NonNull::new(start)?, len);
    let phys = block.phys().start().get().checked_add_signed(phys as i64)?;
    // SAFETY: deliberately none of it is true; nobody accesses the bytes, since the pool is to refuse them.
    unsafe { Block::new(memory, PhysAddr::new(phys)) }.ok()
}

pub(crate) fn request(len: usize) -> Request {
    Request::anywhere(NonZeroUsize::new(len).unwrap())
}

/// What the model knows of a layout: where blocks lie in memory that begins on a boundary, found by trying.
pub(crate) fn places(len: usize, boundary: Option<u64>, most: usize, room: u64) -> Vec<u64> {
    let (mut places, mut at, len) = (Vec::new(), 0_u64, len as u64);
    while places.len() < most && at + len <= room {
        match boundary {
            Some(b) if at / b != (at + len - 1) / b => at = (at / b + 1) * b,
            _ => {
                places.push(at);
                at += len;
            }
        }
    }
    places
}

/// Whether a pool of such a layout is to meet the request, if the addresses are right: its documentation, in other words.
pub(crate) fn admitted(
    len: usize,
    boundary: Option<u64>,
    bus_offset: u64,
    request: &Request,
) -> bool {
    let natural = 1_u64 << len.trailing_zeros();
    let moved = bus_offset.wrapping_sub(request.bus_offset);
    let finest = if len as u64 == natural {
        Some(natural)
    } else {
        boundary
    };
    let boundary_kept = match (request.boundary, finest) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(asked), Some(finest)) => asked.get() >= finest && moved.is_multiple_of(finest),
    };
    let alignment = request.alignment.get();
    request.len.get() <= len
        && alignment <= natural
        && moved.is_multiple_of(alignment)
        && boundary_kept
}
