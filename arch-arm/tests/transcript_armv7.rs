//! Whole transfers on an Armv7-A machine, and exactly which instructions they execute in which order.
#![expect(unsafe_code, reason = "tests promise what a board would")]
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a panic is how a test fails"
)]

mod board;

use core::ptr::NonNull;

use arch_arm::recorded::{CORTEX_A9, CORTEX_A15, Executed, Executed::*, executed, set_ctr};
use arch_arm::{Armv7Caches, CortexA9Caches};
use board::{Board, PHYS, allocate, lines};
use dma_api::{
    Bidirectional, DeviceWrites, DmaSync, FromDevice, Geometry, LineRange, Snooping, ToDevice,
};

/// A board with a Cortex-A15. Its pool is used in pages.
fn cortex_a15() -> &'static Board<Armv7Caches> {
    set_ctr(CORTEX_A15);
    // SAFETY: no cache is in the way of the device, which does not exist.
    Board::new(unsafe { Armv7Caches::probe() }.unwrap(), 4096)
}

/// A board with several Cortex-A9. Its pool is used in units of four lines.
fn cortex_a9() -> &'static Board<CortexA9Caches> {
    set_ctr(CORTEX_A9);
    // SAFETY: as above.
    Board::new(unsafe { CortexA9Caches::probe() }.unwrap(), 128)
}

/// What lending a buffer of 100 bytes to be read executes, and its CPU address.
fn lent_to_be_read<S: DmaSync>(board: &'static Board<S>) -> (Vec<Executed>, usize) {
    let device = board.device(Snooping::DoesNotSnoop);
    let mut buffer = device.allocate::<ToDevice>(100).unwrap();
    let address = buffer.as_mut_slice().as_ptr().addr();
    assert_eq!(executed(), []);

    let lent = buffer.sync_for_device();
    let transcript = executed();

    // SAFETY: there is no device.
    drop(unsafe { lent.sync_for_cpu() });
    assert_eq!(executed(), [DmbSy]);
    (transcript, address)
}

#[test]
fn what_a_device_reads_is_cleaned_completed_and_ordered_before_the_doorbell() {
    let (transcript, a) = lent_to_be_read(cortex_a15());
    assert_eq!(transcript, [Dccmvac(a), Dccmvac(a + 64), DsbSy, DmbSy]);
}

fn written_by_the_device<D: DeviceWrites>() {
    let device = cortex_a15().device(Snooping::DoesNotSnoop);
    let mut buffer = device.allocate::<D>(129).unwrap();
    let a = buffer.as_mut_slice().as_ptr().addr();

    let lent = buffer.sync_for_device();
    let mut expected = lines(Dccmvac, a, 3);
    expected.extend([DsbSy, DmbSy]);
    assert_eq!(executed(), expected);

    // SAFETY: there is no device.
    let buffer = unsafe { lent.sync_for_cpu_short(70) }.unwrap();
    let mut expected = vec![DmbSy];
    expected.extend(lines(Dcimvac, a, 3));
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
    let device = cortex_a15().device(Snooping::Snoops);

    let lent = device
        .allocate::<Bidirectional>(4096)
        .unwrap()
        .sync_for_device();
    assert_eq!(executed(), [DmbSy]);

    // SAFETY: there is no device.
    drop(unsafe { lent.sync_for_cpu() });
    assert_eq!(executed(), [DmbSy]);
}

#[test]
fn coherent_memory_needs_barriers_and_no_maintenance() {
    let device = cortex_a15().device(Snooping::DoesNotSnoop);

    let mut ring = device.allocate_coherent(4096).unwrap().publish();
    assert_eq!(executed(), [DmbSy]);

    ring.write(0, &1_u32).unwrap();
    ring.before_doorbell();
    assert_eq!(executed(), [DmbSy]);
    ring.after_completion();
    assert_eq!(executed(), [DmbSy]);
}

#[test]
fn a_loan_that_starts_and_ends_inside_a_line_is_cleaned_to_both_ends() {
    let device = cortex_a15().device(Snooping::DoesNotSnoop);
    let own = core::ptr::from_mut(device.allocate::<ToDevice>(4096).unwrap().as_mut_slice());
    let base = own.cast::<u8>();
    let middle = NonNull::new(base.wrapping_add(100)).unwrap();

    // SAFETY: the memory was given back to the pool, which nobody uses meanwhile.
    let lent =
        unsafe { device.lend_in_place::<ToDevice>(NonNull::slice_from_raw_parts(middle, 100)) }
            .unwrap();

    assert_eq!(lent.dma_addr().get(), 100);
    let mut expected = lines(Dccmvac, base.addr() + 64, 3);
    expected.extend([DsbSy, DmbSy]);
    assert_eq!(executed(), expected);
}

#[test]
fn a_cortex_a9_waits_in_front_of_each_loop_and_has_lines_of_32_bytes() {
    let (transcript, a) = lent_to_be_read(cortex_a9());
    let cleaned = [0, 32, 64, 96].map(|offset| Dccmvac(a + offset));
    let mut expected = vec![DsbSy];
    expected.extend(cleaned);
    expected.extend([DsbSy, DmbSy]);
    assert_eq!(transcript, expected);

    let device = cortex_a9().device(Snooping::DoesNotSnoop);
    let mut buffer = device.allocate::<FromDevice>(33).unwrap();
    let a = buffer.as_mut_slice().as_ptr().addr();
    let lent = buffer.sync_for_device();
    assert_eq!(
        executed(),
        [DsbSy, Dccmvac(a), Dccmvac(a + 32), DsbSy, DmbSy]
    );
    // SAFETY: there is no device.
    drop(unsafe { lent.sync_for_cpu() });
    assert_eq!(
        executed(),
        [DmbSy, DsbSy, Dcimvac(a), Dcimvac(a + 32), DsbSy]
    );
}

#[test]
fn both_at_once_is_one_instruction_per_line() {
    let memory = NonNull::slice_from_raw_parts(allocate(), 128);
    let a = memory.cast::<u8>().addr().get();
    // SAFETY: the memory is never freed.
    let range = || unsafe { LineRange::new(memory, PHYS) }.unwrap();

    cortex_a15().caches.clean_and_invalidate(range());
    assert_eq!(executed(), [Dccimvac(a), Dccimvac(a + 64)]);

    cortex_a9().caches.clean_and_invalidate(range());
    let mut expected = vec![DsbSy];
    expected.extend([0, 32, 64, 96].map(|offset| Dccimvac(a + offset)));
    assert_eq!(executed(), expected);
}

#[test]
fn cores_that_differ_have_the_smaller_line_and_the_larger_granule() {
    set_ctr(0x8543_c004);
    let big = Armv7Caches::geometry_of_this_core().unwrap();
    set_ctr(CORTEX_A15);
    let little = Armv7Caches::geometry_of_this_core().unwrap();

    // SAFETY: nothing is maintained.
    let caches = unsafe { Armv7Caches::with_geometry(big.join(little)) };

    assert_eq!(caches.geometry(), Geometry::new(32, 128).unwrap());
}

#[test]
fn a_cortex_a8_has_granules_of_a_line_although_it_writes_back_quarters() {
    set_ctr(0x8204_8004);
    assert_eq!(Armv7Caches::geometry_of_this_core(), Geometry::new(64, 64));
}
