//! Block requests whose data are in several pieces of any length and alignment, on the stack and in memory that devices
//! reach, with data of the CPU's between them.
//!
//! For each length up to the one that the command line says, one request writes and one reads. Its data are whole sectors:
//!
//! | piece | where it is |
//! |---|---|
//! | header, 16 bytes | on the stack, at an odd address |
//! | as many bytes as the length says | on the stack, at an odd address, every second one across the end of a page |
//! | some of the rest | on the stack, at an odd address |
//! | some of the rest | where devices reach, at an odd address |
//! | some of the rest, whole lines | where devices reach, at the start of a line |
//! | status, 1 byte | on the stack, anywhere |

mod stop;

use dma_api::{Bidirectional, Snooping};
use heapless::Vec;
use virtio_drivers::PAGE_SIZE;

use stop::Stop;

use super::{
    board, console,
    cutter::{Between, Cutter},
    disk::SECTOR,
    hal::{self, DEVICE, Traffic},
    pattern,
    raw_disk::{DESCRIPTORS, HEADER, OK, RawDisk, Request},
    verdict::Verdict,
    words,
};

/// The longest piece.
const LONGEST: usize = 4097;

/// The most data of a request.
const MOST: usize = LONGEST.next_multiple_of(SECTOR);

/// A multiple of every line's length.
const LINE: usize = 64;

/// Room on the stack: the pieces, what is between them, and up to a page before the long one.
const STACK_ROOM: usize = MOST + HEADER + 1 + PAGE_SIZE + 5 * LINE;

/// Room where devices reach.
const REACHED_ROOM: usize = SECTOR + 3 * LINE;

/// The first byte of the source disk is this one of the pattern: not one of the scratch disk's.
const SOURCE_OFFSET: usize = 1 << 30;

/// Writes to the disk `scratch` and reads the disk `source`, from their first sector on, in requests with a piece of each
/// length from 1 to `lengths=`.
pub(crate) fn run(words: &str) -> Verdict {
    match requests(words) {
        Ok((requests, traffic)) => {
            let Traffic {
                transfers,
                bytes,
                bounces,
                copied_in,
                copied_out,
            } = traffic;
            console::line(format_args!(
                "PIECES requests={requests} transfers={transfers} bytes={bytes} bounces={bounces} \
                 copied_in={copied_in} copied_out={copied_out}"
            ));
            Verdict::Pass
        }
        Err(stop) => {
            console::line(format_args!("ERROR {stop}"));
            Verdict::Fail
        }
    }
}

/// Makes all requests: how many they were, and what they made cross.
fn requests(words: &str) -> Result<(usize, Traffic), Stop> {
    let last = words::number(words, "lengths=")?.unwrap_or(LONGEST);
    if !(1..=LONGEST).contains(&last) {
        return Err(Stop::Lengths(last));
    }
    let mut requests = 0;
    let mut expected = Traffic::default();
    let mut crossed = Traffic::default();
    for (request, serial) in [(Request::Write, "scratch"), (Request::Read, "source")] {
        let mut disk = RawDisk::find(serial)?.ok_or(Stop::NoDisk(serial))?;
        let mut reached = DEVICE.allocate::<Bidirectional>(REACHED_ROOM)?;
        let before = hal::traffic();
        let mut sector = 0;
        for len in 1..=last {
            let spread = Spread::of(len);
            one(&mut disk, request, sector, &spread, reached.as_mut_slice())?;
            spread.expect(request, &mut expected);
            sector += spread.data() / SECTOR;
            requests += 1;
        }
        crossed += hal::traffic().since(before);
    }
    // With `without=shared-lines` nothing bounces that devices reach, but data were lost then.
    if crossed != expected {
        return Err(Stop::Traffic(expected, crossed));
    }
    if hal::is_idle() {
        Ok((requests, crossed))
    } else {
        Err(Stop::NotGivenBack)
    }
}

/// How the data of a request are spread, by the length of the first piece.
#[derive(Clone, Copy, Debug)]
struct Spread {
    first: usize,
    on_the_stack: usize,
    between: usize,
    whole_lines: usize,
    /// What differs from one request to the next.
    variety: usize,
}

impl Spread {
    /// The rest is up to a sector, and at least a byte.
    fn of(first: usize) -> Self {
        let rest = (first + 1).next_multiple_of(SECTOR) - first;
        let variety = ((first as u32).wrapping_mul(0x9e37_79b1) >> 7) as usize;
        let whole_lines = rest / 2 / LINE * LINE;
        let on_the_stack = variety % (rest - whole_lines + 1);
        Self {
            first,
            on_the_stack,
            between: rest - whole_lines - on_the_stack,
            whole_lines,
            variety,
        }
    }

