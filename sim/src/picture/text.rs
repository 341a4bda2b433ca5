//! Markup, written element by element: what is text stays text, and coordinates are whole numbers.

use std::fmt::{Display, Write};

/// Text as it stands in markup, between tags or in an attribute.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            // No line of a picture may be empty, or Markdown takes it for the picture's end.
            '\n' | '\t' => escaped.push(' '),
            // Other control characters are not allowed in XML, however they are written.
            _ if character.is_control() => escaped.push('\u{fffd}'),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// Splits text at its spaces into lines of at most `width` characters; a longer word has a line of its own.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// An element's attributes: names, and values that are escaped.
pub(super) type Attributes<'a> = &'a [(&'a str, &'a dyn Display)];

/// Markup that grows, one element to a line.
#[derive(Debug, Default)]
pub(super) struct Markup {
    text: String,
    open: Vec<&'static str>,
}

impl Markup {
    /// Begins an element.
    pub(super) fn open(&mut self, name: &'static str, attributes: Attributes<'_>) {
        self.start(name, attributes);
        self.text += ">\n";
        self.open.push(name);
    }

    /// Ends the element that was begun last.
    pub(super) fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            self.text += &format!("</{name}>\n");
        }
    }

    /// An element with nothing in it.
    pub(super) fn empty(&mut self, name: &'static str, attributes: Attributes<'_>) {
        self.start(name, attributes);
        self.text += "/>\n";
    }

    /// An element that holds text.
    pub(super) fn text(&mut self, name: &'static str, attributes: Attributes<'_>, content: &str) {
        self.start(name, attributes);
        self.text += &format!(">{}</{name}>\n", escape(content));
    }

    /// What is markup already.
    pub(super) fn raw(&mut self, markup: &str) {
        self.text += markup;
    }

    /// All of it.
    pub(super) fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.text
    }

    fn start(&mut self, name: &str, attributes: Attributes<'_>) {
        self.text.push('<');
        self.text += name;
        for (name, value) in attributes {
            let value = escape(&value.to_string());
            // Writing to a string does not fail.
            let _ = write!(self.text, " {name}=\"{value}\"");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_markup_is_escaped() {
        assert_eq!(
            escape("a < b && \"c\" > 'd'"),
            "a &lt; b &amp;&amp; &quot;c&quot; &gt; &#39;d&#39;"
        );
    }

    #[test]
    fn line_ends_and_control_characters_do_not_get_in() {
        assert_eq!(escape("one\n\ntwo\u{0}\u{1b}"), "one  two\u{fffd}\u{fffd}");
    }

    #[test]
    fn lines_are_as_full_as_they_can_be() {
        assert_eq!(wrap("a bb ccc dddd", 4), ["a bb", "ccc", "dddd"]);
        assert_eq!(wrap("much-too-long a", 4), ["much-too-long", "a"]);
        assert_eq!(wrap("  ", 4), [""; 0]);
    }

    #[test]
    fn every_element_is_closed() {
        let mut markup = Markup::default();
        markup.open("g", &[("class", &"a\"b")]);
        markup.empty("rect", &[("x", &1)]);
        markup.open("g", &[]);
        markup.text("text", &[], "1 < 2");

        assert_eq!(
            markup.finish(),
            "<g class=\"a&quot;b\">\n<rect x=\"1\"/>\n<g>\n<text>1 &lt; 2</text>\n</g>\n</g>\n"
        );
    }
}
