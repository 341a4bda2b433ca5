//! What a pool says of itself, and how long it searches.

use dma_api::pages::RunState;
use dma_api::pool::{Run, StillInUse};
use dma_api::{Block, DmaAllocator, Error, Request};

use crate::site::{PAGE, Site, alignment, range, request, request_at};

#[test]
fn counts_are_exact_in_each_state_a_page_can_be_in() {
    let site = Site::new(20, &[10]);
    let page = PAGE as u64;
    let counts = || {
        let counts = site.pool.counts();
        let bytes = [
            counts.capacity,
            counts.free,
            counts.largest_free,
            counts.lent,
            counts.high_water,
        ];
        (bytes.map(|bytes| bytes / page), counts.fragmentation())
    };
    assert_eq!(counts(), ([20, 20, 20, 0, 0], 0));
    let one = site.allocate(&request_at(4, 1)).unwrap();
    assert_eq!(counts(), ([20, 19, 15, 0, 1], 210));
    let lent = site.pool.lend(&request_at(15, 5)).unwrap();
    assert_eq!(counts(), ([20, 14, 10, 5, 6], 285));
    site.free(one);
    assert_eq!(counts(), ([20, 15, 15, 5, 6], 0));
    // SAFETY: nobody uses it.
    unsafe { site.pool.unlend(range(16, 2)) }.unwrap();
    assert_eq!(counts(), ([20, 17, 15, 3, 6], 117));
    let wanted = request_at(14, 6);
    // SAFETY: as above.
    let block = unsafe { site.pool.allocate_reclaiming(&wanted, |_| Ok(())) }.unwrap();
    assert_eq!(counts(), ([20, 14, 14, 0, 6], 0));
    site.free(block);
    assert_eq!(counts(), ([20, 20, 20, 0, 6], 0));
    // While pages are held they are neither free nor lent.
    assert_eq!(lent, range(15, 5));
    let lent = site.pool.lend(&request_at(15, 5)).unwrap();
    let mut seen = Vec::new();
    let hook = |_| {
        seen.push(counts());
        Err(StillInUse)
    };
    // SAFETY: it never says that they are not used.
    let refused = unsafe { site.pool.allocate_reclaiming(&wanted, hook) };
    let (len, phys) = (6 * PAGE, lent.start().get());
    assert_eq!(
        refused.map(drop),
        Err(Error::StillLent {
            len,
            places: 1,
            phys
        })
    );
    assert_eq!(seen, [([20, 14, 14, 0, 6], 0)]);
    assert_eq!(counts(), ([20, 15, 15, 5, 6], 0));
    // SAFETY: as above.
    let block = unsafe { site.pool.allocate_reclaiming(&request(20), |_| Ok(())) }.unwrap();
    assert_eq!(counts(), ([20, 0, 0, 0, 20], 0));
    site.free(block);
}

#[test]
fn half_of_the_memory_in_single_pages_is_nearly_all_fragmented() {
    let site = Site::new(16, &[]);
    let blocks: Vec<Block> = (0..16)
        .map(|_| site.allocate(&request(1)).unwrap())
        .collect();
    let mut kept = Vec::new();
    for block in blocks {
        if site.pages(block.phys()).start % 2 == 0 {
            kept.push(block);
        } else {
            site.free(block);
        }
    }
    let counts = site.pool.counts();
    assert_eq!(
        (counts.free, counts.largest_free),
        (8 * PAGE as u64, PAGE as u64)
    );
    assert_eq!(counts.fragmentation(), 875);
    kept.truncate(0);
    // Dropped blocks are leaked, not freed.
    assert_eq!(site.free_pages(), 8);
}

