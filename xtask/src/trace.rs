//! Pictures of what happens on the simulated machine to drivers that are wrong in one way each.

use std::ffi::OsStr;
use std::path::{Path, PathBuf, absolute};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::host::{self, BUILD_LIMIT};
use crate::process::run_to_success;
use crate::workspace::{self, shown};

/// The picture that is checked in, and the driver it is of.
const CHECKED_IN: &str = "sim/doc/missing-invalidate.svg";
const CHECKED_IN_DRIVER: &str = "missing-invalidate";

/// One picture, which takes less than a second.
const LIMIT: Duration = Duration::from_secs(60);

/// Lists the drivers.
pub(crate) fn list() -> Result<bool> {
    print!("{}", example(&[])?);
    Ok(true)
}

/// Draws one of them as a page, by default below the target directory, and says where it is.
pub(crate) fn draw(name: &str, out: Option<&Path>) -> Result<bool> {
    let out = match out {
        Some(out) => absolute(out).with_context(|| format!("no such place: {}", out.display()))?,
        None => default_place(name)?,
    };
    write(name, &out)
}

/// Draws the picture that is checked in anew.
pub(crate) fn bless() -> Result<bool> {
    write(CHECKED_IN_DRIVER, &workspace::root().join(CHECKED_IN))
}

fn write(name: &str, out: &Path) -> Result<bool> {
    example(&[OsStr::new(name), out.as_os_str()])?;
    println!("{}", shown(out));
    Ok(true)
}

fn default_place(name: &str) -> Result<PathBuf> {
    // A name is not a path, whatever is in it.
    let file: String = name
        .chars()
        .map(|character| match character {
            '/' | '\\' => '-',
            _ => character,
        })
        .collect();
    Ok(workspace::output("trace")?.join(format!("{file}.html")))
}

/// Runs the simulator's example, and returns what it prints.
fn example(arguments: &[&OsStr]) -> Result<String> {
    let mut build = host::cargo();
    build.args(["build", "--package", "sim", "--example", "trace"]);
    run_to_success(&mut build, "trace-build", BUILD_LIMIT)?;
    let mut run = host::cargo();
    run.args([
        "run",
        "--quiet",
        "--package",
        "sim",
        "--example",
        "trace",
        "--",
    ])
    .args(arguments);
    run_to_success(&mut run, "trace", LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_that_is_checked_in_is_where_the_simulators_readme_says() {
        let readme = workspace::root().join("sim/README.md");
        let readme = std::fs::read_to_string(readme).expect("the simulator has a README");

        let (folder, file) = CHECKED_IN.split_once('/').expect("it is in a package");
        assert_eq!(folder, "sim");
        assert!(readme.contains(&format!("]({file})")), "{file}");
        assert!(workspace::root().join(CHECKED_IN).is_file());
    }

    #[test]
    fn a_page_is_below_the_target_directory_whatever_its_name() {
        let folder = workspace::output("trace").expect("it can be made");

        let place = default_place("../one").expect("it has a place");

        assert_eq!(place.parent(), Some(folder.as_path()));
    }
}
