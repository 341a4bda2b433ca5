//! Pools: memory is handed out once, comes back whole, and its end is an error.

use dma_api::{CpuOwned, Device, Error, FromDevice, Machine};

use crate::report::{Failure, Outcome, bytes, equal, refused};

/// Buffers that are held side by side.
const HELD: usize = 8;

/// Most of the largest buffers that are held until there are no more: beyond that, the end of memory is out of sight.
const MOST: usize = 64;

pub(crate) fn memory_is_exhausted_and_comes_back<M: Machine + Clone>(
    device: &Device<M>,
) -> Outcome {
    let largest = largest(device)?;
    for _ in 0..2 {
        let mut held = [const { None::<CpuOwned<M, FromDevice>> }; MOST];
        let mut ended = None;
        for place in &mut held {
            match device.allocate::<FromDevice>(largest) {
                Ok(mut buffer) => {
                    bytes("memory handed out again", buffer.as_mut_slice(), |_| 0)?;
                    buffer.as_mut_slice().fill(0xff);
                    *place = Some(buffer);
                }
                Err(error) => {
                    ended = Some(error);
                    break;
                }
            }
        }
        match ended {
            Some(Error::Exhausted { len, .. }) => {
                equal("refused although it was less", u64::from(len < largest), 0)?;
            }
            None => {}
            found => {
                return Err(Failure::WrongError {
                    what: "more than there is",
                    found,
                });
            }
        }
    }
    Ok(())
}

/// The largest power of two that can be had now: two or three of them are all there is.
fn largest<M: Machine + Clone>(device: &Device<M>) -> Result<usize, Failure> {
    let mut len: usize = 1;
    while let Some(double) = len.checked_mul(2) {
        if device.allocate::<FromDevice>(double).is_err() {
            break;
        }
        len = double;
    }
    Ok(len)
}

pub(crate) fn buffers_do_not_overlap<M: Machine + Clone>(device: &Device<M>) -> Outcome {
    let mut held = [const { None::<CpuOwned<M, FromDevice>> }; HELD];
    for (index, place) in held.iter_mut().enumerate() {
        let mut buffer =
            device.allocate::<FromDevice>(index.saturating_mul(61).saturating_add(1))?;
        buffer.as_mut_slice().fill(index.to_le_bytes()[0]);
        *place = Some(buffer);
    }
    for (index, buffer) in held.iter().enumerate() {
        let buffer = buffer.as_ref().map_or(&[][..], CpuOwned::as_slice);
        bytes("a buffer beside others", buffer, |_| index.to_le_bytes()[0])?;
    }
    // A hole in the middle is used again, or other free memory is, but no other buffer's.
    if let Some(place) = held.get_mut(3) {
        *place = None;
    }
    let mut again = device.allocate::<FromDevice>(1)?;
    bytes("a new buffer", again.as_slice(), |_| 0)?;
    again.as_mut_slice().fill(0xff);
    for (index, buffer) in held.iter().enumerate() {
        let buffer = buffer.as_ref().map_or(&[][..], CpuOwned::as_slice);
        bytes("a buffer beside a new one", buffer, |_| {
            index.to_le_bytes()[0]
        })?;
    }
    refused(
        "a read of what no device wrote",
        again.read::<u8>(0),
        |error| {
            *error
                == Error::OutOfBounds {
                    offset: 0,
                    len: 1,
                    buffer_len: 0,
                }
        },
    )
}
