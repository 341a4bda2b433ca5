//! What each entry of a history is called where there is room for a few words.

use std::{fmt::Write, ops::Range};

use dma_api::DataDirection;

use crate::{
    history::Entry,
    layout::CacheId,
    state::{Issued, State},
    steps::{Access, Move, Operation, Reach, Step, Turn},
};

/// Who makes something happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Actor {
    Cpu,
    Device,
    Hardware,
}

impl Actor {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Device => "device",
            Self::Hardware => "hardware",
        }
    }
}

/// What a badge shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Glyph {
    /// A letter, or an arrow.
    Sign(&'static str),
    /// An operation on lines that was issued.
    Issued(&'static str),
    /// One that takes effect.
    Effect(&'static str),
    Barrier,
    Bell,
}

/// One entry, as the head of its column shows it.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) actor: Actor,
    pub(super) glyph: Glyph,
    pub(super) words: String,
}

/// What bytes are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// There is but one thing that can be meant.
    It,
    /// By their addresses.
    Range,
}

impl Name {
    fn of(self, bytes: Range<usize>) -> String {
        match self {
            Self::It => "it".to_owned(),
            Self::Range => format!("{:#x}..{:#x}", bytes.start, bytes.end),
        }
    }

    /// A verb with what it does to which bytes, such as `stores 11 to 0x0..0x40`.
    fn access(self, verb: &str, bytes: &[u8], to: Range<usize>) -> String {
        let mut words = verb.to_owned();
        if let Some(value) = uniform(bytes) {
            words += &format!(" {value:02x}");
        }
        if self == Self::Range {
            words += &format!(" to {}", self.of(to));
        }
        words
    }
}

/// The head of an entry's column; `state` is the machine before it.
pub(super) fn event(entry: &Entry, state: &State, name: Name) -> Event {
    let (actor, glyph, words) = match entry {
        Entry::Step(step) => of_step(step, state, name),
        Entry::Move(step) => of_move(*step, state, name),
    };
    Event {
        actor,
        glyph,
        words,
    }
}

fn of_step(step: &Step, state: &State, name: Name) -> (Actor, Glyph, String) {
    let it = name.of(step.bytes().unwrap_or(0..0));
    let (glyph, words) = match step {
        Step::Store { at, bytes, .. } => {
            let words = name.access("stores", bytes, *at..at + bytes.len());
            (Glyph::Sign("↓"), words)
        }
        Step::Load { .. } => (Glyph::Sign("↑"), format!("loads {it}")),
        Step::Copy { from, len, .. } => {
            let from = name.of(*from..from + len);
            (Glyph::Sign("⇅"), format!("copies {from} to {it}"))
        }
        Step::Issue {
            operation, reach, ..
        } => {
            let mut words = format!("issues {operation}");
            if name == Name::Range {
                words += &format!(" of {it}");
            }
            if let Reach::Level(level) = reach {
                words += &format!(" in L{}", level + 1);
            }
            (Glyph::Issued(letters(*operation)), words)
        }
        Step::Complete(_) => {
            let mut operations = state.issued.iter().map(|issued| issued.operation);
            let letters = match operations.next() {
                Some(first) if operations.all(|other| other == first) => letters(first),
                Some(_) => "all",
                None => "✓",
            };
            let words = "waits until it has taken effect".to_owned();
            (Glyph::Effect(letters), words)
        }
        Step::BeforeDoorbell => (Glyph::Barrier, "barrier before the doorbell".to_owned()),
        Step::AfterCompletion => (Glyph::Barrier, "barrier after the completion".to_owned()),
        Step::Allocate { .. } => (Glyph::Sign("+"), format!("is given {it}, zeroed")),
        Step::Use { .. } => (Glyph::Sign("+"), format!("uses {it}")),
        Step::Release { .. } => (Glyph::Sign("−"), format!("drops {it}")),
        Step::Free { .. } => (Glyph::Sign("−"), format!("frees {it}")),
        Step::Yield { .. } => (Glyph::Sign("·"), format!("is done with {it}")),
        Step::HandOver { direction, .. } => {
            let may = match direction {
                DataDirection::ToDevice => "read",
                DataDirection::FromDevice => "write",
                DataDirection::Bidirectional => "read and write",
            };
            (
                Glyph::Sign("→"),
                format!("lends {it}: the device may {may}"),
            )
        }
        Step::HandBack { .. } => (Glyph::Sign("←"), format!("takes {it} back")),
        Step::Publish { .. } => (Glyph::Sign("↔"), format!("shares {it} with the device")),
        Step::Ring { turn, .. } => match turn {
            Turn::Opened(_) => (Glyph::Sign("↔"), format!("makes {it} a ring")),
            Turn::Putting => (Glyph::Sign("·"), format!("is about to put {it}")),
            Turn::Put => (Glyph::Sign("→"), format!("puts {it}")),
            Turn::Looking => (Glyph::Sign("·"), format!("is about to look at {it}")),
            Turn::Looked => (Glyph::Sign("?"), format!("looks at {it}")),
            Turn::Fetched => (Glyph::Sign("←"), format!("fetches {it}")),
        },
        Step::Quarantine { .. } => (Glyph::Sign("×"), format!("puts {it} into quarantine")),
        Step::Doorbell => (Glyph::Bell, "rings the device's doorbell".to_owned()),
        Step::Device { access, .. } => return of_access(access, name),
        Step::Start { job, .. } => (Glyph::Bell, format!("rings the doorbell: job {job}")),
        Step::Wait { job } => (Glyph::Sign("✓"), format!("sees that job {job} is done")),
        Step::Settle => {
            let words = "waits until device writes have arrived".to_owned();
            (Glyph::Sign("✓"), words)
        }
        Step::Finish => {
            let words = "the end: everything is written back".to_owned();
            return (Actor::Hardware, Glyph::Sign("■"), words);
        }
    };
    (Actor::Cpu, glyph, words)
}

