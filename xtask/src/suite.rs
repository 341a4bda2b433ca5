//! Every check of the workspace, the cheap ones first.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::devices::{self, Stand};
use crate::disk::{self, Scratch, Source, WRITTEN};
use crate::golden::{self, Mode};
use crate::machine::{Attached, Caches, Checks, Disks, MACHINES, Machine, Monitor};
use crate::qemu::Run;
use crate::seeds::{self, Bench};
use crate::steps::Steps;
use crate::target::{Host, TARGETS, Target};
use crate::toolchain::Toolchain;
use crate::{cross, demo, guest, host, layering, race, setup};

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
            check_races(&mut steps, toolchain);
            check_targets(&mut steps, toolchain);
            check_machines(&mut steps, toolchain);
        }
        None => println!("no target and no machine was checked: the set-up failed"),
    }
    Ok(steps.finish())
}

/// The command that only looks for races.
pub(crate) fn races_only() -> Result<bool> {
    let toolchain = setup::prepare(&[])?;
    let mut steps = Steps::default();
    check_races(&mut steps, &toolchain);
    Ok(steps.finish())
}

/// The command that only runs the images with many seeds.
pub(crate) fn seeds_only(machines: &[&'static Machine]) -> Result<bool> {
    let toolchain = setup::prepare(machines)?;
    let mut steps = Steps::default();
    let small = small_disk(&mut steps);
    for machine in machines {
        if let Some(monitor) = &machine.monitor {
            let image = build_image(&mut steps, &toolchain, machine);
            check_seeds(&mut steps, machine, monitor, || {
                bench(machine, image.as_deref(), small.as_ref())
            });
        }
    }
    Ok(steps.finish())
}

/// The command that only runs the images with device models that are asked for much.
pub(crate) fn devices_only(machines: &[&'static Machine]) -> Result<bool> {
    let toolchain = setup::prepare(machines)?;
    let mut steps = Steps::default();
    let pattern = pattern_disk(&mut steps);
    for machine in machines {
        let image = build_image(&mut steps, &toolchain, machine);
        check_devices(&mut steps, machine, image.as_deref(), pattern.as_ref());
    }
    Ok(steps.finish())
}

/// Runs the thread tests under a tool that must be seen to find a race, and then finds none.
fn check_races(steps: &mut Steps, toolchain: &Toolchain) {
    let detector = steps.run("race detector", || {
        let detector = setup::prepare_races(toolchain)?;
        Ok((detector, String::new()))
    });
    let Some(detector) = detector else {
        return;
    };
    steps.check("race on purpose is reported", || {
        race::on_purpose(toolchain, &detector)
    });
    steps.check("race", || race::tests(toolchain, &detector));
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
    let small = small_disk(steps);
    let pattern = pattern_disk(steps);
    for machine in &MACHINES {
        let name = machine.name;
        steps.check(&format!("clippy image {name}"), || {
            cross::lint_image(toolchain, machine).map(nothing)
        });
        let image = build_image(steps, toolchain, machine);
        steps.check(&format!("conformance {name}"), || {
            let (image, source) = both(image.as_deref(), source.as_ref())?;
            conformance(machine, image, source).map(|()| {
                let Checks { passed, skipped } = machine.checks;
                format!("{passed} checks, {skipped} skipped")
            })
        });
        steps.check(&format!("demo {name}"), || {
            let (image, source) = both(image.as_deref(), source.as_ref())?;
            let caches = Caches::of(machine, 1);
            demo::demonstrate(machine, image, source, WRITTEN, caches)?.verdict()
        });
        if let Some(monitor) = &machine.monitor {
            check_seeds(steps, machine, monitor, || {
                bench(machine, image.as_deref(), small.as_ref())
            });
        }
        check_devices(steps, machine, image.as_deref(), pattern.as_ref());
    }
}

fn build_image(steps: &mut Steps, toolchain: &Toolchain, machine: &Machine) -> Option<PathBuf> {
    steps.run(&format!("image {}", machine.name), || {
        cross::build_image(toolchain, machine).map(|image| (image, String::new()))
    })
}

/// The disk of runs with many seeds.
fn small_disk(steps: &mut Steps) -> Option<Source> {
    steps.run("small disk", || {
        let length = seeds::DISK_LENGTH;
        let (path, _) = disk::from_build("small-disk.bin", length)?;
        Ok((Source::open(&path)?, format!("{length} bytes")))
    })
}

/// The disk of requests in pieces.
fn pattern_disk(steps: &mut Steps) -> Option<Source> {
    steps.run("pattern disk", || {
        let source = devices::pattern_disk()?;
        let said = format!("{} bytes", source.length);
        Ok((source, said))
    })
}

fn bench<'a>(
    machine: &'a Machine,
    image: Option<&'a Path>,
    source: Option<&'a Source>,
) -> Result<Bench<'a>> {
    let (image, source) = both(image, source)?;
    Ok(Bench {
        machine,
        image,
        source,
    })
}

