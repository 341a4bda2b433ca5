//! Two levels: what passes from one to the other, and the order in which maintenance must go through them.

use sim::{
    Config, Maintained, Outer,
    layout::CacheId,
    steps::{Move, Operation, Reach},
};

use crate::bench::{Bench, FRESH, evict, execute, fill, is_possible, l1, plain, seen, write_back};

const INNER: Reach = Reach::Level(0);
const OUTER: Reach = Reach::Level(1);

/// An outer level with granules of this size behind the inner one of 16-byte lines.
fn two_levels(granule: usize) -> Config {
    Config {
        outer: Some(Outer {
            line: 16,
            granule,
            maintained: Maintained::ByItself,
        }),
        ..plain()
    }
}

fn l2() -> CacheId {
    plain().outer_cache()
}

fn spill(line: usize) -> Move {
    Move::Evict {
        cache: l1(),
        line,
        allocate: true,
    }
}

fn keep_and_spill(line: usize) -> Move {
    Move::WriteBack {
        cache: l1(),
        line,
        allocate: true,
    }
}

#[test]
fn an_inner_eviction_goes_to_memory_where_the_outer_level_does_not_hold_the_line_and_else_no_further()
 {
    for step in [evict(l1(), 0), write_back(l1(), 0)] {
        let memory = [false, true].map(|held| {
            seen(&two_levels(16), |bench| {
                bench.store(0, 16, 1);
                if held {
                    bench.hardware(fill(l2(), 0));
                }
                bench.hardware(step);
                let first = bench.memory_is(0, 16);
                bench.hardware(evict(l2(), 0));
                (first, bench.memory_is(0, 16))
            })
        });
        assert_eq!(memory, [(1, 1), (FRESH, 1)]);
    }
}

#[test]
fn a_spilled_line_is_dirty_in_the_outer_level_and_the_rest_of_its_granule_is_filled() {
    for step in [spill(1), keep_and_spill(1)] {
        let (memory, cpu, written) = seen(&two_levels(64), |bench| {
            bench.put(0, 64, 2);
            bench.store(16, 16, 1);
            bench.hardware(step);
            let memory = bench.memory_is(0, 64);
            bench.put(0, 64, 3);
            let cpu = [0, 16, 32].map(|line| bench.cpu_sees(line, 16));
            bench.hardware(evict(l2(), 0));
            (
                memory,
                cpu,
                [0, 16, 32].map(|line| bench.memory_is(line, 16)),
            )
        });
        assert_eq!((memory, cpu, written), (2, [2, 1, 2], [2, 1, 2]));
    }
}

#[test]
fn a_line_that_the_outer_level_holds_is_written_to_without_filling_the_rest_of_its_granule() {
    let cpu = seen(&two_levels(32), |bench| {
        bench.store(0, 32, 1);
        bench.hardware(spill(0));
        bench.store(16, 16, 2);
        // The first line is gone from the outer level, the second is not, and is written to.
        bench
            .cpu
            .issue_in(OUTER, Operation::CleanAndInvalidate, 0, 16);
        bench.cpu.complete_in(OUTER);
        bench.hardware(evict(l1(), 1));
        bench.put(0, 32, 5);
        [0, 16].map(|line| bench.cpu_sees(line, 16))
    });
    assert_eq!(cpu, [5, 2]);
}

