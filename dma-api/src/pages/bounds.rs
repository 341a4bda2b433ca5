//! How many entries a call touches at most, counted where all of them are reached.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "a test calculates, and panics"
)]

extern crate std;

use core::{cell::Cell, num::NonZeroUsize};
use std::{boxed::Box, vec::Vec};

use super::*;

std::thread_local! {
    static TOUCHED: Cell<u32> = const { Cell::new(0) };
}

/// An entry is read or written.
pub(super) fn touch() {
    TOUCHED.set(TOUCHED.get() + 1);
}

const PAGE: u64 = 4096;

/// To take up to 16 pages anywhere, of one zone that has them.
const TAKE: u32 = 16;
/// To give back pages of one zone.
const GIVE: u32 = 20;
/// To look at a run, and one more if it is the last of its list.
const RUN: u32 = 3;
/// To take any pages, for each zone: a few runs are looked at for their length and a few that are long enough for any
/// place; then the longest ones to find a place, and again to say how long they are; and zones are looked at for
/// runs that go on in others.
const fn search(patience: u32) -> u32 {
    (RUN + 1) * (128 + 128) + RUN * (patience + patience) + 40
}

/// Books, and the most entries that any call has touched.
struct Bench {
    pages: Pages<&'static mut [PageEntry]>,
    /// Where zones end.
    cuts: Vec<u64>,
    patience: u32,
    /// To take up to 16 pages anywhere that one zone has,
    easy: u32,
    /// to take any others,
    hard: u32,
    /// and to give back.
    give: u32,
}

impl Bench {
    fn new(pages: u64, cuts: &[u64], patience: u32) -> Self {
        let count = usize::try_from(pages).unwrap();
        let storage = (0..entries(count, MAX_ZONES)).map(|_| PageEntry::new());
        let window = PhysRange::new(PhysAddr::new(0), pages * PAGE).unwrap();
        let limit = |cut: &u64| PhysAddr::new(cut * PAGE - 1);
        let limits: Vec<_> = cuts.iter().map(limit).collect();
        let storage: &'static mut [PageEntry] = Box::leak(storage.collect());
        let page = Alignment::new(PAGE).unwrap();
        let pages = Pages::new(storage, window, page, &limits).unwrap();
        Self {
            pages: pages.with_patience(patience),
            cuts: cuts.to_vec(),
            patience,
            easy: 0,
            hard: 0,
            give: 0,
        }
    }

    fn take(&mut self, request: &Request) -> Result<PhysRange, Error> {
        TOUCHED.set(0);
        let found = self.pages.take(request);
        let short = request.len.get() as u64 <= 16 * PAGE;
        let easy = short && *request == Request::anywhere(request.len);
        let most = if easy && found.is_ok_and(|block| self.zones_of(block) == 1) {
            &mut self.easy
        } else {
            &mut self.hard
        };
        *most = TOUCHED.get().max(*most);
        found
    }

    /// In how many zones a block lies.
    fn zones_of(&self, block: PhysRange) -> u32 {
        let pages = block.start().get() / PAGE..block.last().get() / PAGE;
        let inside = self.cuts.iter().filter(|cut| pages.contains(&(**cut - 1)));
        1 + u32::try_from(inside.count()).unwrap()
    }

    fn give(&mut self, block: PhysRange) {
        TOUCHED.set(0);
        self.pages.give(block).unwrap();
        let of_each = TOUCHED.get().div_ceil(self.zones_of(block));
        self.give = of_each.max(self.give);
    }

    /// All pages, each a block.
    fn shred(&mut self) -> Vec<PhysRange> {
        let mut blocks = Vec::new();
        while let Ok(block) = self.take(&request(1)) {
            blocks.push(block);
        }
        blocks.sort_unstable_by_key(|block| block.start());
        blocks
    }

    /// Requests of all kinds are answered, and no call has touched more than it may.
    fn judge(mut self) -> (u32, u32, u32) {
        for wanted in all_kinds() {
            let mut blocks = Vec::new();
            while blocks.len() < 3
                && let Ok(block) = self.take(&wanted)
            {
                blocks.push(block);
            }
            blocks.into_iter().for_each(|block| self.give(block));
        }
        let zones = 1 + u32::try_from(self.cuts.len()).unwrap();
        let most = (TAKE, zones * search(self.patience), GIVE);
        let (easy, hard, give) = (self.easy, self.hard, self.give);
        assert!(
            easy <= most.0 && hard <= most.1 && give <= most.2,
            "{easy} {hard} {give}"
        );
        (self.easy, self.hard, self.give)
    }
}

fn request(pages: u64) -> Request {
    Request::anywhere(NonZeroUsize::new(usize::try_from(pages * PAGE).unwrap()).unwrap())
}

fn all_kinds() -> Vec<Request> {
    let mut kinds = Vec::new();
    for pages in [1, 2, 3, 15, 16, 17, 18, 33, 34, 100, 500, 5000] {
        for bits in [0, 13, 15, 18, 22] {
            for boundary in [None, Some(14), Some(17), Some(24)] {
                for cut in [1, 77, 1000, 1 << 40] {
                    kinds.push(Request {
                        alignment: Alignment::new(1 << bits).unwrap(),
                        boundary: boundary.map(|bits| Alignment::new(1 << bits).unwrap()),
                        highest: PhysAddr::new(cut * PAGE - 1),
                        ..request(pages)
                    });
                }
            }
        }
        kinds.push(request(pages));
    }
    kinds
}

/// Where the zones of a memory of so many pages end.
fn zonings(pages: u64) -> [Vec<u64>; 3] {
    let part = |parts: u64| (1..parts).map(|part| pages * part / parts).collect();
    [part(1), part(2), part(4)]
}

