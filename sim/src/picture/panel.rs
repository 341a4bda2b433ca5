//! All copies of one line, and what each of them holds at each moment.

use std::{collections::BTreeSet, ops::Range};

use crate::{
    cell,
    history::{Entry, History},
    layout::CacheId,
    state::{Line, State},
    steps::{Owner, Step},
};

/// Pieces that a line is drawn in at the most.
const MOST_PARTS: usize = 3;

/// All copies of one line.
#[derive(Debug)]
pub(super) struct Panel {
    pub(super) bytes: Range<usize>,
    /// The pieces whose fates differ.
    pub(super) parts: Vec<Range<usize>>,
    /// From the CPU's side to the device's.
    pub(super) lanes: Vec<Lane>,
}

/// What can hold a line, or say something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// Whose the bytes are.
    Owner,
    /// Maintenance that was issued and has not taken effect.
    Maintenance,
    /// Stores that have not reached the caches.
    StoreBuffer,
    Cache(CacheId),
    Memory,
    /// Writes of devices that have not arrived.
    Posted,
}

/// One copy through time.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) holder: Holder,
    pub(super) name: String,
    /// How far from the CPU: what is written back goes to a higher depth.
    pub(super) depth: usize,
    /// By moment, then by part: moment 0 is before the first column, moment n after the nth.
    pub(super) moments: Vec<Vec<Cell>>,
}

/// What one copy holds of one part at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) held: Held,
    pub(super) bytes: Vec<u8>,
    /// What stands in the bytes' place where it is not bytes that are held.
    pub(super) words: String,
    /// Whether a byte is not what was stored or written last.
    pub(super) stale: bool,
    /// Whether a byte was left by a former owner.
    pub(super) foreign: bool,
    /// Whose the bytes are, if they are all the same one's.
    pub(super) owner: Option<Owner>,
}

/// How it is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    Nothing,
    /// In a cache, as it was read or written back.
    Clean,
    /// In a cache, and to be written back.
    Dirty,
    /// In memory; or words.
    Plain,
    /// On its way.
    UnderWay,
}

impl Panel {
    /// The copies of a line, of which nothing is known yet.
    pub(super) fn new(history: &History, line: usize) -> Self {
        let layout = &history.layout;
        let bytes = layout.line_bytes(line);
        let mut lanes = vec![
            (Holder::Owner, "whose".to_owned(), 0),
            (Holder::Maintenance, "maintenance".to_owned(), 0),
            (Holder::StoreBuffer, "store buffer".to_owned(), 0),
        ];
        if line < layout.lines() {
            lanes.extend(layout.cache_ids().map(|cache| {
                let depth = layout.caches[cache.0].level + 1;
                (Holder::Cache(cache), layout.cache_name(cache), depth)
            }));
        }
        let memory = layout.levels.len() + 1;
        lanes.push((Holder::Memory, "memory".to_owned(), memory));
        lanes.push((Holder::Posted, "on the bus".to_owned(), memory + 1));
        let lanes = lanes.into_iter().map(|(holder, name, depth)| Lane {
            holder,
            name,
            depth,
            moments: Vec::new(),
        });
        Self {
            parts: parts(history, &bytes),
            bytes,
            lanes: lanes.collect(),
        }
    }

    /// Looks at the machine at one more moment, and says whether anything has changed since the last.
    pub(super) fn look(&mut self, state: &State) -> bool {
        let mut changes = false;
        for lane in &mut self.lanes {
            let parts = self.parts.iter();
            let cells: Vec<Cell> = parts
                .map(|part| Cell::new(state, lane.holder, part))
                .collect();
            changes |= lane.moments.last().is_some_and(|last| *last != cells);
            lane.moments.push(cells);
        }
        changes
    }

    /// What holds nothing at any moment is not drawn, save the first cache.
    pub(super) fn keep_what_holds_something(&mut self) {
        self.lanes.retain(|lane| {
            let mut cells = lane.moments.iter().flatten();
            lane.holder == Holder::Cache(CacheId(0)) || cells.any(|cell| cell.held != Held::Nothing)
        });
    }
}