#[test]
fn only_a_dirty_inner_line_that_the_outer_level_does_not_hold_can_be_spilled() {
    let config = two_levels(16);
    let possible = |prepare: fn(&Bench<'_>), step: Move| {
        is_possible(&config, |bench| {
            prepare(bench);
            bench.hardware(step);
        })
    };
    let dirty: fn(&Bench<'_>) = |bench| bench.store(0, 16, 1);
    let clean: fn(&Bench<'_>) = |bench| drop(bench.cpu.load(0, 16));
    let held: fn(&Bench<'_>) = |bench| {
        bench.store(0, 16, 1);
        bench.hardware(fill(l2(), 0));
    };
    for step in [spill(0), keep_and_spill(0)] {
        let possible = [dirty, clean, held].map(|prepare| possible(prepare, step));
        assert_eq!(possible, [true, false, false]);
    }
    // From the outer level there is no next one.
    let outer_is_dirty: fn(&Bench<'_>) = |bench| {
        bench.store(0, 16, 1);
        bench.hardware(spill(0));
    };
    let (cache, line, allocate) = (l2(), 0, true);
    let further = Move::Evict {
        cache,
        line,
        allocate,
    };
    assert!(!possible(outer_is_dirty, further));
    assert!(possible(outer_is_dirty, evict(l2(), 0)));
    // On a machine of one level there is none at all.
    let one_level = is_possible(&plain(), |bench| {
        dirty(bench);
        bench.hardware(spill(0));
    });
    assert!(!one_level);
}

#[test]
fn the_inner_level_is_filled_from_the_outer_one_and_that_from_memory() {
    let (inner, outer) = seen(&two_levels(16), |bench| {
        bench.put(0, 16, 1);
        bench.hardware(fill(l2(), 0));
        bench.put(0, 16, 2);
        bench.hardware(fill(l1(), 0));
        let inner = bench.cpu_sees(0, 16);
        // The outer level takes what memory has, whatever the inner one holds.
        bench.hardware(fill(l2(), 0));
        bench.hardware(evict(l1(), 0));
        bench.put(0, 16, 3);
        (inner, bench.cpu_sees(0, 16))
    });
    assert_eq!((inner, outer), (1, 2));
}

#[test]
fn a_load_that_misses_takes_what_the_outer_level_holds() {
    let cpu = seen(&two_levels(16), |bench| {
        bench.store(0, 16, 1);
        bench.hardware(spill(0));
        bench.put(0, 16, 2);
        bench.cpu_sees(0, 16)
    });
    assert_eq!(cpu, 1);
}

/// The CPU's line is 1, the outer level has it as 2, memory as 3; then an operation that reaches memory.
fn three_copies(bench: &Bench<'_>) {
    bench.put(0, 16, 2);
    bench.hardware(fill(l2(), 0));
    bench.put(0, 16, 3);
    bench.store(0, 16, 1);
}

#[test]
fn an_operation_to_memory_goes_through_both_levels() {
    let after = |operation: Operation| {
        seen(&two_levels(16), |bench| {
            three_copies(bench);
            bench.cpu.issue(operation, 0, 16);
            bench.cpu.complete();
            let memory = bench.memory_is(0, 16);
            bench.put(0, 16, 5);
            let inner = bench.cpu_sees(0, 16);
            bench.hardware(evict(l1(), 0));
            bench.pause();
            (memory, inner, bench.cpu_sees(0, 16))
        })
    };
    // What memory holds, what the inner level, and what the outer one.
    assert_eq!(after(Operation::Clean), (1, 1, 1));
    assert_eq!(after(Operation::CleanAndInvalidate), (1, 5, 5));
    assert_eq!(after(Operation::Invalidate), (3, 5, 5));
}

#[test]
fn an_inner_clean_that_is_maintained_apart_goes_to_the_outer_level_and_no_further() {
    for operation in [Operation::Clean, Operation::CleanAndInvalidate] {
        let (inner, outer) = seen(&two_levels(16), |bench| {
            bench.store(0, 16, 1);
            bench.cpu.issue_in(INNER, operation, 0, 16);
            bench.cpu.complete_in(INNER);
            let inner = bench.memory_is(0, 16);
            bench.cpu.issue_in(OUTER, Operation::Clean, 0, 16);
            bench.cpu.complete_in(OUTER);
            (inner, bench.memory_is(0, 16))
        });
        assert_eq!((inner, outer), (FRESH, 1), "{operation}");
    }
    // With an operation that goes on to memory anyway nothing is taken in on the way.
    let cpu = seen(&two_levels(16), |bench| {
        bench.store(0, 16, 1);
        bench.cpu.issue(Operation::CleanAndInvalidate, 0, 16);
        bench.cpu.complete();
        bench.put(0, 16, 5);
        bench.cpu_sees(0, 16)
    });
    assert_eq!(cpu, 5);
}

#[test]
fn an_operation_on_one_level_leaves_the_other_alone() {
    let after = |reach: Reach, operation: Operation| {
        seen(&two_levels(16), |bench| {
            three_copies(bench);
            bench.cpu.issue_in(reach, operation, 0, 16);
            bench.cpu.complete();
            let (memory, inner) = (bench.memory_is(0, 16), bench.cpu_sees(0, 16));
            bench.cpu.issue_in(INNER, Operation::Invalidate, 0, 16);
            bench.cpu.complete_in(INNER);
            (memory, inner, bench.cpu_sees(0, 16))
        })
    };
    assert_eq!(after(INNER, Operation::Clean), (3, 1, 1));
    assert_eq!(after(INNER, Operation::Invalidate), (3, 2, 2));
    // The outer line was clean: nothing to write, and then nothing to find.
    assert_eq!(after(OUTER, Operation::Clean), (3, 1, 2));
    assert_eq!(after(OUTER, Operation::Invalidate), (3, 1, 3));
}

#[test]
fn one_level_can_be_waited_for_without_the_other() {
    let done = |waits: Reach| {
        seen(&two_levels(16), |bench| {
            bench.store(0, 16, 1);
            bench.hardware(spill(0));
            bench.store(16, 16, 2);
            bench.cpu.issue_in(OUTER, Operation::Clean, 0, 16);
            bench.cpu.issue_in(INNER, Operation::Invalidate, 16, 16);
            bench.cpu.complete_in(waits);
            (bench.memory_is(0, 16), bench.cpu_sees(16, 16))
        })
    };
    assert_eq!(done(OUTER), (1, 2));
    assert_eq!(done(INNER), (FRESH, FRESH));
    assert_eq!(done(Reach::Memory), (1, FRESH));
}

#[test]
fn the_inner_level_may_be_refilled_from_the_outer_one_between_their_invalidates() {
    let cpu = |order: [Reach; 2]| {
        seen(&two_levels(16), |bench| {
            bench.fill_both();
            bench.device_writes(0, 16, 7);
            bench.cpu.after_completion();
            bench.cpu.issue_in(order[0], Operation::Invalidate, 0, 16);
            bench.hardware(execute(0));
            bench.hardware(fill(l1(), 0));
            bench.cpu.issue_in(order[1], Operation::Invalidate, 0, 16);
            bench.cpu.complete();
            bench.cpu_sees(0, 16)
        })
    };
    assert_eq!(cpu([INNER, OUTER]), FRESH, "the wrong order");
    assert_eq!(cpu([OUTER, INNER]), 7);
}

impl Bench<'_> {
    /// Both levels hold the first line as memory has it.
    fn fill_both(&self) {
        self.pause();
        self.hardware(fill(l2(), 0));
        self.hardware(fill(l1(), 0));
    }
}
