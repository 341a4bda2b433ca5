//! V4, V6 and V8: a line is written back over new bytes, may be, or is discarded with what it held.

use dma_api::DataDirection::{Bidirectional, FromDevice, ToDevice};
use sim::{
    Config, Maintained, Oracle, Outer,
    steps::{Move, Operation, Owner, Reach},
};

use crate::{
    bench::{Bench, Ran, evict, l1, plain, run},
    verdicts::{says, verdict, violation},
};

#[test]
fn v4_a_line_is_written_back_over_bytes_beside_a_buffer() {
    // The second mapping's line is stored to; by the first one the neighbour in it gets a newer value past the caches.
    let program = |neighbour: usize| {
        move |bench: &Bench<'_>| {
            let cpu = bench.cpu;
            cpu.own(0, 64);
            bench.store(0, 32, 1);
            cpu.clean(0, 32);
            bench.store(0, 4, 2);
            bench.put(neighbour, 4, 3);
            bench.hardware(evict(l1(), 0));
            bench.pause();
        }
    };
    let detail = "written back from L1";
    let lost = violation(
        Oracle::NeighbourLost,
        8..9,
        Owner::Cpu,
        Some((1, 3)),
        detail,
        6,
    );
    assert_eq!(verdict(&plain(), program(8)), lost);
    assert_eq!(verdict(&plain(), program(16)), None);
}

#[test]
fn v6_a_dirty_line_is_written_back_over_what_a_device_wrote_to_its_granule() {
    // Lines of 16 bytes: the device has the first, the CPU stores to the second meanwhile.
    let program = |granule: usize| {
        let config = Config { granule, ..plain() };
        verdict(&config, |bench| {
            let cpu = bench.cpu;
            cpu.own(0, 64);
            bench.store(0, 64, 1);
            cpu.done(0, 16);
            cpu.clean(0, 64);
            cpu.before_doorbell();
            cpu.lend(0, 16, FromDevice);
            bench.store(16, 16, 2);
            bench.device_writes(0, 16, 7);
            cpu.after_completion();
            bench.hardware(evict(l1(), 1));
            cpu.invalidate(0, 16);
            cpu.take_back(0, 16);
        })
    };
    let (owner, detail) = (Owner::Device(FromDevice), "written back from L1");
    let over = violation(
        Oracle::DirtyOverDevice,
        0..1,
        owner,
        Some((1, 7)),
        detail,
        10,
    );
    assert_eq!(program(32), over);
    assert_eq!(program(16), None);
}

#[test]
fn v6_a_dirty_line_is_written_back_over_what_a_device_wrote_to_shared_memory() {
    let program = |cleans: bool| {
        move |bench: &Bench<'_>| {
            let cpu = bench.cpu;
            cpu.own(0, 64);
            bench.store(0, 16, 1);
            if cleans {
                cpu.clean(0, 16);
            }
            bench.uncached().store(0, &[1; 16]);
            cpu.share(0, 64);
            bench.device_writes(0, 16, 7);
            bench.device().settle();
            bench.hardware(evict(l1(), 0));
            bench.pause();
        }
    };
    let detail = "written back from L1";
    let over = violation(
        Oracle::DirtyOverDevice,
        0..1,
        Owner::Both,
        Some((1, 7)),
        detail,
        6,
    );
    assert_eq!(verdict(&plain(), program(false)), over);
    assert_eq!(verdict(&plain(), program(true)), None);
}

#[test]
fn v6_a_line_is_dirty_when_it_is_lent_to_a_device_that_writes() {
    let program = |cleans: bool, direction| {
        move |bench: &Bench<'_>| {
            let cpu = bench.cpu;
            cpu.own(0, 64);
            bench.store(33, 1, 1);
            cpu.done(0, 64);
            if cleans {
                cpu.clean(0, 64);
            }
            cpu.before_doorbell();
            cpu.lend(16, 40, direction);
        }
    };
    let dirty = |direction| {
        let detail = "the line is dirty in L1 when it is lent";
        let owner = Owner::Device(direction);
        violation(Oracle::DirtyOverDevice, 32..33, owner, None, detail, 4)
    };
    for direction in [FromDevice, Bidirectional] {
        assert_eq!(
            verdict(&plain(), program(false, direction)),
            dirty(direction)
        );
        assert_eq!(verdict(&plain(), program(true, direction)), None);
    }
    assert_eq!(verdict(&plain(), program(false, ToDevice)), None);
}

