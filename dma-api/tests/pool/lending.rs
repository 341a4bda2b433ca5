//! Lending, step by step.

use core::cell::{Cell, RefCell};

use dma_api::pages::RunState;
use dma_api::pool::{Run, StillInUse};
use dma_api::{Block, DmaAllocator, Error, PhysRange, Request};

use crate::site::{PAGE, Site, alignment, range, request, request_at};

fn unlend(site: &Site, place: PhysRange) -> Result<(), Error> {
    // SAFETY: no test uses what it gives back.
    unsafe { site.pool.unlend(place) }
}

fn reclaim(
    site: &Site,
    request: &Request,
    hook: impl FnMut(PhysRange) -> Result<(), StillInUse>,
) -> Result<Block, Error> {
    // SAFETY: no test uses what it gives back.
    let block = unsafe { site.pool.allocate_reclaiming(request, hook) };
    block.inspect(|block| {
        site.check(block);
        assert!(crate::site::bytes(block).iter().all(|byte| *byte == 0));
    })
}

fn not_lent(place: PhysRange) -> Result<(), Error> {
    let (phys, len) = (place.start().get(), place.len_bytes());
    Err(Error::NotLent { phys, len })
}

fn never(_: PhysRange) -> Result<(), StillInUse> {
    panic!("nobody is asked")
}

#[test]
fn the_os_gives_back_any_part_of_what_it_was_lent_once() {
    let site = Site::new(16, &[6]);
    assert_eq!(site.pool.lend(&request_at(2, 3)), Ok(range(2, 3)));
    assert_eq!(site.pool.lend(&request_at(5, 4)), Ok(range(5, 4)));
    // Across both loans and both zones.
    assert_eq!(unlend(&site, range(4, 4)), Ok(()));
    assert_eq!(unlend(&site, range(4, 4)), not_lent(range(4, 4)));
    for (first, pages) in [
        (3, 2),
        (7, 2),
        (2, 7),
        (1, 1),
        (1, 2),
        (8, 2),
        (16, 1),
        (15, 2),
    ] {
        let place = range(first, pages);
        let before = site.runs();
        assert_eq!(unlend(&site, place), not_lent(place));
        assert_eq!(site.runs(), before);
    }
    let half = PhysRange::new(range(2, 1).start(), PAGE as u64 / 2).unwrap();
    assert_eq!(unlend(&site, half), not_lent(half));
    let askew = PhysRange::new(range(2, 1).start().checked_add(1).unwrap(), PAGE as u64).unwrap();
    assert_eq!(unlend(&site, askew), not_lent(askew));
    assert_eq!(unlend(&site, range(2, 2)), Ok(()));
    assert_eq!(unlend(&site, range(8, 1)), Ok(()));
    assert_eq!(site.runs().len(), 2);
    assert_eq!(site.pool.counts().lent, 0);
    assert_eq!(
        site.allocate(&request(16)).map(|block| block.phys()),
        Ok(range(0, 16))
    );
}

#[test]
fn lending_is_refused_as_allocating_is() {
    let site = Site::new(4, &[2]);
    drop(site.allocate(&request_at(1, 1)));
    let (len, largest_free) = (3 * PAGE, 2 * PAGE);
    assert_eq!(
        site.pool.lend(&request(3)),
        Err(Error::Exhausted { len, largest_free })
    );
    let (len, capacity) = (5 * PAGE, 4 * PAGE);
    assert_eq!(
        site.pool.lend(&request(5)),
        Err(Error::NeverFits { len, capacity })
    );
    assert_eq!(site.pool.counts().lent, 0);
}

#[test]
fn nobody_is_asked_as_long_as_free_memory_suffices_or_none_would() {
    let site = Site::new(8, &[]);
    site.pool.lend(&request_at(0, 4)).unwrap();
    let block = reclaim(&site, &request(4), never).unwrap();
    assert_eq!(block.phys(), range(4, 4));
    let (len, capacity) = (9 * PAGE, 8 * PAGE);
    assert_eq!(
        reclaim(&site, &request(9), never).map(drop),
        Err(Error::NeverFits { len, capacity })
    );
    // Nor where what is lent would not help.
    let (len, largest_free) = (5 * PAGE, 0);
    assert_eq!(
        reclaim(&site, &request(5), never).map(drop),
        Err(Error::Exhausted { len, largest_free })
    );
}

