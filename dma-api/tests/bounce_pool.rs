//! The pool that loans bounce through: its counts, its exhaustion, and what becomes of slots that nobody gave back.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::std_instead_of_core,
    clippy::unwrap_used,
    reason = "a test reports by panicking"
)]
#![expect(unsafe_code, reason = "a test states that its device is done")]

#[path = "common/lab.rs"]
mod lab;

use core::{ptr::NonNull, sync::atomic};

use dma_api::{
    Bidirectional, BounceCounts, BouncePool, Device, DmaAddr, DmaRange, Error, FromDevice, Lender,
    Limits, Loan, LoanCost, Machine, Refused, SlotWord, Snooping, ToDevice, embedded_dma,
};
use lab::{Lab, bytes, fill, pattern};

type Pool<const N: usize = 1> = BouncePool<&'static Lab, [SlotWord; N]>;
type Lent<'p> = Loan<'p, &'static Lab, ToDevice>;

const SLOT: usize = 128;

fn device(lab: &'static Lab) -> Device<&'static Lab> {
    Device::new(lab, Limits::UNLIMITED, Snooping::DoesNotSnoop).unwrap()
}

fn free_bytes(lab: &Lab) -> usize {
    lab.memory().free_bytes()
}

fn lend<'p>(lender: &Lender<'p, &'static Lab>, memory: NonNull<[u8]>) -> Result<Lent<'p>, Error> {
    // SAFETY: nobody else uses the memory.
    unsafe { lender.lend_raw::<ToDevice>(memory) }
}

fn give_back(loan: Lent<'_>) {
    // SAFETY: no device was told of it.
    unsafe { loan.sync_for_cpu() };
}

#[test]
fn a_pool_has_whole_slots_of_at_least_a_granule_and_not_more_than_it_accounts_for() {
    let (lab, slots) = (Lab::new(), 33);
    let device = device(lab);
    let new = |len, slot| Pool::<1>::new(&device, len, slot).err();

    let alignment = 64;
    assert_eq!(
        new(256, 32),
        Some(Error::Misaligned {
            addr: 32,
            alignment
        })
    );
    assert_eq!(new(256, 96), Some(Error::NotPowerOfTwo { value: 96 }));
    assert_eq!(new(256, 0), Some(Error::NotPowerOfTwo { value: 0 }));
    assert_eq!(new(127, 128), Some(Error::ZeroLength));
    let capacity = 32;
    let units = slots;
    assert_eq!(
        new(33 * 64, 64),
        Some(Error::PoolTooLarge { units, capacity })
    );

    let before = free_bytes(lab);
    let pool = Pool::<1>::new(&device, 32 * 64 + 63, 64).unwrap();
    assert_eq!((pool.counts().capacity, pool.slot_len()), (32 * 64, 64));
    assert_eq!(
        (pool.largest_free(), free_bytes(lab)),
        (32 * 64, before - 32 * 64)
    );
    drop(pool);
    assert_eq!(free_bytes(lab), before);
    assert_eq!(lab.ledger().counts().leaked, 0);
}

#[test]
fn a_pool_lies_where_the_device_reaches_it() {
    let lab = Lab::new();
    let limits = Limits::UNLIMITED
        .window(DmaAddr::new(0x1000_4000), DmaAddr::new(0x1000_7fff))
        .unwrap();
    let narrow = device(lab).narrowed(limits).unwrap();
    let pool = Pool::<4>::new(&narrow, 0x2000, SLOT).unwrap();
    let lender = Lender::new(&narrow, &pool).unwrap();
    let loan = lend(&lender, lab.far(0, 1)).unwrap();
    let segment = loan.segment().unwrap();
    assert_eq!(limits.check(segment), Ok(()));
    assert!(segment.start().get() >= 0x1000_4000);
    give_back(loan);
    let highest = Limits::UNLIMITED
        .window(DmaAddr::new(0x1000_4000), DmaAddr::new(0x1000_4fff))
        .unwrap();
    let lower = device(lab).narrowed(highest).unwrap();
    // What lies in the pool but not where this device reaches is not used for it, however free it is.
    let other = Lender::new(&lower, &pool).unwrap();
    let mut loans = Vec::new();
    let error = loop {
        match lend(&other, lab.far(0, 0x400)) {
            Ok(loan) => loans.push(loan),
            Err(error) => break error,
        }
    };
    let segments = || loans.iter().flat_map(Loan::segments);
    assert!(segments().all(|segment| highest.check(segment) == Ok(())));
    let largest_free = pool.largest_free();
    assert_eq!((loans.len(), largest_free), (4, 0x1000));
    let len = 0x400;
    assert_eq!(error, Error::Exhausted { len, largest_free });
    loans.into_iter().for_each(give_back);
    let capacity = 0x2000;
    let len = 0x1001;
    let never = Error::NeverFits { len, capacity };
    assert_eq!(lend(&other, lab.far(0, len)).err(), Some(never));
    assert_eq!(pool.counts().in_use, 0);
}

#[test]
fn counts_are_exact() {
    let lab = Lab::new();
    let device = device(lab);
    let pool = Pool::<1>::new(&device, 8 * SLOT, SLOT).unwrap();
    let lender = Lender::new(&device, &pool).unwrap();
    let used = |counts: BounceCounts| (counts.in_use, counts.high_water);
    let copied = |counts: BounceCounts| (counts.copied_in, counts.copied_out);

    let one = lend(&lender, lab.far(0, 1)).unwrap();
    assert_eq!(used(pool.counts()), (SLOT, SLOT));
    let two = lend(&lender, lab.far(1, SLOT + 1)).unwrap();
    assert_eq!(used(pool.counts()), (3 * SLOT, 3 * SLOT));
    assert_eq!(pool.largest_free(), 5 * SLOT);
    let first = one.segment().unwrap().start();
    give_back(one);
    assert_eq!(used(pool.counts()), (2 * SLOT, 3 * SLOT));
    assert_eq!(copied(pool.counts()), (1, 0));
    // SAFETY: nobody else uses the memory.
    let three = unsafe { lender.lend_raw::<FromDevice>(lab.far(0x400, 100)) }.unwrap();
    // The lowest place is used again.
    assert_eq!(three.segment().unwrap().start(), first);
    // SAFETY: no device was told of it.
    unsafe { three.sync_for_cpu_short(7) }.unwrap();
    assert_eq!(copied(pool.counts()), (101, 7));
    give_back(two);
    assert_eq!(copied(pool.counts()), (101 + SLOT as u64 + 1, 7));
    assert_eq!(used(pool.counts()), (0, 3 * SLOT));
    give_back(lend(&lender, lab.far(0, 1)).unwrap());
    assert_eq!(used(pool.counts()), (0, 3 * SLOT));
    assert_eq!((pool.counts().refused, pool.counts().quarantined), (0, 0));
}

#[test]
fn exhaustion_is_an_error_with_nothing_half_done() {
    let lab = Lab::new();
    let device = device(lab);
    let pool = Pool::<1>::new(&device, 4 * SLOT, SLOT).unwrap();
    let lender = Lender::new(&device, &pool).unwrap();
    let one = lend(&lender, lab.far(0, SLOT)).unwrap();
    let two = lend(&lender, lab.far(0, SLOT)).unwrap();
    let three = lend(&lender, lab.far(0, SLOT)).unwrap();
    give_back(two);
    let before = pool.counts();
    lab.steps();

    let len = 2 * SLOT;
    let exhausted = Error::Exhausted {
        len,
        largest_free: SLOT,
    };
    assert_eq!(lend(&lender, lab.far(0, len)).err(), Some(exhausted));
    assert_eq!(lab.asked(), []);
    let mut expected = before;
    expected.refused += 1;
    assert_eq!(pool.counts(), expected);
    // A list of which the first stretch would fit: nothing of it is lent.
    let list = [lab.far(0, SLOT), lab.far(0x800, SLOT + 1)];
    // SAFETY: nobody else uses the memory.
    let error = unsafe { lender.lend_list::<ToDevice, 4>(&list) }.err();
    assert!(matches!(error, Some(Error::Exhausted { .. })), "{error:?}");
    expected.refused += 1;
    assert_eq!(pool.counts(), expected);
    let (len, capacity) = (4 * SLOT + 1, 4 * SLOT);
    let never = Error::NeverFits { len, capacity };
    assert_eq!(lend(&lender, lab.far(0, len)).err(), Some(never));
    assert_eq!(pool.counts(), expected);
    give_back(one);
    give_back(three);
    give_back(lend(&lender, lab.far(0, 4 * SLOT)).unwrap());
}

#[test]
fn a_transfer_of_too_many_parts_gives_its_slots_back() {
    let lab = Lab::new();
    let device = device(lab);
    let pool = Pool::<1>::new(&device, 8 * SLOT, SLOT).unwrap();
    let lender = Lender::new(&device, &pool).unwrap();
    let list = [lab.far(0, 1), lab.far(64, 1), lab.far(128, 1)];
    // SAFETY: nobody else uses the memory.
    let error = unsafe { lender.lend_list::<ToDevice, 2>(&list) }.err();
    assert_eq!(error, Some(Error::TooManyParts { capacity: 2 }));
    assert_eq!((pool.counts().in_use, pool.counts().copied_in), (0, 0));
}

#[test]
fn a_pool_of_another_machine_is_refused() {
    let (lab, other) = (Lab::new(), Lab::new());
    let [device, stranger] = [lab, other].map(device);
    let pool = Pool::<1>::new(&device, SLOT, SLOT).unwrap();
    let len = SLOT;
    let error = Lender::new(&stranger, &pool).err();
    assert!(
        matches!(error, Some(Error::ForeignBlock { len: l, .. }) if l == len),
        "{error:?}"
    );

    drop(lend(&Lender::new(&device, &pool).unwrap(), lab.far(0, 1)).unwrap());
    assert_eq!(device.id(), stranger.id());
    // SAFETY: it does nothing.
    assert_eq!(unsafe { stranger.assert_quiet() }.release_bounced(&pool), 0);
    assert_eq!(pool.counts().in_use, SLOT);
    // SAFETY: as above.
    assert_eq!(unsafe { device.assert_quiet() }.release_bounced(&pool), 1);
    assert_eq!(pool.counts().in_use, 0);
}

#[test]
fn slots_of_a_dropped_loan_stay_taken_until_its_device_is_quiet() {
    let lab = Lab::new();
    let (one, two) = (device(lab), device(lab));
    let pool = Pool::<2>::new(&one, 64 * SLOT, SLOT).unwrap();
    let [of_one, of_two] = [&one, &two].map(|device| Lender::new(device, &pool).unwrap());
    let first = lend(&of_one, lab.far(0, 1)).unwrap();
    let held = first.segment().unwrap();
    drop(first);
    drop(lend(&of_two, lab.far(0, 2 * SLOT)).unwrap());
    // In the second word of the books.
    let filler = lend(&of_two, lab.far(0, 40 * SLOT)).unwrap();
    drop(lend(&of_one, lab.far(0, 3 * SLOT)).unwrap());
    give_back(filler);
    let counts = pool.counts();
    assert_eq!((counts.in_use, counts.quarantined), (6 * SLOT, 6 * SLOT));
    assert_eq!(counts.copied_in, (1 + 45 * SLOT) as u64);
    let next = lend(&of_one, lab.far(0, 1)).unwrap();
    assert!(next.segment().unwrap().start() > held.start());

    // SAFETY: it does nothing.
    assert_eq!(unsafe { two.assert_quiet() }.release_bounced(&pool), 1);
    let counts = pool.counts();
    assert_eq!((counts.in_use, counts.quarantined), (5 * SLOT, 4 * SLOT));
    // SAFETY: as above.
    assert_eq!(unsafe { one.assert_quiet() }.release_bounced(&pool), 2);
    let counts = pool.counts();
    // What is lent and not dropped is not released.
    assert_eq!((counts.in_use, counts.quarantined), (SLOT, 0));
    // SAFETY: as above.
    assert_eq!(unsafe { one.assert_quiet() }.release_bounced(&pool), 0);
    assert_eq!(
        next.segment().unwrap().start(),
        held.start().checked_add(3 * SLOT as u64).unwrap()
    );
    give_back(next);
    assert_eq!((pool.counts().in_use, pool.largest_free()), (0, 64 * SLOT));
}

/// A buffer that says when it is dropped.
struct Dropped<'d>(&'d atomic::AtomicBool, NonNull<[u8]>);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, atomic::Ordering::Relaxed);
    }
}

