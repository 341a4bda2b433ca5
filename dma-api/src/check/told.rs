//! What a driver tells the checker by itself, and the rules for it.

use core::panic::Location;

use super::{
    Checked, Sink,
    book::{Found, Tables},
    finding::{Access, Barrier, Finding},
    life::{Life, State},
};
use crate::{
    addr::DmaRange, device::Device, direction::DataDirection, ledger::DeviceId, machine::Machine,
};

impl<M, const N: usize, S: Sink> Checked<M, N, S> {
    /// Tells that a device is about to be started on a segment, or on a part of one: memory of one buffer that was handed
    /// over to it in that direction, of a ring, or of one that is published. Call it before the doorbell, or before the descriptor
    /// that the device may fetch by itself.
    #[track_caller]
    pub fn about_to_start<X>(&self, device: &Device<X>, dma: DmaRange, access: Access)
    where
        X: Machine + Clone,
    {
        let (id, limits, caller) = (device.id(), *device.limits(), Location::caller());
        self.apply(|tables, found| {
            if tables.is_removed(id) {
                found.add(Finding::UsedAfterRemoval {
                    device: id,
                    event: None,
                    caller: Some(caller),
                });
            }
            if let Err(error) = limits.check(dma) {
                found.add(Finding::OutsideLimits {
                    device: id,
                    dma,
                    error,
                    caller,
                });
            }
            start(tables, (id, dma, access), caller, found);
        });
    }

    /// Tells that a device is gone and its driver with it. All of its memory that is still in use, or in quarantine, is a
    /// finding each, and so is every use of the device from now on.
    pub fn device_removed<X>(&self, device: &Device<X>)
    where
        X: Machine + Clone,
    {
        let id = device.id();
        self.apply(|tables, _| tables.remove_device(id));
        for index in 0..N {
            self.apply(|tables, found| {
                let life = tables.lives.get(index).copied().flatten();
                if let Some(life) = life.filter(|life| life.device == id) {
                    let (subject, state) = (life.subject(), life.state);
                    found.add(Finding::Leaked { subject, state });
                }
            });
        }
    }
}

/// The rules for a device that is about to be started.
fn start<const N: usize>(
    tables: &Tables<N>,
    (device, dma, access): (DeviceId, DmaRange, Access),
    caller: &'static Location<'static>,
    found: &mut Found<'_>,
) {
    let is_its_own = |life: &&Life| life.device == device && life.dma.overlaps(dma);
    let is_given = |life: &&Life| {
        let given = [State::DeviceOwned, State::Published, State::Ring];
        let state = given.contains(&life.state);
        is_its_own(life) && state && life.dma.contains(dma)
    };
    let agrees = |life: &&Life| match access {
        Access::Reads => life.direction != Some(DataDirection::FromDevice),
        Access::Writes => life.device_writes(),
    };
    let mut given = tables.all().filter(is_given);
    let finding = if let Some(life) = given.clone().find(agrees) {
        // Of a ring each entry had its barrier when it was put.
        if life.steps.before_doorbell || life.state == State::Ring {
            return;
        }
        let (subject, barrier) = (life.subject(), Barrier::BeforeDoorbell);
        Finding::MissingBarrier { subject, barrier }
    } else if tables.is_incomplete() {
        return;
    } else if let Some(life) = given.next() {
        let subject = life.subject();
        Finding::WrongDirection {
            dma,
            access,
            subject,
            caller,
        }
    } else {
        let instead = tables.all().find(is_its_own);
        let instead = instead.map(|life| (life.subject(), life.state));
        Finding::NotHandedOver {
            device,
            dma,
            access,
            instead,
            caller,
        }
    };
    found.add(finding);
}
