//! Equal blocks: how long they are, where they lie in memory, and which requests any of them meets.

use core::{num::NonZeroUsize, ops::Range};

use crate::{
    addr::PhysAddr,
    error::Error,
    limits::{Alignment, Request},
};

/// Longest chunk, in bytes, that an [`ObjectPool`](crate::ObjectPool) takes at a time, and so the longest block.
pub const MAX_CHUNK_LEN: usize = LONGEST as usize;

/// Most blocks of one chunk that are used: their bits are one word.
pub const MAX_BLOCKS: usize = MOST as usize;

const LONGEST: u32 = 1 << 20;

const MOST: u32 = u64::BITS;

/// What the blocks of an [`ObjectPool`](crate::ObjectPool) or a [`Reserve`](crate::Reserve) are like.
///
/// What is fixed here every block has, so that a request is judged without a look at any block, in constant time. Such a
/// pool meets a request only if
/// * it is not longer than a block;
/// * its alignment is not above [`natural`](Self::natural);
/// * its boundary, if it has one, is not below [`finest_boundary`](Self::finest_boundary);
/// * its bus offset differs from the layout's by a multiple of these two, or not at all;
///
/// and refuses it with [`Error::NeverFits`] otherwise, though one block or another might happen to meet it. The lowest and
/// the highest address of a request are compared with those of the blocks.
///
/// A request says by its length and alignment which write-back granule it may be for: any that divides both. The natural
/// alignment divides the length of the blocks, and so does every granule of a request that is met: no block shares a
/// granule with the next. A layout whose blocks would is refused by the devices that do not snoop, whose requests are
/// aligned to the granule.
///
/// ```
/// use dma_api::{Alignment, Error, ObjectLayout, known};
///
/// /// Commands of 192 bytes that do not cross a page.
/// const COMMANDS: ObjectLayout = known(known(ObjectLayout::new(192, known(Alignment::new(64)))).boundary(4096));
/// # fn main() -> Result<(), Error> {
/// assert_eq!((COMMANDS.block_len(), COMMANDS.blocks_per_chunk(), COMMANDS.chunk_len()), (192, 21, 4096));
/// // 100 bytes for a granule of 64 are 128, and those of 24 bytes are not for such a granule.
/// assert_eq!(ObjectLayout::new(100, Alignment::new(64)?)?.block_len(), 128);
/// assert_eq!(ObjectLayout::new(24, Alignment::new(8)?)?.natural().get(), 8);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectLayout {
    /// Invariant: 1 to `MAX_CHUNK_LEN`.
    len: u32,
    by_len: Divisor,
    /// Invariant: it divides `len`.
    natural: Alignment,
    boundary: Option<Alignment>,
    /// Invariant: what is between two boundaries is `1 << segment_shift` bytes and has that many whole blocks, or
    /// there is no boundary, and the numbers are above any that occurs.
    segment_shift: u32,
    per_segment: u32,
    by_segment: Divisor,
    /// Invariant: a power of two from `len` to `MAX_CHUNK_LEN`.
    chunk_len: u32,
    /// Invariant: 1 to `MAX_BLOCKS`.
    blocks: u32,
    lowest: PhysAddr,
    /// Invariant: `highest >= lowest`.
    highest: PhysAddr,
    bus_offset: u64,
}

