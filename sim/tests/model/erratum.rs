//! The erratum of cleans that leave a line marked as dirty.

use sim::{
    Config,
    steps::{Move, Operation},
};

use crate::{
    bench::{FRESH, evict, is_possible, l1, plain, seen},
    maintenance::OPERATIONS,
};

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
