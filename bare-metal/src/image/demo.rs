//! The main job: a whole disk read by DMA and another one written, all of it through this library.

use core::fmt;

use dma_api::{Bidirectional, FromDevice, Machine};
use sha2::{Digest, Sha256};
use virtio_drivers::Error;

use super::{
    board, console,
    disk::{self, Disk, SECTOR},
    hal::{self, DEVICE},
    pattern,
    verdict::Verdict,
};

/// Longest request, in sectors.
const LONGEST: usize = 128;

/// Lengths of requests, in sectors, taken in turn.
const LENGTHS: [usize; 8] = [LONGEST, 64, LONGEST, 8, LONGEST, 2, LONGEST, 1];

/// Why the demo stopped.
enum Stop {
    /// A word of the command line is not a number that fits.
    Word(&'static str),
    /// No disk has this serial number.
    NoDisk(&'static str),
    /// The library refused memory.
    Memory(dma_api::Error),
    /// The driver refused a request.
    Disk(Error),
    /// What was read back is not what was written, in the request at this sector.
    Differs(usize),
    /// The driver still holds memory.
    NotGivenBack,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => write!(f, "`{word}` needs a number"),
            Self::NoDisk(serial) => write!(f, "no disk with the serial number `{serial}`"),
            Self::Memory(error) => write!(f, "memory: {error}"),
            Self::Disk(error) => write!(f, "disk: {error}"),
            Self::Differs(sector) => write!(f, "the request at sector {sector} reads differently"),
            Self::NotGivenBack => write!(f, "the driver still holds memory"),
        }
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Disk(error)
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
    let outcome = number(words, "disk-bytes=")
        .and_then(read_source)
        .and_then(|()| number(words, "scratch-bytes="))
        .and_then(write_scratch)
        .and_then(|()| {
            if hal::is_idle() {
                Ok(())
            } else {
                Err(Stop::NotGivenBack)
            }
        });

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

/// The number behind `name` on the command line.
fn number(words: &str, name: &'static str) -> Result<usize, Stop> {
    let mut numbers = words
        .split_ascii_whitespace()
        .filter_map(|word| word.strip_prefix(name));
    numbers
        .next()
        .unwrap_or("0")
        .parse()
        .map_err(|_| Stop::Word(name))
}

fn read_source(len: usize) -> Result<(), Stop> {
    if len == 0 {
        return Ok(());
    }
    let mut disk = disk::find("source").ok_or(Stop::NoDisk("source"))?;
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
            // Where devices do not reach.
            7 => &mut on_the_stack[..rounded],
            // Where it starts and ends inside cache lines.
            5 => &mut buffer.as_mut_slice()[17..17 + rounded],
            _ => &mut buffer.as_mut_slice()[..rounded],
        };
        disk.read_blocks(sector, place)?;
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

fn write_scratch(len: usize) -> Result<(), Stop> {
    if len == 0 {
        return Ok(());
    }
    let mut disk = disk::find("scratch").ok_or(Stop::NoDisk("scratch"))?;
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
        return Err(Stop::Word("scratch-bytes="));
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
