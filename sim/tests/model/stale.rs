//! V1, V2, V3 and V7: somebody sees an old value, or will.

use dma_api::DataDirection::{FromDevice, ToDevice};
use sim::{
    Config, Oracle,
    layout::Mapping,
    steps::{Operation, Owner},
};

use crate::{
    bench::{Bench, FRESH, fill, l1, plain, run},
    verdicts::{verdict, violation},
};

#[test]
fn v1_the_cpu_sees_an_old_value_by_another_mapping() {
    let program = |cleans: bool| {
        move |bench: &Bench<'_>| {
            bench.cpu.own(0, 64);
            bench.store(16, 16, 1);
            bench.cpu.clean(16, 16);
            bench.store(18, 1, 2);
            if cleans {
                bench.cpu.clean(18, 1);
            }
            let _ = bench.uncached().load(16, 16);
        }
    };
    let stale = violation(
        Oracle::CpuSeesStale,
        18..19,
        Owner::Cpu,
        Some((1, 2)),
        "",
        5,
    );
    assert_eq!(verdict(&plain(), program(false)), stale);
    assert_eq!(verdict(&plain(), program(true)), None);
}

#[test]
fn v1_is_found_without_a_load_as_soon_as_the_value_is_there_to_be_seen() {
    // Stores are discarded after the CPU's second store.
    let program = |operation: Operation| {
        move |bench: &Bench<'_>| {
            bench.cpu.own(0, 64);
            bench.store(0, 64, 1);
            bench.cpu.clean(0, 64);
            bench.store(0, 64, 2);
            bench.cpu.issue(operation, 32, 16);
            bench.cpu.complete();
        }
    };
    let stale = violation(
        Oracle::CpuSeesStale,
        32..33,
        Owner::Cpu,
        Some((1, 2)),
        "",
        6,
    );
    assert_eq!(verdict(&plain(), program(Operation::Invalidate)), stale);
    let both = program(Operation::CleanAndInvalidate);
    assert_eq!(verdict(&plain(), both), None);
}

/// A transfer to the device, right but for what `cleans` leaves out; the device reads 8 bytes from 12 on.
fn to_device(cleans: bool, first: usize) -> impl Fn(&Bench<'_>) {
    move |bench: &Bench<'_>| {
        let cpu = bench.cpu;
        cpu.own(0, 64);
        bench.store(0, 64, 1);
        cpu.clean(0, 64);
        bench.store(first, 64 - first, 2);
        cpu.done(0, 64);
        if cleans {
            cpu.clean(0, 64);
        }
        cpu.before_doorbell();
        cpu.lend(0, 64, ToDevice);
        let _ = bench.device().read(cpu.dma(12), 8).unwrap();
    }
}

#[test]
fn v2_a_device_reads_an_old_value() {
    let owner = Owner::Device(ToDevice);
    let stale = |at| {
        violation(
            Oracle::DeviceSeesStale,
            at..at + 1,
            owner,
            Some((1, 2)),
            "",
            8,
        )
    };
    assert_eq!(verdict(&plain(), to_device(false, 0)), stale(12));
    assert_eq!(verdict(&plain(), to_device(false, 19)), stale(19));
    // It reads none of what is not in memory.
    assert_eq!(verdict(&plain(), to_device(false, 20)), None);
    assert_eq!(verdict(&plain(), to_device(true, 0)), None);
}

#[test]
fn v2_is_not_said_of_bytes_that_nobody_has_stored() {
    let ran = run(&plain(), |bench| {
        bench.cpu.own(0, 64);
        bench.cpu.lend(0, 64, ToDevice);
        bench.device().read(bench.cpu.dma(0), 64).unwrap()
    });
    assert_eq!((ran.seen, ran.violation), (vec![FRESH; 64], None));
}

#[test]
fn v3_memory_ends_up_with_another_value_than_it_was_given() {
    let program = |cleans: bool| {
        move |bench: &Bench<'_>| {
            bench.cpu.own(0, 64);
            bench.store(16, 16, 1);
            if cleans {
                bench.cpu.clean(16, 16);
            }
            bench.cpu.share(0, 64);
            bench.device_writes(16, 16, 7);
        }
    };
    let step = 4;
    let lost = violation(
        Oracle::LostAtTheEnd,
        16..17,
        Owner::Both,
        Some((1, 7)),
        "",
        step,
    );
    assert_eq!(verdict(&plain(), program(false)), lost);
    assert_eq!(verdict(&plain(), program(true)), None);
}

/// A transfer from the device with a fill in it; `invalidates` afterwards or not.
fn from_device(fills: bool, invalidates: bool) -> impl Fn(&Bench<'_>) {
    move |bench: &Bench<'_>| {
        let cpu = bench.cpu;
        cpu.own(0, 64);
        bench.store(0, 64, 1);
        cpu.done(0, 64);
        cpu.clean(0, 64);
        cpu.invalidate(0, 64);
        cpu.before_doorbell();
        cpu.lend(0, 64, FromDevice);
        if fills {
            bench.hardware(fill(l1(), 1));
        }
        bench.device_writes(20, 40, 7);
        cpu.after_completion();
        if invalidates {
            cpu.invalidate(0, 64);
        }
        cpu.take_back(0, 64);
    }
}

#[test]
fn v7_a_stale_line_is_still_cached_when_the_bytes_come_back() {
    let (owner, detail) = (Owner::Device(FromDevice), "in L1");
    let stale = violation(
        Oracle::StaleAtHandBack,
        20..21,
        owner,
        Some((1, 7)),
        detail,
        11,
    );
    assert_eq!(verdict(&plain(), from_device(true, false)), stale);
    assert_eq!(verdict(&plain(), from_device(true, true)), None);
    assert_eq!(verdict(&plain(), from_device(false, false)), None);
    assert_eq!(verdict(&plain(), from_device(false, true)), None);
}

#[test]
fn v7_is_said_of_every_copy_that_the_program_could_see_by_its_mapping() {
    let config = Config {
        colours: 2,
        ..plain()
    };
    let program = |holds: usize, uses: Mapping| {
        let config = &config;
        move |bench: &Bench<'_>| {
            let cpu = bench.cpu.by(uses);
            cpu.own(0, 16);
            cpu.lend(0, 16, FromDevice);
            bench.hardware(fill(config.inner_cache(0, holds), 0));
            bench.device_writes(0, 16, 7);
            cpu.after_completion();
            cpu.take_back(0, 16);
        }
    };
    let detail = |colour| format!("in L1, colour {colour}");
    let stale = |colour: usize| {
        let (owner, values) = (Owner::Device(FromDevice), Some((FRESH, 7)));
        violation(
            Oracle::StaleAtHandBack,
            0..1,
            owner,
            values,
            &detail(colour),
            4,
        )
    };
    for colour in [0, 1] {
        let own = verdict(&config, program(colour, Mapping::Cached(colour)));
        assert_eq!(own, stale(colour));
        let others = verdict(&config, program(colour, Mapping::Cached(1 - colour)));
        assert_eq!(others, None);
        assert_eq!(verdict(&config, program(colour, Mapping::Uncached)), None);
    }
}
