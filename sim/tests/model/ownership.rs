//! V5 and V12, and a device that strays: who may touch which bytes.

use dma_api::{
    DataDirection::{self, Bidirectional, FromDevice, ToDevice},
    Device, Limits,
};
use sim::{
    Config, Manners, Oracle, Violation,
    steps::{Operation, Owner},
};

use crate::{
    bench::{Bench, plain, run},
    verdicts::{lends, says, verdict, violation},
};

const DIRECTIONS: [DataDirection; 3] = [ToDevice, FromDevice, Bidirectional];

#[test]
fn v5_the_cpu_stores_to_bytes_that_a_device_owns() {
    for direction in DIRECTIONS {
        let stores = |at: usize| {
            verdict(&plain(), |bench| {
                lends(bench, direction);
                bench.store(at, 8, 2);
            })
        };
        let touched = |byte| {
            let owner = Owner::Device(direction);
            says(Oracle::CpuTouchedDevices, byte, owner, "a store", 6)
        };
        assert_eq!(stores(16), touched(16));
        assert_eq!(stores(9), touched(16));
        assert_eq!(stores(31), touched(31));
        assert_eq!([stores(8), stores(32)], [None, None]);
    }
}

#[test]
fn v5_the_cpu_loads_bytes_that_a_device_writes() {
    for direction in DIRECTIONS {
        let loads = |at: usize| {
            verdict(&plain(), |bench| {
                lends(bench, direction);
                let _ = bench.cpu.load(at, 8);
            })
        };
        let owner = Owner::Device(direction);
        let touched = says(Oracle::CpuTouchedDevices, 16, owner, "a load", 6);
        let expected = if direction == ToDevice { None } else { touched };
        assert_eq!(loads(9), expected);
        assert_eq!([loads(8), loads(32)], [None, None]);
    }
    let copies = verdict(&plain(), |bench| {
        lends(bench, FromDevice);
        bench.cpu.copy(24, 40, 4);
    });
    let owner = Owner::Device(FromDevice);
    assert_eq!(
        copies,
        says(Oracle::CpuTouchedDevices, 24, owner, "a load", 6)
    );
}

