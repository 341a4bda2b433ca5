//! Ownership: what a device may still use is never handed out again, and what comes back was not lost.
//!
//! What the types rule out needs no check on a machine. A buffer is handed over once before it comes back:
//! ```compile_fail,E0599
//! # fn example<M: dma_api::Machine>(lent: dma_api::DeviceOwned<M, dma_api::ToDevice>) {
//! let twice = lent.sync_for_device();
//! # }
//! ```
//! it comes back only if it was handed over:
//! ```compile_fail,E0599
//! # fn example<M: dma_api::Machine>(buffer: dma_api::CpuOwned<M, dma_api::ToDevice>) {
//! // SAFETY: no device has been told the address.
//! let back = unsafe { buffer.sync_for_cpu() };
//! # }
//! ```
//! and a device that is gone gives out nothing:
//! ```compile_fail,E0382
//! # fn example<M: dma_api::Machine + Clone>(device: dma_api::Device<M>) {
//! drop(device);
//! let buffer = device.allocate::<dma_api::ToDevice>(512);
//! # }
//! ```
//! In the right order all of it compiles:
//! ```
//! # fn example<M: dma_api::Machine + Clone>(device: dma_api::Device<M>) -> Result<(), dma_api::Error> {
//! let lent = device.allocate::<dma_api::ToDevice>(512)?.sync_for_device();
//! // SAFETY: no device has been told the address.
//! let back = unsafe { lent.sync_for_cpu() };
//! drop(device);
//! # Ok(())
//! # }
//! ```
#![expect(unsafe_code, reason = "a check states that no device was started")]

use dma_api::{Device, Error, FromDevice, Machine, ToDevice};

use crate::{
    ranges::take_back,
    report::{Reason, Run, bytes, equal, fill, pattern},
};

pub(crate) fn a_dropped_buffer_of_the_device_waits_in_quarantine<M: Machine + Clone>(
    device: &Device<M>,
) -> Run {
    let ledger = device.machine().ledger();
    let before = ledger.counts();
    let lent = device.allocate::<FromDevice>(100)?.sync_for_device();
    let segment = lent.segment();
    drop(lent);
    equal(
        "in quarantine",
        ledger.counts().quarantined as u64,
        before.quarantined.saturating_add(1) as u64,
    )?;

    // Whatever is handed out now is other memory.
    for _ in 0..4 {
        let other = device.allocate::<FromDevice>(100)?.sync_for_device();
        equal(
            "memory with two owners",
            u64::from(other.segment().overlaps(segment)),
            0,
        )?;
        drop(take_back(other));
    }

    // SAFETY: no device was told any address.
    let proof = unsafe { device.assert_quiet() };
    equal("released", proof.release_quarantine() as u64, 1)?;
    equal(
        "in quarantine afterwards",
        ledger.counts().quarantined as u64,
        before.quarantined as u64,
    )?;
    Ok(())
}

pub(crate) fn the_proof_of_another_device_releases_nothing<M: Machine + Clone>(
    device: &Device<M>,
) -> Run {
    let machine = device.machine().clone();
    let other = Device::new(machine, *device.limits(), device.snooping())?;
    drop(device.allocate::<ToDevice>(1)?.sync_for_device());

    // SAFETY: no device was told any address.
    let proof = unsafe { other.assert_quiet() };
    equal(
        "released by another's proof",
        proof.release_quarantine() as u64,
        0,
    )?;
    // SAFETY: as above.
    let proof = unsafe { device.assert_quiet() };
    equal(
        "released by its own proof",
        proof.release_quarantine() as u64,
        1,
    )?;
    Ok(())
}

/// The ledger names each buffer that a device may still use, and the device, until there is proof that it does not.
pub(crate) fn what_a_device_may_still_use_is_listed<M: Machine + Clone>(device: &Device<M>) -> Run {
    let ledger = device.machine().ledger();
    let listed = |segment| {
        let mut entries = (0..).map_while(|index| ledger.quarantined(index));
        u64::from(entries.any(|entry| entry == (device.id(), segment)))
    };
    let lent = device.allocate::<FromDevice>(100)?.sync_for_device();
    let sent = device.allocate::<ToDevice>(1)?.sync_for_device();
    let segments = [lent.segment(), sent.segment()];
    drop((lent, sent));
    for segment in segments {
        equal("listed after the drop", listed(segment), 1)?;
    }
    // SAFETY: no device was told any address.
    let proof = unsafe { device.assert_quiet() };
    equal("released", proof.release_quarantine() as u64, 2)?;
    for segment in segments {
        equal("listed after the release", listed(segment), 0)?;
    }
    Ok(())
}

/// Memory that both sides use is prepared privately, accessed by value, and waits in quarantine like any other.
pub(crate) fn coherent_memory_is_private_until_published<M: Machine + Clone>(
    device: &Device<M>,
) -> Run {
    let ledger = device.machine().ledger();
    let before = ledger.counts();
    let mut private = match device.allocate_coherent(256) {
        Err(Error::NoCoherentMemory) => return Err(Reason::NoCoherentMemory.into()),
        other => other?,
    };
    bytes("new memory", private.as_mut_slice(), |_| 0)?;
    fill(private.as_mut_slice(), 4);

    let mut shared = private.publish();
    let value = pattern(4);
    for index in 0..shared.len_bytes() {
        let byte: u8 = shared.read(index)?;
        equal("published byte", u64::from(byte), u64::from(value(index)))?;
    }
    shared.write(8, &0x0123_4567_u32)?;
    shared.before_doorbell();
    shared.after_completion();
    equal(
        "written word",
        u64::from(shared.read::<u32>(8)?),
        0x0123_4567,
    )?;

    // SAFETY: no device was told the address.
    let mut private = unsafe { shared.unpublish() };
    equal(
        "byte taken back",
        u64::from(private.as_mut_slice().first().copied().unwrap_or_default()),
        u64::from(value(0)),
    )?;
    drop(private.publish());
    equal(
        "in quarantine",
        ledger.counts().quarantined as u64,
        before.quarantined.saturating_add(1) as u64,
    )?;
    // SAFETY: as above.
    let proof = unsafe { device.assert_quiet() };
    equal("released", proof.release_quarantine() as u64, 1)?;
    Ok(())
}
