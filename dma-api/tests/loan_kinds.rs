//! The ways of lending memory that is not ours: which bytes move, when, and what is refused with which reason.
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

use core::ptr::NonNull;

use dma_api::{
    Bidirectional, BouncePool, Costs, Device, DmaAddr, Error, FromDevice, Lender, Limits, Machine,
    PhysAddr, PhysRange, Policy, SlotWord, Snooping, ToDevice,
};
use lab::{
    Asked::{self, *},
    Lab, SEAM, bytes, fill, pattern,
};

type Pool = BouncePool<&'static Lab, [SlotWord; 1]>;
type Of<'p> = Lender<'p, &'static Lab>;

const SLOT: usize = 256;

/// A machine, a device and a pool, for tests of which each has its own.
struct Bench {
    lab: &'static Lab,
    device: Device<&'static Lab>,
    pool: Pool,
}

impl Bench {
    fn new() -> Self {
        Self::of(Lab::new(), Limits::UNLIMITED, Snooping::DoesNotSnoop)
    }

    fn of(lab: &'static Lab, limits: Limits, snooping: Snooping) -> Self {
        let device = Device::new(lab, limits, snooping).unwrap();
        let pool = Pool::new(&device, 16 * SLOT, SLOT).unwrap();
        Self { lab, device, pool }
    }

    fn lender(&self) -> Of<'_> {
        Lender::new(&self.device, &self.pool).unwrap()
    }

    fn copied(&self) -> (u64, u64) {
        let counts = self.pool.counts();
        (counts.copied_in, counts.copied_out)
    }
}

/// The machine's memory as that of an owner who has it for ever.
fn owned(memory: NonNull<[u8]>) -> &'static mut [u8] {
    // SAFETY: the machine's memory lives for ever, and the test uses each part of it in one way.
    unsafe { &mut *memory.as_ptr() }
}

#[test]
fn owned_and_static_buffers_come_back_with_what_the_device_wrote() {
    let bench = Bench::new();
    let (lab, lender) = (bench.lab, bench.lender());
    let sent: &'static [u8] = owned(lab.near(10, 200));
    fill(lab.near(10, 200), &pattern(200, 1));
    let loan = lender.lend_to(sent).unwrap();
    assert_eq!((loan.len_bytes(), loan.cost().bytes_bounced), (200, 0));
    assert_eq!(lab.gather(loan.segments()), pattern(200, 1));
    // SAFETY: the device is done.
    assert_eq!(unsafe { loan.sync_for_cpu() }.as_ptr(), sent.as_ptr());

    let loan = lender.lend_from(owned(lab.near(0x1000, 200))).unwrap();
    lab.scatter(loan.segments(), &pattern(200, 2));
    // SAFETY: as above.
    assert_eq!(unsafe { loan.sync_for_cpu() }, pattern(200, 2));

    // Memory of the host's, of which the machine knows nothing.
    let loan = lender
        .lend_both(Box::leak(Box::new([0x0101_u16; 50])))
        .unwrap();
    assert_eq!((loan.len_bytes(), loan.cost().bytes_copied), (100, 200));
    assert_eq!(lab.gather(loan.segments()), [1; 100]);
    lab.scatter(loan.segments(), &[3; 98]);
    // SAFETY: as above.
    let back = unsafe { loan.sync_for_cpu() };
    assert_eq!((back[0], back[48], back[49]), (0x0303, 0x0303, 0x0101));
}

#[test]
fn what_is_refused_comes_back() {
    let bench = Bench::new();
    let none: &'static mut [u8] = &mut [];
    let refused = bench.lender().lend_from(none).err().unwrap();
    assert_eq!((refused.error, refused.value.len()), (Error::ZeroLength, 0));
    let kept = Box::leak(Box::new([7_u8; 4]));
    let start = kept.as_ptr();
    let without = Lender::without_bounce(&bench.device);
    let refused = without.lend_from(kept).err().unwrap();
    let first = start.addr() as u64;
    let last = first + 3;
    assert_eq!(refused.error, Error::NotInDirectMap { first, last });
    assert_eq!((refused.value.as_ptr(), *refused.value), (start, [7; 4]));
}

