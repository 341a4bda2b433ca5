//! Every schedule of a small machine: all states that the hardware's moves can bring about between the steps of a program.

use std::collections::{HashSet, VecDeque};

use crate::{
    config::Config,
    history::{Entry, History, advance},
    machine::{Failure, SimMachine},
    state::State,
    steps::{Move, Step},
    trial::{Explored, Outcome, recorded},
};

/// A state that was reached, and how: by the next step, or by a move, from another.
struct Reached {
    from: Option<usize>,
    by: Option<Move>,
    /// How many moves led to it in all.
    moves: usize,
}

/// Runs a driver's test once, then lets the hardware make every move that it can make between any two of its steps, in
/// every order, and judges every state that this leads to. A state that was seen before at the same step is not
/// looked at again.
///
/// The steps must not depend on what the program reads, as those of a transfer do not. The machine should be small: two to
/// four lines for each cache. Of failures it finds one at the earliest step at which there is any, with the fewest moves.
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
    let mut search = Search {
        config,
        program: &program,
        steps: &steps,
        reached: Vec::new(),
        limit,
    };
    let mut transitions = 0;
    let mut states = vec![(program.start(), None)];

    for step in &steps {
        let entry = Entry::Step(step.clone());
        let mut seen = HashSet::new();
        // States before the step, and states after it that moves led to. Whichever took fewer moves comes first.
        let mut before = VecDeque::from(states);
        let mut after = VecDeque::new();
        states = Vec::new();
        loop {
            let moves = before.front().map(|(_, from)| search.moves(*from));
            let others = after.front().map(|(_, index)| search.moves(Some(*index)));
            let (state, index) = if moves.is_some_and(|moves| others.is_none_or(|n| moves <= n)) {
                let Some((mut state, from)) = before.pop_front() else {
                    break;
                };
                transitions += 1;
                advance(&mut state, &entry);
                if state.found.is_none() && !seen.insert(state.fingerprint()) {
                    continue;
                }
                let index = search.reach(from, None, &state)?;
                (state, index)
            } else {
                let Some(reached) = after.pop_front() else {
                    break;
                };
                reached
            };

            for next in state.possible() {
                transitions += 1;
                let mut state = state.clone();
                advance(&mut state, &Entry::Move(next));
                if state.found.is_none() && !seen.insert(state.fingerprint()) {
                    continue;
                }
                let index = search.reach(Some(index), Some(next), &state)?;
                after.push_back((state, index));
            }
            states.push((state, Some(index)));
        }
    }
    Ok(Explored {
        steps: steps.len(),
        states: search.reached.len(),
        transitions,
    })
}

struct Search<'s> {
    config: &'s Config,
    program: &'s History,
    steps: &'s [Step],
    reached: Vec<Reached>,
    limit: usize,
}

impl Search<'_> {
    /// How many moves led to a state; to that before the first step none did.
    fn moves(&self, index: Option<usize>) -> usize {
        index.map_or(0, |index| self.reached[index].moves)
    }

    /// Notes a state that was not seen before, and stops the search if something is wrong in it.
    fn reach(
        &mut self,
        from: Option<usize>,
        by: Option<Move>,
        state: &State,
    ) -> Result<usize, Box<Failure>> {
        let (name, limit) = (self.config.name, self.limit);
        let moves = self.moves(from) + usize::from(by.is_some());
        self.reached.push(Reached { from, by, moves });
        assert!(
            self.reached.len() <= limit,
            "{name}: more than {limit} states"
        );
        let index = self.reached.len() - 1;
        match state.found.clone() {
            None => Ok(index),
            Some(violation) => Err(Box::new(Failure {
                machine: name,
                adversary: "exhaustive search".to_owned(),
                violation,
                history: self.history(index),
            })),
        }
    }

    /// What led to a state.
    fn history(&self, index: usize) -> History {
        let mut path = Vec::new();
        let mut at = Some(index);
        while let Some(index) = at {
            let Reached { from, by, .. } = &self.reached[index];
            path.push(*by);
            at = *from;
        }
        let mut steps = self.steps.iter();
        let entries = path.into_iter().rev().filter_map(|by| match by {
            Some(step) => Some(Entry::Move(step)),
            None => steps.next().cloned().map(Entry::Step),
        });
        History {
            entries: entries.collect(),
            ..self.program.clone()
        }
    }
}
