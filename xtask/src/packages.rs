//! Debian packages, installed where that is possible and named where it is not.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::process::{self, answer};

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
        root && answer(Command::new("apt-get").arg("--version")).is_some()
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

fn join(names: &BTreeSet<String>) -> String {
    names
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" ")
}
