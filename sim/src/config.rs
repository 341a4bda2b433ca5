//! What a simulated machine is like: its caches, its bus, and what its hardware may do by itself.

use dma_api::{DmaAddr, Error, Geometry, PhysAddr, Snooping};

use crate::{
    adversary::Adversary,
    layout::{CacheId, Layout, Level, Place, Scope},
};

/// What a simulated machine is like. [`presets`](crate::presets) has the machines of the field.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name, for messages.
    pub name: &'static str,
    /// Line size of the inner level in bytes: what its maintenance loop steps by.
    pub line: usize,
    /// Write-back granule of the inner level in bytes.
    pub granule: usize,
    /// A second level behind the first.
    pub outer: Option<Outer>,
    /// Cores, each with an inner level of its own; the program is one thread that may be moved between them.
    pub cores: usize,
    /// Whether maintenance of the inner level reaches all cores or only the one that executes it.
    pub scope: Scope,
    /// Colours of the inner level: 1, or the number of places at which one that is indexed by virtual address may hold a
    /// physical line. The CPU then has one mapping of memory for each.
    pub colours: usize,
    /// Whether lines may be filled while nobody accesses them.
    pub fills_speculatively: bool,
    /// What an invalidate executes.
    pub invalidate: Invalidate,
    /// Whether the machine's software executes every clean as clean and invalidate, because the hardware has nothing else or
    /// because of an erratum.
    pub promotes_cleans: bool,
    /// Whether maintenance of an address is ordered with loads and stores of that address by the same core (Arm and RISC-V
    /// instructions are; cache controllers behind a bus are not).
    pub ordered_by_address: bool,
    /// Stores that may wait in a core's store buffer; 0 for none.
    pub store_buffer: usize,
    /// Whether cleaning a line may leave it marked as dirty (Cortex-A53 erratum 824069).
    pub rogue_dirty: bool,
    /// Whether memory is also mapped uncached, and coherent memory comes from that alias.
    pub uncached_alias: bool,
    /// What caches hold before the first step.
    pub start: Start,
    /// Bytes of cached memory: a multiple of the largest granule and of `unit`.
    pub cached_len: usize,
    /// Bytes of uncached memory behind it, likewise; 0 for a machine that has none.
    pub uncached_len: usize,
    /// Physical address of the first byte.
    pub phys: PhysAddr,
    /// DMA address of the first byte.
    pub dma: DmaAddr,
    /// Bytes the pools hand out at the least: a power of two. Where it is no multiple of the largest granule the pools break
    /// the promise of an allocator, which is for tests of that.
    pub unit: u64,
    /// Whether the machine's devices snoop, as its firmware says.
    pub snooping: Snooping,
    /// What the hardware does of its own accord.
    pub adversary: Adversary,
    /// Whether a machine that is dropped panics if something was found wrong that nobody has asked for. A test of wrong
    /// drivers that looks at other things says `false`.
    pub judges: bool,
    /// Whether the history is kept, from which a failure is explained. It grows with every step.
    pub records: bool,
}

/// A level of cache behind the first, shared by all cores and indexed by physical address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outer {
    /// Line size in bytes.
    pub line: usize,
    /// Write-back granule in bytes.
    pub granule: usize,
    /// Who maintains it.
    pub maintained: Maintained,
}

/// Who maintains an outer level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maintained {
    /// The operations that maintain the inner one, all the way to memory.
    WithTheInner,
    /// Operations of its own, composed by [`Levels`](dma_api::Levels).
    ByItself,
}

/// What the hardware has for an invalidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalidate {
    /// An operation that discards.
    Discards,
    /// Nothing but clean and invalidate.
    WritesBackToo,
}

/// What caches hold before the first step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Nothing.
    Empty,
    /// Dirty lines of whoever ran before, all over memory.
    Dirty,
}

impl Default for Config {
    /// One core, one level of 64-byte lines and granules, speculation, 16 KiB of cached and 4 KiB of uncached memory at an
    /// offset on the bus, devices that do not snoop, and a lazy adversary.
    fn default() -> Self {
        Self {
            name: "one level",
            line: 64,
            granule: 64,
            outer: None,
            cores: 1,
            scope: Scope::AllCores,
            colours: 1,
            fills_speculatively: true,
            invalidate: Invalidate::Discards,
            promotes_cleans: false,
            ordered_by_address: true,
            store_buffer: 8,
            rogue_dirty: false,
            uncached_alias: false,
            start: Start::Dirty,
            cached_len: 16 << 10,
            uncached_len: 4 << 10,
            phys: PhysAddr::new(0x8000_0000),
            dma: DmaAddr::new(0x1000_0000),
            unit: 64,
            snooping: Snooping::DoesNotSnoop,
            adversary: Adversary::Lazy,
            judges: true,
            records: true,
        }
    }
}

impl Config {
    /// The same machine with another adversary.
    #[must_use]
    pub fn under(&self, adversary: Adversary) -> Self {
        Self {
            adversary,
            ..self.clone()
        }
    }

    /// The inner cache of a core that holds lines of a colour, to name in a [`Move`](crate::steps::Move).
    #[must_use]
    pub const fn inner_cache(&self, core: usize, colour: usize) -> CacheId {
        CacheId::inner(core, colour, self.colours)
    }

    /// The outer cache, likewise. On a machine of one level no cache has this name, and no move of it is possible.
    #[must_use]
    pub const fn outer_cache(&self) -> CacheId {
        CacheId::inner(self.cores, 0, self.colours)
    }

    /// The layout of a machine.
    ///
    /// # Errors
    /// What [`Geometry::new`](dma_api::Geometry::new) refuses; [`Error::Misaligned`] for a memory that is not whole granules;
    /// [`Error::ZeroLength`] for one of no core, colour or byte.
    pub(crate) fn layout(&self) -> Result<Layout, Error> {
        let geometry = self.geometry()?;
        let alignment = geometry.granule() as u64;
        for addr in [self.cached_len as u64, self.uncached_len as u64] {
            if !addr.is_multiple_of(alignment) {
                return Err(Error::Misaligned { addr, alignment });
            }
        }
        if self.cores == 0 || self.colours == 0 || self.cached_len == 0 {
            return Err(Error::ZeroLength);
        }

        let mut levels = vec![Level {
            granule: self.granule,
        }];
        let mut caches = Vec::new();
        for core in 0..self.cores {
            for colour in 0..self.colours {
                caches.push(Place {
                    level: 0,
                    core: Some(core),
                    colour,
                });
            }
        }
        if let Some(outer) = self.outer {
            levels.push(Level {
                granule: outer.granule,
            });
            caches.push(Place {
                level: 1,
                core: None,
                colour: 0,
            });
        }
        Ok(Layout {
            len: self.cached_len + self.uncached_len,
            cached_len: self.cached_len,
            line: geometry.line(),
            granule: geometry.granule(),
            levels,
            caches,
            cores: self.cores,
            colours: self.colours,
            scope: self.scope,
            fills: self.fills_speculatively,
            ordered_by_address: self.ordered_by_address,
            store_buffer: self.store_buffer,
            rogue_dirty: self.rogue_dirty,
            uncached_alias: self.uncached_alias,
        })
    }

    /// What software must know of all levels together.
    ///
    /// # Errors
    /// What [`Geometry::new`] refuses.
    pub fn geometry(&self) -> Result<Geometry, Error> {
        let inner = Geometry::new(self.line, self.granule)?;
        match self.outer {
            Some(outer) => Ok(inner.join(Geometry::new(outer.line, outer.granule)?)),
            None => Ok(inner),
        }
    }
}
