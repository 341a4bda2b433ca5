//! The pool against the model that pools share, in one zone and in several.

use core::ptr::NonNull;

use dma_api::pages::{PageEntry, entries};
use dma_api::{Alignment, Block, DmaAllocator, Error, PhysAddr, Pool, Refused, Request};
use proptest::{collection::vec, prelude::*};

use crate::{
    bench::{Bench, Subject},
    steps::{self, operation, shape},
};

const MAX_UNITS: usize = 192;

/// A pool of that many equal zones, which looks at every free run. Its memory was zero, or was not.
struct Zoned<const ZONES: usize, const ZERO: bool>(Pool<[PageEntry; entries(MAX_UNITS, 4)]>);

// SAFETY: it is the pool's.
unsafe impl<const ZONES: usize, const ZERO: bool> DmaAllocator for Zoned<ZONES, ZERO> {
    fn allocate(&self, request: &Request) -> Result<Block, Error> {
        self.0.allocate(request)
    }
    fn free(&self, block: Block) -> Result<(), Refused<Block>> {
        self.0.free(block)
    }
}

impl<const ZONES: usize, const ZERO: bool> Subject for Zoned<ZONES, ZERO> {
    const FIRST_FIT: bool = false;
    const THOROUGH: bool = true;

    unsafe fn with_memory(cpu: NonNull<u8>, phys: PhysAddr, len: usize, unit: Alignment) -> Self {
        let pool = Pool::new();
        let bytes = usize::try_from(unit.get()).unwrap();
        let cuts = (1..ZONES).map(|zone| len / bytes * zone / ZONES * bytes);
        let limits: Vec<_> = cuts
            .filter(|cut| *cut != 0)
            .map(|cut| PhysAddr::new(phys.get() + (cut as u64 - 1)))
            .collect();
        if ZERO {
            // SAFETY: by this function's contract.
            unsafe { cpu.write_bytes(0, len) };
            // SAFETY: as above, and it is zero.
            unsafe { pool.adopt_zeroed(cpu, phys, len, unit, &limits) }.unwrap();
        } else {
            // SAFETY: by this function's contract.
            unsafe { pool.adopt(cpu, phys, len, unit, &limits) }.unwrap();
        }
        pool.set_patience(u32::MAX).unwrap();
        Self(pool)
    }

    fn free_now(&self) -> (usize, usize) {
        let counts = self.0.counts();
        (counts.free as usize, counts.largest_free as usize)
    }
}

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