// SAFETY: the memory is the machine's, which lives for ever.
unsafe impl embedded_dma::WriteBuffer for Dropped<'static> {
    type Word = u8;
    unsafe fn write_buffer(&mut self) -> (*mut u8, usize) {
        (self.1.cast().as_ptr(), self.1.len())
    }
}

#[test]
fn a_dropped_loan_leaks_the_buffer_and_the_ledger_lists_what_was_lent_in_place() {
    static DROPPED: [atomic::AtomicBool; 2] = [const { atomic::AtomicBool::new(false) }; 2];
    let lab = Lab::new();
    let device = device(lab);
    let pool = Pool::<1>::new(&device, 8 * SLOT, SLOT).unwrap();
    let lender = Lender::new(&device, &pool).unwrap();
    let lend = |which: usize| {
        let buffer = Dropped(&DROPPED[which], lab.near(10, 200));
        lender
            .lend_from(buffer)
            .map_err(|refused: Refused<_>| refused.error)
    };
    let loan = lend(0).unwrap();
    let middle: Vec<_> = loan.segments().filter(|s| s.len_bytes() == 128).collect();
    assert_eq!(middle.len(), 1);
    drop(loan);
    assert!(!DROPPED[0].load(atomic::Ordering::Relaxed));
    let ledger = lab.ledger();
    assert_eq!(ledger.counts().quarantined, 1);
    assert_eq!(ledger.quarantined(0), Some((device.id(), middle[0])));
    assert_eq!(pool.counts().quarantined, SLOT);

    // SAFETY: it does nothing.
    let back = unsafe { lend(1).unwrap().sync_for_cpu() };
    drop(back);
    assert!(DROPPED[1].load(atomic::Ordering::Relaxed));
    assert_eq!(
        (ledger.counts().quarantined, pool.counts().in_use),
        (1, SLOT)
    );
    // SAFETY: as above.
    assert_eq!(unsafe { device.assert_quiet() }.release_bounced(&pool), 1);
    // SAFETY: as above.
    assert_eq!(unsafe { device.assert_quiet() }.release_quarantine(), 1);
    assert_eq!((ledger.counts().quarantined, pool.counts().in_use), (0, 0));
}

