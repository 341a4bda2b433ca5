//! The instructions of a compiler's assembly, without what changes from build to build.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use anyhow::{Result, ensure};

use crate::source::is_name;

/// The functions compared: those whose name begins so.
const PREFIX: &str = "golden_";

/// Directives that stand for an instruction the assembler does not know, or for the data of one.
const DATA: [&str; 11] = [
    ".insn", ".inst", ".word", ".long", ".quad", ".short", ".hword", ".byte", ".4byte", ".2byte",
    ".8byte",
];

/// The functions by name, and the lines of each.
pub(crate) type Functions = BTreeMap<String, Vec<String>>;

/// Extracts the golden functions from the assembly of `triple`.
pub(crate) fn extract(assembly: &str, triple: &str) -> Result<Functions> {
    let comment = comment_mark(triple);
    let assembly = if triple.starts_with("i686") && triple.ends_with("-uefi") {
        Cow::Owned(without_underscores(assembly))
    } else {
        Cow::Borrowed(assembly)
    };
    let mut functions = Functions::new();
    let mut current: Option<(String, Vec<&str>)> = None;
    let mut declared = 0;
    for line in assembly.lines() {
        let line = line.split(comment).next().unwrap_or_default().trim();
        if line
            .strip_prefix(".globl")
            .is_some_and(|name| name.trim().starts_with(PREFIX))
        {
            declared += 1;
        }
        if let Some(name) = line
            .strip_suffix(':')
            .filter(|name| name.starts_with(PREFIX))
        {
            current = Some((name.to_owned(), Vec::new()));
        } else if line.starts_with(".size")
            || line.starts_with(".Lfunc_end")
            || line.starts_with("$func_end")
        {
            functions.extend(
                current
                    .take()
                    .map(|(name, lines)| (name, normalised(&lines))),
            );
        } else if let Some((_, lines)) = &mut current
            && !line.is_empty()
        {
            lines.push(line);
        }
    }

    ensure!(declared > 0, "no function there is called {PREFIX}…");
    ensure!(
        functions.len() == declared && functions.values().all(|lines| !lines.is_empty()),
        "{declared} functions are declared, and {} have instructions",
        functions.values().filter(|lines| !lines.is_empty()).count()
    );
    Ok(functions)
}

/// What a golden file holds: the functions in the order of their names.
pub(crate) fn to_text(functions: &Functions) -> String {
    let mut text = String::new();
    for (name, lines) in functions {
        text.push_str(&format!("\n{name}:\n"));
        for line in lines {
            let indent = if line.ends_with(':') { "" } else { "    " };
            text.push_str(&format!("{indent}{line}\n"));
        }
    }
    text
}

/// The lines of `found` against those of `expected`: `-` is only in the latter, `+` only in the former.
pub(crate) fn difference(expected: &[&str], found: &[&str]) -> String {
    let mut longest = vec![vec![0_usize; found.len() + 1]; expected.len() + 1];
    for (left, &one) in expected.iter().enumerate().rev() {
        for (right, &other) in found.iter().enumerate().rev() {
            longest[left][right] = if one == other {
                longest[left + 1][right + 1] + 1
            } else {
                longest[left + 1][right].max(longest[left][right + 1])
            };
        }
    }

    let (mut left, mut right) = (0, 0);
    let mut text = String::new();
    while left < expected.len() || right < found.len() {
        if left < expected.len() && right < found.len() && expected[left] == found[right] {
            text.push_str(&format!("  {}\n", expected[left]));
            (left, right) = (left + 1, right + 1);
        } else if right == found.len()
            || (left < expected.len() && longest[left + 1][right] >= longest[left][right + 1])
        {
            text.push_str(&format!("- {}\n", expected[left]));
            left += 1;
        } else {
            text.push_str(&format!("+ {}\n", found[right]));
            right += 1;
        }
    }
    text
}

