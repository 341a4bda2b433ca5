//! A copy of the workspace's files that may be changed, with builds of its own that are kept from run to run.

use std::collections::BTreeSet;
use std::env;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::host;
use crate::process::answer;
use crate::workspace;

/// The copy, which nobody else uses while this value exists.
#[derive(Debug)]
pub(crate) struct Replica {
    folder: PathBuf,
    _lock: File,
}

impl Replica {
    /// Makes the copy what the workspace is now. Files that are the same already are left alone, so that nothing is
    /// built again.
    pub(crate) fn new() -> Result<Self> {
        let home = workspace::output("mutants")?;
        let path = home.join("lock");
        let lock = File::create(&path).with_context(|| format!("no {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!("another run uses {}", home.display()),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let replica = Self {
            folder: home.join("tree"),
            _lock: lock,
        };
        replicate(workspace::root(), &listed()?, &replica.folder)?;
        Ok(replica)
    }

    /// Its root.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Cargo in the copy, for the host.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = host::cargo();
        command
            .env("CARGO_TARGET_DIR", self.builds())
            // Nobody debugs a mutant.
            .env("CARGO_PROFILE_DEV_DEBUG", "0");
        command
    }

    /// This program, taking the copy for the workspace.
    pub(crate) fn xtask(&self) -> Result<Command> {
        let mut command = Command::new(env::current_exe().context("this program has no path")?);
        command
            .env("CARGO_MANIFEST_DIR", self.folder.join("xtask"))
            .env("CARGO_TARGET_DIR", self.builds());
        Ok(command)
    }

    fn builds(&self) -> PathBuf {
        self.folder.with_file_name("builds")
    }
}

/// The files that belong to the workspace, new ones too.
fn listed() -> Result<BTreeSet<PathBuf>> {
    let mut git = Command::new("git");
    git.arg("-C").arg(workspace::root()).args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let list = answer(&mut git).context("git cannot list the workspace's files")?;
    let files = list.lines().map(PathBuf::from);
    Ok(files
        .filter(|file| workspace::root().join(file).is_file())
        .collect())
}

/// Makes `copy` hold those files of `original`, as they are, and no others.
fn replicate(original: &Path, files: &BTreeSet<PathBuf>, copy: &Path) -> Result<()> {
    for file in files {
        let (from, to) = (original.join(file), copy.join(file));
        let content = fs::read(&from).with_context(|| format!("cannot read {}", from.display()))?;
        if fs::read(&to).is_ok_and(|old| old == content) {
            continue;
        }
        fs::create_dir_all(to.parent().context("a file is in a folder")?)?;
        fs::write(&to, content).with_context(|| format!("cannot write {}", to.display()))?;
    }
    remove_others(copy, copy, files)
}

fn remove_others(folder: &Path, copy: &Path, files: &BTreeSet<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("no {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            remove_others(&path, copy, files)?;
        } else if !path
            .strip_prefix(copy)
            .is_ok_and(|file| files.contains(file))
        {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_becomes_what_the_original_is_and_the_same_files_are_left_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (original, copy) = (folder.path().join("original"), folder.path().join("copy"));
        let write = |root: &Path, file: &str, text: &str| {
            let path = root.join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
            fs::write(path, text).expect("it can be written");
        };
        for (file, text) in [("a", "1"), ("b/c", "2"), ("unlisted", "3")] {
            write(&original, file, text);
        }
        let files = ["a", "b/c"].map(PathBuf::from).into();
        write(&copy, "a", "1");
        write(&copy, "b/c", "mutated");
        write(&copy, "b/gone", "");
        let modified = |file| fs::metadata(copy.join(file)).and_then(|data| data.modified());
        let before = modified("a").expect("a time");

        replicate(&original, &files, &copy).expect("it can be copied");

        let read = |file| fs::read_to_string(copy.join(file)).ok();
        assert_eq!(read("b/c").as_deref(), Some("2"));
        assert_eq!((read("b/gone"), read("unlisted")), (None, None));
        assert_eq!(modified("a").expect("a time"), before);
    }
}
