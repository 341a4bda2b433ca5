//! A pool of objects against a model that knows what is out and tries every place.

use core::ops::Range;

use dma_api::{
    Alignment, Block, DmaAllocator, Error, ObjectLayout, ObjectPool, PhysAddr, Refused, Request,
};
use proptest::{collection::vec, prelude::*};

use crate::source::{
    Source, admitted, forged, is_between, meets, overlap, places, request, soil, span,
};

const CHUNKS: usize = 5;

/// A layout, and the memory it is used in.
#[derive(Clone, Debug)]
struct Shape {
    len: usize,
    alignment: u32,
    boundary: Option<u32>,
    chunk: Option<u32>,
    window: Option<(u64, u64)>,
    bus_offset: u64,
    base: u64,
    /// Bytes of the source.
    room: usize,
}

struct Bench<'s> {
    pool: ObjectPool<&'s Source, CHUNKS>,
    source: &'s Source,
    boundary: Option<u64>,
    between: (u64, u64),
    bus_offset: u64,
    taken: Vec<Block>,
    high_water: usize,
}

impl Shape {
    fn layout(&self) -> Result<ObjectLayout, Error> {
        let alignment = Alignment::new(1 << self.alignment)?;
        let mut layout = ObjectLayout::new(self.len, alignment)?.bus_offset(self.bus_offset);
        if let Some(bits) = self.chunk {
            layout = layout.chunks_of(1 << bits)?;
        }
        if let Some(bits) = self.boundary {
            layout = layout.boundary(1 << bits)?;
        }
        let (lowest, highest) = self.between();
        layout.between(PhysAddr::new(lowest), PhysAddr::new(highest))
    }

    fn between(&self) -> (u64, u64) {
        let (one, two) = self.window.unwrap_or((0, u64::MAX));
        let edge = |n: u64| match n {
            u64::MAX | 0 => n,
            n => self.base.saturating_add(n % self.room as u64),
        };
        (edge(one).min(edge(two)), edge(one).max(edge(two)))
    }
}

impl<'s> Bench<'s> {
    fn new(shape: &Shape, layout: ObjectLayout, source: &'s Source) -> Self {
        Self {
            pool: ObjectPool::new(source, layout),
            source,
            boundary: shape.boundary.map(|bits| 1 << bits),
            between: shape.between(),
            bus_offset: shape.bus_offset,
            taken: Vec::new(),
            high_water: 0,
        }
    }

    fn len(&self) -> usize {
        self.pool.layout().block_len()
    }

    fn chunk_len(&self) -> u128 {
        self.pool.layout().chunk_len() as u128
    }

    /// All blocks of a chunk.
    fn blocks(&self, chunk: &Range<u128>) -> Vec<Range<u128>> {
        let room = self.pool.layout().chunk_len() as u64;
        let (start, len) = (chunk.start, self.len() as u128);
        places(self.len(), self.boundary, 64, room)
            .into_iter()
            .map(|at| start + u128::from(at)..start + u128::from(at) + len)
            .collect()
    }

    /// Blocks of the chunks that are there which meet the request.
    fn met(&self, request: &Request) -> Vec<Range<u128>> {
        let chunks = self.source.out.borrow();
        let blocks = chunks.iter().flat_map(|chunk| self.blocks(chunk));
        blocks.filter(|block| meets(request, block)).collect()
    }

    fn is_free(&self, block: &Range<u128>) -> bool {
        self.taken.iter().all(|taken| !overlap(&span(taken), block))
    }

    /// Places of the source where a chunk for the request may lie.
    fn chunks(&self, request: &Request) -> Vec<Range<u128>> {
        let wrap = 1_u128 << 64;
        let mut limits = *request;
        limits.lowest = limits.lowest.max(PhysAddr::new(self.between.0));
        limits.highest = limits.highest.min(PhysAddr::new(self.between.1));
        let whole = &self.source.whole;
        (whole.start..whole.end)
            .step_by(UNIT)
            .map(|start| start..start + self.chunk_len())
            .filter(|chunk| chunk.end <= whole.end && is_between(&limits, chunk))
            .filter(|chunk| {
                let seen = (chunk.start + u128::from(self.bus_offset)) % wrap;
                seen.is_multiple_of(self.chunk_len())
            })
            .collect()
    }

