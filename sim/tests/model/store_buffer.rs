//! Store buffers: what waits in them, who sees it, and when it leaves.

use sim::{
    Config, Maintained, Outer,
    steps::{Move, Operation},
};

use crate::bench::{Bench, FRESH, is_possible, plain, run, seen, uniform};

fn buffered(stores: usize) -> Config {
    Config {
        store_buffer: stores,
        ..plain()
    }
}

const DRAIN: Move = Move::Drain {
    core: 0,
    around: false,
};

const AROUND: Move = Move::Drain {
    core: 0,
    around: true,
};

/// What of four lines has reached the cache, as a device that snoops sees them.
fn arrived(bench: &Bench<'_>) -> [u8; 4] {
    let snoops = bench.snooping_device();
    [0, 16, 32, 48].map(|at| uniform(&snoops.read(bench.cpu.dma(at), 16).unwrap()))
}

/// What of four lines has reached memory.
fn in_memory(bench: &Bench<'_>) -> [u8; 4] {
    let reads = bench.device();
    [0, 16, 32, 48].map(|at| uniform(&reads.read(bench.cpu.dma(at), 16).unwrap()))
}

/// Stores 1, 2, 3 and 4, one to each line.
fn four_stores(bench: &Bench<'_>) {
    for (line, value) in (1..=4).enumerate() {
        bench.store(line * 16, 16, value);
    }
}

#[test]
fn as_many_stores_wait_as_the_buffer_holds_and_the_oldest_leave_first() {
    let waiting = [0, 1, 2, 3, 4].map(|stores| {
        seen(&buffered(stores), |bench| {
            four_stores(bench);
            (arrived(bench), in_memory(bench))
        })
    });
    let all_fresh = [FRESH; 4];
    assert_eq!(
        waiting,
        [
            ([1, 2, 3, 4], all_fresh),
            ([1, 2, 3, FRESH], all_fresh),
            ([1, 2, FRESH, FRESH], all_fresh),
            ([1, FRESH, FRESH, FRESH], all_fresh),
            (all_fresh, all_fresh),
        ]
    );
}

#[test]
fn a_core_sees_its_own_newest_store_before_anybody_else_does() {
    let (cpu, device) = seen(&buffered(8), |bench| {
        bench.store(0, 16, 1);
        bench.store(4, 4, 2);
        bench.store(6, 1, 3);
        (bench.cpu.load(0, 10), arrived(bench)[0])
    });
    assert_eq!(cpu, [1, 1, 1, 1, 2, 2, 3, 2, 1, 1]);
    assert_eq!(device, FRESH);
}

#[test]
fn a_drain_lets_the_oldest_store_alone_into_the_cache() {
    let drains = [1, 2].map(|drains| {
        seen(&buffered(8), |bench| {
            four_stores(bench);
            (0..drains).for_each(|_| bench.hardware(DRAIN));
            (arrived(bench), in_memory(bench))
        })
    });
    assert_eq!(
        drains,
        [
            ([1, FRESH, FRESH, FRESH], [FRESH; 4]),
            ([1, 2, FRESH, FRESH], [FRESH; 4])
        ]
    );
}

#[test]
fn a_drain_around_the_cache_reaches_memory_unless_the_line_is_held() {
    let (memory, cpu) = seen(&buffered(8), |bench| {
        let _ = bench.cpu.load(16, 1);
        bench.store(0, 16, 1);
        bench.store(16, 16, 2);
        bench.hardware(AROUND);
        bench.hardware(AROUND);
        let memory = in_memory(bench);
        bench.put(0, 32, 9);
        bench.cpu.before_doorbell();
        (memory, [0, 16].map(|line| bench.cpu_sees(line, 16)))
    });
    assert_eq!(memory, [1, FRESH, FRESH, FRESH]);
    // The first line was not brought in, the second is dirty in the cache.
    assert_eq!(cpu, [9, 2]);
}

