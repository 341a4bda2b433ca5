//! Many runs under caches that misbehave as caches may, each in its own way, and runs that must fail under them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::disk::{Scratch, Source};
use crate::machine::{Attached, Caches, Checks, Disks, Machine};
use crate::process::Finished;
use crate::qemu::{self, Run};
use crate::{demo, guest};

/// How many bytes each run of the demonstration reads: all kinds of request, and a byte in a sector of its own.
pub(crate) const DISK_LENGTH: u64 = (128 << 10) + 1;

/// How many it writes.
const WRITTEN: usize = 128 << 10;

/// Runs that must pass.
const SEEDS: u64 = 20;

/// Runs that must fail, for each step that is left out.
const FAILING_SEEDS: u64 = 5;

/// The step that nothing but time can miss.
const DOORBELL: &str = "doorbell";

/// One run.
const LIMIT: Duration = Duration::from_secs(60);

/// As many as there are processors to be expected everywhere.
const WORKERS: usize = 2;

/// A machine, and what its runs need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bench<'a> {
    pub(crate) machine: &'a Machine,
    pub(crate) image: &'a Path,
    pub(crate) source: &'a Source,
}

impl Bench<'_> {
    /// The conformance suite passes with every seed.
    pub(crate) fn conformance(&self) -> Result<String> {
        let monitor = self.machine.monitor.as_ref();
        let checks = monitor.context("the machine has no monitor")?.checks;
        let all = side_by_side(SEEDS, |seed| {
            let output = self.conform(seed)?;
            guest::checks(&output, checks)?;
            let unasked = guest::unasked(&output)?;
            ensure!(
                unasked.evictions > 0 && unasked.refills > 0 && unasked.ticks > 1,
                "the caches did nothing unasked: {unasked:?}"
            );
            Ok((unasked.evictions, unasked.refills))
        })?;
        let Checks { passed, skipped } = checks;
        Ok(format!(
            "{passed} checks, {skipped} skipped, with each of {}",
            sum(&all)
        ))
    }

    /// The same seed gives the same run, to the last count of the monitor.
    pub(crate) fn repeats(&self) -> Result<String> {
        let (first, second) = (self.conform(1)?, self.conform(1)?);
        ensure!(first == second, "{first}\nand then\n{second}");
        let (one, two) = (guest::unasked(&first)?, guest::unasked(&self.conform(2)?)?);
        ensure!(one != two, "another seed does the same: {two:?}");
        Ok(String::new())
    }

    /// The demonstration reads and writes the right bytes with every seed.
    pub(crate) fn demo(&self) -> Result<String> {
        let Self {
            machine,
            image,
            source,
        } = *self;
        let all = side_by_side(SEEDS, |seed| {
            let caches = Caches::Shadowed { seed };
            let outcome = demo::demonstrate(machine, image, source, WRITTEN, caches)?;
            outcome.verdict()?;
            let unasked = outcome.unasked.context("there was no monitor")?;
            Ok((unasked.evictions, unasked.refills))
        })?;
        Ok(sum(&all))
    }

    /// Without this step of every transfer the demonstration fails with every seed, in a way that the step explains.
    pub(crate) fn fails_without(&self, step: &str) -> Result<String> {
        let all = side_by_side(FAILING_SEEDS, |seed| self.failure(step, seed))?;
        let mut counts = BTreeMap::<_, usize>::new();
        for failure in all {
            *counts.entry(failure).or_default() += 1;
        }
        let each: Vec<String> = counts
            .iter()
            .map(|(failure, count)| format!("{count} {failure}"))
            .collect();
        Ok(each.join(", "))
    }

    /// A device that is not told to begin ends the image, and not its host's patience.
    pub(crate) fn waits_in_vain_for_a_limited_time(&self) -> Result<String> {
        let failure = self.failure(DOORBELL, 1)?;
        ensure!(failure == Failure::TimeOut, "it failed with {failure}");
        Ok(failure.to_string())
    }

    fn conform(&self, seed: u64) -> Result<String> {
        let scratch = Scratch::new()?;
        let words = ["conformance".to_owned()];
        self.run(seed, &words, &scratch).pass()
    }

    fn failure(&self, step: &str, seed: u64) -> Result<Failure> {
        let scratch = Scratch::new()?;
        let mut words = demo::words(self.source, WRITTEN).to_vec();
        words.push(format!("without={step}"));
        let finished = self.run(seed, &words, &scratch).finish()?;

        let wrong = |output: &str| -> Result<bool> {
            Ok(guest::hash(output)? != self.source.hash || scratch.check(WRITTEN).is_err())
        };
        Failure::of(&finished, step, wrong)
            .with_context(|| qemu::report(self.machine, &finished, "no failure that is looked for"))
    }

    fn run<'a>(&'a self, seed: u64, words: &'a [String], scratch: &'a Scratch) -> Run<'a> {
        Run {
            machine: self.machine,
            image: self.image,
            words,
            caches: Caches::Shadowed { seed },
            attached: Attached::Nothing,
            disks: Disks {
                source: &self.source.path,
                scratch: scratch.path(),
            },
            limit: LIMIT,
        }
    }
}

