//! The page around a picture: what it is, and everything that happened as a table.

use crate::history::{Entry, History};

use super::{choice, text::Markup};

/// Entries in the table at the most: the last before the end.
const MOST_ROWS: usize = 1000;

const STYLE: &str = include_str!("page.css");

/// A page that needs nothing else.
///
/// * `title`: what is wrong, in a few words;
/// * `about`: on which machine;
/// * `drawing`: the picture, as markup.
pub(super) fn page(history: &History, title: &str, about: &str, drawing: &str) -> String {
    let mut out = Markup::default();
    out.raw("<!DOCTYPE html>\n");
    out.open("html", &[("lang", &"en")]);
    out.open("head", &[]);
    out.empty("meta", &[("charset", &"utf-8")]);
    let content = "width=device-width, initial-scale=1";
    out.empty("meta", &[("name", &"viewport"), ("content", &content)]);
    out.text("title", &[], title);
    out.open("style", &[]);
    out.raw(STYLE);
    out.close();
    out.close();

    out.open("body", &[]);
    out.text("h1", &[], title);
    if !about.is_empty() {
        out.text("p", &[], about);
    }
    out.open("div", &[("class", &"picture")]);
    out.raw(drawing);
    out.close();
    out.text("h2", &[], "Everything that happened");
    table(&mut out, history);
    out.finish()
}

fn table(out: &mut Markup, history: &History) {
    let found = choice::found_at(history);
    let entries = history.entries();
    let end = found.map_or(entries.len(), |found| {
        (found + MOST_ROWS / 4).min(entries.len())
    });
    let start = end.saturating_sub(MOST_ROWS);
    if start > 0 || end < entries.len() {
        let words = format!(
            "Entries {start} to {} of {}; the others are left out.",
            end.saturating_sub(1),
            entries.len()
        );
        out.text("p", &[], &words);
    }
    out.open("table", &[]);
    out.open("tr", &[]);
    out.text("th", &[("scope", &"col")], "Step");
    out.text("th", &[("scope", &"col")], "What happens");
    out.close();
    let mut number = 0_usize;
    for (index, entry) in entries.iter().enumerate().take(end) {
        let is_step = matches!(entry, Entry::Step(_));
        if index >= start {
            let wrong = found == Some(index);
            let class = match (wrong, is_step) {
                (true, _) => "wrong",
                (false, true) => "step",
                (false, false) => "move",
            };
            out.open("tr", &[("class", &class)]);
            let shown = if is_step {
                number.to_string()
            } else {
                "~".to_owned()
            };
            out.text("td", &[], &shown);
            let mut words = history.describe(entry);
            if wrong {
                words += " (here)";
            }
            out.text("td", &[], &words);
            out.close();
        }
        number += usize::from(is_step);
    }
    out.close();
}
