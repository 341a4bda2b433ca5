//! Memory of any length and alignment lent to a device that does not reach all of it.
//!
//! Of each length from 1 to 4,096 bytes, memory [`Above`](Place::Above) what the device reaches is lent, and memory in one of
//! the other [`Place`]s by turns, or, for short lengths and whole lines, in each of them. It is lent twice: the device reads
//! it, and writes to it what it has read before, here or elsewhere. That is compared with what it should be; the CPU
//! stores beside the memory while the device has it.
#![expect(unsafe_code, reason = "uses memory of the board's")]

mod device;

mod counts;

mod place;

mod stop;

mod bench;

use core::ptr::NonNull;

use dma_api::{Bidirectional, DmaMask, Machine as _};

use bench::Bench;
use counts::Counts;
use place::{BELOW_ROOM, Place, lengths, places};
use stop::Stop;

use super::{board, console, hal::DEVICE, verdict::Verdict, words};

/// Lends memory of each length, or of `sample=` lengths, to an edu device with `mask-bits=` address lines.
pub(crate) fn run(words: &str) -> Verdict {
    match lend_all(words) {
        Ok(counts) => {
            console::line(format_args!("EDU {counts}"));
            Verdict::Pass
        }
        Err(stop) => {
            console::line(format_args!("ERROR {stop}"));
            Verdict::Fail
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

    let device = bench::device(mask)?;
    let slots = bench::slots(&device)?;
    let mut bench = Bench::new(&device, &slots)?;
    let mut below = DEVICE.allocate::<Bidirectional>(BELOW_ROOM)?;
    for len in lengths(words)? {
        for place in places(len) {
            let variety = bench.next_variety();
            let arena = match place {
                Place::Below => below.as_mut_slice(),
                Place::Above | Place::Across | Place::UpToTheEnd => &mut *upper,
            };
            bench.lend(place, arena, place.first(len, end, variety), len)?;
        }
    }
    Ok(bench.counts())
}

/// The first byte of `memory` that the device does not reach, if it is in the middle.
fn end_of_reach(memory: NonNull<[u8]>, mask: DmaMask) -> Option<usize> {
    let phys = board::machine().direct_map().to_phys(memory).ok()?;
    let dma = board::machine().bus().to_dma(phys).ok()?;
    let end = mask.highest().checked_add(1)?;
    let index = end.get().checked_sub(dma.start().get())? as usize;
    (index == memory.len() / 2).then_some(index)
}
