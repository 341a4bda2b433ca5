//! Pools: memory is handed out once, comes back whole, and its end is an error.

#![expect(
    unsafe_code,
    reason = "a check makes blocks that no allocator handed out"
)]

use core::{num::NonZeroUsize, ptr::NonNull};

use dma_api::{
    Block, CpuOwned, Device, DmaAllocator, DmaRange, DmaSync, Error, FromDevice, Machine, Refused,
    Request,
};

use crate::{
    ranges::take_back,
    report::{Failure, Run, bytes, equal, refused},
};

/// Buffers that are held side by side.
const HELD: usize = 8;

/// Most of the largest buffers that are held until there are no more: beyond that, the end of memory is out of sight.
const MOST: usize = 64;

pub(crate) fn memory_is_exhausted_and_comes_back<M: Machine + Clone>(device: &Device<M>) -> Run {
    let largest = largest(device)?;
    let mut rounds = [0_u64; 2];
    for round in &mut rounds {
        let mut held = [const { None::<CpuOwned<M, FromDevice>> }; MOST];
        let mut ended = None;
        for place in &mut held {
            match device.allocate::<FromDevice>(largest) {
                Ok(mut buffer) => {
                    bytes("memory handed out again", buffer.as_mut_slice(), |_| 0)?;
                    buffer.as_mut_slice().fill(0xff);
                    *place = Some(buffer);
                    *round = round.saturating_add(1);
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
                }
                .into());
            }
        }
    }
    let [first, again] = rounds;
    equal("there was one before", u64::from(first > 0), 1)?;
    equal("as many as there were before", again, first)?;
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

pub(crate) fn buffers_do_not_overlap<M: Machine + Clone>(device: &Device<M>) -> Run {
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

/// Holes between buffers are filled again by buffers as large, again and again, and nothing overlaps.
pub(crate) fn holes_are_filled_again<M: Machine + Clone>(device: &Device<M>) -> Run {
    let granule = device.machine().sync().geometry().granule();
    let mut held = [const { None::<CpuOwned<M, FromDevice>> }; HELD];
    for turn in 0..4_usize {
        for (index, place) in held.iter_mut().enumerate() {
            if place.is_none() {
                let len = granule.saturating_mul(index.saturating_add(1));
                let mut buffer = device.allocate::<FromDevice>(len)?;
                bytes("a hole that is filled again", buffer.as_slice(), |_| 0)?;
                buffer.as_mut_slice().fill(index.to_le_bytes()[0]);
                *place = Some(buffer);
            }
        }
        for (index, place) in held.iter_mut().enumerate() {
            let buffer = place.as_ref().map_or(&[][..], CpuOwned::as_slice);
            bytes("a buffer beside holes", buffer, |_| index.to_le_bytes()[0])?;
            if index % 2 == turn % 2 {
                *place = None;
            }
        }
    }
    Ok(())
}

/// Buffers that are lent at the same time have no address in common.
pub(crate) fn lent_buffers_have_no_address_in_common<M: Machine + Clone>(
    device: &Device<M>,
) -> Run {
    let mut segments = [const { None::<DmaRange> }; HELD];
    let mut held = [const { None }; HELD];
    for (index, place) in held.iter_mut().enumerate() {
        let len = HELD.saturating_sub(index).saturating_mul(97);
        let lent = device.allocate::<FromDevice>(len)?.sync_for_device();
        let taken = segments.iter().flatten();
        let shared = taken.filter(|other| other.overlaps(lent.segment())).count();
        equal("buffers that share addresses", shared as u64, 0)?;
        if let Some(segment) = segments.get_mut(index) {
            *segment = Some(lent.segment());
        }
        *place = Some(lent);
    }
    held.into_iter()
        .flatten()
        .for_each(|lent| drop(take_back(lent)));
    Ok(())
}

/// An allocator knows its blocks: it takes back neither a part of one, nor one that lies elsewhere, nor one twice.
pub(crate) fn a_block_is_taken_back_once_and_whole<M: Machine + Clone>(device: &Device<M>) -> Run {
    let memory = device.machine().memory();
    let geometry = device.machine().sync().geometry();
    let len = NonZeroUsize::new(geometry.granule().saturating_mul(4)).ok_or(Error::ZeroLength)?;
    let request = Request {
        alignment: geometry.granule_alignment(),
        ..Request::anywhere(len)
    };
    let block = memory.allocate(&request)?;
    let (bytes, phys) = (block.memory(), block.phys().start());
    let half = NonNull::slice_from_raw_parts(bytes.cast::<u8>(), bytes.len() / 2);
    let not_its_own = |error: &Error| {
        matches!(
            error,
            Error::ForeignBlock { .. } | Error::NotAllocated { .. }
        )
    };
    let give = |block: Block| memory.free(block).map_err(|refused| refused.error);

    // SAFETY: here and below: nobody touches the memory while one of these blocks exists.
    let part = unsafe { Block::new(half, phys) }?;
    refused("half a block", give(part), not_its_own)?;
    let shifted = phys.checked_add(len.get() as u64).unwrap_or(phys);
    // SAFETY: as above.
    let elsewhere = unsafe { Block::new(bytes, shifted) }?;
    refused("a block of other addresses", give(elsewhere), not_its_own)?;

    memory.free(block).map_err(|Refused { error, .. }| error)?;
    // SAFETY: as above; the allocator has handed the memory to nobody since.
    let twice = unsafe { Block::new(bytes, phys) }?;
    refused("a block given back before", give(twice), not_its_own)
}

/// A block that is dropped is lost, and stays lost: nobody else is given its memory.
pub(crate) fn a_block_that_is_dropped_is_not_handed_out_again<M: Machine + Clone>(
    device: &Device<M>,
) -> Run {
    let memory = device.machine().memory();
    let geometry = device.machine().sync().geometry();
    let len = NonZeroUsize::new(geometry.granule()).ok_or(Error::ZeroLength)?;
    let request = Request {
        alignment: geometry.granule_alignment(),
        ..Request::anywhere(len)
    };
    let block = memory.allocate(&request)?;
    let (bytes, lost) = (block.memory(), block.phys());
    drop(block);
    let mut overlaps: u64 = 0;
    for _ in 0..HELD {
        let other = memory.allocate(&request)?;
        overlaps = overlaps.saturating_add(u64::from(other.phys().overlaps(lost)));
        memory.free(other).map_err(|Refused { error, .. }| error)?;
    }
    // SAFETY: the block that had the memory is gone, and nobody else was given it if the check is to pass.
    let found = unsafe { Block::new(bytes, lost.start()) }?;
    memory.free(found).map_err(|Refused { error, .. }| error)?;
    equal("blocks in lost memory", overlaps, 0)?;
    Ok(())
}