#[test]
fn a_drain_around_the_inner_cache_reaches_an_outer_one_that_holds_the_line() {
    let config = Config {
        outer: Some(Outer {
            line: 16,
            granule: 16,
            maintained: Maintained::WithTheInner,
        }),
        ..buffered(8)
    };
    let outer = config.outer_cache();
    let (before, after) = seen(&config, |bench| {
        bench.store(0, 16, 1);
        bench.hardware(crate::bench::fill(outer, 0));
        bench.hardware(AROUND);
        let before = in_memory(bench);
        bench.hardware(crate::bench::evict(outer, 0));
        (before, in_memory(bench))
    });
    assert_eq!((before[0], after[0]), (FRESH, 1));
}

#[test]
fn an_empty_buffer_and_a_core_that_is_not_there_have_nothing_to_drain() {
    let possible = |stores: usize, step: Move| {
        is_possible(&buffered(8), |bench| {
            bench.cpu.own(0, 64);
            (0..stores).for_each(|_| bench.store(0, 1, 1));
            bench.hardware(step);
        })
    };
    assert_eq!([0, 1].map(|stores| possible(stores, DRAIN)), [false, true]);
    assert_eq!([0, 1].map(|stores| possible(stores, AROUND)), [false, true]);
    let (core, around) = (1, false);
    assert!(!possible(1, Move::Drain { core, around }));
}

#[test]
fn only_the_barrier_before_the_doorbell_waits_for_stores() {
    let after = |barrier: fn(&Bench<'_>)| {
        seen(&buffered(8), |bench| {
            four_stores(bench);
            barrier(bench);
            arrived(bench)
        })
    };
    assert_eq!(after(|bench| bench.cpu.before_doorbell()), [1, 2, 3, 4]);
    let others: [fn(&Bench<'_>); 4] = [
        |bench| bench.cpu.complete(),
        |bench| bench.cpu.after_completion(),
        |bench| bench.device().settle(),
        |bench| bench.device().doorbell(),
    ];
    for barrier in others {
        assert_eq!(after(barrier), [FRESH; 4]);
    }
}

#[test]
fn maintenance_of_a_line_waits_for_the_stores_to_it_and_those_before_them() {
    let config = Config {
        line: 16,
        ..buffered(8)
    };
    let (arrived, memory) = seen(&config, |bench| {
        four_stores(bench);
        // The second line, by its last byte.
        bench.cpu.issue(Operation::Clean, 31, 1);
        let arrived = arrived(bench);
        bench.cpu.complete();
        (arrived, in_memory(bench))
    });
    assert_eq!(arrived, [1, 2, FRESH, FRESH]);
    assert_eq!(memory, [FRESH, 2, FRESH, FRESH]);
}

#[test]
fn a_store_with_a_byte_in_a_maintained_line_does_not_wait() {
    let waits = |at: usize, len: usize| {
        is_possible(&buffered(8), |bench| {
            bench.store(at, len, 1);
            bench.cpu.issue(Operation::Clean, 40, 1);
            bench.hardware(DRAIN);
        })
    };
    // The line is that of bytes 32 to 48.
    let stores = [
        (20, 4),
        (31, 1),
        (48, 1),
        (31, 2),
        (32, 1),
        (47, 1),
        (47, 2),
    ];
    let expected = [true, true, true, false, false, false, false];
    assert_eq!(stores.map(|(at, len)| waits(at, len)), expected);
}

#[test]
fn an_uncached_store_waits_as_well_and_then_goes_past_the_caches() {
    let (waiting, drained, cpu) = seen(&buffered(8), |bench| {
        let _ = bench.cpu.load(0, 1);
        bench.put(0, 16, 1);
        let waiting = in_memory(bench)[0];
        bench.cpu.before_doorbell();
        (waiting, in_memory(bench)[0], bench.cpu_sees(0, 16))
    });
    assert_eq!((waiting, drained, cpu), (FRESH, 1, FRESH));
}

#[test]
fn a_store_that_waits_is_carried_through_at_the_end() {
    let ran = run(&buffered(8), |bench| {
        bench.cpu.own(0, 64);
        four_stores(bench);
    });
    assert_eq!(ran.violation, None);
}
