//! Devices that snoop, and devices that do not: which copies they read, and what their writes do to the others.

use dma_api::{DataDirection, Limits, Snooping};
use sim::{
    Config, DmaEngine, Maintained, Outer, Task,
    steps::{Move, Operation},
};

use crate::bench::{Bench, FRESH, evict, fill, l1, plain, run, seen, uniform};

#[test]
fn a_device_that_does_not_snoop_sees_memory_only() {
    let (early, late) = seen(&plain(), |bench| {
        bench.store(0, 16, 1);
        let read = || bench.device().read(bench.cpu.dma(0), 16).unwrap();
        let early = uniform(&read());
        bench.cpu.clean(0, 16);
        (early, uniform(&read()))
    });
    assert_eq!((early, late), (FRESH, 1));
}

#[test]
fn a_device_that_snoops_reads_the_newest_copy() {
    let config = Config {
        cores: 2,
        outer: Some(Outer {
            line: 16,
            granule: 16,
            maintained: Maintained::WithTheInner,
        }),
        ..plain()
    };
    let outer = config.outer_cache();
    let read = |bench: &Bench<'_>| {
        let device = bench.snooping_device();
        uniform(&device.read(bench.cpu.dma(0), 16).unwrap())
    };
    // Dirty with the second core, nothing newer than that.
    let dirty = seen(&config, |bench| {
        bench.hardware_moves_to_the_second_core();
        bench.store(0, 16, 1);
        read(bench)
    });
    // Dirty outside, an old clean copy inside.
    let outside = seen(&config, |bench| {
        bench.store(0, 16, 1);
        bench.hardware(Move::Evict {
            cache: config.inner_cache(0, 0),
            line: 0,
            allocate: true,
        });
        bench.put(0, 16, 3);
        read(bench)
    });
    // Clean in the outer level only, and memory differs.
    let clean = seen(&config, |bench| {
        bench.put(0, 16, 2);
        bench.hardware(fill(outer, 0));
        bench.put(0, 16, 3);
        read(bench)
    });
    let memory = seen(&config, |bench| {
        bench.put(0, 16, 3);
        read(bench)
    });
    assert_eq!([dirty, outside, clean, memory], [1, 1, 2, 3]);
}

impl Bench<'_> {
    fn hardware_moves_to_the_second_core(&self) {
        self.pause();
        self.hardware(Move::Migrate { core: 1 });
        self.pause();
    }
}

#[test]
fn a_write_that_snoops_drops_the_lines_it_reaches_and_keeps_what_else_they_held() {
    let config = Config {
        cores: 2,
        outer: Some(Outer {
            line: 16,
            granule: 16,
            maintained: Maintained::WithTheInner,
        }),
        ..plain()
    };
    let (cpu, memory) = seen(&config, |bench| {
        bench.hardware_moves_to_the_second_core();
        bench.store(0, 48, 1);
        // The outer level holds the first line as well.
        bench.hardware(fill(config.outer_cache(), 0));
        let device = bench.snooping_device();
        device.write(bench.cpu.dma(12), &[7; 8]).unwrap();
        device.settle();
        (bench.memory(0, 48), bench.cpu.load(0, 48))
    });
    let mut lines = vec![1; 48];
    lines[12..20].fill(7);
    assert_eq!(memory, lines);
    lines[32..].fill(FRESH);
    assert_eq!(cpu, lines, "the third line is dirty in the cache still");
}

#[test]
fn a_write_that_does_not_snoop_leaves_the_caches_alone() {
    let (cpu, memory) = seen(&plain(), |bench| {
        bench.store(0, 16, 1);
        bench.device_writes(4, 4, 7);
        bench.device().settle();
        let memory = bench.memory(2, 4);
        (bench.cpu_sees(0, 16), memory)
    });
    assert_eq!((cpu, memory), (1, vec![FRESH, FRESH, 7, 7]));
}

#[test]
fn a_device_that_snoops_reaches_uncached_memory_first_and_cached_memory_after() {
    let config = Config {
        uncached_len: 64,
        snooping: Snooping::Snoops,
        ..plain()
    };
    let ran = run(&config, |bench| {
        let cpu = bench.cpu;
        cpu.own(0, 16);
        cpu.store(0, &[1; 16]);
        cpu.before_doorbell();
        cpu.share(64, 64);
        let device = bench.snooping_device();
        let tasks = [
            Task::Read(cpu.dma(64), 8),
            Task::Read(cpu.dma(0), 16),
            Task::Write(cpu.dma(0), vec![7; 8]),
        ];
        cpu.lend(0, 16, DataDirection::Bidirectional);
        let started = device.start(&tasks).unwrap();
        device.wait(started);
        cpu.after_completion();
        cpu.take_back(0, 16);
        cpu.load(0, 16)
    });
    let mut expected = vec![7; 8];
    expected.extend([1; 8]);
    assert_eq!((ran.seen, ran.violation), (expected, None));
}

#[test]
fn an_engine_behind_a_snooping_bus_and_one_that_is_not_are_different() {
    // What an engine really does is its own matter, whatever the machine's firmware says.
    let config = Config {
        snooping: Snooping::Snoops,
        ..plain()
    };
    let bytes = [Snooping::Snoops, Snooping::DoesNotSnoop].map(|snooping| {
        seen(&config, |bench| {
            bench.store(0, 16, 1);
            let engine = DmaEngine::new(bench.machine, Limits::UNLIMITED, snooping);
            uniform(&engine.read(bench.cpu.dma(0), 16).unwrap())
        })
    });
    assert_eq!(bytes, [1, FRESH]);
}

#[test]
fn a_dirty_line_is_written_over_what_a_device_wrote() {
    let memory = [true, false].map(|cleaned| {
        seen(&plain(), |bench| {
            bench.store(0, 16, 1);
            if cleaned {
                bench.cpu.issue(Operation::Clean, 0, 16);
                bench.cpu.complete();
            }
            bench.device_writes(0, 16, 7);
            bench.cpu.after_completion();
            bench.hardware(evict(l1(), 0));
            bench.memory_is(0, 16)
        })
    });
    assert_eq!(memory, [7, 1]);
}
