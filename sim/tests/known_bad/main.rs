//! Drivers that are wrong, most of them in ways that shipped, each beside its right twin: the machine finds every one of the
//! former, under the adversaries that must show it, at random and by exhaustive search, and nothing in any of the latter.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    reason = "tests of the host: a panic is how they fail"
)]

mod bench;

mod direction;

mod barriers;

mod lines;

mod levels;

mod aliases;

mod bounce;

mod ownership;

mod loops;

use std::collections::BTreeSet;

use bench::Bug;
use sim::{Adversary, Oracle};

fn all() -> Vec<Bug> {
    [
        direction::bugs(),
        barriers::bugs(),
        lines::bugs(),
        levels::bugs(),
        aliases::bugs(),
        bounce::bugs(),
        ownership::bugs(),
        loops::bugs(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[test]
fn every_oracle_of_the_machine_has_a_driver_that_it_catches() {
    let bugs = all();
    let shown = bugs.iter().flat_map(|bug| &bug.shown_by);
    let caught: BTreeSet<Oracle> = shown.map(|(_, oracle)| *oracle).collect();

    let machines_own = BTreeSet::from([
        Oracle::CpuSeesStale,
        Oracle::DeviceSeesStale,
        Oracle::LostAtTheEnd,
        Oracle::NeighbourLost,
        Oracle::CpuTouchedDevices,
        Oracle::DirtyOverDevice,
        Oracle::StaleAtHandBack,
        Oracle::DiscardedForeign,
        Oracle::MissingBarrier,
        Oracle::Reused,
        Oracle::Leaked,
        Oracle::OutsideAnyBuffer,
        Oracle::DeviceStrayed,
    ]);
    assert_eq!(caught, machines_own);
}

#[test]
fn every_named_adversary_has_a_driver_that_it_must_catch() {
    let bugs = all();
    let catches = |adversary: &Adversary| {
        let name = adversary.to_string();
        bugs.iter().any(|bug| {
            bug.shown_by
                .iter()
                .any(|(shows, _)| shows.to_string() == name)
        })
    };
    let idle: Vec<String> = Adversary::named()
        .iter()
        .filter(|adversary| !catches(adversary))
        .map(ToString::to_string)
        .collect();
    assert_eq!(idle, Vec::<String>::new());
}

#[test]
fn every_driver_has_a_name_of_its_own() {
    let bugs = all();
    let names: BTreeSet<&str> = bugs.iter().map(|bug| bug.name).collect();
    assert_eq!(names.len(), bugs.len());
}
