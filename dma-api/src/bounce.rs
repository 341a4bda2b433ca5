//! Must it bounce? Decided here and nowhere else, from numbers alone: where memory is, what the device demands, and
//! whose the cache lines at its edges are.

use core::{num::NonZeroUsize, ptr::NonNull};

use crate::{
    addr::{DmaAddr, DmaRange, PhysRange},
    costs::Costs,
    error::Error,
    limits::{Alignment, Limits},
    slots::Shape,
};

/// How a loan may be met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Where it is if that is right; otherwise its edges bounce, or all of it.
    #[default]
    Automatic,
    /// Where it is, or an error that says why that would be wrong.
    Reject,
}

/// What a loan takes, known before it is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoanCost {
    /// Segments for the device, at most: those that happen to be adjacent become one.
    pub segments: usize,
    /// Bytes that are copied before the hand-over, and again after the hand-back if the device wrote them all.
    pub bytes_bounced: usize,
    /// Bytes that are copied in all, if the device writes all that it can.
    pub bytes_copied: usize,
    /// Operations on cache lines in all, at hand-over and hand-back, as far as lines hold bytes of the loan: those that pad
    /// a slot's granule are not counted, and a line in which two stretches meet is counted for both.
    pub lines_maintained: usize,
    /// Waits for completion.
    pub completions: usize,
}

impl LoanCost {
    /// In the machine's units.
    pub(crate) fn total(&self, costs: &Costs) -> u128 {
        let product = |count: usize, each: u32| (count as u128).saturating_mul(u128::from(each));
        product(self.bytes_copied, costs.copy_byte)
            .saturating_add(product(self.lines_maintained, costs.maintain_line))
            .saturating_add(product(self.completions, costs.complete))
    }
}

/// A stretch of memory that is contiguous for the CPU and, where it has addresses there, for the bus and the device.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub(crate) memory: NonNull<[u8]>,
    /// Its addresses, or why it has none.
    pub(crate) place: Result<(PhysRange, DmaRange), Error>,
}

/// What memory for a transfer must meet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) limits: Limits,
    /// What device-written bytes own whole ones of; 1 where that does not matter.
    pub(crate) granule: Alignment,
}

/// How much of a piece must bounce at either end, and why; all of it if the two make its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) head: usize,
    pub(crate) tail: usize,
    pub(crate) reason: Option<Error>,
}

impl Terms {
    /// The decision.
    pub(crate) fn cut(&self, piece: &Piece) -> Cut {
        let len = piece.memory.len();
        let all = |reason| Cut {
            head: len,
            tail: 0,
            reason: Some(reason),
        };
        let (phys, dma) = match piece.place {
            Ok(place) => place,
            Err(reason) => return all(reason),
        };
        if let Err(reason) = self.limits.reaches(dma) {
            return all(reason);
        }
        let cpu = piece.memory.cast::<u8>().addr().get();
        let place = Views {
            cpu: cpu as u64,
            phys: phys.start().get(),
            dma: dma.start().get(),
        };
        let alignment = self.limits.segment_alignment();
        let misaligned = Error::Misaligned {
            addr: place.dma,
            alignment: alignment.get(),
        };
        let shared = Error::SharedLine {
            cpu,
            len,
            granule: usize::try_from(self.granule.get()).unwrap_or(usize::MAX),
        };
        let (begins, fits) = (self.on_granule(place, 0), alignment.divides(place.dma));
        let ends = self.on_granule(place, len as u64);
        let reason = if !fits {
            misaligned
        } else if !(begins && ends) {
            shared
        } else {
            return Cut {
                head: 0,
                tail: 0,
                reason: None,
            };
        };
        let head = if fits && begins {
            Some(0)
        } else {
            self.first_joint(place)
        };
        let last = if ends {
            Some(len as u64)
        } else {
            self.last_joint(place, len as u64)
        };
        match (head, last) {
            (Some(head), Some(last)) if head < last => Cut {
                // Both are at most the length.
                head: usize::try_from(head).unwrap_or(len),
                tail: usize::try_from((len as u64).wrapping_sub(last)).unwrap_or(0),
                reason: Some(reason),
            },
            _ => all(reason),
        }
    }

    /// Whether no granule lies across the edge at `offset`.
    fn on_granule(&self, place: Views, offset: u64) -> bool {
        let edges = [place.cpu, place.phys].map(|start| start.wrapping_add(offset));
        edges.iter().all(|edge| self.granule.divides(*edge))
    }

    /// Whether one part may end and another begin at `offset`.
    fn is_joint(&self, place: Views, offset: u64) -> bool {
        self.on_granule(place, offset) && self.joint().divides(place.dma.wrapping_add(offset))
    }

    /// What the device's addresses of inner edges are multiples of.
    fn joint(&self) -> Alignment {
        self.limits
            .segment_alignment()
            .max(self.limits.segment_page())
    }

    /// The first place at which a part may begin, if the addresses agree on one.
    fn first_joint(&self, place: Views) -> Option<u64> {
        let distance = if self.joint() >= self.granule {
            self.joint().distance_up(place.dma)
        } else {
            self.granule.distance_up(place.phys)
        };
        self.is_joint(place, distance).then_some(distance)
    }

