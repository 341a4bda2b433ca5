//! The books of pages against a model that tries every place.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "a test calculates, and panics"
)]

use core::num::NonZeroUsize;

use dma_api::pages::{MAX_ZONES, PageEntry, Pages, entries};
use dma_api::{Alignment, Error, PhysAddr, PhysRange, Request};
use proptest::{collection::vec, prelude::*};

const PAGE: u64 = 4096;

/// Books, and what the model knows of them.
struct Bench {
    pages: Pages<&'static mut [PageEntry]>,
    window: PhysRange,
    /// Whether a request is refused only if no free place meets it.
    thorough: bool,
    taken: Vec<PhysRange>,
}

fn alignment(bytes: u64) -> Alignment {
    Alignment::new(bytes).unwrap()
}

fn range(start: u64, len: u64) -> PhysRange {
    PhysRange::new(PhysAddr::new(start), len).unwrap()
}

fn books(pages: usize, zones: usize) -> &'static mut [PageEntry] {
    let fresh = (0..entries(pages, zones)).map(|_| PageEntry::new());
    Box::leak(fresh.collect())
}

impl Bench {
    fn new(base: u64, pages: u64, limits: &[u64], patience: u32) -> Self {
        let window = range(base, pages * PAGE);
        let limits: Vec<_> = limits.iter().map(|limit| PhysAddr::new(*limit)).collect();
        let storage = books(usize::try_from(pages).unwrap(), MAX_ZONES);
        let pages = Pages::new(storage, window, alignment(PAGE), &limits).unwrap();
        let pages = pages.with_patience(patience);
        Self {
            pages,
            window,
            thorough: patience == u32::MAX,
            taken: Vec::new(),
        }
    }

    /// Whether the request is met there. In the model numbers are as long as they need to be.
    fn meets(&self, request: &Request, place: PhysRange) -> bool {
        let wrap = 1_u128 << 64;
        let (first, last) = (
            u128::from(place.start().get()),
            u128::from(place.last().get()),
        );
        let device_first = (first + u128::from(request.bus_offset)) % wrap;
        let device_last = device_first + (last - first);
        let boundary = request.boundary.map_or(u128::MAX, |b| u128::from(b.get()));
        place.start() >= request.lowest
            && place.last() <= request.highest
            && device_first.is_multiple_of(u128::from(request.alignment.get()))
            && device_first / boundary == device_last / boundary
    }

    fn places(&self, request: &Request) -> impl Iterator<Item = PhysRange> {
        let len = (request.len.get() as u64).div_ceil(PAGE) * PAGE;
        let base = self.window.start().get();
        (0..self.window.len_bytes() / PAGE)
            .map(move |page| base + page * PAGE)
            .filter_map(move |start| PhysRange::new(PhysAddr::new(start), len).ok())
            .filter(|place| self.window.contains(*place) && self.meets(request, *place))
    }

    fn is_free(&self, place: PhysRange) -> bool {
        !self.taken.iter().any(|taken| taken.overlaps(place))
    }

    fn free(&self) -> (u64, u64) {
        let (mut sum, mut run, mut longest) = (0, 0, 0);
        for page in 0..self.window.len_bytes() / PAGE {
            let free = self.is_free(range(self.window.start().get() + page * PAGE, PAGE));
            run = if free { run + PAGE } else { 0 };
            sum += if free { PAGE } else { 0 };
            longest = longest.max(run);
        }
        (sum, longest)
    }

    fn take(&mut self, request: &Request) -> Option<PhysRange> {
        let found = self.pages.take(request);
        match found {
            Ok(place) => {
                let len = (request.len.get() as u64).div_ceil(PAGE) * PAGE;
                assert_eq!(place.len_bytes(), len);
                assert!(
                    self.places(request).any(|p| p == place),
                    "{place:?} {request:?}"
                );
                assert!(self.is_free(place), "{place:?} is taken");
                self.taken.push(place);
            }
            Err(error) => {
                let place = self.places(request).find(|place| self.is_free(*place));
                assert!(
                    place.is_none() || self.may_miss(request),
                    "{request:?}: {error} {place:?}"
                );
                let len = request.len.get();
                let longest = usize::try_from(self.free().1).unwrap();
                let largest_free = match error {
                    // Of runs that are about as long not all were looked at.
                    Error::Exhausted { largest_free, .. } if !self.thorough => {
                        assert!(largest_free <= longest);
                        assert!(largest_free.saturating_mul(17) >= longest.saturating_mul(15));
                        largest_free
                    }
                    _ => longest,
                };
                let expected = if self.places(request).next().is_some() {
                    Error::Exhausted { len, largest_free }
                } else {
                    let capacity = usize::try_from(self.window.len_bytes()).unwrap();
                    Error::NeverFits { len, capacity }
                };
                assert_eq!(error, expected);
            }
        }
        self.agree();
        found.ok()
    }

