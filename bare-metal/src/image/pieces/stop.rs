//! Why a run of disk requests in pieces stops.

use core::fmt;

use virtio_drivers::Error;

use super::LONGEST;
use crate::image::{hal::Traffic, raw_disk::Request, words::BadWord};

/// Why it stopped.
pub(super) enum Stop {
    Word(BadWord),
    /// The lengths end at 1 to [`LONGEST`].
    Lengths(usize),
    NoDisk(&'static str),
    Memory(dma_api::Error),
    Disk(Error),
    /// The device says it did not do what the request with this long piece asked for.
    Status(Request, usize, u8),
    /// It says that it wrote so many bytes, which are not so many.
    Written(Request, usize, u32, usize),
    /// What was read, or is still where it was written from, is wrong at this byte of it.
    Differs(Request, usize, usize),
    /// What the CPU stored beside a piece is gone.
    Lost(Request, usize),
    /// What was to cross between driver and device, and what did.
    Traffic(Traffic, Traffic),
    NotGivenBack,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => word.fmt(f),
            Self::Lengths(last) => write!(f, "`lengths={last}` is not from 1 to {LONGEST}"),
            Self::NoDisk(serial) => write!(f, "no disk with the serial number `{serial}`"),
            Self::Memory(error) => write!(f, "memory: {error}"),
            Self::Disk(error) => write!(f, "disk: {error}"),
            Self::Status(request, len, status) => {
                write!(f, "disk: status {status} of the {request:?} of {len} bytes")
            }
            Self::Written(request, len, found, expected) => write!(
                f,
                "disk: the {request:?} of {len} bytes wrote {found} bytes, not {expected}"
            ),
            Self::Differs(request, len, at) => {
                write!(
                    f,
                    "byte {at} of the {request:?} of {len} bytes reads differently"
                )
            }
            Self::Lost(request, len) => write!(
                f,
                "what was stored beside the buffers of the {request:?} of {len} bytes is lost"
            ),
            Self::Traffic(expected, found) => {
                write!(f, "{found:?} crossed, and {expected:?} was to")
            }
            Self::NotGivenBack => f.write_str("the driver still holds memory"),
        }
    }
}

impl From<BadWord> for Stop {
    fn from(word: BadWord) -> Self {
        Self::Word(word)
    }
}

impl From<dma_api::Error> for Stop {
    fn from(error: dma_api::Error) -> Self {
        Self::Memory(error)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Disk(error)
    }
}
