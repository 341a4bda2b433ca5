//! How a byte gets from one copy of memory to another: fills, write-backs, stores, maintenance, and devices' writes.

use crate::{
    cell::Cell,
    layout::{CacheId, Mapping, Scope},
    state::{Issued, Line, Posted, State, Waiting},
    steps::{Operation, Owner, Reach, Route},
    violation::Oracle,
};

impl State {
    /// Reads a line into a cache, whatever it held of it.
    pub(crate) fn fill_line(&mut self, cache: CacheId, line: usize) {
        let place = self.layout.caches[cache.0];
        if place.level == 0 {
            for core in (0..self.layout.cores).filter(|core| Some(*core) != place.core) {
                let peer = self.layout.inner(core, place.colour);
                if self.line(peer, line) == Line::Dirty {
                    self.write_down(peer, line, false);
                }
            }
        }
        let source = self.source_below(cache, line);
        for byte in self.layout.line_bytes(line) {
            let cell = self.cells(source)[byte].settled();
            self.caches[cache.0].cells[byte] = cell;
        }
        self.caches[cache.0].lines[line] = Line::Clean;
    }

    /// Reads those lines of a granule that the cache does not hold: what a load or a store that misses does.
    pub(crate) fn fill_missing(&mut self, cache: CacheId, line: usize) {
        for line in self.layout.granule_lines(cache, line) {
            if self.line(cache, line) == Line::Absent {
                self.fill_line(cache, line);
            }
        }
    }

    /// Writes a line to the next level, all of it. It stays, clean.
    pub(crate) fn write_down(&mut self, cache: CacheId, line: usize, allocate: bool) {
        let outer = match self.layout.caches[cache.0].level {
            0 => self.layout.outer(),
            _ => None,
        };
        let outer = outer.filter(|outer| allocate || self.line(*outer, line) != Line::Absent);
        if let Some(outer) = outer
            && self.line(outer, line) == Line::Absent
        {
            self.fill_missing(outer, line);
        }
        let was_dirty = self.line(cache, line) == Line::Dirty;
        for byte in self.layout.line_bytes(line) {
            let cell = self.caches[cache.0].cells[byte];
            match outer {
                Some(outer) => {
                    let held = self.caches[outer.0].cells[byte];
                    let stored = cell.is_stored() || held.is_stored();
                    self.caches[outer.0].cells[byte] = match stored {
                        true => cell.stored(),
                        false => cell,
                    };
                }
                None => self.write_memory(cache, byte, cell.settled()),
            }
            self.caches[cache.0].cells[byte] = cell.settled();
        }
        if let (Some(outer), true) = (outer, was_dirty) {
            self.caches[outer.0].lines[line] = Line::Dirty;
        }
        self.caches[cache.0].lines[line] = Line::Clean;
    }

    /// A write-back reaches memory: the moment at which an old value may replace a new one.
    fn write_memory(&mut self, cache: CacheId, byte: usize, cell: Cell) {
        let (new, old) = (cell.value(), self.memory[byte].value());
        // What a device that snoops has written finds the line gone, or waits for it.
        let counts = match self.owners[byte] {
            Owner::Device(_) | Owner::Ring(_) => !self.snooped[byte],
            Owner::Both => self.used_by[byte] == Mapping::Uncached,
            Owner::Nobody | Owner::Program => false,
            Owner::Cpu | Owner::Quarantine | Owner::Padding => true,
        };
        // From here on a program that does not see this cache sees what was written.
        self.memory[byte] = cell;
        if let Some(gold) = self.gold[byte]
            && counts
            && old == gold
            && new != gold
            && self.seen(self.used_by[byte], byte).value() != gold
        {
            let name = self.layout.cache_name(cache);
            let oracle = match self.owners[byte] {
                Owner::Device(_) | Owner::Ring(_) | Owner::Both => Oracle::DirtyOverDevice,
                _ => Oracle::NeighbourLost,
            };
            let detail = format!("written back from {name}");
            self.report(oracle, byte..byte + 1, Some((new, gold)), detail);
        }
    }

    /// Writes a whole granule back if a line of it is dirty.
    pub(crate) fn write_back(&mut self, cache: CacheId, line: usize, allocate: bool) {
        if self.is_dirty(cache, line) {
            for line in self.layout.granule_lines(cache, line) {
                if self.line(cache, line) != Line::Absent {
                    self.write_down(cache, line, allocate);
                }
            }
        }
    }

    /// Removes a whole granule, written back if a line of it is dirty.
    pub(crate) fn evict(&mut self, cache: CacheId, line: usize, allocate: bool) {
        self.write_back(cache, line, allocate);
        for line in self.layout.granule_lines(cache, line) {
            self.caches[cache.0].lines[line] = Line::Absent;
        }
    }

    /// A store enters the store buffer of the thread's core.
    pub(crate) fn store(&mut self, mapping: Mapping, at: usize, cells: Vec<Cell>) {
        let core = self.core;
        self.buffers[core].push_back(Waiting { mapping, at, cells });
        while self.buffers[core].len() > self.layout.store_buffer {
            self.drain(core, false);
        }
    }

    /// The oldest store of a core leaves its buffer.
    pub(crate) fn drain(&mut self, core: usize, around: bool) {
        // It counts as waiting until all of it has arrived.
        let Some(Waiting { mapping, at, cells }) = self.buffers[core].front().cloned() else {
            return;
        };
        for (byte, cell) in (at..).zip(cells) {
            match self.layout.effective(mapping, byte) {
                Mapping::Uncached => self.memory[byte] = cell.settled(),
                Mapping::Cached(colour) => {
                    self.store_to_cache(self.layout.inner(core, colour), byte, cell, around);
                }
            }
        }
        self.buffers[core].pop_front();
    }

