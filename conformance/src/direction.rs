//! Direction: what the CPU has in a buffer survives a transfer in which the device writes nothing.
#![expect(unsafe_code, reason = "a check states that no device was started")]

use dma_api::{Bidirectional, Device, DeviceWrites, Error, FromDevice, Machine, ToDevice};

use crate::{
    ranges::{lengths, take_back},
    report::{Failure, Run, bytes, equal, fill, pattern, refused},
};

/// The hand-over cleans and the hand-back invalidates: if the first did not reach memory, the second loses the bytes.
pub(crate) fn bytes_survive_a_transfer_that_writes_nothing<M: Machine + Clone>(
    device: &Device<M>,
) -> Run {
    survive::<M, FromDevice>(device)?;
    survive::<M, Bidirectional>(device)
}

fn survive<M: Machine + Clone, D: DeviceWrites>(device: &Device<M>) -> Run {
    for len in lengths(device.machine()) {
        let mut buffer = device.allocate::<D>(len)?;
        for round in 0..4 {
            fill(buffer.as_mut_slice(), round);
            buffer = take_back(buffer.sync_for_device());
            bytes("what the CPU wrote", buffer.as_slice(), pattern(round))?;
        }
    }
    Ok(())
}

pub(crate) fn a_sent_buffer_still_holds_what_was_sent<M: Machine + Clone>(
    device: &Device<M>,
) -> Run {
    for len in lengths(device.machine()) {
        let mut buffer = device.allocate::<ToDevice>(len)?;
        fill(buffer.as_mut_slice(), 5);
        let mut buffer = take_back(buffer.sync_for_device());
        bytes("what was sent", buffer.as_mut_slice(), pattern(5))?;
    }
    Ok(())
}

pub(crate) fn a_short_transfer_counts_only_what_was_written<M: Machine + Clone>(
    device: &Device<M>,
) -> Run {
    let mut buffer = device.allocate::<FromDevice>(100)?;
    for written in [0, 1, 99, 100] {
        fill(buffer.as_mut_slice(), 6);
        let lent = buffer.sync_for_device();
        // SAFETY: no device was told the address.
        buffer = unsafe { lent.sync_for_cpu_short(written) }.map_err(|refused| refused.error)?;
        equal("received", buffer.received().len() as u64, written as u64)?;
        bytes("buffer", buffer.as_slice(), pattern(6))?;
    }

    let lent = buffer.sync_for_device();
    // SAFETY: as above.
    match unsafe { lent.sync_for_cpu_short(101) } {
        Ok(_) => Err(Failure::WrongError {
            what: "101 of 100 bytes",
            found: None,
        }
        .into()),
        Err(refusal) => {
            equal(
                "received of an overlong transfer",
                refusal.value.received().len() as u64,
                0,
            )?;
            refused("101 of 100 bytes", Err::<(), _>(refusal.error), |error| {
                *error
                    == Error::OverlongTransfer {
                        written: 101,
                        buffer_len: 100,
                    }
            })
        }
    }
}

pub(crate) fn values_are_read_back_from_any_offset<M: Machine + Clone>(device: &Device<M>) -> Run {
    let mut buffer = device.allocate::<Bidirectional>(64)?;
    buffer.write(3, &0x1122_3344_5566_7788_u64)?;
    let buffer = take_back(buffer.sync_for_device());
    equal("value", buffer.read::<u64>(3)?, 0x1122_3344_5566_7788)?;
    refused("a value beyond the end", buffer.read::<u64>(57), |error| {
        *error
            == Error::OutOfBounds {
                offset: 57,
                len: 8,
                buffer_len: 64,
            }
    })
}