/// The assembly of a 32-bit COFF target as ELF spells it: no underscore before symbols, a point before local labels.
fn without_underscores(assembly: &str) -> String {
    let mut text = String::new();
    let mut in_word = false;
    for character in assembly.chars() {
        match character {
            '_' if !in_word => {}
            'L' if !in_word => text.push_str(".L"),
            _ => text.push(character),
        }
        in_word = is_name(character) || matches!(character, '.' | '%' | '@');
    }
    text
}

/// What begins a comment in an architecture's assembly.
fn comment_mark(triple: &str) -> &'static str {
    match triple.split('-').next().unwrap_or_default() {
        "aarch64" => "//",
        arm if arm.starts_with("arm") || arm.starts_with("thumb") => "@",
        _ => "#",
    }
}

/// Drops directives and unused labels, and numbers the rest of the labels from 1.
fn normalised(lines: &[&str]) -> Vec<String> {
    let instructions = || {
        lines
            .iter()
            .filter(|line| !line.ends_with(':') && is_instruction(line))
    };
    let mut numbers = HashMap::new();
    for label in instructions().flat_map(|line| labels(line)) {
        let next = numbers.len() + 1;
        numbers.entry(label).or_insert(next);
    }

    lines
        .iter()
        .filter_map(|line| match line.strip_suffix(':') {
            Some(label) if is_local(label) => {
                numbers.get(label).map(|number| format!(".L{number}:"))
            }
            Some(_) => Some((*line).to_owned()),
            None => is_instruction(line).then(|| renamed(line, &numbers)),
        })
        .collect()
}

fn is_instruction(line: &str) -> bool {
    let mnemonic = line.split_whitespace().next().unwrap_or_default();
    let assignment = line.split_whitespace().nth(1) == Some("=");
    !assignment && (!mnemonic.starts_with('.') || DATA.contains(&mnemonic))
}

/// Whether the compiler made that label up. MIPS has `$BB0_1`, beside registers such as `$4` and `$sp`.
fn is_local(label: &str) -> bool {
    let made_up = [".L", "$BB", "$anon", "$tmp", "$JTI", "$CPI", "$func"];
    made_up.iter().any(|prefix| label.starts_with(prefix))
}

/// A word without the mark by which x86 tells the address of a label from what is there.
fn without_mark(word: &str) -> &str {
    word.strip_prefix('$')
        .filter(|label| label.starts_with(".L"))
        .unwrap_or(word)
}

/// The local labels in an instruction.
fn labels(line: &str) -> impl Iterator<Item = &str> {
    line.split(|character| !in_symbol(character))
        .map(without_mark)
        .filter(|word| is_local(word))
}

fn in_symbol(character: char) -> bool {
    is_name(character) || matches!(character, '.' | '$')
}

