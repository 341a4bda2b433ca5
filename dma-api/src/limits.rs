//! What a device can address, and where memory for it may lie: judged here and nowhere else.

use core::num::{NonZeroU32, NonZeroU64, NonZeroUsize};

use crate::{
    addr::{DmaAddr, DmaRange, PhysAddr, PhysRange},
    error::Error,
};

/// A power of two, in bytes: what an address must be a multiple of, or must not cross a multiple of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Alignment(NonZeroU64);

impl Alignment {
    /// Every address is a multiple of it.
    pub const ONE: Self = Self(NonZeroU64::MIN);

    /// `bytes` as an alignment.
    ///
    /// # Errors
    /// [`Error::NotPowerOfTwo`], for 0 too.
    pub const fn new(bytes: u64) -> Result<Self, Error> {
        match NonZeroU64::new(bytes) {
            Some(value) if bytes.is_power_of_two() => Ok(Self(value)),
            _ => Err(Error::NotPowerOfTwo { value: bytes }),
        }
    }

    /// In bytes.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    /// The larger of the two, which is a multiple of both.
    #[must_use]
    pub const fn max(self, other: Self) -> Self {
        if self.get() >= other.get() {
            self
        } else {
            other
        }
    }

    /// The smallest multiple that is not below `len`.
    ///
    /// # Errors
    /// [`Error::LengthOverflow`].
    pub fn round_up(self, len: NonZeroUsize) -> Result<NonZeroUsize, Error> {
        let overflow = Error::LengthOverflow {
            len: len.get() as u64,
            multiple: self.get(),
        };
        let multiple = usize::try_from(self.get()).map_err(|_| overflow)?;
        len.get()
            .checked_next_multiple_of(multiple)
            .and_then(NonZeroUsize::new)
            .ok_or(overflow)
    }

    pub(crate) const fn min(self, other: Self) -> Self {
        if self.get() <= other.get() {
            self
        } else {
            other
        }
    }

    /// How many whole ones of it are in `bytes`.
    pub(crate) const fn whole_in(self, bytes: u64) -> u64 {
        bytes >> self.get().trailing_zeros()
    }

    /// All ones below the power of two.
    #[expect(clippy::arithmetic_side_effects, reason = "it is not zero")]
    pub(crate) const fn mask(self) -> u64 {
        self.get() - 1
    }

    /// Whether `value` is a multiple of it.
    #[must_use]
    pub const fn divides(self, value: u64) -> bool {
        value & self.mask() == 0
    }

    /// How far `value` is below the next multiple (0 on one), around the end of the address space.
    pub(crate) const fn distance_up(self, value: u64) -> u64 {
        value.wrapping_neg() & self.mask()
    }
}

/// The highest address a device can drive: all ones below its number of address bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DmaMask(DmaAddr);

impl DmaMask {
    /// The mask of a device with `bits` address lines, 1 to 64.
    ///
    /// # Errors
    /// [`Error::MaskBits`].
    pub const fn bits(bits: u32) -> Result<Self, Error> {
        match 64_u32.checked_sub(bits) {
            Some(unused) if bits > 0 => Ok(Self(DmaAddr::new(u64::MAX >> unused))),
            _ => Err(Error::MaskBits { bits }),
        }
    }

    /// The highest address.
    #[must_use]
    pub const fn highest(self) -> DmaAddr {
        self.0
    }
}

/// Everything a device, or the bus it sits on, demands of the memory it is given.
///
/// All of it is in DMA addresses. Limits compose: what reaches a device through a bus must meet both
/// ([`meet`](Self::meet)).
///
/// ```
/// use dma_api::{DmaMask, Limits};
/// # fn main() -> Result<(), dma_api::Error> {
/// let engine = Limits::new(DmaMask::bits(32)?).alignment(16)?.boundary(0x1_0000)?;
/// let bus = Limits::new(DmaMask::bits(30)?);
/// assert_eq!(engine.meet(bus)?.highest().get(), 0x3fff_ffff);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    lowest: DmaAddr,
    /// Invariant: `highest >= lowest`.
    highest: DmaAddr,
    alignment: Alignment,
    boundary: Option<Alignment>,
    max_segment_len: NonZeroU64,
    max_segments: NonZeroU32,
    page: Alignment,
}

impl Limits {
    /// A device that accepts any memory.
    pub const UNLIMITED: Self = Self {
        lowest: DmaAddr::new(0),
        highest: DmaAddr::new(u64::MAX),
        alignment: Alignment::ONE,
        boundary: None,
        max_segment_len: NonZeroU64::MAX,
        max_segments: NonZeroU32::MAX,
        page: Alignment::ONE,
    };

