//! Where memory is that is lent, and how much of it.

use core::fmt;

use dma_api::DataDirection;

use super::counts::Bounced;
use crate::image::words::{self, BadWord};

/// The longest loan: a byte more than goes into the device's buffer at once.
pub(super) const LONGEST: usize = 4096;

/// Memory of the DMA window, which the device reaches: a loan anywhere in it.
pub(super) const BELOW_ROOM: usize = 8 << 10;

/// How far behind what the device reaches loans begin.
const ABOVE_ROOM: usize = 64 << 10;

/// A multiple of every line's length.
const LINE: usize = 64;

/// Bytes beside a loan on either side.
pub(super) const BESIDE: usize = 64;

/// Where memory is that is lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The device reaches none of it.
    Above,
    /// The device reaches some of it.
    Across,
    /// The device just reaches all of it.
    UpToTheEnd,
    /// In the DMA window.
    Below,
}

impl Place {
    /// Where `len` bytes begin, in the DMA window or in the upper memory, of which the device does not reach the byte at
    /// `end` and all behind it.
    pub(super) fn first(self, len: usize, end: usize, variety: usize) -> usize {
        match self {
            Self::Above if variety.is_multiple_of(4) => end,
            Self::Above => end + variety % ABOVE_ROOM,
            Self::Across => end - 1 - variety % (len - 1),
            Self::UpToTheEnd => end - len,
            Self::Below => {
                let first = BESIDE + variety % (BELOW_ROOM - len - 2 * BESIDE);
                // Of whole lines every second loan is one, and no device writes to the others where they are.
                let at_a_line = len.is_multiple_of(LINE) && variety.is_multiple_of(2);
                first - usize::from(at_a_line) * (first % LINE)
            }
        }
    }
}

/// All places, the first of them for every length.
const PLACES: [Place; 4] = [Place::Above, Place::Across, Place::UpToTheEnd, Place::Below];

/// A loan, as it is reported.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lending {
    pub(super) place: Place,
    /// The CPU's address of the first byte.
    pub(super) first: usize,
    pub(super) len: usize,
}

impl Lending {
    /// What of it bounces if granules are so long: all, where the device does not reach all of it; where the device would
    /// write to granules that hold other data too, those, each in a granule of the slots; or all, if there are no others.
    pub(super) fn bounced(&self, direction: DataDirection, granule: usize) -> Bounced {
        let back = direction.device_writes();
        let all = Bounced {
            bytes: self.len,
            run: self.len,
            back,
        };
        let end = self.first + self.len;
        let (inner_first, inner_end) = (self.first.next_multiple_of(granule), end - end % granule);
        match self.place {
            Place::Above | Place::Across => all,
            Place::UpToTheEnd | Place::Below if !back => Bounced::default(),
            Place::UpToTheEnd | Place::Below if inner_first >= inner_end => all,
            Place::UpToTheEnd | Place::Below => {
                let (head, tail) = (inner_first - self.first, end - inner_end);
                let run = match tail {
                    0 => head,
                    _ => head.next_multiple_of(granule) + tail,
                };
                Bounced {
                    bytes: head + tail,
                    run,
                    back,
                }
            }
        }
    }
}

impl fmt::Display for Lending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, first, len } = self;
        write!(f, "{len} bytes at {first:#x} ({place:?})")
    }
}

/// The lengths of loans: all, or so many as `sample=` says, of which the first are next to multiples of lines and pages and
/// the others as `seed=` says.
pub(super) fn lengths(words: &str) -> Result<impl Iterator<Item = usize>, BadWord> {
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
pub(super) fn places(len: usize) -> impl Iterator<Item = Place> {
    let turn = 1 + len % (PLACES.len() - 1);
    let everywhere = is_looked_at(len);
    let is_chosen = move |(index, place): &(usize, Place)| {
        // One byte cannot be on both sides.
        let is_possible = len > 1 || *place != Place::Across;
        is_possible && (everywhere || *index == 0 || *index == turn)
    };
    let chosen = PLACES.into_iter().enumerate().filter(is_chosen);
    chosen.map(|(_, place)| place)
}

/// Whether the device's buffer is looked at whenever it has read memory of this length.
pub(super) fn is_looked_at(len: usize) -> bool {
    len <= LINE || len.is_multiple_of(LINE)
}

/// A number that is far from those of the neighbours.
pub(super) fn varied(index: usize) -> usize {
    ((index as u32).wrapping_mul(0x9e37_79b1) >> 7) as usize
}
