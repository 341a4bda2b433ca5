//! The books of a pool of objects: which chunks there are and which of their blocks are free. They lie outside of the
//! memory, at most two bytes for each block where a chunk has 64.
#![expect(unsafe_code, reason = "blocks are cut from chunks")]

use core::ptr::NonNull;

use super::{ObjectCounts, index::Index, summary::Summary};
use crate::{addr::PhysAddr, error::Error, layout::ObjectLayout, limits::Request, memory::Block};

/// Memory from the source that is cut into blocks.
#[derive(Debug)]
struct Chunk {
    /// Invariant: at least as long as a chunk, and devices see it at a multiple of a chunk's length.
    memory: Block,
    /// Bit `i` is the `i`-th block.
    free: u64,
}

#[derive(Debug)]
pub(super) struct Books<const CHUNKS: usize> {
    chunks: [Option<Chunk>; CHUNKS],
    /// The chunks that have a free block.
    open: Summary<CHUNKS>,
    index: Index<CHUNKS>,
    counts: ObjectCounts,
}

/// Why no block was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// There is room for one chunk more.
    Chunk,
    /// There is not.
    Place,
}

impl<const CHUNKS: usize> Books<CHUNKS> {
    pub(super) const fn new() -> Self {
        Self {
            chunks: [const { None }; CHUNKS],
            open: Summary::new(),
            index: Index::new(),
            counts: ObjectCounts::NONE,
        }
    }

    pub(super) const fn counts(&self) -> ObjectCounts {
        self.counts
    }

    pub(super) const fn count_leaked(&mut self) {
        self.counts.leaked = self.counts.leaked.saturating_add(1);
    }

    /// A free block that meets the request, from now on taken: of the first chunk that has one.
    pub(super) fn take(
        &mut self,
        layout: &ObjectLayout,
        request: &Request,
    ) -> Result<(NonNull<[u8]>, PhysAddr), Missing> {
        let mut from = 0;
        while let Some(id) = self.open.next(from) {
            if let Some(Some(chunk)) = self.chunks.get_mut(id) {
                let met = chunk.free & reached(chunk, layout, request);
                if met != 0 {
                    chunk.free &= !(met & met.wrapping_neg());
                    let found = place(chunk, layout, met.trailing_zeros());
                    if chunk.free == 0 {
                        self.open.set(id, false);
                    }
                    self.counts.take();
                    return Ok(found);
                }
            }
            from = id.saturating_add(1);
        }
        Err(if self.counts.chunks < CHUNKS {
            Missing::Chunk
        } else {
            Missing::Place
        })
    }

    /// Whether any block, free or not, meets the request.
    pub(super) fn could_meet(&self, layout: &ObjectLayout, request: &Request) -> bool {
        let mut chunks = self.chunks.iter().flatten();
        chunks.any(|chunk| reached(chunk, layout, request) & all(layout) != 0)
    }

    /// Makes a free block of what was handed out, if it is exactly one.
    pub(super) fn give_back(&mut self, layout: &ObjectLayout, block: &Block) -> Result<(), Error> {
        let (phys, len) = (block.phys().start(), block.len_bytes());
        let foreign = Error::ForeignBlock {
            phys: phys.get(),
            len,
        };
        let not_allocated = Error::NotAllocated {
            phys: phys.get(),
            len,
        };
        let key = key(layout, phys);
        let id = self.index.find(key, |id| self.key_of(layout, id));
        let id = usize::from(id.ok_or(foreign)?);
        let Some(Some(chunk)) = self.chunks.get_mut(id) else {
            return Err(foreign);
        };

        let offset = offset(layout, phys);
        let cpu = chunk.memory.memory().cast::<u8>().addr().get();
        if block.memory().cast::<u8>().addr().get() != cpu.wrapping_add(offset as usize) {
            return Err(foreign);
        }
        let index = layout
            .index_of(offset)
            .filter(|index| (*index as usize) < layout.blocks_per_chunk());
        let bit = index.map_or(0, |index| 1_u64 << index);
        if len != layout.block_len() || bit == 0 || chunk.free & bit != 0 {
            return Err(not_allocated);
        }

        if chunk.free == 0 {
            self.open.set(id, true);
        }
        chunk.free |= bit;
        self.counts.give_back();
        Ok(())
    }

    /// Puts in a chunk, all of it free, if there is a place for one.
    pub(super) fn adopt(&mut self, layout: &ObjectLayout, memory: Block) -> Result<(), Block> {
        let mut places = (0_u16..).zip(&self.chunks);
        let Some((id, _)) = places.find(|(_, place)| place.is_none()) else {
            return Err(memory);
        };
        let (key, chunks) = (key(layout, memory.phys().start()), &self.chunks);
        self.index
            .insert(id, key, |id| key_of(chunks, layout, usize::from(id)));
        let free = all(layout);
        if let Some(place) = self.chunks.get_mut(usize::from(id)) {
            *place = Some(Chunk { memory, free });
        }
        self.open.set(usize::from(id), true);
        self.counts.chunks = self.counts.chunks.saturating_add(1);
        let free = self.counts.free;
        self.counts.free = free.saturating_add(layout.blocks_per_chunk());
        Ok(())
    }

    /// Takes out a chunk if all of it is free.
    pub(super) fn remove_empty(&mut self, layout: &ObjectLayout, id: usize) -> Option<Block> {
        let chunk = self.chunks.get(id)?.as_ref()?;
        if chunk.free != all(layout) {
            return None;
        }
        let key = key(layout, chunk.memory.phys().start());
        let chunks = &self.chunks;
        self.index
            .remove(key, |id| key_of(chunks, layout, usize::from(id)));
        self.open.set(id, false);
        self.counts.chunks = self.counts.chunks.saturating_sub(1);
        let free = self.counts.free;
        self.counts.free = free.saturating_sub(layout.blocks_per_chunk());
        self.chunks.get_mut(id)?.take().map(|chunk| chunk.memory)
    }