#[test]
fn each_run_of_lent_pages_of_a_place_is_asked_for_once_and_free_pages_are_not() {
    let site = Site::new(16, &[7]);
    for (first, pages) in [(2, 1), (5, 4), (10, 1), (11, 1)] {
        site.pool.lend(&request_at(first, pages)).unwrap();
    }
    let mut asked = Vec::new();
    let block = reclaim(&site, &request(16), |place| {
        asked.push(place);
        Ok(())
    });
    assert_eq!(asked, [range(2, 1), range(5, 4), range(10, 2)]);
    assert_eq!(block.unwrap().phys(), range(0, 16));
    assert_eq!(site.pool.counts().lent, 0);
}

#[test]
fn a_place_has_only_those_lent_pages_that_it_needs() {
    let site = Site::new(16, &[]);
    site.pool.lend(&request(16)).unwrap();
    let mut asked = Vec::new();
    let wanted = Request {
        alignment: alignment(4 * PAGE),
        lowest: range(5, 1).start(),
        boundary: Some(alignment(4 * PAGE)),
        ..request(2)
    };
    let block = reclaim(&site, &wanted, |place| {
        asked.push(place);
        Ok(())
    });
    assert_eq!(
        (block.unwrap().phys(), asked),
        (range(8, 2), vec![range(8, 2)])
    );
    assert_eq!(site.pool.counts().lent, 14 * PAGE as u64);
    // A request that is not a number of pages is rounded up.
    let short = Request {
        len: (PAGE + 1).try_into().unwrap(),
        ..wanted
    };
    let block = reclaim(&site, &short, |_| Ok(())).unwrap();
    assert_eq!(block.phys(), range(12, 2));
    let high = Request {
        highest: range(0, 3).last(),
        ..request(2)
    };
    let block = reclaim(&site, &high, |_| Ok(())).unwrap();
    assert_eq!(block.phys(), range(0, 2));
}

#[test]
fn places_without_what_was_refused_are_tried_until_there_is_none() {
    let site = Site::new(16, &[]);
    drop(site.allocate(&request_at(9, 1)));
    for (first, pages) in [(1, 2), (4, 1), (6, 1), (11, 3)] {
        site.pool.lend(&request_at(first, pages)).unwrap();
    }
    // Free are 0, 3, 5, 7, 8, 10, 14 and 15.
    let asked = RefCell::new(Vec::new());
    let hook = |place: PhysRange| {
        asked.borrow_mut().push(place);
        if [range(4, 1), range(11, 3)].contains(&place) {
            return Err(StillInUse);
        }
        Ok(())
    };
    let found = reclaim(&site, &request(5), hook);
    // 0..5: 1 and 2 are given up, 4 is not. 5..9 is too short. 10..15 is refused, and 14..16 too short.
    let (len, places, phys) = (5 * PAGE, 2, range(11, 1).start().get());
    assert_eq!(found.map(drop), Err(Error::StillLent { len, places, phys }));
    assert_eq!(asked.take(), [range(1, 2), range(4, 1), range(11, 3)]);
    // Those two are free now, the others are lent as before.
    assert_eq!(site.pool.counts().lent, 5 * PAGE as u64);
    let block = reclaim(&site, &request(4), never).unwrap();
    assert_eq!(block.phys(), range(0, 4));
}

#[test]
fn a_part_that_was_given_up_for_a_place_that_is_not_had_may_suffice() {
    let site = Site::new(8, &[]);
    site.pool.lend(&request_at(0, 3)).unwrap();
    drop(site.allocate(&request_at(3, 1)));
    site.pool.lend(&request_at(5, 1)).unwrap();
    site.pool.lend(&request_at(7, 1)).unwrap();
    let asked = RefCell::new(Vec::new());
    // Four pages are wanted: 5 is given up, 7 is not; meanwhile somebody frees what makes 4..7 as long as is needed.
    let hook = |place: PhysRange| {
        asked.borrow_mut().push(place);
        if place == range(7, 1) {
            Err(StillInUse)
        } else {
            Ok(())
        }
    };
    let found = reclaim(&site, &request(4), hook);
    let (len, places, phys) = (4 * PAGE, 1, range(7, 1).start().get());
    assert_eq!(found.map(drop), Err(Error::StillLent { len, places, phys }));
    assert_eq!(
        reclaim(&site, &request(3), never).map(|block| block.phys()),
        Ok(range(4, 3))
    );
}

