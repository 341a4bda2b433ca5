//! What is below the copies: the names at the left, and the barriers, which go through everything.

use super::{
    panel::{Holder, Panel},
    scene::{Head, Scene},
    sheet::{GUTTER, MARGIN, PART, Row, WIDTH},
    text::Markup,
    words::Glyph,
};

/// Draws it for one row of columns.
pub(super) fn draw(out: &mut Markup, scene: &Scene, row: &Row) {
    for (panel, top) in scene.panels.iter().zip(&row.panels) {
        out.empty(
            "rect",
            &[
                ("class", &"sp-panel"),
                ("x", &(MARGIN / 2)),
                ("y", top),
                ("width", &(WIDTH - MARGIN)),
                ("height", &panel.height()),
                ("rx", &4),
            ],
        );
        names(out, panel, *top);
    }
    marks(out, scene, row);
}

/// The names of the copies, and of the parts.
fn names(out: &mut Markup, panel: &Panel, top: usize) {
    for lane in &panel.lanes {
        let y = top + panel.part_top(lane.holder, 0) + PART / 2 + 4;
        let line = format!("line {:#x}", panel.bytes.start);
        let (class, name) = match lane.holder {
            Holder::Owner => ("sp-strong", line.as_str()),
            _ => ("sp-text", lane.name.as_str()),
        };
        out.text(
            "text",
            &[("class", &class), ("x", &MARGIN), ("y", &y)],
            name,
        );
    }
    for part in 1..panel.parts.len() {
        let y = top + panel.part_top(Holder::Owner, part) + PART / 2 + 4;
        let from = format!("from {:#x} on", panel.parts[part].start);
        out.text(
            "text",
            &[("class", &"sp-quiet"), ("x", &MARGIN), ("y", &y)],
            &from,
        );
    }
}

/// Barriers go through everything.
fn marks(out: &mut Markup, scene: &Scene, row: &Row) {
    let (Some(top), Some(last)) = (row.panels.first(), scene.panels.last()) else {
        return;
    };
    let bottom = row.panels.last().map_or(*top, |top| top + last.height());
    for span in &row.spans {
        let x = span.x + GUTTER - 7;
        if let Head::Step(_, event, _) = &scene.columns[span.column].head
            && event.glyph == Glyph::Barrier
        {
            let path = format!("M{} {top}V{bottom}M{} {top}V{bottom}", x - 2, x + 2);
            out.empty("path", &[("class", &"sp-mark"), ("d", &path)]);
        }
    }
}