#[test]
fn borrowed_memory_is_lent_in_a_scope() {
    let bench = Bench::new();
    let (lab, lender) = (bench.lab, bench.lender());
    let sent = pattern(90, 4);
    let seen = lender.scope_to(&sent, |in_flight| {
        assert_eq!(in_flight.len_bytes(), 90);
        let seen = lab.gather(in_flight.segment());
        // SAFETY: the device is done.
        (unsafe { in_flight.finished() }, seen)
    });
    assert_eq!(seen, Ok(sent));

    let received = owned(lab.near(0x1009, 190));
    let transfer = lender.scope_from(received, |in_flight| {
        assert_eq!(
            (in_flight.segments().count(), in_flight.segment()),
            (3, None)
        );
        lab.scatter(in_flight.segments(), &pattern(190, 5));
        // SAFETY: as above.
        (unsafe { in_flight.finished() }, ())
    });
    assert_eq!((transfer, &*received), (Ok(()), &pattern(190, 5)[..]));

    let mut both = [6; 80];
    let transfer = lender.scope_both(&mut both, |in_flight| {
        assert_eq!(lab.gather(in_flight.segments()), [6; 80]);
        lab.scatter(in_flight.segments(), &[7; 80]);
        // SAFETY: as above.
        (unsafe { in_flight.finished_short(30) }.unwrap(), ())
    });
    assert_eq!(transfer, Ok(()));
    assert_eq!(
        (both[..30].to_vec(), both[30..].to_vec()),
        (vec![7; 30], vec![6; 50])
    );

    let (written, buffer_len) = (81, 80);
    let claim = lender.scope_both(&mut both, |in_flight| {
        lab.scatter(in_flight.segments(), &[8; 80]);
        // SAFETY: as above.
        let refused = unsafe { in_flight.finished_short(written) }.unwrap_err();
        (refused.value, refused.error)
    });
    let overlong = Error::OverlongTransfer {
        written,
        buffer_len,
    };
    assert_eq!((claim, both[0]), (Ok(overlong), 7));
    assert_eq!(bench.pool.counts().in_use, 0);
    let error = lender
        .scope_to::<()>(&[], |_| unreachable!("nothing is lent"))
        .err();
    assert_eq!(error, Some(Error::ZeroLength));
}

fn times(asked: Asked, times: usize) -> Vec<Asked> {
    vec![asked; times]
}

#[test]
fn several_buffers_have_one_completion_each_way() {
    let bench = Bench::new();
    let (lab, lender) = (bench.lab, bench.lender());
    let list = [lab.near(64, 128), lab.far(5, 30), lab.near(0x1000, 64)];
    let data = pattern(222, 1);
    fill(list[0], &data[..128]);
    fill(list[1], &data[128..158]);
    fill(list[2], &data[158..]);
    let quoted = lender.quote_list::<Bidirectional>(&list).unwrap();
    // SAFETY: nobody else uses the memory.
    let loan = unsafe { lender.lend_list::<Bidirectional, 3>(&list) }.unwrap();
    assert_eq!(loan.cost(), quoted);
    assert_eq!(
        (quoted.segments, quoted.completions, quoted.bytes_copied),
        (3, 2, 60)
    );
    // Four lines, one of the pool, two; each of them twice.
    assert_eq!(quoted.lines_maintained, 14);
    let expected = [
        times(Clean, 3),
        times(Complete, 1),
        times(BeforeDoorbell, 3),
    ]
    .concat();
    assert_eq!(lab.asked(), expected);
    assert_eq!(lab.gather(loan.segments()), data);
    lab.scatter(loan.segments(), &pattern(222, 2));
    // SAFETY: the device is done.
    unsafe { loan.sync_for_cpu() };
    let expected = [
        times(AfterCompletion, 3),
        times(Invalidate, 3),
        times(Complete, 1),
    ]
    .concat();
    assert_eq!(lab.asked(), expected);
    assert_eq!(list.map(bytes).concat(), pattern(222, 2));
}

