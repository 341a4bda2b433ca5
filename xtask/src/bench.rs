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

/// An argument of the program itself: then nothing is counted, and no valgrind needed.
const NO_INSTRUCTIONS: &str = "--no-instructions";

/// Builds the program and runs it with those arguments, with no limit to its time.
pub(crate) fn run(arguments: &[OsString]) -> Result<bool> {
    if !arguments.iter().any(|argument| argument == NO_INSTRUCTIONS) {
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
