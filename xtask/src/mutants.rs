//! The mutation gate: each entry of the lists is made true of a copy, and the test that it names must notice.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::str::FromStr;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::killing::{Fate, all_pass, fate};
use crate::mutant::{self, Mutant, killer_exists};
use crate::passage::{places, replaced};
use crate::replica::Replica;
use crate::source::without_tests;
use crate::workspace;

/// Which entries are run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    /// Those of files whose path begins so.
    pub(crate) file: Option<String>,
    /// The one of that name.
    pub(crate) id: Option<String>,
    /// A part of those.
    pub(crate) shard: Option<Shard>,
}

/// One of so many parts of a list, as equal as they can be, each with entries that stand together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    number: usize,
    of: usize,
}

impl FromStr for Shard {
    type Err = String;

    /// Reads `K/N`, where `K` counts from 1.
    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(number, of)| {
            Some(Self {
                number: number.parse().ok()?,
                of: of.parse().ok()?,
            })
        });
        numbers
            .filter(|shard| (1..=shard.of).contains(&shard.number))
            .ok_or_else(|| "a shard is K/N, with K from 1 to N".to_owned())
    }
}

impl Shard {
    fn part<T>(self, mut list: Vec<T>) -> Vec<T> {
        let edge = |number| list.len() * number / self.of;
        let (first, behind) = (edge(self.number - 1), edge(self.number));
        list.truncate(behind);
        list.split_off(first)
    }
}

impl Selection {
    fn of(&self, mutants: Vec<Mutant>) -> Vec<Mutant> {
        let wanted = |mutant: &Mutant| {
            let file = self.file.as_ref();
            file.is_none_or(|prefix| mutant.file.starts_with(prefix))
                && self.id.as_ref().is_none_or(|id| *id == mutant.id)
        };
        let chosen = mutants.into_iter().filter(wanted).collect();
        match self.shard {
            Some(shard) => shard.part(chosen),
            None => chosen,
        }
    }
}

/// The command; the last line is `N killed, M survived`.
pub(crate) fn run(selection: &Selection) -> Result<bool> {
    let mutants = selection.of(mutant::all()?);
    ensure!(!mutants.is_empty(), "no entry of the lists is meant");
    for mutant in &mutants {
        check(mutant).with_context(|| mutant.id.clone())?;
    }

    let replica = Replica::new()?;
    let started = Instant::now();
    let count = all_pass(&replica, mutants.iter().map(|mutant| &mutant.killer))?;
    let seconds = started.elapsed().as_secs_f64();
    println!("{count} tests pass without a mutant ({seconds:.1} s)");

    let (mut killed, mut survived, mut unclear) = (0, 0, 0);
    for (number, mutant) in (1..).zip(&mutants) {
        print!("{number}/{} {} ... ", mutants.len(), mutant.id);
        // A line that is begun shows which mutant takes its time; if it cannot be shown, the mutant still counts.
        let _ = io::stdout().flush();
        let started = Instant::now();
        let fate = applied(&replica, mutant)?;
        let seconds = started.elapsed().as_secs_f64();
        match fate {
            Fate::Killed => {
                killed += 1;
                println!("killed ({seconds:.1} s)");
            }
            Fate::Survived => {
                survived += 1;
                println!(
                    "SURVIVED ({seconds:.1} s): {}: {}",
                    mutant.file, mutant.what
                );
            }
            Fate::Unclear(why) => {
                unclear += 1;
                println!("UNCLEAR ({seconds:.1} s)\n{why}");
            }
        }
    }

    if unclear > 0 {
        println!("{unclear} entries are wrong");
    }
    println!("{killed} killed, {survived} survived");
    Ok(survived == 0 && unclear == 0)
}

/// What can be wrong with an entry before anything runs.
fn check(mutant: &Mutant) -> Result<()> {
    let root = workspace::root();
    mutated(&read(root, mutant)?, mutant)?;
    ensure!(
        killer_exists(&mutant.killer, root),
        "there is no {:?}",
        mutant.killer
    );
    Ok(())
}

/// Changes the copy's file for as long as the killer runs.
fn applied(replica: &Replica, mutant: &Mutant) -> Result<Fate> {
    let path = replica.folder().join(&mutant.file);
    let original = read(replica.folder(), mutant)?;
    fs::write(&path, mutated(&original, mutant)?)?;
    let fate = fate(replica, &mutant.killer, mutant.end);
    fs::write(&path, original)?;
    fate
}

fn read(root: &Path, mutant: &Mutant) -> Result<String> {
    let path = root.join(&mutant.file);
    fs::read_to_string(&path).with_context(|| format!("no {}", mutant.file))
}

