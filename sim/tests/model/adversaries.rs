//! The named adversaries: the moves that each makes, and no others, after every step of one small program.

use std::collections::HashSet;

use dma_api::{DataDirection::FromDevice, Limits, Snooping};
use sim::{
    Adversary, Config, Cpu, DmaEngine, Maintained, Outer, SimMachine, Task,
    history::{Entry, Timed},
    steps::{Move, Operation},
};

use crate::bench::plain;

/// A little of everything: a transfer of one line, and a line of the CPU's own in the same granule.
fn machine(adversary: Adversary) -> SimMachine {
    let config = Config {
        granule: 32,
        cached_len: 64,
        cores: 2,
        outer: Some(Outer {
            line: 16,
            granule: 32,
            maintained: Maintained::WithTheInner,
        }),
        rogue_dirty: true,
        store_buffer: 2,
        ..plain()
    };
    SimMachine::new(config.under(adversary)).unwrap()
}

/// What the hardware does after each step of the program: the step's first word, then the moves in short.
fn moves(adversary: Adversary) -> Vec<String> {
    let machine = machine(adversary);
    let cpu = Cpu::new(&machine);
    cpu.own(0, 64);
    cpu.store(0, &[1; 20]);
    cpu.done(0, 16);
    cpu.issue(Operation::Clean, 0, 32);
    cpu.complete();
    cpu.before_doorbell();
    cpu.lend(0, 16, FromDevice);
    let engine = DmaEngine::new(&machine, Limits::UNLIMITED, Snooping::DoesNotSnoop);
    let writes = [
        Task::Write(cpu.dma(0), vec![2; 8]),
        Task::Write(cpu.dma(8), vec![3; 8]),
    ];
    let started = engine.start(&writes).unwrap();
    engine.wait(started);
    engine.write(cpu.dma(4), &[4; 20]).unwrap();
    cpu.after_completion();
    let history = machine.history();
    // Whether that was right is not the question.
    let _ = machine.verdict();

    let mut told: Vec<String> = Vec::new();
    for entry in history.entries() {
        let text = history.describe(entry);
        match entry {
            Entry::Step(_) => told.push(text.split(" by").next().unwrap().to_owned() + ":"),
            Entry::Move(_) => *told.last_mut().unwrap() += &format!(" {};", short(&text)),
        }
    }
    told.retain(|step| !step.ends_with(':'));
    told
}

/// A move in fewer words.
fn short(text: &str) -> String {
    let words = [
        ("L1 of core ", "c"),
        (" fills line 0x", "+"),
        (" evicts line 0x", "-"),
        (" into the next level", " spilled"),
        ("issued operation ", "op "),
        (" takes effect", ""),
        ("a store leaves the buffer of core ", "drain "),
        ("the device goes on with job ", "job "),
        ("device write ", "land "),
        (" under way arrives", ""),
        ("the CPU stores to line 0x", "silent "),
        (" what it holds", ""),
        ("the thread is moved to core ", "to core "),
    ];
    words.iter().fold(text.to_owned(), |text, (long, short)| {
        text.replace(long, short)
    })
}

#[test]
fn the_lazy_one_does_nothing() {
    assert_eq!(moves(Adversary::Lazy), [""; 0]);
}

#[test]
fn the_hoarding_one_fills_whatever_is_absent() {
    let expected = [
        "CPU uses: L2+20; L2+0; c1+20; c1+0; c0+20; c0+0;",
        "issue clean of: c1+0;",
    ];
    assert_eq!(moves(Adversary::Hoarding), expected);
}

#[test]
fn the_eager_one_does_everything_that_can_be_done() {
    let expected = [
        "CPU uses: L2+20; L2+0; c1+20; c1+0; c0+20; c0+0;",
        "CPU stores: drain 0; c0-0; L2-0; L2+0; c1+0; c0+0;",
        "issue clean of: op 0; op 0;",
        "job 1 is seen to be done: land 0; land 0;",
        "device writes: land 0; land 0; land 0;",
    ];
    assert_eq!(moves(Adversary::Eager), expected);
}

#[test]
fn the_evicting_one_lets_dirty_granules_go_at_once_or_after_a_devices_writes() {
    let expected = ["CPU stores: drain 0; c0-0;"];
    assert_eq!(moves(Adversary::Evicting), expected);
    let expected = [
        "doorbell of job 1, 2 accesses: job 0; job 0; land 0; land 0;",
        "device writes: land 0; land 0; land 0;",
    ];
    assert_eq!(moves(Adversary::EvictingAfterWrites), expected);

    let machine = machine(Adversary::EvictingAfterWrites);
    let engine = DmaEngine::new(&machine, Limits::UNLIMITED, Snooping::DoesNotSnoop);
    let cpu = Cpu::new(&machine);
    cpu.store(0, &[1; 16]);
    engine.write(cpu.dma(32), &[2]).unwrap();
    assert!(machine.verdict().is_ok());
    let moves = machine.history().moves();
    let last = moves
        .iter()
        .map(|timed| (timed.after, timed.step))
        .next_back();
    let (cache, line, allocate) = (machine.config().inner_cache(0, 0), 0, false);
    let evicts = Move::Evict {
        cache,
        line,
        allocate,
    };
    assert_eq!(last, Some((1, evicts)));
}

