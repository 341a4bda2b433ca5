//! One buffer or coherent memory, as the checker follows it.

use core::{fmt, panic::Location};

use super::{finding::Subject, sums::Sums};
use crate::{
    addr::{DmaRange, PhysAddr, PhysRange},
    direction::DataDirection,
    handover::Maintenance,
    ledger::DeviceId,
    observe::{Event, Notice},
};

/// How a buffer or coherent memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The CPU owns it.
    CpuOwned,
    /// It is being handed over.
    OnTheWayOut,
    /// The device owns it.
    DeviceOwned,
    /// It is being taken back.
    OnTheWayBack,
    /// It was dropped while the device owned it, or while it was published.
    Quarantined,
    /// Coherent, and the CPU has it for itself.
    Private,
    /// Coherent, and both sides use it.
    Published,
    /// A ring, and both sides use its entries.
    Ring,
}

impl State {
    /// Whether the device may be using it.
    pub(super) const fn is_devices(self) -> bool {
        !matches!(self, Self::CpuOwned | Self::Private)
    }

    /// Whether the event can happen to it.
    pub(super) const fn allows(self, event: Event) -> bool {
        matches!(
            (event, self),
            (
                Event::ForDevice | Event::Split { .. } | Event::Released,
                Self::CpuOwned
            ) | (Event::HandedOver, Self::OnTheWayOut)
                | (Event::ForCpu | Event::Quarantined, Self::DeviceOwned)
                | (Event::Opened, Self::DeviceOwned)
                | (Event::ForCpu | Event::Quarantined, Self::Ring)
                | (Event::Putting { .. } | Event::Put { .. }, Self::Ring)
                | (
                    Event::Looking { .. } | Event::Looked { .. } | Event::Fetched { .. },
                    Self::Ring
                )
                | (Event::HandedBack { .. }, Self::OnTheWayBack)
                | (Event::Published | Event::Released, Self::Private)
                | (Event::Unpublished | Event::Quarantined, Self::Published)
        )
    }

    /// How it is after the event, whatever it was before.
    pub(super) const fn after(self, event: Event) -> Self {
        match event {
            Event::ForDevice => Self::OnTheWayOut,
            Event::HandedOver => Self::DeviceOwned,
            Event::ForCpu => Self::OnTheWayBack,
            Event::HandedBack { .. } => Self::CpuOwned,
            Event::Published => Self::Published,
            Event::Unpublished => Self::Private,
            Event::Quarantined => Self::Quarantined,
            Event::Opened
            | Event::Putting { .. }
            | Event::Put { .. }
            | Event::Looking { .. }
            | Event::Looked { .. }
            | Event::Fetched { .. } => Self::Ring,
            Event::Allocated
            | Event::AllocatedDirty
            | Event::Borrowed
            | Event::Split { .. }
            | Event::Released => self,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CpuOwned => "the CPU's",
            Self::OnTheWayOut => "being handed over",
            Self::DeviceOwned => "the device's",
            Self::OnTheWayBack => "being taken back",
            Self::Quarantined => "in quarantine",
            Self::Private => "private",
            Self::Published => "published",
            Self::Ring => "a ring",
        })
    }
}

/// The steps that were taken for a buffer since it last changed its state.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Steps {
    pub(super) maintained: Option<Maintenance>,
    /// Since it was maintained.
    pub(super) completed: bool,
    /// Since it was maintained, and that was completed.
    pub(super) before_doorbell: bool,
    /// Before it was maintained.
    pub(super) after_completion: bool,
}

impl Steps {
    pub(super) fn maintain(&mut self, operation: Maintenance) {
        *self = Self {
            maintained: Some(operation),
            completed: false,
            before_doorbell: false,
            ..*self
        };
    }

    pub(super) fn complete(&mut self) {
        if self.maintained.is_some() && !self.completed {
            self.completed = true;
            self.before_doorbell = false;
        }
    }

    pub(super) fn after_completion(&mut self) {
        self.after_completion |= self.maintained.is_none();
    }

    /// Whether what was done does for `needed`.
    pub(super) fn include(&self, needed: Maintenance) -> bool {
        let both = Maintenance::CleanAndInvalidate;
        self.maintained
            .is_some_and(|done| done == needed || done == both)
    }
}

/// One entry of the book.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    pub(super) device: DeviceId,
    pub(super) phys: PhysRange,
    pub(super) dma: DmaRange,
    /// CPU address of the first byte.
    pub(super) cpu: usize,
    pub(super) direction: Option<DataDirection>,
    pub(super) maintained: bool,
    pub(super) state: State,
    pub(super) steps: Steps,
    /// What the bytes were when it was handed over.
    pub(super) sums: Option<Sums>,
    /// Whether its bytes may still differ from one look to the next, since old lines of somebody else's transfer are cached.
    pub(super) is_stale: bool,
    pub(super) caller: Option<&'static Location<'static>>,
}

impl Life {
    /// What begins with an [`Event::Allocated`], [`Event::AllocatedDirty`] or [`Event::Borrowed`].
    pub(super) fn begin(notice: &Notice) -> Self {
        let state = match notice.direction {
            Some(_) => State::CpuOwned,
            None => State::Private,
        };
        Self {
            device: notice.device,
            phys: notice.owned,
            dma: notice.dma,
            cpu: notice.memory.addr().get(),
            direction: notice.direction,
            maintained: notice.maintained,
            state,
            steps: Steps::default(),
            sums: None,
            is_stale: notice.event == Event::AllocatedDirty,
            caller: notice.caller,
        }
    }

    /// Whether a notice is about it.
    pub(super) fn is_told_of(&self, notice: &Notice) -> bool {
        let places = (notice.device, notice.dma, notice.memory.addr().get());
        (self.device, self.dma, self.cpu) == places && self.direction == notice.direction
    }

