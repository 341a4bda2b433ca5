//! The main job: a whole disk read by DMA and another one written, all of it through this library.
#![expect(
    unsafe_code,
    reason = "virtio-drivers lends a buffer for as long as its caller says"
)]

use core::{fmt, hint};

use dma_api::{Bidirectional, FromDevice, Machine};
use sha2::{Digest, Sha256};
use virtio_drivers::{
    Error,
    device::blk::{BlkReq, BlkResp},
};

use super::{
    board, console,
    disk::{self, Disk, SECTOR},
    hal::{self, DEVICE},
    pattern,
    verdict::Verdict,
    words::{self, BadWord},
};

/// Longest request, in sectors.
const LONGEST: usize = 128;

/// Lengths of requests, in sectors, taken in turn.
const LENGTHS: [usize; 8] = [8, 2, 64, 1, LONGEST, LONGEST, LONGEST, LONGEST];

/// Of them, the one that is read to between other data, and the one that is read to where devices do not reach.
const BETWEEN: usize = 1;
const UNREACHABLE: usize = 3;

/// How many bytes of other data are in the first line of the former, and in the last.
const BESIDE: usize = 17;

/// How long a request may take that the demo itself waits for.
const PATIENCE_MICROS: u64 = 30_000_000;

/// Why the demo stopped.
enum Stop {
    /// A word of the command line is not a number that fits.
    Word(BadWord),
    /// It is no number of whole sectors.
    Sectors(&'static str),
    /// No disk has this serial number.
    NoDisk(&'static str),
    /// The library refused memory.
    Memory(dma_api::Error),
    /// The driver refused a request.
    Disk(Error),
    /// What was read back is not what was written, in the request at this sector.
    Differs(usize),
    /// What the CPU stored beside a buffer, during the request at this sector, is gone.
    Lost(usize),
    /// The driver still holds memory.
    NotGivenBack,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => word.fmt(f),
            Self::Sectors(name) => write!(f, "`{name}` needs whole sectors"),
            Self::NoDisk(serial) => write!(f, "no disk with the serial number `{serial}`"),
            Self::Memory(error) => write!(f, "memory: {error}"),
            Self::Disk(error) => write!(f, "disk: {error}"),
            Self::Differs(sector) => write!(f, "the request at sector {sector} reads differently"),
            Self::Lost(sector) => write!(
                f,
                "what was stored beside the buffer of the request at sector {sector} is lost"
            ),
            Self::NotGivenBack => write!(f, "the driver still holds memory"),
        }
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Disk(error)
    }
}

impl From<BadWord> for Stop {
    fn from(word: BadWord) -> Self {
        Self::Word(word)
    }
}

impl From<dma_api::Error> for Stop {
    fn from(error: dma_api::Error) -> Self {
        Self::Memory(error)
    }
}

/// Reads `disk-bytes=` of the disk `source` and prints their SHA-256, then writes `scratch-bytes=` to the disk
/// `scratch` and reads them back. A number of 0 or none leaves the part out.
pub(crate) fn run(words: &str) -> Verdict {
    let outcome = read_and_write(words);

    let (traffic, lines) = (hal::traffic(), board::machine().sync().lines());
    console::line(format_args!(
        "COUNTS transfers={} bytes={} bounces={} cleaned={} invalidated={} cleaned_invalidated={}",
        traffic.transfers,
        traffic.bytes,
        traffic.bounces,
        lines.cleaned,
        lines.invalidated,
        lines.cleaned_invalidated,
    ));
    match outcome {
        Ok(()) => Verdict::Pass,
        Err(stop) => {
            console::line(format_args!("ERROR {stop}"));
            Verdict::Fail
        }
    }
}

fn read_and_write(words: &str) -> Result<(), Stop> {
    read_source(words::number(words, "disk-bytes=")?.unwrap_or(0))?;
    write_scratch(words::number(words, "scratch-bytes=")?.unwrap_or(0))?;
    if hal::is_idle() {
        Ok(())
    } else {
        Err(Stop::NotGivenBack)
    }
}