#[test]
fn while_the_os_is_asked_nobody_has_the_pages_and_anything_else_may_be_done() {
    let site = Site::new(16, &[8]);
    let (one, two) = (
        site.pool.lend(&request_at(2, 3)),
        site.pool.lend(&request_at(10, 3)),
    );
    let (_, two) = (one.unwrap(), two.unwrap());
    let own = Cell::new(Some(site.allocate(&request_at(14, 1)).unwrap()));
    let wanted = request_at(1, 6);

    let block = reclaim(&site, &wanted, |place| {
        assert_eq!(place, range(2, 3));
        for (first, pages) in [(1, 1), (2, 1), (2, 3), (4, 1), (1, 6), (6, 1)] {
            let held = range(first, pages);
            assert_eq!(unlend(&site, held), not_lent(held));
        }
        // Other pages of the OS, a block, a loan, and blocks: all there is but what is held.
        assert_eq!(unlend(&site, two), Ok(()));
        site.free(own.take().unwrap());
        assert_eq!(site.pool.lend(&request_at(12, 2)), Ok(range(12, 2)));
        let mut blocks = Vec::new();
        while let Ok(block) = site.pool.without_waiting().allocate(&request(1)) {
            let pages = site.pages(block.phys());
            assert!(!(1..7).contains(&pages.start) && !(12..14).contains(&pages.start));
            blocks.push(block);
        }
        assert_eq!(blocks.len(), 16 - 6 - 2);
        blocks.into_iter().for_each(|block| site.free(block));
        // What another caller needs of the same pages it does not get.
        let busy = reclaim(&site, &request_at(3, 1), never).map(drop);
        let (len, largest_free) = (PAGE, 5 * PAGE);
        assert_eq!(busy, Err(Error::Exhausted { len, largest_free }));
        // Of other pages it does.
        let other = reclaim(&site, &request_at(11, 4), |place| {
            assert_eq!(place, range(12, 2));
            Ok(())
        });
        site.free(other.unwrap());
        Ok(())
    });

    let block = block.unwrap();
    assert_eq!(block.phys(), range(1, 6));
    site.free(block);
    assert_eq!((site.free_pages(), site.runs().len()), (16, 2));
}

#[test]
fn what_is_freed_while_the_os_refuses_is_taken_without_asking_again() {
    let site = Site::new(8, &[]);
    site.pool.lend(&request_at(0, 4)).unwrap();
    let own = Cell::new(Some(site.allocate(&request_at(4, 4)).unwrap()));
    let asked = Cell::new(0);
    let block = reclaim(&site, &request(3), |_| {
        asked.set(asked.get() + 1);
        site.free(own.take().unwrap());
        Err(StillInUse)
    });
    assert_eq!((block.unwrap().phys(), asked.get()), (range(5, 3), 1));
    assert_eq!(site.pool.counts().lent, 4 * PAGE as u64);
}

#[test]
fn an_allocator_that_reclaims_is_one_like_any_other() {
    let site = Site::new(8, &[4]);
    site.pool.lend(&request_at(1, 6)).unwrap();
    let hook = |place: PhysRange| {
        if place.contains(range(6, 1)) {
            Err(StillInUse)
        } else {
            Ok(())
        }
    };
    // SAFETY: nobody uses the pages.
    let memory = unsafe { site.pool.reclaiming(hook) };
    assert_eq!(format!("{memory:?}"), "Reclaiming");
    let block = memory.allocate(&request(7)).map(|block| block.phys());
    let (len, places, phys) = (7 * PAGE, 1, range(1, 1).start().get());
    assert_eq!(block, Err(Error::StillLent { len, places, phys }));
    let block = memory.allocate(&request(5)).unwrap();
    assert_eq!(block.phys(), range(0, 5));
    assert!(crate::site::bytes(&block).iter().all(|byte| *byte == 0));
    let Err(refused) = Site::new(8, &[]).pool.free(block) else {
        panic!("it is not that pool's");
    };
    assert!(memory.free(refused.value).is_ok());
    let expected = [
        (range(0, 4), RunState::Free),
        (range(4, 1), RunState::Free),
        (range(5, 2), RunState::Lent),
        (range(7, 1), RunState::Free),
    ];
    assert_eq!(
        site.runs(),
        expected.map(|(phys, state)| Run { phys, state })
    );
}