    /// A device that accepts any memory below its mask.
    #[must_use]
    pub const fn new(mask: DmaMask) -> Self {
        Self {
            highest: mask.highest(),
            ..Self::UNLIMITED
        }
    }

    /// The same with addresses from `lowest` to `highest`, both included.
    ///
    /// # Errors
    /// [`Error::EmptyLimits`] if there are none.
    pub const fn window(self, lowest: DmaAddr, highest: DmaAddr) -> Result<Self, Error> {
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

    /// The same with each segment starting at a multiple of `bytes`.
    ///
    /// # Errors
    /// [`Error::NotPowerOfTwo`].
    pub const fn alignment(self, bytes: u64) -> Result<Self, Error> {
        match Alignment::new(bytes) {
            Ok(alignment) => Ok(Self { alignment, ..self }),
            Err(error) => Err(error),
        }
    }

    /// The same with no segment crossing a multiple of `bytes`.
    ///
    /// # Errors
    /// [`Error::NotPowerOfTwo`].
    pub const fn boundary(self, bytes: u64) -> Result<Self, Error> {
        match Alignment::new(bytes) {
            Ok(boundary) => Ok(Self {
                boundary: Some(boundary),
                ..self
            }),
            Err(error) => Err(error),
        }
    }

    /// The same with segments of at most `bytes`.
    ///
    /// # Errors
    /// [`Error::ZeroLength`].
    pub const fn max_segment_len(self, bytes: u64) -> Result<Self, Error> {
        match NonZeroU64::new(bytes) {
            Some(max_segment_len) => Ok(Self {
                max_segment_len,
                ..self
            }),
            None => Err(Error::ZeroLength),
        }
    }

    /// The same for a device that walks memory in pages of `bytes`: of the segments of a transfer, every one but the first
    /// starts, and every one but the last ends, at a multiple of it. A buffer that bounces keeps its offset in the page,
    /// as far as the alignment allows.
    /// (NVMe base specification, physical region page entries.)
    ///
    /// # Errors
    /// [`Error::NotPowerOfTwo`].
    pub const fn page(self, bytes: u64) -> Result<Self, Error> {
        match Alignment::new(bytes) {
            Ok(page) => Ok(Self { page, ..self }),
            Err(error) => Err(error),
        }
    }

    /// The same with at most `count` segments in one transfer. A buffer that was allocated is one segment; what is lent
    /// may be several.
    ///
    /// # Errors
    /// [`Error::ZeroLength`].
    pub const fn max_segments(self, count: u32) -> Result<Self, Error> {
        match NonZeroU32::new(count) {
            Some(max_segments) => Ok(Self {
                max_segments,
                ..self
            }),
            None => Err(Error::ZeroLength),
        }
    }

    /// What meets both: a device's limits and those of its bus.
    ///
    /// # Errors
    /// [`Error::EmptyLimits`] if no address meets both.
    pub const fn meet(self, other: Self) -> Result<Self, Error> {
        let boundary = match (self.boundary, other.boundary) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (Some(one), None) | (None, Some(one)) => Some(one),
            (None, None) => None,
        };
        let (a, b) = (self.max_segment_len, other.max_segment_len);
        let (m, n) = (self.max_segments, other.max_segments);
        let (low, low_other) = (self.lowest, other.lowest);
        let (high, high_other) = (self.highest, other.highest);

        Self {
            alignment: self.alignment.max(other.alignment),
            boundary,
            max_segment_len: if a.get() <= b.get() { a } else { b },
            max_segments: if m.get() <= n.get() { m } else { n },
            page: self.page.max(other.page),
            ..self
        }
        .window(
            if low.get() >= low_other.get() {
                low
            } else {
                low_other
            },
            if high.get() <= high_other.get() {
                high
            } else {
                high_other
            },
        )
    }

    /// Lowest address allowed.
    #[must_use]
    pub const fn lowest(&self) -> DmaAddr {
        self.lowest
    }

    /// Highest address allowed; the last byte of a segment may have it.
    #[must_use]
    pub const fn highest(&self) -> DmaAddr {
        self.highest
    }

    /// What every segment's first address is a multiple of.
    #[must_use]
    pub const fn segment_alignment(&self) -> Alignment {
        self.alignment
    }

    /// What no segment crosses a multiple of.
    #[must_use]
    pub const fn segment_boundary(&self) -> Option<Alignment> {
        self.boundary
    }

