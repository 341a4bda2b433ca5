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

/// The crates whose machine code is compared for `target`: all that have instructions of their own there.
pub(crate) fn crates(target: &Target) -> Vec<&'static str> {
    let names = target.crates.iter().copied();
    match target.host {
        Host::Hosted => Vec::new(),
        Host::Bare => names.filter(|name| name.starts_with("arch-")).collect(),
    }
}

/// Compares, or writes, what is checked in for one crate and target, and says how many functions there are.
pub(crate) fn check(
    toolchain: &Toolchain,
    package: &str,
    target: &Target,
    mode: Mode,
) -> Result<String> {
    let example = workspace::root().join(package).join("examples/golden.rs");
    ensure!(example.is_file(), "no {}", shown(&example));
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
    let now = describe(toolchain);
    match verdict(&checked_in, &text, &now) {
        Ok(Scope::Everything) => Ok(format!("{count} functions")),
        Ok(Scope::Essence) => Ok(format!(
            "{count} functions, maintenance and barriers only: {}",
            heading(&checked_in)
        )),
        Err(difference) => bail!(
            "{difference}\n{} (-) is not what {now} emits (+); its heading: {}\n{how}",
            shown(&path),
            heading(&checked_in)
        ),
    }
}

/// How much of two texts was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Everything,
    /// Another compiler chooses other registers, but no other maintenance, barrier or order of them.
    Essence,
}

/// Compares `text`, which the compiler `now` emits, with what is checked in; the error is the difference.
fn verdict(checked_in: &str, text: &str, now: &str) -> Result<Scope, String> {
    let expected = checked_in
        .split_once('\n')
        .map_or("", |(_, expected)| expected);
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (scope, expected, found) = if heading(checked_in).ends_with(&format!("by {now}")) {
        (Scope::Everything, lines(expected), lines(text))
    } else {
        (Scope::Essence, essence(expected), essence(text))
    };
    if expected == found {
        Ok(scope)
    } else {
        Err(difference(&borrowed(&expected), &borrowed(&found)))
    }
}

/// The first line, which names the compiler.
fn heading(checked_in: &str) -> &str {
    checked_in.lines().next().unwrap_or_default()
}

fn borrowed(lines: &[String]) -> Vec<&str> {
    lines.iter().map(String::as_str).collect()
}

/// The command: every crate that has instructions, for every target or one.
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
        "no crate of these targets has instructions of its own"
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::LIBRARIES;

    const CHECKED_IN: &str =
        "# arch-x for y, by rustc 1\n\ngolden_a:\n    mov x0, x1\n    dsb sy\n    ret\n";
    const TEXT: &str = "\ngolden_a:\n    mov x0, x1\n    dsb sy\n    ret\n";

    #[test]
    fn the_same_compiler_must_emit_the_same_lines() {
        let changed = TEXT.replace("x1", "x2");
        let shorter = TEXT.replace("    ret\n", "");

        assert_eq!(verdict(CHECKED_IN, TEXT, "rustc 1"), Ok(Scope::Everything));
        assert_eq!(
            verdict(CHECKED_IN, &changed, "rustc 1"),
            Err(
                "  \n  golden_a:\n-     mov x0, x1\n+     mov x0, x2\n      dsb sy\n      ret\n"
                    .to_owned()
            )
        );
        assert!(verdict(CHECKED_IN, &shorter, "rustc 1").is_err());
    }

    #[test]
    fn another_compiler_must_emit_the_same_barriers() {
        let registers = TEXT.replace("x1", "x2");
        let barrier = TEXT.replace("dsb sy", "dsb ld");

        assert_eq!(
            verdict(CHECKED_IN, &registers, "rustc 2"),
            Ok(Scope::Essence)
        );
        assert!(verdict(CHECKED_IN, &barrier, "rustc 2").is_err());
        assert!(verdict("", TEXT, "rustc 1").is_err());
    }

    #[test]
    fn every_architecture_is_compared_and_every_file_belongs_to_one_comparison() {
        let mut compared = Vec::new();
        for target in &TARGETS {
            for package in crates(target) {
                let file = format!("{package}/golden/{}.s", target.triple);
                compared.push(workspace::root().join(file));
            }
        }
        compared.sort();

        let mut found = Vec::new();
        for name in LIBRARIES.iter().filter(|name| name.starts_with("arch-")) {
            let folder = workspace::root().join(name).join("golden");
            let files = workspace::files_below(&folder, "s").expect("the folder can be listed");
            assert!(!files.is_empty(), "{name}");
            found.extend(files);
        }
        found.sort();
        assert_eq!(found, compared);
    }
}
