//! Named checks, one after the other, each with a line of its own and all of them counted.

use std::io::{self, Write};
use std::time::Instant;

use anyhow::Result;

/// How many checks passed and failed so far.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    passed: usize,
    failed: usize,
}

impl Steps {
    /// Runs a check; what it returns goes on its line, and an error below it in full. The run goes on either way.
    pub(crate) fn run<T>(
        &mut self,
        name: &str,
        check: impl FnOnce() -> Result<(T, String)>,
    ) -> Option<T> {
        // A line that is begun shows which check takes its time; if it cannot be shown, the check still counts.
        print!("{name} ... ");
        let _ = io::stdout().flush();

        let started = Instant::now();
        let result = check();
        let seconds = started.elapsed().as_secs_f64();
        match result {
            Ok((value, said)) => {
                self.passed += 1;
                let comma = if said.is_empty() { "" } else { ", " };
                println!("ok ({seconds:.1} s{comma}{said})");
                Some(value)
            }
            Err(error) => {
                self.failed += 1;
                println!("FAILED ({seconds:.1} s)\n{error:#}\n");
                None
            }
        }
    }

    /// A check that gives nothing that later ones need.
    pub(crate) fn check(&mut self, name: &str, check: impl FnOnce() -> Result<String>) {
        self.run(name, || check().map(|said| ((), said)));
    }

    /// Prints the count, and says whether everything passed.
    pub(crate) fn finish(self) -> bool {
        println!("{} passed, {} failed", self.passed, self.failed);
        self.failed == 0 && self.passed > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[test]
    fn one_failure_does_not_stop_the_others_and_fails_the_run() {
        let mut steps = Steps::default();

        assert_eq!(steps.run("first", || Ok((1, String::new()))), Some(1));
        assert_eq!(
            steps.run::<()>("second", || Err(anyhow!("on purpose"))),
            None
        );
        steps.check("third", || Ok("said".to_owned()));

        assert_eq!((steps.passed, steps.failed), (2, 1));
        assert!(!steps.finish());
    }

    #[test]
    fn nothing_checked_is_no_pass() {
        assert!(!Steps::default().finish());
    }
}
