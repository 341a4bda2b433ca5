//! What happens at the edges of a pool of objects.

use core::num::NonZeroUsize;
use std::{sync::Barrier, thread};

use dma_api::{
    Alignment, BitmapPool, Block, DmaAllocator, Error, ObjectLayout, ObjectPool, PhysAddr, Refused,
    Request, known, layout::MAX_CHUNK_LEN,
};

use crate::source::{Ram, Source, forged, request, soil};

const BASE: u64 = 0x8000_0000;
const PAGE: usize = 4096;

const LAYOUT: ObjectLayout = known(ObjectLayout::new(64, known(Alignment::new(64))));

fn layout(len: usize, alignment: u64) -> Result<ObjectLayout, Error> {
    ObjectLayout::new(len, Alignment::new(alignment).unwrap())
}

#[test]
fn a_layout_that_no_memory_can_have_is_refused() {
    let refused = [
        (layout(0, 1), Error::ZeroLength),
        (
            layout(MAX_CHUNK_LEN + 1, 1),
            Error::NeverFits {
                len: MAX_CHUNK_LEN + 1,
                capacity: MAX_CHUNK_LEN,
            },
        ),
        (
            layout(usize::MAX, 2),
            Error::NeverFits {
                len: usize::MAX,
                capacity: MAX_CHUNK_LEN,
            },
        ),
        (
            layout(1, 1 << 21),
            Error::NeverFits {
                len: 1,
                capacity: MAX_CHUNK_LEN,
            },
        ),
        (LAYOUT.boundary(96), Error::NotPowerOfTwo { value: 96 }),
        (
            LAYOUT.boundary(32),
            Error::SegmentTooLong { len: 64, max: 32 },
        ),
        (LAYOUT.chunks_of(96), Error::NotPowerOfTwo { value: 96 }),
        (LAYOUT.chunks_of(0), Error::NotPowerOfTwo { value: 0 }),
        (
            LAYOUT.chunks_of(32),
            Error::NeverFits {
                len: 64,
                capacity: 32,
            },
        ),
        (
            LAYOUT.chunks_of(2 * MAX_CHUNK_LEN),
            Error::SegmentTooLong {
                len: 2 * MAX_CHUNK_LEN as u64,
                max: MAX_CHUNK_LEN as u64,
            },
        ),
        (
            LAYOUT.between(PhysAddr::new(2), PhysAddr::new(1)),
            Error::EmptyLimits {
                lowest: 2,
                highest: 1,
            },
        ),
    ];
    for (result, error) in refused {
        assert_eq!(result, Err(error));
    }
    for largest in [layout(MAX_CHUNK_LEN, 1), layout(1, MAX_CHUNK_LEN as u64)] {
        let largest = largest.unwrap();
        assert_eq!(
            (largest.block_len(), largest.blocks_per_chunk()),
            (MAX_CHUNK_LEN, 1)
        );
    }
}

#[test]
fn a_chunk_has_eight_blocks_at_least_and_sixty_four_at_most_and_is_a_page_in_between() {
    let shapes = [1, 8, 63, 64, 100, 512, 513, 1500, 2048, 4096, 1 << 18].map(|len| {
        let layout = layout(len, 1).unwrap();
        (len, layout.chunk_len(), layout.blocks_per_chunk())
    });
    let expected = [
        (1, 64, 64),
        (8, 512, 64),
        (63, 2048, 32),
        (64, 4096, 64),
        (100, 4096, 40),
        (512, 4096, 8),
        (513, 8192, 15),
        (1500, 16384, 10),
        (2048, 16384, 8),
        (4096, 32768, 8),
        (1 << 18, 1 << 20, 4),
    ];
    assert_eq!(shapes, expected);
    assert_eq!(LAYOUT.chunks_of(1 << 20).unwrap().blocks_per_chunk(), 64);
}

#[test]
fn the_books_take_at_most_two_bytes_for_each_of_64_blocks() {
    type Bare = ObjectPool<&'static BitmapPool<8>, 1>;
    type Large = ObjectPool<&'static BitmapPool<8>, 1001>;

    let chunk = (size_of::<Large>() - size_of::<Bare>()) / 1000;

    assert!(chunk <= 2 * 64, "{chunk} bytes for a chunk");
}

#[test]
fn no_block_shares_a_granule_that_a_request_may_be_for() {
    // 96 bytes at multiples of 32: half of the blocks are alone in their granules of 32, none in granules of 64.
    let source = Source::new(BASE, 4 * PAGE, 64);
    let pool = ObjectPool::<_, 4>::new(&source, layout(96, 32).unwrap());
    let for_granule = |granule: usize, len: usize| {
        let mut request = request(len);
        request.alignment = Alignment::new(granule as u64).unwrap();
        pool.allocate(&request)
    };

    let never = Error::NeverFits {
        len: 64,
        capacity: pool.capacity(),
    };
    assert_eq!(for_granule(64, 64).map(drop), Err(never));
    for _ in 0..pool.layout().blocks_per_chunk() {
        let block = for_granule(32, 64).unwrap();
        for place in [block.phys().start().get(), block.len_bytes() as u64] {
            assert!(place.is_multiple_of(32), "{block:?}");
        }
    }
}

