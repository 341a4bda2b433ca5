//! What a pool takes back: what it handed out, once, whole, by both of its addresses.

use core::ptr::NonNull;

use dma_api::{Block, DmaAllocator, Error, PhysAddr, PhysRange};

use crate::site::{PAGE, Site, bytes, range, request, request_at};

/// A block that nobody handed out.
fn forged(memory: NonNull<u8>, phys: PhysAddr, len: usize) -> Block {
    let memory = NonNull::slice_from_raw_parts(memory, len);
    // SAFETY: none of it is true; the pool is to refuse it, and nobody accesses the bytes.
    unsafe { Block::new(memory, phys) }.unwrap()
}

/// The pool refuses the block, returns it as it was, and nothing changes.
fn refused(site: &Site, block: Block, expected: Error) {
    let (memory, phys) = (block.memory(), block.phys());
    let before = (site.pool.counts(), site.runs());
    let refused = site.pool.free(block).unwrap_err();
    assert_eq!(refused.error, expected);
    assert_eq!(
        (refused.value.memory(), refused.value.phys()),
        (memory, phys)
    );
    assert_eq!((site.pool.counts(), site.runs()), before);
}

fn not_allocated(place: PhysRange, len: usize) -> Error {
    let phys = place.start().get();
    Error::NotAllocated { phys, len }
}

#[test]
fn no_place_but_those_of_blocks_is_taken_back_whatever_its_length_and_zone() {
    let site = Site::new(12, &[4, 8]);
    let blocks = [(1, 2), (3, 3), (6, 1), (8, 3)];
    let blocks = blocks.map(|(first, pages)| {
        let block = site.allocate(&request_at(first, pages)).unwrap();
        ((first, pages), block)
    });

    for first in 0..12 {
        for len in (PAGE / 2..14 * PAGE).step_by(PAGE / 2) {
            for shift in [0, PAGE / 2, 1] {
                let (at, whole) = (first * PAGE + shift, len.div_euclid(PAGE));
                let place = (first, whole);
                let real = shift == 0 && len == whole * PAGE;
                if real && blocks.iter().any(|(other, _)| *other == place) {
                    continue;
                }
                let phys = range(0, 1).start().checked_add(at as u64).unwrap();
                // SAFETY: the place begins in the memory.
                let memory = unsafe { site.cpu(range(0, 1).start()).add(at) };
                let (start, error) = (phys.get(), at + len > 12 * PAGE);
                let expected = if error {
                    Error::ForeignBlock { phys: start, len }
                } else {
                    Error::NotAllocated { phys: start, len }
                };
                refused(&site, forged(memory, phys, len), expected);
            }
        }
    }
    for (_, block) in blocks {
        site.free(block);
    }
    assert_eq!((site.free_pages(), site.runs().len()), (12, 3));
}

#[test]
fn the_right_physical_address_with_another_pointer_is_not_the_pools_nor_the_other_way_round() {
    let (site, other) = (Site::new(8, &[]), Site::at(0x20_0000, 8, &[]));
    let block = site.allocate(&request(2)).unwrap();
    let (memory, phys, len) = (block.memory().cast::<u8>(), block.phys().start(), 2 * PAGE);
    let foreign = |phys: PhysAddr| Error::ForeignBlock {
        phys: phys.get(),
        len,
    };

    // Somebody else's memory, the page in front of it, and the middle of it.
    let elsewhere = other.cpu(PhysAddr::new(other.base));
    let pointers = [
        elsewhere.as_ptr(),
        memory.as_ptr().wrapping_sub(PAGE),
        memory.as_ptr().wrapping_add(1),
    ];
    for pointer in pointers {
        refused(
            &site,
            forged(NonNull::new(pointer).unwrap(), phys, len),
            foreign(phys),
        );
    }
    for wrong in [phys.get() - PAGE as u64, phys.get() + 1, other.base, 0] {
        let wrong = PhysAddr::new(wrong);
        refused(&site, forged(memory, wrong, len), foreign(wrong));
    }
    // Both of them are right, of another pool.
    refused(&other, forged(memory, phys, len), foreign(phys));
    let block_of_other = other.allocate(&request(2)).unwrap();
    let phys = block_of_other.phys().start();
    refused(&site, block_of_other, foreign(phys));
    site.free(block);
}

