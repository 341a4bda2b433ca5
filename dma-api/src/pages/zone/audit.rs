//! Whether the entries of a zone say one and the same of its pages, read in two ways: page by page, and list by list.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "a test calculates, and panics"
)]

extern crate std;

use core::num::NonZeroUsize;
use std::vec::Vec;

use super::{super::classes::lists, *};
use crate::{
    addr::{PhysAddr, PhysRange},
    limits::{Alignment, Request},
    pages::{Books, Claimed, MAX_ZONES, entries},
};

impl Zone {
    /// Free pages, of as many as all zones have. The first ones may be the rest of a block that begins in another zone.
    fn audit(&self, table: Table<'_>, all: u32) -> u32 {
        let walked = self.walk(table);
        let mut listed = Vec::new();
        for class in 0..u32::try_from(lists(all as usize)).unwrap() {
            let head = self.heads + class;
            assert_eq!(table.at(head).state().mark(), mark_of(class));
            let (mut before, mut next) = (head, table.at(head).state().number());
            let filled = self.filled[class as usize / 64] >> (class % 64) & 1 == 1;
            assert_eq!(filled, next != head, "class {class}");
            while next != head {
                assert!(
                    self.first <= next && next < self.end,
                    "a list leads to page {next}"
                );
                assert!(
                    listed.len() < walked.len(),
                    "more runs in lists than there are"
                );
                assert_eq!(table.at(next).other(), before, "page {next}");
                let pages = length(table, next, table.at(next).state());
                assert_eq!(class_of(pages), class, "page {next}");
                listed.push((next, pages));
                (before, next) = (next, table.at(next).state().number());
            }
            assert_eq!(table.at(head).other(), before);
        }
        listed.sort_unstable();
        assert_eq!(listed, walked);
        walked.iter().map(|(_, pages)| pages).sum()
    }

    /// The free runs, each with its length, none beside another.
    fn walk(&self, table: Table<'_>) -> Vec<(u32, u32)> {
        let inside = |from: u32, to: u32| {
            (from..to).for_each(|page| {
                assert_eq!(table.at(page).state(), State::INSIDE, "page {page}");
            });
        };
        let (mut page, mut free) = (self.first, Vec::new());
        while page < self.end && table.at(page).state() == State::INSIDE {
            page += 1;
        }
        while page < self.end {
            let state = table.at(page).state();
            let pages = match state.mark() {
                State::SINGLE => 1,
                State::FIRST => {
                    let pages = length(table, page, state);
                    assert!(2 <= pages && pages <= self.end - page, "page {page}");
                    inside(page + 1, page + pages - 1);
                    let last = table.at(page + pages - 1).state();
                    assert_eq!(last, State::new(State::LAST, pages));
                    pages
                }
                State::TAKEN => {
                    let pages = state.number().min(self.end - page);
                    inside(page + 1, page + pages);
                    pages
                }
                State::LENT | State::HELD => 1,
                _ => panic!("page {page} is {state:?}"),
            };
            if state.begins_free() {
                let before = free.last().map(|(first, pages)| first + pages);
                assert_ne!(before, Some(page), "two free runs are not joined");
                free.push((page, pages));
            }
            page += pages;
        }
        assert_eq!(page, self.end);
        free
    }
}

const PAGE: u64 = 4096;

/// Books of 90 pages or fewer, and what they have handed out.
struct Bench {
    storage: Vec<PageEntry>,
    books: Books,
    blocks: Vec<PhysRange>,
    lent: Vec<PhysRange>,
}

impl Bench {
    fn new(pages: u64, cuts: &[u64]) -> Self {
        let count = usize::try_from(pages).unwrap();
        let storage = (0..entries(count, MAX_ZONES)).map(|_| PageEntry::new());
        let storage: Vec<_> = storage.collect();
        let memory = PhysRange::new(PhysAddr::new(0), pages * PAGE).unwrap();
        let limit = |cut: &u64| PhysAddr::new(cut * PAGE - 1);
        let limits: Vec<_> = cuts.iter().map(limit).collect();
        let page = Alignment::new(PAGE).unwrap();
        let mut books = Books::new(&storage, memory, page, &limits).unwrap();
        books.patience = u32::MAX;
        Self {
            storage,
            books,
            blocks: Vec::new(),
            lent: Vec::new(),
        }
    }

