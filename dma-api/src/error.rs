//! Every way a request can be refused, each with the numbers that refused it.

use core::fmt;

/// Why something was refused. Nothing was changed by the call that returned it, save that a buffer that comes back with
/// [`OverlongTransfer`](Self::OverlongTransfer) has come back.
///
/// Addresses are in bytes and as the field's name says: `phys` as the CPU's memory bus knows them, `dma` as
/// the device drives them, `cpu` as the CPU's pointers have them. Lengths are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A length or a count is zero; no device transfers nothing.
    ZeroLength,
    /// The range does not end before its address space does.
    RangeWraps {
        /// First address of the range.
        start: u64,
        /// Its length.
        len: u64,
    },
    /// A length that was rounded up to whole lines or alignments does not fit the address space.
    LengthOverflow {
        /// The length as it was asked for.
        len: u64,
        /// What it had to be rounded up to a multiple of.
        multiple: u64,
    },
    /// An alignment, boundary, line or unit that must be a power of two is not.
    NotPowerOfTwo {
        /// The value that was given, in bytes.
        value: u64,
    },
    /// A DMA mask must have 1 to 64 bits.
    MaskBits {
        /// The number of bits that was given.
        bits: u32,
    },
    /// The lowest address of a set of limits is above its highest: no memory can meet them.
    EmptyLimits {
        /// Lowest DMA address allowed.
        lowest: u64,
        /// Highest DMA address allowed.
        highest: u64,
    },
    /// A cache geometry whose granule is smaller than its line.
    GranuleBelowLine {
        /// Line size in bytes.
        line: usize,
        /// Granule size in bytes.
        granule: usize,
    },
    /// A table of windows or regions without an entry.
    NoWindows,
    /// Two windows or regions of a table overlap, or they are not in ascending order of physical address.
    WindowOrder {
        /// Index of the earlier of the two entries.
        first: usize,
        /// Index of the later of the two entries.
        second: usize,
    },
    /// No single window of the bus holds the whole range.
    NotInWindow {
        /// First address of the range (physical or DMA, as the call's argument was).
        first: u64,
        /// Last address of the range.
        last: u64,
    },
    /// No region of the direct map holds the whole range.
    NotInDirectMap {
        /// First address of the range (CPU or physical, as the call's argument was).
        first: u64,
        /// Last address of the range.
        last: u64,
    },
    /// No window of the bus has an address that the device can drive.
    Unreachable {
        /// Lowest DMA address of the device's limits.
        lowest: u64,
        /// Highest DMA address of the device's limits.
        highest: u64,
    },
    /// The range starts below the lowest DMA address allowed.
    BelowLowest {
        /// First DMA address of the range.
        first: u64,
        /// The lowest allowed.
        lowest: u64,
    },
    /// The range ends above the highest DMA address allowed (for a device: its mask).
    AboveHighest {
        /// Last DMA address of the range.
        last: u64,
        /// The highest allowed.
        highest: u64,
    },
    /// An address is not a multiple of the alignment it must have.
    Misaligned {
        /// The address or offset.
        addr: u64,
        /// The alignment it must have, in bytes.
        alignment: u64,
    },
    /// The range crosses a multiple of the boundary.
    CrossesBoundary {
        /// First DMA address of the range.
        first: u64,
        /// Last DMA address of the range.
        last: u64,
        /// The boundary no segment may cross.
        boundary: u64,
    },
    /// One segment is longer than the device accepts.
    SegmentTooLong {
        /// Length of the segment.
        len: u64,
        /// Longest length the device accepts.
        max: u64,
    },
    /// A transfer has more segments than the device accepts.
    TooManySegments {
        /// How many it has.
        segments: usize,
        /// Most segments the device accepts.
        max: u32,
    },
    /// A device that walks memory in pages would find one segment end, or the next begin, inside a page.
    InnerEdge {
        /// The DMA address where it does: of the byte behind one segment, or of the first byte of the next.
        edge: u64,
        /// The page, in bytes.
        page: u64,
    },
    /// A field of the device's descriptors is too narrow for a value, which is not truncated.
    FieldOverflow {
        /// The address or length.
        value: u64,
        /// Bits that the field has.
        bits: u32,
    },
    /// Storage of the caller's has too few places for what a transfer consists of.
    TooManyParts {
        /// Places there are.
        capacity: usize,
    },
    /// The request can never be met by this memory, however much of it is free.
    NeverFits {
        /// Length of the request.
        len: usize,
        /// Bytes the memory has in all.
        capacity: usize,
    },
    /// The request cannot be met now.
    Exhausted {
        /// Length of the request.
        len: usize,
        /// Longest free run, in bytes, wherever it lies.
        largest_free: usize,
    },
    /// The metadata of a pool is too small for the memory it was given.
    PoolTooLarge {
        /// Units the memory has.
        units: usize,
        /// Units the pool can keep account of.
        capacity: usize,
    },
    /// Memory that is to be divided at more limits than a pool keeps account of.
    TooManyZones {
        /// Zones there would be.
        zones: usize,
        /// The most.
        most: usize,
    },
    /// The pool was given its memory already.
    PoolInUse,
    /// The pool has not been given its memory yet.
    NoMemory,
    /// Somebody else is at the pool's books: another CPU, or what an interrupt handler interrupted.
    Busy,
    /// Pages that were to be taken back from the OS, or given back by it, are not lent, or are being taken back already.
    NotLent {
        /// First physical address of the pages.
        phys: u64,
        /// Their length.
        len: u64,
    },
    /// Memory that would meet the request is lent to the OS, which does not give it back now.
    StillLent {
        /// Length of the request.
        len: usize,
        /// How many places were asked for.
        places: usize,
        /// First physical address of the pages that were refused last.
        phys: u64,
    },
    /// The block does not lie in the memory of the allocator it was given back to.
    ForeignBlock {
        /// First physical address of the block.
        phys: u64,
        /// Its length.
        len: usize,
    },
    /// The block is not one that the allocator has handed out: it was freed already, or its start or length differ.
    NotAllocated {
        /// First physical address of the block.
        phys: u64,
        /// Its length.
        len: usize,
    },
    /// An offset and length reach beyond the end of the buffer.
    OutOfBounds {
        /// First byte, counted from the buffer's start.
        offset: usize,
        /// Length of the access.
        len: usize,
        /// Length of the buffer.
        buffer_len: usize,
    },
    /// A device says it wrote more bytes than the buffer has.
    OverlongTransfer {
        /// Bytes the device says it wrote.
        written: usize,
        /// Length of the buffer.
        buffer_len: usize,
    },
    /// A buffer cannot be split here: both parts must be non-empty, and the second must start at a multiple of the
    /// write-back granule and of the device's alignment.
    SplitPoint {
        /// Where the split was asked for, in bytes from the start.
        at: usize,
        /// What it must be a multiple of: the larger of granule and alignment.
        unit: u64,
        /// Length of the buffer.
        len: usize,
    },
    /// Bytes a device would write share a cache line with bytes that are not the buffer's.
    SharedLine {
        /// CPU address of the first byte.
        cpu: usize,
        /// Length of the buffer.
        len: usize,
        /// The write-back granule both ends must be multiples of.
        granule: usize,
    },
    /// The machine's write-back granule, learnt at run time, is larger than the one that a type was made for.
    GranuleAboveAssumed {
        /// The machine's granule.
        granule: usize,
        /// The granule that the type assumes.
        assumed: usize,
    },
    /// The machine's ledger has no free slot for a split buffer.
    LedgerFull {
        /// Slots the ledger has in all.
        slots: usize,
    },
    /// The ledger has no number left for a new device.
    TooManyDevices {
        /// Devices the ledger has given numbers to.
        devices: u32,
    },
    /// The machine has no source of memory that a device and the CPU may use at once.
    NoCoherentMemory,
    /// The machine says at compile time that every device snoops; this one is said not to.
    EverythingSnoops,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ZeroLength => write!(f, "a length or a count is zero"),
            Self::RangeWraps { start, len } => {
                write!(
                    f,
                    "{len} bytes from {start:#x} do not end before the address space"
                )
            }
            Self::LengthOverflow { len, multiple } => {
                write!(
                    f,
                    "{len} bytes cannot be rounded up to a multiple of {multiple}"
                )
            }
            Self::NotPowerOfTwo { value } => write!(f, "{value} is not a power of two"),
            Self::MaskBits { bits } => write!(f, "a DMA mask has 1 to 64 bits, not {bits}"),
            Self::EmptyLimits { lowest, highest } => {
                write!(
                    f,
                    "no address is at least {lowest:#x} and at most {highest:#x}"
                )
            }
            Self::GranuleBelowLine { line, granule } => {
                write!(
                    f,
                    "a granule of {granule} bytes is below the line of {line}"
                )
            }
            Self::NoWindows => write!(f, "the table has no entry"),
            Self::WindowOrder { first, second } => {
                write!(
                    f,
                    "entries {first} and {second} overlap or are out of order"
                )
            }
            Self::NotInWindow { first, last } => {
                write!(f, "no bus window holds {first:#x}..={last:#x}")
            }
            Self::NotInDirectMap { first, last } => {
                write!(f, "the direct map does not hold {first:#x}..={last:#x}")
            }
            Self::Unreachable { lowest, highest } => {
                write!(f, "no bus window reaches into {lowest:#x}..={highest:#x}")
            }
            Self::BelowLowest { first, lowest } => {
                write!(f, "{first:#x} is below the lowest address {lowest:#x}")
            }
            Self::AboveHighest { last, highest } => {
                write!(f, "{last:#x} is above the highest address {highest:#x}")
            }
            Self::Misaligned { addr, alignment } => {
                write!(f, "{addr:#x} is not a multiple of {alignment}")
            }
            Self::CrossesBoundary {
                first,
                last,
                boundary,
            } => {
                write!(
                    f,
                    "{first:#x}..={last:#x} crosses a multiple of {boundary:#x}"
                )
            }
            Self::SegmentTooLong { len, max } => {
                write!(f, "a segment of {len} bytes is longer than {max}")
            }
            Self::TooManySegments { segments, max } => {
                write!(f, "{segments} segments are more than {max}")
            }
            Self::InnerEdge { edge, page } => {
                write!(
                    f,
                    "segments meet at {edge:#x}, which is not a multiple of {page}"
                )
            }
            Self::FieldOverflow { value, bits } => {
                write!(f, "{value:#x} does not fit a field of {bits} bits")
            }
            Self::TooManyParts { capacity } => {
                write!(f, "the transfer has more than {capacity} parts")
            }
            Self::NeverFits { len, capacity } => {
                write!(
                    f,
                    "no place in this memory of {capacity} bytes can hold these {len}"
                )
            }
            Self::Exhausted { len, largest_free } => {
                write!(
                    f,
                    "no room for {len} bytes now; the largest free run has {largest_free}"
                )
            }
            Self::PoolTooLarge { units, capacity } => {
                write!(
                    f,
                    "the memory has {units} units, the pool can account for {capacity}"
                )
            }
            Self::TooManyZones { zones, most } => {
                write!(f, "the memory has {zones} zones, the most are {most}")
            }
            Self::PoolInUse => write!(f, "the pool has its memory already"),
            Self::NoMemory => write!(f, "the pool has no memory yet"),
            Self::Busy => write!(f, "somebody else is at the pool's books"),
            Self::NotLent { phys, len } => {
                write!(f, "{len} bytes at {phys:#x} are not lent")
            }
            Self::StillLent { len, places, phys } => {
                write!(
                    f,
                    "{len} bytes could be had in {places} places that are lent; the last, at {phys:#x}, is in use"
                )
            }
            Self::ForeignBlock { phys, len } => {
                write!(
                    f,
                    "{len} bytes at {phys:#x} are not this allocator's memory"
                )
            }
            Self::NotAllocated { phys, len } => {
                write!(
                    f,
                    "{len} bytes at {phys:#x} are not a block that is handed out"
                )
            }
            Self::OutOfBounds {
                offset,
                len,
                buffer_len,
            } => {
                write!(
                    f,
                    "{len} bytes at offset {offset} reach beyond a buffer of {buffer_len}"
                )
            }
            Self::OverlongTransfer {
                written,
                buffer_len,
            } => {
                write!(
                    f,
                    "the device claims {written} bytes of a buffer of {buffer_len}"
                )
            }
            Self::SplitPoint { at, unit, len } => {
                write!(
                    f,
                    "a buffer of {len} bytes cannot be split at {at}, only inside and at multiples of {unit}"
                )
            }
            Self::SharedLine { cpu, len, granule } => {
                write!(
                    f,
                    "{len} bytes at {cpu:#x} share a granule of {granule} with others"
                )
            }
            Self::GranuleAboveAssumed { granule, assumed } => {
                write!(
                    f,
                    "the machine's granule of {granule} is larger than the {assumed} that were assumed"
                )
            }
            Self::LedgerFull { slots } => write!(f, "all {slots} ledger slots are taken"),
            Self::TooManyDevices { devices } => write!(f, "{devices} devices are the most"),
            Self::NoCoherentMemory => write!(f, "the machine declares no coherent memory"),
            Self::EverythingSnoops => {
                write!(
                    f,
                    "the machine has no maintenance for a device that does not snoop"
                )
            }
        }
    }
}

