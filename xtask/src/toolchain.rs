//! A compiler for other targets: Debian's, or one of rustup's that has the standard library's source.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::answer;
use crate::target::{TARGETS, Target};
use crate::workspace;

/// The oldest compiler the workspace accepts, as its manifest says.
const OLDEST: &str = env!("CARGO_PKG_RUST_VERSION");

/// Debian's packages of the compiler, of cargo, of the standard library's source and of the linter.
pub(crate) const DEBIAN: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-clippy"];

/// A complete set of tools that builds for every target.
#[derive(Clone, Debug)]
pub(crate) struct Toolchain {
    cargo: PathBuf,
    rustc: PathBuf,
    clippy: PathBuf,
    linker: PathBuf,
    pub(crate) version: Version,
}

/// What a compiler says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// Such as `1.96.0`, or `1.97.0-nightly`.
    pub(crate) release: String,
    /// The first number of its LLVM's version, which a linker for it should share.
    pub(crate) llvm: String,
    /// What it calls the system it runs on.
    pub(crate) host: String,
}

/// What a search found.
#[derive(Debug)]
pub(crate) enum Search {
    /// All of it.
    Complete(Toolchain),
    /// All of it but the linker, for which the Debian package is named.
    NoLinker(String),
    /// No compiler, or not all that belongs to it.
    Nothing,
}

/// What to install where Debian's packages are not to be had.
pub(crate) const RUSTUP_INSTRUCTION: &str =
    "rustup toolchain install nightly --component rust-src --component clippy";

impl Toolchain {
    /// Debian's.
    pub(crate) fn debian() -> Search {
        let programs = Path::new("/usr/bin");
        let Some((version, sysroot)) = inspect(&programs.join("rustc")) else {
            return Search::Nothing;
        };
        let [cargo, rustc, clippy] =
            ["cargo", "rustc", "clippy-driver"].map(|name| programs.join(name));
        if !version.is_recent() || !has_source(&sysroot) || !cargo.is_file() || !clippy.is_file() {
            return Search::Nothing;
        }
        let linker = programs.join(format!("ld.lld-{}", version.llvm));
        if !linker.is_file() {
            return Search::NoLinker(format!("lld-{}", version.llvm));
        }
        Search::Complete(Self {
            cargo,
            rustc,
            clippy,
            linker,
            version,
        })
    }

    /// The first of rustup's toolchains that has all that is needed.
    pub(crate) fn rustup() -> Option<Self> {
        let list = answer(Command::new("rustup").args(["toolchain", "list", "--quiet"]))?;
        list.lines().find_map(|name| Self::from_rustup(name.trim()))
    }

    fn from_rustup(name: &str) -> Option<Self> {
        let rustc = answer(Command::new("rustup").args(["which", "--toolchain", name, "rustc"]))?;
        let rustc = PathBuf::from(rustc);
        let (version, sysroot) = inspect(&rustc)?;
        let [cargo, clippy] = ["cargo", "clippy-driver"].map(|tool| sysroot.join("bin").join(tool));
        let linker = sysroot
            .join("lib/rustlib")
            .join(&version.host)
            .join("bin/rust-lld");
        let complete = version.is_recent()
            && has_source(&sysroot)
            && [&cargo, &clippy, &linker].iter().all(|tool| tool.is_file());
        complete.then_some(Self {
            cargo,
            rustc,
            clippy,
            linker,
            version,
        })
    }

    /// The linker of LLVM.
    pub(crate) fn linker(&self) -> &Path {
        &self.linker
    }

    /// Where the libraries are that the compiler brings for its own system.
    pub(crate) fn libraries(&self) -> Option<PathBuf> {
        let (version, sysroot) = inspect(&self.rustc)?;
        Some(sysroot.join("lib/rustlib").join(version.host).join("lib"))
    }

