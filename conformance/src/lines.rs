//! Lines: each operation reaches every byte of its range and no other granule, whatever the range's start and length.

use core::ops::Range;

use dma_api::{Device, DmaSync, Error, FromDevice, Machine, Snooping, ToDevice};

use crate::{
    bare::Bare,
    engine::{Engine, look, seen, write},
    ranges::take_back,
    report::{Failure, Reason, Run, Stop, pattern, refused},
};

/// Values of bytes that are stored one after the other.
const OLD: u8 = 0x11;
const NEW: u8 = 0x47;
const DEVICE: u8 = 0x8e;

pub(crate) fn one_byte_is_a_range<M: Machine + Clone>(
    device: &Device<M>,
    engine: &mut dyn Engine,
) -> Run {
    let field = Field::new(device)?;
    let line = field.line;
    field.all_operations(engine, (0..line).map(|start| (start, 1)))
}

/// The length is rounded up from the range's end, and not from its length.
pub(crate) fn a_range_shorter_than_a_line_reaches_both_lines_it_lies_in<M: Machine + Clone>(
    device: &Device<M>,
    engine: &mut dyn Engine,
) -> Run {
    let field = Field::new(device)?;
    let line = field.line;
    let short = (1..line).map(|before| (line.saturating_sub(before), before.saturating_add(1)));
    field.all_operations(engine, short)
}

/// A loop that goes on while more than a line is left, or that counts in words, misses the end.
pub(crate) fn the_byte_behind_whole_lines_is_reached<M: Machine + Clone>(
    device: &Device<M>,
    engine: &mut dyn Engine,
) -> Run {
    let field = Field::new(device)?;
    let line = field.line;
    let longer = (1..5).map(|lines| (0, line.saturating_mul(lines).saturating_add(1)));
    field.all_operations(engine, longer)
}

pub(crate) fn a_clean_reaches_every_byte_of_its_range<M: Machine + Clone>(
    device: &Device<M>,
    engine: &mut dyn Engine,
) -> Run {
    let field = Field::new(device)?;
    pairs(field.line).try_for_each(|pair| field.clean(engine, pair))?;
    field.memory.give_back()
}

pub(crate) fn an_invalidate_reaches_every_byte_of_its_range_and_no_other_granule<
    M: Machine + Clone,
>(
    device: &Device<M>,
    engine: &mut dyn Engine,
) -> Run {
    let field = Field::new(device)?;
    pairs(field.line).try_for_each(|pair| field.invalidate(engine, pair))?;
    field.memory.give_back()
}

pub(crate) fn a_clean_and_invalidate_reaches_every_byte_of_its_range<M: Machine + Clone>(
    device: &Device<M>,
    engine: &mut dyn Engine,
) -> Run {
    let field = Field::new(device)?;
    pairs(field.line).try_for_each(|pair| field.clean_and_invalidate(engine, pair))?;
    field.memory.give_back()
}

/// Memory that only the device reads is lent from any byte to any byte, beside bytes that are dirty.
pub(crate) fn memory_lent_in_place_is_seen_from_its_first_byte_to_its_last<M: Machine + Clone>(
    device: &Device<M>,
    engine: &mut dyn Engine,
) -> Run {
    let line = device.machine().sync().geometry().line();
    let all = 0..line.saturating_mul(8);
    let memory = Bare::new(device, all.end)?;
    for (salt, (start, len)) in pairs(line).step_by(7).enumerate() {
        let (salt, bytes) = (salt.to_le_bytes()[0], start..start.saturating_add(len));
        memory.store(&all, pattern(salt));
        let lent = memory.lend::<ToDevice>(&bytes)?;
        let value = pattern(salt);
        let shifted = |index: usize| value(index.saturating_add(start));
        seen(
            engine,
            "lent memory, to the device",
            lent.segment(),
            shifted,
        )?;
        drop(take_back(lent));
    }
    memory.give_back()
}

