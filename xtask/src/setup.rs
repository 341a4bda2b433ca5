//! Everything the other commands need is found, or installed, or named.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::process::Command;
use std::time::Duration;

use crate::beside;
use crate::host;
use crate::machine::Machine;
use crate::packages::{self, Packages};
use crate::process::{answer, answer_within};
use crate::program::Program;
use crate::race::{self, Detector};
use crate::toolchain::{self, Search, Toolchain};

/// Something is missing and cannot be installed here.
#[derive(Debug)]
pub(crate) struct Missing {
    what: BTreeSet<&'static str>,
    packages: BTreeSet<String>,
    /// What was tried, and how it ended.
    attempt: Option<String>,
}

impl fmt::Display for Missing {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(attempt) = &self.attempt {
            writeln!(text, "{}", attempt.trim_end())?;
        }
        writeln!(text, "missing: {}", self.names())?;
        writeln!(
            text,
            "on Debian, as root: apt-get update && {}",
            packages::instruction(&self.packages)
        )?;
        write!(text, "elsewhere: ")?;
        if self.what.contains(COMPILER) {
            write!(text, "{}; ", toolchain::RUSTUP_INSTRUCTION)?;
        }
        if self.what.contains(VALGRIND) {
            return write!(text, "{VALGRIND} on the PATH");
        }
        if self.what.contains(race::DETECTOR) {
            return write!(text, "{}", race::INSTRUCTION);
        }
        write!(
            text,
            "QEMU's system emulators for aarch64, arm, riscv64, mipsel and x86_64 on the PATH"
        )
    }
}

impl Error for Missing {}

impl Missing {
    /// What it is, and nothing of how to get it.
    pub(crate) fn names(&self) -> String {
        let what: Vec<&str> = self.what.iter().copied().collect();
        what.join(", ")
    }
}

/// One call of rustup, downloads included.
const RUSTUP_LIMIT: Duration = Duration::from_secs(900);

/// Both the program and its package.
const VALGRIND: &str = "valgrind";

const COMPILER: &str = "a Rust compiler with the standard library's source, clippy and lld";

/// The host's own formatter and linter.
///
/// # Errors
///
/// [`Missing`] as in [`prepare`].
pub(crate) fn prepare_host() -> Result<(), Missing> {
    let mut missing = Missing {
        what: BTreeSet::new(),
        packages: BTreeSet::new(),
        attempt: None,
    };
    let has = |tool: &str| answer(host::cargo().args([tool, "--version"])).is_some();
    for (tool, component, package) in [
        ("fmt", "rustfmt", "rustfmt-web"),
        ("clippy", "clippy", "rust-web-clippy"),
    ] {
        if has(tool) {
            continue;
        }
        println!("[adding {component}]");
        if !add_to_rustup(&[component]) {
            missing.attempt = install(&mut Packages::default(), [package].into_iter());
        }
        if !has(tool) {
            missing.what.insert(component);
            missing.packages.insert(package.to_owned());
        }
    }
    if missing.what.is_empty() {
        Ok(())
    } else {
        Err(missing)
    }
}

/// What counts instructions.
///
/// It is installed or not there: unpacked beside what is installed, it would not find its own parts.
///
/// # Errors
///
/// [`Missing`] as in [`prepare`].
pub(crate) fn prepare_valgrind() -> Result<(), Missing> {
    let has = || answer(Command::new(VALGRIND).arg("--version")).is_some();
    if has() {
        return Ok(());
    }
    let attempt = install(&mut Packages::default(), [VALGRIND].into_iter());
    if has() {
        return Ok(());
    }
    Err(Missing {
        what: BTreeSet::from([VALGRIND]),
        packages: BTreeSet::from([VALGRIND.to_owned()]),
        attempt,
    })
}

/// A compiler for other targets, and the emulator of each of `machines`.
///
/// # Errors
///
/// [`Missing`] if something is not there and cannot be installed; it says what the user can do.
pub(crate) fn prepare(machines: &[&Machine]) -> Result<Toolchain, Missing> {
    let mut manager = Packages::default();
    let mut missing = Missing {
        what: BTreeSet::new(),
        packages: BTreeSet::new(),
        attempt: None,
    };

    let absent = absent_emulators(machines);
    missing.attempt = obtain(&mut manager, absent.iter().map(|machine| machine.package));
    let absent = absent_emulators(machines);
    for machine in &absent {
        missing.what.insert(machine.emulator);
        missing.packages.insert(machine.package.to_owned());
    }
    if missing.attempt.is_none() && !absent.is_empty() && Packages::can_unpack() {
        missing.attempt = Some(format!(
            "their packages are here, but to `--version` there is no answer from {}",
            missing.names()
        ));
    }

    match compiler(&mut manager) {
        Ok(toolchain) if missing.what.is_empty() => Ok(toolchain),
        Ok(_) => Err(missing),
        Err((names, attempt)) => {
            missing.what.insert(COMPILER);
            missing.packages.extend(names);
            missing.attempt = missing.attempt.or(attempt);
            Err(missing)
        }
    }
}

