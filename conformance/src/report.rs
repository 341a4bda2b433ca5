//! What a check is called, and how it says what it found.

use core::fmt;

use dma_api::{DmaAddr, Error};

/// Where the outcomes go, one call for each check.
pub trait Report {
    /// `check` has run, or was skipped.
    fn check(&mut self, check: Check, outcome: Outcome);
}

/// What a check is called. It prints as its scenarios and its name: `A3,A4 a_sentence_of_behaviour`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// What is true if it passes.
    pub name: &'static str,
    /// The scenarios of this crate's README that it plays, by their ids, which never change.
    pub scenarios: &'static [&'static str],
}

impl Check {
    /// A check of a board's own, which plays none of the scenarios.
    #[must_use]
    pub const fn of_the_board(name: &'static str) -> Self {
        let scenarios = &[];
        Self { name, scenarios }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, id) in self.scenarios.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{id}")?;
        }
        let none = if self.scenarios.is_empty() { "-" } else { "" };
        write!(f, "{none} {}", self.name)
    }
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It found what it should.
    Passed,
    /// It could not be run here.
    Skipped(Reason),
    /// It found something else.
    Failed(Failure),
}

impl From<Result<(), Failure>> for Outcome {
    fn from(result: Result<(), Failure>) -> Self {
        result.map_or_else(Self::Failed, |()| Self::Passed)
    }
}

/// Why a check could not be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It needs a second observer of memory, and [`run`](crate::run) has none.
    NoEngine,
    /// It looks behind the caches, where a device that snoops never does.
    DeviceSnoops,
    /// The machine declares no coherent memory.
    NoCoherentMemory,
    /// The machine's memory has no place for what it needs.
    TooLittleMemory {
        /// Bytes of one buffer that were asked for.
        len: u64,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEngine => f.write_str("there is no engine"),
            Self::DeviceSnoops => f.write_str("the device snoops"),
            Self::NoCoherentMemory => f.write_str("there is no coherent memory"),
            Self::TooLittleMemory { len } => {
                write!(
                    f,
                    "there is too little memory for buffers of {len:#x} bytes"
                )
            }
        }
    }
}

/// Why a check failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// Two numbers that should be equal are not.
    Differs {
        /// What was compared.
        what: &'static str,
        /// What was found.
        found: u64,
        /// What should have been found.
        expected: u64,
    },
    /// A byte is not what it should be.
    Byte {
        /// Whose bytes were compared, and who looked.
        what: &'static str,
        /// Which of them it is, in bytes from the first.
        offset: usize,
        /// What was found.
        found: u8,
        /// What should have been found.
        expected: u8,
    },
    /// The library refused what it should have done.
    Refused(Error),
    /// The library did what it should have refused, or refused it for another reason.
    WrongError {
        /// What was tried.
        what: &'static str,
        /// The error that came instead, if one did.
        found: Option<Error>,
    },
    /// The engine could not reach an address that the machine gave out.
    BusFault {
        /// Where the access began.
        at: DmaAddr,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Differs {
                what,
                found,
                expected,
            } => {
                write!(f, "{what}: {found:#x} instead of {expected:#x}")
            }
            Self::Byte {
                what,
                offset,
                found,
                expected,
            } => {
                write!(
                    f,
                    "{what}: {found:#04x} instead of {expected:#04x} at offset {offset:#x}"
                )
            }
            Self::Refused(error) => write!(f, "refused: {error}"),
            Self::WrongError {
                what,
                found: Some(error),
            } => write!(f, "{what}: {error}"),
            Self::WrongError { what, found: None } => write!(f, "{what} was not refused"),
            Self::BusFault { at } => write!(f, "bus fault at {at}"),
        }
    }
}

impl core::error::Error for Failure {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// Why a check does not go on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stop {
    Skipped(Reason),
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Reason> for Stop {
    fn from(reason: Reason) -> Self {
        Self::Skipped(reason)
    }
}

/// What a check returns.
pub(crate) type Run = Result<(), Stop>;

impl From<Run> for Outcome {
    fn from(run: Run) -> Self {
        match run {
            Ok(()) => Self::Passed,
            Err(Stop::Skipped(reason)) => Self::Skipped(reason),
            Err(Stop::Failed(failure)) => Self::Failed(failure),
        }
    }
}

/// Demands that two numbers are equal: what a board's own checks need, too.
///
/// # Errors
/// [`Failure::Differs`], with both.
pub fn equal(what: &'static str, found: u64, expected: u64) -> Result<(), Failure> {
    if found == expected {
        Ok(())
    } else {
        Err(Failure::Differs {
            what,
            found,
            expected,
        })
    }
}

/// Demands that all bytes have the value that `expected` gives for their index.
pub(crate) fn bytes(what: &'static str, found: &[u8], expected: impl Fn(usize) -> u8) -> Run {
    for (offset, byte) in found.iter().enumerate() {
        same_byte(what, offset, *byte, expected(offset))?;
    }
    Ok(())
}

/// Demands that one byte is as it should be.
pub(crate) fn same_byte(what: &'static str, offset: usize, found: u8, expected: u8) -> Run {
    if found == expected {
        return Ok(());
    }
    Err(Stop::Failed(Failure::Byte {
        what,
        offset,
        found,
        expected,
    }))
}

/// Demands an error that `is_right` accepts.
pub(crate) fn refused<T>(
    what: &'static str,
    result: Result<T, Error>,
    is_right: impl Fn(&Error) -> bool,
) -> Run {
    let found = match result {
        Err(error) if is_right(&error) => return Ok(()),
        Err(error) => Some(error),
        Ok(_) => None,
    };
    Err(Stop::Failed(Failure::WrongError { what, found }))
}

/// Recognisable bytes: different for neighbouring indices and for other values of `salt`.
pub(crate) fn pattern(salt: u8) -> impl Fn(usize) -> u8 {
    move |index| index.to_le_bytes()[0].wrapping_mul(31).wrapping_add(salt)
}

/// Fills bytes with [`pattern`].
pub(crate) fn fill(bytes: &mut [u8], salt: u8) {
    let value = pattern(salt);
    bytes
        .iter_mut()
        .enumerate()
        .for_each(|(index, byte)| *byte = value(index));
}