#[test]
fn a_forgotten_loan_keeps_its_slots_and_they_outlive_the_pool() {
    let lab = Lab::new();
    let device = device(lab);
    let before = free_bytes(lab);
    let pool = Pool::<1>::new(&device, 4 * SLOT, SLOT).unwrap();
    let lender = Lender::new(&device, &pool).unwrap();
    // SAFETY: nobody else uses the memory.
    let loan = unsafe { lender.lend_raw::<FromDevice>(lab.far(0, 10)) }.unwrap();
    let segment = loan.segment().unwrap();
    core::mem::forget(loan);
    let next = lend(&lender, lab.far(0, 10)).unwrap();
    assert_ne!(next.segment().unwrap().start(), segment.start());
    give_back(next);
    // SAFETY: it does nothing.
    assert_eq!(unsafe { device.assert_quiet() }.release_bounced(&pool), 0);
    assert_eq!(pool.counts().in_use, SLOT);
    drop(pool);
    assert_eq!(free_bytes(lab), before - 4 * SLOT);
    assert_eq!(
        (lab.ledger().counts().leaked, lab.ledger().counts().refused),
        (1, 0)
    );
    lab.scatter([segment], &[7; 10]);
    assert_eq!(bytes(lab.far(0, 10)), [0; 10]);
}