impl core::error::Error for Error {}

/// The value of a constant that is known to be right: a board's window, a mask, a region of the linker script.
///
/// ```
/// use dma_api::{DmaMask, Limits, known};
///
/// const ISA: DmaMask = known(DmaMask::bits(24));
/// static CONTROLLER: Limits = known(Limits::new(ISA).boundary(0x1_0000));
/// # assert_eq!(CONTROLLER.highest().get(), 0xff_ffff);
/// ```
/// In a constant or a `static` a wrong one does not compile:
/// ```compile_fail,E0080
/// use dma_api::{DmaMask, known};
///
/// const ISA: DmaMask = known(DmaMask::bits(0));
/// # let _ = ISA;
/// ```
///
/// # Panics
/// If `result` is an error. For what is learnt at run time, match on it instead.
#[track_caller]
#[must_use]
pub const fn known<T: Copy>(result: Result<T, Error>) -> T {
    match result {
        Ok(value) => value,
        Err(_) => panic!("a constant that was to be known to be right is refused"),
    }
}

/// A value that was to be consumed, given back with the reason why it was not.
#[derive(Debug)]
#[must_use = "it holds the value that was refused"]
pub struct Refused<T> {
    /// Why.
    pub error: Error,
    /// What the caller handed in (or, after a hand-back, what the caller gets in spite of the error).
    pub value: T,
}

impl<T> Refused<T> {
    /// Pairs the reason with the value.
    pub const fn new(error: Error, value: T) -> Self {
        Self { error, value }
    }
}

impl<T> fmt::Display for Refused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<T: fmt::Debug> core::error::Error for Refused<T> {}

/// Drops the value and keeps the reason, so that `?` works where the value is of no more use.
impl<T> From<Refused<T>> for Error {
    fn from(refused: Refused<T>) -> Self {
        refused.error
    }
}
