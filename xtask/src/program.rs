//! Programs that run here: of this system, or of packages unpacked beside it.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::beside;
use crate::process::answer;

/// What the loader searches for libraries before it searches the system.
const LIBRARIES: &str = "LD_LIBRARY_PATH";

/// A program that has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    path: PathBuf,
    /// The value of [`LIBRARIES`] it needs, if it was unpacked.
    libraries: Option<OsString>,
}

impl Program {
    /// The program of that name on the PATH, or else in what was unpacked, if it says its version.
    pub(crate) fn find(name: &str) -> Option<Self> {
        let installed = Self {
            path: name.into(),
            libraries: None,
        };
        if installed.answers() {
            return Some(installed);
        }
        let trees = beside::trees().ok()?;
        trees.iter().find_map(|tree| Self::unpacked(tree, name))
    }

    fn unpacked(tree: &Path, name: &str) -> Option<Self> {
        let path = tree.join("usr/bin").join(name);
        if !path.is_file() {
            return None;
        }
        let inherited = env::var_os(LIBRARIES).unwrap_or_default();
        let unpacked = Self {
            path,
            libraries: Some(search_path(library_folders(tree).ok()?, &inherited)?),
        };
        unpacked.answers().then_some(unpacked)
    }

    /// A command that runs it, without arguments yet.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        if let Some(libraries) = &self.libraries {
            command.env(LIBRARIES, libraries);
        }
        command
    }

    fn answers(&self) -> bool {
        answer(self.command().arg("--version")).is_some()
    }
}

/// Those folders, and then the inherited ones; nothing if the name of one cannot be said in such a list.
fn search_path(mut folders: Vec<PathBuf>, inherited: &OsStr) -> Option<OsString> {
    // To the loader, an empty name would be the current folder.
    folders.extend(env::split_paths(inherited).filter(|folder| !folder.as_os_str().is_empty()));
    env::join_paths(folders).ok()
}

/// Every folder of `tree` that holds shared libraries, sorted.
///
/// Debian's are in a folder named after the architecture, and a few in others below that one.
fn library_folders(tree: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![tree.join("lib"), tree.join("usr/lib")];
    while let Some(folder) = folders.pop() {
        if !folder.is_dir() {
            continue;
        }
        let mut holds_libraries = false;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            // A link to a folder is none: it could lead anywhere.
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                holds_libraries |= is_library(&entry.file_name().to_string_lossy());
            }
        }
        if holds_libraries {
            found.push(folder);
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a file of that name is a shared library, such as `libfdt.so.1`; modules have other names.
fn is_library(name: &str) -> bool {
    name.starts_with("lib") && (name.ends_with(".so") || name.contains(".so."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn write(path: &Path) {
        fs::create_dir_all(path.parent().expect("it is in a folder")).expect("it can be created");
        fs::write(path, "").expect("it can be written");
    }

    #[test]
    fn libraries_are_found_wherever_the_architecture_has_them() {
        let tree = tempfile::tempdir().expect("a temporary folder");
        let tree = tree.path();
        for file in [
            "lib/m-linux-gnu/libusb-1.0.so.0",
            "usr/lib/m-linux-gnu/libfdt.so.1",
            "usr/lib/m-linux-gnu/pulseaudio/libpulsecommon-16.1.so",
            "usr/lib/m-linux-gnu/qemu/accel-tcg.so",
            "usr/lib/ipxe/libfdt.source",
            "usr/share/libfdt.so.1",
        ] {
            write(&tree.join(file));
        }

        let found = library_folders(tree).expect("it can be listed");

        let expected = [
            "lib/m-linux-gnu",
            "usr/lib/m-linux-gnu",
            "usr/lib/m-linux-gnu/pulseaudio",
        ];
        assert_eq!(found, expected.map(|folder| tree.join(folder)));
    }

    #[test]
    fn an_unpacked_program_gets_its_own_libraries_first() {
        let tree = tempfile::tempdir().expect("a temporary folder");
        let tree = tree.path();
        write(&tree.join("usr/lib/m/liba.so.1"));
        fs::create_dir(tree.join("usr/bin")).expect("it can be created");
        // A program that prints its environment, by a link: to run one's own fresh file can fail while others start.
        symlink("/usr/bin/env", tree.join("usr/bin/env")).expect("it can be linked");

        let program = Program::unpacked(tree, "env").expect("it answers");

        let said = answer(&mut program.command()).expect("it answers");
        let value = said
            .lines()
            .find_map(|line| line.strip_prefix("LD_LIBRARY_PATH="));
        let first = env::split_paths(value.expect("it is set")).next();
        assert_eq!(first, Some(tree.join("usr/lib/m")));
    }

    #[test]
    fn a_search_path_names_no_folder_but_those_given() {
        let path =
            |folder: &str, inherited: &str| search_path(vec![folder.into()], OsStr::new(inherited));

        assert_eq!(path("/a", ""), Some("/a".into()));
        assert_eq!(path("/a", "/b::/c:"), Some("/a:/b:/c".into()));
        assert_eq!(path("/a:b", ""), None);
    }

    #[test]
    fn what_does_not_answer_is_not_found() {
        let tree = tempfile::tempdir().expect("a temporary folder");
        let tree = tree.path();
        write(&tree.join("usr/bin/broken"));

        assert_eq!(Program::unpacked(tree, "broken"), None);
        assert_eq!(Program::unpacked(tree, "absent"), None);
        assert_eq!(Program::find("no-such-emulator"), None);
    }

    #[test]
    fn a_program_of_the_system_runs_as_it_is() {
        let program = Program::find("cargo").expect("cargo builds this");

        let command = program.command();

        assert_eq!(command.get_program(), "cargo");
        assert_eq!(command.get_envs().count(), 0);
    }
}
