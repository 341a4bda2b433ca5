//! Findings in words.

use core::fmt;

use super::finding::{Access, Barrier, Finding, Subject};
use crate::{
    addr::PhysRange,
    direction::DataDirection,
    handover::{Edge, Maintenance},
};

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.direction {
            Some(DataDirection::ToDevice) => "sent to",
            Some(DataDirection::FromDevice) => "received from",
            Some(DataDirection::Bidirectional) => "exchanged with",
            None => "coherent for",
        };
        let (device, dma) = (
            self.device.get(),
            Hex(self.dma.start().get(), self.dma.last().get()),
        );
        write!(
            f,
            "{} {what} device {device}, there {dma}",
            bytes(self.phys)
        )?;
        match self.caller {
            Some(caller) => write!(f, " (last used at {caller})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NotLive { event, subject } => {
                write!(f, "{event:?} of what is not live: {subject}")
            }
            Self::OutOfTurn {
                event,
                state,
                subject,
            } => {
                write!(f, "{event:?} of what is {state}: {subject}")
            }
            Self::Overlap {
                subject,
                other,
                granule,
            } => {
                write!(
                    f,
                    "{subject}, overlaps, or shares a granule of {granule} with, {other}"
                )
            }
            Self::PartialGranule { subject, granule } => {
                write!(f, "not whole granules of {granule}: {subject}")
            }
            Self::Forbidden { subject, range } => {
                write!(
                    f,
                    "lent from {}, which must not be: {subject}",
                    bytes(range)
                )
            }
            Self::MissingMaintenance {
                subject,
                edge,
                operation,
            } => {
                let hand = match edge {
                    Edge::ForDevice => "over",
                    Edge::ForCpu => "back",
                };
                write!(
                    f,
                    "handed {hand} without {} of all of it: {subject}",
                    verb(operation)
                )
            }
            Self::MissingBarrier { subject, barrier } => {
                let what = match barrier {
                    Barrier::Complete => "waiting for its maintenance",
                    Barrier::BeforeDoorbell => "a barrier before the doorbell",
                    Barrier::AfterCompletion => "a barrier after the completion",
                };
                write!(f, "without {what}: {subject}")
            }
            Self::MaintainsNothing {
                operation,
                phys,
                caller,
            } => {
                let (verb, bytes) = (verb(operation), bytes(phys));
                write!(f, "{verb} of {bytes}, which nobody has, at {caller}")
            }
            Self::MaintainsBeyond {
                operation,
                phys,
                subject,
                caller,
            } => {
                let (verb, bytes) = (verb(operation), bytes(phys));
                write!(f, "{verb} of {bytes} at {caller} goes beyond {subject}")
            }
            Self::WrongMaintenance {
                operation,
                phys,
                subject,
                state,
                caller,
            } => {
                let (verb, bytes) = (verb(operation), bytes(phys));
                write!(
                    f,
                    "{verb} of {bytes} at {caller}, where this is {state}: {subject}"
                )
            }
            Self::NotHandedOver {
                device,
                dma,
                access,
                instead,
                caller,
            } => {
                let (device, access) = (device.get(), access_verb(access));
                let dma = Hex(dma.start().get(), dma.last().get());
                write!(
                    f,
                    "device {device} is about to {access} {dma}, not its own, at {caller}"
                )?;
                match instead {
                    Some((subject, state)) => write!(f, "; there, {state}: {subject}"),
                    None => Ok(()),
                }
            }
            Self::WrongDirection {
                dma,
                access,
                subject,
                caller,
            } => {
                let (access, dma) = (
                    access_verb(access),
                    Hex(dma.start().get(), dma.last().get()),
                );
                write!(
                    f,
                    "about to {access} {dma} at {caller}, against the direction of {subject}"
                )
            }
            Self::OutsideLimits {
                device,
                dma,
                error,
                caller,
            } => {
                let (device, dma) = (device.get(), Hex(dma.start().get(), dma.last().get()));
                write!(
                    f,
                    "device {device} cannot be told {dma}: {error}, at {caller}"
                )
            }
            Self::Overlong { subject, written } => {
                write!(f, "the device claims {written} bytes of {subject}")
            }
            Self::WrittenWhileLent {
                subject,
                first,
                len,
            } => {
                write!(
                    f,
                    "{len} bytes at offset {first} changed while lent: {subject}"
                )
            }
            Self::WrittenBeyond {
                subject,
                written,
                first,
                len,
            } => write!(
                f,
                "{len} bytes at offset {first} changed, behind the {written} of {subject}"
            ),
            Self::WrittenNothing { subject, written } => {
                write!(
                    f,
                    "the {written} bytes are what they were before: {subject}"
                )
            }
            Self::Leaked { subject, state } => {
                write!(f, "its device was removed, it is {state}: {subject}")
            }
            Self::UsedAfterRemoval {
                device,
                event,
                caller,
            } => {
                write!(f, "device {} was removed: ", device.get())?;
                match event {
                    Some(event) => write!(f, "{event:?}"),
                    None => f.write_str("it is about to be started"),
                }?;
                match caller {
                    Some(caller) => write!(f, " at {caller}"),
                    None => Ok(()),
                }
            }
            Self::FreedInUse {
                block,
                subject,
                state,
                caller,
            } => {
                write!(
                    f,
                    "{} freed at {caller}, this in it is {state}: {subject}",
                    bytes(block)
                )
            }
            Self::FreeRefused { error, caller, .. } => write!(f, "not freed at {caller}: {error}"),
            Self::FreedUnknown { block, caller } => {
                write!(f, "{} freed at {caller}, but not handed out", bytes(block))
            }
            Self::HandedOutTwice {
                block,
                taken,
                caller,
            } => {
                let (block, taken) = (bytes(block), bytes(taken));
                write!(f, "{block} handed out at {caller}, somebody has {taken}")
            }
        }
    }
}

struct Hex(u64, u64);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}..={:#x}", self.0, self.1)
    }
}

const fn bytes(phys: PhysRange) -> Hex {
    Hex(phys.start().get(), phys.last().get())
}

const fn verb(operation: Maintenance) -> &'static str {
    match operation {
        Maintenance::Clean => "clean",
        Maintenance::Invalidate => "invalidate",
        Maintenance::CleanAndInvalidate => "clean and invalidate",
    }
}

const fn access_verb(access: Access) -> &'static str {
    match access {
        Access::Reads => "read",
        Access::Writes => "write",
    }
}
