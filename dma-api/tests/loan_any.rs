//! Any loan: any place, length, direction, machine, adversary and limits. Either it is refused and nothing has changed, or
//! the device sees the owner's bytes, the owner what the device wrote, and no other byte changes.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test reports by panicking"
)]
#![expect(unsafe_code, reason = "a test states that its engine is done")]

use core::{num::NonZeroUsize, ptr::NonNull};

use dma_api::{
    Bidirectional, BouncePool, Device, DmaAddr, DmaAllocator, Error, FromDevice, Lender, Limits,
    Loan, Machine, PhysAddr, Request, SlotWord, Snooping, ToDevice,
};
use proptest::{prelude::*, test_runner::TestCaseResult};
use sim::{Adversary, DmaEngine, ScatterGather, SimMachine, presets};

const LEN: usize = 2048;

#[derive(Clone, Copy, Debug)]
struct Case {
    preset: usize,
    seed: u64,
    snoops: bool,
    /// Whether the owner's memory lies above the highest address that the device has.
    high: bool,
    page: u32,
    alignment: u32,
    boundary: Option<u32>,
    longest: Option<u64>,
    segments: u32,
    at: usize,
    len: usize,
    written: usize,
}

fn cases() -> impl Strategy<Value = Case> {
    let machine = (0..12_usize, any::<u64>(), any::<bool>(), any::<bool>());
    let limits = (
        prop_oneof![Just(0), 6..11_u32],
        0..5_u32,
        prop::option::of(7..12_u32),
        prop::option::of(1..900_u64),
        prop_oneof![1..5_u32, Just(64)],
    );
    let place = (0..700_usize, 1..900_usize, 0..=1000_usize);
    (machine, limits, place).prop_map(|(machine, limits, (at, len, part))| Case {
        preset: machine.0,
        seed: machine.1,
        snoops: machine.2,
        high: machine.3,
        page: limits.0,
        alignment: limits.1,
        boundary: limits.2,
        longest: limits.3,
        segments: limits.4,
        at,
        len,
        written: len * part / 1000,
    })
}

fn limits(case: &Case, highest: u64) -> Limits {
    let mut limits = Limits::UNLIMITED
        .window(DmaAddr::new(0), DmaAddr::new(highest))
        .and_then(|limits| limits.alignment(1 << case.alignment))
        .and_then(|limits| limits.page(1 << case.page))
        .and_then(|limits| limits.max_segments(case.segments))
        .unwrap();
    if let Some(boundary) = case.boundary {
        limits = limits.boundary(1 << boundary).unwrap();
    }
    if let Some(longest) = case.longest {
        limits = limits.max_segment_len(longest).unwrap();
    }
    limits
}

fn pattern(len: usize, salt: u8) -> Vec<u8> {
    (0..len)
        .map(|i| u8::try_from(i % 251).unwrap() ^ salt)
        .collect()
}

