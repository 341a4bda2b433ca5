//! The exhaustive search: it visits every state there is, no other, and finds the shortest way to what is wrong.

use dma_api::{DataDirection::FromDevice, Limits, Snooping};
use sim::{
    Config, Cpu, DmaEngine, Maintained, Oracle, Outer, SimMachine, explore,
    layout::Mapping,
    steps::{Move, Operation, Reach},
    trial::Outcome,
};

use crate::bench::{fill, l1, plain};

/// A machine of so many lines and nothing else.
pub(crate) fn lines(count: usize) -> Config {
    Config {
        cached_len: count * 16,
        unit: 16,
        ..plain()
    }
}

pub(crate) const LIMIT: usize = 100_000;

#[test]
fn a_line_of_the_cpus_own_is_absent_clean_or_dirty() {
    let explored = explore(&lines(1), LIMIT, |machine| {
        Cpu::new(machine).own(0, 16);
        Ok(())
    })
    .unwrap();
    // From absent a fill or a silent store; from clean an eviction, a fill, a silent store; from dirty an eviction, a
    // write-back: seven moves between three states after each of two steps, and 1 and 3 ways to take a step.
    assert_eq!(explored.to_string(), "2 steps, 6 states, 18 transitions");
}

#[test]
fn lines_are_independent_of_one_another() {
    let explored = explore(&lines(2), LIMIT, |machine| {
        Cpu::new(machine).own(0, 32);
        Ok(())
    })
    .unwrap();
    // Three states for each line; seven moves of one in each of the three of the other.
    let (states, moves) = (3 * 3, 2 * 3 * 7);
    assert_eq!((explored.steps, explored.states), (2, 2 * states));
    assert_eq!(explored.transitions, 1 + moves + states + moves);
}

#[test]
fn a_device_that_was_started_writes_when_it_likes_and_its_pieces_arrive_in_any_order() {
    let config = Config {
        line: 32,
        granule: 32,
        fills_speculatively: false,
        cached_len: 32,
        unit: 32,
        ..plain()
    };
    let explored = explore(&config, LIMIT, |machine| {
        let cpu = Cpu::new(machine);
        cpu.share(0, 32);
        let engine = DmaEngine::new(machine, Limits::UNLIMITED, Snooping::DoesNotSnoop);
        let write = sim::Task::Write(cpu.dma(0), vec![1; 32]);
        let _started = engine.start(&[write])?;
        Ok(())
    })
    .unwrap();
    // Not started; not written, or written with each half under way or arrived; at the end all has.
    assert_eq!((explored.steps, explored.states), (3, 1 + (1 + 4) + 1));
    assert_eq!(explored.transitions, 1 + (1 + 1 + 4) + 5);
}

#[test]
fn as_many_states_as_the_limit_are_searched() {
    let six = explore(&lines(1), 6, |machine| {
        Cpu::new(machine).own(0, 16);
        Ok(())
    });
    assert_eq!(six.unwrap().states, 6);
}

#[test]
#[should_panic(expected = "bench: more than 5 states")]
fn more_states_than_the_limit_are_refused() {
    let _ = explore(&lines(1), 5, |machine| {
        Cpu::new(machine).own(0, 16);
        Ok(())
    });
}

#[test]
#[should_panic(expected = "the driver's test fails by itself")]
fn a_driver_that_fails_by_itself_is_not_searched() {
    let _ = explore(&lines(1), LIMIT, |_| Err("no".into()));
}

