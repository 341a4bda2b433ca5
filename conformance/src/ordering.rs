//! Ordering: what was stored first is seen first, by devices and by the CPU, in cached and in coherent memory.
#![expect(unsafe_code, reason = "a check states that its engine is done")]

use dma_api::{
    Coherent, Device, DeviceOwned, DmaAddr, DmaRange, Error, FromDevice, Machine, PrivateCoherent,
    ToDevice,
};

use crate::{
    engine::{Engine, part, seen, write},
    ranges::take_back,
    report::{Failure, Reason, Run, Stop, bytes, equal, fill, pattern, same_byte},
};

/// The doorbell may follow the hand-over at once: the last byte stored is there, as is all that was there before.
pub(crate) fn a_doorbell_finds_the_last_byte_that_was_stored<M: Machine + Clone>(
    device: &Device<M>,
    engine: &mut dyn Engine,
) -> Run {
    let len = 300;
    let mut buffer = device.allocate::<ToDevice>(len)?;
    let mut expected = [0; 300];
    for round in 0..40_u8 {
        let index = usize::from(round).saturating_mul(37) % len;
        for bytes in [buffer.as_mut_slice(), &mut expected] {
            if let Some(byte) = bytes.get_mut(index) {
                *byte = round.wrapping_add(1);
            }
        }
        let lent = buffer.sync_for_device();
        seen(engine, "at the doorbell", lent.segment(), |index| {
            expected.get(index).copied().unwrap_or_default()
        })?;
        buffer = take_back(lent);
    }
    Ok(())
}

/// A descriptor is handed over after the data it names, and leads to them.
pub(crate) fn a_descriptor_leads_to_the_data_it_names<M: Machine + Clone>(
    device: &Device<M>,
    engine: &mut dyn Engine,
) -> Run {
    let mut descriptor = device.allocate::<ToDevice>(16)?;
    for salt in 0..16 {
        let mut data = device.allocate::<ToDevice>(200)?;
        fill(data.as_mut_slice(), salt);
        let data = data.sync_for_device();
        write_descriptor(descriptor.as_mut_slice(), data.segment());
        let ring = descriptor.sync_for_device();

        let named = read_descriptor(engine, ring.segment())?;
        equal(
            "the address in it",
            named.start().get(),
            data.dma_addr().get(),
        )?;
        seen(engine, "the data it names", named, pattern(salt))?;
        descriptor = take_back(ring);
        drop(take_back(data));
    }
    Ok(())
}

/// Writes may be on their way when a register says that they are done: the hand-back waits for those of its buffer, and
/// for what was written before them.
pub(crate) fn a_completion_brings_what_was_posted_before_it<M: Machine + Clone>(
    device: &Device<M>,
    engine: &mut dyn Engine,
) -> Run {
    for salt in 0..16 {
        let mut lent = [const { None::<DeviceOwned<M, FromDevice>> }; 3];
        for place in &mut lent {
            let mut buffer = device.allocate::<FromDevice>(300)?;
            fill(buffer.as_mut_slice(), 0x55);
            let buffer = buffer.sync_for_device();
            write(engine, buffer.segment(), pattern(salt))?;
            *place = Some(buffer);
        }
        for lent in lent.into_iter().flatten() {
            let buffer = take_back(lent);
            bytes("what was posted", buffer.as_slice(), pattern(salt))?;
        }
    }
    Ok(())
}

/// Both sides store to coherent memory, and each sees what the other stored; nothing is cached in between.
pub(crate) fn coherent_memory_is_seen_by_both_sides<M: Machine + Clone>(
    device: &Device<M>,
    engine: &mut dyn Engine,
) -> Run {
    let len = 200;
    let mut private = coherent(device, len)?;
    fill(private.as_mut_slice(), 16);
    let mut shared = private.publish();
    seen(engine, "what was prepared", shared.segment(), pattern(16))?;
    for salt in 17..25 {
        let value = pattern(salt);
        for index in 0..len {
            shared.write(index, &value(index))?;
        }
        shared.before_doorbell();
        seen(
            engine,
            "what the CPU stored",
            shared.segment(),
            pattern(salt),
        )?;

        write(engine, shared.segment(), pattern(salt ^ 0x80))?;
        engine.settle();
        shared.after_completion();
        loads(&shared, "what the device wrote", pattern(salt ^ 0x80))?;
    }
    // SAFETY: the engine does nothing by itself.
    let mut private = unsafe { shared.unpublish() };
    bytes("what was left", private.as_mut_slice(), pattern(24 ^ 0x80))
}

