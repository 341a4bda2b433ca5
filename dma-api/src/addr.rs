//! Physical and DMA addresses are different types, and their ranges are never empty and never wrap.

use core::fmt;

use crate::error::Error;

macro_rules! address {
    ($(#[$doc:meta])* $Addr:ident, $(#[$range_doc:meta])* $Range:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub struct $Addr(u64);

        impl $Addr {
            /// The address with this number, in bytes from the start of its address space.
            #[must_use]
            pub const fn new(addr: u64) -> Self {
                Self(addr)
            }

            /// Its number.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The address `bytes` further on, or `None` beyond the end of the address space.
            #[must_use]
            pub const fn checked_add(self, bytes: u64) -> Option<Self> {
                match self.0.checked_add(bytes) {
                    Some(sum) => Some(Self(sum)),
                    None => None,
                }
            }
        }

        impl fmt::Debug for $Addr {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($Addr), "({:#018x})"), self.0)
            }
        }

        impl fmt::Display for $Addr {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }

        $(#[$range_doc])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub struct $Range {
            first: u64,
            /// Invariant: `last >= first`, and the length `last - first + 1` fits a `u64`.
            last: u64,
        }

        impl $Range {
            /// The `len` bytes from `start` on. It may end with the last byte of the address space.
            ///
            /// # Errors
            /// [`Error::ZeroLength`]; [`Error::RangeWraps`] if it would go on behind that byte.
            pub const fn new(start: $Addr, len: u64) -> Result<Self, Error> {
                let Some(steps) = len.checked_sub(1) else {
                    return Err(Error::ZeroLength);
                };
                match start.0.checked_add(steps) {
                    Some(last) => Ok(Self { first: start.0, last }),
                    None => Err(Error::RangeWraps { start: start.0, len }),
                }
            }

            /// Address of the first byte.
            #[must_use]
            pub const fn start(self) -> $Addr {
                $Addr(self.first)
            }

            /// Address of the last byte (not of the one behind it, which need not exist).
            #[must_use]
            pub const fn last(self) -> $Addr {
                $Addr(self.last)
            }

            /// Length in bytes, at least 1.
            #[must_use]
            #[expect(clippy::arithmetic_side_effects, reason = "the invariant of `last`")]
            pub const fn len_bytes(self) -> u64 {
                self.last - self.first + 1
            }

            /// The first `at` bytes and the others, or `None` if either part would be empty.
            #[must_use]
            pub fn split_at(self, at: u64) -> Option<(Self, Self)> {
                let rest = self.len_bytes().checked_sub(at)?;
                let second = Self::new($Addr(self.first.checked_add(at)?), rest).ok()?;
                Some((Self::new($Addr(self.first), at).ok()?, second))
            }

            /// Whether every byte of `other` is one of this range.
            #[must_use]
            pub const fn contains(self, other: Self) -> bool {
                self.first <= other.first && other.last <= self.last
            }

            /// Whether the two ranges have a byte in common.
            #[must_use]
            pub const fn overlaps(self, other: Self) -> bool {
                self.first <= other.last && other.first <= self.last
            }
        }

        impl fmt::Debug for $Range {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($Range), "({:#x}..={:#x})"), self.first, self.last)
            }
        }
    };
}

address! {
    /// What the CPU's memory bus calls a byte, after the MMU. 0 is an address like any other.
    PhysAddr,
    /// A non-empty range of physical addresses.
    PhysRange
}

address! {
    /// What a *device* puts on its bus to reach a byte (the field's older word is bus address). 0 is an address
    /// like any other. There is no conversion to or from [`PhysAddr`] but the machine's
    /// [`BusMap`](crate::BusMap).
    DmaAddr,
    /// A non-empty range of DMA addresses.
    DmaRange
}

impl PhysRange {
    /// From one address to another that is not below it, both included.
    pub(crate) const fn between(first: u64, last: u64) -> Self {
        Self { first, last }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_may_end_with_the_last_byte_of_the_address_space_but_not_behind_it() {
        let last_page = PhysRange::new(PhysAddr::new(u64::MAX - 4095), 4096).unwrap();
        let wraps = PhysRange::new(PhysAddr::new(u64::MAX - 4095), 4097);

        assert_eq!(last_page.last(), PhysAddr::new(u64::MAX));
        assert_eq!(last_page.len_bytes(), 4096);
        assert_eq!(
            wraps,
            Err(Error::RangeWraps {
                start: u64::MAX - 4095,
                len: 4097
            })
        );
    }

    #[test]
    fn an_address_behind_the_last_is_none() {
        let last = PhysAddr::new(u64::MAX);

        assert_eq!(
            (last.checked_add(0), last.checked_add(1)),
            (Some(last), None)
        );
        assert_eq!(DmaAddr::new(1).checked_add(2), Some(DmaAddr::new(3)));
    }

    #[test]
    fn an_empty_range_is_refused_and_the_longest_one_is_not() {
        assert_eq!(DmaRange::new(DmaAddr::new(7), 0), Err(Error::ZeroLength));
        assert_eq!(
            DmaRange::new(DmaAddr::new(0), u64::MAX)
                .unwrap()
                .len_bytes(),
            u64::MAX
        );
    }

    #[test]
    fn a_range_splits_into_two_that_are_not_empty() {
        let range = |start, len| PhysRange::new(PhysAddr::new(start), len).unwrap();
        let top = range(u64::MAX - 2, 3);

        assert_eq!(
            top.split_at(1),
            Some((range(u64::MAX - 2, 1), range(u64::MAX - 1, 2)))
        );
        assert_eq!(
            top.split_at(2),
            Some((range(u64::MAX - 2, 2), range(u64::MAX, 1)))
        );
        assert_eq!(
            (top.split_at(0), top.split_at(3), top.split_at(4)),
            (None, None, None)
        );
    }

    #[test]
    fn containing_and_overlapping_count_both_ends() {
        let range = |start, len| DmaRange::new(DmaAddr::new(start), len).unwrap();
        let whole = range(16, 16);

        assert!(whole.contains(range(16, 16)) && whole.contains(range(31, 1)));
        assert!(!whole.contains(range(15, 2)) && !whole.contains(range(31, 2)));
        assert!(whole.overlaps(range(0, 17)) && whole.overlaps(range(31, 9)));
        assert!(!whole.overlaps(range(0, 16)) && !whole.overlaps(range(32, 1)));
    }

    #[test]
    fn addresses_print_as_fixed_width_hexadecimal() {
        assert_eq!(
            std::format!("{:?}", PhysAddr::new(0x1f)),
            "PhysAddr(0x000000000000001f)"
        );
    }

    extern crate std;
}
