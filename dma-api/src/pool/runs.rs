//! A walk over a pool, for people who look for what holds its memory.

use super::Pool;
use crate::{
    addr::PhysRange,
    pages::{Entries, RunState},
};

/// Pages in a row of which the same is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Where they are.
    pub phys: PhysRange,
    /// What they are.
    pub state: RunState,
}

/// The runs of a pool, from the lowest on: [`Pool::runs`].
#[derive(Debug)]
pub struct Runs<'p, B> {
    pool: &'p Pool<B>,
    page: u32,
}

impl<B: Entries> Pool<B> {
    /// All its pages in runs: free, each block, lent. Nothing is locked from one to the next: what others take and give
    /// meanwhile may be seen in part.
    pub const fn runs(&self) -> Runs<'_, B> {
        Runs {
            pool: self,
            page: 0,
        }
    }
}

impl<B: Entries> Iterator for Runs<'_, B> {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        let (entries, page) = (self.pool.entries.entries(), self.page);
        let (state, phys) = self.pool.with_books(|books| {
            let (state, pages) = books.run_at(entries, page)?;
            self.page = page.wrapping_add(pages);
            Some((state, books.frame.range(page, pages)))
        })??;
        Some(Run { phys, state })
    }
}
