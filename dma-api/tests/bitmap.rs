//! A pool against a model that knows nothing but which bytes are taken, and tries every place.
#![expect(
    unsafe_code,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "a test adopts memory, forges blocks, calculates, and panics"
)]

use core::{alloc::Layout, num::NonZeroUsize, ops::Range, ptr::NonNull, slice};
use std::alloc::{alloc, dealloc};

use dma_api::{
    Alignment, BitmapPool, Block, DmaAllocator, Error, PhysAddr, Refused, Request,
    bitmap::UNITS_PER_WORD,
};
use proptest::{collection::vec, prelude::*};

const WORDS: usize = 4;
const MAX_UNITS: usize = WORDS * UNITS_PER_WORD;

/// Memory for one pool, full of bytes that are not zero.
struct Ram {
    start: NonNull<u8>,
    layout: Layout,
}

impl Ram {
    fn new(len: usize, align: usize) -> Self {
        let layout = Layout::from_size_align(len, align).unwrap();
        // SAFETY: no pool has no memory.
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

/// A pool, the memory it has, and what the model knows of it.
struct Bench {
    pool: BitmapPool<WORDS>,
    ram: Ram,
    /// Physical address of the first byte.
    base: u64,
    unit: usize,
    units: usize,
    /// Blocks that are handed out, with the offsets of their bytes.
    taken: Vec<(Range<usize>, Block)>,
}

impl Bench {
    /// `extra` bytes are too few for one more unit.
    fn new(unit: usize, units: usize, extra: usize, base: u64) -> Self {
        assert!(extra < unit);
        let len = units * unit + extra;
        let (pool, ram) = (BitmapPool::new(), Ram::new(len, unit.max(4096)));
        let alignment = Alignment::new(unit as u64).unwrap();
        // SAFETY: the memory is the pool's alone for as long as the bench exists.
        unsafe { pool.adopt(ram.start, PhysAddr::new(base), len, alignment) }.unwrap();
        Self {
            pool,
            ram,
            base,
            unit,
            units,
            taken: Vec::new(),
        }
    }

    fn len(&self) -> usize {
        self.unit * self.units
    }

    fn at(&self, offset: usize) -> PhysAddr {
        PhysAddr::new(self.base.wrapping_add(offset as u64))
    }

    /// Whether the bytes meet the request. In the model numbers are as long as they need to be.
    fn meets(&self, request: &Request, bytes: &Range<usize>) -> bool {
        let wrap = 1_u128 << 64;
        let first = u128::from(self.base) + bytes.start as u128;
        let last = u128::from(self.base) + bytes.end as u128 - 1;
        let offset = u128::from(request.bus_offset);
        let device_first = (first + offset) % wrap;
        let device_last = device_first + (last - first);
        let boundary = request.boundary.map_or(u128::MAX, |b| u128::from(b.get()));
        first >= u128::from(request.lowest.get())
            && last <= u128::from(request.highest.get())
            && device_first.is_multiple_of(u128::from(request.alignment.get()))
            && device_first / boundary == device_last / boundary
    }

    /// The places at which a request fits, in ascending order, however much is taken.
    fn places(&self, request: &Request) -> impl Iterator<Item = Range<usize>> {
        let len = request.len.get().div_ceil(self.unit) * self.unit;
        (0..self.units)
            .map(move |unit| unit * self.unit..unit * self.unit + len)
            .filter(move |bytes| bytes.end <= self.len() && self.meets(request, bytes))
    }

    fn is_free(&self, bytes: &Range<usize>) -> bool {
        let apart = |other: &Range<usize>| other.end <= bytes.start || bytes.end <= other.start;
        self.taken.iter().all(|(other, _)| apart(other))
    }

    /// Free bytes, and those of the longest run.
    fn free(&self) -> (usize, usize) {
        let (mut sum, mut run, mut longest) = (0, 0, 0);
        for unit in 0..self.units {
            let free = self.is_free(&(unit * self.unit..(unit + 1) * self.unit));
            run = if free { run + self.unit } else { 0 };
            sum += if free { self.unit } else { 0 };
            longest = longest.max(run);
        }
        (sum, longest)
    }

    /// What the model says of a request.
    fn expected(&self, request: &Request) -> Result<Range<usize>, Error> {
        let len = request.len.get();
        if let Some(place) = self.places(request).find(|bytes| self.is_free(bytes)) {
            return Ok(place);
        }
        Err(match self.places(request).next() {
            Some(_) => Error::Exhausted {
                len,
                largest_free: self.free().1,
            },
            None => Error::NeverFits {
                len,
                capacity: self.len(),
            },
        })
    }

    /// Allocates from both; they must agree, and the bytes be zero. Then they are soiled.
    fn allocate(&mut self, request: &Request) {
        let expected = self.expected(request);
        let block = self.pool.allocate(request);
        let found = match &block {
            Ok(block) => {
                let start = block.memory().cast::<u8>().addr().get() - self.ram.start.addr().get();
                assert_eq!(block.phys().start(), self.at(start), "{request:?}");
                Ok(start..start + block.len_bytes())
            }
            Err(error) => Err(*error),
        };
        assert_eq!(found, expected, "{request:?}");

        if let (Ok(mut block), Ok(bytes)) = (block, expected) {
            soil(&mut block);
            self.taken.push((bytes, block));
        }
        self.agree();
    }

    /// Gives back the block with this index, if there is one.
    fn free_one(&mut self, index: usize) {
        if self.taken.is_empty() {
            return;
        }
        let (_, block) = self.taken.swap_remove(index % self.taken.len());
        let returned = self.pool.free(block).map_err(|refused| refused.error);
        assert_eq!(returned, Ok(()));
        self.agree();
    }

    /// Offers the pool a block it never handed out. It must come back, and nothing change.
    fn refuse(&self, offset: isize, len: usize, shift: usize) {
        let Some(memory_len) = NonZeroUsize::new(len) else {
            return;
        };
        let start = self
            .ram
            .start
            .as_ptr()
            .wrapping_offset(offset)
            .wrapping_add(shift);
        let memory = NonNull::new(start).unwrap();
        let memory = NonNull::slice_from_raw_parts(memory, memory_len.get());
        let phys = self.base.checked_add_signed(offset as i64);
        // SAFETY: deliberately none of it is true; nobody accesses the bytes, since the pool is to refuse them.
        let block = phys.and_then(|phys| unsafe { Block::new(memory, PhysAddr::new(phys)) }.ok());
        let Some(block) = block else {
            return;
        };

        let inside = usize::try_from(offset).is_ok_and(|start| start + len <= self.len());
        let phys = block.phys().start().get();
        let Refused { error, value } = self.pool.free(block).unwrap_err();

        let expected = if inside && shift == 0 {
            Error::NotAllocated { phys, len }
        } else {
            Error::ForeignBlock { phys, len }
        };
        assert_eq!(error, expected);
        assert_eq!((value.memory(), value.phys().start().get()), (memory, phys));
        self.agree();
    }

    /// Offers wrong variations of a block that is handed out, and bytes that are free.
    fn refuse_around(&self, index: usize, by: usize) {
        let Some((bytes, _)) = self.taken.get(index % self.taken.len().max(1)) else {
            return;
        };
        let (start, len) = (bytes.start.cast_signed(), bytes.len());
        for by in [by, self.unit] {
            let near = by.cast_signed();
            let forgeries = [
                (start, len + by, 0),
                (start, len.saturating_sub(by), 0),
                (start + near, len, 0),
                (start - near, len, 0),
                (start + near, len.saturating_sub(by), 0),
                (start - near, len + by, 0),
                // The right physical address and another pointer, and memory behind the pool.
                (start, len, by),
                (self.len().cast_signed(), len, 0),
                (start + self.len().cast_signed(), len, 0),
            ];
            for (offset, len, shift) in forgeries {
                let bytes = usize::try_from(offset).map(|start| start..start + len);
                let real = |other: &&(Range<usize>, Block)| bytes.as_ref() == Ok(&other.0);
                if shift != 0 || self.taken.iter().find(real).is_none() {
                    self.refuse(offset, len, shift);
                }
            }
        }
    }

    fn agree(&self) {
        assert_eq!(
            (self.pool.free_bytes(), self.pool.largest_free()),
            self.free()
        );
    }
}

/// Checks that a new block is zero, all of it, and fills it with what an owner might leave behind.
fn soil(block: &mut Block) {
    let memory = block.memory().cast::<u8>().as_ptr();
    // SAFETY: the block has its memory for itself.
    let bytes = unsafe { slice::from_raw_parts_mut(memory, block.len_bytes()) };
    assert!(bytes.iter().all(|byte| *byte == 0), "a new block is zero");
    bytes.fill(0xee);
}

fn request(len: usize) -> Request {
    Request::anywhere(NonZeroUsize::new(len).unwrap())
}

// The model.

/// A request in units and fractions of the pool, to be made to fit its size.
#[derive(Clone, Debug)]
struct Wish {
    len: (usize, usize),
    alignment: Option<u32>,
    boundary: Option<u32>,
    window: Option<(usize, usize)>,
    bus_offset: (u64, u64),
}

#[derive(Clone, Debug)]
enum Operation {
    Allocate(Wish),
    Free(usize),
    Refuse(usize, usize),
}

impl Wish {
    fn of(&self, bench: &Bench) -> Request {
        let unit = bench.unit;
        let len = self.len.0 * unit + self.len.1 % unit + 1;
        // From a quarter of a unit to many of them.
        let power = |bits: u32| Alignment::new((unit as u64 >> 2) << bits).unwrap();
        let mut request = request(len);
        request.alignment = self.alignment.map_or(Alignment::ONE, power);
        request.boundary = self.boundary.map(power);
        if let Some((one, two)) = self.window {
            // A little before the memory, inside, or a little behind it.
            let edge = |n: usize| {
                let offset = (n % (bench.len() + 2 * unit)) as i64 - unit as i64;
                let limit = if offset < 0 { 0 } else { u64::MAX };
                PhysAddr::new(bench.base.checked_add_signed(offset).unwrap_or(limit))
            };
            (request.lowest, request.highest) = (edge(one.min(two)), edge(one.max(two)));
        }
        let (units, fraction) = self.bus_offset;
        request.bus_offset = units.wrapping_mul(unit as u64).wrapping_add(fraction);
        request
    }
}

fn wish() -> impl Strategy<Value = Wish> {
    let power = || prop_oneof![2 => Just(None), 3 => (0_u32..9).prop_map(Some)];
    let len = prop_oneof![8 => 0_usize..6, 2 => 0_usize..40, 1 => 0_usize..150];
    let window = prop_oneof![2 => Just(None), 1 => any::<(usize, usize)>().prop_map(Some)];
    let bus_offset = prop_oneof![
        3 => Just((0, 0)),
        3 => (any::<u64>(), Just(0)),
        1 => (any::<u64>(), 0_u64..64),
    ];
    ((len, any::<usize>()), power(), power(), window, bus_offset).prop_map(
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
        10 => wish().prop_map(Operation::Allocate),
        7 => any::<usize>().prop_map(Operation::Free),
        1 => (any::<usize>(), 1_usize..5000).prop_map(|(index, by)| Operation::Refuse(index, by)),
    ]
}

/// Small units come more often, since they make more cases a second.
fn bench() -> impl Strategy<Value = (usize, usize, usize, u64)> {
    let unit = prop_oneof![8 => 4_u32..9, 1 => 9_u32..13].prop_map(|bits| 1_usize << bits);
    (
        unit,
        1_usize..=MAX_UNITS,
        any::<usize>(),
        0_u64..64,
        0_u8..4,
    )
        .prop_map(|(unit, units, extra, base, place)| {
            let base = match place {
                // The very end of the address space, its very beginning, or somewhere in between.
                0 => 0_u64.wrapping_sub((unit * units) as u64),
                1 => 0,
                _ => 0x8000_0000 + base * unit as u64,
            };
            // What is left over must exist as physical memory, too.
            let extra = if base.checked_add((unit * (units + 1)) as u64).is_some() {
                extra % unit
            } else {
                0
            };
            (unit, units, extra, base)
        })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_pool_does_what_trying_every_place_does(
        (unit, units, extra, base) in bench(),
        operations in vec(operation(), 1..200),
    ) {
        let mut bench = Bench::new(unit, units, extra, base);

        for operation in operations {
            match operation {
                Operation::Allocate(wish) => {
                    let request = wish.of(&bench);
                    bench.allocate(&request);
                }
                Operation::Free(index) => bench.free_one(index),
                Operation::Refuse(index, by) => bench.refuse_around(index, by),
            }
        }

        while !bench.taken.is_empty() {
            bench.free_one(0);
        }
        let all = bench.len();
        bench.allocate(&request(all));
    }
}

// Edges that chance may miss.

#[test]
fn every_unit_size_and_every_number_of_units_can_be_used_up_and_given_back() {
    for unit in (4..=12).map(|bits| 1 << bits) {
        for units in [1, 2, 31, 32, 33, 63, 64, 65, 95, 96, 97, 127, 128] {
            let mut bench = Bench::new(unit, units, unit - 1, 0x4000_0000);
            for _ in 0..units {
                bench.allocate(&request(1));
            }
            let exhausted = Error::Exhausted {
                len: 1,
                largest_free: 0,
            };
            assert_eq!(bench.pool.allocate(&request(1)).err(), Some(exhausted));

            // Every second block, then the others.
            for index in (0..units.div_ceil(2)).rev() {
                bench.free_one(index);
            }
            while !bench.taken.is_empty() {
                bench.free_one(0);
            }
            assert_eq!(bench.pool.largest_free(), unit * units);
        }
    }
}

#[test]
fn runs_across_the_words_of_the_bitmap_are_found_and_freed_whole() {
    for start in 28..36 {
        for len in [1, 4, 8, 32, 33, 64, 65, 90] {
            let mut bench = Bench::new(16, MAX_UNITS, 0, 0);
            let (start, len) = (start * 16, len * 16);
            bench.allocate(&request(start));
            bench.allocate(&request(len));
            bench.allocate(&request(bench.len() - start - len));

            let (_, middle) = bench.taken.remove(1);
            bench.pool.free(middle).unwrap();
            assert_eq!(bench.free(), (len, len));
            bench.agree();
            bench.allocate(&request(len));
            assert_eq!(bench.taken[2].0, start..start + len);
        }
    }
}

#[test]
fn a_hole_too_small_or_in_the_wrong_place_is_passed_over() {
    let mut bench = Bench::new(64, 8, 0, 0x1_0000);
    (0..8).for_each(|_| bench.allocate(&request(64)));
    // Units 1, 3 and 4 become free, then 6.
    for start in [1, 3, 4, 6].map(|unit| unit * 64) {
        let index = bench
            .taken
            .iter()
            .position(|(bytes, _)| bytes.start == start);
        bench.free_one(index.unwrap());
    }

    let mut aligned = request(64);
    aligned.alignment = Alignment::new(256).unwrap();
    bench.allocate(&aligned);
    assert_eq!(bench.taken.last().unwrap().0, 256..320);
    bench.allocate(&request(128));
    let mut high = request(1);
    high.lowest = PhysAddr::new(0x1_0000 + 257);
    bench.allocate(&high);
    assert_eq!(bench.taken.last().unwrap().0, 384..448);
}

#[test]
fn a_block_freed_twice_is_refused_the_second_time_and_so_is_one_that_was_reused_differently() {
    let mut bench = Bench::new(64, 8, 0, 0x1_0000);
    bench.allocate(&request(192));
    bench.free_one(0);
    bench.refuse(0, 192, 0);

    // The same bytes, now as two blocks: neither the old block nor one across both is theirs.
    bench.allocate(&request(64));
    bench.allocate(&request(128));
    bench.refuse(0, 192, 0);
    bench.refuse(0, 128, 0);
    bench.refuse(64, 64, 0);
    bench.refuse(128, 64, 0);
    bench.refuse(0, 512, 0);
    assert_eq!(bench.free(), (320, 320));
}

#[test]
fn a_block_that_is_no_whole_units_is_refused() {
    let mut bench = Bench::new(64, 8, 0, 0x1_0000);
    bench.allocate(&request(128));

    bench.refuse(0, 129, 0);
    bench.refuse(1, 128, 0);
}

#[test]
fn part_of_a_block_is_refused() {
    let mut bench = Bench::new(64, 8, 0, 0x1_0000);
    bench.allocate(&request(192));

    bench.refuse(0, 128, 0);
    bench.refuse(64, 128, 0);
}

#[test]
fn free_units_in_front_of_a_block_do_not_belong_to_it() {
    let mut bench = Bench::new(64, 8, 0, 0x1_0000);
    bench.allocate(&request(64));
    bench.allocate(&request(64));
    bench.free_one(0);

    bench.refuse(0, 128, 0);
}

#[test]
fn where_a_freed_block_ended_is_forgotten() {
    let mut bench = Bench::new(64, 8, 0, 0x1_0000);
    bench.allocate(&request(64));
    bench.allocate(&request(64));
    bench.free_one(0);
    bench.free_one(0);

    bench.allocate(&request(128));
    bench.free_one(0);
}

#[test]
fn a_block_that_goes_on_behind_the_pool_is_not_the_pools() {
    let mut bench = Bench::new(64, 8, 0, 0x1_0000);
    bench.allocate(&request(512));

    bench.refuse(0, 576, 0);
}

#[test]
fn a_block_of_another_pool_is_refused() {
    let bench = Bench::new(64, 8, 0, 0x1_0000);
    let mut other = Bench::new(64, 8, 0, 0x1_0000);
    other.allocate(&request(64));
    let (_, block) = other.taken.remove(0);

    let Refused { error, value } = bench.pool.free(block).unwrap_err();

    let foreign = Error::ForeignBlock {
        phys: 0x1_0000,
        len: 64,
    };
    assert_eq!(error, foreign);
    assert_eq!(
        other.pool.free(value).map_err(|refused| refused.error),
        Ok(())
    );
}

#[test]
fn lengths_that_cannot_be_rounded_up_or_found_are_refused() {
    let bench = Bench::new(64, 8, 0, 0x1_0000);
    let refused = |len| bench.pool.allocate(&request(len)).map(drop);

    let overflow = Error::LengthOverflow {
        len: usize::MAX as u64,
        multiple: 64,
    };
    assert_eq!(refused(usize::MAX), Err(overflow));
    for len in [513, usize::MAX / 2, usize::MAX - 63] {
        assert_eq!(refused(len), Err(Error::NeverFits { len, capacity: 512 }));
    }
    bench.agree();
}

#[test]
fn threads_share_a_pool_without_sharing_memory() {
    let bench = Bench::new(64, 64, 0, 0x1_0000);
    let pool = &bench.pool;

    std::thread::scope(|scope| {
        for thread in 1..=4_usize {
            scope.spawn(move || {
                for round in 0..500 {
                    let Ok(mut block) = pool.allocate(&request(64 * (1 + (round * thread) % 9)))
                    else {
                        continue;
                    };
                    soil(&mut block);
                    pool.free(block).unwrap();
                }
            });
        }
    });

    bench.agree();
}
