//! Rings, whose entries CPU and device use at the same time: what each side may do, and what an entry needs on its way.

use dma_api::DataDirection::{self, Bidirectional, FromDevice, ToDevice};
use sim::{
    Config, Oracle,
    steps::{
        Operation, Owner,
        Turn::{Fetched, Looked, Looking, Opened, Put, Putting},
    },
};

use crate::bench::{Bench, fill, l1, plain, run};

/// A ring of two entries of 8 bytes in the first line, of zeros.
fn ring(bench: &Bench<'_>, direction: DataDirection) {
    let cpu = bench.cpu;
    cpu.own(0, 16);
    cpu.store(0, &[0; 16]);
    cpu.clean(0, 16);
    cpu.before_doorbell();
    cpu.lend(0, 16, direction);
    cpu.ring(Opened(direction), 0, 16);
}

/// An entry is put, with a step left out.
fn put(bench: &Bench<'_>, at: usize, value: u8, without: Option<&str>) {
    let does = |step: &str| without != Some(step);
    let cpu = bench.cpu;
    cpu.ring(Putting, at, 8);
    cpu.store(at, &[value; 8]);
    if does("clean") {
        cpu.issue(Operation::Clean, at, 8);
    }
    if does("complete") {
        cpu.complete();
    }
    if does("barrier") {
        cpu.before_doorbell();
    }
    cpu.ring(Put, at, 8);
}

/// An entry is looked at, or fetched, with a step left out.
fn look(bench: &Bench<'_>, at: usize, fetched: bool, without: Option<&str>) {
    let does = |step: &str| without != Some(step);
    let cpu = bench.cpu;
    if does("barrier") {
        cpu.after_completion();
    }
    if does("invalidate") {
        cpu.issue(Operation::Invalidate, at, 8);
    }
    if does("complete") {
        cpu.complete();
    }
    cpu.ring(if fetched { Fetched } else { Looked }, at, 8);
}

fn reads(bench: &Bench<'_>, at: usize) {
    bench.device().read(bench.cpu.dma(at), 8).unwrap();
}

