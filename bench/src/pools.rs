//! The whole comparison of pools, part after part.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::figures::{Figures, Measure};
use crate::instructions;
use crate::lane::Entry;
use crate::parts::{Measured, PARTS};
use crate::peer::Row;
use crate::plot;
use crate::report;
use crate::roster::OURS;
use crate::timing;
use crate::workloads::{Effort, PAGES, TIMED, Workload};

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

/// What is measured, chosen by name.
#[derive(Debug)]
pub struct Plan {
    entries: Vec<Entry>,
    scope: Scope,
    timed: Vec<Workload>,
    parts: Vec<(&'static str, Measured)>,
}

impl Plan {
    /// Workloads whose names begin like one of `names`; all of the scope if there are none.
    ///
    /// # Errors
    /// Nothing is called so.
    pub fn new(entries: Vec<Entry>, scope: Scope, names: &[String]) -> Result<Self> {
        let asked = |name: &str| names.iter().any(|asked| name.starts_with(asked.as_str()));
        let all = || {
            TIMED
                .iter()
                .map(|timed| timed.name)
                .chain(PARTS.map(|(name, _)| name))
        };
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
            parts: PARTS.into_iter().filter(|(name, _)| chosen(name)).collect(),
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
        for (name, measure) in &self.parts {
            say(name)?;
            measure(&self.entries, effort, self.budget(), figures)?;
        }
        println!();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster;

    fn names(scope: Scope, asked: &[&str]) -> Result<Vec<&'static str>> {
        let asked: Vec<String> = asked.iter().map(|&name| name.to_owned()).collect();
        let plan = Plan::new(roster::all(), scope, &asked)?;
        let timed = plan.timed.iter().map(|timed| timed.name);
        Ok(timed
            .chain(plan.parts.iter().map(|(name, _)| *name))
            .collect())
    }

    #[test]
    fn what_is_asked_for_is_measured_and_nothing_else_quick_or_not() {
        let quick = names(Scope::Quick, &[]).unwrap();
        assert!(quick.contains(&"anyH90") && quick.contains(&"fail"));
        assert!(NOT_QUICK.iter().all(|name| !quick.contains(name)));
        let full = names(Scope::Full, &[]).unwrap();
        assert_eq!(full.len(), quick.len() + NOT_QUICK.len());

        let asked = ["anyL", "limit1", "books"];
        for scope in [Scope::Quick, Scope::Full] {
            let found = names(scope, &asked).unwrap();
            assert_eq!(found, ["anyL50", "anyL90", "limit1", "books"]);
        }
        let error = names(Scope::Full, &["anyX"]).unwrap_err().to_string();
        assert!(
            error.starts_with("no workload is called anyX; there are pair4k, "),
            "{error}"
        );
    }
}
