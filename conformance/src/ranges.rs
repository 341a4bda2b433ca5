//! Ranges: every buffer is alone in its granules, whatever its length, and its addresses lead back to it.
#![expect(
    unsafe_code,
    reason = "a check states that no device was started, or names no byte"
)]

use core::{num::NonZeroUsize, ptr::NonNull};

use dma_api::{
    CpuOwned, Device, DeviceOwned, Direction, DmaAddr, DmaRange, DmaSync, Error, FromDevice,
    LineRange, Machine, PhysAddr, PhysRange, ToDevice,
};

use crate::report::{Failure, Run, bytes, equal, fill, pattern, refused};

/// Lengths round the line and granule of a machine: one byte, one less, exact, one more, several.
pub(crate) fn lengths<M: Machine>(machine: &M) -> [usize; 8] {
    let geometry = machine.sync().geometry();
    let (line, granule) = (geometry.line(), geometry.granule());
    [
        1,
        line.saturating_sub(1).max(1),
        line,
        line.saturating_add(1),
        granule.saturating_add(line).saturating_sub(1),
        granule,
        granule.saturating_mul(3).saturating_add(1),
        granule.saturating_mul(16),
    ]
}

/// No byte, no line, no buffer.
pub(crate) fn a_range_of_no_bytes_is_refused<M: Machine + Clone>(device: &Device<M>) -> Run {
    let zero = |error: &Error| *error == Error::ZeroLength;
    refused("no bytes", device.allocate::<FromDevice>(0), zero)?;
    refused(
        "no coherent bytes",
        device.allocate_coherent(0).map(drop),
        zero,
    )?;
    let none = NonNull::slice_from_raw_parts(NonNull::<u8>::dangling(), 0);
    refused(
        "no bytes of the direct map",
        device.machine().direct_map().to_phys(none),
        zero,
    )?;
    // SAFETY: no byte is mapped, and none is named.
    let lines = unsafe { LineRange::new(none, PhysAddr::new(0)) };
    refused("the lines of no bytes", lines, zero)
}

/// A range may end with the last address there is, but not go on behind it.
pub(crate) fn a_range_does_not_go_on_behind_the_last_address<M: Machine + Clone>(
    device: &Device<M>,
) -> Run {
    let last = NonNull::<u8>::dangling().with_addr(NonZeroUsize::MAX);
    let wraps = NonNull::slice_from_raw_parts(last, 2);
    refused(
        "the last CPU address and one more",
        device.machine().direct_map().to_phys(wraps),
        |error| {
            matches!(
                error,
                Error::RangeWraps { .. } | Error::NotInDirectMap { .. }
            )
        },
    )?;
    let top = PhysAddr::new(u64::MAX);
    let behind = |error: &Error| matches!(error, Error::RangeWraps { .. });
    refused(
        "the last physical address and one more",
        PhysRange::new(top, 2).and_then(|range| device.machine().bus().to_dma(range)),
        behind,
    )?;
    refused(
        "the last DMA address and one more",
        DmaRange::new(DmaAddr::new(u64::MAX), 2)
            .and_then(|range| device.machine().bus().to_phys(range)),
        behind,
    )
}

pub(crate) fn buffers_start_on_a_granule_and_are_zero<M: Machine + Clone>(
    device: &Device<M>,
) -> Run {
    for len in lengths(device.machine()) {
        let mut buffer = device.allocate::<FromDevice>(len)?;
        equal("length", buffer.len_bytes() as u64, len as u64)?;
        bytes("new buffer", buffer.as_mut_slice(), |_| 0)?;
        let start = buffer.as_slice().as_ptr().addr() as u64;
        equal(
            "start on a granule",
            u64::from(device.granule().divides(start)),
            1,
        )?;
        // Dirty it, so that the next buffer in the same place is only zero if it was zeroed.
        fill(buffer.as_mut_slice(), 1);
    }
    Ok(())
}

pub(crate) fn the_device_address_leads_back_to_the_bytes<M: Machine + Clone>(
    device: &Device<M>,
) -> Run {
    for len in lengths(device.machine()) {
        let mut buffer = device.allocate::<ToDevice>(len)?;
        let start = buffer.as_mut_slice().as_mut_ptr().addr() as u64;
        let lent = buffer.sync_for_device();

        let machine = device.machine();
        let phys = machine.bus().to_phys(lent.segment())?;
        let cpu = machine.direct_map().to_cpu(phys)?;
        equal("CPU address", cpu.cast::<u8>().addr().get() as u64, start)?;
        equal("length", cpu.len() as u64, len as u64)?;
        equal(
            "physical address",
            machine.direct_map().to_phys(cpu)?.start().get(),
            phys.start().get(),
        )?;
        equal(
            "DMA address",
            machine.bus().to_dma(phys)?.start().get(),
            lent.dma_addr().get(),
        )?;
        drop(take_back(lent));
    }
    Ok(())
}

/// Maintenance of one buffer must not reach the next one, which the CPU writes meanwhile.
pub(crate) fn a_neighbour_keeps_its_bytes<M: Machine + Clone>(device: &Device<M>) -> Run {
    for len in lengths(device.machine()) {
        let first = device.allocate::<FromDevice>(len)?;
        let mut second = device.allocate::<FromDevice>(len)?;
        let third = device.allocate::<FromDevice>(len)?;

        let (first, third) = (first.sync_for_device(), third.sync_for_device());
        fill(second.as_mut_slice(), 2);
        drop(take_back(first));
        drop(take_back(third));
        bytes("neighbour", second.as_slice(), pattern(2))?;
    }
    Ok(())
}

/// Ends a hand-over of which no device was told.
pub(crate) fn take_back<M: Machine, D: Direction>(lent: DeviceOwned<M, D>) -> CpuOwned<M, D> {
    // SAFETY: the checks tell no device the address, so none uses the buffer.
    unsafe { lent.sync_for_cpu() }
}

/// A buffer can be split only between granules, and what is split is given back whole.
pub(crate) fn a_buffer_splits_between_granules_only<M: Machine + Clone>(device: &Device<M>) -> Run {
    let unit = device
        .granule()
        .max(device.limits().segment_alignment())
        .get();
    let unit = usize::try_from(unit).unwrap_or(usize::MAX);
    let mut buffer = device.allocate::<FromDevice>(unit.saturating_mul(3))?;
    fill(buffer.as_mut_slice(), 3);

    for at in [0, unit.saturating_mul(3), unit.saturating_mul(4)] {
        buffer = match buffer.split_at(at) {
            Err(refused) => refused.value,
            Ok(_) => {
                return Err(Failure::WrongError {
                    what: "a split at the end",
                    found: None,
                }
                .into());
            }
        };
    }
    if unit > 1 {
        buffer = match buffer.split_at(unit.saturating_add(1)) {
            Err(refused) => refused.value,
            Ok(_) => {
                return Err(Failure::WrongError {
                    what: "a split in a granule",
                    found: None,
                }
                .into());
            }
        };
    }
    let (first, second) = buffer.split_at(unit).map_err(|refused| refused.error)?;
    let value = pattern(3);
    bytes("second part", second.as_slice(), |index| {
        value(index.saturating_add(unit))
    })?;
    let first = take_back(first.sync_for_device());
    bytes("first part", first.as_slice(), value)
}