/// One instruction with its labels numbered and its blanks made single.
fn renamed(line: &str, numbers: &HashMap<&str, usize>) -> String {
    let mut text = String::new();
    let mut rest = line;
    while !rest.is_empty() {
        let length = rest
            .find(|character| !in_symbol(character))
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(length);
        let label = without_mark(word);
        match numbers.get(label) {
            Some(number) => {
                text.push_str(&format!("{}.L{number}", &word[..word.len() - label.len()]))
            }
            None => text.push_str(&without_hash(word)),
        }
        let length = after.find(in_symbol).unwrap_or(after.len());
        text.push_str(&after[..length]);
        rest = &after[length..];
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A mangled name without what tells builds of a crate apart: `…17h0123456789abcdefE` is `…17hE`, `…Cs1a2B3c_…` is
/// `…Cs_…`.
fn without_hash(word: &str) -> String {
    let legacy = |rest: &str| {
        rest.find(|digit: char| !matches!(digit, '0'..='9' | 'a'..='f'))
            .filter(|&end| end == 16)
    };
    let crates = |rest: &str| {
        rest.find(|digit: char| !digit.is_ascii_alphanumeric())
            .filter(|&end| rest[end..].starts_with('_'))
    };
    if word.starts_with("_ZN") {
        without_each(word, "17h", legacy)
    } else if word.starts_with("_R") {
        without_each(word, "Cs", crates)
    } else {
        word.to_owned()
    }
}

/// Removes what follows each `mark`, as far as `length` says that it is to go.
fn without_each(word: &str, mark: &str, length: impl Fn(&str) -> Option<usize>) -> String {
    let mut text = String::new();
    let mut rest = word;
    while let Some(found) = rest.find(mark) {
        let (before, after) = rest.split_at(found + mark.len());
        text.push_str(before);
        rest = &after[length(after).unwrap_or(0)..];
    }
    text.push_str(rest);
    text
}

/// Of a golden text, the functions' names and the instructions that no compiler chooses: cache maintenance and barriers,
/// each without its registers.
pub(crate) fn essence(text: &str) -> Vec<String> {
    const CHOSEN_BY_US: [&str; 15] = [
        "dc ivac",
        "dc cvac",
        "dc civac",
        "mcr p15, #0",
        "dsb",
        "dmb",
        "fence",
        ".insn i 15, 2",
        "cache",
        "sync",
        "clflush",
        "clwb",
        "mfence",
        "lfence",
        "sfence",
    ];
    let is_kept = |line: &&str| {
        let name = line.ends_with(':') && !line.starts_with(".L");
        name || CHOSEN_BY_US.iter().any(|start| line.starts_with(start))
    };
    text.lines()
        .map(str::trim)
        .filter(is_kept)
        .map(without_registers)
        .collect()
}

fn without_registers(instruction: &str) -> String {
    let is_register = |word: &str| {
        let number = word
            .strip_prefix(['x', 'a', 't', 's', 'r'])
            .unwrap_or_default();
        let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        plain || word.starts_with(['%', '$'])
    };
    let words = instruction.split([' ', ',', '(', ')']);
    words
        .filter(|word| !word.is_empty() && !is_register(word))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const AARCH64: &str = "
\t.section\t.text.golden_clean,\"ax\",@progbits
\t.globl\tgolden_clean
\t.p2align\t2
golden_clean:
.Lfunc_begin0:
\t.cfi_startproc
\tcbz\tx1, .LBB0_2
.Ltmp1:
\t//APP
\tdc\tcvac, x0
\t//NO_APP
\tmov\tx2, #64 // a comment
\tbl\t_ZN3foo3bar17h0123456789abcdefE
.LBB0_2:
\tret
.Lfunc_end0:
\t.size\tgolden_clean, .Lfunc_end0-golden_clean
\t.globl\tother
other:
\tnop
.Lfunc_end1:
";

    #[test]
    fn only_instructions_remain_and_only_labels_in_use() {
        let functions = extract(AARCH64, "aarch64-unknown-none").expect("there is one function");

        assert_eq!(functions.len(), 1);
        assert_eq!(
            functions["golden_clean"],
            [
                "cbz x1, .L1",
                "dc cvac, x0",
                "mov x2, #64",
                "bl _ZN3foo3bar17hE",
                ".L1:",
                "ret"
            ]
        );
    }

    #[test]
    fn registers_of_mips_are_no_labels_and_encoded_instructions_stay() {
        let text = "\t.globl golden_a\n\t.ent golden_a\ngolden_a:\n\t.set noreorder\n\tbeqz\t$4, $BB0_1\n\tcache\t25, 0($5)\n\
                    $BB0_1:\n\tjr\t$ra\n\t.insn i 0x0f, 2, x0, 1(a0)\n$func_end0:\n\t.size golden_a, 4\n";

        let functions = extract(text, "mipsel-unknown-none").expect("there is one function");

        assert_eq!(
            functions["golden_a"],
            [
                "beqz $4, .L1",
                "cache 25, 0($5)",
                ".L1:",
                "jr $ra",
                ".insn i 0x0f, 2, x0, 1(a0)"
            ]
        );
    }

    #[test]
    fn what_differs_between_builds_is_left_out() {
        let text = "\t.globl golden_a\ngolden_a:\n$func_begin0 = $tmp0\n\tmovl\t$.Lanon.0e59.1, %edx\n\
                    \tcallq\t_RNvNtCsbNrn7nUhbgB_4core9panicking5panic\n\tjmp .Lanon.0e59.1\n.Lfunc_end0:\n";

        let functions = extract(text, "x86_64-unknown-none").expect("there is one function");

        assert_eq!(
            functions["golden_a"],
            [
                "movl $.L1, %edx",
                "callq _RNvNtCs_4core9panicking5panic",
                "jmp .L1"
            ]
        );
    }

    #[test]
    fn a_coff_target_of_32_bits_is_read_as_elf() {
        let text = "\t.def\t_golden_a;\n\t.globl\t_golden_a\n_golden_a:\nLfunc_begin0:\n\t.cv_loc 0 1 2 0\n\
                    \tje\tLBB0_2\n\tpushl\t$L___unnamed_1\n\tcalll\t__RNvNtCsb_4core5panic\nLtmp0:\nLBB0_2:\n\
                    \tmovl\t%eax, 4(%esp)\n\tretl\nLfunc_end0:\n";

        let functions = extract(text, "i686-unknown-uefi").expect("there is one function");

        assert_eq!(
            functions["golden_a"],
            [
                "je .L1",
                "pushl $.L2",
                "calll _RNvNtCs_4core5panic",
                ".L1:",
                "movl %eax, 4(%esp)",
                "retl"
            ]
        );
    }

    #[test]
    fn a_function_that_is_declared_and_not_there_is_found_out() {
        let alias = "\t.globl golden_a\ngolden_a:\n\tret\n\t.size golden_a, 1\n\t.globl golden_b\n.set golden_b, golden_a\n";

        assert!(extract(alias, "x86_64-unknown-none").is_err());
        assert!(extract("main:\n\tret\n", "x86_64-unknown-none").is_err());
    }

    #[test]
    fn a_difference_shows_both_sides_in_order() {
        assert_eq!(
            difference(&["a", "b", "d"], &["a", "c", "d", "e"]),
            "  a\n- b\n+ c\n  d\n+ e\n"
        );
        assert_eq!(difference(&["a"], &["a"]), "  a\n");
    }

    #[test]
    fn the_text_has_every_function_once() {
        let functions = Functions::from([
            ("golden_b".to_owned(), vec!["ret".to_owned()]),
            ("golden_a".to_owned(), vec![]),
        ]);

        assert_eq!(to_text(&functions), "\ngolden_a:\n\ngolden_b:\n    ret\n");
    }

    #[test]
    fn the_essence_is_maintenance_and_barriers_in_their_order() {
        let text = "golden_clean:\n    cbz x1, .L1\n.L1:\n    dc cvac, x0\n    add x0, x0, x2\n    dsb sy\n    ret\n";
        let other = "golden_clean:\n.L7:\n    dc cvac, x9\n    dsb sy\n    ret\n";
        let swapped = "golden_clean:\n    dsb sy\n    dc cvac, x0\n    ret\n";

        assert_eq!(essence(text), ["golden_clean:", "dc cvac", "dsb sy"]);
        let insn = ".insn i 15, 2, zero, a1, 0\nclflushopt (%rdi)\ncache 21, 0($4)\nfence ir, rw\nmcr p15, #0, r4, c7, c10, #1";
        let expected = [
            ".insn i 15 2 zero 0",
            "clflushopt",
            "cache 21 0",
            "fence ir rw",
            "mcr p15 #0 c7 c10 #1",
        ];
        assert_eq!(essence(insn), expected);
        assert_eq!(essence(text), essence(other));
        assert_ne!(essence(text), essence(swapped));
    }
}
