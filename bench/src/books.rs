//! What `bench-books` says, which is the program beside this one.

use std::env;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The least and the most bits of books per page of each pool, by name.
///
/// # Errors
/// The program is not there, or what it prints cannot be understood.
pub fn read() -> Result<Vec<(String, f64, f64)>> {
    let program = env::current_exe()?.with_file_name("bench-books");
    let output = Command::new(&program)
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(
        output.status.success(),
        "{}: {}",
        program.display(),
        output.status
    );
    let text = String::from_utf8(output.stdout)?;
    text.lines()
        .map(|line| parse(line).with_context(|| format!("not understood: {line}")))
        .collect()
}

fn parse(line: &str) -> Option<(String, f64, f64)> {
    let mut words = line.split(' ');
    let name = words.next()?.to_owned();
    let (least, most) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    words.next().is_none().then_some((name, least, most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_name_and_two_numbers() {
        assert_eq!(parse("cma 1 1.5"), Some(("cma".to_owned(), 1.0, 1.5)));
        assert_eq!(parse("cma 1"), None);
        assert_eq!(parse("cma 1 2 3"), None);
        assert_eq!(parse("cma one 2"), None);
    }
}
