//! The words of the command line: the task, numbers, and what is to be left out.

use core::fmt;

/// A word that says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadWord {
    /// No number follows, or one that does not fit.
    NoNumber(&'static str),
    /// There is no such step to leave out.
    NoStep,
}

impl fmt::Display for BadWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNumber(name) => write!(f, "`{name}` needs a number"),
            Self::NoStep => f.write_str("`without=` names a step that does not exist"),
        }
    }
}

/// What the image is to do: the first word.
pub(crate) fn task(words: &str) -> Option<&str> {
    words.split_ascii_whitespace().next()
}

/// The number behind `name`, the first if there are several.
pub(crate) fn number(words: &str, name: &'static str) -> Result<Option<usize>, BadWord> {
    value(words, name)
        .map(|digits| digits.parse().map_err(|_| BadWord::NoNumber(name)))
        .transpose()
}

/// A step of a transfer that the image leaves out, so that it can be seen to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Cleaning lines before a transfer.
    Clean,
    /// Invalidating lines after a transfer.
    Invalidate,
    /// Cleaning and invalidating the lines of memory that is to be used uncached.
    CleanAndInvalidate,
    /// Copying buffers that share lines with other data: they are lent where they are.
    SharedLines,
    /// Heeding that a device does not reach all memory.
    Mask,
    /// Telling the device that there is something to do.
    Doorbell,
}

/// The step that `without=` names.
pub(crate) fn without(words: &str) -> Result<Option<Step>, BadWord> {
    Ok(match value(words, "without=") {
        None => None,
        Some("clean") => Some(Step::Clean),
        Some("invalidate") => Some(Step::Invalidate),
        Some("clean-and-invalidate") => Some(Step::CleanAndInvalidate),
        Some("shared-lines") => Some(Step::SharedLines),
        Some("mask") => Some(Step::Mask),
        Some("doorbell") => Some(Step::Doorbell),
        Some(_) => return Err(BadWord::NoStep),
    })
}

fn value<'a>(words: &'a str, name: &str) -> Option<&'a str> {
    words
        .split_ascii_whitespace()
        .find_map(|word| word.strip_prefix(name))
}
