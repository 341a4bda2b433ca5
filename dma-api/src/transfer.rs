//! One transfer of memory that was not ours: its parts, the order in which they change hands, and the copies between.
#![expect(
    unsafe_code,
    reason = "bytes are copied between their owner's memory and slots"
)]

use core::{marker::PhantomData, panic::Location, ptr::NonNull};

use heapless::Vec;

use crate::{
    addr::{DmaAddr, DmaRange, PhysAddr, PhysRange},
    bounce::{At, LoanCost},
    cache::LineRange,
    direction::Direction,
    error::Error,
    handover::{self, Upkeep},
    ledger::{DeviceId, Holding},
    limits::{Alignment, Limits},
    machine::Machine,
    observe::{Event, Notice},
    segments::Segments,
    slots::{BouncePool, Run},
};

/// Bytes of the owner's and where the device finds them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    /// Invariant: valid for reads, and for writes if the device writes, until the transfer is over.
    home: NonNull<[u8]>,
    /// Invariant: the same bytes, or as many in the transfer's run.
    place: NonNull<u8>,
    phys: PhysRange,
    dma: DmaRange,
    bounced: bool,
}

impl Part {
    /// # Safety
    /// `home` keeps the invariant of the field, and lies there.
    pub(crate) const unsafe fn in_place(
        home: NonNull<[u8]>,
        phys: PhysRange,
        dma: DmaRange,
    ) -> Self {
        Self {
            home,
            place: home.cast(),
            phys,
            dma,
            bounced: false,
        }
    }

    /// # Safety
    /// `home` keeps the invariant of the field, and `at` was laid out for it and this run.
    pub(crate) unsafe fn new(
        home: NonNull<[u8]>,
        at: At,
        run: Option<&Run>,
    ) -> Result<Self, Error> {
        match (at, run) {
            // SAFETY: passed on to the caller.
            (At::Home(phys, dma), _) => Ok(unsafe { Self::in_place(home, phys, dma) }),
            (At::Run(offset), Some(run))
                if offset.saturating_add(home.len()) <= run.memory.len() =>
            {
                let len = home.len() as u64;
                let shift = |start: u64| start.wrapping_add(offset as u64);
                Ok(Self {
                    home,
                    // SAFETY: the offset lies in the run, as was just compared.
                    place: unsafe { run.memory.cast::<u8>().add(offset) },
                    phys: PhysRange::new(PhysAddr::new(shift(run.phys.start().get())), len)?,
                    dma: DmaRange::new(DmaAddr::new(shift(run.dma.start().get())), len)?,
                    bounced: true,
                })
            }
            (At::Run(offset), run) => Err(Error::OutOfBounds {
                offset,
                len: home.len(),
                buffer_len: run.map_or(0, |run| run.memory.len()),
            }),
        }
    }

    pub(crate) const fn dma(&self) -> DmaRange {
        self.dma
    }
}

/// What changes hands as one: bytes that the device finds together, and the granules they own.
#[derive(Clone, Copy)]
struct Span {
    memory: NonNull<[u8]>,
    phys: PhysRange,
    dma: DmaRange,
    bounced: bool,
}

/// A transfer of up to `N` parts.
pub(crate) struct Transfer<'p, M: Machine, D: Direction, const N: usize> {
    pub(crate) machine: M,
    pub(crate) device: DeviceId,
    pub(crate) upkeep: Upkeep,
    pub(crate) limits: Limits,
    /// Bytes of the run are owned in granules of this; 1 if that does not matter.
    pub(crate) granule: Alignment,
    pub(crate) parts: Vec<Part, N>,
    /// Whether all parts lie in the run, one right behind the other.
    pub(crate) whole: bool,
    pub(crate) slots: Option<(&'p BouncePool<M>, Run)>,
    pub(crate) cost: LoanCost,
    pub(crate) len: usize,
    pub(crate) copied_out: u64,
    pub(crate) state: State,
    pub(crate) direction: PhantomData<D>,
}

/// Whose the memory is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// The CPU's, and no device was told of it.
    Cpu,
    Device,
}

