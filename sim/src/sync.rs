//! The simulated caches and barriers, as the library is given them.
#![expect(unsafe_code, reason = "the caches promise what `DmaSync` demands")]

use std::ptr::NonNull;

use dma_api::{DmaSync, Geometry, Levels, LineRange, PhysAddr};

use crate::{
    config::{Config, Invalidate},
    live::{Shared, StepCounts},
    steps::{Operation, Reach, Step},
};

/// The maintenance of one level, or of all of them with one operation.
#[derive(Clone, Debug)]
pub(crate) struct Level {
    shared: Shared,
    reach: Reach,
    geometry: Geometry,
    phys: PhysAddr,
    fills: bool,
    invalidate: Invalidate,
    promotes_cleans: bool,
}

impl Level {
    fn issue(&self, operation: Operation, range: LineRange<'_>) {
        let mut live = self.shared.lock();
        let first = range.phys().start();
        let at = usize::try_from(first.get() - self.phys.get()).expect("in simulated memory");
        let len = range.len_bytes();
        assert!(
            at + len <= live.state.layout.cached_len,
            "maintenance outside cached memory: {range:?}"
        );
        let (mapping, offset) = live
            .locate(range.start())
            .expect("maintenance is of the machine's memory");
        assert_eq!(
            at, offset,
            "CPU pointer and physical address name different bytes"
        );
        live.take(Step::Issue {
            operation,
            reach: self.reach,
            mapping,
            at,
            len,
        });
    }
}

// SAFETY: an operation reaches the caches of its level on every line of the range, and `complete` makes what was issued
// take effect; a lock is a compiler barrier. Where a machine's maintenance does less, its configuration says so: that is
// what is being tested.
unsafe impl DmaSync for Level {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn fills_speculatively(&self) -> bool {
        self.fills
    }

    fn invalidate_may_write_back(&self) -> bool {
        true
    }

    fn clean(&self, range: LineRange<'_>) {
        let operation = match self.promotes_cleans {
            true => Operation::CleanAndInvalidate,
            false => Operation::Clean,
        };
        self.issue(operation, range);
    }

    unsafe fn invalidate(&self, range: LineRange<'_>) {
        let operation = match self.invalidate {
            Invalidate::Discards => Operation::Invalidate,
            Invalidate::WritesBackToo => Operation::CleanAndInvalidate,
        };
        self.issue(operation, range);
    }

    fn clean_and_invalidate(&self, range: LineRange<'_>) {
        self.issue(Operation::CleanAndInvalidate, range);
    }

    fn complete(&self) {
        self.shared.take(Step::Complete(self.reach));
    }

    fn before_doorbell(&self, _memory: NonNull<u8>) {
        self.shared.take(Step::BeforeDoorbell);
    }

    fn after_completion(&self, _memory: NonNull<u8>) {
        self.shared.take(Step::AfterCompletion);
    }
}

/// All caches of a simulated machine.
#[derive(Debug)]
pub struct SimCaches {
    shared: Shared,
    levels: Maintained,
}

#[derive(Debug)]
enum Maintained {
    Together(Level),
    Apart(Levels<Level, Level>),
}

/// Calls the same method of whichever it is.
macro_rules! either {
    ($caches:expr, $levels:ident => $call:expr) => {
        match &$caches.levels {
            Maintained::Together($levels) => $call,
            Maintained::Apart($levels) => $call,
        }
    };
}

impl SimCaches {
    pub(crate) fn new(shared: Shared, config: &Config) -> Result<Self, dma_api::Error> {
        let level = |reach, geometry| Level {
            shared: shared.clone(),
            reach,
            geometry,
            phys: config.phys,
            fills: config.fills_speculatively,
            invalidate: config.invalidate,
            promotes_cleans: config.promotes_cleans,
        };
        let levels = match config.outer {
            Some(outer) if outer.maintained == crate::config::Maintained::ByItself => {
                let inner = Geometry::new(config.line, config.granule)?;
                let outer = Geometry::new(outer.line, outer.granule)?;
                Maintained::Apart(Levels::new(
                    level(Reach::Level(0), inner),
                    level(Reach::Level(1), outer),
                ))
            }
            _ => Maintained::Together(level(Reach::Memory, config.geometry()?)),
        };
        Ok(Self { shared, levels })
    }

    /// How often each thing happened so far.
    #[must_use]
    pub fn counts(&self) -> StepCounts {
        self.shared.lock().counts
    }
}

// SAFETY: every method is that of the level or levels inside.
unsafe impl DmaSync for SimCaches {
    fn geometry(&self) -> Geometry {
        either!(self, levels => levels.geometry())
    }

    fn fills_speculatively(&self) -> bool {
        either!(self, levels => levels.fills_speculatively())
    }

    fn invalidate_may_write_back(&self) -> bool {
        either!(self, levels => levels.invalidate_may_write_back())
    }

    fn clean(&self, range: LineRange<'_>) {
        either!(self, levels => levels.clean(range));
    }

    unsafe fn invalidate(&self, range: LineRange<'_>) {
        // SAFETY: passed on to the caller.
        either!(self, levels => unsafe { levels.invalidate(range) });
    }

    fn clean_and_invalidate(&self, range: LineRange<'_>) {
        either!(self, levels => levels.clean_and_invalidate(range));
    }

    fn complete(&self) {
        either!(self, levels => levels.complete());
    }

    fn before_doorbell(&self, memory: NonNull<u8>) {
        either!(self, levels => levels.before_doorbell(memory));
    }

    fn after_completion(&self, memory: NonNull<u8>) {
        either!(self, levels => levels.after_completion(memory));
    }
}
