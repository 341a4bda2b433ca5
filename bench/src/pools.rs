//! The whole comparison of pools, part after part.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::books;
use crate::each;
use crate::figures::{Figures, Measure};
use crate::growth::{self, REGIONS};
use crate::instructions;
use crate::lane::Entry;
use crate::peer::{Books, Row};
use crate::plot;
use crate::report;
use crate::roster::OURS;
use crate::space::{self, FAIL_AT, LARGE_AT};
use crate::threads;
use crate::timing;
use crate::workloads::{self, Effort, PAGES, TIMED, Workload};

/// How it is measured, in words.
const METHOD: &str = include_str!("method.md");

/// How much of it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// What is needed while an allocator is tuned, in less than a minute.
    Quick,
    /// Everything.
    Full,
}

/// The workloads that [`Scope::Quick`] leaves out.
const NOT_QUICK: [&str; 7] = [
    "limit0", "limit1", "limit3", "each", "growth", "books", "threads",
];

/// What is slower takes minutes to count.
const FAST_NANOS: f64 = 500.0;

/// The parts beside the timed workloads.
const PARTS: [&str; 7] = [
    "fail", "fill", "cma2M", "each", "growth", "books", "threads",
];

/// The workloads whose calls are timed one by one.
const EACH: [&str; 5] = ["bulk4k", "anyL90", "anyH90", "limit1", "limit3"];

/// What is measured, chosen by name.
#[derive(Debug)]
pub struct Plan {
    entries: Vec<Entry>,
    scope: Scope,
    timed: Vec<Workload>,
    others: Vec<&'static str>,
}

impl Plan {
    /// Workloads whose names begin like one of `names`; all of the scope if there are none.
    ///
    /// # Errors
    /// Nothing is called so.
    pub fn new(entries: Vec<Entry>, scope: Scope, names: &[String]) -> Result<Self> {
        let asked = |name: &str| names.iter().any(|asked| name.starts_with(asked.as_str()));
        let all = || TIMED.iter().map(|timed| timed.name).chain(PARTS);
        for asked in names {
            if !all().any(|name| name.starts_with(asked.as_str())) {
                bail!(
                    "no workload is called {asked}; there are {}",
                    all().collect::<Vec<_>>().join(", ")
                );
            }
        }
        let chosen = |name: &str| match scope {
            _ if !names.is_empty() => asked(name),
            Scope::Quick => !NOT_QUICK.contains(&name),
            Scope::Full => true,
        };
        Ok(Self {
            entries,
            scope,
            timed: TIMED
                .iter()
                .copied()
                .filter(|timed| chosen(timed.name))
                .collect(),
            others: PARTS.into_iter().filter(|name| chosen(name)).collect(),
        })
    }

    /// How long a peer may take to age a region.
    const fn budget(&self) -> Duration {
        match self.scope {
            Scope::Quick => Duration::from_millis(150),
            Scope::Full => Duration::MAX,
        }
    }

    /// Measures all but instructions.
    ///
    /// # Errors
    /// The progress cannot be shown.
    pub fn run(&self, figures: &mut Figures) -> Result<()> {
        let effort = match self.scope {
            Scope::Quick => Effort {
                rounds: 7,
                calls: 8192,
            },
            Scope::Full => Effort {
                rounds: 15,
                calls: 16_384,
            },
        };
        for workload in &self.timed {
            say(workload.name)?;
            self.time(*workload, effort, figures);
        }
        for name in &self.others {
            say(name)?;
            match *name {
                "each" => self.each(effort, figures)?,
                "growth" => self.growth(effort, figures),
                "books" => self.books(figures)?,
                "threads" => self.threads(figures)?,
                name => {
                    for entry in self.allocators() {
                        measure_space(name, entry, self.budget(), figures);
                    }
                }
            }
        }
        println!();
        Ok(())
    }

    /// All but the harness itself.
    fn allocators(&self) -> impl Iterator<Item = &Entry> {
        let allocates = |entry: &&Entry| entry.row.books != Books::None;
        self.entries.iter().filter(allocates)
    }

    fn each(&self, effort: Effort, figures: &mut Figures) -> Result<()> {
        for name in EACH {
            for workload in workloads::named(&[name.to_owned()])? {
                let script = workload.script(PAGES, effort);
                for entry in self.allocators() {
                    let Ok(Some(each)) = each::measure(entry, &script, self.budget()) else {
                        continue;
                    };
                    let peer = entry.row.name;
                    figures.add(peer, name, Measure::Percentile99, each.percentile99);
                    figures.add(peer, name, Measure::Worst, each.worst);
                    figures.add(
                        peer,
                        name,
                        Measure::WorstRatio,
                        each.worst / each.median.max(1.0),
                    );
                }
            }
        }
        Ok(())
    }

    fn growth(&self, effort: Effort, figures: &mut Figures) {
        for (name, pages) in REGIONS {
            let all = growth::run(&self.entries, pages, effort, self.budget());
            for (entry, timed) in self.entries.iter().zip(&all) {
                if let Some(nanos) = timed.as_ref().and_then(timing::Timed::spread) {
                    figures.add_spread(entry.row.name, name, Measure::Growth, nanos);
                }
            }
        }
    }

