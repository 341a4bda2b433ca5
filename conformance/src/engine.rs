//! Another observer of memory, where there is one: it sees what devices see, and writes as they do.

use core::fmt;

use dma_api::{DmaAddr, DmaRange};

use crate::report::{Failure, Run, Stop, same_byte};

/// A way to make something other than the program's own loads and stores read and write memory by DMA address: a real
/// DMA engine, an emulator's or a monitor's call, or an uncached alias of all memory.
///
/// It snoops if the device does that [`run_with`](crate::run_with) is called for, and only then. It does nothing between
/// two calls but finish what it was asked to write.
///
/// ```
/// use conformance::{BusFault, Engine};
/// use dma_api::{DmaAddr, PhysAddr, PhysRange, pointer_at_offset};
///
/// /// All memory once more at this distance from its DMA addresses, uncached: what devices that do not snoop see.
/// struct Alias(usize);
///
/// impl Alias {
///     fn pointer(&self, start: DmaAddr, len: usize) -> Result<*mut u8, BusFault> {
///         let range = PhysRange::new(PhysAddr::new(start.get()), len as u64);
///         let first = range.and_then(|range| pointer_at_offset(range, self.0));
///         Ok(first.map_err(|_| BusFault)?.as_ptr())
///     }
/// }
///
/// impl Engine for Alias {
///     fn read(&mut self, from: DmaAddr, into: &mut [u8]) -> Result<(), BusFault> {
///         let first = self.pointer(from, into.len())?;
///         for (index, byte) in into.iter_mut().enumerate() {
///             // SAFETY: the suite names memory of its own, which the alias maps.
///             *byte = unsafe { first.add(index).read_volatile() };
///         }
///         Ok(())
///     }
///     fn write(&mut self, to: DmaAddr, bytes: &[u8]) -> Result<(), BusFault> {
///         let first = self.pointer(to, bytes.len())?;
///         for (index, byte) in bytes.iter().enumerate() {
///             // SAFETY: as above.
///             unsafe { first.add(index).write_volatile(*byte) };
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait Engine {
    /// Reads `into.len()` bytes from `from` on, as they are now.
    ///
    /// # Errors
    /// [`BusFault`] if an address is not the bus's.
    fn read(&mut self, from: DmaAddr, into: &mut [u8]) -> Result<(), BusFault>;

    /// Writes `bytes` from `to` on. They may arrive later, in this order: at the barrier after the completion at the latest.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn write(&mut self, to: DmaAddr, bytes: &[u8]) -> Result<(), BusFault>;

    /// Returns when all that was written has arrived, as it does in the end: what a loop that polls memory waits for.
    ///
    /// An engine whose [`write`](Self::write) waits by itself leaves it as it is.
    fn settle(&mut self) {}
}

/// An access that the bus did not carry out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusFault;

impl fmt::Display for BusFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bus fault")
    }
}

impl core::error::Error for BusFault {}

/// Bytes that are read or written in one call.
const BURST: usize = 256;

/// Demands that the engine sees bytes with the value that `expected` gives for their index.
pub(crate) fn seen(
    engine: &mut dyn Engine,
    what: &'static str,
    segment: DmaRange,
    expected: impl Fn(usize) -> u8,
) -> Run {
    look(engine, segment, |offset, byte| {
        same_byte(what, offset, byte, expected(offset))
    })
}

/// Shows `judge` each byte that the engine sees, and its index.
pub(crate) fn look(
    engine: &mut dyn Engine,
    segment: DmaRange,
    judge: impl Fn(usize, u8) -> Run,
) -> Run {
    let mut burst = [0; BURST];
    let mut done = 0;
    for (at, len) in bursts(segment) {
        let part = burst.get_mut(..len).unwrap_or_default();
        engine
            .read(at, part)
            .map_err(|_| Failure::BusFault { at })?;
        for (index, byte) in part.iter().enumerate() {
            judge(index.saturating_add(done), *byte)?;
        }
        done = done.saturating_add(len);
    }
    Ok(())
}

/// Lets the engine write bytes with the value that `value` gives for their index.
pub(crate) fn write(
    engine: &mut dyn Engine,
    segment: DmaRange,
    value: impl Fn(usize) -> u8,
) -> Run {
    let mut burst = [0; BURST];
    let mut done = 0;
    for (at, len) in bursts(segment) {
        let part = burst.get_mut(..len).unwrap_or_default();
        for (index, byte) in part.iter_mut().enumerate() {
            *byte = value(index.saturating_add(done));
        }
        engine
            .write(at, part)
            .map_err(|_| Failure::BusFault { at })?;
        done = done.saturating_add(len);
    }
    Ok(())
}

/// `len` bytes of a segment, from `offset` on.
pub(crate) fn part(segment: DmaRange, offset: usize, len: usize) -> Result<DmaRange, Stop> {
    let start = segment.start().get().saturating_add(offset as u64);
    Ok(DmaRange::new(DmaAddr::new(start), len as u64)?)
}

/// The first address and the length of each burst of a segment.
fn bursts(segment: DmaRange) -> impl Iterator<Item = (DmaAddr, usize)> {
    let (first, last) = (segment.start().get(), segment.last().get());
    (first..=last).step_by(BURST).map(move |at| {
        let left = usize::try_from(last.saturating_sub(at)).unwrap_or(usize::MAX);
        (DmaAddr::new(at), left.saturating_add(1).min(BURST))
    })
}
