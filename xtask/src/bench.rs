//! The pools of this workspace beside their peers: built as one program, and run where it can be seen.

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context, Result};

use crate::host::{self, BUILD_LIMIT};
use crate::process::run_to_success;
use crate::setup;
use crate::workspace;

/// How it is compiled, and below which folder of the target directory it then is.
const PROFILE: &str = "measured";

/// Builds the program and runs it with those arguments, with no limit to its time.
pub(crate) fn run(arguments: &[OsString]) -> Result<bool> {
    if counts_instructions(arguments) {
        setup::prepare_valgrind()?;
    }

    let mut build = host::cargo();
    build.args([
        "build",
        "--package",
        "bench",
        "--bins",
        "--profile",
        PROFILE,
    ]);
    run_to_success(&mut build, "bench-build", BUILD_LIMIT)?;

    let program = workspace::target_directory().join(PROFILE).join("bench");
    let status = Command::new(&program)
        .args(arguments)
        .current_dir(workspace::root())
        .status()
        .with_context(|| format!("cannot run {}", program.display()))?;
    Ok(status.success())
}

/// Whether the program will run itself under valgrind, and not only say what it could do.
fn counts_instructions(arguments: &[OsString]) -> bool {
    let has = |argument: &str| arguments.iter().any(|given| given == argument);
    has("pools") && !has("--no-instructions") && !has("--help")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valgrind_is_needed_only_where_instructions_are_counted() {
        let counts = |arguments: &[&str]| {
            let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
            counts_instructions(&arguments)
        };

        assert!(counts(&["pools", "--quick"]));
        assert!(!counts(&["pools", "--quick", "--no-instructions"]));
        assert!(!counts(&["pools", "--help"]));
        assert!(!counts(&["objects"]));
    }
}