#[test]
fn with_a_slot_per_largest_loan_as_many_loans_as_slots_never_fail() {
    let open = Limits::UNLIMITED;
    let kinds = [
        (open, 40, 128),
        (open, 128, 128),
        (open, 129, 256),
        (open.page(256).unwrap(), 100, 512),
        (open.alignment(256).unwrap(), 100, 512),
        (open.page(64).unwrap(), 2048, 4096),
    ];
    for (limits, longest, slot) in kinds {
        let lab = Lab::new();
        let device = Device::new(lab, limits, Snooping::DoesNotSnoop).unwrap();
        assert_eq!(
            BouncePool::<&'static Lab>::slot_for(&device, longest),
            Ok(slot),
            "{limits:?}"
        );
        let pool = Pool::<1>::new(&device, 5 * slot, slot).unwrap();
        let lender = Lender::new(&device, &pool).unwrap();
        let mut random = 1_u32;
        let mut loans = Vec::new();
        for _ in 0..2000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (number, at) = ((random >> 16) as usize, (random >> 20) as usize % 512);
            if loans.len() == 5 || (number & 1 == 0 && !loans.is_empty()) {
                drop(loans.swap_remove(number % loans.len()));
                continue;
            }
            let len = 1 + number % longest;
            let memory = [lab.far(at, len), lab.near(at, len)][number / 2 % 2];
            // SAFETY: nobody else uses the memory.
            let loan = unsafe { lender.lend_raw::<FromDevice>(memory) };
            assert!(
                loan.is_ok(),
                "{len} bytes from {at} on for {limits:?}: {loan:?}"
            );
            loans.push(Returned(loan.ok()));
        }
        assert_eq!((pool.counts().refused, pool.counts().quarantined), (0, 0));
    }
    let device = device(Lab::new());
    let (len, multiple) = (usize::MAX as u64, 64);
    let overflow = Error::LengthOverflow { len, multiple };
    assert_eq!(
        BouncePool::<&'static Lab>::slot_for(&device, usize::MAX),
        Err(overflow)
    );
}