/// The file's text with the mutant in it. What its unit tests say does not count.
fn mutated(text: &str, mutant: &Mutant) -> Result<String> {
    let found = places(without_tests(text), &mutant.passage);
    let [place] = &found[..] else {
        bail!(
            "{} times in {}: {}",
            found.len(),
            mutant.file,
            mutant.passage
        );
    };
    let changed = replaced(text, place, &mutant.replacement);
    ensure!(changed != text, "it changes nothing");
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    use crate::mutant::{Expected, Harness, Killer};
    use crate::workspace::{files_below, shown};

    fn mutant(id: &str, file: &str, passage: &str, replacement: &str) -> Mutant {
        Mutant {
            id: id.to_owned(),
            what: "something is gone".to_owned(),
            file: file.to_owned(),
            passage: passage.to_owned(),
            replacement: replacement.to_owned(),
            killer: Killer::Test {
                package: "a".to_owned(),
                harness: Harness::Library,
                name: "b".to_owned(),
            },
            end: Expected::Failure,
        }
    }

    #[test]
    fn every_entry_applies_exactly_once_and_names_a_test_that_there_is() {
        let mutants = mutant::all().expect("the lists can be read");

        let wrong: Vec<String> = mutants
            .iter()
            .filter_map(|mutant| Some(format!("{}: {:#}", mutant.id, check(mutant).err()?)))
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn every_file_that_does_something_has_an_entry() {
        // Tables of contents, texts of errors, what only exists for tests, and types that only wrap or only name.
        let exempt = |file: &str| {
            let ends = [
                "/src/lib.rs",
                "/src/atomic.rs",
                "/src/costs.rs",
                "/src/error.rs",
                "/src/observe.rs",
                "/recorded.rs",
                "/src/pages/bounds.rs",
                "/src/pages/zone/audit.rs",
                "/src/pool/tests.rs",
                "arch-x86/src/insn.rs",
                "arch-arm/src/map.rs",
                "arch-x86/src/map.rs",
            ];
            ends.iter().any(|end| file.ends_with(end))
        };
        let mutants = mutant::all().expect("the lists can be read");
        let named: BTreeSet<&str> = mutants.iter().map(|mutant| mutant.file.as_str()).collect();

        for package in ["dma-api", "arch-arm", "arch-riscv", "arch-mips", "arch-x86"] {
            let folder = workspace::root().join(package).join("src");
            for file in files_below(&folder, "rs").expect("the folder can be listed") {
                let file = shown(&file);
                assert!(named.contains(file.as_str()) || exempt(&file), "{file}");
            }
        }
    }

    #[test]
    fn a_passage_that_is_not_there_once_is_refused() {
        let text = "f();\n    g(\n        a);\ng(b);\n";
        let refused = |passage, replacement| {
            mutated(text, &mutant("one", "x.rs", passage, replacement))
                .map_err(|error| error.to_string())
        };

        assert_eq!(refused("f();", ""), Ok(text.replace("f();", "")));
        assert_eq!(refused("g( a);", ""), Ok("f();\n    \ng(b);\n".to_owned()));
        assert_eq!(refused("h();", ""), Err("0 times in x.rs: h();".to_owned()));
        assert_eq!(refused("g(", ""), Err("2 times in x.rs: g(".to_owned()));
        assert_eq!(refused("f()", "f()"), Err("it changes nothing".to_owned()));

        let tested = format!("{text}#[cfg(test)]\nmod tests {{ f(); }}\n");
        let f = mutant("one", "x.rs", "f();", "");
        assert_eq!(
            mutated(&tested, &f).ok(),
            Some(tested.replacen("f();", "", 1))
        );
    }

    #[test]
    fn a_selection_is_by_file_by_name_and_by_shard() {
        let all = || {
            ["1", "2", "3", "4", "5"]
                .map(|id| mutant(id, "a/b.rs", "c", ""))
                .to_vec()
        };
        let ids = |selection: Selection| -> Vec<String> {
            let chosen = selection.of([all(), vec![mutant("6", "x/y.rs", "c", "")]].concat());
            chosen.into_iter().map(|mutant| mutant.id).collect()
        };
        let file = |prefix: &str| Some(prefix.to_owned());
        let shard = |text: &str| Some(text.parse().expect("it is a shard"));

        assert_eq!(ids(Selection::default()).len(), 6);
        let selection = Selection {
            file: file("x/"),
            ..Selection::default()
        };
        assert_eq!(ids(selection), ["6"]);
        let selection = Selection {
            id: file("3"),
            ..Selection::default()
        };
        assert_eq!(ids(selection), ["3"]);
        for (text, expected) in [
            ("1/2", vec!["1", "2"]),
            ("2/2", vec!["3", "4", "5"]),
            ("1/1", vec!["1", "2", "3", "4", "5"]),
        ] {
            let selection = Selection {
                file: file("a/"),
                id: None,
                shard: shard(text),
            };
            assert_eq!(ids(selection), expected);
        }
        for wrong in ["0/2", "3/2", "1", "a/2", "1/0"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