#[test]
fn the_late_one_fills_while_a_devices_writes_are_under_way() {
    let expected =
        ["doorbell of job 1, 2 accesses: job 0; job 0; L2+20; L2+0; c1+20; c1+0; c0+20;"];
    assert_eq!(moves(Adversary::LatePosted), expected);
}

#[test]
fn the_one_of_big_granules_maintains_and_evicts_whole_ones() {
    let expected = [
        "CPU stores: drain 0; c0-0;",
        "issue clean of: op 0, on the whole granule; op 0, on the whole granule;",
    ];
    assert_eq!(moves(Adversary::BigGranule), expected);
}

#[test]
fn the_upgrading_one_executes_what_it_can_as_clean_and_invalidate() {
    let expected =
        ["issue clean of: op 0, as clean and invalidate; op 0, as clean and invalidate;"];
    assert_eq!(moves(Adversary::Upgrading), expected);
}

#[test]
fn the_refilling_one_spills_into_the_outer_level_and_fills_the_inner_one() {
    let expected = [
        "CPU uses: c1+20; c1+0; c0+20; c0+0;",
        "CPU stores: drain 0; c0-0 spilled; c1+0; c0+0;",
    ];
    assert_eq!(moves(Adversary::TwoLevelRefill), expected);
}

#[test]
fn the_migrating_one_moves_the_thread_on_after_each_step() {
    let expected = [
        "CPU uses: L2+20; L2+0; c1+20; c1+0; c0+20; c0+0; to core 1;",
        "CPU stores: to core 0;",
        "CPU is done with: c0+0; to core 1;",
        "issue clean of: to core 0;",
        "wait for maintenance: to core 1;",
        "barrier before the doorbell: to core 0;",
        "hand: to core 1;",
        "doorbell of job 1, 2 accesses: to core 0;",
        "job 1 is seen to be done: to core 1;",
        "device writes: to core 0;",
        "barrier after the completion: to core 1;",
    ];
    assert_eq!(moves(Adversary::Migrating), expected);
}

#[test]
fn the_aliasing_one_fills_every_inner_cache() {
    let expected = [
        "CPU uses: c1+20; c1+0; c0+20; c0+0;",
        "CPU stores: drain 0; c1+0;",
    ];
    assert_eq!(moves(Adversary::Aliasing), expected);
}

#[test]
fn the_tearing_one_lets_the_last_piece_of_a_write_arrive_first() {
    let expected = [
        "doorbell of job 1, 2 accesses: job 0; job 0; L2+20; L2+0; c1+20; c1+0; c0+20; land 1; land 0;",
        "device writes: land 2; land 1; land 0;",
    ];
    assert_eq!(moves(Adversary::Tearing), expected);
}

#[test]
fn the_dirtying_one_stores_to_the_cpus_clean_lines_what_they_hold() {
    let expected = [
        "CPU uses: silent 0; silent 10; silent 20; silent 30;",
        "wait for maintenance: silent 10;",
    ];
    assert_eq!(moves(Adversary::Dirtying), expected);
}

#[test]
fn the_rogue_one_leaves_cleaned_lines_marked() {
    let expected = [
        "issue clean of: op 0, and leaves the line marked as dirty; op 0, and leaves the line marked as dirty;",
    ];
    assert_eq!(moves(Adversary::Rogue), expected);
}

#[test]
fn random_ones_make_every_kind_of_move_there_is() {
    let mut missing: HashSet<String> = [
        "drain 0",
        "drain 0, past the cache",
        "op 0",
        "op 1",
        "op 0, as clean and invalidate",
        "op 0, on the whole granule",
        "op 0, and leaves the line marked as dirty",
        "c0+0",
        "L2+20",
        "c0-0",
        "c0-0 spilled",
        "L2-0",
        "c1-0",
        "c0 writes line 0x0 back and keeps it",
        "silent 0",
        "silent 30",
        "land 0",
        "land 1",
        "job 0",
        "to core 1",
        "to core 0",
    ]
    .map(str::to_owned)
    .into();
    for seed in 0..300 {
        for step in moves(Adversary::seeded(seed)) {
            let (_, made) = step.split_once(": ").unwrap();
            for made in made.split_terminator(';') {
                missing.remove(made.trim());
            }
        }
    }
    assert_eq!(missing, HashSet::new());
}

#[test]
fn the_chosen_moves_that_are_possible_are_made_when_they_were_chosen_to_be() {
    let cache = machine(Adversary::Lazy).config().inner_cache(0, 0);
    let timed = |after, line| Timed {
        after,
        step: crate::bench::fill(cache, line),
    };
    // After the first step, the fourth, and one that never comes; of the fourth one is impossible, since the line is dirty.
    let chosen = [timed(3, 2), timed(0, 2), timed(3, 0), timed(99, 2)];
    let expected = ["CPU uses: c0+20;", "issue clean of: c0+20;"];
    assert_eq!(moves(Adversary::Scripted(chosen.into())), expected);
}

#[test]
fn there_is_one_of_each_name_and_as_many_random_ones_as_asked_for() {
    let names: HashSet<_> = Adversary::named().map(|named| named.to_string()).into();
    assert_eq!(names.len(), 14);
    let all: Vec<_> = Adversary::all(3).map(|one| one.to_string()).collect();
    let random = ["random, seed 0", "random, seed 1", "random, seed 2"];
    assert_eq!(all[14..], random);
}
