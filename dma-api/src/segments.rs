//! Memory as the segments a device accepts: merged where it is adjacent, cut where a limit demands it.

use crate::{
    addr::{DmaAddr, DmaRange},
    error::Error,
    limits::Limits,
};

/// The segments of one transfer, in order, as few as the limits allow.
///
/// It is an iterator that can be left and resumed, to fill a device's list of descriptors piece by piece, and cloned, to
/// count before anything is written. After an error it ends. [`collect`] and [`encode`] do it all at once, or not at all.
///
/// ```
/// use dma_api::{DmaAddr, DmaMask, DmaRange, Limits, Segments};
/// # fn main() -> Result<(), dma_api::Error> {
/// let limits = Limits::new(DmaMask::bits(32)?).boundary(0x1000)?;
/// let pages = [(0x8000, 0x1000), (0x9000, 0x800), (0xc000, 0x10)];
/// let ranges = pages.map(|(start, len)| DmaRange::new(DmaAddr::new(start), len).unwrap());
///
/// let mut segments = Segments::new(&limits, ranges);
/// assert_eq!(segments.next().unwrap()?, ranges[0]);
/// assert_eq!(segments.count(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Segments<I> {
    limits: Limits,
    ranges: I,
    /// What has not been given out of the ranges that were looked at: adjacent ones as one.
    rest: Option<DmaRange>,
    /// The range behind `rest`, which is not adjacent to it.
    ahead: Option<DmaRange>,
    previous: Option<DmaRange>,
    count: u32,
    failed: bool,
}

impl<I: Iterator<Item = DmaRange>> Segments<I> {
    /// The segments that `ranges` make, one range behind the other, for a device with these limits.
    pub fn new(limits: &Limits, ranges: impl IntoIterator<IntoIter = I>) -> Self {
        let mut ranges = ranges.into_iter();
        Self {
            limits: *limits,
            ahead: ranges.next(),
            ranges,
            rest: None,
            previous: None,
            count: 0,
            failed: false,
        }
    }

    /// The next stretch of adjacent ranges as one.
    fn merge(&mut self) -> Option<DmaRange> {
        let mut merged = self.ahead.take()?;
        for next in self.ranges.by_ref() {
            match merged.join(next) {
                Some(both) => merged = both,
                None => {
                    self.ahead = Some(next);
                    break;
                }
            }
        }
        Some(merged)
    }

    /// The front of `range` that is one segment, and what is left.
    fn cut(&self, range: DmaRange) -> Result<(DmaRange, Option<DmaRange>), Error> {
        let whole = self.limits.check(range);
        let inner = match whole {
            Ok(()) => return Ok((range, None)),
            Err(Error::SegmentTooLong { .. } | Error::CrossesBoundary { .. }) => range,
            Err(error) => return Err(error),
        };
        let at = self.limits.longest_front(inner);
        let (front, rest) = at.and_then(|at| inner.split_at(at)).ok_or_else(|| {
            // No cut helps: the error is the one that the whole has.
            whole.err().unwrap_or(Error::ZeroLength)
        })?;
        // The address limits of the front; those of the rest are judged when it is cut.
        self.limits.check(front)?;
        Ok((front, Some(rest)))
    }

    fn step(&mut self, range: DmaRange) -> Result<DmaRange, Error> {
        let (segment, rest) = self.cut(range)?;
        if let Some(previous) = self.previous {
            self.limits.check_joint(previous, segment)?;
        }
        let max = self.limits.segment_count();
        if self.count >= max {
            let segments = usize::try_from(max).unwrap_or(usize::MAX).saturating_add(1);
            return Err(Error::TooManySegments { segments, max });
        }
        self.count = self.count.saturating_add(1);
        self.previous = Some(segment);
        self.rest = rest;
        Ok(segment)
    }
}

impl<I: Iterator<Item = DmaRange>> Iterator for Segments<I> {
    /// A segment that meets every limit, or why there is none:
    /// * [`Error::BelowLowest`], [`Error::AboveHighest`], [`Error::Misaligned`] of a range;
    /// * [`Error::SegmentTooLong`], [`Error::CrossesBoundary`] where no cut leaves aligned parts;
    /// * [`Error::InnerEdge`] where ranges that are not adjacent meet inside a page;
    /// * [`Error::TooManySegments`] with the first one too many.
    type Item = Result<DmaRange, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let range = match self.rest.take() {
            Some(rest) => rest,
            None => self.merge()?,
        };
        let step = self.step(range);
        self.failed = step.is_err();
        Some(step)
    }
}

impl DmaRange {
    /// Both as one, if `next` begins right behind this one.
    fn join(self, next: Self) -> Option<Self> {
        let behind = self.last().checked_add(1)?;
        let len = self.len_bytes().checked_add(next.len_bytes())?;
        (behind == next.start())
            .then(|| Self::new(self.start(), len).ok())
            .flatten()
    }
}

