//! A machine that runs: each step of the program, the moves that the adversary makes after it, and what is found wrong.

use std::{
    ptr::NonNull,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use dma_api::Error;

use crate::{
    adversary::{Adversary, Hardware},
    config::{Config, Start},
    history::{Entry, History},
    layout::Mapping,
    state::{Line, State},
    steps::{Operation, Reach, Step},
    views::View,
    violation::Violation,
};

/// How often each thing happened that the program asked for, whatever the adversary made of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepCounts {
    /// Lines cleaned.
    pub cleaned: usize,
    /// Lines invalidated.
    pub invalidated: usize,
    /// Lines cleaned and invalidated.
    pub cleaned_and_invalidated: usize,
    /// Of all those, lines of which no cache held anything that the operation could have changed when it was issued (V13: what
    /// may cost time for nothing).
    pub redundant: usize,
    /// Completion barriers.
    pub completions: usize,
    /// Barriers before a doorbell.
    pub doorbells: usize,
    /// Barriers after a completion.
    pub hand_backs: usize,
}

/// The machine behind its lock, shared by all its parts.
#[derive(Clone, Debug)]
pub(crate) struct Shared(Arc<Mutex<Live>>);

#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) state: State,
    pub(crate) views: Vec<View>,
    pub(crate) counts: StepCounts,
    pub(crate) jobs: usize,
    adversary: Adversary,
    history: History,
    records: bool,
    over: bool,
}

impl Shared {
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let layout = config.layout()?;
        let dirty = config.start == Start::Dirty;
        let mut views: Vec<View> = (0..layout.colours)
            .map(|colour| View::new(Mapping::Cached(colour), layout.len))
            .collect();
        if layout.uncached_alias {
            views.push(View::new(Mapping::Uncached, layout.len));
        }
        let mut live = Live {
            history: History::new(layout.clone(), dirty),
            state: State::new(layout, dirty),
            views,
            counts: StepCounts::default(),
            jobs: 0,
            adversary: config.adversary.clone(),
            records: config.records,
            over: false,
        };
        live.show();
        Ok(Self(Arc::new(Mutex::new(live))))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Live> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Executes a step of the program or of a device.
    pub(crate) fn take(&self, step: Step) {
        self.lock().take(step);
    }
}

impl Live {
    /// Executes a step, after the stores that came before it; the adversary moves after both.
    pub(crate) fn take(&mut self, step: Step) {
        self.take_and_look(step, |_| ());
    }

    /// The same; what is looked at is the machine after the step, before the adversary moves.
    pub(crate) fn take_and_look<T>(&mut self, step: Step, look: impl FnOnce(&State) -> T) -> T {
        // An allocator's zeros over zeros are not seen as stores: nothing happens before it has said that they are there.
        match step {
            Step::Allocate { .. } => self.absorb_quietly(),
            _ => self.absorb(),
        }
        self.count(&step);
        let seen = self.go(step, look);
        self.show();
        seen
    }

    /// Turns what the program has stored to its memory since the last step into steps.
    pub(crate) fn absorb(&mut self) {
        let mut stores = self.stores();
        let last = stores.pop();
        stores.into_iter().for_each(|store| self.pass(store));
        if let Some(store) = last {
            self.go(store, |_| ());
        }
    }

    /// The same, and the adversary makes no move.
    fn absorb_quietly(&mut self) {
        for store in self.stores() {
            self.pass(store);
        }
    }

    fn stores(&self) -> Vec<Step> {
        let line = self.state.layout.line;
        let mut stores = Vec::new();
        for view in &self.views {
            let mapping = view.mapping;
            let runs = view.stored(line).into_iter();
            stores.extend(runs.map(|run| Step::Store {
                mapping,
                at: run.at,
                bytes: run.bytes,
            }));
        }
        stores
    }

    /// Executes a step after which the adversary makes no move.
    fn pass(&mut self, step: Step) {
        self.state.take(&step);
        self.state.step += 1;
        self.record(Entry::Step(step));
    }

    fn go<T>(&mut self, step: Step, look: impl FnOnce(&State) -> T) -> T {
        self.state.take(&step);
        self.state.judge();
        self.state.step += 1;
        self.record(Entry::Step(step.clone()));
        let seen = look(&self.state);

        let mut made = Vec::new();
        let mut hardware = Hardware {
            state: &mut self.state,
            made: &mut made,
        };
        self.adversary.act(&mut hardware, &step);
        self.state.judge();
        made.into_iter()
            .for_each(|step| self.record(Entry::Move(step)));
        seen
    }

    fn record(&mut self, entry: Entry) {
        if self.records {
            self.history.entries.push(entry);
        }
    }

    /// Makes the views show what loads would give.
    fn show(&mut self) {
        let state = &self.state;
        for view in &mut self.views {
            let mapping = view.mapping;
            view.show(|shown| state.look(mapping, shown));
        }
    }

    fn count(&mut self, step: &Step) {
        let counts = &mut self.counts;
        match step {
            Step::Issue {
                operation, at, len, ..
            } => {
                let lines = self.state.layout.lines_of(&(*at..at + len));
                let number = lines.len();
                match operation {
                    Operation::Clean => counts.cleaned += number,
                    Operation::Invalidate => counts.invalidated += number,
                    Operation::CleanAndInvalidate => counts.cleaned_and_invalidated += number,
                }
                let changes = |line: &usize| {
                    let mut caches = self.state.layout.cache_ids();
                    caches.any(|cache| match self.state.line(cache, *line) {
                        Line::Absent => false,
                        Line::Clean => *operation != Operation::Clean,
                        Line::Dirty => true,
                    })
                };
                counts.redundant += number - lines.filter(changes).count();
            }
            Step::Complete(Reach::Memory | Reach::Level(_)) => counts.completions += 1,
            Step::BeforeDoorbell => counts.doorbells += 1,
            Step::AfterCompletion => counts.hand_backs += 1,
            _ => {}
        }
    }

    /// Where a pointer of the program leads.
    pub(crate) fn locate(&self, pointer: NonNull<u8>) -> Option<(Mapping, usize)> {
        let found = |view: &View| Some((view.mapping, view.offset(pointer)?));
        self.views.iter().find_map(found)
    }

    /// What happened so far; what the program has stored since the last step is part of it.
    pub(crate) fn history(&mut self) -> History {
        self.absorb();
        self.show();
        self.history.clone()
    }

    pub(crate) fn adversary(&self) -> &Adversary {
        &self.adversary
    }

    /// Ends the run, once: what was found wrong.
    pub(crate) fn conclude(&mut self) -> Option<Violation> {
        if self.over {
            return None;
        }
        if self.state.found.is_none() {
            self.take(Step::Finish);
        }
        self.over = true;
        self.state.found.clone()
    }
}