#[test]
fn memory_that_does_not_lie_where_it_was_asked_for_goes_back() {
    let source = Source::new(BASE, 4 * PAGE, 64);
    let pool = ObjectPool::<_, 4>::new(&source, LAYOUT);
    source.strays.set(64);

    let refused = pool.allocate(&request(64)).map(drop);

    let misaligned = Error::Misaligned {
        addr: BASE + 64,
        alignment: PAGE as u64,
    };
    assert_eq!(refused, Err(misaligned));
    // The source does not know it by that address.
    assert_eq!((pool.counts().chunks, pool.counts().leaked), (0, 1));
}

#[test]
fn chunks_that_the_source_does_not_take_back_are_counted_and_not_used_again() {
    let source = Source::new(BASE, 4 * PAGE, 64);
    let pool = ObjectPool::<_, 4>::new(&source, LAYOUT);
    pool.reserve(65).unwrap();
    source.disowns.set(true);

    assert_eq!(pool.shrink(), 0);

    let counts = pool.counts();
    assert_eq!((counts.chunks, counts.free, counts.leaked), (0, 0, 2));
    source.disowns.set(false);
    assert_eq!(pool.shrink(), 0);
}

#[test]
fn what_one_pool_handed_out_another_does_not_take() {
    let source = Source::new(BASE, 4 * PAGE, 64);
    let (one, two) = (
        ObjectPool::<_, 2>::new(&source, LAYOUT),
        ObjectPool::<_, 2>::new(&source, LAYOUT),
    );
    let (block, other) = (
        one.allocate(&request(64)).unwrap(),
        two.allocate(&request(64)).unwrap(),
    );
    let (phys, len) = (block.phys().start().get(), 64);

    let Refused { error, value } = two.free(block).unwrap_err();
    assert_eq!(error, Error::ForeignBlock { phys, len });
    assert_eq!((one.counts().in_use, two.counts().in_use), (1, 1));

    assert!(one.free(value).is_ok() && two.free(other).is_ok());
    // A chunk that went back is foreign.
    let block = one.allocate(&request(64)).unwrap();
    let again = forged(&block, 0, 0, 64).unwrap();
    one.free(block).unwrap();
    assert_eq!(one.shrink(), PAGE);
    let error = one.free(again).unwrap_err().error;
    assert!(matches!(error, Error::ForeignBlock { .. }), "{error:?}");
}

#[test]
fn a_reserve_that_cannot_be_had_leaves_no_chunk_behind() {
    let source = Source::new(BASE, 3 * PAGE, 64);
    let pool = ObjectPool::<_, 4>::new(&source, LAYOUT);
    pool.reserve(60).unwrap();
    let block = pool.allocate(&request(1)).unwrap();

    let refused = pool.reserve(4 * 64 - 1);

    assert!(
        matches!(refused, Err(Error::Exhausted { .. })),
        "{refused:?}"
    );
    assert_eq!((pool.counts().chunks, source.free_bytes()), (1, 2 * PAGE));
    assert_eq!(pool.reserve(63), Ok(()));
    assert_eq!(pool.reserve(64), Ok(()));
    assert_eq!(pool.counts().chunks, 2);
    let never = Error::NeverFits {
        len: 257 * 64,
        capacity: 256 * 64,
    };
    assert_eq!(pool.reserve(257), Err(never));
    pool.free(block).unwrap();
}

#[test]
fn a_reserve_that_cannot_be_had_leaves_the_empty_chunks_there_were() {
    let source = Source::new(BASE, 3 * PAGE, 64);
    let pool = ObjectPool::<_, 5>::new(&source, LAYOUT);
    pool.reserve(2 * 64).unwrap();

    let refused = pool.reserve(4 * 64);

    let exhausted = Error::Exhausted {
        len: PAGE,
        largest_free: 0,
    };
    assert_eq!(refused, Err(exhausted));
    assert_eq!((pool.counts().chunks, pool.counts().free), (2, 128));
}

#[test]
fn a_chunk_for_a_request_lies_within_the_requests_limits_and_the_layouts() {
    let source = Source::new(BASE, 8 * PAGE, 64);
    let between = |from: usize, to: usize| {
        (
            PhysAddr::new(BASE + (from * PAGE) as u64),
            PhysAddr::new(BASE + (to * PAGE) as u64 - 1),
        )
    };
    let (lowest, highest) = between(1, 6);
    let pool = ObjectPool::<_, 4>::new(&source, LAYOUT.between(lowest, highest).unwrap());
    let mut narrow = request(64);
    (narrow.lowest, narrow.highest) = between(5, 8);

    let block = pool.allocate(&narrow).unwrap();

    assert_eq!(block.phys().start().get(), BASE + 5 * PAGE as u64);
    let asked = source.asked.borrow()[0];
    assert_eq!((asked.lowest, asked.highest), (narrow.lowest, highest));
    (narrow.lowest, narrow.highest) = between(6, 8);
    let never = Error::NeverFits {
        len: 64,
        capacity: pool.capacity(),
    };
    assert_eq!(pool.allocate(&narrow).map(drop), Err(never));
    assert_eq!(source.asked.borrow().len(), 1);
    pool.free(block).unwrap();
}