    fn books(&self, figures: &mut Figures) -> Result<()> {
        for (name, least, most) in books::read()? {
            let side = |entry: &&Entry| entry.row.name == name && entry.row.books == Books::Side;
            if let Some(entry) = self.entries.iter().find(side) {
                figures.add(entry.row.name, "least", Measure::Bits, least);
                figures.add(entry.row.name, "most", Measure::Bits, most);
            }
        }
        Ok(())
    }

    fn threads(&self, figures: &mut Figures) -> Result<()> {
        for (name, ratio) in threads::run(200_000, 9)? {
            if self.entries.iter().any(|entry| entry.row.name == name) {
                figures.add_spread(name, "anyL", Measure::Speedup, ratio);
            }
        }
        Ok(())
    }

    /// The timed workloads whose instructions are counted: the fast ones, which are counted again, and the slow ones, which
    /// take too long for that, and far too long where it has to be quick.
    fn counted(&self, entry: &Entry, figures: &Figures) -> (Vec<Workload>, Vec<Workload>) {
        let nanos = |workload: &Workload| {
            let nanos = figures.get(entry.row.name, workload.name, Measure::Nanos);
            nanos.map(|nanos| nanos.median)
        };
        let done = self
            .timed
            .iter()
            .copied()
            .filter(|workload| nanos(workload).is_some());
        let is_fast = |workload: &Workload| nanos(workload).is_some_and(|nanos| nanos < FAST_NANOS);
        let (fast, slow) = done.partition(is_fast);
        match self.scope {
            Scope::Quick => (fast, Vec::new()),
            Scope::Full => (fast, slow),
        }
    }

    fn time(&self, workload: Workload, effort: Effort, figures: &mut Figures) {
        let script = workload.script(PAGES, effort);
        let all = timing::run(&self.entries, &script, self.budget());
        let is_ours = |entry: &Entry| entry.row.name == OURS;
        let ours = self.entries.iter().position(is_ours);
        let ours = ours.and_then(|place| all[place].clone());

        for (entry, timed) in self.entries.iter().zip(&all) {
            let name = entry.row.name;
            let Some(timed) = timed else { continue };
            if let Some(nanos) = timed.spread() {
                figures.add_spread(name, workload.name, Measure::Nanos, nanos);
            }
            if let Some(ratio) = ours.as_ref().and_then(|ours| timed.ratio(ours)) {
                figures.add_ratio(name, workload.name, ratio);
            }
            let refused = 100.0 * timed.calls.refused_share();
            figures.add(name, workload.name, Measure::Refused, refused);
            if timed.calls.limited > 0 {
                let success = 100.0 * timed.calls.limited_success();
                figures.add(name, workload.name, Measure::Success, success);
            }
        }
    }

    /// Counts the instructions of all timed workloads; `folder` is for callgrind's files.
    ///
    /// # Errors
    /// Valgrind does not run, or a second run counts otherwise.
    pub fn count(&self, folder: &Path, figures: &mut Figures) -> Result<()> {
        for entry in &self.entries {
            say(entry.row.name)?;
            let (fast, slow) = self.counted(entry, figures);
            let counts = count(entry, &fast, folder)?;
            if self.scope == Scope::Full {
                let again = count(entry, &fast, folder)?;
                let name = entry.row.name;
                ensure!(counts == again, "{name}: {counts:?}, and again {again:?}");
            }
            let all = counts.into_iter().chain(count(entry, &slow, folder)?);
            for (workload, count) in fast.iter().chain(&slow).zip(all) {
                figures.add(entry.row.name, workload.name, Measure::Instructions, count);
            }
        }
        println!();
        Ok(())
    }
}

/// Nothing is run for no workloads.
fn count(entry: &Entry, workloads: &[Workload], folder: &Path) -> Result<Vec<f64>> {
    if workloads.is_empty() {
        return Ok(Vec::new());
    }
    instructions::count(entry, workloads, folder)
}

/// A peer that cannot have the region, or is too slow, has no figures.
fn measure_space(name: &str, entry: &Entry, budget: Duration, figures: &mut Figures) {
    let peer = entry.row.name;
    match name {
        "fail" => {
            for at in FAIL_AT {
                if let Ok(refused) = space::refused_at(entry, PAGES, at, budget) {
                    figures.add(
                        peer,
                        &format!("fail{at}"),
                        Measure::Refused,
                        100.0 * refused,
                    );
                }
            }
        }
        "fill" => {
            if let Ok(filled) = space::fill(entry, PAGES) {
                figures.add(peer, name, Measure::Success, 100.0 * filled);
            }
        }
        _ => {
            for at in LARGE_AT {
                if let Ok(success) = space::large_at(entry, PAGES, at, budget) {
                    figures.add(
                        peer,
                        &format!("cma2M{at}"),
                        Measure::Success,
                        100.0 * success,
                    );
                }
            }
        }
    }
}

/// Shows what is being measured now.
fn say(name: &str) -> io::Result<()> {
    print!("{name} ");
    io::stdout().flush()
}

/// Writes what was measured: the figures, the picture and the page.
///
/// # Errors
/// The files cannot be written.
pub fn write(figures: &Figures, rows: &[Row], folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let write = |name: &str, content: String| {
        let path = folder.join(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
    };
    write("pools.csv", figures.csv())?;
    write("pools.md", report::page(METHOD, rows, figures))?;
    plot::draw(figures, Measure::Nanos, &folder.join("pools.svg"))
}
