//! Devices that were started: they go on when the hardware lets them, and say that they are done, or lie.

use dma_api::DataDirection;
use sim::{Manners, Task, steps::Move};

use crate::{
    bench::{FRESH, is_possible, plain, run, seen},
    posted::quarters,
};

const fn go_on(index: usize) -> Move {
    Move::Access { index }
}

#[test]
fn a_started_device_does_its_tasks_in_order_when_the_hardware_lets_it() {
    let (early, one, two) = seen(&plain(), |bench| {
        let write = |at: usize, value: u8| Task::Write(bench.cpu.dma(at), vec![value; 16]);
        let device = bench.device();
        let _first = device.start(&[write(0, 1), write(16, 2)]).unwrap();
        let _second = device.start(&[write(32, 3)]).unwrap();
        device.settle();
        let early = quarters(bench);
        bench.hardware(go_on(0));
        device.settle();
        let one = quarters(bench);
        bench.hardware(go_on(1));
        device.settle();
        (early, one, quarters(bench))
    });
    // The move after a step is before the look that follows, and what it wrote arrives with the next to settle.
    assert_eq!(early, [FRESH; 4]);
    assert_eq!(one, [1, FRESH, FRESH, FRESH]);
    assert_eq!(two, [1, FRESH, 3, FRESH]);
}

#[test]
fn a_device_that_was_not_started_or_has_nothing_left_does_not_go_on() {
    let possible = |times: usize, index: usize| {
        is_possible(&plain(), |bench| {
            let device = bench.device();
            let task = |at| Task::Write(bench.cpu.dma(at), vec![1]);
            let _started = device.start(&[task(0), task(1)]).unwrap();
            (0..times).for_each(|_| bench.hardware(go_on(0)));
            bench.hardware(go_on(index));
        })
    };
    assert_eq!([possible(0, 0), possible(0, 1)], [true, false]);
    assert_eq!([possible(1, 0), possible(2, 0)], [true, false]);
}

#[test]
fn an_honest_device_is_done_when_it_is_waited_for_and_one_that_is_late_is_not() {
    let memory = [Manners::Honest, Manners::Late].map(|manners| {
        seen(&plain(), |bench| {
            let device = bench.device().with_manners(manners);
            let write = |at: usize, value: u8| Task::Write(bench.cpu.dma(at), vec![value; 16]);
            let first = device.start(&[write(0, 1), write(16, 2)]).unwrap();
            let second = device.start(&[write(32, 3)]).unwrap();
            device.wait(second);
            device.settle();
            let one = quarters(bench);
            device.wait(first);
            device.settle();
            (one, quarters(bench))
        })
    });
    let (f, late) = (FRESH, [FRESH; 4]);
    assert_eq!(memory, [([f, f, 3, f], [1, 2, 3, f]), (late, late)]);
}

#[test]
fn what_a_late_device_has_still_to_do_it_does_before_the_end() {
    let ran = run(&plain(), |bench| {
        let cpu = bench.cpu;
        cpu.own(0, 16);
        let device = bench.device().with_manners(Manners::Late);
        let write = Task::Write(cpu.dma(0), vec![7; 16]);
        cpu.lend(0, 16, DataDirection::FromDevice);
        let started = device.start(&[write]).unwrap();
        device.wait(started);
        cpu.after_completion();
        cpu.take_back(0, 16);
    });
    let violation = ran.violation.unwrap();
    assert_eq!(violation.detail, "a device that is late uses them");
    assert_eq!((violation.bytes, violation.step), (0..1, 6));
}
