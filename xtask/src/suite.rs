//! Every check of the workspace, the cheap ones first.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::disk::{self, Scratch, Source};
use crate::golden::{self, Mode};
use crate::machine::{Checks, Disks, MACHINES, Machine};
use crate::steps::Steps;
use crate::target::{Host, TARGETS, Target};
use crate::toolchain::Toolchain;
use crate::{cross, demo, guest, host, layering, qemu, setup};

/// The disk of the machines' demonstrations here: more than one transfer, and a byte in a sector of its own.
const DISK_LENGTH: u64 = (1 << 20) + 1;

/// One conformance run.
const CONFORMANCE_LIMIT: Duration = Duration::from_secs(120);

/// The command: runs all of it, and says whether everything passed.
pub(crate) fn run() -> Result<bool> {
    let mut steps = Steps::default();
    let toolchain = steps.run("set-up", || {
        setup::prepare_host()?;
        let toolchain = setup::prepare(&MACHINES.each_ref())?;
        let said = format!("rustc {}", toolchain.version.release);
        Ok((toolchain, said))
    });

    steps.check("format", || host::format().map(nothing));
    steps.check("layering", layering::check);
    steps.check("clippy host", || host::lint().map(nothing));
    let tests = steps.run("test host", || {
        let tests = host::test()?;
        let said = format!("{} tests", tests.passed);
        Ok((tests, said))
    });
    for scope in tests.iter().flat_map(|tests| &tests.explored) {
        println!("    every schedule of {scope}");
    }
    steps.check("doc", || host::document().map(nothing));

    match &toolchain {
        Some(toolchain) => {
            check_targets(&mut steps, toolchain);
            check_machines(&mut steps, toolchain);
        }
        None => println!("no target and no machine was checked: the set-up failed"),
    }
    Ok(steps.finish())
}

fn check_targets(steps: &mut Steps, toolchain: &Toolchain) {
    for (host, name) in [(Host::Bare, "bare"), (Host::Hosted, "hosted")] {
        let count = TARGETS.iter().filter(|target| target.host == host).count();
        let build = || cross::build_common(toolchain, host).map(|()| format!("{count} targets"));
        steps.check(&format!("build common {name}"), build);
    }
    for target in &TARGETS {
        check_target(steps, toolchain, target);
    }
}

fn check_target(steps: &mut Steps, toolchain: &Toolchain, target: &Target) {
    let triple = target.triple;
    steps.check(&format!("clippy {triple}"), || {
        cross::lint_libraries(toolchain, target).map(nothing)
    });
    steps.check(&format!("build {triple}"), || {
        cross::build_libraries(toolchain, target).map(|()| target.crates.join(" "))
    });
    for package in golden::crates(target) {
        let check = || golden::check(toolchain, package, target, Mode::Compare);
        steps.check(&format!("golden {triple} {package}"), check);
    }
}

fn check_machines(steps: &mut Steps, toolchain: &Toolchain) {
    let source = steps.run("disk", || {
        let (path, _) = disk::from_build("test-disk.bin", DISK_LENGTH)?;
        Ok((Source::open(&path)?, format!("{DISK_LENGTH} bytes")))
    });
    for machine in &MACHINES {
        let name = machine.name;
        steps.check(&format!("clippy image {name}"), || {
            cross::lint_image(toolchain, machine).map(nothing)
        });
        let image = steps.run(&format!("image {name}"), || {
            cross::build_image(toolchain, machine).map(|image| (image, String::new()))
        });
        steps.check(&format!("conformance {name}"), || {
            let (image, source) = both(image.as_deref(), source.as_ref())?;
            conformance(machine, image, source).map(|()| {
                let Checks { passed, skipped } = machine.checks;
                format!("{passed} checks, {skipped} skipped")
            })
        });
        steps.check(&format!("demo {name}"), || {
            let (image, source) = both(image.as_deref(), source.as_ref())?;
            demo::demonstrate(machine, image, source)?.verdict()
        });
    }
}

/// Boots an image for its own checks.
fn conformance(machine: &Machine, image: &Path, source: &Source) -> Result<()> {
    let scratch = Scratch::new()?;
    let disks = Disks {
        source: &source.path,
        scratch: scratch.path(),
    };
    let output = qemu::run(
        machine,
        image,
        &["conformance".to_owned()],
        disks,
        CONFORMANCE_LIMIT,
    )?;
    guest::checks(&output, machine.checks)
}

fn both<'a>(image: Option<&'a Path>, source: Option<&'a Source>) -> Result<(&'a Path, &'a Source)> {
    Ok((
        image.context("there is no image")?,
        source.context("there is no disk")?,
    ))
}

/// A check that has nothing to say but that it passed.
fn nothing((): ()) -> String {
    String::new()
}
