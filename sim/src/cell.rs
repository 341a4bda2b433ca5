//! A byte of some copy of memory, with what it carries along: whether a store made it, and whether it is a former owner's.

/// One byte of a copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Cell(u16);

const STORED: u16 = 1 << 8;
const TAINTED: u16 = 1 << 9;

impl Cell {
    /// What a device or a fill leaves: nobody's store, nobody's secret.
    pub(crate) fn new(value: u8) -> Self {
        Self(u16::from(value))
    }

    /// What memory holds before anybody of this run has written to it.
    pub(crate) fn foreign(value: u8) -> Self {
        Self(u16::from(value) | TAINTED)
    }

    /// The byte's value.
    pub(crate) fn value(self) -> u8 {
        self.0.to_le_bytes()[0]
    }

    /// The same byte as a store of the CPU leaves it in a cache.
    pub(crate) fn stored(self) -> Self {
        Self(self.0 | STORED)
    }

    /// Whether a store made it that has not been written back since.
    pub(crate) fn is_stored(self) -> bool {
        self.0 & STORED != 0
    }

    /// The same byte as the next level, or memory, holds it.
    pub(crate) fn settled(self) -> Self {
        Self(self.0 & !STORED)
    }

    /// The same byte as something a new owner must not see.
    pub(crate) fn tainted(self) -> Self {
        Self(self.0 | TAINTED)
    }

    /// Whether it is a former owner's.
    pub(crate) fn is_tainted(self) -> bool {
        self.0 & TAINTED != 0
    }
}