#[test]
fn v6_is_looked_for_again_at_the_doorbell() {
    let program = |stores: usize| {
        move |bench: &Bench<'_>| {
            let cpu = bench.cpu;
            cpu.own(0, 64);
            cpu.lend(16, 16, FromDevice);
            bench.store(stores, 1, 1);
            cpu.before_doorbell();
            bench.device().doorbell();
        }
    };
    // A byte of the CPU's own, in a line that the device has a part of, and in one that it has not.
    let config = Config {
        line: 32,
        granule: 32,
        ..plain()
    };
    let detail = "the line is dirty in L1 when it is lent";
    let owner = Owner::Device(FromDevice);
    let dirty = violation(Oracle::DirtyOverDevice, 16..17, owner, None, detail, 4);
    assert_eq!(verdict(&config, program(3)), dirty);
    assert_eq!(verdict(&config, program(33)), None);
}

#[test]
fn v8_an_invalidate_discards_stores_beside_the_range_it_was_asked_for() {
    let program = |asked: usize, cleans: bool| {
        move |bench: &Bench<'_>| {
            let cpu = bench.cpu;
            cpu.own(0, 64);
            bench.store(20, 10, 1);
            if cleans {
                cpu.clean(16, 16);
            }
            cpu.issue(Operation::Invalidate, asked, 32 - asked);
            cpu.complete();
        }
    };
    let detail = "the operation was asked for 0x15..0x20";
    let lost = violation(
        Oracle::DiscardedForeign,
        20..21,
        Owner::Cpu,
        None,
        detail,
        3,
    );
    assert_eq!(verdict(&plain(), program(21, false)), lost);
    assert_eq!(verdict(&plain(), program(21, true)), None);
    // It was asked for all of them: what the program sees next is V1's matter.
    let asked = verdict(&plain(), program(20, false)).unwrap();
    assert_eq!(asked.oracle, Oracle::Leaked);
}

#[test]
fn v8_is_not_said_of_what_was_written_back_or_never_stored() {
    // A line that the erratum marks dirty holds no store.
    let rogue = Config {
        rogue_dirty: true,
        ..plain()
    };
    let ran: Ran<()> = run(&rogue, |bench| {
        let cpu = bench.cpu;
        cpu.own(0, 64);
        bench.store(0, 16, 1);
        cpu.issue(Operation::Clean, 0, 16);
        bench.hardware(Move::Execute {
            index: 0,
            upgraded: false,
            whole: false,
            rogue: true,
        });
        cpu.issue(Operation::Invalidate, 4, 12);
        cpu.complete();
    });
    assert_eq!((ran.violation, ran.made.len()), (None, 1));
}

#[test]
fn v8_a_neighbour_in_a_granule_is_lost_where_an_invalidate_reaches_all_of_it() {
    let config = Config {
        granule: 32,
        ..plain()
    };
    let program = |whole: bool| {
        move |bench: &Bench<'_>| {
            let cpu = bench.cpu;
            cpu.own(0, 64);
            bench.store(16, 16, 1);
            cpu.done(0, 16);
            cpu.issue(Operation::Invalidate, 0, 16);
            bench.hardware(Move::Execute {
                index: 0,
                upgraded: false,
                whole,
                rogue: false,
            });
        }
    };
    let detail = "the operation was asked for 0x0..0x10";
    let lost = violation(
        Oracle::DiscardedForeign,
        16..17,
        Owner::Cpu,
        None,
        detail,
        4,
    );
    assert_eq!(verdict(&config, program(true)), lost);
    assert_eq!(verdict(&config, program(false)), None);
}

#[test]
fn v8_a_store_that_went_to_the_outer_level_can_be_discarded_there() {
    let config = Config {
        outer: Some(Outer {
            line: 16,
            granule: 16,
            maintained: Maintained::ByItself,
        }),
        ..plain()
    };
    let program = |spills: usize, asked: usize| {
        verdict(&config, |bench| {
            let cpu = bench.cpu;
            cpu.own(0, 64);
            // The second time the outer level holds the store before, and the new one is of other bytes.
            for time in 0..spills {
                bench.store(8 * time, 8, 1);
                let (cache, line, allocate) = (l1(), 0, time == 0);
                bench.hardware(Move::Evict {
                    cache,
                    line,
                    allocate,
                });
            }
            cpu.issue_in(Reach::Level(1), Operation::Invalidate, asked, 16 - asked);
            cpu.complete();
        })
    };
    let lost = |byte: usize, asked: usize, step| {
        let detail = format!("the operation was asked for {asked:#x}..0x10");
        says(Oracle::DiscardedForeign, byte, Owner::Cpu, &detail, step)
    };
    assert_eq!(program(1, 4), lost(0, 4, 3));
    assert_eq!(program(2, 4), lost(0, 4, 4));
    assert_eq!(program(2, 8), lost(0, 8, 4));
    assert_eq!(program(2, 12), lost(0, 12, 4));
}