    /// Longest segment in bytes that can exist under the length limit and the boundary together.
    #[must_use]
    pub const fn longest_segment(&self) -> u64 {
        match self.boundary {
            Some(boundary) if boundary.get() < self.max_segment_len.get() => boundary.get(),
            _ => self.max_segment_len.get(),
        }
    }

    /// Most segments one transfer may have.
    #[must_use]
    pub const fn segment_count(&self) -> u32 {
        self.max_segments.get()
    }

    /// What the inner edges of a transfer's segments are multiples of.
    #[must_use]
    pub const fn segment_page(&self) -> Alignment {
        self.page
    }

    /// Judges the segments of one transfer: their count, then each of them, then where they meet.
    ///
    /// # Errors
    /// [`Error::TooManySegments`]; as [`check`](Self::check), for the first segment that breaks a limit;
    /// [`Error::InnerEdge`] for the first place inside the transfer that is not at a page's edge.
    pub fn check_all(&self, segments: &[DmaRange]) -> Result<(), Error> {
        let max = self.max_segments.get();
        if u32::try_from(segments.len()).map_or(true, |count| count > max) {
            return Err(Error::TooManySegments {
                segments: segments.len(),
                max,
            });
        }
        segments
            .iter()
            .try_for_each(|segment| self.check(*segment))?;
        segments.windows(2).try_for_each(|pair| match pair {
            [one, next] => self.check_joint(*one, *next),
            _ => Ok(()),
        })
    }

    /// Whether one segment may be followed by the other.
    pub(crate) const fn check_joint(&self, one: DmaRange, next: DmaRange) -> Result<(), Error> {
        let (end, start) = (one.last().get().wrapping_add(1), next.start().get());
        let edge = if self.page.divides(end) { start } else { end };
        if self.page.divides(edge) {
            return Ok(());
        }
        Err(Error::InnerEdge {
            edge,
            page: self.page.get(),
        })
    }

    /// Whether both ends lie between the lowest and the highest address.
    pub(crate) const fn reaches(&self, segment: DmaRange) -> Result<(), Error> {
        let (first, last) = (segment.start().get(), segment.last().get());
        let (lowest, highest) = (self.lowest.get(), self.highest.get());
        if first < lowest {
            return Err(Error::BelowLowest { first, lowest });
        }
        if last > highest {
            return Err(Error::AboveHighest { last, highest });
        }
        Ok(())
    }

    /// Judges one segment: every limit but the count.
    ///
    /// # Errors
    /// The first limit it breaks: [`Error::SegmentTooLong`], [`Error::BelowLowest`],
    /// [`Error::AboveHighest`], [`Error::Misaligned`], [`Error::CrossesBoundary`].
    pub fn check(&self, segment: DmaRange) -> Result<(), Error> {
        let (first, last) = (segment.start().get(), segment.last().get());
        if segment.len_bytes() > self.max_segment_len.get() {
            return Err(Error::SegmentTooLong {
                len: segment.len_bytes(),
                max: self.max_segment_len.get(),
            });
        }
        self.reaches(segment)?;
        if !self.alignment.divides(first) {
            return Err(Error::Misaligned {
                addr: first,
                alignment: self.alignment.get(),
            });
        }
        match self.boundary {
            Some(boundary) if (first ^ last) & !boundary.mask() != 0 => {
                Err(Error::CrossesBoundary {
                    first,
                    last,
                    boundary: boundary.get(),
                })
            }
            _ => Ok(()),
        }
    }
}

/// What a [`DmaAllocator`](crate::DmaAllocator) is asked for: one contiguous block, in physical addresses.
///
/// Alignment and boundary are judged on the address the *device* will use, which is the physical address plus
/// `bus_offset` (wrapping; 0 where the bus has no offset).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Length in bytes.
    pub len: NonZeroUsize,
    /// Lowest physical address of the first byte.
    pub lowest: PhysAddr,
    /// Highest physical address of the last byte.
    pub highest: PhysAddr,
    /// What the device's address of the first byte is a multiple of.
    pub alignment: Alignment,
    /// What the block must not cross a multiple of, in the device's addresses.
    pub boundary: Option<Alignment>,
    /// Added (wrapping) to a physical address to get the device's.
    pub bus_offset: u64,
}

/// Pages that are aligned: the first of them, and every so many from there on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AlignedPages {
    /// All ones below the distance, a power of two.
    mask: u32,
    first: u32,
}

impl AlignedPages {
    /// The highest of them from `low` to `high`, both included.
    #[inline]
    pub(crate) const fn highest(self, low: u32, high: u32) -> Option<u32> {
        let above = high.wrapping_sub(self.first) & self.mask;
        match high.checked_sub(above) {
            Some(page) if page >= low => Some(page),
            _ => None,
        }
    }
}

