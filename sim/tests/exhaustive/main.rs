//! The library's own buffers under every schedule of small machines, one of each kind: whatever the hardware does between any
//! two steps of a transfer, in whatever order, nothing goes wrong.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "tests of the host: a panic is how they fail"
)]

mod scenarios;

use dma_api::Snooping;
use scenarios::{ALL, M, ONE_GRANULE, Scenario, from_device, to_device};
use sim::{Config, Invalidate, Maintained, Oracle, Outer, Scope, Start, explore, trial::Outcome};

/// States that a search may find: several times what the largest of them does.
const LIMIT: usize = 400_000;

/// States that it must find, or it was no search.
const FEWEST: usize = 1_500;

/// A machine of `lines` lines of two bytes, of one level, whose core has a store buffer of one store.
fn one_level(lines: usize) -> Config {
    Config {
        name: "one level",
        line: 2,
        granule: 2,
        store_buffer: 1,
        cached_len: 2 * lines,
        uncached_len: 4,
        unit: 2,
        ..Config::default()
    }
}

/// Lets the hardware do everything that it can, and says how much that was.
fn search(machine: &Config, scenarios: &[Scenario]) {
    for (scenario, driver) in scenarios {
        let name = machine.name;
        let explored = explore(machine, LIMIT, driver)
            .unwrap_or_else(|failure| panic!("{scenario}: {failure}"));
        println!("EXPLORED {name}: {scenario}: {explored}");
        assert!(explored.states >= FEWEST, "{name}: {scenario}: {explored}");
    }
}

#[test]
fn one_level_of_four_lines() {
    search(&one_level(4), &ALL);
}

#[test]
fn one_level_that_starts_empty() {
    let machine = Config {
        name: "one level, empty at the start",
        start: Start::Empty,
        ..one_level(5)
    };
    search(&machine, &ALL);
}

#[test]
fn a_store_buffer_of_two_stores() {
    let machine = Config {
        name: "one level, two stores in the store buffer",
        store_buffer: 2,
        ..one_level(4)
    };
    search(&machine, &ALL);
}

#[test]
fn a_granule_of_two_lines() {
    let machine = Config {
        name: "granules of two lines",
        granule: 4,
        unit: 4,
        ..one_level(6)
    };
    search(&machine, &ALL);
}

#[test]
fn no_speculation() {
    let machine = Config {
        name: "no speculation",
        fills_speculatively: false,
        ..one_level(4)
    };
    search(&machine, &ALL);
}

#[test]
fn an_invalidate_that_writes_back() {
    let machine = Config {
        name: "no pure invalidate",
        invalidate: Invalidate::WritesBackToo,
        ..one_level(4)
    };
    search(&machine, &ALL);
}

#[test]
fn cleans_that_leave_lines_dirty_and_are_promoted() {
    let machine = Config {
        name: "erratum 824069, cleans promoted",
        rogue_dirty: true,
        promotes_cleans: true,
        ..one_level(4)
    };
    search(&machine, &ALL);
}

/// A second level of the same lines, or of lines twice as long.
fn two_levels(maintained: Maintained, line: usize) -> Option<Outer> {
    let granule = line;
    Some(Outer {
        line,
        granule,
        maintained,
    })
}

#[test]
fn two_levels_maintained_together() {
    let machine = Config {
        name: "two levels maintained together",
        outer: two_levels(Maintained::WithTheInner, 2),
        ..one_level(2)
    };
    search(&machine, &ALL);
}

#[test]
fn two_levels_maintained_apart() {
    let machine = Config {
        name: "two levels maintained apart",
        outer: two_levels(Maintained::ByItself, 2),
        ..one_level(2)
    };
    search(&machine, &ALL);
}

/// One granule, of two inner lines and one outer line: a buffer has all of it.
#[test]
fn two_levels_of_different_lines() {
    let machine = Config {
        name: "two levels of different lines",
        outer: two_levels(Maintained::ByItself, 4),
        ordered_by_address: false,
        unit: 4,
        ..one_level(2)
    };
    search(&machine, &ONE_GRANULE);
}

#[test]
fn two_cores() {
    let machine = Config {
        name: "two cores",
        cores: 2,
        ..one_level(2)
    };
    search(&machine, &ALL);
}

#[test]
fn two_cores_and_two_levels_maintained_apart() {
    let machine = Config {
        name: "two cores, two levels maintained apart",
        cores: 2,
        outer: two_levels(Maintained::ByItself, 2),
        ..one_level(2)
    };
    search(&machine, &ONE_GRANULE[..2]);
}

#[test]
fn two_colours() {
    let machine = Config {
        name: "two colours",
        colours: 2,
        ..one_level(2)
    };
    search(&machine, &ALL);
}

#[test]
fn an_uncached_alias() {
    let machine = Config {
        name: "an uncached alias",
        uncached_alias: true,
        uncached_len: 0,
        ..one_level(4)
    };
    search(&machine, &ALL);
}

#[test]
fn devices_that_snoop() {
    let machine = Config {
        name: "devices that snoop",
        snooping: Snooping::Snoops,
        ..one_level(4)
    };
    search(&machine, &ALL);
}

/// What the search finds where the machine's maintenance does less than its software believes.
fn finds(machine: &Config, driver: fn(M<'_>) -> Outcome) -> Vec<Oracle> {
    let found = explore(machine, LIMIT, driver).err();
    found
        .map(|failure| failure.violation.oracle)
        .into_iter()
        .collect()
}

#[test]
fn the_same_search_finds_maintenance_that_does_less_than_its_software_believes() {
    let of_one_core = Config {
        name: "maintenance of one core",
        cores: 2,
        scope: Scope::ThisCore,
        ..one_level(2)
    };
    assert_eq!(finds(&of_one_core, to_device), [Oracle::DeviceSeesStale]);
    assert_eq!(finds(&of_one_core, from_device), [Oracle::DirtyOverDevice]);

    let not_promoted = Config {
        name: "erratum 824069, cleans not promoted",
        rogue_dirty: true,
        ..one_level(2)
    };
    assert_eq!(finds(&not_promoted, from_device), [Oracle::DirtyOverDevice]);
    assert_eq!(finds(&not_promoted, to_device), []);
}
