//! Ownership: what a device may still use is never handed out again, and what comes back was not lost.
#![expect(unsafe_code, reason = "a check states that no device was started")]

use dma_api::{Device, Error, FromDevice, Machine, ToDevice};

use crate::{
    ranges::take_back,
    report::{Outcome, bytes, equal, fill, pattern},
};

pub(crate) fn a_dropped_buffer_of_the_device_waits_in_quarantine<M: Machine + Clone>(
    device: &Device<M>,
) -> Outcome {
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
    )
}

pub(crate) fn the_proof_of_another_device_releases_nothing<M: Machine + Clone>(
    device: &Device<M>,
) -> Outcome {
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
    )
}

/// Memory that both sides use is prepared privately, accessed by value, and waits in quarantine like any other.
pub(crate) fn coherent_memory_is_private_until_published<M: Machine + Clone>(
    device: &Device<M>,
) -> Outcome {
    let ledger = device.machine().ledger();
    let before = ledger.counts();
    let mut private = match device.allocate_coherent(256) {
        // What the machine declares is true: it has none.
        Err(Error::NoCoherentMemory) => return Ok(()),
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
    equal("released", proof.release_quarantine() as u64, 1)
}
