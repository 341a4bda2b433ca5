//! Why a run with an edu device stops.

use core::fmt;

use dma_api::Error;

use super::{counts::Copies, device::Fault, place::Lending};
use crate::image::words::BadWord;

/// Why it stopped.
pub(super) enum Stop {
    Word(BadWord),
    /// The emulator was not given memory that the device does not reach, or another amount than was said.
    Memory,
    Library(Error),
    Device(Fault),
    /// What the device has read is wrong at this byte of its buffer.
    Read(Lending, usize),
    /// What it has written is wrong at this byte.
    Written(Lending, usize),
    /// What the CPU stored beside the loan is gone.
    Lost(Lending),
    /// What was copied up to this loan is not what was to be.
    Copies {
        lending: Lending,
        expected: Copies,
        found: Copies,
    },
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => word.fmt(f),
            Self::Memory => f.write_str("`mask-bits=` does not end in the middle of upper memory"),
            Self::Library(error) => write!(f, "memory: {error}"),
            Self::Device(fault) => fault.fmt(f),
            Self::Read(lending, at) => {
                write!(
                    f,
                    "byte {at} of the device's buffer, after {lending}, reads differently"
                )
            }
            Self::Written(lending, at) => {
                write!(
                    f,
                    "byte {at} that the device wrote to {lending} reads differently"
                )
            }
            Self::Lost(lending) => {
                write!(f, "what was stored beside the buffer of {lending} is lost")
            }
            Self::Copies {
                lending,
                expected,
                found,
            } => write!(f, "after {lending}, {found}, not {expected}"),
        }
    }
}

impl From<BadWord> for Stop {
    fn from(word: BadWord) -> Self {
        Self::Word(word)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Library(error)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Device(fault)
    }
}
