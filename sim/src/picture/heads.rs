//! What happens, above the column in which it happens: a badge, who does it, and a few words.

use super::{
    scene::{Column, Head, Place, Scene},
    sheet::{GUTTER, MARGIN, Row, Span, WORDS_LINE},
    text::Markup,
    words::{Actor, Glyph},
};

/// Half the size of a badge.
pub(super) const RADIUS: usize = 10;

/// Draws the heads of one row of columns.
pub(super) fn draw(out: &mut Markup, scene: &Scene, row: &Row) {
    let before = row.y + RADIUS + 6;
    let at_first = if row.span(0).is_some() {
        "at first"
    } else {
        "so far"
    };
    out.text(
        "text",
        &[("class", &"sp-quiet"), ("x", &row.before), ("y", &before)],
        at_first,
    );
    out.text(
        "text",
        &[("class", &"sp-quiet"), ("x", &MARGIN), ("y", &before)],
        "what happens",
    );
    for span in &row.spans {
        head(out, &scene.columns[span.column], row, span);
        if scene.wrong
            == Some(Place::Head {
                column: span.column,
            })
        {
            out.empty(
                "circle",
                &[
                    ("class", &"sp-violation"),
                    ("cx", &(span.x + GUTTER / 2)),
                    ("cy", &(row.y + RADIUS + 2)),
                    ("r", &(RADIUS + 3)),
                ],
            );
        }
    }
}

fn head(out: &mut Markup, column: &Column, row: &Row, span: &Span) {
    let (event, all, who) = match &column.head {
        Head::Step(number, event, all) => {
            let who = format!("{number} {}", event.actor.name());
            (event, format!("step {number}: {all}"), who)
        }
        Head::Move(event, all) => (event, all.clone(), event.actor.name().to_owned()),
        Head::Gap { steps, .. } => {
            out.open("g", &[]);
            out.text("title", &[], &format!("{steps} steps are left out"));
            for dot in 0..3 {
                let (x, y) = (span.x + 5 + dot * 8, row.y + RADIUS + 2);
                out.empty(
                    "circle",
                    &[("class", &"sp-dot"), ("cx", &x), ("cy", &y), ("r", &2)],
                );
            }
            return out.close();
        }
    };
    out.open("g", &[]);
    out.text("title", &[], &all);
    let (x, y) = (span.x + GUTTER / 2, row.y + RADIUS + 2);
    badge(out, event.actor, event.glyph, x, y);
    out.text(
        "text",
        &[
            ("class", &"sp-quiet"),
            ("x", &(x + RADIUS + 5)),
            ("y", &(y + 4)),
        ],
        &who,
    );
    for (line, words) in span.words(column).iter().enumerate() {
        let y = y + RADIUS + 15 + line * WORDS_LINE;
        out.text(
            "text",
            &[("class", &"sp-text"), ("x", &(span.x + 2)), ("y", &y)],
            words,
        );
    }
    out.close();
}

/// A badge around its centre: square for the CPU, pointed for a device, round for the hardware.
pub(super) fn badge(out: &mut Markup, actor: Actor, glyph: Glyph, x: usize, y: usize) {
    let (class, shape) = match actor {
        Actor::Cpu => ("sp-by-cpu", format!("M{} {}h18v18h-18z", x - 9, y - 9)),
        Actor::Device => {
            let path = format!("M{} {y}l6 -10h10l6 10l-6 10h-10z", x - 11);
            ("sp-by-device", path)
        }
        Actor::Hardware => {
            let path = format!("M{} {y}a10 10 0 1 1 20 0a10 10 0 1 1 -20 0z", x - 10);
            ("sp-by-hardware", path)
        }
    };
    let (hollow, sign) = match glyph {
        Glyph::Issued(sign) => (true, sign),
        Glyph::Sign(sign) | Glyph::Effect(sign) => (false, sign),
        Glyph::Barrier | Glyph::Bell => (false, ""),
    };
    out.empty("path", &[("class", &class), ("d", &shape)]);
    if hollow {
        let inside = format!("M{} {}h16v16h-16z", x - 8, y - 8);
        out.empty("path", &[("class", &"sp-hollow"), ("d", &inside)]);
    }
    match glyph {
        Glyph::Barrier => {
            let bars = format!("M{} {}h3v14h-3zM{} {}h3v14h-3z", x - 5, y - 7, x + 2, y - 7);
            out.empty("path", &[("class", &"sp-hollow"), ("d", &bars)]);
        }
        Glyph::Bell => {
            let bell = format!(
                "M{} {}c3 -3 2 -10 6 -10s3 7 6 10zM{} {}h4l-2 2z",
                x - 6,
                y + 4,
                x - 2,
                y + 5
            );
            out.empty("path", &[("class", &"sp-hollow"), ("d", &bell)]);
        }
        Glyph::Sign(_) | Glyph::Issued(_) | Glyph::Effect(_) => {
            let ink = if hollow {
                "sp-badge sp-text"
            } else {
                "sp-badge sp-on"
            };
            out.text(
                "text",
                &[
                    ("class", &ink),
                    ("x", &x),
                    ("y", &(y + 4)),
                    ("text-anchor", &"middle"),
                ],
                sign,
            );
        }
    }
}
