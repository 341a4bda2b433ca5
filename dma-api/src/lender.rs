//! Who lends memory to a device: the device, a pool to bounce through, and a policy. The way is chosen here.
#![expect(
    unsafe_code,
    reason = "nothing but the caller's word says that the memory outlives the transfer"
)]

use core::{marker::PhantomData, ptr::NonNull};

use heapless::Vec;

use crate::{
    addr::{DmaRange, PhysRange},
    bounce::{At, Layout, LoanCost, Piece, Policy, Terms, Way},
    device::Device,
    direction::{DataDirection, Direction},
    error::Error,
    handover::{Edge, Fills, Upkeep, maintenance},
    limits::Alignment,
    machine::Machine,
    segments::Segments,
    slots::{BouncePool, Run},
    sync::DmaSync,
    transfer::{Part, State, Transfer},
};

/// A device, and how memory that others allocated is lent to it.
///
/// ```
/// use dma_api::{BouncePool, Device, Error, Lender, Machine, SlotWord};
///
/// fn read_sector<M: Machine + Clone>(device: &Device<M>) -> Result<[u8; 512], Error> {
///     let pool = BouncePool::<M, [SlotWord; 1]>::new(device, 8 * 2048, 2048)?;
///     let lender = Lender::new(device, &pool)?;
///
///     let mut sector = [0; 512];
///     lender.scope_from(&mut sector, |in_flight| {
///         for segment in in_flight.segments() {
///             // One descriptor each; then the doorbell, and a wait for the device's status.
///             # let _ = segment;
///         }
///         // SAFETY: the device's status register says that it has finished.
///         (unsafe { in_flight.finished() }, ())
///     })?;
///     Ok(sector)
/// }
/// ```
#[derive(Debug)]
pub struct Lender<'p, M: Machine> {
    device: Device<M>,
    pool: Option<&'p BouncePool<M>>,
    policy: Policy,
    neighbours: Neighbours,
}

/// Whose the bytes are that share granules with a loan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Neighbours {
    Anybodys,
    Still,
}

impl<M: Machine + Clone> Clone for Lender<'_, M> {
    fn clone(&self) -> Self {
        Self {
            device: self.device.clone(),
            ..*self
        }
    }
}

impl<'p, M: Machine + Clone> Lender<'p, M> {
    /// Lends to `device`, through `pool` where it must be.
    ///
    /// # Errors
    /// [`Error::ForeignBlock`] if the pool is of another machine.
    pub fn new(device: &Device<M>, pool: &'p BouncePool<M>) -> Result<Self, Error> {
        pool.belongs_to(device.machine())?;
        Ok(Self {
            pool: Some(pool),
            ..Self::without_bounce(device)
        })
    }

    /// Lends to `device` what can be lent where it is.
    #[must_use]
    pub fn without_bounce(device: &Device<M>) -> Self {
        Self {
            device: device.clone(),
            pool: None,
            policy: Policy::Automatic,
            neighbours: Neighbours::Anybodys,
        }
    }

    /// The same with another policy.
    #[must_use]
    pub fn with_policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// The same for memory whose edges may share cache granules with other memory: nothing bounces for that.
    ///
    /// # Safety
    /// Nobody stores to a byte that shares a granule with memory that is lent, from the hand-over of each loan until it
    /// is taken back. Those granules are mapped, whole.
    #[must_use]
    pub unsafe fn with_still_neighbours(self) -> Self {
        Self {
            neighbours: Neighbours::Still,
            ..self
        }
    }

    /// The device.
    pub fn device(&self) -> &Device<M> {
        &self.device
    }

    /// What a loan of this memory in this direction takes, unless there is no room for it in the pool now and it is made
    /// in another way.
    ///
    /// # Errors
    /// Why it could not be made, exhaustion apart; under [`Policy::Reject`], or without a pool, why it would have to bounce.
    pub fn quote<D: Direction>(&self, memory: &[u8]) -> Result<LoanCost, Error> {
        self.quote_list::<D>(&[NonNull::from(memory)])
    }

