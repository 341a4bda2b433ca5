//! The mutants that `cargo mutants` thinks of: each that no test notices is explained in `mutants/survivors.md`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::host;
use crate::process::{answer, run_in};
use crate::replica::Replica;
use crate::target::LIBRARIES;
use crate::workspace::{self, files_below, shown};

/// The whole run: several hundred builds.
const LIMIT: Duration = Duration::from_secs(8 * 3600);

/// One test run, in seconds; without a mutant all of a package take a few.
const TEST_SECONDS: &str = "60";

const INSTALL: &str =
    "cargo-mutants is not installed: cargo install --locked --debug cargo-mutants@27.1.0";

/// Where the explanations are.
const EXPLAINED: &str = "mutants/survivors.md";

/// The command: runs the tool on the files whose path begins so, and compares what survives with what is explained. The
/// last line is `N survivors, all explained`, or how many are not.
pub(crate) fn run(prefix: Option<&str>) -> Result<bool> {
    ensure!(
        answer(host::cargo().args(["mutants", "--version"])).is_some(),
        INSTALL
    );
    let explained = explained(
        &fs::read_to_string(workspace::root().join(EXPLAINED))
            .with_context(|| format!("no {EXPLAINED}"))?,
    )?;
    let replica = Replica::new()?;
    let mut survivors = Vec::new();
    for package in mutated() {
        let files = files(package, prefix)?;
        if !files.is_empty() {
            println!("[cargo mutants in {} files of {package}]", files.len());
            survivors.extend(survivors_of(&replica, package, &files)?);
        }
    }

    let expected = explained
        .iter()
        .filter(|name| prefix.is_none_or(|prefix| name.starts_with(prefix)));
    let (new, stale) = difference(&survivors, expected);
    for name in &new {
        println!("not explained: {name}");
    }
    for name in &stale {
        println!("explained in {EXPLAINED}, but noticed by a test now, or gone: {name}");
    }
    if new.is_empty() && stale.is_empty() {
        println!("{} survivors, all explained", survivors.len());
        return Ok(true);
    }
    println!(
        "{} survivors, {} not explained, {} explanations too many",
        survivors.len(),
        new.len(),
        stale.len()
    );
    Ok(false)
}

/// The packages whose mutants are looked for.
fn mutated() -> impl Iterator<Item = &'static str> {
    LIBRARIES
        .into_iter()
        .filter(|name| *name == "dma-api" || name.starts_with("arch-"))
}

fn files(package: &str, prefix: Option<&str>) -> Result<Vec<String>> {
    let folder = workspace::root().join(package).join("src");
    let files = files_below(&folder, "rs")?;
    Ok(files
        .iter()
        .map(|file| shown(file))
        .filter(|file| prefix.is_none_or(|prefix| file.starts_with(prefix)))
        .collect())
}

fn survivors_of(replica: &Replica, package: &str, files: &[String]) -> Result<Vec<String>> {
    let output = workspace::output("mutants")?.join(package);
    let mut command = replica.cargo();
    command
        // Exhaustive tests are most of a run.
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
        .args(["mutants", "--in-place", "--no-config", "--package", package])
        .args(["--timeout", TEST_SECONDS, "--output"])
        .arg(&output)
        .args(files.iter().flat_map(|file| ["--file", file]))
        .args(["--", "--lib", "--tests"]);
    let finished = run_in(
        replica.folder(),
        &mut command,
        &format!("cargo-mutants-{package}"),
        LIMIT,
    )?;
    // 0: all were noticed; 2: some were not; 3: some tests did not end. Anything else is no result.
    match finished.end.code() {
        Some(0 | 2 | 3) => {}
        _ => bail!(
            "{}\ncargo mutants: {}",
            finished.output,
            finished.end.describe()
        ),
    }
    read(&output.join("mutants.out").join("missed.txt"))
}

fn read(missed: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(missed).with_context(|| format!("no {}", missed.display()))?;
    text.lines().map(without_place).collect()
}

/// `file: what`, of the tool's `file:line:column: what`: an explanation outlives a line that is added above it.
fn without_place(line: &str) -> Result<String> {
    let mut parts = line.splitn(4, ':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(file), Some(_), Some(_), Some(what)) => Ok(format!("{file}:{what}")),
        _ => bail!("cargo mutants wrote what is no mutant: {line}"),
    }
}

/// The names of the mutants that the file explains: each in a line of its own, "- `name`: why".
fn explained(text: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("- ")) {
        let (name, why) = line
            .strip_prefix("- `")
            .and_then(|rest| rest.split_once("`: "))
            .with_context(|| format!("no explanation: {line}"))?;
        ensure!(!why.trim().is_empty(), "no explanation: {line}");
        names.push(name.to_owned());
    }
    Ok(names)
}

/// What is only in `found`, and what is only in `expected`. A name may be there several times: two changes of one
/// function can have the same.
fn difference<'a>(
    found: &[String],
    expected: impl Iterator<Item = &'a String>,
) -> (Vec<String>, Vec<String>) {
    let mut new = found.to_vec();
    let mut stale = Vec::new();
    for name in expected {
        match new.iter().position(|other| other == name) {
            Some(index) => drop(new.remove(index)),
            None => stale.push(name.clone()),
        }
    }
    (new, stale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mutants_name_is_without_its_place() {
        assert_eq!(
            without_place("a/src/b.rs:12:9: replace B::c -> bool with true").expect("a mutant"),
            "a/src/b.rs: replace B::c -> bool with true"
        );
        assert_eq!(
            without_place("a.rs:1:2: replace std::x::f with ()").expect("a mutant"),
            "a.rs: replace std::x::f with ()"
        );
        assert!(without_place("a.rs: replace").is_err());
    }

    #[test]
    fn every_explanation_has_a_name_and_a_reason() {
        let text = "# Heading\n\nText - with a dash.\n\n- `a.rs: replace x`: because\n- `a.rs: replace y`: of this\n  and that\n";

        assert_eq!(
            explained(text).expect("all are explained"),
            ["a.rs: replace x", "a.rs: replace y"]
        );
        assert!(explained("- `a.rs: replace x`: \n").is_err());
        assert!(explained("- a.rs: replace x\n").is_err());
    }

    #[test]
    fn survivors_and_explanations_are_compared_one_by_one() {
        let list = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        let compare =
            |found: &[&str], expected: &[&str]| difference(&list(found), list(expected).iter());

        assert_eq!(
            compare(&["a", "b", "a"], &["a", "a", "b"]),
            (vec![], vec![])
        );
        assert_eq!(compare(&["a", "a"], &["a"]), (list(&["a"]), vec![]));
        assert_eq!(compare(&["a"], &["a", "c"]), (vec![], list(&["c"])));
    }

    #[test]
    fn the_explanations_are_of_files_that_there_are() {
        let text = fs::read_to_string(workspace::root().join(EXPLAINED)).expect("it is there");

        for name in explained(&text).expect("all are explained") {
            let file = name.split(':').next().unwrap_or_default();
            assert!(workspace::root().join(file).is_file(), "{name}");
        }
    }
}
