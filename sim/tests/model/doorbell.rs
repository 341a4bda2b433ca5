//! V9 on the way to a device: what is said when a barrier is missing, and where none is.

use core::ops::Range;

use dma_api::{
    DataDirection::{FromDevice, ToDevice},
    Snooping,
};
use sim::{
    Config, Oracle,
    steps::{Operation, Owner},
};

use crate::bench::{Bench, plain, run};

const TO_DOORBELL: &str = "between the last store or maintenance and the doorbell";

/// What the machine says of a program, which must be that a barrier is missing.
pub(crate) fn missing(
    config: &Config,
    program: impl Fn(&Bench<'_>),
) -> Option<(Range<usize>, Owner, String, usize)> {
    run(config, program).violation.map(|violation| {
        assert_eq!(
            (violation.oracle, violation.values),
            (Oracle::MissingBarrier, None),
            "{violation}"
        );
        (
            violation.bytes,
            violation.owner,
            violation.detail,
            violation.step,
        )
    })
}

pub(crate) fn says(
    bytes: Range<usize>,
    owner: Owner,
    detail: &str,
    step: usize,
) -> Option<(Range<usize>, Owner, String, usize)> {
    Some((bytes, owner, detail.to_owned(), step))
}

/// Steps of a hand-over, of which the one with number `without` is left out.
fn hands_over(bench: &Bench<'_>, without: usize) {
    let cpu = bench.cpu;
    let steps: [&dyn Fn(); 5] = [
        &|| cpu.own(0, 64),
        &|| cpu.issue(Operation::Clean, 0, 48),
        &|| cpu.complete(),
        &|| cpu.before_doorbell(),
        &|| cpu.lend(16, 16, FromDevice),
    ];
    for (number, step) in steps.into_iter().enumerate() {
        if number != without {
            step();
        }
    }
}

#[test]
fn the_barrier_before_the_doorbell_comes_after_maintenance_which_is_complete() {
    let without = |step| missing(&plain(), |bench| hands_over(bench, step));
    let all = usize::MAX;
    assert_eq!(without(all), None);
    assert_eq!(without(3), says(16..32, Owner::Cpu, TO_DOORBELL, 3));
    let incomplete = "clean of its line is not complete at the hand-over";
    assert_eq!(without(2), says(16..32, Owner::Cpu, incomplete, 3));
    // Nothing was issued: nothing is missing.
    assert_eq!(without(1), None);
}

#[test]
fn maintenance_of_other_lines_may_be_under_way_at_a_hand_over() {
    let under_way = |line: usize| {
        missing(&plain(), |bench| {
            bench.cpu.own(0, 64);
            bench.cpu.issue(Operation::Clean, line * 16, 16);
            bench.cpu.before_doorbell();
            bench.cpu.lend(15, 2, FromDevice);
        })
    };
    let detail = "clean of its line is not complete at the hand-over";
    let incomplete = |byte: usize| says(byte..byte + 1, Owner::Cpu, detail, 3);
    let expected = [incomplete(15), incomplete(16), None, None];
    assert_eq!([0, 1, 2, 3].map(under_way), expected);
}

#[test]
fn what_the_cpu_does_elsewhere_needs_no_barrier() {
    let program = |stores: usize| {
        move |bench: &Bench<'_>| {
            bench.cpu.own(0, 64);
            bench.store(stores, 4, 1);
            bench.cpu.lend(16, 16, ToDevice);
        }
    };
    // Of four bytes that were stored, those that are lent.
    let said = |bytes| says(bytes, Owner::Cpu, TO_DOORBELL, 2);
    assert_eq!(
        [13, 31].map(|at| missing(&plain(), program(at))),
        [said(16..17), said(31..32)]
    );
    assert_eq!(
        [12, 32].map(|at| missing(&plain(), program(at))),
        [None, None]
    );
}

