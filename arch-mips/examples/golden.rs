//! Functions whose machine code is compared with what is checked in.
//!
//! They take handles by value and forget what they make, so that nothing but the hand-over appears.
#![cfg_attr(not(any(unix, windows)), no_std)]
#![expect(
    unsafe_code,
    reason = "a doorbell is a volatile store, and symbols keep their names"
)]

use core::mem::forget;

use arch_mips::Mips32Caches;
use dma_api::{
    Assembled, Bidirectional, BitmapPool, CpuOwned, DeviceOwned, DmaSync, FromDevice, LineRange,
    Machine, NoCoherentMemory, ToDevice,
};

/// A machine of references, as an OS has it in a `static`. No value is ever made.
type Mips = &'static Assembled<'static, Mips32Caches, &'static BitmapPool<32>, NoCoherentMemory>;

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

/// Hand-over and doorbell with maintenance.
#[unsafe(no_mangle)]
pub fn golden_hand_over(buffer: CpuOwned<Mips, ToDevice>, doorbell: *mut u32) {
    hand_over(buffer, doorbell);
}

/// Completion and hand-back with maintenance.
#[unsafe(no_mangle)]
pub fn golden_hand_back(lent: DeviceOwned<Mips, FromDevice>, status: *const u32) -> u32 {
    hand_back(lent, status)
}

/// Writes a byte, hands it over, takes it back and reads it: the store is there before the doorbell's barrier, and the
/// load behind the completion's, only because they are compiler barriers for the buffer.
///
/// # Safety
/// The device has finished as soon as it has begun.
#[unsafe(no_mangle)]
pub unsafe fn golden_round_trip(mut buffer: CpuOwned<Mips, Bidirectional>) -> u8 {
    if let Some(first) = buffer.as_mut_slice().first_mut() {
        *first = 7;
    }
    // SAFETY: the caller's promise.
    let buffer = unsafe { buffer.sync_for_device().sync_for_cpu() };
    let first = buffer.as_slice().first().copied();
    forget(buffer);
    first.unwrap_or_default()
}

/// The loop that cleans.
#[unsafe(no_mangle)]
pub fn golden_clean(caches: &Mips32Caches, range: LineRange<'_>) {
    caches.clean(range);
    caches.complete();
}

/// The loop that cleans and invalidates.
#[unsafe(no_mangle)]
pub fn golden_clean_and_invalidate(caches: &Mips32Caches, range: LineRange<'_>) {
    caches.clean_and_invalidate(range);
    caches.complete();
}

/// The loop that invalidates.
///
/// # Safety
/// As [`DmaSync::invalidate`].
#[unsafe(no_mangle)]
pub unsafe fn golden_invalidate(caches: &Mips32Caches, range: LineRange<'_>) {
    // SAFETY: passed on to the caller.
    unsafe { caches.invalidate(range) };
    caches.complete();
}

/// The registers that tell the caches, read and decoded.
///
/// # Safety
/// As [`Mips32Caches::probe`].
#[unsafe(no_mangle)]
pub unsafe fn golden_probe() -> usize {
    // SAFETY: the caller's promise.
    let caches = unsafe { Mips32Caches::probe() };
    caches.map_or(0, |caches| caches.geometry().line())
}
