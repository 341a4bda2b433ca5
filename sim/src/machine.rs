//! The simulated machine: memory, caches, a bus with an offset, and uncached memory.
#![expect(unsafe_code, reason = "the machine promises that its parts fit")]

use dma_api::{
    Alignment, BusMap, DirectMap, DmaAddr, Error, Geometry, Ledger, Machine, PhysAddr, Pool,
    Region, Slot, UncachedMemory, Window,
};

use crate::{adversary::Adversary, sync::SimCaches, views::Route};

/// What a simulated machine is like.
#[derive(Clone, Debug)]
pub struct Config {
    /// Line size in bytes.
    pub line: usize,
    /// Write-back granule in bytes.
    pub granule: usize,
    /// Whether lines may be filled while nobody accesses them.
    pub fills_speculatively: bool,
    /// Bytes of cached memory: a multiple of the granule and of 4096.
    pub cached_len: usize,
    /// Bytes of uncached memory behind it, likewise; 0 for a machine that has no coherent memory.
    pub uncached_len: usize,
    /// Physical address of the first byte.
    pub phys: PhysAddr,
    /// DMA address of the first byte.
    pub dma: DmaAddr,
    /// Bytes the pools hand out at the least: a power of two, a multiple of the granule.
    pub unit: u64,
    /// What the cache does of its own accord.
    pub adversary: Adversary,
}

impl Default for Config {
    /// 64-byte lines and granules, speculation, 16 KiB of cached and 4 KiB of uncached memory at an offset on the
    /// bus, and a lazy adversary.
    fn default() -> Self {
        Self {
            line: 64,
            granule: 64,
            fills_speculatively: true,
            cached_len: 16 << 10,
            uncached_len: 4 << 10,
            phys: PhysAddr::new(0x8000_0000),
            dma: DmaAddr::new(0x1000_0000),
            unit: 64,
            adversary: Adversary::Lazy,
        }
    }
}

/// Words in the pools' books: memories of up to 16 Ki units.
const WORDS: usize = 512;

/// A simulated machine, with 32 slots in its ledger. Use it by reference; what it lends must not outlive it, which its buffers' types see to.
#[derive(Debug)]
pub struct SimMachine {
    caches: SimCaches,
    pool: Pool<WORDS>,
    uncached: UncachedMemory<Pool<WORDS>>,
    uncached_offset: usize,
    region: Region,
    window: Window,
    ledger: Ledger<[Slot; 32]>,
}

impl SimMachine {
    /// A machine as `config` describes it.
    ///
    /// # Errors
    /// What [`Geometry::new`], [`Window::new`] or [`Pool::adopt`] refuse.
    pub fn new(config: Config) -> Result<Self, Error> {
        let Config {
            cached_len,
            uncached_len,
            phys,
            dma,
            ..
        } = config;
        let geometry = Geometry::new(config.line, config.granule)?;
        let len = cached_len + uncached_len;
        let caches = SimCaches::new(
            geometry,
            config.fills_speculatively,
            phys,
            len,
            config.adversary,
        );
        let unit = Alignment::new(config.unit)?;

        let cpu = caches.cpu();
        let pool = Pool::new();
        // SAFETY: the caches' memory lives as long as the machine, and nothing else hands it out.
        unsafe { pool.adopt(cpu, phys, cached_len, unit) }?;
        let uncached = Pool::new();
        if uncached_len > 0 {
            // SAFETY: `cached_len` is inside the memory.
            let start = unsafe { cpu.add(cached_len) };
            let start_phys = PhysAddr::new(phys.get() + cached_len as u64);
            // SAFETY: as above; the cached pool ends where this one begins.
            unsafe { uncached.adopt(start, start_phys, uncached_len, unit) }?;
        }
        // SAFETY: the memory is mapped while the machine exists.
        let region = unsafe { Region::new(cpu, phys, cached_len) }?;
        Ok(Self {
            caches,
            pool,
            // SAFETY: devices' accesses to it are routed past the cache, by `route`.
            uncached: unsafe { UncachedMemory::new(uncached) },
            uncached_offset: cached_len,
            region,
            window: Window::new(phys, dma, len as u64)?,
            ledger: Ledger::<[Slot; 32]>::new(),
        })
    }

    /// The machine as one on which everything snoops.
    #[must_use]
    pub fn snooped(self) -> Snooped {
        Snooped(self)
    }

    /// The caches, for their counts.
    #[must_use]
    pub const fn caches(&self) -> &SimCaches {
        &self.caches
    }

    /// The pool of cached memory.
    #[must_use]
    pub const fn pool(&self) -> &Pool<WORDS> {
        &self.pool
    }

    /// Where a device's access to memory at `offset` goes.
    pub(crate) fn route(&self, offset: usize, snoops: bool) -> Route {
        if snoops || offset >= self.uncached_offset {
            Route::Cached
        } else {
            Route::Memory
        }
    }
}

// SAFETY: the parts were made for one another in `new`, and are always the same.
unsafe impl Machine for SimMachine {
    type Sync = SimCaches;
    type Memory = Pool<WORDS>;
    type Coherent = UncachedMemory<Pool<WORDS>>;

    fn sync(&self) -> &SimCaches {
        &self.caches
    }
    fn memory(&self) -> &Pool<WORDS> {
        &self.pool
    }
    fn coherent_source(&self) -> &Self::Coherent {
        &self.uncached
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
}

/// A simulated machine on which every device snoops, said at compile time.
#[derive(Debug)]
pub struct Snooped(pub SimMachine);

// SAFETY: as for the machine inside; its engines are routed through the caches if they snoop, and a device that
// does not is refused.
unsafe impl Machine for Snooped {
    type Sync = SimCaches;
    type Memory = Pool<WORDS>;
    type Coherent = UncachedMemory<Pool<WORDS>>;

    const EVERYTHING_SNOOPS: bool = true;

    fn sync(&self) -> &SimCaches {
        self.0.sync()
    }
    fn memory(&self) -> &Pool<WORDS> {
        self.0.memory()
    }
    fn coherent_source(&self) -> &Self::Coherent {
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
}