#[test]
fn a_block_is_taken_back_once_even_if_its_pages_are_handed_out_again_in_other_blocks() {
    let site = Site::new(6, &[]);
    let block = site.allocate(&request(6)).unwrap();
    let memory = block.memory().cast::<u8>();
    let again = || forged(memory, range(0, 6).start(), 6 * PAGE);
    site.free(block);
    refused(&site, again(), not_allocated(range(0, 6), 6 * PAGE));

    let (low, high) = (
        site.allocate(&request_at(0, 2)),
        site.allocate(&request_at(2, 4)),
    );
    refused(&site, again(), not_allocated(range(0, 6), 6 * PAGE));
    let part = || forged(memory, range(0, 2).start(), PAGE);
    refused(&site, part(), not_allocated(range(0, 1), PAGE));
    site.free(low.unwrap());
    refused(&site, again(), not_allocated(range(0, 6), 6 * PAGE));
    site.free(high.unwrap());
    assert_eq!(site.runs().len(), 1);
}

#[test]
fn what_is_lent_is_no_block_and_a_block_is_not_lent() {
    let site = Site::new(6, &[]);
    let lent = site.pool.lend(&request_at(2, 2)).unwrap();
    assert_eq!(lent, range(2, 2));
    for (first, pages) in [(2, 2), (2, 1), (3, 1), (1, 2)] {
        let place = range(first, pages);
        let block = forged(site.cpu(place.start()), place.start(), pages * PAGE);
        refused(&site, block, not_allocated(place, pages * PAGE));
    }
    let block = site.allocate(&request_at(4, 2)).unwrap();
    // SAFETY: the pool is to refuse it.
    let unlent = unsafe { site.pool.unlend(range(4, 2)) };
    let (phys, len) = (range(4, 2).start().get(), 2 * PAGE as u64);
    assert_eq!(unlent, Err(Error::NotLent { phys, len }));
    site.free(block);
}

#[test]
fn blocks_across_zones_are_had_and_taken_back_whole() {
    for (cuts, low, pages) in [
        (&[4, 8][..], 3, 6),
        (&[4, 8], 3, 5),
        (&[4, 8], 4, 5),
        (&[4, 8], 0, 12),
        (&[1, 2, 3], 0, 4),
        (&[4, 8], 7, 2),
    ] {
        let site = Site::new(12, cuts);
        let block = site.allocate(&request_at(low, pages)).unwrap();
        assert_eq!(block.phys(), range(low, pages));
        site.soil(block.phys(), 0xee);
        assert_eq!(site.free_pages(), 12 - pages);
        // Its part in one zone is no block, nor is what begins there.
        for first in cuts.iter().copied().filter(|cut| *cut > low) {
            for part in 1..=(low + pages).saturating_sub(first) {
                let place = range(first, part);
                let block = forged(site.cpu(place.start()), place.start(), part * PAGE);
                refused(&site, block, not_allocated(place, part * PAGE));
            }
        }
        // Every other page is still there for others, and none of the block's is.
        let rest: Vec<_> = (0..12)
            .filter_map(|_| site.allocate(&request(1)).ok())
            .collect();
        assert_eq!(rest.len(), 12 - pages);
        assert!(bytes(&block).iter().all(|byte| *byte == 0xee));
        rest.into_iter().for_each(|one| site.free(one));
        site.free(block);
        assert_eq!((site.free_pages(), site.runs().len()), (12, cuts.len() + 1));
        let all = site.allocate(&request(12)).unwrap();
        assert_eq!(all.phys(), range(0, 12));
    }
}

#[test]
fn the_longest_run_across_zones_is_cut_where_the_request_fits_best() {
    let site = Site::new(12, &[4, 8]);
    let pins = [(1, 1), (10, 1)].map(|(first, pages)| {
        let pin = site.allocate(&request_at(first, pages)).unwrap();
        pin.phys()
    });
    assert_eq!(pins, [range(1, 1), range(10, 1)]);
    assert_eq!(site.pool.counts().largest_free, 8 * PAGE as u64);
    let longest = site.allocate(&request(7)).unwrap();
    assert_eq!(longest.phys(), range(3, 7));
    let (len, largest_free) = (3 * PAGE, PAGE);
    let refused = site.allocate(&request(3)).map(drop);
    assert_eq!(refused, Err(Error::Exhausted { len, largest_free }));
}
