//! What is found wrong with values: V1, V2, V3, V4, V6, V7, V8 and V11, each by the smallest program that is wrong, beside the
//! right one.

use dma_api::DataDirection::{Bidirectional, FromDevice, ToDevice};
use sim::{
    Config, Oracle, Violation,
    layout::Mapping,
    steps::{Operation, Owner},
};

use crate::bench::{Bench, FRESH, Ran, evict, fill, l1, plain, run};

/// What the machine says of a program.
fn verdict(config: &Config, program: impl Fn(&Bench<'_>)) -> Option<Violation> {
    run(config, program).violation
}

fn violation(
    oracle: Oracle,
    bytes: core::ops::Range<usize>,
    owner: Owner,
    values: Option<(u8, u8)>,
    detail: &str,
    step: usize,
) -> Option<Violation> {
    Some(Violation {
        oracle,
        bytes,
        owner,
        values,
        detail: detail.to_owned(),
        step,
    })
}

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
        bench.hardware(sim::steps::Move::Execute {
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
            bench.hardware(sim::steps::Move::Execute {
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