impl Limits {
    /// Bytes at the front of a range that is too long for one segment, or crosses a boundary, that make the longest
    /// segment behind which another may follow; `None` if there is no such place.
    fn longest_front(&self, range: DmaRange) -> Option<u64> {
        let start = range.start().get();
        let longest = self.longest_segment();
        let to_boundary = self.segment_boundary().map_or(u64::MAX, |boundary| {
            boundary.get().wrapping_sub(start & boundary.mask())
        });
        let room = longest
            .min(to_boundary)
            .min(range.len_bytes().wrapping_sub(1));
        // Another segment starts where this one ends.
        let joint = self.segment_alignment().max(self.segment_page());
        let past = start.wrapping_add(room) & joint.mask();
        room.checked_sub(past).filter(|front| *front > 0)
    }
}

/// Writes the segments of one transfer to the caller's storage, all or none of them, and returns those.
///
/// # Errors
/// As [`Segments`] has them; [`Error::TooManyParts`] if the storage is too small. Then it holds nothing of use.
pub fn collect<'s>(
    limits: &Limits,
    ranges: impl IntoIterator<Item = DmaRange>,
    storage: &'s mut [DmaRange],
) -> Result<&'s [DmaRange], Error> {
    encode(limits, ranges, storage, |segment, _| Ok(segment))
}

/// Where a segment is among those of its transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Another one follows.
    Inner,
    /// None follows.
    Last,
}

/// Writes the segments of one transfer to the caller's storage in the device's own format: `descriptor` makes one of
/// each, and refuses, rather than truncates, what its fields do not hold ([`field`]). All or none of them.
///
/// The storage is ordinary memory: an array that is then copied to where the device reads it.
///
/// ```
/// use dma_api::{DmaAddr, DmaMask, DmaRange, Limits, segments::{self, Place}};
/// use dma_api::zerocopy::little_endian::{U16, U32};
///
/// /// A line of an SD host controller's ADMA2 table (SD host controller specification, advanced DMA).
/// #[derive(Clone, Copy, Debug, Default, PartialEq)]
/// #[repr(C)]
/// struct Adma2 {
///     attributes: U16,
///     len: U16,
///     addr: U32,
/// }
/// # fn main() -> Result<(), dma_api::Error> {
/// let limits = Limits::new(DmaMask::bits(32)?).alignment(4)?.max_segment_len(0xffff)?;
/// let buffer = DmaRange::new(DmaAddr::new(0x8000_0000), 0x1_0004)?;
///
/// let mut table = [Adma2::default(); 4];
/// let table = segments::encode(&limits, [buffer], &mut table, |segment, place| {
///     Ok(Adma2 {
///         attributes: U16::new(if place == Place::Last { 0x23 } else { 0x21 }),
///         len: segments::field(segment.len_bytes(), 16)?.try_into().map(U16::new).unwrap(),
///         addr: segments::field(segment.start().get(), 32)?.try_into().map(U32::new).unwrap(),
///     })
/// })?;
/// assert_eq!((table[0].len.get(), table[1].len.get()), (0xfffc, 8));
/// assert_eq!(table[1].addr.get(), 0x8000_fffc);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`Segments`] has them; those of `descriptor`; [`Error::TooManyParts`] if the storage is too small. Then it holds
/// nothing of use.
pub fn encode<'s, T>(
    limits: &Limits,
    ranges: impl IntoIterator<Item = DmaRange>,
    storage: &'s mut [T],
    mut descriptor: impl FnMut(DmaRange, Place) -> Result<T, Error>,
) -> Result<&'s [T], Error> {
    let capacity = storage.len();
    let mut segments = Segments::new(limits, ranges).peekable();
    let mut used: usize = 0;
    while let Some(segment) = segments.next() {
        let place = match segments.peek() {
            Some(_) => Place::Inner,
            None => Place::Last,
        };
        let slot = storage
            .get_mut(used)
            .ok_or(Error::TooManyParts { capacity })?;
        *slot = descriptor(segment?, place)?;
        used = used.saturating_add(1);
    }
    Ok(storage.get(..used).unwrap_or_default())
}

/// `value` for a field of a descriptor that has `bits` bits, from 0 to 64.
///
/// # Errors
/// [`Error::FieldOverflow`] if it has more.
pub const fn field(value: u64, bits: u32) -> Result<u64, Error> {
    match value.checked_shr(bits) {
        Some(0) | None => Ok(value),
        Some(_) => Err(Error::FieldOverflow { value, bits }),
    }
}

impl DmaAddr {
    /// The high and the low word, for descriptors that keep them apart.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the words are 32 bits each"
    )]
    pub const fn words(self) -> (u32, u32) {
        ((self.get() >> 32) as u32, self.get() as u32)
    }
}
