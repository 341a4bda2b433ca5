//! What is in a new block: nothing, whoever had the memory before, and nothing is written that need not be.

use dma_api::{Block, DmaAllocator, Request};

use crate::site::{PAGE, Site, bytes, range, request, request_at};

/// A block of memory that holds these bytes when it is handed out, which must not be looked at before.
fn raw(site: &Site, request: &Request) -> Block {
    let block = site.pool.allocate(request).unwrap();
    site.check(&block);
    block
}

fn is(block: &Block, value: u8) -> bool {
    bytes(block).iter().all(|byte| *byte == value)
}

#[test]
fn every_byte_of_a_block_is_zero_those_behind_the_requested_length_too() {
    let site = Site::new(8, &[3]);
    for len in [1, PAGE - 1, PAGE, PAGE + 1, 8 * PAGE - 1] {
        let short = Request {
            len: len.try_into().unwrap(),
            ..request(1)
        };
        let block = raw(&site, &short);
        assert_eq!(bytes(&block), vec![0; len.next_multiple_of(PAGE)]);
        site.soil(block.phys(), 0xee);
        site.free(block);
    }
}

#[test]
fn memory_that_was_zero_is_not_written_until_somebody_had_it() {
    for cuts in [&[][..], &[5], &[2, 5, 9]] {
        let site = Site::zeroed(12, cuts);
        // Bytes that no pool expects there show where it writes.
        site.soil(range(0, 12), 0x55);
        let mut had = [false; 12];
        let sizes = [1, 2, 1, 1, 2, 1, 1];
        for pages in sizes.into_iter().chain(sizes) {
            let mut blocks = Vec::new();
            while let Ok(block) = site.pool.allocate(&request(pages)) {
                let numbers = site.pages(block.phys());
                for (page, content) in numbers.clone().zip(bytes(&block).chunks(PAGE)) {
                    let expected = if had[page] { 0 } else { 0x55 };
                    // In several zones the pool may have zeroed it all.
                    let across = cuts
                        .iter()
                        .any(|cut| (numbers.start + 1..numbers.end).contains(cut));
                    assert!(
                        content
                            .iter()
                            .all(|byte| *byte == expected || across && *byte == 0)
                    );
                    had[page] = true;
                }
                site.soil(block.phys(), 0xee);
                let keep = blocks.len() % 3 != 0 || pages == 1;
                blocks.push(block);
                if !keep {
                    break;
                }
            }
            blocks.into_iter().for_each(|block| site.free(block));
        }
        assert_eq!(had, [true; 12]);
    }
}

#[test]
fn what_somebody_had_is_zeroed_whoever_it_was() {
    type Had = fn(&Site);
    let ways: [Had; 4] = [
        |site| {
            let block = site.pool.allocate(&request_at(4, 4)).unwrap();
            site.soil(block.phys(), 0xee);
            site.free(block);
        },
        |site| {
            // SAFETY: all of it is overwritten.
            let block = unsafe { site.pool.allocate_dirty(&request_at(4, 4)) }.unwrap();
            site.soil(block.phys(), 0xee);
            site.free(block);
        },
        |site| {
            let lent = site.pool.lend(&request_at(4, 4)).unwrap();
            site.soil(lent, 0xee);
            // SAFETY: nobody uses it any more.
            unsafe { site.pool.unlend(lent) }.unwrap();
        },
        |site| {
            let lent = site.pool.lend(&request_at(4, 4)).unwrap();
            site.soil(lent, 0xee);
            // SAFETY: as above.
            let block = unsafe { site.pool.allocate_reclaiming(&request_at(3, 6), |_| Ok(())) };
            let block = block.unwrap();
            assert!(is(&block, 0));
            site.soil(block.phys(), 0xee);
            site.free(block);
        },
    ];
    for cuts in [&[][..], &[4], &[5], &[3, 6, 8]] {
        for had in ways {
            for (first, pages) in [(4, 4), (0, 12), (2, 4), (7, 3), (5, 1)] {
                let site = Site::zeroed(12, cuts);
                had(&site);
                let block = raw(&site, &request_at(first, pages));
                assert!(is(&block, 0), "{cuts:?} {first} {pages}");
            }
        }
    }
}

#[test]
fn pages_above_one_that_somebody_had_are_zeroed_and_those_below_are_not() {
    let site = Site::zeroed(12, &[]);
    site.soil(range(0, 12), 0x55);
    let first = raw(&site, &request_at(6, 1));
    site.soil(first.phys(), 0xee);

    assert!(is(&raw(&site, &request_at(7, 2)), 0));
    site.free(first);
    assert!(is(&raw(&site, &request_at(6, 1)), 0));
    assert!(is(&raw(&site, &request_at(4, 2)), 0x55));
    let both = raw(&site, &request_at(3, 1));
    assert!(is(&both, 0x55));
    site.free(both);
    let part = raw(&site, &request_at(2, 2));
    assert_eq!(bytes(&part), [[0x55; PAGE], [0; PAGE]].concat());
}

#[test]
fn pages_of_another_zone_do_not_count_as_had() {
    let site = Site::zeroed(12, &[4, 8]);
    site.soil(range(0, 12), 0x55);
    drop(raw(&site, &request_at(0, 1)));
    drop(raw(&site, &request_at(4, 2)));
    assert!(is(&raw(&site, &request_at(8, 4)), 0x55));
    assert!(is(&raw(&site, &request_at(1, 3)), 0));
    assert!(is(&raw(&site, &request_at(6, 2)), 0));
}

#[test]
fn a_block_may_be_had_with_what_was_left_in_it() {
    let site = Site::new(4, &[2]);
    for request in [request(4), request(1), request_at(0, 1)] {
        site.soil(range(0, 4), 0x77);
        // SAFETY: there is no secret in it.
        let block = unsafe { site.pool.allocate_dirty(&request) }.unwrap();
        site.check(&block);
        assert!(is(&block, 0x77));
        site.free(block);
        let clean = site.allocate(&request).unwrap();
        assert!(is(&clean, 0));
        site.free(clean);
    }
}
