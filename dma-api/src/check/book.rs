//! All that the checker knows, in a fixed number of entries, and what it has found.

use core::{iter::Flatten, slice};

use super::{
    finding::{Finding, Kind},
    life::Life,
};
use crate::{addr::PhysRange, ledger::DeviceId, observe::Notice};

/// What was found, and what could not be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Buffers and coherent memories that are followed now, those in quarantine included.
    pub followed: usize,
    /// Buffers and coherent memories that could not be followed, the table being full. If it is not 0 nothing is said
    /// about memory that is not in the table.
    pub buffers_not_followed: usize,
    /// The same for blocks of the allocators.
    pub blocks_not_followed: usize,
    /// The same for devices that were removed.
    pub devices_not_followed: usize,
    kinds: [usize; Kind::ALL.len()],
}

impl Counts {
    /// How often this kind of mistake was found.
    #[must_use]
    pub fn of(&self, kind: Kind) -> usize {
        self.kinds.get(kind as usize).copied().unwrap_or_default()
    }

    /// How many mistakes were found.
    #[must_use]
    pub fn findings(&self) -> usize {
        self.kinds
            .iter()
            .fold(0, |sum, kind| sum.saturating_add(*kind))
    }
}

/// What one call has found, to be told when the book is closed. The first few are kept, and all are counted.
#[derive(Debug)]
pub(super) struct Found<'c> {
    kept: [Option<Finding>; 4],
    counts: &'c mut Counts,
}

impl Found<'_> {
    pub(super) fn add(&mut self, finding: Finding) {
        if let Some(count) = self.counts.kinds.get_mut(finding.kind() as usize) {
            *count = count.saturating_add(1);
        }
        if let Some(free) = self.kept.iter_mut().find(|kept| kept.is_none()) {
            *free = Some(finding);
        }
    }
}

/// The tables.
#[derive(Debug)]
pub(super) struct Book<const N: usize> {
    pub(super) tables: Tables<N>,
    counts: Counts,
}

/// What is known, apart from what was found.
#[derive(Debug)]
pub(super) struct Tables<const N: usize> {
    pub(super) lives: [Option<Life>; N],
    pub(super) blocks: [Option<PhysRange>; N],
    pub(super) removed: [Option<DeviceId>; N],
    pub(super) lost: Lost,
}

/// How many things could not be followed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lost {
    pub(super) lives: usize,
    pub(super) blocks: usize,
    pub(super) devices: usize,
}

impl<const N: usize> Book<N> {
    pub(super) const fn new() -> Self {
        Self {
            tables: Tables {
                lives: [None; N],
                blocks: [None; N],
                removed: [None; N],
                lost: Lost {
                    lives: 0,
                    blocks: 0,
                    devices: 0,
                },
            },
            counts: Counts {
                followed: 0,
                buffers_not_followed: 0,
                blocks_not_followed: 0,
                devices_not_followed: 0,
                kinds: [0; Kind::ALL.len()],
            },
        }
    }

    /// Applies a rule to the tables. Returns what it found.
    pub(super) fn apply(
        &mut self,
        rule: impl FnOnce(&mut Tables<N>, &mut Found<'_>),
    ) -> [Option<Finding>; 4] {
        let mut found = Found {
            kept: [None; 4],
            counts: &mut self.counts,
        };
        rule(&mut self.tables, &mut found);
        found.kept
    }

    pub(super) fn counts(&self) -> Counts {
        let Lost {
            lives,
            blocks,
            devices,
        } = self.tables.lost;
        Counts {
            followed: self.tables.lives.iter().flatten().count(),
            buffers_not_followed: lives,
            blocks_not_followed: blocks,
            devices_not_followed: devices,
            ..self.counts
        }
    }
}

impl<const N: usize> Tables<N> {
    pub(super) fn all(&self) -> Flatten<slice::Iter<'_, Option<Life>>> {
        self.lives.iter().flatten()
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Life> {
        self.lives.iter_mut().flatten()
    }

    /// Follows one more.
    pub(super) fn follow(&mut self, life: Life) {
        keep(&mut self.lives, life, &mut self.lost.lives);
    }

    /// Follows a block that an allocator has handed out.
    pub(super) fn follow_block(&mut self, block: PhysRange) {
        keep(&mut self.blocks, block, &mut self.lost.blocks);
    }

    /// Remembers a device that is gone.
    pub(super) fn remove_device(&mut self, device: DeviceId) {
        if !self.is_removed(device) {
            keep(&mut self.removed, device, &mut self.lost.devices);
        }
    }

    pub(super) fn is_removed(&self, device: DeviceId) -> bool {
        self.removed.contains(&Some(device))
    }

    /// What a notice is about; of two that look the same the one that it can happen to.
    pub(super) fn find(&mut self, notice: &Notice) -> Option<&mut Option<Life>> {
        let fits = |slot: &Option<Life>, in_turn: bool| {
            slot.is_some_and(|life| {
                life.is_told_of(notice) && (!in_turn || life.state.allows(notice.event))
            })
        };
        let index = (self.lives.iter().position(|slot| fits(slot, true)))
            .or_else(|| self.lives.iter().position(|slot| fits(slot, false)))?;
        self.lives.get_mut(index)
    }

    /// Whether memory that is in no table may be in use all the same.
    pub(super) const fn is_incomplete(&self) -> bool {
        self.lost.lives > 0 || self.lost.blocks > 0
    }
}

/// Puts a value into a table, or counts that it found no room.
fn keep<T>(table: &mut [Option<T>], value: T, lost: &mut usize) {
    match table.iter_mut().find(|entry| entry.is_none()) {
        Some(free) => *free = Some(value),
        None => *lost = lost.saturating_add(1),
    }
}
