//! Other programs, run with nothing to read, everything they print in a log, and a limit to their time.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::iter;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::workspace;

/// How often a running program is looked at.
const POLL: Duration = Duration::from_millis(10);

/// The end of a run.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) end: End,
    /// Everything it printed, standard output and standard error in the order they came.
    pub(crate) output: String,
    pub(crate) log: PathBuf,
}

/// Why a program no longer runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It ended by itself, with this status.
    Status(ExitStatus),
    /// It was killed when this much time had passed.
    TimeLimit(Duration),
}

impl End {
    /// The exit code, if it ended by itself and gave one.
    pub(crate) fn code(self) -> Option<i32> {
        match self {
            Self::Status(status) => status.code(),
            Self::TimeLimit(_) => None,
        }
    }

    /// The end, in words.
    pub(crate) fn describe(self) -> String {
        match self {
            Self::Status(status) => status.to_string(),
            Self::TimeLimit(limit) => format!("killed after {} s", limit.as_secs()),
        }
    }
}

/// Runs `command` from the workspace's root; `name` is the log's.
pub(crate) fn run(command: &mut Command, name: &str, limit: Duration) -> Result<Finished> {
    let log = workspace::output("logs")?.join(format!("{name}.log"));
    let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .current_dir(workspace::root())
        // A log has no colours.
        .env("CARGO_TERM_COLOR", "never")
        .env("TERM", "dumb")
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;

    let started = Instant::now();
    let end = loop {
        if let Some(status) = child.try_wait()? {
            break End::Status(status);
        }
        if started.elapsed() >= limit {
            child.kill()?;
            child.wait()?;
            break End::TimeLimit(limit);
        }
        thread::sleep(POLL);
    };

    Ok(Finished {
        end,
        output: read_lossily(&log)?,
        log,
    })
}

/// Like [`run`], where anything but success is an error that shows all the output.
pub(crate) fn run_to_success(command: &mut Command, name: &str, limit: Duration) -> Result<String> {
    let finished = run(command, name, limit)?;
    if finished.end.code() == Some(0) {
        return Ok(finished.output);
    }
    let words = iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(OsStr::to_string_lossy).collect();
    bail!(
        "{}\n{}: {}",
        finished.output,
        words.join(" "),
        finished.end.describe()
    );
}

/// What a short command prints, or nothing if it cannot be run or fails.
pub(crate) fn answer(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn read_lossily(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_streams_and_the_exit_code_are_kept() {
        let finished = run(
            Command::new("sh").args(["-c", "echo one; echo two >&2; exit 33"]),
            "unit-test-streams",
            Duration::from_secs(20),
        )
        .expect("a shell runs");

        assert_eq!(finished.output, "one\ntwo\n");
        assert_eq!(finished.end.code(), Some(33));
    }

    #[test]
    fn a_program_that_does_not_end_is_killed() {
        let limit = Duration::from_millis(50);

        let finished =
            run(Command::new("sleep").arg("100"), "unit-test-limit", limit).expect("sleep runs");

        assert_eq!(finished.end, End::TimeLimit(limit));
        assert_eq!(finished.end.code(), None);
    }
}
