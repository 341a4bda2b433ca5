//! Memory of any length and alignment lent to a device that does not reach all of it.
//!
//! Of each length from 1 to 4,096 bytes, memory [`Above`](Place::Above) what the device reaches is lent, and memory in one of
//! the other [`Place`]s by turns, or, for short lengths and whole lines, in each of them. It is lent twice: the device reads
//! it, and writes to it what it has read before, here or elsewhere. That is compared with what it should be; the CPU
//! stores beside the memory while the device has it.
#![expect(unsafe_code, reason = "lends memory to a device")]

use core::{fmt, ptr::NonNull};

use dma_api::{
    Bidirectional, Device, Direction, DmaMask, Error, FromDevice, Limits, Machine as _, ToDevice,
};

use super::{
    board::{self, Board},
    by_hand::Loan,
    console,
    cutter::Between,
    edu::{BUFFER, Edu, Fault, Transfer},
    hal::DEVICE,
    pattern,
    verdict::Verdict,
    words::{self, BadWord, Step},
};

/// The longest loan: a byte more than goes into the device's buffer at once.
const LONGEST: usize = 4096;

/// Memory of the DMA window, which the device reaches: a loan anywhere in it.
const BELOW_ROOM: usize = 8 << 10;

/// How far behind what the device reaches loans begin.
const ABOVE_ROOM: usize = 64 << 10;

/// A multiple of every line's length.
const LINE: usize = 64;

/// Bytes beside a loan on either side.
const BESIDE: usize = 64;

/// Where memory is that is lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The device reaches none of it.
    Above,
    /// The device reaches some of it.
    Across,
    /// The device just reaches all of it.
    UpToTheEnd,
    /// In the DMA window.
    Below,
}

/// All places, the first of them for every length.
const PLACES: [Place; 4] = [Place::Above, Place::Across, Place::UpToTheEnd, Place::Below];

/// A loan, as it is reported.
#[derive(Clone, Copy, Debug)]
struct Lending {
    place: Place,
    first: usize,
    len: usize,
}

impl fmt::Display for Lending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, first, len } = self;
        write!(f, "{len} bytes at {first:#x} ({place:?})")
    }
}

/// Why it stopped.
enum Stop {
    Word(BadWord),
    /// The emulator was not given memory that the device does not reach, or another amount than was said.
    Memory,
    Library(Error),
    Device(Fault),
    /// What the device has read is wrong at this byte of its buffer.
    Read(Lending, usize),
    /// What it has written is wrong at this byte.
    Written(Lending, usize),
    /// What the CPU stored beside the loan is gone.
    Lost(Lending),
    /// What was to be copied, and what was.
    Counts(Counts, Counts),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => word.fmt(f),
            Self::Memory => f.write_str("`mask-bits=` does not end in the middle of upper memory"),
            Self::Library(error) => write!(f, "memory: {error}"),
            Self::Device(fault) => fault.fmt(f),
            Self::Read(lending, at) => {
                write!(
                    f,
                    "byte {at} of the device's buffer, after {lending}, reads differently"
                )
            }
            Self::Written(lending, at) => {
                write!(
                    f,
                    "byte {at} that the device wrote to {lending} reads differently"
                )
            }
            Self::Lost(lending) => {
                write!(f, "what was stored beside the buffer of {lending} is lost")
            }
            Self::Counts(expected, found) => write!(f, "{found:?}, and it was to be {expected:?}"),
        }
    }
}

impl From<BadWord> for Stop {
    fn from(word: BadWord) -> Self {
        Self::Word(word)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Library(error)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Device(fault)
    }
}

type Machine = &'static Board;

/// Lends memory of each length, or of `sample=` lengths, to an edu device with `mask-bits=` address lines.
pub(crate) fn run(words: &str) -> Verdict {
    match lend_all(words) {
        Ok(counts) => {
            console::line(format_args!("EDU {counts}"));
            Verdict::Pass
        }
        Err(stop) => {
            console::line(format_args!("ERROR {stop}"));
            match stop {
                Stop::Device(Fault::TimeOut) => Verdict::TimeOut,
                _ => Verdict::Fail,
            }
        }
    }
}