    /// The same for a list.
    ///
    /// # Errors
    /// As [`quote`](Self::quote).
    pub fn quote_list<D: Direction>(&self, memory: &[NonNull<[u8]>]) -> Result<LoanCost, Error> {
        let list = List::new(memory.iter().copied())?;
        Ok(self.choose(D::DATA, &list)?.0.cost)
    }

    /// The longest buffer, in bytes, that is lent wherever it lies and whatever its alignment, as long as nothing else
    /// is in the pool; 0 if there is none.
    #[must_use]
    pub fn max_loan(&self) -> usize {
        let page = self.device.limits().segment_page().get();
        let fits = |len: usize| {
            let worst = usize::try_from(page.wrapping_sub(1)).unwrap_or(usize::MAX);
            [0, worst].iter().all(|offset| {
                // Memory of which only the offset in a page is known.
                let start = NonNull::new(core::ptr::without_provenance_mut::<u8>(
                    usize::try_from(page).unwrap_or(1).saturating_add(*offset),
                ));
                let Some(start) = start else { return false };
                let unknown = Piece {
                    memory: NonNull::slice_from_raw_parts(start, len),
                    place: Err(Error::NotInDirectMap { first: 0, last: 0 }),
                };
                let terms = self.terms(DataDirection::Bidirectional);
                let pieces = core::iter::once(unknown);
                len > 0
                    && self
                        .assess(DataDirection::Bidirectional, &terms, Way::Whole, pieces)
                        .is_ok()
            })
        };
        let (mut low, mut high) = (0, self.pool.map_or(0, |pool| pool.counts().capacity));
        while low < high {
            let middle = high.saturating_sub(high.saturating_sub(low) / 2);
            if fits(middle) {
                low = middle;
            } else {
                high = middle.saturating_sub(1);
            }
        }
        low
    }

    /// What memory for a transfer must meet.
    fn terms(&self, direction: DataDirection) -> Terms {
        let owns = direction.device_writes() && self.neighbours == Neighbours::Anybodys;
        Terms {
            limits: *self.device.limits(),
            granule: if owns {
                self.device.granule()
            } else {
                Alignment::ONE
            },
        }
    }

    /// What a way takes, or why it is none.
    fn assess(
        &self,
        direction: DataDirection,
        terms: &Terms,
        way: Way,
        pieces: impl Iterator<Item = Piece> + Clone,
    ) -> Result<Assessed, Error> {
        let mut layout = Layout::new(terms, way, pieces.clone());
        let bytes_bounced = layout
            .by_ref()
            .filter(|laid| matches!(laid.at, At::Run(_)))
            .fold(0_usize, |sum, laid| sum.saturating_add(laid.home.len()));
        let run_len = layout.run_len();
        let reason = || pieces.clone().find_map(|piece| terms.cut(&piece).reason);
        let run = match terms.shape(run_len) {
            None => None,
            Some(shape) => {
                let pool = match (self.pool, self.policy) {
                    (Some(pool), Policy::Automatic) => pool,
                    _ => {
                        return Err(reason().unwrap_or(Error::NeverFits {
                            len: run_len,
                            capacity: 0,
                        }));
                    }
                };
                let capacity = pool.counts().capacity;
                let never = Error::NeverFits {
                    len: run_len,
                    capacity,
                };
                Some(pool.could_take(&terms.limits, shape).ok_or(never)?)
            }
        };
        let ranges = Layout::new(terms, way, pieces.clone())
            .filter_map(|laid| place_in(run, &laid.at, laid.home.len()));
        let mut segments: usize = 0;
        for segment in Segments::new(&terms.limits, ranges) {
            segment?;
            segments = segments.saturating_add(1);
        }

        let mut cost = LoanCost {
            segments,
            bytes_bounced,
            bytes_copied: bytes_bounced,
            ..LoanCost::default()
        };
        if direction.device_writes() {
            cost.bytes_copied = bytes_bounced.saturating_mul(2);
        }
        for laid in Layout::new(terms, way, pieces) {
            let (edges, lines) = self.upkeep_of(direction, &laid.at, laid.home.len());
            let operations = lines.saturating_mul(edges);
            cost.lines_maintained = cost.lines_maintained.saturating_add(operations);
            cost.completions = edges;
        }
        Ok(Assessed { way, cost, run_len })
    }