    /// Whether the source has room for one chunk more.
    fn has_room(&self, request: &Request) -> bool {
        let out = self.source.out.borrow();
        out.len() < CHUNKS
            && self
                .chunks(request)
                .iter()
                .any(|chunk| out.iter().all(|out| !overlap(out, chunk)))
    }

    fn exhausted(&self, len: usize) -> Error {
        let largest_free = if self.pool.counts().free > 0 {
            self.len()
        } else {
            0
        };
        Error::Exhausted { len, largest_free }
    }

    fn allocate(&mut self, request: &Request) {
        let (len, capacity) = (request.len.get(), self.pool.capacity());
        let never = Error::NeverFits { len, capacity };
        let admitted = admitted(self.len(), self.boundary, self.bus_offset, request)
            && request.lowest.get().max(self.between.0)
                <= request.highest.get().min(self.between.1);
        let met = self.met(request);
        let expected = if !admitted {
            Err(never)
        } else if met.iter().any(|block| self.is_free(block)) || self.has_room(request) {
            Ok(())
        } else if met.is_empty()
            && self.chunks(request).is_empty()
            && self.source.out.borrow().len() < CHUNKS
        {
            Err(never)
        } else {
            Err(self.exhausted(len))
        };

        match self.pool.allocate(request) {
            Ok(block) => {
                assert_eq!(expected, Ok(()), "{request:?} {block:?}");
                let bytes = span(&block);
                assert!(meets(request, &bytes), "{request:?} {block:?}");
                assert!(self.is_free(&bytes), "{block:?} twice");
                assert!(self.met(request).contains(&bytes), "{block:?} is no block");
                assert_eq!(block.len_bytes(), self.len());
                let cpu = block.memory().cast::<u8>().addr().get();
                let offset = cpu - self.source.ram.start.addr().get();
                assert_eq!(bytes.start - self.source.whole.start, offset as u128);
                soil(&block);
                self.taken.push(block);
                self.high_water = self.high_water.max(self.taken.len());
            }
            Err(error) => assert_eq!(Err(error), expected, "{request:?}"),
        }
        self.agree();
    }

    fn free_one(&mut self, index: usize) {
        if self.taken.is_empty() {
            return;
        }
        let block = self.taken.swap_remove(index % self.taken.len());
        let again = forged(&block, 0, 0, block.len_bytes()).unwrap();
        let returned = self.pool.free(block).map_err(|refused| refused.error);
        assert_eq!(returned, Ok(()));
        self.agree();

        let (phys, len) = (again.phys().start().get(), again.len_bytes());
        self.refuse(again, Error::NotAllocated { phys, len });
    }

    /// Offers the pool a block that is none. It must come back, and nothing change.
    fn refuse(&self, block: Block, expected: Error) {
        let before = (block.memory(), block.phys());
        let Refused { error, value } = self.pool.free(block).unwrap_err();
        assert_eq!(error, expected);
        assert_eq!((value.memory(), value.phys()), before);
        self.agree();
    }

