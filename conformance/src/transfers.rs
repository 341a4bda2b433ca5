//! Transfers: a device sees what the CPU stored, the CPU sees what a device wrote, and nobody sees anything else.
#![expect(unsafe_code, reason = "a check states that its engine is done")]

use core::num::NonZeroUsize;

use dma_api::{
    Bidirectional, CpuOwned, Device, DeviceOwned, DmaRange, DmaSync, Error, FromDevice, Machine,
    ToDevice,
};

use crate::{
    engine::{Engine, part, seen, write},
    ranges::{lengths, take_back},
    report::{Failure, Run, Stop, bytes, equal, fill, pattern, refused},
};

pub(crate) fn the_device_sees_what_the_cpu_stored<M: Machine + Clone>(
    device: &Device<M>,
    engine: &mut dyn Engine,
) -> Run {
    for len in lengths(device.machine()) {
        let mut buffer = device.allocate::<ToDevice>(len)?;
        for salt in 0..3 {
            fill(buffer.as_mut_slice(), salt);
            let lent = buffer.sync_for_device();
            seen(engine, "what was sent", lent.segment(), pattern(salt))?;
            buffer = take_back(lent);
        }
    }
    Ok(())
}

pub(crate) fn the_cpu_sees_what_the_device_wrote<M: Machine + Clone>(
    device: &Device<M>,
    engine: &mut dyn Engine,
) -> Run {
    for len in lengths(device.machine()) {
        let mut buffer = device.allocate::<FromDevice>(len)?;
        for salt in 0..3 {
            // The lines are in the caches, as they would be by a prefetch.
            fill(buffer.as_mut_slice(), 0x55);
            let lent = buffer.sync_for_device();
            write(engine, lent.segment(), pattern(salt))?;
            buffer = take_back(lent);
            bytes("what the device wrote", buffer.as_slice(), pattern(salt))?;
            equal("received", buffer.received().len() as u64, len as u64)?;
        }
    }
    Ok(())
}

/// A device that reads a request and leaves its answer in the same place, again and again.
pub(crate) fn a_request_is_answered_in_its_own_buffer<M: Machine + Clone>(
    device: &Device<M>,
    engine: &mut dyn Engine,
) -> Run {
    for len in lengths(device.machine()) {
        let mut buffer = device.allocate::<Bidirectional>(len)?;
        for salt in 0..4 {
            fill(buffer.as_mut_slice(), salt);
            let lent = buffer.sync_for_device();
            seen(engine, "request", lent.segment(), pattern(salt))?;
            write(engine, lent.segment(), pattern(salt ^ 0xc0))?;
            buffer = take_back(lent);
            bytes("answer", buffer.as_slice(), pattern(salt ^ 0xc0))?;
        }
    }
    Ok(())
}

/// What was not written is what the CPU had there, and not what memory held before; nor is it lost from memory.
pub(crate) fn a_transfer_that_ends_early_leaves_the_rest_to_the_cpu<M: Machine + Clone>(
    device: &Device<M>,
    engine: &mut dyn Engine,
) -> Run {
    for len in lengths(device.machine()) {
        let mut buffer = device.allocate::<FromDevice>(len)?;
        for written in [0, 1, len / 2, len.saturating_sub(1), len] {
            fill(buffer.as_mut_slice(), 7);
            let lent = buffer.sync_for_device();
            if written > 0 {
                let front = part(lent.segment(), 0, written)?;
                write(engine, front, pattern(8))?;
            }
            // SAFETY: the engine has written what it was told to, and does nothing by itself.
            let ended = unsafe { lent.sync_for_cpu_short(written) };
            buffer = ended.map_err(|refused| refused.error)?;

            let mixed = |index| {
                let salt = if index < written { 8 } else { 7 };
                pattern(salt)(index)
            };
            equal("received", buffer.received().len() as u64, written as u64)?;
            bytes("a short transfer, to the CPU", buffer.as_slice(), mixed)?;
            let lent = buffer.sync_for_device();
            seen(
                engine,
                "a short transfer, to the device",
                lent.segment(),
                mixed,
            )?;
            buffer = take_back(lent);
        }
    }
    Ok(())
}

pub(crate) fn a_device_that_claims_too_much_is_not_believed<M: Machine + Clone>(
    device: &Device<M>,
    engine: &mut dyn Engine,
) -> Run {
    let buffer_len = 100;
    for written in [101, usize::MAX] {
        let lent = device.allocate::<FromDevice>(buffer_len)?.sync_for_device();
        write(engine, lent.segment(), pattern(9))?;
        // SAFETY: as above, whatever it says.
        let buffer = match unsafe { lent.sync_for_cpu_short(written) } {
            Err(refusal) => {
                let overlong = Error::OverlongTransfer {
                    written,
                    buffer_len,
                };
                refused("an overlong transfer", Err::<(), _>(refusal.error), |e| {
                    *e == overlong
                })?;
                refusal.value
            }
            Ok(_) => {
                let what = "an overlong transfer";
                return Err(Failure::WrongError { what, found: None }.into());
            }
        };
        equal("received", buffer.received().len() as u64, 0)?;
        bytes("what the device wrote", buffer.as_slice(), pattern(9))?;
    }
    Ok(())
}

