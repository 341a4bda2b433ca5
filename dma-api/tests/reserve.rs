//! A reserve against a model that knows what is out and tries every place, and at its edges.
#![expect(
    unsafe_code,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "a test adopts memory, forges blocks, calculates, and panics"
)]
#![allow(
    dead_code,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "as above; the other test of such blocks needs more"
)]

#[path = "objects/source.rs"]
mod source;

use core::ops::Range;
use std::thread;

use dma_api::{
    Alignment, BLOCKS_PER_WORD, Block, DmaAllocator, Error, ObjectLayout, PhysAddr, Refused,
    Request, Reserve, known,
};
use proptest::{collection::vec, prelude::*};
use source::{Source, admitted, forged, meets, overlap, places, request, soil, span};

const WORDS: usize = 3;
const BASE: u64 = 0x8000_0000;
const PAGE: usize = 4096;
const LAYOUT: ObjectLayout = known(ObjectLayout::new(64, known(Alignment::new(64))));

struct Bench<'s> {
    reserve: Reserve<&'s Source, WORDS>,
    source: &'s Source,
    blocks: Vec<Range<u128>>,
    boundary: Option<u64>,
    bus_offset: u64,
    taken: Vec<Block>,
}

impl Bench<'_> {
    fn len(&self) -> usize {
        self.reserve.layout().block_len()
    }

    fn is_free(&self, block: &Range<u128>) -> bool {
        self.taken.iter().all(|taken| span(taken) != *block)
    }

    fn allocate(&mut self, request: &Request) {
        let len = request.len.get();
        let admitted = admitted(self.len(), self.boundary, self.bus_offset, request);
        let met: Vec<_> = self
            .blocks
            .iter()
            .filter(|block| meets(request, block))
            .collect();
        let any_free = self.taken.len() < self.blocks.len();
        let expected = if !admitted || met.is_empty() {
            let capacity = self.blocks.len() * self.len();
            Err(Error::NeverFits { len, capacity })
        } else {
            let largest_free = if any_free { self.len() } else { 0 };
            let free = met.iter().find(|block| self.is_free(block));
            free.copied()
                .cloned()
                .ok_or(Error::Exhausted { len, largest_free })
        };

        let block = self.reserve.allocate(request);

        assert_eq!(
            block.as_ref().map(span).map_err(|error| *error),
            expected,
            "{request:?}"
        );
        if let Ok(block) = block {
            let cpu = block.memory().cast::<u8>().addr().get();
            let offset = (cpu - self.source.ram.start.addr().get()) as u128;
            assert_eq!(span(&block).start - self.source.whole.start, offset);
            soil(&block);
            self.taken.push(block);
        }
        self.agree();
    }

    fn free_one(&mut self, index: usize) {
        if self.taken.is_empty() {
            return;
        }
        let block = self.taken.swap_remove(index % self.taken.len());
        let again = forged(&block, 0, 0, block.len_bytes()).unwrap();
        assert!(self.reserve.free(block).is_ok());
        let (phys, len) = (again.phys().start().get(), again.len_bytes());
        self.refuse(again, Error::NotAllocated { phys, len });
    }

    fn refuse(&self, block: Block, expected: Error) {
        let before = block.phys();
        let Refused { error, value } = self.reserve.free(block).unwrap_err();
        assert_eq!((error, value.phys()), (expected, before));
        self.agree();
    }

    fn refuse_around(&self, index: usize, by: usize) {
        let Some(block) = self.taken.get(index % self.taken.len().max(1)) else {
            return;
        };
        let (len, near) = (block.len_bytes(), by.cast_signed());
        let whole = self.source.out.borrow()[0].clone();
        for (cpu, phys, len) in [
            (0, 0, len + by),
            (0, 0, len.saturating_sub(by)),
            (near, near, len),
            (-near, -near, len),
            (near, near, len.saturating_sub(by)),
            (near, 0, len),
            (0, near, len),
        ] {
            let Some(forgery) = forged(block, cpu, phys, len) else {
                continue;
            };
            let bytes = span(&forgery);
            if cpu == phys && self.taken.iter().any(|taken| span(taken) == bytes) {
                continue;
            }
            let inside = whole.start <= bytes.start && bytes.end <= whole.end;
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
            self.refuse(forgery, expected);
        }
    }

    fn agree(&self) {
        let free = self.blocks.len() - self.taken.len();
        let blocks = (self.reserve.blocks(), self.reserve.free_blocks());
        assert_eq!(blocks, (self.blocks.len(), free));
    }
}