fn read_source(len: usize) -> Result<(), Stop> {
    if len == 0 {
        return Ok(());
    }
    let mut disk = disk::find("source")?.ok_or(Stop::NoDisk("source"))?;
    let mut buffer = DEVICE.allocate::<FromDevice>(LONGEST * SECTOR)?;
    let mut on_the_stack = [0; SECTOR];
    let mut hash = Sha256::new();

    let (started, mut done) = (board::now_micros(), 0);
    for (request, sectors) in LENGTHS.iter().cycle().enumerate() {
        if done >= len {
            break;
        }
        let wanted = (len - done).min(sectors * SECTOR);
        let sector = done / SECTOR;
        let rounded = wanted.next_multiple_of(SECTOR);
        let place = match request % LENGTHS.len() {
            BETWEEN => {
                read_between(&mut disk, sector, buffer.as_mut_slice(), rounded)?;
                &mut buffer.as_mut_slice()[BESIDE..][..rounded]
            }
            UNREACHABLE => {
                disk.read_blocks(sector, &mut on_the_stack[..rounded])?;
                &mut on_the_stack[..rounded]
            }
            _ => {
                let place = &mut buffer.as_mut_slice()[..rounded];
                disk.read_blocks(sector, place)?;
                place
            }
        };
        hash.update(&place[..wanted]);
        done += wanted;
    }
    let micros = board::now_micros() - started;

    let mut digest = [0; 64];
    for (pair, byte) in digest.chunks_mut(2).zip(hash.finalize()) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        pair.copy_from_slice(&[
            DIGITS[usize::from(byte >> 4)],
            DIGITS[usize::from(byte & 15)],
        ]);
    }
    let digest = core::str::from_utf8(&digest).expect("hexadecimal digits");
    console::line(format_args!("SHA256 {digest}"));
    console::line(format_args!("READ bytes={len} micros={micros}"));
    Ok(())
}

/// Reads `len` bytes to `memory`, where they share their first line with what is before them and their last with what is
/// behind. The CPU stores there for as long as the device works, which is its right: that is not the device's.
fn read_between(disk: &mut Disk, sector: usize, memory: &mut [u8], len: usize) -> Result<(), Stop> {
    let (before, rest) = memory.split_at_mut(BESIDE);
    let (place, rest) = rest.split_at_mut(len);
    let after = &mut rest[..BESIDE];

    let (mut request, mut response) = (BlkReq::default(), BlkResp::default());
    // SAFETY: none of the three is touched before the request is complete.
    let token = unsafe { disk.read_blocks_nb(sector, &mut request, place, &mut response) }?;
    let (started, mut stored) = (board::now_micros(), 0_u8);
    loop {
        stored = stored.wrapping_add(1);
        // The compiler is not to know that nobody else looks there.
        hint::black_box(&mut *before).fill(stored);
        hint::black_box(&mut *after).fill(stored);
        if disk.peek_used() == Some(token) {
            break;
        }
        if board::now_micros() - started > PATIENCE_MICROS {
            // The device still has the buffer, which must not be freed: there is no way back.
            console::line(format_args!(
                "ERROR time-out: the request at sector {sector} is not answered"
            ));
            Verdict::TimeOut.exit();
        }
    }
    // SAFETY: these are the three.
    unsafe { disk.complete_read_blocks(token, &request, place, &mut response) }?;

    let (before, after) = (hint::black_box(before), hint::black_box(after));
    if before.iter().chain(&*after).all(|byte| *byte == stored) {
        Ok(())
    } else {
        Err(Stop::Lost(sector))
    }
}

fn write_scratch(len: usize) -> Result<(), Stop> {
    if len == 0 {
        return Ok(());
    }
    let mut disk = disk::find("scratch")?.ok_or(Stop::NoDisk("scratch"))?;
    let mut buffer = DEVICE.allocate::<Bidirectional>(LONGEST * SECTOR)?;
    in_pieces(len, |sector, wanted| {
        let place = &mut buffer.as_mut_slice()[..wanted];
        pattern::fill(place, sector * SECTOR);
        Ok(disk.write_blocks(sector, place)?)
    })?;
    disk.flush()?;
    read_back(&mut disk, len)
}

fn read_back(disk: &mut Disk, len: usize) -> Result<(), Stop> {
    let mut buffer = DEVICE.allocate::<FromDevice>(LONGEST * SECTOR)?;
    let mut expected = [0; LONGEST * SECTOR];
    in_pieces(len, |sector, wanted| {
        let place = &mut buffer.as_mut_slice()[..wanted];
        disk.read_blocks(sector, place)?;
        pattern::fill(&mut expected[..wanted], sector * SECTOR);
        if *place == expected[..wanted] {
            Ok(())
        } else {
            Err(Stop::Differs(sector))
        }
    })?;
    console::line(format_args!("WROTE bytes={len}"));
    Ok(())
}

/// Cuts `len` bytes into requests: first sector and length in bytes of each.
fn in_pieces(
    len: usize,
    mut act: impl FnMut(usize, usize) -> Result<(), Stop>,
) -> Result<(), Stop> {
    if !len.is_multiple_of(SECTOR) {
        return Err(Stop::Sectors("scratch-bytes="));
    }
    let mut done = 0;
    for sectors in LENGTHS.iter().cycle() {
        if done >= len {
            break;
        }
        let wanted = (len - done).min(sectors * SECTOR);
        act(done / SECTOR, wanted)?;
        done += wanted;
    }
    Ok(())
}
