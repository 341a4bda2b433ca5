//! Constraints: what a device demands is met or refused, never bent.

use dma_api::{
    Bidirectional, Device, DmaAddr, Error, FromDevice, Limits, Machine, Snooping, ToDevice, Window,
};

use crate::{
    ranges::take_back,
    report::{Outcome, equal, refused},
};

pub(crate) fn every_limit_of_a_device_is_met<M: Machine + Clone>(device: &Device<M>) -> Outcome {
    // The first free place is then one that is aligned to little, and close to a boundary's wrong side.
    let _in_the_way = device.allocate::<ToDevice>(1)?;
    for alignment in [1_u64, 16, 512, 4096] {
        for boundary in [4096_u64, 65_536] {
            let limits = Limits::UNLIMITED.alignment(alignment)?.boundary(boundary)?;
            let narrowed = device.narrowed(limits)?;
            let mut earlier = None;
            for len in [1_usize, 100, 4000, 4096] {
                let lent = narrowed.allocate::<ToDevice>(len)?.sync_for_device();
                narrowed.limits().check(lent.segment())?;
                equal("length", lent.segment().len_bytes(), len as u64)?;
                // Two at a time, so that the next one begins behind a buffer and not where this one was.
                drop(earlier.replace(lent).map(take_back));
            }
            drop(earlier.map(take_back));
        }
    }
    Ok(())
}

/// Allowed ever more memory from the lowest free byte on, an allocator must refuse until its own unit fits, and then
/// stay below the highest address.
pub(crate) fn a_buffer_ends_below_the_highest_address<M: Machine + Clone>(
    device: &Device<M>,
) -> Outcome {
    let probe = device.allocate::<ToDevice>(1)?.sync_for_device();
    let first = probe.dma_addr();
    drop(take_back(probe));

    let mut room = device.granule().get();
    loop {
        let highest = first
            .checked_add(room.saturating_sub(1))
            .unwrap_or(DmaAddr::new(u64::MAX));
        let limits = Limits::UNLIMITED.window(DmaAddr::new(0), highest)?;
        match device.narrowed(limits)?.allocate::<ToDevice>(1) {
            Ok(buffer) => {
                let lent = buffer.sync_for_device();
                limits.check(lent.segment())?;
                drop(take_back(lent));
                return Ok(());
            }
            Err(Error::NeverFits { .. }) if room < 1 << 20 => room = room.saturating_mul(2),
            Err(error) => return Err(error.into()),
        }
    }
}

pub(crate) fn a_device_that_reaches_no_memory_is_refused<M: Machine + Clone>(
    device: &Device<M>,
) -> Outcome {
    let bus = device.machine().bus();
    let ends = |of: fn(&Window) -> DmaAddr| bus.windows().iter().map(of);
    let lowest = ends(|window| window.dma().start())
        .min()
        .unwrap_or(DmaAddr::new(0));
    let highest = ends(|window| window.dma().last())
        .max()
        .unwrap_or(DmaAddr::new(0));
    let (low, high) = match (highest.checked_add(1), lowest.get().checked_sub(1)) {
        (Some(above), _) => (above, DmaAddr::new(u64::MAX)),
        (None, Some(below)) => (DmaAddr::new(0), DmaAddr::new(below)),
        (None, None) => return Ok(()), // Every address there is lies on this bus.
    };
    let limits = Limits::UNLIMITED.window(low, high)?;
    let made = Device::new(device.machine().clone(), limits, device.snooping());
    refused("a device that reaches nothing", made, |error| {
        *error
            == Error::Unreachable {
                lowest: low.get(),
                highest: high.get(),
            }
    })
}

pub(crate) fn impossible_lengths_are_refused<M: Machine + Clone>(device: &Device<M>) -> Outcome {
    let zero = device.allocate::<FromDevice>(0);
    refused("no bytes", zero, |error| *error == Error::ZeroLength)?;
    let most = device.allocate::<FromDevice>(usize::MAX);
    refused("all bytes there are", most, |error| {
        matches!(
            error,
            Error::LengthOverflow { .. } | Error::NeverFits { .. } | Error::SegmentTooLong { .. }
        )
    })?;
    let half = device.allocate::<FromDevice>(usize::MAX / 2);
    refused("half of all bytes", half, |error| {
        matches!(
            error,
            Error::NeverFits { .. } | Error::SegmentTooLong { .. }
        )
    })?;
    let short = device.narrowed(Limits::UNLIMITED.max_segment_len(8)?)?;
    refused(
        "a segment that is too long",
        short.allocate::<FromDevice>(9),
        |error| *error == Error::SegmentTooLong { len: 9, max: 8 },
    )
}

/// Memory that only the device reads may lie anywhere; memory it writes must own its granules.
#[expect(
    unsafe_code,
    reason = "the memory lent is a buffer's that nobody uses meanwhile"
)]
pub(crate) fn memory_is_lent_in_place_only_with_whole_granules<M: Machine + Clone>(
    device: &Device<M>,
) -> Outcome {
    let granule = device.granule().get();
    let len = usize::try_from(granule.saturating_mul(4)).unwrap_or(usize::MAX);
    let mut owner = device.allocate::<Bidirectional>(len)?;
    let memory = core::ptr::NonNull::from(owner.as_mut_slice());
    let inner =
        core::ptr::NonNull::slice_from_raw_parts(memory.cast::<u8>(), len.saturating_sub(1));

    // SAFETY: the memory belongs to `owner`, which nobody uses; no device is told the addresses.
    let whole = unsafe { device.lend_in_place::<FromDevice>(memory) }?;
    drop(take_back(whole));
    // SAFETY: as above.
    let part = unsafe { device.lend_in_place::<ToDevice>(inner) }?;
    drop(take_back(part));
    if device.snooping() == Snooping::DoesNotSnoop && granule > 1 {
        // SAFETY: as above.
        let part = unsafe { device.lend_in_place::<FromDevice>(inner) };
        refused("a shared granule", part, |error| {
            matches!(error, Error::SharedLine { .. })
        })?;
    }
    drop(owner);
    Ok(())
}