/// How a run failed whose image left out a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Failure {
    WrongBytes,
    DriverError,
    TimeOut,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongBytes => "wrong bytes",
            Self::DriverError => "driver errors",
            Self::TimeOut => "time-out",
        })
    }
}

impl Failure {
    /// What came of a run, if it is the failure of an image that was told to leave out `step`.
    ///
    /// * `is_wrong`: whether what it printed and wrote is wrong, though it says that it passed.
    ///
    /// # Errors
    ///
    /// The image did not run, or did not know that step; it passed, or failed in a way that proves nothing.
    pub(crate) fn of(
        finished: &Finished,
        step: &str,
        is_wrong: impl FnOnce(&str) -> Result<bool>,
    ) -> Result<Self> {
        let output = &finished.output;
        let words = guest::only(output, "IMAGE ")?;
        let without = format!("without={step}");
        ensure!(
            words.split_whitespace().any(|word| word == without),
            "the image was told {words:?}"
        );

        let error = guest::only(output, "ERROR ").unwrap_or_default();
        match (guest::only(output, "VERDICT ")?, finished.end.code()) {
            ("Pass", Some(guest::PASS_CODE)) if is_wrong(output)? => Ok(Self::WrongBytes),
            ("Fail", Some(3)) if WRONG_BYTES.iter().any(|text| error.contains(text)) => {
                Ok(Self::WrongBytes)
            }
            ("Fail", Some(3)) if error.starts_with("disk: ") => Ok(Self::DriverError),
            ("TimeOut", Some(5)) if error.starts_with("time-out: ") => Ok(Self::TimeOut),
            (verdict, code) => bail!("verdict {verdict:?}, exit code {code:?}, error {error:?}"),
        }
    }
}

/// What an image says of bytes that are not what they should be.
const WRONG_BYTES: [&str; 3] = [
    "reads differently",
    "what was stored beside the buffer",
    "no disk with the serial number",
];

/// Does `act` for each seed from 1 to `last`, a few at a time.
///
/// # Errors
///
/// Those of all seeds that failed.
pub(crate) fn side_by_side<T: Send>(
    last: u64,
    act: impl Fn(u64) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let seeds = Mutex::new(1..=last);
    let results = Mutex::new(BTreeMap::new());
    let work = || {
        while let Some(seed) = next(&seeds) {
            let result = act(seed);
            if let Ok(mut results) = results.lock() {
                results.insert(seed, result);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(work);
        }
    });

    let mut done = Vec::new();
    let mut failed = Vec::new();
    for (seed, result) in results.into_inner().unwrap_or_default() {
        match result {
            Ok(value) => done.push(value),
            Err(error) => failed.push(format!("seed {seed}: {error:#}")),
        }
    }
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    ensure!(
        done.len() as u64 == last,
        "{} of {last} were run",
        done.len()
    );
    Ok(done)
}