    /// Whether the CPU sees it at `pointer`.
    pub(super) fn holds(&self, pointer: usize) -> bool {
        let offset = pointer.checked_sub(self.cpu);
        offset.is_some_and(|offset| (offset as u64) < self.dma.len_bytes())
    }

    /// Whether the device may write to it.
    pub(super) fn device_writes(&self) -> bool {
        self.direction.is_none_or(DataDirection::device_writes)
    }

    /// Whether the device may write to it now, and not through the caches.
    pub(super) fn is_written_behind_caches(&self) -> bool {
        self.maintained && self.device_writes() && self.state.is_devices()
    }

    /// Whether one of the two may be written by its device while the other is in use on the same bytes, or on the same
    /// granule of a device that does not snoop.
    pub(super) fn conflicts_with(&self, other: &Self, granule: usize) -> bool {
        let same_bytes = self.phys.overlaps(other.phys);
        let harms = |writer: &Self, other: &Self| {
            if same_bytes {
                writer.device_writes() && writer.state.is_devices() && other.state.is_devices()
            } else {
                writer.is_written_behind_caches()
                    && in_granules(writer.phys, granule).overlaps(in_granules(other.phys, granule))
            }
        };
        harms(self, other) || harms(other, self)
    }

    pub(super) fn subject(&self) -> Subject {
        Subject {
            device: self.device,
            phys: self.phys,
            dma: self.dma,
            direction: self.direction,
            caller: self.caller,
        }
    }

    /// The life in two parts. `at` lies inside.
    pub(super) fn split(&self, at: usize) -> Option<(Self, Self)> {
        let (phys, dma) = (
            self.phys.split_at(at as u64)?,
            self.dma.split_at(at as u64)?,
        );
        let first = Self {
            phys: phys.0,
            dma: dma.0,
            ..*self
        };
        let second = Self {
            phys: phys.1,
            dma: dma.1,
            cpu: self.cpu.wrapping_add(at),
            ..*self
        };
        Some((first, second))
    }
}

/// The granules that hold a byte of the range.
pub(super) fn in_granules(phys: PhysRange, granule: usize) -> PhysRange {
    let within = (granule as u64).wrapping_sub(1);
    let (first, last) = (phys.start().get() & !within, phys.last().get() | within);
    let len = last.wrapping_sub(first).saturating_add(1);
    // It holds a byte, and ends at the end of the address space at the latest.
    PhysRange::new(PhysAddr::new(first), len).unwrap_or(phys)
}

#[cfg(test)]
mod tests {
    use core::ptr::NonNull;

    use super::*;
    use crate::{
        addr::DmaAddr,
        ledger::{Ledger, Slot},
    };

    fn range(start: u64, len: u64) -> PhysRange {
        PhysRange::new(PhysAddr::new(start), len).unwrap()
    }

    #[test]
    fn granules_reach_from_the_first_byte_of_the_first_to_the_last_of_the_last() {
        assert_eq!(in_granules(range(64, 64), 64), range(64, 64));
        assert_eq!(in_granules(range(63, 2), 64), range(0, 128));
        assert_eq!(in_granules(range(5, 1), 1), range(5, 1));
        let top = u64::MAX - 63;
        assert_eq!(in_granules(range(u64::MAX, 1), 64), range(top, 64));
    }

    #[test]
    fn a_life_holds_its_bytes_and_splits_into_two_that_hold_theirs() {
        let ledger: &Ledger = &Ledger::<[Slot; 1]>::new();
        let start = NonNull::new(core::ptr::without_provenance_mut::<u8>(0x1000)).unwrap();
        let whole = Life::begin(&Notice {
            event: Event::Allocated,
            device: ledger.enrol().unwrap(),
            maintained: true,
            memory: NonNull::slice_from_raw_parts(start, 100),
            owned: range(0x2000, 128),
            dma: DmaRange::new(DmaAddr::new(0x3000), 100).unwrap(),
            direction: Some(DataDirection::ToDevice),
            caller: None,
        });
        let (first, second) = whole.split(64).unwrap();

        let ends = |life: &Life| {
            let held = |at: &usize| life.holds(*at);
            let (from, to) = ((0..0x2000).find(held), (0..0x2000).rfind(held));
            (
                from,
                to,
                life.phys,
                life.dma.start().get(),
                life.dma.len_bytes(),
            )
        };
        let expected = (Some(0x1000), Some(0x1063), range(0x2000, 128), 0x3000, 100);
        assert_eq!(ends(&whole), expected);
        let expected = (Some(0x1000), Some(0x103f), range(0x2000, 64), 0x3000, 64);
        assert_eq!(ends(&first), expected);
        let expected = (Some(0x1040), Some(0x1063), range(0x2040, 64), 0x3040, 36);
        assert_eq!(ends(&second), expected);
    }

    #[test]
    fn steps_count_only_in_their_order() {
        let mut steps = Steps {
            before_doorbell: true,
            ..Steps::default()
        };
        steps.complete();
        assert!(!steps.completed, "nothing was issued");
        steps.maintain(Maintenance::Clean);
        assert!(!steps.before_doorbell, "maintained after the barrier");
        steps.before_doorbell = true;
        steps.complete();
        assert!(steps.completed && !steps.before_doorbell);
        steps.after_completion();
        assert!(!steps.after_completion, "maintained before the barrier");
        assert!(steps.include(Maintenance::Clean));
        assert!(!steps.include(Maintenance::Invalidate));
        steps.maintain(Maintenance::CleanAndInvalidate);
        assert!(!steps.completed, "completed before more was maintained");
        assert!(steps.include(Maintenance::Clean) && steps.include(Maintenance::Invalidate));
    }
}
