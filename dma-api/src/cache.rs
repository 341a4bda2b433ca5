//! Lines and granules, and the ranges of bytes that maintenance is asked for.
#![expect(unsafe_code, reason = "a range promises that its memory is mapped")]

use core::{marker::PhantomData, num::NonZeroUsize, ptr::NonNull};

use crate::{
    addr::{PhysAddr, PhysRange},
    error::{Error, known},
    limits::Alignment,
};

/// The two sizes of a machine's caches that matter for DMA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    line: NonZeroUsize,
    /// Invariant: both are powers of two and `granule >= line`.
    granule: NonZeroUsize,
}

impl Geometry {
    /// Every byte is a line of its own: caches that need no maintenance, because all devices snoop or there is none.
    pub const BYTE: Self = known(Self::new(1, 1));

    /// The geometry of a machine's caches.
    ///
    /// * `line`: bytes the maintenance loop steps by, the *smallest* line of any cache level and core;
    /// * `granule`: bytes one write-back can touch, the *largest* of any level and core. Memory that a device
    ///   writes must own whole granules.
    ///
    /// # Errors
    /// [`Error::NotPowerOfTwo`] (0 is none); [`Error::GranuleBelowLine`].
    pub const fn new(line: usize, granule: usize) -> Result<Self, Error> {
        let (Some(line_size), Some(granule_size)) = (power(line), power(granule)) else {
            let wrong = if line.is_power_of_two() {
                granule
            } else {
                line
            };
            return Err(Error::NotPowerOfTwo {
                value: wrong as u64,
            });
        };
        if granule < line {
            return Err(Error::GranuleBelowLine { line, granule });
        }
        Ok(Self {
            line: line_size,
            granule: granule_size,
        })
    }

    /// The smallest line, in bytes.
    #[must_use]
    pub const fn line(self) -> usize {
        self.line.get()
    }

    /// The largest write-back granule, in bytes.
    #[must_use]
    pub const fn granule(self) -> usize {
        self.granule.get()
    }

    /// The granule as an alignment of addresses.
    #[must_use]
    pub fn granule_alignment(self) -> Alignment {
        // A `usize` that is a power of two is a `u64` that is one; the fallback is never taken.
        Alignment::new(self.granule.get() as u64).unwrap_or(Alignment::ONE)
    }

    /// What holds for two levels together: the smaller line, the larger granule.
    #[must_use]
    pub const fn join(self, other: Self) -> Self {
        let line = if self.line() <= other.line() {
            self.line
        } else {
            other.line
        };
        let larger = self.granule() >= other.granule();
        Self {
            line,
            granule: if larger { self.granule } else { other.granule },
        }
    }
}

const fn power(bytes: usize) -> Option<NonZeroUsize> {
    if bytes.is_power_of_two() {
        NonZeroUsize::new(bytes)
    } else {
        None
    }
}

/// Bytes whose lines are to be maintained: where the CPU sees them and what their physical address is.
///
/// The bytes need not start or end on a line. [`pointers`](Self::pointers) and
/// [`physical`](Self::physical) give every line that holds one of them, each once, in ascending order:
/// rounding is decided here and an architecture's loop only executes.
#[derive(Clone, Copy, Debug)]
pub struct LineRange<'a> {
    /// Invariant: `len` bytes from here are mapped memory and do not wrap around the address space.
    start: NonNull<u8>,
    /// Invariant: `len` bytes long.
    phys: PhysRange,
    /// Invariant: at least 1.
    len: usize,
    memory: PhantomData<&'a ()>,
}