/// What is found wrong, where, and in which words.
fn found(
    config: &Config,
    program: impl Fn(&Bench<'_>),
) -> Option<(Oracle, core::ops::Range<usize>, Owner, String)> {
    run(config, program)
        .violation
        .map(|wrong| (wrong.oracle, wrong.bytes, wrong.owner, wrong.detail))
}

fn says(
    oracle: Oracle,
    bytes: core::ops::Range<usize>,
    direction: DataDirection,
    detail: &str,
) -> Option<(Oracle, core::ops::Range<usize>, Owner, String)> {
    Some((oracle, bytes, Owner::Ring(direction), detail.to_owned()))
}

#[test]
fn entries_go_their_ways_while_the_device_uses_their_neighbours() {
    let fine = |direction, program: &dyn Fn(&Bench<'_>)| {
        let found = found(&plain(), |bench| {
            ring(bench, direction);
            program(bench);
            bench.cpu.before_doorbell();
            bench.device().doorbell();
        });
        assert_eq!(found, None, "{direction:?}");
    };
    fine(ToDevice, &|bench| {
        reads(bench, 0);
        put(bench, 0, 1, None);
        reads(bench, 0);
        put(bench, 8, 2, None);
        reads(bench, 8);
        put(bench, 0, 3, None);
        reads(bench, 0);
    });
    fine(FromDevice, &|bench| {
        bench.cpu.ring(Looking, 0, 8);
        look(bench, 0, false, None);
        bench.device_writes(0, 8, 1);
        bench.cpu.ring(Looking, 0, 8);
        look(bench, 0, false, None);
        look(bench, 0, true, None);
        bench.device_writes(8, 8, 2);
        bench.cpu.ring(Looking, 8, 8);
        look(bench, 8, true, None);
    });
    fine(Bidirectional, &|bench| {
        for value in [1, 2] {
            // A device may look whether an entry is its own before it is.
            reads(bench, 0);
            put(bench, 0, value, None);
            reads(bench, 0);
            bench.device_writes(0, 8, 0x80);
            bench.cpu.ring(Looking, 0, 8);
            look(bench, 0, true, None);
        }
    });
}

#[test]
fn the_cpu_stores_to_an_entry_in_its_turn_and_to_those_of_the_device_never() {
    let store = |direction, turn: Option<&dyn Fn(&Bench<'_>)>| {
        found(&plain(), |bench| {
            ring(bench, direction);
            if let Some(turn) = turn {
                turn(bench);
            }
            bench.cpu.store(8, &[1]);
        })
    };
    let touched = |direction| says(Oracle::CpuTouchedDevices, 8..9, direction, "a store");
    let putting = |bench: &Bench<'_>| bench.cpu.ring(Putting, 8, 8);
    assert_eq!(store(ToDevice, None), touched(ToDevice));
    assert_eq!(store(FromDevice, None), touched(FromDevice));
    let detail = "an entry is put that the device has not given back";
    let never = says(Oracle::CpuTouchedDevices, 8..9, FromDevice, detail);
    assert_eq!(store(FromDevice, Some(&putting)), never);
    assert_eq!(store(ToDevice, Some(&putting)), None);
    let was_put = |bench: &Bench<'_>| put(bench, 8, 2, None);
    assert_eq!(store(ToDevice, Some(&was_put)), touched(ToDevice));
    assert_eq!(store(Bidirectional, Some(&was_put)), touched(Bidirectional));
    let other = |bench: &Bench<'_>| bench.cpu.ring(Putting, 0, 8);
    assert_eq!(store(ToDevice, Some(&other)), touched(ToDevice));
}

#[test]
fn an_entry_that_both_write_is_put_again_when_the_device_has_given_it_back() {
    let twice = |between: &dyn Fn(&Bench<'_>)| {
        found(&plain(), |bench| {
            ring(bench, Bidirectional);
            put(bench, 0, 1, None);
            between(bench);
            put(bench, 0, 2, None);
        })
    };
    let detail = "an entry is put that the device has not given back";
    let early = says(Oracle::CpuTouchedDevices, 0..1, Bidirectional, detail);
    assert_eq!(twice(&|_| ()), early);
    assert_eq!(
        twice(&|bench| {
            bench.cpu.ring(Looking, 0, 8);
            look(bench, 0, false, None);
        }),
        early
    );
    assert_eq!(
        twice(&|bench| {
            bench.cpu.ring(Looking, 0, 8);
            look(bench, 0, true, None);
        }),
        None
    );
}

#[test]
fn a_device_keeps_to_the_direction_of_a_ring_and_to_its_own_entries() {
    let writes = |direction, before: &dyn Fn(&Bench<'_>)| {
        found(&plain(), |bench| {
            ring(bench, direction);
            before(bench);
            bench.device_writes(8, 8, 1);
        })
    };
    let strayed = |direction, what| says(Oracle::DeviceStrayed, 8..9, direction, what);
    assert_eq!(writes(ToDevice, &|_| ()), strayed(ToDevice, "a write"));
    assert_eq!(writes(FromDevice, &|_| ()), None);
    assert_eq!(
        writes(Bidirectional, &|_| ()),
        strayed(Bidirectional, "a write")
    );
    assert_eq!(writes(Bidirectional, &|bench| put(bench, 8, 1, None)), None);
    let other = |bench: &Bench<'_>| put(bench, 0, 1, None);
    assert_eq!(
        writes(Bidirectional, &other),
        strayed(Bidirectional, "a write")
    );

    let read = |direction| {
        found(&plain(), |bench| {
            ring(bench, direction);
            reads(bench, 8);
        })
    };
    assert_eq!(read(ToDevice), None);
    assert_eq!(read(FromDevice), strayed(FromDevice, "a read"));
    assert_eq!(read(Bidirectional), None);
}

#[test]
fn an_entry_is_cleaned_waited_for_and_fenced_before_it_is_the_devices() {
    let without = |direction, step| {
        found(&plain(), |bench| {
            ring(bench, direction);
            put(bench, 0, 1, Some(step));
            reads(bench, 0);
        })
    };
    assert_eq!(
        without(ToDevice, "clean"),
        says(Oracle::DeviceSeesStale, 0..1, ToDevice, "")
    );
    let detail = "the line is dirty in L1 when it is lent";
    assert_eq!(
        without(Bidirectional, "clean"),
        says(Oracle::DirtyOverDevice, 0..1, Bidirectional, detail)
    );
    let detail = "clean of its line is not complete at the hand-over";
    assert_eq!(
        without(ToDevice, "complete"),
        says(Oracle::MissingBarrier, 0..8, ToDevice, detail)
    );
    let detail = "between the last store or maintenance and the doorbell";
    assert_eq!(
        without(ToDevice, "barrier"),
        says(Oracle::MissingBarrier, 0..8, ToDevice, detail)
    );
}

#[test]
fn what_the_device_reads_of_an_entry_that_is_being_put_is_its_own_affair() {
    let found = found(&plain(), |bench| {
        ring(bench, ToDevice);
        bench.cpu.ring(Putting, 0, 8);
        bench.cpu.store(0, &[1; 8]);
        reads(bench, 0);
        bench.cpu.clean(0, 8);
        bench.cpu.before_doorbell();
        bench.cpu.ring(Put, 0, 8);
    });
    assert_eq!(found, None);
}

/// The device writes, the line is cached as it was before, and the CPU looks.
fn looks(
    fetched: bool,
    without: Option<&str>,
    before: Option<u8>,
) -> Option<(Oracle, core::ops::Range<usize>, Owner, String)> {
    found(&plain(), |bench| {
        ring(bench, FromDevice);
        bench.hardware(fill(l1(), 0));
        if let Some(value) = before {
            bench.device_writes(0, 8, value);
        }
        bench.cpu.ring(Looking, 0, 8);
        look(bench, 0, fetched, without);
    })
}

#[test]
fn every_look_needs_its_barrier_its_invalidate_and_its_wait() {
    let detail = "between what was read before and the look at an entry";
    for fetched in [false, true] {
        assert_eq!(looks(fetched, None, Some(7)), None);
        assert_eq!(
            looks(fetched, Some("barrier"), Some(7)),
            says(Oracle::MissingBarrier, 0..8, FromDevice, detail)
        );
        assert_eq!(
            looks(fetched, Some("invalidate"), Some(7)),
            says(Oracle::StaleAtHandBack, 0..1, FromDevice, "in L1")
        );
        let detail = "invalidate of its line is not complete at the look at an entry";
        assert_eq!(
            looks(fetched, Some("complete"), Some(7)),
            says(Oracle::MissingBarrier, 0..8, FromDevice, detail)
        );
        assert_eq!(
            looks(fetched, Some("invalidate"), Some(0)),
            None,
            "nothing is old"
        );
    }
}

#[test]
fn what_the_device_is_writing_may_be_old_at_a_look_and_not_when_it_is_fetched() {
    let written_meanwhile = |fetched| {
        found(&plain(), |bench| {
            ring(bench, FromDevice);
            bench.cpu.ring(Looking, 0, 8);
            bench.cpu.after_completion();
            bench.cpu.invalidate(0, 8);
            bench.hardware(fill(l1(), 0));
            bench.device_writes(0, 8, 7);
            bench.cpu.ring(if fetched { Fetched } else { Looked }, 0, 8);
            if !fetched {
                bench.cpu.ring(Looking, 0, 8);
                look(bench, 0, true, None);
            }
        })
    };
    assert_eq!(written_meanwhile(false), None);
    let detail = "a write of a device is under way at the hand-back";
    assert_eq!(
        written_meanwhile(true),
        says(Oracle::MissingBarrier, 0..8, FromDevice, detail)
    );
}

#[test]
fn what_a_look_has_shown_is_fetched_behind_a_barrier_of_its_own() {
    let found = found(&plain(), |bench| {
        ring(bench, FromDevice);
        bench.device_writes(0, 8, 7);
        bench.cpu.ring(Looking, 0, 8);
        look(bench, 0, false, None);
        look(bench, 0, true, Some("barrier"));
    });
    let detail = "between what was read before and the look at an entry";
    assert_eq!(
        found,
        says(Oracle::MissingBarrier, 0..8, FromDevice, detail)
    );
}

#[test]
fn the_doorbell_does_not_overtake_the_copy_of_an_entry() {
    let rung = |fetched, barrier| {
        found(&plain(), |bench| {
            ring(bench, FromDevice);
            bench.device_writes(0, 8, 7);
            bench.cpu.ring(Looking, 0, 8);
            look(bench, 0, fetched, None);
            if barrier {
                bench.cpu.before_doorbell();
            }
            bench.device().doorbell();
        })
    };
    let detail = "between the copy of an entry and the doorbell";
    let missing = says(Oracle::MissingBarrier, 0..1, FromDevice, detail);
    assert_eq!(rung(true, false), missing);
    assert_eq!(rung(true, true), None);
    assert_eq!(rung(false, false), None, "nothing was copied to stay");
}

#[test]
fn a_line_that_is_not_filled_by_itself_is_when_the_cpu_looks_at_an_entry() {
    let config = Config {
        fills_speculatively: false,
        ..plain()
    };
    let stale = found(&config, |bench| {
        ring(bench, FromDevice);
        bench.cpu.invalidate(0, 16);
        bench.hardware(fill(l1(), 0));
        bench.device_writes(0, 16, 7);
        bench.cpu.after_completion();
        bench.cpu.take_back(0, 16);
    });
    assert_eq!(
        stale,
        says(Oracle::StaleAtHandBack, 0..1, FromDevice, "in L1")
    );
}

#[test]
fn a_ring_is_neither_freed_nor_lent_again() {
    let used = |again: &dyn Fn(&Bench<'_>)| {
        found(&plain(), |bench| {
            ring(bench, ToDevice);
            again(bench);
        })
    };
    assert_eq!(
        used(&|bench| bench.cpu.give_back(0, 64)),
        says(Oracle::Reused, 0..1, ToDevice, "they are freed")
    );
    assert_eq!(
        used(&|bench| bench.cpu.lend(0, 16, FromDevice)),
        says(Oracle::Reused, 0..1, ToDevice, "they are lent")
    );
}