#[test]
fn memory_that_is_contiguous_for_the_cpu_alone_is_lent_in_its_pieces() {
    let bench = Bench::new();
    let (lab, lender) = (bench.lab, bench.lender());
    for (at, len, parts) in [(SEAM - 64, 128, 2), (SEAM - 70, 140, 4), (SEAM, 64, 1)] {
        let memory = lab.near(at, len);
        fill(memory, &pattern(len, 1));
        let list = [memory];
        // SAFETY: nobody else uses the memory.
        let loan = unsafe { lender.lend_list::<Bidirectional, 4>(&list) }.unwrap();
        assert_eq!(loan.segments().count(), parts);
        assert_eq!(lab.gather(loan.segments()), pattern(len, 1));
        lab.scatter(loan.segments(), &pattern(len, 2));
        // SAFETY: the device is done.
        unsafe { loan.sync_for_cpu() };
        assert_eq!(bytes(memory), pattern(len, 2));
    }
    // Four parts are too many for one buffer: all of it bounces, in one.
    // SAFETY: nobody else uses the memory.
    let loan = unsafe { lender.lend_raw::<FromDevice>(lab.near(SEAM - 70, 140)) }.unwrap();
    assert_eq!(
        (loan.segments().count(), loan.cost().bytes_bounced),
        (1, 140)
    );
    // SAFETY: the device is done.
    unsafe { loan.sync_for_cpu() };
}

#[test]
fn pages_are_lent_by_their_physical_addresses() {
    let bench = Bench::new();
    let (lab, lender) = (bench.lab, bench.lender());
    let page = |memory| lab.direct_map().to_phys(memory).unwrap();
    let memory = [lab.near(0x1000, 0x100), lab.far(0, 0x80)];
    let pages = memory.map(page);
    // SAFETY: nobody else uses the memory.
    let loan = unsafe { lender.lend_pages::<FromDevice, 2>(&pages) }.unwrap();
    assert_eq!((loan.len_bytes(), loan.cost().bytes_bounced), (0x180, 0x80));
    lab.scatter(loan.segments(), &pattern(0x180, 1));
    // SAFETY: the device is done.
    unsafe { loan.sync_for_cpu() };
    assert_eq!(memory.map(bytes).concat(), pattern(0x180, 1));
    let stranger = PhysRange::new(PhysAddr::new(0x1000), 0x100).unwrap();
    let (first, last) = (0x1000, 0x10ff);
    // SAFETY: nothing is lent.
    let error = unsafe { lender.lend_pages::<FromDevice, 2>(&[pages[0], stranger]) }.err();
    assert_eq!(error, Some(Error::NotInDirectMap { first, last }));
}

#[test]
fn what_bounces_keeps_its_offset_in_the_devices_page() {
    let limits = Limits::UNLIMITED.page(256).unwrap();
    let bench = Bench::of(Lab::new(), limits, Snooping::DoesNotSnoop);
    let (lab, lender) = (bench.lab, bench.lender());
    for (memory, at, bounced) in [
        (lab.far(100, 600), 100, 600),
        // The page in the middle stays where it is.
        (lab.near(100, 600), 100, 600 - 256),
        (lab.far(0, 1), 0, 1),
        (lab.near(255, 2), 255, 2),
    ] {
        // SAFETY: nobody else uses the memory.
        let loan = unsafe { lender.lend_raw::<FromDevice>(memory) }.unwrap();
        let segments: Vec<_> = loan.segments().collect();
        assert_eq!(limits.check_all(&segments), Ok(()));
        assert_eq!(loan.cost().bytes_bounced, bounced);
        assert_eq!(segments[0].start().get() % 256, at, "{segments:?}");
        lab.scatter(segments, &pattern(memory.len(), 3));
        // SAFETY: the device is done.
        unsafe { loan.sync_for_cpu() };
        assert_eq!(bytes(memory), pattern(memory.len(), 3));
    }
}

