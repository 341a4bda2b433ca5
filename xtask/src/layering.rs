//! A module uses only modules declared above it in `lib.rs`, and few files ask what they are compiled for.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::source::{code_only, is_name, line_of, without_tests, words};
use crate::target::LIBRARIES;
use crate::workspace::{self, files_below, shown};

/// One line that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    line: usize,
    why: String,
}

/// Checks the whole workspace and says how much there was to check.
pub(crate) fn check() -> Result<String> {
    let mut violations = Vec::new();
    let mut report = |path: &Path, found: Vec<Violation>| {
        let lines = found
            .into_iter()
            .map(|violation| format!("{}:{}: {}", shown(path), violation.line, violation.why));
        violations.extend(lines);
    };

    let mut files = 0;
    for name in LIBRARIES {
        let folder = workspace::root().join(name).join("src");
        let order = Order::of(&read(&folder.join("lib.rs"))?);
        for path in files_below(&folder, "rs")? {
            let module: Vec<String> = module_path(path.strip_prefix(&folder)?);
            report(&path, order.violations(&module, &read(&path)?));
            files += 1;
        }
    }
    for name in LIBRARIES.into_iter().chain(["bare-metal"]) {
        let folder = workspace::root().join(name);
        for path in files_below(&folder.join("src"), "rs")? {
            report(
                &path,
                architecture_questions(name, path.strip_prefix(&folder)?, &read(&path)?),
            );
        }
    }

    if !violations.is_empty() {
        bail!("{}", violations.join("\n"));
    }
    if files == 0 {
        bail!("there was no file to check");
    }
    Ok(format!("{files} files"))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The modules a file is: `insn/aarch64.rs` is `["insn", "aarch64"]`, `lib.rs` is none.
fn module_path(file: &Path) -> Vec<String> {
    let path = file.with_extension("");
    let mut parts: Vec<String> = path
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if matches!(parts.last().map(String::as_str), Some("mod" | "lib")) {
        parts.pop();
    }
    parts
}

/// The order in which a crate declares its modules, and in which module each name is that its root re-exports.
struct Order {
    modules: Vec<String>,
    homes: HashMap<String, String>,
}

impl Order {
    fn of(lib: &str) -> Self {
        let code = code_only(lib);
        let code = without_tests(&code);
        let modules: Vec<String> = words(code, "mod")
            .filter_map(|at| name_at(&code[at + 3..]))
            .collect();

        let mut homes = HashMap::new();
        for at in words(code, "use") {
            let statement = code[at + 3..].split(';').next().unwrap_or_default().trim();
            let path = ["crate", "self"]
                .iter()
                .find_map(|root| statement.strip_prefix(root)?.strip_prefix("::"));
            let path = path.unwrap_or(statement);
            let home = path.split("::").next().unwrap_or_default();
            if modules.iter().any(|module| module == home) {
                homes.extend(names(path).map(|name| (name.to_owned(), home.to_owned())));
            }
        }
        Self { modules, homes }
    }

    /// The uses in one file of modules that are declared below its own.
    fn violations(&self, module: &[String], text: &str) -> Vec<Violation> {
        let Some(own) = module.first().and_then(|name| self.position(name)) else {
            return Vec::new();
        };
        let code = code_only(text);
        let code = without_tests(&code);
        let mut found = Vec::new();
        for (offset, name) in names_of_the_root(code, module.len()) {
            let home = self.homes.get(name).map_or(name, String::as_str);
            if self.position(home).is_some_and(|used| used > own) {
                let why = format!(
                    "`{}` uses `{home}`, which is declared below it in lib.rs",
                    module[0]
                );
                found.push(Violation {
                    line: line_of(code, offset),
                    why,
                });
            }
        }
        found
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.modules.iter().position(|module| module == name)
    }
}

/// The first names of all paths that begin at the crate's root, and where; `depth` is the file's own.
fn names_of_the_root(code: &str, depth: usize) -> Vec<(usize, &str)> {
    let above = "super::".repeat(depth);
    let mut found = Vec::new();
    let from_crate = words(code, "crate").map(|at| at + "crate".len());
    let from_super = words(code, "super").filter_map(|at| {
        let steps = code[at..].len() - code[at..].trim_start_matches("super::").len();
        let first = !code[..at].ends_with("super::");
        (first && steps == above.len()).then_some(at + steps - "::".len())
    });
    for at in from_crate.chain(from_super) {
        if let Some(path) = code[at..].strip_prefix("::") {
            first_names(path, at + 2, code, &mut found);
        }
    }
    found.sort_unstable();
    found
}

/// The first name of a path, or of each of the paths in braces.
fn first_names<'a>(path: &str, offset: usize, code: &'a str, found: &mut Vec<(usize, &'a str)>) {
    if !path.starts_with('{') {
        let length = path
            .find(|character| !is_name(character))
            .unwrap_or(path.len());
        found.push((offset, &code[offset..offset + length]));
        return;
    }
    let mut depth = 0_usize;
    let mut at_start = false;
    for (at, character) in path.char_indices() {
        match character {
            '{' => {
                depth += 1;
                at_start = depth == 1;
            }
            '}' if depth == 1 => return,
            '}' => depth -= 1,
            ',' => at_start = depth == 1,
            _ if is_name(character) && at_start => {
                at_start = false;
                first_names(&path[at..], offset + at, code, found);
            }
            _ => {}
        }
    }
}

/// The name that follows, if one does.
fn name_at(text: &str) -> Option<String> {
    let text = text.trim_start();
    let length = text
        .find(|character| !is_name(character))
        .unwrap_or(text.len());
    (length > 0).then(|| text[..length].to_owned())
}

/// All names in a `use` statement but its first.
fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split(|character| !is_name(character))
        .filter(|name| !name.is_empty() && *name != "as")
        .skip(1)
}

