//! What memory a pool takes, and what it says of memory that it does not.

use core::ptr::NonNull;

use dma_api::pages::{MAX_ZONES, PageEntry, entries};
use dma_api::pool::{PoolCounts, StillInUse};
use dma_api::{Alignment, Block, DmaAllocator, Error, PhysAddr, Pool};

use crate::{
    model::ram::Ram,
    site::{AnyPool, BASE, PAGE, Site, alignment, bytes, new_entries, range, request, request_at},
};

/// As many entries as 16 pages in two zones need, or some fewer.
fn pool_with(fewer: usize) -> AnyPool {
    let all = new_entries(16, 2);
    let len = all.len() - fewer;
    Pool::with_entries(&mut all[..len])
}

/// Both ways to adopt, which must come to the same.
fn adopt(
    pool: &AnyPool,
    cpu: NonNull<u8>,
    phys: u64,
    len: usize,
    page: Alignment,
    limits: &[u64],
) -> Result<(), Error> {
    let limits: Vec<_> = limits.iter().map(|limit| PhysAddr::new(*limit)).collect();
    // SAFETY: callers give memory that is refused, or that is theirs for longer than the pool.
    let one = unsafe { pool.adopt(cpu, PhysAddr::new(phys), len, page, &limits) };
    // SAFETY: the first one is refused, or this one.
    let other = unsafe { pool.adopt_zeroed(cpu, PhysAddr::new(phys), len, page, &limits) };
    let expected = if one.is_ok() {
        Err(Error::PoolInUse)
    } else {
        one
    };
    assert_eq!(other, expected);
    one
}

#[test]
fn a_pool_without_memory_refuses_everything() {
    let pool = Pool::<[PageEntry; entries(16, 2)]>::default();
    let len = PAGE;
    let never = Error::NeverFits { len, capacity: 0 };
    assert_eq!(pool.allocate(&request(1)).map(drop), Err(never));
    assert_eq!(
        pool.without_waiting().allocate(&request(1)).map(drop),
        Err(never)
    );
    // SAFETY: nothing is handed out.
    let dirty = unsafe { pool.allocate_dirty(&request(1)) };
    assert_eq!(dirty.map(drop), Err(never));
    assert_eq!(pool.lend(&request(1)), Err(never));
    // SAFETY: nothing is lent.
    let reclaimed = unsafe { pool.allocate_reclaiming(&request(1), |_| Err(StillInUse)) };
    assert_eq!(reclaimed.map(drop), Err(never));
    // SAFETY: as above.
    assert_eq!(unsafe { pool.unlend(range(0, 1)) }, Err(Error::NoMemory));
    assert_eq!(pool.set_patience(1), Err(Error::NoMemory));
    assert_eq!(pool.counts(), PoolCounts::default());
    assert_eq!(pool.counts().fragmentation(), 0);
    assert_eq!(pool.runs().count(), 0);

    let site = Site::new(1, &[]);
    let block = site.allocate(&request(1)).unwrap();
    let refused = pool.free(block).unwrap_err();
    assert_eq!(refused.error, Error::ForeignBlock { phys: BASE, len });
    site.free(refused.value);
}

#[test]
fn memory_is_given_once() {
    let (pool, ram) = (pool_with(0), Ram::new(16 * PAGE, 4096));
    assert_eq!(
        adopt(&pool, ram.start, BASE, 16 * PAGE, alignment(PAGE), &[]),
        Ok(())
    );
    assert_eq!(pool.counts().capacity, 16 * PAGE as u64);
}

#[test]
fn less_than_a_page_is_no_memory_and_a_page_is() {
    let (pool, ram) = (pool_with(0), Ram::new(2 * PAGE, 4096));
    let adopt = |len| adopt(&pool, ram.start, BASE, len, alignment(PAGE), &[]);
    assert_eq!(adopt(0), Err(Error::ZeroLength));
    assert_eq!(adopt(PAGE - 1), Err(Error::ZeroLength));
    // What is behind the last whole page stays unused.
    assert_eq!(adopt(2 * PAGE - 1), Ok(()));
    assert_eq!(pool.counts().capacity, PAGE as u64);
    let block = pool.allocate(&request(1)).unwrap();
    assert_eq!(bytes(&block), [0; PAGE]);
    // SAFETY: there are two pages.
    let behind = unsafe { ram.start.add(PAGE) };
    // SAFETY: the memory is this test's, and the pool has no business there.
    let rest = unsafe { behind.read() };
    assert_eq!(rest, 0xee);
}

