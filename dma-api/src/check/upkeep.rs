//! A checked machine's caches: those of the machine inside, and the rules for maintenance and barriers.
#![expect(unsafe_code, reason = "maintenance is passed on")]

use core::{panic::Location, ptr::NonNull};

use super::{
    Checked, Sink,
    book::{Found, Tables},
    finding::Finding,
    life::{Life, State, in_granules},
};
use crate::{
    addr::PhysRange,
    cache::{Geometry, LineRange},
    direction::DataDirection,
    handover::Maintenance,
    machine::Machine,
    sync::DmaSync,
};

// SAFETY: everything is passed on to the caches of the machine inside.
unsafe impl<M: Machine, const N: usize, S: Sink> DmaSync for Checked<M, N, S> {
    fn geometry(&self) -> Geometry {
        self.inside.sync().geometry()
    }
    fn fills_speculatively(&self) -> bool {
        self.inside.sync().fills_speculatively()
    }
    fn invalidate_may_write_back(&self) -> bool {
        self.inside.sync().invalidate_may_write_back()
    }

    #[track_caller]
    fn clean(&self, range: LineRange<'_>) {
        self.judge_maintenance(Maintenance::Clean, range, Location::caller());
        self.inside.sync().clean(range);
    }

    #[track_caller]
    unsafe fn invalidate(&self, range: LineRange<'_>) {
        self.judge_maintenance(Maintenance::Invalidate, range, Location::caller());
        // SAFETY: passed on to the caller.
        unsafe { self.inside.sync().invalidate(range) };
    }

    #[track_caller]
    fn clean_and_invalidate(&self, range: LineRange<'_>) {
        let caller = Location::caller();
        self.judge_maintenance(Maintenance::CleanAndInvalidate, range, caller);
        self.inside.sync().clean_and_invalidate(range);
    }

    fn complete(&self) {
        self.inside.sync().complete();
        self.apply(|tables, _| tables.all_mut().for_each(|life| life.steps.complete()));
    }

    fn before_doorbell(&self, memory: NonNull<u8>) {
        self.inside.sync().before_doorbell(memory);
        self.apply(|tables, _| tables.before_doorbell(memory.addr().get()));
    }

    fn after_completion(&self, memory: NonNull<u8>) {
        self.inside.sync().after_completion(memory);
        let at = memory.addr().get();
        self.apply(|tables, _| {
            let held = tables.all_mut().filter(|life| life.holds(at));
            held.for_each(|life| life.steps.after_completion());
        });
    }
}

impl<M: Machine, const N: usize, S: Sink> Checked<M, N, S> {
    fn judge_maintenance(
        &self,
        operation: Maintenance,
        range: LineRange<'_>,
        caller: &'static Location<'static>,
    ) {
        let granule = self.inside.sync().geometry().granule();
        let order = Order {
            operation,
            phys: range.phys(),
            caller,
        };
        self.apply(|tables, found| tables.maintain(order, granule, found));
    }
}

/// Maintenance that was asked for.
#[derive(Clone, Copy)]
struct Order {
    operation: Maintenance,
    phys: PhysRange,
    caller: &'static Location<'static>,
}

impl<const N: usize> Tables<N> {
    fn maintain(&mut self, order: Order, granule: usize, found: &mut Found<'_>) {
        let Order {
            operation,
            phys,
            caller,
        } = order;
        let mut is_inside = false;
        for life in self.all_mut().filter(|life| is_due_for(life, order)) {
            is_inside |= life.phys.contains(phys);
            // Of a ring an entry is maintained at a time.
            if life.state == State::Ring || phys.contains(life.phys) {
                life.steps.maintain(operation);
            }
        }
        if is_inside {
            return;
        }

        let lines = in_granules(phys, granule);
        // A buffer that is not followed may be on its way back on the same bytes.
        let discards = operation == Maintenance::Invalidate && !self.is_incomplete();
        let touched = |life: &&mut Life| life.phys.overlaps(lines) && !is_due_for(life, order);
        for life in self.all_mut().filter(touched) {
            if life.is_written_behind_caches() || discards {
                let (subject, state) = (life.subject(), life.state);
                found.add(Finding::WrongMaintenance {
                    operation,
                    phys,
                    subject,
                    state,
                    caller,
                });
            }
            // The steps of an edge are the library's; a neighbour in the line has none to repeat.
            let at_an_edge = matches!(
                life.state,
                State::OnTheWayOut | State::OnTheWayBack | State::Ring
            );
            if !at_an_edge && life.phys.overlaps(phys) {
                life.steps.maintain(operation);
            }
        }

        let blocks = self.blocks.iter().flatten().copied();
        let mut owners = self.all().map(|life| life.phys).chain(blocks);
        if self.is_incomplete() || owners.any(|owner| owner.contains(phys)) {
            return;
        }
        found.add(match self.all().find(|life| life.phys.overlaps(phys)) {
            Some(life) => {
                let subject = life.subject();
                Finding::MaintainsBeyond {
                    operation,
                    phys,
                    subject,
                    caller,
                }
            }
            None => Finding::MaintainsNothing {
                operation,
                phys,
                caller,
            },
        });
    }

    /// Whoever is being handed over has its own barrier, on its own bytes; elsewhere any orders everything.
    fn before_doorbell(&mut self, at: usize) {
        for life in self.all_mut() {
            let needs_its_own = matches!(
                life.state,
                State::OnTheWayOut | State::Private | State::Ring
            );
            life.steps.before_doorbell |= !needs_its_own || life.holds(at);
        }
    }
}

/// Whether it is at the moment at which the library maintains it in this way.
fn is_due_for(life: &Life, order: Order) -> bool {
    let suits = match life.state {
        State::OnTheWayOut => order.operation != Maintenance::Invalidate,
        State::OnTheWayBack => order.operation != Maintenance::Clean && life.device_writes(),
        // Lines with entries that a device writes are not written back, those that it reads not discarded.
        State::Ring => match order.operation {
            Maintenance::Clean => life.direction != Some(DataDirection::FromDevice),
            Maintenance::Invalidate | Maintenance::CleanAndInvalidate => life.device_writes(),
        },
        _ => false,
    };
    suits && life.maintained && life.phys.overlaps(order.phys)
}