fn of_access(access: &Access, name: Name) -> (Actor, Glyph, String) {
    let range = access.range();
    match access {
        Access::Read { .. } => {
            let words = format!("reads {}", name.of(range));
            (Actor::Device, Glyph::Sign("R"), words)
        }
        Access::Write { bytes, .. } => {
            let words = name.access("writes", bytes, range);
            (Actor::Device, Glyph::Sign("W"), words)
        }
    }
}

fn of_move(step: Move, state: &State, name: Name) -> (Actor, Glyph, String) {
    let cache_name = |cache: CacheId| state.layout.cache_name(cache);
    let it = |cache: CacheId, line: usize| {
        let lines = state.layout.granule_lines(cache, line);
        let first = state.layout.line_bytes(lines.start).start;
        match name {
            Name::It => "the line".to_owned(),
            Name::Range => name.of(first..state.layout.line_bytes(lines.end - 1).end),
        }
    };
    let hardware = |sign, words: String| (Actor::Hardware, Glyph::Sign(sign), words);
    match step {
        Move::Drain { around, .. } => {
            let way = if around { ", past the cache" } else { "" };
            hardware("↓", format!("a store leaves the store buffer{way}"))
        }
        Move::Execute {
            index,
            upgraded,
            whole,
            rogue,
        } => {
            let operation = state
                .issued
                .get(index)
                .map_or(Operation::Clean, |issued: &Issued| issued.operation);
            let mut words = format!("{operation} takes effect");
            if upgraded {
                words += ", as clean and invalidate";
            }
            if whole {
                words += ", on the whole granule";
            }
            if rogue {
                words += "; the line stays marked dirty";
            }
            (Actor::Hardware, Glyph::Effect(letters(operation)), words)
        }
        Move::Fill { cache, line } => {
            let words = format!("{} fills {}", cache_name(cache), it(cache, line));
            hardware("↑", words)
        }
        Move::Evict { cache, line, .. } => {
            let words = format!("{} evicts {}", cache_name(cache), it(cache, line));
            hardware("↓", words)
        }
        Move::WriteBack { cache, line, .. } => {
            let words = format!("{} writes {} back", cache_name(cache), it(cache, line));
            hardware("↓", words)
        }
        Move::SilentStore { .. } => hardware("↓", "the CPU stores what is there".to_owned()),
        Move::Land { .. } => hardware("↑", "a device write arrives".to_owned()),
        Move::Access { index } => {
            let job = state.jobs.get(index);
            match job.and_then(|job| job.accesses.front()) {
                Some(access) => of_access(access, name),
                None => hardware("·", "a job ends".to_owned()),
            }
        }
        Move::Migrate { core } => hardware("→", format!("the thread moves to core {core}")),
    }
}

const fn letters(operation: Operation) -> &'static str {
    match operation {
        Operation::Clean => "C",
        Operation::Invalidate => "I",
        Operation::CleanAndInvalidate => "CI",
    }
}

/// The value that all bytes have.
pub(super) fn uniform(bytes: &[u8]) -> Option<u8> {
    let (first, rest) = bytes.split_first()?;
    rest.iter().all(|byte| byte == first).then_some(*first)
}

/// Bytes as runs of equal ones: `22, 48 × a5`.
pub(super) fn runs(bytes: &[u8]) -> String {
    const SHOWN: usize = 8;
    let runs: Vec<_> = bytes.chunk_by(|one, other| one == other).collect();
    let mut text = String::new();
    for run in runs.iter().take(SHOWN) {
        if !text.is_empty() {
            text += ", ";
        }
        // Writing to a string does not fail.
        let _ = match run {
            [value] => write!(text, "{value:02x}"),
            _ => write!(text, "{} × {:02x}", run.len(), run[0]),
        };
    }
    if runs.len() > SHOWN {
        text += ", …";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bytes_are_counted() {
        assert_eq!(runs(&[]), "");
        assert_eq!(runs(&[7]), "07");
        assert_eq!(runs(&[0x22, 0xa5, 0xa5, 0xa5, 1]), "22, 3 × a5, 01");
        let many: Vec<u8> = (0..20).collect();
        assert_eq!(runs(&many), "00, 01, 02, 03, 04, 05, 06, 07, …");
    }

    #[test]
    fn only_bytes_that_are_all_the_same_have_one_value() {
        assert_eq!(uniform(&[]), None);
        assert_eq!(uniform(&[3, 3]), Some(3));
        assert_eq!(uniform(&[3, 4]), None);
    }
}
