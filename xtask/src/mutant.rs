//! The lists of mutants: which line of a library may be deleted or weakened, and the test that notices.
//!
//! What an entry looks like is explained at the head of `mutants/dma-api.list`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::target::{self, Target};
use crate::workspace::{self, files_below, shown};

/// One change that some test must notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mutant {
    pub(crate) id: String,
    /// What is no longer true.
    pub(crate) what: String,
    /// The source file, from the workspace's root.
    pub(crate) file: String,
    /// What stands there, exactly once.
    pub(crate) passage: String,
    /// What is put in its place.
    pub(crate) replacement: String,
    pub(crate) killer: Killer,
    pub(crate) end: Expected,
}

/// Who notices.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Killer {
    /// One test of a package.
    Test {
        package: String,
        harness: Harness,
        name: String,
    },
    /// The comparison of machine code for this target.
    Golden { triple: &'static str },
}

/// The program that a test is part of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Harness {
    /// The library's own.
    Library,
    /// The file of that name in `tests`, or the folder.
    File(String),
    /// The documentation's examples; all those of one item are one test.
    Documentation,
}

/// How the killer ends when it notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Failure,
    /// It does not end, or it fails.
    Hang,
    /// The compiler evaluates a constant, or checks a type, and refuses.
    CompileError,
}

/// The entries of all lists, file by file.
pub(crate) fn all() -> Result<Vec<Mutant>> {
    let mut mutants = Vec::new();
    for path in files_below(&workspace::root().join("mutants"), "list")? {
        let text = fs::read_to_string(&path).with_context(|| format!("no {}", shown(&path)))?;
        mutants.extend(parse(&text).with_context(|| shown(&path))?);
    }
    let mut ids: Vec<&str> = mutants.iter().map(|mutant| mutant.id.as_str()).collect();
    ids.sort_unstable();
    if let Some(pair) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
        bail!("two mutants are called {}", pair[0]);
    }
    Ok(mutants)
}

/// Reads one list.
fn parse(text: &str) -> Result<Vec<Mutant>> {
    let mut mutants = Vec::new();
    let mut file = None;
    let mut draft = None;
    for (number, line) in (1..).zip(text.lines()) {
        read(line, &mut file, &mut draft, &mut mutants)
            .with_context(|| format!("line {number}: {line}"))?;
    }
    ensure!(draft.is_none(), "the last entry has no `!` line");
    Ok(mutants)
}

/// An entry that is not yet whole.
struct Draft {
    id: String,
    what: String,
    passage: Vec<String>,
    replacement: Vec<String>,
}

/// Reads one line of a list, whose first character says what it is.
fn read(
    line: &str,
    file: &mut Option<String>,
    draft: &mut Option<Draft>,
    mutants: &mut Vec<Mutant>,
) -> Result<()> {
    let (mark, rest) = line.split_at_checked(1).unwrap_or_default();
    match (mark, draft.as_mut()) {
        ("" | "#", _) => {}
        ("@", None) => *file = Some(rest.trim().to_owned()),
        ("-", Some(entry)) if entry.replacement.is_empty() => {
            entry.passage.push(rest.trim().to_owned());
        }
        ("+", Some(entry)) => entry.replacement.push(rest.trim().to_owned()),
        ("!", Some(entry)) => {
            ensure!(!entry.passage.is_empty(), "nothing is replaced");
            let (killer, end) = killer(rest)?;
            mutants.push(Mutant {
                id: entry.id.clone(),
                what: entry.what.clone(),
                file: file.clone().context("no `@` line names the file")?,
                passage: entry.passage.join("\n"),
                replacement: entry.replacement.join("\n"),
                killer,
                end,
            });
            *draft = None;
        }
        (_, None) => {
            let (id, what) = line.split_once(": ").context("no `id: what is wrong`")?;
            ensure!(
                !id.contains(char::is_whitespace),
                "an id has no blanks in it"
            );
            *draft = Some(Draft {
                id: id.to_owned(),
                what: what.trim().to_owned(),
                passage: Vec::new(),
                replacement: Vec::new(),
            });
        }
        (_, Some(_)) => bail!("not expected inside an entry"),
    }
    Ok(())
}

/// Reads what follows the `!`.
fn killer(text: &str) -> Result<(Killer, Expected)> {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    let end = match words.last() {
        Some(&"hangs") => Expected::Hang,
        Some(&"does-not-compile") => Expected::CompileError,
        _ => Expected::Failure,
    };
    if end != Expected::Failure {
        words.pop();
    }
    let killer = match words[..] {
        ["golden", triple] => Killer::Golden {
            triple: known_target(triple)?.triple,
        },
        [package, harness, name] => Killer::Test {
            package: package.to_owned(),
            harness: match harness {
                "lib" => Harness::Library,
                "doc" => Harness::Documentation,
                file => Harness::File(file.to_owned()),
            },
            name: name.to_owned(),
        },
        _ => bail!("neither `PACKAGE lib|doc|FILE TEST` nor `golden TARGET`"),
    };
    Ok((killer, end))
}

