//! What an image said: the lines by which it reports its checks, its hash, its counters and its verdict.

use std::collections::HashMap;

use anyhow::{Context, Result, bail, ensure};

use crate::machine::Checks;

/// The exit code of a pass. Resets, power-offs and triple faults give 0 by themselves, so 0 can mean nothing.
pub(crate) const PASS_CODE: i32 = 33;

/// The closing line of a pass.
const PASS_LINE: &str = "VERDICT Pass";

/// What a demonstration counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) transfers: u64,
    pub(crate) bytes: u64,
    pub(crate) bounces: u64,
    /// Cache lines cleaned, invalidated, or both.
    pub(crate) maintained: u64,
}

/// What a monitor counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unasked {
    /// Operations of the image that it carried out.
    pub(crate) traps: u64,
    /// Dirty lines that it wrote back unasked.
    pub(crate) evictions: u64,
    /// Clean lines that it filled unasked, with something else.
    pub(crate) refills: u64,
    /// How often it interrupted the image, the first time while it was begun.
    pub(crate) ticks: u64,
}

/// Whether the image passed: one exit code and one line, and both of them.
pub(crate) fn passed(code: Option<i32>, output: &str) -> Result<()> {
    let verdicts: Vec<&str> = lines(output)
        .filter(|line| line.starts_with("VERDICT"))
        .collect();
    ensure!(
        verdicts == [PASS_LINE],
        "the verdict was {verdicts:?}, not {PASS_LINE:?}"
    );
    ensure!(
        code == Some(PASS_CODE),
        "the exit code was {code:?}, not {PASS_CODE}"
    );
    Ok(())
}

/// Whether a conformance run passed and skipped exactly the `expected` checks: none failed, and as many lines as the image
/// counted.
pub(crate) fn checks(output: &str, expected: Checks) -> Result<()> {
    let mut found = Checks {
        passed: 0,
        skipped: 0,
    };
    let mut failed = Vec::new();
    for check in lines(output).filter_map(|line| line.strip_prefix("CHECK ")) {
        let mut words = check.splitn(3, ' ').skip(2);
        match words.next() {
            Some("ok") => found.passed += 1,
            Some(outcome) if outcome.starts_with("skipped: ") => found.skipped += 1,
            _ => failed.push(check),
        }
    }
    ensure!(
        failed.is_empty(),
        "{} checks failed: {}",
        failed.len(),
        failed.join("; ")
    );
    ensure!(
        found == expected,
        "{found:?}, and it should be {expected:?}: if that is right, it is `checks` in xtask/src/machine.rs"
    );

    let summary = only(output, "CHECKS ")?;
    let Checks { passed, skipped } = found;
    ensure!(
        summary == format!("{passed} passed, 0 failed, {skipped} skipped"),
        "{passed} lines say ok and {skipped} skipped, the summary {summary:?}"
    );
    Ok(())
}

/// The SHA-256 that the image calculated, in lower-case hexadecimal.
pub(crate) fn hash(output: &str) -> Result<&str> {
    let hash = only(output, "SHA256 ")?;
    let digits = hash
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    ensure!(hash.len() == 64 && digits, "{hash:?} is no SHA-256");
    Ok(hash)
}

/// The counters of a demonstration.
pub(crate) fn counts(output: &str) -> Result<Counts> {
    let values = Values::of(output, "COUNTS ")?;
    // A machine may count the lines that were cleaned and invalidated in one operation apart, or have none.
    let both = values.get("cleaned_invalidated").unwrap_or_default();
    Ok(Counts {
        transfers: values.get("transfers")?,
        bytes: values.get("bytes")?,
        bounces: values.get("bounces")?,
        maintained: values.get("cleaned")? + values.get("invalidated")? + both,
    })
}

/// The counters of the monitor under the image, of a run that had one.
pub(crate) fn unasked(output: &str) -> Result<Unasked> {
    let values = Values::of(output, "MONITOR ")?;
    Ok(Unasked {
        traps: values.get("cleans")?
            + values.get("invalidates")?
            + values.get("cleans_and_invalidates")?,
        evictions: values.get("evictions")?,
        refills: values.get("refills")?,
        ticks: values.get("ticks")?,
    })
}

/// The numbers of the one line that begins with `prefix`.
pub(crate) fn values<'a>(output: &'a str, prefix: &str) -> Result<Values<'a>> {
    Values::of(output, prefix)
}

/// Numbers by their names: the words `name=number` of one line.
pub(crate) struct Values<'a>(HashMap<&'a str, u64>);

impl<'a> Values<'a> {
    /// Those of the one line that begins with `prefix`.
    fn of(output: &'a str, prefix: &str) -> Result<Self> {
        let mut values = HashMap::new();
        for word in only(output, prefix)?.split_whitespace() {
            let (key, value) = word
                .split_once('=')
                .with_context(|| format!("{word:?} is no key=value"))?;
            let value: u64 = value
                .parse()
                .with_context(|| format!("{word:?} has no number"))?;
            if values.insert(key, value).is_some() {
                bail!("{key:?} is there twice");
            }
        }
        Ok(Self(values))
    }

