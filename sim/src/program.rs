//! What each step of the program or of a device does, and what is judged at that moment.

use std::{collections::VecDeque, ops::Range};

use dma_api::DataDirection;

use crate::{
    cell::Cell,
    layout::Mapping,
    state::{Issued, Job, Line, Posted, State},
    steps::{Access, Operation, Owner, Reach, Route, Step},
    violation::Oracle,
};

/// Most bytes that a device's write brings to memory at a time; never a whole line, so that a fill may see a part of it.
const BURST: usize = 16;

impl State {
    /// Executes a step. Ranges must lie in memory.
    pub(crate) fn take(&mut self, step: &Step) {
        match step {
            Step::Store { mapping, at, bytes } => {
                let cells = bytes.iter().copied().map(Cell::new).collect();
                self.cpu_stores(*mapping, *at, cells);
            }
            Step::Load { mapping, at, len } => self.cpu_loads(*mapping, *at..at + len),
            Step::Copy {
                mapping,
                from,
                to,
                len,
            } => {
                self.cpu_loads(*mapping, *from..from + len);
                let cells = (*from..from + len).map(|byte| self.seen(*mapping, byte).settled());
                let cells = cells.collect();
                self.cpu_stores(*mapping, *to, cells);
            }
            Step::Issue {
                operation,
                reach,
                mapping,
                at,
                len,
            } => self.issue(*operation, *reach, *mapping, *at..at + len),
            Step::Complete(reach) => self.complete(*reach),
            Step::BeforeDoorbell => {
                self.drain_all();
                self.unfenced.fill(false);
            }
            Step::AfterCompletion => {
                self.land_all();
                self.in_use.fill(false);
            }
            Step::Allocate { at, len } => self.allocate(*at..at + len),
            Step::Use { mapping, at, len } => {
                let range = *at..at + len;
                self.beneath[range.clone()].copy_from_slice(&self.owners[range.clone()]);
                self.own(range, Owner::Cpu);
                self.used_by[*at..at + len].fill(*mapping);
                self.live[*at..at + len].fill(true);
            }
            Step::Release { at, len } => {
                let range = *at..at + len;
                self.owners[range.clone()].copy_from_slice(&self.beneath[range.clone()]);
                self.beneath[range].fill(Owner::Program);
                self.live[*at..at + len].fill(false);
            }
            Step::Free { at, len } => self.free(*at..at + len),
            Step::Yield { at, len } => self.live[*at..at + len].fill(false),
            Step::HandOver {
                at,
                len,
                whole,
                direction,
                route,
            } => {
                self.hand_over(*at..at + len, *direction, *route);
                self.own(at + len..at + whole, Owner::Padding);
            }
            Step::HandBack { at, len } => self.hand_back(*at..at + len),
            Step::Publish { at, len } => {
                self.own(*at..at + len, Owner::Both);
                self.in_use[*at..at + len].fill(true);
            }
            Step::Quarantine { at, len, whole } => {
                self.own(*at..at + len, Owner::Quarantine);
                self.own(at + len..at + whole, Owner::Padding);
                self.gold[*at..at + len].fill(None);
            }
            Step::Doorbell => self.doorbell(),
            Step::Device {
                route,
                access,
                honest,
            } => self.device(*route, access, *honest),
            Step::Start {
                job,
                route,
                accesses,
                honest,
            } => {
                self.doorbell();
                self.jobs.push(Job {
                    number: *job,
                    route: *route,
                    accesses: VecDeque::from(accesses.clone()),
                    honest: *honest,
                });
            }
            Step::Wait { job } => self.wait(*job),
            Step::Settle => self.land_all(),
            Step::Finish => self.finish(),
        }
    }

    fn cpu_stores(&mut self, mapping: Mapping, at: usize, cells: Vec<Cell>) {
        let range = at..at + cells.len();
        let theirs = |byte: &usize| {
            matches!(
                self.owners[*byte],
                Owner::Device(_) | Owner::Quarantine | Owner::Padding
            )
        };
        if let Some(byte) = range.clone().find(theirs) {
            self.report(Oracle::CpuTouchedDevices, byte..byte + 1, None, "a store");
        }
        self.in_program_order(&range);
        for (byte, cell) in range.clone().zip(&cells) {
            self.gold[byte] = Some(cell.value());
            self.used_by[byte] = mapping;
        }
        self.unfenced[range].fill(true);
        self.store(mapping, at, cells);
    }