    /// The ways that are right, the better one first.
    fn choose<I>(
        &self,
        direction: DataDirection,
        list: &List<I>,
    ) -> Result<(Assessed, Option<Assessed>), Error>
    where
        I: Iterator<Item = NonNull<[u8]>> + Clone,
    {
        let terms = self.terms(direction);
        let machine = self.device.machine();
        let pieces = list.pieces(machine);
        let split = self.assess(direction, &terms, Way::Pieces, pieces.clone());
        if let Ok(split) = split
            && split.run_len == 0
            && machine.costs().is_none()
        {
            return Ok((split, None));
        }
        let whole = self.assess(direction, &terms, Way::Whole, pieces);
        let (split, whole) = match (split, whole) {
            (Ok(split), Ok(whole)) => (split, whole),
            (Ok(only), Err(_)) | (Err(_), Ok(only)) => return Ok((only, None)),
            // What is wrong with the memory where it is, if it may not bounce; otherwise what is wrong with bouncing.
            (Err(split), Err(_)) if self.pool.is_none() || self.policy == Policy::Reject => {
                return Err(split);
            }
            (Err(_), Err(whole)) => return Err(whole),
        };
        let prefers_whole = match machine.costs() {
            Some(costs) => whole.cost.total(&costs) < split.cost.total(&costs),
            None => whole.cost.bytes_copied < split.cost.bytes_copied,
        };
        Ok(if prefers_whole {
            (whole, Some(split))
        } else {
            (split, Some(whole))
        })
    }

    /// Lends a list of stretches of memory, in order.
    ///
    /// # Safety
    /// As [`Lender::lend_raw`], for each stretch.
    #[cold]
    #[inline(never)]
    pub(crate) unsafe fn start<D: Direction, const N: usize, I>(
        &self,
        memory: I,
        caller: &'static core::panic::Location<'static>,
    ) -> Result<Transfer<'p, M, D, N>, Error>
    where
        I: Iterator<Item = NonNull<[u8]>> + Clone,
    {
        let list = List::new(memory)?;
        let (first, second) = self.choose(D::DATA, &list)?;
        // SAFETY: passed on to the caller.
        let made = match unsafe { self.make(&list, &first) } {
            Ok(transfer) => Ok(transfer),
            Err(error) => match second {
                // SAFETY: as above.
                Some(second) => unsafe { self.make(&list, &second) }.map_err(|_| error),
                None => Err(error),
            },
        };
        if let (Err(Error::Exhausted { .. }), Some(pool)) = (&made, self.pool) {
            pool.count_refused();
        }
        let mut transfer = made?;
        transfer.copy_in();
        transfer.for_device(caller);
        Ok(transfer)
    }