fn next(seeds: &Mutex<impl Iterator<Item = u64>>) -> Option<u64> {
    seeds.lock().ok()?.next()
}

/// How many runs there were, and what their caches did unasked: evictions and refills.
pub(crate) fn sum(all: &[(u64, u64)]) -> String {
    let evictions: u64 = all.iter().map(|(evictions, _)| evictions).sum();
    let refills: u64 = all.iter().map(|(_, refills)| refills).sum();
    format!(
        "{} seeds, {evictions} evictions, {refills} refills",
        all.len()
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::path::PathBuf;
    use std::process::ExitStatus;

    use super::*;
    use crate::process::End;

    const HASH: &str = "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a";

    fn failure(code: i32, output: &str) -> Option<Failure> {
        let finished = Finished {
            end: End::Status(ExitStatus::from_raw(code << 8)),
            output: output.to_owned(),
            log: PathBuf::new(),
        };
        Failure::of(
            &finished,
            "clean",
            |output| Ok(guest::hash(output)? != HASH),
        )
        .ok()
    }

    #[test]
    fn a_failure_is_wrong_bytes_a_driver_error_or_a_time_out() {
        let image = "IMAGE m demo without=clean seed=1\n";
        let ended = |code, rest: &str| failure(code, &format!("{image}{rest}"));
        let pass = format!("SHA256 {HASH}\nVERDICT Pass\n");
        let other = pass.replace("0a", "0b");

        assert_eq!(ended(33, &other), Some(Failure::WrongBytes));
        assert_eq!(
            ended(
                3,
                "ERROR the request at sector 8 reads differently\nVERDICT Fail\n"
            ),
            Some(Failure::WrongBytes)
        );
        assert_eq!(
            ended(3, "ERROR disk: I/O error\nVERDICT Fail\n"),
            Some(Failure::DriverError)
        );
        assert_eq!(
            ended(5, "ERROR time-out: it waits\nVERDICT TimeOut\n"),
            Some(Failure::TimeOut)
        );
        for (code, rest) in [
            (33, pass.as_str()),
            (3, "ERROR `without=` names a step\nVERDICT Fail\n"),
            (0, "ERROR disk: I/O error\nVERDICT Fail\n"),
            (3, "ERROR disk: I/O error\n"),
            (101, "PANIC\nVERDICT Panic\n"),
            (103, "TRAP\nVERDICT Trap\n"),
        ] {
            assert_eq!(ended(code, rest), None, "{rest}");
        }
    }

    #[test]
    fn an_image_that_does_not_know_the_step_or_does_not_run_has_not_failed_for_want_of_it() {
        let rest = "ERROR disk: I/O error\nVERDICT Fail\n";

        assert_eq!(
            failure(
                3,
                &format!("IMAGE m demo without=clean-and-invalidate\n{rest}")
            ),
            None
        );
        assert_eq!(failure(3, &format!("IMAGE m demo\n{rest}")), None);
        assert_eq!(failure(3, rest), None);
        assert_eq!(failure(1, "cannot load the image\n"), None);
    }

    #[test]
    fn what_is_wrong_is_noticed_though_the_image_passed() {
        let finished = Finished {
            end: End::Status(ExitStatus::from_raw(33 << 8)),
            output: format!("IMAGE m demo without=clean\nSHA256 {HASH}\nVERDICT Pass\n"),
            log: PathBuf::new(),
        };

        let failure = Failure::of(&finished, "clean", |_| Ok(true)).expect("it was noticed");

        assert_eq!(failure, Failure::WrongBytes);
    }

    #[test]
    fn every_seed_is_run_once_and_one_failure_is_a_failure() {
        let all = side_by_side(9, Ok).expect("none fails");
        assert_eq!(all, (1..=9).collect::<Vec<_>>());

        let error = side_by_side(9, |seed| match seed {
            4 => bail!("on purpose"),
            _ => Ok(()),
        });
        let error = error.expect_err("one fails").to_string();
        assert_eq!(error, "seed 4: on purpose");
    }
}