#[test]
fn what_may_not_bounce_is_refused_with_the_reason_that_it_would_have() {
    let narrow = Limits::UNLIMITED.alignment(16).unwrap();
    let narrow = narrow
        .window(DmaAddr::new(0), DmaAddr::new(0x1001_0fff))
        .unwrap();
    let bench = Bench::of(Lab::new(), narrow, Snooping::DoesNotSnoop);
    let (lab, lender) = (bench.lab, bench.lender().with_policy(Policy::Reject));
    let host = [0_u8; 8];
    let first = host.as_ptr().addr() as u64;
    let (far, near) = (lab.far(0, 64), lab.near(16, 32));
    let reasons = [
        (
            far,
            Error::NotInWindow {
                first: 0x4_0000_0000,
                last: 0x4_0000_003f,
            },
        ),
        (
            NonNull::from(&host[..]),
            Error::NotInDirectMap {
                first,
                last: first + 7,
            },
        ),
        (
            lab.near(0xfc0, 0x80),
            Error::AboveHighest {
                last: 0x1001_103f,
                highest: 0x1001_0fff,
            },
        ),
        (
            lab.near(1, 63),
            Error::Misaligned {
                addr: 0x1001_0001,
                alignment: 16,
            },
        ),
        (
            near,
            Error::SharedLine {
                cpu: near.addr().get(),
                len: 32,
                granule: 64,
            },
        ),
        (
            lab.near(0, 65),
            Error::SharedLine {
                cpu: lab.near(0, 1).addr().get(),
                len: 65,
                granule: 64,
            },
        ),
    ];
    for (memory, reason) in reasons {
        for lender in [lender.clone(), Lender::without_bounce(&bench.device)] {
            // SAFETY: nothing is lent.
            let refused = unsafe { lender.lend_raw::<FromDevice>(memory) }.err();
            assert_eq!(refused, Some(reason));
        }
    }
    // What the device only reads shares its lines with anything.
    // SAFETY: nobody else uses the memory.
    let loan = unsafe { lender.lend_raw::<ToDevice>(near) }.unwrap();
    assert_eq!(loan.cost().bytes_bounced, 0);
    // SAFETY: the device is done.
    unsafe { loan.sync_for_cpu() };
    assert_eq!(bench.pool.counts().high_water, 0);
}

#[test]
fn lengths_that_are_none_are_refused() {
    let bench = Bench::new();
    let (lab, lender) = (bench.lab, bench.lender());
    assert_eq!(lender.quote_list::<ToDevice>(&[]), Err(Error::ZeroLength));
    let list = [lab.near(0, 64), lab.near(64, 0)];
    assert_eq!(lender.quote_list::<ToDevice>(&list), Err(Error::ZeroLength));
    let start = usize::MAX;
    let last = NonNull::new(core::ptr::without_provenance_mut::<u8>(start)).unwrap();
    let wraps = [NonNull::slice_from_raw_parts(last, 2)];
    let start = start as u64;
    assert_eq!(
        lender.quote_list::<ToDevice>(&wraps),
        Err(Error::RangeWraps { start, len: 2 })
    );
    let first = NonNull::new(core::ptr::without_provenance_mut::<u8>(1)).unwrap();
    let endless = NonNull::slice_from_raw_parts(first, usize::MAX);
    let (len, multiple) = (64, 1);
    let overflow = Error::LengthOverflow { len, multiple };
    assert_eq!(
        lender.quote_list::<ToDevice>(&[endless, lab.near(0, 64)]),
        Err(overflow)
    );
    let start = NonNull::new(core::ptr::without_provenance_mut(usize::MAX - 3)).unwrap();
    let end = NonNull::slice_from_raw_parts(start, 4);
    let without = Lender::without_bounce(&bench.device);
    let (first, last) = (start.addr().get() as u64, usize::MAX as u64);
    let missing = Error::NotInDirectMap { first, last };
    assert_eq!(without.quote_list::<ToDevice>(&[end]), Err(missing));
}

#[test]
fn nothing_bounces_for_neighbours_that_keep_still() {
    let bench = Bench::new();
    // SAFETY: nobody stores to the memory.
    let lender = unsafe { bench.lender().with_still_neighbours() };
    let memory = bench.lab.near(30, 195);
    // SAFETY: nobody else uses the memory.
    let loan = unsafe { lender.lend_raw::<FromDevice>(memory) }.unwrap();
    let cost = loan.cost();
    assert_eq!((cost.segments, cost.bytes_bounced), (1, 0));
    // From 30 bytes into a line on: 8 of them, twice.
    assert_eq!(cost.lines_maintained, 16);
    // SAFETY: the device is done.
    unsafe { loan.sync_for_cpu() };
}

