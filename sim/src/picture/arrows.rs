//! Where bytes went, and what is wrong with a copy: drawn over the copies.

use super::{
    panel::Holder,
    scene::{Place, Scene},
    sheet::{PART, Row, Span},
    text::Markup,
    traffic::{End, Flow},
};

/// Draws the arrows of one row of columns, and the ring if it is there.
pub(super) fn draw(out: &mut Markup, scene: &Scene, row: &Row) {
    for span in &row.spans {
        for flow in &scene.columns[span.column].flows {
            arrow(out, scene, row, span, flow);
        }
    }
    if let Some(Place::Cell {
        column,
        panel,
        holder,
        part,
    }) = scene.wrong
        && let Some(span) = row.span(column)
    {
        let y = row.panels[panel] + scene.panels[panel].part_top(holder, part);
        out.empty(
            "rect",
            &[
                ("class", &"sp-violation"),
                ("x", &(span.cells() - 5)),
                ("y", &(y - 5)),
                ("width", &(span.end - span.cells() + 8)),
                ("height", &(PART + 10)),
                ("rx", &15),
            ],
        );
    }
}

/// An arrow from where the bytes were to where they are.
fn arrow(out: &mut Markup, scene: &Scene, row: &Row, span: &Span, flow: &Flow) {
    let (panel, top) = (&scene.panels[flow.panel], row.panels[flow.panel]);
    let x = span.x + 8 + 5 * flow.part;
    let height = |holder: Holder| top + panel.part_top(holder, flow.part) + PART / 2;
    let path = match flow.to {
        End::Holder(to) => {
            let y = height(to);
            let tip = span.cells();
            let from = match flow.from {
                End::Cpu => top,
                End::Device => top + panel.height(),
                End::Holder(from) => height(from),
            };
            out.empty(
                "path",
                &[("class", &"sp-tip"), ("d", &format!("M{tip} {y}l-7 -4v8z"))],
            );
            format!("M{x} {from}V{y}H{}", tip - 6)
        }
        End::Cpu | End::Device => {
            let End::Holder(from) = flow.from else { return };
            let (y, up) = match flow.to {
                End::Cpu => (top, true),
                _ => (top + panel.height(), false),
            };
            let (tip, end) = match up {
                true => (format!("M{x} {y}l-4 7h8z"), y + 6),
                false => (format!("M{x} {y}l-4 -7h8z"), y - 6),
            };
            out.empty("path", &[("class", &"sp-tip"), ("d", &tip)]);
            format!("M{x} {}V{end}", height(from))
        }
    };
    if let End::Holder(from) = flow.from {
        let (x, y) = (x, height(from));
        out.empty(
            "circle",
            &[("class", &"sp-tip"), ("cx", &x), ("cy", &y), ("r", &"2.5")],
        );
    }
    out.empty("path", &[("class", &"sp-flow"), ("d", &path)]);
}
