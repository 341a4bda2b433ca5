//! The segments of a transfer against every way there is to cut it: no list is refused that exists, none is longer than the
//! shortest, and none breaks a limit.
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test calculates, and panics"
)]

use dma_api::{DmaAddr, DmaRange, Error, Limits, Segments};
use proptest::{collection::vec, prelude::*, sample::select};

fn range(start: u64, len: u64) -> DmaRange {
    DmaRange::new(DmaAddr::new(start), len).unwrap()
}

/// Limits as numbers. Addresses count from the case's base, lengths are in its unit.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    lowest: u64,
    highest: u64,
    alignment: u64,
    boundary: Option<u64>,
    longest: u64,
    page: u64,
}

/// Where address 0 of a case is, and how large its bytes are: small cases anywhere, of any size.
#[derive(Clone, Copy, Debug)]
struct Scale {
    base: u64,
    unit: u64,
}

const FROM_ZERO: Scale = Scale { base: 0, unit: 1 };
/// Address 23 is the last one that there is.
const TO_THE_TOP: Scale = Scale {
    base: u64::MAX - 23,
    unit: 1,
};

impl Wanted {
    fn limits(&self, scale: Scale, count: u32) -> Limits {
        let Scale { base, unit } = scale;
        let (lowest, highest) = (
            base + self.lowest * unit,
            base + self.highest * unit + (unit - 1),
        );
        let limits = Limits::UNLIMITED
            .window(DmaAddr::new(lowest), DmaAddr::new(highest))
            .and_then(|l| l.alignment(self.alignment * unit))
            .and_then(|l| l.max_segment_len(self.longest * unit))
            .and_then(|l| l.page(self.page * unit))
            .and_then(|l| l.max_segments(count))
            .unwrap();
        match self.boundary {
            Some(boundary) => limits.boundary(boundary * unit).unwrap(),
            None => limits,
        }
    }

    /// Whether the bytes from one place in a transfer to another may be a segment: by division, byte by byte, and in
    /// numbers that do not wrap.
    fn allows(&self, bytes: &[u64], from: usize, to: usize) -> bool {
        let piece = &bytes[from..to];
        let (first, last) = (piece[0], piece[piece.len() - 1]);
        piece.windows(2).all(|pair| pair[1] == pair[0] + 1)
            && u64::try_from(piece.len()).unwrap() <= self.longest
            && first >= self.lowest
            && last <= self.highest
            && first.is_multiple_of(self.alignment)
            && self.boundary.is_none_or(|b| first / b == last / b)
            && (from == 0 || first.is_multiple_of(self.page))
            && (to == bytes.len() || (last + 1).is_multiple_of(self.page))
    }

    /// The fewest segments that these bytes can be, if they can be segments at all: each place where the last one may
    /// begin is tried.
    fn fewest(&self, bytes: &[u64]) -> Option<u32> {
        let mut fewest = vec![None; bytes.len() + 1];
        fewest[0] = Some(0);
        for to in 1..=bytes.len() {
            fewest[to] = (0..to)
                .filter_map(|from| Some((from, fewest[from]?)))
                .filter(|(from, _)| self.allows(bytes, *from, to))
                .map(|(_, before)| before + 1)
                .min();
        }
        fewest[bytes.len()]
    }
}

/// All limits without a window, or with each window of the first `space` addresses.
fn all_wanted(windows_of: Option<u64>) -> Vec<Wanted> {
    let windows: Vec<_> = match windows_of {
        None => vec![(0, 23)],
        Some(space) => (0..space)
            .flat_map(|low| (low..space).map(move |high| (low, high)))
            .collect(),
    };
    let mut all = Vec::new();
    for (lowest, highest) in windows {
        for alignment in [1, 2, 4] {
            for boundary in [None, Some(2), Some(4), Some(8)] {
                for longest in 1..=5 {
                    for page in [1, 2, 4] {
                        all.push(Wanted {
                            lowest,
                            highest,
                            alignment,
                            boundary,
                            longest,
                            page,
                        });
                    }
                }
            }
        }
    }
    all
}

