//! What devices do, and what is judged of it.

use std::ops::Range;

use dma_api::DataDirection;

use crate::{
    state::{Job, Line, Posted, State},
    steps::{Access, Owner, Reach, Route},
    violation::Oracle,
};

/// Most bytes that a device's write brings to memory at a time; never a whole line, so that a fill may see a part of it.
const BURST: usize = 16;

impl State {
    /// A device accesses memory.
    pub(crate) fn device(&mut self, route: Route, access: &Access, honest: bool) {
        let range = access.range();
        let writes = matches!(access, Access::Write { .. });
        let stray = |byte: &usize| match self.owners[*byte] {
            Owner::Device(direction) if honest => match writes {
                true => !direction.device_writes(),
                false => direction == DataDirection::FromDevice,
            },
            Owner::Ring(direction) if honest => match (direction, writes) {
                (DataDirection::ToDevice, writes) => writes,
                (DataDirection::FromDevice, writes) => !writes,
                // It may look whether an entry is its own.
                (DataDirection::Bidirectional, writes) => writes && !self.shown[*byte],
            },
            Owner::Device(_) | Owner::Ring(_) => false,
            Owner::Cpu => true,
            Owner::Quarantine => honest,
            // To read as far as the end of the granule does no harm.
            Owner::Padding => writes && honest,
            Owner::Both | Owner::Program | Owner::Nobody => false,
        };
        if let Some(byte) = range.clone().find(stray) {
            let (oracle, detail) = match (honest, self.owners[byte]) {
                (false, Owner::Cpu) => (Oracle::Reused, "a device that is late uses them"),
                _ => (
                    Oracle::DeviceStrayed,
                    if writes { "a write" } else { "a read" },
                ),
            };
            self.report(oracle, byte..byte + 1, None, detail);
        }

        // No barrier waits for a device that says too early that it is done.
        if honest {
            self.in_use[range.clone()].fill(true);
        }
        match access {
            Access::Read { .. } => self.device_reads(route, range),
            Access::Write { at, bytes } => {
                for (byte, value) in range.clone().zip(bytes) {
                    let lent = matches!(
                        self.owners[byte],
                        Owner::Device(_) | Owner::Ring(_) | Owner::Both | Owner::Padding
                    );
                    if honest || lent {
                        self.gold[byte] = Some(*value);
                    }
                }
                let size = (self.layout.line / 2).clamp(1, BURST);
                for (index, burst) in bytes.chunks(size).enumerate() {
                    self.posted.push(Posted {
                        route,
                        at: at + index * size,
                        bytes: burst.to_vec(),
                        honest,
                    });
                }
            }
        }
    }

    fn device_reads(&mut self, route: Route, range: Range<usize>) {
        // What the device itself has written it reads behind its writes, and these arrive behind those to the same bytes.
        let (mut ranges, mut before) = (vec![range.clone()], Vec::new());
        for (index, posted) in self.posted.iter().enumerate().rev() {
            if ranges.iter().any(|range| posted.overlaps(range)) {
                ranges.push(posted.range());
                before.push(index);
            }
        }
        for (landed, index) in before.into_iter().rev().enumerate() {
            self.land(index - landed);
        }
        for byte in range {
            let is_settled = match self.owners[byte] {
                Owner::Device(_) => true,
                Owner::Ring(_) => self.shown[byte],
                _ => false,
            };
            if !is_settled {
                continue;
            }
            let found = self.device_sees(route, byte);
            if let Some(gold) = self.gold[byte]
                && found != gold
            {
                self.report(
                    Oracle::DeviceSeesStale,
                    byte..byte + 1,
                    Some((found, gold)),
                    "",
                );
                return;
            }
        }
    }

    /// What a device reads at a byte.
    pub(crate) fn device_sees(&self, route: Route, byte: usize) -> u8 {
        match route {
            Route::Memory => self.memory[byte].value(),
            Route::Caches => self.snooped_value(byte).value(),
        }
    }

    /// The device does the next thing of a job.
    pub(crate) fn go_on(&mut self, index: usize) {
        let Some(job) = self.jobs.get_mut(index) else {
            return;
        };
        let (route, honest) = (job.route, job.honest);
        if let Some(access) = job.accesses.pop_front() {
            self.device(route, &access, honest);
        }
        if self.jobs[index].accesses.is_empty() {
            self.jobs.remove(index);
        }
    }

    /// An honest device has done all of it; one that is late says so all the same.
    pub(crate) fn wait(&mut self, number: usize) {
        let is_it = |job: &Job| job.number == number && job.honest;
        while let Some(index) = self.jobs.iter().position(is_it) {
            self.go_on(index);
        }
    }

    pub(crate) fn finish(&mut self) {
        while !self.jobs.is_empty() {
            self.go_on(0);
        }
        self.land_all();
        self.drain_all();
        self.complete(Reach::Memory);
        for cache in self.layout.cache_ids() {
            for line in 0..self.layout.lines() {
                if self.line(cache, line) == Line::Dirty {
                    self.write_down(cache, line, false);
                }
            }
        }
        let lost =
            |byte: &usize| self.gold[*byte].is_some_and(|gold| self.memory[*byte].value() != gold);
        if let Some(byte) = (0..self.layout.len).find(lost) {
            let found = self.memory[byte].value();
            let values = self.gold[byte].map(|gold| (found, gold));
            self.report(Oracle::LostAtTheEnd, byte..byte + 1, values, "");
        }
    }
}
