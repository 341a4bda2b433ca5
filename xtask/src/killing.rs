//! One test, or one comparison of machine code, run on the copy of the workspace, and what its end means.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::host::BUILD_LIMIT;
use crate::mutant::{Expected, Harness, Killer};
use crate::process::{End, Finished, run_in};
use crate::replica::Replica;

/// One test; the longest takes a few seconds.
const TEST_LIMIT: Duration = Duration::from_secs(240);

/// One test that is expected to hang.
const HANG_LIMIT: Duration = Duration::from_secs(30);

/// What became of a mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Killed,
    Survived,
    /// Neither: the entry is wrong, for this reason.
    Unclear(String),
}

/// Runs every test that is named, each once and on the unchanged copy, and says how many there are.
pub(crate) fn all_pass<'a>(
    replica: &Replica,
    killers: impl Iterator<Item = &'a Killer>,
) -> Result<usize> {
    let mut tests: BTreeMap<(&str, &Harness), BTreeSet<&str>> = BTreeMap::new();
    let mut targets = BTreeSet::new();
    for killer in killers {
        match killer {
            Killer::Test {
                package,
                harness,
                name,
            } => {
                tests.entry((package, harness)).or_default().insert(name);
            }
            Killer::Golden { triple } => {
                targets.insert(*triple);
            }
        }
    }

    let count = tests.values().map(BTreeSet::len).sum::<usize>() + targets.len();
    for ((package, harness), names) in tests {
        let names: Vec<&str> = names.into_iter().collect();
        let finished = run_in(
            replica.folder(),
            &mut tested(replica, package, harness, &names),
            "mutants-clean",
            BUILD_LIMIT,
        )?;
        if let Some(missing) = names
            .iter()
            .find(|name| !passed(&finished.output, harness, name))
        {
            bail!(
                "{}\nwithout a mutant: {missing} of {package} does not pass",
                finished.output
            );
        }
    }
    for triple in targets {
        let finished = compared(replica, triple)?;
        if finished.end.code() != Some(0) {
            bail!(
                "{}\nwithout a mutant: golden {triple} does not pass",
                finished.output
            );
        }
    }
    Ok(count)
}

/// Runs the killer of the mutant that the copy now has.
pub(crate) fn fate(replica: &Replica, killer: &Killer, expected: Expected) -> Result<Fate> {
    let (package, harness, name) = match killer {
        Killer::Golden { triple } => {
            return compared(replica, triple).map(|end| judge_golden(&end));
        }
        Killer::Test {
            package,
            harness,
            name,
        } => (package, harness, name),
    };

    // Built apart, so that the limit is that of the test. Examples in documentation are built by running them.
    if *harness != Harness::Documentation {
        let mut build = test_command(replica, package, harness);
        let built = run_in(
            replica.folder(),
            build.arg("--no-run"),
            "mutants-build",
            BUILD_LIMIT,
        )?;
        if built.end.code() != Some(0) {
            return Ok(judge_build(&built.output, expected));
        }
    }
    let limit = match (harness, expected) {
        (Harness::Documentation, _) => BUILD_LIMIT,
        (_, Expected::Hang) => HANG_LIMIT,
        _ => TEST_LIMIT,
    };
    let mut test = tested(replica, package, harness, &[name]);
    let finished = run_in(replica.folder(), &mut test, "mutants-test", limit)?;
    Ok(judge_test(&finished.output, finished.end, expected))
}

fn compared(replica: &Replica, triple: &str) -> Result<Finished> {
    let mut command = replica.xtask()?;
    command.args(["golden", "--target", triple]);
    run_in(
        replica.folder(),
        &mut command,
        "mutants-golden",
        BUILD_LIMIT,
    )
}

fn test_command(replica: &Replica, package: &str, harness: &Harness) -> Command {
    let mut command = replica.cargo();
    command.args(["test", "--package", package]);
    match harness {
        Harness::Library => command.arg("--lib"),
        Harness::File(file) => command.args(["--test", file]),
        Harness::Documentation => command.arg("--doc"),
    };
    command
}

fn tested(replica: &Replica, package: &str, harness: &Harness, names: &[&str]) -> Command {
    let mut command = test_command(replica, package, harness);
    command.arg("--").args(names);
    // An example's name ends with its line.
    if *harness != Harness::Documentation {
        command.arg("--exact");
    }
    command
}

/// Whether a test of that name ran, and all of that name passed.
fn passed(output: &str, harness: &Harness, name: &str) -> bool {
    let results: Vec<&str> = output
        .lines()
        .filter_map(|line| line.strip_prefix("test "))
        .filter_map(|line| match harness {
            Harness::Documentation => line.contains(name).then_some(line),
            Harness::Library | Harness::File(_) => {
                line.strip_prefix(name).filter(|rest| rest.starts_with(' '))
            }
        })
        .collect();
    !results.is_empty() && results.iter().all(|result| result.ends_with("... ok"))
}

fn judge_build(output: &str, expected: Expected) -> Fate {
    match (expected, output.contains("error: could not compile")) {
        (Expected::CompileError, true) => Fate::Killed,
        (_, true) => Fate::Unclear(format!("{output}\nthe mutant does not compile")),
        (_, false) => Fate::Unclear(format!("{output}\nthe mutant was not built")),
    }
}

