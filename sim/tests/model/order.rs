//! The order of maintenance: among operations on one line, with accesses, and with the barrier that waits for it.

use sim::{
    Config,
    steps::{Move, Operation},
};

use crate::{
    bench::{Bench, FRESH, execute, fill, is_possible, l1, plain, run, seen, uniform},
    maintenance::{GONE, lines},
};

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
