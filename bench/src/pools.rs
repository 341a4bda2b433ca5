//! The whole comparison of pools, part after part.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::figures::{Figures, Measure};
use crate::instructions;
use crate::lane::Entry;
use crate::peer::Books;
use crate::roster::OURS;
use crate::space::{self, FAIL_AT, LARGE_AT};
use crate::timing;
use crate::workloads::{Effort, PAGES, TIMED, Workload};

/// How much of it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// What is needed while an allocator is tuned, in less than a minute.
    Quick,
    /// Everything.
    Full,
}

/// The workloads that [`Scope::Quick`] leaves out.
const NOT_QUICK: [&str; 2] = ["limit1", "limit3"];

/// The parts that are not timed.
const SPACE: [&str; 3] = ["fail", "fill", "cma2M"];

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
        let all = || TIMED.iter().map(|timed| timed.name).chain(SPACE);
        for asked in names {
            if !all().any(|name| name.starts_with(asked.as_str())) {
                bail!("no workload is called {asked}; there are {}", all().collect::<Vec<_>>().join(", "));
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
            timed: TIMED.iter().copied().filter(|timed| chosen(timed.name)).collect(),
            others: SPACE.into_iter().filter(|name| chosen(name)).collect(),
        })
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
                rounds: 25,
                calls: 16_384,
            },
        };
        for workload in &self.timed {
            say(workload.name)?;
            self.time(*workload, effort, figures);
        }
        for name in &self.others {
            say(name)?;
            for entry in self.entries.iter().filter(|entry| entry.row.books != Books::None) {
                measure_space(name, entry, figures)?;
            }
        }
        println!();
        Ok(())
    }

    fn time(&self, workload: Workload, effort: Effort, figures: &mut Figures) {
        let script = workload.script(PAGES, effort);
        let all = timing::run(&self.entries, &script);
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
            let counts = instructions::count(entry, &self.timed, folder)?;
            if self.scope == Scope::Full {
                let again = instructions::count(entry, &self.timed, folder)?;
                ensure!(counts == again, "{}: {counts:?}, and again {again:?}", entry.row.name);
            }
            for (workload, count) in self.timed.iter().zip(counts) {
                figures.add(entry.row.name, workload.name, Measure::Instructions, count);
            }
        }
        println!();
        Ok(())
    }
}

fn measure_space(name: &str, entry: &Entry, figures: &mut Figures) -> Result<()> {
    let peer = entry.row.name;
    match name {
        "fail" => {
            for at in FAIL_AT {
                let refused = 100.0 * space::refused_at(entry, PAGES, at)?;
                figures.add(peer, &format!("fail{at}"), Measure::Refused, refused);
            }
        }
        "fill" => {
            let filled = 100.0 * space::fill(entry, PAGES)?;
            figures.add(peer, name, Measure::Success, filled);
        }
        _ => {
            for at in LARGE_AT {
                let success = 100.0 * space::large_at(entry, PAGES, at)?;
                figures.add(peer, &format!("cma2M{at}"), Measure::Success, success);
            }
        }
    }
    Ok(())
}

/// Shows what is being measured now.
fn say(name: &str) -> io::Result<()> {
    print!("{name} ");
    io::stdout().flush()
}

/// Writes what was measured.
///
/// # Errors
/// The files cannot be written.
pub fn write(figures: &Figures, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let path = folder.join("pools.csv");
    fs::write(&path, figures.csv()).with_context(|| format!("cannot write {}", path.display()))
}
