//! One run of an image on an emulated machine, and whether it passed.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::guest;
use crate::machine::{Attached, Caches, Disks, Machine};
use crate::process::{self, Finished};
use crate::program::Program;
use crate::workspace::shown;

/// How much of a failed run's log is shown.
const TAIL: usize = 40;

/// One run of an image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run<'a> {
    pub(crate) machine: &'a Machine,
    pub(crate) image: &'a Path,
    /// What the image is to do, the task first.
    pub(crate) words: &'a [String],
    pub(crate) caches: Caches,
    pub(crate) attached: Attached,
    pub(crate) disks: Disks<'a>,
    pub(crate) limit: Duration,
}

impl Run<'_> {
    /// Boots the image, and gives what it printed if it passed.
    ///
    /// # Errors
    ///
    /// Anything but the one exit code and the one line of a pass: the error shows the end of the log.
    pub(crate) fn pass(&self) -> Result<String> {
        let finished = self.finish()?;
        match guest::passed(finished.end.code(), &finished.output) {
            Ok(()) => Ok(finished.output),
            Err(error) => bail!("{}", report(self.machine, &finished, &format!("{error:#}"))),
        }
    }

    /// Boots the image, and gives what it printed and how it ended.
    ///
    /// # Errors
    ///
    /// The emulator cannot be started.
    pub(crate) fn finish(&self) -> Result<Finished> {
        let Self {
            machine,
            image,
            words,
            caches,
            attached,
            disks,
            limit,
        } = *self;
        let emulator = Program::find(machine.emulator)
            .with_context(|| format!("there is no {}", machine.emulator))?;
        let mut command = emulator.command();
        command.args(machine.arguments(image, words, caches, attached, disks));
        // Runs with several seeds go side by side: each has a log of its own.
        let task = words.first().map_or("boot", String::as_str);
        let name = match caches {
            Caches::None => format!("{}-{task}", machine.name),
            Caches::Shadowed { seed } => format!("{}-{task}-{seed}", machine.name),
        };
        process::run(&mut command, &name, limit)
    }
}

/// What a failure shows.
pub(crate) fn report(machine: &Machine, finished: &Finished, why: &str) -> String {
    let Finished { end, output, log } = finished;
    format!(
        "{}\n{}: {why}; {} ({})",
        guest::tail(output, TAIL),
        machine.name,
        end.describe(),
        shown(log)
    )
}
