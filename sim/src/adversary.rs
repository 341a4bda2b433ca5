//! What the hardware does of its own accord, chosen by a policy and reproducible.

use std::{fmt, sync::Arc};

use crate::{
    history::Timed,
    layout::CacheId,
    state::{Line, State},
    steps::{Access, Move, Operation, Step},
};

/// A policy for the moves that the hardware makes after each step. Each named one is the worst for one kind of mistake.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Adversary {
    /// Never moves: nothing happens that was not asked for. Finds what should have been asked for.
    Lazy,
    /// Fills every line that is in no cache, at once. Finds what relies on a line's staying away: a missing invalidate after
    /// a transfer.
    Hoarding,
    /// Does everything at once: stores and device writes arrive, maintenance takes effect, dirty lines leave and come back.
    /// Finds what relies on something's staying as it is.
    Eager,
    /// Writes every dirty line back and lets it go, at once. Finds who relies on a dirty line's staying.
    Evicting,
    /// Writes every dirty line back after each write of a device, which has arrived by then. Finds a missing clean before a
    /// transfer, and lines that are shared with the CPU's data.
    EvictingAfterWrites,
    /// Device writes arrive as late as they may, and lines are filled before they do. Finds a missing or misplaced barrier
    /// after the completion.
    LatePosted,
    /// Maintenance and evictions take whole granules. Finds who aligns to lines only.
    BigGranule,
    /// Executes every clean and every invalidate as both. Finds who relies on what is left in a cache or discarded.
    Upgrading,
    /// Spills dirty inner lines into the outer level and refills the inner one from there, between any two operations. Finds
    /// levels that are maintained in the wrong order.
    TwoLevelRefill,
    /// Moves the thread to another core after each step. Finds maintenance that reaches one core only.
    Migrating,
    /// Fills lines at every colour. Finds maintenance by the wrong alias.
    Aliasing,
    /// Lets device writes arrive in reverse order, and fills lines in between. Finds who takes a part for the whole.
    Tearing,
    /// Stores to the CPU's own lines what they hold already. Finds who believes that unchanged lines are clean.
    Dirtying,
    /// Leaves cleaned lines marked as dirty, on a machine that has that erratum.
    Rogue,
    /// Makes each move that is possible with a chance of one in eight or less. Finds what the others find and what a single move
    /// spoils, each with some of its seeds.
    Random(u64, fastrand::Rng),
    /// Makes these moves, where they are possible, and no others.
    Scripted(Arc<[Timed]>),
}

impl Adversary {
    /// The random adversary with this seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::Random(seed, fastrand::Rng::with_seed(seed))
    }

    /// All that have a name.
    #[must_use]
    pub fn named() -> [Self; 14] {
        [
            Self::Lazy,
            Self::Hoarding,
            Self::Eager,
            Self::Evicting,
            Self::EvictingAfterWrites,
            Self::LatePosted,
            Self::BigGranule,
            Self::Upgrading,
            Self::TwoLevelRefill,
            Self::Migrating,
            Self::Aliasing,
            Self::Tearing,
            Self::Dirtying,
            Self::Rogue,
        ]
    }

    /// The named ones and `seeds` random ones: what a test runs its scenario under.
    pub fn all(seeds: u64) -> impl Iterator<Item = Self> {
        Self::named()
            .into_iter()
            .chain((0..seeds).map(Self::seeded))
    }

    /// Makes its moves after `last`.
    pub(crate) fn act(&mut self, hardware: &mut Hardware<'_>, last: &Step) {
        match self {
            Self::Lazy => {}
            Self::Hoarding => hardware.fill_absent(|_| true),
            Self::Eager => {
                hardware.drain();
                hardware.execute(false, false, false);
                hardware.land();
                hardware.evict(|_| true);
                hardware.fill_absent(|_| true);
            }
            Self::Evicting => {
                hardware.drain();
                hardware.evict(|_| true);
            }
            Self::EvictingAfterWrites => {
                hardware.go_on();
                if is_write(last) || !hardware.state.posted.is_empty() {
                    hardware.drain();
                    hardware.land();
                    hardware.evict(|_| true);
                }
            }
            Self::LatePosted => {
                hardware.go_on();
                if is_write(last) || !hardware.state.posted.is_empty() {
                    hardware.fill_absent(|_| true);
                }
            }
            Self::BigGranule => {
                hardware.drain();
                hardware.execute(false, true, false);
                hardware.evict(|_| true);
            }
            Self::Upgrading => hardware.execute(true, false, false),
            Self::TwoLevelRefill => {
                hardware.drain();
                hardware.spill();
                hardware.fill_absent(|level| level == 0);
            }
            Self::Migrating => {
                let core = (hardware.state.core + 1) % hardware.state.layout.cores;
                hardware.fill_absent(|_| true);
                hardware.make(Move::Migrate { core });
            }
            Self::Aliasing => {
                hardware.drain();
                hardware.fill_absent(|level| level == 0);
            }
            Self::Tearing => {
                hardware.go_on();
                while !hardware.state.posted.is_empty() {
                    hardware.fill_absent(|_| true);
                    let mut last = (0..hardware.state.posted.len()).rev();
                    last.any(|index| hardware.make(Move::Land { index }));
                }
            }
            Self::Dirtying => hardware.dirty(),
            Self::Rogue => hardware.execute(false, false, true),
            Self::Random(_, rng) => at_random(hardware, rng),
            Self::Scripted(moves) => {
                let now = hardware.state.step.saturating_sub(1);
                for timed in moves.clone().iter().filter(|timed| timed.after == now) {
                    hardware.make(timed.step);
                }
            }
        }
    }
}

