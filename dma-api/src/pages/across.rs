//! What no zone has alone: runs that go on behind the end of one, and why a request is refused.

use super::{
    books::{Books, Wanted},
    entry::{PageEntry, State},
    frame::size,
    zone::{FreeRun, Table},
};
use crate::error::Error;

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
        wanted: &Wanted<'_>,
    ) -> Result<u32, Error> {
        let found = self.joined(table).find_map(|run| self.fit(run, wanted));
        let Some(at) = found else {
            return Err(self.refusal(table, wanted));
        };
        let end = at.wrapping_add(wanted.pages);
        for zone in self.zones.iter_mut().take(self.count) {
            let (low, high) = (at.max(zone.first), end.min(zone.end));
            if low < high {
                let run = zone.run_at_edge(table, low);
                zone.carve(table, run, low, high.wrapping_sub(low));
                table.at(low).set_state(State::INSIDE);
            }
        }
        table
            .at(at)
            .set_state(State::new(State::TAKEN, wanted.pages));
        self.count_taken(wanted.pages);
        Ok(at)
    }

    /// Bytes of the longest free run, whichever zones it lies in; of up to `all` that are about as long in one zone.
    pub(crate) fn largest_free(&self, entries: &[PageEntry], all: u32) -> u64 {
        let table = Table(entries);
        let zones = self.zones.iter().take(self.count);
        let longest = zones
            .map(|zone| zone.longest(table, all))
            .max()
            .unwrap_or(0);
        let joined = self.joined(table).map(|run| run.pages).max().unwrap_or(0);
        self.frame.bytes(longest.max(joined))
    }

    /// Why a request that no free run meets is refused.
    fn refusal(&self, table: Table<'_>, wanted: &Wanted<'_>) -> Error {
        let whole = FreeRun {
            first: 0,
            pages: self.frame.pages,
        };
        let (len, capacity) = (wanted.len, size(self.frame.memory.len_bytes()));
        match self.fit(whole, wanted) {
            None => Error::NeverFits { len, capacity },
            Some(_) => {
                let largest_free = size(self.largest_free(table.0, self.patience.max(1)));
                Error::Exhausted { len, largest_free }
            }
        }
    }

    /// The free runs that lie in several zones, from the highest on, one as often as it crosses from zone to zone.
    fn joined(&self, table: Table<'_>) -> impl Iterator<Item = FreeRun> {
        (1..self.count).filter_map(move |lower| self.joined_at(table, lower))
    }

    /// The free run that crosses the end of this zone.
    fn joined_at(&self, table: Table<'_>, lower: usize) -> Option<FreeRun> {
        let (above, below) = self.zones.get(..self.count)?.split_at_checked(lower)?;
        let edge = below.first()?.end;
        let mut first = edge;
        for zone in below {
            let free = zone.free_before_end(table);
            first = first.wrapping_sub(free);
            if free != zone.pages() {
                break;
            }
        }
        let mut end = edge;
        for zone in above.iter().rev() {
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
