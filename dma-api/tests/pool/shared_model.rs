//! The pool against the model that pools share, in one zone and in several.

use proptest::{collection::vec, prelude::*};

use crate::{
    bench::Bench,
    steps::{self, operation, shape},
    zoned::{MAX_UNITS, Zoned},
};

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_pool_does_what_trying_every_place_does(
        (unit, units, extra, base) in shape(MAX_UNITS),
        operations in vec(operation(), 1..200),
    ) {
        steps::run(&mut Bench::<Zoned<1, false>>::new(unit, units, extra, base), operations);
    }

    #[test]
    fn a_pool_in_three_zones_of_memory_that_was_zero_does_what_trying_every_place_does(
        (unit, units, extra, base) in shape(MAX_UNITS),
        operations in vec(operation(), 1..200),
    ) {
        steps::run(&mut Bench::<Zoned<3, true>>::new(unit, units, extra, base), operations);
    }

    #[test]
    fn a_pool_in_four_zones_does_what_trying_every_place_does(
        (unit, units, extra, base) in shape(MAX_UNITS),
        operations in vec(operation(), 1..200),
    ) {
        steps::run(&mut Bench::<Zoned<4, false>>::new(unit, units, extra, base), operations);
    }
}
