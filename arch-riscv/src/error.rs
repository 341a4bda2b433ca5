//! What firmware or a board can say that this crate refuses, with the numbers that were refused.

use core::fmt;

/// Why something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Firmware's size of a cache block is not a power of two between 16 and 4096 bytes.
    BlockSize {
        /// The size that was given, in bytes.
        bytes: u32,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::BlockSize { bytes } => {
                write!(f, "a cache block does not have {bytes} bytes")
            }
        }
    }
}

impl core::error::Error for Error {}