    /// The number of that name.
    pub(crate) fn get(&self, key: &str) -> Result<u64> {
        let value = self.0.get(key).copied();
        value.with_context(|| format!("no {key:?} in {:?}", self.0))
    }
}

/// The last lines of a log, for a failure's report.
pub(crate) fn tail(output: &str, count: usize) -> String {
    let all: Vec<&str> = lines(output).collect();
    all[all.len().saturating_sub(count)..].join("\n")
}

/// What follows `prefix` on the one line that begins with it.
pub(crate) fn only<'a>(output: &'a str, prefix: &str) -> Result<&'a str> {
    let mut found = lines(output).filter_map(|line| line.strip_prefix(prefix));
    let first = found
        .next()
        .with_context(|| format!("no line begins with {prefix:?}"))?;
    ensure!(
        found.next().is_none(),
        "more than one line begins with {prefix:?}"
    );
    Ok(first.trim())
}

/// The lines, without the carriage returns that serial ports send.
fn lines(output: &str) -> impl Iterator<Item = &str> {
    output.lines().map(str::trim_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_is_one_line_and_one_exit_code() {
        assert!(passed(Some(33), "x\r\nVERDICT Pass\r\n").is_ok());
        assert!(passed(Some(0), "VERDICT Pass\n").is_err());
        assert!(passed(None, "VERDICT Pass\n").is_err());
        assert!(passed(Some(33), "VERDICT Fail\n").is_err());
        assert!(passed(Some(33), "VERDICT Fail\nVERDICT Pass\n").is_err());
        assert!(passed(Some(33), "the VERDICT Pass\n").is_err());
        assert!(passed(Some(33), "").is_err());
    }

    #[test]
    fn checks_are_counted_and_none_may_fail() {
        let expected = |passed, skipped| Checks { passed, skipped };
        let both = "CHECK A1 a ok\r\nCHECK - b ok\nCHECKS 2 passed, 0 failed, 0 skipped\n";
        assert!(checks(both, expected(2, 0)).is_ok());
        assert!(checks(both, expected(1, 0)).is_err());
        assert!(checks(both, expected(3, 0)).is_err());
        assert!(checks(both, expected(2, 1)).is_err());
        let one = "CHECK A1,A2 a ok\nCHECK A3 b skipped: because\n";
        let counted = |summary: &str| checks(&format!("{one}{summary}\n"), expected(1, 1));
        assert!(counted("CHECKS 1 passed, 0 failed, 1 skipped").is_ok());
        assert!(counted("CHECKS 1 passed, 0 failed, 0 skipped").is_err());
        assert!(counted("CHECKS 2 passed, 0 failed, 1 skipped").is_err());
        assert!(counted("").is_err());
        let failed = "CHECK A1 a ok\nCHECK A2 b FAILED late\n";
        let summary = "CHECKS 1 passed, 1 failed, 0 skipped\n";
        assert!(checks(&format!("{failed}{summary}"), expected(1, 0)).is_err());
        let cut_off = "CHECK A1 a\nCHECKS 1 passed, 0 failed, 0 skipped\n";
        assert!(checks(cut_off, expected(1, 0)).is_err());
        assert!(checks(cut_off, expected(0, 0)).is_err());
    }

    #[test]
    fn counters_are_found_by_their_key() {
        let text = "COUNTS transfers=4 bytes=2048 bounces=1 cleaned=8 invalidated=16 cleaned_invalidated=2 extra=1\n";

        let found = counts(text).expect("every key is there");

        assert_eq!(
            found,
            Counts {
                transfers: 4,
                bytes: 2048,
                bounces: 1,
                maintained: 26
            }
        );
        assert!(counts("COUNTS transfers=4 bytes=1 bounces=0 cleaned=0\n").is_err());
        assert!(counts("COUNTS transfers=x bytes=1 bounces=0 cleaned=0 invalidated=0\n").is_err());
        assert!(
            counts("COUNTS transfers=1 transfers=1 bytes=1 bounces=0 cleaned=0 invalidated=0\n")
                .is_err()
        );
    }

    #[test]
    fn a_monitor_says_what_it_did_unasked() {
        let text = "MONITOR cleans=1 invalidates=2 cleans_and_invalidates=4 evictions=5 refills=6 ticks=7\r\n";

        let found = unasked(text).expect("every key is there");

        let (traps, evictions, refills, ticks) = (7, 5, 6, 7);
        assert_eq!(
            found,
            Unasked {
                traps,
                evictions,
                refills,
                ticks
            }
        );
        assert!(unasked("MONITOR cleans=1 invalidates=2 evictions=5 refills=6\n").is_err());
        assert!(unasked("").is_err());
    }

    #[test]
    fn a_hash_is_64_digits_said_once() {
        let digits = "0a".repeat(32);

        assert_eq!(
            hash(&format!("SHA256 {digits}\r\n")).expect("it is one"),
            digits
        );
        assert!(hash(&format!("SHA256 {digits}\nSHA256 {digits}\n")).is_err());
        assert!(hash("SHA256 0a\n").is_err());
        assert!(hash("").is_err());
    }

    #[test]
    fn a_tail_is_the_end() {
        assert_eq!(tail("a\r\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("a\n", 5), "a");
    }
}