/// A loan that is taken back when it is dropped.
struct Returned<'p>(Option<Loan<'p, &'static Lab, FromDevice>>);

impl Drop for Returned<'_> {
    fn drop(&mut self) {
        if let Some(loan) = self.0.take() {
            // SAFETY: no device was told of it.
            unsafe { loan.sync_for_cpu() };
        }
    }
}

#[test]
fn what_one_loan_left_in_a_slot_no_device_and_no_owner_sees_through_the_next() {
    let lab = Lab::new();
    let device = device(lab);
    let pool = Pool::<1>::new(&device, SLOT, SLOT).unwrap();
    let lender = Lender::new(&device, &pool).unwrap();
    for at in [0, 1, 31, 63, 64, 65] {
        fill(lab.far(0x200, SLOT), &[0x5e; SLOT]);
        give_back(lend(&lender, lab.far(0x200, SLOT)).unwrap());
        let before = pattern(0x80, 9);
        fill(lab.far(0x400, 0x80), &before);
        // SAFETY: nobody else uses the memory.
        let loan = unsafe { lender.lend_raw::<Bidirectional>(lab.far(0x400 + at, 20)) }.unwrap();
        let cost: LoanCost = loan.cost();
        assert_eq!(
            (cost.segments, cost.bytes_bounced, cost.bytes_copied),
            (1, 20, 40)
        );
        let segment = loan.segment().unwrap();
        // All of the granules that the device may come to write back are this loan's.
        let first = segment.start().get() & !63;
        let granule = DmaRange::new(DmaAddr::new(first), 64).unwrap();
        assert!(!lab.gather([granule]).contains(&0x5e));
        // A device that lies: it wrote nothing and claims all.
        // SAFETY: it is done.
        unsafe { loan.sync_for_cpu_short(20) }.unwrap();
        assert_eq!(bytes(lab.far(0x400, 0x80)), before, "{at}");
    }
}

