//! V10 and V11: bytes with two owners, and bytes of a former owner.

use core::{num::NonZeroUsize, ops::Range};

use dma_api::{
    DataDirection::{self, Bidirectional, FromDevice, ToDevice},
    DmaAllocator, Machine, Request,
};
use sim::{
    Config, Manners, Oracle, Task, Violation,
    steps::{Operation, Owner},
};

use crate::{
    bench::{Bench, plain, run},
    verdicts::{lends, says, verdict},
};

const DIRECTIONS: [DataDirection; 3] = [ToDevice, FromDevice, Bidirectional];

/// A request for 64 bytes.
fn all_of_it() -> Request {
    Request::anywhere(NonZeroUsize::new(64).unwrap())
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
fn v11_what_memory_held_before_two_owners_is_still_a_former_owners() {
    let config = Config {
        granule: 64,
        ..plain()
    };
    let found = run(&config, |bench| {
        bench.cpu.own(32, 16);
        // The second owner's bytes never leave the cache.
        bench.cpu.store(0, &[0; 16]);
        bench.cpu.hand_out(0, 16);
        bench.cpu.give_back(0, 16);
        bench.cpu.invalidate(0, 16);
        bench.cpu.copy(0, 32, 1);
    })
    .violation
    .unwrap();
    assert_eq!(
        (found.oracle, found.values),
        (Oracle::Leaked, Some((0xa5, 0xa5)))
    );
}
