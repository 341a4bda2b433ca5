//! What a checked machine can find, each with the numbers that show it.

use core::panic::Location;

use super::life::State;
use crate::{
    addr::{DmaRange, PhysRange},
    direction::DataDirection,
    error::Error,
    handover::{Edge, Maintenance},
    ledger::DeviceId,
    observe::Event,
};

/// Where findings go.
///
/// It is called where the mistake is seen, interrupt handlers included, and never inside a critical section. It must not
/// use buffers of the checked machine. Every function that takes a [`Finding`] is a sink.
pub trait Sink {
    /// A mistake was found.
    fn found(&self, finding: &Finding);
}

impl<F: Fn(&Finding)> Sink for F {
    fn found(&self, finding: &Finding) {
        self(finding);
    }
}

/// The buffer or coherent memory that a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The device that it is for.
    pub device: DeviceId,
    /// The physical addresses that it owns.
    pub phys: PhysRange,
    /// Where the device sees it.
    pub dma: DmaRange,
    /// Which way data goes; `None` for coherent memory.
    pub direction: Option<DataDirection>,
    /// Where the library was last called for it.
    pub caller: Option<&'static Location<'static>>,
}

/// What a device is about to do with memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To read it.
    Reads,
    /// To write to it.
    Writes,
}

/// A step that orders or completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barrier {
    /// [`DmaSync::complete`](crate::DmaSync::complete), after maintenance.
    Complete,
    /// [`DmaSync::before_doorbell`](crate::DmaSync::before_doorbell), last.
    BeforeDoorbell,
    /// [`DmaSync::after_completion`](crate::DmaSync::after_completion), first.
    AfterCompletion,
}

