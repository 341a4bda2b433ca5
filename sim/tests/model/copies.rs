//! Copies of memory: what an eviction, a write-back and a fill move, and what no move may.

use sim::{Config, steps::Operation};

use crate::bench::{Bench, FRESH, evict, fill, is_possible, l1, plain, run, seen, write_back};

/// Four lines in each of two granules.
fn big_granules() -> Config {
    Config {
        granule: 64,
        cached_len: 128,
        ..plain()
    }
}

/// All of the first granule is 1, but the CPU has stored 9 to byte 20, and memory has become 2 since.
fn dirty_granule(bench: &Bench<'_>) {
    bench.put(0, 128, 1);
    bench.store(20, 1, 9);
    bench.put(0, 128, 2);
}

/// What is written back of [`dirty_granule`].
fn all_of_it() -> Vec<u8> {
    let mut granule = vec![1; 64];
    granule[20] = 9;
    granule.extend([2; 64]);
    granule
}

#[test]
fn a_store_brings_its_granule_in_and_reaches_memory_by_no_other_way_than_a_write_back() {
    let (cpu, memory) = seen(&big_granules(), |bench| {
        dirty_granule(bench);
        (bench.cpu.load(0, 64), bench.memory(0, 128))
    });
    assert_eq!(cpu, all_of_it()[..64]);
    assert_eq!(memory, [2; 128]);
}

#[test]
fn an_eviction_of_a_dirty_granule_writes_all_its_bytes_and_no_other() {
    for line in 0..4 {
        let (memory, cpu) = seen(&big_granules(), |bench| {
            dirty_granule(bench);
            bench.hardware(evict(l1(), line));
            let memory = bench.memory(0, 128);
            bench.put(0, 64, 3);
            (memory, bench.cpu_sees(0, 64))
        });
        assert_eq!(memory, all_of_it());
        assert_eq!(cpu, 3, "the granule is in the cache no more");
    }
}

#[test]
fn an_eviction_of_a_clean_granule_writes_no_byte() {
    let (memory, cpu) = seen(&big_granules(), |bench| {
        bench.put(0, 64, 1);
        bench.cpu_sees(0, 1);
        bench.put(0, 64, 2);
        let held = bench.cpu_sees(0, 64);
        bench.hardware(evict(l1(), 0));
        (bench.memory_is(0, 64), [held, bench.cpu_sees(0, 64)])
    });
    assert_eq!((memory, cpu), (2, [1, 2]));
}

