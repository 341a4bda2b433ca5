//! The rules for what buffers, coherent memory and devices go through.

use super::{
    book::{Found, Tables},
    finding::{Barrier, Finding},
    life::{Life, State, in_granules},
    sums::Sums,
};
use crate::{
    addr::{DmaRange, PhysRange},
    direction::DataDirection,
    handover::{Edge, Fills, maintenance},
    ledger::DeviceId,
    observe::{Event, Notice},
};

/// What is looked up before the book is opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances<'a> {
    pub(super) granule: usize,
    pub(super) fills: Fills,
    /// What the bytes are now, if that is watched.
    pub(super) sums: Option<Sums>,
    pub(super) reports_silence: bool,
    pub(super) forbidden: &'a [PhysRange],
}

impl<const N: usize> Tables<N> {
    /// Judges a notice, and follows what it is about.
    pub(super) fn hear(&mut self, notice: &Notice, now: &Circumstances<'_>, found: &mut Found<'_>) {
        let Notice {
            event,
            device,
            caller,
            ..
        } = *notice;
        if is_new_use(event) && self.is_removed(device) {
            found.add(Finding::UsedAfterRemoval {
                device,
                event: Some(event),
                caller,
            });
        }
        if let Event::Allocated | Event::AllocatedDirty | Event::Borrowed = event {
            return self.begin(notice, now, found);
        }

        let is_incomplete = self.is_incomplete();
        let Some(slot) = self.find(notice) else {
            if !is_incomplete {
                let subject = Life::begin(notice).subject();
                found.add(Finding::NotLive { event, subject });
            }
            return;
        };
        // In an incomplete table it may be the twin of one that is not there.
        let Some(mut life) = slot.take_if(|life| !is_incomplete || life.state.allows(event)) else {
            return;
        };
        life.caller = caller.or(life.caller);
        if !life.state.allows(event) {
            let (state, subject) = (life.state, life.subject());
            found.add(Finding::OutOfTurn {
                event,
                state,
                subject,
            });
        }
        life.state = life.state.after(event);
        self.go_on(life, event, now, found);
    }

    fn begin(&mut self, notice: &Notice, now: &Circumstances<'_>, found: &mut Found<'_>) {
        let life = Life::begin(notice);
        if notice.event == Event::Borrowed {
            // It is handed over next, and judged against the others then.
            let mut ranges = now.forbidden.iter();
            if let Some(range) = ranges.find(|range| range.overlaps(life.phys)) {
                let (subject, range) = (life.subject(), *range);
                found.add(Finding::Forbidden { subject, range });
            }
        } else {
            self.look_for_conflicts(&life, now.granule, found);
        }
        self.follow(life);
    }

    /// Judges a life that is in no table at the moment, and puts back what becomes of it.
    fn go_on(
        &mut self,
        mut life: Life,
        event: Event,
        now: &Circumstances<'_>,
        found: &mut Found<'_>,
    ) {
        match event {
            Event::ForDevice => {
                life.sums = now.sums.filter(|_| !life.is_stale);
                life.steps = Default::default();
                let (subject, granule) = (life.subject(), now.granule);
                if life.is_written_behind_caches() && in_granules(life.phys, granule) != life.phys {
                    found.add(Finding::PartialGranule { subject, granule });
                }
                self.look_for_conflicts(&life, granule, found);
            }
            Event::HandedOver => judge_steps(&life, Edge::ForDevice, now.fills, found),
            Event::ForCpu => {
                if life.direction == Some(DataDirection::ToDevice) {
                    judge_what_was_sent(&life, now, found);
                }
                life.steps = Default::default();
            }
            Event::HandedBack { written } => {
                judge_steps(&life, Edge::ForCpu, now.fills, found);
                judge_what_was_written(&life, written, now, found);
                // Its lines were discarded.
                life.is_stale &= !(life.maintained && life.device_writes());
            }
            Event::Split { at } => {
                if let Some((first, second)) = life.split(at) {
                    self.follow(second);
                    life = first;
                }
            }
            Event::Opened => {
                // Its bytes change entry by entry from now on.
                life.sums = None;
                life.steps = Default::default();
            }
            Event::Putting { .. } | Event::Looking { .. } => life.steps = Default::default(),
            Event::Put { .. } => judge_steps(&life, Edge::ForDevice, now.fills, found),
            Event::Looked { .. } | Event::Fetched { .. } => {
                // The CPU itself fills the lines of entries, wherever nothing else does.
                judge_steps(&life, Edge::ForCpu, Fills::Speculatively, found);
                life.steps = Default::default();
            }
            Event::Published => {
                judge_steps(&life, Edge::ForDevice, now.fills, found);
                life.steps.after_completion = false;
                self.look_for_conflicts(&life, now.granule, found);
            }
            Event::Unpublished => {
                judge_steps(&life, Edge::ForCpu, now.fills, found);
                life.steps = Default::default();
            }
            Event::Released => return,
            Event::Quarantined | Event::Allocated | Event::AllocatedDirty | Event::Borrowed => {}
        }
        self.follow(life);
    }