/// What finds races in programs of that compiler.
///
/// # Errors
///
/// [`Missing`] as in [`prepare`].
pub(crate) fn prepare_races(toolchain: &Toolchain) -> Result<Detector, Missing> {
    if let Some(detector) = Detector::find(toolchain) {
        return Ok(detector);
    }
    let package = Detector::package(toolchain);
    let attempt = obtain(&mut Packages::default(), [package.as_str()].into_iter());
    Detector::find(toolchain).ok_or_else(|| Missing {
        what: BTreeSet::from([race::DETECTOR]),
        packages: BTreeSet::from([package]),
        attempt,
    })
}

/// Those of `machines` of which there is no emulator.
pub(crate) fn absent_emulators<'a>(machines: &[&'a Machine]) -> Vec<&'a Machine> {
    let absent = |machine: &&Machine| Program::find(machine.emulator).is_none();
    machines.iter().copied().filter(absent).collect()
}

/// Debian's compiler if it is there or can be had, so that the golden assembly is the same everywhere; else rustup's.
fn compiler(manager: &mut Packages) -> Result<Toolchain, (BTreeSet<String>, Option<String>)> {
    let mut wanted: BTreeSet<String> = toolchain::DEBIAN
        .iter()
        .map(|&name| name.to_owned())
        .collect();
    let mut attempt = None;

    // The linker's version follows from the compiler's: first the one, then the other.
    for _ in 0..3 {
        wanted = match Toolchain::debian() {
            Search::Complete(toolchain) => return Ok(toolchain),
            Search::NoLinker(linker) => BTreeSet::from([linker]),
            Search::Nothing => wanted,
        };
        attempt = install(manager, wanted.iter().map(String::as_str));
        if attempt.is_some() || !Packages::can_install() {
            break;
        }
    }

    if let Some(toolchain) = Toolchain::rustup() {
        return Ok(toolchain);
    }
    if answer(Command::new("rustup").arg("--version")).is_some() {
        println!("[adding the standard library's source to rustup's toolchain]");
        if add_to_rustup(&["rust-src", "clippy"])
            && let Some(toolchain) = Toolchain::rustup()
        {
            return Ok(toolchain);
        }
    }

    if wanted.len() > 1 {
        wanted.insert("lld".to_owned());
    }
    Err((wanted, attempt))
}

/// Adds components to rustup's toolchain, and says whether that worked.
fn add_to_rustup(components: &[&str]) -> bool {
    let mut command = Command::new("rustup");
    command.args(["component", "add"]).args(components);
    answer_within(&mut command, RUSTUP_LIMIT).is_some()
}

/// Installs what is named, or unpacks it beside what is installed, and says what went wrong if all was in vain.
///
/// Only for what is looked for among [`beside::trees`], too: programs with [`Program::find`], and [`Detector::find`].
fn obtain<'a>(manager: &mut Packages, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let names: BTreeSet<String> = names.map(str::to_owned).collect();
    if names.is_empty() {
        return None;
    }
    let installed = Packages::can_install().then(|| manager.install(&names));
    if let Some(Ok(())) = installed {
        return None;
    }
    let unpacked = Packages::can_unpack().then(|| beside::unpack(&names));
    if let Some(Ok(())) = unpacked {
        return None;
    }
    let errors: Vec<String> = [installed, unpacked]
        .into_iter()
        .flatten()
        .filter_map(|attempt| Some(format!("{:#}", attempt.err()?)))
        .collect();
    (!errors.is_empty()).then(|| errors.join("\n\n"))
}

/// Installs what is named if this user can, and says what went wrong if it was tried in vain.
fn install<'a>(manager: &mut Packages, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let names: BTreeSet<String> = names.map(str::to_owned).collect();
    if names.is_empty() || !Packages::can_install() {
        return None;
    }
    manager
        .install(&names)
        .err()
        .map(|error| format!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_misses_valgrind_is_told_of_nothing_else() {
        let missing = Missing {
            what: BTreeSet::from([VALGRIND]),
            packages: BTreeSet::from([VALGRIND.to_owned()]),
            attempt: None,
        };

        assert_eq!(
            missing.to_string(),
            "missing: valgrind\n\
             on Debian, as root: apt-get update && apt-get install --no-install-recommends valgrind\n\
             elsewhere: valgrind on the PATH"
        );
    }

    #[test]
    fn what_is_missing_is_said_with_the_way_to_get_it() {
        let missing = Missing {
            what: BTreeSet::from(["qemu-system-mipsel"]),
            packages: BTreeSet::from(["qemu-system-mips".to_owned()]),
            attempt: Some("no network\n".to_owned()),
        };

        let text = missing.to_string();

        assert!(
            text.starts_with("no network\nmissing: qemu-system-mipsel\n"),
            "{text}"
        );
        assert!(
            text.contains("apt-get install --no-install-recommends qemu-system-mips\n"),
            "{text}"
        );
        assert!(!text.contains("rustup"), "{text}");
        let missing = Missing {
            what: BTreeSet::from([race::DETECTOR]),
            packages: BTreeSet::from(["libclang-rt-22-dev".to_owned()]),
            attempt: None,
        };
        let text = missing.to_string();
        assert!(
            text.contains(" libclang-rt-22-dev\nelsewhere: a toolchain"),
            "{text}"
        );
    }
}
