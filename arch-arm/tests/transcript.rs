//! Whole transfers on an AArch64 machine, and exactly which instructions they execute in which order.
#![expect(unsafe_code, reason = "tests promise what a board would")]
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a panic is how a test fails"
)]

mod board;

use core::ptr::NonNull;

use arch_arm::Aarch64Caches;
use arch_arm::recorded::{CORTEX_A72, Executed::*, executed, set_ctr_el0};
use board::{Board, PHYS, allocate, lines};
use dma_api::{
    Bidirectional, DeviceWrites, DmaSync, Error, FromDevice, Geometry, LineRange, Snooping,
    ToDevice,
};

/// A board whose cores say `ctr`. Its pool is used in units of `unit` bytes.
fn board(ctr: u64, unit: u64) -> &'static Board<Aarch64Caches> {
    set_ctr_el0(ctr);
    // SAFETY: no cache is in the way of the device, which does not exist.
    Board::new(unsafe { Aarch64Caches::probe() }.unwrap(), unit)
}

#[test]
fn what_a_device_reads_is_cleaned_completed_and_ordered_before_the_doorbell() {
    let device = board(CORTEX_A72, 4096).device(Snooping::DoesNotSnoop);
    let mut buffer = device.allocate::<ToDevice>(100).unwrap();
    let a = buffer.as_mut_slice().as_ptr().addr();
    buffer.write(0, &[7_u8; 100]).unwrap();
    assert_eq!(executed(), []);

    let lent = buffer.sync_for_device();
    assert_eq!(executed(), [DcCvac(a), DcCvac(a + 64), DsbSy, DmbOsh]);

    // SAFETY: there is no device.
    let buffer = unsafe { lent.sync_for_cpu() };
    drop(buffer);
    assert_eq!(executed(), [DmbOsh]);
}

fn written_by_the_device<D: DeviceWrites>() {
    let device = board(CORTEX_A72, 4096).device(Snooping::DoesNotSnoop);
    let mut buffer = device.allocate::<D>(129).unwrap();
    let a = buffer.as_mut_slice().as_ptr().addr();

    let lent = buffer.sync_for_device();
    let mut expected = lines(DcCvac, a, 3);
    expected.extend([DsbSy, DmbOsh]);
    assert_eq!(executed(), expected);

    // SAFETY: there is no device.
    let buffer = unsafe { lent.sync_for_cpu_short(70) }.unwrap();
    let mut expected = vec![DmbOsh];
    expected.extend(lines(DcIvac, a, 3));
    expected.push(DsbSy);
    assert_eq!(executed(), expected);
    assert_eq!(buffer.received(), [0; 70]);
    assert_eq!(executed(), []);
}

#[test]
fn what_a_device_writes_is_cleaned_before_and_invalidated_after_the_completion_barrier() {
    written_by_the_device::<FromDevice>();
    written_by_the_device::<Bidirectional>();
}

#[test]
fn a_device_that_snoops_gets_the_two_barriers_alone() {
    let device = board(CORTEX_A72, 4096).device(Snooping::Snoops);

    let lent = device
        .allocate::<Bidirectional>(4096)
        .unwrap()
        .sync_for_device();
    assert_eq!(executed(), [DmbOsh]);

    // SAFETY: there is no device.
    let buffer = unsafe { lent.sync_for_cpu() };
    assert_eq!(executed(), [DmbOsh]);
    drop(buffer);
}

#[test]
fn a_loan_that_starts_and_ends_inside_a_line_is_cleaned_to_both_ends() {
    let board = board(CORTEX_A72, 4096);
    let device = board.device(Snooping::DoesNotSnoop);
    let own = core::ptr::from_mut(device.allocate::<ToDevice>(4096).unwrap().as_mut_slice());
    let base = own.cast::<u8>();
    let middle = NonNull::new(base.wrapping_add(100)).unwrap();
    let loan = NonNull::slice_from_raw_parts(middle, 100);

    // SAFETY: the memory was given back to the pool, which nobody uses meanwhile.
    let lent = unsafe { device.lend_in_place::<ToDevice>(loan) }.unwrap();

    assert_eq!(lent.dma_addr().get(), 100);
    let mut expected = lines(DcCvac, base.addr() + 64, 3);
    expected.extend([DsbSy, DmbOsh]);
    assert_eq!(executed(), expected);
}

