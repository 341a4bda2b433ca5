//! One line while a program stores to it, cleans it and waits, told once more in the simplest way: the exhaustive search finds
//! as many states and transitions as another does.

use std::collections::HashSet;

use sim::{Cpu, explore, steps::Operation};

use crate::search::{LIMIT, lines};

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Line {
    Absent,
    Clean(u8),
    /// All bytes are stores, or one that changed nothing.
    Dirty(u8, bool),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct State {
    memory: u8,
    line: Line,
    issued: bool,
    fenced: bool,
}

impl State {
    fn cleaned(self) -> Self {
        match self.line {
            Line::Dirty(value, _) => Self {
                memory: value,
                line: Line::Clean(value),
                ..self
            },
            _ => self,
        }
    }

    fn gone(self) -> Self {
        Self {
            line: Line::Absent,
            ..self.cleaned()
        }
    }

    fn executed(self) -> Self {
        Self {
            issued: false,
            fenced: false,
            ..self.cleaned()
        }
    }

    fn moves(self) -> Vec<Self> {
        let mut moves = Vec::new();
        let with = |line| Self { line, ..self };
        let (fills, stores) = (Line::Clean(self.memory), |value| Line::Dirty(value, false));
        match self.line {
            Line::Absent => moves.extend([with(fills), with(stores(self.memory))]),
            Line::Clean(value) => {
                moves.extend([with(fills), with(stores(value)), self.gone()]);
            }
            Line::Dirty(..) => moves.extend([self.cleaned(), self.gone()]),
        }
        if self.issued {
            moves.extend([self.executed(), self.executed().gone()]);
        }
        moves
    }
}

fn steps() -> [fn(State) -> State; 5] {
    [
        |state| state,
        |state| State {
            line: Line::Dirty(1, true),
            fenced: false,
            ..state
        },
        |state| State {
            issued: true,
            fenced: false,
            ..state
        },
        |state| {
            if state.issued {
                state.executed()
            } else {
                state
            }
        },
        State::cleaned,
    ]
}

#[test]
fn another_search_finds_as_many_states_and_transitions() {
    let start = State {
        memory: 0,
        line: Line::Absent,
        issued: false,
        fenced: true,
    };
    let (mut before, mut states, mut transitions) = (vec![start], 0, 0);
    for step in steps() {
        let mut seen = HashSet::new();
        transitions += before.len();
        let mut to_do: Vec<_> = before.into_iter().map(step).collect();
        while let Some(state) = to_do.pop() {
            if seen.insert(state) {
                transitions += state.moves().len();
                to_do.extend(state.moves());
            }
        }
        states += seen.len();
        before = seen.into_iter().collect();
    }

    let explored = explore(&lines(1), LIMIT, |machine| {
        let cpu = Cpu::new(machine);
        cpu.own(0, 16);
        cpu.store(0, &[1; 16]);
        cpu.issue(Operation::Clean, 0, 16);
        cpu.complete();
        Ok(())
    })
    .unwrap();
    assert_eq!(explored.steps, steps().len());
    assert_eq!(
        (explored.states, explored.transitions),
        (states, transitions)
    );
}
