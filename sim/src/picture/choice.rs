//! What of a history is drawn: the lines it is about, and the entries around what went wrong with them.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    ops::Range,
};

use crate::{
    history::{Entry, History, advance},
    layout::Layout,
    state::{Line, State},
    steps::Step,
    violation::Violation,
};

/// Lines that are drawn at the most.
const MOST_LINES: usize = 4;

/// Lines that are drawn at the most of those that nothing is known to be wrong with, where something is with another: a
/// neighbour to compare with.
const MOST_NEIGHBOURS: usize = 1;

/// Entries that are drawn at the most.
const MOST_COLUMNS: usize = 44;

/// Of these, the last before the end.
const LAST_COLUMNS: usize = 24;

/// Lines, counted from the start of memory, in the order of their addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lines {
    pub(super) drawn: Vec<usize>,
    pub(super) left_out: usize,
}

/// How much a line has to do with it: less is more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Concern {
    /// It holds bytes that something is wrong with.
    Wrong,
    /// Those were copied from it, or to it.
    Copied,
    /// A device used it.
    Lent,
    /// Only the CPU did.
    Touched,
}

/// The lines that a history is about: those with bytes that something is wrong with, those of the buffers that devices use,
/// or if there is neither, those that the program used.
pub(super) fn lines(history: &History, violation: Option<&Violation>) -> Lines {
    let layout = &history.layout;
    let wrong = violation.map_or(0..0, |violation| violation.bytes.clone());
    let wrong = if wrong.len() < layout.len {
        wrong
    } else {
        0..0
    };

    let mut concerns = BTreeMap::new();
    let mut note = |bytes: Range<usize>, concern: Concern| {
        if !bytes.is_empty() && bytes.end <= layout.len {
            for line in layout.lines_of(&bytes) {
                let known = concerns.entry(line).or_insert(concern);
                *known = concern.min(*known);
            }
        }
    };
    note(wrong.clone(), Concern::Wrong);
    for entry in &history.entries {
        let Entry::Step(step) = entry else { continue };
        match step {
            Step::Copy { from, to, len, .. } => {
                for (one, other) in [(*from, *to), (*to, *from)] {
                    let (start, end) = (wrong.start.max(one), wrong.end.min(one + len));
                    if start < end {
                        note(start - one + other..end - one + other, Concern::Copied);
                    }
                }
            }
            Step::Start { accesses, .. } => {
                let ranges = accesses.iter().map(crate::steps::Access::range);
                ranges.for_each(|range| note(range, Concern::Lent));
            }
            _ => {}
        }
        let concern = match step {
            Step::HandOver { .. }
            | Step::HandBack { .. }
            | Step::Publish { .. }
            | Step::Ring { .. }
            | Step::Quarantine { .. }
            | Step::Device { .. } => Concern::Lent,
            _ => Concern::Touched,
        };
        if let Some(bytes) = step.bytes() {
            note(bytes, concern);
        }
    }
    most_concerned(&concerns)
}

fn most_concerned(concerns: &BTreeMap<usize, Concern>) -> Lines {
    let first = concerns.values().min().copied();
    let limit = first.map_or(Concern::Lent, |first| first.max(Concern::Lent));
    let of_concern = |limit: Concern| {
        concerns
            .iter()
            .filter(move |(_, concern)| **concern <= limit)
    };
    let wrong = of_concern(Concern::Wrong).map(|(line, _)| *line).next();
    let wrong = wrong.unwrap_or(0);

    let mut drawn: Vec<usize> = of_concern(limit).map(|(line, _)| *line).collect();
    drawn.sort_by_key(|line| (concerns[line], line.abs_diff(wrong)));
    let concerned = of_concern(Concern::Copied).count();
    let most = match concerned {
        0 => MOST_LINES,
        _ => MOST_LINES.min(concerned + MOST_NEIGHBOURS),
    };
    let left_out = drawn.len().saturating_sub(most);
    drawn.truncate(most);
    drawn.sort_unstable();
    Lines { drawn, left_out }
}

/// One place in the row of what is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// An entry, by its index.
    Entry(usize),
    /// Steps of the program and of devices that are left out, and the index of the last entry among them.
    Gap { steps: usize, last: usize },
}

/// The index of the entry during which something was found wrong for the first time.
pub(super) fn found_at(history: &History) -> Option<usize> {
    let mut found = None;
    history.replay(|index, _, state| {
        if found.is_none() && state.found.is_some() {
            found = Some(index);
        }
    });
    found
}

