//! The checks of the host's own builds.

use std::env;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::process::run_to_success;

/// One build of the workspace and all it depends on.
pub(crate) const BUILD_LIMIT: Duration = Duration::from_secs(1800);

/// The cargo that runs this program.
pub(crate) fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// The whole workspace has the one format, and the fuzz targets too.
pub(crate) fn format() -> Result<()> {
    run("fmt", &["fmt", "--all", "--check"])?;
    // A workspace of its own.
    let apart = ["--manifest-path", "fuzz/Cargo.toml"];
    run("fmt-fuzz", &[&["fmt", "--check"][..], &apart].concat()).map(drop)
}

/// Every target of every package is free of warnings.
pub(crate) fn lint() -> Result<()> {
    run(
        "clippy",
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ],
    )
    .map(drop)
}

/// What the tests did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tests {
    /// How many passed.
    pub(crate) passed: usize,
    /// The scopes that were searched exhaustively, each with its size.
    pub(crate) explored: Vec<String>,
}

/// All tests, the documentation's examples among them.
pub(crate) fn test() -> Result<Tests> {
    let arguments = [
        "test",
        "--workspace",
        "--no-fail-fast",
        "--",
        "--show-output",
    ];
    let output = run("test", &arguments)?;
    let tests = Tests {
        passed: tests_passed(&output),
        explored: explored(&output),
    };
    ensure!(tests.passed > 0, "no test ran");
    ensure!(
        !tests.explored.is_empty(),
        "nothing was searched exhaustively"
    );
    Ok(tests)
}

/// What the exhaustive searches of the simulator's tests say of themselves.
fn explored(output: &str) -> Vec<String> {
    let lines = output
        .lines()
        .filter_map(|line| line.strip_prefix("EXPLORED "));
    lines.map(str::to_owned).collect()
}

/// The documentation has no dead link.
pub(crate) fn document() -> Result<()> {
    let mut command = cargo();
    command
        .env("RUSTDOCFLAGS", "-D warnings")
        .args(["doc", "--workspace", "--no-deps"]);
    run_to_success(&mut command, "host-doc", BUILD_LIMIT).map(drop)
}

fn run(name: &str, arguments: &[&str]) -> Result<String> {
    run_to_success(
        cargo().args(arguments),
        &format!("host-{name}"),
        BUILD_LIMIT,
    )
}

/// The sum over all test programs of `test result: ok. 12 passed; …`.
pub(crate) fn tests_passed(output: &str) -> usize {
    let results = output
        .lines()
        .filter_map(|line| line.strip_prefix("test result: ok. "));
    results
        .filter_map(|result| result.split_once(" passed;")?.0.parse::<usize>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_counted_over_all_programs() {
        let output = "running 2 tests\ntest result: ok. 2 passed; 0 failed; 0 ignored\n\n\
                      test result: ok. 40 passed; 0 failed; 1 ignored\ntest result: FAILED. 7 passed; 1 failed\n";

        assert_eq!(tests_passed(output), 42);
        assert_eq!(tests_passed("test result: ok. 0 passed; 0 failed\n"), 0);
    }

    #[test]
    fn searches_say_how_much_they_searched() {
        let output = "x\nEXPLORED one level: 3 states\nnot EXPLORED\nEXPLORED two\n";

        assert_eq!(explored(output), ["one level: 3 states", "two"]);
    }
}
