//! The machine code of the hand-over functions, compared with what is checked in.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::assembly::{difference, essence, extract, to_text};
use crate::process::run_to_success;
use crate::setup;
use crate::target::{Host, TARGETS, Target};
use crate::toolchain::{self, Toolchain};
use crate::workspace::{self, shown};

/// One build, `core` included.
const LIMIT: Duration = Duration::from_secs(900);

/// What to do with what the compiler emits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Compare,
    Bless,
}

/// The crates whose machine code is compared for `target`.
pub(crate) fn crates(target: &Target) -> Vec<&'static str> {
    if target.host == Host::Hosted {
        return Vec::new();
    }
    let has_example = |name: &str| {
        workspace::root()
            .join(name)
            .join("examples/golden.rs")
            .is_file()
    };
    target
        .crates
        .iter()
        .copied()
        .filter(|name| name.starts_with("arch-") && has_example(name))
        .collect()
}

/// Compares, or writes, what is checked in for one crate and target, and says how many functions there are.
pub(crate) fn check(
    toolchain: &Toolchain,
    package: &str,
    target: &Target,
    mode: Mode,
) -> Result<String> {
    let functions = extract(&assembly(toolchain, package, target)?, target.triple)?;
    let count = functions.len();
    let text = to_text(&functions);

    let path = workspace::root()
        .join(package)
        .join("golden")
        .join(format!("{}.s", target.triple));
    if mode == Mode::Bless {
        fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
        let heading = format!(
            "# {package} for {}, by {}\n",
            target.triple,
            describe(toolchain)
        );
        fs::write(&path, heading + &text)
            .with_context(|| format!("cannot write {}", shown(&path)))?;
        return Ok(format!("{count} functions, written to {}", shown(&path)));
    }

    let how = format!(
        "`cargo xtask golden --bless --target {}` writes it",
        target.triple
    );
    let checked_in =
        fs::read_to_string(&path).with_context(|| format!("no {}: {how}", shown(&path)))?;
    let (heading, expected) = checked_in.split_once('\n').unwrap_or_default();
    let now = describe(toolchain);
    let same_compiler = heading.ends_with(&format!("by {now}"));
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (expected, found) = if same_compiler {
        (lines(expected), lines(&text))
    } else {
        // Another compiler chooses other registers, but no other maintenance, barrier or order of them.
        (essence(expected), essence(&text))
    };
    if expected != found {
        let (difference, path) = (
            difference(&borrowed(&expected), &borrowed(&found)),
            shown(&path),
        );
        bail!(
            "{difference}\n{path} (-) is not what {now} emits (+); its heading: {heading}\n{how}"
        );
    }
    Ok(if same_compiler {
        format!("{count} functions")
    } else {
        format!("{count} functions, maintenance and barriers only: {heading}")
    })
}

fn borrowed(lines: &[String]) -> Vec<&str> {
    lines.iter().map(String::as_str).collect()
}

/// The command: every crate that has golden functions, for every target or one.
pub(crate) fn run(bless: bool, only: Option<&'static Target>) -> Result<bool> {
    let toolchain = setup::prepare(&[])?;
    let mode = if bless { Mode::Bless } else { Mode::Compare };
    let (mut compared, mut failed) = (0, 0);
    for target in TARGETS
        .iter()
        .filter(|&target| only.is_none_or(|only| only == target))
    {
        for package in crates(target) {
            match check(&toolchain, package, target, mode) {
                Ok(said) => println!("golden {package} {}: {said}", target.triple),
                Err(error) => {
                    failed += 1;
                    println!("golden {package} {}: FAILED\n{error:#}", target.triple);
                }
            }
            compared += 1;
        }
    }
    ensure!(
        compared > 0,
        "no crate of these targets has an `examples/golden.rs`"
    );
    Ok(failed == 0)
}

fn describe(toolchain: &Toolchain) -> String {
    format!(
        "rustc {} (LLVM {})",
        toolchain.version.release, toolchain.version.llvm
    )
}

/// Builds the example as one code generation unit, so that the functions are in one file.
fn assembly(toolchain: &Toolchain, package: &str, target: &Target) -> Result<String> {
    let path = output(package, target)?;
    let mut command = toolchain.cargo();
    command
        .args([
            "rustc",
            "--release",
            "--package",
            package,
            "--example",
            &package.replace("arch", "golden"),
            "--target",
            target.triple,
        ])
        .arg(format!("-Zbuild-std={}", target.host.standard_library()))
        .arg("--")
        .arg(format!("--emit=asm={}", path.display()))
        // Two functions with the same code stay two.
        .args(["-Ccodegen-units=1", "-Zmerge-functions=disabled"]);
    run_to_success(
        &mut command,
        &format!("golden-{package}-{}", target.triple),
        LIMIT,
    )?;
    fs::read_to_string(&path).with_context(|| format!("the compiler wrote no {}", path.display()))
}

/// Beside the builds themselves: if cargo finds nothing to do, the file of the build before is still there.
fn output(package: &str, target: &Target) -> Result<PathBuf> {
    let folder = toolchain::directory().join("golden");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder.join(format!("{package}-{}.s", target.triple)))
}
