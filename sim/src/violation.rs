//! What a simulated machine finds wrong, one kind for each thing that can be wrong.

use std::{fmt, ops::Range};

use crate::steps::Owner;

/// What is wrong. The names V1 to V13 are those of the project's specification of its adversarial machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Oracle {
    /// V1: the CPU sees something else than was stored or written there last.
    CpuSeesStale,
    /// V2: a device reads something else than the CPU stored there last.
    DeviceSeesStale,
    /// V3: at the end memory does not hold what it should.
    LostAtTheEnd,
    /// V4: maintenance or a write-back put an old value over a byte that was nobody's to touch.
    NeighbourLost,
    /// V5: the CPU touched a byte that a device owns.
    CpuTouchedDevices,
    /// V6: a dirty line overlaps bytes that a device may write, or has been written back over them.
    DirtyOverDevice,
    /// V7: a line that was filled before the device wrote is still cached when the bytes come back.
    StaleAtHandBack,
    /// V8: an invalidate discarded stores to bytes outside the range it was asked for.
    DiscardedForeign,
    /// V9: a barrier is missing: stores or maintenance are still under way where they must not be.
    MissingBarrier,
    /// V10: bytes that a device may still use were handed out again or lent twice.
    Reused,
    /// V11: bytes of a former owner reach a new one.
    Leaked,
    /// V12: maintenance of lines that hold no byte of any buffer.
    OutsideAnyBuffer,
    /// A device touched bytes that it was not lent (a fault of the device or of the address it was given).
    DeviceStrayed,
    /// The program's own test failed.
    DriverFailed,
}

impl Oracle {
    /// What is wrong, in a few words, with what to do about it.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::CpuSeesStale => {
                "V1: the CPU sees an old value (invalidate after the transfer is missing, incomplete or too early)"
            }
            Self::DeviceSeesStale => {
                "V2: the device reads an old value (clean before the transfer is missing, incomplete or too late)"
            }
            Self::LostAtTheEnd => "V3: memory ends up with another value than it was given",
            Self::NeighbourLost => {
                "V4: a line was written back over bytes beside a buffer (lines are shared, or left dirty)"
            }
            Self::CpuTouchedDevices => "V5: the CPU touched bytes while the device owned them",
            Self::DirtyOverDevice => {
                "V6: a dirty line overlaps bytes the device writes (clean before the transfer is missing, or the CPU \
                 stored to the line since)"
            }
            Self::StaleAtHandBack => {
                "V7: a stale line is still cached when the bytes come back (invalidate after the transfer is missing)"
            }
            Self::DiscardedForeign => {
                "V8: an invalidate discarded stores beside the range (the range does not own its lines)"
            }
            Self::MissingBarrier => "V9: a barrier is missing",
            Self::Reused => "V10: bytes that a device may still use have a second owner",
            Self::Leaked => {
                "V11: bytes of a former owner reach a new one (not zeroed, not prefilled, or too much copied back)"
            }
            Self::OutsideAnyBuffer => "V12: maintenance of lines that hold no byte of any buffer",
            Self::DeviceStrayed => "the device touched bytes it was not lent",
            Self::DriverFailed => "the driver's own test failed",
        }
    }
}

/// Something that was found wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Violation {
    /// What is wrong.
    pub oracle: Oracle,
    /// Which bytes, as offsets into memory.
    pub bytes: Range<usize>,
    /// Whose they are.
    pub owner: Owner,
    /// What was found, and what should have been.
    pub values: Option<(u8, u8)>,
    /// More, for people: which barrier, which line, which cache.
    pub detail: String,
    /// The number of the step, from 0, during which or before which it was found.
    pub step: usize,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range { start, end } = self.bytes;
        write!(
            f,
            "{}; bytes {start:#x}..{end:#x}, owner: {}",
            self.oracle.meaning(),
            self.owner
        )?;
        if let Some((found, expected)) = self.values {
            write!(f, "; found {found:#04x} instead of {expected:#04x}")?;
        }
        if !self.detail.is_empty() {
            write!(f, "; {}", self.detail)?;
        }
        write!(f, "; at step {}", self.step)
    }
}