    /// A load brings lines in, and what it gives must be what is there.
    fn cpu_loads(&mut self, mapping: Mapping, range: Range<usize>) {
        let theirs = |byte: &usize| matches!(self.owners[*byte], Owner::Device(direction) if direction.device_writes());
        if let Some(byte) = range.clone().find(theirs) {
            self.report(Oracle::CpuTouchedDevices, byte..byte + 1, None, "a load");
        }
        self.in_program_order(&range);
        for byte in range {
            if let Mapping::Cached(colour) = self.layout.effective(mapping, byte) {
                let cache = self.layout.inner(self.core, colour);
                let line = byte / self.layout.line;
                if self.line(cache, line) == Line::Absent {
                    self.fill_missing(cache, line);
                }
            }
            if self.owners[byte] == Owner::Cpu {
                self.judge_byte(mapping, byte);
            }
        }
    }

    /// Where maintenance and accesses of one address are ordered, what was issued for a line takes effect before the
    /// core's next access to it.
    fn in_program_order(&mut self, range: &Range<usize>) {
        if !self.layout.ordered_by_address || range.is_empty() {
            return;
        }
        let (lines, core) = (self.layout.lines_of(range), self.core);
        while let Some(index) = self
            .issued
            .iter()
            .position(|issued| issued.core == core && lines.contains(&issued.line))
        {
            self.execute(index, false, false, false);
        }
    }

    fn issue(&mut self, operation: Operation, reach: Reach, mapping: Mapping, asked: Range<usize>) {
        // A core's own store to a line is in its cache before its maintenance of the line.
        let core = self.core;
        let lines = self.layout.lines_of(&asked);
        let overlaps = |at: usize, len: usize| {
            at < lines.end * self.layout.line && lines.start * self.layout.line < at + len
        };
        let waits = self.buffers[core]
            .iter()
            .rposition(|store| overlaps(store.at, store.cells.len()));
        if let Some(last) = waits {
            for _ in 0..=last {
                self.drain(core, false);
            }
        }

        if operation != Operation::Clean {
            let theirs = |byte: &usize| {
                self.in_use[*byte]
                    && !self.snooped[*byte]
                    && matches!(self.owners[*byte], Owner::Device(direction) if direction.device_writes())
            };
            if let Some(byte) = asked.clone().find(theirs) {
                let detail = "lines are discarded before the barrier after the completion";
                self.report(Oracle::MissingBarrier, byte..byte + 1, None, detail);
            }
        }
        let colour = match mapping {
            Mapping::Cached(colour) => colour,
            Mapping::Uncached => 0,
        };
        for line in lines {
            let bytes = self.layout.line_bytes(line);
            let granule = self.layout.granule;
            let around = bytes.start / granule * granule..bytes.end.next_multiple_of(granule);
            let nobodys = |byte: usize| self.owners[byte] == Owner::Nobody;
            if around.end <= self.layout.len && around.clone().all(nobodys) {
                let detail = format!("{operation} of a line");
                self.report(Oracle::OutsideAnyBuffer, bytes, None, detail);
            }
            self.issued.push(Issued {
                operation,
                reach,
                colour,
                core,
                line,
                asked: asked.clone(),
            });
            self.unfenced[self.layout.line_bytes(line)].fill(true);
        }
    }

    fn complete(&mut self, reach: Reach) {
        let theirs = |issued: &Issued| reach == Reach::Memory || issued.reach == reach;
        while let Some(index) = self.issued.iter().position(theirs) {
            self.execute(index, false, false, false);
        }
    }

    /// An allocator hands out bytes that are said to be zero. It has stored them, whether their values changed or not.
    fn allocate(&mut self, range: Range<usize>) {
        let taken = |byte: &usize| self.owners[*byte] != Owner::Nobody;
        if let Some(byte) = range.clone().find(taken) {
            self.report(
                Oracle::Reused,
                byte..byte + 1,
                None,
                "an allocator hands them out",
            );
        }
        let mapping = Mapping::Cached(0);
        for byte in range.clone() {
            let value = self.seen(mapping, byte).value();
            if value != 0 {
                let detail = "an allocator hands out memory that is not zero";
                self.report(Oracle::Leaked, byte..byte + 1, Some((value, 0)), detail);
            }
        }
        self.own(range.clone(), Owner::Program);
        self.cpu_stores(mapping, range.start, vec![Cell::new(0); range.len()]);
    }