/// Memory that only the device reads may lie anywhere; memory it writes must own its granules.
pub(crate) fn memory_is_lent_in_place_only_with_whole_granules<M: Machine + Clone>(
    device: &Device<M>,
) -> Run {
    let granule = usize::try_from(device.granule().get()).unwrap_or(usize::MAX);
    let len = granule.saturating_mul(4);
    let memory = Bare::new(device, len)?;

    drop(take_back(memory.lend::<FromDevice>(&(0..len))?));
    let short = 0..len.saturating_sub(1);
    drop(take_back(memory.lend::<ToDevice>(&short)?));
    if device.snooping() == Snooping::DoesNotSnoop && granule > 1 {
        for part in [short, 1..len, 1..len.saturating_sub(1)] {
            let lent = memory.lend::<FromDevice>(&part);
            refused("a shared granule", lent, |error| {
                matches!(error, Error::SharedLine { .. })
            })?;
        }
    }
    let none = memory.lend::<ToDevice>(&(0..0));
    refused("no bytes in place", none, |error| {
        *error == Error::ZeroLength
    })?;
    memory.give_back()
}

/// The starts and lengths of [0, 2 lines) × [1, 5 lines): every pair for lines of up to 16 bytes. For longer ones every
/// start with each length within one byte of whole lines, and every length with each such start.
fn pairs(line: usize) -> impl Iterator<Item = (usize, usize)> {
    let is_edge = move |value: usize| {
        let within = value.checked_rem(line).unwrap_or(0);
        line <= 16 || within <= 1 || within.saturating_add(1) == line
    };
    (0..line.saturating_mul(2)).flat_map(move |start| {
        (1..line.saturating_mul(5))
            .filter(move |len| is_edge(start) || is_edge(*len))
            .map(move |len| (start, len))
    })
}

/// Memory with room for every pair, and a granule before it and behind it.
struct Field<'d, M: Machine> {
    memory: Bare<'d, M>,
    line: usize,
    granule: usize,
    fills_speculatively: bool,
}

/// A range, the granules that hold it, and what is nobody's business to touch.
struct Places {
    range: Range<usize>,
    before: Range<usize>,
    granules: Range<usize>,
    behind: Range<usize>,
}

impl<'d, M: Machine + Clone> Field<'d, M> {
    fn new(device: &'d Device<M>) -> Result<Self, Stop> {
        if device.snooping() == Snooping::Snoops {
            return Err(Reason::DeviceSnoops.into());
        }
        let sync = device.machine().sync();
        let (line, granule) = (sync.geometry().line(), sync.geometry().granule());
        let longest = line.saturating_mul(7).next_multiple_of(granule);
        let memory = Bare::new(device, longest.saturating_add(granule.saturating_mul(2)))?;
        Ok(Self {
            memory,
            line,
            granule,
            fills_speculatively: sync.fills_speculatively(),
        })
    }

    /// Plays all three operations on each pair.
    fn all_operations(
        self,
        engine: &mut dyn Engine,
        mut pairs: impl Iterator<Item = (usize, usize)>,
    ) -> Run {
        pairs.try_for_each(|pair| {
            self.clean(engine, pair)?;
            self.invalidate(engine, pair)?;
            self.clean_and_invalidate(engine, pair)
        })?;
        self.memory.give_back()
    }

    fn places(&self, (start, len): (usize, usize)) -> Places {
        let start = start.saturating_add(self.granule);
        let range = start..start.saturating_add(len);
        let within = self.granule.saturating_sub(1);
        let first = range.start & !within;
        let end = range.end.saturating_add(within) & !within;
        Places {
            range,
            before: first.saturating_sub(self.granule)..first,
            granules: first..end,
            behind: end..end.saturating_add(self.granule),
        }
    }

