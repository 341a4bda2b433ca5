//! Debian packages, installed or downloaded where that is possible and named where it is not.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::process::{self, answer};
use crate::workspace;

/// One call of the package manager, downloads included.
const LIMIT: Duration = Duration::from_secs(900);

/// The package manager, of which the lists are read anew at most once.
#[derive(Debug, Default)]
pub(crate) struct Packages {
    refreshed: bool,
}

impl Packages {
    /// Whether this user on this system can install packages.
    pub(crate) fn can_install() -> bool {
        let root = answer(Command::new("id").arg("-u")).is_some_and(|user| user == "0");
        root && has("apt-get")
    }

    /// Whether this system has packages that any user can download and unpack.
    pub(crate) fn can_unpack() -> bool {
        has("apt-get") && has("dpkg-deb")
    }

    /// Installs those packages and what they need; removes none, whatever conflicts.
    pub(crate) fn install(&mut self, names: &BTreeSet<String>) -> Result<()> {
        if !self.refreshed {
            println!("[reading the package lists]");
            process::run_to_success(apt().arg("update"), "apt-update", LIMIT)?;
            self.refreshed = true;
        }
        println!("[installing {}]", join(names));
        let install = ["install", "--yes", "--no-install-recommends", "--no-remove"];
        process::run_to_success(apt().args(install).args(names), "apt-install", LIMIT)?;
        Ok(())
    }
}

/// Downloads those packages, and what they need that is not installed, into `folder`: gives the archives.
///
/// It is the installation's own resolver that chooses them. It may choose to remove what conflicts, but whatever is only
/// downloaded removes nothing. No root is needed, only lists that root has read.
pub(crate) fn download(names: &BTreeSet<String>, folder: &Path) -> Result<Vec<PathBuf>> {
    // Where apt-get keeps what is not complete yet; it does not create this by itself.
    let partial = folder.join("partial");
    fs::create_dir(&partial).with_context(|| format!("cannot create {}", partial.display()))?;
    let mut archives = OsString::from("Dir::Cache::Archives=");
    archives.push(folder);

    let mut command = apt();
    command
        .args(["install", "--yes", "--no-install-recommends"])
        .arg("--download-only")
        .arg("-o")
        .arg(archives)
        // The lock is of what is installed, which stays as it is.
        .args(["-o", "Debug::NoLocking=true"])
        .args(names);
    process::run_to_success(&mut command, "apt-download", LIMIT)
        .context("nothing downloaded (for new package lists: apt-get update as root, then this command again)")?;

    let archives = workspace::files_below(folder, "deb")?;
    let absent = not_among(names, &archives);
    ensure!(
        absent.is_empty(),
        "apt-get downloads no archive of {}: it takes them for installed, or they come from a local folder",
        join(&absent)
    );
    Ok(archives)
}

/// Those of `names` of which there is no archive: the name of an archive is the package's, its version and its
/// architecture with `_` between them, which occurs in none of them.
fn not_among(names: &BTreeSet<String>, archives: &[PathBuf]) -> BTreeSet<String> {
    let found: BTreeSet<&str> = archives
        .iter()
        .filter_map(|archive| Some(archive.file_name()?.to_str()?.split_once('_')?.0))
        .collect();
    names
        .iter()
        .filter(|name| !found.contains(name.as_str()))
        .cloned()
        .collect()
}

/// What a user has to type to get those packages.
pub(crate) fn instruction(names: &BTreeSet<String>) -> String {
    format!("apt-get install --no-install-recommends {}", join(names))
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .arg("--quiet");
    command
}

fn has(program: &str) -> bool {
    answer(Command::new(program).arg("--version")).is_some()
}

/// The names as they stand on a command line.
pub(crate) fn join(names: &BTreeSet<String>) -> String {
    names
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn an_archive_is_known_by_its_whole_package_name() {
        let archives = [
            "qemu-system-arm_1%3a7.2+dfsg-7+deb12u18+b3_amd64.deb",
            "g++-12_12.2.0-14_amd64.deb",
            "qemu-system-x86-xen_1%3a7.2_amd64.deb",
        ]
        .map(|name| Path::new("/downloads").join(name));

        let absent = not_among(
            &set(&["g++-12", "qemu-system-arm", "qemu-system-x86"]),
            &archives,
        );

        assert_eq!(absent, set(&["qemu-system-x86"]));
    }
}