    fn audit(&self) {
        let (table, all) = (Table(&self.storage), self.books.frame.pages);
        let zones = self.books.zones.iter().take(self.books.count);
        let free: u32 = zones.map(|zone| zone.audit(table, all)).sum();
        assert_eq!(self.books.free_bytes(), u64::from(free) * PAGE);
        let taken = self.blocks.iter().chain(&self.lent);
        let taken: u64 = taken.map(|range| range.len_bytes()).sum();
        assert_eq!(taken, u64::from(all - free) * PAGE);
        let lent: u64 = self.lent.iter().map(|range| range.len_bytes()).sum();
        assert_eq!(self.books.lent_bytes(), lent);
    }

    /// What is handed out meets the request and is nobody else's.
    fn keep(&mut self, request: &Request, block: PhysRange) {
        let meets = request.last_fit(block, Alignment::new(PAGE).unwrap());
        assert_eq!(meets, Some(block.start()), "{request:?} {block:?}");
        let others = self.blocks.iter().chain(&self.lent);
        assert!(
            others.clone().all(|other| !other.overlaps(block)),
            "{block:?}"
        );
        self.blocks.push(block);
    }

    fn take(&mut self, request: &Request) {
        if let Ok(block) = self.books.take(&self.storage, request) {
            self.keep(request, block);
        }
    }

    fn give(&mut self, block: PhysRange) {
        let claimed = self.books.claim_alone(&self.storage, block).unwrap();
        self.books.give(&self.storage, claimed);
        assert!(self.books.claim_alone(&self.storage, block).is_err());
    }

    /// The block is lent page by page.
    fn lend(&mut self, block: PhysRange) {
        let claimed = self.books.claim_alone(&self.storage, block).unwrap();
        self.books.mark_lent(&self.storage, claimed);
        let frame = self.books.frame;
        let page = |page| frame.range(page, 1);
        self.lent.extend(claimed.numbers().map(page));
    }

    /// A place is taken back, or only its first lent pages are, and then it is let go.
    fn reclaim(&mut self, request: &Request, whole: bool) {
        let Some(place) = self.books.find_lent(&self.storage, request, 0) else {
            return;
        };
        self.books.hold(&self.storage, place);
        let (frame, mut from) = (self.books.frame, place.first);
        while let Some(run) = Books::still_lent(&self.storage, place, from) {
            Books::make_ready(&self.storage, run);
            let Claimed { first, pages } = run;
            self.lent
                .retain(|page| !frame.range(first, pages).overlaps(*page));
            from = first + pages;
            if !whole {
                return self.books.let_go(&self.storage, place);
            }
        }
        self.books.keep(&self.storage, place);
        self.keep(request, frame.range(place.first, place.pages));
    }
}

#[test]
fn entries_agree_whatever_is_done() {
    for seed in 0..400_u64 {
        let mut state = seed;
        let mut any = |below: u64| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(11);
            (state >> 33) % below
        };
        let pages = 1 + any(90);
        let cuts: Vec<_> = (0..any(4)).map(|_| 1 + any(pages)).collect();
        let mut bench = Bench::new(pages, &cuts);
        bench.audit();
        for _ in 0..60 {
            let wanted = if any(3) == 0 { 40 } else { 4 };
            let len = NonZeroUsize::new(usize::try_from(PAGE * (1 + any(wanted))).unwrap());
            let mut request = Request::anywhere(len.unwrap());
            match any(5) {
                0 => request.alignment = Alignment::new(PAGE << any(4)).unwrap(),
                1 => request.highest = PhysAddr::new(any(pages) * PAGE + PAGE - 1),
                2 => request.lowest = PhysAddr::new(any(pages) * PAGE),
                _ => {}
            }
            let step = any(10);
            match step {
                0..5 => bench.take(&request),
                8 => bench.reclaim(&request, any(2) == 0),
                9 if !bench.lent.is_empty() => {
                    let index = any(bench.lent.len() as u64);
                    let page = bench.lent.swap_remove(usize::try_from(index).unwrap());
                    bench.books.unlend(&bench.storage, page).unwrap();
                }
                _ if !bench.blocks.is_empty() => {
                    let index = any(bench.blocks.len() as u64);
                    let block = bench.blocks.swap_remove(usize::try_from(index).unwrap());
                    if step == 7 {
                        bench.lend(block);
                    } else {
                        bench.give(block);
                    }
                }
                _ => {}
            }
            bench.audit();
        }
    }
}
