//! Low memory is for those who need it.

use dma_api::{Block, DmaAllocator, Error, PhysAddr, Request};

use crate::site::{PAGE, Site, range, request, request_at};

/// Pages of the pool; it ends in front of the first of these numbers for one device, of the second for another, and so on.
const PAGES: usize = 2048;
const CUTS: [usize; 3] = [64, 512, 1024];

fn below(pages: usize, cut: usize) -> Request {
    let highest = range(0, cut).last();
    Request {
        highest,
        ..request(pages)
    }
}

#[test]
fn a_request_without_a_limit_gets_the_highest_zone_that_has_room() {
    let site = Site::new(16, &[4, 8, 12]);
    let mut zones = Vec::new();
    while let Ok(block) = site.allocate(&request(2)) {
        zones.push(site.pages(block.phys()).start / 4);
    }
    assert_eq!(zones, [3, 3, 2, 2, 1, 1, 0, 0]);
}

#[test]
fn a_request_with_a_limit_gets_the_highest_zone_below_it_that_has_room() {
    let site = Site::new(16, &[4, 8, 12]);
    let zone = |request: &Request| {
        let block = site.allocate(request);
        block.map(|block| site.pages(block.phys()).start / 4)
    };
    assert_eq!(zone(&below(4, 12)), Ok(2));
    assert_eq!(zone(&below(2, 12)), Ok(1));
    assert_eq!(zone(&below(2, 8)), Ok(1));
    assert_eq!(zone(&below(2, 8)), Ok(0));
    assert_eq!(zone(&below(2, 4)), Ok(0));
    let (len, largest_free) = (PAGE, 4 * PAGE);
    let exhausted = Error::Exhausted { len, largest_free };
    assert_eq!(zone(&below(1, 12)), Err(exhausted));
    assert_eq!(zone(&request(4)), Ok(3));
    // A limit between two zones' ends lets have a part of the upper one.
    let site = Site::new(16, &[4, 8, 12]);
    let block = site.allocate(&below(2, 11)).unwrap();
    assert_eq!(block.phys(), range(9, 2));
}

#[test]
fn several_devices_with_limits_find_room_however_much_is_asked_for_by_others() {
    let site = Site::new(PAGES, &CUTS);
    let mut state = 7_u64;
    let mut any = |below: usize| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (state >> 33) as usize % below
    };
    let mut unlimited: Vec<Block> = Vec::new();
    let mut limited: Vec<(usize, usize, Block)> = Vec::new();
    let (mut tried, mut used) = (0, [0; 3]);
    for _ in 0..40_000 {
        // The others have at most what lies above all limits, less what odd lengths leave over.
        let held: usize = unlimited.iter().map(Block::len_bytes).sum();
        if held < (PAGES - CUTS[2]) * PAGE * 9 / 10 && any(4) != 0 {
            if let Ok(block) = site.pool.allocate(&request(1 + any(8))) {
                unlimited.push(block);
            }
        } else if !unlimited.is_empty() {
            let index = any(unlimited.len());
            site.free(unlimited.swap_remove(index));
        }
        // Each device uses up to a quarter of the memory that nobody else with its limit needs.
        let device = any(3);
        let pages = 1 + any(4);
        let room = if device == 0 {
            CUTS[0]
        } else {
            CUTS[device] - CUTS[device - 1]
        };
        if used[device] + pages <= room / 4 {
            let mut wanted = below(pages, CUTS[device]);
            if any(2) == 0 {
                wanted.alignment = crate::site::alignment(PAGE * (1 << any(3)));
                wanted.boundary = Some(crate::site::alignment(PAGE * 8));
            }
            tried += 1;
            let block = site.pool.allocate(&wanted).unwrap();
            assert!(block.phys().last() <= wanted.highest);
            used[device] += pages;
            limited.push((device, pages, block));
        } else if !limited.is_empty() {
            let index = any(limited.len());
            let (device, pages, block) = limited.swap_remove(index);
            used[device] -= pages;
            site.free(block);
        }
    }
    assert!(tried > 5_000, "{tried}");
    // No device was given memory that only others with a lower limit can use, though there was other memory.
    let low = limited.iter().filter(|(device, ..)| *device != 0);
    for (device, _, block) in low {
        assert!(site.pages(block.phys()).start >= CUTS[device - 1]);
    }
    for block in &unlimited {
        assert!(site.pages(block.phys()).start >= CUTS[2]);
    }
}

#[test]
fn what_low_memory_lacks_is_not_made_up_for_by_other_memory() {
    let site = Site::new(16, &[4]);
    drop(site.allocate(&request_at(1, 1)));
    let (len, largest_free) = (3 * PAGE, 12 * PAGE);
    let refused = site.allocate(&below(3, 4)).map(drop);
    // The longest run lies across both.
    assert_eq!(
        refused,
        Err(Error::Exhausted {
            len,
            largest_free: largest_free + 2 * PAGE
        })
    );
    assert_eq!(
        site.allocate(&below(5, 4)).map(drop),
        Err(Error::NeverFits {
            len: 5 * PAGE,
            capacity: 16 * PAGE
        })
    );
    let above = Request {
        lowest: PhysAddr::new(range(15, 1).start().get() + 1),
        ..request(1)
    };
    assert_eq!(
        site.allocate(&above).map(drop),
        Err(Error::NeverFits {
            len: PAGE,
            capacity: 16 * PAGE
        })
    );
}
