//! What loans have cost, from what is known of them.

use core::fmt;

use dma_api::Direction;

use crate::image::loan::Copies;

/// What loans must have cost that were taken back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    loans: usize,
    bounced: usize,
    copies: Copies,
}

impl Counts {
    /// Adds a loan of `len` bytes, copied in whole or not at all.
    pub(super) fn add<D: Direction>(&mut self, len: usize, bounces: bool) {
        self.loans += 1;
        if bounces {
            self.bounced += 1;
            self.copies.copied_in += len;
            self.copies.copied_out += usize::from(D::DATA.device_writes()) * len;
            // There is one loan at a time.
            self.copies.most_in_use = self.copies.most_in_use.max(len);
        }
    }

    /// What the copies must have come to.
    pub(super) fn copies(&self) -> Copies {
        self.copies
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            loans,
            bounced,
            copies,
        } = self;
        write!(f, "loans={loans} bounced={bounced} {copies}")
    }
}
