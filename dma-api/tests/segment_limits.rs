//! Each limit of a transfer's segments at its edge and on both sides of it, with the numbers of the error; lists that are
//! made piece by piece, all at once or not at all; and the fields of descriptors.
#![expect(clippy::unwrap_used, reason = "a test panics")]

use dma_api::{
    DmaAddr, DmaRange, Error, Limits, Segments,
    segments::{self, Place},
};

const TOP: u64 = u64::MAX;

fn range(start: u64, len: u64) -> DmaRange {
    DmaRange::new(DmaAddr::new(start), len).unwrap()
}

fn all<const N: usize>(
    limits: Result<Limits, Error>,
    ranges: [DmaRange; N],
) -> Result<Vec<DmaRange>, Error> {
    Segments::new(&limits.unwrap(), ranges).collect()
}

#[test]
fn the_lowest_address_may_be_the_first_ones() {
    let from = |lowest| Limits::UNLIMITED.window(DmaAddr::new(lowest), DmaAddr::new(TOP));
    let memory = range(0x1000, 0x10);

    assert_eq!(all(from(0xfff), [memory]), Ok(vec![memory]));
    assert_eq!(all(from(0x1000), [memory]), Ok(vec![memory]));
    let below = |lowest| Error::BelowLowest {
        first: 0x1000,
        lowest,
    };
    assert_eq!(all(from(0x1001), [memory]), Err(below(0x1001)));
    // Of a range that is cut as well.
    let cut = from(0x1001).unwrap().max_segment_len(8);
    assert_eq!(all(cut, [memory]), Err(below(0x1001)));
}

#[test]
fn the_highest_address_may_be_the_last_ones() {
    let to = |highest| Limits::UNLIMITED.window(DmaAddr::new(0), DmaAddr::new(highest));
    let memory = range(0x1000, 0x10);

    assert_eq!(all(to(0x1010), [memory]), Ok(vec![memory]));
    assert_eq!(all(to(0x100f), [memory]), Ok(vec![memory]));
    let above = |last, highest| Error::AboveHighest { last, highest };
    assert_eq!(all(to(0x100e), [memory]), Err(above(0x100f, 0x100e)));
    // Of a range that is cut, the segment that is above is the one that is refused.
    let cut = to(0x100e).unwrap().max_segment_len(8).unwrap();
    let mut segments = Segments::new(&cut, [memory]);
    assert_eq!(segments.next(), Some(Ok(range(0x1000, 8))));
    assert_eq!(segments.next(), Some(Err(above(0x100f, 0x100e))));
    let first = to(0x1006).unwrap().max_segment_len(8);
    assert_eq!(all(first, [memory]), Err(above(0x1007, 0x1006)));
}

#[test]
fn a_range_starts_at_a_multiple_of_the_alignment_unless_it_is_adjacent() {
    let aligned = || Limits::UNLIMITED.alignment(16);
    let misaligned = |addr| {
        Err(Error::Misaligned {
            addr,
            alignment: 16,
        })
    };

    assert_eq!(all(aligned(), [range(0xff, 4)]), misaligned(0xff));
    assert_eq!(all(aligned(), [range(0x100, 4)]), Ok(vec![range(0x100, 4)]));
    assert_eq!(all(aligned(), [range(0x101, 4)]), misaligned(0x101));
    let near = |start| [range(0x100, 4), range(start, 4)];
    assert_eq!(all(aligned(), near(0x103)), misaligned(0x103));
    assert_eq!(all(aligned(), near(0x104)), Ok(vec![range(0x100, 8)]));
    assert_eq!(all(aligned(), near(0x105)), misaligned(0x105));
}

#[test]
fn the_longest_segment_is_cut_from_one_byte_more_on() {
    let longest = |bytes| Limits::UNLIMITED.max_segment_len(bytes);
    let memory = range(0x1000, 0x10);
    let cut = |at| vec![range(0x1000, at), range(0x1000 + at, 0x10 - at)];

    assert_eq!(all(longest(0x11), [memory]), Ok(vec![memory]));
    assert_eq!(all(longest(0x10), [memory]), Ok(vec![memory]));
    assert_eq!(all(longest(0xf), [memory]), Ok(cut(0xf)));
    // Behind a cut the next one is aligned, and the cut is where that is possible.
    let aligned = |bytes| longest(bytes).unwrap().alignment(8);
    assert_eq!(all(aligned(0xf), [memory]), Ok(cut(8)));
    assert_eq!(all(aligned(8), [memory]), Ok(cut(8)));
    let none = Error::SegmentTooLong { len: 0x10, max: 7 };
    assert_eq!(all(aligned(7), [memory]), Err(none));
}