impl LineRange<'_> {
    /// The bytes of `memory`, whose first has the physical address `phys`.
    ///
    /// # Errors
    /// [`Error::ZeroLength`]: no line holds no byte. [`Error::RangeWraps`] for the CPU's or the physical addresses.
    ///
    /// # Safety
    /// While the value lives, `memory` is mapped and physically contiguous from `phys` on.
    pub unsafe fn new(memory: NonNull<[u8]>, phys: PhysAddr) -> Result<Self, Error> {
        let len = NonZeroUsize::new(memory.len()).ok_or(Error::ZeroLength)?;
        let start = memory.cast::<u8>();
        let steps = len.get().saturating_sub(1);
        if start.addr().get().checked_add(steps).is_none() {
            let (start, len) = (start.addr().get() as u64, len.get() as u64);
            return Err(Error::RangeWraps { start, len });
        }
        let phys = PhysRange::new(phys, len.get() as u64)?;
        // SAFETY: the caller's promise, and the lengths were just checked.
        Ok(unsafe { Self::new_unchecked(start, phys) })
    }

    /// The same where the checks were made when the buffer was: the bytes of `phys`, which the CPU sees from `start` on.
    ///
    /// # Safety
    /// As [`new`](Self::new); and `phys` is no longer than a `usize` can say.
    pub(crate) const unsafe fn new_unchecked(start: NonNull<u8>, phys: PhysRange) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the caller's promise")]
        let len = phys.len_bytes() as usize;
        Self {
            start,
            phys,
            len,
            memory: PhantomData,
        }
    }

    /// CPU pointer to the first byte.
    #[must_use]
    pub const fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Number of bytes, before any rounding.
    #[must_use]
    pub const fn len_bytes(&self) -> usize {
        self.len
    }

    /// The physical addresses of the bytes.
    #[must_use]
    pub const fn phys(&self) -> PhysRange {
        self.phys
    }

    /// For caches maintained by CPU address: a pointer to the start of each line.
    ///
    /// The pointers derive from the buffer's own; those of the first and last line may point outside the buffer.
    pub fn pointers(&self, geometry: Geometry) -> impl Iterator<Item = *mut u8> + use<> {
        let line = geometry.line();
        let (start, within) = (self.start.as_ptr(), line.wrapping_sub(1));
        let end = start.wrapping_add(self.len.wrapping_sub(1));
        let mut next = start.wrapping_sub(start.addr() & within);
        let last = end.wrapping_sub(end.addr() & within);
        let mut done = false;
        core::iter::from_fn(move || {
            if done {
                return None;
            }
            let this = next;
            done = this.addr() == last.addr();
            next = next.wrapping_add(line);
            Some(this)
        })
    }

    /// For caches maintained by physical address: the address of the start of each line.
    pub fn physical(&self, geometry: Geometry) -> impl Iterator<Item = PhysAddr> + use<> {
        let line = geometry.line() as u64;
        let mask = !line.wrapping_sub(1);
        let (mut next, last) = (
            self.phys.start().get() & mask,
            self.phys.last().get() & mask,
        );
        let mut done = false;
        core::iter::from_fn(move || {
            if done {
                return None;
            }
            let this = next;
            done = this == last;
            next = next.wrapping_add(line);
            Some(PhysAddr::new(this))
        })
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{vec, vec::Vec};

    use super::*;

    #[repr(align(64))]
    struct Memory([u8; 640]);

    #[test]
    fn every_line_that_holds_a_byte_is_named_once_and_no_other() {
        let mut memory = Memory([0; 640]);
        let base = NonNull::from(&mut memory.0).cast::<u8>();
        for line in [1, 2, 4, 16, 32, 64] {
            let geometry = Geometry::new(line, 64).unwrap();
            for start in 0..2 * 64 {
                for len in 1..5 * 64 {
                    // SAFETY: `start + len` is at most 447, inside the 640 bytes.
                    let first = unsafe { base.add(start) };
                    let bytes = NonNull::slice_from_raw_parts(first, len);
                    // SAFETY: the bytes are mapped; their physical address is whatever the test says.
                    let range =
                        unsafe { LineRange::new(bytes, PhysAddr::new(0x1000 + start as u64)) }
                            .unwrap();

                    let expected: Vec<usize> = (0..640 / line)
                        .filter(|n| n * line < start + len && (n + 1) * line > start)
                        .map(|n| n * line)
                        .collect();
                    let by_pointer: Vec<usize> = range
                        .pointers(geometry)
                        .map(|p| p.addr() - base.addr().get())
                        .collect();
                    let by_address: Vec<usize> = range
                        .physical(geometry)
                        .map(|p| usize::try_from(p.get()).unwrap() - 0x1000)
                        .collect();
                    assert_eq!(by_pointer, expected, "start {start} len {len} line {line}");
                    assert_eq!(by_address, expected, "start {start} len {len} line {line}");
                }
            }
        }
    }

    #[test]
    fn lines_at_the_end_of_the_address_space_do_not_wrap() {
        let by_pointer = |start: usize, len| {
            let start = NonNull::new(core::ptr::without_provenance_mut::<u8>(start)).unwrap();
            let bytes = NonNull::slice_from_raw_parts(start, len);
            // SAFETY: no byte is touched.
            let range = unsafe { LineRange::new(bytes, PhysAddr::new(0)) }.unwrap();
            range
                .pointers(Geometry::new(64, 64).unwrap())
                .map(|line| usize::MAX - line.addr())
                .collect::<Vec<_>>()
        };
        assert_eq!(by_pointer(usize::MAX - 63, 64), [63]);
        assert_eq!(by_pointer(usize::MAX, 1), [63]);
        assert_eq!(by_pointer(usize::MAX - 64, 65), [127, 63]);
        let last = NonNull::new(core::ptr::without_provenance_mut::<u8>(usize::MAX)).unwrap();
        let two = NonNull::slice_from_raw_parts(last, 2);
        // SAFETY: no byte is touched.
        let wraps = unsafe { LineRange::new(two, PhysAddr::new(0)) };
        let (start, len) = (usize::MAX as u64, 2);
        assert_eq!(wraps.map(|_| ()), Err(Error::RangeWraps { start, len }));

        let mut byte = [0_u8; 2];
        let memory = NonNull::from(&mut byte[..]);
        // SAFETY: the bytes are mapped; their physical address is whatever the test says.
        let range = unsafe { LineRange::new(memory, PhysAddr::new(u64::MAX - 1)) }.unwrap();
        assert_eq!(
            range
                .physical(Geometry::new(64, 64).unwrap())
                .collect::<Vec<_>>(),
            vec![PhysAddr::new(u64::MAX - 63)]
        );

        // SAFETY: as above.
        let wraps = unsafe { LineRange::new(memory, PhysAddr::new(u64::MAX)) };
        assert_eq!(
            wraps.map(|_| ()),
            Err(Error::RangeWraps {
                start: u64::MAX,
                len: 2
            })
        );
    }

    #[test]
    fn no_byte_makes_no_range() {
        let memory = NonNull::slice_from_raw_parts(NonNull::<u8>::dangling(), 0);
        // SAFETY: no byte is touched.
        let range = unsafe { LineRange::new(memory, PhysAddr::new(0)) };
        assert_eq!(range.map(|_| ()), Err(Error::ZeroLength));
    }

    #[test]
    fn a_geometry_is_two_powers_of_two_and_the_granule_is_the_larger() {
        assert_eq!(Geometry::new(0, 64), Err(Error::NotPowerOfTwo { value: 0 }));
        assert_eq!(
            Geometry::new(64, 96),
            Err(Error::NotPowerOfTwo { value: 96 })
        );
        let below = Error::GranuleBelowLine {
            line: 64,
            granule: 32,
        };
        assert_eq!(Geometry::new(64, 32), Err(below));

        let both = Geometry::new(32, 64)
            .unwrap()
            .join(Geometry::new(64, 64).unwrap());
        assert_eq!(both, Geometry::new(32, 64).unwrap());
        let both = Geometry::new(32, 32)
            .unwrap()
            .join(Geometry::new(64, 128).unwrap());
        assert_eq!(both, Geometry::new(32, 128).unwrap());
    }
}