#[test]
fn both_addresses_are_multiples_of_a_page() {
    let (pool, ram) = (pool_with(0), Ram::new(16 * PAGE, 4096));
    let alignment_of = PAGE as u64;
    // SAFETY: there is more memory than that.
    let odd = unsafe { ram.start.add(PAGE / 2) };
    let refused = adopt(&pool, odd, BASE, 15 * PAGE, alignment(PAGE), &[]);
    let addr = odd.addr().get() as u64;
    let expected = Error::Misaligned {
        addr,
        alignment: alignment_of,
    };
    assert_eq!(refused, Err(expected));
    let (addr, refused) = (
        BASE + 1,
        adopt(&pool, ram.start, BASE + 1, 15 * PAGE, alignment(PAGE), &[]),
    );
    let expected = Error::Misaligned {
        addr,
        alignment: alignment_of,
    };
    assert_eq!(refused, Err(expected));
}

#[test]
fn there_is_an_entry_for_each_page_and_each_list() {
    let ram = Ram::new(17 * PAGE, 4096);
    let limit = range(0, 8).last().get();
    let adopt = |pool: &AnyPool, pages: usize, limits: &[u64]| {
        adopt(pool, ram.start, BASE, pages * PAGE, alignment(PAGE), limits)
    };
    assert_eq!(adopt(&pool_with(0), 16, &[limit]), Ok(()));
    // 16 lists in each of two zones.
    for (fewer, units, capacity) in [(1, 16, 15), (16, 16, 0), (47, 16, 0)] {
        let refused = adopt(&pool_with(fewer), units, &[limit]);
        assert_eq!(refused, Err(Error::PoolTooLarge { units, capacity }));
    }
    // Entries of one zone's lists are enough for that many pages more in one zone.
    assert_eq!(adopt(&pool_with(16), 16, &[]), Ok(()));
    let refused = adopt(&pool_with(17), 16, &[]);
    let (units, capacity) = (16, 15);
    assert_eq!(refused, Err(Error::PoolTooLarge { units, capacity }));
    // A pool that refused memory takes less of it.
    let pool = pool_with(17);
    assert!(adopt(&pool, 16, &[]).is_err());
    assert_eq!(adopt(&pool, 15, &[]), Ok(()));
    assert_eq!(
        pool.allocate(&request(15)).map(|block| block.len_bytes()),
        Ok(15 * PAGE)
    );
}

#[test]
fn limits_count_where_they_divide_the_memory() {
    let ram = Ram::new(16 * PAGE, 4096);
    let adopt = |limits: &[u64]| {
        let pool = Pool::with_entries(new_entries(16, MAX_ZONES));
        adopt(&pool, ram.start, BASE, 16 * PAGE, alignment(PAGE), limits).map(|()| pool)
    };
    let zones = |limits: &[u64]| {
        let pool = adopt(limits).unwrap();
        let runs: Vec<_> = pool
            .runs()
            .map(|run| run.phys.len_bytes() / PAGE as u64)
            .collect();
        runs
    };
    let end = |page: usize| range(0, page).last().get();
    assert_eq!(zones(&[]), [16]);
    // Outside of the memory, or at its ends, or inside the first page.
    assert_eq!(
        zones(&[
            0,
            BASE - 1,
            BASE,
            end(1) - 1,
            end(16),
            end(16) + 1,
            u64::MAX
        ]),
        [16]
    );
    assert_eq!(zones(&[end(1)]), [1, 15]);
    assert_eq!(zones(&[end(15)]), [15, 1]);
    // The page that a limit lies in is not below it.
    assert_eq!(zones(&[end(4) - 1]), [3, 13]);
    assert_eq!(zones(&[end(4) + 1]), [4, 12]);
    // In any order, and twice.
    assert_eq!(
        zones(&[end(9), end(2), end(9) + 3, end(4), end(2)]),
        [2, 2, 5, 7]
    );
    let too_many = [end(9), end(2), end(4), end(5), end(4)];
    let (zones, most) = (5, MAX_ZONES);
    assert_eq!(
        adopt(&too_many).map(drop),
        Err(Error::TooManyZones { zones, most })
    );
}

#[test]
fn memory_ends_with_the_address_space() {
    let pages = 4;
    let top = 0_u64.wrapping_sub((pages * PAGE) as u64);
    let site = Site::at(top, pages, &[1]);
    let all = site.allocate(&request(pages)).unwrap();
    assert_eq!(all.phys().last(), PhysAddr::new(u64::MAX));
    site.free(all);
    let mut one = request(1);
    one.lowest = PhysAddr::new(u64::MAX - 63);
    assert_eq!(
        site.allocate(&one).map(|block| block.phys().start()),
        Ok(one.lowest)
    );
    one.lowest = PhysAddr::new(u64::MAX - 62);
    let (len, capacity) = (PAGE, pages * PAGE);
    assert_eq!(
        site.allocate(&one).map(drop),
        Err(Error::NeverFits { len, capacity })
    );

    // And is refused if it would go on behind it.
    let (pool, ram) = (pool_with(0), Ram::new(16 * PAGE, 4096));
    let (start, len) = (top, 5 * PAGE as u64);
    let refused = adopt(&pool, ram.start, start, 5 * PAGE, alignment(PAGE), &[]);
    assert_eq!(refused, Err(Error::RangeWraps { start, len }));
}