impl Request {
    /// A request without any limit.
    #[must_use]
    pub const fn anywhere(len: NonZeroUsize) -> Self {
        Self {
            len,
            lowest: PhysAddr::new(0),
            highest: PhysAddr::new(u64::MAX),
            alignment: Alignment::ONE,
            boundary: None,
            bus_offset: 0,
        }
    }

    /// The lowest place in `free` that meets the request and whose physical address is a multiple of `unit`:
    /// what an allocator tries for each of its free runs. Takes constant time.
    #[must_use]
    pub fn first_fit(&self, free: PhysRange, unit: Alignment) -> Option<PhysAddr> {
        let steps = u64::try_from(self.len.get()).ok()?.checked_sub(1)?;
        let lowest = free.start().max(self.lowest).get();
        let highest = free.last().min(self.highest).get();

        let mut start = self.align_up(lowest, unit)?;
        if let Some(room) = self.room_before_boundary(start)
            && room <= steps
        {
            // Behind a boundary the pattern of allowed places repeats, so the first of them is the best.
            start = self.align_up(start.checked_add(room)?, unit)?;
            if self.room_before_boundary(start)? <= steps {
                return None;
            }
        }
        (start.checked_add(steps)? <= highest).then_some(PhysAddr::new(start))
    }

    /// The highest place in `free` that meets the request and whose physical address is a multiple of `unit`. Takes
    /// constant time.
    #[must_use]
    #[inline]
    pub fn last_fit(&self, free: PhysRange, unit: Alignment) -> Option<PhysAddr> {
        let steps = u64::try_from(self.len.get()).ok()?.checked_sub(1)?;
        let lowest = free.start().max(self.lowest).get();
        let highest = free.last().min(self.highest).get();

        let mut start = self.align_down(highest.checked_sub(steps)?, unit)?;
        if let Some(room) = self.room_before_boundary(start)
            && room <= steps
        {
            // Before a boundary the pattern of allowed places repeats, so the last of them is the best.
            let edge = start.checked_add(room)?;
            start = self.align_down(edge.checked_sub(steps)?.checked_sub(1)?, unit)?;
            if self.room_before_boundary(start)? <= steps {
                return None;
            }
        }
        (start >= lowest).then_some(PhysAddr::new(start))
    }

    /// Of the 64 places that are `unit` apart, from `first` on, those that meet alignment and boundary: bit `n` is that of
    /// the place `n` units behind `first`, which is a multiple of `unit`. Takes constant time.
    ///
    /// For an allocator that searches 64 places at once; [`first_fit`](Self::first_fit) judges one.
    pub(crate) fn starts(&self, first: PhysAddr, unit: Alignment) -> u64 {
        let device = first.get().wrapping_add(self.bus_offset);
        self.aligned_starts(device, unit) & self.bounded_starts(device, unit)
    }

    fn aligned_starts(&self, device: u64, unit: Alignment) -> u64 {
        if !unit.min(self.alignment).divides(self.bus_offset) {
            return 0;
        }
        if unit >= self.alignment {
            return u64::MAX;
        }
        let skip = unit.whole_in(self.alignment.distance_up(device));
        repeat(shifted(1, skip), unit.whole_in(self.alignment.get()))
    }

    fn bounded_starts(&self, device: u64, unit: Alignment) -> u64 {
        let Some(boundary) = self.boundary else {
            return u64::MAX;
        };
        let (used, fraction) = (device & boundary.mask(), device & unit.mask());
        let room = boundary.get().checked_sub(self.len.get() as u64);
        let Some(room) = room.and_then(|room| room.checked_sub(fraction)) else {
            return 0;
        };
        // Between two multiples of the boundary the block may begin with so many of the first units.
        let allowed = unit.whole_in(room).saturating_add(1);
        let (behind, period) = (unit.whole_in(used), unit.whole_in(boundary.get()));
        let here = ones(allowed.saturating_sub(behind));
        let later = shifted(ones(allowed), period.saturating_sub(behind));
        here | repeat(later, period)
    }

