//! Fuzz targets, built with the flags that the fuzzer needs and run for a limited time.
//!
//! They are a package apart from the workspace. The fuzzer, LLVM's, comes with that as source, so that no tool has to be
//! installed; the compiler is that of the workspace, and also looks after memory where it can.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::host::{self, BUILD_LIMIT};
use crate::process::{answer, run, run_to_success};
use crate::steps::Steps;
use crate::toolchain::has_sanitizer;
use crate::workspace::{self, files_below, shown};

/// What a target may take longer than it was asked to: to start, and to shrink nothing.
const GRACE: Duration = Duration::from_secs(120);

/// How the compiler counts which branches are taken, for the fuzzer.
const COVERAGE: [&str; 7] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "--cfg=fuzzing",
];

/// The command: runs one target, or each in turn, and says whether they found nothing.
pub(crate) fn run_targets(minutes: u32, chosen: Option<&str>) -> Result<bool> {
    let targets = targets()?;
    let chosen = match chosen {
        Some(name) => vec![named(&targets, name)?],
        None => targets.iter().map(String::as_str).collect(),
    };
    let compiler = Compiler::find()?;
    let mut steps = Steps::default();
    let built = steps.run("build fuzz targets", || compiler.build());
    if let Some(programs) = built {
        for name in chosen {
            let time = Duration::from_secs(60 * u64::from(minutes));
            steps.check(&format!("fuzz {name}"), || fuzz(&programs, name, time));
        }
    }
    Ok(steps.finish())
}

/// The targets' names, which are those of their files.
fn targets() -> Result<Vec<String>> {
    let files = files_below(&workspace::root().join("fuzz/fuzz_targets"), "rs")?;
    let names = files.iter().filter_map(|file| file.file_stem()?.to_str());
    let names: Vec<String> = names.map(str::to_owned).collect();
    ensure!(!names.is_empty(), "there is no fuzz target");
    Ok(names)
}

fn named<'a>(targets: &'a [String], name: &str) -> Result<&'a str> {
    let found = targets.iter().find(|target| *target == name);
    match found {
        Some(target) => Ok(target),
        None => bail!("the fuzz targets are: {}", targets.join(", ")),
    }
}

/// The host's compiler, and what it is told.
struct Compiler {
    triple: String,
    flags: Vec<String>,
}

impl Compiler {
    fn find() -> Result<Self> {
        let about = answer(Command::new("rustc").arg("-vV")).context("there is no rustc")?;
        let host = about.lines().find_map(|line| line.strip_prefix("host: "));
        let triple = host.context("rustc does not say its host")?.to_owned();
        ensure!(
            answer(Command::new("c++").arg("--version")).is_some(),
            "the fuzzer is C++, and no `c++` answers; on Debian, as root: apt-get install g++"
        );
        let libraries = answer(Command::new("rustc").args(["--print", "target-libdir"]));
        let libraries = libraries.context("rustc does not say where its libraries are")?;
        Ok(Self {
            triple,
            flags: flags(has_sanitizer(Path::new(&libraries), "asan")),
        })
    }

    /// Builds all targets and says where they are.
    fn build(&self) -> Result<(PathBuf, String)> {
        let directory = workspace::output("fuzz")?;
        let mut command = host::cargo();
        command
            .args(["build", "--release", "--locked"])
            .args(["--manifest-path", "fuzz/Cargo.toml"])
            .args(["--target", &self.triple])
            .env("CARGO_TARGET_DIR", &directory)
            .env("CARGO_ENCODED_RUSTFLAGS", self.flags.join("\x1f"))
            // The sanitizer's flag is not stable yet.
            .env("RUSTC_BOOTSTRAP", "1");
        run_to_success(&mut command, "fuzz-build", BUILD_LIMIT)?;
        let said = self.flags.last().filter(|flag| flag.contains("sanitizer="));
        let said = said.cloned().unwrap_or_default();
        Ok((directory.join(&self.triple).join("release"), said))
    }
}

/// With the address sanitizer, where the compiler has it.
fn flags(sanitizer: bool) -> Vec<String> {
    let sanitizer = sanitizer.then_some("-Zsanitizer=address");
    let flags = COVERAGE.into_iter().chain(sanitizer);
    flags.map(str::to_owned).collect()
}

/// Runs one target, which goes on with what earlier runs found worth keeping.
fn fuzz(programs: &Path, name: &str, time: Duration) -> Result<String> {
    let corpus = workspace::output(&format!("fuzz-corpus/{name}"))?;
    let found = workspace::output("fuzz-found")?;
    let program = programs.join(name);
    let mut command = Command::new(&program);
    command
        .arg(format!("-max_total_time={}", time.as_secs()))
        .arg("-print_final_stats=1")
        .arg(format!("-artifact_prefix={}/{name}-", found.display()))
        .arg(&corpus);
    let finished = run(&mut command, &format!("fuzz-{name}"), time + GRACE)?;
    ensure!(
        finished.end.code() == Some(0),
        "{}\n{name}: {}; what it was given is in {}, and `{} FILE` gives it that again",
        tail(&finished.output),
        finished.end.describe(),
        shown(&found),
        shown(&program)
    );
    let runs = stat(&finished.output, "number_of_executed_units").unwrap_or(0);
    ensure!(runs > 0, "{}\n{name} ran nothing", finished.output);
    let kept = fs::read_dir(&corpus)?.count();
    Ok(format!("{runs} runs, {kept} inputs kept"))
}

/// The last lines, of which there are many.
fn tail(output: &str) -> String {
    let lines: Vec<&str> = output.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}

/// A number that the fuzzer says in the end.
fn stat(output: &str, name: &str) -> Option<u64> {
    let prefix = format!("stat::{name}:");
    let line = output.lines().find_map(|line| line.strip_prefix(&prefix))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_chosen_by_name_and_another_name_is_answered_with_all() {
        let targets = ["pool".to_owned(), "ring".to_owned()];

        assert_eq!(named(&targets, "ring").expect("it is there"), "ring");
        let error = named(&targets, "rings").expect_err("it is not");
        assert_eq!(error.to_string(), "the fuzz targets are: pool, ring");
        let there = super::targets().expect("the folder is there");
        assert!(there.contains(&"pool".to_owned()), "{there:?}");
    }

    #[test]
    fn the_fuzzers_numbers_are_read() {
        let output =
            "Done 12 runs\nstat::number_of_executed_units: 12\nstat::new_units_added:  3\n";

        assert_eq!(stat(output, "number_of_executed_units"), Some(12));
        assert_eq!(stat(output, "new_units_added"), Some(3));
        assert_eq!(stat(output, "new_units"), None);
    }

    #[test]
    fn memory_is_looked_after_where_the_compiler_can() {
        assert_eq!(flags(false), COVERAGE);
        assert_eq!(flags(true)[..COVERAGE.len()], COVERAGE);
        assert_eq!(flags(true)[COVERAGE.len()..], ["-Zsanitizer=address"]);
    }

    #[test]
    fn of_much_output_the_end_is_shown() {
        let output: String = (0..100).map(|n| format!("{n}\n")).collect();

        assert!(tail(&output).starts_with("40\n"));
        assert_eq!(tail("one\ntwo"), "one\ntwo");
    }
}