/// A library's buffer of 20 bytes at the start of memory, lent, and what the program then does.
fn with_a_buffer(config: &Config, forgets: bool, then: impl Fn(&Bench<'_>)) -> Option<Violation> {
    verdict(config, |bench| {
        let snooping = bench.machine.config().snooping;
        let device = Device::new(bench.machine, Limits::UNLIMITED, snooping).unwrap();
        let lent = device
            .allocate::<dma_api::FromDevice>(20)
            .unwrap()
            .sync_for_device();
        assert_eq!(lent.dma_addr(), bench.cpu.dma(0));
        if forgets {
            drop(lent);
            then(bench);
        } else {
            then(bench);
            drop(lent);
        }
    })
}

#[test]
fn v5_the_rest_of_a_lent_granule_is_nobodys_to_store_to() {
    let config = Config {
        granule: 32,
        unit: 32,
        ..plain()
    };
    let stores = |forgets: bool, at: usize| {
        with_a_buffer(&config, forgets, |bench| bench.store(at, 1, 1))
            .map(|found| (found.oracle, found.bytes.start, found.owner))
    };
    for forgets in [false, true] {
        let padding = (Oracle::CpuTouchedDevices, 31, Owner::Padding);
        assert_eq!(stores(forgets, 31), Some(padding));
        let padding = (Oracle::CpuTouchedDevices, 20, Owner::Padding);
        assert_eq!(stores(forgets, 20), Some(padding));
        assert_eq!(stores(forgets, 32), None);
    }
    let lent = (Oracle::CpuTouchedDevices, 19, Owner::Device(FromDevice));
    assert_eq!(stores(false, 19), Some(lent));
    let quarantined = (Oracle::CpuTouchedDevices, 19, Owner::Quarantine);
    assert_eq!(stores(true, 19), Some(quarantined));
}

#[test]
fn v12_maintenance_of_lines_that_hold_no_byte_of_any_buffer() {
    let config = Config {
        granule: 32,
        ..plain()
    };
    for operation in [
        Operation::Clean,
        Operation::Invalidate,
        Operation::CleanAndInvalidate,
    ] {
        let maintains = |at: usize, len: usize| {
            verdict(&config, |bench| {
                bench.cpu.own(0, 1);
                bench.cpu.issue(operation, at, len);
            })
        };
        let detail = format!("{operation} of a line");
        let outside = |line: usize| {
            let bytes = line * 16..(line + 1) * 16;
            violation(
                Oracle::OutsideAnyBuffer,
                bytes,
                Owner::Nobody,
                None,
                &detail,
                1,
            )
        };
        assert_eq!(maintains(0, 33), outside(2));
        assert_eq!(maintains(63, 1), outside(3));
        // The second line is of a granule that holds a byte of the buffer.
        assert_eq!([maintains(0, 1), maintains(16, 16)], [None, None]);
    }
}

#[test]
fn a_device_strays_where_its_direction_or_its_loan_does_not_let_it() {
    let accesses = |direction: DataDirection, at: usize, write: bool| {
        verdict(&plain(), |bench| {
            lends(bench, direction);
            match write {
                true => bench.device_writes(at, 8, 7),
                false => drop(bench.device().read(bench.cpu.dma(at), 8).unwrap()),
            }
        })
    };
    let strays = |byte, owner, write| {
        let detail = if write { "a write" } else { "a read" };
        says(Oracle::DeviceStrayed, byte, owner, detail, 6)
    };
    for direction in DIRECTIONS {
        let lent = Owner::Device(direction);
        let written = accesses(direction, 16, true);
        let read = accesses(direction, 24, false);
        match direction {
            ToDevice => assert_eq!((written, read), (strays(16, lent, true), None)),
            FromDevice => assert_eq!((written, read), (None, strays(24, lent, false))),
            Bidirectional => assert_eq!((written, read), (None, None)),
        }
        // One byte before, one after.
        for write in [true, false] {
            let before = accesses(direction, 15, write);
            assert_eq!(before, strays(15, Owner::Cpu, write));
        }
    }
    let after = accesses(Bidirectional, 25, true);
    assert_eq!(after, strays(32, Owner::Cpu, true));
}

#[test]
fn an_honest_device_keeps_away_from_quarantine_and_padding_and_a_late_one_may_still_be_there() {
    let config = Config {
        granule: 32,
        unit: 32,
        ..plain()
    };
    let writes = |manners: Manners, at: usize| {
        with_a_buffer(&config, true, |bench| {
            let device = bench.device().with_manners(manners);
            device.write(bench.cpu.dma(at), &[7]).unwrap();
        })
        .map(|found| (found.oracle, found.bytes.start, found.owner))
    };
    let strays = |byte, owner| Some((Oracle::DeviceStrayed, byte, owner));
    assert_eq!(writes(Manners::Honest, 0), strays(0, Owner::Quarantine));
    assert_eq!(writes(Manners::Honest, 31), strays(31, Owner::Padding));
    assert_eq!([0, 31].map(|at| writes(Manners::Late, at)), [None, None]);
}

#[test]
fn what_is_lent_to_another_device_a_late_one_may_touch() {
    // Which is the driver's loss: nothing in memory is the CPU's.
    let late = verdict(&plain(), |bench| {
        lends(bench, ToDevice);
        let device = bench.device().with_manners(Manners::Late);
        device.write(bench.cpu.dma(16), &[7]).unwrap();
        bench.cpu.after_completion();
    });
    assert_eq!(late, None);
}

#[test]
fn shared_bytes_are_everybodys() {
    let ran = run(&plain(), |bench| {
        bench.uncached().store(0, &[1; 16]);
        bench.cpu.before_doorbell();
        bench.cpu.share(0, 16);
        bench.device_writes(0, 8, 7);
        let read = bench.device().read(bench.cpu.dma(0), 16).unwrap();
        bench.uncached().store(8, &[2; 8]);
        (read, bench.memory(0, 16))
    });
    let bytes = |first, second| [[first; 8], [second; 8]].concat();
    assert_eq!(ran.seen, (bytes(7, 1), bytes(7, 2)));
    assert_eq!(ran.violation, None);
}
