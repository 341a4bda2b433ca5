//! Every copy of memory that a machine holds, who owns which byte, and how a byte gets from one copy to another.

use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash, Hasher},
    ops::Range,
    sync::Arc,
};

use crate::{
    cell::Cell,
    layout::{CacheId, Layout, Mapping},
    steps::{Access, Operation, Owner, Reach, Route},
    violation::{Oracle, Violation},
};

/// What a cache has of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Line {
    Absent,
    Clean,
    Dirty,
}

/// The contents of one cache.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Copy {
    pub(crate) cells: Vec<Cell>,
    pub(crate) lines: Vec<Line>,
}

/// A store that has not reached the caches.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Waiting {
    pub(crate) mapping: Mapping,
    pub(crate) at: usize,
    pub(crate) cells: Vec<Cell>,
}

/// An operation on one line that has not taken effect.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Issued {
    pub(crate) operation: Operation,
    pub(crate) reach: Reach,
    pub(crate) colour: usize,
    pub(crate) core: usize,
    pub(crate) line: usize,
    /// The bytes the operation was asked for, of which this line holds some.
    pub(crate) asked: Range<usize>,
}

/// A device's write that has not arrived.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Posted {
    pub(crate) route: Route,
    pub(crate) at: usize,
    pub(crate) bytes: Vec<u8>,
    pub(crate) honest: bool,
}

impl Posted {
    /// The bytes it writes to.
    pub(crate) fn range(&self) -> Range<usize> {
        self.at..self.at + self.bytes.len()
    }

    /// Whether it writes to a byte of the range.
    pub(crate) fn overlaps(&self, range: &Range<usize>) -> bool {
        self.at < range.end && range.start < self.range().end
    }
}

/// What a device that was started has still to do.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Job {
    pub(crate) number: usize,
    pub(crate) route: Route,
    pub(crate) accesses: VecDeque<Access>,
    pub(crate) honest: bool,
}

/// A machine at one moment.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) layout: Arc<Layout>,
    pub(crate) memory: Vec<Cell>,
    pub(crate) caches: Vec<Copy>,
    pub(crate) buffers: Vec<VecDeque<Waiting>>,
    pub(crate) issued: Vec<Issued>,
    pub(crate) posted: Vec<Posted>,
    pub(crate) jobs: Vec<Job>,
    /// Where the thread runs.
    pub(crate) core: usize,
    /// Whether a byte was stored to, or maintained, since the last barrier before a doorbell.
    pub(crate) unfenced: Vec<bool>,
    /// Whether a byte was lent, or used by a device, since the last barrier after a completion.
    pub(crate) in_use: Vec<bool>,
    pub(crate) owners: Vec<Owner>,
    /// Outside of these no byte is the CPU's.
    pub(crate) owned: Range<usize>,
    /// Whether the device that owns a byte snoops.
    pub(crate) snooped: Vec<bool>,
    /// Whose a byte was before the program used it, and is again when it no longer does.
    pub(crate) beneath: Vec<Owner>,
    /// Whether a byte belongs to a buffer of the program, not only to an allocator's block.
    pub(crate) live: Vec<bool>,
    /// By which mapping the program uses a byte.
    pub(crate) used_by: Vec<Mapping>,
    /// What an ideal machine without caches would hold, where that is defined.
    pub(crate) gold: Vec<Option<u8>>,
    /// The first thing that was found wrong.
    pub(crate) found: Option<Violation>,
    /// The number of the step that is being executed, or is next.
    pub(crate) step: usize,
}

impl State {
    /// A machine before its first step. Memory is `0xa5` everywhere; caches are empty, or hold `0x5a`, dirty: two former
    /// owners' bytes.
    pub(crate) fn new(layout: Layout, dirty: bool) -> Self {
        let (len, lines) = (layout.len, layout.lines());
        let empty = Copy {
            cells: vec![Cell::foreign(0x5a).stored(); layout.cached_len],
            lines: vec![Line::Absent; lines],
        };
        let mut caches = vec![empty; layout.caches.len()];
        if dirty && let Some(first) = caches.first_mut() {
            first.lines.fill(Line::Dirty);
        }
        Self {
            memory: vec![Cell::foreign(0xa5); len],
            caches,
            buffers: vec![VecDeque::new(); layout.cores],
            issued: Vec::new(),
            posted: Vec::new(),
            jobs: Vec::new(),
            core: 0,
            unfenced: vec![false; len],
            in_use: vec![false; len],
            owners: vec![Owner::Nobody; len],
            owned: 0..0,
            snooped: vec![false; len],
            beneath: vec![Owner::Nobody; len],
            live: vec![false; len],
            used_by: vec![Mapping::Cached(0); len],
            gold: vec![None; len],
            found: None,
            step: 0,
            layout: Arc::new(layout),
        }
    }

    /// Notes what is wrong, unless something was before.
    pub(crate) fn report(
        &mut self,
        oracle: Oracle,
        bytes: Range<usize>,
        values: Option<(u8, u8)>,
        detail: impl Into<String>,
    ) {
        if self.found.is_none() {
            let owner = self.owners.get(bytes.start).copied();
            self.found = Some(Violation {
                oracle,
                owner: owner.unwrap_or(Owner::Nobody),
                bytes,
                values,
                detail: detail.into(),
                step: self.step,
            });
        }
    }