#[test]
fn of_two_ways_the_cheaper_one_is_taken_by_the_machines_own_measure() {
    let costs = |copy_byte, maintain_line| Costs {
        copy_byte,
        maintain_line,
        complete: 1,
    };
    for (costs, bounced, lines) in [
        (Some(costs(1, 1000)), 66, 6),
        (Some(costs(100, 1)), 2, 8),
        (None, 2, 8),
    ] {
        let bench = Bench::of(
            Lab::with_costs(costs),
            Limits::UNLIMITED,
            Snooping::DoesNotSnoop,
        );
        let (lab, lender) = (bench.lab, bench.lender());
        let memory = lab.near(63, 66);
        let quote = lender.quote::<FromDevice>(owned(memory)).unwrap();
        assert_eq!(
            (quote.bytes_bounced, quote.lines_maintained),
            (bounced, lines)
        );
        // SAFETY: nobody else uses the memory.
        let loan = unsafe { lender.lend_raw::<FromDevice>(memory) }.unwrap();
        assert_eq!(loan.cost(), quote);
        lab.scatter(loan.segments(), &pattern(66, 1));
        // SAFETY: the device is done.
        unsafe { loan.sync_for_cpu() };
        assert_eq!(
            (bytes(memory), bench.copied().0),
            (pattern(66, 1), bounced as u64)
        );
    }
}

#[test]
fn where_the_better_way_finds_no_room_the_other_one_is_taken() {
    let costs = Costs {
        copy_byte: 1,
        maintain_line: 1000,
        complete: 0,
    };
    let bench = Bench::of(
        Lab::with_costs(Some(costs)),
        Limits::UNLIMITED,
        Snooping::DoesNotSnoop,
    );
    let (lab, lender) = (bench.lab, bench.lender());
    let bounced = |lender: &Of<'_>| {
        // SAFETY: nobody else uses the memory.
        let loan = unsafe { lender.lend_raw::<ToDevice>(lab.near(31, 2)) }.unwrap();
        let cost = loan.cost();
        // SAFETY: the device is done.
        unsafe { loan.sync_for_cpu() };
        cost.bytes_bounced
    };
    assert_eq!(bounced(&lender), 2);
    // SAFETY: nobody else uses the memory.
    let all = unsafe { lender.lend_raw::<ToDevice>(lab.far(0, 16 * SLOT)) }.unwrap();
    assert_eq!((bounced(&lender), bench.pool.counts().refused), (0, 0));
    // SAFETY: the device is done.
    unsafe { all.sync_for_cpu() };
    assert_eq!(bounced(&lender), 2);
}

#[test]
fn copies_are_outside_of_the_maintenance() {
    let bench = Bench::new();
    let (lab, lender) = (bench.lab, bench.lender());
    let memory = lab.far(3, 100);
    fill(memory, &pattern(100, 1));
    lab.watch(memory);
    // SAFETY: nobody else uses the memory.
    let loan = unsafe { lender.lend_raw::<Bidirectional>(memory) }.unwrap();
    let steps = lab.steps();
    let asked: Vec<_> = steps.iter().map(|step| step.asked).collect();
    assert_eq!(asked, [Clean, Complete, BeforeDoorbell]);
    // Whole granules of the pool are cleaned, with the owner's bytes in them and nothing else.
    assert_eq!(steps[0].bytes, [pattern(100, 1), vec![0; 28]].concat());
    assert_eq!(steps[0].phys.unwrap().start().get() % 64, 0);
    lab.scatter(loan.segments(), &pattern(100, 2));
    // SAFETY: the device is done.
    unsafe { loan.sync_for_cpu() };
    let steps = lab.steps();
    let asked: Vec<_> = steps.iter().map(|step| step.asked).collect();
    assert_eq!(asked, [AfterCompletion, Invalidate, Complete]);
    assert_eq!(steps[1].bytes.len(), 128);
    assert!(steps.iter().all(|step| step.watched == pattern(100, 1)));
    assert_eq!(bytes(memory), pattern(100, 2));
    assert_eq!(bench.copied(), (100, 100));
}

#[test]
fn of_a_claim_of_more_than_there_is_nothing_is_copied() {
    let bench = Bench::new();
    let (lab, lender) = (bench.lab, bench.lender());
    let memory = lab.far(0, 50);
    for (offset, written, end) in [(0, 51, 51), (50, 1, 51), (7, usize::MAX, usize::MAX)] {
        fill(memory, &pattern(50, 1));
        let loan = lender.lend_from(owned(memory)).unwrap();
        lab.scatter(loan.segments(), &pattern(50, 2));
        // SAFETY: the device is done.
        let refused = unsafe { loan.sync_for_cpu_within(offset, written) }.unwrap_err();
        let (written, buffer_len) = (end, 50);
        assert_eq!(
            refused.error,
            Error::OverlongTransfer {
                written,
                buffer_len
            }
        );
        assert_eq!(refused.value, pattern(50, 1));
    }
    assert_eq!(bench.copied(), (150, 0));
    let loan = lender.lend_from(owned(memory)).unwrap();
    // SAFETY: the device is done.
    let refused = unsafe { loan.sync_for_cpu_short(51) }.unwrap_err();
    assert_eq!(refused.value, pattern(50, 1));
    assert_eq!(bench.pool.counts().in_use, 0);
}