/// The entries that are drawn: as many as there is room for of those that touch or change the lines, the last ones up to
/// `end`, and before them the moves of the hardware with what comes before and after.
pub(super) fn columns(history: &History, lines: &[usize], end: usize) -> Vec<Shown> {
    let entries = &history.entries[..history.entries.len().min(end + 1)];
    let relevant = relevant(history, lines, entries.len());
    let mut kept = vec![false; entries.len()];
    let (earlier, last) = match relevant.len() > MOST_COLUMNS {
        true => relevant.split_at(relevant.len() - LAST_COLUMNS),
        false => relevant.split_at(0),
    };
    last.iter().for_each(|index| kept[*index] = true);
    let mut room = MOST_COLUMNS.saturating_sub(last.len());
    for (place, index) in earlier.iter().enumerate().rev() {
        if matches!(entries[*index], Entry::Move(_)) {
            let around = place.saturating_sub(1)..(place + 2).min(earlier.len());
            for index in &earlier[around] {
                if !kept[*index] && room > 0 {
                    kept[*index] = true;
                    room -= 1;
                }
            }
        }
    }

    let mut shown = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let is_step = matches!(entry, Entry::Step(_));
        if kept[index] {
            shown.push(Shown::Entry(index));
        } else if let Some(Shown::Gap { steps, last }) = shown.last_mut() {
            *steps += usize::from(is_step);
            *last = index;
        } else if is_step || relevant.binary_search(&index).is_ok() {
            shown.push(Shown::Gap {
                steps: usize::from(is_step),
                last: index,
            });
        }
    }
    shown
}

/// The entries that name the lines, that change what any copy holds of them, or that are about everything.
fn relevant(history: &History, lines: &[usize], len: usize) -> Vec<usize> {
    let mut state = history.start();
    let mut before = fingerprint(&state, lines);
    let mut relevant = Vec::new();
    for (index, entry) in history.entries.iter().take(len).enumerate() {
        advance(&mut state, entry);
        let after = fingerprint(&state, lines);
        let named = match entry {
            Entry::Step(step) => names(step, &history.layout, lines),
            Entry::Move(_) => false,
        };
        if named || before != after {
            relevant.push(index);
        }
        before = after;
    }
    relevant
}

fn names(step: &Step, layout: &Layout, lines: &[usize]) -> bool {
    let touches = |bytes: Range<usize>| {
        !bytes.is_empty() && layout.lines_of(&bytes).any(|line| lines.contains(&line))
    };
    match step {
        Step::Copy { from, to, len, .. } => touches(*from..from + len) || touches(*to..to + len),
        Step::Start { accesses, .. } => accesses.iter().any(|access| touches(access.range())),
        _ => step.bytes().is_none_or(touches),
    }
}

