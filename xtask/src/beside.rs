//! Packages unpacked beside the installed ones, where installing them is refused or is not this user's right.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::packages;
use crate::process::run_to_success;
use crate::workspace;

/// One archive.
const LIMIT: Duration = Duration::from_secs(300);

/// Unpacks those packages, and what they need that is not installed, as one more of [`trees`]; installs nothing.
pub(crate) fn unpack(names: &BTreeSet<String>) -> Result<()> {
    let said = packages::join(names);
    println!("[unpacking {said} beside the system's packages]");
    let home = home()?;
    fill(&home, &tree_name(names), |tree| {
        let downloads = temporary(&home)?;
        for archive in packages::download(names, downloads.path())? {
            let mut command = Command::new("dpkg-deb");
            command.arg("--extract").arg(archive).arg(tree);
            run_to_success(&mut command, "dpkg-deb", LIMIT)?;
        }
        Ok(())
    })
    .with_context(|| format!("cannot unpack {said}"))
}

/// The folders that [`unpack`] has completed, each of them laid out as a system's root.
pub(crate) fn trees() -> Result<Vec<PathBuf>> {
    complete(&home()?)
}

fn home() -> Result<PathBuf> {
    workspace::output("beside")
}

/// One folder for each choice of packages. No package's name has a `_`, or begins with a dot.
fn tree_name(names: &BTreeSet<String>) -> String {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.join("_")
}

/// Has `unpack` fill a folder, which gets its name only if that succeeds; it takes the place of an older one.
fn fill(home: &Path, name: &str, unpack: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let work = temporary(home)?;
    let tree = work.path().join("new");
    fs::create_dir(&tree)?;
    unpack(&tree)?;

    let place = home.join(name);
    if place.exists() {
        fs::rename(&place, work.path().join("old"))?;
    }
    fs::rename(&tree, &place)?;
    Ok(())
}

/// A folder on the same file system, by its dot no complete one, deleted in the end.
fn temporary(home: &Path) -> Result<TempDir> {
    tempfile::Builder::new()
        .prefix(".")
        .tempdir_in(home)
        .with_context(|| format!("cannot create a folder in {}", home.display()))
}

fn complete(home: &Path) -> Result<Vec<PathBuf>> {
    let mut trees = Vec::new();
    for entry in fs::read_dir(home).with_context(|| format!("cannot list {}", home.display()))? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            trees.push(entry.path());
        }
    }
    trees.sort();
    Ok(trees)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    #[test]
    fn every_choice_of_packages_has_a_folder_of_its_own() {
        let name = |names: &[&str]| tree_name(&names.iter().map(|&name| name.to_owned()).collect());

        assert_eq!(name(&["qemu-system-arm"]), "qemu-system-arm");
        assert_eq!(
            name(&["qemu-system-x86", "g++-12"]),
            "g++-12_qemu-system-x86"
        );
    }

    #[test]
    fn what_was_not_unpacked_to_the_end_is_no_tree_and_does_not_stay() {
        let home = tempfile::tempdir().expect("a temporary folder");

        let outcome = fill(home.path(), "a", |tree| {
            fs::write(tree.join("file"), "half")?;
            let during = complete(home.path())?;
            bail!("no space, and {} trees", during.len());
        });

        let error = outcome.expect_err("it was not unpacked");
        assert_eq!(error.to_string(), "no space, and 0 trees");
        let left = fs::read_dir(home.path()).expect("it is a folder").count();
        assert_eq!(left, 0);
    }

    #[test]
    fn a_tree_takes_the_place_of_an_older_one() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let fill = |name: &str, file: &str| {
            fill(home.path(), name, |tree| {
                Ok(fs::write(tree.join(file), "")?)
            })
            .expect("it is filled");
        };

        fill("b", "old");
        fill("a", "one");
        fill("b", "new");

        let trees = complete(home.path()).expect("it can be listed");
        assert_eq!(trees, ["a", "b"].map(|name| home.path().join(name)));
        assert!(trees[1].join("new").is_file());
        assert!(!trees[1].join("old").exists());
        let left = fs::read_dir(home.path()).expect("it is a folder").count();
        assert_eq!(left, 2);
    }
}
