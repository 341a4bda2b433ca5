//! The two moments at which memory changes hands: which maintenance, and in which order, for every machine.
#![expect(unsafe_code, reason = "hand-back invalidates lines")]

use crate::{cache::LineRange, direction::DataDirection, sync::DmaSync};

/// What is done to the lines of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maintenance {
    /// Write dirty lines back.
    Clean,
    /// Discard lines.
    Invalidate,
    /// Write dirty lines back, then discard them.
    CleanAndInvalidate,
}

/// The moment a buffer changes hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// From the CPU to the device, before the doorbell.
    ForDevice,
    /// From the device to the CPU, after the completion.
    ForCpu,
}

/// The table direction × edge → maintenance, for a device that does not snoop. `fills` says whether lines may be
/// filled speculatively ([`DmaSync::fills_speculatively`]).
///
/// Lines are cleaned before *every* transfer. For memory the device writes this keeps what it leaves unwritten
/// (a short transfer must not expose what memory held before), and leaves no dirty line that could be evicted
/// over the device's data. Afterwards the lines are invalidated, because speculation may have filled them
/// meanwhile. Where nothing fills lines but the CPU's own accesses, discarding them beforehand does both.
/// (The same choice: Linux `arch/arm64/mm/dma-mapping.c` since c50f11c6196f, `arch/riscv/mm/dma-noncoherent.c`.)
#[must_use]
pub const fn maintenance(
    direction: DataDirection,
    edge: Edge,
    fills: Fills,
) -> Option<Maintenance> {
    match (edge, direction.device_writes(), fills) {
        (Edge::ForDevice, false, _) | (Edge::ForDevice, true, Fills::Speculatively) => {
            Some(Maintenance::Clean)
        }
        (Edge::ForDevice, true, Fills::OnAccess) => Some(Maintenance::CleanAndInvalidate),
        (Edge::ForCpu, true, Fills::Speculatively) => Some(Maintenance::Invalidate),
        (Edge::ForCpu, true, Fills::OnAccess) | (Edge::ForCpu, false, _) => None,
    }
}

/// When a cache fills a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fills {
    /// At any time, with anything.
    Speculatively,
    /// When the CPU accesses it.
    OnAccess,
}

impl Fills {
    /// What `sync` says of its caches.
    pub fn of<S: DmaSync + ?Sized>(sync: &S) -> Self {
        if sync.fills_speculatively() {
            Self::Speculatively
        } else {
            Self::OnAccess
        }
    }
}

/// Whether the device's accesses leave the caches to software.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upkeep {
    /// The device snoops; only order matters.
    OrderOnly,
    /// Lines must be maintained.
    Lines,
}

/// Gives the range to the device: maintenance, completion, doorbell barrier.
///
/// # Safety
/// The CPU owns every granule of the range if the device may write to it, and does not touch the bytes from now
/// until [`for_cpu`].
pub(crate) unsafe fn for_device<S: DmaSync>(
    sync: &S,
    upkeep: Upkeep,
    direction: DataDirection,
    range: LineRange<'_>,
) {
    if upkeep == Upkeep::Lines {
        // SAFETY: the caller owns the granules. No step of the table discards without cleaning here.
        unsafe {
            maintain(
                sync,
                maintenance(direction, Edge::ForDevice, Fills::of(sync)),
                range,
            )
        };
    }
    sync.before_doorbell(range.start());
}

/// Takes the range back from the device: completion barrier, maintenance, its completion.
///
/// # Safety
/// The device has finished with the range, which was given to it by [`for_device`] in the same direction and
/// which the CPU has not touched since; if the device may have written to it, it owned the granules.
pub(crate) unsafe fn for_cpu<S: DmaSync>(
    sync: &S,
    upkeep: Upkeep,
    direction: DataDirection,
    range: LineRange<'_>,
) {
    sync.after_completion(range.start());
    if upkeep == Upkeep::Lines {
        // SAFETY: the lines were cleaned by `for_device` and not stored to since, so none is dirty.
        unsafe {
            maintain(
                sync,
                maintenance(direction, Edge::ForCpu, Fills::of(sync)),
                range,
            )
        };
    }
}

