//! Which copy the bytes went to, and from which: the arrows.

use std::ops::Range;

use crate::{
    history::Entry,
    layout::{CacheId, Mapping},
    state::State,
    steps::{Access, Move, Route, Step},
};

use super::panel::{Cell, Held, Holder, Lane, Panel};

/// What goes into a machine and comes out of it during an entry.
#[derive(Clone, Debug, Default)]
pub(super) struct Traffic {
    /// The inner cache that the CPU loads and stores through.
    through: Option<CacheId>,
    stored: Option<Range<usize>>,
    loaded: Option<Range<usize>>,
    written: Option<Range<usize>>,
    read: Option<(Route, Range<usize>)>,
}

/// One arrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flow {
    pub(super) panel: usize,
    pub(super) part: usize,
    pub(super) from: End,
    pub(super) to: End,
}

/// Where an arrow begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Cpu,
    Holder(Holder),
    Device,
}

/// What goes in and out; `state` is the machine before the entry.
pub(super) fn of(entry: &Entry, state: &State) -> Traffic {
    let by = |mapping: Mapping| Traffic {
        through: match mapping {
            Mapping::Cached(colour) => Some(state.layout.inner(state.core, colour)),
            Mapping::Uncached => None,
        },
        ..Traffic::default()
    };
    match entry {
        Entry::Step(Step::Store { mapping, at, bytes }) => Traffic {
            stored: Some(*at..at + bytes.len()),
            ..by(*mapping)
        },
        Entry::Step(Step::Load { mapping, at, len }) => Traffic {
            loaded: Some(*at..at + len),
            ..by(*mapping)
        },
        Entry::Step(Step::Copy {
            mapping,
            from,
            to,
            len,
        }) => Traffic {
            loaded: Some(*from..from + len),
            stored: Some(*to..to + len),
            ..by(*mapping)
        },
        Entry::Step(Step::Allocate { at, len }) => Traffic {
            stored: Some(*at..at + len),
            ..by(Mapping::Cached(0))
        },
        Entry::Step(Step::Device { route, access, .. }) => Traffic::of_access(*route, access),
        Entry::Move(Move::SilentStore { line }) => {
            let bytes = state.layout.line_bytes(*line);
            Traffic {
                stored: Some(bytes.clone()),
                ..by(state.used_by[bytes.start])
            }
        }
        Entry::Move(Move::Access { index }) => {
            let job = state.jobs.get(*index);
            let access = job.and_then(|job| Some((job.route, job.accesses.front()?)));
            access.map_or_else(Traffic::default, |(route, access)| {
                Traffic::of_access(route, access)
            })
        }
        _ => Traffic::default(),
    }
}

impl Traffic {
    fn of_access(route: Route, access: &Access) -> Self {
        match access {
            Access::Read { .. } => Self {
                read: Some((route, access.range())),
                ..Self::default()
            },
            Access::Write { .. } => Self {
                written: Some(access.range()),
                ..Self::default()
            },
        }
    }

    /// Whether the CPU's own accesses may find this copy.
    fn is_on_the_way(&self, lane: &Moment<'_>) -> bool {
        match lane.holder {
            Holder::StoreBuffer | Holder::Memory => true,
            Holder::Cache(cache) => {
                self.through.is_some() && (lane.depth > 1 || self.through == Some(cache))
            }
            Holder::Owner | Holder::Maintenance | Holder::Posted => false,
        }
    }
}

/// The arrows in one line between its last two moments.
pub(super) fn flows(traffic: &Traffic, panel_index: usize, panel: &Panel) -> Vec<Flow> {
    let mut flows = Vec::new();
    for (part, bytes) in panel.parts.iter().enumerate() {
        let lanes: Vec<Moment<'_>> = panel
            .lanes
            .iter()
            .filter_map(|lane| Moment::last(lane, part))
            .collect();
        let found = Part { lanes, bytes }.flows(traffic);
        flows.extend(found.into_iter().map(|(from, to)| Flow {
            panel: panel_index,
            part,
            from,
            to,
        }));
    }
    flows
}

/// A copy before and after.
struct Moment<'a> {
    holder: Holder,
    depth: usize,
    before: &'a Cell,
    after: &'a Cell,
}

impl<'a> Moment<'a> {
    fn last(lane: &'a Lane, part: usize) -> Option<Self> {
        let [.., before, after] = &lane.moments[..] else {
            return None;
        };
        Some(Self {
            holder: lane.holder,
            depth: lane.depth,
            before: &before[part],
            after: &after[part],
        })
    }