#[test]
fn a_block_that_is_given_back_while_the_source_is_asked_is_found() {
    /// A source of one chunk, which gives a block back to the pool the next time it is asked.
    struct Late<'p>(
        &'p Source,
        &'p core::cell::RefCell<Option<Box<dyn FnOnce() + 'p>>>,
    );
    // SAFETY: both methods are those of the source.
    unsafe impl DmaAllocator for Late<'_> {
        fn allocate(&self, request: &Request) -> Result<Block, Error> {
            if let Some(act) = self.1.take() {
                act();
            }
            self.0.allocate(request)
        }
        fn free(&self, block: Block) -> Result<(), Refused<Block>> {
            self.0.free(block)
        }
    }
    let source = Source::new(BASE, PAGE, 64);
    let late = core::cell::RefCell::new(None);
    let pool: &'static ObjectPool<Late<'static>, 2> = Box::leak(Box::new(ObjectPool::new(
        Late(Box::leak(Box::new(source)), Box::leak(Box::new(late))),
        LAYOUT,
    )));
    let mut blocks: Vec<_> = (0..64)
        .map(|_| pool.allocate(&request(1)).unwrap())
        .collect();
    let exhausted = Error::Exhausted {
        len: 1,
        largest_free: 0,
    };
    assert_eq!(pool.allocate(&request(1)).map(drop), Err(exhausted));

    let (last, phys) = (blocks.pop().unwrap(), blocks.len());
    *pool.source().1.borrow_mut() = Some(Box::new(move || pool.free(last).unwrap()));
    let found = pool.allocate(&request(1)).unwrap();

    assert_eq!(found.phys().start().get(), BASE + 64 * phys as u64);
}

#[test]
fn threads_that_take_and_give_at_once_never_have_the_same_block() {
    const THREADS: usize = 4;
    let (memory, ram) = (BitmapPool::<1>::new(), Ram::new(8 * PAGE));
    let unit = Alignment::new(PAGE as u64).unwrap();
    // SAFETY: the memory is the pool's alone.
    unsafe { memory.adopt(ram.start, PhysAddr::new(BASE), 8 * PAGE, unit) }.unwrap();
    let pool = ObjectPool::<_, 8>::new(&memory, LAYOUT);
    let barrier = Barrier::new(THREADS);

    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for round in 0..40 {
                    barrier.wait();
                    let blocks: Vec<_> = (0..96 + round)
                        .filter_map(|_| pool.allocate(&request(33)).ok())
                        .collect();
                    blocks.iter().for_each(soil);
                    for block in blocks {
                        let start = block.memory().cast::<u8>();
                        // SAFETY: the block is this thread's.
                        unsafe { start.write(7) };
                        // SAFETY: as above.
                        assert_eq!(unsafe { start.read() }, 7);
                        pool.free(block).unwrap();
                    }
                    pool.shrink();
                }
            });
        }
    });

    pool.shrink();
    let counts = pool.counts();
    assert_eq!((counts.in_use, counts.chunks, counts.leaked), (0, 0, 0));
    assert_eq!(memory.free_bytes(), 8 * PAGE);
}

#[test]
fn of_two_threads_that_grow_into_the_last_place_both_get_a_block() {
    /// Two threads meet inside the source.
    struct Meeting<'m>(&'m BitmapPool<1>, Barrier);
    // SAFETY: both methods are those of the pool.
    unsafe impl DmaAllocator for Meeting<'_> {
        fn allocate(&self, request: &Request) -> Result<Block, Error> {
            let block = self.0.allocate(request);
            self.1.wait();
            block
        }
        fn free(&self, block: Block) -> Result<(), Refused<Block>> {
            self.0.free(block)
        }
    }
    let (memory, ram) = (BitmapPool::<1>::new(), Ram::new(2 * PAGE));
    let unit = Alignment::new(PAGE as u64).unwrap();
    // SAFETY: the memory is the pool's alone.
    unsafe { memory.adopt(ram.start, PhysAddr::new(BASE), 2 * PAGE, unit) }.unwrap();
    let pool = ObjectPool::<_, 1>::new(Meeting(&memory, Barrier::new(2)), LAYOUT);

    let take = || pool.allocate(&request(1)).unwrap();
    let (one, two) = thread::scope(|scope| {
        let (one, two) = (scope.spawn(take), scope.spawn(take));
        (one.join().unwrap(), two.join().unwrap())
    });

    assert!(one.phys() != two.phys());
    assert_eq!((pool.counts().chunks, memory.free_bytes()), (1, PAGE));
    let len = NonZeroUsize::new(64).unwrap();
    assert_eq!((one.len_bytes(), two.len_bytes()), (len.get(), len.get()));
    pool.free(one).unwrap();
    pool.free(two).unwrap();
}
