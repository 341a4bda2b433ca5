//! Functions whose machine code is compared with what is checked in.
//!
//! They take handles by value and forget what they make, so that nothing but the hand-over appears.
#![cfg_attr(not(any(unix, windows)), no_std)]
#![expect(
    unsafe_code,
    reason = "a doorbell is a volatile store, and symbols keep their names"
)]

use core::mem::forget;

use arch_riscv::{SnoopedHarts, ZicbomCaches};
use dma_api::{
    Assembled, Bidirectional, BitmapPool, CpuOwned, DeviceOwned, DmaSync, FromDevice, LineRange,
    Machine, NoCoherentMemory, ToDevice,
};

/// A machine of references, as an OS has it in a `static`. No value is ever made.
type Board<S, const EVERYTHING_SNOOPS: bool> =
    Assembled<'static, S, &'static BitmapPool<32>, NoCoherentMemory, EVERYTHING_SNOOPS>;

/// Every device snoops.
type Snooped = &'static Board<SnoopedHarts, true>;
/// Some do not.
type Zicbom = &'static Board<ZicbomCaches, false>;

fn hand_over<M: Machine>(buffer: CpuOwned<M, ToDevice>, doorbell: *mut u32) {
    let lent = buffer.sync_for_device();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the device drives 32 address lines, and its limits said so"
    )]
    let address = lent.dma_addr().get() as u32;
    // SAFETY: the caller has a doorbell there.
    unsafe { doorbell.write_volatile(address) };
    forget(lent);
}

fn hand_back<M: Machine>(lent: DeviceOwned<M, FromDevice>, status: *const u32) -> u32 {
    // SAFETY: the caller has a status register there.
    let status = unsafe { status.read_volatile() };
    // SAFETY: the caller says that the device has finished.
    forget(unsafe { lent.sync_for_cpu() });
    status
}

/// Hand-over and doorbell where everything snoops.
#[unsafe(no_mangle)]
pub fn golden_snooped_hand_over(buffer: CpuOwned<Snooped, ToDevice>, doorbell: *mut u32) {
    hand_over(buffer, doorbell);
}

/// Completion and hand-back where everything snoops.
#[unsafe(no_mangle)]
pub fn golden_snooped_hand_back(lent: DeviceOwned<Snooped, FromDevice>, status: *const u32) -> u32 {
    hand_back(lent, status)
}

/// Writes a byte, hands it over, takes it back and reads it, where everything snoops: the load is there only because
/// of the compiler barriers, without which the answer is known to be 7.
///
/// # Safety
/// The device has finished as soon as it has begun.
#[unsafe(no_mangle)]
pub unsafe fn golden_snooped_round_trip(mut buffer: CpuOwned<Snooped, Bidirectional>) -> u8 {
    if let Some(first) = buffer.as_mut_slice().first_mut() {
        *first = 7;
    }
    // SAFETY: the caller's promise.
    let buffer = unsafe { buffer.sync_for_device().sync_for_cpu() };
    let first = buffer.as_slice().first().copied();
    forget(buffer);
    first.unwrap_or_default()
}

/// Hand-over and doorbell with maintenance.
#[unsafe(no_mangle)]
pub fn golden_zicbom_hand_over(buffer: CpuOwned<Zicbom, ToDevice>, doorbell: *mut u32) {
    hand_over(buffer, doorbell);
}

/// Completion and hand-back with maintenance.
#[unsafe(no_mangle)]
pub fn golden_zicbom_hand_back(lent: DeviceOwned<Zicbom, FromDevice>, status: *const u32) -> u32 {
    hand_back(lent, status)
}

/// The loop that cleans.
#[unsafe(no_mangle)]
pub fn golden_zicbom_clean(caches: &ZicbomCaches, range: LineRange<'_>) {
    caches.clean(range);
    caches.complete();
}

/// The loop that cleans and invalidates.
#[unsafe(no_mangle)]
pub fn golden_zicbom_clean_and_invalidate(caches: &ZicbomCaches, range: LineRange<'_>) {
    caches.clean_and_invalidate(range);
    caches.complete();
}

/// The loop that invalidates.
///
/// # Safety
/// As [`DmaSync::invalidate`].
#[unsafe(no_mangle)]
pub unsafe fn golden_zicbom_invalidate(caches: &ZicbomCaches, range: LineRange<'_>) {
    // SAFETY: passed on to the caller.
    unsafe { caches.invalidate(range) };
    caches.complete();
}
