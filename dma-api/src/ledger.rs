//! The machine's book of blocks that outlive one handle: those in parts, and those in quarantine.

use core::num::NonZeroU32;

use crate::{
    addr::DmaRange,
    error::{Error, Refused},
    lock::Locked,
    memory::Block,
};

/// A device, as the ledger knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeviceId(NonZeroU32);

impl DeviceId {
    /// Its number, counted from 1 in the order in which the machine's devices were made.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

/// Which of a machine's two allocators a block goes back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// [`Machine::memory`](crate::Machine::memory).
    Memory,
    /// [`Machine::coherent_source`](crate::Machine::coherent_source).
    CoherentSource,
}

/// What a handle keeps alive.
#[derive(Debug)]
pub(crate) enum Holding {
    /// A block of its own.
    Whole(Block, Origin),
    /// One part of a block that the ledger holds in this slot.
    Part(usize),
    /// Nothing: the memory belongs to somebody else, or has been passed on.
    Nothing,
}

/// One place of a [`Ledger`].
#[derive(Debug)]
pub struct Slot(Entry);

impl Slot {
    const FREE: Self = Self(Entry::Free);
}

#[derive(Debug)]
enum Entry {
    Free,
    Shared {
        block: Block,
        origin: Origin,
        parts: usize,
    },
    Quarantined {
        device: DeviceId,
        dma: DmaRange,
        holding: Holding,
    },
}

/// What a [`Ledger`] holds and what it has had to give up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LedgerCounts {
    /// Buffers and coherent memories in quarantine.
    pub quarantined: usize,
    /// Blocks that are held in parts.
    pub shared: usize,
    /// Those that were dropped while a device owned them when the ledger was full: leaked for good.
    pub leaked: usize,
    /// Blocks that their allocator refused to take back: leaked for good.
    pub refused: usize,
}

/// The machine's book of blocks that outlive one handle, in a fixed number of slots (`Ledger<[Slot; N]>`).
///
/// A block that was split takes one slot until its last part is gone. A buffer that is dropped while a device owns it
/// takes one until [`Quiesced::release_quarantine`](crate::Quiesced::release_quarantine). If there is none left, a
/// split is refused, and a dropped buffer is leaked and counted: no way leads to memory with two owners. Make it as
/// large as the blocks that are split, the buffers that are lent and the coherent memories that are published at a time,
/// together.
#[derive(Debug)]
pub struct Ledger<S: ?Sized = [Slot]> {
    book: Locked<Book<S>>,
}

#[derive(Debug)]
struct Book<S: ?Sized> {
    devices: u32,
    leaked: usize,
    refused: usize,
    slots: S,
}

impl<const N: usize> Ledger<[Slot; N]> {
    /// An empty ledger of `N` slots.
    #[must_use]
    pub const fn new() -> Self {
        let slots = [Slot::FREE; N];
        Self {
            book: Locked::new(Book {
                devices: 0,
                leaked: 0,
                refused: 0,
                slots,
            }),
        }
    }
}

impl<const N: usize> Default for Ledger<[Slot; N]> {
    fn default() -> Self {
        Self::new()
    }
}

impl Ledger {
    /// What it holds now.
    pub fn counts(&self) -> LedgerCounts {
        self.book.with(|book| {
            let count = |is: fn(&Entry) -> bool| book.slots.iter().filter(|s| is(&s.0)).count();
            LedgerCounts {
                quarantined: count(|entry| matches!(entry, Entry::Quarantined { .. })),
                shared: count(|entry| matches!(entry, Entry::Shared { .. })),
                leaked: book.leaked,
                refused: book.refused,
            }
        })
    }

    /// The `index`-th buffer in quarantine and the device that may still use it, or `None` behind the last.
    pub fn quarantined(&self, index: usize) -> Option<(DeviceId, DmaRange)> {
        self.book.with(|book| {
            let mut entries = book.slots.iter().filter_map(|slot| match slot.0 {
                Entry::Quarantined { device, dma, .. } => Some((device, dma)),
                Entry::Free | Entry::Shared { .. } => None,
            });
            entries.nth(index)
        })
    }

    /// A number for a new device, never given out before: a proof about one device says nothing of another.
    pub(crate) fn enrol(&self) -> Result<DeviceId, Error> {
        self.book.with(|book| {
            let full = Error::TooManyDevices {
                devices: book.devices,
            };
            let number = NonZeroU32::MIN.checked_add(book.devices).ok_or(full)?;
            book.devices = number.get();
            Ok(DeviceId(number))
        })
    }