    fn key_of(&self, layout: &ObjectLayout, id: u16) -> u64 {
        key_of(&self.chunks, layout, usize::from(id))
    }
}

/// The number of the chunk's place in the devices' addresses.
const fn key(layout: &ObjectLayout, phys: PhysAddr) -> u64 {
    layout.seen(phys) >> layout.chunk_shift()
}

/// The same of a chunk that there is; of another it is a number that no place has.
fn key_of(chunks: &[Option<Chunk>], layout: &ObjectLayout, id: usize) -> u64 {
    match chunks.get(id) {
        Some(Some(chunk)) => key(layout, chunk.memory.phys().start()),
        _ => u64::MAX,
    }
}

/// Where in its chunk an address lies.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a chunk's length fits a `u32`"
)]
const fn offset(layout: &ObjectLayout, phys: PhysAddr) -> u32 {
    layout.seen(phys) as u32 & (layout.chunk_len() as u32).wrapping_sub(1)
}

/// The bits of all blocks of a chunk.
fn all(layout: &ObjectLayout) -> u64 {
    below(layout.blocks_per_chunk())
}

/// So many bits.
fn below(bits: usize) -> u64 {
    let bits = u32::try_from(bits).unwrap_or(u32::MAX);
    1_u64
        .checked_shl(bits)
        .map_or(u64::MAX, |bit| bit.wrapping_sub(1))
}

/// The blocks of a chunk that lie within the request's addresses.
fn reached(chunk: &Chunk, layout: &ObjectLayout, request: &Request) -> u64 {
    let phys = chunk.memory.phys();
    if request.lowest <= phys.start() && phys.last() <= request.highest {
        return u64::MAX;
    }
    let blocks = u32::try_from(layout.blocks_per_chunk()).unwrap_or(u32::MAX);
    let reached = layout.within(phys.start(), blocks, request);
    below(reached.end as usize) & !below(reached.start as usize)
}

/// Where a block lies.
fn place(chunk: &Chunk, layout: &ObjectLayout, index: u32) -> (NonNull<[u8]>, PhysAddr) {
    let offset = layout.offset_of(index);
    let start = chunk.memory.memory().cast::<u8>();
    // SAFETY: the blocks that have a bit lie inside the chunk's memory, by its invariant.
    let start = unsafe { start.add(offset as usize) };
    let phys = chunk
        .memory
        .phys()
        .start()
        .get()
        .wrapping_add(u64::from(offset));
    (
        NonNull::slice_from_raw_parts(start, layout.block_len()),
        PhysAddr::new(phys),
    )
}

#[cfg(test)]
mod tests {
    use core::num::NonZeroUsize;

    use super::*;
    use crate::limits::Alignment;

    const LEN: usize = 512;

    #[repr(align(512))]
    struct Page([u8; LEN]);

    /// Five blocks of 96 bytes, and 32 bytes behind them.
    fn books(page: &mut Page) -> (ObjectLayout, Books<3>) {
        let alignment = Alignment::new(32).unwrap();
        let layout = ObjectLayout::new(96, alignment).and_then(|layout| layout.chunks_of(LEN));
        let memory = NonNull::from(&mut page.0);
        // SAFETY: the page is the test's, which does not look at it.
        let chunk = unsafe { Block::new(memory, PhysAddr::new(0x8000_0200)) }.unwrap();
        let mut books = Books::new();
        assert!(books.adopt(&layout.unwrap(), chunk).is_ok());
        (layout.unwrap(), books)
    }

    fn request() -> Request {
        Request::anywhere(NonZeroUsize::MIN)
    }

    #[test]
    fn a_chunk_is_open_while_it_has_a_free_block() {
        let mut page = Page([0; LEN]);
        let (layout, mut books) = books(&mut page);

        for _ in 0..5 {
            assert_eq!(books.open.next(0), Some(0));
            assert!(books.take(&layout, &request()).is_ok());
        }

        assert_eq!(books.open.next(0), None);
        assert_eq!(books.take(&layout, &request()), Err(Missing::Chunk));
    }

    #[test]
    fn a_chunk_that_is_gone_is_not_open() {
        let mut page = Page([0; LEN]);
        let (layout, mut books) = books(&mut page);

        assert!(books.remove_empty(&layout, 1).is_none());
        assert!(books.remove_empty(&layout, 0).is_some());

        assert_eq!(books.open.next(0), None);
        assert_eq!(books.counts(), ObjectCounts::NONE);
        assert!(books.remove_empty(&layout, 0).is_none());
    }

    #[test]
    fn what_lies_behind_the_last_block_is_no_block() {
        let mut page = Page([0; LEN]);
        let (layout, mut books) = books(&mut page);
        let first = books.take(&layout, &request()).unwrap();
        let nth = |index: usize| {
            let start = first.0.cast::<u8>().as_ptr().wrapping_add(96 * index);
            let memory = NonNull::slice_from_raw_parts(NonNull::new(start).unwrap(), 96);
            let phys = first.1.checked_add(96 * index as u64).unwrap();
            // SAFETY: nobody looks at the block.
            unsafe { Block::new(memory, phys) }.unwrap()
        };
        for _ in 1..5 {
            assert!(books.take(&layout, &request()).is_ok());
        }

        // There would be room for a third of it.
        let behind = Error::NotAllocated {
            phys: 0x8000_03e0,
            len: 96,
        };
        assert_eq!(books.give_back(&layout, &nth(5)), Err(behind));
        assert_eq!(books.give_back(&layout, &nth(4)), Ok(()));
        assert_eq!(books.counts().in_use, 4);
    }
}