fn judge_test(output: &str, end: End, expected: Expected) -> Fate {
    let ran = output.lines().any(|line| {
        line.strip_prefix("running ")
            .and_then(|rest| rest.split_once(" test"))
            .is_some_and(|(count, _)| count != "0")
    });
    match (end, end.code(), expected) {
        (_, _, Expected::CompileError) => Fate::Unclear("the mutant compiles".to_owned()),
        _ if !ran => Fate::Unclear(format!("{output}\nno test ran")),
        (End::TimeLimit(_), _, Expected::Hang) => Fate::Killed,
        (End::TimeLimit(_), _, Expected::Failure) => {
            Fate::Unclear(format!("the test was {}", end.describe()))
        }
        (_, Some(0), _) => Fate::Survived,
        (_, Some(_), _) => Fate::Killed,
        (_, None, _) => Fate::Unclear(format!("{output}\ncargo: {}", end.describe())),
    }
}

/// A comparison that finds a difference says so; whatever else goes wrong is no kill.
fn judge_golden(finished: &Finished) -> Fate {
    if finished.end.code() == Some(0) {
        Fate::Survived
    } else if finished.output.contains(" is not what ") {
        Fate::Killed
    } else {
        Fate::Unclear(format!("{}\nnothing was compared", finished.output))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::path::PathBuf;
    use std::process::ExitStatus;

    fn exit(code: i32) -> End {
        End::Status(ExitStatus::from_raw(code << 8))
    }

    const OK: &str = "running 1 test\ntest a::b ... ok\n\ntest result: ok. 1 passed; 0 failed\n";
    const FAILED: &str = "running 1 test\ntest a::b ... FAILED\n";
    const NONE: &str = "running 0 tests\n\ntest result: ok. 0 passed; 0 failed\n";

    fn is_unclear(fate: Fate) -> bool {
        matches!(fate, Fate::Unclear(_))
    }

    #[test]
    fn a_mutant_is_killed_by_a_test_that_ran_and_failed() {
        use Expected::{CompileError, Failure, Hang};
        let late = End::TimeLimit(Duration::from_secs(1));

        assert_eq!(judge_test(FAILED, exit(101), Failure), Fate::Killed);
        assert_eq!(judge_test(FAILED, exit(101), Hang), Fate::Killed);
        assert_eq!(judge_test(OK, exit(0), Failure), Fate::Survived);
        assert_eq!(judge_test(OK, exit(0), Hang), Fate::Survived);
        assert_eq!(judge_test("running 1 test\n", late, Hang), Fate::Killed);
        assert!(is_unclear(judge_test("running 1 test\n", late, Failure)));
        assert!(is_unclear(judge_test(NONE, exit(0), Failure)));
        assert!(is_unclear(judge_test(NONE, exit(101), Failure)));
        assert!(is_unclear(judge_test(
            "error: could not compile",
            exit(101),
            Failure
        )));
        assert!(is_unclear(judge_test(OK, exit(0), CompileError)));
    }

    #[test]
    fn a_mutant_that_does_not_compile_is_killed_only_if_that_is_expected() {
        let error = "error[E0080]: evaluation panicked\nerror: could not compile `a` (lib)\n";

        assert_eq!(judge_build(error, Expected::CompileError), Fate::Killed);
        assert!(is_unclear(judge_build(error, Expected::Failure)));
        assert!(is_unclear(judge_build(
            "error: no such package",
            Expected::CompileError
        )));
    }

    #[test]
    fn a_comparison_kills_by_a_difference_and_by_nothing_else() {
        let finished = |output: &str, code| Finished {
            end: exit(code),
            output: output.to_owned(),
            log: PathBuf::new(),
        };
        let difference = "-     dsb sy\nx.s (-) is not what rustc 1 emits (+); its heading: y\n";

        assert_eq!(judge_golden(&finished(difference, 1)), Fate::Killed);
        assert_eq!(
            judge_golden(&finished("golden x: 5 functions\n", 0)),
            Fate::Survived
        );
        assert!(is_unclear(judge_golden(&finished(
            "error: could not compile",
            1
        ))));
    }

    #[test]
    fn a_test_passes_if_it_ran_and_every_one_of_its_name_is_ok() {
        let output = "test a::b ... ok\ntest a::c ... FAILED\n\
                      test x/src/y.rs - y::Z (line 7) - compile fail ... ok\ntest x/src/y.rs - y::Z (line 9) ... ok\n\
                      test x/src/y.rs - y::W (line 1) ... ok\ntest x/src/y.rs - y::W (line 5) ... FAILED\n";
        let passed = |harness, name| passed(output, &harness, name);

        assert!(passed(Harness::Library, "a::b"));
        assert!(!passed(Harness::Library, "a::c"));
        assert!(!passed(Harness::Library, "a"));
        assert!(!passed(Harness::Library, "a::d"));
        assert!(passed(Harness::Documentation, "y::Z"));
        assert!(!passed(Harness::Documentation, "y::W"));
    }
}