    /// Offers wrong variations of a block that is handed out.
    fn refuse_around(&self, index: usize, by: usize) {
        let Some(block) = self.taken.get(index % self.taken.len().max(1)) else {
            return;
        };
        let (len, near) = (block.len_bytes(), by.cast_signed());
        let real = |forgery: &Block| {
            let same = |taken: &Block| {
                taken.phys() == forgery.phys()
                    && core::ptr::eq(taken.memory().as_ptr(), forgery.memory().as_ptr())
            };
            self.taken.iter().any(same)
        };
        for (cpu, phys, len) in [
            (0, 0, len + by),
            (0, 0, len.saturating_sub(by)),
            (near, near, len),
            (-near, -near, len),
            (near, near, len.saturating_sub(by)),
            (near, 0, len),
            (0, near, len),
            (0, self.chunk_len() as isize * 64, len),
        ] {
            let Some(forgery) = forged(block, cpu, phys, len).filter(|forgery| !real(forgery))
            else {
                continue;
            };
            let at = u128::from(forgery.phys().start().get());
            let chunks = self.source.out.borrow();
            // What a source hands out beyond a chunk is not the pool's.
            let inside = chunks
                .iter()
                .any(|chunk| (chunk.start..chunk.start + self.chunk_len()).contains(&at));
            let (phys_start, len) = (forgery.phys().start().get(), forgery.len_bytes());
            let expected = if inside && cpu == phys {
                Error::NotAllocated {
                    phys: phys_start,
                    len,
                }
            } else {
                Error::ForeignBlock {
                    phys: phys_start,
                    len,
                }
            };
            drop(chunks);
            self.refuse(forgery, expected);
        }
    }

    fn shrink(&self) {
        let used = |chunk: &&Range<u128>| self.taken.iter().any(|t| overlap(&span(t), chunk));
        let kept = self.source.out.borrow().iter().filter(used).count();
        let all = self.source.out.borrow().len();
        let before = self.source.free_bytes();

        let returned = self.pool.shrink();

        assert_eq!(self.source.out.borrow().len(), kept);
        assert_eq!(returned, self.source.free_bytes() - before);
        assert!(returned >= (all - kept) * self.pool.layout().chunk_len());
        self.agree();
    }

    fn reserve(&self, blocks: usize) {
        let (per_chunk, before) = (self.pool.layout().blocks_per_chunk(), self.pool.counts());
        let anywhere = request(1);
        let missing = blocks.saturating_sub(before.free).div_ceil(per_chunk);
        let len = blocks * self.len();

        let result = self.pool.reserve(blocks);

        let after = self.pool.counts();
        match result {
            Ok(()) => assert_eq!(after.chunks, before.chunks + missing),
            Err(Error::NeverFits { .. }) if len > self.pool.capacity() => {
                assert_eq!(after, before);
                let capacity = self.pool.capacity();
                assert_eq!(result, Err(Error::NeverFits { len, capacity }));
            }
            Err(_) => {
                assert!(before.chunks + missing > CHUNKS || self.chunks(&anywhere).len() < CHUNKS);
                assert!(after.chunks <= before.chunks, "nothing stays");
            }
        }
        self.agree();
    }

    fn agree(&self) {
        let mut counts = dma_api::ObjectCounts::default();
        counts.chunks = self.source.out.borrow().len();
        counts.in_use = self.taken.len();
        let blocks = self.blocks(&(0..0)).len();
        assert_eq!(blocks, self.pool.layout().blocks_per_chunk());
        counts.free = counts.chunks * blocks - counts.in_use;
        counts.high_water = self.high_water;
        assert_eq!(self.pool.counts(), counts);
    }
}

/// What the source's blocks are multiples of.
const UNIT: usize = 64;

#[derive(Clone, Debug)]
struct Wish {
    len: usize,
    alignment: u32,
    boundary: Option<u32>,
    window: Option<(usize, usize)>,
    bus_offset: Option<u64>,
}

impl Wish {
    fn of(&self, bench: &Bench<'_>) -> Request {
        let mut request = request(self.len % (bench.len() + bench.len() / 8 + 1) + 1);
        request.alignment = Alignment::new(1 << self.alignment).unwrap();
        request.boundary = self.boundary.map(|bits| Alignment::new(1 << bits).unwrap());
        if let Some((one, two)) = self.window {
            let whole = &bench.source.whole;
            let edge = |n: usize| {
                let room = usize::try_from(whole.end - whole.start).unwrap();
                let at = whole.start + (n % (room + 512)) as u128;
                PhysAddr::new(u64::try_from(at.saturating_sub(256)).unwrap_or(u64::MAX))
            };
            (request.lowest, request.highest) =
                (edge(one).min(edge(two)), edge(one).max(edge(two)));
        }
        request.bus_offset = self.bus_offset.unwrap_or(bench.bus_offset);
        request
    }
}