/// The places in one file that ask for the architecture although that is not their business.
fn architecture_questions(package: &str, file: &Path, text: &str) -> Vec<Violation> {
    let dialect = package.starts_with("arch-")
        && (file == Path::new("src/insn.rs") || file.starts_with("src/insn"));
    let board = package == "bare-metal"
        && ["src/main.rs", "src/image/board.rs"]
            .map(Path::new)
            .contains(&file);
    if dialect || board {
        return Vec::new();
    }
    let code = code_only(text);
    words(&code, "target_arch")
        .filter(|&at| !(file == Path::new("src/lib.rs") && in_crate_attribute(&code, at)))
        .map(|at| Violation {
            line: line_of(&code, at),
            why: "asks for `target_arch`".to_owned(),
        })
        .collect()
}

/// Whether `at` is inside a `#![…]`.
fn in_crate_attribute(code: &str, at: usize) -> bool {
    let Some(start) = code[..at].rfind("#![") else {
        return false;
    };
    let mut depth = 0_usize;
    for character in code[start + 2..at].chars() {
        match character {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIB: &str = "//! mod zero;\nmod one;\n\npub mod two;\n\nmod three;\n\npub use two::{Two, Pair as Couple};\n\
                       pub use crate::three::Three;\n";

    fn lines(module: &[&str], text: &str) -> Vec<usize> {
        let module: Vec<String> = module.iter().map(|&part| part.to_owned()).collect();
        Order::of(LIB)
            .violations(&module, text)
            .into_iter()
            .map(|violation| violation.line)
            .collect()
    }

    #[test]
    fn the_order_is_that_of_the_declarations() {
        assert_eq!(Order::of(LIB).modules, ["one", "two", "three"]);
    }

    #[test]
    fn looking_up_is_allowed_and_looking_down_is_not() {
        assert_eq!(
            lines(&["three"], "use crate::one;\nuse crate::two::X;"),
            [0_usize; 0]
        );
        assert_eq!(lines(&["one"], "use core::x;\nuse crate::two::X;"), [2]);
        assert_eq!(lines(&["two"], "fn f() { crate::three::g() }"), [1]);
        assert_eq!(lines(&["two"], "use crate::two::deep;"), [0_usize; 0]);
    }

    #[test]
    fn each_path_in_braces_counts() {
        assert_eq!(
            lines(
                &["two"],
                "use crate::{\n    one::{three, two},\n    three::X,\n};"
            ),
            [3]
        );
        assert_eq!(lines(&["one"], "use crate::{two, three};"), [1, 1]);
    }

    #[test]
    fn a_name_the_root_re_exports_is_in_its_module() {
        assert_eq!(
            lines(
                &["one"],
                "use crate::Two;\nuse crate::Couple;\nuse crate::Three;"
            ),
            [1, 2, 3]
        );
        assert_eq!(lines(&["three"], "use crate::{Two, Three};"), [0_usize; 0]);
    }

    #[test]
    fn super_is_the_root_only_from_a_module_of_the_root() {
        assert_eq!(lines(&["one"], "use super::two::X;"), [1]);
        assert_eq!(lines(&["one", "deep"], "use super::two;"), [0_usize; 0]);
        assert_eq!(lines(&["one", "deep"], "use super::super::two;"), [1]);
    }

    #[test]
    fn comments_and_unit_tests_may_say_anything() {
        let text = "/// [`crate::two`]\n// crate::three\nfn f() {}\n#[cfg(test)]\nmod tests { use crate::three::X; }";

        assert_eq!(lines(&["one"], text), [0_usize; 0]);
    }

    #[test]
    fn only_the_dialect_and_the_board_ask_for_the_architecture() {
        let text = "fn f() {}\n#[cfg(target_arch = \"arm\")]\nfn g() {}\n";
        let asked = |package, file| architecture_questions(package, Path::new(file), text).len();

        assert_eq!(asked("arch-arm", "src/cache.rs"), 1);
        assert_eq!(asked("arch-arm", "src/lib.rs"), 1);
        assert_eq!(asked("arch-arm", "src/insn.rs"), 0);
        assert_eq!(asked("arch-arm", "src/insn/aarch64.rs"), 0);
        assert_eq!(asked("dma-api", "src/insn.rs"), 1);
        assert_eq!(asked("bare-metal", "src/image/board.rs"), 0);
        assert_eq!(asked("bare-metal", "src/image/console.rs"), 1);
    }

    #[test]
    fn an_attribute_of_the_crate_may_ask() {
        let text = "#![no_std]\n#![cfg_attr(\n    any(target_arch = \"mips\"),\n    feature(x)\n)]\n#[cfg(target_arch = \"mips\")]\n";

        let found = architecture_questions("arch-mips", Path::new("src/lib.rs"), text);

        assert_eq!(
            found
                .iter()
                .map(|violation| violation.line)
                .collect::<Vec<_>>(),
            [6]
        );
    }

    #[test]
    fn a_files_place_is_its_module() {
        assert_eq!(
            module_path(Path::new("insn/aarch64.rs")),
            ["insn", "aarch64"]
        );
        assert_eq!(module_path(Path::new("insn/mod.rs")), ["insn"]);
        assert_eq!(module_path(Path::new("lib.rs")), [""; 0]);
    }
}