impl fmt::Display for Adversary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random(seed, _) => write!(f, "random, seed {seed}"),
            Self::Scripted(moves) => write!(f, "{} chosen moves", moves.len()),
            named => write!(f, "{named:?}"),
        }
    }
}

fn is_write(step: &Step) -> bool {
    matches!(
        step,
        Step::Device {
            access: Access::Write { .. },
            ..
        }
    )
}

/// The machine as an adversary has it.
pub(crate) struct Hardware<'s> {
    pub(crate) state: &'s mut State,
    pub(crate) made: &'s mut Vec<Move>,
}

impl Hardware<'_> {
    /// Makes a move if it is possible, and says whether it was.
    fn make(&mut self, step: Move) -> bool {
        let possible = self.state.allows(&step);
        if possible {
            self.state.make(&step);
            self.made.push(step);
        }
        possible
    }

    fn drain(&mut self) {
        for core in 0..self.state.layout.cores {
            while self.make(Move::Drain {
                core,
                around: false,
            }) {}
        }
    }

    fn land(&mut self) {
        while self.make(Move::Land { index: 0 }) {}
    }

    /// Devices that were started do all they were told to.
    fn go_on(&mut self) {
        while self.make(Move::Access { index: 0 }) {}
    }

    fn execute(&mut self, upgraded: bool, whole: bool, rogue: bool) {
        while let Some(issued) = self.state.issued.first() {
            let step = Move::Execute {
                index: 0,
                upgraded: upgraded && issued.operation != Operation::CleanAndInvalidate,
                whole: whole && self.state.layout.granule > self.state.layout.line,
                rogue: rogue
                    && self.state.layout.rogue_dirty
                    && issued.operation == Operation::Clean,
            };
            if !self.make(step) {
                return;
            }
        }
    }

    fn granules(&self, level: impl Fn(usize) -> bool) -> Vec<(CacheId, usize)> {
        let layout = &self.state.layout;
        let caches = layout
            .cache_ids()
            .filter(|cache| level(layout.caches[cache.0].level));
        caches
            .flat_map(|cache| layout.granules(cache).map(move |line| (cache, line)))
            .collect()
    }

    /// Fills what is in no cache, the outer level first. What is held, old or not, stays.
    fn fill_absent(&mut self, level: impl Fn(usize) -> bool) {
        for (cache, line) in self.granules(level).into_iter().rev() {
            let mut lines = self.state.layout.granule_lines(cache, line);
            if lines.any(|line| self.state.line(cache, line) == Line::Absent) {
                self.make(Move::Fill { cache, line });
            }
        }
    }

    /// Lets all dirty granules go, the inner ones first.
    fn evict(&mut self, level: impl Fn(usize) -> bool) {
        for (cache, line) in self.granules(level) {
            if self.state.is_dirty(cache, line) {
                self.make(Move::Evict {
                    cache,
                    line,
                    allocate: false,
                });
            }
        }
    }

    /// Lets dirty inner granules go into the outer level.
    fn spill(&mut self) {
        for (cache, line) in self.granules(|level| level == 0) {
            if self.state.is_dirty(cache, line) {
                let spilled = self.make(Move::Evict {
                    cache,
                    line,
                    allocate: true,
                });
                if !spilled {
                    self.make(Move::Evict {
                        cache,
                        line,
                        allocate: false,
                    });
                }
            }
        }
    }

    fn dirty(&mut self) {
        for line in 0..self.state.layout.lines() {
            self.make(Move::SilentStore { line });
        }
    }
}

/// Each move with a chance of one in eight or less.
fn at_random(hardware: &mut Hardware<'_>, rng: &mut fastrand::Rng) {
    let mut chance = move || rng.u8(..8) == 0;
    for core in 0..hardware.state.layout.cores {
        while chance()
            && hardware.make(Move::Drain {
                core,
                around: chance(),
            })
        {}
    }
    while chance() && hardware.make(Move::Access { index: 0 }) {}
    let mut index = 0;
    while index < hardware.state.issued.len() {
        let step = Move::Execute {
            index,
            upgraded: chance(),
            whole: chance(),
            rogue: chance(),
        };
        if !(chance() && hardware.make(step)) {
            index += 1;
        }
    }
    let mut index = 0;
    while index < hardware.state.posted.len() {
        if !(chance() && hardware.make(Move::Land { index })) {
            index += 1;
        }
    }
    for (cache, line) in hardware.granules(|_| true) {
        if chance() {
            let allocate = chance();
            if hardware.state.is_dirty(cache, line) {
                let step = match chance() {
                    true => Move::WriteBack {
                        cache,
                        line,
                        allocate,
                    },
                    false => Move::Evict {
                        cache,
                        line,
                        allocate,
                    },
                };
                hardware.make(step);
            } else if chance() {
                hardware.make(Move::Evict {
                    cache,
                    line,
                    allocate: false,
                });
            } else {
                hardware.make(Move::Fill { cache, line });
            }
        }
    }
    for line in 0..hardware.state.layout.lines() {
        if chance() && chance() {
            hardware.make(Move::SilentStore { line });
        }
    }
    if chance() {
        for core in 0..hardware.state.layout.cores {
            if chance() {
                hardware.make(Move::Migrate { core });
            }
        }
    }
}
