//! The simulator's engine as the suite's, and a report that keeps what failed and what was skipped.

use conformance::{BusFault, Check, Engine, Failure, Outcome, Reason, Report};
use dma_api::{DmaAddr, Limits, Snooping};
use sim::{DmaEngine, Manners, SimMachine};

/// The simulator's engine, which looks wherever the suite wants it to: at memory that it may only write, too.
pub(crate) struct Simulated<'m>(DmaEngine<'m>);

impl<'m> Simulated<'m> {
    pub(crate) fn new(machine: &'m SimMachine, snooping: Snooping) -> Self {
        let engine = DmaEngine::new(machine, Limits::UNLIMITED, snooping);
        Self(engine.with_manners(Manners::Hostile))
    }
}

impl Engine for Simulated<'_> {
    fn read(&mut self, from: DmaAddr, into: &mut [u8]) -> Result<(), BusFault> {
        let found = self.0.read(from, into.len()).map_err(|_| BusFault)?;
        into.copy_from_slice(&found);
        Ok(())
    }

    fn write(&mut self, to: DmaAddr, bytes: &[u8]) -> Result<(), BusFault> {
        self.0.write(to, bytes).map_err(|_| BusFault)
    }

    fn settle(&mut self) {
        self.0.settle();
    }
}

/// Which checks failed and were skipped, and why.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) failed: Vec<(&'static str, Failure)>,
    pub(crate) skipped: Vec<(&'static str, Reason)>,
}

impl Report for Kept {
    fn check(&mut self, check: Check, outcome: Outcome) {
        match outcome {
            Outcome::Passed => {}
            Outcome::Skipped(reason) => self.skipped.push((check.name, reason)),
            Outcome::Failed(failure) => self.failed.push((check.name, failure)),
        }
    }
}