    fn free(&mut self, range: Range<usize>) {
        let theirs = |byte: &usize| {
            matches!(
                self.owners[*byte],
                Owner::Device(_) | Owner::Both | Owner::Quarantine
            )
        };
        if let Some(byte) = range.clone().find(theirs) {
            self.report(Oracle::Reused, byte..byte + 1, None, "they are freed");
        }
        self.own(range.clone(), Owner::Nobody);
        self.gold[range.clone()].fill(None);
        self.live[range.clone()].fill(false);

        let cached = range.start.min(self.layout.cached_len)..range.end.min(self.layout.cached_len);
        let taint = |cell: &mut Cell| *cell = cell.tainted();
        self.memory[range.clone()].iter_mut().for_each(taint);
        for copy in &mut self.caches {
            copy.cells[cached.clone()].iter_mut().for_each(taint);
        }
        for store in self.buffers.iter_mut().flatten() {
            for (byte, cell) in (store.at..).zip(&mut store.cells) {
                if range.contains(&byte) {
                    taint(cell);
                }
            }
        }
    }

    pub(crate) fn own(&mut self, range: Range<usize>, owner: Owner) {
        if owner == Owner::Cpu {
            self.owned = match self.owned.is_empty() {
                true => range.clone(),
                false => self.owned.start.min(range.start)..self.owned.end.max(range.end),
            };
        }
        self.owners[range].fill(owner);
    }

    fn hand_over(&mut self, range: Range<usize>, direction: DataDirection, route: Route) {
        let taken = |byte: &usize| {
            !matches!(
                self.owners[*byte],
                Owner::Nobody | Owner::Program | Owner::Cpu
            )
        };
        if let Some(byte) = range.clone().find(taken) {
            self.report(Oracle::Reused, byte..byte + 1, None, "they are lent");
        }
        self.judge_fence(&range, "the hand-over");
        self.own(range.clone(), Owner::Device(direction));
        self.snooped[range.clone()].fill(route == Route::Caches);
        self.in_use[range.clone()].fill(true);
        self.judge_dirty(range);
    }

    /// The doorbell does not overtake a store to these bytes, or their maintenance. What it would overtake by itself is
    /// said first.
    fn judge_fence(&mut self, range: &Range<usize>, moment: &str) {
        self.judge_stores(range, moment);
        self.judge_in_flight(range, moment);
        if let Some(bytes) = self.first_run(&self.unfenced, range) {
            let detail = "between the last store or maintenance and the doorbell";
            self.report(Oracle::MissingBarrier, bytes, None, detail);
        }
    }

    /// The first bytes of the range, side by side and of one owner, of which something is true.
    fn first_run(&self, is_so: &[bool], range: &Range<usize>) -> Option<Range<usize>> {
        let first = range.clone().find(|byte| is_so[*byte])?;
        let ends = |byte: &usize| !is_so[*byte] || self.owners[*byte] != self.owners[first];
        Some(first..(first..range.end).find(ends).unwrap_or(range.end))
    }

    /// No line that the device may write is dirty anywhere.
    fn judge_dirty(&mut self, range: Range<usize>) {
        let dirty = range.clone().find_map(|byte| {
            let written =
                matches!(self.owners[byte], Owner::Device(direction) if direction.device_writes());
            if !written || self.snooped[byte] || byte >= self.layout.cached_len {
                return None;
            }
            let mut caches = self.layout.cache_ids();
            caches
                .find(|cache| self.line(*cache, byte / self.layout.line) == Line::Dirty)
                .map(|cache| (byte, cache))
        });
        if let Some((byte, cache)) = dirty {
            let name = self.layout.cache_name(cache);
            let detail = format!("the line is dirty in {name} when it is lent");
            self.report(Oracle::DirtyOverDevice, byte..byte + 1, None, detail);
        }
    }

    /// No maintenance of the bytes' lines is under way.
    fn judge_in_flight(&mut self, range: &Range<usize>, moment: &str) {
        let issued = self.issued.iter().find_map(|issued| {
            let bytes = common(range, &self.layout.line_bytes(issued.line))?;
            Some((issued.operation, bytes))
        });
        if let Some((operation, bytes)) = issued {
            let detail = format!("{operation} of its line is not complete at {moment}");
            self.report(Oracle::MissingBarrier, bytes, None, detail);
        }
    }

    /// No store to the bytes waits where a device does not see it.
    fn judge_stores(&mut self, range: &Range<usize>, moment: &str) {
        let mut stores = self.buffers.iter().flatten();
        if let Some(bytes) =
            stores.find_map(|store| common(range, &(store.at..store.at + store.cells.len())))
        {
            let detail = format!("a store is in a store buffer at {moment}");
            self.report(Oracle::MissingBarrier, bytes, None, detail);
        }
    }

