//! What the image can ask of the monitor, if the board has one: the numbers that both sides know, and the image's side.
//!
//! A call is four words, of which the first says which one; the answer is two, of which the first is [`DONE`] or
//! [`REFUSED`].

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

use super::board;

/// Begin: the seed, and for how many milliseconds the image may run without a call or a trap. From here on it must see
/// the cache in place of the window.
pub(crate) const START: usize = 1;

/// The value of the counter whose [`Count`] is the second word.
pub(crate) const COUNT: usize = 2;

/// Read as a device does: address, number of bytes, and where the image wants them, outside the window.
pub(crate) const READ: usize = 3;

/// Write as a device does: address, number of bytes, and where the image has them, outside the window.
pub(crate) const WRITE: usize = 4;

/// The call was carried out; what it has to say is the second word.
pub(crate) const DONE: usize = 0;

/// It was not: there is no such call, no such counter, or no memory there.
pub(crate) const REFUSED: usize = 1;

/// What the monitor answers.
pub(crate) type Answer = [usize; 2];

/// How many bytes the image reads or writes in one call.
const BURST: usize = 256;

/// What the monitor counts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Count {
    Cleans,
    Invalidates,
    CleansAndInvalidates,
    Evictions,
    Refills,
    Ticks,
}

/// What the monitor has counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    /// Operations of the image that trapped.
    pub(crate) cleans: usize,
    pub(crate) invalidates: usize,
    pub(crate) cleans_and_invalidates: usize,
    /// Dirty lines that were written back unasked.
    pub(crate) evictions: usize,
    /// Lines that were filled unasked, with something else than they held.
    pub(crate) refills: usize,
    /// Interrupts of the monitor's timer.
    pub(crate) ticks: usize,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cleans={} invalidates={} cleans_and_invalidates={} evictions={} refills={} ticks={}",
            self.cleans,
            self.invalidates,
            self.cleans_and_invalidates,
            self.evictions,
            self.refills,
            self.ticks
        )
    }
}

/// There is no privilege level above the image, or nothing there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoMonitor;

impl fmt::Display for NoMonitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`seed=` needs a monitor above the image, and there is none")
    }
}

/// The address is no memory that a device reaches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unreachable;

/// How the monitor is to behave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// What the adversary's choices begin with.
    pub(crate) seed: usize,
    /// How long the image may run without maintaining or asking for anything: a driver whose device never answers would
    /// run for ever.
    pub(crate) patience_millis: usize,
}

/// Whether [`start`] was done.
static STARTED: AtomicBool = AtomicBool::new(false);

/// Has the monitor begin. What follows must be [`board::shadow_window`].
///
/// # Errors
///
/// [`NoMonitor`].
pub(crate) fn start(start: Start) -> Result<(), NoMonitor> {
    let call = [START, start.seed, start.patience_millis, 0];
    let [status, _] = board::hypercall(call);
    if status != DONE {
        return Err(NoMonitor);
    }
    STARTED.store(true, Ordering::Relaxed);
    Ok(())
}

/// Whether [`start`] was done: devices do not see what the caches hold.
pub(crate) fn is_started() -> bool {
    STARTED.load(Ordering::Relaxed)
}

/// What the monitor has counted, if it has begun.
pub(crate) fn counts() -> Option<Counts> {
    let count = |which: Count| board::hypercall([COUNT, which as usize, 0, 0])[1];
    is_started().then(|| Counts {
        cleans: count(Count::Cleans),
        invalidates: count(Count::Invalidates),
        cleans_and_invalidates: count(Count::CleansAndInvalidates),
        evictions: count(Count::Evictions),
        refills: count(Count::Refills),
        ticks: count(Count::Ticks),
    })
}

/// Reads memory as a device does, whatever the caches hold.
///
/// # Errors
///
/// [`Unreachable`]; then some of the bytes may have been read.
pub(crate) fn dma_read(dma_addr: u64, into: &mut [u8]) -> Result<(), Unreachable> {
    let mut address = usize::try_from(dma_addr).map_err(|_| Unreachable)?;
    for part in into.chunks_mut(BURST) {
        // On the stack, which the monitor sees as the image does.
        let mut burst = [0; BURST];
        let place = burst.as_mut_ptr().expose_provenance();
        let [status, _] = board::hypercall([READ, address, part.len(), place]);
        if status != DONE {
            return Err(Unreachable);
        }
        part.copy_from_slice(&burst[..part.len()]);
        address = address.wrapping_add(part.len());
    }
    Ok(())
}

/// Writes memory as a device does, whatever the caches hold.
///
/// # Errors
///
/// [`Unreachable`]; then some of the bytes may have been written.
pub(crate) fn dma_write(dma_addr: u64, bytes: &[u8]) -> Result<(), Unreachable> {
    let mut address = usize::try_from(dma_addr).map_err(|_| Unreachable)?;
    for part in bytes.chunks(BURST) {
        // As above.
        let mut burst = [0; BURST];
        burst[..part.len()].copy_from_slice(part);
        let place = burst.as_ptr().expose_provenance();
        let [status, _] = board::hypercall([WRITE, address, part.len(), place]);
        if status != DONE {
            return Err(Unreachable);
        }
        address = address.wrapping_add(part.len());
    }
    Ok(())
}