/// Judges what the library makes of these ranges (start and length), for each number of segments that a device may take.
fn judge(wanted: &Wanted, parts: &[(u64, u64)], scale: Scale) {
    let bytes: Vec<u64> = parts.iter().flat_map(|(s, len)| *s..*s + *len).collect();
    let fewest = wanted.fewest(&bytes);
    let ranges = parts
        .iter()
        .map(|(start, len)| range(scale.base + start * scale.unit, len * scale.unit));

    for count in [1, 2, 3, 4, u32::MAX] {
        let case = || format!("{parts:?} {wanted:?} {scale:?} {count} segments");
        let limits = wanted.limits(scale, count);
        let made: Result<Vec<_>, _> = Segments::new(&limits, ranges.clone()).collect();
        match (made, fewest) {
            (Ok(made), Some(fewest)) => {
                assert_eq!(made.len(), usize::try_from(fewest).unwrap(), "{}", case());
                assert!(fewest <= count, "{}", case());
                assert_eq!(limits.check_all(&made), Ok(()), "{}", case());
                let given: Vec<u64> = made
                    .iter()
                    .flat_map(|s| {
                        let from = (s.start().get() - scale.base) / scale.unit;
                        let len = s.len_bytes() / scale.unit;
                        assert_eq!(s.len_bytes() % scale.unit, 0, "{}", case());
                        from..from + len
                    })
                    .collect();
                assert_eq!(given, bytes, "{}", case());
            }
            (Err(Error::TooManySegments { segments, max }), fewest) => {
                assert_eq!(segments, usize::try_from(max).unwrap() + 1, "{}", case());
                assert_eq!(max, count, "{}", case());
                assert!(fewest.is_none_or(|fewest| fewest > count), "{}", case());
            }
            (Err(error), fewest) => assert_eq!(fewest, None, "{error:?} {}", case()),
            (Ok(made), None) => panic!("{made:?} {}", case()),
        }
    }
}

#[test]
fn one_range_is_cut_as_the_best_of_all_cuts() {
    for wanted in all_wanted(None) {
        for start in 0..24 {
            for len in 1..=24 - start {
                judge(&wanted, &[(start, len)], FROM_ZERO);
                judge(&wanted, &[(start, len)], TO_THE_TOP);
            }
        }
    }
}

#[test]
fn one_range_is_cut_inside_every_window_as_the_best_of_all_cuts() {
    for wanted in all_wanted(Some(7)) {
        for start in 0..7 {
            for len in 1..=7 - start {
                judge(&wanted, &[(start, len)], FROM_ZERO);
            }
        }
    }
}

#[test]
fn two_ranges_in_any_order_are_cut_as_the_best_of_all_cuts() {
    for wanted in all_wanted(None) {
        for (first, second) in (14..22).flat_map(|a| (14..22).map(move |b| (a, b))) {
            for (len, second_len) in [(1, 2), (2, 2), (2, 1), (1, 1), (1, 5), (4, 2), (3, 3)] {
                let parts = [
                    (first, len.min(24 - first)),
                    (second, second_len.min(24 - second)),
                ];
                judge(&wanted, &parts, FROM_ZERO);
                judge(&wanted, &parts, TO_THE_TOP);
            }
        }
    }
}

#[test]
fn three_ranges_adjacent_or_not_are_cut_as_the_best_of_all_cuts() {
    let lens = [1, 2, 4];
    for wanted in all_wanted(None) {
        for (start, gap, other_gap) in
            (8..12).flat_map(|s| [(s, 0, 0), (s, 0, 1), (s, 2, 0), (s, 1, 2), (s, 3, 0)])
        {
            for len in lens.iter().flat_map(|a| lens.map(|b| [*a, b, 3])) {
                let second = start + len[0] + gap;
                let third = second + len[1] + other_gap;
                let parts = [(start, len[0]), (second, len[1]), (third, len[2])];
                judge(&wanted, &parts, FROM_ZERO);
            }
        }
    }
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let boundaries = select(vec![None, Some(1), Some(2), Some(4), Some(8), Some(16)]);
    let powers = || select(vec![1_u64, 2, 4, 8]);
    (
        (0_u64..4, 18_u64..24),
        powers(),
        boundaries,
        1_u64..20,
        powers(),
    )
        .prop_map(
            |((lowest, highest), alignment, boundary, longest, page)| Wanted {
                lowest,
                highest,
                alignment,
                boundary,
                longest,
                page,
            },
        )
}