impl ObjectLayout {
    /// Blocks of `len` bytes, rounded up to a multiple of `alignment`, each at a multiple of it. For devices that do not
    /// snoop it must be a multiple of the write-back granule.
    ///
    /// A chunk is as long as eight blocks, at least 4 KiB, and not so long that more than [`MAX_BLOCKS`] fit; a power of
    /// two.
    ///
    /// # Errors
    /// [`Error::ZeroLength`]; [`Error::NeverFits`] for blocks longer than [`MAX_CHUNK_LEN`].
    pub const fn new(len: usize, alignment: Alignment) -> Result<Self, Error> {
        if len == 0 {
            return Err(Error::ZeroLength);
        }
        let too_long = Error::NeverFits {
            len,
            capacity: MAX_CHUNK_LEN,
        };
        let rounded = match (len as u64).checked_next_multiple_of(alignment.get()) {
            Some(rounded) => narrow(rounded, LONGEST as u64),
            None => None,
        };
        let Some(len) = rounded else {
            return Err(too_long);
        };
        let natural = match Alignment::new(1 << len.trailing_zeros()) {
            Ok(natural) => natural,
            Err(error) => return Err(error),
        };
        let eight = max(len.saturating_mul(8).next_power_of_two(), 4096);
        let filled = 1 << len.saturating_mul(MOST).ilog2();
        let chunk_len = min(min(eight, filled), LONGEST);
        Ok(Self {
            len,
            by_len: Divisor::new(len),
            natural,
            boundary: None,
            segment_shift: u32::BITS,
            per_segment: u32::MAX,
            by_segment: Divisor::new(u32::MAX),
            chunk_len,
            blocks: 0,
            lowest: PhysAddr::new(0),
            highest: PhysAddr::new(u64::MAX),
            bus_offset: 0,
        }
        .counted())
    }

    /// The same with no block crossing a multiple of `bytes`, in the device's addresses.
    ///
    /// # Errors
    /// [`Error::NotPowerOfTwo`]; [`Error::SegmentTooLong`] if it is less than a block.
    pub const fn boundary(self, bytes: u64) -> Result<Self, Error> {
        let boundary = match Alignment::new(bytes) {
            Ok(boundary) => boundary,
            Err(error) => return Err(error),
        };
        if bytes < self.len as u64 {
            return Err(Error::SegmentTooLong {
                len: self.len as u64,
                max: bytes,
            });
        }
        let boundary = Some(boundary);
        // What is longer than all that blocks are ever cut from is no boundary inside of it.
        let Some(segment) = narrow(bytes, 1 << 31) else {
            return Ok(Self { boundary, ..self });
        };
        let per_segment = self.by_len.quotient(segment);
        Ok(Self {
            boundary,
            segment_shift: segment.trailing_zeros(),
            per_segment,
            by_segment: Divisor::new(per_segment),
            ..self
        }
        .counted())
    }

    /// The same with chunks of `bytes`, a power of two. Blocks behind the first [`MAX_BLOCKS`] of a chunk stay unused.
    ///
    /// # Errors
    /// [`Error::NotPowerOfTwo`]; [`Error::NeverFits`] if it is less than a block; [`Error::SegmentTooLong`] if it is more
    /// than [`MAX_CHUNK_LEN`].
    pub const fn chunks_of(self, bytes: usize) -> Result<Self, Error> {
        if !bytes.is_power_of_two() {
            return Err(Error::NotPowerOfTwo {
                value: bytes as u64,
            });
        }
        if bytes < self.block_len() {
            return Err(Error::NeverFits {
                len: self.block_len(),
                capacity: bytes,
            });
        }
        match narrow(bytes as u64, LONGEST as u64) {
            Some(chunk_len) => Ok(Self { chunk_len, ..self }.counted()),
            None => Err(Error::SegmentTooLong {
                len: bytes as u64,
                max: LONGEST as u64,
            }),
        }
    }

    /// The same with all blocks from the physical address `lowest` to `highest`, both included.
    ///
    /// # Errors
    /// [`Error::EmptyLimits`] if there are none.
    pub const fn between(self, lowest: PhysAddr, highest: PhysAddr) -> Result<Self, Error> {
        if lowest.get() > highest.get() {
            return Err(Error::EmptyLimits {
                lowest: lowest.get(),
                highest: highest.get(),
            });
        }
        Ok(Self {
            lowest,
            highest,
            ..self
        })
    }

    /// The same for a bus on which devices see memory so far above its physical address (wrapping): what alignment and
    /// boundary are judged by, as in [`Request`].
    #[must_use]
    pub const fn bus_offset(self, bus_offset: u64) -> Self {
        Self { bus_offset, ..self }
    }

