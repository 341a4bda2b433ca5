//! A board whose image has no privilege level above it that could be spared for a monitor.

use crate::image::shadow::calls::{Answer, NoMonitor, REFUSED, Start};

/// Nothing to start.
pub(crate) const fn start_monitor(_start: Start) -> Result<(), NoMonitor> {
    Err(NoMonitor)
}

/// Every call is refused.
pub(crate) const fn hypercall(_call: [usize; 4]) -> Answer {
    [REFUSED, 0]
}
