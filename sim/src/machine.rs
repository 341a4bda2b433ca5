//! The simulated machine: memory, caches, a bus with an offset, and what is found wrong with the program that uses it.
#![expect(unsafe_code, reason = "the machine promises that its parts fit")]

use std::{cell::Cell, fmt, marker::PhantomData, thread};

use dma_api::{
    Alignment, BusMap, DeviceEvent, DeviceNotice, DirectMap, Error, Event, Ledger, Machine,
    NoCoherentMemory, Notice, PhysAddr, PhysRange, Region, Slot, UncachedAlias, Window,
};

use crate::{
    config::Config,
    history::History,
    layout::Mapping,
    live::{Shared, StepCounts},
    memory::{SimCoherent, SimPool, place},
    steps::{Route, Step, Turn},
    sync::SimCaches,
    violation::Violation,
};

/// A simulated machine, with 32 slots in its ledger. Use it by reference; what it lends must not outlive it, which its
/// buffers' types see to.
///
/// It belongs to one thread at a time, since what it shows to the program changes with each step.
///
/// When it is dropped it panics if something was found wrong, unless [`verdict`](Self::verdict) has said so before.
pub struct SimMachine {
    config: Config,
    pub(crate) shared: Shared,
    caches: SimCaches,
    pool: SimPool,
    coherent: SimCoherent,
    region: Region,
    window: Window,
    ledger: Ledger<[Slot; 32]>,
    /// A step of one thread would change the memory of another that is loading and storing.
    one_thread: PhantomData<Cell<()>>,
}

impl SimMachine {
    /// A machine as `config` describes it.
    ///
    /// # Errors
    /// What [`Geometry::new`](dma_api::Geometry::new), [`Window::new`] or [`BitmapPool::adopt`](dma_api::BitmapPool::adopt) refuse;
    /// [`Error::Misaligned`] for a memory that is not whole granules; [`Error::ZeroLength`] for one without cached
    /// memory, core or colour.
    pub fn new(config: Config) -> Result<Self, Error> {
        let shared = Shared::new(&config)?;
        let (cached, uncached, phys) = (config.cached_len, config.uncached_len, config.phys);
        let window = Window::new(phys, config.dma, (cached + uncached) as u64)?;
        let unit = Alignment::new(config.unit)?;
        let pool = SimPool::new(&shared, phys, 0, cached, unit)?;
        // SAFETY: the memory is mapped while the machine exists.
        let region = unsafe { Region::new(place(&shared, 0, 0), phys, cached) }?;
        let coherent = if config.uncached_alias {
            let alias = place(&shared, config.colours, 0);
            // SAFETY: the last view is the uncached mapping of the same memory; it may be used beside the cached one.
            SimCoherent::Alias(unsafe { UncachedAlias::new(region, alias) })
        } else if uncached > 0 {
            SimCoherent::Uncached(SimPool::new(&shared, phys, cached, uncached, unit)?)
        } else {
            SimCoherent::None(NoCoherentMemory)
        };
        Ok(Self {
            caches: SimCaches::new(shared.clone(), &config)?,
            pool,
            coherent,
            region,
            window,
            ledger: Ledger::<[Slot; 32]>::new(),
            shared,
            config,
            one_thread: PhantomData,
        })
    }

    /// The machine as one on which everything snoops.
    #[must_use]
    pub fn snooped(self) -> Snooped {
        Snooped(self)
    }

    /// What the machine is like.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The caches, for their counts.
    #[must_use]
    pub const fn caches(&self) -> &SimCaches {
        &self.caches
    }

    /// The pool of cached memory.
    #[must_use]
    pub const fn pool(&self) -> &SimPool {
        &self.pool
    }

    /// How often each thing happened that the program asked for.
    #[must_use]
    pub fn counts(&self) -> StepCounts {
        self.caches.counts()
    }

    /// Ends the run: what is under way arrives, and dirty lines are written back. Says what was found wrong, which the
    /// machine then does not panic for when it is dropped.
    ///
    /// # Errors
    /// The first thing that was found wrong, with the history.
    pub fn verdict(&self) -> Result<(), Box<Failure>> {
        let mut live = self.shared.lock();
        match live.conclude() {
            None => Ok(()),
            Some(violation) => Err(Box::new(Failure {
                machine: self.config.name,
                adversary: live.adversary().to_string(),
                violation,
                history: live.history(),
            })),
        }
    }

    /// What happened so far.
    #[must_use]
    pub fn history(&self) -> History {
        self.shared.lock().history()
    }

    /// The offset of a physical address into memory.
    fn offset(&self, phys: PhysAddr) -> usize {
        usize::try_from(phys.get().wrapping_sub(self.config.phys.get())).unwrap_or(usize::MAX)
    }

    /// The bytes of a range, as offset and length.
    pub(crate) fn bytes(&self, phys: PhysRange) -> (usize, usize) {
        let len = usize::try_from(phys.len_bytes()).unwrap_or(usize::MAX);
        (self.offset(phys.start()), len)
    }