impl<M: Machine, D: Direction, const N: usize> Transfer<'_, M, D, N> {
    const fn upkeep(&self) -> Upkeep {
        if M::EVERYTHING_SNOOPS {
            Upkeep::OrderOnly
        } else {
            self.upkeep
        }
    }

    pub(crate) fn segments(&self) -> impl Iterator<Item = DmaRange> + Clone + '_ {
        let ranges = self.parts.iter().map(Part::dma);
        // They were judged when the loan was made.
        Segments::new(&self.limits, ranges).map_while(Result::ok)
    }

    fn spans(&self) -> impl Iterator<Item = Span> + Clone + '_ {
        let single = |part: &Part| Span {
            memory: NonNull::slice_from_raw_parts(part.place, part.home.len()),
            phys: part.phys,
            dma: part.dma,
            bounced: part.bounced,
        };
        let whole = self.parts.first().filter(|_| self.whole).and_then(|first| {
            Some(Span {
                memory: NonNull::slice_from_raw_parts(first.place, self.len),
                phys: PhysRange::new(first.phys.start(), self.len as u64).ok()?,
                dma: DmaRange::new(first.dma.start(), self.len as u64).ok()?,
                bounced: true,
            })
        });
        let parts = if whole.is_some() {
            &[]
        } else {
            self.parts.as_slice()
        };
        whole.into_iter().chain(parts.iter().map(single))
    }

    /// What is maintained of a span. Of slots, and of what the device writes, whole granules: a line of one that is still
    /// dirty would be written back together with those that the device writes.
    fn lines(&self, span: &Span) -> LineRange<'_> {
        let (before, behind) = if span.bounced || D::DATA.device_writes() {
            self.rest_of_granules(span)
        } else {
            (0, 0)
        };
        let start = span.memory.cast::<u8>().as_ptr().wrapping_sub(before);
        let start = NonNull::new(start).unwrap_or(span.memory.cast());
        let first = span.phys.start().get().wrapping_sub(before as u64);
        let len = span
            .memory
            .len()
            .saturating_add(before)
            .saturating_add(behind);
        let phys = PhysRange::new(PhysAddr::new(first), len as u64).unwrap_or(span.phys);
        // SAFETY: the bytes are mapped by the invariants of `Part`. The rest of their granules lies in the run, which is
        // whole slots; there is none in place, but among neighbours that keep still, which are mapped.
        unsafe { LineRange::new_unchecked(start, phys) }
    }

    /// Bytes before and behind a span that nobody else has in its granules: those of the run.
    fn padding(&self, span: &Span) -> (usize, usize) {
        if span.bounced {
            self.rest_of_granules(span)
        } else {
            (0, 0)
        }
    }

    /// Bytes before and behind a span that share its granules.
    fn rest_of_granules(&self, span: &Span) -> (usize, usize) {
        let before = span.phys.start().get() & self.granule.mask();
        let behind = self
            .granule
            .distance_up(span.phys.last().get().wrapping_add(1));
        let bytes = |value| usize::try_from(value).unwrap_or(0);
        (bytes(before), bytes(behind))
    }

    /// A span and the bytes before it in its first granule, which are its own in slots.
    fn whole_granule_of(&self, span: &Span) -> (Span, usize) {
        let (before, _) = self.padding(span);
        let back = |start: u64| start.wrapping_sub(before as u64);
        let len = span.memory.len().saturating_add(before);
        let start = span.memory.cast::<u8>().as_ptr().wrapping_sub(before);
        let start = NonNull::new(start).unwrap_or(span.memory.cast());
        let phys = PhysAddr::new(back(span.phys.start().get()));
        let dma = DmaAddr::new(back(span.dma.start().get()));
        let whole = Span {
            memory: NonNull::slice_from_raw_parts(start, len),
            phys: PhysRange::new(phys, len as u64).unwrap_or(span.phys),
            dma: DmaRange::new(dma, len as u64).unwrap_or(span.dma),
            bounced: span.bounced,
        };
        (whole, before)
    }

    /// Tells whoever watches; `event` has a span, the bytes of the transfer before it, and those before it in its granule.
    fn tell(
        &self,
        event: impl Fn(&Span, usize, usize) -> Event,
        caller: Option<&'static Location<'static>>,
    ) {
        if !M::OBSERVED {
            return;
        }
        let mut offset = 0;
        for span in self.spans() {
            let (_, behind) = self.padding(&span);
            let (whole, before) = self.whole_granule_of(&span);
            let owned = whole.phys.len_bytes().saturating_add(behind as u64);
            self.machine.observe(&Notice {
                event: event(&span, offset, before),
                device: self.device,
                maintained: self.upkeep() == Upkeep::Lines,
                memory: whole.memory,
                owned: PhysRange::new(whole.phys.start(), owned).unwrap_or(whole.phys),
                dma: whole.dma,
                direction: Some(D::DATA),
                caller,
            });
            offset = offset.saturating_add(span.memory.len());
        }
    }

    /// Copies what bounces: before [`for_device`](Self::for_device).
    pub(crate) fn copy_in(&mut self) {
        for span in self.spans() {
            let (before, behind) = self.padding(&span);
            let start = span.memory.cast::<u8>().as_ptr();
            // SAFETY: the padding lies in the run, which is this transfer's alone.
            unsafe { start.wrapping_sub(before).write_bytes(0, before) };
            // SAFETY: as above.
            unsafe { start.wrapping_add(span.memory.len()).write_bytes(0, behind) };
        }
        for part in self.parts.iter().filter(|part| part.bounced) {
            let from = part.home.cast::<u8>().as_ptr();
            // SAFETY: the owner's bytes are valid for reads, the run's for writes, and the two are not the same memory.
            // In every direction: what the device leaves unwritten must not change when it is copied back.
            unsafe { from.copy_to_nonoverlapping(part.place.as_ptr(), part.home.len()) };
        }
    }

    /// Hands all of it over: maintenance, one completion, doorbell barrier.
    pub(crate) fn for_device(&mut self, caller: &'static Location<'static>) {
        self.tell(|_, _, _| Event::Borrowed, Some(caller));
        self.tell(|_, _, _| Event::ForDevice, Some(caller));
        self.state = State::Device;
        let lines = self.spans().map(|span| self.lines(&span));
        // SAFETY: the granules are the transfer's if the device writes: the caller's in place, by the decision, and the
        // run's in slots. Nobody reaches the bytes from now on.
        unsafe { handover::all_for_device(self.machine.sync(), self.upkeep(), D::DATA, lines) };
        self.tell(|_, _, _| Event::HandedOver, Some(caller));
    }

    /// Takes all of it back, then copies the bytes from `from` to `to` of what bounced: completion barrier, maintenance,
    /// one completion, copy.
    ///
    /// # Safety
    /// The device has finished, and accesses the memory no more.
    pub(crate) unsafe fn for_cpu(
        &mut self,
        from: usize,
        to: usize,
        caller: &'static Location<'static>,
    ) {
        self.tell(|_, _, _| Event::ForCpu, Some(caller));
        let lines = self.spans().map(|span| self.lines(&span));
        // SAFETY: the device has finished (S3), and the ranges were handed over by `for_device`.
        unsafe { handover::all_for_cpu(self.machine.sync(), self.upkeep(), D::DATA, lines) };
        self.state = State::Cpu;
        self.tell(
            |span, offset, before| {
                let written = to.saturating_sub(offset).min(span.memory.len());
                let front = if written > 0 { before } else { 0 };
                let written = written.saturating_add(front);
                Event::HandedBack { written }
            },
            Some(caller),
        );
        if D::DATA.device_writes() {
            let mut offset: usize = 0;
            let mut copied: u64 = 0;
            for part in &self.parts {
                let len = part.home.len();
                let first = from.saturating_sub(offset).min(len);
                let last = to.saturating_sub(offset).min(len);
                let count = last.saturating_sub(first);
                if part.bounced && count > 0 {
                    let source = part.place.as_ptr().wrapping_add(first);
                    let target = part.home.cast::<u8>().as_ptr().wrapping_add(first);
                    // SAFETY: both places have `len` bytes; the owner's are valid for writes, since the device writes.
                    unsafe { source.copy_to_nonoverlapping(target, count) };
                    copied = copied.saturating_add(count as u64);
                }
                offset = offset.saturating_add(len);
            }
            self.copied_out = copied;
        }
    }
}

/// Rule S2 and S3: slots that a device owns are not free.
impl<M: Machine, D: Direction, const N: usize> Drop for Transfer<'_, M, D, N> {
    fn drop(&mut self) {
        let device_owned = self.state == State::Device;
        self.tell(
            |_, _, _| match device_owned {
                true => Event::Quarantined,
                false => Event::Released,
            },
            None,
        );
        if device_owned {
            for span in self.spans().filter(|span| !span.bounced) {
                let ledger = self.machine.ledger();
                ledger.quarantine(self.device, span.dma, Holding::Nothing);
            }
        }
        let copied_in = self.cost.bytes_bounced as u64;
        match self.slots.take() {
            Some((pool, run)) if device_owned => pool.quarantine(self.device, &run, copied_in),
            Some((pool, run)) => pool.give_back(&run, copied_in, self.copied_out),
            None => {}
        }
    }
}