#[test]
fn only_what_is_held_can_be_evicted_and_only_what_is_dirty_written_back() {
    let config = big_granules();
    let possible = |step, what: fn(&Bench<'_>)| {
        is_possible(&config, |bench| {
            what(bench);
            bench.hardware(step);
        })
    };
    let nothing: fn(&Bench<'_>) = |bench| bench.put(0, 1, 1);
    let loads: fn(&Bench<'_>) = |bench| drop(bench.cpu.load(0, 1));
    let stores: fn(&Bench<'_>) = |bench| bench.store(0, 1, 1);

    let evictable = [nothing, loads, stores].map(|what| possible(evict(l1(), 3), what));
    assert_eq!(evictable, [false, true, true]);
    let written = [nothing, loads, stores].map(|what| possible(write_back(l1(), 3), what));
    assert_eq!(written, [false, false, true]);
    let other_granule = [evict(l1(), 4), write_back(l1(), 4)];
    assert_eq!(other_granule.map(|step| possible(step, stores)), [false; 2]);
    // There are eight lines, and one cache.
    let nowhere = [evict(l1(), 8), write_back(l1(), 8), fill(l1(), 8)];
    assert_eq!(nowhere.map(|step| possible(step, stores)), [false; 3]);
    let nothing_there = config.outer_cache();
    let nowhere = [
        evict(nothing_there, 0),
        write_back(nothing_there, 0),
        fill(nothing_there, 0),
    ];
    assert_eq!(nowhere.map(|step| possible(step, stores)), [false; 3]);
}

#[test]
fn a_write_back_writes_the_whole_granule_and_keeps_it_clean() {
    let (memory, cpu, later) = seen(&big_granules(), |bench| {
        dirty_granule(bench);
        bench.hardware(write_back(l1(), 2));
        let memory = bench.memory(0, 128);
        bench.put(0, 64, 3);
        let cpu = bench.cpu.load(0, 64);
        bench.hardware(evict(l1(), 0));
        (memory, cpu, bench.memory_is(0, 64))
    });
    assert_eq!(memory, all_of_it());
    assert_eq!(cpu, all_of_it()[..64]);
    assert_eq!(later, 3, "a clean granule is not written again");
}

#[test]
fn a_fill_takes_exactly_what_memory_holds_then_of_the_whole_granule() {
    let pattern: Vec<u8> = (0..128).collect();
    let cpu = seen(&big_granules(), |bench| {
        bench.uncached().store(0, &pattern);
        bench.hardware(fill(l1(), 6));
        bench.put(0, 128, 0xff);
        bench.cpu.load(0, 128)
    });
    assert_eq!(cpu[..64], [0xff; 64], "the other granule was not filled");
    assert_eq!(cpu[64..], pattern[64..]);
}

#[test]
fn a_fill_replaces_an_old_clean_copy_but_no_dirty_one() {
    let cpu = seen(&plain(), |bench| {
        bench.put(0, 16, 1);
        bench.cpu_sees(0, 16);
        bench.put(0, 16, 2);
        bench.hardware(fill(l1(), 0));
        bench.put(0, 16, 3);
        bench.cpu_sees(0, 16)
    });
    assert_eq!(cpu, 2);

    for dirty in [0, 16, 63] {
        let possible = is_possible(&big_granules(), |bench| {
            bench.store(dirty, 1, 1);
            bench.hardware(fill(l1(), 0));
        });
        assert!(!possible, "byte {dirty} is in a dirty line");
    }
}

#[test]
fn dirty_bytes_stay_until_they_are_written_back_or_an_invalidate_reaches_them() {
    let after = |operation: Operation| {
        seen(&plain(), |bench| {
            bench.store(0, 64, 1);
            bench.cpu.issue(operation, 16, 16);
            bench.cpu.complete();
            let cpu = [0, 16, 32].map(|line| bench.cpu_sees(line, 16));
            (cpu, [0, 16, 32].map(|line| bench.memory_is(line, 16)))
        })
    };
    assert_eq!(after(Operation::Clean), ([1; 3], [FRESH, 1, FRESH]));
    let both = after(Operation::CleanAndInvalidate);
    assert_eq!(both, ([1; 3], [FRESH, 1, FRESH]));
    let lost = after(Operation::Invalidate);
    assert_eq!(lost, ([1, FRESH, 1], [FRESH; 3]));
}

#[test]
fn a_clean_copy_is_never_written_over_what_memory_holds() {
    for operation in [Operation::Clean, Operation::CleanAndInvalidate] {
        let ran = run(&plain(), |bench| {
            bench.cpu.own(0, 64);
            bench.store(0, 64, 1);
            bench.cpu.clean(0, 64);
            bench.put(0, 64, 2);
            bench.cpu.issue(operation, 0, 48);
            bench.cpu.complete();
            bench.hardware(evict(l1(), 3));
            bench.memory_is(0, 64)
        });
        // Nor at the end, when all dirty lines are.
        assert_eq!((ran.seen, ran.violation), (2, None), "{operation}");
    }
}

#[test]
fn after_its_completion_a_cleaned_line_is_what_memory_holds() {
    let pattern: Vec<u8> = (0..64).collect();
    let ran = run(&plain(), |bench| {
        bench.cpu.own(0, 64);
        bench.cpu.store(0, &pattern);
        bench.cpu.clean(0, 64);
        bench.memory(0, 64)
    });
    assert_eq!((ran.seen, ran.violation), (pattern, None));
}

#[test]
fn what_the_machine_starts_with_is_two_former_owners_bytes() {
    use sim::Start;

    let (cpu, memory) = seen(&plain(), |bench| {
        (bench.cpu_sees(0, 64), bench.memory_is(0, 64))
    });
    assert_eq!((cpu, memory), (FRESH, FRESH));

    let dirty = Config {
        start: Start::Dirty,
        cores: 2,
        ..plain()
    };
    let (cpu, memory, evicted) = seen(&dirty, |bench| {
        let seen = (bench.cpu_sees(0, 64), bench.memory_is(0, 64));
        bench.hardware(evict(l1(), 0));
        (
            seen.0,
            seen.1,
            [0, 16].map(|line| bench.memory_is(line, 16)),
        )
    });
    assert_eq!((cpu, memory, evicted), (0x5a, FRESH, [0x5a, FRESH]));
}
