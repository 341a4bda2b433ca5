//! Mappings: a line may be cached at each colour, and past the caches there is another way to it.

use sim::{
    Config, Maintained, Outer,
    layout::Mapping,
    steps::{Move, Operation},
};

use crate::bench::{Bench, FRESH, evict, fill, is_possible, plain, run, seen, uniform};

fn two_colours() -> Config {
    Config {
        colours: 2,
        ..plain()
    }
}

/// What the CPU sees of the first line by each colour.
fn by_colour(bench: &Bench<'_>) -> [u8; 2] {
    [0, 1].map(|colour| uniform(&bench.cpu.by(Mapping::Cached(colour)).load(0, 16)))
}

#[test]
fn a_line_held_at_two_colours_is_two_copies() {
    let (early, cpu, memory) = seen(&two_colours(), |bench| {
        let early = by_colour(bench);
        bench.cpu.by(Mapping::Cached(1)).store(0, &[1; 16]);
        (early, by_colour(bench), bench.memory_is(0, 16))
    });
    assert_eq!((early, cpu, memory), ([FRESH; 2], [FRESH, 1], FRESH));
}

#[test]
fn a_fill_brings_a_line_in_at_the_colour_of_the_cache_that_fills() {
    for colour in [0, 1] {
        let cpu = seen(&two_colours(), |bench| {
            bench.put(0, 16, 1);
            bench.hardware(fill(two_colours().inner_cache(0, colour), 0));
            bench.put(0, 16, 2);
            by_colour(bench)
        });
        let mut expected = [2; 2];
        expected[colour] = 1;
        assert_eq!(cpu, expected);
    }
}

#[test]
fn maintenance_reaches_the_colour_of_its_address_only() {
    for colour in [0, 1] {
        let cpu = seen(&two_colours(), |bench| {
            let _ = by_colour(bench);
            bench.put(0, 16, 5);
            let cpu = bench.cpu.by(Mapping::Cached(colour));
            cpu.issue(Operation::Invalidate, 0, 16);
            cpu.complete();
            by_colour(bench)
        });
        let mut expected = [FRESH; 2];
        expected[colour] = 5;
        assert_eq!(cpu, expected);
    }
    // Past the caches there is no colour; the first stands for it.
    let cpu = seen(&two_colours(), |bench| {
        let _ = by_colour(bench);
        bench.put(0, 16, 5);
        bench.uncached().issue(Operation::Invalidate, 0, 16);
        bench.uncached().complete();
        by_colour(bench)
    });
    assert_eq!(cpu, [5, FRESH]);
}

#[test]
fn the_outer_level_has_no_colour() {
    let config = Config {
        outer: Some(Outer {
            line: 16,
            granule: 16,
            maintained: Maintained::WithTheInner,
        }),
        ..two_colours()
    };
    let cpu = seen(&config, |bench| {
        bench.put(0, 16, 1);
        bench.hardware(fill(config.outer_cache(), 0));
        bench.put(0, 16, 2);
        let old = by_colour(bench);
        let cpu = bench.cpu.by(Mapping::Cached(1));
        cpu.issue(Operation::Invalidate, 0, 16);
        cpu.complete();
        (old, by_colour(bench))
    });
    // By the first colour the inner level still holds what it had; the outer one holds nothing.
    assert_eq!(cpu, ([1, 1], [1, 2]));
}

#[test]
fn cores_look_into_one_anothers_caches_of_a_colour() {
    let config = Config {
        cores: 2,
        ..two_colours()
    };
    let cpu = seen(&config, |bench| {
        bench.cpu.by(Mapping::Cached(1)).store(0, &[1; 16]);
        bench.hardware(Move::Migrate { core: 1 });
        bench.pause();
        let other = bench.cpu_sees(16, 16);
        (
            uniform(&bench.cpu.by(Mapping::Cached(1)).load(0, 16)),
            other,
        )
    });
    assert_eq!(cpu, (1, FRESH));
    let four = [(0, 0), (0, 1), (1, 0), (1, 1)];
    let possible = four.map(|(core, colour)| {
        is_possible(&config, |bench| {
            bench.cpu.by(Mapping::Cached(1)).store(0, &[1; 16]);
            bench.hardware(evict(config.inner_cache(core, colour), 0));
        })
    });
    assert_eq!(possible, [false, true, false, false]);
}

