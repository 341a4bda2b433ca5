//! The workloads that take time, by name.

use anyhow::{Result, bail};
use fastrand::Rng;

use crate::churn::{ANYWHERE, Asker, Churn};
use crate::peer::Size;
use crate::script::{Call, Op, Script};
use crate::sizes::Sizes;

/// 256 MiB.
pub const PAGES: u32 = 65_536;

/// How often each requested page has been asked for before anything is measured.
pub const TURNOVERS: u32 = 4;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// How many rounds, each over all peers.
    pub rounds: usize,
    /// How many calls there are in a round, where the workload does not say.
    pub calls: usize,
}

/// A workload that takes time.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// Its name in the tables.
    pub name: &'static str,
    write: fn(u32, Effort) -> Script,
}

impl Workload {
    /// Its calls in a region of that many pages.
    #[must_use]
    pub fn script(&self, pages: u32, effort: Effort) -> Script {
        (self.write)(pages, effort)
    }
}

/// All of them, in the order of the tables.
pub const TIMED: &[Workload] = &[
    Workload {
        name: "pair4k",
        write: pairs,
    },
    Workload {
        name: "bulk4k",
        write: bulk,
    },
    Workload {
        name: "pow2L50",
        write: |pages, effort| aged(1, Sizes::PowersLight, pages, 50, effort),
    },
    Workload {
        name: "pow2L90",
        write: |pages, effort| aged(2, Sizes::PowersLight, pages, 90, effort),
    },
    Workload {
        name: "anyL50",
        write: |pages, effort| aged(3, Sizes::AnyLight, pages, 50, effort),
    },
    Workload {
        name: "anyL90",
        write: |pages, effort| aged(4, Sizes::AnyLight, pages, 90, effort),
    },
    Workload {
        name: "anyH50",
        write: |pages, effort| aged(5, Sizes::AnyHeavy, pages, 50, effort),
    },
    Workload {
        name: "anyH90",
        write: |pages, effort| aged(6, Sizes::AnyHeavy, pages, 90, effort),
    },
    Workload {
        name: "chkFail",
        write: checkerboard,
    },
    Workload {
        name: "limit0",
        write: |pages, effort| limited(7, ANYWHERE, pages, effort),
    },
    Workload {
        name: "limit1",
        write: |pages, effort| limited(7, &one_limit(pages), pages, effort),
    },
    Workload {
        name: "limit3",
        write: |pages, effort| limited(8, &three_limits(pages), pages, effort),
    },
];

/// Those of that name or whose name begins so; all if none is named.
///
/// # Errors
/// There is none of a name.
pub fn named(names: &[String]) -> Result<Vec<Workload>> {
    let called = |workload: &Workload, name: &String| workload.name.starts_with(name.as_str());
    for name in names {
        if !TIMED.iter().any(|workload| called(workload, name)) {
            let known: Vec<&str> = TIMED.iter().map(|workload| workload.name).collect();
            bail!(
                "no workload is called {name}; there are {}",
                known.join(", ")
            );
        }
    }
    Ok(TIMED
        .iter()
        .copied()
        .filter(|workload| names.is_empty() || names.iter().any(|name| called(workload, name)))
        .collect())
}

/// That share of the pages.
#[must_use]
pub fn percent(pages: u32, percent: u32) -> u32 {
    (u64::from(pages) * u64::from(percent) / 100) as u32
}

/// A page allocated and freed, again and again, beside one that stays: without it, whoever splits blocks would split the
/// whole region each time.
fn pairs(pages: u32, effort: Effort) -> Script {
    let round: Vec<Op> = (0..effort.calls)
        .map(|call| {
            single(
                1,
                if call % 2 == 0 {
                    Call::Take
                } else {
                    Call::Give
                },
            )
        })
        .collect();
    Script::repeated(pages, vec![single(0, Call::Take)], &round, effort.rounds)
}

/// A quarter of the pages one at a time, and then all of them freed in random order.
fn bulk(pages: u32, effort: Effort) -> Script {
    let mut slots: Vec<u32> = (0..pages / 4).collect();
    let mut round: Vec<Op> = slots.iter().map(|&slot| single(slot, Call::Take)).collect();
    Rng::with_seed(7).shuffle(&mut slots);
    round.extend(slots.iter().map(|&slot| single(slot, Call::Give)));
    Script::repeated(pages, Vec::new(), &round, effort.rounds)
}

/// Random sizes that come and go at one occupancy.
fn aged(seed: u64, sizes: Sizes, pages: u32, occupancy: u32, effort: Effort) -> Script {
    ongoing(
        Churn::new(seed, sizes, ANYWHERE, percent(pages, occupancy)),
        pages,
        effort,
    )
}

/// Light-tailed sizes at 80 % occupancy, some of them below a limit.
fn limited(seed: u64, askers: &[Asker], pages: u32, effort: Effort) -> Script {
    let target = percent(pages, 80);
    ongoing(
        Churn::new(seed, Sizes::AnyLight, askers, target),
        pages,
        effort,
    )
}

/// A quarter of the requests lies below half of the region.
fn one_limit(pages: u32) -> [Asker; 2] {
    let asker = |weight, below| Asker { weight, below };
    [asker(75, None), asker(25, Some(pages / 2))]
}

/// The limits are a sixteenth, a quarter and half of the region; what lies below each would fill half of it, or less.
fn three_limits(pages: u32) -> [Asker; 4] {
    let asker = |weight, below| Asker { weight, below };
    [
        asker(70, None),
        asker(4, Some(pages / 16)),
        asker(10, Some(pages / 4)),
        asker(16, Some(pages / 2)),
    ]
}

fn ongoing(mut churn: Churn<'_>, pages: u32, effort: Effort) -> Script {
    let mut ops = churn.age(TURNOVERS);
    let ageing = ops.len();
    ops.extend((0..effort.calls * effort.rounds * 3 / 2).map(|_| churn.next_op()));
    Script::ongoing(pages, ops, ageing, effort.calls)
}

/// Requests for two pages where every other page is free, which all fail.
fn checkerboard(pages: u32, effort: Effort) -> Script {
    let mut ageing: Vec<Op> = (0..pages).map(|slot| single(slot, Call::Take)).collect();
    ageing.extend((0..pages).step_by(2).map(|slot| single(slot, Call::Give)));
    let two = Op {
        slot: pages,
        size: Size::pages(2),
        call: Call::Take,
    };
    let calls = (effort.calls / 64).max(16);
    let mut script = Script::repeated(pages, ageing, &vec![two; calls], effort.rounds);
    // Every other page is to be free, in whatever order the allocator hands them out.
    script.sorted_before = Some(pages as usize);
    script
}

fn single(slot: u32, call: Call) -> Op {
    Op {
        slot,
        size: Size::pages(1),
        call,
    }
}
