//! Memory of somebody else's: what lies in it and beside it, how it is lent, and what the engine finds of a loan.
#![expect(
    unsafe_code,
    reason = "a check lends memory of its own, and states that its engine is done"
)]

use core::ops::Range;

use dma_api::{
    BouncePool, Device, Direction, DmaAddr, DmaRange, DmaSync, Error, Lender, Limits, Loan,
    Machine, SlotWord,
};

use crate::{
    bare::Bare,
    engine::{Engine, part, seen, write},
    report::{Reason, Run, Stop, equal, pattern},
};

pub(crate) type Slots<M> = BouncePool<M, [SlotWord; 1]>;

/// Memory of somebody else's, eight units, from the first one on that the device finds at a multiple of two.
pub(crate) struct Others<'d, M: Machine> {
    pub(crate) bare: Bare<'d, M>,
    pub(crate) first: usize,
    /// Bytes of a unit: a granule of the machine's at least, whatever the device does.
    pub(crate) unit: usize,
}

impl<'d, M: Machine + Clone> Others<'d, M> {
    pub(crate) fn new(device: &'d Device<M>) -> Result<Self, Stop> {
        let unit = device.machine().sync().geometry().granule().max(64);
        let bare = Bare::new(device, unit.saturating_mul(10))?;
        // Nothing is copied between memory and slots that are the same memory.
        let more = Bare::new(device, unit)?;
        let (here, there) = (
            bare.segment(&(0..unit.saturating_mul(10)))?,
            more.segment(&(0..unit))?,
        );
        let apart = here.last() < there.start() || there.last() < here.start();
        equal("memory handed out once", u64::from(apart), 1)?;
        more.give_back()?;
        let start = bare.segment(&(0..1))?.start().get();
        let double = (unit as u64).saturating_mul(2);
        let first = start.next_multiple_of(double).saturating_sub(start);
        let first = usize::try_from(first).unwrap_or(0);
        Ok(Self { bare, first, unit })
    }

    /// All of it.
    pub(crate) fn all(&self) -> Range<usize> {
        self.bytes(0, self.unit.saturating_mul(8))
    }

    /// Some of it.
    pub(crate) fn bytes(&self, at: usize, len: usize) -> Range<usize> {
        let start = self.first.saturating_add(at);
        start..start.saturating_add(len)
    }

    /// Starts and lengths round lines and granules, none longer than four units.
    pub(crate) fn places(&self) -> [Range<usize>; 10] {
        let unit = self.unit;
        let (half, three) = (unit / 2, unit.saturating_mul(3));
        [
            (0, unit),
            (0, 1),
            (1, 1),
            (unit.saturating_sub(1), 1),
            (unit.saturating_sub(1), 2),
            (3, unit.saturating_sub(3)),
            (half, unit),
            (unit, three.saturating_add(1)),
            (unit.saturating_add(5), three.saturating_sub(5)),
            (half.saturating_add(1), three),
        ]
        .map(|(at, len)| self.bytes(at, len))
    }

    /// Stores the owner's bytes in one part, and the neighbours' in the others.
    pub(crate) fn store(&self, own: &Range<usize>, salt: u8) {
        self.store_beside(own, salt);
        self.bare.store(own, of(own, salt));
    }

    /// Stores the neighbours' bytes alone.
    pub(crate) fn store_beside(&self, own: &Range<usize>, salt: u8) {
        let Range { start, end } = self.all();
        for beside in [start..own.start, own.end..end] {
            self.bare.store(&beside, |_| !salt);
        }
    }

    /// Demands that the owner finds `expected` in its part, by index, and the neighbours what they stored.
    pub(crate) fn holds(
        &self,
        own: &Range<usize>,
        salt: u8,
        expected: impl Fn(usize) -> u8,
    ) -> Run {
        let Range { start, end } = self.all();
        self.bare.holds("the owner's bytes", own, |offset| {
            expected(offset.saturating_sub(own.start))
        })?;
        for beside in [start..own.start, own.end..end] {
            self.bare.holds("a neighbour's bytes", &beside, |_| !salt)?;
        }
        Ok(())
    }

    /// Lends some of it.
    pub(crate) fn lend<'p, D: Direction>(
        &self,
        lender: &Lender<'p, M>,
        own: &Range<usize>,
    ) -> Result<Loan<'p, M, D>, Error> {
        // SAFETY: the bytes are the check's, which neither loads nor stores them before it has them back.
        unsafe { lender.lend_raw(self.bare.memory(own)) }
    }

    /// A pool that lies where this memory does not, and the device reaching no other memory than there.
    pub(crate) fn elsewhere(
        &self,
        device: &Device<M>,
        slots: usize,
        slot_len: usize,
    ) -> Result<(Device<M>, Slots<M>), Stop> {
        let here = self.bare.segment(&self.all())?;
        let above = here.last().checked_add(1);
        let above = above.map(|lowest| (lowest, DmaAddr::new(u64::MAX)));
        let below = here.start().get().checked_sub(1);
        let below = below.map(|highest| (DmaAddr::new(0), DmaAddr::new(highest)));
        let len = slots.saturating_mul(slot_len);
        for (lowest, highest) in [above, below].into_iter().flatten() {
            let made = device
                .narrowed(Limits::UNLIMITED.window(lowest, highest)?)
                .and_then(|device| Slots::new(&device, len, slot_len).map(|pool| (device, pool)));
            match made {
                Ok(made) => return Ok(made),
                Err(
                    Error::Unreachable { .. } | Error::NeverFits { .. } | Error::Exhausted { .. },
                ) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Reason::TooLittleMemory { len: len as u64 }.into())
    }
}

/// The owner's bytes, by their offset in the memory they are part of.
fn of(own: &Range<usize>, salt: u8) -> impl Fn(usize) -> u8 {
    let start = own.start;
    move |offset| pattern(salt)(offset.saturating_sub(start))
}

/// Demands that the engine sees bytes with the value that `expected` gives for their index, segment behind segment.
pub(crate) fn seen_through(
    engine: &mut dyn Engine,
    segments: impl Iterator<Item = DmaRange>,
    len: usize,
    expected: impl Fn(usize) -> u8,
) -> Run {
    let mut done: usize = 0;
    for segment in segments {
        seen(engine, "a loan, to the device", segment, |index| {
            expected(index.saturating_add(done))
        })?;
        done = done.saturating_add(len_of(segment));
    }
    Ok(equal("bytes in segments", done as u64, len as u64)?)
}

/// Lets the engine write the first `written` bytes of the segments.
pub(crate) fn write_through(
    engine: &mut dyn Engine,
    segments: impl Iterator<Item = DmaRange>,
    written: usize,
    value: impl Fn(usize) -> u8,
) -> Run {
    let mut done: usize = 0;
    for segment in segments {
        let len = len_of(segment).min(written.saturating_sub(done));
        if len > 0 {
            write(engine, part(segment, 0, len)?, |index| {
                value(index.saturating_add(done))
            })?;
        }
        done = done.saturating_add(len);
    }
    Ok(equal(
        "bytes written in segments",
        done as u64,
        written as u64,
    )?)
}

pub(crate) fn len_of(segment: DmaRange) -> usize {
    usize::try_from(segment.len_bytes()).unwrap_or(usize::MAX)
}

/// The loan's end.
pub(crate) fn take_back<M: Machine, D: Direction, const N: usize>(loan: Loan<'_, M, D, (), N>) {
    // SAFETY: the engine has done what it was told to, and does nothing by itself.
    unsafe { loan.sync_for_cpu() };
}