#[test]
fn what_one_loan_left_in_a_slot_before_a_part_no_device_sees() {
    let lab = Lab::new();
    let limits = Limits::UNLIMITED.page(256).unwrap();
    let device = Device::new(lab, limits, Snooping::DoesNotSnoop).unwrap();
    let pool = Pool::<1>::new(&device, 256, 256).unwrap();
    let lender = Lender::new(&device, &pool).unwrap();
    fill(lab.far(0, 256), &[0x5e; 256]);
    give_back(lend(&lender, lab.far(0, 256)).unwrap());
    fill(lab.far(0, 256), &[1; 256]);
    // SAFETY: nobody else uses the memory.
    let loan = unsafe { lender.lend_raw::<FromDevice>(lab.far(100, 20)) }.unwrap();
    let start = loan.segment().unwrap().start().get();
    let granule = DmaRange::new(DmaAddr::new(start - 36), 64).unwrap();
    let mut expected = [0; 64];
    expected[36..56].fill(1);
    assert_eq!(lab.gather([granule]), expected);
    // SAFETY: no device was told of it.
    unsafe { loan.sync_for_cpu() };
}

#[test]
fn each_loan_has_a_place_of_its_own() {
    let lab = Lab::new();
    let device = device(lab);
    let pool = Pool::<1>::new(&device, 4 * SLOT, SLOT).unwrap();
    let lender = Lender::new(&device, &pool).unwrap();
    let loans = [1, 2, 3].map(|number| {
        let memory = lab.far(usize::from(number) * 0x100, 100);
        fill(memory, &pattern(100, number));
        let loan = lend(&lender, memory).unwrap();
        let cleaned = lab.steps().remove(0).phys.unwrap();
        let dma = lab.bus().to_dma(cleaned).unwrap();
        assert_eq!(Some(dma.start()), loan.segment().map(DmaRange::start));
        (number, loan)
    });
    for (number, loan) in loans {
        assert_eq!(lab.gather(loan.segments()), pattern(100, number));
        give_back(loan);
    }
}

#[test]
fn a_pool_serves_a_device_that_reaches_its_upper_part() {
    let lab = Lab::new();
    let all = device(lab);
    let pool = Pool::<1>::new(&all, 4 * SLOT, SLOT).unwrap();
    let lender = Lender::new(&all, &pool).unwrap();
    let loan = lend(&lender, lab.far(0, 1)).unwrap();
    let start = loan.segment().unwrap().start();
    give_back(loan);
    let lowest = start.checked_add(2 * SLOT as u64).unwrap();
    let limits = Limits::UNLIMITED
        .window(lowest, DmaAddr::new(u64::MAX))
        .unwrap();
    let upper = all.narrowed(limits).unwrap();
    let lender = Lender::new(&upper, &pool).unwrap();
    assert_eq!(lender.max_loan(), 2 * SLOT);
    let loan = lend(&lender, lab.far(0, 1)).unwrap();
    assert_eq!(loan.segment().unwrap().start(), lowest);
    give_back(loan);
}