#[test]
fn a_walk_shows_each_page_once() {
    let site = Site::new(16, &[8]);
    let block = site.allocate(&request_at(1, 2)).unwrap();
    drop(site.allocate(&request_at(3, 1)));
    site.pool.lend(&request_at(4, 1)).unwrap();
    site.pool.lend(&request_at(5, 2)).unwrap();
    drop(site.allocate(&request_at(7, 3)));
    site.free(block);
    let run = |first, pages, state| Run {
        phys: range(first, pages),
        state,
    };
    let expected = [
        run(0, 3, RunState::Free),
        run(3, 1, RunState::Block),
        run(4, 3, RunState::Lent),
        run(7, 3, RunState::Block),
        run(10, 6, RunState::Free),
    ];
    assert_eq!(site.runs(), expected);
    let mut walk = site.pool.runs();
    assert_eq!(walk.by_ref().count(), 5);
    assert_eq!(walk.next(), None);

    // While it is taken back, and with a block that begins where the walk stopped.
    let held = [
        run(3, 1, RunState::Block),
        run(4, 3, RunState::Held),
        run(7, 3, RunState::Block),
    ];
    let mut walked = Vec::new();
    let hook = |_| {
        walked = site.runs();
        Ok(())
    };
    // SAFETY: nobody uses them.
    let taken = unsafe { site.pool.allocate_reclaiming(&request_at(4, 3), hook) }.unwrap();
    assert_eq!(walked[1..4], held);
    let mut walk = site.pool.runs().skip(2);
    assert_eq!(walk.next(), Some(run(4, 3, RunState::Block)));
    site.free(taken);
    // What begins inside of a free run by now is shown page by page.
    assert_eq!(walk.next(), Some(run(7, 3, RunState::Block)));
}

/// A pool whose free runs all have `pages` pages, one behind each multiple of 32 pages, but that the one that was freed
/// first and is looked at last begins with such a multiple.
fn comb(teeth: usize, pages: usize) -> Site {
    let site = Site::new(32 * teeth, &[]);
    let all = (0..32 * teeth).map(|_| site.pool.allocate(&request(1)).unwrap());
    let mut all: Vec<_> = all.map(Some).collect();
    all.reverse();
    for tooth in 0..teeth {
        let start = 32 * tooth + usize::from(tooth != 0);
        for page in start..start + pages {
            site.free(all[page].take().unwrap());
        }
    }
    site
}

fn aligned(pages: usize) -> Request {
    Request {
        alignment: alignment(32 * PAGE),
        ..request(pages)
    }
}

#[test]
fn a_pool_looks_at_as_many_runs_as_it_is_told_to() {
    let refused = |site: &Site| site.allocate(&aligned(3)).is_err();
    // It looks at two of that length, and then at the longest ones.
    for (patience, found) in [
        (0, false),
        (1, false),
        (9, false),
        (10, true),
        (u32::MAX, true),
    ] {
        let site = comb(10, 3);
        site.pool.set_patience(patience).unwrap();
        assert_eq!(refused(&site), !found, "{patience}");
    }
    for (teeth, found) in [(2, true), (64, true), (65, false)] {
        assert_eq!(refused(&comb(teeth, 3)), !found, "{teeth}");
    }
}

#[test]
fn of_long_runs_of_one_class_as_many_are_looked_at() {
    // 33 and 34 pages are of one class.
    for (patience, found) in [(0, false), (9, false), (10, true)] {
        let site = Site::new(64 * 10, &[]);
        let all: Vec<_> = (0..10)
            .map(|_| {
                (
                    site.allocate(&request(30)).unwrap(),
                    site.allocate(&request(34)).unwrap(),
                )
            })
            .collect();
        let mut pins = Vec::new();
        for (index, (pin, run)) in all.into_iter().enumerate() {
            let place = site.pages(run.phys());
            site.free(run);
            if index != 0 {
                drop(site.allocate(&request_at(place.start, 1)).unwrap());
            }
            pins.push(pin);
        }
        site.pool.set_patience(patience).unwrap();
        assert_eq!(site.allocate(&request(34)).is_ok(), found, "{patience}");
        let (len, largest_free) = (35 * PAGE, 34 * PAGE);
        if !found {
            // Nor does it know then that there is a run that is a little longer.
            let error = site.allocate(&request(35)).unwrap_err();
            assert!(
                matches!(error, Error::Exhausted { len: l, largest_free: f } if l == len && (f == largest_free || f == 33 * PAGE))
            );
        }
    }
}

#[test]
fn up_to_sixteen_pages_anywhere_are_found_without_patience() {
    for pages in 1..=16 {
        let site = comb(10, pages);
        site.pool.set_patience(0).unwrap();
        for _ in 0..10 {
            assert!(site.allocate(&request(pages)).is_ok());
        }
        let (len, largest_free) = (pages * PAGE, 0);
        let refused = site.allocate(&request(pages)).map(drop);
        assert_eq!(refused, Err(Error::Exhausted { len, largest_free }));
    }
}