fn play(case: &Case) -> TestCaseResult {
    let config = presets::all()[case.preset].under(Adversary::seeded(case.seed));
    let machine = SimMachine::new(config).unwrap();
    let snooping = if case.snoops {
        Snooping::Snoops
    } else {
        Snooping::DoesNotSnoop
    };
    let memory = machine.direct_map().to_phys(whole(&machine)).unwrap();
    let middle = memory.start().get() + ((memory.len_bytes() / 2) & !0xfff);
    let offset = machine.bus().windows()[0].bus_offset();
    let highest = if case.high {
        middle.wrapping_add(offset) - 1
    } else {
        u64::MAX
    };
    let limits = limits(case, highest);
    let device = Device::new(&machine, limits, snooping).unwrap();
    let pool = BouncePool::<_, [SlotWord; 1]>::new(&device, 16 * 256, 256).unwrap();
    let engine = ScatterGather::new(DmaEngine::new(&machine, limits, snooping));
    let lender = Lender::new(&device, &pool).unwrap();

    let request = Request {
        lowest: PhysAddr::new(if case.high { middle } else { 0 }),
        ..Request::anywhere(NonZeroUsize::new(LEN).unwrap())
    };
    let block = machine.memory().allocate(&request).unwrap();
    let start = block.memory().cast::<u8>();
    // SAFETY: the block is the test's, and nobody else accesses it between two calls of the library.
    let bytes = || unsafe { core::slice::from_raw_parts_mut(start.as_ptr(), LEN) };
    // SAFETY: inside the block.
    let lent = NonNull::slice_from_raw_parts(unsafe { start.add(case.at) }, case.len);
    let mut expected = pattern(LEN, 1);

    bytes().copy_from_slice(&expected);
    // SAFETY: nobody else uses the memory.
    match unsafe { lender.lend_raw::<ToDevice>(lent) } {
        Ok(loan) => {
            let segments: Vec<_> = loan.segments().collect();
            prop_assert!(segments.len() <= loan.cost().segments);
            let seen = engine.gather(&segments).unwrap();
            prop_assert_eq!(&seen[..], &expected[case.at..case.at + case.len]);
            // SAFETY: the engine does nothing by itself.
            unsafe { loan.sync_for_cpu() };
        }
        Err(error) => prop_assert!(is_limit(error), "{}", error),
    }
    prop_assert_eq!(&bytes()[..], &expected[..]);

    // SAFETY: nobody else uses the memory.
    match unsafe { lender.lend_raw::<FromDevice>(lent) } {
        Ok(loan) => receive(case, &engine, loan, start, &mut expected)?,
        Err(error) => prop_assert!(is_limit(error), "{}", error),
    }
    prop_assert_eq!(&bytes()[..], &expected[..]);

    // SAFETY: nobody else uses the memory.
    match unsafe { lender.lend_raw::<Bidirectional>(lent) } {
        Ok(loan) => receive(case, &engine, loan, start, &mut expected)?,
        Err(error) => prop_assert!(is_limit(error), "{}", error),
    }
    prop_assert_eq!(&bytes()[..], &expected[..]);
    prop_assert_eq!(pool.counts().in_use, 0);
    machine.memory().free(block).unwrap();
    Ok(())
}

/// The device writes while the CPU stores to both neighbours, and says how much it wrote.
fn receive<D: dma_api::DeviceWrites>(
    case: &Case,
    engine: &ScatterGather<'_>,
    loan: Loan<'_, &SimMachine, D>,
    start: NonNull<u8>,
    expected: &mut [u8],
) -> TestCaseResult {
    let segments: Vec<_> = loan.segments().collect();
    let answer = pattern(case.written, 2);
    let mut store = |at: usize, value: u8| {
        // SAFETY: inside the block, beside the loan.
        let place = unsafe { start.add(at) };
        // SAFETY: as above.
        unsafe { place.write(value) };
        expected[at] = value;
    };
    if case.at > 0 {
        store(case.at - 1, 0x81);
    }
    store(case.at + case.len, 0x82);
    if case.written > 0 {
        engine.scatter(&segments, &answer).unwrap();
    }
    store(case.at + case.len, 0x83);
    // SAFETY: the engine does nothing by itself.
    let back = unsafe { loan.sync_for_cpu_short(case.written) };
    prop_assert!(back.is_ok());
    expected[case.at..case.at + case.written].copy_from_slice(&answer);
    Ok(())
}

/// Whether an error says that the device's limits, or the pool, have no way for this loan.
fn is_limit(error: Error) -> bool {
    matches!(
        error,
        Error::TooManySegments { .. }
            | Error::NeverFits { .. }
            | Error::Exhausted { .. }
            | Error::SegmentTooLong { .. }
            | Error::CrossesBoundary { .. }
            | Error::InnerEdge { .. }
    )
}

/// All of the machine's cached memory.
fn whole(machine: &SimMachine) -> NonNull<[u8]> {
    let region = machine.bus().windows()[0].phys();
    machine.direct_map().to_cpu(region).unwrap_or_else(|_| {
        let len = NonZeroUsize::new(machine.pool().free_bytes()).unwrap();
        let block = machine.memory().allocate(&Request::anywhere(len)).unwrap();
        let memory = block.memory();
        machine.memory().free(block).unwrap();
        memory
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_loan_is_right_or_refused(case in cases()) {
        play(&case)?;
    }
}
