//! What the colours and signs mean, and in words what is wrong.

use crate::violation::Violation;

use super::{
    advice::advice,
    heads::badge,
    sheet::{MARGIN, PART, WIDTH},
    text::{Markup, wrap},
    words::{Actor, Glyph},
};

/// Characters of a message in the width of the sheet, lines of a paragraph at the most, and the height of one.
const MESSAGE_CHARACTERS: usize = 165;
const MESSAGE_LINES: usize = 6;
const MESSAGE_LINE: usize = 18;

/// The height of one line of the legend.
const LEGEND_LINE: usize = 28;
const LEGEND_COLUMNS: usize = 5;

/// Draws what is wrong, in words, and returns where the next thing may begin. `left_out` lines are not in the picture.
pub(super) fn message(
    out: &mut Markup,
    violation: Option<&Violation>,
    left_out: usize,
    y: usize,
) -> usize {
    let mut y = y;
    if left_out > 0 {
        let words = format!("{left_out} more lines have to do with it and are not drawn.");
        y += MESSAGE_LINE;
        out.text(
            "text",
            &[("class", &"sp-quiet"), ("x", &MARGIN), ("y", &y)],
            &words,
        );
        y += MESSAGE_LINE / 2;
    }
    let Some(violation) = violation else {
        let y = y + MESSAGE_LINE;
        let attributes: [(&str, &dyn std::fmt::Display); 3] = [
            ("class", &"sp-strong sp-message"),
            ("x", &MARGIN),
            ("y", &y),
        ];
        out.text("text", &attributes, "Nothing is wrong.");
        return y + MESSAGE_LINE / 2;
    };
    let paragraphs = [
        (
            "sp-message sp-alarm sp-strong",
            violation.oracle.meaning().to_owned(),
        ),
        ("sp-message sp-text", details(violation)),
        (
            "sp-message sp-text",
            format!("What to do: {}", advice(violation.oracle)),
        ),
    ];
    let top = y + 4;
    for (class, text) in &paragraphs {
        for line in wrap(text, MESSAGE_CHARACTERS).iter().take(MESSAGE_LINES) {
            y += MESSAGE_LINE;
            out.text(
                "text",
                &[("class", class), ("x", &(MARGIN + 12)), ("y", &y)],
                line,
            );
        }
    }
    out.empty(
        "rect",
        &[
            ("class", &"sp-alarm"),
            ("x", &MARGIN),
            ("y", &top),
            ("width", &4),
            ("height", &(y + 4 - top)),
        ],
    );
    y + MESSAGE_LINE / 2
}

/// What was found, and where.
pub(super) fn details(violation: &Violation) -> String {
    let mut text = String::new();
    if let Some((found, expected)) = violation.values {
        text += &format!("Found {found:02x} instead of {expected:02x}. ");
    }
    let bytes = &violation.bytes;
    text += &match bytes.len() {
        0 => String::new(),
        1 => format!("Byte {:#x}", bytes.start),
        _ => format!("Bytes {:#x}..{:#x}", bytes.start, bytes.end),
    };
    if !bytes.is_empty() {
        text += &format!(", owner: {}. ", violation.owner);
    }
    if !violation.detail.is_empty() {
        let mut detail = violation.detail.chars();
        let first: String = detail
            .next()
            .into_iter()
            .flat_map(char::to_uppercase)
            .collect();
        text += &format!("{first}{}.", detail.as_str());
    }
    text
}

