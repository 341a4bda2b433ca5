//! The thread tests of the pools, watched by a tool that reports memory accesses which nothing orders.
//!
//! The tool is the compiler's own, `ThreadSanitizer`. It must see all of a program, so that the standard library is
//! built anew with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::beside;
use crate::host::tests_passed;
use crate::process::{Finished, run};
use crate::toolchain::{Toolchain, has_sanitizer};
use crate::workspace;

/// The standard library, the tests' dependencies and the tests.
const LIMIT: Duration = Duration::from_secs(900);

/// What the tool says when it has seen a race.
const REPORT: &str = "WARNING: ThreadSanitizer: data race";

/// What the tool is, for a message.
pub(crate) const DETECTOR: &str = "the run-time library of ThreadSanitizer";

/// Where that library is had apart from Debian's packages.
pub(crate) const INSTRUCTION: &str = "a toolchain of rustup's, which has it";

/// The tool's run-time library.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Detector {
    /// The compiler brings its own.
    Own,
    /// That of the C compiler with the same LLVM.
    Clang(PathBuf),
}

impl Detector {
    /// The one for that compiler, if it is there.
    pub(crate) fn find(toolchain: &Toolchain) -> Option<Self> {
        if has_sanitizer(&toolchain.libraries()?, "tsan") {
            return Some(Self::Own);
        }
        let inside = clang(&toolchain.version.llvm, &toolchain.version.host)?;
        let mut roots = vec![PathBuf::from("/")];
        roots.extend(beside::trees().unwrap_or_default());
        let places = roots.into_iter().map(|root| root.join(&inside));
        places
            .into_iter()
            .find(|path| path.is_file())
            .map(Self::Clang)
    }

    /// The Debian package that has it for that compiler.
    pub(crate) fn package(toolchain: &Toolchain) -> String {
        format!("libclang-rt-{}-dev", toolchain.version.llvm)
    }

    /// What the compiler is told; `linkers` is a folder that has LLVM's linker.
    fn flags(&self, linkers: &Path) -> Vec<String> {
        let mut flags = vec!["-Zsanitizer=thread".to_owned()];
        if let Self::Clang(library) = self {
            flags.push("-Zexternal-clangrt".to_owned());
            let arguments = [
                // The system's linker does not resolve all that the library refers to.
                "-fuse-ld=lld".to_owned(),
                format!("-B{}", linkers.display()),
                "-Wl,--whole-archive".to_owned(),
                library.display().to_string(),
                "-Wl,--no-whole-archive".to_owned(),
                "-lm".to_owned(),
            ];
            flags.extend(arguments.map(|argument| format!("-Clink-arg={argument}")));
        }
        flags
    }
}

/// Where Debian's package puts the library, from the system's root.
fn clang(llvm: &str, host: &str) -> Option<PathBuf> {
    let architecture = host.split('-').next()?;
    let inside =
        format!("usr/lib/llvm-{llvm}/lib/clang/{llvm}/lib/linux/libclang_rt.tsan-{architecture}.a");
    Some(inside.into())
}

/// A race that is there on purpose is reported: without that, silence would say nothing.
pub(crate) fn on_purpose(toolchain: &Toolchain, detector: &Detector) -> Result<String> {
    let finished = watched(toolchain, detector, "race-on-purpose", &["--ignored"])?;
    ensure!(
        is_reported(&finished),
        "{}\nno race was reported: {}",
        finished.output,
        finished.end.describe()
    );
    Ok(String::new())
}

/// The thread tests pass, and nothing is reported.
pub(crate) fn tests(toolchain: &Toolchain, detector: &Detector) -> Result<String> {
    let finished = watched(toolchain, detector, "race", &[])?;
    let passed = tests_passed(&finished.output);
    ensure!(
        finished.end.code() == Some(0) && !finished.output.contains("ThreadSanitizer"),
        "{}\nthe tests under the race detector: {}",
        finished.output,
        finished.end.describe()
    );
    ensure!(passed > 0, "no test ran under the race detector");
    Ok(format!("{passed} tests"))
}

/// Whether the test failed because of a race, and not for lack of something else.
fn is_reported(finished: &Finished) -> bool {
    finished.end.code().is_some_and(|code| code != 0) && finished.output.contains(REPORT)
}

/// Builds the tests with the tool, and runs them.
fn watched(
    toolchain: &Toolchain,
    detector: &Detector,
    name: &str,
    arguments: &[&str],
) -> Result<Finished> {
    let mut command = cargo(toolchain, detector)?;
    command
        .args(["test", "-Zbuild-std=std,panic_unwind,test"])
        .args(["--target", &toolchain.version.host])
        .args(["--package", "dma-api", "--test", "race", "--"])
        .args(arguments);
    run(&mut command, name, LIMIT)
}

fn cargo(toolchain: &Toolchain, detector: &Detector) -> Result<Command> {
    let directory = workspace::output("race")?;
    let linkers = linkers(toolchain)?;
    let mut command = toolchain.cargo();
    command
        .env("CARGO_TARGET_DIR", directory)
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            detector.flags(&linkers).join("\x1f"),
        )
        // One standard library, for the tests' own way to fail; nobody debugs it.
        .env("CARGO_PROFILE_DEV_PANIC", "unwind")
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        // A race of which the first half is forgotten is not reported: remember as much as possible.
        .env("TSAN_OPTIONS", "halt_on_error=1 exitcode=66 history_size=7");
    Ok(command)
}

/// A folder that has the toolchain's linker by the one name that a C compiler looks for.
fn linkers(toolchain: &Toolchain) -> Result<PathBuf> {
    let folder = workspace::output("race-linker")?;
    let link = folder.join("ld.lld");
    if fs::read_link(&link).ok().as_deref() != Some(toolchain.linker()) {
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(toolchain.linker(), &link)
            .with_context(|| format!("cannot create {}", link.display()))?;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::End;
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    #[test]
    fn only_a_failure_with_a_report_is_one() {
        let finished = |code: i32, output: &str| Finished {
            end: End::Status(ExitStatus::from_raw(code << 8)),
            output: output.to_owned(),
            log: PathBuf::new(),
        };
        let report = format!("x\n{REPORT} (pid=7)\n");

        assert!(is_reported(&finished(66, &report)));
        assert!(!is_reported(&finished(0, &report)));
        assert!(!is_reported(&finished(101, "error: could not compile")));
        let killed = Finished {
            end: End::TimeLimit(LIMIT),
            ..finished(0, &report)
        };
        assert!(!is_reported(&killed));
    }

    #[test]
    fn a_library_of_the_c_compilers_is_linked_whole_and_a_compilers_own_by_itself() {
        let linkers = Path::new("/l");
        let clang = Detector::Clang("/r.a".into()).flags(linkers);

        assert_eq!(Detector::Own.flags(linkers), ["-Zsanitizer=thread"]);
        assert_eq!(clang[..2], ["-Zsanitizer=thread", "-Zexternal-clangrt"]);
        let whole = ["-Wl,--whole-archive", "/r.a", "-Wl,--no-whole-archive"];
        let whole = whole.map(|argument| format!("-Clink-arg={argument}"));
        assert!(clang.windows(3).any(|window| *window == whole), "{clang:?}");
        assert!(clang.contains(&"-Clink-arg=-B/l".to_owned()));
    }

    #[test]
    fn the_librarys_name_has_the_version_and_the_architecture() {
        let path = clang("22", "x86_64-unknown-linux-gnu");

        let expected = "usr/lib/llvm-22/lib/clang/22/lib/linux/libclang_rt.tsan-x86_64.a";
        assert_eq!(path, Some(expected.into()));
    }
}