    pub(crate) fn drain_all(&mut self) {
        for core in 0..self.layout.cores {
            while !self.buffers[core].is_empty() {
                self.drain(core, false);
            }
        }
    }

    /// Stores to a cache, or past it if it does not hold the line and may be passed.
    fn store_to_cache(&mut self, cache: CacheId, byte: usize, cell: Cell, around: bool) {
        let line = byte / self.layout.line;
        let place = self.layout.caches[cache.0];
        let target = match self.line(cache, line) {
            Line::Absent if around => self
                .layout
                .outer()
                .filter(|outer| self.line(*outer, line) != Line::Absent),
            Line::Absent => {
                self.fill_missing(cache, line);
                Some(cache)
            }
            Line::Clean | Line::Dirty => Some(cache),
        };
        // The line is this core's alone from now on.
        for core in (0..self.layout.cores).filter(|core| Some(*core) != place.core) {
            let peer = self.layout.inner(core, place.colour);
            if self.line(peer, line) == Line::Dirty {
                self.write_down(peer, line, false);
            }
            self.caches[peer.0].lines[line] = Line::Absent;
        }
        match target {
            Some(target) => {
                self.caches[target.0].cells[byte] = cell.stored();
                self.caches[target.0].lines[line] = Line::Dirty;
            }
            None => self.memory[byte] = cell.settled(),
        }
    }

    /// An issued operation takes effect on its line.
    pub(crate) fn execute(&mut self, index: usize, upgraded: bool, whole: bool, rogue: bool) {
        let issued = self.issued.remove(index);
        let operation = match upgraded {
            true => Operation::CleanAndInvalidate,
            false => issued.operation,
        };
        for cache in self.reached(&issued) {
            let lines = match whole {
                true => self.layout.granule_lines(cache, issued.line),
                false => issued.line..issued.line + 1,
            };
            for line in lines {
                self.unfenced[self.layout.line_bytes(line)].fill(true);
                self.maintain(cache, operation, &issued, line);
                if rogue && operation == Operation::Clean && self.line(cache, line) == Line::Clean {
                    self.caches[cache.0].lines[line] = Line::Dirty;
                }
            }
        }
    }

    /// The caches an operation reaches, in the order in which it must go through them.
    fn reached(&self, issued: &Issued) -> Vec<CacheId> {
        let reaches = |cache: &CacheId| {
            let place = self.layout.caches[cache.0];
            let level = match issued.reach {
                Reach::Memory => true,
                Reach::Level(level) => level == place.level,
            };
            let core = match (place.core, self.layout.scope) {
                (None, _) | (Some(_), Scope::AllCores) => true,
                (Some(core), Scope::ThisCore) => core == issued.core,
            };
            level && core && (place.level > 0 || place.colour == issued.colour)
        };
        let mut caches: Vec<_> = self.layout.cache_ids().filter(reaches).collect();
        if issued.operation == Operation::Invalidate {
            caches.reverse();
        }
        caches
    }

    fn maintain(&mut self, cache: CacheId, operation: Operation, issued: &Issued, line: usize) {
        let separate = matches!(issued.reach, Reach::Level(_));
        match (operation, self.line(cache, line)) {
            (_, Line::Absent) => {}
            (Operation::Clean, Line::Clean) => {}
            (Operation::Clean, Line::Dirty) => self.write_down(cache, line, separate),
            (Operation::CleanAndInvalidate, state) => {
                if state == Line::Dirty {
                    self.write_down(cache, line, separate);
                }
                self.caches[cache.0].lines[line] = Line::Absent;
            }
            (Operation::Invalidate, state) => {
                if state == Line::Dirty {
                    self.judge_discard(cache, issued, line);
                }
                self.caches[cache.0].lines[line] = Line::Absent;
            }
        }
    }

    /// Stores to bytes that nobody asked to discard are lost.
    fn judge_discard(&mut self, cache: CacheId, issued: &Issued, line: usize) {
        let lost = |byte: &usize| {
            self.caches[cache.0].cells[*byte].is_stored()
                && !issued.asked.contains(byte)
                && !matches!(self.owners[*byte], Owner::Nobody | Owner::Program)
        };
        if let Some(byte) = self.layout.line_bytes(line).find(lost) {
            let detail = format!(
                "the operation was asked for {:#x}..{:#x}",
                issued.asked.start, issued.asked.end
            );
            self.report(Oracle::DiscardedForeign, byte..byte + 1, None, detail);
        }
    }

    /// A device's write arrives.
    pub(crate) fn land(&mut self, index: usize) {
        let Posted {
            route,
            at,
            bytes,
            honest,
        } = self.posted.remove(index);
        for (byte, value) in (at..).zip(bytes) {
            if !honest && self.owners[byte] == Owner::Cpu {
                let detail = "a device that is late has written to them";
                self.report(Oracle::Reused, byte..byte + 1, None, detail);
            }
            if route == Route::Caches && byte < self.layout.cached_len {
                let line = byte / self.layout.line;
                for cache in self.layout.cache_ids() {
                    if self.line(cache, line) == Line::Dirty {
                        self.write_down(cache, line, false);
                    }
                    self.caches[cache.0].lines[line] = Line::Absent;
                }
            }
            self.memory[byte] = Cell::new(value);
        }
    }

    pub(crate) fn land_all(&mut self) {
        while !self.posted.is_empty() {
            self.land(0);
        }
    }
}