fn lend_all(words: &str) -> Result<Counts, Stop> {
    let bits = words::number(words, "mask-bits=")?.unwrap_or(0);
    let mask = DmaMask::bits(bits as u32)?;
    let mut upper = board::upper_memory().ok_or(Stop::Memory)?;
    let end = end_of_reach(upper, mask).ok_or(Stop::Memory)?;
    // SAFETY: the board's memory, which nothing else uses; this is called once.
    let upper = unsafe { upper.as_mut() };

    let mut bench = Bench::new(mask)?;
    let mut below = DEVICE.allocate::<Bidirectional>(BELOW_ROOM)?;
    for len in lengths(words)? {
        for place in places(len) {
            let variety = bench.next_variety();
            let (arena, first) = match place {
                Place::Above if len.is_multiple_of(2) => (&mut *upper, end + variety % ABOVE_ROOM),
                Place::Above => (&mut *upper, end),
                // One byte cannot be on both sides.
                Place::Across if len == 1 => continue,
                Place::Across => (&mut *upper, end - 1 - variety % (len - 1)),
                Place::UpToTheEnd => (&mut *upper, end - len),
                Place::Below => (below.as_mut_slice(), below_first(len, variety)),
            };
            bench.lend(place, arena, first, len)?;
        }
    }
    bench.finish()
}

/// The lengths of loans: all, or so many as `sample=` says, of which the first are next to multiples of lines and pages and
/// the others as `seed=` says.
fn lengths(words: &str) -> Result<impl Iterator<Item = usize>, BadWord> {
    const FIRST: [usize; 8] = [
        1,
        LONGEST,
        LINE,
        LONGEST - 1,
        LINE - 1,
        LINE + 1,
        2 * LINE,
        2,
    ];

    let sample = words::number(words, "sample=")?;
    let seed = words::number(words, "seed=")?.unwrap_or(0);
    let nth = move |index: usize| match (sample, FIRST.get(index)) {
        (None, _) => 1 + index,
        (Some(_), Some(len)) => *len,
        (Some(_), None) => 1 + varied(seed * LONGEST + index) % LONGEST,
    };
    Ok((0..sample.unwrap_or(LONGEST)).map(nth))
}

/// Where memory of this length is lent.
fn places(len: usize) -> impl Iterator<Item = Place> {
    let turn = 1 + len % (PLACES.len() - 1);
    let everywhere = is_looked_at(len);
    let of_turn = move |(index, _): &_| everywhere || *index == 0 || *index == turn;
    let chosen = PLACES.into_iter().enumerate().filter(of_turn);
    chosen.map(|(_, place)| place)
}

/// Whether the device's buffer is looked at whenever it has read memory of this length.
fn is_looked_at(len: usize) -> bool {
    len <= LINE || len.is_multiple_of(LINE)
}

/// A number that is far from those of the neighbours.
fn varied(index: usize) -> usize {
    ((index as u32).wrapping_mul(0x9e37_79b1) >> 7) as usize
}

/// The first byte of `memory` that the device does not reach, if it is in the middle.
fn end_of_reach(memory: NonNull<[u8]>, mask: DmaMask) -> Option<usize> {
    let phys = board::machine().direct_map().to_phys(memory).ok()?;
    let dma = board::machine().bus().to_dma(phys).ok()?;
    let end = mask.highest().checked_add(1)?;
    let index = end.get().checked_sub(dma.start().get())? as usize;
    (index == memory.len() / 2).then_some(index)
}

/// Where a loan of the window begins: every second one of whole lines at the start of one.
fn below_first(len: usize, variety: usize) -> usize {
    let first = BESIDE + variety % (BELOW_ROOM - len - 2 * BESIDE);
    let whole_lines = len.is_multiple_of(LINE) && variety.is_multiple_of(2);
    first - usize::from(whole_lines) * (first % LINE)
}

/// The device, and what is known of it.
struct Bench {
    edu: Edu,
    device: Device<Machine>,
    /// What is in the device's buffer.
    held: [u8; BUFFER],
    rounds: usize,
    counts: Counts,
    expected: Counts,
}

impl Bench {
    /// With a device whose buffer is known. It takes `without=mask` for one that reaches all memory.
    fn new(mask: DmaMask) -> Result<Self, Stop> {
        let without = words::without(board::command_line())?;
        let said = match without {
            Some(Step::Mask) => DmaMask::bits(64)?,
            _ => mask,
        };
        let limits = Limits::new(said).max_segment_len(LONGEST as u64)?;
        let device = Device::new(board::machine(), limits, board::SNOOPING)?;
        let mut bench = Self {
            edu: Edu::find()?,
            device,
            held: [0; BUFFER],
            rounds: 0,
            counts: Counts::default(),
            expected: Counts::default(),
        };

        pattern::fill(&mut bench.held, 0);
        let mut buffer = bench.device.allocate::<ToDevice>(BUFFER)?;
        buffer.as_mut_slice().copy_from_slice(&bench.held);
        let lent = buffer.sync_for_device();
        // SAFETY: it was just handed over.
        unsafe { bench.edu.transfer(Transfer::In(0), lent.segment(), || ()) }?;
        // SAFETY: the device has finished.
        drop(unsafe { lent.sync_for_cpu() });
        Ok(bench)
    }

