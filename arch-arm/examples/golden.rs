//! The functions whose machine code is checked in: hand-over, hand-back, and the loops.
#![cfg_attr(not(any(unix, windows)), no_std)]
#![expect(unsafe_code, reason = "exported symbols, and a doorbell")]
#![expect(
    improper_ctypes_definitions,
    reason = "nobody calls these functions: they are read"
)]

#[cfg(not(target_arch = "arm"))]
use arch_arm::Aarch64Caches as Caches;
#[cfg(target_arch = "arm")]
use arch_arm::Armv7Caches as Caches;
use arch_arm::NonCacheable;
use dma_api::{
    Assembled, Bidirectional, BitmapPool, CpuOwned, DeviceOwned, DmaSync, FromDevice, LineRange,
    ToDevice,
};

/// A machine none of whose devices snoops. No value is ever made.
pub type Board =
    Assembled<'static, Caches, &'static BitmapPool<1>, NonCacheable<&'static BitmapPool<1>>>;

/// Hands a buffer to the device and rings.
///
/// # Safety
/// `doorbell` is the device's register.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn golden_hand_over(
    buffer: CpuOwned<&'static Board, ToDevice>,
    doorbell: *mut u32,
) {
    let lent = buffer.sync_for_device();
    // SAFETY: the caller's promise.
    unsafe { doorbell.write_volatile(low_half(lent.dma_addr().get())) };
    core::mem::forget(lent);
}

/// Takes a buffer back and reads its first byte.
///
/// # Safety
/// The device has finished with it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn golden_hand_back(lent: DeviceOwned<&'static Board, FromDevice>) -> u8 {
    // SAFETY: the caller's promise.
    let buffer = unsafe { lent.sync_for_cpu() };
    let first = buffer.as_slice().first().copied();
    core::mem::forget(buffer);
    first.unwrap_or_default()
}

/// Writes a byte, hands it over, takes it back and reads it: the store is there before the doorbell's barrier, and the
/// load behind the completion's, only because they are compiler barriers for the buffer.
///
/// # Safety
/// The device has finished as soon as it has begun.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn golden_round_trip(
    mut buffer: CpuOwned<&'static Board, Bidirectional>,
) -> u8 {
    if let Some(first) = buffer.as_mut_slice().first_mut() {
        *first = 7;
    }
    // SAFETY: the caller's promise.
    let buffer = unsafe { buffer.sync_for_device().sync_for_cpu() };
    let first = buffer.as_slice().first().copied();
    core::mem::forget(buffer);
    first.unwrap_or_default()
}

/// The clean loop.
#[unsafe(no_mangle)]
pub extern "C" fn golden_clean(caches: &Caches, range: LineRange<'_>) {
    caches.clean(range);
}

/// The loop that cleans and invalidates.
#[unsafe(no_mangle)]
pub extern "C" fn golden_clean_and_invalidate(caches: &Caches, range: LineRange<'_>) {
    caches.clean_and_invalidate(range);
}

/// The invalidate loop.
///
/// # Safety
/// The caller owns the granules of the range and does without what was not written back.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn golden_invalidate(caches: &Caches, range: LineRange<'_>) {
    // SAFETY: the caller's promise.
    unsafe { caches.invalidate(range) };
}

/// The register that tells the geometry, read and decoded.
#[unsafe(no_mangle)]
pub extern "C" fn golden_geometry() -> usize {
    Caches::geometry_of_this_core().map_or(0, |geometry| geometry.line())
}

/// What a register of 32 bits holds of an address.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the register has no more bits"
)]
const fn low_half(addr: u64) -> u32 {
    addr as u32
}
