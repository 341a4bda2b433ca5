//! Rust source with everything blanked that is not code, every remaining character where it was.

/// Blanks comments and the contents of literals, and keeps every line break.
pub(crate) fn code_only(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after_name = code.chars().next_back().is_some_and(is_name);
        let skipped = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => string(rest),
            'r' | 'b' | 'c' if !after_name => prefixed_literal(rest),
            '\'' => character(rest),
            _ => 0,
        };
        let (blanked, kept) = if skipped == 0 {
            (0, first.len_utf8())
        } else {
            (skipped, 0)
        };
        code.extend(
            rest[..blanked]
                .chars()
                .map(|character| if character == '\n' { '\n' } else { ' ' }),
        );
        code.push_str(&rest[..kept]);
        rest = &rest[blanked + kept..];
    }
    code
}

/// Cuts the code off where its unit tests begin: what a test uses is not the module's affair.
pub(crate) fn without_tests(code: &str) -> &str {
    let mut from = 0;
    while let Some(found) = code[from..].find("#[cfg(test)]") {
        let attribute = from + found;
        from = attribute + "#[cfg(test)]".len();
        let item = code[from..].trim_start();
        if item
            .strip_prefix("mod")
            .is_some_and(|name| name.trim_start().starts_with("tests"))
        {
            return &code[..attribute];
        }
    }
    code
}

/// The number of the line that holds the byte at `offset`, from 1.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}

/// The offsets at which `name` stands as a whole word.
pub(crate) fn words<'a>(code: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(name)
        .map(|(offset, _)| offset)
        .filter(move |&offset| {
            let before = code[..offset].chars().next_back();
            let after = code[offset + name.len()..].chars().next();
            !before.is_some_and(is_name) && !after.is_some_and(is_name)
        })
}

/// Whether a character can be part of a name.
pub(crate) fn is_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// The length of a comment that may hold others.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of a string that begins with its quotation mark.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a raw string, a byte string or a byte; 0 if the letter begins something else.
fn prefixed_literal(text: &str) -> usize {
    let prefix = text.len() - text.trim_start_matches(['r', 'b', 'c']).len();
    let raw = text[..prefix].contains('r');
    let after = &text[prefix..];
    let hashes = after.len() - after.trim_start_matches('#').len();
    if raw && after[hashes..].starts_with('"') {
        let end = format!("\"{}", "#".repeat(hashes));
        let body = prefix + hashes + 1;
        return text[body..]
            .find(&end)
            .map_or(text.len(), |found| body + found + end.len());
    }
    if !raw && after.starts_with('"') {
        return prefix + string(after);
    }
    if &text[..prefix] == "b" && after.starts_with('\'') {
        return prefix + character(after);
    }
    0
}

/// The length of a character literal; 0 if the mark begins a lifetime.
fn character(text: &str) -> usize {
    let mut inside = text.char_indices().skip(1);
    match inside.next() {
        Some((_, '\\')) => text[3.min(text.len())..]
            .find('\'')
            .map_or(0, |found| 3 + found + 1),
        Some((at, other)) => {
            let end = at + other.len_utf8();
            if text[end..].starts_with('\'') {
                end + 1
            } else {
                0
            }
        }
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_code_is_blanked_and_nothing_moves() {
        let source = "use a; // crate::b\n/* crate::c /* d */\n e */ let s = \"crate::\\\"f\"; let r = r#\"crate::g\"#;\n";

        let code = code_only(source);

        assert_eq!(code.len(), source.len());
        assert_eq!(code.matches('\n').count(), source.matches('\n').count());
        assert!(
            !code.contains("crate") && code.contains("use a;") && code.contains("let r ="),
            "{code}"
        );
    }

    #[test]
    fn lifetimes_stay_and_characters_go() {
        assert_eq!(
            code_only("fn f<'a>(x: &'a u8) { '\"'; '\\''; b'\"'; y }"),
            { "fn f<'a>(x: &'a u8) {    ;     ;     ; y }" }
        );
        assert_eq!(code_only("r#type; bar; var\"x\""), "r#type; bar; var   ");
    }

    #[test]
    fn unit_tests_are_cut_off_and_test_only_items_are_not() {
        assert_eq!(without_tests("a\n#[cfg(test)]\nmod tests {\n b }"), "a\n");
        assert_eq!(
            without_tests("#[cfg(test)]\nfn f() {}\nc"),
            "#[cfg(test)]\nfn f() {}\nc"
        );
    }

    #[test]
    fn words_are_whole() {
        assert_eq!(
            words("crates crate my_crate crate", "crate").collect::<Vec<_>>(),
            [7, 22]
        );
        assert_eq!(line_of("a\nb\nc", 4), 3);
    }
}