    /// A number that differs from one round to the next.
    fn next_variety(&mut self) -> usize {
        self.rounds += 1;
        varied(self.rounds)
    }

    /// Lends `len` bytes of `arena` twice: the device reads them, and writes others there.
    fn lend(
        &mut self,
        place: Place,
        arena: &mut [u8],
        first: usize,
        len: usize,
    ) -> Result<(), Stop> {
        let (before, rest) = arena[first - BESIDE..].split_at_mut(BESIDE);
        let (memory, rest) = rest.split_at_mut(len);
        let mut between = Between::of([before, &mut rest[..BESIDE]]);
        let lending = Lending {
            place,
            first: memory.as_ptr().addr(),
            len,
        };

        pattern::fill(memory, self.rounds * LONGEST);
        let to = self.next_variety() % BUFFER;
        self.transfer::<ToDevice>(&lending, memory, &mut between, Transfer::In(to))?;
        for (index, byte) in memory.iter().enumerate() {
            self.held[(to + index) % BUFFER] = *byte;
        }
        if is_looked_at(len) {
            self.look(&lending)?;
        }

        let from = self.next_variety() % BUFFER;
        for (index, byte) in memory.iter_mut().enumerate() {
            *byte = !self.held[(from + index) % BUFFER];
        }
        self.transfer::<FromDevice>(&lending, memory, &mut between, Transfer::Out(from))?;
        let expected = self.held[from..].iter().chain(&self.held[..from]).cycle();
        match first_difference(memory, expected) {
            None => Ok(()),
            Some(at) => Err(Stop::Written(lending, at)),
        }
    }

    /// Compares what the device holds with what it should.
    fn look(&self, lending: &Lending) -> Result<(), Stop> {
        let buffer = self.device.allocate::<FromDevice>(BUFFER)?;
        let lent = buffer.sync_for_device();
        // SAFETY: it was just handed over.
        unsafe { self.edu.transfer(Transfer::Out(0), lent.segment(), || ()) }?;
        // SAFETY: the device has finished.
        let buffer = unsafe { lent.sync_for_cpu() };
        match first_difference(buffer.as_slice(), &self.held) {
            None => Ok(()),
            Some(at) => Err(Stop::Read(*lending, at)),
        }
    }

    /// Lends memory, has the device do that, and takes it back.
    fn transfer<D: Direction>(
        &mut self,
        lending: &Lending,
        memory: &mut [u8],
        between: &mut Between<'_>,
        transfer: Transfer,
    ) -> Result<(), Stop> {
        between.store();
        // SAFETY: it is borrowed until it is taken back, or else the image ends.
        let loan = unsafe { Loan::<D>::new(&self.device, NonNull::from(memory)) }?;
        // SAFETY: it was just handed over.
        unsafe {
            self.edu
                .transfer(transfer, loan.segment(), || between.store())
        }?;
        self.counts.add::<D>(lending.len, loan.is_bounced());
        self.expected
            .add::<D>(lending.len, self.must_bounce::<D>(lending));
        // SAFETY: the device has finished.
        unsafe { loan.sync_for_cpu() };
        if between.is_as_stored() {
            Ok(())
        } else {
            Err(Stop::Lost(*lending))
        }
    }

    /// Whether a loan has to be copied: where the device does not reach all of it, or would write to granules that hold
    /// other data too.
    fn must_bounce<D: Direction>(&self, lending: &Lending) -> bool {
        let granule = self.device.granule().get() as usize;
        let whole_granules = (lending.first | lending.len).is_multiple_of(granule);
        match lending.place {
            Place::Above | Place::Across => true,
            Place::UpToTheEnd | Place::Below => D::DATA.device_writes() && !whole_granules,
        }
    }

    /// What was lent, if that is what was to be.
    fn finish(self) -> Result<Counts, Stop> {
        if self.counts == self.expected {
            Ok(self.counts)
        } else {
            Err(Stop::Counts(self.expected, self.counts))
        }
    }
}

/// What loans cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    loans: usize,
    bounced: usize,
    copied_in: usize,
    copied_out: usize,
}

impl Counts {
    fn add<D: Direction>(&mut self, len: usize, bounced: bool) {
        self.loans += 1;
        if bounced {
            self.bounced += 1;
            self.copied_in += len;
            self.copied_out += usize::from(D::DATA.device_writes()) * len;
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            loans,
            bounced,
            copied_in,
            copied_out,
        } = self;
        write!(
            f,
            "loans={loans} bounced={bounced} copied_in={copied_in} copied_out={copied_out}"
        )
    }
}

fn first_difference<'a>(found: &[u8], expected: impl IntoIterator<Item = &'a u8>) -> Option<usize> {
    let mut pairs = found.iter().zip(expected);
    pairs.position(|(found, expected)| found != expected)
}
