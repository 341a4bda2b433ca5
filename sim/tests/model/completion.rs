//! V9 on the way back from a device.

use dma_api::{
    DataDirection::{Bidirectional, FromDevice, ToDevice},
    Snooping,
};
use sim::{
    Config, Task,
    steps::{Operation, Owner},
};

use crate::{
    bench::{Bench, plain},
    doorbell::{missing, says},
};

const TO_HAND_BACK: &str = "between the completion and the hand-back";

const TO_DISCARD: &str = "lines are discarded before the barrier after the completion";

/// Steps of a hand-back, of which the one with number `without` is left out.
fn hands_back(bench: &Bench<'_>, without: usize) {
    let cpu = bench.cpu;
    cpu.own(0, 64);
    bench.store(0, 64, 1);
    cpu.done(16, 16);
    cpu.clean(0, 64);
    cpu.before_doorbell();
    cpu.lend(16, 16, Bidirectional);
    let steps: [&dyn Fn(); 5] = [
        &|| bench.device_writes(16, 16, 7),
        &|| cpu.after_completion(),
        &|| cpu.issue(Operation::Invalidate, 16, 16),
        &|| cpu.complete(),
        &|| cpu.take_back(16, 16),
    ];
    for (number, step) in steps.into_iter().enumerate() {
        if number != without {
            step();
        }
    }
}

#[test]
fn the_barrier_after_a_completion_comes_before_lines_are_discarded_which_is_complete() {
    let without = |step| missing(&plain(), |bench| hands_back(bench, step));
    let lent = Owner::Device(Bidirectional);
    assert_eq!(without(usize::MAX), None);
    assert_eq!(without(1), says(16..17, lent, TO_DISCARD, 8));
    let incomplete = "invalidate of its line is not complete at the hand-back";
    assert_eq!(without(3), says(16..32, lent, incomplete, 10));
}

#[test]
fn the_barrier_after_a_completion_comes_before_the_hand_back_whatever_was_lent() {
    let program = |direction, waits: bool| {
        move |bench: &Bench<'_>| {
            bench.cpu.own(0, 64);
            bench.cpu.lend(16, 16, direction);
            if waits {
                bench.cpu.after_completion();
            }
            bench.cpu.take_back(16, 16);
        }
    };
    for direction in [ToDevice, FromDevice, Bidirectional] {
        let said = says(16..32, Owner::Device(direction), TO_HAND_BACK, 2);
        assert_eq!(missing(&plain(), program(direction, false)), said);
        assert_eq!(missing(&plain(), program(direction, true)), None);
    }
}

#[test]
fn what_a_device_does_after_the_barrier_calls_for_another() {
    let program = |read: bool, waits: bool| {
        move |bench: &Bench<'_>| {
            bench.cpu.own(0, 64);
            bench.cpu.lend(16, 16, Bidirectional);
            bench.cpu.after_completion();
            let device = bench.device();
            match read {
                true => drop(device.read(bench.cpu.dma(16), 1).unwrap()),
                false => {
                    let write = Task::Write(bench.cpu.dma(16), vec![7]);
                    let started = device.start(&[write]).unwrap();
                    device.wait(started);
                }
            }
            if waits {
                bench.cpu.after_completion();
            }
            bench.cpu.take_back(16, 16);
        }
    };
    let under_way = "a write of a device is under way at the hand-back";
    for (read, detail, step) in [(true, TO_HAND_BACK, 4), (false, under_way, 5)] {
        let said = says(16..17, Owner::Device(Bidirectional), detail, step);
        assert_eq!(missing(&plain(), program(read, false)), said);
        assert_eq!(missing(&plain(), program(read, true)), None);
    }
}

#[test]
fn a_devices_write_that_has_arrived_calls_for_the_barrier_all_the_same() {
    let program = |waits: bool| {
        move |bench: &Bench<'_>| {
            bench.cpu.own(0, 64);
            bench.cpu.lend(16, 16, FromDevice);
            bench.cpu.after_completion();
            bench.device_writes(20, 2, 7);
            bench.device().settle();
            if waits {
                bench.cpu.after_completion();
            }
            bench.cpu.take_back(16, 16);
        }
    };
    let said = says(20..22, Owner::Device(FromDevice), TO_HAND_BACK, 5);
    assert_eq!(missing(&plain(), program(false)), said);
    assert_eq!(missing(&plain(), program(true)), None);
}

#[test]
fn what_is_said_to_miss_a_barrier_has_one_owner() {
    let said = missing(&plain(), |bench| {
        bench.cpu.own(0, 64);
        bench.cpu.lend(16, 16, FromDevice);
        bench.cpu.lend(32, 16, ToDevice);
        bench.cpu.take_back(20, 20);
    });
    assert_eq!(
        said,
        says(20..32, Owner::Device(FromDevice), TO_HAND_BACK, 3)
    );
}

#[test]
fn one_barrier_after_the_completions_is_enough_for_what_was_lent_before_it() {
    let program = |lends_after: bool| {
        move |bench: &Bench<'_>| {
            bench.cpu.own(0, 64);
            bench.cpu.lend(0, 16, FromDevice);
            if !lends_after {
                bench.cpu.lend(16, 16, FromDevice);
            }
            bench.cpu.after_completion();
            if lends_after {
                bench.cpu.lend(16, 16, FromDevice);
            }
            bench.cpu.take_back(0, 16);
            bench.cpu.take_back(16, 16);
        }
    };
    let said = says(16..32, Owner::Device(FromDevice), TO_HAND_BACK, 5);
    assert_eq!(missing(&plain(), program(true)), said);
    assert_eq!(missing(&plain(), program(false)), None);
}

#[test]
fn memory_that_both_use_comes_back_after_the_barrier_too() {
    let program = |waits: bool| {
        move |bench: &Bench<'_>| {
            bench.cpu.own(0, 64);
            bench.cpu.share(16, 16);
            if waits {
                bench.cpu.after_completion();
            }
            bench.cpu.take_back(16, 16);
        }
    };
    let said = says(16..32, Owner::Both, TO_HAND_BACK, 2);
    assert_eq!(missing(&plain(), program(false)), said);
    assert_eq!(missing(&plain(), program(true)), None);
}

#[test]
fn lines_may_be_discarded_before_the_barrier_where_no_device_writes_them() {
    let discards = |direction, snooping, operation| {
        let config = Config {
            snooping,
            ..plain()
        };
        missing(&config, |bench| {
            bench.cpu.own(0, 64);
            bench.cpu.lend(16, 16, direction);
            bench.cpu.issue(operation, 8, 16);
        })
    };
    let (no, yes) = (Snooping::DoesNotSnoop, Snooping::Snoops);
    let said = says(16..17, Owner::Device(FromDevice), TO_DISCARD, 2);
    assert_eq!(discards(FromDevice, no, Operation::Invalidate), said);
    assert_eq!(
        discards(FromDevice, no, Operation::CleanAndInvalidate),
        said
    );
    assert_eq!(discards(FromDevice, no, Operation::Clean), None);
    assert_eq!(discards(ToDevice, no, Operation::Invalidate), None);
    assert_eq!(discards(FromDevice, yes, Operation::Invalidate), None);
}
