//! The whole comparison of small objects, warm and cold.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::figures::{Figures, Measure};
use crate::lane::{Entry, Lane};
use crate::objects::churn::Batches;
use crate::objects::fixed::CAN_CHILL;
use crate::objects::roster;
use crate::peer::{Books, Row};
use crate::report;
use crate::script::Op;
use crate::stats::Spread;
use crate::timing::measured;

/// How it is measured, in words.
const METHOD: &str = include_str!("method.md");

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Rounds over all peers.
    pub rounds: usize,
    /// Batches in a round.
    pub batches: usize,
}

/// Whether what is handed out is in the caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caches {
    Warm,
    /// Before each batch it is put out of them, as a device leaves it that has written to it.
    Cold,
}

/// Measures those whose names begin so, or all.
///
/// # Errors
/// An allocator cannot have its region.
pub fn run(names: &[String], effort: Effort) -> Result<Figures> {
    let mut figures = Figures::default();
    for (bytes, entries) in roster::all() {
        let chosen: Vec<Entry> = entries
            .into_iter()
            .filter(|entry| {
                let named = |name: &String| entry.row.name.starts_with(name.as_str());
                entry.row.books == Books::None || names.is_empty() || names.iter().any(named)
            })
            .collect();
        measure(bytes, &chosen, Caches::Warm, effort, &mut figures)?;
        if CAN_CHILL {
            measure(bytes, &chosen, Caches::Cold, effort, &mut figures)?;
        }
    }
    Ok(figures)
}

fn measure(
    bytes: usize,
    entries: &[Entry],
    caches: Caches,
    effort: Effort,
    figures: &mut Figures,
) -> Result<()> {
    let mut batches = Batches::new(41, bytes);
    let begin = batches.begin();
    let rounds: Vec<Vec<Vec<Op>>> = (0..effort.rounds)
        .map(|_| (0..effort.batches).map(|_| batches.next_batch()).collect())
        .collect();
    let finish = batches.finish();

    let mut lanes = Vec::new();
    for entry in entries {
        let mut lane = entry.lane(0, begin.len() * 8 + 64, &[])?;
        lane.run(&begin);
        lanes.push((lane, Vec::new()));
    }
    for round in &rounds {
        for (lane, nanos) in &mut lanes {
            nanos.push(time(lane.as_mut(), round, caches));
        }
    }
    for (lane, _) in &mut lanes {
        lane.run(&finish);
    }

    // The harness is the first, and its time is in every other's of the same round.
    let name = match caches {
        Caches::Warm => format!("{bytes}B"),
        Caches::Cold => format!("{bytes}B-cold"),
    };
    let harness = lanes
        .first()
        .map(|(_, nanos)| nanos.clone())
        .unwrap_or_default();
    for (entry, (_, nanos)) in entries.iter().zip(&lanes).skip(1) {
        let over: Vec<f64> = nanos
            .iter()
            .zip(&harness)
            .map(|(own, harness)| own - harness)
            .collect();
        if let Some(over) = Spread::of(&over) {
            figures.add_spread(entry.row.name, &name, Measure::Over, over);
        }
    }
    Ok(())
}

/// Nanoseconds per call of a round.
fn time(lane: &mut dyn Lane, batches: &[Vec<Op>], caches: Caches) -> f64 {
    let mut spent = Duration::ZERO;
    let mut calls = 0;
    for batch in batches {
        if caches == Caches::Cold {
            lane.chill();
        }
        let started = Instant::now();
        let missed = measured(lane, batch);
        spent += started.elapsed();
        calls += batch.len() as u32 - missed.skipped;
    }
    spent.as_nanos() as f64 / f64::from(calls)
}

/// Writes what was measured.
///
/// # Errors
/// The files cannot be written.
pub fn write(figures: &Figures, folder: &Path) -> Result<()> {
    let [(_, entries), ..] = roster::all();
    let rows: Vec<Row> = entries.iter().map(|entry| entry.row).collect();
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for (name, content) in [
        ("objects.csv", figures.csv()),
        ("objects.md", report::page(METHOD, &rows, figures)),
    ] {
        let path = folder.join(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::churn::BATCH;
    use crate::objects::fixed::REGION;

    /// Whether all objects that are taken at once lie apart.
    fn apart(entry: &Entry, bytes: usize) -> bool {
        let mut batches = Batches::new(2, bytes);
        let begin = batches.begin();
        let slots = REGION / bytes;
        let mut lane = entry.lane(0, slots, &[]).unwrap();
        lane.run(&begin);
        let mut taken = 0;
        for _ in 0..20 {
            // All takes come first, and what they leave is looked at.
            let batch = batches.next_batch();
            let (takes, gives) = batch.split_at(BATCH);
            lane.run(takes);
            let slots = 0..slots as u32;
            let mut offsets: Vec<u32> = slots.filter_map(|slot| lane.page(slot)).collect();
            offsets.sort_unstable();
            taken = taken.max(offsets.len());
            if offsets.windows(2).any(|two| two[1] - two[0] < bytes as u32) {
                return false;
            }
            lane.run(gives);
        }
        lane.run(&batches.finish());
        assert!(taken >= 16, "{}: {taken}", entry.row.name);
        true
    }

    // One test, since one of the pools is a global.
    #[test]
    fn objects_of_every_peer_lie_apart_and_those_that_are_no_allocator_do_not() {
        for (bytes, entries) in roster::all() {
            for entry in entries {
                let allocator = entry.row.books != Books::None || entry.row.name == "zeroing";
                assert_eq!(apart(&entry, bytes), allocator, "{}", entry.row.name);
            }
        }

        let effort = Effort {
            rounds: 1,
            batches: 2,
        };
        let figures = run(&["dmapool".to_owned()], effort).unwrap();
        assert_eq!(figures.peers(), ["zeroing", "dmapool"]);
        assert!(figures.get("dmapool", "64B", Measure::Over).is_some());
    }
}
