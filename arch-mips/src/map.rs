//! KSEG0 and KSEG1: the first 512 MiB of memory, cached and uncached, at fixed addresses without a TLB.
//!
//! MIPS32 Architecture for Programmers, volume III, "Virtual Memory". Whether KSEG0 is cached is Config.K0's choice;
//! firmware or the board's start-up code sets it.
#![expect(unsafe_code, reason = "that memory may be used is the board's promise")]

use core::ptr::{self, NonNull};

use dma_api::{PhysRange, Region, UncachedAlias};

use crate::error::Error;

/// Bytes in each of the two segments.
pub const KSEG_LEN: u64 = 512 << 20;

/// Where the CPU sees physical address 0 cached (if Config.K0 says so).
pub const KSEG0: usize = segment(0x8000_0000);

/// Where the CPU sees physical address 0 uncached.
pub const KSEG1: usize = segment(0xa000_0000);

/// The CPU pointer to `memory` in KSEG0.
///
/// # Errors
/// [`Error::BeyondKseg`] unless all of it lies in the first 512 MiB.
pub const fn kseg0(memory: PhysRange) -> Result<NonNull<u8>, Error> {
    pointer(KSEG0, memory)
}

/// The CPU pointer to `memory`, or to the registers that lie there, in KSEG1.
///
/// # Errors
/// As [`kseg0`].
pub const fn kseg1(memory: PhysRange) -> Result<NonNull<u8>, Error> {
    pointer(KSEG1, memory)
}

/// `memory` as a region of the direct map, in KSEG0.
///
/// # Errors
/// As [`kseg0`].
///
/// # Safety
/// `memory` is memory, KSEG0 is cached and it may be accessed there for as long as the value or a copy of it exists.
pub const unsafe fn kseg0_region(memory: PhysRange) -> Result<Region, Error> {
    let cpu = match kseg0(memory) {
        Ok(cpu) => cpu,
        Err(error) => return Err(error),
    };
    // SAFETY: KSEG0 shows the first 512 MiB at once; the rest is the caller's promise.
    match unsafe { Region::new(cpu, memory.start(), len(memory)) } {
        Ok(region) => Ok(region),
        Err(_) => Err(beyond(memory)),
    }
}

/// `memory` through KSEG1 as coherent memory, for what the machine allocates in KSEG0.
///
/// # Errors
/// As [`kseg0`].
///
/// # Safety
/// `memory` is memory, and may be accessed in both segments for as long as the value exists. (The architecture lets
/// the two stand side by side if the lines leave the cache before the uncached address is used; the cached one is not
/// used meanwhile.)
pub const unsafe fn kseg1_alias(memory: PhysRange) -> Result<UncachedAlias, Error> {
    // SAFETY: passed on to the caller.
    match (unsafe { kseg0_region(memory) }, kseg1(memory)) {
        (Ok(cached), Ok(uncached)) => {
            // SAFETY: both segments show the first 512 MiB; the rest is the caller's promise.
            Ok(unsafe { UncachedAlias::new(cached, uncached) })
        }
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

/// A 32-bit address as the CPU has it: a 64-bit one extends its sign.
const fn segment(base: u32) -> usize {
    (base.cast_signed() as isize).cast_unsigned()
}

const fn pointer(segment: usize, memory: PhysRange) -> Result<NonNull<u8>, Error> {
    if memory.last().get() >= KSEG_LEN {
        return Err(beyond(memory));
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it was just compared with 512 MiB"
    )]
    let offset = memory.start().get() as usize;
    match NonNull::new(ptr::with_exposed_provenance_mut(segment | offset)) {
        Some(pointer) => Ok(pointer),
        None => Err(beyond(memory)),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "it is used where all of the memory lies in the first 512 MiB"
)]
const fn len(memory: PhysRange) -> usize {
    memory.len_bytes() as usize
}

const fn beyond(memory: PhysRange) -> Error {
    Error::BeyondKseg {
        first: memory.start().get(),
        last: memory.last().get(),
    }
}

#[cfg(test)]
mod tests {
    use dma_api::PhysAddr;

    use super::*;

    fn phys(start: u64, len: u64) -> PhysRange {
        PhysRange::new(PhysAddr::new(start), len).unwrap()
    }

    #[test]
    fn the_segments_are_at_the_top_of_a_64_bit_address_space() {
        if usize::BITS == 64 {
            assert_eq!(KSEG0 as u64, 0xffff_ffff_8000_0000);
            assert_eq!(KSEG1 as u64, 0xffff_ffff_a000_0000);
        } else {
            assert_eq!((KSEG0 as u64, KSEG1 as u64), (0x8000_0000, 0xa000_0000));
        }
    }

    #[test]
    fn both_segments_begin_with_physical_address_0() {
        let memory = phys(0, 0x1000);
        assert_eq!(kseg0(memory).unwrap().addr().get(), KSEG0);
        assert_eq!(kseg1(memory).unwrap().addr().get(), KSEG1);

        let memory = phys(0x1fff_f000, 0x1000);
        assert_eq!(kseg0(memory).unwrap().addr().get(), KSEG0 + 0x1fff_f000);
        assert_eq!(kseg1(memory).unwrap().addr().get(), KSEG1 + 0x1fff_f000);
    }

    #[test]
    fn a_region_is_all_of_its_memory() {
        let memory = phys(0x1000, 0x3000);
        // SAFETY: nothing accesses the memory.
        let region = unsafe { kseg0_region(memory) }.unwrap();

        assert_eq!(
            (region.cpu(), region.phys()),
            (kseg0(memory).unwrap(), memory)
        );
    }

    #[test]
    fn they_end_after_512_mib() {
        for memory in [
            phys(0x1fff_f000, 0x1001),
            phys(KSEG_LEN, 1),
            phys(u64::MAX, 1),
        ] {
            assert_eq!(kseg0(memory), Err(beyond(memory)));
            assert_eq!(kseg1(memory), Err(beyond(memory)));
            // SAFETY: no value is made.
            let region = unsafe { kseg0_region(memory) };
            assert_eq!(region.map(|_| ()), Err(beyond(memory)));
            // SAFETY: as above.
            let alias = unsafe { kseg1_alias(memory) };
            assert_eq!(alias.map(|_| ()), Err(beyond(memory)));
        }
    }
}
