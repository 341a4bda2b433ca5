#![doc = include_str!("../README.md")]
#![no_std]

// Words: what the rest is said in.

pub mod error;

pub mod addr;

pub mod direction;

pub mod limits;

pub mod segments;

// What the machine promises.

pub mod cache;

pub mod sync;

pub mod handover;

pub mod map;

pub mod memory;

pub mod source;

mod atomic;

mod lock;

pub mod ledger;

pub mod observe;

pub mod costs;

pub mod machine;

// What a driver does.

pub mod device;

pub mod streaming;

pub mod slots;

pub mod bounce;

mod transfer;

pub mod lender;

pub mod loan;

mod in_place;

mod embedded;

pub mod coherent;

pub mod isolated;

pub mod ring;

pub mod bitmap;

pub mod pages;

pub mod pool;

pub mod fallback;

pub mod layout;

pub mod objects;

pub mod reserve;

// What finds mistakes.

pub mod check;

pub use addr::{DmaAddr, DmaRange, PhysAddr, PhysRange};
pub use bitmap::BitmapPool;
pub use bounce::{LoanCost, Policy};
pub use cache::{Geometry, LineRange};
pub use check::Checked;
pub use coherent::{Coherent, PrivateCoherent};
pub use costs::Costs;
pub use device::{Device, Quiesced, Snooping};
pub use direction::{
    Bidirectional, DataDirection, DeviceReads, DeviceWrites, Direction, FromDevice, ToDevice,
};
pub use error::{Error, Refused, known};
pub use fallback::{PerCpu, SearchOrder};
pub use isolated::Isolated;
pub use layout::ObjectLayout;
pub use ledger::{DeviceId, Ledger, LedgerCounts, Slot};
pub use lender::Lender;
pub use limits::{Alignment, DmaMask, Limits, Request};
pub use loan::{Finished, InFlight, Loan};
pub use machine::{Assembled, Machine, Parts, WithMemory};
pub use map::{BusMap, DirectMap, Region, Window, pointer_at_offset};
pub use memory::{Block, DmaAllocator};
pub use objects::{ObjectCounts, ObjectPool};
pub use observe::{DeviceEvent, DeviceNotice, Event, Notice};
pub use pool::Pool;
pub use reserve::{BLOCKS_PER_WORD, Reserve};
pub use ring::Ring;
pub use segments::Segments;
pub use slots::{BounceCounts, BouncePool, SLOTS_PER_WORD, SlotWord};
pub use source::{CoherentSource, NoCoherentMemory, UncachedAlias, UncachedMemory};
pub use streaming::{CpuOwned, DeviceOwned};
pub use sync::{DmaSync, Levels};

/// The crate whose traits say what a buffer is: [`Lender`] takes them, and [`CpuOwned`] is one.
pub use embedded_dma;
/// The crate whose traits say which values may cross: `FromBytes`, `IntoBytes`, `Immutable`, `KnownLayout`.
pub use zerocopy;