#[derive(Clone, Debug)]
enum Operation {
    Allocate {
        len: usize,
        alignment: u32,
        boundary: Option<u32>,
        window: Option<(usize, usize)>,
        moved: u64,
    },
    Free(usize),
    Refuse(usize, usize),
}

fn operation() -> impl Strategy<Value = Operation> {
    let alignment = prop_oneof![4 => Just(0), 2 => 0_u32..9];
    let boundary = prop_oneof![4 => Just(None), 1 => (4_u32..14).prop_map(Some)];
    let window = prop_oneof![1 => Just(None), 1 => any::<(usize, usize)>().prop_map(Some)];
    let moved =
        prop_oneof![6 => Just(0), 1 => any::<u64>().prop_map(|n| n << 10), 1 => any::<u64>()];
    let wish = (any::<usize>(), alignment, boundary, window, moved).prop_map(
        |(len, alignment, boundary, window, moved)| Operation::Allocate {
            len,
            alignment,
            boundary,
            window,
            moved,
        },
    );
    prop_oneof![
        12 => wish,
        5 => any::<usize>().prop_map(Operation::Free),
        1 => (any::<usize>(), 1_usize..3000).prop_map(|(index, by)| Operation::Refuse(index, by)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_reserve_answers_as_a_model_does_that_tries_every_place(
        (len, alignment, boundary) in (1_usize..300, 0_u32..8, prop_oneof![Just(None), (6_u32..13).prop_map(Some)]),
        (count, page, bus_offset) in (1_usize..=WORDS * BLOCKS_PER_WORD, 0_u64..16, any::<u64>()),
        operations in vec(operation(), 1..150),
    ) {
        let base = [0, BASE, 0_u64.wrapping_sub(16 * PAGE as u64)][page as usize % 3] + if page % 3 == 1 { page * 64 } else { 0 };
        let bus_offset = if page % 2 == 0 { bus_offset << 6 } else { bus_offset };
        let source = Source::new(base, 16 * PAGE, 64);
        let alignment = Alignment::new(1 << alignment).unwrap();
        let layout = ObjectLayout::new(len, alignment).unwrap().bus_offset(bus_offset);
        let boundary = boundary.map(|bits| 1 << bits);
        let layout = match boundary.map_or(Ok(layout), |bytes| layout.boundary(bytes)) {
            Ok(layout) => layout,
            Err(_) => return Ok(()),
        };
        let reserve = Reserve::<_, WORDS>::new(&source, layout);
        if let Err(error) = reserve.fill(count) {
            prop_assert!(matches!(error, Error::NeverFits { .. }), "{error:?}");
            let (offset, space) = (bus_offset, places(layout.block_len(), boundary, count, u64::MAX).last().unwrap() + layout.block_len() as u64);
            // It is too much, or the offset and the alignment do not go together, or the boundary leaves no place.
            let align = if boundary.is_some_and(|b| space > b) { boundary.unwrap() } else { layout.natural().get() };
            let room = 16 * PAGE as u64;
            let reason = space > room.saturating_sub(align) || !offset.is_multiple_of(align.min(64)) || boundary.is_some();
            prop_assert!(reason, "{layout:?} {count}");
            return Ok(());
        }

        let start = source.out.borrow()[0].start;
        let len = layout.block_len() as u128;
        let crossing = boundary.filter(|b| source.out.borrow()[0].end - start > u128::from(*b));
        let blocks: Vec<_> = places(layout.block_len(), crossing, count, u64::MAX)
            .into_iter()
            .map(|at| start + u128::from(at)..start + u128::from(at) + len)
            .collect();
        let mut limits = request(1);
        limits.boundary = boundary.map(|b| Alignment::new(b).unwrap());
        limits.alignment = layout.natural();
        limits.bus_offset = bus_offset;
        prop_assert!(blocks.iter().all(|block| meets(&limits, block)), "{layout:?}");
        let mut bench = Bench { reserve, source: &source, blocks, boundary, bus_offset, taken: Vec::new() };
        for operation in &operations {
            match operation {
                Operation::Allocate { len, alignment, boundary, window, moved } => {
                    let mut wish = request(len % (bench.len() + bench.len() / 8 + 1) + 1);
                    wish.alignment = Alignment::new(1 << alignment).unwrap();
                    wish.boundary = boundary.map(|bits| Alignment::new(1 << bits).unwrap());
                    if let Some((one, two)) = window {
                        let room = bench.blocks.len() * bench.len() * 2;
                        let edge = |n: &usize| u64::try_from(start + (n % room) as u128).unwrap_or(u64::MAX).saturating_sub(100);
                        let (one, two) = (edge(one), edge(two));
                        (wish.lowest, wish.highest) = (PhysAddr::new(one.min(two)), PhysAddr::new(one.max(two)));
                    }
                    wish.bus_offset = bus_offset.wrapping_add(*moved);
                    bench.allocate(&wish);
                }
                Operation::Free(index) => bench.free_one(*index),
                Operation::Refuse(index, by) => bench.refuse_around(*index, *by),
            }
        }

        // The memory goes back if all of it is free.
        let taken = bench.taken.len();
        drop(bench);
        let out = source.out.borrow().clone();
        prop_assert_eq!(out.len(), usize::from(taken > 0));
        prop_assert!(taken == 0 || overlap(&out[0], &(start..start + 1)));
    }
}

#[test]
fn a_reserve_is_filled_once_with_as_many_blocks_as_it_has_bits() {
    let source = Source::new(BASE, 2 * PAGE, 64);
    let reserve = Reserve::<_, 2>::new(&source, LAYOUT);
    let never = Error::NeverFits {
        len: 1,
        capacity: 0,
    };
    assert_eq!(reserve.allocate(&request(1)).map(drop), Err(never));
    assert_eq!(reserve.fill(0), Err(Error::ZeroLength));
    let too_large = |units| {
        Err(Error::PoolTooLarge {
            units,
            capacity: 64,
        })
    };
    assert_eq!(reserve.fill(65), too_large(65));
    assert_eq!(reserve.fill(usize::MAX), too_large(usize::MAX));

    let block = source.allocate(&request(2 * PAGE)).unwrap();
    let exhausted = Error::Exhausted {
        len: PAGE,
        largest_free: 0,
    };
    assert_eq!(reserve.fill(64), Err(exhausted));
    source.free(block).unwrap();
    assert_eq!(reserve.fill(64), Ok(()));

    assert_eq!(reserve.fill(1), Err(Error::PoolInUse));
    assert_eq!((reserve.blocks(), reserve.free_blocks()), (64, 64));
    assert_eq!(source.free_bytes(), PAGE);
}

#[test]
fn a_reserve_of_4_gib_is_not_made() {
    let source = Source::new(BASE, PAGE, 64);
    let huge = ObjectLayout::new(1 << 20, Alignment::ONE).unwrap();
    let reserve = Reserve::<_, 128>::new(&source, huge);

    let too_large = Error::PoolTooLarge {
        units: 4096,
        capacity: 4096,
    };
    assert_eq!(reserve.fill(4096), Err(too_large));
    assert_eq!(source.asked.borrow().len(), 0);
    let refused = reserve.fill(4095);
    assert!(
        matches!(refused, Err(Error::NeverFits { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_block_given_to_a_reserve_without_memory_is_foreign() {
    let source = Source::new(BASE, PAGE, 64);
    let reserve = Reserve::<_, 1>::new(&source, LAYOUT);
    let block = source.allocate(&request(64)).unwrap();

    let Refused { error, value } = reserve.free(block).unwrap_err();

    assert_eq!(
        error,
        Error::ForeignBlock {
            phys: BASE,
            len: 64
        }
    );
    source.free(value).unwrap();
}

#[test]
fn threads_that_take_and_give_at_once_never_have_the_same_block() {
    let source: &'static Source = Box::leak(Box::new(Source::new(BASE, PAGE, 64)));
    let reserve = Reserve::<_, 2>::new(Shared(source), LAYOUT);
    reserve.fill(40).unwrap();

    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for round in 0..2000 {
                    let wanted = round % 17 + 1;
                    let blocks: Vec<_> = (0..wanted)
                        .filter_map(|_| reserve.allocate(&request(64)).ok())
                        .collect();
                    blocks.iter().for_each(soil);
                    for block in blocks {
                        reserve.free(block).unwrap();
                    }
                }
            });
        }
    });

    assert_eq!(reserve.free_blocks(), 40);
    drop(reserve);
    assert_eq!(source.free_bytes(), PAGE);
}

/// A source that one thread at a time uses.
struct Shared(&'static Source);

// SAFETY: the test fills the reserve before the threads begin and drops it after they ended, and neither asks the source
// in between.
unsafe impl Sync for Shared {}

// SAFETY: both methods are those of the source.
unsafe impl DmaAllocator for Shared {
    fn allocate(&self, request: &Request) -> Result<Block, Error> {
        self.0.allocate(request)
    }
    fn free(&self, block: Block) -> Result<(), Refused<Block>> {
        self.0.free(block)
    }
}
