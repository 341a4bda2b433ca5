//! A machine that finds the mistakes of the drivers on it, for debugging on real hardware.
//!
//! [`Checked`] wraps a machine. It passes everything on, changes nothing, and follows each buffer, coherent memory and
//! block in a table of fixed size. What it finds goes to a [`Sink`] of the system's and is counted ([`Counts`]); of a call
//! that finds more than four mistakes the sink is told of four.
//!
//! # How to put it under a driver
//! A driver is generic over the machine, so only the place changes where the system chooses it. The checked machine is
//! the outermost, and everybody uses it; what the machine inside is asked for directly, the checker does not see.
//! ```
//! use dma_api::{Checked, Device, Error, Limits, Machine, Snooping, ToDevice};
//! use dma_api::check::{Access, Finding};
//!
//! # type Board = &'static sim::SimMachine;
//! # fn board() -> Board { Box::leak(Box::new(sim::SimMachine::new(sim::Config::default()).unwrap())) }
//! # macro_rules! log { ($($t:tt)*) => { println!($($t)*) } }
//! # fn ring(_: dma_api::DmaRange) {}
//! /// Room for 128 buffers at a time.
//! type Checking = Checked<Board, 128>;
//!
//! fn report(finding: &Finding) {
//!     log!("dma: {finding}");
//! }
//!
//! fn driver(machine: &Checking) -> Result<(), Error> {
//!     let device = Device::new(machine, Limits::UNLIMITED, Snooping::DoesNotSnoop)?;
//!     let lent = device.allocate::<ToDevice>(64)?.sync_for_device();
//!
//!     // A driver that is written for the checker, too, tells it what it tells the device.
//!     machine.about_to_start(&device, lent.segment(), Access::Reads);
//!     ring(lent.segment());
//!
//!     // SAFETY: the status register said so.
//!     drop(unsafe { lent.sync_for_cpu() });
//!     machine.device_removed(&device);
//!     Ok(())
//! }
//!
//! # fn main() -> Result<(), Error> {
//! let machine = Checking::new(board(), report).with_sums();
//! driver(&machine)?;
//! assert_eq!(machine.counts().findings(), 0);
//! # Ok(())
//! # }
//! ```
//!
//! # What it costs
//! * Memory for each of the `N` entries: a buffer, a block and a device, [`ENTRY_LEN`] bytes together.
//! * Each call of the library, each maintenance operation and each barrier opens a critical section and goes through the
//!   table once or twice. Nothing is called and no memory is read meanwhile.
//! * With [`with_sums`](Checked::with_sums) the CPU reads every byte of a buffer twice for each transfer.
//!
//! A machine that is not checked pays nothing: the library tells it nothing ([`Machine::OBSERVED`]).
//!
//! # When the table is full
//! What finds no room is not followed, and counted. From then on nothing is said about memory that is not in the table,
//! since it may be what found no room; what is in the table is judged as before. No finding comes of it.
//!
//! # What it cannot find
//! Stores of the CPU to memory that a device writes, which look like the device's own; accesses of a device of which
//! nobody tells ([`about_to_start`](Checked::about_to_start)); and what the machine's own instructions do not do: that is
//! what the conformance suite and the simulated machine are for.

#![expect(
    unsafe_code,
    reason = "the bundle's promises are passed on, and bytes are summed"
)]

mod sums;

mod finding;

mod words;

mod life;

mod book;

mod notices;

mod upkeep;

mod blocks;

mod told;

use core::fmt;

pub use book::Counts;
pub use finding::{Access, Barrier, Finding, Kind, Sink, Subject};
pub use life::State;

use crate::{
    addr::PhysRange,
    handover::Fills,
    ledger::Ledger,
    lock::Locked,
    machine::Machine,
    map::{BusMap, DirectMap},
    observe::{DeviceEvent, DeviceNotice, Event, Notice},
    sync::DmaSync,
};
use book::{Book, Found, Tables};
use notices::Circumstances;
use sums::Sums;

/// Bytes of a [`Checked`] machine for each of its entries.
pub const ENTRY_LEN: usize = size_of::<Book<2>>().saturating_sub(size_of::<Book<1>>());

/// A machine that passes everything on to the machine inside and finds mistakes. Use it by reference.
///
/// * `N`: the buffers and coherent memories, the blocks, and the devices removed, that can be followed at a time;
/// * `S`: where the findings go.
pub struct Checked<M, const N: usize, S = fn(&Finding)> {
    inside: M,
    sink: S,
    forbidden: &'static [PhysRange],
    bytes: Bytes,
    book: Locked<Book<N>>,
}

/// What is made of the bytes themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bytes {
    Ignored,
    Summed,
    /// And a buffer that is received as it was before is a finding.
    ExpectedToChange,
}

