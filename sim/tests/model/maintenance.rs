//! Maintenance: when an operation takes effect, on which lines, in which order, and as what.

use sim::{
    Config,
    steps::{Move, Operation, Reach},
};

use crate::bench::{
    Bench, FRESH, evict, execute, fill, is_possible, l1, plain, run, seen, uniform,
};

const OPERATIONS: [Operation; 3] = [
    Operation::Clean,
    Operation::Invalidate,
    Operation::CleanAndInvalidate,
];

/// What the CPU holds of each line, and what memory does, with memory's lines 5 once looked at: a line that is held no more
/// shows 5.
fn lines(bench: &Bench<'_>, count: usize) -> Vec<(u8, u8)> {
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
const GONE: (u8, u8) = (5, 1);

const fn effect(operation: Operation) -> (u8, u8) {
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

/// A core with erratum 824069.
fn rogue() -> Config {
    Config {
        rogue_dirty: true,
        ..plain()
    }
}

const ROGUE: Move = Move::Execute {
    index: 0,
    upgraded: false,
    whole: false,
    rogue: true,
};

#[test]
fn a_rogue_clean_leaves_the_line_dirty_and_it_is_written_over_what_came_since() {
    // Also one that had no store.
    for stores in [true, false] {
        let memory = seen(&rogue(), |bench| {
            match stores {
                true => bench.store(0, 16, 1),
                false => drop(bench.cpu.load(0, 16)),
            }
            bench.cpu.issue(Operation::Clean, 0, 16);
            bench.hardware(ROGUE);
            let cleaned = bench.memory_is(0, 16);
            bench.put(0, 16, 5);
            bench.hardware(evict(l1(), 0));
            (cleaned, bench.memory_is(0, 16))
        });
        let value = if stores { 1 } else { FRESH };
        assert_eq!(memory, (value, value));
    }
}

#[test]
fn only_a_clean_on_a_core_with_the_erratum_is_rogue() {
    let possible = |config: &Config, operation, step| {
        is_possible(config, |bench| {
            bench.cpu.issue(operation, 0, 16);
            bench.hardware(step);
        })
    };
    let of = |config: &Config| OPERATIONS.map(|operation| possible(config, operation, ROGUE));
    assert_eq!(of(&rogue()), [true, false, false]);
    assert_eq!(of(&plain()), [false; 3]);

    let upgraded = |rogue| Move::Execute {
        index: 0,
        upgraded: true,
        whole: false,
        rogue,
    };
    assert!(!possible(&rogue(), Operation::Clean, upgraded(true)));
    let of = OPERATIONS.map(|operation| possible(&plain(), operation, upgraded(false)));
    assert_eq!(of, [true, true, false]);
}

#[test]
fn what_a_rogue_clean_found_absent_stays_absent() {
    let cpu = seen(&rogue(), |bench| {
        bench.cpu.issue(Operation::Clean, 0, 16);
        bench.hardware(ROGUE);
        bench.put(0, 16, 5);
        bench.cpu_sees(0, 16)
    });
    assert_eq!(cpu, 5);
}

#[test]
fn operations_on_different_lines_take_effect_in_any_order() {
    let order = seen(&plain(), |bench| {
        bench.store(0, 64, 1);
        bench.cpu.issue(Operation::Clean, 0, 64);
        [3, 0, 1, 0].map(|index| {
            bench.hardware(execute(index));
            [0, 16, 32, 48].map(|line| bench.memory_is(line, 16))
        })
    });
    let (f, n) = (FRESH, 1);
    // The look that follows a move shows it.
    assert_eq!(order, [[f, f, f, n], [n, f, f, n], [n, f, n, n], [n; 4]]);
}

#[test]
fn operations_on_one_line_take_effect_in_the_order_in_which_they_were_issued() {
    let issues = |bench: &Bench<'_>| {
        bench.store(0, 32, 1);
        bench.cpu.issue(Operation::Clean, 0, 32);
        bench.cpu.issue(Operation::Invalidate, 0, 32);
    };
    let possible = [0, 1, 2, 3, 4].map(|index| {
        is_possible(&plain(), |bench| {
            issues(bench);
            bench.hardware(execute(index));
        })
    });
    assert_eq!(possible, [true, true, false, false, false]);
    let after_the_first = is_possible(&plain(), |bench| {
        issues(bench);
        bench.hardware(execute(0));
        // The invalidate of line 0, behind the clean of line 1.
        bench.hardware(execute(1));
    });
    assert!(after_the_first);

    let completed = seen(&plain(), |bench| {
        issues(bench);
        bench.cpu.complete();
        lines(bench, 2)
    });
    assert_eq!(completed, [GONE; 2]);
}

#[test]
fn maintenance_is_in_program_order_with_accesses_of_its_line_where_the_machine_says_so() {
    let ordered = Config {
        ordered_by_address: true,
        ..plain()
    };
    let issues = |bench: &Bench<'_>| {
        let _ = bench.cpu.load(0, 32);
        bench.put(0, 32, 7);
        bench.cpu.issue(Operation::Invalidate, 0, 32);
    };
    let loads = |config: &Config| {
        seen(config, |bench| {
            issues(bench);
            [bench.cpu_sees(15, 1), bench.cpu_sees(16, 1)]
        })
    };
    assert_eq!(loads(&ordered), [7, 7], "each is discarded first");
    assert_eq!(loads(&plain()), [FRESH; 2]);

    // What is still under way after an access of the first line.
    let under_way = |config: &Config, access: fn(&Bench<'_>)| {
        [0, 1].map(|index| {
            is_possible(config, |bench| {
                issues(bench);
                access(bench);
                bench.hardware(execute(index));
            })
        })
    };
    let load: fn(&Bench<'_>) = |bench| drop(bench.cpu.load(0, 16));
    let store: fn(&Bench<'_>) = |bench| bench.store(0, 1, 1);
    let copy_from: fn(&Bench<'_>) = |bench| bench.cpu.copy(15, 33, 1);
    let copy_to: fn(&Bench<'_>) = |bench| bench.cpu.copy(33, 15, 1);
    for access in [load, store, copy_from, copy_to] {
        assert_eq!(under_way(&ordered, access), [true, false]);
        assert_eq!(under_way(&plain(), access), [true, true]);
    }
    let elsewhere: fn(&Bench<'_>) = |bench| bench.store(32, 1, 1);
    assert_eq!(under_way(&ordered, elsewhere), [true, true]);
}

#[test]
fn a_core_is_in_order_with_its_own_maintenance_only() {
    let config = Config {
        ordered_by_address: true,
        cores: 2,
        ..plain()
    };
    let pending = |core: usize| {
        is_possible(&config, |bench| {
            bench.store(0, 16, 1);
            bench.cpu.issue(Operation::Clean, 0, 16);
            if core == 1 {
                bench.hardware(Move::Migrate { core });
                let _ = bench.cpu.load(48, 1);
            }
            let _ = bench.cpu.load(0, 16);
            bench.hardware(execute(0));
        })
    };
    assert_eq!([0, 1].map(pending), [false, true]);
}

#[test]
fn without_the_barrier_a_line_may_come_back_before_it_is_discarded() {
    // What makes the order matter: the CPU sees the device's bytes only if the invalidate came after the refill.
    let cpu = |early: bool| {
        seen(&plain(), |bench| {
            let _ = bench.cpu.load(0, 16);
            bench.cpu.issue(Operation::Invalidate, 0, 16);
            if early {
                bench.hardware(execute(0));
                bench.hardware(fill(l1(), 0));
            }
            bench.device_writes(0, 16, 7);
            bench.cpu.after_completion();
            bench.cpu.complete();
            uniform(&bench.cpu.load(0, 16))
        })
    };
    assert_eq!([false, true].map(cpu), [7, FRESH]);
}

#[test]
fn what_was_issued_takes_effect_at_the_end_at_the_latest() {
    let ran = run(&plain(), |bench| {
        bench.cpu.own(0, 64);
        bench.store(0, 64, 1);
        bench.cpu.issue(Operation::Invalidate, 0, 64);
    });
    let violation = ran.violation.unwrap();
    assert_eq!((violation.values, violation.step), (Some((FRESH, 1)), 3));
}