    /// A cargo command for other targets; all of them share one target directory.
    ///
    /// Whatever would be another `core` is the same in every command: the linker and the flags of all targets.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(&self.cargo);
        for inherited in [
            "RUSTUP_TOOLCHAIN",
            "LD_LIBRARY_PATH",
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_BUILD_TARGET",
            "CARGO_BUILD_RUSTFLAGS",
            "RUSTC_WRAPPER",
            "RUSTC_WORKSPACE_WRAPPER",
            "CARGO",
        ] {
            command.env_remove(inherited);
        }
        for target in &TARGETS {
            command.env(target.variable("LINKER"), &self.linker);
            if !target.flags.is_empty() {
                command.env(target.variable("RUSTFLAGS"), target.flags);
            }
        }
        command
            .env("RUSTC", &self.rustc)
            // `-Zbuild-std` and the assembly of MIPS are not stable yet.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_DIR", directory());
        command
    }

    /// A cargo command that lints each crate of the workspace and generates its code in the same pass.
    ///
    /// `cargo clippy` only checks, which would need a second `core` for each target.
    pub(crate) fn linting_cargo(&self) -> Command {
        let mut command = self.cargo();
        command.env("RUSTC_WORKSPACE_WRAPPER", &self.clippy).env(
            "CLIPPY_ARGS",
            "-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__",
        );
        command
    }
}

/// Where the builds for other targets are kept, apart from the host's so that neither waits for the other.
pub(crate) fn directory() -> PathBuf {
    workspace::target_directory().join("xtask").join("cross")
}

/// Where a release build for `target` leaves its programs.
pub(crate) fn release_directory(target: &Target) -> PathBuf {
    directory().join(target.triple).join("release")
}

impl Version {
    /// Reads what `rustc -vV` prints.
    fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        };
        Some(Self {
            release: field("release")?.to_owned(),
            llvm: field("LLVM version")?.split('.').next()?.to_owned(),
            host: field("host")?.to_owned(),
        })
    }

    fn is_recent(&self) -> bool {
        numbers(&self.release) >= numbers(OLDEST)
    }
}

/// The first two numbers of a version.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

fn inspect(rustc: &Path) -> Option<(Version, PathBuf)> {
    let version = Version::parse(&answer(
        Command::new(rustc)
            .env_remove("RUSTUP_TOOLCHAIN")
            .arg("-vV"),
    )?)?;
    let sysroot = answer(Command::new(rustc).args(["--print", "sysroot"]))?;
    Some((version, PathBuf::from(sysroot)))
}

/// Whether a compiler whose own libraries are in that folder has the run-time library of that sanitizer among them.
pub(crate) fn has_sanitizer(libraries: &Path, name: &str) -> bool {
    let Ok(entries) = fs::read_dir(libraries) else {
        return false;
    };
    let end = format!("_rt.{name}.a");
    let mut names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.any(|name| name.starts_with("librustc") && name.ends_with(&end))
}

fn has_source(sysroot: &Path) -> bool {
    sysroot
        .join("lib/rustlib/src/rust/library/core/src/lib.rs")
        .is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "rustc 1.96.0 (ac68faa20 2026-05-25)\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\n\
                        release: 1.96.0\nLLVM version: 22.1.8\n";

    #[test]
    fn a_compilers_own_words_are_understood() {
        let version = Version::parse(TEXT).expect("all three fields are there");

        assert_eq!(version.release, "1.96.0");
        assert_eq!(version.llvm, "22");
        assert_eq!(version.host, "x86_64-unknown-linux-gnu");
        assert_eq!(Version::parse("rustc 1.96.0"), None);
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(numbers("1.100.0") > numbers("1.95"));
        assert!(numbers("1.63.0") < numbers("1.95"));
        assert_eq!(numbers("1.97.0-nightly"), Some((1, 97)));
        assert_eq!(numbers("one"), None);
    }

    #[test]
    fn a_sanitizers_library_is_known_by_its_name() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let has = || has_sanitizer(folder.path(), "tsan");

        assert!(!has());
        fs::write(folder.path().join("librustc-stable_rt.asan.a"), "").expect("a file");
        assert!(!has());
        fs::write(folder.path().join("librustc-stable_rt.tsan.a"), "").expect("a file");
        assert!(has());
        assert!(!has_sanitizer(&folder.path().join("none"), "tsan"));
    }
}
