//! The functions whose machine code is checked in: hand-over and hand-back on three machines, and the loops.
#![cfg_attr(not(any(unix, windows)), no_std)]
#![expect(unsafe_code, reason = "exported symbols, and a doorbell")]
#![expect(
    improper_ctypes_definitions,
    reason = "nobody calls these functions: they are read"
)]

use core::ptr::NonNull;

use arch_x86::{FlushedCaches, Snooped, SnoopedWithWriteCombining, Uncached};
use dma_api::{
    Assembled, Bidirectional, BitmapPool, CpuOwned, DeviceOwned, DmaSync, FromDevice, Lender,
    LineRange, Machine, ToDevice,
};

/// A machine all of whose devices snoop, or none. No value is ever made.
type Board<S, const SNOOPED: bool> =
    Assembled<'static, S, &'static BitmapPool<1>, Uncached<&'static BitmapPool<1>>, SNOOPED>;

/// Every device snoops: the machine that nearly all are.
pub type Pc = &'static Board<Snooped, true>;

/// Every device snoops, and memory may be write-combining.
pub type WriteCombining = &'static Board<SnoopedWithWriteCombining, true>;

/// A device that does not snoop.
pub type NoSnoop = &'static Board<FlushedCaches, false>;

/// Hands a buffer to a device that snoops and rings. Beside the doorbell there is one load: of the pointer, for the
/// compiler barrier to take.
///
/// # Safety
/// `doorbell` is the device's register.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn golden_snooped_hand_over(
    buffer: CpuOwned<Pc, ToDevice>,
    doorbell: *mut u32,
) {
    // SAFETY: the caller's promise.
    unsafe { hand_over(buffer, doorbell) };
}

/// Fills, hands over and rings as a driver does: the pointer is in a register already, and nothing is left between the
/// payload's store and the doorbell's but the load of the address.
///
/// # Safety
/// `doorbell` is the device's register.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn golden_snooped_send(
    mut buffer: CpuOwned<Pc, ToDevice>,
    doorbell: *mut u32,
) {
    if let Some(first) = buffer.as_mut_slice().first_mut() {
        *first = 7;
    }
    // SAFETY: the caller's promise.
    unsafe { hand_over(buffer, doorbell) };
}

/// Takes a buffer back from a device that snoops and reads its first byte.
///
/// # Safety
/// The device has finished with it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn golden_snooped_hand_back(lent: DeviceOwned<Pc, FromDevice>) -> u8 {
    // SAFETY: the caller's promise.
    unsafe { hand_back(lent) }
}

/// Writes a byte, hands it over, takes it back and reads it: the load is there only because of the compiler barriers,
/// without which the answer is known to be 7.
///
/// # Safety
/// The device has finished as soon as it has begun.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn golden_snooped_round_trip(mut buffer: CpuOwned<Pc, Bidirectional>) -> u8 {
    if let Some(first) = buffer.as_mut_slice().first_mut() {
        *first = 7;
    }
    // SAFETY: the caller's promise.
    unsafe { hand_back(buffer.sync_for_device()) }
}

/// Hands a buffer to a device that snoops and rings, where stores may be weakly ordered.
///
/// # Safety
/// `doorbell` is the device's register.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn golden_write_combining_hand_over(
    buffer: CpuOwned<WriteCombining, ToDevice>,
    doorbell: *mut u32,
) {
    // SAFETY: the caller's promise.
    unsafe { hand_over(buffer, doorbell) };
}

/// Takes a buffer back from a device that snoops and reads its first byte, where loads may be weakly ordered.
///
/// # Safety
/// The device has finished with it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn golden_write_combining_hand_back(
    lent: DeviceOwned<WriteCombining, FromDevice>,
) -> u8 {
    // SAFETY: the caller's promise.
    unsafe { hand_back(lent) }
}

/// Hands a buffer to a device that does not snoop and rings.
///
/// # Safety
/// `doorbell` is the device's register.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn golden_no_snoop_hand_over(
    buffer: CpuOwned<NoSnoop, ToDevice>,
    doorbell: *mut u32,
) {
    // SAFETY: the caller's promise.
    unsafe { hand_over(buffer, doorbell) };
}

/// Takes a buffer back from a device that does not snoop and reads its first byte.
///
/// # Safety
/// The device has finished with it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn golden_no_snoop_hand_back(lent: DeviceOwned<NoSnoop, FromDevice>) -> u8 {
    // SAFETY: the caller's promise.
    unsafe { hand_back(lent) }
}

/// Lends memory to a device that snoops, and tells where the device finds it: translation, the limits' comparisons and the
/// compiler barrier. Two calls look into the tables, the third plans out of line what cannot be lent where it is; nothing is copied,
/// locked or maintained here.
///
/// # Safety
/// As `Lender::lend_raw`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn golden_snooped_loan(
    lender: &Lender<'static, Pc>,
    memory: NonNull<[u8]>,
) -> u64 {
    // SAFETY: the caller's promise.
    let loan = unsafe { lender.lend_raw::<FromDevice>(memory) };
    let address = loan.as_ref().map(|loan| loan.first_dma_addr().get());
    let address = address.unwrap_or_default();
    core::mem::forget(loan);
    address
}

/// The clean loops.
#[unsafe(no_mangle)]
pub extern "C" fn golden_clean(caches: &FlushedCaches, range: LineRange<'_>) {
    caches.clean(range);
}

/// The loops that clean and invalidate.
#[unsafe(no_mangle)]
pub extern "C" fn golden_clean_and_invalidate(caches: &FlushedCaches, range: LineRange<'_>) {
    caches.clean_and_invalidate(range);
}

/// The invalidate loops.
///
/// # Safety
/// The caller owns the granules of the range and does without what was not written back.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn golden_invalidate(caches: &FlushedCaches, range: LineRange<'_>) {
    // SAFETY: the caller's promise.
    unsafe { caches.invalidate(range) };
}

/// The leaves that tell the line and the instructions, read and decoded.
///
/// # Safety
/// All processors are alike.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn golden_probe() -> usize {
    // SAFETY: the caller's promise.
    let caches = unsafe { FlushedCaches::probe() };
    caches.map_or(0, |caches| caches.geometry().line())
}

/// # Safety
/// `doorbell` is the device's register.
#[inline(always)]
unsafe fn hand_over<M: Machine>(buffer: CpuOwned<M, ToDevice>, doorbell: *mut u32) {
    let lent = buffer.sync_for_device();
    // SAFETY: the caller's promise.
    unsafe { doorbell.write_volatile(low_half(lent.dma_addr().get())) };
    core::mem::forget(lent);
}

/// # Safety
/// The device has finished with the buffer.
#[inline(always)]
unsafe fn hand_back<M: Machine, D: dma_api::DeviceWrites>(lent: DeviceOwned<M, D>) -> u8 {
    // SAFETY: the caller's promise.
    let buffer = unsafe { lent.sync_for_cpu() };
    let first = buffer.as_slice().first().copied();
    core::mem::forget(buffer);
    first.unwrap_or_default()
}

/// What a register of 32 bits holds of an address.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the register has no more bits"
)]
const fn low_half(addr: u64) -> u32 {
    addr as u32
}
