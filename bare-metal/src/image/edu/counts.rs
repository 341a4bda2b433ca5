//! What loans have cost.

use core::fmt;

use dma_api::Direction;

/// What loans cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    loans: usize,
    bounced: usize,
    copied_in: usize,
    copied_out: usize,
}

impl Counts {
    pub(super) fn add<D: Direction>(&mut self, len: usize, bounced: bool) {
        self.loans += 1;
        if bounced {
            self.bounced += 1;
            self.copied_in += len;
            self.copied_out += usize::from(D::DATA.device_writes()) * len;
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            loans,
            bounced,
            copied_in,
            copied_out,
        } = self;
        write!(
            f,
            "loans={loans} bounced={bounced} copied_in={copied_in} copied_out={copied_out}"
        )
    }
}
