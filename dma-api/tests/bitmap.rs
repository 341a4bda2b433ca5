//! A pool against a model that knows nothing but which bytes are taken, and tries every place.
#![expect(
    unsafe_code,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "a test adopts memory, forges blocks, calculates, and panics"
)]

mod model;

#[path = "model/bench.rs"]
mod bench;

#[path = "model/steps.rs"]
mod steps;

use dma_api::{
    Alignment, BitmapPool, DmaAllocator, Error, PhysAddr, Refused, bitmap::UNITS_PER_WORD,
};
use model::ram::request;
use proptest::{collection::vec, prelude::*};
use steps::{operation, shape};

const WORDS: usize = 3;
const MAX_UNITS: usize = WORDS * UNITS_PER_WORD;

type Bench = bench::Bench<BitmapPool<WORDS>>;

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_pool_does_what_trying_every_place_does(
        (unit, units, extra, base) in shape(MAX_UNITS),
        operations in vec(operation(), 1..200),
    ) {
        let mut bench = Bench::new(unit, units, extra, base);
        steps::run(&mut bench, operations);
    }
}

// Edges that chance may miss.

#[test]
fn every_unit_size_and_every_number_of_units_can_be_used_up_and_given_back() {
    for unit in (4..=12).map(|bits| 1 << bits) {
        for units in [1, 2, 31, 32, 33, 63, 64, 65, 127, 128, 129, 191, 192] {
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
            while !bench.blocks.is_empty() {
                bench.free_one(0);
            }
            assert_eq!(bench.pool.largest_free(), unit * units);
        }
    }
}

#[test]
fn runs_across_the_words_of_the_bitmap_are_found_and_freed_whole() {
    for start in 58..70 {
        for len in [1, 4, 8, 32, 33, 63, 64, 65, 66, 90, 121] {
            let mut bench = Bench::new(16, MAX_UNITS, 0, 0);
            let (start, len) = (start * 16, len * 16);
            bench.allocate(&request(start));
            bench.allocate(&request(len));
            bench.allocate(&request(bench.model.len() - start - len));

            let middle = bench.forget(1);
            bench.pool.free(middle).unwrap();
            assert_eq!(bench.model.free(), (len, len));
            bench.agree();
            bench.allocate(&request(len));
            assert_eq!(bench.model.taken[2], start..start + len);
        }
    }
}

#[test]
fn a_hole_too_small_or_in_the_wrong_place_is_passed_over() {
    let mut bench = Bench::new(64, 8, 0, 0x1_0000);
    (0..8).for_each(|_| bench.allocate(&request(64)));
    // Units 1, 3 and 4 become free, then 6.
    for start in [1, 3, 4, 6].map(|unit| unit * 64) {
        let mut taken = bench.model.taken.iter();
        let index = taken.position(|bytes| bytes.start == start);
        bench.free_one(index.unwrap());
    }

    let mut aligned = request(64);
    aligned.alignment = Alignment::new(256).unwrap();
    bench.allocate(&aligned);
    assert_eq!(*bench.model.taken.last().unwrap(), 256..320);
    bench.allocate(&request(128));
    let mut high = request(1);
    high.lowest = PhysAddr::new(0x1_0000 + 257);
    bench.allocate(&high);
    assert_eq!(*bench.model.taken.last().unwrap(), 384..448);
}

#[test]
fn a_block_may_end_at_the_highest_address_and_not_a_unit_behind() {
    let mut bench = Bench::new(64, 8, 0, 0x1_0000);
    let mut low = request(64);
    low.highest = PhysAddr::new(0x1_0000 + 127);

    bench.allocate(&low);
    bench.allocate(&low);
    bench.allocate(&low);
    low.highest = PhysAddr::new(0x1_0000 + 190);
    bench.allocate(&low);
    assert_eq!(bench.model.free(), (384, 384));
}

#[test]
fn an_alignment_of_more_than_a_word_of_units_is_kept() {
    for len in [1, 64, 66] {
        let mut bench = Bench::new(16, MAX_UNITS, 0, 0x1_0000 - 16);
        let mut aligned = request(len * 16);
        aligned.alignment = Alignment::new(16 * 128).unwrap();

        bench.allocate(&aligned);
        bench.allocate(&aligned);
        // The model finds the same place, or none.
        assert_eq!(bench.model.taken[0].start, 16);
    }
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
    assert_eq!(bench.model.free(), (320, 320));
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
    let block = other.forget(0);

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