/// Lets the CPU see what the device has written to an entry so far, which stays the device's: completion barrier,
/// invalidate, its completion.
///
/// It discards whatever fills lines: where the CPU alone does, it may have done so when it looked before.
///
/// # Safety
/// As [`DmaSync::invalidate`]. The CPU has not stored to the lines since they were given to the device.
pub(crate) unsafe fn for_look<S: DmaSync>(sync: &S, upkeep: Upkeep, entry: LineRange<'_>) {
    sync.after_completion(entry.start());
    if upkeep == Upkeep::Lines {
        // SAFETY: passed on to the caller.
        unsafe { maintain(sync, Some(Maintenance::Invalidate), entry) };
    }
}

/// Gives several ranges to the device at once: maintenance of each, one completion for all, doorbell barrier.
///
/// # Safety
/// As [`for_device`], for each range.
pub(crate) unsafe fn all_for_device<'a, S: DmaSync>(
    sync: &S,
    upkeep: Upkeep,
    direction: DataDirection,
    ranges: impl Iterator<Item = LineRange<'a>> + Clone,
) {
    if upkeep == Upkeep::Lines {
        let operation = maintenance(direction, Edge::ForDevice, Fills::of(sync));
        // SAFETY: the caller owns the granules. No step of the table discards without cleaning here.
        unsafe { maintain_all(sync, operation, ranges.clone()) };
    }
    // One would order the accesses; each tells the compiler of memory that a device accesses.
    ranges.for_each(|range| sync.before_doorbell(range.start()));
}

/// Takes several ranges back at once: completion barrier, maintenance of each, one completion for all.
///
/// # Safety
/// As [`for_cpu`], for each range.
pub(crate) unsafe fn all_for_cpu<'a, S: DmaSync>(
    sync: &S,
    upkeep: Upkeep,
    direction: DataDirection,
    ranges: impl Iterator<Item = LineRange<'a>> + Clone,
) {
    ranges
        .clone()
        .for_each(|range| sync.after_completion(range.start()));
    if upkeep == Upkeep::Lines {
        let operation = maintenance(direction, Edge::ForCpu, Fills::of(sync));
        // SAFETY: the lines were cleaned by `all_for_device` and not stored to since, so none is dirty.
        unsafe { maintain_all(sync, operation, ranges) };
    }
}

/// Removes the range from the caches before it is accessed through an uncached address.
pub(crate) fn leave_caches<S: DmaSync>(sync: &S, range: LineRange<'_>) {
    // SAFETY: nothing is discarded that is not written back first.
    unsafe { maintain(sync, Some(Maintenance::CleanAndInvalidate), range) };
}

/// Issues one operation and waits for it.
///
/// # Safety
/// As [`DmaSync::invalidate`] where `operation` is [`Maintenance::Invalidate`].
unsafe fn maintain<S: DmaSync>(sync: &S, operation: Option<Maintenance>, range: LineRange<'_>) {
    // SAFETY: passed on to the caller.
    unsafe { maintain_all(sync, operation, core::iter::once(range)) };
}

/// Issues one operation for each range, and waits once for all.
///
/// # Safety
/// As [`maintain`], for each range.
// A hand-over of one range is to be compiled to its one loop.
#[inline(always)]
unsafe fn maintain_all<'a, S: DmaSync>(
    sync: &S,
    operation: Option<Maintenance>,
    ranges: impl Iterator<Item = LineRange<'a>>,
) {
    let Some(operation) = operation else { return };
    for range in ranges {
        match operation {
            Maintenance::Clean => sync.clean(range),
            // SAFETY: passed on to the caller.
            Maintenance::Invalidate => unsafe { sync.invalidate(range) },
            Maintenance::CleanAndInvalidate => sync.clean_and_invalidate(range),
        }
    }
    sync.complete();
}

#[cfg(test)]
mod tests {
    extern crate std;
    use core::{cell::RefCell, ptr::NonNull};
    use std::vec::Vec;

    use super::*;
    use crate::{addr::PhysAddr, cache::Geometry, sync::Levels};

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Step {
        Clean,
        Invalidate,
        CleanAndInvalidate,
        Complete,
        BeforeDoorbell,
        AfterCompletion,
    }
    use Step::*;