    fn data(&self) -> usize {
        self.first + self.on_the_stack + self.between + self.whole_lines
    }

    /// Adds what such a request makes cross.
    fn expect(&self, request: Request, traffic: &mut Traffic) {
        let pieces = [
            self.first,
            self.on_the_stack,
            self.between,
            self.whole_lines,
        ];
        let data = pieces.iter().filter(|len| **len > 0).count();
        traffic.transfers += data + 2;
        traffic.bytes += self.data() + HEADER + 1;

        // No device reaches the stack. Of what it reaches, that bounces which shares lines and is written by a device that
        // does not snoop.
        let shared = match (request, board::SNOOPING) {
            (Request::Read, Snooping::DoesNotSnoop) => self.between,
            _ => 0,
        };
        let stack = self.first + self.on_the_stack;
        traffic.bounces += 3 + usize::from(self.on_the_stack > 0) + usize::from(shared > 0);
        traffic.copied_in += (HEADER + stack + shared + 1) as u64;
        // Of the data, what the device wrote; and the status.
        traffic.copied_out += match request {
            Request::Write => 1,
            Request::Read => (stack + shared + 1) as u64,
        };
    }
}

/// Makes one request.
fn one(
    disk: &mut RawDisk,
    request: Request,
    sector: usize,
    spread: &Spread,
    reached: &mut [u8],
) -> Result<(), Stop> {
    let mut stack = [0; STACK_ROOM];
    let mut cutter = Cutter::new(&mut stack, Between::default());
    let odd = (spread.variety % LINE) | 1;
    let header = cutter.cut(LINE, odd, HEADER);
    let first = match spread.first % 2 {
        0 => cutter.cut(LINE, odd, spread.first),
        _ => cutter.cut(
            PAGE_SIZE,
            PAGE_SIZE - ((spread.first / 2) | 1),
            spread.first,
        ),
    };
    let on_the_stack = cutter.cut(LINE, odd ^ 2, spread.on_the_stack);
    let status = cutter.cut(1, 0, 1);
    let mut cutter = Cutter::new(reached, cutter.finish());
    let shared = cutter.cut(LINE, odd ^ 4, spread.between);
    let whole_lines = cutter.cut(LINE, 0, spread.whole_lines);
    let mut between = cutter.finish();

    let mut expected = [0; MOST + SECTOR];
    let expected = &mut expected[..spread.data()];
    let offset = match request {
        Request::Write => 0,
        Request::Read => SOURCE_OFFSET,
    };
    pattern::fill(expected, offset + sector * SECTOR);
    header.copy_from_slice(&request.header(sector));
    status.fill(!OK);
    let mut data = [first, on_the_stack, shared, whole_lines];
    let mut filled = 0;
    for piece in &mut data {
        let (len, contents) = (piece.len(), &expected[filled..]);
        piece.copy_from_slice(&contents[..len]);
        if request == Request::Read {
            piece.iter_mut().for_each(|byte| *byte = !*byte);
        }
        filled += len;
    }

    between.store();
    let written = {
        let meanwhile = || between.store();
        let data = data.iter_mut().filter(|piece| !piece.is_empty());
        match request {
            Request::Write => {
                let mut inputs: Vec<&[u8], DESCRIPTORS> = Vec::from_iter([&*header]);
                inputs.extend(data.map(|piece| &**piece));
                disk.request(&inputs, &mut [&mut *status], meanwhile)?
            }
            Request::Read => {
                let mut outputs: Vec<&mut [u8], DESCRIPTORS> =
                    data.map(|piece| &mut **piece).collect();
                outputs.extend([&mut *status]);
                disk.request(&[header], &mut outputs, meanwhile)?
            }
        }
    };

    let first = spread.first;
    if *status != [OK] {
        return Err(Stop::Status(request, first, status[0]));
    }
    let to_be_written = match request {
        Request::Write => 1,
        Request::Read => 1 + expected.len(),
    };
    if written as usize != to_be_written {
        return Err(Stop::Written(request, first, written, to_be_written));
    }
    let found = data.iter().flat_map(|piece| piece.iter());
    if let Some(at) = found
        .zip(&*expected)
        .position(|(found, expected)| found != expected)
    {
        return Err(Stop::Differs(request, first, at));
    }
    if between.is_as_stored() {
        Ok(())
    } else {
        Err(Stop::Lost(request, first))
    }
}
