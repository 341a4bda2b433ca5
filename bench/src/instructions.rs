//! Instructions per call, counted by running this program under callgrind.
//!
//! The counted program makes one call of [`timing::measured`] for each workload; callgrind counts
//! inside of it only, and writes a file at each end of it.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::lane::Entry;
use crate::timing;
use crate::workloads::{Effort, PAGES, Workload};

/// The subcommand that is run under callgrind.
pub const COUNTED: &str = "counted";

/// The function inside of which is counted.
const FUNCTION: &str = "bench::timing::measured";

/// As much of a workload as is counted: a count is the same each time.
const EFFORT: Effort = Effort {
    rounds: 1,
    calls: 4096,
};

/// What is counted: one peer in some workloads, one after the other. Prints the calls of each.
///
/// # Errors
/// The peer cannot have such a region.
pub fn counted(entry: &Entry, workloads: &[Workload]) -> Result<()> {
    for workload in workloads {
        let script = workload.script(PAGES, EFFORT);
        let mut lane = timing::aged(entry, &script, Duration::MAX)?;
        let round = script.rounds.first().context("a workload of no rounds")?;
        let ops = &script.ops[round.timed.clone()];
        lane.run(&script.ops[round.warming.clone()]);
        let missed = timing::measured(lane.as_mut(), ops);
        println!("{}", ops.len() as u32 - missed.skipped);
    }
    Ok(())
}

/// Instructions per call of one peer in each of those workloads.
///
/// # Errors
/// There is no valgrind, or what it prints cannot be understood.
pub fn count(entry: &Entry, workloads: &[Workload], folder: &Path) -> Result<Vec<f64>> {
    let files = folder.join(format!("callgrind.{}", entry.row.name));
    let program = env::current_exe().context("this program is nowhere")?;
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--toggle-collect={FUNCTION}"))
        .arg(format!("--dump-after={FUNCTION}"))
        .arg(format!("--callgrind-out-file={}", files.display()))
        .arg(program)
        .args([COUNTED, "--only", entry.row.name])
        .args(["--workload".to_owned(), join(workloads)])
        .stderr(Stdio::inherit());
    let output = command.output().context("cannot run valgrind")?;
    ensure!(output.status.success(), "valgrind: {}", output.status);

    let calls = String::from_utf8(output.stdout)?;
    let calls: Vec<f64> = calls.lines().map(str::parse).collect::<Result<_, _>>()?;
    ensure!(
        calls.len() == workloads.len(),
        "counted {} workloads",
        calls.len()
    );
    let mut counts = Vec::new();
    for (index, calls) in calls.iter().enumerate() {
        let path = format!("{}.{}", files.display(), index + 1);
        let dump = fs::read_to_string(&path).with_context(|| format!("no {path}"))?;
        let total = total(&dump).with_context(|| format!("no total in {path}"))?;
        counts.push(total as f64 / calls);
        fs::remove_file(&path)?;
    }
    Ok(counts)
}

fn join(workloads: &[Workload]) -> String {
    let names: Vec<&str> = workloads.iter().map(|workload| workload.name).collect();
    names.join(",")
}

/// The number in the line `totals: 123`.
fn total(dump: &str) -> Option<u64> {
    dump.lines()
        .find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_total_is_found_in_what_callgrind_writes() {
        let dump = "version: 1\nevents: Ir\nsummary: 7\n\nfn=(1) main\n1 7\n\ntotals: 4711\n";

        assert_eq!(total(dump), Some(4711));
        assert_eq!(total("version: 1\n"), None);
    }
}
