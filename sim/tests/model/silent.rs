//! Stores that change no value, and what a program says of its memory that bears on them.

use dma_api::{DataDirection::FromDevice, DmaAllocator, Machine, Request};
use sim::{
    Config,
    layout::Mapping,
    steps::{Move, Operation},
};

use crate::bench::{Bench, FRESH, evict, execute, is_possible, l1, plain, run, seen};

const SILENT: Move = Move::SilentStore { line: 1 };

#[test]
fn a_silent_store_makes_the_line_dirty_with_what_it_held() {
    let (cpu, memory, evicted) = seen(&plain(), |bench| {
        bench.cpu.own(0, 64);
        bench.put(16, 16, 1);
        // By the first mapping the line is what memory holds.
        bench.cpu.own(0, 64);
        bench.hardware(SILENT);
        bench.pause();
        bench.put(20, 1, 3);
        bench.cpu.own(0, 64);
        let cpu = bench.cpu_sees(16, 16);
        let memory = bench.memory(19, 3);
        bench.hardware(evict(l1(), 1));
        (cpu, memory, bench.memory_is(16, 16))
    });
    assert_eq!((cpu, memory, evicted), (1, vec![1, 3, 1], 1));
}

#[test]
fn only_a_line_with_a_byte_of_the_cpus_own_that_is_not_dirty_is_stored_to() {
    let possible = |prepare: &dyn Fn(&Bench<'_>)| {
        is_possible(&plain(), |bench| {
            prepare(bench);
            bench.hardware(SILENT);
        })
    };
    assert!(!possible(&|bench| bench.pause()), "nobody's");
    assert!(possible(&|bench| bench.cpu.own(31, 1)));
    assert!(!possible(&|bench| bench.cpu.own(0, 16)));
    assert!(!possible(&|bench| bench.cpu.own(32, 16)));
    assert!(!possible(&|bench| bench.uncached().own(16, 16)));
    let done = |from: usize| {
        possible(&|bench| {
            bench.cpu.own(0, 64);
            bench.cpu.done(from, 64 - from);
        })
    };
    assert_eq!([done(16), done(17)], [false, true]);
    let lent = possible(&|bench| {
        bench.cpu.own(16, 16);
        bench.cpu.lend(16, 16, FromDevice);
    });
    assert!(!lent);
    let back = possible(&|bench| {
        bench.cpu.own(16, 16);
        bench.cpu.done(16, 16);
        bench.cpu.lend(16, 16, FromDevice);
        bench.cpu.after_completion();
        bench.cpu.take_back(16, 16);
    });
    assert!(back);
    let stored = |cleans: bool| {
        possible(&|bench| {
            bench.cpu.own(16, 16);
            bench.store(16, 16, 1);
            if cleans {
                bench.cpu.clean(16, 16);
            }
        })
    };
    assert_eq!([false, true].map(stored), [false, true]);
    let (line, last) = (Move::SilentStore { line: 4 }, Move::SilentStore { line: 3 });
    let of_the_last = [line, last].map(|step| {
        is_possible(&plain(), |bench| {
            bench.cpu.own(0, 64);
            bench.hardware(step);
        })
    });
    assert_eq!(of_the_last, [false, true]);
}

#[test]
fn a_silent_store_is_by_the_mapping_that_the_program_uses_and_on_the_core_where_it_is() {
    let config = Config {
        colours: 2,
        cores: 2,
        store_buffer: 4,
        ..plain()
    };
    let dirty = seen(&config, |bench| {
        bench.cpu.by(Mapping::Cached(1)).own(16, 16);
        bench.hardware(Move::Migrate { core: 1 });
        bench.hardware(SILENT);
        bench.pause();
        bench.uncached().issue(Operation::Clean, 0, 1);
        // Only one cache can write something back; which, the moves that were possible say.
        let caches = [(0, 0), (0, 1), (1, 0), (1, 1)];
        for (core, colour) in caches {
            let cache = config.inner_cache(core, colour);
            let (line, allocate) = (1, false);
            bench.hardware(Move::WriteBack {
                cache,
                line,
                allocate,
            });
        }
        bench.pause();
        let moves = bench.machine.history().moves();
        moves.last().map(|timed| timed.step)
    });
    let (line, allocate) = (1, false);
    let expected = Move::WriteBack {
        cache: config.inner_cache(1, 1),
        line,
        allocate,
    };
    assert_eq!(dirty, Some(expected));
}