fn known_target(triple: &str) -> Result<&'static Target> {
    target::named(triple).with_context(|| format!("the targets are: {}", target::triples()))
}

/// Whether the killer's source has a test of that name: what can be known without running it.
pub(crate) fn killer_exists(killer: &Killer, root: &Path) -> bool {
    let Killer::Test {
        package,
        harness,
        name,
    } = killer
    else {
        return true;
    };
    let folder = match harness {
        Harness::Library | Harness::Documentation => root.join(package).join("src"),
        Harness::File(file) => {
            let tests = root.join(package).join("tests");
            let places = [
                tests.join(file).with_extension("rs"),
                tests.join(file).join("main.rs"),
            ];
            if !places.iter().any(|place| place.is_file()) {
                return false;
            }
            tests
        }
    };
    let last = name.rsplit("::").next().unwrap_or(name);
    let wanted = match harness {
        Harness::Documentation => format!(" {last}"),
        Harness::Library | Harness::File(_) => format!("fn {last}("),
    };
    files_below(&folder, "rs").is_ok_and(|files| {
        files
            .iter()
            .filter_map(|file| fs::read_to_string(file).ok())
            .any(|text| text.contains(&wanted))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "# A comment.\n\n@ a/src/b.rs\n\none: the first is gone\n- f();\n-     g();\n+ g();\n\
                        ! a lib b::tests::c\n\ntwo: the second is weaker\n- h();\n! a errors d hangs\n\n@ a/src/e.rs\n\
                        three: a barrier is gone\n- i();\n! golden x86_64-unknown-none\n";

    #[test]
    fn an_entry_is_what_stands_there_what_replaces_it_and_who_notices() {
        let mutants = parse(LIST).expect("it is a list");

        let test = |harness, name: &str| Killer::Test {
            package: "a".to_owned(),
            harness,
            name: name.to_owned(),
        };
        assert_eq!(
            mutants[0],
            Mutant {
                id: "one".to_owned(),
                what: "the first is gone".to_owned(),
                file: "a/src/b.rs".to_owned(),
                passage: "f();\ng();".to_owned(),
                replacement: "g();".to_owned(),
                killer: test(Harness::Library, "b::tests::c"),
                end: Expected::Failure,
            }
        );
        assert_eq!(
            mutants[1].killer,
            test(Harness::File("errors".to_owned()), "d")
        );
        assert_eq!(mutants[1].end, Expected::Hang);
        assert_eq!((mutants[1].replacement.as_str(), mutants.len()), ("", 3));
        let triple = "x86_64-unknown-none";
        assert_eq!(mutants[2].killer, Killer::Golden { triple });
        assert_eq!(mutants[2].file, "a/src/e.rs");
    }

    #[test]
    fn what_is_no_entry_is_refused_with_its_line() {
        let error = |list: &str| format!("{:#}", parse(list).expect_err("it is no list"));

        assert!(error("@ a\n\none: w\n- f\n+ g\n- h\n").starts_with("line 6: - h: not expected"));
        assert!(error("@ a\none: w\n! a lib b\n").contains("nothing is replaced"));
        assert!(error("@ a\none: w\n- f\n").contains("no `!` line"));
        assert!(error("one: w\n- f\n! a lib b\n").contains("names the file"));
        assert!(error("@ a\none: w\n- f\n! a b\n").contains("neither"));
        assert!(error("@ a\none: w\n- f\n! golden b\n").contains("the targets are"));
        assert!(error("@ a\none\n").contains("what is wrong"));
        assert!(error("@ a\none two: w\n").contains("blanks"));
    }

    #[test]
    fn a_killer_that_is_not_there_is_noticed() {
        let exists = |text: &str| {
            let (killer, _) = killer(text).expect("it is a killer");
            killer_exists(&killer, workspace::root())
        };

        assert!(exists(
            "xtask lib mutant::tests::a_killer_that_is_not_there_is_noticed"
        ));
        assert!(!exists("xtask lib mutant::tests::no_such_test"));
        assert!(!exists("xtask no_such_file no_such_test"));
        // A test program is a file, or a folder.
        assert!(exists(
            "dma-api transfer the_cpu_reads_what_the_device_wrote"
        ));
        assert!(exists(
            "dma-api ring words::a_machine_is_told_of_each_entry"
        ));
        assert!(!exists("dma-api ring no_such_test"));
    }
}
