//! Other programs, run with nothing to read, everything they print in a log, and a limit to their time.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Seek};
use std::iter;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::group::Group;
use crate::workspace;

/// A short command that only has to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

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
    run_in(workspace::root(), command, name, limit)
}

/// Like [`run`], from another folder.
pub(crate) fn run_in(
    folder: &Path,
    command: &mut Command,
    name: &str,
    limit: Duration,
) -> Result<Finished> {
    let log = workspace::output("logs")?.join(format!("{name}.log"));
    let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let end = supervise(
        command
            .current_dir(folder)
            // A log has no colours.
            .env("CARGO_TERM_COLOR", "never")
            .env("TERM", "dumb")
            .stdout(file.try_clone()?)
            .stderr(file),
        limit,
    )?;

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

/// What a short command prints, or nothing if it cannot be run, fails or does not end.
pub(crate) fn answer(command: &mut Command) -> Option<String> {
    answer_within(command, ANSWER_LIMIT)
}

/// Like [`answer`], for a command that takes its time.
pub(crate) fn answer_within(command: &mut Command, limit: Duration) -> Option<String> {
    let mut file = tempfile::tempfile().ok()?;
    command.stdout(file.try_clone().ok()?).stderr(Stdio::null());
    let end = supervise(command, limit).ok()?;
    if end.code() != Some(0) {
        return None;
    }
    let mut bytes = Vec::new();
    file.rewind().ok()?;
    file.read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// Runs `command` with nothing to read; at its time limit all that it has started ends with it.
fn supervise(command: &mut Command, limit: Duration) -> Result<End> {
    let (mut child, group) = Group::start(command.stdin(Stdio::null()))
        .with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))?;
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            group.release()?;
            return Ok(End::Status(status));
        }
        if started.elapsed() >= limit {
            group.kill()?;
            // It is dead already, unless the shell could not do it.
            child.kill()?;
            child.wait()?;
            return Ok(End::TimeLimit(limit));
        }
        thread::sleep(POLL);
    }
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

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_program_that_does_not_end_is_killed() {
        let limit = Duration::from_millis(50);

        let finished =
            run(Command::new("sleep").arg("100"), "unit-test-limit", limit).expect("sleep runs");

        assert_eq!(finished.end, End::TimeLimit(limit));
        assert_eq!(finished.end.code(), None);
    }

    #[test]
    fn what_it_started_is_killed_with_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let late = folder.path().join("late");
        let script = format!("(echo up; sleep 1; : > '{}') & wait", late.display());

        let finished = run(
            &mut shell(&script),
            "unit-test-group",
            Duration::from_millis(500),
        )
        .expect("a shell runs");
        thread::sleep(Duration::from_millis(1500));

        assert_eq!(finished.output, "up\n");
        assert!(!late.exists());
    }

    #[test]
    fn only_an_exit_with_0_is_a_success() {
        let limit = Duration::from_secs(20);
        let outcome = |script, name, limit| {
            run_to_success(&mut shell(script), name, limit).map_err(|error| error.to_string())
        };

        assert_eq!(
            outcome("echo one", "unit-test-0", limit),
            Ok("one\n".to_owned())
        );
        for (script, name, limit, end) in [
            ("echo one; exit 1", "unit-test-1", limit, "exit status: 1"),
            ("echo one; exit 2", "unit-test-2", limit, "exit status: 2"),
            (
                "echo one; kill -9 $$",
                "unit-test-signal",
                limit,
                "signal: 9 (SIGKILL)",
            ),
            (
                "echo one; sleep 100",
                "unit-test-time",
                Duration::from_millis(500),
                "killed after 0 s",
            ),
        ] {
            let error = outcome(script, name, limit).expect_err("it is no success");
            assert_eq!(error, format!("one\n\nsh -c {script}: {end}"));
        }
    }

    #[test]
    fn an_answer_is_what_a_command_prints_if_it_succeeds_in_time() {
        assert_eq!(
            answer(&mut shell("echo ' one'; echo two >&2")),
            Some("one".to_owned())
        );
        assert_eq!(answer(&mut shell("echo one; exit 2")), None);
        assert_eq!(answer(&mut Command::new("/no such program")), None);
        let limit = Duration::from_millis(50);
        assert_eq!(
            answer_within(&mut shell("echo one; sleep 100"), limit),
            None
        );
    }
}
