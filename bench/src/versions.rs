//! Which version of each package is compared: the one in the lock file.

/// The workspace's lock file, as it was when this program was built.
const LOCK: &str = include_str!("../../Cargo.lock");

/// The version of a package that is in the lock file once.
#[must_use]
pub fn version(package: &str) -> Option<&'static str> {
    find(LOCK, package)
}

fn find<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines();
    lines.find(|line| *line == name)?;
    lines
        .next()?
        .strip_prefix("version = \"")?
        .strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_stands_below_the_whole_name() {
        let lock = "[[package]]\nname = \"a-b\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"a\"\nversion = \"2.3.4\"\n";

        assert_eq!(find(lock, "a"), Some("2.3.4"));
        assert_eq!(find(lock, "a-b"), Some("1.0.0"));
        assert_eq!(find(lock, "b"), None);
    }

    #[test]
    fn every_peer_that_was_published_has_a_version() {
        for entry in crate::roster::all() {
            if let Some(package) = entry.row.package {
                assert!(version(package).is_some(), "{package}");
            }
        }
    }
}
