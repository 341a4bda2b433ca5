//! One peer at work: its region, and the blocks it has handed out.

use anyhow::Result;

use crate::peer::{Peer, Row};
use crate::script::{Call, Op};

/// What a slot holds whose block could not be had.
const NOTHING: u32 = u32::MAX;

/// What did not come about of a number of calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missed {
    /// Requests without a limit that were refused.
    pub refused: u32,
    /// Requests below a limit that were refused.
    pub limited_refused: u32,
    /// Calls that were not made, since what they would free had been refused.
    pub skipped: u32,
}

impl Missed {
    /// Adds up.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            refused: self.refused + other.refused,
            limited_refused: self.limited_refused + other.limited_refused,
            skipped: self.skipped + other.skipped,
        }
    }
}

/// A peer of whichever type with its blocks.
pub trait Lane {
    /// Makes those calls.
    fn run(&mut self, ops: &[Op]) -> Missed;

    /// Moves the blocks to other slots, so that they are in the order of their pages.
    fn sort(&mut self);

    /// Puts the memory that the peer hands out out of the caches, where it can.
    fn chill(&self);

    /// Bytes of the peer's books that are not on the heap, less what is on the heap and is the harness's.
    fn uncounted_bytes(&self) -> isize;

    /// The first page of the block in a slot, if it has been had.
    fn page(&self, slot: u32) -> Option<u32>;
}

#[derive(Debug)]
struct Blocks<P> {
    peer: P,
    slots: Vec<u32>,
}

/// A peer of that type, with nothing taken of a region of that many pages.
///
/// # Errors
/// The peer cannot have such a region.
pub fn lane<P: Peer + 'static>(pages: u32, slots: usize, limits: &[u32]) -> Result<Box<dyn Lane>> {
    Ok(Box::new(Blocks {
        peer: P::new(pages, limits)?,
        slots: vec![NOTHING; slots],
    }))
}

/// What the tables say of a peer, and how to make it.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// What the tables say.
    pub row: Row,
    make: Make,
}

/// Makes a peer for so many pages, so many blocks at once, and blocks below those pages.
pub type Make = fn(u32, usize, &[u32]) -> Result<Box<dyn Lane>>;

impl Entry {
    /// The entry of one type of peer.
    #[must_use]
    pub const fn of<P: Peer + 'static>() -> Self {
        Self::new(P::ROW, lane::<P>)
    }

    /// The entry of a peer whose type depends on the region.
    #[must_use]
    pub const fn new(row: Row, make: Make) -> Self {
        Self { row, make }
    }

    /// A region of that many pages, with nothing taken.
    ///
    /// # Errors
    /// The peer cannot have such a region.
    pub fn lane(&self, pages: u32, slots: usize, limits: &[u32]) -> Result<Box<dyn Lane>> {
        (self.make)(pages, slots, limits)
    }
}

impl<P: Peer> Lane for Blocks<P> {
    // Nothing in here but the calls themselves: its instructions are in every figure.
    fn run(&mut self, ops: &[Op]) -> Missed {
        let mut missed = Missed::default();
        for op in ops {
            let slot = &mut self.slots[op.slot as usize];
            match op.call {
                Call::Take => {
                    *slot = self.peer.take(op.size).unwrap_or_else(|| {
                        missed.refused += 1;
                        NOTHING
                    });
                }
                Call::TakeBelow(limit) => {
                    *slot = self.peer.take_below(op.size, limit).unwrap_or_else(|| {
                        missed.limited_refused += 1;
                        NOTHING
                    });
                }
                Call::Give if *slot == NOTHING => missed.skipped += 1,
                Call::Give => {
                    self.peer.give(*slot, op.size);
                    *slot = NOTHING;
                }
            }
        }
        missed
    }

    fn sort(&mut self) {
        self.slots.sort_unstable();
    }

    fn chill(&self) {
        self.peer.chill();
    }

    fn uncounted_bytes(&self) -> isize {
        // The peer itself is on the heap, its fixed lists among it; the vector of slots is the harness's.
        self.peer.uncounted_bytes() - size_of::<Vec<u32>>().cast_signed()
    }

    fn page(&self, slot: u32) -> Option<u32> {
        let page = *self.slots.get(slot as usize)?;
        (page != NOTHING).then_some(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::{Books, Size};
    use std::time::Duration;

    use crate::timing::aged;
    use crate::workloads::{self, Effort};

    const ROW: Row = Row {
        name: "test",
        package: None,
        books: Books::None,
        note: "",
    };

    /// Refuses everything.
    struct Full;

    impl Peer for Full {
        const ROW: Row = ROW;

        fn new(_: u32, _: &[u32]) -> Result<Self> {
            Ok(Self)
        }

        fn take(&mut self, _: Size) -> Option<u32> {
            None
        }

        fn give(&mut self, page: u32, _: Size) {
            panic!("page {page} was never handed out");
        }
    }

    #[test]
    fn what_is_refused_is_counted_and_not_given_back() {
        let mut lane = lane::<Full>(8, 2, &[]).unwrap();
        let calls = [
            Call::Take,
            Call::Give,
            Call::TakeBelow(4),
            Call::Give,
            Call::Give,
        ];
        let op = |call| Op {
            slot: 1,
            size: Size::pages(1),
            call,
        };

        let missed = lane.run(&calls.map(op));

        let expected = Missed {
            refused: 1,
            limited_refused: 1,
            skipped: 3,
        };
        assert_eq!(missed, expected);
        assert_eq!(lane.page(1), None);
    }

    /// Hands out single pages in an odd order: 0, 3, 6 …, then 1, 4 …, then 2, 5 …
    struct Thirds {
        pages: u32,
        next: u32,
    }

    impl Peer for Thirds {
        const ROW: Row = ROW;

        fn new(pages: u32, _: &[u32]) -> Result<Self> {
            Ok(Self { pages, next: 0 })
        }

        fn take(&mut self, _: Size) -> Option<u32> {
            let page = self.next;
            self.next += 3;
            if self.next >= self.pages {
                self.next = self.next % 3 + 1;
            }
            Some(page)
        }

        fn give(&mut self, _: u32, _: Size) {}
    }

    #[test]
    fn of_a_checkerboard_every_other_page_is_taken_in_whichever_order_pages_come() {
        let effort = Effort {
            rounds: 1,
            calls: 64,
        };
        let script = workloads::named(&["chkFail".to_owned()]).unwrap()[0].script(3 * 64, effort);

        let lane = aged(&Entry::of::<Thirds>(), &script, Duration::MAX).unwrap();

        let mut pages: Vec<u32> = (0..3 * 64).filter_map(|slot| lane.page(slot)).collect();
        pages.sort_unstable();
        assert_eq!(pages, (0..96).map(|page| 2 * page + 1).collect::<Vec<_>>());
    }
}
