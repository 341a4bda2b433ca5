//! Machines that read a disk and write another, and what the host finds when it looks itself.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::cross;
use crate::disk::{self, Scratch, Source, WRITTEN};
use crate::guest::Unasked;
use crate::host;
use crate::judge::{Between, Bounces, Expected, Outcome, judge};
use crate::machine::{Attached, Caches, Devices, Disks, Machine};
use crate::process::run_to_success;
use crate::qemu::Run;
use crate::setup;
use crate::table;
use crate::toolchain::Toolchain;
use crate::workspace::shown;

/// The default disk: large enough that every path is taken often, and no whole number of sectors.
const DEFAULT_LENGTH: u64 = (20 << 20) + 123;

/// A run may take this long, and a second more for each so many bytes.
const LIMIT: Duration = Duration::from_secs(60);
const BYTES_PER_SECOND: u64 = 256 << 10;

/// The simulated machine's demonstration only reads, into memory that its device reaches.
const SIMULATED: Expected = Expected {
    written: 0,
    bounces: Bounces::None,
    devices: Devices::DoNotSnoop,
    between: Between::Simulation,
};

/// What the machines of a run were to do, for its last line.
const READ_AND_WROTE: &str = "read and wrote";
const READ: &str = "read";

/// Which emulated caches a run has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Choice {
    /// Those of the monitor, with this seed, on every machine that has one.
    Seed(u64),
    /// None anywhere.
    Coherent,
}

impl Choice {
    fn on(self, machine: &Machine) -> Caches {
        match self {
            Self::Seed(seed) => Caches::of(machine, seed),
            Self::Coherent => Caches::None,
        }
    }
}

/// The command: all of `machines` with one disk, and a table of what came of it.
pub(crate) fn run(machines: &[&Machine], file: Option<&Path>, choice: Choice) -> Result<bool> {
    // A name that is mistyped is found out before anything is built.
    let given = file.map(Source::open).transpose()?;

    let missing = match setup::prepare(machines) {
        Ok(toolchain) => return run_emulated(machines, given, choice, &toolchain),
        Err(missing) => missing,
    };
    println!("{missing}\n");

    // What is there is worth running, though not all that was asked for.
    let absent: Vec<_> = setup::absent_emulators(machines)
        .iter()
        .map(|machine| machine.name)
        .collect();
    let present: Vec<_> = machines
        .iter()
        .copied()
        .filter(|machine| !absent.contains(&machine.name))
        .collect();
    if !present.is_empty()
        && let Ok(toolchain) = setup::prepare(&present)
    {
        run_emulated(&present, given, choice, &toolchain)?;
        println!("not run, for want of an emulator: {}", absent.join(", "));
        return Ok(false);
    }
    println!("{}", in_their_place(&missing.names()));
    run_simulated(given)
}

/// What is said when no machine is emulated.
fn in_their_place(missing: &str) -> String {
    format!(
        "no emulated machine runs, for want of: {missing}\n\
         the simulated one runs in their place: it reads the disk, and writes none"
    )
}

/// The command that only builds.
pub(crate) fn build_only(machines: &[&Machine]) -> Result<bool> {
    let toolchain = setup::prepare(&[])?;
    let mut all = true;
    for machine in machines {
        match build(&toolchain, machine) {
            Ok(image) => println!("{}: {}", machine.name, shown(&image)),
            Err(error) => {
                all = false;
                println!("{error:#}");
            }
        }
    }
    Ok(all)
}

/// Boots `machine` and has it read `source` and write `written` bytes to a scratch disk; both are compared with what the
/// host knows.
pub(crate) fn demonstrate(
    machine: &Machine,
    image: &Path,
    source: &Source,
    written: usize,
    caches: Caches,
) -> Result<Outcome> {
    let scratch = Scratch::new()?;
    let words = words(source, written);
    let run = Run {
        machine,
        image,
        words: &words,
        caches,
        attached: Attached::Nothing,
        disks: Disks {
            source: &source.path,
            scratch: scratch.path(),
        },
        limit: limit(source),
    };

    let started = Instant::now();
    let output = run.pass()?;
    let expected = Expected {
        written: written as u64,
        bounces: Bounces::SomeButNotAll,
        devices: machine.devices,
        between: match caches {
            Caches::None => Between::Nothing,
            Caches::Shadowed { .. } => Between::Monitor,
        },
    };
    let mut outcome = judge(source, &output, started.elapsed(), expected)?;

    let checked = scratch.check(written);
    outcome.scratch_agrees = Some(checked.is_ok());
    outcome
        .problems
        .extend(checked.err().map(|error| format!("{error:#}")));
    Ok(outcome)
}

/// What an image is told of a demonstration.
pub(crate) fn words(source: &Source, written: usize) -> [String; 3] {
    [
        "demo".to_owned(),
        format!("disk-bytes={}", source.length),
        format!("scratch-bytes={written}"),
    ]
}

fn run_emulated(
    machines: &[&Machine],
    given: Option<Source>,
    choice: Choice,
    toolchain: &Toolchain,
) -> Result<bool> {
    let mut images = Vec::new();
    for &machine in machines {
        images.push((machine, build(toolchain, machine)));
    }
    let source = source(given)?;

    let mut results = Vec::new();
    for (machine, image) in images {
        println!("{}: running", machine.name);
        let caches = choice.on(machine);
        let result = image.and_then(|image| demonstrate(machine, &image, &source, WRITTEN, caches));
        results.push((machine.name, result));
    }
    conclude(&source, &results, READ_AND_WROTE)
}