    /// Takes a block that is about to be used in parts, of which there is one so far.
    pub(crate) fn share(&self, block: Block, origin: Origin) -> Result<usize, Refused<Block>> {
        self.book.with(|book| {
            let full = Error::LedgerFull {
                slots: book.slots.len(),
            };
            let free = book
                .slots
                .iter_mut()
                .enumerate()
                .find(|(_, s)| matches!(s.0, Entry::Free));
            let Some((index, slot)) = free else {
                return Err(Refused::new(full, block));
            };
            slot.0 = Entry::Shared {
                block,
                origin,
                parts: 1,
            };
            Ok(index)
        })
    }

    /// Counts one more part of a shared block.
    pub(crate) fn join(&self, index: usize) {
        self.book.with(|book| {
            if let Some(Slot(Entry::Shared { parts, .. })) = book.slots.get_mut(index) {
                // A buffer of at most `usize::MAX` bytes has no more parts than that.
                *parts = parts.saturating_add(1);
            }
        });
    }

    /// Counts one part less, and returns the block with the last.
    pub(crate) fn leave(&self, index: usize) -> Option<(Block, Origin)> {
        self.book.with(|book| {
            let slot = book.slots.get_mut(index)?;
            if let Entry::Shared { parts, .. } = &mut slot.0 {
                *parts = parts.saturating_sub(1);
                if *parts > 0 {
                    return None;
                }
            }
            match core::mem::replace(&mut slot.0, Entry::Free) {
                Entry::Shared { block, origin, .. } => Some((block, origin)),
                // A part's index always names a shared block; anything else stays as it is.
                other => {
                    slot.0 = other;
                    None
                }
            }
        })
    }

    /// Keeps what a device may still use.
    pub(crate) fn quarantine(&self, device: DeviceId, dma: DmaRange, holding: Holding) {
        self.book.with(
            |book| match book.slots.iter_mut().find(|s| matches!(s.0, Entry::Free)) {
                Some(slot) => {
                    slot.0 = Entry::Quarantined {
                        device,
                        dma,
                        holding,
                    }
                }
                // The holding is dropped, which leaks its memory: it can never get a second owner.
                None => book.leaked = book.leaked.saturating_add(1),
            },
        );
    }

    /// Takes one buffer of `device` out of quarantine, and says where the device saw it.
    pub(crate) fn take_quarantined(&self, device: DeviceId) -> Option<(DmaRange, Holding)> {
        self.book.with(|book| {
            let theirs = |slot: &&mut Slot| {
                matches!(slot.0, Entry::Quarantined { device: owner, .. } if owner == device)
            };
            let slot = book.slots.iter_mut().find(theirs)?;
            match core::mem::replace(&mut slot.0, Entry::Free) {
                Entry::Quarantined { dma, holding, .. } => Some((dma, holding)),
                Entry::Free | Entry::Shared { .. } => None,
            }
        })
    }

    /// Counts memory that is leaked because something may still use it.
    pub(crate) fn count_leaked(&self) {
        self.book
            .with(|book| book.leaked = book.leaked.saturating_add(1));
    }

    /// Counts a block that nobody takes back.
    pub(crate) fn count_refused(&self) {
        self.book
            .with(|book| book.refused = book.refused.saturating_add(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::DmaAddr;

    #[test]
    fn device_numbers_are_never_given_out_twice() {
        let ledger: &Ledger = &Ledger::<[Slot; 1]>::new();
        assert_eq!(ledger.enrol().map(DeviceId::get), Ok(1));
        assert_eq!(ledger.enrol().map(DeviceId::get), Ok(2));

        ledger.book.with(|book| book.devices = u32::MAX);
        assert_eq!(
            ledger.enrol(),
            Err(Error::TooManyDevices { devices: u32::MAX })
        );
    }

    #[test]
    fn a_part_of_nothing_leaves_everything_as_it_is() {
        let ledger: &Ledger = &Ledger::<[Slot; 2]>::new();
        let device = ledger.enrol().unwrap();
        let dma = DmaRange::new(DmaAddr::new(0x1000), 64).unwrap();
        ledger.quarantine(device, dma, Holding::Nothing);

        for slot in [0, 1, 2] {
            ledger.join(slot);
            assert!(ledger.leave(slot).is_none());
        }

        assert_eq!(ledger.quarantined(0), Some((device, dma)));
        assert_eq!(ledger.counts().shared, 0);
    }
}
