//! A passage of a text is found by its words: how its lines are broken and indented does not count.

use std::ops::Range;

/// The places at which `passage` stands in `text`.
pub(crate) fn places(text: &str, passage: &str) -> Vec<Range<usize>> {
    let words: Vec<&str> = passage.split_whitespace().collect();
    let Some(first) = words.first() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find(first).map(|offset| from + offset) {
        found.extend(length(&text[at..], &words).map(|length| at..at + length));
        from = at + text[at..].chars().next().map_or(1, char::len_utf8);
    }
    found
}

/// `text` with something else in one of its places.
pub(crate) fn replaced(text: &str, place: &Range<usize>, with: &str) -> String {
    [&text[..place.start], with, &text[place.end..]].concat()
}

/// How long the words are where `text` begins with them, blanks between them included.
fn length(text: &str, words: &[&str]) -> Option<usize> {
    let mut rest = text;
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            let next = rest.trim_start();
            if next.len() == rest.len() {
                return None;
            }
            rest = next;
        }
        rest = rest.strip_prefix(word)?;
    }
    Some(text.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, passage: &str) -> Vec<(usize, usize)> {
        let places = places(text, passage);
        places
            .iter()
            .map(|place| (place.start, place.end))
            .collect()
    }

    #[test]
    fn line_breaks_and_indentation_do_not_count() {
        let text = "fn f() {\n    a(b,\n        c);\n}\n";

        assert_eq!(found(text, "a(b, c);"), [(13, 29)]);
        assert_eq!(found(text, "{\na(b,"), [(7, 17)]);
        assert_eq!(replaced(text, &(13..29), "d();"), "fn f() {\n    d();\n}\n");
    }

    #[test]
    fn words_and_the_blanks_between_them_do() {
        assert_eq!(found("a (b)", "a(b)"), []);
        assert_eq!(found("a(b)", "a (b)"), []);
        assert_eq!(found("ab", ""), []);
    }

    #[test]
    fn every_place_is_found() {
        assert_eq!(found("aaa b", "aa"), [(0, 2), (1, 3)]);
        assert_eq!(found("é é", "é"), [(0, 2), (3, 5)]);
    }
}
