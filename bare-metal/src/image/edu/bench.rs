//! An edu device, what is known of it, and loans to it.
#![expect(unsafe_code, reason = "lends memory to a device")]

use dma_api::{
    BouncePool, DataDirection, Device, DmaMask, FromDevice, Lender, Limits, SlotWord, ToDevice,
    slots::SLOTS_PER_WORD,
};

use super::{
    counts::{Copies, Counts},
    device::{BUFFER, Edu, Transfer},
    place::{BESIDE, LONGEST, Lending, Place, is_looked_at, varied},
    stop::Stop,
};
use crate::image::{
    board::{self, Board},
    cutter::Between,
    pattern,
    words::{self, Step},
};

type Machine = &'static Board;

/// Bytes of a slot, and how many there are.
const SLOT: usize = 512;
const SLOTS: usize = SLOTS_PER_WORD;

/// The longest segment of the loans of every so many rounds, and what it does not cross.
const SHORT_SEGMENT: u64 = 1000;
const BOUNDARY: u64 = 1 << 11;
const SHORT_EVERY: usize = 8;

/// The device, with so many address lines; with `without=mask`, taken for one that reaches all memory.
pub(super) fn device(mask: DmaMask) -> Result<Device<Machine>, Stop> {
    let said = match words::without(board::command_line())? {
        Some(Step::Mask) => DmaMask::bits(64)?,
        _ => mask,
    };
    let device = Device::new(board::machine(), Limits::new(said), board::SNOOPING)?;
    Ok(device)
}

/// What bounces to and from the device goes through these slots.
pub(super) fn slots(device: &Device<Machine>) -> Result<BouncePool<Machine, [SlotWord; 1]>, Stop> {
    let pool = BouncePool::<_, [SlotWord; 1]>::new(device, SLOTS * SLOT, SLOT)?;
    Ok(pool)
}

/// The device, what is known of it, and how memory is lent to it.
pub(super) struct Bench<'p> {
    edu: Edu,
    lender: Lender<'p, Machine>,
    /// The same with segments that are short.
    short: Lender<'p, Machine>,
    slots: &'p BouncePool<Machine>,
    /// What is in the device's buffer.
    held: [u8; BUFFER],
    rounds: usize,
    /// What the loans so far must have cost.
    counts: Counts,
}

impl<'p> Bench<'p> {
    /// With a device whose buffer is known.
    pub(super) fn new(
        device: &Device<Machine>,
        slots: &'p BouncePool<Machine>,
    ) -> Result<Self, Stop> {
        let short = Limits::UNLIMITED
            .max_segment_len(SHORT_SEGMENT)?
            .boundary(BOUNDARY)?;
        let mut bench = Self {
            edu: Edu::find()?,
            lender: Lender::new(device, slots)?,
            short: Lender::new(&device.narrowed(short)?, slots)?,
            slots,
            held: [0; BUFFER],
            rounds: 0,
            counts: Counts::default(),
        };

        pattern::fill(&mut bench.held, 0);
        let mut buffer = device.allocate::<ToDevice>(BUFFER)?;
        buffer.as_mut_slice().copy_from_slice(&bench.held);
        let lent = buffer.sync_for_device();
        let segment = [lent.segment()];
        // SAFETY: it was just handed over.
        unsafe { bench.edu.transfer(Transfer::In(0), segment, || ()) }?;
        // SAFETY: the device has finished.
        drop(unsafe { lent.sync_for_cpu() });
        Ok(bench)
    }

    /// A number that differs from one round to the next.
    pub(super) fn next_variety(&mut self) -> usize {
        self.rounds += 1;
        varied(self.rounds)
    }

    /// Lends `len` bytes of `arena` twice: the device reads them, and writes others there.
    pub(super) fn lend(
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
        between.store();
        self.lender().scope_to(memory, |in_flight| {
            // SAFETY: it was just handed over.
            let done = unsafe {
                let segments = in_flight.segments();
                self.edu
                    .transfer(Transfer::In(to), segments, || between.store())
            };
            // SAFETY: the device has finished what it was told.
            (unsafe { in_flight.finished() }, done)
        })??;
        self.taken_back(&lending, DataDirection::ToDevice, &mut between)?;
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
        between.store();
        self.lender().scope_from(memory, |in_flight| {
            // SAFETY: it was just handed over.
            let done = unsafe {
                let segments = in_flight.segments();
                self.edu
                    .transfer(Transfer::Out(from), segments, || between.store())
            };
            // SAFETY: the device has finished what it was told.
            (unsafe { in_flight.finished() }, done)
        })??;
        self.taken_back(&lending, DataDirection::FromDevice, &mut between)?;
        let expected = self.held[from..].iter().chain(&self.held[..from]).cycle();
        match first_difference(memory, expected) {
            None => self.count(&lending),
            Some(at) => Err(Stop::Written(lending, at)),
        }
    }

    /// How memory is lent in this round.
    fn lender(&self) -> &Lender<'p, Machine> {
        if self.rounds % SHORT_EVERY < 2 {
            &self.short
        } else {
            &self.lender
        }
    }

    /// Compares what the device holds with what it should.
    fn look(&self, lending: &Lending) -> Result<(), Stop> {
        let buffer = self.lender.device().allocate::<FromDevice>(BUFFER)?;
        let lent = buffer.sync_for_device();
        let segment = [lent.segment()];
        // SAFETY: it was just handed over.
        unsafe { self.edu.transfer(Transfer::Out(0), segment, || ()) }?;
        // SAFETY: the device has finished.
        let buffer = unsafe { lent.sync_for_cpu() };
        match first_difference(buffer.as_slice(), &self.held) {
            None => Ok(()),
            Some(at) => Err(Stop::Read(*lending, at)),
        }
    }

    /// A loan is over: what it must have cost is added, and what is beside it is looked at.
    fn taken_back(
        &mut self,
        lending: &Lending,
        direction: DataDirection,
        between: &mut Between<'_>,
    ) -> Result<(), Stop> {
        let granule = self.lender.device().granule().get() as usize;
        self.counts.add(lending.bounced(direction, granule), SLOT);
        if between.is_as_stored() {
            Ok(())
        } else {
            Err(Stop::Lost(*lending))
        }
    }

    /// Compares what was copied up to this loan with what was to be: the data were right either way.
    fn count(&self, lending: &Lending) -> Result<(), Stop> {
        let (expected, found) = (self.counts.copies(), Copies::from(self.slots.counts()));
        if found == expected {
            return Ok(());
        }
        Err(Stop::Copies {
            lending: *lending,
            expected,
            found,
        })
    }

    /// What the loans so far have cost.
    pub(super) fn counts(&self) -> Counts {
        self.counts
    }
}

fn first_difference<'a>(found: &[u8], expected: impl IntoIterator<Item = &'a u8>) -> Option<usize> {
    let mut pairs = found.iter().zip(expected);
    pairs.position(|(found, expected)| found != expected)
}