    /// Forgets what quarantine releases.
    pub(super) fn unquarantine(&mut self, device: DeviceId, dma: DmaRange) {
        // Slots of a pool leave it together, with all that one loan had there.
        let theirs = |life: &Life| {
            (life.device, life.state) == (device, State::Quarantined) && dma.contains(life.dma)
        };
        // What is not there was not followed: a device has no other way into quarantine than a notice.
        for slot in &mut self.lives {
            if slot.as_ref().is_some_and(theirs) {
                *slot = None;
            }
        }
    }

    fn look_for_conflicts(&self, life: &Life, granule: usize, found: &mut Found<'_>) {
        for other in self
            .all()
            .filter(|other| life.conflicts_with(other, granule))
        {
            let (subject, other) = (life.subject(), other.subject());
            found.add(Finding::Overlap {
                subject,
                other,
                granule,
            });
        }
    }
}

/// Whether it is more than tidying up.
const fn is_new_use(event: Event) -> bool {
    !matches!(
        event,
        Event::Released | Event::Quarantined | Event::HandedOver | Event::HandedBack { .. }
    )
}

/// Maintenance and barriers of one edge.
fn judge_steps(life: &Life, edge: Edge, fills: Fills, found: &mut Found<'_>) {
    let (subject, steps) = (life.subject(), life.steps);
    let direction = life.direction.filter(|_| life.maintained);
    if let Some(operation) = direction.and_then(|direction| maintenance(direction, edge, fills)) {
        if !steps.include(operation) {
            found.add(Finding::MissingMaintenance {
                subject,
                edge,
                operation,
            });
        } else if !steps.completed {
            found.add(Finding::MissingBarrier {
                subject,
                barrier: Barrier::Complete,
            });
        }
    }
    let (is_there, barrier) = match edge {
        Edge::ForDevice => (steps.before_doorbell, Barrier::BeforeDoorbell),
        Edge::ForCpu => (steps.after_completion, Barrier::AfterCompletion),
    };
    if !is_there {
        found.add(Finding::MissingBarrier { subject, barrier });
    }
}

/// What a device only reads stays as it was.
fn judge_what_was_sent(life: &Life, now: &Circumstances<'_>, found: &mut Found<'_>) {
    if let (Some(before), Some(sums)) = (life.sums, now.sums)
        && let Some((first, len)) = before.changed_from(&sums, 0)
    {
        let subject = life.subject();
        found.add(Finding::WrittenWhileLent {
            subject,
            first,
            len,
        });
    }
}

/// A device writes as many bytes as it says, from the first on.
fn judge_what_was_written(
    life: &Life,
    written: usize,
    now: &Circumstances<'_>,
    found: &mut Found<'_>,
) {
    let subject = life.subject();
    if written as u64 > life.dma.len_bytes() {
        found.add(Finding::Overlong { subject, written });
    }
    let (Some(before), Some(sums)) = (life.sums, now.sums) else {
        return;
    };
    if !life.device_writes() {
        return;
    }
    if let Some((first, len)) = before.changed_from(&sums, written) {
        found.add(Finding::WrittenBeyond {
            subject,
            written,
            first,
            len,
        });
    }
    let is_silent = written > 0 && before == sums;
    if now.reports_silence && is_silent && life.direction == Some(DataDirection::FromDevice) {
        found.add(Finding::WrittenNothing { subject, written });
    }
}
