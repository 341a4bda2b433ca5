//! What a processor's registers or a board can say that this crate refuses, with the numbers that were refused.

use core::fmt;

/// Why something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A field of a configuration register has a value that the architecture reserves.
    Reserved {
        /// The register and the field, as the manual has them.
        field: &'static str,
        /// The field's value.
        value: u32,
    },
    /// There is a cache behind the primary one, which this crate does not maintain.
    OuterCache {
        /// 2 or 3.
        level: u32,
        /// Its line size in bytes.
        line: usize,
    },
    /// Memory that does not lie wholly in the first 512 MiB, which is all that KSEG0 and KSEG1 show.
    BeyondKseg {
        /// First physical address.
        first: u64,
        /// Last physical address.
        last: u64,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Reserved { field, value } => {
                write!(f, "{field} has the reserved value {value}")
            }
            Self::OuterCache { level, line } => {
                write!(
                    f,
                    "a cache of level {level} with lines of {line} bytes is not maintained"
                )
            }
            Self::BeyondKseg { first, last } => {
                write!(f, "{first:#x}..={last:#x} is not in the first 512 MiB")
            }
        }
    }
}

impl core::error::Error for Error {}