#[test]
fn a_pool_may_begin_with_address_0() {
    let site = Site::at(0, 4, &[1]);
    let mut low = request(1);
    low.highest = PhysAddr::new(PAGE as u64 - 1);
    let block = site.allocate(&low).unwrap();
    assert_eq!(block.phys().start(), PhysAddr::new(0));
    let (len, largest_free) = (PAGE, 3 * PAGE);
    assert_eq!(
        site.allocate(&low).map(drop),
        Err(Error::Exhausted { len, largest_free })
    );
    low.highest = PhysAddr::new(PAGE as u64 - 2);
    let (len, capacity) = (PAGE, 4 * PAGE);
    assert_eq!(
        site.allocate(&low).map(drop),
        Err(Error::NeverFits { len, capacity })
    );
    site.free(block);
}

#[test]
fn no_memory_is_longer_than_a_pointer_steps_or_goes_on_behind_the_last_pointer() {
    let at = |address| NonNull::new(core::ptr::without_provenance_mut::<u8>(address)).unwrap();
    // Nobody comes to access the memory, since there is none.
    let (pool, low) = (pool_with(0), at(PAGE));
    let half = isize::MAX.unsigned_abs() + 1;
    let (start, len) = (PAGE as u64, half as u64);
    let refused = adopt(&pool, low, 0, half, alignment(PAGE), &[]);
    assert_eq!(refused, Err(Error::RangeWraps { start, len }));
    // So long is what a pointer may step, but there are no entries for it.
    let units = half / PAGE - 1;
    let refused = adopt(&pool, low, 0, half - PAGE, alignment(PAGE), &[]);
    assert!(matches!(refused, Err(Error::PoolTooLarge { units: u, capacity: 0 }) if u == units));

    let last = usize::MAX - (PAGE - 1);
    // The last page of what pointers reach, which is refused by whoever counts entries if by anybody.
    let cpu = at(last);
    let none = Pool::with_entries(&mut new_entries(16, 2)[..0]);
    let refused = adopt(&none, cpu, 0, PAGE, alignment(PAGE), &[]);
    let (units, capacity) = (1, 0);
    assert_eq!(refused, Err(Error::PoolTooLarge { units, capacity }));
    let (start, len) = (last as u64, 2 * PAGE as u64);
    let refused = adopt(&none, cpu, 0, 2 * PAGE, alignment(PAGE), &[]);
    assert_eq!(refused, Err(Error::RangeWraps { start, len }));
}

#[test]
fn entries_may_be_a_slice_of_which_not_all_are_needed_and_that_was_anothers() {
    let ram = Ram::new(16 * PAGE, 4096);
    let mut storage: Vec<_> = (0..200).map(|_| PageEntry::new()).collect();
    let adopt = |pool: &Pool<&mut [PageEntry]>, pages: usize| {
        // SAFETY: the memory is that pool's, and that of no other afterwards.
        unsafe {
            pool.adopt(
                ram.start,
                PhysAddr::new(BASE),
                pages * PAGE,
                alignment(PAGE),
                &[],
            )
        }
    };
    let first = Pool::with_entries(&mut storage[..]);
    adopt(&first, 16).unwrap();
    let blocks: Vec<Block> = (0..5)
        .map(|_| first.allocate(&request(3)).unwrap())
        .collect();
    first.lend(&request(1)).unwrap();
    drop((first, blocks));

    let second = Pool::with_entries(&mut storage[..]);
    adopt(&second, 16).unwrap();

    assert_eq!(second.runs().count(), 1);
    // SAFETY: nobody uses them.
    let refused = unsafe { second.unlend(range(0, 1)) };
    let (phys, len) = (BASE, PAGE as u64);
    assert_eq!(refused, Err(Error::NotLent { phys, len }));
    let middle = second.allocate(&request_at(5, 3)).unwrap();
    assert_eq!(second.counts().largest_free, 8 * PAGE as u64);
    second.free(middle).unwrap();
    assert_eq!(
        second.allocate(&request(16)).map(|block| block.len_bytes()),
        Ok(16 * PAGE)
    );
}
