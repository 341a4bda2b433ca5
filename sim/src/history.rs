//! What happened on a machine, in order: enough to let it happen again.

use std::fmt;

use crate::{
    layout::Layout,
    state::State,
    steps::{Move, Step},
    violation::Violation,
};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Entry {
    /// The program or a device did it.
    Step(Step),
    /// The hardware did it by itself.
    Move(Move),
}

/// A move, and the number of the step it was made after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timed {
    /// The step's number, from 0.
    pub after: usize,
    /// The move.
    pub step: Move,
}

/// Everything that happened on a machine, from its start on.
#[derive(Clone, Debug)]
pub struct History {
    pub(crate) layout: Layout,
    pub(crate) dirty: bool,
    pub(crate) entries: Vec<Entry>,
}

impl History {
    pub(crate) fn new(layout: Layout, dirty: bool) -> Self {
        Self {
            layout,
            dirty,
            entries: Vec::new(),
        }
    }

    /// What happened, in order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The steps alone: the program.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let steps = self.entries.iter().filter_map(|entry| match entry {
            Entry::Step(step) => Some(step.clone()),
            Entry::Move(_) => None,
        });
        steps.collect()
    }

    /// The moves alone, each with the step it came after: what [`Adversary::Scripted`](crate::Adversary::Scripted) makes
    /// again.
    #[must_use]
    pub fn moves(&self) -> Vec<Timed> {
        let mut steps: usize = 0;
        let mut moves = Vec::new();
        for entry in &self.entries {
            match entry {
                Entry::Step(_) => steps += 1,
                Entry::Move(step) => moves.push(Timed {
                    after: steps.saturating_sub(1),
                    step: *step,
                }),
            }
        }
        moves
    }

    /// The machine before the first entry.
    pub(crate) fn start(&self) -> State {
        State::new(self.layout.clone(), self.dirty)
    }

    /// Lets everything happen again, and calls `look` after each entry with its index.
    pub(crate) fn replay(&self, mut look: impl FnMut(usize, &Entry, &State)) -> State {
        let mut state = self.start();
        for (index, entry) in self.entries.iter().enumerate() {
            advance(&mut state, entry);
            look(index, entry, &state);
        }
        state
    }

    /// What is wrong, found by letting it happen again.
    #[must_use]
    pub fn violation(&self) -> Option<Violation> {
        self.replay(|_, _, _| ()).found
    }

    /// What an entry says.
    #[must_use]
    pub fn describe(&self, entry: &Entry) -> String {
        match entry {
            Entry::Step(step) => step.to_string(),
            Entry::Move(step) => {
                step.describe(|cache| self.layout.cache_name(cache), self.layout.line)
            }
        }
    }
}

/// Lets one thing happen, and judges.
pub(crate) fn advance(state: &mut State, entry: &Entry) {
    match entry {
        Entry::Step(step) => {
            state.take(step);
            state.judge();
            state.step += 1;
        }
        Entry::Move(step) => {
            if state.allows(step) {
                state.make(step);
                state.judge();
            }
        }
    }
}

/// One line for each entry; steps are numbered, moves are indented.
impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut number = 0;
        for entry in &self.entries {
            let text = self.describe(entry);
            match entry {
                Entry::Step(_) => {
                    writeln!(f, "{number:4}  {text}")?;
                    number += 1;
                }
                Entry::Move(_) => writeln!(f, "          ~ {text}")?,
            }
        }
        Ok(())
    }
}
