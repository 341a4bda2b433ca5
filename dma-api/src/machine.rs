//! A machine: what an operating system tells this library about the board it runs on.
#![expect(
    unsafe_code,
    reason = "the bundle's promises are what memory safety rests on"
)]

mod with_memory;

pub use with_memory::WithMemory;

use crate::{
    costs::Costs,
    ledger::{Holding, Ledger, Origin},
    map::{BusMap, DirectMap},
    memory::DmaAllocator,
    observe::{DeviceNotice, Notice},
    source::CoherentSource,
    sync::DmaSync,
};

/// The bundle of what a board has: caches, memory, coherent memory, the two address maps and the ledger.
///
/// A board puts it together on top of an architecture crate ([`Assembled`]); drivers are generic over it. It is
/// implemented for `&M` too, so a `static` board can be used everywhere: buffers keep a clone of the machine they
/// came from.
///
/// # Implementation safety
/// * Every call on a value, on its clones and on references to them returns the same parts.
/// * The parts fit: [`memory`](Self::memory) hands out blocks that lie in [`direct_map`](Self::direct_map), and
///   [`sync`](Self::sync) maintains all caches that hold their lines.
/// * [`bus`](Self::bus) shows devices exactly the memory it says.
/// * [`EVERYTHING_SNOOPS`](Self::EVERYTHING_SNOOPS) is `true` only if every access of every device snoops every
///   cache.
/// * [`observe`](Self::observe) and [`observe_device`](Self::observe_device) write to no memory that a notice is about,
///   and read it only as they say.
pub unsafe trait Machine {
    /// The caches and barriers.
    type Sync: DmaSync;
    /// The allocator of cached memory.
    type Memory: DmaAllocator;
    /// The source of memory that is coherent for devices that do not snoop.
    type Coherent: CoherentSource;

    /// Whether every device snoops. Then no code for maintenance exists in the program at all, and a
    /// [`Device`](crate::Device) that is said not to snoop is refused.
    const EVERYTHING_SNOOPS: bool = false;

    /// Whether the machine wants to be told what its buffers and devices go through. Where it does not, no code for
    /// that exists in the program.
    const OBSERVED: bool = false;

    /// The caches and barriers.
    fn sync(&self) -> &Self::Sync;

    /// The allocator of cached memory.
    fn memory(&self) -> &Self::Memory;

    /// The source of coherent memory.
    fn coherent_source(&self) -> &Self::Coherent;

    /// Where the CPU sees memory.
    fn direct_map(&self) -> DirectMap<'_>;

    /// Where devices see memory.
    fn bus(&self) -> BusMap<'_>;

    /// The book of split and quarantined blocks.
    fn ledger(&self) -> &Ledger;

    /// What copying and maintenance cost here, for loans that can be met in several ways; `None` if nobody has measured
    /// it.
    fn costs(&self) -> Option<Costs> {
        None
    }

    /// Called for each event in the life of a buffer or of coherent memory, at the moment that its
    /// [`Event`](crate::Event) describes, if the machine is [`OBSERVED`](Self::OBSERVED).
    ///
    /// It is called where the library is, interrupt handlers included, and never inside a critical section. It must
    /// not make, hand over, take back, split or drop buffers of this machine. The bytes may be read through the notice's
    /// pointer: by ordinary loads while the CPU owns them, by volatile ones while the device only reads them, and
    /// otherwise not at all.
    fn observe(&self, notice: &Notice) {
        let _ = notice;
    }

    /// The same for each event in the life of a device.
    fn observe_device(&self, notice: &DeviceNotice) {
        let _ = notice;
    }
}

// SAFETY: every part is that of the machine behind the reference.
unsafe impl<M: Machine + ?Sized> Machine for &M {
    type Sync = M::Sync;
    type Memory = M::Memory;
    type Coherent = M::Coherent;