/// Runs under caches that are apart from what devices see: those that must pass, and those that must not.
fn check_seeds<'a>(
    steps: &mut Steps,
    machine: &Machine,
    monitor: &Monitor,
    bench: impl Fn() -> Result<Bench<'a>>,
) {
    let name = machine.name;
    let mut check = |what: &str, act: &dyn Fn(Bench<'_>) -> Result<String>| {
        steps.check(&format!("non-coherent {name} {what}"), || {
            bench().and_then(act)
        });
    };
    check("conformance", &|bench| bench.conformance());
    check("repeats", &|bench| bench.repeats());
    check("demo", &|bench| bench.demo());
    for step in monitor.steps {
        check(&format!("without {step} fails"), &|bench| {
            bench.fails_without(step)
        });
    }
    check("waits in vain for a limited time", &|bench| {
        bench.waits_in_vain_for_a_limited_time()
    });
}

/// Runs device models that are asked for much: those that must pass, and those that must not.
fn check_devices(
    steps: &mut Steps,
    machine: &Machine,
    image: Option<&Path>,
    source: Option<&Source>,
) {
    let name = machine.name;
    let mut check = |what: &str, act: &dyn Fn(Stand<'_>) -> Result<String>| {
        steps.check(what, || {
            let (image, source) = both(image, source)?;
            act(Stand {
                machine,
                image,
                source,
            })
        });
    };
    let shadowed = Caches::Shadowed { seed: 1 };

    check(&format!("pieces {name}"), &|stand| stand.pieces());
    if machine.monitor.is_some() {
        let non_coherent = format!("non-coherent {name} pieces");
        check(&non_coherent, &|stand| stand.pieces_shadowed());
        let step = "shared-lines";
        check(&format!("{non_coherent} without {step} fails"), &|stand| {
            stand.pieces_fail_without(step)
        });
    }
    if machine.edu.is_none() {
        return;
    }
    check(&format!("edu {name}"), &|stand| stand.edu());
    check(&format!("edu {name} without mask fails"), &|stand| {
        stand.edu_fails_without("mask", Caches::None)
    });
    if machine.monitor.is_some() {
        let non_coherent = format!("non-coherent {name} edu");
        check(&non_coherent, &|stand| stand.edu_shadowed());
        for step in ["clean", "invalidate"] {
            check(&format!("{non_coherent} without {step} fails"), &|stand| {
                stand.edu_fails_without(step, shadowed)
            });
        }
    }
}

/// Boots an image for its own checks.
fn conformance(machine: &Machine, image: &Path, source: &Source) -> Result<()> {
    let scratch = Scratch::new()?;
    let disks = Disks {
        source: &source.path,
        scratch: scratch.path(),
    };
    let run = Run {
        machine,
        image,
        words: &["conformance".to_owned()],
        caches: Caches::None,
        attached: Attached::Nothing,
        disks,
        limit: CONFORMANCE_LIMIT,
    };
    let output = run.pass()?;
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
