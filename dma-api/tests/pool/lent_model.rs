//! Lending against a model that knows of each page what it is.

mod expected;

use core::cell::RefCell;

use dma_api::pages::RunState;
use dma_api::pool::StillInUse;
use dma_api::{Block, Error, PhysRange, Request};
use proptest::{collection::vec, prelude::*};

use crate::model::{Model, Wish};
use crate::site::{BASE, PAGE, Site, bytes, range};
use crate::steps::wish;

/// What a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    Free,
    Block,
    Lent,
    /// The OS has given it up for the call that runs.
    GivenUp,
}

struct Bench {
    site: Site,
    /// Which places meet a request.
    model: Model,
    pages: RefCell<Vec<Page>>,
    blocks: RefCell<Vec<Block>>,
}

#[derive(Clone, Debug)]
enum Step {
    Allocate(Wish),
    Free(usize),
    Lend(Wish),
    Unlend(usize, usize),
    /// With a hook that refuses some pages; whether it does anything else meanwhile.
    Reclaim(Wish, u64, bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => wish().prop_map(Step::Allocate),
        4 => any::<usize>().prop_map(Step::Free),
        4 => wish().prop_map(Step::Lend),
        2 => (any::<usize>(), 1_usize..6).prop_map(|(first, pages)| Step::Unlend(first, pages)),
        4 => (wish(), any::<u64>(), any::<bool>())
            .prop_map(|(wish, seed, busy)| Step::Reclaim(wish, seed, busy)),
    ]
}

