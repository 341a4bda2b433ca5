//! The libraries and the images, built and linted for other targets.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::machine::Machine;
use crate::process::run_to_success;
use crate::target::{self, COMMON, Host, TARGETS, Target};
use crate::toolchain::{Toolchain, release_directory};
use crate::workspace;

/// One cargo call, `core` and `std` for several targets included.
const LIMIT: Duration = Duration::from_secs(1800);

/// Builds the libraries that every target has, for all targets on that kind of host at once: `core` keeps one
/// processor busy at a time, so that several together take less time than one after the other.
pub(crate) fn build_common(toolchain: &Toolchain, host: Host) -> Result<()> {
    let mut command = toolchain.cargo();
    build(&mut command, host);
    for target in TARGETS.iter().filter(|target| target.host == host) {
        command.args(["--target", target.triple]);
    }
    run_to_success(
        packages(&mut command, &COMMON),
        &format!("build-{host:?}"),
        LIMIT,
    )
    .map(drop)
}

/// Builds every library that `target` has.
pub(crate) fn build_libraries(toolchain: &Toolchain, target: &Target) -> Result<()> {
    let mut command = toolchain.cargo();
    build(&mut command, target.host).args(["--target", target.triple]);
    run_to_success(
        packages(&mut command, target.crates),
        &format!("build-{}", target.triple),
        LIMIT,
    )
    .map(drop)
}

/// Lints every library that `target` has.
pub(crate) fn lint_libraries(toolchain: &Toolchain, target: &Target) -> Result<()> {
    let mut command = toolchain.linting_cargo();
    build(&mut command, target.host).args(["--target", target.triple]);
    run_to_success(
        packages(&mut command, target.crates),
        &format!("clippy-{}", target.triple),
        LIMIT,
    )
    .map(drop)
}

/// Builds the image of `machine` and returns where it is.
pub(crate) fn build_image(toolchain: &Toolchain, machine: &Machine) -> Result<PathBuf> {
    image(toolchain.cargo(), machine, "image")?;

    // A copy, because linting leaves another program at the same place.
    let target = target::named(machine.triple).context("every machine's target is in the table")?;
    let built = release_directory(target).join("bare-metal");
    let image = workspace::output("images")?.join(format!("{}.elf", machine.name));
    fs::copy(&built, &image).with_context(|| format!("cannot copy {}", built.display()))?;
    Ok(image)
}

/// Lints the image of `machine`.
pub(crate) fn lint_image(toolchain: &Toolchain, machine: &Machine) -> Result<()> {
    image(toolchain.linting_cargo(), machine, "clippy-image")
}

fn image(mut command: Command, machine: &Machine, name: &str) -> Result<()> {
    build(&mut command, Host::Bare).args(["--target", machine.triple, "--package", "bare-metal"]);
    run_to_success(&mut command, &format!("{name}-{}", machine.name), LIMIT).map(drop)
}

/// Release builds everywhere: one profile is one `core` for each target.
fn build(command: &mut Command, host: Host) -> &mut Command {
    command
        .args(["build", "--release"])
        .arg(format!("-Zbuild-std={}", host.standard_library()))
}

fn packages<'a>(command: &'a mut Command, names: &[&str]) -> &'a mut Command {
    for name in names {
        command.args(["--package", name]);
    }
    command
}
