//! Failures: the moves that matter are what is left of them, and they can be made to happen again.

use core::cell::Cell;

use dma_api::{
    DataDirection::{FromDevice, ToDevice},
    Limits, Snooping,
};
use sim::{
    Adversary, Config, Cpu, DmaEngine, Failure, Maintained, Oracle, Outer, Scope, SimMachine, find,
    history::Timed,
    steps::{Move, Operation, Reach},
    trial::{self, Outcome},
};

use crate::bench::{fill, l1, plain};

/// Fails with the third line filled, unless the second is and the first is not.
fn fails_with_the_third_line(machine: &SimMachine) -> Outcome {
    Cpu::new(machine).own(0, 64);
    let moves = machine.history().moves();
    let has = |line| moves.iter().any(|timed| timed.step == fill(l1(), line));
    assert!(!has(2) || (has(1) && !has(0)));
    Ok(())
}

#[test]
fn a_move_that_is_needless_without_one_that_was_left_out_is_left_out_too() {
    let moves = [0, 1, 2].map(|line| Timed {
        after: 0,
        step: fill(l1(), line),
    });
    let adversary = Adversary::Scripted(moves.into());
    let failure = find(&plain(), [adversary], fails_with_the_third_line).unwrap_err();
    assert_eq!(failure.history.moves(), [moves[2]]);
    assert_eq!(
        failure.adversary, "3 chosen moves",
        "the adversary that was tried"
    );
}

type Driver = fn(&SimMachine) -> Outcome;

fn engine(machine: &SimMachine) -> DmaEngine<'_> {
    DmaEngine::new(machine, Limits::UNLIMITED, Snooping::DoesNotSnoop)
}

/// Invalidates before the transfer only.
fn invalidates_too_early(machine: &SimMachine) -> Outcome {
    let cpu = Cpu::new(machine);
    cpu.own(0, 64);
    cpu.store(0, &[1; 64]);
    cpu.done(16, 16);
    cpu.clean(16, 16);
    cpu.invalidate(16, 16);
    cpu.before_doorbell();
    cpu.lend(16, 16, FromDevice);
    engine(machine).write(cpu.dma(16), &[2; 16])?;
    cpu.after_completion();
    cpu.take_back(16, 16);
    assert_eq!(cpu.load(16, 16), [2; 16]);
    Ok(())
}

/// Discards the inner level before the outer one.
fn discards_inner_first(machine: &SimMachine) -> Outcome {
    let cpu = Cpu::new(machine);
    cpu.own(0, 64);
    cpu.done(16, 16);
    cpu.issue(Operation::CleanAndInvalidate, 16, 16);
    cpu.complete();
    cpu.before_doorbell();
    cpu.lend(16, 16, FromDevice);
    engine(machine).write(cpu.dma(16), &[2; 16])?;
    cpu.after_completion();
    for reach in [Reach::Level(0), Reach::Level(1)] {
        cpu.issue_in(reach, Operation::Invalidate, 16, 16);
        cpu.complete_in(reach);
    }
    cpu.take_back(16, 16);
    Ok(())
}

/// Cleans on whichever core the thread is, for a device that reads.
fn cleans_locally(machine: &SimMachine) -> Outcome {
    let cpu = Cpu::new(machine);
    cpu.own(0, 64);
    cpu.store(16, &[1; 16]);
    cpu.done(16, 16);
    cpu.clean(16, 16);
    cpu.before_doorbell();
    cpu.lend(16, 16, ToDevice);
    assert_eq!(engine(machine).read(cpu.dma(16), 16)?, [1; 16]);
    Ok(())
}

/// Forgets the barrier before the doorbell: nobody need do anything.
fn forgets_the_barrier(machine: &SimMachine) -> Outcome {
    let cpu = Cpu::new(machine);
    cpu.own(0, 64);
    cpu.store(16, &[1; 16]);
    cpu.done(16, 16);
    cpu.clean(16, 16);
    cpu.lend(16, 16, ToDevice);
    Ok(())
}

fn two_levels() -> Config {
    Config {
        outer: Some(Outer {
            line: 16,
            granule: 16,
            maintained: Maintained::ByItself,
        }),
        ..plain()
    }
}

fn local_cores() -> Config {
    Config {
        cores: 2,
        scope: Scope::ThisCore,
        ..plain()
    }
}

/// The first failure of more than four moves under a random adversary, and what is left of it.
fn failures(config: &Config, driver: Driver) -> [Box<Failure>; 2] {
    let (long, adversary) = (0..1000)
        .map(Adversary::seeded)
        .find_map(|adversary| {
            let failure = trial::run(config, &adversary, driver).err()?;
            (failure.history.moves().len() > 4).then_some((failure, adversary))
        })
        .unwrap();
    let short = find(config, [adversary], driver).unwrap_err();

    assert_eq!(long.adversary, short.adversary);
    assert_eq!(long.violation.oracle, short.violation.oracle);
    [long, short]
}

/// What is left of that failure.
fn shortened(config: &Config, driver: Driver) -> Box<Failure> {
    let [_, short] = failures(config, driver);
    short
}

fn moves(failure: &Failure) -> Vec<Move> {
    let moves = failure.history.moves();
    moves.into_iter().map(|timed| timed.step).collect()
}

#[test]
fn a_refill_before_the_devices_write_arrives_is_all_that_is_left() {
    let failure = shortened(&plain(), invalidates_too_early);
    assert_eq!(failure.violation.oracle, Oracle::StaleAtHandBack);
    assert_eq!(moves(&failure), [fill(l1(), 1)]);
    // After the line was discarded, before the barrier let the write arrive.
    let after = failure.history.moves()[0].after;
    assert!((6..=9).contains(&after), "{failure}");
}

