//! A board on the host, whose devices do not exist, for transcripts of whole transfers.

use core::alloc::Layout;
use core::ptr::NonNull;
use std::alloc::alloc;

use arch_arm::recorded::Executed;
use arch_arm::{NonCacheable, non_cacheable};
use dma_api::{
    Alignment, BitmapPool, BusMap, Device, DirectMap, DmaAddr, DmaSync, Ledger, Limits, Machine,
    PhysAddr, Region, Slot, Snooping, Window,
};

/// Where the pool is.
pub(crate) const PHYS: PhysAddr = PhysAddr::new(0x4000_0000);
const UNCACHED_PHYS: PhysAddr = PhysAddr::new(0x5000_0000);
const LEN: usize = 1 << 16;

/// A board with the caches `S`: one pool of cached memory, one of uncached memory, and a bus with an offset.
pub(crate) struct Board<S> {
    pub(crate) caches: S,
    pool: BitmapPool<16>,
    uncached: NonCacheable<BitmapPool<1>>,
    ledger: Ledger<[Slot; 4]>,
    memory: Region,
    bus: Window,
}

impl<S: DmaSync + 'static> Board<S> {
    /// A board with those caches, never freed. Its pool is used in units of `unit` bytes.
    pub(crate) fn new(caches: S, unit: u64) -> &'static Self {
        let unit = Alignment::new(unit).unwrap();
        let (cached, uncached) = (allocate(), allocate());
        let (pool, rings) = (BitmapPool::new(), BitmapPool::new());
        // SAFETY: the memory was just allocated and is never freed.
        unsafe { pool.adopt(cached, PHYS, LEN, unit) }.unwrap();
        let page = Alignment::new(4096).unwrap();
        // SAFETY: as above.
        unsafe { rings.adopt(uncached, UNCACHED_PHYS, LEN, page) }.unwrap();

        Box::leak(Box::new(Self {
            caches,
            pool,
            // SAFETY: as above.
            uncached: unsafe { non_cacheable(rings) },
            ledger: Ledger::new(),
            // SAFETY: the memory was just allocated and is never freed.
            memory: unsafe { Region::new(cached, PHYS, LEN) }.unwrap(),
            bus: Window::new(PHYS, DmaAddr::new(0), 0x2000_0000).unwrap(),
        }))
    }

    pub(crate) fn device(&'static self, snooping: Snooping) -> Device<&'static Self> {
        Device::new(self, Limits::UNLIMITED, snooping).unwrap()
    }
}

// SAFETY: the parts are always the same, and no device looks at the memory.
unsafe impl<S: DmaSync> Machine for Board<S> {
    type Sync = S;
    type Memory = BitmapPool<16>;
    type Coherent = NonCacheable<BitmapPool<1>>;

    fn sync(&self) -> &S {
        &self.caches
    }
    fn memory(&self) -> &BitmapPool<16> {
        &self.pool
    }
    fn coherent_source(&self) -> &NonCacheable<BitmapPool<1>> {
        &self.uncached
    }
    fn direct_map(&self) -> DirectMap<'_> {
        DirectMap::one(&self.memory)
    }
    fn bus(&self) -> BusMap<'_> {
        BusMap::one(&self.bus)
    }
    fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

/// Memory for a pool, never freed.
pub(crate) fn allocate() -> NonNull<u8> {
    // SAFETY: the size is not 0.
    NonNull::new(unsafe { alloc(Layout::from_size_align(LEN, 4096).unwrap()) }).unwrap()
}

/// `instruction` for each of `count` lines of 64 bytes.
pub(crate) fn lines(
    instruction: fn(usize) -> Executed,
    first: usize,
    count: usize,
) -> Vec<Executed> {
    (0..count).map(|n| instruction(first + 64 * n)).collect()
}
