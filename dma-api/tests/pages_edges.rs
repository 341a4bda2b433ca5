//! The books of pages where numbers are large, patience is short, or entries were used before.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    reason = "a test calculates, and panics"
)]

use core::num::NonZeroUsize;

use dma_api::pages::{MAX_ZONES, PageEntry, Pages, entries};
use dma_api::{Alignment, Error, PhysAddr, PhysRange, Request};

const PAGE: u64 = 4096;

fn alignment(bytes: u64) -> Alignment {
    Alignment::new(bytes).unwrap()
}

fn range(first: u64, pages: u64) -> PhysRange {
    PhysRange::new(PhysAddr::new(first * PAGE), pages * PAGE).unwrap()
}

fn storage(pages: usize) -> Vec<PageEntry> {
    (0..entries(pages, MAX_ZONES))
        .map(|_| PageEntry::new())
        .collect()
}

/// Books of that many pages from address 0 on, in zones that end in front of these pages.
fn books<'e>(storage: &'e mut [PageEntry], pages: u64, cuts: &[u64]) -> Pages<&'e mut [PageEntry]> {
    let limits: Vec<_> = cuts
        .iter()
        .map(|cut| PhysAddr::new(cut * PAGE - 1))
        .collect();
    Pages::new(storage, range(0, pages), alignment(PAGE), &limits).unwrap()
}

fn request(pages: u64) -> Request {
    Request::anywhere(NonZeroUsize::new(usize::try_from(pages * PAGE).unwrap()).unwrap())
}

#[test]
fn a_place_in_one_zone_is_had_whole_though_only_the_search_across_zones_comes_to_it() {
    let mut storage = storage(40);
    let mut books = books(&mut storage, 40, &[20]).with_patience(0);
    for _ in 0..40 {
        books.take_pages(1).unwrap();
    }
    // Of the lower zone's runs of five pages only the first has a multiple of 16 pages, and it is the last that is looked at.
    for page in (15..22).chain(2..7).chain(8..13) {
        books.give(range(page, 1)).unwrap();
    }
    let aligned = Request {
        alignment: alignment(16 * PAGE),
        ..request(2)
    };

    assert_eq!(books.take(&aligned), Ok(range(16, 2)));

    let free = |books: &Pages<_>| (books.free_bytes() / PAGE, books.largest_free() / PAGE);
    assert_eq!(free(&books), (15, 5));
    for pages in [5, 5, 4, 1] {
        books.take(&request(pages)).unwrap();
    }
    books.give(range(16, 2)).unwrap();
    assert_eq!(books.take(&request(2)), Ok(range(16, 2)));
    assert_eq!(free(&books), (0, 0));
}

#[test]
fn more_pages_than_a_number_of_pages_can_say_never_fit() {
    let mut storage = storage(64);
    let mut books = books(&mut storage, 64, &[]);
    let capacity = 64 * PAGE as usize;
    for len in [
        65 * PAGE as usize,
        usize::MAX / 2,
        usize::MAX - 4095,
        usize::MAX,
    ] {
        let long = Request::anywhere(NonZeroUsize::new(len).unwrap());
        let never = Error::NeverFits { len, capacity };
        assert_eq!(books.take(&long), Err(never));
        let aligned = Request {
            alignment: alignment(2 * PAGE),
            ..long
        };
        assert_eq!(books.take(&aligned), Err(never));
        let high = Request {
            lowest: PhysAddr::new(PAGE),
            ..long
        };
        assert_eq!(books.take(&high), Err(never));
    }
    for pages in [65, 1 << 28, u32::MAX - 15, u32::MAX] {
        let len = usize::try_from(u64::from(pages) * PAGE).unwrap_or(usize::MAX);
        let never = Error::NeverFits { len, capacity };
        assert_eq!(books.take_pages(pages), Err(never));
    }
    assert_eq!(books.take_pages(0), Err(Error::ZeroLength));
    assert_eq!(books.take_pages(64), Ok(0));
}

#[test]
fn pages_whose_number_is_not_a_blocks_are_not_given_back_whatever_its_highest_bits_are() {
    let mut storage = storage(64);
    let mut books = books(&mut storage, 64, &[]);
    let first = books.take_pages(3).unwrap();
    for bits in 1..16_u32 {
        let pages = bits << 28 | 3;
        let (phys, len) = (u64::from(first) * PAGE, u64::from(pages) * PAGE);
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let foreign = Error::ForeignBlock { phys, len };
        assert_eq!(books.give_pages(first, pages), Err(foreign));
    }
    // Nor are lengths that other marks are made of, at pages that are free.
    for page in 0..=64 {
        for mark in 0..16_u32 {
            for number in [0, 1, 2, 61, 64, 65] {
                let wrong = books.give_pages(page, mark << 28 | number);
                assert_eq!(wrong.is_ok(), (page, mark, number) == (61, 0, 3));
            }
        }
    }
    assert_eq!(books.free_bytes(), 61 * PAGE);
    assert_eq!(books.give_pages(first, 3), Ok(()));
}

#[test]
fn what_a_pool_left_in_its_entries_is_nothing_to_the_next() {
    let mut storage = storage(16);
    let mut before = books(&mut storage, 16, &[4, 8]);
    for _ in 0..4 {
        before.take_pages(3).unwrap();
    }
    let mut now = books(&mut storage, 16, &[]);
    for first in 0..16 {
        for pages in 1..=16 - first {
            let place = range(first, pages);
            let (phys, len) = (place.start().get(), (pages * PAGE) as usize);
            let refused = Err(Error::NotAllocated { phys, len });
            assert_eq!(now.give(place), refused);
        }
    }
    assert_eq!(
        (now.free_bytes(), now.largest_free()),
        (16 * PAGE, 16 * PAGE)
    );
    assert_eq!(now.take_pages(16), Ok(0));
}

#[test]
fn both_ends_of_the_window_are_multiples_of_a_page() {
    let mut storage = storage(16);
    for (start, len, addr) in [(1, 4 * PAGE, 1), (PAGE, 4 * PAGE + 512, 4 * PAGE + 512)] {
        let window = PhysRange::new(PhysAddr::new(start), len).unwrap();
        let refused = Pages::new(&mut storage[..], window, alignment(PAGE), &[]);
        let misaligned = Error::Misaligned {
            addr,
            alignment: PAGE,
        };
        assert_eq!(refused.map(drop), Err(misaligned));
    }
}

#[test]
fn a_long_run_is_taken_from_the_list_of_its_length_if_the_first_one_there_suffices() {
    let mut storage = storage(400);
    let mut books = books(&mut storage, 400, &[]);
    let runs: Vec<_> = [34, 1, 100, 1, 33, 1, 60]
        .map(|pages| (books.take_pages(pages).unwrap(), pages))
        .into();
    books.take_pages(170).unwrap();
    let mut give = |index: usize| books.give_pages(runs[index].0, runs[index].1).unwrap();
    [6, 2, 4, 0].into_iter().for_each(&mut give);

    // 33 and 34 pages are of one class, and 34 are in front.
    assert_eq!(books.take_pages(34), Ok(runs[0].0));
    assert_eq!(books.take_pages(33), Ok(runs[4].0));
    // Then come the shortest of those that are longer.
    assert_eq!(books.take_pages(33), Ok(runs[6].0 + 27));
}
