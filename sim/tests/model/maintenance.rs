//! Maintenance: when an operation takes effect, on which lines, and as what.

use sim::{
    Config,
    steps::{Move, Operation, Reach},
};

use crate::bench::{Bench, FRESH, execute, is_possible, plain, seen};

pub(crate) const OPERATIONS: [Operation; 3] = [
    Operation::Clean,
    Operation::Invalidate,
    Operation::CleanAndInvalidate,
];

/// What the CPU holds of each line, and what memory does, with memory's lines 5 once looked at: a line that is held no more
/// shows 5.
pub(crate) fn lines(bench: &Bench<'_>, count: usize) -> Vec<(u8, u8)> {
    let memory: Vec<u8> = (0..count)
        .map(|line| bench.memory_is(line * 16, 16))
        .collect();
    bench.put(0, count * 16, 5);
    let cpu = (0..count).map(|line| bench.cpu_sees(line * 16, 16));
    cpu.zip(memory).collect()
}

/// The line is held and not in memory.
const DIRTY: (u8, u8) = (1, FRESH);
/// It is held, and memory has it.
const CLEANED: (u8, u8) = (1, 1);
/// It is held no more, and memory never had it.
const DISCARDED: (u8, u8) = (5, FRESH);
/// It is held no more, and memory has it.
pub(crate) const GONE: (u8, u8) = (5, 1);

pub(crate) const fn effect(operation: Operation) -> (u8, u8) {
    match operation {
        Operation::Clean => CLEANED,
        Operation::Invalidate => DISCARDED,
        Operation::CleanAndInvalidate => GONE,
    }
}

#[test]
fn an_operation_takes_effect_at_its_completion_and_not_before() {
    for operation in OPERATIONS {
        let program = |completes: bool| {
            move |bench: &Bench<'_>| {
                bench.store(0, 16, 1);
                bench.cpu.issue(operation, 0, 16);
                if completes {
                    bench.cpu.complete();
                }
                lines(bench, 1)
            }
        };
        let (issued, complete) = (
            seen(&plain(), program(false)),
            seen(&plain(), program(true)),
        );
        assert_eq!(
            (issued[0], complete[0]),
            (DIRTY, effect(operation)),
            "{operation}"
        );
    }
}

#[test]
fn an_operation_that_took_effect_early_takes_none_at_its_completion() {
    for operation in OPERATIONS {
        let lines = seen(&plain(), |bench| {
            bench.store(0, 16, 1);
            bench.cpu.issue(operation, 0, 16);
            bench.hardware(execute(0));
            let early = bench.memory_is(0, 16);
            bench.store(0, 16, 2);
            bench.cpu.complete();
            (early, lines(bench, 1)[0])
        });
        assert_eq!(
            lines,
            (effect(operation).1, (2, effect(operation).1)),
            "{operation}"
        );
    }
}

#[test]
fn no_other_barrier_completes_maintenance() {
    let barriers: [fn(&Bench<'_>); 4] = [
        |bench| bench.cpu.before_doorbell(),
        |bench| bench.cpu.after_completion(),
        |bench| bench.device().settle(),
        |bench| bench.cpu.complete_in(Reach::Level(0)),
    ];
    for barrier in barriers {
        let lines = seen(&plain(), |bench| {
            bench.store(0, 16, 1);
            bench.cpu.issue(Operation::Clean, 0, 16);
            barrier(bench);
            lines(bench, 1)
        });
        assert_eq!(lines, [DIRTY]);
    }
}

#[test]
fn the_lines_that_hold_a_byte_of_the_range_are_maintained_and_no_others() {
    let config = Config {
        granule: 64,
        cached_len: 64,
        ..plain()
    };
    for operation in OPERATIONS {
        for (at, len, reached) in [
            (0, 1, 0..1),
            (15, 1, 0..1),
            (16, 1, 1..2),
            (15, 2, 0..2),
            (17, 47, 1..4),
            (31, 18, 1..4),
        ] {
            let lines = seen(&config, |bench| {
                bench.store(0, 64, 1);
                bench.cpu.issue(operation, at, len);
                bench.cpu.complete();
                lines(bench, 4)
            });
            let expected = (0..4).map(|line| match reached.contains(&line) {
                true => effect(operation),
                false => DIRTY,
            });
            assert!(
                lines.iter().copied().eq(expected),
                "{operation} of {at}, {len}: {lines:?}"
            );
        }
    }
}

#[test]
fn a_clean_or_an_invalidate_may_execute_as_both() {
    let upgraded = |operation: Operation, index: usize| Move::Execute {
        index,
        upgraded: operation != Operation::CleanAndInvalidate,
        whole: false,
        rogue: false,
    };
    for operation in OPERATIONS {
        let lines = seen(&plain(), |bench| {
            bench.store(0, 32, 1);
            bench.cpu.issue(operation, 0, 32);
            bench.hardware(upgraded(operation, 1));
            lines(bench, 2)
        });
        assert_eq!(lines, [DIRTY, GONE], "{operation}");
    }
}

#[test]
fn an_operation_may_reach_the_whole_granule_where_that_is_larger_than_a_line() {
    let whole = Move::Execute {
        index: 0,
        upgraded: false,
        whole: true,
        rogue: false,
    };
    let big = Config {
        granule: 32,
        ..plain()
    };
    for operation in OPERATIONS {
        let lines = seen(&big, |bench| {
            bench.store(0, 64, 1);
            bench.cpu.issue(operation, 16, 16);
            bench.hardware(whole);
            lines(bench, 4)
        });
        assert_eq!(
            lines,
            [effect(operation), effect(operation), DIRTY, DIRTY],
            "{operation}"
        );
    }
    let possible = |config: &Config| {
        is_possible(config, |bench| {
            bench.cpu.issue(Operation::Clean, 0, 16);
            bench.hardware(whole);
        })
    };
    assert_eq!(
        [plain(), big].map(|config| possible(&config)),
        [false, true]
    );
}
