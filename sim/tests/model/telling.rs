//! Histories, word for word: every step and every move.

use sim::{
    Config, Maintained, Manners, Outer, SimMachine, Task,
    layout::Mapping,
    steps::{Move, Operation, Reach},
};

use crate::bench::{Bench, execute, fill, plain, seen};

/// What the history of a program says, without what its first step says.
fn history(config: &Config, program: impl Fn(&Bench<'_>)) -> Vec<String> {
    let text = seen(config, |bench| {
        bench.pause();
        program(bench);
        bench.machine.history().to_string()
    });
    text.lines()
        .skip(1)
        .map(|line| line.trim().to_owned())
        .collect()
}

#[test]
fn every_step_is_told() {
    let told = history(&plain(), |bench| {
        let cpu = bench.cpu;
        cpu.by(Mapping::Cached(0)).store(1, &[1]);
        let _ = cpu.by(Mapping::Uncached).load(2, 2);
        cpu.copy(0, 16, 3);
        cpu.by(Mapping::Uncached).own(0, 64);
        cpu.by(Mapping::Uncached)
            .issue(Operation::CleanAndInvalidate, 0, 1);
        cpu.issue_in(Reach::Level(1), Operation::Clean, 0, 16);
        cpu.complete_in(Reach::Level(1));
        cpu.share(0, 8);
        let device = bench.device().with_manners(Manners::Late);
        device.doorbell();
        let started = device.start(&[Task::Read(cpu.dma(0), 1)]).unwrap();
        device.wait(started);
        let _ = device.read(cpu.dma(0), 8).unwrap();
        device.settle();
        cpu.lend(0, 8, dma_api::DataDirection::ToDevice);
        cpu.lend(8, 8, dma_api::DataDirection::Bidirectional);
    });
    let expected = [
        "1  CPU stores byte 0x1",
        "2  CPU loads bytes 0x2..0x4 uncached",
        "3  CPU copies bytes 0x0..0x3 to 0x10",
        "4  CPU uses bytes 0x0..0x40 uncached",
        "5  issue clean and invalidate of byte 0x0 uncached",
        "6  issue clean of bytes 0x0..0x10 in L2",
        "7  wait for maintenance of L2",
        "8  share bytes 0x0..0x8",
        "9  doorbell",
        "10  doorbell of job 1, 1 accesses",
        "11  job 1 is seen to be done",
        "12  device reads bytes 0x0..0x8",
        "13  all device writes arrive",
        "14  hand bytes 0x0..0x8 to the device, to read",
        "15  hand bytes 0x8..0x10 to the device, to read and write",
    ];
    assert_eq!(told, expected);

    let colours = Config {
        colours: 2,
        ..plain()
    };
    let told = history(&colours, |bench| {
        bench.cpu.by(Mapping::Cached(1)).store(0, &[1; 4]);
    });
    assert_eq!(told, ["1  CPU stores bytes 0x0..0x4 by colour 1"]);
}

#[test]
fn what_the_library_does_with_a_buffer_is_told() {
    use dma_api::{Device, FromDevice, Limits, Snooping};

    let snooped = Config {
        snooping: Snooping::Snoops,
        ..plain()
    };
    let machine = SimMachine::new(snooped).unwrap();
    let device = Device::new(&machine, Limits::UNLIMITED, Snooping::Snoops).unwrap();
    let lent = device.allocate::<FromDevice>(5).unwrap().sync_for_device();
    // SAFETY: no device does anything.
    drop(unsafe { lent.sync_for_cpu() });
    drop(device.allocate::<FromDevice>(5).unwrap().sync_for_device());
    machine.verdict().unwrap();

    let text = machine.history().to_string();
    let told: Vec<_> = text.lines().map(|line| line[4..].trim()).collect();
    // Zeroing is a store to each line whose bytes are not zero.
    let zeroing = [
        "CPU stores bytes 0x0..0x10",
        "CPU stores bytes 0x10..0x20",
        "CPU stores bytes 0x20..0x30",
        "CPU stores bytes 0x30..0x40",
    ];
    let whole_life = [
        "allocate bytes 0x0..0x40",
        "CPU uses bytes 0x0..0x5",
        "CPU is done with bytes 0x0..0x5",
        "barrier before the doorbell",
        "hand bytes 0x0..0x5 to the device, to write",
        "barrier after the completion",
        "take bytes 0x0..0x5 back",
        "drop bytes 0x0..0x5",
        "free bytes 0x0..0x40",
        "allocate bytes 0x0..0x40",
        "CPU uses bytes 0x0..0x5",
        "CPU is done with bytes 0x0..0x5",
        "barrier before the doorbell",
        "hand bytes 0x0..0x5 to the device, to write",
        "quarantine bytes 0x0..0x5",
        "the end: all dirty lines are written back",
    ];
    assert_eq!(told, [&zeroing[..], &whole_life[..]].concat());
}

#[test]
fn every_move_is_told() {
    let config = Config {
        cores: 2,
        outer: Some(Outer {
            line: 16,
            granule: 32,
            maintained: Maintained::WithTheInner,
        }),
        rogue_dirty: true,
        store_buffer: 4,
        ..plain()
    };
    let (first, outer) = (config.inner_cache(0, 0), config.outer_cache());
    let told = history(&config, |bench| {
        let cpu = bench.cpu;
        cpu.own(0, 64);
        bench.store(0, 32, 1);
        bench.hardware(Move::Drain {
            core: 0,
            around: false,
        });
        bench.store(32, 1, 1);
        bench.hardware(Move::Drain {
            core: 0,
            around: true,
        });
        cpu.issue(Operation::Clean, 0, 64);
        let (index, upgraded, whole, rogue) = (0, true, true, true);
        for step in [
            Move::Execute {
                index,
                upgraded,
                whole,
                rogue: false,
            },
            Move::Execute {
                index: 1,
                upgraded: false,
                whole: false,
                rogue,
            },
            execute(0),
            fill(first, 3),
            Move::SilentStore { line: 3 },
        ] {
            bench.hardware(step);
        }
        let (line, allocate) = (3, true);
        bench.hardware(Move::WriteBack {
            cache: first,
            line,
            allocate,
        });
        bench.hardware(Move::SilentStore { line: 2 });
        bench.hardware(Move::Evict {
            cache: first,
            line,
            allocate: false,
        });
        bench.hardware(Move::Evict {
            cache: outer,
            line,
            allocate: false,
        });
        bench.hardware(Move::Evict {
            cache: first,
            line: 2,
            allocate,
        });
        let write = Task::Write(cpu.dma(0), vec![1; 32]);
        cpu.done(0, 32);
        let _started = bench.device().start(&[write]).unwrap();
        bench.hardware(Move::Access { index: 0 });
        bench.hardware(Move::Land { index: 1 });
        bench.hardware(Move::Migrate { core: 1 });
        bench.pause();
    });
    let expected = [
        "1  CPU uses bytes 0x0..0x40",
        "2  CPU stores bytes 0x0..0x20",
        "~ a store leaves the buffer of core 0",
        "3  CPU stores byte 0x20",
        "~ a store leaves the buffer of core 0, past the cache",
        "4  issue clean of bytes 0x0..0x40",
        "~ issued operation 0 takes effect, as clean and invalidate, on the whole granule",
        "~ issued operation 1 takes effect, and leaves the line marked as dirty",
        "~ issued operation 0 takes effect",
        "~ L1 of core 0 fills line 0x30",
        "~ the CPU stores to line 0x30 what it holds",
        "~ L1 of core 0 writes line 0x30 back and keeps it",
        "~ the CPU stores to line 0x20 what it holds",
        "~ L1 of core 0 evicts line 0x30",
        "~ L2 evicts line 0x30",
        "~ L1 of core 0 evicts line 0x20 into the next level",
        "5  CPU is done with bytes 0x0..0x20",
        "6  doorbell of job 1, 1 accesses",
        "~ the device goes on with job 0",
        "~ device write 1 under way arrives",
        "~ the thread is moved to core 1",
        "7  CPU is done with bytes 0x0..0x0",
    ];
    assert_eq!(told, expected);

    let colours = Config {
        cores: 2,
        colours: 2,
        ..plain()
    };
    let told = history(&colours, |bench| {
        bench.hardware(fill(colours.inner_cache(1, 1), 0));
        bench.pause();
    });
    assert_eq!(told[0], "~ L1 of core 1, colour 1 fills line 0x0");
}