    /// A level of cache that only writes down, in a shared transcript, what it is asked to do.
    struct Scribe<'t> {
        level: u8,
        line: usize,
        fills: bool,
        transcript: &'t RefCell<Vec<(u8, Step)>>,
    }

    impl Scribe<'_> {
        fn note(&self, step: Step) {
            self.transcript.borrow_mut().push((self.level, step));
        }
    }

    // SAFETY: it maintains nothing, and no device looks.
    unsafe impl DmaSync for Scribe<'_> {
        fn geometry(&self) -> Geometry {
            Geometry::new(self.line, self.line).unwrap()
        }
        fn fills_speculatively(&self) -> bool {
            self.fills
        }
        fn invalidate_may_write_back(&self) -> bool {
            self.level == 2
        }
        fn clean(&self, _: LineRange<'_>) {
            self.note(Clean);
        }
        unsafe fn invalidate(&self, _: LineRange<'_>) {
            self.note(Invalidate);
        }
        fn clean_and_invalidate(&self, _: LineRange<'_>) {
            self.note(CleanAndInvalidate);
        }
        fn complete(&self) {
            self.note(Complete);
        }
        fn before_doorbell(&self, _: NonNull<u8>) {
            self.note(BeforeDoorbell);
        }
        fn after_completion(&self, _: NonNull<u8>) {
            self.note(AfterCompletion);
        }
    }

    fn transcript(fills: bool, act: impl FnOnce(&Scribe<'_>, LineRange<'_>)) -> Vec<Step> {
        let transcript = RefCell::default();
        let scribe = Scribe {
            level: 1,
            line: 32,
            fills,
            transcript: &transcript,
        };
        with_range(|range| act(&scribe, range));
        transcript
            .take()
            .into_iter()
            .map(|(_, step)| step)
            .collect()
    }

    fn with_range(act: impl FnOnce(LineRange<'_>)) {
        let mut memory = [0_u8; 64];
        // SAFETY: the array outlives the range.
        act(unsafe { LineRange::new(NonNull::from(&mut memory[..]), PhysAddr::new(0)) }.unwrap());
    }

    /// Both edges of one transfer, in order.
    fn transfer(direction: DataDirection, upkeep: Upkeep, fills: bool) -> Vec<Step> {
        transcript(fills, |sync, range| {
            // SAFETY: the scribe touches nothing.
            unsafe { for_device(sync, upkeep, direction, range) };
            // SAFETY: as above.
            unsafe { for_cpu(sync, upkeep, direction, range) };
        })
    }

    #[test]
    fn each_direction_has_its_maintenance_between_the_right_barriers() {
        use DataDirection::*;
        let to = [Clean, Complete, BeforeDoorbell, AfterCompletion];
        let from = [
            Clean,
            Complete,
            BeforeDoorbell,
            AfterCompletion,
            Invalidate,
            Complete,
        ];

        assert_eq!(transfer(ToDevice, Upkeep::Lines, true), to);
        assert_eq!(transfer(FromDevice, Upkeep::Lines, true), from);
        assert_eq!(transfer(Bidirectional, Upkeep::Lines, true), from);
    }

    #[test]
    fn without_speculation_lines_are_discarded_beforehand_instead() {
        use DataDirection::*;
        let from = [
            CleanAndInvalidate,
            Complete,
            BeforeDoorbell,
            AfterCompletion,
        ];

        assert_eq!(transfer(FromDevice, Upkeep::Lines, false), from);
        assert_eq!(transfer(Bidirectional, Upkeep::Lines, false), from);
        let to = [Clean, Complete, BeforeDoorbell, AfterCompletion];
        assert_eq!(transfer(ToDevice, Upkeep::Lines, false), to);
    }

    #[test]
    fn a_device_that_snoops_still_needs_its_barriers_and_nothing_else() {
        for direction in [
            DataDirection::ToDevice,
            DataDirection::FromDevice,
            DataDirection::Bidirectional,
        ] {
            let steps = transfer(direction, Upkeep::OrderOnly, true);
            assert_eq!(steps, [BeforeDoorbell, AfterCompletion]);
        }
    }

    #[test]
    fn a_look_discards_whatever_fills_lines_and_costs_a_barrier_where_devices_snoop() {
        let look = |upkeep, fills| {
            transcript(fills, |sync, range| {
                // SAFETY: the scribe touches nothing.
                unsafe { for_look(sync, upkeep, range) }
            })
        };

        for fills in [false, true] {
            let maintained = [AfterCompletion, Invalidate, Complete];
            assert_eq!(look(Upkeep::Lines, fills), maintained);
            assert_eq!(look(Upkeep::OrderOnly, fills), [AfterCompletion]);
        }
    }

    #[test]
    fn memory_that_becomes_uncached_leaves_the_caches_first() {
        let steps = transcript(true, |sync, range| leave_caches(sync, range));
        assert_eq!(steps, [CleanAndInvalidate, Complete]);
    }

    /// Caches of which nothing is said but what must be.
    struct Silent;

    // SAFETY: it maintains nothing, and no device looks.
    unsafe impl DmaSync for Silent {
        fn geometry(&self) -> Geometry {
            Geometry::BYTE
        }
        fn clean(&self, _: LineRange<'_>) {}
        unsafe fn invalidate(&self, _: LineRange<'_>) {}
        fn clean_and_invalidate(&self, _: LineRange<'_>) {}
        fn complete(&self) {}
        fn before_doorbell(&self, _: NonNull<u8>) {}
        fn after_completion(&self, _: NonNull<u8>) {}
    }

    #[test]
    fn an_implementation_that_says_nothing_is_taken_to_do_its_worst() {
        assert!(Silent.fills_speculatively() && Silent.invalidate_may_write_back());
    }

    #[test]
    fn a_reference_to_caches_is_those_caches() {
        fn everything<S: DmaSync>(sync: S, range: LineRange<'_>) -> (Geometry, bool, bool) {
            sync.clean(range);
            // SAFETY: the scribe touches nothing.
            unsafe { sync.invalidate(range) };
            sync.clean_and_invalidate(range);
            sync.complete();
            sync.before_doorbell(range.start());
            sync.after_completion(range.start());
            (
                sync.geometry(),
                sync.fills_speculatively(),
                sync.invalidate_may_write_back(),
            )
        }

        let geometry = Geometry::new(32, 32).unwrap();
        let steps = transcript(false, |scribe, range| {
            let says = everything::<&Scribe<'_>>(scribe, range);
            assert_eq!(says, (geometry, false, false));
            // Level 2 is the one that may write back.
            let transcript = RefCell::default();
            let (level, line, fills) = (2, 32, true);
            let other = Scribe {
                level,
                line,
                fills,
                transcript: &transcript,
            };
            assert_eq!(everything(&other, range), (geometry, true, true));
        });

        let all = [
            Clean,
            Invalidate,
            CleanAndInvalidate,
            Complete,
            BeforeDoorbell,
            AfterCompletion,
        ];
        assert_eq!(steps, all);
    }

    #[test]
    fn what_either_level_may_do_both_may() {
        let transcript = RefCell::default();
        let level = |level, fills| Scribe {
            level,
            line: 32,
            fills,
            transcript: &transcript,
        };
        let may = |inner, outer| {
            let levels = Levels::new(inner, outer);
            (
                levels.fills_speculatively(),
                levels.invalidate_may_write_back(),
            )
        };

        assert_eq!(may(level(2, true), level(1, false)), (true, true));
        assert_eq!(may(level(1, false), level(2, true)), (true, true));
        assert_eq!(may(level(1, false), level(1, false)), (false, false));
    }

    #[test]
    fn two_levels_are_cleaned_outwards_and_invalidated_inwards() {
        let both = |act: &dyn Fn(&Levels<Scribe<'_>, Scribe<'_>>, LineRange<'_>)| {
            let transcript = RefCell::default();
            let level = |level, line, fills| Scribe {
                level,
                line,
                fills,
                transcript: &transcript,
            };
            let levels = Levels::new(level(1, 32, false), level(2, 64, true));
            assert_eq!(levels.geometry(), Geometry::new(32, 64).unwrap());
            assert!(levels.fills_speculatively() && levels.invalidate_may_write_back());
            with_range(|range| act(&levels, range));
            transcript.take()
        };

        let clean = both(&|levels, range| levels.clean(range));
        assert_eq!(clean, [(1, Clean), (1, Complete), (2, Clean)]);

        // SAFETY: the scribe touches nothing.
        let invalidate = both(&|levels, range| unsafe { levels.invalidate(range) });
        assert_eq!(
            invalidate,
            [(2, Invalidate), (2, Complete), (1, Invalidate)]
        );

        let clean_and_invalidate = both(&|levels, range| levels.clean_and_invalidate(range));
        let expected = [
            (1, Clean),
            (1, Complete),
            (2, CleanAndInvalidate),
            (2, Complete),
            (1, CleanAndInvalidate),
        ];
        assert_eq!(clean_and_invalidate, expected);

        let barriers = both(&|levels, range| {
            levels.complete();
            levels.before_doorbell(range.start());
            levels.after_completion(range.start());
        });
        let expected = [
            (1, Complete),
            (2, Complete),
            (1, BeforeDoorbell),
            (2, BeforeDoorbell),
            (2, AfterCompletion),
            (1, AfterCompletion),
        ];
        assert_eq!(barriers, expected);
    }
}