    /// Lends one stretch of memory. What can be lent where it is, in one segment, comes to a few comparisons and the
    /// hand-over; all else is planned out of line.
    ///
    /// # Safety
    /// As [`Lender::lend_raw`].
    #[inline]
    pub(crate) unsafe fn start_one<D: Direction, const N: usize>(
        &self,
        memory: NonNull<[u8]>,
        caller: &'static core::panic::Location<'static>,
    ) -> Result<Transfer<'p, M, D, N>, Error> {
        if N > 0
            && let Some((phys, dma)) = self.in_place(memory, D::DATA)
        {
            let mut parts = Vec::new();
            // SAFETY: passed on to the caller; the addresses are those of the memory.
            let part = unsafe { Part::in_place(memory, phys, dma) };
            // There is room for one.
            let _ = parts.push(part);
            let (edges, lines) = self.upkeep_of(D::DATA, &At::Home(phys, dma), memory.len());
            let mut transfer = self.transfer(Way::Pieces, parts, None, memory.len());
            transfer.cost = LoanCost {
                segments: 1,
                lines_maintained: lines.saturating_mul(edges),
                completions: edges,
                ..LoanCost::default()
            };
            transfer.for_device(caller);
            return Ok(transfer);
        }
        // SAFETY: passed on to the caller.
        unsafe { self.start(core::iter::once(memory), caller) }
    }

    /// Where memory lies that can be lent as it is, in one segment, if nothing speaks for another way.
    fn in_place(
        &self,
        memory: NonNull<[u8]>,
        direction: DataDirection,
    ) -> Option<(PhysRange, DmaRange)> {
        if self.device.machine().costs().is_some() {
            return None;
        }
        let phys = self.device.machine().direct_map().to_phys(memory).ok()?;
        let dma = self.device.reach(phys).ok()?;
        if direction.device_writes() && self.neighbours == Neighbours::Anybodys {
            self.device.owns_granules(memory, phys).ok()?;
        }
        Some((phys, dma))
    }

    /// How many edges of a transfer have maintenance, and of how many lines for one part.
    fn upkeep_of(&self, direction: DataDirection, at: &At, len: usize) -> (usize, usize) {
        if self.device.upkeep() == Upkeep::OrderOnly {
            return (0, 0);
        }
        let sync = self.device.machine().sync();
        let fills = Fills::of(sync);
        let edges = [Edge::ForDevice, Edge::ForCpu]
            .iter()
            .filter(|edge| maintenance(direction, **edge, fills).is_some())
            .count();
        (edges, lines_of(at, len, sync.geometry().line()))
    }

    fn transfer<D: Direction, const N: usize>(
        &self,
        way: Way,
        parts: Vec<Part, N>,
        slots: Option<(&'p BouncePool<M>, Run)>,
        len: usize,
    ) -> Transfer<'p, M, D, N> {
        Transfer {
            machine: self.device.machine().clone(),
            device: self.device.id(),
            upkeep: self.device.upkeep(),
            limits: *self.device.limits(),
            granule: self.device.granule(),
            parts,
            whole: way == Way::Whole,
            slots,
            cost: LoanCost::default(),
            len,
            copied_out: 0,
            state: State::Cpu,
            direction: PhantomData,
        }
    }

    /// Puts a transfer together; nothing is copied or told yet.
    ///
    /// # Safety
    /// As [`start`](Self::start).
    unsafe fn make<D: Direction, const N: usize, I>(
        &self,
        list: &List<I>,
        assessed: &Assessed,
    ) -> Result<Transfer<'p, M, D, N>, Error>
    where
        I: Iterator<Item = NonNull<[u8]>> + Clone,
    {
        let terms = self.terms(D::DATA);
        let machine = self.device.machine();
        let slots = match (terms.shape(assessed.run_len), self.pool) {
            (Some(shape), Some(pool)) => Some((pool, pool.take(&terms.limits, shape)?)),
            _ => None,
        };
        let layout = Layout::new(&terms, assessed.way, list.pieces(machine));
        let run = slots.as_ref().map(|(_, run)| run);
        // SAFETY: passed on to the caller.
        let parts = unsafe { place_all(layout, run) }.and_then(|parts: Vec<Part, N>| {
            let mut segments = Segments::new(&terms.limits, parts.iter().map(Part::dma));
            segments.try_for_each(|segment| segment.map(drop))?;
            Ok(parts)
        });
        match parts {
            Ok(parts) => {
                let mut transfer = self.transfer(assessed.way, parts, slots, list.len);
                transfer.cost = assessed.cost;
                Ok(transfer)
            }
            Err(error) => {
                if let Some((pool, run)) = slots {
                    pool.give_back(&run, 0, 0);
                }
                Err(error)
            }
        }
    }
}

/// What a way takes.
#[derive(Clone, Copy)]
struct Assessed {
    way: Way,
    cost: LoanCost,
    run_len: usize,
}