#[test]
fn a_run_begins_where_the_devices_page_does() {
    let lab = Lab::new();
    let limits = Limits::UNLIMITED.page(256).unwrap();
    let device = Device::new(lab, limits, Snooping::DoesNotSnoop).unwrap();
    let pool = Pool::<1>::new(&device, 8 * SLOT, SLOT).unwrap();
    let lender = Lender::new(&device, &pool).unwrap();
    let first = lend(&lender, lab.far(0, 1)).unwrap();
    let second = lend(&lender, lab.far(100, 300)).unwrap();
    let starts: Vec<_> = second
        .segments()
        .map(|segment| segment.start().get() % 256)
        .collect();
    assert_eq!(starts, [100]);
    give_back(first);
    give_back(second);
}

#[test]
fn a_run_has_as_few_segments_as_the_boundary_allows() {
    let lab = Lab::new();
    let limits = Limits::UNLIMITED.boundary(256).unwrap();
    let device = Device::new(lab, limits, Snooping::DoesNotSnoop).unwrap();
    let pool = Pool::<1>::new(&device, 8 * SLOT, SLOT).unwrap();
    let lender = Lender::new(&device, &pool).unwrap();
    let first = lend(&lender, lab.far(0, 1)).unwrap();
    for (len, segments) in [(200, 1), (256, 1), (512, 2)] {
        let loan = lend(&lender, lab.far(0, len)).unwrap();
        assert_eq!(loan.segments().count(), segments, "{len}");
        give_back(loan);
    }
    give_back(first);
}

/// Whether a loan of `len` bytes works from every offset in a page, in an empty pool.
fn fits(lab: &'static Lab, lender: &Lender<'_, &'static Lab>, len: usize, page: usize) -> usize {
    let lends = |at: &usize| match lend(lender, lab.far(*at, len)) {
        Ok(loan) => {
            let segments: Vec<_> = loan.segments().collect();
            assert_eq!(lender.device().limits().check_all(&segments), Ok(()));
            give_back(loan);
            true
        }
        Err(_) => false,
    };
    (0..page).filter(lends).count()
}

#[test]
fn the_longest_loan_is_lent_from_everywhere_and_one_byte_more_is_not() {
    let open = Limits::UNLIMITED;
    let all = [
        open,
        open.page(256).unwrap(),
        open.boundary(256).unwrap(),
        open.max_segment_len(100).unwrap(),
        open.max_segment_len(100)
            .and_then(|l| l.max_segments(3))
            .unwrap(),
        open.max_segments(2).and_then(|l| l.boundary(128)).unwrap(),
        open.page(128)
            .and_then(|l| l.max_segments(3))
            .and_then(|l| l.max_segment_len(128))
            .unwrap(),
        open.page(256)
            .and_then(|l| l.max_segments(2))
            .and_then(|l| l.boundary(256))
            .unwrap(),
        open.alignment(16)
            .and_then(|l| l.max_segment_len(72))
            .and_then(|l| l.max_segments(4))
            .unwrap(),
    ];
    let mut longest = Vec::new();
    for limits in all {
        let lab = Lab::new();
        let device = Device::new(lab, limits, Snooping::DoesNotSnoop).unwrap();
        let pool = Pool::<1>::new(&device, 8 * SLOT, SLOT).unwrap();
        let lender = Lender::new(&device, &pool).unwrap();
        let max = lender.max_loan();
        assert_eq!(fits(lab, &lender, max, 256), 256, "{max} {limits:?}");
        assert!(fits(lab, &lender, max + 1, 256) < 256, "{max} {limits:?}");
        assert_eq!(pool.counts().in_use, 0);
        longest.push(max);
    }
    assert_eq!(longest[..6], [1024, 769, 1024, 1024, 300, 256]);
    assert_eq!(Lender::without_bounce(&device(Lab::new())).max_loan(), 0);
}

#[test]
fn a_pool_and_a_lender_are_shown_without_what_they_hold() {
    let lab = Lab::new();
    let device = device(lab);
    let pool = Pool::<1>::new(&device, SLOT, SLOT).unwrap();
    let shown = format!("{pool:?}");
    assert!(
        shown.starts_with("BouncePool(") && shown.len() < 100,
        "{shown}"
    );
}