macro_rules! findings {
    ($($(#[$doc:meta])* $Name:ident { $($(#[$field_doc:meta])* $field:ident: $Type:ty,)+ })+) => {
        /// A mistake, and the numbers that show it. Addresses and lengths are in bytes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Finding {
            $($(#[$doc])* $Name { $($(#[$field_doc])* $field: $Type,)+ },)+
        }

        /// A finding without its numbers, to count by.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Kind {
            $($(#[$doc])* $Name,)+
        }

        impl Kind {
            /// Each kind once.
            pub const ALL: [Self; [$(Self::$Name),+].len()] = [$(Self::$Name),+];
        }

        impl Finding {
            /// Which it is.
            #[must_use]
            pub const fn kind(&self) -> Kind {
                match self {
                    $(Self::$Name { .. } => Kind::$Name,)+
                }
            }
        }
    };
}

findings! {
    /// A handle was used whose memory is not live: it was freed, or its bytes were copied.
    NotLive {
        /// What the handle went through.
        event: Event,
        /// The memory.
        subject: Subject,
    }
    /// A handle was used that is not the one the memory has now: its bytes were copied.
    OutOfTurn {
        /// What the handle went through.
        event: Event,
        /// How the memory was.
        state: State,
        /// The memory.
        subject: Subject,
    }
    /// Memory that a device may write is in use twice at the same time, or shares a granule with other memory in use.
    Overlap {
        /// What was about to be used.
        subject: Subject,
        /// What was there.
        other: Subject,
        /// The machine's write-back granule.
        granule: usize,
    }
    /// A device that does not snoop may write to a part of a granule.
    PartialGranule {
        /// The memory.
        subject: Subject,
        /// The write-back granule that both ends should be multiples of.
        granule: usize,
    }
    /// Memory was lent in place that must not be.
    Forbidden {
        /// The memory.
        subject: Subject,
        /// What it overlaps of [`Checked::forbidding`](super::Checked::forbidding).
        range: PhysRange,
    }
    /// Memory changed hands without the maintenance that the moment needs, on all of it.
    MissingMaintenance {
        /// The memory.
        subject: Subject,
        /// The moment.
        edge: Edge,
        /// What should have been done.
        operation: Maintenance,
    }
    /// Memory changed hands, or its device is about to be started, without a barrier where it belongs.
    MissingBarrier {
        /// The memory.
        subject: Subject,
        /// Which barrier.
        barrier: Barrier,
    }
    /// Maintenance was issued on bytes that are neither a buffer's nor an allocated block's.
    MaintainsNothing {
        /// Which.
        operation: Maintenance,
        /// On what.
        phys: PhysRange,
        /// By whom.
        caller: &'static Location<'static>,
    }
    /// Maintenance was issued on a buffer and beyond it.
    MaintainsBeyond {
        /// Which.
        operation: Maintenance,
        /// On what.
        phys: PhysRange,
        /// The buffer.
        subject: Subject,
        /// By whom.
        caller: &'static Location<'static>,
    }
    /// Maintenance was issued that is wrong for the moment: it could destroy what a device or the CPU wrote.
    WrongMaintenance {
        /// Which.
        operation: Maintenance,
        /// On what.
        phys: PhysRange,
        /// The memory it touches.
        subject: Subject,
        /// How that was.
        state: State,
        /// By whom.
        caller: &'static Location<'static>,
    }
    /// A device is about to access memory that it was not given.
    NotHandedOver {
        /// The device.
        device: DeviceId,
        /// What it was told.
        dma: DmaRange,
        /// What it is about to do.
        access: Access,
        /// The memory there that it uses at other times, and how that is; `None` if it uses none there.
        instead: Option<(Subject, State)>,
        /// By whom.
        caller: &'static Location<'static>,
    }
    /// A device is about to read what it may only write, or the other way round.
    WrongDirection {
        /// What it was told.
        dma: DmaRange,
        /// What it is about to do.
        access: Access,
        /// The memory.
        subject: Subject,
        /// By whom.
        caller: &'static Location<'static>,
    }
    /// A device is about to be told a segment that its limits do not allow.
    OutsideLimits {
        /// The device.
        device: DeviceId,
        /// What it was told.
        dma: DmaRange,
        /// The limit it breaks.
        error: Error,
        /// By whom.
        caller: &'static Location<'static>,
    }
    /// A device claims to have written more than there is.
    Overlong {
        /// The memory.
        subject: Subject,
        /// What it claims.
        written: usize,
    }
    /// The bytes of a buffer that the device only reads changed while the device owned it.
    WrittenWhileLent {
        /// The memory.
        subject: Subject,
        /// Offset of the first part of it that changed.
        first: usize,
        /// Length of the parts from there to the last that changed.
        len: usize,
    }
    /// Bytes changed behind those that the device says it wrote.
    WrittenBeyond {
        /// The memory.
        subject: Subject,
        /// What it claims.
        written: usize,
        /// Offset of the first part behind it that changed.
        first: usize,
        /// Length of the parts from there to the last that changed.
        len: usize,
    }
    /// Bytes that the device says it wrote are what they were before.
    WrittenNothing {
        /// The memory.
        subject: Subject,
        /// What it claims.
        written: usize,
    }
    /// Memory of a device that was removed is still in use, or in quarantine.
    Leaked {
        /// The memory.
        subject: Subject,
        /// How it is.
        state: State,
    }
    /// A device that was removed is used.
    UsedAfterRemoval {
        /// The device.
        device: DeviceId,
        /// What its memory went through; `None` if it was about to be started.
        event: Option<Event>,
        /// By whom.
        caller: Option<&'static Location<'static>>,
    }
    /// A block was given back while memory in it was in use.
    FreedInUse {
        /// The block.
        block: PhysRange,
        /// The memory in it.
        subject: Subject,
        /// How that is.
        state: State,
        /// By whom.
        caller: &'static Location<'static>,
    }
    /// An allocator refused to take a block back: it was freed already, or is another's.
    FreeRefused {
        /// The block.
        block: PhysRange,
        /// Why.
        error: Error,
        /// By whom.
        caller: &'static Location<'static>,
    }
    /// An allocator took a block back that it had not handed out.
    FreedUnknown {
        /// The block.
        block: PhysRange,
        /// By whom.
        caller: &'static Location<'static>,
    }
    /// An allocator handed out memory that somebody has.
    HandedOutTwice {
        /// The new block.
        block: PhysRange,
        /// What of it is taken.
        taken: PhysRange,
        /// By whom.
        caller: &'static Location<'static>,
    }
}
