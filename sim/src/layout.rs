//! What of a machine never changes while it runs: how many caches there are, and which lines they have.

use std::ops::Range;

/// A cache among all of a machine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CacheId(pub(crate) usize);

impl CacheId {
    /// The inner cache of a core that holds lines of a colour, on a machine of so many colours.
    pub(crate) const fn inner(core: usize, colour: usize, colours: usize) -> Self {
        Self(core * colours + colour)
    }
}

/// How far maintenance of the inner level reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All cores.
    AllCores,
    /// The core that executes it.
    ThisCore,
}

/// Where the CPU sees memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mapping {
    /// Through the caches, at this colour.
    Cached(usize),
    /// Past them.
    Uncached,
}

/// One level.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level {
    pub(crate) granule: usize,
}

/// One cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) level: usize,
    /// The core it belongs to; an outer level belongs to all.
    pub(crate) core: Option<usize>,
    pub(crate) colour: usize,
}

/// The fixed part of a machine.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) len: usize,
    /// Memory from here on is not cacheable.
    pub(crate) cached_len: usize,
    /// What maintenance steps by, and the unit of validity in every cache.
    pub(crate) line: usize,
    /// The largest write-back granule.
    pub(crate) granule: usize,
    pub(crate) levels: Vec<Level>,
    pub(crate) caches: Vec<Place>,
    pub(crate) cores: usize,
    pub(crate) colours: usize,
    pub(crate) scope: Scope,
    pub(crate) fills: bool,
    pub(crate) ordered_by_address: bool,
    pub(crate) store_buffer: usize,
    pub(crate) rogue_dirty: bool,
    pub(crate) uncached_alias: bool,
}

impl Layout {
    /// The lines of all caches, which are as long as the shortest.
    pub(crate) fn lines(&self) -> usize {
        self.cached_len / self.line
    }

    /// The bytes of a line.
    pub(crate) fn line_bytes(&self, line: usize) -> Range<usize> {
        line * self.line..(line + 1) * self.line
    }

    /// The lines that hold a byte of `bytes`, which is not empty.
    pub(crate) fn lines_of(&self, bytes: &Range<usize>) -> Range<usize> {
        bytes.start / self.line..(bytes.end - 1) / self.line + 1
    }

    /// The lines of the granule of this cache that holds `line`: what it evicts and fills at a time.
    pub(crate) fn granule_lines(&self, cache: CacheId, line: usize) -> Range<usize> {
        let granule = self.levels[self.caches[cache.0].level].granule / self.line;
        let first = line / granule * granule;
        first..first + granule
    }

    /// Every granule of a cache, by its first line.
    pub(crate) fn granules(&self, cache: CacheId) -> impl Iterator<Item = usize> + use<> {
        let granule = self.levels[self.caches[cache.0].level].granule / self.line;
        (0..self.lines()).step_by(granule)
    }

    /// All caches, the inner ones first.
    pub(crate) fn cache_ids(&self) -> impl Iterator<Item = CacheId> + use<> {
        (0..self.caches.len()).map(CacheId)
    }

    /// The inner cache of a core and a colour.
    pub(crate) fn inner(&self, core: usize, colour: usize) -> CacheId {
        CacheId::inner(core, colour, self.colours)
    }

    /// The outer cache, if there is one.
    pub(crate) fn outer(&self) -> Option<CacheId> {
        (self.levels.len() > 1).then(|| CacheId(self.caches.len() - 1))
    }

    /// What the CPU really gets by a mapping: memory that is not cacheable has but one way.
    pub(crate) fn effective(&self, mapping: Mapping, byte: usize) -> Mapping {
        if byte >= self.cached_len {
            Mapping::Uncached
        } else {
            mapping
        }
    }

    /// The name of a cache, for people.
    pub(crate) fn cache_name(&self, cache: CacheId) -> String {
        let place = self.caches[cache.0];
        let mut name = format!("L{}", place.level + 1);
        if let Some(core) = place.core
            && self.cores > 1
        {
            name += &format!(" of core {core}");
        }
        if self.colours > 1 && place.level == 0 {
            name += &format!(", colour {}", place.colour);
        }
        name
    }
}