#[test]
fn an_uncached_access_sees_memory_and_leaves_the_caches_as_they_are() {
    let (uncached, cpu, held) = seen(&plain(), |bench| {
        bench.store(0, 16, 1);
        let before = bench.memory_is(0, 16);
        bench.put(0, 16, 2);
        let uncached = [before, bench.memory_is(0, 16)];
        let held = bench.memory_is(16, 16);
        bench.put(16, 16, 3);
        (
            uncached,
            bench.cpu_sees(0, 16),
            [held, bench.cpu_sees(16, 16)],
        )
    });
    assert_eq!(uncached, [FRESH, 2]);
    assert_eq!(cpu, 1, "the dirty line stays what it was");
    assert_eq!(held, [FRESH, 3], "an uncached load brings nothing in");
}

#[test]
fn memory_behind_the_cached_part_has_no_lines() {
    let config = Config {
        uncached_len: 64,
        ..plain()
    };
    let memory = seen(&config, |bench| {
        bench.store(64, 64, 1);
        bench.hardware(fill(config.inner_cache(0, 0), 4));
        let device = bench.snooping_device();
        let cpu = bench.cpu_sees(64, 64);
        [
            cpu,
            uniform(&device.read(bench.cpu.dma(64), 64).unwrap()),
            bench.memory_is(64, 64),
        ]
    });
    assert_eq!(memory, [1; 3]);
    let possible = is_possible(&config, |bench| {
        bench.store(64, 64, 1);
        bench.hardware(fill(config.inner_cache(0, 0), 4));
    });
    assert!(!possible);
}

/// Without speculation the hardware fills what the CPU may access.
mod without_speculation {
    use dma_api::DataDirection;

    use super::*;

    /// Whether the first granule, of two lines, may be filled after this.
    fn may_fill(prepare: impl Fn(&Bench<'_>)) -> [bool; 2] {
        [true, false].map(|fills_speculatively| {
            let config = Config {
                fills_speculatively,
                granule: 32,
                ..plain()
            };
            is_possible(&config, |bench| {
                bench.cpu.own(0, 32);
                prepare(bench);
                bench.hardware(fill(config.inner_cache(0, 0), 0));
            })
        })
    }

    #[test]
    fn the_cpus_own_bytes_are_filled() {
        assert_eq!(may_fill(|_| ()), [true, true]);
        // And what is nobody's: the program's own business.
        let nobodys = is_possible(
            &Config {
                fills_speculatively: false,
                ..plain()
            },
            |bench| {
                bench.pause();
                bench.hardware(fill(plain().inner_cache(0, 0), 0));
            },
        );
        assert!(nobodys);
    }

    #[test]
    fn bytes_that_the_cpu_is_done_with_or_has_lent_are_not() {
        assert_eq!(may_fill(|bench| bench.cpu.done(0, 32)), [true, false]);
        let lends = |bench: &Bench<'_>| bench.cpu.lend(0, 32, DataDirection::FromDevice);
        assert_eq!(may_fill(lends), [true, false]);
        let back = |bench: &Bench<'_>| {
            lends(bench);
            bench.cpu.after_completion();
            bench.cpu.take_back(0, 32);
        };
        assert_eq!(may_fill(back), [true, true]);
        let shares = |bench: &Bench<'_>| bench.cpu.share(0, 32);
        assert_eq!(may_fill(shares), [true, false]);
    }

    #[test]
    fn one_byte_of_a_granule_that_the_cpu_may_access_is_enough() {
        assert_eq!(may_fill(|bench| bench.cpu.done(0, 31)), [true, true]);
        assert_eq!(may_fill(|bench| bench.cpu.done(1, 31)), [true, true]);
    }

    #[test]
    fn bytes_that_the_cpu_uses_uncached_are_not() {
        assert_eq!(may_fill(|bench| bench.uncached().own(0, 32)), [true, false]);
        assert_eq!(may_fill(|bench| bench.put(0, 32, 1)), [true, false]);
    }
}

#[test]
fn what_two_colours_hold_differently_is_lost_at_the_end() {
    let ran = run(&two_colours(), |bench| {
        bench.cpu.own(0, 64);
        let (first, second) = (bench.cpu, bench.cpu.by(Mapping::Cached(1)));
        second.store(0, &[1; 16]);
        first.store(0, &[2; 16]);
    });
    let violation = ran.violation.unwrap();
    assert_eq!(violation.values, Some((1, 2)));
}