#[test]
fn a_boundary_is_where_a_range_is_cut() {
    let boundary = |bytes| Limits::UNLIMITED.boundary(bytes);

    for inside in [range(0x1000, 0x1000), range(0x1fff, 1), range(0x2000, 1)] {
        assert_eq!(all(boundary(0x1000), [inside]), Ok(vec![inside]));
    }
    let cut = vec![range(0x1fff, 1), range(0x2000, 1)];
    assert_eq!(all(boundary(0x1000), [range(0x1fff, 2)]), Ok(cut));
    let more = vec![range(0x1000, 0x1000), range(0x2000, 1)];
    assert_eq!(all(boundary(0x1000), [range(0x1000, 0x1001)]), Ok(more));
    // No segment can begin at the boundary that must not be crossed.
    let coarse = || boundary(4).unwrap().alignment(8);
    assert_eq!(all(coarse(), [range(8, 4)]), Ok(vec![range(8, 4)]));
    let none = Error::CrossesBoundary {
        first: 8,
        last: 12,
        boundary: 4,
    };
    assert_eq!(all(coarse(), [range(8, 5)]), Err(none));
}

#[test]
fn ranges_meet_at_the_edges_of_pages() {
    let paged = || Limits::UNLIMITED.page(0x1000);
    let inner = |edge| Err(Error::InnerEdge { edge, page: 0x1000 });
    let to = |end: u64| [range(0x1010, end - 0x1010), range(0x8000, 0x10)];
    let from = |start: u64| [range(0x1010, 0xff0), range(start, 0x10)];

    assert_eq!(all(paged(), to(0x1fff)), inner(0x1fff));
    assert_eq!(all(paged(), to(0x2000)), Ok(to(0x2000).to_vec()));
    assert_eq!(all(paged(), to(0x2001)), inner(0x2001));
    assert_eq!(all(paged(), from(0x7fff)), inner(0x7fff));
    assert_eq!(all(paged(), from(0x8001)), inner(0x8001));
    // Inside one page adjacent ranges do not meet: they are one.
    let adjacent = [range(0x1010, 0x10), range(0x1020, 0x10)];
    assert_eq!(all(paged(), adjacent), Ok(vec![range(0x1010, 0x20)]));
    // A cut is at a page's edge as well.
    let cut = vec![range(0x1010, 0xff0), range(0x2000, 0xfff)];
    let short = || paged().unwrap().max_segment_len(0x1fee);
    assert_eq!(all(short(), [range(0x1010, 0x1fef)]), Ok(cut));
}

#[test]
fn a_transfer_has_as_many_segments_as_the_device_takes() {
    let count = |count| {
        Limits::UNLIMITED
            .max_segment_len(0x10)
            .and_then(|l| l.max_segments(count))
    };
    let memory = [range(0x1000, 0x18), range(0x2000, 8)];
    let three = vec![range(0x1000, 0x10), range(0x1010, 8), range(0x2000, 8)];
    let many = |segments, max| Err(Error::TooManySegments { segments, max });

    assert_eq!(all(count(4), memory), Ok(three.clone()));
    assert_eq!(all(count(3), memory), Ok(three));
    assert_eq!(all(count(2), memory), many(3, 2));
    assert_eq!(all(count(1), memory), many(2, 1));
}

#[test]
fn the_last_byte_of_the_address_space_is_a_byte_like_any_other() {
    let last = range(TOP - 0xf, 0x10);
    let first = range(0, 0x10);
    let unlimited = || Ok(Limits::UNLIMITED);

    // What begins again at 0 is not adjacent to it.
    assert_eq!(all(unlimited(), [last, first]), Ok(vec![last, first]));
    let split = [range(TOP - 0xf, 0xf), range(TOP, 1)];
    assert_eq!(all(unlimited(), split), Ok(vec![last]));
    let everything = all(Limits::UNLIMITED.boundary(1 << 63), [range(1, TOP)]);
    let half = 1 << 63;
    assert_eq!(everything, Ok(vec![range(1, half - 1), range(half, half)]));
    let paged = Limits::UNLIMITED.page(0x1000);
    assert_eq!(all(paged, [last, first]), Ok(vec![last, first]));
}

#[test]
fn the_whole_address_space_is_more_than_one_range_can_be() {
    let parts = [range(0, TOP), range(TOP, 1)];
    assert_eq!(all(Ok(Limits::UNLIMITED), parts), Ok(parts.to_vec()));
}

#[test]
fn an_iterator_is_resumed_where_it_was_left_and_a_clone_goes_its_own_way() {
    let limits = Limits::UNLIMITED.max_segment_len(0x10).unwrap();
    let memory = [range(0x1000, 0x30), range(0x1030, 8), range(0x4000, 8)];
    let whole: Vec<_> = Segments::new(&limits, memory).collect();
    assert_eq!(whole.len(), 5);

    for at in 0..=whole.len() {
        let mut segments = Segments::new(&limits, memory);
        let mut made: Vec<_> = segments.by_ref().take(at).collect();
        assert_eq!(segments.clone().count(), whole.len() - at);
        made.extend(segments.by_ref());
        assert_eq!(made, whole);
        assert_eq!((segments.next(), segments.next()), (None, None));
    }
}