    /// The last place at which a part may end, if the addresses agree on one.
    fn last_joint(&self, place: Views, len: u64) -> Option<u64> {
        let (unit, start) = if self.joint() >= self.granule {
            (self.joint(), place.dma)
        } else {
            (self.granule, place.phys)
        };
        let past = start.wrapping_add(len) & unit.mask();
        let last = len.checked_sub(past)?;
        self.is_joint(place, last).then_some(last)
    }
}

/// The first byte in the three views.
#[derive(Clone, Copy)]
struct Views {
    cpu: u64,
    phys: u64,
    dma: u64,
}

/// Which of the ways that are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Each piece as far as it can be where it is.
    Pieces,
    /// All of it through one run of slots.
    Whole,
}

/// A part of a transfer: bytes of the owner's, and where the device finds them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Laid {
    pub(crate) home: NonNull<[u8]>,
    pub(crate) at: At,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum At {
    Home(PhysRange, DmaRange),
    /// In the run of slots, so many bytes from its start.
    Run(usize),
}

/// The parts of a transfer, in order.
#[derive(Clone, Debug)]
pub(crate) struct Layout<I> {
    terms: Terms,
    way: Way,
    pieces: I,
    /// The rest of the piece that is being laid out, and how far it is.
    piece: Option<(Piece, Cut, usize)>,
    /// Bytes of the run that are in use.
    run: usize,
}

impl<I: Iterator<Item = Piece>> Layout<I> {
    pub(crate) fn new(terms: &Terms, way: Way, pieces: I) -> Self {
        Self {
            terms: *terms,
            way,
            pieces,
            piece: None,
            run: 0,
        }
    }

    /// Bytes of the run that the parts so far lie in.
    pub(crate) const fn run_len(&self) -> usize {
        self.run
    }

    /// Where in the run bytes go that have this address: at the same place in the device's page, or where the device's
    /// alignment allows before it, and in a granule of their own unless all of the transfer is there.
    fn put(&mut self, home: u64, len: usize) -> usize {
        let unit = self.terms.run_unit().get();
        let page = self.terms.limits.segment_page();
        let from = match self.way {
            Way::Whole if self.run > 0 => self.run as u64,
            Way::Whole | Way::Pieces => {
                let from = (self.run as u64).next_multiple_of(unit);
                let home = home & !self.terms.limits.segment_alignment().mask();
                from.wrapping_add(home.wrapping_sub(from) & page.mask())
            }
        };
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        self.run = from.saturating_add(len);
        from
    }
}

impl Terms {
    /// What bounced parts begin at a multiple of, but for their offset in a page.
    pub(crate) fn run_unit(&self) -> Alignment {
        self.granule.max(self.limits.segment_alignment())
    }

    /// What a run must be like that has `len` bytes in use.
    pub(crate) fn shape(&self, len: usize) -> Option<Shape> {
        let len = NonZeroUsize::new(len)?;
        let unit = self.run_unit().max(self.limits.segment_page());
        let boundary = self.limits.segment_boundary();
        // A run that is longer than the boundary starts on one, so that it has as few segments as can be.
        let (alignment, boundary) = match boundary {
            Some(boundary) if (len.get() as u64) > boundary.get() => (unit.max(boundary), None),
            other => (unit, other),
        };
        Some(Shape {
            len,
            alignment,
            boundary,
        })
    }
}

impl<I: Iterator<Item = Piece>> Iterator for Layout<I> {
    type Item = Laid;

    fn next(&mut self) -> Option<Laid> {
        let (piece, cut, done) = match self.piece.take() {
            Some(piece) => piece,
            None => {
                let piece = self.pieces.next()?;
                let len = piece.memory.len();
                let cut = match self.way {
                    Way::Pieces => self.terms.cut(&piece),
                    Way::Whole => Cut {
                        head: len,
                        tail: 0,
                        reason: None,
                    },
                };
                (piece, cut, 0)
            }
        };
        let len = piece.memory.len();
        let last = len.saturating_sub(cut.tail);
        let end = if done < cut.head {
            cut.head
        } else if done < last {
            last
        } else {
            len
        };
        let middle = done >= cut.head && done < last;
        let count = end.saturating_sub(done);
        let start = piece.memory.cast::<u8>().as_ptr().wrapping_add(done);
        let start = NonNull::new(start).unwrap_or(piece.memory.cast());
        let home = NonNull::slice_from_raw_parts(start, count);
        let at = match piece.place {
            Ok((phys, dma)) if middle => At::Home(
                part(phys.start().get(), done, count, PhysRange::new_from)?,
                part(dma.start().get(), done, count, DmaRange::new_from)?,
            ),
            Ok((_, dma)) => At::Run(self.put(dma.start().get().wrapping_add(done as u64), count)),
            Err(_) => At::Run(self.put(start.addr().get() as u64, count)),
        };
        if end < len {
            self.piece = Some((piece, cut, end));
        }
        Some(Laid { home, at })
    }
}

/// `count` bytes of a range that begins at `start`, `done` bytes behind that.
fn part<R>(
    start: u64,
    done: usize,
    count: usize,
    make: fn(u64, u64) -> Result<R, Error>,
) -> Option<R> {
    make(start.wrapping_add(done as u64), count as u64).ok()
}

impl PhysRange {
    fn new_from(start: u64, len: u64) -> Result<Self, Error> {
        Self::new(crate::addr::PhysAddr::new(start), len)
    }
}

impl DmaRange {
    fn new_from(start: u64, len: u64) -> Result<Self, Error> {
        Self::new(DmaAddr::new(start), len)
    }
}
