//! What is judged of a ring, whose entries CPU and device use at the same time.

use std::ops::Range;

use dma_api::DataDirection;

use crate::{
    state::State,
    steps::{Owner, Turn},
    violation::Oracle,
};

impl State {
    /// A ring was opened, or the CPU uses one of its entries.
    pub(crate) fn use_ring(&mut self, turn: Turn, range: Range<usize>) {
        match turn {
            Turn::Opened(direction) => {
                self.own(range.clone(), Owner::Ring(direction));
                // Entries that both write are the CPU's, one by one, until they are put.
                self.shown[range].fill(direction != DataDirection::Bidirectional);
            }
            Turn::Putting => {
                let lent = |byte: &usize| self.shown[*byte] && self.device_writes(*byte);
                if let Some(byte) = range.clone().find(lent) {
                    let detail = "an entry is put that the device has not given back";
                    self.report(Oracle::CpuTouchedDevices, byte..byte + 1, None, detail);
                }
                self.shown[range].fill(false);
            }
            Turn::Put => {
                self.judge_fence(&range, "the hand-over");
                self.judge_dirty(range.clone());
                self.shown[range].fill(true);
            }
            Turn::Looking => self.looks_unordered = true,
            Turn::Looked => {
                self.judge_look(&range);
                // What is seen now may say that the device is done; only behind the next barrier is the rest there, too.
                self.looks_unordered = true;
            }
            Turn::Fetched => {
                self.judge_look(&range);
                self.judge_arrival(&range);
                self.judge_stale(range.clone());
                self.copied[range.clone()].fill(true);
                if matches!(
                    self.owners[range.start],
                    Owner::Ring(DataDirection::Bidirectional)
                ) {
                    self.shown[range].fill(false);
                }
            }
        }
    }

    /// What the CPU is about to copy is as new as the last barrier after a completion, save for what is being written.
    fn judge_look(&mut self, range: &Range<usize>) {
        if self.looks_unordered {
            let detail = "between what was read before and the look at an entry";
            self.report(Oracle::MissingBarrier, range.clone(), None, detail);
        }
        self.judge_in_flight(range, "the look at an entry");
        for byte in range.clone() {
            if !self.in_use[byte] {
                self.judge_stale(byte..byte + 1);
            }
        }
    }

    /// The doorbell by which a device gets entries back does not overtake the CPU's copies of them.
    pub(crate) fn judge_copies(&mut self) {
        let copied =
            |byte: &usize| self.copied[*byte] && matches!(self.owners[*byte], Owner::Ring(_));
        if let Some(byte) = (0..self.layout.len).find(copied) {
            let detail = "between the copy of an entry and the doorbell";
            self.report(Oracle::MissingBarrier, byte..byte + 1, None, detail);
        }
    }
}