    /// Length of a block in bytes: that of every [`Block`](crate::Block) that is handed out.
    #[must_use]
    pub const fn block_len(&self) -> usize {
        self.len as usize
    }

    /// Length of a chunk in bytes.
    #[must_use]
    pub const fn chunk_len(&self) -> usize {
        self.chunk_len as usize
    }

    /// Blocks that a chunk has.
    #[must_use]
    pub const fn blocks_per_chunk(&self) -> usize {
        self.blocks as usize
    }

    /// What every block's address is a multiple of, and its length: the largest power of two that divides the length.
    #[must_use]
    pub const fn natural(&self) -> Alignment {
        self.natural
    }

    /// The finest boundary that no block crosses, as far as that is known without a look at them; `None` if none is.
    #[must_use]
    pub const fn finest_boundary(&self) -> Option<Alignment> {
        if self.len as u64 == self.natural.get() {
            return Some(self.natural);
        }
        self.boundary
    }

    /// Whether every block that lies between the request's lowest and highest address meets it.
    pub(crate) fn admits(&self, request: &Request) -> bool {
        let moved = self.bus_offset.wrapping_sub(request.bus_offset);
        let finest = self.finest_boundary();
        let crosses = request
            .boundary
            .is_some_and(|asked| !finest.is_some_and(|kept| kept <= asked && kept.divides(moved)));
        request.len.get() <= self.block_len()
            && request.alignment <= self.natural()
            && request.alignment.divides(moved)
            && !crosses
            && request.lowest.max(self.lowest) <= request.highest.min(self.highest)
    }

    /// What memory for blocks is asked for with: within the limits of the layout and, if it is for a request, of that.
    pub(crate) fn memory(
        &self,
        len: NonZeroUsize,
        alignment: Alignment,
        boundary: Option<Alignment>,
        limits: Option<&Request>,
    ) -> Request {
        let lowest = limits.map_or(self.lowest, |limits| limits.lowest.max(self.lowest));
        let highest = limits.map_or(self.highest, |limits| limits.highest.min(self.highest));
        Request {
            len,
            lowest,
            highest,
            alignment,
            boundary,
            bus_offset: self.bus_offset,
        }
    }

    /// Bits of an address inside its chunk.
    pub(crate) const fn chunk_shift(&self) -> u32 {
        self.chunk_len.trailing_zeros()
    }

    /// Where devices see a physical address.
    pub(crate) const fn seen(&self, phys: PhysAddr) -> u64 {
        phys.get().wrapping_add(self.bus_offset)
    }

    /// The boundary between blocks.
    pub(crate) const fn kept_boundary(&self) -> Option<Alignment> {
        self.boundary
    }

    /// Bytes up to the end of the `count`-th block, at least one.
    pub(crate) const fn span(&self, count: u32) -> u64 {
        self.before(count.saturating_sub(1))
            .saturating_add(self.len as u64)
    }

    /// Where a block begins that ends within 4 GiB, in bytes from the first.
    #[expect(clippy::cast_possible_truncation, reason = "it ends within 4 GiB")]
    pub(crate) const fn offset_of(&self, index: u32) -> u32 {
        self.before(index) as u32
    }

    /// Bytes before a block.
    const fn before(&self, index: u32) -> u64 {
        if self.segment_shift == u32::BITS {
            return (index as u64).wrapping_mul(self.len as u64);
        }
        let segment = self.by_segment.quotient(index);
        let inside = index.wrapping_sub(segment.wrapping_mul(self.per_segment));
        let bytes = (inside as u64).wrapping_mul(self.len as u64);
        ((segment as u64) << self.segment_shift).wrapping_add(bytes)
    }

    /// Which block begins there, in bytes from the first.
    pub(crate) const fn index_of(&self, offset: u32) -> Option<u32> {
        let (first, inside) = self.segment_of(offset);
        let index = self.by_len.quotient(inside);
        if index >= self.per_segment || index.wrapping_mul(self.len) != inside {
            return None;
        }
        Some(first.saturating_add(index))
    }