/// Any numbers for limits, with few segments.
fn any_limits() -> impl Strategy<Value = Limits> {
    let power = || (0_u32..64).prop_map(|bits| 1_u64 << bits);
    (
        power(),
        proptest::option::of(power()),
        1..=u64::MAX,
        0_u32..64,
        power(),
        1_u32..200,
    )
        .prop_map(|(alignment, boundary, longest, shift, page, count)| {
            let small = |power: u64| (power >> 40).max(1);
            let limits = Limits::UNLIMITED
                .alignment(small(alignment))
                .and_then(|l| l.max_segment_len((longest >> shift).max(1)))
                .and_then(|l| l.page(small(page)))
                .and_then(|l| l.max_segments(count))
                .unwrap();
            boundary.map_or(limits, |boundary| limits.boundary(boundary).unwrap())
        })
}

proptest! {
    #[test]
    fn large_pieces_are_cut_as_small_ones_are(
        wanted in wanted(),
        parts in vec((0_u64..24, 1_u64..24), 1..4),
        bits in 0_u32..59,
        high in any::<u64>(),
    ) {
        let unit = 1 << bits;
        // A multiple of every limit, with 24 units behind it.
        let base = high.min(u64::MAX - 24 * unit) & !(16 * unit - 1);
        let parts: Vec<_> = parts.iter().map(|(s, len)| (*s, *len.min(&(24 - s)))).collect();
        judge(&wanted, &parts, Scale { base, unit });
    }

    #[test]
    fn no_segment_could_go_on_to_the_next_place_where_one_may_end(
        limits in any_limits(),
        parts in vec((any::<u64>(), 1..=u64::MAX, 0_u32..64, any::<bool>()), 1..5),
    ) {
        let joint = limits.segment_alignment().max(limits.segment_page()).get();
        let mut ranges: Vec<DmaRange> = Vec::new();
        for (start, len, shift, adjacent) in parts {
            let behind = ranges.last().and_then(|r| r.last().checked_add(1)).map(DmaAddr::get);
            let start = behind.filter(|_| adjacent).unwrap_or(start & !(joint - 1));
            let len = ((len >> shift).max(1) & !(joint - 1)).max(1);
            ranges.push(range(start, len.min(u64::MAX - start).max(1)));
        }
        // What was given before an error is right as well.
        let given: Vec<DmaRange> = Segments::new(&limits, ranges.iter().copied())
            .map_while(Result::ok)
            .collect();
        prop_assert_eq!(limits.check_all(&given), Ok(()));

        // Stretches of adjacent ranges, in numbers that do not wrap, each followed while segments are left.
        let ends = |r: &DmaRange| (u128::from(r.start().get()), u128::from(r.last().get()) + 1);
        let mut stretches: Vec<(u128, u128)> = Vec::new();
        for (start, end) in ranges.iter().map(ends) {
            match stretches.last_mut() {
                Some(last) if last.1 == start && end - last.0 < 1 << 64 => last.1 = end,
                _ => stretches.push((start, end)),
            }
        }
        let mut given = given.iter();
        'all: for (mut at, end) in stretches {
            while at < end {
                let Some(segment) = given.next() else { break 'all };
                let (start, behind) = ends(segment);
                prop_assert_eq!(start, at);
                prop_assert!(behind <= end);
                let further = ((behind / u128::from(joint) + 1) * u128::from(joint)).min(end);
                if behind < end {
                    prop_assert_eq!(behind % u128::from(joint), 0);
                    let len = u64::try_from(further - start).unwrap();
                    prop_assert!(limits.check(range(segment.start().get(), len)).is_err());
                }
                at = behind;
            }
        }
        prop_assert_eq!(given.next(), None);
    }
}