/// Where parts lie, as many as there is room for.
///
/// # Safety
/// The layout's pieces are valid as [`Part`] demands, and it was made for that run.
unsafe fn place_all<const N: usize>(
    layout: impl Iterator<Item = crate::bounce::Laid>,
    run: Option<&Run>,
) -> Result<Vec<Part, N>, Error> {
    let mut parts = Vec::new();
    for laid in layout {
        // SAFETY: passed on to the caller.
        let part = unsafe { Part::new(laid.home, laid.at, run) }?;
        parts
            .push(part)
            .map_err(|_| Error::TooManyParts { capacity: N })?;
    }
    Ok(parts)
}

/// Where the device finds a part, if the run is there.
fn place_in(run: Option<DmaRange>, at: &At, len: usize) -> Option<DmaRange> {
    match *at {
        At::Home(_, dma) => Some(dma),
        At::Run(offset) => DmaRange::new(run?.start().checked_add(offset as u64)?, len as u64).ok(),
    }
}

/// Lines that hold a part. A run starts on one.
fn lines_of(at: &At, len: usize, line: usize) -> usize {
    let first = match *at {
        At::Home(phys, _) => phys.start().get(),
        At::Run(offset) => offset as u64,
    };
    // A line is a power of two.
    let size = line as u64;
    let within = first & size.wrapping_sub(1);
    let lines = within.saturating_add(len as u64).div_ceil(size);
    usize::try_from(lines).unwrap_or(usize::MAX)
}

/// Stretches of memory that are one transfer, none of them empty.
struct List<I> {
    memory: I,
    len: usize,
}

impl<I: Iterator<Item = NonNull<[u8]>> + Clone> List<I> {
    fn new(memory: I) -> Result<Self, Error> {
        let mut len: usize = 0;
        for stretch in memory.clone() {
            if stretch.is_empty() {
                return Err(Error::ZeroLength);
            }
            let start = stretch.cast::<u8>().addr().get();
            if start.checked_add(stretch.len().saturating_sub(1)).is_none() {
                let (start, len) = (start as u64, stretch.len() as u64);
                return Err(Error::RangeWraps { start, len });
            }
            let overflow = Error::LengthOverflow {
                len: stretch.len() as u64,
                multiple: 1,
            };
            len = len.checked_add(stretch.len()).ok_or(overflow)?;
        }
        if len == 0 {
            return Err(Error::ZeroLength);
        }
        Ok(Self { memory, len })
    }

    /// Each stretch in as few pieces as it is contiguous in.
    fn pieces<M: Machine>(&self, machine: &M) -> impl Iterator<Item = Piece> + Clone {
        let mut memory = self.memory.clone();
        let (direct_map, bus) = (machine.direct_map(), machine.bus());
        let mut rest: Option<NonNull<[u8]>> = None;
        core::iter::from_fn(move || {
            let stretch = rest.take().or_else(|| memory.next())?;
            let (mapped, phys) = direct_map.stretch(stretch);
            let (len, place) = match phys {
                None => (mapped, Err(unmapped(stretch, mapped))),
                Some(phys) => {
                    let (len, dma) = bus.stretch(phys);
                    let front = PhysRange::new(phys.start(), len).unwrap_or(phys);
                    let missing = Error::NotInWindow {
                        first: front.start().get(),
                        last: front.last().get(),
                    };
                    (len, dma.map(|dma| (front, dma)).ok_or(missing))
                }
            };
            let len = usize::try_from(len)
                .unwrap_or(usize::MAX)
                .min(stretch.len());
            let (start, behind) = (stretch.cast::<u8>(), stretch.len().saturating_sub(len));
            if behind > 0 {
                let next = NonNull::new(start.as_ptr().wrapping_add(len))?;
                rest = Some(NonNull::slice_from_raw_parts(next, behind));
            }
            Some(Piece {
                memory: NonNull::slice_from_raw_parts(start, len),
                place,
            })
        })
    }
}

fn unmapped(stretch: NonNull<[u8]>, len: u64) -> Error {
    let first = stretch.cast::<u8>().addr().get() as u64;
    let last = first.saturating_add(len.saturating_sub(1));
    Error::NotInDirectMap { first, last }
}