    fn told(&self, notice: &Notice) {
        let (at, whole) = self.bytes(notice.owned);
        let len = notice.memory.len();
        let mut live = self.shared.lock();
        let mapping = live
            .locate(notice.memory.cast())
            .map_or(Mapping::Cached(0), |(mapping, _)| mapping);
        let ring = |turn, at, len| Step::Ring { turn, at, len };
        let step = match notice.event {
            Event::Allocated | Event::AllocatedDirty | Event::Borrowed => Step::Use {
                mapping,
                at,
                len: whole,
            },
            Event::ForDevice => Step::Yield { at, len: whole },
            Event::HandedOver => {
                let Some(direction) = notice.direction else {
                    return;
                };
                let route = match notice.maintained {
                    true => Route::Memory,
                    false => Route::Caches,
                };
                Step::HandOver {
                    at,
                    len,
                    whole,
                    direction,
                    route,
                }
            }
            Event::HandedBack { .. } | Event::Unpublished => Step::HandBack { at, len: whole },
            Event::Published => Step::Publish { at, len: whole },
            Event::Opened => {
                let Some(direction) = notice.direction else {
                    return;
                };
                ring(Turn::Opened(direction), at, len)
            }
            Event::Putting { at: entry, len } => ring(Turn::Putting, at + entry, len),
            Event::Put { at: entry, len } => ring(Turn::Put, at + entry, len),
            Event::Looking { at: entry, len } => ring(Turn::Looking, at + entry, len),
            Event::Looked { at: entry, len } => ring(Turn::Looked, at + entry, len),
            Event::Fetched { at: entry, len } => ring(Turn::Fetched, at + entry, len),
            Event::Released => Step::Release { at, len: whole },
            Event::Quarantined => Step::Quarantine { at, len, whole },
            _ => return,
        };
        live.take(step);
    }
}

// SAFETY: the parts were made for one another in `new`, and are always the same; what is observed is written down
// elsewhere.
unsafe impl Machine for SimMachine {
    type Sync = SimCaches;
    type Memory = SimPool;
    type Coherent = SimCoherent;

    const OBSERVED: bool = true;

    fn sync(&self) -> &SimCaches {
        &self.caches
    }
    fn memory(&self) -> &SimPool {
        &self.pool
    }
    fn coherent_source(&self) -> &SimCoherent {
        &self.coherent
    }
    fn direct_map(&self) -> DirectMap<'_> {
        DirectMap::one(&self.region)
    }
    fn bus(&self) -> BusMap<'_> {
        BusMap::one(&self.window)
    }
    fn ledger(&self) -> &Ledger {
        &self.ledger
    }
    fn observe(&self, notice: &Notice) {
        self.told(notice);
    }
    fn observe_device(&self, notice: &DeviceNotice) {
        match notice.event {
            // Its driver has waited until what it wrote has arrived.
            DeviceEvent::Quiet => self.shared.take(Step::Settle),
            DeviceEvent::Unquarantined { dma } => {
                if let Ok(phys) = self.bus().to_phys(dma) {
                    let (at, len) = self.bytes(phys);
                    self.shared.take(Step::Release { at, len });
                }
            }
            _ => {}
        }
    }
}

impl fmt::Debug for SimMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SimMachine({}, {})",
            self.config.name, self.config.adversary
        )
    }
}

impl Drop for SimMachine {
    fn drop(&mut self) {
        if self.config.judges
            && !thread::panicking()
            && let Err(failure) = self.verdict()
        {
            panic!("{failure}");
        }
    }
}

/// What went wrong on a machine, and how it came to that.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The machine's name.
    pub machine: &'static str,
    /// The adversary, with its seed if it has one.
    pub adversary: String,
    /// What is wrong.
    pub violation: Violation,
    /// What happened.
    pub history: History,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            machine,
            adversary,
            violation,
            history,
        } = self;
        writeln!(f, "{violation}")?;
        writeln!(f, "machine: {machine}; adversary: {adversary}; history:")?;
        write!(f, "{history}")
    }
}

impl std::error::Error for Failure {}

/// A simulated machine on which every device snoops, said at compile time.
#[derive(Debug)]
pub struct Snooped(pub SimMachine);

// SAFETY: as for the machine inside; its engines are routed through the caches if they snoop, and a device that
// does not is refused.
unsafe impl Machine for Snooped {
    type Sync = SimCaches;
    type Memory = SimPool;
    type Coherent = SimCoherent;

    const EVERYTHING_SNOOPS: bool = true;
    const OBSERVED: bool = true;

    fn sync(&self) -> &SimCaches {
        self.0.sync()
    }
    fn memory(&self) -> &SimPool {
        self.0.memory()
    }
    fn coherent_source(&self) -> &SimCoherent {
        self.0.coherent_source()
    }
    fn direct_map(&self) -> DirectMap<'_> {
        self.0.direct_map()
    }
    fn bus(&self) -> BusMap<'_> {
        self.0.bus()
    }
    fn ledger(&self) -> &Ledger {
        self.0.ledger()
    }
    fn observe(&self, notice: &Notice) {
        self.0.observe(notice);
    }
    fn observe_device(&self, notice: &DeviceNotice) {
        self.0.observe_device(notice);
    }
}
