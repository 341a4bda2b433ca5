//! What a program and its devices do to a machine, step by step, and what the hardware does in between.

use std::{fmt, ops::Range};

use dma_api::DataDirection;

use crate::layout::{CacheId, Mapping};

/// An operation on lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Write dirty lines back.
    Clean,
    /// Discard lines.
    Invalidate,
    /// Write dirty lines back, then discard them.
    CleanAndInvalidate,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clean => "clean",
            Self::Invalidate => "invalidate",
            Self::CleanAndInvalidate => "clean and invalidate",
        })
    }
}

/// Which levels an operation maintains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// All, as far as memory.
    Memory,
    /// The one with this number, 0 for the inner.
    Level(usize),
}

/// A device's way to memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// Past the caches.
    Memory,
    /// Through them: the device snoops.
    Caches,
}

/// What a device does at an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Reads so many bytes.
    Read {
        /// Offset into memory.
        at: usize,
        /// How many.
        len: usize,
    },
    /// Writes bytes.
    Write {
        /// Offset into memory.
        at: usize,
        /// What.
        bytes: Vec<u8>,
    },
}

/// Whose bytes are, as the program says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// Nobody's that the library knows of: free, or the business of the program alone.
    Nobody,
    /// Handed out by an allocator, and nothing more is known: what the program does with them is its business.
    Program,
    /// A buffer's, with which the CPU may do what it likes.
    Cpu,
    /// Lent to a device.
    Device(DataDirection),
    /// Used by both at once.
    Both,
    /// An entry's of a ring in cached memory, which the device may use at any time, and the CPU in turn.
    Ring(DataDirection),
    /// Nobody's until the device is known to be quiet.
    Quarantine,
    /// Nobody's: the rest of a lent buffer's last granule.
    Padding,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody => "nobody",
            Self::Program => "whoever allocated them",
            Self::Cpu => "the CPU",
            Self::Device(DataDirection::ToDevice) => "the device, to read",
            Self::Device(DataDirection::FromDevice) => "the device, to write",
            Self::Device(DataDirection::Bidirectional) => "the device, to read and write",
            Self::Both => "CPU and device",
            Self::Ring(DataDirection::ToDevice) => "a ring that the CPU writes",
            Self::Ring(DataDirection::FromDevice) => "a ring that the device writes",
            Self::Ring(DataDirection::Bidirectional) => "a ring that both write",
            Self::Quarantine => "quarantine",
            Self::Padding => "the rest of a lent granule",
        })
    }
}

/// What happens to a ring, or to an entry of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Turn {
    /// Memory that was lent in this direction is a ring from now on.
    Opened(DataDirection),
    /// The CPU is about to store to an entry.
    Putting,
    /// What it stored there is the device's to see.
    Put,
    /// The CPU is about to look at an entry.
    Looking,
    /// It copies the entry, to see whether the device is done with it.
    Looked,
    /// It copies an entry that the device is done with.
    Fetched,
}