    /// Of `count` blocks from `start` on, those that lie between the request's lowest and highest address.
    pub(crate) fn within(&self, start: PhysAddr, count: u32, request: &Request) -> Range<u32> {
        let lowest = request.lowest.max(self.lowest).get();
        let highest = request.highest.min(self.highest).get();
        let first = self.blocks_before(lowest.saturating_sub(start.get()), count);
        // A block that begins so far from the start, or farther, ends behind the highest address.
        let too_far = highest.checked_sub(start.get()).map_or(0, |last| {
            last.saturating_add(2).saturating_sub(u64::from(self.len))
        });
        let end = self.blocks_before(too_far, count);
        first..end
    }

    /// How many of `count` blocks begin before that offset.
    fn blocks_before(&self, offset: u64, count: u32) -> u32 {
        let Ok(offset) = u32::try_from(offset) else {
            return count;
        };
        let (first, inside) = self.segment_of(offset);
        let whole = self.by_len.quotient(inside);
        let begun = u32::from(whole.wrapping_mul(self.len) != inside);
        let inside = whole.saturating_add(begun).min(self.per_segment);
        first.saturating_add(inside).min(count)
    }

    /// The first block of the segment of an offset, and what is left of the offset.
    const fn segment_of(&self, offset: u32) -> (u32, u32) {
        let Some(segment) = offset.checked_shr(self.segment_shift) else {
            return (0, offset);
        };
        let inside = offset.wrapping_sub(segment << self.segment_shift);
        (segment.saturating_mul(self.per_segment), inside)
    }

    /// The same, with the blocks of a chunk counted.
    const fn counted(self) -> Self {
        let fit = match self.chunk_len.checked_shr(self.segment_shift) {
            Some(segments) if segments > 0 => segments.saturating_mul(self.per_segment),
            _ => self.by_len.quotient(self.chunk_len),
        };
        Self {
            blocks: min(fit, MOST),
            ..self
        }
    }
}

const fn min(one: u32, two: u32) -> u32 {
    if one < two { one } else { two }
}

const fn max(one: u32, two: u32) -> u32 {
    if one > two { one } else { two }
}

/// `value`, if it is at most `most`, which a `u32` can hold.
#[expect(clippy::cast_possible_truncation, reason = "that is what is checked")]
const fn narrow(value: u64, most: u64) -> Option<u32> {
    if value <= most {
        Some(value as u32)
    } else {
        None
    }
}

/// A number that is divided by, by multiplication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Divisor {
    /// 2^64 divided by the number, rounded up; 0 for the number 1.
    reciprocal: u64,
}

impl Divisor {
    /// `number` is not 0.
    const fn new(number: u32) -> Self {
        let below = match u64::MAX.checked_div(number as u64) {
            Some(below) => below,
            None => 0,
        };
        Self {
            reciprocal: below.wrapping_add(1),
        }
    }