#[test]
fn both_fills_that_it_takes_are_left_in_their_order() {
    let failure = shortened(&two_levels(), discards_inner_first);
    assert_eq!(failure.violation.oracle, Oracle::StaleAtHandBack);
    assert_eq!(
        moves(&failure),
        [fill(two_levels().outer_cache(), 1), fill(l1(), 1)]
    );
}

#[test]
fn the_move_to_another_core_is_all_that_is_left() {
    let failure = shortened(&local_cores(), cleans_locally);
    assert_eq!(failure.violation.oracle, Oracle::DeviceSeesStale);
    assert_eq!(moves(&failure), [Move::Migrate { core: 1 }]);
    // After the store, before the clean was issued.
    let after = failure.history.moves()[0].after;
    assert!((1..=2).contains(&after), "{failure}");
}

#[test]
fn no_move_is_left_where_none_is_needed() {
    let failure = shortened(&plain(), forgets_the_barrier);
    assert_eq!(failure.violation.oracle, Oracle::MissingBarrier);
    assert_eq!(moves(&failure), []);
}

#[test]
fn no_move_of_a_short_failure_can_be_left_out() {
    for (config, driver) in wrong() {
        let failure = shortened(&config, driver);
        let moves = failure.history.moves();
        for without in 0..moves.len() {
            let mut fewer = moves.clone();
            fewer.remove(without);
            let adversary = Adversary::Scripted(fewer.into());
            assert!(trial::run(&config, &adversary, driver).is_ok(), "{failure}");
        }
    }
}

fn wrong() -> [(Config, Driver); 4] {
    [
        (plain(), invalidates_too_early),
        (two_levels(), discards_inner_first),
        (local_cores(), cleans_locally),
        (plain(), forgets_the_barrier),
    ]
}

#[test]
fn what_happened_can_be_made_to_happen_again() {
    for (config, driver) in wrong() {
        for failure in failures(&config, driver) {
            // From its history alone, and by a run with the same moves.
            assert_eq!(
                failure.history.violation().as_ref(),
                Some(&failure.violation)
            );
            let moves: Vec<Timed> = failure.history.moves();
            let adversary = Adversary::Scripted(moves.into());
            let again = trial::run(&config, &adversary, driver).unwrap_err();
            assert_eq!(again.violation, failure.violation);
            assert_eq!(again.history.entries(), failure.history.entries());
        }
    }
}

#[test]
fn the_same_seed_does_the_same_twice_and_another_something_else() {
    let history = |seed| {
        let machine = SimMachine::new(two_levels().under(Adversary::seeded(seed))).unwrap();
        let cpu = Cpu::new(&machine);
        cpu.own(0, 64);
        cpu.store(0, &[1; 64]);
        cpu.clean(0, 64);
        assert_eq!(
            machine.verdict().map_err(|failure| failure.violation),
            Ok(())
        );
        machine.history().entries().to_vec()
    };
    let histories: Vec<_> = (0..10).map(history).collect();
    for (seed, once) in (0..10).zip(&histories) {
        assert_eq!(history(seed), *once);
    }
    assert_ne!(histories[0], histories[1]);
}

#[test]
fn adversaries_are_tried_in_order_and_counted() {
    let seen = Cell::new(0);
    let tried = find(&plain(), Adversary::all(3), |_| {
        seen.set(seen.get() + 1);
        Ok(())
    });
    let named = Adversary::named().len();
    assert_eq!((tried.unwrap(), seen.get()), (named + 3, named + 3));
}

#[test]
fn a_drivers_own_failure_is_told_with_its_words() {
    let failing: [(Driver, &str); 3] = [
        (|_| Err("no buffer".into()), "no buffer"),
        (|_| panic!("out of {}", "luck"), "out of luck"),
        (|_| panic!("plainly"), "plainly"),
    ];
    for (driver, words) in failing {
        let failure = trial::run(&plain(), &Adversary::Lazy, driver).unwrap_err();
        let violation = &failure.violation;
        assert_eq!(violation.oracle, Oracle::DriverFailed);
        assert_eq!(
            (violation.detail.as_str(), violation.bytes.clone()),
            (words, 0..0)
        );
        // The machine's own end is a step.
        assert_eq!((violation.step, violation.values), (1, None));
    }
}

#[test]
fn what_the_machine_found_wrong_is_told_rather_than_what_the_driver_made_of_it() {
    let failure = trial::run(&plain(), &Adversary::Lazy, |machine| {
        forgets_the_barrier(machine)?;
        panic!("and then the driver noticed");
    });
    let oracle = failure.unwrap_err().violation.oracle;
    assert_eq!(oracle, Oracle::MissingBarrier);
}

#[test]
#[should_panic(expected = "V9: a barrier is missing")]
fn a_check_panics_with_what_is_wrong() {
    sim::check(&plain(), forgets_the_barrier);
}

#[test]
fn a_check_of_what_is_right_runs_it_under_every_adversary() {
    let runs = Cell::new(0);
    sim::check(&plain(), |machine| {
        runs.set(runs.get() + 1);
        let cpu = Cpu::new(machine);
        cpu.own(0, 16);
        cpu.store(0, &[1; 16]);
        assert_eq!(cpu.load(0, 16), [1; 16]);
        Ok(())
    });
    let all = Adversary::named().len() as u64 + trial::SEEDS;
    assert_eq!(runs.get(), all);
}
