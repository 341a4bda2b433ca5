//! What loans must have cost, worked out apart from the library.

use core::fmt;

use dma_api::BounceCounts;

/// What loans that were taken back must have cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    loans: usize,
    bounced: usize,
    copies: Copies,
}

/// What was copied, and what slots it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Copies {
    copied_in: u64,
    copied_out: u64,
    in_use: usize,
    high_water: usize,
    quarantined: usize,
    refused: u64,
}

/// What of a loan bounces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bounced {
    /// Bytes of it.
    pub(super) bytes: usize,
    /// Bytes of slots from the first of them to the last.
    pub(super) run: usize,
    /// Whether they are copied back, too.
    pub(super) back: bool,
}

impl Counts {
    /// Adds a loan; there is one at a time, in slots of so many bytes.
    pub(super) fn add(&mut self, bounced: Bounced, slot: usize) {
        self.loans += 1;
        self.bounced += usize::from(bounced.bytes > 0);
        let copies = &mut self.copies;
        copies.copied_in += bounced.bytes as u64;
        copies.copied_out += u64::from(bounced.back) * bounced.bytes as u64;
        copies.high_water = copies.high_water.max(bounced.run.next_multiple_of(slot));
    }

    /// What was to be copied.
    pub(super) fn copies(&self) -> Copies {
        self.copies
    }
}

impl From<BounceCounts> for Copies {
    fn from(counts: BounceCounts) -> Self {
        Self {
            copied_in: counts.copied_in,
            copied_out: counts.copied_out,
            in_use: counts.in_use,
            high_water: counts.high_water,
            quarantined: counts.quarantined,
            refused: counts.refused,
        }
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

impl fmt::Display for Copies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            copied_in,
            copied_out,
            in_use,
            high_water,
            quarantined,
            refused,
        } = self;
        write!(
            f,
            "copied_in={copied_in} copied_out={copied_out} in_use={in_use} high_water={high_water} \
             quarantined={quarantined} refused={refused}"
        )
    }
}