/// One entry of the legend: what it looks like, and what it means.
enum Sample {
    Owner(&'static str),
    Dirty,
    Stale,
    Absent,
    UnderWay,
    Foreign,
    Badge(Actor, Glyph),
    Arrow,
    Wrong,
}

/// Draws the legend, and returns where it ends.
pub(super) fn legend(out: &mut Markup, y: usize) -> usize {
    let samples = [
        (Sample::Owner("sp-cpu"), "the CPU's"),
        (Sample::Owner("sp-device"), "the device's"),
        (Sample::Owner("sp-both"), "used by both at once"),
        (Sample::Owner("sp-quarantine"), "in quarantine"),
        (Sample::Owner("sp-nobody"), "nobody's"),
        (Sample::Dirty, "dirty: not written back yet"),
        (Sample::Stale, "stale: an old value"),
        (Sample::Absent, "not in this cache"),
        (Sample::UnderWay, "on its way"),
        (Sample::Foreign, "left by a former owner"),
        (
            Sample::Badge(Actor::Cpu, Glyph::Sign("↓")),
            "the program does it",
        ),
        (
            Sample::Badge(Actor::Device, Glyph::Sign("W")),
            "the device does it",
        ),
        (
            Sample::Badge(Actor::Hardware, Glyph::Sign("↑")),
            "the hardware does it by itself",
        ),
        (Sample::Arrow, "where bytes go"),
        (Sample::Wrong, "what is wrong"),
        (
            Sample::Badge(Actor::Cpu, Glyph::Issued("I")),
            "invalidate (C: clean) is issued",
        ),
        (
            Sample::Badge(Actor::Cpu, Glyph::Effect("I")),
            "it takes effect",
        ),
        (Sample::Badge(Actor::Cpu, Glyph::Barrier), "barrier"),
        (
            Sample::Badge(Actor::Cpu, Glyph::Sign("→")),
            "hand-over (←: taken back)",
        ),
        (Sample::Badge(Actor::Cpu, Glyph::Bell), "doorbell"),
    ];
    let width = (WIDTH - 2 * MARGIN) / LEGEND_COLUMNS;
    for (index, (sample, words)) in samples.iter().enumerate() {
        let x = MARGIN + index % LEGEND_COLUMNS * width;
        let y = y + index / LEGEND_COLUMNS * LEGEND_LINE;
        draw(out, sample, x, y);
        let base = y + PART / 2 + 4;
        out.text(
            "text",
            &[("class", &"sp-text"), ("x", &(x + 38)), ("y", &base)],
            words,
        );
    }
    y + samples.len().div_ceil(LEGEND_COLUMNS) * LEGEND_LINE
}

fn draw(out: &mut Markup, sample: &Sample, x: usize, y: usize) {
    let middle = y + PART / 2;
    let class = match sample {
        Sample::Owner(owner) => format!("sp-cell {owner}"),
        Sample::Dirty => "sp-cell sp-cpu sp-dirty".to_owned(),
        Sample::Stale | Sample::Foreign => "sp-cell sp-cpu".to_owned(),
        Sample::UnderWay => "sp-cell sp-device sp-way".to_owned(),
        Sample::Absent => {
            let path = format!("M{x} {middle}h30");
            return out.empty("path", &[("class", &"sp-none"), ("d", &path)]);
        }
        Sample::Badge(actor, glyph) => return badge(out, *actor, *glyph, x + 18, middle),
        Sample::Arrow => {
            let path = format!("M{x} {middle}h24");
            out.empty("path", &[("class", &"sp-flow"), ("d", &path)]);
            let tip = format!("M{} {middle}l-7 -4v8z", x + 30);
            return out.empty("path", &[("class", &"sp-tip"), ("d", &tip)]);
        }
        Sample::Wrong => {
            let ring = format!("M{} {y}h10a11 11 0 0 1 0 22h-10a11 11 0 0 1 0 -22z", x + 10);
            return out.empty("path", &[("class", &"sp-ring"), ("d", &ring)]);
        }
    };
    out.empty(
        "rect",
        &[
            ("class", &class),
            ("x", &x),
            ("y", &(y + 1)),
            ("width", &30),
            ("height", &(PART - 2)),
            ("rx", &3),
        ],
    );
    match sample {
        Sample::Dirty => {
            let centre = x + 8;
            out.empty(
                "circle",
                &[
                    ("class", &"sp-dot"),
                    ("cx", &centre),
                    ("cy", &middle),
                    ("r", &3),
                ],
            );
        }
        Sample::Stale => {
            let path = format!("M{} {}l20 -20m-12 20l20 -20", x + 2, y + PART - 1);
            out.empty("path", &[("class", &"sp-hatch"), ("d", &path)]);
        }
        Sample::Foreign => {
            let path = format!("M{} {}h8v8z", x + 22, y + 1);
            out.empty("path", &[("class", &"sp-by-hardware"), ("d", &path)]);
        }
        _ => {}
    }
}