    const EVERYTHING_SNOOPS: bool = M::EVERYTHING_SNOOPS;
    const OBSERVED: bool = M::OBSERVED;

    fn sync(&self) -> &Self::Sync {
        (**self).sync()
    }
    fn memory(&self) -> &Self::Memory {
        (**self).memory()
    }
    fn coherent_source(&self) -> &Self::Coherent {
        (**self).coherent_source()
    }
    fn direct_map(&self) -> DirectMap<'_> {
        (**self).direct_map()
    }
    fn bus(&self) -> BusMap<'_> {
        (**self).bus()
    }
    fn ledger(&self) -> &Ledger {
        (**self).ledger()
    }
    fn costs(&self) -> Option<Costs> {
        (**self).costs()
    }
    fn observe(&self, notice: &Notice) {
        (**self).observe(notice);
    }
    fn observe_device(&self, notice: &DeviceNotice) {
        (**self).observe_device(notice);
    }
}

/// What a machine consists of, in the order of [`Machine`]'s methods.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a, S, A, C> {
    /// The caches and barriers.
    pub sync: S,
    /// The allocator of cached memory; a reference will do.
    pub memory: A,
    /// The source of coherent memory; a reference will do.
    pub coherent_source: C,
    /// Where the CPU sees memory.
    pub direct_map: DirectMap<'a>,
    /// Where devices see memory.
    pub bus: BusMap<'a>,
    /// The book of split and quarantined blocks.
    pub ledger: &'a Ledger,
}

/// A machine put together from its parts: what most boards need, without an `impl`.
///
/// `EVERYTHING_SNOOPS` is [`Machine::EVERYTHING_SNOOPS`].
#[derive(Debug)]
pub struct Assembled<'a, S, A, C, const EVERYTHING_SNOOPS: bool = false>(Parts<'a, S, A, C>);

impl<'a, S, A, C, const EVERYTHING_SNOOPS: bool> Assembled<'a, S, A, C, EVERYTHING_SNOOPS> {
    /// # Safety
    /// The parts fit, as [`Machine`] demands, and if `EVERYTHING_SNOOPS` is `true`, every device of the machine snoops.
    pub const unsafe fn new(parts: Parts<'a, S, A, C>) -> Self {
        Self(parts)
    }
}

// SAFETY: the parts are always the same, and fit by `new`'s contract.
unsafe impl<S, A, C, const EVERYTHING_SNOOPS: bool> Machine
    for Assembled<'_, S, A, C, EVERYTHING_SNOOPS>
where
    S: DmaSync,
    A: DmaAllocator,
    C: CoherentSource,
{
    type Sync = S;
    type Memory = A;
    type Coherent = C;

    const EVERYTHING_SNOOPS: bool = EVERYTHING_SNOOPS;

    fn sync(&self) -> &S {
        &self.0.sync
    }
    fn memory(&self) -> &A {
        &self.0.memory
    }
    fn coherent_source(&self) -> &C {
        &self.0.coherent_source
    }
    fn direct_map(&self) -> DirectMap<'_> {
        self.0.direct_map
    }
    fn bus(&self) -> BusMap<'_> {
        self.0.bus
    }
    fn ledger(&self) -> &Ledger {
        self.0.ledger
    }
}

/// Gives back what a handle kept alive, to whom it came from. What is refused is leaked and counted.
pub(crate) fn release<M: Machine>(machine: &M, holding: Holding) {
    let (block, origin) = match holding {
        Holding::Nothing => return,
        Holding::Whole(block, origin) => (block, origin),
        Holding::Part(index) => match machine.ledger().leave(index) {
            Some(last) => last,
            None => return,
        },
    };
    let returned = match origin {
        Origin::Memory => machine.memory().free(block),
        Origin::CoherentSource => {
            machine
                .coherent_source()
                .free(machine.memory(), machine.sync(), block)
        }
    };
    if returned.is_err() {
        machine.ledger().count_refused();
    }
}
