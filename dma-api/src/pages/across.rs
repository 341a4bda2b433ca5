//! What no zone has alone: runs that go on behind the end of one, and why a request is refused.

use super::{
    books::{Books, Wanted},
    entry::{PageEntry, State},
    zone::{FreeRun, Table},
};
use crate::{addr::PhysRange, error::Error, limits::Request};

impl Books {
    /// Takes pages of several zones, which are not joined in the books although they are neighbours.
    ///
    /// # Errors
    /// [`Error::NeverFits`], [`Error::Exhausted`].
    #[cold]
    #[inline(never)]
    pub(super) fn take_across(
        &mut self,
        table: Table<'_>,
        request: &Request,
        wanted: &Wanted<'_>,
    ) -> Result<PhysRange, Error> {
        let found = self.joined(table).find_map(|run| self.fit(run, wanted));
        let Some(at) = found else {
            return Err(self.refusal(table, request));
        };
        let end = at.wrapping_add(wanted.pages);
        for zone in self.zones.iter_mut().take(self.count) {
            let (low, high) = (at.max(zone.first), end.min(zone.end));
            if low < high {
                let run = zone.run_at_edge(table, high);
                zone.carve(table, run, low, high.wrapping_sub(low));
                table.at(low).set_state(State::INSIDE);
            }
        }
        table
            .at(at)
            .set_state(State::new(State::TAKEN, wanted.pages));
        self.count_taken(wanted.pages);
        Ok(self.range(at, wanted.pages))
    }

    /// Bytes of the longest free run, whichever zones it lies in.
    pub(crate) fn largest_free(&self, entries: &[PageEntry]) -> u64 {
        let table = Table(entries);
        let zones = self.zones.iter().take(self.count);
        let longest = zones.map(|zone| zone.longest(table)).max().unwrap_or(0);
        let joined = self.joined(table).map(|run| run.pages).max().unwrap_or(0);
        u64::from(longest.max(joined)) << self.shift
    }

    /// Why a request that no free run meets is refused.
    fn refusal(&self, table: Table<'_>, request: &Request) -> Error {
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let place = self
            .rounded(request)
            .and_then(|request| request.first_fit(self.memory, self.page));
        let len = request.len.get();
        match place {
            None => Error::NeverFits {
                len,
                capacity: size(self.memory.len_bytes()),
            },
            Some(_) => Error::Exhausted {
                len,
                largest_free: size(self.largest_free(table.0)),
            },
        }
    }

    /// The free runs that lie in several zones, from the highest on, one as often as it crosses from zone to zone.
    fn joined(&self, table: Table<'_>) -> impl Iterator<Item = FreeRun> {
        let edges = 0..self.count.saturating_sub(1);
        edges
            .rev()
            .filter_map(move |lower| self.joined_at(table, lower))
    }

    /// The free run that crosses the end of this zone.
    fn joined_at(&self, table: Table<'_>, lower: usize) -> Option<FreeRun> {
        let (below, above) = self
            .zones
            .get(..self.count)?
            .split_at_checked(lower.wrapping_add(1))?;
        let edge = below.last()?.end;
        let mut first = edge;
        for zone in below.iter().rev() {
            let free = zone.free_before_end(table);
            first = first.wrapping_sub(free);
            if free != zone.pages() {
                break;
            }
        }
        let mut end = edge;
        for zone in above {
            let free = zone.free_from_start(table);
            end = end.wrapping_add(free);
            if free != zone.pages() {
                break;
            }
        }
        (first < edge && edge < end).then(|| FreeRun {
            first,
            pages: end.wrapping_sub(first),
        })
    }
}
