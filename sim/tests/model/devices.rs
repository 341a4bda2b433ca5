//! Devices: their writes are under way until they arrive, in pieces and in any order, and a device that snoops sees caches.

use dma_api::{DataDirection, Limits, Snooping};
use sim::{
    Config, DmaEngine, Maintained, Manners, Outer, Task,
    steps::{Move, Operation},
};

use crate::bench::{Bench, FRESH, evict, fill, is_possible, l1, plain, run, seen, uniform};

const fn land(index: usize) -> Move {
    Move::Land { index }
}

const fn go_on(index: usize) -> Move {
    Move::Access { index }
}

/// Lines of 32 bytes, so that writes arrive in pieces of sixteen.
fn pieces_of_sixteen() -> Config {
    Config {
        line: 32,
        granule: 32,
        ..plain()
    }
}

/// Sixteen bytes of each quarter of memory, as memory has them.
fn quarters(bench: &Bench<'_>) -> [u8; 4] {
    [0, 16, 32, 48].map(|at| bench.memory_is(at, 16))
}

#[test]
fn a_devices_write_is_under_way_until_something_waits_for_it() {
    let after = |waits: fn(&Bench<'_>)| {
        seen(&plain(), |bench| {
            bench.device_writes(0, 64, 7);
            waits(bench);
            bench.memory_is(0, 64)
        })
    };
    let waits: [fn(&Bench<'_>); 3] = [
        |bench| bench.cpu.after_completion(),
        |bench| bench.device().settle(),
        // The device's own reads are behind its writes.
        |bench| drop(bench.device().read(bench.cpu.dma(0), 64).unwrap()),
    ];
    assert_eq!(waits.map(after), [7; 3]);
    let others: [fn(&Bench<'_>); 4] = [
        |bench| bench.pause(),
        |bench| bench.cpu.complete(),
        |bench| bench.cpu.before_doorbell(),
        |bench| bench.device().doorbell(),
    ];
    assert_eq!(others.map(after), [FRESH; 4]);
}

#[test]
fn a_devices_read_waits_for_its_writes_to_the_same_bytes_alone() {
    let memory = seen(&pieces_of_sixteen(), |bench| {
        bench.device_writes(0, 64, 7);
        let _ = bench.device().read(bench.cpu.dma(31), 2).unwrap();
        quarters(bench)
    });
    assert_eq!(memory, [FRESH, 7, 7, FRESH]);
}

#[test]
fn what_a_devices_read_waits_for_arrives_in_order_too() {
    let (read, memory) = seen(&pieces_of_sixteen(), |bench| {
        // The second write is after the first in bytes 8 to 12; the read is of byte 20 alone, the third of none of them.
        bench.device_writes(0, 12, 7);
        bench.device_writes(8, 16, 8);
        bench.device_writes(32, 16, 9);
        let read = bench.device().read(bench.cpu.dma(20), 1).unwrap();
        let early = [
            bench.memory_is(0, 8),
            bench.memory_is(8, 16),
            bench.memory_is(32, 16),
        ];
        bench.device().settle();
        (read, (early, bench.memory_is(8, 16)))
    });
    assert_eq!((read, memory), (vec![8], ([7, 8, FRESH], 8)));
}

#[test]
fn a_write_arrives_in_pieces_of_sixteen_bytes_in_any_order() {
    let memory = seen(&pieces_of_sixteen(), |bench| {
        let bytes: Vec<u8> = (1..=40).collect();
        bench.device().write(bench.cpu.dma(8), &bytes).unwrap();
        // The second of the three pieces, then the last, then the first.
        [1, 1, 0].map(|index| {
            bench.hardware(land(index));
            bench.pause();
            bench.memory(0, 64)
        })
    });
    let with = |pieces: core::ops::Range<usize>| {
        let mut memory = vec![FRESH; 64];
        for (at, value) in (8..48).zip(1..) {
            if pieces.contains(&at) {
                memory[at] = value;
            }
        }
        memory
    };
    assert_eq!(memory, [with(24..40), with(24..48), with(8..48)]);
}

#[test]
fn a_piece_is_never_a_whole_line_unless_that_is_a_byte() {
    let pieces = |line: usize| {
        let config = Config {
            line,
            granule: 64,
            ..plain()
        };
        // How many there are, the moves that are possible say.
        let possible = |index| {
            is_possible(&config, |bench| {
                bench.device_writes(0, 64, 7);
                bench.hardware(land(index));
            })
        };
        (0..65).take_while(|index| possible(*index)).count()
    };
    assert_eq!([64, 32, 16, 2, 1].map(pieces), [4, 4, 8, 64, 64]);
}

#[test]
fn what_is_not_under_way_does_not_arrive() {
    let possible = [0, 3, 4].map(|index| {
        is_possible(&pieces_of_sixteen(), |bench| {
            bench.device_writes(0, 64, 7);
            bench.hardware(land(index));
        })
    });
    assert_eq!(possible, [true, true, false]);
}

#[test]
fn two_writes_to_one_byte_arrive_in_the_order_in_which_they_were_made() {
    let possible = [0, 1, 2].map(|index| {
        is_possible(&pieces_of_sixteen(), |bench| {
            bench.device_writes(0, 16, 7);
            bench.device_writes(15, 2, 8);
            bench.device_writes(17, 1, 9);
            bench.hardware(land(index));
        })
    });
    assert_eq!(possible, [true, false, true]);
    let memory = seen(&pieces_of_sixteen(), |bench| {
        bench.device_writes(0, 16, 7);
        bench.device_writes(8, 16, 8);
        bench.device().settle();
        bench.memory(6, 4)
    });
    assert_eq!(memory, [7, 7, 8, 8]);
}

#[test]
fn a_fill_before_a_piece_arrives_holds_the_old_bytes() {
    let cpu = seen(&pieces_of_sixteen(), |bench| {
        bench.device_writes(0, 32, 7);
        bench.hardware(land(1));
        bench.hardware(fill(l1(), 0));
        bench.cpu.after_completion();
        [0, 16].map(|at| bench.cpu_sees(at, 16))
    });
    assert_eq!(cpu, [FRESH, 7], "a line may be torn");
}

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
fn a_started_device_does_its_tasks_in_order_when_the_hardware_lets_it() {
    let (early, one, two) = seen(&plain(), |bench| {
        let write = |at: usize, value: u8| Task::Write(bench.cpu.dma(at), vec![value; 16]);
        let device = bench.device();
        let _first = device.start(&[write(0, 1), write(16, 2)]).unwrap();
        let _second = device.start(&[write(32, 3)]).unwrap();
        device.settle();
        let early = quarters(bench);
        bench.hardware(go_on(0));
        device.settle();
        let one = quarters(bench);
        bench.hardware(go_on(1));
        device.settle();
        (early, one, quarters(bench))
    });
    // The move after a step is before the look that follows, and what it wrote arrives with the next to settle.
    assert_eq!(early, [FRESH; 4]);
    assert_eq!(one, [1, FRESH, FRESH, FRESH]);
    assert_eq!(two, [1, FRESH, 3, FRESH]);
}

#[test]
fn a_device_that_was_not_started_or_has_nothing_left_does_not_go_on() {
    let possible = |times: usize, index: usize| {
        is_possible(&plain(), |bench| {
            let device = bench.device();
            let task = |at| Task::Write(bench.cpu.dma(at), vec![1]);
            let _started = device.start(&[task(0), task(1)]).unwrap();
            (0..times).for_each(|_| bench.hardware(go_on(0)));
            bench.hardware(go_on(index));
        })
    };
    assert_eq!([possible(0, 0), possible(0, 1)], [true, false]);
    assert_eq!([possible(1, 0), possible(2, 0)], [true, false]);
}

#[test]
fn an_honest_device_is_done_when_it_is_waited_for_and_one_that_is_late_is_not() {
    let memory = [Manners::Honest, Manners::Late].map(|manners| {
        seen(&plain(), |bench| {
            let device = bench.device().with_manners(manners);
            let write = |at: usize, value: u8| Task::Write(bench.cpu.dma(at), vec![value; 16]);
            let first = device.start(&[write(0, 1), write(16, 2)]).unwrap();
            let second = device.start(&[write(32, 3)]).unwrap();
            device.wait(second);
            device.settle();
            let one = quarters(bench);
            device.wait(first);
            device.settle();
            (one, quarters(bench))
        })
    });
    let (f, late) = (FRESH, [FRESH; 4]);
    assert_eq!(memory, [([f, f, 3, f], [1, 2, 3, f]), (late, late)]);
}

#[test]
fn what_a_late_device_has_still_to_do_it_does_before_the_end() {
    let ran = run(&plain(), |bench| {
        let cpu = bench.cpu;
        cpu.own(0, 16);
        let device = bench.device().with_manners(Manners::Late);
        let write = Task::Write(cpu.dma(0), vec![7; 16]);
        cpu.lend(0, 16, DataDirection::FromDevice);
        let started = device.start(&[write]).unwrap();
        device.wait(started);
        cpu.after_completion();
        cpu.take_back(0, 16);
    });
    let violation = ran.violation.unwrap();
    assert_eq!(violation.detail, "a device that is late uses them");
    assert_eq!((violation.bytes, violation.step), (0..1, 6));
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
