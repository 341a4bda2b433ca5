//! What must hold of bytes when they change hands, at a doorbell, and whenever the CPU may look at them.

use std::ops::Range;

use crate::{
    layout::Mapping,
    state::{Line, State},
    steps::Owner,
    violation::Oracle,
};

impl State {
    /// The doorbell does not overtake a store to these bytes, or their maintenance. What it would overtake by itself is
    /// said first.
    pub(crate) fn judge_fence(&mut self, range: &Range<usize>, moment: &str) {
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

    /// All that a device did to these bytes has arrived, and the barrier after the completion came behind it.
    pub(crate) fn judge_arrival(&mut self, range: &Range<usize>) {
        let under_way = self.posted.iter().find_map(|posted| {
            let bytes = common(range, &posted.range())?;
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
        if let Some(bytes) = self.first_run(&self.in_use, range) {
            let detail = "between the completion and the hand-back";
            self.report(Oracle::MissingBarrier, bytes, None, detail);
        }
    }

    /// No line that the device may write is dirty anywhere.
    pub(crate) fn judge_dirty(&mut self, range: Range<usize>) {
        let dirty = range.clone().find_map(|byte| {
            if !self.device_writes(byte) || self.snooped[byte] || byte >= self.layout.cached_len {
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
    pub(crate) fn judge_in_flight(&mut self, range: &Range<usize>, moment: &str) {
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
        if let Some(bytes) = stores.find_map(|store| common(range, &store.range())) {
            let detail = format!("a store is in a store buffer at {moment}");
            self.report(Oracle::MissingBarrier, bytes, None, detail);
        }
    }

    /// No cache holds an old value of what the device has written.
    pub(crate) fn judge_stale(&mut self, range: Range<usize>) {
        for byte in range.start..range.end.min(self.layout.cached_len) {
            if !self.device_writes(byte) || self.snooped[byte] {
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

    /// Every byte that is the CPU's is what was stored or written there last, however it is looked at.
    pub(crate) fn judge(&mut self) {
        for byte in self.owned.clone() {
            if self.owners[byte] == Owner::Cpu {
                self.judge_byte(self.used_by[byte], byte);
            }
        }
    }

    pub(crate) fn judge_byte(&mut self, mapping: Mapping, byte: usize) {
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
pub(crate) fn common(one: &Range<usize>, other: &Range<usize>) -> Option<Range<usize>> {
    let both = one.start.max(other.start)..one.end.min(other.end);
    (!both.is_empty()).then_some(both)
}
