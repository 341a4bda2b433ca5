//! The parts of the comparison beside the timed workloads, by name.

use std::time::Duration;

use anyhow::Result;

use crate::books;
use crate::each;
use crate::figures::{Figures, Measure};
use crate::growth::{self, REGIONS};
use crate::lane::Entry;
use crate::peer::Books;
use crate::space::{self, FAIL_AT, LARGE_AT};
use crate::threads;
use crate::timing;
use crate::workloads::{self, Effort, PAGES};

/// The workloads whose calls are timed one by one.
const EACH: [&str; 5] = ["bulk4k", "anyL90", "anyH90", "limit1", "limit3"];

/// Calls of each thread, and how often they are made.
const THREADS: (usize, usize) = (200_000, 9);

/// How a part is measured: of whom, how much, and how long each may take to age a region.
pub type Measured = fn(&[Entry], Effort, Duration, &mut Figures) -> Result<()>;

/// All parts.
pub const PARTS: [(&str, Measured); 7] = [
    ("fail", fail),
    ("fill", fill),
    ("cma2M", large),
    ("each", each),
    ("growth", growth),
    ("books", books),
    ("threads", threads),
];

// Whoever cannot have a region, or takes too long to age it, has no figures.

fn fail(entries: &[Entry], _: Effort, budget: Duration, figures: &mut Figures) -> Result<()> {
    for entry in allocators(entries) {
        for at in FAIL_AT {
            if let Ok(refused) = space::refused_at(entry, PAGES, at, budget) {
                let name = format!("fail{at}");
                figures.add(entry.row.name, &name, Measure::Refused, 100.0 * refused);
            }
        }
    }
    Ok(())
}

fn fill(entries: &[Entry], _: Effort, _: Duration, figures: &mut Figures) -> Result<()> {
    for entry in allocators(entries) {
        if let Ok(filled) = space::fill(entry, PAGES) {
            figures.add(entry.row.name, "fill", Measure::Success, 100.0 * filled);
        }
    }
    Ok(())
}

fn large(entries: &[Entry], _: Effort, budget: Duration, figures: &mut Figures) -> Result<()> {
    for entry in allocators(entries) {
        for at in LARGE_AT {
            if let Ok(success) = space::large_at(entry, PAGES, at, budget) {
                let name = format!("cma2M{at}");
                figures.add(entry.row.name, &name, Measure::Success, 100.0 * success);
            }
        }
    }
    Ok(())
}

fn each(entries: &[Entry], effort: Effort, budget: Duration, figures: &mut Figures) -> Result<()> {
    for workload in workloads::named(&EACH.map(str::to_owned))? {
        let script = workload.script(PAGES, effort);
        for entry in allocators(entries) {
            let Ok(Some(each)) = each::measure(entry, &script, budget) else {
                continue;
            };
            let mut add = |measure, value| {
                figures.add(entry.row.name, workload.name, measure, value);
            };
            add(Measure::Percentile99, each.percentile99);
            add(Measure::Worst, each.worst);
            add(Measure::WorstRatio, each.worst / each.median.max(1.0));
        }
    }
    Ok(())
}

fn growth(
    entries: &[Entry],
    effort: Effort,
    budget: Duration,
    figures: &mut Figures,
) -> Result<()> {
    for (name, pages) in REGIONS {
        let all = growth::run(entries, pages, effort, budget);
        for (entry, timed) in entries.iter().zip(&all) {
            if let Some(nanos) = timed.as_ref().and_then(timing::Timed::spread) {
                figures.add_spread(entry.row.name, name, Measure::Growth, nanos);
            }
        }
    }
    Ok(())
}

fn books(entries: &[Entry], _: Effort, _: Duration, figures: &mut Figures) -> Result<()> {
    for (name, least, most) in books::read()? {
        let side = |entry: &&Entry| entry.row.name == name && entry.row.books == Books::Side;
        if let Some(entry) = entries.iter().find(side) {
            figures.add(entry.row.name, "least", Measure::Bits, least);
            figures.add(entry.row.name, "most", Measure::Bits, most);
        }
    }
    Ok(())
}

fn threads(entries: &[Entry], _: Effort, _: Duration, figures: &mut Figures) -> Result<()> {
    let (calls, rounds) = THREADS;
    for (name, ratio) in threads::run(calls, rounds)? {
        if entries.iter().any(|entry| name.starts_with(entry.row.name)) {
            figures.add_spread(name, "anyL", Measure::Speedup, ratio);
        }
    }
    Ok(())
}

/// All but the harness itself.
fn allocators(entries: &[Entry]) -> impl Iterator<Item = &Entry> {
    entries
        .iter()
        .filter(|entry| entry.row.books != Books::None)
}