    fn changed(&self) -> bool {
        self.before.held != self.after.held || self.before.bytes != self.after.bytes
    }

    fn held(cell: &Cell) -> bool {
        cell.held != Held::Nothing
    }

    /// Whether it is a copy that loads and fills may come from.
    fn is_copy(&self) -> bool {
        matches!(self.holder, Holder::Cache(_) | Holder::Memory)
    }
}

struct Part<'a> {
    lanes: Vec<Moment<'a>>,
    bytes: &'a Range<usize>,
}

impl Part<'_> {
    fn flows(&self, traffic: &Traffic) -> Vec<(End, End)> {
        let mut flows = Vec::new();
        let touched =
            |range: &Range<usize>| range.start < self.bytes.end && self.bytes.start < range.end;
        let on_the_way = |lane: &Moment<'_>| traffic.is_on_the_way(lane);
        if traffic.loaded.as_ref().is_some_and(touched) {
            let source = self.nearest(on_the_way);
            flows.extend(source.map(|holder| (End::Holder(holder), End::Cpu)));
        }
        if traffic.stored.as_ref().is_some_and(touched) {
            let changed = self.nearest(|lane| on_the_way(lane) && lane.changed());
            let target = changed.or_else(|| self.nearest(on_the_way));
            flows.extend(target.map(|holder| (End::Cpu, End::Holder(holder))));
        } else if let Some(buffer) = self.drained(Holder::StoreBuffer) {
            let target = self.nearest(|lane| lane.is_copy() && lane.changed());
            let from = End::Holder(buffer);
            flows.extend(target.map(|holder| (from, End::Holder(holder))));
        }
        if traffic.written.as_ref().is_some_and(touched) {
            flows.push((End::Device, End::Holder(Holder::Posted)));
        } else if let Some(posted) = self.drained(Holder::Posted) {
            flows.push((End::Holder(posted), End::Holder(Holder::Memory)));
        }
        for lane in &self.lanes {
            let (before, after) = (lane.before.held, lane.after.held);
            if before == Held::Dirty && after != Held::Dirty {
                let below = self.below(lane, &lane.before.bytes);
                flows.extend(below.map(|to| (End::Holder(lane.holder), End::Holder(to))));
            }
        }
        for lane in &self.lanes {
            let filled = lane.is_copy() && !Moment::held(lane.before) && Moment::held(lane.after);
            let known = flows.iter().any(|(_, to)| *to == End::Holder(lane.holder));
            if filled && !known {
                let below = self.below(lane, &lane.after.bytes);
                flows.extend(below.map(|from| (End::Holder(from), End::Holder(lane.holder))));
            }
        }
        if let Some((route, range)) = &traffic.read
            && touched(range)
        {
            let from = match route {
                Route::Memory => Holder::Memory,
                Route::Caches => self.snooped().unwrap_or(Holder::Memory),
            };
            flows.push((End::Holder(from), End::Device));
        }
        flows
    }

    /// Of those that hold something now, the nearest to the CPU that is like that.
    fn nearest(&self, like: impl Fn(&Moment<'_>) -> bool) -> Option<Holder> {
        let mut lanes = self.lanes.iter();
        let found = lanes.find(|lane| Moment::held(lane.after) && like(lane));
        found.map(|lane| lane.holder)
    }

    /// What a device that snoops reads: a dirty copy, or what is behind the inner caches.
    fn snooped(&self) -> Option<Holder> {
        let dirty = self.nearest(|lane| lane.after.held == Held::Dirty);
        dirty.or_else(|| self.nearest(|lane| lane.is_copy() && lane.depth > 1))
    }

    /// The holder, if it holds less than before.
    fn drained(&self, holder: Holder) -> Option<Holder> {
        let drained = |lane: &Moment<'_>| {
            lane.holder == holder && lane.after.bytes.len() < lane.before.bytes.len()
        };
        self.lanes.iter().any(drained).then_some(holder)
    }

    /// The next copy behind one that holds these bytes now.
    fn below(&self, lane: &Moment<'_>, bytes: &[u8]) -> Option<Holder> {
        let below = self.lanes.iter().find(|other| {
            other.is_copy()
                && other.depth > lane.depth
                && Moment::held(other.after)
                && other.after.bytes == bytes
        });
        below.map(|lane| lane.holder)
    }
}