/// A number that changes if anything changes that is drawn of these lines.
fn fingerprint(state: &State, lines: &[usize]) -> u64 {
    let layout = &state.layout;
    let mut hasher = DefaultHasher::new();
    for line in lines {
        let bytes = layout.line_bytes(*line);
        state.memory[bytes.clone()].hash(&mut hasher);
        state.owners[bytes.clone()].hash(&mut hasher);
        state.gold[bytes.clone()].hash(&mut hasher);
        if *line < layout.lines() {
            for cache in layout.cache_ids() {
                let held = state.line(cache, *line);
                held.hash(&mut hasher);
                if held != Line::Absent {
                    state.caches[cache.0].cells[bytes.clone()].hash(&mut hasher);
                }
            }
        }
        let touches = |at: usize, len: usize| at < bytes.end && bytes.start < at + len;
        let stores = state.buffers.iter().flatten();
        stores
            .filter(|store| touches(store.at, store.cells.len()))
            .for_each(|store| store.hash(&mut hasher));
        let writes = state.posted.iter();
        writes
            .filter(|posted| touches(posted.at, posted.bytes.len()))
            .for_each(|posted| posted.hash(&mut hasher));
        let issued = state.issued.iter();
        issued
            .filter(|issued| issued.line == *line)
            .for_each(|issued| issued.hash(&mut hasher));
    }
    state.core.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use dma_api::{DataDirection, Limits};

    use super::*;
    use crate::{
        adversary::Adversary,
        config::{Config, Start},
        cpu::Cpu,
        engine::DmaEngine,
        machine::SimMachine,
        trial,
    };

    fn config() -> Config {
        Config {
            cached_len: 1024,
            uncached_len: 0,
            start: Start::Empty,
            store_buffer: 0,
            ..Config::default()
        }
    }

    /// What is drawn, and what is wrong, if anything is.
    fn chosen(driver: impl Fn(&Cpu<'_>)) -> Lines {
        chosen_with_a_device(|cpu, _| driver(cpu))
    }

    fn chosen_with_a_device(driver: impl Fn(&Cpu<'_>, &DmaEngine<'_>)) -> Lines {
        let machine = SimMachine::new(config()).expect("a machine");
        let engine = DmaEngine::new(&machine, Limits::UNLIMITED, machine.config().snooping);
        driver(&Cpu::new(&machine), &engine);
        let history = machine.history();
        drop(machine.verdict());
        lines(&history, history.violation().as_ref())
    }

    fn lend(cpu: &Cpu<'_>, at: usize, len: usize) {
        cpu.clean(at, len);
        cpu.before_doorbell();
        cpu.lend(at, len, DataDirection::ToDevice);
    }

    #[test]
    fn lines_of_buffers_are_drawn_and_others_are_not() {
        let chosen = chosen(|cpu| {
            cpu.own(0, 1024);
            cpu.store(0, &[1; 64]);
            lend(cpu, 128, 65);
        });

        let drawn = vec![2, 3];
        assert_eq!(chosen, Lines { drawn, left_out: 0 });
    }

    #[test]
    fn without_a_buffer_the_programs_own_lines_are_drawn() {
        let chosen = chosen(|cpu| cpu.own(64, 64));

        let drawn = vec![1];
        assert_eq!(chosen, Lines { drawn, left_out: 0 });
    }

    #[test]
    fn no_more_lines_are_drawn_than_there_is_room_for() {
        let chosen = chosen(|cpu| {
            cpu.own(0, 1024);
            lend(cpu, 0, 640);
        });

        let drawn = vec![0, 1, 2, 3];
        assert_eq!(chosen, Lines { drawn, left_out: 6 });
    }

    #[test]
    fn what_is_wrong_is_drawn_with_its_nearest_neighbour() {
        let chosen = chosen(|cpu| {
            cpu.own(0, 1024);
            lend(cpu, 0, 640);
            cpu.store(515, &[1]);
        });

        let drawn = vec![7, 8];
        assert_eq!(chosen, Lines { drawn, left_out: 8 });
    }

    #[test]
    fn a_copy_is_drawn_with_what_it_was_made_from() {
        // Memory that nobody has written is a former owner's.
        let chosen = chosen(|cpu| {
            cpu.own(0, 1024);
            lend(cpu, 0, 64);
            cpu.copy(640, 320, 64);
        });

        assert!(
            chosen.drawn.contains(&5) && chosen.drawn.contains(&10),
            "{chosen:?}"
        );
    }

    #[test]
    fn what_is_wrong_everywhere_chooses_no_line() {
        let chosen = chosen_with_a_device(|cpu, engine| {
            cpu.own(0, 1024);
            lend(cpu, 320, 64);
            cpu.store(0, &[1; 64]);
            engine.doorbell();
        });

        let drawn = vec![5];
        assert_eq!(chosen, Lines { drawn, left_out: 0 });
    }

    #[test]
    fn steps_that_do_not_touch_the_lines_are_left_out_and_moves_without_a_word() {
        let driver = |machine: &SimMachine| -> trial::Outcome {
            let cpu = Cpu::new(machine);
            cpu.own(0, 64);
            cpu.own(512, 64);
            cpu.own(576, 64);
            cpu.store(0, &[1; 64]);
            Err("the end".into())
        };
        let failure = trial::run(&config(), &Adversary::Hoarding, driver).expect_err("it says so");
        let history = failure.history;
        let entries = history.entries();
        let last = entries.len() - 1;

        let shown = columns(&history, &[0], last);

        let gaps: Vec<usize> = shown
            .iter()
            .filter_map(|shown| match shown {
                Shown::Gap { steps, .. } => Some(*steps),
                Shown::Entry(_) => None,
            })
            .collect();
        assert_eq!(gaps, [2]);
        let entries: Vec<String> = shown
            .iter()
            .filter_map(|shown| match shown {
                Shown::Gap { .. } => None,
                Shown::Entry(index) => Some(history.describe(&entries[*index])),
            })
            .collect();
        let expected = [
            "CPU uses bytes 0x0..0x40",
            "L1 fills line 0x0",
            "CPU stores bytes 0x0..0x40",
            "the end: all dirty lines are written back",
        ];
        assert_eq!(entries, expected);
    }
}