    fn hand_back(&mut self, range: Range<usize>) {
        let under_way = self.posted.iter().find_map(|posted| {
            let bytes = common(&range, &posted.range())?;
            Some((posted.honest, bytes))
        });
        if let Some((honest, bytes)) = under_way {
            let (oracle, device) = match honest {
                true => (Oracle::MissingBarrier, "a device"),
                false => (Oracle::Reused, "a device that is late"),
            };
            let detail = format!("a write of {device} is under way at the hand-back");
            self.report(oracle, bytes, None, detail);
        }
        if let Some(bytes) = self.first_run(&self.in_use, &range) {
            let detail = "between the completion and the hand-back";
            self.report(Oracle::MissingBarrier, bytes, None, detail);
        }
        self.judge_in_flight(&range, "the hand-back");
        self.judge_stale(range.clone());
        self.live[range.clone()].fill(true);
        self.own(range, Owner::Cpu);
    }

    /// No cache holds an old value of what the device has written.
    fn judge_stale(&mut self, range: Range<usize>) {
        for byte in range.start..range.end.min(self.layout.cached_len) {
            let written =
                matches!(self.owners[byte], Owner::Device(direction) if direction.device_writes());
            if !written || self.snooped[byte] {
                continue;
            }
            let value = self.memory[byte].value();
            // A cache of another colour the program does not see.
            let colour = match self.used_by[byte] {
                Mapping::Cached(colour) => Some(colour),
                Mapping::Uncached => None,
            };
            for cache in self.layout.cache_ids() {
                let place = self.layout.caches[cache.0];
                if colour.is_none_or(|colour| place.level == 0 && place.colour != colour) {
                    continue;
                }
                let held = self.caches[cache.0].cells[byte].value();
                if self.line(cache, byte / self.layout.line) != Line::Absent && held != value {
                    let detail = format!("in {}", self.layout.cache_name(cache));
                    let values = Some((held, value));
                    self.report(Oracle::StaleAtHandBack, byte..byte + 1, values, detail);
                    return;
                }
            }
        }
    }

    /// A device is started by a store to its register: what it is to find must have arrived.
    fn doorbell(&mut self) {
        let visible = |byte: &usize| matches!(self.owners[*byte], Owner::Device(_) | Owner::Both);
        let bytes: Vec<usize> = (0..self.layout.len).filter(visible).collect();
        for run in bytes.chunk_by(|one, next| one + 1 == *next) {
            let (Some(first), Some(last)) = (run.first(), run.last()) else {
                continue;
            };
            let range = *first..last + 1;
            self.judge_fence(&range, "the doorbell");
            self.judge_dirty(range);
        }
    }

    /// A device accesses memory.
    fn device(&mut self, route: Route, access: &Access, honest: bool) {
        let range = access.range();
        let writes = matches!(access, Access::Write { .. });
        let stray = |byte: &usize| match self.owners[*byte] {
            Owner::Device(direction) if honest => match writes {
                true => !direction.device_writes(),
                false => direction == DataDirection::FromDevice,
            },
            Owner::Device(_) => false,
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
                        Owner::Device(_) | Owner::Both | Owner::Padding
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
            if !matches!(self.owners[byte], Owner::Device(_)) {
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
    fn wait(&mut self, number: usize) {
        let is_it = |job: &Job| job.number == number && job.honest;
        while let Some(index) = self.jobs.iter().position(is_it) {
            self.go_on(index);
        }
    }

    fn finish(&mut self) {
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

    /// Every byte that is the CPU's is what was stored or written there last, however it is looked at.
    pub(crate) fn judge(&mut self) {
        for byte in self.owned.clone() {
            if self.owners[byte] == Owner::Cpu {
                self.judge_byte(self.used_by[byte], byte);
            }
        }
    }

    fn judge_byte(&mut self, mapping: Mapping, byte: usize) {
        let cell = self.seen(mapping, byte);
        if let Some(gold) = self.gold[byte] {
            let value = cell.value();
            if value != gold {
                let oracle = match cell.is_tainted() {
                    true => Oracle::Leaked,
                    false => Oracle::CpuSeesStale,
                };
                self.report(oracle, byte..byte + 1, Some((value, gold)), "");
            } else if cell.is_tainted() {
                let detail = "a former owner's byte";
                self.report(Oracle::Leaked, byte..byte + 1, Some((value, gold)), detail);
            }
        }
    }
}

/// The bytes that two ranges have in common.
fn common(one: &Range<usize>, other: &Range<usize>) -> Option<Range<usize>> {
    let both = one.start.max(other.start)..one.end.min(other.end);
    (!both.is_empty()).then_some(both)
}