impl<M, const N: usize, S> Checked<M, N, S> {
    /// `inside`, checked from now on. Buffers that were made before are not its own.
    pub const fn new(inside: M, sink: S) -> Self {
        Self {
            inside,
            sink,
            forbidden: &[],
            bytes: Bytes::Ignored,
            book: Locked::new(Book::new()),
        }
    }

    /// The same, which finds memory lent in place from any of these ranges: kernel text, stacks, other devices' registers.
    #[must_use]
    pub const fn forbidding(mut self, ranges: &'static [PhysRange]) -> Self {
        self.forbidden = ranges;
        self
    }

    /// The same, with checksums of every buffer's bytes: it finds stores to a buffer that the device only reads, and
    /// bytes that changed behind those that a device says it wrote. Each sixteenth of a buffer has its own; of the one
    /// in which the device's bytes end nothing is said.
    ///
    /// Where the device only reads, the bytes are read by volatile loads while it owns them, which is a data race with
    /// the very store that is to be found, and with nothing else.
    #[must_use]
    pub const fn with_sums(mut self) -> Self {
        self.bytes = Bytes::Summed;
        self
    }

    /// The same [`with_sums`](Self::with_sums), where it is a finding too that a device that says it wrote has changed
    /// nothing. A device that writes what was there looks the same: fill buffers with something unlikely.
    #[must_use]
    pub const fn expecting_changes(mut self) -> Self {
        self.bytes = Bytes::ExpectedToChange;
        self
    }

    /// The machine inside.
    pub const fn inside(&self) -> &M {
        &self.inside
    }

    /// What was found so far, and what could not be followed.
    pub fn counts(&self) -> Counts {
        self.book.with(|book| book.counts())
    }
}

impl<M, const N: usize, S: Sink> Checked<M, N, S> {
    /// Applies a rule inside the critical section, and tells what it found outside.
    fn apply(&self, rule: impl FnOnce(&mut Tables<N>, &mut Found<'_>)) {
        let found = self.book.with(|book| book.apply(rule));
        found
            .iter()
            .flatten()
            .for_each(|finding| self.sink.found(finding));
    }
}

// SAFETY: the parts are those of the machine inside, each behind a wrapper that passes everything on; what is told is
// only judged, and memory only read, as `Machine::observe` allows.
unsafe impl<M: Machine, const N: usize, S: Sink> Machine for Checked<M, N, S> {
    type Sync = Self;
    type Memory = Self;
    type Coherent = Self;

    const EVERYTHING_SNOOPS: bool = M::EVERYTHING_SNOOPS;
    const OBSERVED: bool = true;

    fn sync(&self) -> &Self {
        self
    }
    fn memory(&self) -> &Self {
        self
    }
    fn coherent_source(&self) -> &Self {
        self
    }
    fn direct_map(&self) -> DirectMap<'_> {
        self.inside.direct_map()
    }
    fn bus(&self) -> BusMap<'_> {
        self.inside.bus()
    }
    fn ledger(&self) -> &Ledger {
        self.inside.ledger()
    }

    fn observe(&self, notice: &Notice) {
        let caches = self.inside.sync();
        let now = Circumstances {
            granule: caches.geometry().granule(),
            fills: Fills::of(caches),
            sums: self.sums(notice),
            reports_silence: self.bytes == Bytes::ExpectedToChange,
            forbidden: self.forbidden,
        };
        self.apply(|tables, found| tables.hear(notice, &now, found));
        if M::OBSERVED {
            self.inside.observe(notice);
        }
    }

    fn observe_device(&self, notice: &DeviceNotice) {
        if let DeviceEvent::Unquarantined { dma } = notice.event {
            self.apply(|tables, _| tables.unquarantine(notice.device, dma));
        }
        if M::OBSERVED {
            self.inside.observe_device(notice);
        }
    }
}

impl<M, const N: usize, S> Checked<M, N, S> {
    /// What the bytes are now, if that is watched and of use.
    fn sums(&self, notice: &Notice) -> Option<Sums> {
        let writes = notice.direction?.device_writes();
        let is_of_use = match notice.event {
            Event::ForDevice => true,
            Event::ForCpu => !writes,
            Event::HandedBack { .. } => writes,
            _ => false,
        };
        if !is_of_use || self.bytes == Bytes::Ignored {
            return None;
        }
        // SAFETY: the memory of a notice is valid and initialised. Before it is handed over and after it is handed back
        // the CPU owns it, and no reference to it is in use while the library holds its handle (S1); in between it is
        // only read here if the device only reads it.
        Some(unsafe { Sums::of(notice.memory) })
    }
}

impl<M, const N: usize, S> fmt::Debug for Checked<M, N, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checked")
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}