    /// What was stored to the range is in memory, and nothing is lost anywhere.
    fn clean(&self, engine: &mut dyn Engine, pair: (usize, usize)) -> Run {
        let places = self.places(pair);
        let all = places.before.start..places.behind.end;
        self.memory.store(&all, pattern(OLD));
        self.memory.hand_over(&all)?;
        self.memory.store(&all, pattern(NEW));

        self.memory.clean(&places.range)?;
        self.memory.before_doorbell(&places.range);

        let (old, new) = (pattern(OLD), pattern(NEW));
        look(engine, self.memory.segment(&all)?, |index, found| {
            let offset = index.saturating_add(all.start);
            // What lies outside may have been written back, too, or not.
            let stays = !places.range.contains(&offset) && found == old(offset);
            if stays || found == new(offset) {
                return Ok(());
            }
            Err(Stop::Failed(Failure::Byte {
                what: "a clean's range, to the device",
                offset: index,
                found,
                expected: new(offset),
            }))
        })?;
        self.memory
            .holds("cleaned memory, to the CPU", &all, pattern(NEW))
    }

    /// What the device wrote to the range is seen, and what was stored to other granules meanwhile is not lost.
    fn invalidate(&self, engine: &mut dyn Engine, pair: (usize, usize)) -> Run {
        let places = self.places(pair);
        let Places {
            range,
            before,
            granules,
            behind,
        } = &places;
        let all = before.start..behind.end;
        self.memory.store(&all, pattern(OLD));
        self.memory.hand_over(&all)?;

        self.device_writes(engine, range)?;
        self.memory.store(before, pattern(NEW));
        self.memory.store(behind, pattern(NEW));
        self.memory.after_completion(range);
        self.memory.invalidate(range)?;

        let what = "an invalidate's range, to the CPU";
        self.memory.holds(what, range, pattern(DEVICE))?;
        let what = "the rest of the granules, to the CPU";
        let (first, last) = (granules.start..range.start, range.end..granules.end);
        self.memory.holds(what, &first, pattern(OLD))?;
        self.memory.holds(what, &last, pattern(OLD))?;
        let what = "other granules beside an invalidate's, to the CPU";
        self.memory.holds(what, before, pattern(NEW))?;
        self.memory.holds(what, behind, pattern(NEW))
    }

    /// What was stored to the range is in memory, and its lines are in no cache.
    fn clean_and_invalidate(&self, engine: &mut dyn Engine, pair: (usize, usize)) -> Run {
        let places = self.places(pair);
        let Places {
            range,
            before,
            granules: _,
            behind,
        } = &places;
        let all = before.start..behind.end;
        self.memory.store(&all, pattern(OLD));
        self.memory.hand_over(&all)?;
        // The range's granules hold no other dirty line, so the device may write to it afterwards.
        self.memory.store(before, pattern(NEW));
        self.memory.store(range, pattern(NEW));
        self.memory.store(behind, pattern(NEW));

        self.memory.clean_and_invalidate(range)?;
        self.memory.before_doorbell(range);
        let (value, what) = (
            pattern(NEW),
            "a clean and invalidate's range, to the device",
        );
        seen(engine, what, self.memory.segment(range)?, |index| {
            value(index.saturating_add(range.start))
        })?;

        self.device_writes(engine, range)?;
        self.memory.after_completion(range);
        if self.fills_speculatively {
            self.memory.invalidate(range)?;
        }
        let what = "a clean and invalidate's range, to the CPU";
        self.memory.holds(what, range, pattern(DEVICE))?;
        let what = "other granules beside a clean and invalidate's, to the CPU";
        self.memory.holds(what, before, pattern(NEW))?;
        self.memory.holds(what, behind, pattern(NEW))
    }

    fn device_writes(&self, engine: &mut dyn Engine, range: &Range<usize>) -> Run {
        let value = pattern(DEVICE);
        write(engine, self.memory.segment(range)?, |index| {
            value(index.saturating_add(range.start))
        })
    }
}
