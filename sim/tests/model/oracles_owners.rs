//! What is found wrong with ownership: V5, V10, V11, V12 and a device that strays, each by the smallest program that is wrong.

use core::{num::NonZeroUsize, ops::Range};

use dma_api::{
    DataDirection::{self, Bidirectional, FromDevice, ToDevice},
    Device, DmaAllocator, Limits, Machine, Request,
};
use sim::{
    Config, Manners, Oracle, Task, Violation,
    steps::{Operation, Owner},
};

use crate::bench::{Bench, plain, run};

const DIRECTIONS: [DataDirection; 3] = [ToDevice, FromDevice, Bidirectional];

/// What the machine says of a program: what is wrong, with which bytes, whose, in which words, at which step.
type Said = Option<(Oracle, Range<usize>, Owner, String, usize)>;

fn verdict(config: &Config, program: impl Fn(&Bench<'_>)) -> Said {
    let said = |violation: Violation| {
        assert_eq!(violation.values, None, "{violation}");
        let Violation {
            oracle,
            bytes,
            owner,
            detail,
            step,
            ..
        } = violation;
        (oracle, bytes, owner, detail, step)
    };
    run(config, program).violation.map(said)
}

fn says(oracle: Oracle, byte: usize, owner: Owner, detail: &str, step: usize) -> Said {
    Some((oracle, byte..byte + 1, owner, detail.to_owned(), step))
}

/// A request for 64 bytes.
fn all_of_it() -> Request {
    Request::anywhere(NonZeroUsize::new(64).unwrap())
}

/// The bytes are the program's, all 1 in memory, and 16 to 32 are lent.
fn lends(bench: &Bench<'_>, direction: DataDirection) {
    bench.cpu.own(0, 64);
    bench.store(0, 64, 1);
    bench.cpu.clean(0, 64);
    bench.cpu.before_doorbell();
    bench.cpu.lend(16, 16, direction);
}

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
fn with_a_buffer(config: &Config, forgets: bool, then: impl Fn(&Bench<'_>)) -> Said {
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
            .map(|(oracle, bytes, owner, ..)| (oracle, bytes.start, owner))
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
fn v10_bytes_are_lent_twice() {
    let lend = |at: usize| {
        verdict(&plain(), |bench| {
            lends(bench, ToDevice);
            bench.cpu.lend(at, 8, FromDevice);
        })
    };
    let owner = Owner::Device(ToDevice);
    assert_eq!(
        lend(24),
        says(Oracle::Reused, 24, owner, "they are lent", 6)
    );
    assert_eq!(
        lend(31),
        says(Oracle::Reused, 31, owner, "they are lent", 6)
    );
    assert_eq!([lend(8), lend(32)], [None, None]);

    let both = verdict(&plain(), |bench| {
        bench.cpu.share(0, 16);
        bench.cpu.lend(15, 8, FromDevice);
    });
    assert_eq!(
        both,
        says(Oracle::Reused, 15, Owner::Both, "they are lent", 1)
    );
}

#[test]
fn v10_an_allocator_hands_out_what_is_the_programs_or_takes_what_a_device_has() {
    let handed_out = verdict(&plain(), |bench| {
        bench.cpu.own(60, 4);
        let memory = bench.machine.memory();
        drop(memory.allocate(&all_of_it()).unwrap());
    });
    // Zeroing comes first, a line at a time.
    let detail = "an allocator hands them out";
    assert_eq!(handed_out, says(Oracle::Reused, 60, Owner::Cpu, detail, 5));

    let freed = |direction: Option<DataDirection>| {
        verdict(&plain(), |bench| {
            let memory = bench.machine.memory();
            let block = memory.allocate(&all_of_it()).unwrap();
            bench.cpu.clean(0, 64);
            bench.cpu.before_doorbell();
            if let Some(direction) = direction {
                bench.cpu.lend(8, 8, direction);
            }
            memory.free(block).unwrap();
        })
    };
    for direction in DIRECTIONS {
        let owner = Owner::Device(direction);
        let detail = "they are freed";
        assert_eq!(
            freed(Some(direction)),
            says(Oracle::Reused, 8, owner, detail, 9)
        );
    }
    assert_eq!(freed(None), None);
}

#[test]
fn v10_a_device_that_is_late_uses_what_is_the_programs_again() {
    let program = |manners: Manners, write: bool| {
        verdict(&plain(), |bench| {
            let cpu = bench.cpu;
            lends(bench, Bidirectional);
            let device = bench.device().with_manners(manners);
            let task = match write {
                true => Task::Write(cpu.dma(16), vec![7; 16]),
                false => Task::Read(cpu.dma(16), 16),
            };
            let started = device.start(&[task]).unwrap();
            device.wait(started);
            cpu.after_completion();
            cpu.invalidate(16, 16);
            cpu.take_back(16, 16);
        })
    };
    let detail = "a device that is late uses them";
    // At the end, which the machine adds.
    let late = says(Oracle::Reused, 16, Owner::Cpu, detail, 12);
    for write in [true, false] {
        assert_eq!(program(Manners::Late, write), late);
        assert_eq!(program(Manners::Honest, write), None);
    }
}

#[test]
fn v10_an_allocator_of_the_programs_own_is_looked_at_as_well() {
    let zeros = |bench: &Bench<'_>| bench.cpu.store(0, &[0; 64]);
    let handed_out = verdict(&plain(), |bench| {
        zeros(bench);
        bench.cpu.hand_out(0, 32);
        bench.cpu.hand_out(16, 32);
    });
    let detail = "an allocator hands them out";
    let twice = says(Oracle::Reused, 16, Owner::Program, detail, 2);
    assert_eq!(handed_out, twice);

    let freed = |bytes: Range<usize>| {
        verdict(&plain(), |bench| {
            zeros(bench);
            bench.cpu.hand_out(0, 64);
            bench.cpu.share(16, 16);
            bench.cpu.give_back(bytes.start, bytes.len());
            bench.cpu.hand_out(bytes.start, bytes.len());
        })
    };
    let shared = says(Oracle::Reused, 16, Owner::Both, "they are freed", 3);
    assert_eq!(freed(0..32), shared);
    assert_eq!(
        freed(0..16),
        None,
        "what was given back is handed out again"
    );
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
            Some((
                Oracle::OutsideAnyBuffer,
                bytes,
                Owner::Nobody,
                detail.clone(),
                1,
            ))
        };
        assert_eq!(maintains(0, 33), outside(2));
        assert_eq!(maintains(63, 1), outside(3));
        // The second line is of a granule that holds a byte of the buffer.
        assert_eq!([maintains(0, 1), maintains(16, 16)], [None, None]);
    }
}

#[test]
fn v11_a_former_owners_bytes_are_copied_to_a_new_one() {
    let copies = |from: usize| {
        run(&plain(), |bench| {
            bench.cpu.own(0, 32);
            bench.store(0, 16, 0xa5);
            bench.cpu.copy(from, 16, 16);
        })
        .violation
    };
    let leaked = Violation {
        oracle: Oracle::Leaked,
        bytes: 16..17,
        owner: Owner::Cpu,
        values: Some((0xa5, 0xa5)),
        detail: "a former owner's byte".to_owned(),
        step: 2,
    };
    assert_eq!(copies(32), Some(leaked));
    assert_eq!(copies(0), None);
}

#[test]
fn v11_an_allocator_hands_out_memory_that_is_not_zero() {
    let hands_out = |len: usize| {
        run(&plain(), |bench| {
            bench.cpu.store(0, &[0; 20]);
            bench.cpu.hand_out(0, len);
        })
        .violation
    };
    let leaked = Violation {
        oracle: Oracle::Leaked,
        bytes: 20..21,
        owner: Owner::Nobody,
        values: Some((0xa5, 0)),
        detail: "an allocator hands out memory that is not zero".to_owned(),
        step: 1,
    };
    assert_eq!(hands_out(21), Some(leaked));
    assert_eq!(hands_out(20), None);
}

#[test]
fn v11_what_was_freed_is_a_former_owners_wherever_it_is_held() {
    // The secret is in memory, in the cache, or in the store buffer when the block is freed.
    let buffered = Config {
        store_buffer: 8,
        cached_len: 128,
        ..plain()
    };
    for place in 0..3 {
        let leaks = |frees: bool| {
            run(&buffered, |bench| {
                let memory = bench.machine.memory();
                let block = memory.allocate(&all_of_it()).unwrap();
                bench.cpu.before_doorbell();
                bench.store(0, 1, 0x77);
                if place < 2 {
                    bench.cpu.before_doorbell();
                }
                if place < 1 {
                    bench.cpu.issue(Operation::CleanAndInvalidate, 0, 64);
                    bench.cpu.complete();
                }
                let block = frees.then(|| memory.free(block).unwrap());
                bench.cpu.own(64, 64);
                bench.cpu.copy(0, 64, 1);
                block
            })
            .violation
            .map(|violation| (violation.oracle, violation.bytes, violation.values))
        };
        let leaked = (Oracle::Leaked, 64..65, Some((0x77, 0x77)));
        assert_eq!(leaks(true), Some(leaked));
        assert_eq!(leaks(false), None);
    }
}

#[test]
fn v11_an_old_value_that_is_a_former_owners_is_a_leak() {
    let found = |cleaned: bool| {
        let ran = run(&plain(), |bench| {
            bench.cpu.own(0, 64);
            bench.store(0, 16, 1);
            if cleaned {
                bench.cpu.clean(0, 16);
                bench.store(0, 16, 2);
            }
            bench.cpu.invalidate(0, 16);
        });
        let violation = ran.violation.unwrap();
        (violation.oracle, violation.values, violation.detail)
    };
    let values = Some((0xa5, 1));
    assert_eq!(found(false), (Oracle::Leaked, values, String::new()));
    assert_eq!(
        found(true),
        (Oracle::CpuSeesStale, Some((1, 2)), String::new())
    );
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
        .map(|(oracle, bytes, owner, ..)| (oracle, bytes.start, owner))
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
fn v10_a_late_devices_write_arrives_when_the_bytes_are_the_programs_again() {
    let program = |settles: bool| {
        verdict(&plain(), |bench| {
            let device = bench.device().with_manners(Manners::Late);
            device.write(bench.cpu.dma(24), &[7]).unwrap();
            if settles {
                device.settle();
            }
            bench.cpu.own(16, 16);
            device.settle();
        })
    };
    let detail = "a device that is late has written to them";
    let late = says(Oracle::Reused, 24, Owner::Cpu, detail, 2);
    assert_eq!(program(false), late);
    assert_eq!(program(true), None);
}

#[test]
fn v10_a_late_devices_write_is_under_way_when_the_bytes_are_taken_back() {
    let program = |manners: Manners, waits: bool| {
        verdict(&plain(), |bench| {
            lends(bench, FromDevice);
            bench.cpu.after_completion();
            let device = bench.device().with_manners(manners);
            device.write(bench.cpu.dma(24), &[7]).unwrap();
            if waits {
                bench.cpu.after_completion();
                bench.cpu.invalidate(16, 16);
            }
            bench.cpu.take_back(16, 16);
        })
    };
    let owner = Owner::Device(FromDevice);
    let late = "a write of a device that is late is under way at the hand-back";
    let found = says(Oracle::Reused, 24, owner, late, 8);
    assert_eq!(program(Manners::Late, false), found);
    let honest = "a write of a device is under way at the hand-back";
    let found = says(Oracle::MissingBarrier, 24, owner, honest, 8);
    assert_eq!(program(Manners::Honest, false), found);
    let both = [Manners::Late, Manners::Honest];
    assert_eq!(both.map(|manners| program(manners, true)), [None, None]);
}

#[test]
fn no_barrier_is_said_to_be_missing_for_what_a_late_device_does_after_it() {
    let program = |manners: Manners| {
        verdict(&plain(), |bench| {
            lends(bench, ToDevice);
            bench.cpu.after_completion();
            let device = bench.device().with_manners(manners);
            let _ = device.read(bench.cpu.dma(24), 1).unwrap();
            bench.cpu.take_back(16, 16);
        })
    };
    let owner = Owner::Device(ToDevice);
    let detail = "between the completion and the hand-back";
    let honest = says(Oracle::MissingBarrier, 24, owner, detail, 8);
    assert_eq!(program(Manners::Honest), honest);
    assert_eq!(program(Manners::Late), None);
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