#[test]
fn a_silent_store_waits_for_nothing() {
    let buffered = Config {
        store_buffer: 4,
        ..plain()
    };
    let snooped = seen(&buffered, |bench| {
        bench.cpu.own(0, 64);
        bench.store(0, 16, 1);
        bench.hardware(SILENT);
        bench.pause();
        bench.snooping_device().read(bench.cpu.dma(0), 1).unwrap()
    });
    assert_eq!(snooped, [1], "the store before it went to the cache first");
}

#[test]
fn a_line_that_was_cleaned_too_early_may_be_dirty_again() {
    // The program cleans, but says only afterwards that it is done.
    let program = |done_first: bool| {
        move |bench: &Bench<'_>| {
            let cpu = bench.cpu;
            cpu.own(0, 64);
            bench.store(16, 16, 1);
            if done_first {
                cpu.done(0, 64);
            }
            cpu.issue(Operation::Clean, 0, 64);
            bench.hardware(execute(1));
            bench.hardware(SILENT);
            cpu.complete();
            if !done_first {
                cpu.done(0, 64);
            }
            cpu.before_doorbell();
            cpu.lend(16, 16, FromDevice);
        }
    };
    let oracle = |done_first| {
        let found = run(&plain(), program(done_first)).violation;
        found.map(|violation| violation.oracle)
    };
    assert_eq!(oracle(false), Some(sim::Oracle::DirtyOverDevice));
    assert_eq!(oracle(true), None);
}

#[test]
fn a_former_owners_byte_stays_one_wherever_it_goes() {
    // Through a fill, a write-back, a silent store and a copy.
    let leaks = |carries: &dyn Fn(&Bench<'_>)| {
        run(&plain(), |bench| {
            bench.cpu.own(0, 16);
            carries(bench);
            bench.cpu.own(32, 16);
            bench.cpu.copy(0, 32, 1);
        })
        .violation
        .map(|violation| violation.oracle)
    };
    let leaked = Some(sim::Oracle::Leaked);
    assert_eq!(leaks(&|_| ()), leaked);
    let moved = |bench: &Bench<'_>| {
        bench.hardware(Move::SilentStore { line: 0 });
        bench.pause();
        bench.hardware(evict(l1(), 0));
        bench.pause();
    };
    assert_eq!(leaks(&moved), leaked);
    assert_eq!(leaks(&|bench| bench.store(0, 16, FRESH)), None);
    let written = |bench: &Bench<'_>| {
        bench.cpu.lend(0, 16, FromDevice);
        bench.device_writes(0, 16, FRESH);
        bench.cpu.after_completion();
        bench.cpu.take_back(0, 16);
    };
    assert_eq!(leaks(&written), None, "a device's byte is no secret");
}

#[test]
fn memory_that_is_used_no_more_is_again_whose_it_was() {
    use dma_api::{Device, Limits, ToDevice};

    // A buffer's memory is its allocator's after it, and then nobody's: the CPU stores nothing to it meanwhile.
    let possible = |when: usize| {
        is_possible(&plain(), |bench| {
            let snooping = bench.machine.config().snooping;
            let device = Device::new(bench.machine, Limits::UNLIMITED, snooping).unwrap();
            let silent = || {
                let line = 0;
                bench.cpu.clean(0, 1);
                bench.hardware(Move::SilentStore { line });
            };
            let mut buffer = device.allocate::<ToDevice>(16).unwrap();
            buffer.as_mut_slice().fill(1);
            if when == 0 {
                silent();
            }
            let lent = buffer.sync_for_device();
            // SAFETY: no device does anything.
            let buffer = unsafe { lent.sync_for_cpu() };
            if when == 1 {
                silent();
            }
            drop(buffer);
            if when == 2 {
                silent();
            }
            // A block that is no buffer: its allocator's, whose stores are none of the program's.
            let request = Request::anywhere(core::num::NonZeroUsize::new(16).unwrap());
            let block = bench.machine.memory().allocate(&request).unwrap();
            if when == 3 {
                silent();
            }
            bench.machine.memory().free(block).unwrap();
        })
    };
    assert_eq!([0, 1, 2, 3].map(possible), [true, true, false, false]);
}
