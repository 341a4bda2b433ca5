//! What to do about each thing that can be wrong.

use crate::violation::Oracle;

/// What to do about it, in a sentence or two.
pub(super) const fn advice(oracle: Oracle) -> &'static str {
    match oracle {
        Oracle::CpuSeesStale => {
            "Invalidate every line of the buffer after the device has finished and before the CPU loads from it."
        }
        Oracle::DeviceSeesStale => {
            "Clean every line of the buffer after the last store to it, and wait for that, before the doorbell."
        }
        Oracle::LostAtTheEnd => {
            "Look for a line that two owners share, and for dirty lines that are discarded before they are written back."
        }
        Oracle::NeighbourLost => {
            "Give every buffer whole granules of its own, or bounce it, and clean its lines before it is lent."
        }
        Oracle::CpuTouchedDevices => {
            "Leave the bytes alone from the hand-over until they were taken back."
        }
        Oracle::DirtyOverDevice => {
            "Clean the lines before the device may write, and store nothing to them until the bytes are back: a buffer \
             owns its granules whole."
        }
        Oracle::StaleAtHandBack => {
            "Invalidate the lines after the device has finished, outer level first, even if they were invalidated before: a \
             cache may fill a line whenever it likes."
        }
        Oracle::DiscardedForeign => {
            "Invalidate only lines that the buffer owns whole; bounce a buffer that shares one."
        }
        Oracle::MissingBarrier => {
            "Wait for maintenance, then have the barrier before the doorbell; have the barrier after the completion before \
             anything else."
        }
        Oracle::Reused => {
            "Keep memory away from everybody else until the device is known to have finished with it."
        }
        Oracle::Leaked => {
            "Zero or fill memory before it is lent, and copy back no more than the device has written."
        }
        Oracle::OutsideAnyBuffer => "Maintain only lines that hold a byte of the buffer.",
        Oracle::DeviceStrayed => {
            "Check the address, the length and the direction that the device was given."
        }
        Oracle::DriverFailed => {
            "Nothing is wrong with what the machine was asked for: look at what the test compares."
        }
    }
}