/// A number that is any other for another page.
fn chance(seed: u64, page: usize) -> u64 {
    let mixed = (seed ^ page as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32
}

impl Bench {
    fn new(pages: usize, cuts: &[usize]) -> Self {
        let site = Site::new(pages, cuts);
        site.pool.set_patience(u32::MAX).unwrap();
        let model = Model {
            base: BASE,
            unit: PAGE,
            units: pages,
            taken: Vec::new(),
        };
        Self {
            site,
            model,
            pages: RefCell::new(vec![Page::Free; pages]),
            blocks: RefCell::new(Vec::new()),
        }
    }

    /// The places for a request, in pages, all of which are one of these.
    fn places(&self, request: &Request, of: &[Page]) -> Vec<core::ops::Range<usize>> {
        let pages = self.pages.borrow();
        let places = self.model.places(request);
        let places = places.map(|place| place.start / PAGE..place.end / PAGE);
        places
            .filter(|place| pages[place.clone()].iter().all(|page| of.contains(page)))
            .collect()
    }

    fn set(&self, place: PhysRange, from: &[Page], to: Page) {
        let place = self.site.pages(place);
        for page in &mut self.pages.borrow_mut()[place.clone()] {
            assert!(from.contains(page), "{place:?} {page:?}");
            *page = to;
        }
    }

    fn allocate(&self, request: &Request) {
        let free = self.places(request, &[Page::Free]);
        match self.site.allocate(request) {
            Ok(block) => {
                assert!(free.contains(&self.site.pages(block.phys())));
                self.keep(block, &[Page::Free]);
            }
            Err(Error::Exhausted { .. } | Error::NeverFits { .. }) => assert_eq!(free, []),
            Err(other) => panic!("{other}"),
        }
    }

    fn keep(&self, block: Block, from: &[Page]) {
        self.set(block.phys(), from, Page::Block);
        self.site.soil(block.phys(), 0xbb);
        self.blocks.borrow_mut().push(block);
    }

    fn free(&self, index: usize) {
        let mut blocks = self.blocks.borrow_mut();
        if blocks.is_empty() {
            return;
        }
        let index = index % blocks.len();
        let block = blocks.swap_remove(index);
        // Nobody but its owner wrote there.
        assert!(bytes(&block).iter().all(|byte| *byte == 0xbb));
        self.set(block.phys(), &[Page::Block], Page::Free);
        self.site.free(block);
    }

    fn lend(&self, request: &Request) {
        let free = self.places(request, &[Page::Free]);
        match self.site.pool.lend(request) {
            Ok(place) => {
                assert!(free.contains(&self.site.pages(place)));
                self.set(place, &[Page::Free], Page::Lent);
                self.site.soil(place, 0x11);
            }
            Err(_) => assert_eq!(free, []),
        }
    }

    fn unlend(&self, first: usize, pages: usize) {
        let first = first % self.model.units;
        let place = range(first, pages);
        let inside = self
            .pages
            .borrow()
            .get(first..first + pages)
            .map(<[Page]>::to_vec);
        let lent = inside.is_some_and(|pages| pages.iter().all(|page| *page == Page::Lent));
        // SAFETY: the OS does not use its pages.
        let done = unsafe { self.site.pool.unlend(place) };
        let (phys, len) = (place.start().get(), place.len_bytes());
        let expected = if lent {
            Ok(())
        } else {
            Err(Error::NotLent { phys, len })
        };
        assert_eq!(done, expected);
        if lent {
            self.set(place, &[Page::Lent], Page::Free);
        }
    }

    /// Asks for memory with a hook that refuses a page in three, and that uses the pool itself if it is busy.
    fn reclaim(&self, request: &Request, seed: u64, busy: bool) {
        let refuses = |page: usize| chance(seed, page) % 3 == 0;
        let expected = (!busy).then(|| self.expected(request, refuses));
        let (asked, refused) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
        let hook = |place: PhysRange| {
            let pages = self.site.pages(place);
            asked.borrow_mut().push(pages.clone());
            assert!(pages.clone().all(|page| !refused.borrow().contains(&page)));
            // It is what the OS has, as it left it.
            assert!(
                self.pages.borrow()[pages.clone()]
                    .iter()
                    .all(|page| *page == Page::Lent)
            );
            if busy {
                self.meanwhile(seed ^ pages.start as u64, pages.clone());
            }
            if pages.clone().any(refuses) {
                refused.borrow_mut().extend(pages);
                self.free_given_up();
                return Err(StillInUse);
            }
            self.set(place, &[Page::Lent], Page::GivenUp);
            Ok(())
        };
        // SAFETY: the OS does not use its pages.
        let found = unsafe { self.site.pool.allocate_reclaiming(request, hook) };
        if let Some(expected) = expected {
            assert_eq!(*asked.borrow(), expected.asked);
            let found = found.as_ref().map(|block| self.site.pages(block.phys()));
            match (found, expected.found) {
                (Ok(place), Ok(places)) => assert!(places.contains(&place), "{place:?}"),
                (Err(error), Err(expected)) => assert_eq!(*error, expected),
                (found, expected) => panic!("{found:?}, but {expected:?}"),
            }
        }
        if let Ok(block) = found {
            self.site.check(&block);
            assert!(bytes(&block).iter().all(|byte| *byte == 0));
            let meeting = self.places(request, &[Page::Free, Page::GivenUp]);
            assert!(meeting.contains(&self.site.pages(block.phys())));
            self.keep(block, &[Page::Free, Page::GivenUp]);
        }
        self.free_given_up();
    }

    /// What the OS has given up for a place that is not had is free.
    fn free_given_up(&self) {
        for page in self.pages.borrow_mut().iter_mut() {
            if *page == Page::GivenUp {
                *page = Page::Free;
            }
        }
    }

    /// What the OS may do while it is asked.
    fn meanwhile(&self, seed: u64, held: core::ops::Range<usize>) {
        for page in held {
            let place = range(page, 1);
            // SAFETY: the pool is to refuse it.
            let refused = unsafe { self.site.pool.unlend(place) };
            let (phys, len) = (place.start().get(), place.len_bytes());
            assert_eq!(refused, Err(Error::NotLent { phys, len }));
        }
        let lend = chance(seed, 1) % 2 == 0;
        let pages = 1 + chance(seed, 2) as usize % 3;
        let request = crate::site::request(pages);
        let found = if lend {
            self.site.pool.lend(&request).inspect(|place| {
                self.set(*place, &[Page::Free], Page::Lent);
            })
        } else {
            let block = self.site.allocate(&request);
            block.map(|block| {
                let phys = block.phys();
                self.keep(block, &[Page::Free]);
                phys
            })
        };
        if found.is_err() {
            self.free(chance(seed, 3) as usize);
        }
    }

    /// Every page is what the model says, and in one run.
    fn agree(&self) {
        let mut walked = Vec::new();
        for run in self.site.runs() {
            assert_eq!(self.site.pages(run.phys).start, walked.len());
            let page = match run.state {
                RunState::Free => Page::Free,
                RunState::Block => Page::Block,
                RunState::Lent => Page::Lent,
                RunState::Held => panic!("nobody asks the OS"),
            };
            walked.extend(self.site.pages(run.phys).map(|_| page));
        }
        assert_eq!(walked, *self.pages.borrow());
        let count = |page| walked.iter().filter(|other| **other == page).count() * PAGE;
        let counts = self.site.pool.counts();
        assert_eq!(counts.free, count(Page::Free) as u64);
        assert_eq!(counts.lent, count(Page::Lent) as u64);
        assert_eq!(counts.largest_free, (self.longest_free() * PAGE) as u64);
        assert!(counts.high_water >= counts.capacity - counts.free);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 700,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_lent_comes_back_only_when_the_os_says_so_and_every_page_is_one_thing(
        pages in 1_usize..60,
        cuts in vec(1_usize..60, 0..4),
        steps in vec(step(), 1..80),
    ) {
        let bench = Bench::new(pages, &cuts);
        for step in steps {
            match step {
                Step::Allocate(wish) => bench.allocate(&wish.of(&bench.model)),
                Step::Free(index) => bench.free(index),
                Step::Lend(wish) => bench.lend(&wish.of(&bench.model)),
                Step::Unlend(first, pages) => bench.unlend(first, pages),
                Step::Reclaim(wish, seed, busy) => bench.reclaim(&wish.of(&bench.model), seed, busy),
            }
            bench.agree();
        }
    }
}