#[test]
fn exactly_the_bytes_that_the_device_says_it_wrote_are_copied() {
    let bench = Bench::new();
    let (lab, lender) = (bench.lab, bench.lender());
    let memory = lab.far(9, 60);
    for (offset, written) in [(0, 60), (0, 0), (5, 7), (59, 1), (60, 0)] {
        fill(memory, &pattern(60, 1));
        let before = bench.copied().1;
        let loan = lender.lend_both(owned(memory)).unwrap();
        lab.scatter(loan.segments(), &pattern(60, 2));
        // SAFETY: the device is done.
        let back = unsafe { loan.sync_for_cpu_within(offset, written) }.unwrap();
        let mut expected = pattern(60, 1);
        let range = offset..offset + written;
        expected[range.clone()].copy_from_slice(&pattern(60, 2)[range]);
        assert_eq!(back, expected, "{offset} {written}");
        assert_eq!(bench.copied().1 - before, written as u64);
    }
    // Of parts, too: from the head into the middle, and from the middle into the tail.
    let memory = lab.near(0x100a, 200);
    for (offset, written, out) in [(50, 100, 4), (60, 140, 18), (0, 200, 72), (190, 4, 4)] {
        fill(memory, &pattern(200, 1));
        let before = bench.copied().1;
        let loan = lender.lend_both(owned(memory)).unwrap();
        let data = &pattern(200, 2)[..];
        lab.scatter(loan.segments(), data);
        // SAFETY: the device is done.
        let back = unsafe { loan.sync_for_cpu_within(offset, written) }.unwrap();
        assert_eq!(
            back[offset..offset + written],
            data[offset..offset + written]
        );
        assert_eq!(back[..offset.min(54)], pattern(200, 1)[..offset.min(54)]);
        let tail = (offset + written).max(182);
        assert_eq!(back[tail..], pattern(200, 1)[tail..]);
        assert_eq!(bench.copied().1 - before, out);
    }
}

#[test]
fn a_snooping_device_bounces_without_maintenance() {
    let bench = Bench::of(Lab::new(), Limits::UNLIMITED, Snooping::Snoops);
    let (lab, lender) = (bench.lab, bench.lender());
    for (memory, bounced) in [(lab.near(10, 200), 0), (lab.far(10, 200), 200)] {
        fill(memory, &pattern(200, 1));
        let loan = lender.lend_both(owned(memory)).unwrap();
        let cost = loan.cost();
        assert_eq!((cost.segments, cost.bytes_bounced), (1, bounced));
        assert_eq!((cost.lines_maintained, cost.completions), (0, 0));
        assert_eq!(lab.gather(loan.segments()), pattern(200, 1));
        lab.scatter(loan.segments(), &pattern(200, 2));
        // SAFETY: the device is done.
        assert_eq!(unsafe { loan.sync_for_cpu() }, pattern(200, 2));
        assert_eq!(lab.asked(), [BeforeDoorbell, AfterCompletion]);
    }
}

#[test]
fn what_a_device_only_reads_is_cleaned_and_not_copied_back() {
    let bench = Bench::new();
    let (lab, lender) = (bench.lab, bench.lender());
    let memory = lab.far(0, 40);
    fill(memory, &pattern(40, 1));
    // SAFETY: nobody else uses the memory.
    let loan = unsafe { lender.lend_raw::<ToDevice>(memory) }.unwrap();
    assert_eq!((loan.cost().bytes_copied, loan.cost().completions), (40, 1));
    lab.scatter(loan.segments(), &pattern(40, 2));
    // SAFETY: the device is done.
    unsafe { loan.sync_for_cpu() };
    assert_eq!(
        lab.asked(),
        [Clean, Complete, BeforeDoorbell, AfterCompletion]
    );
    assert_eq!((bytes(memory), bench.copied()), (pattern(40, 1), (40, 0)));
}