    /// The pages at which the request may begin, counted from the page at `base`, if only an alignment decides that.
    ///
    /// For an allocator that judges many runs of pages; [`last_fit`](Self::last_fit) judges one.
    pub(crate) fn aligned_pages(&self, base: PhysAddr, page: Alignment) -> Option<AlignedPages> {
        let device = base.get().wrapping_add(self.bus_offset);
        let alignment = self.alignment.max(page);
        if self.boundary.is_some() || !page.min(self.alignment).divides(self.bus_offset) {
            return None;
        }
        let beyond = alignment.distance_up(device).checked_div(page.get())?;
        Some(AlignedPages {
            mask: u32::try_from(alignment.get().checked_div(page.get())?.checked_sub(1)?).ok()?,
            first: u32::try_from(beyond).ok()?,
        })
    }

    /// The lowest address at or above `addr` that is a multiple of `unit` and, as the device sees it, of the
    /// alignment. Of two powers of two one divides the other, so the larger decides and the smaller must agree.
    fn align_up(&self, addr: u64, unit: Alignment) -> Option<u64> {
        let smaller = unit.min(self.alignment);
        if !smaller.divides(self.bus_offset) {
            return None;
        }
        let distance = if unit >= self.alignment {
            unit.distance_up(addr)
        } else {
            self.alignment
                .distance_up(addr.wrapping_add(self.bus_offset))
        };
        addr.checked_add(distance)
    }

    /// The highest address at or below `addr` of those that [`align_up`](Self::align_up) finds.
    #[inline]
    fn align_down(&self, addr: u64, unit: Alignment) -> Option<u64> {
        let smaller = unit.min(self.alignment);
        if !smaller.divides(self.bus_offset) {
            return None;
        }
        let above = if unit >= self.alignment {
            addr & unit.mask()
        } else {
            addr.wrapping_add(self.bus_offset) & self.alignment.mask()
        };
        addr.checked_sub(above)
    }

    /// Bytes from `addr` to the next multiple of the boundary as the device sees it, at least 1.
    #[inline]
    fn room_before_boundary(&self, addr: u64) -> Option<u64> {
        let boundary = self.boundary?;
        let used = addr.wrapping_add(self.bus_offset) & boundary.mask();
        boundary.get().checked_sub(used)
    }
}

/// So many ones from the lowest bit on, at most all.
fn ones(count: u64) -> u64 {
    let above = u32::try_from(count)
        .ok()
        .and_then(|n| u64::MAX.checked_shl(n));
    !above.unwrap_or(0)
}

/// The bits moved up by so many places, out of the word if need be.
fn shifted(bits: u64, by: u64) -> u64 {
    u32::try_from(by)
        .ok()
        .and_then(|by| bits.checked_shl(by))
        .unwrap_or(0)
}