    /// Whether the books may say that there is no place though there is one: they lose their patience only with what
    /// not every run of the length fits, and with more than 16 pages.
    fn may_miss(&self, request: &Request) -> bool {
        let whole = request.lowest <= self.window.start() && request.highest >= self.window.last();
        let easy = whole
            && request.alignment <= alignment(PAGE)
            && request.boundary.is_none()
            && request.alignment.divides(request.bus_offset);
        let short = request.len.get() as u64 <= 16 * PAGE;
        !(self.thorough || easy && short)
    }

    fn give(&mut self, index: usize) {
        if self.taken.is_empty() {
            return;
        }
        let block = self.taken.swap_remove(index % self.taken.len());
        assert_eq!(self.pages.give(block), Ok(()));
        self.refuse(block);
        self.agree();
    }

    /// Whatever is no block that is handed out is refused.
    fn refuse(&mut self, block: PhysRange) {
        if self.taken.contains(&block) {
            return;
        }
        let (phys, len) = (
            block.start().get(),
            usize::try_from(block.len_bytes()).unwrap(),
        );
        let expected = if self.window.contains(block) {
            Error::NotAllocated { phys, len }
        } else {
            Error::ForeignBlock { phys, len }
        };
        assert_eq!(self.pages.give(block), Err(expected));
        self.agree();
    }

    fn agree(&self) {
        let free = (self.pages.free_bytes(), self.pages.largest_free());
        assert_eq!(free, self.free());
    }
}

fn request(pages: u64) -> Request {
    Request::anywhere(NonZeroUsize::new(usize::try_from(pages * PAGE).unwrap()).unwrap())
}

#[derive(Clone, Debug)]
enum Step {
    Take {
        bytes: usize,
        align: u32,
        low: u64,
        high: u64,
        boundary: Option<u32>,
        offset: u64,
    },
    Give(usize),
    Refuse {
        start: i64,
        len: u64,
    },
}

fn step(pages: u64) -> impl Strategy<Value = Step> {
    let bytes = prop_oneof![
        4 => (1..5_u64).prop_map(|pages| pages * PAGE),
        2 => 1..40 * PAGE,
        1 => 1..(pages + 2) * PAGE,
    ];
    let limit = || prop_oneof![3 => Just(None), 1 => (0..(pages + 1) * PAGE).prop_map(Some)];
    let edge = |bits: core::ops::Range<u32>| prop_oneof![3 => Just(None), 1 => bits.prop_map(Some)];
    let take = (
        bytes,
        edge(0..20),
        limit(),
        limit(),
        edge(12..20),
        prop_oneof![3 => Just(0), 1 => 0..9_u64],
    )
        .prop_map(|(bytes, align, low, high, boundary, offset)| Step::Take {
            bytes: usize::try_from(bytes).unwrap(),
            align: align.unwrap_or(0),
            low: low.unwrap_or(0),
            high: high.unwrap_or(u64::MAX),
            boundary,
            offset: offset * 0x800,
        });
    prop_oneof![
        6 => take,
        5 => any::<usize>().prop_map(Step::Give),
        1 => (-3..i64::try_from(pages + 2).unwrap() * 2, 1..9_u64)
            .prop_map(|(start, len)| Step::Refuse { start: start * 0x800, len: len * 0x800 }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn books_hand_out_what_trying_every_place_finds(
        patience in prop_oneof![2 => Just(u32::MAX), 1 => 0..4_u32],
        (pages, base, limits, steps) in (1..100_u64, prop_oneof![Just(0), Just(0x7_f000), Just(0x8000_0000)])
            .prop_flat_map(|(pages, base)| (
                Just(pages),
                Just(base),
                vec((0..=pages * PAGE).prop_map(move |at| base + at), 0..MAX_ZONES),
                vec(step(pages), 1..80),
            ))
    ) {
        let mut bench = Bench::new(base, pages, &limits, patience);
        for step in steps {
            match step {
                Step::Take { bytes, align, low, high, boundary, offset } => {
                    let at = |by: u64| PhysAddr::new(base.saturating_add(by));
                    let wish = Request {
                        len: NonZeroUsize::new(bytes).unwrap(),
                        lowest: at(low),
                        highest: at(high),
                        alignment: alignment(1 << align),
                        boundary: boundary.map(|bits| alignment(1 << bits)),
                        bus_offset: offset,
                    };
                    bench.take(&wish);
                }
                Step::Give(index) => bench.give(index),
                Step::Refuse { start, len } => {
                    if let Some(start) = base.checked_add_signed(start) {
                        bench.refuse(range(start, len));
                    }
                }
            }
        }
        while !bench.taken.is_empty() {
            bench.give(0);
        }
        prop_assert_eq!(bench.free(), (pages * PAGE, pages * PAGE));
        let all = bench.take(&request(pages));
        prop_assert_eq!(all, Some(bench.window));
    }
}