#[test]
fn isolation_follows_the_granule_and_loops_the_line() {
    let board = board(0x8544_c004, 128);
    let device = board.device(Snooping::DoesNotSnoop);
    assert_eq!(board.caches.geometry(), Geometry::new(64, 128).unwrap());

    let mut first = device.allocate::<FromDevice>(65).unwrap();
    let mut second = device.allocate::<FromDevice>(1).unwrap();
    let a = first.as_mut_slice().as_ptr().addr();
    assert_eq!(second.as_mut_slice().as_ptr().addr(), a + 128);

    let half = NonNull::slice_from_raw_parts(NonNull::from(&mut first.as_mut_slice()[0]), 64);
    // SAFETY: it is refused.
    let shared = unsafe { device.lend_in_place::<FromDevice>(half) };
    let (cpu, len, granule) = (a, 64, 128);
    assert_eq!(
        shared.map(|_| ()),
        Err(Error::SharedLine { cpu, len, granule })
    );

    let lent = first.sync_for_device();
    assert_eq!(executed(), [DcCvac(a), DcCvac(a + 64), DsbSy, DmbOsh]);
    // SAFETY: there is no device.
    drop(unsafe { lent.sync_for_cpu() });
    assert_eq!(executed(), [DmbOsh, DcIvac(a), DcIvac(a + 64), DsbSy]);
}

#[test]
fn coherent_memory_needs_barriers_and_no_maintenance() {
    let device = board(CORTEX_A72, 4096).device(Snooping::DoesNotSnoop);

    let ring = device.allocate_coherent(4096).unwrap();
    assert_eq!(executed(), []);
    let mut ring = ring.publish();
    assert_eq!(ring.dma_addr().get(), 0x1000_0000);
    assert_eq!(executed(), [DmbOsh]);

    ring.write(0, &1_u32).unwrap();
    ring.before_doorbell();
    assert_eq!(executed(), [DmbOsh]);
    assert_eq!(ring.read::<u32>(0), Ok(1));
    ring.after_completion();
    assert_eq!(executed(), [DmbOsh]);
}

#[test]
fn coherent_memory_that_is_taken_back_is_read_after_the_completion_barrier() {
    let device = board(CORTEX_A72, 4096).device(Snooping::DoesNotSnoop);
    let ring = device.allocate_coherent(4096).unwrap().publish();
    assert_eq!(executed(), [DmbOsh]);

    // SAFETY: there is no device.
    let private = unsafe { ring.unpublish() };
    assert_eq!(executed(), [DmbOsh]);
    drop(private);
    assert_eq!(executed(), []);
}

#[test]
fn both_at_once_is_one_instruction_per_line() {
    let board = board(0x8544_c004, 4096);
    let memory = NonNull::slice_from_raw_parts(allocate(), 128);
    // SAFETY: the memory is never freed.
    let range = unsafe { LineRange::new(memory, PHYS) }.unwrap();

    board.caches.clean_and_invalidate(range);
    board.caches.complete();

    let a = memory.cast::<u8>().addr().get();
    assert_eq!(executed(), [DcCivac(a), DcCivac(a + 64), DsbSy]);
}

#[test]
fn cores_that_differ_have_the_smaller_line_and_the_larger_granule() {
    set_ctr_el0(0x8543_c004);
    let big = Aarch64Caches::geometry_of_this_core().unwrap();
    set_ctr_el0(0x8444_c004);
    let little = Aarch64Caches::geometry_of_this_core().unwrap();

    // SAFETY: nothing is maintained.
    let caches = unsafe { Aarch64Caches::with_geometry(big.join(little)) };

    assert_eq!(caches.geometry(), Geometry::new(32, 128).unwrap());
}

#[test]
fn a_register_that_contradicts_itself_makes_no_caches() {
    set_ctr_el0(0x804a_c004);
    // SAFETY: it is refused.
    let caches = unsafe { Aarch64Caches::probe() };
    let (line, granule) = (4096, 2048);
    assert_eq!(
        caches.map(|_| ()),
        Err(Error::GranuleBelowLine { line, granule })
    );
}

#[test]
fn each_thread_has_its_own_transcript_and_register() {
    let board = board(CORTEX_A72, 4096);
    set_ctr_el0(0);
    board.caches.complete();

    let other = std::thread::spawn(|| {
        // SAFETY: nothing is maintained.
        let caches = unsafe { Aarch64Caches::probe() }.unwrap();
        (caches.geometry().line(), executed())
    });

    assert_eq!(other.join().unwrap(), (64, vec![]));
    assert_eq!(executed(), [DsbSy]);
}
