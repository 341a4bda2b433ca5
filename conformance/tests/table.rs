//! The README's table of scenarios and the checks agree, and what the table refers to is there.
#![allow(
    clippy::indexing_slicing,
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::unwrap_used,
    reason = "a test reports by panicking"
)]

use std::{collections::BTreeSet, path::Path};

use conformance::CHECKS;

/// How many scenarios each group has.
const GROUPS: [(char, usize); 10] = [
    ('A', 9),
    ('B', 9),
    ('C', 11),
    ('D', 14),
    ('E', 8),
    ('F', 6),
    ('G', 5),
    ('H', 7),
    ('I', 13),
    ('J', 6),
];

/// A row of the table: the id, the names in the column of checks, and what stands in the column behind it.
struct Row {
    id: String,
    checks: BTreeSet<String>,
    otherwise: String,
}

fn rows() -> Vec<Row> {
    let (_, table) = include_str!("../README.md")
        .split_once("| id | scenario | checks | otherwise |")
        .unwrap();
    let lines = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    lines
        .map(|line| {
            let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
            assert_eq!(cells.len(), 4, "{line}");
            Row {
                id: cells[0].to_owned(),
                checks: code(cells[2]).map(str::to_owned).collect(),
                otherwise: cells[3].to_owned(),
            }
        })
        .collect()
}

/// What stands between backticks.
fn code(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn each_scenario_has_one_row() {
    let rows = rows();
    let found: Vec<_> = rows.iter().map(|row| row.id.as_str()).collect();
    let expected: Vec<_> = GROUPS
        .iter()
        .flat_map(|(group, count)| (1..=*count).map(move |number| format!("{group}{number}")))
        .collect();

    assert_eq!(found, expected);
}

#[test]
fn each_row_names_the_checks_that_play_its_scenario_and_no_others() {
    let mut named = BTreeSet::new();
    for row in rows() {
        let playing = CHECKS
            .iter()
            .filter(|check| check.scenarios.contains(&row.id.as_str()))
            .map(|check| check.name.to_owned())
            .collect();

        assert_eq!(row.checks, playing, "{}", row.id);
        named.extend(row.checks);
    }
    let all: BTreeSet<_> = CHECKS.iter().map(|check| check.name.to_owned()).collect();
    assert_eq!(named, all);
}

#[test]
fn a_scenario_without_a_check_has_a_reason_and_what_is_referred_to_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for row in rows() {
        let explained = !row.checks.is_empty() || !row.otherwise.is_empty();
        assert!(explained, "{}", row.id);
        for file in code(&row.otherwise).filter(|name| name.contains('/')) {
            assert!(root.join(file).is_file(), "{}: {file}", row.id);
        }
    }
}

#[test]
fn names_are_unique() {
    let names: BTreeSet<_> = CHECKS.iter().map(|check| check.name).collect();
    assert_eq!(names.len(), CHECKS.len());
}