#[test]
fn calls_touch_few_entries_of_a_memory_in_which_every_second_page_is_free() {
    for cuts in zonings(4096) {
        let mut bench = Bench::new(4096, &cuts, 64);
        let blocks = bench.shred();
        for block in blocks.into_iter().step_by(2) {
            bench.give(block);
        }
        assert!(bench.take(&request(2)).is_err());
        bench.judge();
    }
}

#[test]
fn calls_touch_few_entries_of_a_memory_with_free_runs_of_every_length() {
    for cuts in zonings(8192) {
        let mut bench = Bench::new(8192, &cuts, 64);
        let (mut length, mut left) = (1, 1);
        for block in bench.shred() {
            if left == 0 {
                length += 1;
                left = length;
            } else {
                bench.give(block);
                left -= 1;
            }
        }
        bench.judge();
    }
}

#[test]
fn calls_touch_few_entries_of_a_memory_with_many_free_runs_of_each_class() {
    for cuts in zonings(1 << 16) {
        let mut bench = Bench::new(1 << 16, &cuts, 64);
        let lengths = [17, 18, 33, 34, 35, 36, 100, 101, 103, 5];
        let (mut index, mut left) = (0, 0);
        for block in bench.shred() {
            if left == 0 {
                index += 1;
                left = lengths[index % lengths.len()];
            } else {
                bench.give(block);
                left -= 1;
            }
        }
        bench.judge();
    }
}

#[test]
fn an_aligned_request_that_fits_nowhere_touches_entries_of_as_many_runs_as_there_is_patience_for() {
    let mut most = Vec::new();
    for patience in [0, 1, 64, 1000] {
        let mut bench = Bench::new(1 << 16, &[], patience);
        // Between two multiples of 32 pages 31 are free.
        for block in bench.shred() {
            if block.start().get() % (32 * PAGE) != 0 {
                bench.give(block);
            }
        }
        let aligned = Request {
            alignment: Alignment::new(32 * PAGE).unwrap(),
            ..request(3)
        };
        assert!(bench.take(&aligned).is_err());
        most.push(bench.hard);
        bench.judge();
    }
    // Of each run its link and its length are read, once to find a place and once to say how long it is; all are alike.
    let more = |less: usize| most[less + 1] - most[less];
    assert_eq!((more(1), more(2)), (2 * RUN * 63, 2 * RUN * 936));
}

#[test]
fn calls_touch_few_entries_while_memory_is_used_at_random() {
    let mut most = (0, 0);
    for cuts in zonings(8192) {
        let mut bench = Bench::new(8192, &cuts, 64);
        let (mut state, mut blocks) = (5_u64, Vec::new());
        let mut any = |below: u64| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            (state >> 33) % below
        };
        for _ in 0..20_000 {
            let mut wanted = request(1 + any(40));
            match any(8) {
                0 => wanted.alignment = Alignment::new(PAGE << any(9)).unwrap(),
                1 => wanted.highest = PhysAddr::new(any(8192 * PAGE)),
                2 => wanted.boundary = Some(Alignment::new((64 * PAGE) << any(4)).unwrap()),
                _ => {}
            }
            if let Ok(block) = bench.take(&wanted) {
                blocks.push(block);
            }
            while blocks.len() as u64 > 200 + any(200) {
                let index = usize::try_from(any(blocks.len() as u64)).unwrap();
                bench.give(blocks.swap_remove(index));
            }
        }
        let (easy, _, give) = bench.judge();
        most = (easy.max(most.0), give.max(most.1));
    }
    // The usual calls come near to what is said of them.
    assert!(most.0 > TAKE / 2 && most.1 > GIVE / 2, "{most:?}");
}

#[test]
fn calls_touch_few_entries_for_blocks_across_all_zones() {
    let mut bench = Bench::new(64, &[16, 32, 48], 64);
    for (first, pages) in [(0, 64), (1, 62), (15, 34), (8, 20)] {
        let (low, high) = (first * PAGE, (first + pages) * PAGE - 1);
        let wanted = Request {
            lowest: PhysAddr::new(low),
            highest: PhysAddr::new(high),
            ..request(pages)
        };
        let block = bench.take(&wanted).unwrap();
        bench.give(block);
    }
    let (_, hard, _) = bench.judge();
    assert!(hard > 4 * RUN, "{hard}");
}

#[test]
fn a_request_that_must_lie_below_all_free_runs_touches_few_entries_however_many_classes_they_have()
{
    for each in [2, 3, 5] {
        let mut bench = Bench::new(1 << 16, &[], 64);
        // Of every class so many runs.
        let lengths = (1..40)
            .chain((40..400).step_by(7))
            .flat_map(|length| [length; 5]);
        let mut lengths = lengths
            .enumerate()
            .filter(|(n, _)| n % 5 < each)
            .map(|one| one.1);
        let mut left = 0;
        for block in bench.shred().into_iter().skip(1) {
            if left == 0 {
                left = lengths.next().unwrap_or(0);
            } else {
                bench.give(block);
                left -= 1;
            }
        }
        let low = Request {
            highest: PhysAddr::new(2 * PAGE),
            alignment: Alignment::new(2 * PAGE).unwrap(),
            ..request(1)
        };
        assert!(bench.take(&low).is_err());
        // 128 runs of all classes, 128 of those that are long enough, and the 64 longest ones.
        let looks = 128 + 128 + 64;
        let (least, most) = (RUN * looks, (RUN + 1) * looks + RUN * 3);
        assert!(
            least < bench.hard && bench.hard <= most,
            "{each} {}",
            bench.hard
        );
        bench.judge();
    }
}
