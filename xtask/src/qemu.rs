//! One run of an image on an emulated machine, and whether it passed.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::guest;
use crate::machine::{Disks, Machine};
use crate::process::{self, Finished};
use crate::program::Program;
use crate::workspace::shown;

/// How much of a failed run's log is shown.
const TAIL: usize = 40;

/// Boots `image` with those words, and gives what it printed if it passed.
///
/// # Errors
///
/// Anything but the one exit code and the one line of a pass: the error shows the end of the log.
pub(crate) fn run(
    machine: &Machine,
    image: &Path,
    words: &[String],
    disks: Disks<'_>,
    limit: Duration,
) -> Result<String> {
    let emulator = Program::find(machine.emulator)
        .with_context(|| format!("there is no {}", machine.emulator))?;
    let mut command = emulator.command();
    command.args(machine.arguments(image, words, disks));
    let task = words.first().map_or("boot", String::as_str);
    let finished = process::run(&mut command, &format!("{}-{task}", machine.name), limit)?;
    match guest::passed(finished.end.code(), &finished.output) {
        Ok(()) => Ok(finished.output),
        Err(error) => bail!("{}", report(machine, &finished, &format!("{error:#}"))),
    }
}

fn report(machine: &Machine, finished: &Finished, why: &str) -> String {
    let Finished { end, output, log } = finished;
    format!(
        "{}\n{}: {why}; {} ({})",
        guest::tail(output, TAIL),
        machine.name,
        end.describe(),
        shown(log)
    )
}
