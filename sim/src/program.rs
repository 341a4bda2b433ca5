//! What each step of the program or of a device does, and what is judged at that moment.

use std::{collections::VecDeque, ops::Range};

use dma_api::DataDirection;

use crate::{
    cell::Cell,
    judge::common,
    layout::Mapping,
    state::{Issued, Job, Line, State},
    steps::{Operation, Owner, Reach, Route, Step},
    violation::Oracle,
};

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
                self.copied.fill(false);
            }
            Step::AfterCompletion => {
                self.land_all();
                self.in_use.fill(false);
                self.looks_unordered = false;
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
            Step::Ring { turn, at, len } => self.use_ring(*turn, *at..at + len),
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
        let theirs = |byte: &usize| match self.owners[*byte] {
            Owner::Device(_) | Owner::Quarantine | Owner::Padding => true,
            Owner::Ring(_) => self.shown[*byte],
            _ => false,
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
        let theirs = |byte: &usize| self.device_alone_writes(*byte);
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
        let bytes = lines.start * self.layout.line..lines.end * self.layout.line;
        let waits = self.buffers[core]
            .iter()
            .rposition(|store| common(&bytes, &store.range()).is_some());
        if let Some(last) = waits {
            for _ in 0..=last {
                self.drain(core, false);
            }
        }

        if operation != Operation::Clean {
            let theirs = |byte: &usize| {
                self.in_use[*byte] && !self.snooped[*byte] && self.device_alone_writes(*byte)
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

    pub(crate) fn complete(&mut self, reach: Reach) {
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
                Owner::Device(_) | Owner::Both | Owner::Ring(_) | Owner::Quarantine
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

    fn hand_back(&mut self, range: Range<usize>) {
        self.judge_arrival(&range);
        self.judge_in_flight(&range, "the hand-back");
        self.judge_stale(range.clone());
        self.live[range.clone()].fill(true);
        self.own(range, Owner::Cpu);
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
        self.judge_copies();
    }
}
