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

impl Waiting {
    /// The bytes it stores to.
    pub(crate) fn range(&self) -> Range<usize> {
        self.at..self.at + self.cells.len()
    }
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
    /// Whether the device may see a byte of a ring, as it was put.
    pub(crate) shown: Vec<bool>,
    /// Whether a byte of a ring was copied since the last barrier before a doorbell.
    pub(crate) copied: Vec<bool>,
    /// Whether a look at a ring would come before what was read last: no barrier after a completion was since.
    pub(crate) looks_unordered: bool,
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
            shown: vec![false; len],
            copied: vec![false; len],
            looks_unordered: false,
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

    /// Whether a byte is lent to a device that may write it.
    pub(crate) fn device_writes(&self, byte: usize) -> bool {
        match self.owners[byte] {
            Owner::Device(direction) | Owner::Ring(direction) => direction.device_writes(),
            _ => false,
        }
    }

    /// Whether it is, and the CPU must not even look at it.
    pub(crate) fn device_alone_writes(&self, byte: usize) -> bool {
        self.device_writes(byte) && !matches!(self.owners[byte], Owner::Ring(_))
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
    pub(crate) fn cells(&self, cache: Option<CacheId>) -> &[Cell] {
        match cache {
            Some(cache) => &self.caches[cache.0].cells,
            None => &self.memory,
        }
    }

    /// The cache from which another would read a line; none is memory.
    pub(crate) fn source_below(&self, cache: CacheId, line: usize) -> Option<CacheId> {
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
            self.shown.hash(&mut hasher);
            self.copied.hash(&mut hasher);
            self.looks_unordered.hash(&mut hasher);
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