/// The pieces of a line that somebody has used apart from the rest of it.
fn parts(history: &History, line: &Range<usize>) -> Vec<Range<usize>> {
    let (mut owned, mut used, mut copied) = (Vec::new(), Vec::new(), Vec::new());
    for entry in &history.entries {
        let Entry::Step(step) = entry else { continue };
        match step {
            Step::HandOver { at, len, whole, .. } | Step::Quarantine { at, len, whole } => {
                owned.extend([*at, at + len, at + whole]);
            }
            Step::Use { at, len, .. }
            | Step::Publish { at, len }
            | Step::Ring { at, len, .. }
            | Step::HandBack { at, len } => {
                owned.extend([*at, at + len]);
            }
            Step::Copy { from, to, len, .. } => {
                used.extend([*from, from + len, *to, to + len]);
                copied.push((*from, *to, *len));
            }
            Step::Device { access, .. } => {
                let range = access.range();
                used.extend([range.start, range.end]);
            }
            _ => {}
        }
    }
    // What was used apart is drawn apart also where it was copied to, and where it came from.
    let mut known = owned;
    known.extend(used);
    for (from, to, len) in copied {
        for (one, other) in [(from, to), (to, from)] {
            let inside = known.iter().filter(|cut| (one..one + len).contains(cut));
            let images: Vec<usize> = inside.map(|cut| cut - one + other).collect();
            known.extend(images);
        }
    }
    let mut cuts = BTreeSet::from([line.start, line.end]);
    for cut in known {
        if line.contains(&cut) && cuts.len() <= MOST_PARTS {
            cuts.insert(cut);
        }
    }
    let cuts: Vec<usize> = cuts.into_iter().collect();
    cuts.windows(2).map(|cut| cut[0]..cut[1]).collect()
}

impl Cell {
    fn new(state: &State, holder: Holder, part: &Range<usize>) -> Self {
        let first = state.owners[part.start];
        let alone = state.owners[part.clone()]
            .iter()
            .all(|owner| *owner == first);
        let empty = Self {
            held: Held::Nothing,
            bytes: Vec::new(),
            words: String::new(),
            stale: false,
            foreign: false,
            owner: alone.then_some(first),
        };
        match holder {
            Holder::Owner => Self {
                held: Held::Plain,
                words: match alone {
                    true => first.to_string(),
                    false => "several".to_owned(),
                },
                ..empty
            },
            Holder::Maintenance => empty.of_maintenance(state, part),
            Holder::StoreBuffer => empty.of_stores(state, part),
            Holder::Posted => empty.of_writes(state, part),
            Holder::Memory => {
                let stale = |byte: &usize| {
                    let value = state.memory[*byte].value();
                    state.gold[*byte].is_some_and(|gold| gold != value)
                };
                Self {
                    held: Held::Plain,
                    stale: part.clone().any(|byte| stale(&byte)),
                    ..empty.of_copy(&state.memory[part.clone()])
                }
            }
            Holder::Cache(cache) => {
                let line = state.line(cache, part.start / state.layout.line);
                let held = match line {
                    Line::Absent => return empty,
                    Line::Clean => Held::Clean,
                    Line::Dirty => Held::Dirty,
                };
                let stale = |byte: usize| {
                    let value = state.caches[cache.0].cells[byte].value();
                    match state.gold[byte] {
                        Some(gold) => gold != value,
                        None => line == Line::Clean && state.below(cache, byte).value() != value,
                    }
                };
                Self {
                    held,
                    stale: part.clone().any(stale),
                    ..empty.of_copy(&state.caches[cache.0].cells[part.clone()])
                }
            }
        }
    }

    fn of_copy(self, cells: &[cell::Cell]) -> Self {
        Self {
            bytes: cells.iter().map(|cell| cell.value()).collect(),
            foreign: cells.iter().any(|cell| cell.is_tainted()),
            ..self
        }
    }

    fn of_maintenance(self, state: &State, part: &Range<usize>) -> Self {
        let line = part.start / state.layout.line;
        let issued = state.issued.iter().filter(|issued| issued.line == line);
        let words: Vec<String> = issued.map(|issued| issued.operation.to_string()).collect();
        match words.is_empty() {
            true => self,
            false => Self {
                held: Held::UnderWay,
                words: words.join(", then "),
                ..self
            },
        }
    }

    fn of_stores(self, state: &State, part: &Range<usize>) -> Self {
        let stores = state.buffers.iter().flatten();
        let bytes = stores.flat_map(|store| (store.at..).zip(&store.cells));
        let bytes = bytes.filter(|(at, _)| part.contains(at));
        self.under_way(bytes.map(|(_, cell)| cell.value()).collect())
    }

    fn of_writes(self, state: &State, part: &Range<usize>) -> Self {
        let writes = state.posted.iter();
        let bytes = writes.flat_map(|posted| (posted.at..).zip(&posted.bytes));
        let bytes = bytes.filter(|(at, _)| part.contains(at));
        self.under_way(bytes.map(|(_, value)| *value).collect())
    }

    fn under_way(self, bytes: Vec<u8>) -> Self {
        match bytes.is_empty() {
            true => self,
            false => Self {
                held: Held::UnderWay,
                bytes,
                ..self
            },
        }
    }
}