/// The bits and their repetitions each `period` places higher, a power of two.
fn repeat(bits: u64, period: u64) -> u64 {
    let (mut bits, mut period) = (bits, period);
    while period < u64::from(u64::BITS) {
        bits |= shifted(bits, period);
        period = period.saturating_mul(2);
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn dma(start: u64, len: u64) -> DmaRange {
        match DmaRange::new(DmaAddr::new(start), len) {
            Ok(range) => range,
            Err(_) => panic!("a test's range is a range"),
        }
    }

    #[test]
    fn a_list_of_segments_has_no_more_than_the_device_takes_and_each_is_judged() {
        let limits = Limits::new(DmaMask::bits(32).unwrap())
            .max_segments(2)
            .unwrap();
        let segment = |start| DmaRange::new(DmaAddr::new(start), 16).unwrap();
        let (low, high) = (segment(0x1000), segment(0xffff_fff8));

        assert_eq!(limits.check_all(&[]), Ok(()));
        assert_eq!(limits.check_all(&[low, low]), Ok(()));
        let many = Error::TooManySegments {
            segments: 3,
            max: 2,
        };
        assert_eq!(limits.check_all(&[low, low, low]), Err(many));
        assert_eq!(limits.check_all(&[low, high]), limits.check(high));
        assert!(limits.check(high).is_err());
    }

    #[test]
    fn inside_a_transfer_segments_end_and_begin_at_the_edges_of_pages() {
        let limits = Limits::UNLIMITED.page(0x1000).unwrap();
        let inner = |edge| Err(Error::InnerEdge { edge, page: 0x1000 });
        let whole = dma(0x5000, 0x1000);

        // The first may begin anywhere and the last may end anywhere, alone or not.
        assert_eq!(limits.check_all(&[dma(0x1010, 0x20)]), Ok(()));
        let loose = [dma(0x1ff0, 0x10), whole, dma(0x9000, 1)];
        assert_eq!(limits.check_all(&loose), Ok(()));

        let short = [dma(0x1ff0, 0xf), whole];
        assert_eq!(limits.check_all(&short), inner(0x1fff));
        let long = [dma(0x1ff0, 0x11), whole];
        assert_eq!(limits.check_all(&long), inner(0x2001));
        let late = [whole, dma(0x9001, 1)];
        assert_eq!(limits.check_all(&late), inner(0x9001));
        let early = [whole, dma(0x8fff, 2)];
        assert_eq!(limits.check_all(&early), inner(0x8fff));
        // Adjacent is not enough, the end comes before the start, and the second joint is judged too.
        let adjacent = [dma(0x1000, 0x10), dma(0x1010, 0x10)];
        assert_eq!(limits.check_all(&adjacent), inner(0x1010));
        let both = [dma(0x1000, 0x800), dma(0x5010, 1)];
        assert_eq!(limits.check_all(&both), inner(0x1800));
        let second = [whole, dma(0x8000, 0x20), whole];
        assert_eq!(limits.check_all(&second), inner(0x8020));
        // The end of the address space is the edge of a page.
        let top = [dma(u64::MAX - 0xf, 0x10), whole];
        assert_eq!(limits.check_all(&top), Ok(()));
    }

    #[test]
    fn the_count_is_judged_before_the_segments_and_those_before_where_they_meet() {
        let limits = Limits::UNLIMITED
            .page(0x1000)
            .and_then(|l| l.max_segments(2))
            .and_then(|l| l.alignment(16))
            .unwrap();
        let (inside, odd) = (dma(0x10, 0x10), dma(0x18, 8));
        let many = Error::TooManySegments {
            segments: 3,
            max: 2,
        };
        let misaligned = Error::Misaligned {
            addr: 0x18,
            alignment: 16,
        };

        assert_eq!(limits.check_all(&[inside, odd, odd]), Err(many));
        assert_eq!(limits.check_all(&[inside, odd]), Err(misaligned));
        assert!(matches!(
            limits.check_all(&[inside, inside]),
            Err(Error::InnerEdge { edge: 0x20, .. })
        ));
    }

    #[test]
    fn a_page_is_a_power_of_two_and_of_two_pages_the_larger_holds() {
        let paged = |bytes| Limits::UNLIMITED.page(bytes);
        for value in [0, 3, 0x1001] {
            assert_eq!(paged(value), Err(Error::NotPowerOfTwo { value }));
        }
        let (small, large) = (paged(0x1000).unwrap(), paged(0x4000).unwrap());

        assert_eq!(Limits::UNLIMITED.segment_page(), Alignment::ONE);
        assert_eq!(small.segment_page().get(), 0x1000);
        assert_eq!(small.meet(large), Ok(large));
        assert_eq!(large.meet(small), Ok(large));
        assert_eq!(small.meet(Limits::UNLIMITED), Ok(small));
        assert_eq!(Limits::UNLIMITED.meet(small), Ok(small));
    }

    #[test]
    fn a_mask_has_1_to_64_bits() {
        assert_eq!(DmaMask::bits(0), Err(Error::MaskBits { bits: 0 }));
        assert_eq!(DmaMask::bits(1).unwrap().highest().get(), 1);
        assert_eq!(DmaMask::bits(24).unwrap().highest().get(), 0xff_ffff);
        assert_eq!(DmaMask::bits(64).unwrap().highest().get(), u64::MAX);
        assert_eq!(DmaMask::bits(65), Err(Error::MaskBits { bits: 65 }));
    }

    #[test]
    fn an_alignment_is_a_power_of_two() {
        for value in [0, 3, 6, u64::MAX] {
            assert_eq!(Alignment::new(value), Err(Error::NotPowerOfTwo { value }));
        }
        assert_eq!(Alignment::new(1 << 63).unwrap().get(), 1 << 63);
    }

    #[test]
    fn the_last_byte_may_lie_on_the_mask_and_not_one_above() {
        let limits = Limits::new(DmaMask::bits(24).unwrap());

        assert_eq!(limits.check(dma(0xff_ff00, 0x100)), Ok(()));
        let above = Error::AboveHighest {
            last: 0x100_0000,
            highest: 0xff_ffff,
        };
        assert_eq!(limits.check(dma(0xff_ff00, 0x101)), Err(above));
    }

    #[test]
    fn each_limit_is_judged_at_its_edge() {
        let limits = Limits::UNLIMITED
            .window(DmaAddr::new(0x1000), DmaAddr::new(u64::MAX))
            .and_then(|l| l.alignment(16))
            .and_then(|l| l.boundary(0x1000))
            .and_then(|l| l.max_segment_len(0x800))
            .unwrap();

        assert_eq!(limits.check(dma(0x1800, 0x800)), Ok(()));
        assert_eq!(limits.check(dma(0x1000, 16)), Ok(()));
        let too_long = Error::SegmentTooLong {
            len: 0x801,
            max: 0x800,
        };
        assert_eq!(limits.check(dma(0x1000, 0x801)), Err(too_long));
        let low = Error::BelowLowest {
            first: 0xff0,
            lowest: 0x1000,
        };
        assert_eq!(limits.check(dma(0xff0, 16)), Err(low));
        let misaligned = Error::Misaligned {
            addr: 0x1008,
            alignment: 16,
        };
        assert_eq!(limits.check(dma(0x1008, 16)), Err(misaligned));
        let crosses = Error::CrossesBoundary {
            first: 0x1ff0,
            last: 0x2000,
            boundary: 0x1000,
        };
        assert_eq!(limits.check(dma(0x1ff0, 17)), Err(crosses));
    }

    #[test]
    fn a_segment_that_crosses_two_multiples_of_a_boundary_crosses_one() {
        let limits = Limits::UNLIMITED.boundary(0x10).unwrap();

        let crosses = Error::CrossesBoundary {
            first: 0x0f,
            last: 0x20,
            boundary: 0x10,
        };
        assert_eq!(limits.check(dma(0x0f, 0x12)), Err(crosses));
    }

    #[test]
    fn of_two_limits_of_one_kind_the_stricter_holds() {
        let limits = |boundary, len, count| {
            Limits::UNLIMITED
                .boundary(boundary)
                .and_then(|l| l.max_segment_len(len))
                .and_then(|l| l.max_segments(count))
                .unwrap()
        };
        let (coarse, fine) = (limits(0x1000, 0x800, 9), limits(0x400, 0x300, 4));

        assert_eq!(
            (coarse.longest_segment(), fine.longest_segment()),
            (0x800, 0x300)
        );
        assert_eq!(limits(0x400, 0x800, 1).longest_segment(), 0x400);
        assert_eq!(coarse.meet(fine), Ok(fine));
        assert_eq!(fine.meet(coarse), Ok(fine));
    }

    #[test]
    fn meeting_keeps_the_stricter_of_each_limit() {
        let device = Limits::new(DmaMask::bits(32).unwrap())
            .alignment(64)
            .unwrap();
        let bus = Limits::UNLIMITED
            .window(DmaAddr::new(0x8000_0000), DmaAddr::new(u64::MAX))
            .and_then(|l| l.boundary(0x1000))
            .and_then(|l| l.max_segments(4))
            .unwrap();

        let both = device.meet(bus).unwrap();
        assert_eq!(both, bus.meet(device).unwrap());
        assert_eq!(
            (both.lowest().get(), both.highest().get()),
            (0x8000_0000, 0xffff_ffff)
        );
        assert_eq!(
            (both.segment_alignment().get(), both.longest_segment()),
            (64, 0x1000)
        );
        assert_eq!(both.segment_count(), 4);

        let isa = Limits::new(DmaMask::bits(24).unwrap());
        let empty = Error::EmptyLimits {
            lowest: 0x8000_0000,
            highest: 0xff_ffff,
        };
        assert_eq!(isa.meet(bus), Err(empty));
    }

    #[test]
    fn the_first_and_the_last_fit_are_those_that_trying_every_address_finds() {
        const SPACE: u64 = 48;
        let powers = [1_u64, 2, 4, 8, 16];
        let mut cases = 0_u64;
        for first in 0..12_u64 {
            for last in first..SPACE {
                for len in 1..=20_u64 {
                    for (align, unit) in powers.iter().flat_map(|a| powers.map(|u| (*a, u))) {
                        for boundary in [None, Some(4), Some(8), Some(16)] {
                            for bus_offset in [0, 4, 6, u64::MAX - 7] {
                                let (highest, lowest) = (SPACE - 4, 2);
                                let request = Request {
                                    len: NonZeroUsize::new(usize::try_from(len).unwrap()).unwrap(),
                                    lowest: PhysAddr::new(lowest),
                                    highest: PhysAddr::new(highest),
                                    alignment: Alignment::new(align).unwrap(),
                                    boundary: boundary.map(|b| Alignment::new(b).unwrap()),
                                    bus_offset,
                                };
                                let fits = |p: u64| {
                                    let (d, e) = (
                                        p.wrapping_add(bus_offset),
                                        (p + len - 1).wrapping_add(bus_offset),
                                    );
                                    p >= lowest
                                        && p + len - 1 <= last.min(highest)
                                        && p.is_multiple_of(unit)
                                        && d.is_multiple_of(align)
                                        && boundary.is_none_or(|b| d / b == e / b)
                                };
                                let expected = (first..=last).find(|p| fits(*p)).map(PhysAddr::new);
                                let last_expected =
                                    (first..=last).rev().find(|p| fits(*p)).map(PhysAddr::new);
                                let free =
                                    PhysRange::new(PhysAddr::new(first), last - first + 1).unwrap();
                                let found = request.first_fit(free, Alignment::new(unit).unwrap());
                                assert_eq!(found, expected, "{request:?} {free:?} unit {unit}");
                                let found = request.last_fit(free, Alignment::new(unit).unwrap());
                                assert_eq!(
                                    found, last_expected,
                                    "{request:?} {free:?} unit {unit}"
                                );
                                cases += 1;
                            }
                        }
                    }
                }
            }
        }
        assert!(cases > 1_000_000, "{cases} cases");
    }

    #[test]
    fn of_64_places_at_once_those_are_found_that_fit_one_by_one() {
        let powers = || (0..=9).map(|bits| Alignment::new(1 << bits).unwrap());
        let mut cases = 0_u64;
        for unit in powers().take(3) {
            for alignment in powers() {
                for boundary in powers().map(Some).chain([None]) {
                    for len in [1, 2, 3, 5, 8, 13, 64, 100, 128].map(|units| units * unit.get()) {
                        for bus_offset in [0, 1, 2, 4, 12, 100, u64::MAX - 7] {
                            for first in
                                [0, 3, 4, 61, 1000, (1 << 62) - 200].map(|n| n * unit.get())
                            {
                                let request = Request {
                                    alignment,
                                    boundary,
                                    bus_offset,
                                    ..Request::anywhere(
                                        usize::try_from(len).unwrap().try_into().unwrap(),
                                    )
                                };
                                let fits = |place: u64| {
                                    let start = PhysAddr::new(first + place * unit.get());
                                    let free = PhysRange::new(start, len).unwrap();
                                    request.first_fit(free, unit).is_some()
                                };
                                let expected = (0..64).filter(|place| fits(*place));
                                let expected = expected.fold(0, |bits, place| bits | 1 << place);
                                let found = request.starts(PhysAddr::new(first), unit);
                                assert_eq!(found, expected, "{request:?} {first} unit {unit:?}");
                                cases += 1;
                            }
                        }
                    }
                }
            }
        }
        assert!(cases > 100_000, "{cases} cases");
    }

    #[test]
    fn aligned_pages_are_those_that_are_aligned_where_the_device_sees_them() {
        let (page, len) = (Alignment::new(4).unwrap(), NonZeroUsize::MIN);
        for (alignment, base) in [1, 2, 4, 8, 16, 32]
            .into_iter()
            .flat_map(|a| (0..8_u64).map(move |b| (a, b * 4)))
        {
            for bus_offset in [0, 1, 2, 4, 12, 20, u64::MAX - 3] {
                let request = Request {
                    alignment: Alignment::new(alignment).unwrap(),
                    bus_offset,
                    ..Request::anywhere(len)
                };
                let fits = |p: &u32| {
                    let device = (base + u64::from(*p) * 4).wrapping_add(bus_offset);
                    device.is_multiple_of(alignment)
                };
                let aligned = request.aligned_pages(PhysAddr::new(base), page);
                for (low, high) in (0..12).flat_map(|low| (low..24).map(move |high| (low, high))) {
                    let expected = (low..=high).rev().find(fits);
                    let found = aligned.and_then(|pages| pages.highest(low, high));
                    assert_eq!(found, expected, "{request:?} {base} {low}..={high}");
                }
            }
        }
        let bounded = Request {
            boundary: Some(page),
            ..Request::anywhere(len)
        };
        assert_eq!(bounded.aligned_pages(PhysAddr::new(0), page), None);
    }

    #[test]
    fn a_fit_at_the_end_of_the_address_space_does_not_wrap() {
        let request = Request::anywhere(NonZeroUsize::new(4096).unwrap());
        let unit = Alignment::new(4096).unwrap();
        let top = |len| PhysRange::new(PhysAddr::new(u64::MAX - (len - 1)), len).unwrap();

        assert_eq!(
            request.first_fit(top(4096), unit),
            Some(PhysAddr::new(u64::MAX - 4095))
        );
        assert_eq!(request.first_fit(top(4095), unit), None);
        let longer = Request::anywhere(NonZeroUsize::new(8192).unwrap());
        assert_eq!(longer.first_fit(top(4096), unit), None);
    }
}