/// Memory that was cached before has left the caches: no dirty line of a former owner appears in it, on either side.
pub(crate) fn coherent_memory_keeps_nothing_of_a_cached_owner<M: Machine + Clone>(
    device: &Device<M>,
    engine: &mut dyn Engine,
) -> Run {
    let len = 500;
    for salt in 26..34 {
        let mut former = device.allocate::<ToDevice>(len)?;
        fill(former.as_mut_slice(), 0xee);
        drop(former);

        let shared = coherent(device, len)?.publish();
        seen(engine, "new memory, to the device", shared.segment(), |_| 0)?;
        loads(&shared, "new memory, to the CPU", |_| 0)?;
        write(engine, shared.segment(), pattern(salt))?;
        engine.settle();
        shared.after_completion();
        loads(&shared, "what the device wrote", pattern(salt))?;
        // SAFETY: the engine does nothing by itself.
        drop(unsafe { shared.unpublish() });

        let mut next = device.allocate::<FromDevice>(len)?;
        bytes("memory that is cached again", next.as_mut_slice(), |_| 0)?;
    }
    Ok(())
}

/// Places in the ring below.
const PLACES: usize = 4;
/// Bytes of a place: a descriptor of the request, one of the answer, and a status.
const PLACE: usize = 64;
/// Where in its place the status is.
const STATUS: usize = 32;

/// A ring in coherent memory goes round several times: requests are found by it, answers are announced in it.
pub(crate) fn a_ring_in_coherent_memory_goes_round<M: Machine + Clone>(
    device: &Device<M>,
    engine: &mut dyn Engine,
) -> Run {
    let mut ring = coherent(device, PLACES.saturating_mul(PLACE))?.publish();
    for turn in 1..=(3 * PLACES).to_le_bytes()[0] {
        let first = (usize::from(turn) % PLACES).saturating_mul(PLACE);
        let mut request = device.allocate::<ToDevice>(100)?;
        fill(request.as_mut_slice(), turn);
        let (request, answer) = (
            request.sync_for_device(),
            device.allocate::<FromDevice>(100)?.sync_for_device(),
        );
        let mut place = [0; STATUS];
        let (front, back) = place.split_at_mut(STATUS / 2);
        write_descriptor(front, request.segment());
        write_descriptor(back, answer.segment());
        ring.write(first, &place)?;
        ring.write(first.saturating_add(STATUS), &0_u8)?;
        ring.before_doorbell();

        let found = part(ring.segment(), first, PLACE)?;
        let asked = read_descriptor(engine, found)?;
        seen(engine, "the request", asked, pattern(turn))?;
        let place = read_descriptor(engine, part(found, STATUS / 2, STATUS / 2)?)?;
        write(engine, place, pattern(turn ^ 0x80))?;
        write(engine, part(found, STATUS, 1)?, |_| turn)?;

        poll(engine, &ring, first.saturating_add(STATUS), turn)?;
        let answer = take_back(answer);
        bytes("the answer", answer.as_slice(), pattern(turn ^ 0x80))?;
        drop(take_back(request));
    }
    // SAFETY: the engine does nothing by itself.
    drop(unsafe { ring.unpublish() });
    Ok(())
}

/// Coherent memory, or the reason why the machine has none.
fn coherent<M: Machine + Clone>(
    device: &Device<M>,
    len: usize,
) -> Result<PrivateCoherent<M>, Stop> {
    device.allocate_coherent(len).map_err(|error| match error {
        Error::NoCoherentMemory => Stop::Skipped(Reason::NoCoherentMemory),
        other => other.into(),
    })
}

/// Waits for a status to come, and orders what follows behind it.
fn poll<M: Machine>(
    engine: &mut dyn Engine,
    memory: &Coherent<M>,
    offset: usize,
    status: u8,
) -> Run {
    engine.settle();
    let found: u8 = memory.read(offset)?;
    memory.after_completion();
    same_byte("a status that is polled", offset, found, status)
}

fn loads<M: Machine>(
    memory: &Coherent<M>,
    what: &'static str,
    expected: impl Fn(usize) -> u8,
) -> Run {
    for index in 0..memory.len_bytes() {
        same_byte(what, index, memory.read(index)?, expected(index))?;
    }
    Ok(())
}

/// An address and a length, in the device's byte order, which is little-endian.
fn write_descriptor(into: &mut [u8], segment: DmaRange) {
    let (start, len) = (
        segment.start().get().to_le_bytes(),
        segment.len_bytes().to_le_bytes(),
    );
    let both = start.into_iter().chain(len);
    into.iter_mut().zip(both).for_each(|(to, from)| *to = from);
}

/// What a device finds in a descriptor.
fn read_descriptor(engine: &mut dyn Engine, descriptor: DmaRange) -> Result<DmaRange, Stop> {
    let at = descriptor.start();
    let mut both = [0; 16];
    engine
        .read(at, &mut both)
        .map_err(|_| Failure::BusFault { at })?;
    let number = |bytes: &[u8]| {
        let digits = bytes.iter().rev();
        digits.fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte))
    };
    let (start, len) = both.split_at(8);
    Ok(DmaRange::new(DmaAddr::new(number(start)), number(len))?)
}
