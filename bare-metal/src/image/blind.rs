//! That the monitor does what it is there for: devices see memory, the CPU sees the cache, maintenance moves lines between
//! the two.
#![expect(
    unsafe_code,
    reason = "the CPU accesses a buffer that a device owns, to see what that does"
)]

use core::ptr::NonNull;

use conformance::{Failure, equal};
use dma_api::{Bidirectional, Device, DmaSync, Limits, LineRange, Machine, Snooping};

use super::calls::{self, Unreachable};

/// The lines that are looked at, and bytes in each.
const LINES: usize = 64;
const LINE: usize = 64;

/// Both owners' views of the first byte of each line, with maintenance and without.
///
/// # Errors
///
/// What one of them sees and should not.
pub(crate) fn devices_see_what_was_cleaned<M: Machine + Clone>(machine: M) -> Result<(), Failure> {
    let device = Device::new(machine, Limits::UNLIMITED, Snooping::DoesNotSnoop)?;
    let machine = device.machine();
    let mut buffer = device.allocate::<Bidirectional>(LINES * LINE)?;
    buffer.as_mut_slice().fill(0x11);
    let lent = buffer.sync_for_device();
    let dma = lent.dma_addr().get();
    let phys = machine.bus().to_phys(lent.segment())?;
    let memory = machine.direct_map().to_cpu(phys)?;

    equal("lines a device sees", seen(dma, 0x11)?, LINES as u64)?;
    // What nobody may do who wants to keep his data.
    for line in 0..LINES {
        // SAFETY: the buffer's memory, which no device knows of.
        unsafe { byte(memory, line).write_volatile(0x22) };
    }
    at_least_one(
        "stores a device does not see",
        LINES as u64 - seen(dma, 0x22)?,
    )?;

    // SAFETY: the buffer's memory is mapped and contiguous.
    let lines = unsafe { LineRange::new(memory, phys.start()) }?;
    machine.sync().clean(lines);
    machine.sync().complete();
    equal(
        "cleaned lines a device sees",
        seen(dma, 0x22)?,
        LINES as u64,
    )?;

    for line in 0..LINES {
        calls::dma_write(dma + (line * LINE) as u64, &[0x33]).map_err(no_memory)?;
    }
    let mut stale = 0;
    for line in 0..LINES {
        // SAFETY: as above.
        let found = unsafe { byte(memory, line).read_volatile() };
        stale += u64::from(found == 0x22);
    }
    at_least_one("stores of a device the CPU does not see", stale)?;

    // SAFETY: the device is the monitor, which has finished.
    let buffer = unsafe { lent.sync_for_cpu() };
    let fresh = buffer.as_slice().iter().step_by(LINE);
    let fresh = fresh.filter(|byte| **byte == 0x33).count();
    equal("lines of a device the CPU sees", fresh as u64, LINES as u64)?;
    match calls::dma_read(0, &mut [0]) {
        Err(Unreachable) => Ok(()),
        Ok(()) => at_least_one("refusals of an address without memory", 0),
    }
}

/// How many lines a device sees begin with `value`.
fn seen(dma: u64, value: u8) -> Result<u64, Failure> {
    let mut count = 0;
    for line in 0..LINES {
        let mut found = [0];
        calls::dma_read(dma + (line * LINE) as u64, &mut found).map_err(no_memory)?;
        count += u64::from(found == [value]);
    }
    Ok(count)
}

fn byte(memory: NonNull<[u8]>, line: usize) -> *mut u8 {
    memory.cast::<u8>().as_ptr().wrapping_add(line * LINE)
}

fn at_least_one(what: &'static str, found: u64) -> Result<(), Failure> {
    match found {
        0 => equal(what, 0, 1),
        _ => Ok(()),
    }
}

fn no_memory(_: Unreachable) -> Failure {
    Failure::Differs {
        what: "addresses of a buffer that the monitor reaches",
        found: 0,
        expected: 1,
    }
}