fn build(toolchain: &Toolchain, machine: &Machine) -> Result<PathBuf> {
    println!("{}: building its image", machine.name);
    cross::build_image(toolchain, machine).with_context(|| format!("{} has no image", machine.name))
}

/// Without an emulator there is still the simulated machine, which needs nothing but the host's compiler.
fn run_simulated(given: Option<Source>) -> Result<bool> {
    let source = source(given)?;
    let mut command = host::cargo();
    command
        .args([
            "run",
            "--quiet",
            "--release",
            "--package",
            "sim",
            "--example",
            "demo",
            "--",
        ])
        .arg(&source.path);

    let started = Instant::now();
    let result = run_to_success(
        &mut command,
        "simulated-demo",
        limit(&source) + host::BUILD_LIMIT,
    )
    .and_then(|output| judge(&source, &output, started.elapsed(), SIMULATED));
    conclude(&source, &[("simulated", result)], READ)
}

fn source(given: Option<Source>) -> Result<Source> {
    if let Some(source) = given {
        println!("disk: {}, {} bytes", shown(&source.path), source.length);
        return Ok(source);
    }
    let (path, what) = disk::from_build("demo-disk.bin", DEFAULT_LENGTH)?;
    println!("disk: {what}");
    Source::open(&path)
}

fn limit(source: &Source) -> Duration {
    LIMIT + Duration::from_secs(source.length / BYTES_PER_SECOND)
}

/// Prints what went wrong, the table and the verdict on what the machines did.
fn conclude(source: &Source, results: &[(&str, Result<Outcome>)], did: &str) -> Result<bool> {
    let mut agreeing = 0;
    for (name, result) in results {
        match result.as_ref().map(Outcome::verdict) {
            Ok(Ok(_)) => agreeing += 1,
            Ok(Err(error)) => println!("\n{name}: {error:#}"),
            Err(error) => println!("\n{name}: {error:#}"),
        }
    }

    let headings = [
        "machine",
        "non-coherent",
        "bytes",
        "SHA-256",
        "scratch",
        "transfers",
        "bounces",
        "maintained",
        "evictions",
        "refills",
        "seconds",
    ];
    let rows: Vec<_> = results
        .iter()
        .map(|(name, result)| row(name, source, result.as_ref().ok()))
        .collect();
    println!("\nSHA-256 {} of {}", source.hash, shown(&source.path));
    println!("{}", table::format(headings, &rows));

    let unchanged = source.is_unchanged()?;
    if !unchanged {
        println!("{} changed while the machines ran", shown(&source.path));
    }
    let all = unchanged && agreeing == results.len();
    let verdict = if all { "agree" } else { "DO NOT AGREE" };
    println!(
        "{agreeing} of {} machines {did} what the host expects: they {verdict}",
        results.len()
    );
    Ok(all)
}

fn row(name: &str, source: &Source, outcome: Option<&Outcome>) -> [String; 11] {
    let Some(Outcome {
        hash_agrees,
        scratch_agrees,
        counts,
        between,
        unasked,
        time,
        ..
    }) = outcome
    else {
        return [name, "-", "-", "no", "no", "-", "-", "-", "-", "-", "-"].map(str::to_owned);
    };
    let non_coherent = match between {
        Between::Nothing => "no",
        Between::Monitor | Between::Simulation => "yes",
    };
    let unasked = |count: fn(&Unasked) -> u64| {
        unasked
            .as_ref()
            .map_or_else(|| "-".to_owned(), |all| count(all).to_string())
    };
    let scratch = match scratch_agrees {
        Some(true) => "ok",
        Some(false) => "WRONG",
        None => "-",
    };
    [
        name.to_owned(),
        non_coherent.to_owned(),
        source.length.to_string(),
        if *hash_agrees { "equal" } else { "DIFFERENT" }.to_owned(),
        scratch.to_owned(),
        counts.transfers.to_string(),
        counts.bounces.to_string(),
        counts.maintained.to_string(),
        unasked(|all| all.evictions),
        unasked(|all| all.refills),
        format!("{:.1}", time.as_secs_f64()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Source {
        Source {
            path: PathBuf::from("/disk"),
            length: 1000,
            hash: "0a".repeat(32),
        }
    }

    #[test]
    fn machines_agree_if_every_one_is_right_and_the_source_is_as_it_was() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("disk");
        std::fs::write(&path, [7; 1000]).expect("it can be written");
        let source = Source::open(&path).expect("it is a disk");
        let result = |hash: &str| {
            let printed = format!(
                "SHA256 {hash}\nCOUNTS transfers=1 bytes=1000 bounces=0 cleaned=1 invalidated=0\n"
            );
            ("m", judge(&source, &printed, Duration::ZERO, SIMULATED))
        };
        let right = [result(&source.hash), result(&source.hash)];
        let one_wrong = [result(&source.hash), result(&"0b".repeat(32))];
        let one_failed = [result(&source.hash), ("n", Err(anyhow::anyhow!("late")))];
        let agree = |results| conclude(&source, results, READ).expect("the source can be read");

        assert!(agree(&right));
        assert!(!agree(&one_wrong));
        assert!(!agree(&one_failed));
        std::fs::write(&path, [8; 1000]).expect("it can be written");
        assert!(!agree(&right));
    }

    #[test]
    fn what_is_missing_is_named() {
        let text = in_their_place("a compiler");

        assert!(text.starts_with("no emulated machine runs, for want of: a compiler\n"));
    }

    #[test]
    fn a_machine_that_did_not_finish_has_no_numbers() {
        assert_eq!(row("m", &source(), None)[..5], ["m", "-", "-", "no", "no"]);
    }
}