#[derive(Clone, Debug)]
enum Operation {
    Allocate(Wish),
    Free(usize),
    Refuse(usize, usize),
    Shrink,
    Reserve(usize),
}

fn wish() -> impl Strategy<Value = Wish> {
    let alignment = prop_oneof![4 => Just(0), 4 => 0_u32..9, 1 => 9_u32..16];
    let boundary = prop_oneof![4 => Just(None), 2 => (4_u32..16).prop_map(Some)];
    let window = prop_oneof![2 => Just(None), 1 => any::<(usize, usize)>().prop_map(Some)];
    let bus_offset = prop_oneof![
        6 => Just(None),
        2 => any::<u64>().prop_map(|n| Some(n << 12)),
        1 => any::<u64>().prop_map(Some)
    ];
    (any::<usize>(), alignment, boundary, window, bus_offset).prop_map(
        |(len, alignment, boundary, window, bus_offset)| Wish {
            len,
            alignment,
            boundary,
            window,
            bus_offset,
        },
    )
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        24 => wish().prop_map(Operation::Allocate),
        12 => any::<usize>().prop_map(Operation::Free),
        2 => (any::<usize>(), 1_usize..5000).prop_map(|(index, by)| Operation::Refuse(index, by)),
        1 => Just(Operation::Shrink),
        1 => (0_usize..200).prop_map(Operation::Reserve),
    ]
}

fn shape() -> impl Strategy<Value = Shape> {
    let len = prop_oneof![4 => 1_usize..300, 1 => 300_usize..4097];
    let boundary = prop_oneof![2 => Just(None), 1 => (6_u32..14).prop_map(Some)];
    let chunk = prop_oneof![1 => Just(None), 2 => (6_u32..13).prop_map(Some)];
    let window = prop_oneof![3 => Just(None), 1 => any::<(u64, u64)>().prop_map(Some)];
    let bus_offset =
        prop_oneof![2 => Just(0), 2 => any::<u64>().prop_map(|n| n << 6), 1 => any::<u64>()];
    let place = (0_u8..4, 0_u64..64, 2_usize..10);
    (len, 0_u32..8, boundary, chunk, window, bus_offset, place).prop_map(
        |(len, alignment, boundary, chunk, window, bus_offset, (place, at, pages))| {
            let room = pages * 4096;
            let base = match place {
                0 => 0_u64.wrapping_sub(room as u64),
                1 => 0,
                _ => 0x8000_0000 + at * UNIT as u64,
            };
            Shape {
                len,
                alignment,
                boundary,
                chunk,
                window,
                bus_offset,
                base,
                room,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn a_pool_of_objects_answers_as_a_model_does_that_tries_every_place(
        shape in shape(),
        operations in vec(operation(), 1..160),
    ) {
        let source = Source::new(shape.base, shape.room, UNIT);
        // A layout that is refused is tested elsewhere.
        let Ok(layout) = shape.layout() else { return Ok(()) };
        let mut bench = Bench::new(&shape, layout, &source);
        for operation in &operations {
            match operation {
                Operation::Allocate(wish) => {
                    let request = wish.of(&bench);
                    bench.allocate(&request);
                }
                Operation::Free(index) => bench.free_one(*index),
                Operation::Refuse(index, by) => bench.refuse_around(*index, *by),
                Operation::Shrink => bench.shrink(),
                Operation::Reserve(blocks) => bench.reserve(*blocks),
            }
        }

        // Chunks of which a block is out do not go back.
        let taken: Vec<_> = bench.taken.iter().map(span).collect();
        drop(bench);
        let out = source.out.borrow();
        prop_assert!(out.iter().all(|chunk| taken.iter().any(|block| overlap(chunk, block))));
        prop_assert!(taken.iter().all(|block| out.iter().any(|chunk| overlap(chunk, block))));
    }
}