#[test]
fn all_of_a_list_bounces_in_one_piece() {
    let bench = Bench::new();
    let (lab, lender) = (bench.lab, bench.lender());
    // With their edges apart they would be six parts.
    let list = [lab.near(10, 130), lab.near(0x20a, 130)];
    fill(list[0], &pattern(130, 1));
    fill(list[1], &pattern(130, 2));
    // SAFETY: nobody else uses the memory.
    let loan = unsafe { lender.lend_list::<Bidirectional, 2>(&list) }.unwrap();
    assert_eq!(loan.segment().unwrap().len_bytes(), 260);
    assert_eq!(loan.cost().bytes_bounced, 260);
    let sent = [pattern(130, 1), pattern(130, 2)].concat();
    assert_eq!(lab.gather(loan.segments()), sent);
    assert_eq!(lab.asked(), [Clean, Complete, BeforeDoorbell]);
    lab.scatter(loan.segments(), &pattern(260, 3));
    // SAFETY: the device is done.
    unsafe { loan.sync_for_cpu() };
    assert_eq!(list.map(bytes).concat(), pattern(260, 3));
}

#[test]
fn what_is_lent_in_place_has_its_own_lines_maintained() {
    let bench = Bench::new();
    let memory = bench.lab.near(10, 20);
    let page = bench.lab.near(0, 64);
    fill(page, &pattern(64, 1));
    for list in [false, true] {
        if list {
            // SAFETY: nobody else uses the memory.
            let loan = unsafe { bench.lender().lend_list::<ToDevice, 1>(&[memory]) }.unwrap();
            // SAFETY: the device is done.
            unsafe { loan.sync_for_cpu() };
        } else {
            // SAFETY: nobody else uses the memory.
            let loan = unsafe { bench.lender().lend_raw::<ToDevice>(memory) }.unwrap();
            // SAFETY: the device is done.
            unsafe { loan.sync_for_cpu() };
        }
        let cleaned = bench.lab.steps().remove(0);
        let phys = bench.lab.direct_map().to_phys(memory).unwrap();
        assert_eq!((cleaned.asked, cleaned.phys), (Clean, Some(phys)));
        assert_eq!(bytes(page), pattern(64, 1));
    }
}

#[test]
fn bytes_that_keep_still_around_several_stretches_bounce_none_of_them() {
    let bench = Bench::new();
    // SAFETY: nobody stores to the memory.
    let lender = unsafe { bench.lender().with_still_neighbours() };
    let list = [bench.lab.near(10, 20), bench.lab.near(0x105, 77)];
    // SAFETY: nobody else uses the memory.
    let loan = unsafe { lender.lend_list::<FromDevice, 2>(&list) }.unwrap();
    assert_eq!((loan.segments().count(), loan.cost().bytes_bounced), (2, 0));
    // SAFETY: the device is done.
    unsafe { loan.sync_for_cpu() };
}

#[test]
fn only_what_is_out_of_reach_bounces() {
    let below = Limits::UNLIMITED
        .window(DmaAddr::new(0), DmaAddr::new(0x1001_0fff))
        .unwrap();
    let bench = Bench::of(Lab::new(), below, Snooping::DoesNotSnoop);
    let list = [bench.lab.near(0, 0x80), bench.lab.near(0x1000, 0x40)];
    // SAFETY: nobody else uses the memory.
    let loan = unsafe { bench.lender().lend_list::<FromDevice, 2>(&list) }.unwrap();
    assert_eq!(
        (loan.segments().count(), loan.cost().bytes_bounced),
        (2, 0x40)
    );
    // SAFETY: the device is done.
    unsafe { loan.sync_for_cpu() };
}

#[test]
fn edges_bounce_to_places_that_the_device_takes() {
    let aligned = Limits::UNLIMITED.alignment(16).unwrap();
    let bench = Bench::of(Lab::new(), aligned, Snooping::DoesNotSnoop);
    let loan = bench.lender().lend_from(owned(bench.lab.near(40, 98)));
    let loan = loan.unwrap();
    let segments: Vec<_> = loan.segments().collect();
    assert_eq!(aligned.check_all(&segments), Ok(()));
    let lens: Vec<_> = segments.iter().map(|segment| segment.len_bytes()).collect();
    assert_eq!(
        (&lens[..], loan.cost().bytes_bounced),
        (&[24, 64, 10][..], 34)
    );
    // SAFETY: the device is done.
    unsafe { loan.sync_for_cpu() };
}
