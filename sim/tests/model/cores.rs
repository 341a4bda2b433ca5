//! Several cores: their inner caches are coherent with one another, the thread may be moved, and maintenance may be local.

use sim::{
    Config, Scope,
    steps::{Move, Operation},
};

use crate::bench::{
    Bench, FRESH, evict, execute, fill, is_possible, l1, plain, run, seen, uniform,
};

fn two_cores() -> Config {
    Config {
        cores: 2,
        ..plain()
    }
}

impl Bench<'_> {
    fn migrate(&self, core: usize) {
        self.hardware(Move::Migrate { core });
        self.pause();
    }
}

#[test]
fn a_core_sees_what_another_has_dirty_and_that_is_written_back_when_it_fills_the_line() {
    let (cpu, memory, later) = seen(&two_cores(), |bench| {
        bench.store(0, 16, 1);
        bench.migrate(1);
        let cpu = bench.cpu_sees(0, 16);
        let memory = bench.memory_is(0, 16);
        bench.put(0, 16, 5);
        bench.hardware(evict(two_cores().inner_cache(0, 0), 0));
        (cpu, memory, bench.memory_is(0, 16))
    });
    assert_eq!((cpu, memory), (1, 1));
    assert_eq!(later, 5, "the first core's copy is clean");
}

#[test]
fn a_speculative_fill_of_one_core_writes_anothers_dirty_line_back() {
    let memory = seen(&two_cores(), |bench| {
        bench.store(0, 16, 1);
        bench.hardware(fill(two_cores().inner_cache(1, 0), 0));
        bench.memory_is(0, 16)
    });
    assert_eq!(memory, 1);
}

#[test]
fn a_store_takes_the_line_from_all_other_cores() {
    for dirty in [true, false] {
        let (cpu, memory) = seen(&two_cores(), |bench| {
            match dirty {
                true => bench.store(0, 16, 1),
                false => drop(bench.cpu.load(0, 16)),
            }
            bench.migrate(1);
            bench.store(4, 1, 2);
            let memory = bench.memory(0, 16);
            bench.hardware(evict(two_cores().inner_cache(1, 0), 0));
            bench.pause();
            bench.put(0, 16, 5);
            bench.migrate(0);
            (bench.cpu_sees(0, 16), memory)
        });
        let value = if dirty { 1 } else { FRESH };
        // The first core's bytes went to memory, not the second one's; then it held the line no more.
        assert_eq!((cpu, uniform(&memory)), (5, value));
    }
}

#[test]
fn a_store_around_the_cache_takes_the_line_from_other_cores_as_well() {
    let config = Config {
        store_buffer: 4,
        ..two_cores()
    };
    let cpu = seen(&config, |bench| {
        bench.store(0, 16, 1);
        bench.migrate(1);
        bench.store(4, 1, 2);
        let (core, around) = (1, true);
        bench.hardware(Move::Drain { core, around });
        let memory = bench.device().read(bench.cpu.dma(0), 6).unwrap();
        bench.migrate(0);
        (memory, bench.cpu.load(0, 6))
    });
    assert_eq!(cpu, (vec![1, 1, 1, 1, 2, 1], vec![1, 1, 1, 1, 2, 1]));
}

#[test]
fn the_thread_is_moved_to_another_core_that_exists_and_its_stores_go_before_it() {
    let possible = [0, 1, 2].map(|core| {
        is_possible(&two_cores(), |bench| {
            bench.store(0, 1, 1);
            bench.hardware(Move::Migrate { core });
        })
    });
    assert_eq!(possible, [false, true, false]);

    let config = Config {
        store_buffer: 4,
        ..two_cores()
    };
    let snooped = seen(&config, |bench| {
        bench.store(0, 16, 1);
        bench.store(16, 16, 2);
        bench.migrate(1);
        [0, 16].map(|at| bench.snooping_device().read(bench.cpu.dma(at), 1).unwrap()[0])
    });
    assert_eq!(snooped, [1, 2]);
}

#[test]
fn each_core_has_a_store_buffer_of_its_own() {
    let config = Config {
        store_buffer: 4,
        ..two_cores()
    };
    let possible = [0, 1].map(|core| {
        is_possible(&config, |bench| {
            bench.pause();
            bench.migrate(1);
            bench.store(0, 16, 1);
            let around = false;
            bench.hardware(Move::Drain { core, around });
        })
    });
    assert_eq!(possible, [false, true]);
}

/// Both cores hold the line as it was before the device wrote; one of them discards it.
fn discards(scope: Scope) -> [u8; 2] {
    let config = Config {
        scope,
        ..two_cores()
    };
    seen(&config, |bench| {
        let _ = bench.cpu.load(0, 16);
        bench.migrate(1);
        let _ = bench.cpu.load(0, 16);
        bench.device_writes(0, 16, 7);
        bench.cpu.after_completion();
        bench.cpu.invalidate(0, 16);
        let second = bench.cpu_sees(0, 16);
        bench.migrate(0);
        [bench.cpu_sees(0, 16), second]
    })
}

#[test]
fn maintenance_reaches_all_cores_or_only_the_one_that_executes_it() {
    assert_eq!(discards(Scope::AllCores), [7, 7]);
    assert_eq!(discards(Scope::ThisCore), [FRESH, 7]);
}

#[test]
fn maintenance_that_is_local_to_a_core_leaves_a_dirty_line_of_another() {
    let memory = [Scope::AllCores, Scope::ThisCore].map(|scope| {
        let config = Config {
            scope,
            ..two_cores()
        };
        seen(&config, |bench| {
            bench.store(0, 16, 1);
            bench.migrate(1);
            bench.cpu.clean(0, 16);
            bench.memory_is(0, 16)
        })
    });
    assert_eq!(memory, [1, FRESH]);
}

#[test]
fn an_operation_belongs_to_the_core_that_issued_it_wherever_the_thread_is() {
    let config = Config {
        scope: Scope::ThisCore,
        ..two_cores()
    };
    let memory = seen(&config, |bench| {
        bench.store(0, 16, 1);
        bench.cpu.issue(Operation::Clean, 0, 16);
        bench.migrate(1);
        bench.hardware(execute(0));
        bench.memory_is(0, 16)
    });
    assert_eq!(memory, 1);
}

#[test]
fn a_right_program_may_be_moved_at_any_moment() {
    let ran = run(&two_cores(), |bench| {
        bench.cpu.own(0, 64);
        bench.store(0, 64, 1);
        bench.migrate(1);
        bench.store(8, 48, 2);
        bench.migrate(0);
        bench.store(16, 16, 3);
        bench.hardware(evict(l1(), 1));
        bench.cpu.load(0, 64)
    });
    let mut expected = vec![1; 64];
    expected[8..56].fill(2);
    expected[16..32].fill(3);
    assert_eq!((ran.seen, ran.violation), (expected, None));
}