/// The CPU has lines 0 and 1; line 0 goes to a device that writes it. Lines are discarded before the transfer; after it by
/// `afterwards`.
fn transfer(machine: &SimMachine, reaches: &[Reach], afterwards: &[Reach]) -> Outcome {
    let cpu = Cpu::new(machine);
    let discard = |reach| {
        cpu.issue_in(reach, Operation::Invalidate, 0, 16);
        cpu.complete_in(reach);
    };
    cpu.own(0, 32);
    cpu.done(0, 16);
    cpu.issue(Operation::CleanAndInvalidate, 0, 16);
    cpu.complete();
    reaches.iter().copied().for_each(discard);
    cpu.before_doorbell();
    cpu.lend(0, 16, FromDevice);
    let engine = DmaEngine::new(machine, Limits::UNLIMITED, Snooping::DoesNotSnoop);
    engine.write(cpu.dma(0), &[1; 16])?;
    cpu.after_completion();
    afterwards.iter().copied().for_each(discard);
    cpu.take_back(0, 16);
    Ok(())
}

#[test]
fn a_single_move_is_found_where_a_single_move_is_enough() {
    let failure = explore(&lines(2), LIMIT, |machine| transfer(machine, &[], &[])).unwrap_err();

    assert_eq!(failure.violation.oracle, Oracle::StaleAtHandBack);
    assert_eq!(failure.adversary, "exhaustive search");
    let moves: Vec<Move> = moves(&failure);
    assert_eq!(moves, [fill(l1(), 0)]);
    assert_eq!(failure.history.violation(), Some(failure.violation));
    let right = explore(&lines(2), LIMIT, |machine| {
        transfer(machine, &[], &[Reach::Memory])
    });
    assert!(right.is_ok());
}

fn moves(failure: &sim::Failure) -> Vec<Move> {
    let moves = failure.history.moves();
    moves.into_iter().map(|timed| timed.step).collect()
}

#[test]
fn two_moves_at_different_steps_are_found_where_two_are_needed() {
    let config = Config {
        outer: Some(Outer {
            line: 16,
            granule: 16,
            maintained: Maintained::ByItself,
        }),
        ..lines(2)
    };
    let (inner, outer) = (Reach::Level(0), Reach::Level(1));
    let wrong = explore(&config, LIMIT, |machine| {
        transfer(machine, &[], &[inner, outer])
    });
    let failure = wrong.unwrap_err();
    // The outer level takes the old line in; the inner one takes it from there after it was discarded.
    assert_eq!(
        moves(&failure),
        [fill(config.outer_cache(), 0), fill(l1(), 0)]
    );
    assert_eq!(failure.violation.detail, "in L1");

    let right = explore(&config, LIMIT, |machine| {
        transfer(machine, &[], &[outer, inner])
    });
    assert!(right.is_ok());
}

#[test]
fn a_failure_of_one_early_move_is_found_before_one_of_two_late_moves() {
    // The first line is dirty at two colours, which does harm when both leave in the wrong order. The second goes wrong if it
    // is filled before a device's write arrives. Neither is judged before the program says that the bytes are its own.
    let config = Config {
        colours: 2,
        ..lines(2)
    };
    let driver = |first: bool, second: bool| {
        move |machine: &SimMachine| {
            let cpu = Cpu::new(machine).by(Mapping::Cached(1));
            Cpu::new(machine).store(0, &[2; 16]);
            cpu.store(0, &[1; 16]);
            let engine = DmaEngine::new(machine, Limits::UNLIMITED, Snooping::DoesNotSnoop);
            engine.write(cpu.dma(16), &[7; 16])?;
            cpu.after_completion();
            if first {
                cpu.own(0, 16);
            }
            if second {
                cpu.own(16, 16);
            }
            Ok(())
        }
    };
    let found = |first, second| explore(&config, LIMIT, driver(first, second)).unwrap_err();

    let late = moves(&found(true, false));
    assert_eq!(late.len(), 2, "{late:?}");
    let early = [fill(config.inner_cache(0, 1), 1)];
    assert_eq!(moves(&found(false, true)), early);
    let both = explore(&config, LIMIT, |machine| {
        driver(false, false)(machine)?;
        Cpu::new(machine).by(Mapping::Cached(1)).own(0, 32);
        Ok(())
    });
    assert_eq!(moves(&both.unwrap_err()), early);
}
