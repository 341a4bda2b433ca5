//! The moves that the hardware may make by itself: which are possible now, and what each does.

use crate::{
    cell::Cell,
    layout::{CacheId, Layout, Mapping},
    state::{Line, State},
    steps::{Move, Operation, Owner},
};

impl State {
    /// Whether the hardware may make this move now. One that names what is not there is no move.
    pub(crate) fn allows(&self, step: &Move) -> bool {
        let layout = &self.layout;
        let is_cache =
            |cache: CacheId, line: usize| cache.0 < layout.caches.len() && line < layout.lines();
        match *step {
            Move::Drain { core, .. } => self
                .buffers
                .get(core)
                .is_some_and(|buffer| !buffer.is_empty()),
            Move::Execute {
                index,
                upgraded,
                whole,
                rogue,
            } => self.issued.get(index).is_some_and(|issued| {
                // Operations on one line take effect in the order in which they were issued.
                let first = |other: &crate::state::Issued| other.line != issued.line;
                self.issued[..index].iter().all(first)
                    && (!upgraded || issued.operation != Operation::CleanAndInvalidate)
                    && (!whole || layout.granule > layout.line)
                    && (!rogue
                        || (layout.rogue_dirty
                            && issued.operation == Operation::Clean
                            && !upgraded))
            }),
            Move::Fill { cache, line } => is_cache(cache, line) && self.may_fill(cache, line),
            Move::Evict {
                cache,
                line,
                allocate,
            } => {
                let held = |line: usize| self.line(cache, line) != Line::Absent;
                is_cache(cache, line)
                    && layout.granule_lines(cache, line).any(held)
                    && self.may_allocate(cache, line, allocate)
            }
            Move::WriteBack {
                cache,
                line,
                allocate,
            } => {
                is_cache(cache, line)
                    && self.is_dirty(cache, line)
                    && self.may_allocate(cache, line, allocate)
            }
            Move::SilentStore { line } => {
                line < layout.lines() && self.silently_storable(line).is_some()
            }
            // Of two writes to one byte the earlier arrives first.
            Move::Land { index } => self.posted.get(index).is_some_and(|posted| {
                let mut earlier = self.posted[..index].iter();
                !earlier.any(|earlier| earlier.overlaps(&posted.range()))
            }),
            Move::Access { index } => self
                .jobs
                .get(index)
                .is_some_and(|job| !job.accesses.is_empty()),
            Move::Migrate { core } => core < layout.cores && core != self.core,
        }
    }

    /// Makes a move.
    pub(crate) fn make(&mut self, step: &Move) {
        match *step {
            Move::Drain { core, around } => self.drain(core, around),
            Move::Execute {
                index,
                upgraded,
                whole,
                rogue,
            } => self.execute(index, upgraded, whole, rogue),
            Move::Fill { cache, line } => {
                for line in self.layout.granule_lines(cache, line) {
                    self.fill_line(cache, line);
                }
            }
            Move::Evict {
                cache,
                line,
                allocate,
            } => self.evict(cache, line, allocate),
            Move::WriteBack {
                cache,
                line,
                allocate,
            } => self.write_back(cache, line, allocate),
            Move::SilentStore { line } => {
                if let Some((byte, mapping, cell)) = self.silently_storable(line) {
                    self.store(mapping, byte, vec![cell]);
                    let core = self.core;
                    while !self.buffers[core].is_empty() {
                        self.drain(core, false);
                    }
                }
            }
            Move::Land { index } => self.land(index),
            Move::Access { index } => self.go_on(index),
            Move::Migrate { core } => {
                // What moves a thread waits for its stores.
                self.drain_all();
                self.core = core;
            }
        }
    }

    /// Whether the granule may be read into the cache: none of its lines is dirty, and if nothing is filled
    /// speculatively, the CPU may access a byte of it.
    pub(crate) fn may_fill(&self, cache: CacheId, line: usize) -> bool {
        if self.is_dirty(cache, line) {
            return false;
        }
        let layout = &self.layout;
        let accessed = |byte: usize| match self.owners[byte] {
            Owner::Cpu => self.live[byte] && self.used_by[byte] != Mapping::Uncached,
            // The CPU may be looking at an entry, or storing to one.
            Owner::Ring(_) => self.used_by[byte] != Mapping::Uncached,
            Owner::Nobody => true,
            _ => false,
        };
        layout.fills
            || layout
                .granule_lines(cache, line)
                .any(|line| layout.line_bytes(line).any(accessed))
    }

    /// The next level can take a line in only if there is one, and it need not be asked to if it holds the line.
    fn may_allocate(&self, cache: CacheId, line: usize, allocate: bool) -> bool {
        let is_inner = self.layout.caches[cache.0].level == 0;
        !allocate
            || (is_inner
                && self.is_dirty(cache, line)
                && self
                    .layout
                    .outer()
                    .is_some_and(|outer| self.line(outer, line) == Line::Absent))
    }

    /// A byte of the line that the CPU may store to at any moment, and what it holds.
    fn silently_storable(&self, line: usize) -> Option<(usize, Mapping, Cell)> {
        let cached = |byte: &usize| {
            self.owners[*byte] == Owner::Cpu
                && self.live[*byte]
                && self.used_by[*byte] != Mapping::Uncached
        };
        let byte = self.layout.line_bytes(line).find(cached)?;
        let mapping = self.used_by[byte];
        if let Mapping::Cached(colour) = mapping
            && self.line(self.layout.inner(self.core, colour), line) == Line::Dirty
        {
            return None;
        }
        Some((byte, mapping, self.seen(mapping, byte)))
    }

    /// Every move that is possible now, of the kinds that make a difference: for an exhaustive search.
    pub(crate) fn possible(&self) -> Vec<Move> {
        let layout: &Layout = &self.layout;
        let mut moves = Vec::new();
        for core in 0..layout.cores {
            moves.extend([false, true].map(|around| Move::Drain { core, around }));
            moves.push(Move::Migrate { core });
        }
        for index in 0..self.issued.len() {
            for upgraded in [false, true] {
                for whole in [false, true] {
                    for rogue in [false, true] {
                        moves.push(Move::Execute {
                            index,
                            upgraded,
                            whole,
                            rogue,
                        });
                    }
                }
            }
        }
        for cache in layout.cache_ids() {
            for line in layout.granules(cache) {
                moves.push(Move::Fill { cache, line });
                for allocate in [false, true] {
                    moves.push(Move::Evict {
                        cache,
                        line,
                        allocate,
                    });
                    moves.push(Move::WriteBack {
                        cache,
                        line,
                        allocate,
                    });
                }
            }
        }
        moves.extend((0..layout.lines()).map(|line| Move::SilentStore { line }));
        moves.extend((0..self.posted.len()).map(|index| Move::Land { index }));
        moves.extend((0..self.jobs.len()).map(|index| Move::Access { index }));
        moves.retain(|step| self.allows(step));
        moves
    }
}
