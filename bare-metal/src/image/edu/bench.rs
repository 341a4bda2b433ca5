//! An edu device, what is known of it, and loans to it.
#![expect(unsafe_code, reason = "lends memory to a device")]

use core::ptr::NonNull;

use dma_api::{Device, Direction, DmaMask, FromDevice, Limits, ToDevice};

use super::{
    counts::Counts,
    device::{BUFFER, Edu, Transfer},
    place::{BESIDE, LONGEST, Lending, Place, is_looked_at, varied},
    stop::Stop,
};
use crate::image::{
    board::{self, Board},
    cutter::Between,
    loan::{Copies, Loan},
    pattern,
    words::{self, Step},
};

type Machine = &'static Board;

/// The device, and what is known of it.
pub(super) struct Bench {
    edu: Edu,
    device: Device<Machine>,
    /// What is in the device's buffer.
    held: [u8; BUFFER],
    rounds: usize,
    /// What the loans so far must have cost.
    counts: Counts,
}

impl Bench {
    /// With a device whose buffer is known. It takes `without=mask` for one that reaches all memory.
    pub(super) fn new(mask: DmaMask) -> Result<Self, Stop> {
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
            None => self.count(&lending),
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
        // SAFETY: the device has finished.
        unsafe { loan.sync_for_cpu() };
        self.counts
            .add::<D>(lending.len, self.must_bounce::<D>(lending));
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

    /// Compares what was copied up to this loan with what was to be: the data were right either way.
    fn count(&self, lending: &Lending) -> Result<(), Stop> {
        let (expected, found) = (self.counts.copies(), Copies::so_far());
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
