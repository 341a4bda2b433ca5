//! Steps and moves in words, for people.

use std::fmt;

use crate::{
    layout::{CacheId, Mapping},
    steps::{Access, Move, Owner, Reach, Step, Turn},
};

/// A range, as messages show it.
struct Bytes(usize, usize);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(at, len) = self;
        match len {
            1 => write!(f, "byte {at:#x}"),
            _ => write!(f, "bytes {at:#x}..{:#x}", at + len),
        }
    }
}

struct By(Mapping);

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Mapping::Cached(0) => Ok(()),
            Mapping::Cached(colour) => write!(f, " by colour {colour}"),
            Mapping::Uncached => write!(f, " uncached"),
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { at, len } => write!(f, "reads {}", Bytes(*at, *len)),
            Self::Write { at, bytes } => write!(f, "writes {}", Bytes(*at, bytes.len())),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store { mapping, at, bytes } => {
                write!(f, "CPU stores {}{}", Bytes(*at, bytes.len()), By(*mapping))
            }
            Self::Load { mapping, at, len } => {
                write!(f, "CPU loads {}{}", Bytes(*at, *len), By(*mapping))
            }
            Self::Copy { from, to, len, .. } => {
                write!(f, "CPU copies {} to {:#x}", Bytes(*from, *len), to)
            }
            Self::Issue {
                operation,
                reach,
                mapping,
                at,
                len,
            } => {
                write!(
                    f,
                    "issue {operation} of {}{}",
                    Bytes(*at, *len),
                    By(*mapping)
                )?;
                match reach {
                    Reach::Memory => Ok(()),
                    Reach::Level(level) => write!(f, " in L{}", level + 1),
                }
            }
            Self::Complete(Reach::Memory) => write!(f, "wait for maintenance"),
            Self::Complete(Reach::Level(level)) => {
                write!(f, "wait for maintenance of L{}", level + 1)
            }
            Self::BeforeDoorbell => write!(f, "barrier before the doorbell"),
            Self::AfterCompletion => write!(f, "barrier after the completion"),
            Self::Allocate { at, len } => write!(f, "allocate {}", Bytes(*at, *len)),
            Self::Use { mapping, at, len } => {
                write!(f, "CPU uses {}{}", Bytes(*at, *len), By(*mapping))
            }
            Self::Release { at, len } => write!(f, "drop {}", Bytes(*at, *len)),
            Self::Free { at, len } => write!(f, "free {}", Bytes(*at, *len)),
            Self::Yield { at, len } => write!(f, "CPU is done with {}", Bytes(*at, *len)),
            Self::HandOver {
                at, len, direction, ..
            } => {
                let owner = Owner::Device(*direction);
                write!(f, "hand {} to {owner}", Bytes(*at, *len))
            }
            Self::HandBack { at, len } => write!(f, "take {} back", Bytes(*at, *len)),
            Self::Publish { at, len } => write!(f, "share {}", Bytes(*at, *len)),
            Self::Ring { turn, at, len } => {
                let bytes = Bytes(*at, *len);
                match turn {
                    Turn::Opened(direction) => {
                        write!(f, "make {bytes} {}", Owner::Ring(*direction))
                    }
                    Turn::Putting => write!(f, "CPU is about to put {bytes}"),
                    Turn::Put => write!(f, "put {bytes}"),
                    Turn::Looking => write!(f, "CPU is about to look at {bytes}"),
                    Turn::Looked => write!(f, "look at {bytes}"),
                    Turn::Fetched => write!(f, "fetch {bytes}"),
                }
            }
            Self::Quarantine { at, len, .. } => write!(f, "quarantine {}", Bytes(*at, *len)),
            Self::Doorbell => write!(f, "doorbell"),
            Self::Device { access, .. } => write!(f, "device {access}"),
            Self::Start { job, accesses, .. } => {
                write!(f, "doorbell of job {job}, {} accesses", accesses.len())
            }
            Self::Wait { job } => write!(f, "job {job} is seen to be done"),
            Self::Settle => write!(f, "all device writes arrive"),
            Self::Finish => write!(f, "the end: all dirty lines are written back"),
        }
    }
}

impl Move {
    /// What happens, with caches by their names.
    pub(crate) fn describe(&self, name: impl Fn(CacheId) -> String, line: usize) -> String {
        let lines = |index: usize| format!("line {:#x}", index * line);
        match *self {
            Self::Drain { core, around } => format!(
                "a store leaves the buffer of core {core}{}",
                if around { ", past the cache" } else { "" }
            ),
            Self::Execute {
                index,
                upgraded,
                whole,
                rogue,
            } => format!(
                "issued operation {index} takes effect{}{}{}",
                if upgraded {
                    ", as clean and invalidate"
                } else {
                    ""
                },
                if whole { ", on the whole granule" } else { "" },
                if rogue {
                    ", and leaves the line marked as dirty"
                } else {
                    ""
                },
            ),
            Self::Fill { cache, line } => format!("{} fills {}", name(cache), lines(line)),
            Self::Evict {
                cache,
                line,
                allocate,
            } => format!(
                "{} evicts {}{}",
                name(cache),
                lines(line),
                if allocate { " into the next level" } else { "" }
            ),
            Self::WriteBack { cache, line, .. } => {
                format!("{} writes {} back and keeps it", name(cache), lines(line))
            }
            Self::SilentStore { line } => {
                format!("the CPU stores to {} what it holds", lines(line))
            }
            Self::Land { index } => format!("device write {index} under way arrives"),
            Self::Access { index } => format!("the device goes on with job {index}"),
            Self::Migrate { core } => format!("the thread is moved to core {core}"),
        }
    }
}