    pub(crate) fn line(&self, cache: CacheId, line: usize) -> Line {
        self.caches[cache.0].lines[line]
    }

    /// Whether a line of the granule is dirty.
    pub(crate) fn is_dirty(&self, cache: CacheId, line: usize) -> bool {
        let mut lines = self.layout.granule_lines(cache, line);
        lines.any(|line| self.line(cache, line) == Line::Dirty)
    }

    /// What the thread's load of a byte gives.
    pub(crate) fn seen(&self, mapping: Mapping, byte: usize) -> Cell {
        for store in self.buffers[self.core].iter().rev() {
            if let Some(cell) = byte.checked_sub(store.at).and_then(|i| store.cells.get(i)) {
                return *cell;
            }
        }
        match self.layout.effective(mapping, byte) {
            Mapping::Uncached => self.memory[byte],
            Mapping::Cached(colour) => {
                let cache = self.layout.inner(self.core, colour);
                if self.line(cache, byte / self.layout.line) == Line::Absent {
                    self.below(cache, byte)
                } else {
                    self.caches[cache.0].cells[byte]
                }
            }
        }
    }

    /// What a cache gets when it reads a byte from behind itself.
    pub(crate) fn below(&self, cache: CacheId, byte: usize) -> Cell {
        self.cells(self.source_below(cache, byte / self.layout.line))[byte].settled()
    }

    /// The cells of a cache, or of memory.
    fn cells(&self, cache: Option<CacheId>) -> &[Cell] {
        match cache {
            Some(cache) => &self.caches[cache.0].cells,
            None => &self.memory,
        }
    }

    /// The cache from which another would read a line; none is memory.
    fn source_below(&self, cache: CacheId, line: usize) -> Option<CacheId> {
        let place = self.layout.caches[cache.0];
        if place.level > 0 {
            return None;
        }
        // Cores look into one another's caches.
        let others = (0..self.layout.cores).filter(|core| Some(*core) != place.core);
        others
            .map(|core| self.layout.inner(core, place.colour))
            .find(|peer| self.line(*peer, line) == Line::Dirty)
            .or_else(|| {
                let outer = self.layout.outer();
                outer.filter(|outer| self.line(*outer, line) != Line::Absent)
            })
    }

    /// What loads of the thread would give, byte by byte, for all of memory.
    pub(crate) fn look(&self, mapping: Mapping, shown: &mut [u8]) {
        let cached = match mapping {
            Mapping::Uncached => 0,
            Mapping::Cached(colour) => {
                let cache = self.layout.inner(self.core, colour);
                for line in 0..self.layout.lines() {
                    let source = match self.line(cache, line) {
                        Line::Absent => self.source_below(cache, line),
                        Line::Clean | Line::Dirty => Some(cache),
                    };
                    copy_values(self.cells(source), self.layout.line_bytes(line), shown);
                }
                self.layout.cached_len
            }
        };
        copy_values(&self.memory, cached..self.layout.len, shown);
        for store in &self.buffers[self.core] {
            for (byte, cell) in (store.at..).zip(&store.cells) {
                shown[byte] = cell.value();
            }
        }
    }

    /// What a device that snoops reads: what a store has left in a cache, or what is behind the inner ones.
    pub(crate) fn snooped_value(&self, byte: usize) -> Cell {
        if byte >= self.layout.cached_len {
            return self.memory[byte];
        }
        let line = byte / self.layout.line;
        let dirty = self
            .layout
            .cache_ids()
            .find(|cache| self.line(*cache, line) == Line::Dirty);
        let outer = self.layout.outer();
        let held = outer.filter(|outer| self.line(*outer, line) != Line::Absent);
        self.cells(dirty.or(held))[byte]
    }

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
            Owner::Device(_) => !self.snooped[byte],
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
                Owner::Device(_) | Owner::Both => Oracle::DirtyOverDevice,
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
        use crate::layout::Scope;
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

    /// A number for this state that differs from that of another, save by a chance of one in 2^128.
    pub(crate) fn fingerprint(&self) -> u128 {
        let hash = |salt: u64| {
            let mut hasher = DefaultHasher::new();
            salt.hash(&mut hasher);
            self.memory.hash(&mut hasher);
            self.caches.iter().for_each(|copy| {
                // What an absent line held makes no difference.
                for (line, state) in copy.lines.iter().enumerate() {
                    state.hash(&mut hasher);
                    if *state != Line::Absent {
                        copy.cells[self.layout.line_bytes(line)].hash(&mut hasher);
                    }
                }
            });
            self.buffers.hash(&mut hasher);
            self.issued.hash(&mut hasher);
            self.posted.hash(&mut hasher);
            self.jobs.hash(&mut hasher);
            self.core.hash(&mut hasher);
            self.unfenced.hash(&mut hasher);
            self.in_use.hash(&mut hasher);
            self.gold.hash(&mut hasher);
            u128::from(hasher.finish())
        };
        hash(1) << 64 | hash(2)
    }
}

fn copy_values(source: &[Cell], bytes: Range<usize>, shown: &mut [u8]) {
    for (shown, cell) in shown[bytes.clone()].iter_mut().zip(&source[bytes]) {
        *shown = cell.value();
    }
}