#[test]
fn a_resumed_iterator_remembers_the_count_and_where_the_last_segment_ended() {
    let limits = Limits::UNLIMITED.max_segments(1).unwrap();
    let memory = [range(0x1000, 8), range(0x4000, 8)];
    let mut segments = Segments::new(&limits, memory);
    segments.next().unwrap().unwrap();
    let many = Error::TooManySegments {
        segments: 2,
        max: 1,
    };
    assert_eq!(segments.clone().next(), Some(Err(many)));

    let mut segments = Segments::new(&Limits::UNLIMITED.page(16).unwrap(), memory);
    segments.next().unwrap().unwrap();
    let inner = Error::InnerEdge {
        edge: 0x1008,
        page: 16,
    };
    assert_eq!(segments.clone().next(), Some(Err(inner)));
}

#[test]
fn after_an_error_there_is_nothing() {
    let limits = Limits::UNLIMITED.alignment(16).unwrap();
    let memory = [range(0x1000, 16), range(0x2001, 1), range(0x3000, 16)];
    let mut segments = Segments::new(&limits, memory);

    assert!(segments.next().unwrap().is_ok());
    assert!(segments.next().unwrap().is_err());
    assert_eq!((segments.next(), segments.next()), (None, None));
    assert_eq!(Segments::new(&limits, []).next(), None);
}

#[test]
fn a_list_is_collected_whole_or_not_at_all() {
    let limits = Limits::UNLIMITED.max_segment_len(0x10).unwrap();
    let memory = [range(0x1000, 0x18), range(0x2000, 8)];
    let three = [range(0x1000, 0x10), range(0x1010, 8), range(0x2000, 8)];
    let collect = |places: usize| {
        let mut storage = vec![range(0, 1); places];
        segments::collect(&limits, memory, &mut storage).map(<[_]>::to_vec)
    };

    assert_eq!(collect(4), Ok(three.to_vec()));
    assert_eq!(collect(3), Ok(three.to_vec()));
    for capacity in 0..3 {
        assert_eq!(collect(capacity), Err(Error::TooManyParts { capacity }));
    }
    assert_eq!(segments::collect(&limits, [], &mut []), Ok(&[][..]));
}

#[test]
fn what_no_storage_helps_against_is_said_before_the_lack_of_it() {
    let limits = Limits::UNLIMITED.max_segments(2).unwrap();
    let memory = [range(0x1000, 8), range(0x2000, 8), range(0x3000, 8)];
    let many = Error::TooManySegments {
        segments: 3,
        max: 2,
    };

    let mut storage = [range(0, 1); 2];
    assert_eq!(
        segments::collect(&limits, memory, &mut storage),
        Err(many),
        "storage for as many segments as the device takes is storage enough"
    );
}

#[test]
fn a_descriptor_knows_whether_another_one_follows_and_may_refuse() {
    let limits = Limits::UNLIMITED.max_segment_len(0x10).unwrap();
    let encode = |len| {
        let mut table = [(0, Place::Inner); 3];
        segments::encode(
            &limits,
            [range(0xfff0, len)],
            &mut table,
            |segment, place| Ok((segments::field(segment.start().get(), 16)?, place)),
        )
        .map(<[_]>::to_vec)
    };

    assert_eq!(encode(0x10), Ok(vec![(0xfff0, Place::Last)]));
    let overflow = Error::FieldOverflow {
        value: 0x1_0000,
        bits: 16,
    };
    assert_eq!(encode(0x11), Err(overflow));

    let mut table = [None; 3];
    let table = segments::encode(&limits, [range(0, 0x30)], &mut table, |segment, place| {
        Ok(Some((segment, place)))
    });
    let places = table.unwrap().iter().map(|line| line.unwrap());
    assert!(places.eq([
        (range(0, 0x10), Place::Inner),
        (range(0x10, 0x10), Place::Inner),
        (range(0x20, 0x10), Place::Last),
    ]));
}

#[test]
fn a_field_holds_its_bits_and_not_one_more() {
    for bits in [0, 1, 16, 32, 63, 64] {
        let most = u64::MAX.checked_shr(64 - bits).unwrap_or(0);
        assert_eq!(segments::field(0, bits), Ok(0));
        assert_eq!(segments::field(most, bits), Ok(most));
        if let Some(value) = most.checked_add(1) {
            let overflow = Error::FieldOverflow { value, bits };
            assert_eq!(segments::field(value, bits), Err(overflow));
            let overflow = Error::FieldOverflow { value: TOP, bits };
            assert_eq!(segments::field(TOP, bits), Err(overflow));
        }
    }
}

#[test]
fn an_address_is_a_high_and_a_low_word() {
    assert_eq!(
        DmaAddr::new(0x0123_4567_89ab_cdef).words(),
        (0x0123_4567, 0x89ab_cdef)
    );
    assert_eq!(DmaAddr::new(0xffff_ffff).words(), (0, u32::MAX));
    assert_eq!(DmaAddr::new(0x1_0000_0000).words(), (1, 0));
}
