//! What is counted: operations by the line, barriers, and what could have changed nothing (V13).

use dma_api::{DmaSync, LineRange, Machine, PhysAddr, PhysRange};
use sim::{
    Adversary, Config, Maintained, Outer, SimMachine, StepCounts,
    layout::Mapping,
    steps::{Operation, Reach},
};

use crate::bench::{Bench, fill, l1, plain, seen};

fn counted(config: &Config, program: impl Fn(&Bench<'_>)) -> StepCounts {
    seen(config, |bench| {
        bench.cpu.own(0, 64);
        program(bench);
        bench.machine.counts()
    })
}

#[test]
fn operations_are_counted_by_the_line_and_barriers_one_by_one() {
    let counts = counted(&plain(), |bench| {
        let cpu = bench.cpu;
        bench.store(0, 64, 1);
        cpu.issue(Operation::Clean, 15, 34);
        cpu.issue(Operation::CleanAndInvalidate, 0, 33);
        cpu.issue(Operation::Invalidate, 31, 2);
        (0..2).for_each(|_| cpu.complete());
        cpu.complete_in(Reach::Level(0));
        (0..4).for_each(|_| cpu.before_doorbell());
        (0..5).for_each(|_| cpu.after_completion());
    });
    let expected = StepCounts {
        cleaned: 4,
        cleaned_and_invalidated: 3,
        invalidated: 2,
        redundant: 0,
        completions: 3,
        doorbells: 4,
        hand_backs: 5,
    };
    assert_eq!(counts, expected);
}

#[test]
fn v13_an_operation_is_redundant_where_no_cache_holds_anything_it_could_change() {
    // The first line is absent, the second clean, the third and fourth dirty.
    let redundant = |operation: Operation| {
        counted(&plain(), |bench| {
            let _ = bench.cpu.load(16, 1);
            bench.store(32, 32, 1);
            bench.cpu.issue(operation, 0, 64);
        })
        .redundant
    };
    assert_eq!(redundant(Operation::Clean), 2);
    assert_eq!(redundant(Operation::Invalidate), 1);
    assert_eq!(redundant(Operation::CleanAndInvalidate), 1);
}

#[test]
fn v13_a_line_that_any_cache_holds_is_not_redundant() {
    let config = Config {
        cores: 2,
        colours: 2,
        outer: Some(Outer {
            line: 16,
            granule: 16,
            maintained: Maintained::WithTheInner,
        }),
        ..plain()
    };
    let last = config.outer_cache();
    let caches = [(0, 0), (0, 1), (1, 0), (1, 1)];
    let caches = caches.map(|(core, colour)| config.inner_cache(core, colour));
    for cache in caches.into_iter().chain([last]) {
        let redundant = counted(&config, |bench| {
            bench.hardware(fill(cache, 0));
            bench.cpu.issue(Operation::Invalidate, 0, 32);
        })
        .redundant;
        assert_eq!(redundant, 1, "{cache:?}");
    }
}

#[test]
fn v13_is_counted_when_an_operation_is_issued_whatever_came_before_its_effect() {
    let redundant = counted(&plain(), |bench| {
        bench.store(0, 16, 1);
        bench.cpu.issue(Operation::Clean, 0, 16);
        // Not complete: the line is still dirty.
        bench.cpu.issue(Operation::Clean, 0, 16);
        bench.cpu.complete();
        bench.cpu.issue(Operation::Clean, 0, 16);
        bench.hardware(fill(l1(), 0));
    })
    .redundant;
    assert_eq!(redundant, 1);
}

#[test]
fn counts_are_what_was_asked_for_under_every_adversary() {
    for adversary in Adversary::all(20) {
        let config = Config {
            granule: 32,
            ..plain()
        };
        let machine = SimMachine::new(config.under(adversary)).unwrap();
        let cpu = sim::Cpu::new(&machine);
        cpu.own(0, 64);
        cpu.done(0, 64);
        cpu.clean(0, 64);
        cpu.invalidate(15, 2);
        cpu.by(Mapping::Uncached)
            .issue(Operation::CleanAndInvalidate, 63, 1);
        cpu.complete();

        let counts = machine.counts();
        let lines = (
            counts.cleaned,
            counts.invalidated,
            counts.cleaned_and_invalidated,
        );
        assert_eq!((lines, counts.completions), ((4, 2, 1), 3));
        assert_eq!(counts, machine.caches().counts());
    }
}

#[test]
fn the_librarys_maintenance_is_counted_as_the_machine_executes_it() {
    use sim::Invalidate;

    let promoted = Config {
        promotes_cleans: true,
        invalidate: Invalidate::WritesBackToo,
        ..plain()
    };
    let counts = [plain(), promoted].map(|config| {
        let machine = SimMachine::new(config).unwrap();
        sim::Cpu::new(&machine).own(0, 64);
        let phys = PhysRange::new(PhysAddr::new(0x8000_0000), 20).unwrap();
        let memory = machine.direct_map().to_cpu(phys).unwrap();
        // SAFETY: the direct map says that the bytes are mapped there.
        let lines = || unsafe { LineRange::new(memory, phys.start()) }.unwrap();
        machine.sync().clean(lines());
        machine.sync().clean_and_invalidate(lines());
        // SAFETY: nothing was stored to the lines.
        unsafe { machine.sync().invalidate(lines()) };
        machine.sync().complete();
        machine.sync().before_doorbell(memory.cast());
        machine.sync().after_completion(memory.cast());
        machine.counts()
    });
    let expected = StepCounts {
        cleaned: 2,
        invalidated: 2,
        cleaned_and_invalidated: 2,
        redundant: 6,
        completions: 1,
        doorbells: 1,
        hand_backs: 1,
    };
    let promoted = StepCounts {
        cleaned: 0,
        invalidated: 0,
        cleaned_and_invalidated: 6,
        ..expected
    };
    assert_eq!(counts, [expected, promoted]);
}
