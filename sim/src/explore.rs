//! Every schedule of a small machine: all states that the hardware's moves can bring about between the steps of a program.

use std::collections::{HashSet, VecDeque};

use crate::{
    config::Config,
    history::{Entry, History, advance},
    machine::{Failure, SimMachine},
    state::State,
    steps::Move,
    trial::{Explored, Outcome, recorded},
};

/// A state that was reached, and how: by the next step, or by a move, from another.
struct Reached {
    from: Option<usize>,
    by: Option<Move>,
}

/// Runs a driver's test once, then lets the hardware make every move that it can make between any two of its steps, in
/// every order, and judges every state that this leads to. A state that was seen before at the same step is not
/// looked at again.
///
/// The steps must not depend on what the program reads, as those of a transfer do not. The machine should be small: two to
/// four lines for each cache. Of failures it finds one with the fewest moves after the earliest step.
///
/// # Errors
/// What was found wrong, with the shortest history that leads to it.
///
/// # Panics
/// If there are more than `limit` states: a search that is not complete proves nothing.
pub fn explore(
    config: &Config,
    limit: usize,
    driver: impl Fn(&SimMachine) -> Outcome,
) -> Result<Explored, Box<Failure>> {
    let program = recorded(config, driver)?;
    let steps = program.steps();
    let mut reached = vec![Reached {
        from: None,
        by: None,
    }];
    let mut transitions = 0;
    let mut states = vec![(program.start(), 0)];

    for step in &steps {
        let entry = Entry::Step(step.clone());
        let mut seen = HashSet::new();
        let mut queue = VecDeque::new();
        for (mut state, index) in states {
            transitions += 1;
            advance(&mut state, &entry);
            reached.push(Reached {
                from: Some(index),
                by: None,
            });
            let index = reached.len() - 1;
            judge(config, &program, &steps, &reached, index, &state)?;
            if seen.insert(state.fingerprint()) {
                queue.push_back((state, index));
            }
        }

        states = Vec::new();
        while let Some((state, index)) = queue.pop_front() {
            for next in state.possible() {
                transitions += 1;
                let mut state = state.clone();
                advance(&mut state, &Entry::Move(next));
                if state.found.is_none() && !seen.insert(state.fingerprint()) {
                    continue;
                }
                reached.push(Reached {
                    from: Some(index),
                    by: Some(next),
                });
                let index = reached.len() - 1;
                judge(config, &program, &steps, &reached, index, &state)?;
                queue.push_back((state, index));
            }
            states.push((state, index));
            let found = reached.len();
            assert!(found <= limit, "{}: more than {limit} states", config.name);
        }
    }
    Ok(Explored {
        steps: steps.len(),
        states: reached.len(),
        transitions,
    })
}

/// Stops the search if something is wrong in the state.
fn judge(
    config: &Config,
    program: &History,
    steps: &[crate::steps::Step],
    reached: &[Reached],
    index: usize,
    state: &State,
) -> Result<(), Box<Failure>> {
    let Some(violation) = state.found.clone() else {
        return Ok(());
    };
    let mut path = Vec::new();
    let mut at = Some(index);
    while let Some(index) = at {
        let Reached { from, by } = &reached[index];
        if from.is_some() {
            path.push(*by);
        }
        at = *from;
    }
    let mut steps = steps.iter();
    let entries = path.into_iter().rev().filter_map(|by| match by {
        Some(step) => Some(Entry::Move(step)),
        None => steps.next().cloned().map(Entry::Step),
    });
    let history = History {
        entries: entries.collect(),
        ..program.clone()
    };
    Err(Box::new(Failure {
        machine: config.name,
        adversary: "exhaustive search".to_owned(),
        violation,
        history,
    }))
}
