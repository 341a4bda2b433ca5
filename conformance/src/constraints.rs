//! Constraints: what a device demands is met or refused, never bent.

use dma_api::{
    CpuOwned, Device, DmaAddr, DmaMask, DmaRange, Error, FromDevice, Limits, Machine, PhysRange,
    ToDevice, Window,
};

use crate::{
    ranges::take_back,
    report::{Reason, Run, Stop, equal, refused},
};

/// Whether a request was met.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Met {
    Yes,
    No,
}

/// Asks for memory under stricter limits: what is handed out keeps them, and what is refused is refused for one of the
/// right reasons.
fn met<M: Machine + Clone>(device: &Device<M>, limits: Limits, len: usize) -> Result<Met, Stop> {
    let narrowed = match device.narrowed(limits) {
        Ok(narrowed) => narrowed,
        Err(Error::Unreachable { .. }) => return Ok(Met::No),
        Err(error) => return Err(error.into()),
    };
    match narrowed.allocate::<ToDevice>(len) {
        Ok(buffer) => {
            let lent = buffer.sync_for_device();
            limits.check(lent.segment())?;
            equal("length", lent.segment().len_bytes(), len as u64)?;
            drop(take_back(lent));
            Ok(Met::Yes)
        }
        Err(Error::NeverFits { .. } | Error::Exhausted { .. }) => Ok(Met::No),
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn every_limit_of_a_device_is_met<M: Machine + Clone>(device: &Device<M>) -> Run {
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

/// Every alignment up to 64 KiB, beside a buffer that is aligned to little.
pub(crate) fn large_alignments_are_met<M: Machine + Clone>(device: &Device<M>) -> Run {
    let _in_the_way = device.allocate::<ToDevice>(1)?;
    for shift in 0..=16 {
        let alignment = 1_u64 << shift;
        let limits = Limits::UNLIMITED.alignment(alignment)?;
        if met(device, limits, 1)? == Met::No {
            return Err(Reason::TooLittleMemory { len: alignment }.into());
        }
    }
    Ok(())
}

pub(crate) fn no_buffer_crosses_a_multiple_of_4_kib<M: Machine + Clone>(device: &Device<M>) -> Run {
    no_buffer_crosses(device, 1 << 12)
}

pub(crate) fn no_buffer_crosses_a_multiple_of_64_kib<M: Machine + Clone>(
    device: &Device<M>,
) -> Run {
    no_buffer_crosses(device, 1 << 16)
}

pub(crate) fn no_buffer_crosses_a_multiple_of_16_mib<M: Machine + Clone>(
    device: &Device<M>,
) -> Run {
    no_buffer_crosses(device, 1 << 24)
}

/// Three buffers of three eighths: without the boundary, one of them would cross it.
fn no_buffer_crosses<M: Machine + Clone>(device: &Device<M>, boundary: u64) -> Run {
    let limits = Limits::UNLIMITED.boundary(boundary)?;
    let narrowed = device.narrowed(limits)?;
    let eighths = boundary.saturating_div(8).saturating_mul(3);
    let len = usize::try_from(eighths).unwrap_or(usize::MAX);
    let mut held = [const { None::<CpuOwned<M, ToDevice>> }; 3];
    for place in &mut held {
        match narrowed.allocate::<ToDevice>(len) {
            Ok(buffer) => *place = Some(buffer),
            Err(Error::NeverFits { .. } | Error::Exhausted { .. }) => {
                return Err(Reason::TooLittleMemory { len: eighths }.into());
            }
            Err(error) => return Err(error.into()),
        }
    }
    for buffer in held.into_iter().flatten() {
        let lent = buffer.sync_for_device();
        limits.check(lent.segment())?;
        drop(take_back(lent));
    }
    let whole = usize::try_from(boundary).unwrap_or(usize::MAX);
    let more = narrowed.allocate::<ToDevice>(whole.saturating_add(1));
    refused("a segment longer than its boundary", more, |error| {
        matches!(error, Error::SegmentTooLong { .. })
    })
}

/// One address line more reaches what fewer reach, and with 64 of them there is memory.
pub(crate) fn every_mask_is_met_or_refused<M: Machine + Clone>(device: &Device<M>) -> Run {
    let mut fewer = Met::No;
    for bits in 1..=64 {
        let limits = Limits::new(DmaMask::bits(bits)?);
        let this = met(device, limits, 1)?;
        if fewer == Met::Yes {
            equal("met with fewer lines only", u64::from(this == Met::No), 0)?;
        }
        fewer = this;
    }
    equal("met with 64 lines", u64::from(fewer == Met::Yes), 1)?;
    Ok(())
}

/// Allowed ever more memory from the lowest free byte on, an allocator must refuse until its own unit fits, and then
/// stay below the highest address.
pub(crate) fn a_buffer_ends_below_the_highest_address<M: Machine + Clone>(
    device: &Device<M>,
) -> Run {
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

/// The highest address moves over the end of a buffer, byte by byte: what lies one above it is never handed out.
pub(crate) fn the_last_byte_may_lie_on_the_highest_address_and_not_above<M: Machine + Clone>(
    device: &Device<M>,
) -> Run {
    let len = 3000;
    let probe = device.allocate::<ToDevice>(len)?.sync_for_device();
    let last = probe.segment().last().get();
    drop(take_back(probe));
    for highest in last.saturating_sub(2)..=last.saturating_add(2) {
        let limits = Limits::UNLIMITED.window(DmaAddr::new(0), DmaAddr::new(highest))?;
        met(device, limits, len)?;
    }
    Ok(())
}

/// The lowest address moves over the start of a buffer; where there was one there is one.
pub(crate) fn a_buffer_starts_above_the_lowest_address<M: Machine + Clone>(
    device: &Device<M>,
) -> Run {
    let probe = device.allocate::<ToDevice>(1)?.sync_for_device();
    let first = probe.dma_addr().get();
    drop(take_back(probe));
    let most = DmaAddr::new(u64::MAX);
    let limits = Limits::UNLIMITED.window(DmaAddr::new(first), most)?;
    let there = met(device, limits, 1)? == Met::Yes;
    equal("memory where it was before", u64::from(there), 1)?;
    for above in [1, 2, 16, device.granule().get(), 4096] {
        let lowest = DmaAddr::new(first.saturating_add(above));
        met(device, Limits::UNLIMITED.window(lowest, most)?, 1)?;
    }
    Ok(())
}

pub(crate) fn a_device_that_reaches_no_memory_is_refused<M: Machine + Clone>(
    device: &Device<M>,
) -> Run {
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

/// Both ends of each window are translated there and back, and nothing that begins in one ends behind it.
pub(crate) fn addresses_behind_a_window_are_refused<M: Machine + Clone>(device: &Device<M>) -> Run {
    let bus = device.machine().bus();
    let outside = |error: &Error| matches!(error, Error::NotInWindow { .. });
    for window in bus.windows() {
        for phys in [window.phys().start(), window.phys().last()] {
            let byte = PhysRange::new(phys, 1)?;
            let there = bus.to_dma(byte)?;
            let back = bus.to_phys(there)?.start();
            equal("there and back", back.get(), phys.get())?;
        }
        if let Ok(two) = PhysRange::new(window.phys().last(), 2) {
            refused("two bytes at a window's end", bus.to_dma(two), outside)?;
        }
        if let Ok(two) = DmaRange::new(window.dma().last(), 2) {
            refused("two bytes at a window's end", bus.to_phys(two), outside)?;
        }
    }
    Ok(())
}

/// A device's limits and its bus's, in whatever order: the stricter of each holds, and nothing widens them again.
pub(crate) fn limits_that_meet_are_the_stricter_of_each<M: Machine + Clone>(
    device: &Device<M>,
) -> Run {
    let engine = Limits::UNLIMITED.alignment(64)?.boundary(4096)?;
    let bus = Limits::UNLIMITED.alignment(8)?.boundary(65_536)?;
    let bus = bus.max_segment_len(2048)?;
    for (one, two) in [(engine, bus), (bus, engine)] {
        let both = device.narrowed(one)?.narrowed(two)?;
        let both = both.narrowed(Limits::UNLIMITED)?;
        let lent = both.allocate::<ToDevice>(2000)?.sync_for_device();
        engine.check(lent.segment())?;
        bus.check(lent.segment())?;
        drop(take_back(lent));
        let longer = both.allocate::<ToDevice>(2049);
        refused("a segment too long for one of two", longer, |error| {
            matches!(error, Error::SegmentTooLong { .. })
        })?;
    }
    let low = Limits::UNLIMITED.window(DmaAddr::new(0), DmaAddr::new(1))?;
    let high = Limits::UNLIMITED.window(DmaAddr::new(2), DmaAddr::new(3))?;
    let none = low.meet(high);
    refused("limits that no address meets", none, |error| {
        matches!(error, Error::EmptyLimits { .. })
    })
}

pub(crate) fn impossible_lengths_are_refused<M: Machine + Clone>(device: &Device<M>) -> Run {
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