#[test]
fn the_barrier_before_the_doorbell_comes_after_the_last_store() {
    let program = |fences: bool| {
        move |bench: &Bench<'_>| {
            bench.cpu.own(0, 64);
            bench.store(0, 16, 1);
            if fences {
                bench.cpu.before_doorbell();
            }
            bench.cpu.lend(0, 16, ToDevice);
        }
    };
    let snooped = Config {
        snooping: Snooping::Snoops,
        ..plain()
    };
    for config in [plain(), snooped] {
        let said = says(0..16, Owner::Cpu, TO_DOORBELL, 2);
        assert_eq!(missing(&config, program(false)), said);
        assert_eq!(missing(&config, program(true)), None);
    }
}

#[test]
fn maintenance_that_takes_effect_after_the_barrier_calls_for_another() {
    let program = |fences: bool| {
        move |bench: &Bench<'_>| {
            bench.cpu.own(0, 64);
            bench.cpu.issue(Operation::Clean, 0, 16);
            bench.cpu.before_doorbell();
            bench.cpu.complete();
            if fences {
                bench.cpu.before_doorbell();
            }
            bench.cpu.lend(0, 16, FromDevice);
        }
    };
    let said = says(0..16, Owner::Cpu, TO_DOORBELL, 4);
    assert_eq!(missing(&plain(), program(false)), said);
    assert_eq!(missing(&plain(), program(true)), None);
}

#[test]
fn a_doorbell_finds_what_is_under_way_for_a_device() {
    let buffered = Config {
        store_buffer: 8,
        ..plain()
    };
    let rings = |shared: Range<usize>, prepare: fn(&Bench<'_>)| {
        let prepare = |bench: &Bench<'_>| {
            bench.cpu.own(0, 64);
            bench.cpu.share(shared.start, shared.len());
            prepare(bench);
        };
        let doorbell = missing(&buffered, |bench| {
            prepare(bench);
            bench.device().doorbell();
        });
        let started = missing(&buffered, |bench| {
            prepare(bench);
            let _started = bench.device().start(&[]).unwrap();
        });
        assert_eq!(doorbell, started);
        doorbell
    };
    let stores: fn(&Bench<'_>) = |bench| bench.store(50, 4, 1);
    let invalidates: fn(&Bench<'_>) = |bench| bench.cpu.issue(Operation::Invalidate, 50, 4);
    let completes: fn(&Bench<'_>) = |bench| bench.cpu.clean(50, 4);
    let fences: fn(&Bench<'_>) = |bench| {
        bench.store(50, 4, 1);
        bench.cpu.clean(50, 4);
        bench.cpu.before_doorbell();
    };
    let incomplete: fn(&Bench<'_>) = |bench| {
        bench.cpu.issue(Operation::Invalidate, 50, 4);
        bench.cpu.before_doorbell();
    };

    let all = 0..64;
    let waits = "a store is in a store buffer at the doorbell";
    let issued = "invalidate of its line is not complete at the doorbell";
    let said = |bytes, detail, step| says(bytes, Owner::Both, detail, step);
    assert_eq!(rings(all.clone(), stores), said(50..54, waits, 3));
    assert_eq!(rings(all.clone(), invalidates), said(48..64, issued, 3));
    assert_eq!(rings(all.clone(), completes), said(48..64, TO_DOORBELL, 4));
    assert_eq!(rings(all.clone(), incomplete), said(48..64, issued, 4));
    assert_eq!(rings(all, fences), None);

    // One byte is the device's as well, then none is.
    assert_eq!(rings(53..54, stores), said(53..54, waits, 3));
    assert_eq!(rings(63..64, invalidates), said(63..64, issued, 3));
    assert_eq!(rings(63..64, completes), said(63..64, TO_DOORBELL, 4));
    assert_eq!(rings(63..64, incomplete), said(63..64, issued, 4));
    for step in [stores, invalidates, completes, incomplete] {
        assert_eq!(rings(0..48, step), None, "the CPU's own memory");
    }
}