/// One step of the program or of a device. Offsets are in bytes from the start of memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The CPU stores.
    Store {
        /// By which mapping.
        mapping: Mapping,
        /// Where.
        at: usize,
        /// What.
        bytes: Vec<u8>,
    },
    /// The CPU loads.
    Load {
        /// By which mapping.
        mapping: Mapping,
        /// Where.
        at: usize,
        /// How much.
        len: usize,
    },
    /// The CPU copies.
    Copy {
        /// By which mapping.
        mapping: Mapping,
        /// From where.
        from: usize,
        /// To where.
        to: usize,
        /// How much.
        len: usize,
    },
    /// An operation is issued for the lines that hold a byte of the range.
    Issue {
        /// Which.
        operation: Operation,
        /// How far.
        reach: Reach,
        /// By which mapping.
        mapping: Mapping,
        /// First byte.
        at: usize,
        /// Bytes.
        len: usize,
    },
    /// The program waits for what it issued.
    Complete(Reach),
    /// The barrier before a doorbell.
    BeforeDoorbell,
    /// The barrier after a completion.
    AfterCompletion,
    /// Memory was handed out by an allocator, all zero.
    Allocate {
        /// First byte.
        at: usize,
        /// Bytes.
        len: usize,
    },
    /// The program uses memory that is its own from now on: a new buffer's, or memory it has lent before.
    Use {
        /// By which mapping.
        mapping: Mapping,
        /// First byte.
        at: usize,
        /// Bytes.
        len: usize,
    },
    /// The program uses memory no more; it goes back to whom it came from.
    Release {
        /// First byte.
        at: usize,
        /// Bytes.
        len: usize,
    },
    /// Memory was given back to its allocator.
    Free {
        /// First byte.
        at: usize,
        /// Bytes.
        len: usize,
    },
    /// The program touches memory no more: it is about to be lent.
    Yield {
        /// First byte.
        at: usize,
        /// Bytes.
        len: usize,
    },
    /// Memory was lent.
    HandOver {
        /// First byte.
        at: usize,
        /// Bytes the device may use.
        len: usize,
        /// Bytes up to the end of the last granule.
        whole: usize,
        /// In which direction.
        direction: DataDirection,
        /// Whether the device sees memory past the caches.
        route: Route,
    },
    /// Memory was taken back.
    HandBack {
        /// First byte.
        at: usize,
        /// Bytes.
        len: usize,
    },
    /// Memory is used by both sides from now on.
    Publish {
        /// First byte.
        at: usize,
        /// Bytes.
        len: usize,
    },
    /// The program uses a ring.
    Ring {
        /// How.
        turn: Turn,
        /// First byte of the ring, or of the entry.
        at: usize,
        /// Bytes.
        len: usize,
    },
    /// Memory that a device may still be using has no handle any more.
    Quarantine {
        /// First byte.
        at: usize,
        /// Bytes the device may use.
        len: usize,
        /// Bytes up to the end of the last granule.
        whole: usize,
    },
    /// A store to a device's register starts it.
    Doorbell,
    /// A device does this now.
    Device {
        /// Its way to memory.
        route: Route,
        /// What it does.
        access: Access,
        /// Whether it keeps to what it was lent.
        honest: bool,
    },
    /// A device is told to do these things in order, some time from now on.
    Start {
        /// The number by which it is waited for.
        job: usize,
        /// Its way to memory.
        route: Route,
        /// What it does.
        accesses: Vec<Access>,
        /// Whether it keeps to what it was lent.
        honest: bool,
    },
    /// The program sees that the device has finished a job.
    Wait {
        /// Its number.
        job: usize,
    },
    /// Everything devices have written arrives.
    Settle,
    /// The end: everything in flight arrives and all dirty lines are written back.
    Finish,
}

/// What the hardware does of its own accord between two steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Move {
    /// The oldest store of a core leaves its store buffer; `around`: past a cache that does not hold the line.
    Drain {
        /// Which core's.
        core: usize,
        /// Whether past the cache.
        around: bool,
    },
    /// An issued operation takes effect on its line.
    Execute {
        /// Its place among the issued.
        index: usize,
        /// Whether as clean and invalidate.
        upgraded: bool,
        /// Whether on the whole granule.
        whole: bool,
        /// Whether a cleaned line is left marked as dirty.
        rogue: bool,
    },
    /// A granule is read from the next level, unless a line of it is dirty.
    Fill {
        /// Into which cache.
        cache: CacheId,
        /// A line of it.
        line: usize,
    },
    /// A granule leaves a cache, written back if a line of it is dirty; `allocate`: into the next level.
    Evict {
        /// From which cache.
        cache: CacheId,
        /// A line of it.
        line: usize,
        /// Whether the next level takes it in.
        allocate: bool,
    },
    /// A dirty granule is written back and stays.
    WriteBack {
        /// From which cache.
        cache: CacheId,
        /// A line of it.
        line: usize,
        /// Whether the next level takes it in.
        allocate: bool,
    },
    /// The CPU stores to a line what it holds already.
    SilentStore {
        /// Which line.
        line: usize,
    },
    /// A device's write under way arrives.
    Land {
        /// Its place among those under way.
        index: usize,
    },
    /// A device that was started does the next thing of a job.
    Access {
        /// Its place among the jobs.
        index: usize,
    },
    /// The thread is moved to another core.
    Migrate {
        /// Which.
        core: usize,
    },
}

/// The bytes of a step that is about some.
impl Step {
    pub(crate) fn bytes(&self) -> Option<Range<usize>> {
        match *self {
            Self::Store { at, ref bytes, .. } => Some(at..at + bytes.len()),
            Self::Copy { to: at, len, .. }
            | Self::Load { at, len, .. }
            | Self::Issue { at, len, .. }
            | Self::Allocate { at, len }
            | Self::Free { at, len }
            | Self::Use { at, len, .. }
            | Self::Release { at, len }
            | Self::Yield { at, len }
            | Self::HandOver { at, len, .. }
            | Self::HandBack { at, len }
            | Self::Publish { at, len }
            | Self::Ring { at, len, .. }
            | Self::Quarantine { at, len, .. } => Some(at..at + len),
            Self::Device { ref access, .. } => Some(access.range()),
            _ => None,
        }
    }
}

impl Access {
    /// The bytes it is about.
    pub(crate) fn range(&self) -> Range<usize> {
        match self {
            Self::Read { at, len } => *at..at + len,
            Self::Write { at, bytes } => *at..at + bytes.len(),
        }
    }
}