/// New memory is zero for the device, too, up to the end of its last granule, whatever an owner left there.
pub(crate) fn nothing_of_a_former_owner_is_seen<M: Machine + Clone>(
    device: &Device<M>,
    engine: &mut dyn Engine,
) -> Run {
    for len in lengths(device.machine()) {
        for _ in 0..2 {
            let lent = device.allocate::<FromDevice>(len)?.sync_for_device();
            let all = granules(device, lent.segment())?;
            seen(engine, "new memory, to the device", all, |_| 0)?;
            // SAFETY: the engine only read.
            let ended = unsafe { lent.sync_for_cpu_short(0) };
            let mut buffer = ended.map_err(|refused| refused.error)?;
            bytes("new memory, to the CPU", buffer.as_slice(), |_| 0)?;

            // Left behind in memory, and then in the caches.
            fill(buffer.as_mut_slice(), 0xee);
            let lent = buffer.sync_for_device();
            write(engine, granules(device, lent.segment())?, |_| 0xdd)?;
            let mut buffer = take_back(lent);
            fill(buffer.as_mut_slice(), 0xcc);
        }
    }
    Ok(())
}

/// A dirty line of a former owner must not be evicted over what a device wrote since.
pub(crate) fn memory_that_was_dirty_is_written_by_the_device<M: Machine + Clone>(
    device: &Device<M>,
    engine: &mut dyn Engine,
) -> Run {
    for len in lengths(device.machine()) {
        let mut former = device.allocate::<ToDevice>(len)?;
        fill(former.as_mut_slice(), 0xee);
        drop(former);
        let lent = device.allocate::<FromDevice>(len)?.sync_for_device();
        write(engine, lent.segment(), pattern(10))?;
        let buffer = take_back(lent);
        bytes("what the device wrote", buffer.as_slice(), pattern(10))?;
    }
    Ok(())
}

pub(crate) fn a_buffer_is_used_again_and_again<M: Machine + Clone>(
    device: &Device<M>,
    engine: &mut dyn Engine,
) -> Run {
    let granule = device.machine().sync().geometry().granule();
    let len = granule.saturating_mul(2).saturating_add(1);
    let mut buffer = device.allocate::<Bidirectional>(len)?;
    for cycle in 0..64_u8 {
        let written = usize::from(cycle).saturating_mul(5).min(len);
        fill(buffer.as_mut_slice(), cycle);
        let lent = buffer.sync_for_device();
        seen(engine, "request", lent.segment(), pattern(cycle))?;
        if written > 0 {
            write(engine, part(lent.segment(), 0, written)?, |_| cycle)?;
        }
        buffer = take_back(lent);
        let value = pattern(cycle);
        bytes("answer", buffer.as_slice(), |index| {
            if index < written { cycle } else { value(index) }
        })?;
    }
    Ok(())
}

/// Buffers held side by side.
const SIDE_BY_SIDE: usize = 8;

/// The device writes to every other buffer while the CPU stores to those in between.
pub(crate) fn a_neighbour_is_stored_to_while_the_device_writes<M: Machine + Clone>(
    device: &Device<M>,
    engine: &mut dyn Engine,
) -> Run {
    for len in lengths(device.machine()).into_iter().take(5) {
        let mut lent = [const { None::<DeviceOwned<M, FromDevice>> }; SIDE_BY_SIDE];
        let mut kept = [const { None::<CpuOwned<M, FromDevice>> }; SIDE_BY_SIDE];
        for (theirs, ours) in lent.iter_mut().zip(&mut kept) {
            *theirs = Some(device.allocate::<FromDevice>(len)?.sync_for_device());
            *ours = Some(device.allocate::<FromDevice>(len)?);
        }
        for (theirs, ours) in lent.iter().zip(&mut kept) {
            if let Some(buffer) = ours {
                fill(buffer.as_mut_slice(), 11);
            }
            if let Some(lent) = theirs {
                write(engine, lent.segment(), pattern(12))?;
            }
            if let Some(buffer) = ours {
                fill(buffer.as_mut_slice(), 13);
            }
        }
        for theirs in lent.into_iter().flatten() {
            let buffer = take_back(theirs);
            bytes("what the device wrote", buffer.as_slice(), pattern(12))?;
        }
        for ours in kept.into_iter().flatten() {
            bytes("what the CPU stored", ours.as_slice(), pattern(13))?;
            let lent = ours.sync_for_device();
            seen(
                engine,
                "what the CPU stored, to the device",
                lent.segment(),
                pattern(13),
            )?;
            drop(take_back(lent));
        }
    }
    Ok(())
}

/// The parts of a buffer change hands one by one.
pub(crate) fn a_part_is_handed_over_alone<M: Machine + Clone>(
    device: &Device<M>,
    engine: &mut dyn Engine,
) -> Run {
    let unit = device
        .granule()
        .max(device.limits().segment_alignment())
        .get();
    let unit = usize::try_from(unit).unwrap_or(usize::MAX);
    let whole = device.allocate::<Bidirectional>(unit.saturating_mul(3))?;
    let (mut first, rest) = whole.split_at(unit).map_err(|refused| refused.error)?;
    let (mut second, mut third) = rest.split_at(unit).map_err(|refused| refused.error)?;
    for salt in 0..4 {
        fill(second.as_mut_slice(), salt);
        let lent = second.sync_for_device();
        fill(first.as_mut_slice(), 14);
        seen(engine, "the second part", lent.segment(), pattern(salt))?;
        write(engine, lent.segment(), pattern(salt ^ 0x80))?;
        fill(third.as_mut_slice(), 15);
        second = take_back(lent);
        bytes("the first part", first.as_slice(), pattern(14))?;
        bytes("the second part", second.as_slice(), pattern(salt ^ 0x80))?;
        bytes("the third part", third.as_slice(), pattern(15))?;
    }
    Ok(())
}

/// A buffer's addresses up to the end of its last granule.
fn granules<M: Machine + Clone>(device: &Device<M>, segment: DmaRange) -> Result<DmaRange, Stop> {
    let len = usize::try_from(segment.len_bytes()).unwrap_or(usize::MAX);
    let rounded = device
        .granule()
        .round_up(NonZeroUsize::new(len).ok_or(Error::ZeroLength)?)?;
    part(segment, 0, rounded.get())
}
