//! How a check says what it found.

use core::fmt;

use dma_api::Error;

/// Where the outcomes go, one call for each check.
pub trait Report {
    /// The check called `name` has run.
    fn check(&mut self, name: &'static str, outcome: Result<(), Failure>);
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
    /// The library refused what it should have done.
    Refused(Error),
    /// The library did what it should have refused, or refused it for another reason.
    WrongError {
        /// What was tried.
        what: &'static str,
        /// The error that came instead, if one did.
        found: Option<Error>,
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
            Self::Refused(error) => write!(f, "refused: {error}"),
            Self::WrongError {
                what,
                found: Some(error),
            } => write!(f, "{what}: {error}"),
            Self::WrongError { what, found: None } => write!(f, "{what} was not refused"),
        }
    }
}

impl core::error::Error for Failure {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

pub(crate) type Outcome = Result<(), Failure>;

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
pub(crate) fn bytes(what: &'static str, found: &[u8], expected: impl Fn(usize) -> u8) -> Outcome {
    for (index, byte) in found.iter().enumerate() {
        equal(what, u64::from(*byte), u64::from(expected(index)))?;
    }
    Ok(())
}

/// Demands an error that `is_right` accepts.
pub(crate) fn refused<T>(
    what: &'static str,
    result: Result<T, Error>,
    is_right: impl Fn(&Error) -> bool,
) -> Outcome {
    match result {
        Err(error) if is_right(&error) => Ok(()),
        Err(error) => Err(Failure::WrongError {
            what,
            found: Some(error),
        }),
        Ok(_) => Err(Failure::WrongError { what, found: None }),
    }
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
