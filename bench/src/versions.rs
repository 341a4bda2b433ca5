//! Which version of each package is compared: the one in the lock file.

/// The workspace's lock file, as it was when this program was built.
const LOCK: &str = include_str!("../../Cargo.lock");

/// The version of a package that this one depends on.
#[must_use]
pub fn version(package: &str) -> Option<&'static str> {
    find(LOCK, package)
}

/// Where a package is in the file more than once, its version is said where it is depended on.
fn find<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let own = lock
        .split("[[package]]")
        .find(|of| of.contains("\nname = \"bench\"\n"))?;
    let chosen = format!(" \"{package} ");
    if let Some(line) = own.lines().find(|line| line.starts_with(&chosen)) {
        return line[chosen.len()..].split('"').next();
    }
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
    fn the_version_is_the_one_that_is_depended_on() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"a\"\nversion = \"2.3.4\"\n\n\
                    [[package]]\nname = \"a-b\"\nversion = \"5.0.0\"\n\n[[package]]\nname = \"bench\"\nversion = \"0.1.0\"\n\
                    dependencies = [\n \"a 2.3.4\",\n \"a-b\",\n]\n";

        assert_eq!(find(lock, "a"), Some("2.3.4"));
        assert_eq!(find(lock, "a-b"), Some("5.0.0"));
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
