//! What the OS is asked for, and what comes of it, by trying every place.

use core::ops::Range;

use dma_api::{Error, Request};

use super::{Bench, Page};
use crate::site::{PAGE, range};

/// What a call that takes back lent pages comes to.
#[derive(Debug)]
pub(super) struct Expected {
    /// The runs that the OS is asked for.
    pub(super) asked: Vec<Range<usize>>,
    /// The places that may be had.
    pub(super) found: Result<Vec<Range<usize>>, Error>,
}

impl Bench {
    /// What the hook is asked, and what comes of it, by trying every place.
    pub(super) fn expected(&self, request: &Request, refuses: impl Fn(usize) -> bool) -> Expected {
        let before = self.pages.borrow().clone();
        let (mut asked, mut from, mut places, mut last) = (Vec::new(), 0, 0, 0);
        let found = loop {
            let free = self.places(request, &[Page::Free]);
            if !free.is_empty() {
                break Ok(free);
            }
            let all = self.places(request, &[Page::Free, Page::Lent]);
            let Some(place) = all.into_iter().find(|place| place.start >= from) else {
                break Err(self.refusal(request, places, last));
            };
            let runs = self.lent_runs(place.clone());
            let mut refused = None;
            for run in runs {
                asked.push(run.clone());
                if run.clone().any(&refuses) {
                    refused = Some(run);
                    break;
                }
                self.pages.borrow_mut()[run].fill(Page::Free);
            }
            let Some(run) = refused else {
                break Ok(vec![place]);
            };
            (from, places, last) = (run.end, places + 1, run.start);
        };
        self.pages.replace(before);
        Expected { asked, found }
    }

    fn lent_runs(&self, place: Range<usize>) -> Vec<Range<usize>> {
        let pages = self.pages.borrow();
        let mut runs: Vec<Range<usize>> = Vec::new();
        for page in place.filter(|page| pages[*page] == Page::Lent) {
            match runs.last_mut() {
                Some(run) if run.end == page => run.end += 1,
                _ => runs.push(page..page + 1),
            }
        }
        runs
    }

    fn refusal(&self, request: &Request, places: usize, last: usize) -> Error {
        let len = request.len.get();
        if places != 0 {
            let phys = range(last, 1).start().get();
            return Error::StillLent { len, places, phys };
        }
        if self.model.places(request).next().is_none() {
            let capacity = self.model.len();
            return Error::NeverFits { len, capacity };
        }
        let largest_free = self.longest_free() * PAGE;
        Error::Exhausted { len, largest_free }
    }

    pub(super) fn longest_free(&self) -> usize {
        let pages = self.pages.borrow();
        let runs = pages.split(|page| *page != Page::Free);
        runs.map(<[Page]>::len).max().unwrap_or(0)
    }
}