    /// `value` divided by the number, rounded down. The reciprocal is too large by less than one part in 2^32 of the
    /// product, which no numbers of 32 bits notice.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the quotient is not above the value"
    )]
    const fn quotient(self, value: u32) -> u32 {
        if self.reciprocal == 0 {
            return value;
        }
        ((value as u128).wrapping_mul(self.reciprocal as u128) >> u64::BITS) as u32
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{format, vec::Vec};

    use super::*;

    #[test]
    fn a_divisor_divides() {
        let numbers = (1..=70).chain((7..20).flat_map(|bits| {
            let power = 1_u32 << bits;
            [
                power.saturating_sub(1),
                power,
                power.saturating_add(1),
                u32::MAX >> bits,
            ]
        }));
        for number in numbers.chain([u32::MAX - 1, u32::MAX]) {
            let divisor = Divisor::new(number);
            for nth in [
                0,
                1,
                2,
                3,
                63,
                64,
                1000,
                u32::MAX.checked_div(number).unwrap(),
            ] {
                let Some(multiple) = number.checked_mul(nth) else {
                    continue;
                };
                for value in multiple.saturating_sub(2)..=multiple.saturating_add(2) {
                    let expected = value.checked_div(number).unwrap();
                    assert_eq!(divisor.quotient(value), expected, "{value} / {number}");
                }
            }
        }
    }

    /// A block's first byte for each of the blocks of 8 KiB, found by trying.
    fn offsets(len: u32, boundary: Option<u32>) -> Vec<u32> {
        let (mut found, mut at) = (Vec::new(), 0_u32);
        while let last = at.saturating_add(len).saturating_sub(1)
            && last < 8192
        {
            match boundary.map(|bytes| (at & bytes.wrapping_neg(), last & bytes.wrapping_neg())) {
                Some((one, two)) if one != two => at = two,
                _ => {
                    found.push(at);
                    at = at.saturating_add(len);
                }
            }
        }
        found
    }

    fn layouts() -> impl Iterator<Item = (ObjectLayout, Vec<u32>)> {
        let lengths = [1_u32, 8, 24, 63, 64, 96, 100, 192, 500, 2048, 3000];
        lengths.into_iter().flat_map(|len| {
            let boundaries = [
                None,
                Some(64),
                Some(256),
                Some(1024),
                Some(4096),
                Some(1 << 20),
            ];
            boundaries.into_iter().filter_map(move |boundary| {
                let layout = ObjectLayout::new(len as usize, Alignment::ONE).ok()?;
                let layout = match boundary {
                    Some(bytes) => layout.boundary(u64::from(bytes)).ok()?,
                    None => layout,
                };
                Some((layout, offsets(len, boundary)))
            })
        })
    }

    #[test]
    fn blocks_lie_where_trying_puts_them() {
        for (layout, offsets) in layouts() {
            let count = u32::try_from(offsets.len()).unwrap();
            let found: Vec<_> = (0..count).map(|index| layout.offset_of(index)).collect();
            assert_eq!(found, offsets, "{layout:?}");
            let last = u64::from(*offsets.last().unwrap());
            assert_eq!(
                layout.span(count),
                last.saturating_add(u64::from(layout.len))
            );
        }
    }

    #[test]
    fn only_the_first_byte_of_a_block_is_a_block() {
        for (layout, offsets) in layouts() {
            for offset in 0..=*offsets.last().unwrap() {
                let expected = offsets.iter().position(|start| *start == offset);
                let found = layout.index_of(offset).map(|index| index as usize);
                assert_eq!(found, expected, "{offset} of {layout:?}");
            }
        }
    }

    #[test]
    fn the_blocks_within_addresses_are_those_that_trying_finds() {
        const START: u64 = 0x8000;
        for (layout, offsets) in layouts().filter(|(layout, _)| layout.len > 50) {
            let count = u32::try_from(offsets.len().min(20)).unwrap();
            let edges = (0..4200)
                .step_by(37)
                .chain(offsets.iter().map(|at| u64::from(*at)));
            for (edge, near) in edges.flat_map(|edge| [0, 1, 2].map(|near| (edge, near))) {
                let at = START.saturating_add(edge).saturating_sub(near);
                let check = |lowest: u64, highest: u64| {
                    let mut request = Request::anywhere(NonZeroUsize::MIN);
                    (request.lowest, request.highest) =
                        (PhysAddr::new(lowest), PhysAddr::new(highest));
                    let len = u64::from(layout.len);
                    let met = |offset: &u32| {
                        let first = START.saturating_add(u64::from(*offset));
                        lowest <= first && first.saturating_add(len).saturating_sub(1) <= highest
                    };
                    let blocks = offsets.iter().take(count as usize);
                    let expected = blocks.clone().filter(|at| met(at)).count();
                    let first = blocks.clone().position(met);
                    let found = layout.within(PhysAddr::new(START), count, &request);
                    let text = format!("{lowest:#x}..={highest:#x} {layout:?}");
                    assert_eq!(found.len(), expected, "{text}");
                    assert!(
                        expected == 0 || first == Some(found.start as usize),
                        "{text}"
                    );
                };
                check(0, at);
                check(at, u64::MAX);
                check(at, at.saturating_add(1200));
            }
        }
    }
}
