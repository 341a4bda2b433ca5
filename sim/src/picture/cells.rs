//! What the copies hold, drawn for as long as they hold it.

use dma_api::DataDirection;

use crate::steps::Owner;

use super::{
    panel::{Cell, Held, Holder, Lane, Panel},
    scene::{Head, Place, Scene},
    sheet::{GUTTER, PART, Row, width_of},
    text::Markup,
    words,
};

/// Draws the copies of all lines in one row of columns.
pub(super) fn draw(out: &mut Markup, scene: &Scene, row: &Row) {
    for (panel, top) in scene.panels.iter().zip(&row.panels) {
        for lane in &panel.lanes {
            for part in 0..panel.drawn_parts(lane.holder) {
                let strip = Strip {
                    scene,
                    row,
                    panel,
                    lane,
                    part,
                    y: top + panel.part_top(lane.holder, part),
                };
                strip.draw(out);
            }
        }
    }
}

/// One part of one copy in one row of columns.
struct Strip<'a> {
    scene: &'a Scene,
    row: &'a Row,
    panel: &'a Panel,
    lane: &'a Lane,
    part: usize,
    y: usize,
}

/// The same contents for some time.
struct Run<'a> {
    cell: &'a Cell,
    x: usize,
    end: usize,
    /// The first of the moments.
    since: usize,
}

impl Strip<'_> {
    fn draw(&self, out: &mut Markup) {
        for run in self.runs() {
            self.draw_run(out, &run);
        }
    }

    fn cell(&self, moment: usize) -> &Cell {
        &self.lane.moments[moment][self.part]
    }

    fn runs(&self) -> Vec<Run<'_>> {
        let first = self.row.spans.first().map_or(0, |span| span.column);
        let start = self.row.before;
        let mut runs = vec![Run {
            cell: self.cell(first),
            x: start,
            end: self.row.spans.first().map_or(start + GUTTER, |span| span.x),
            since: first,
        }];
        for span in &self.row.spans {
            let moment = span.column + 1;
            let cell = self.cell(moment);
            let head = &self.scene.columns[span.column].head;
            let gap = matches!(head, Head::Gap { changes: true, .. });
            let apart = gap || self.is_wrong(span.column);
            match runs.last_mut() {
                Some(run) if run.cell == cell && !apart => {
                    run.end = span.end;
                }
                _ => runs.push(Run {
                    cell,
                    x: span.cells() + if gap { 6 } else { 0 },
                    end: span.end,
                    since: moment,
                }),
            }
        }
        runs
    }

    /// Whether what is wrong is here.
    fn is_wrong(&self, column: usize) -> bool {
        let Some(Place::Cell {
            panel,
            holder,
            part,
            ..
        }) = self.scene.wrong
        else {
            return false;
        };
        let here = holder == self.lane.holder
            && part == self.part
            && self.scene.panels[panel].bytes == self.panel.bytes;
        here && self.scene.columns.len() == column + 1
    }

    fn draw_run(&self, out: &mut Markup, run: &Run<'_>) {
        let Run { cell, x, end, .. } = run;
        let (y, height) = (self.y + 1, PART - 2);
        let middle = self.y + PART / 2;
        if cell.held == Held::Nothing {
            if matches!(self.lane.holder, Holder::Cache(_)) {
                out.open("g", &[("class", &"sp-absent")]);
                out.text("title", &[], &self.title(run));
                let path = format!("M{x} {middle}H{end}");
                out.empty("path", &[("class", &"sp-none"), ("d", &path)]);
                out.close();
            }
            return;
        }

        out.open("g", &[("class", &state_class(cell))]);
        out.text("title", &[], &self.title(run));
        let mut class = format!("sp-cell {}", owner_class(cell.owner));
        match cell.held {
            Held::Dirty => class += " sp-dirty",
            Held::UnderWay => class += " sp-way",
            Held::Nothing | Held::Clean | Held::Plain => {}
        }
        out.empty(
            "rect",
            &[
                ("class", &class),
                ("x", x),
                ("y", &y),
                ("width", &(end - x)),
                ("height", &height),
                ("rx", &3),
            ],
        );
        if cell.stale {
            hatch(out, *x, *end, y, height);
        }
        if cell.foreign {
            let path = format!("M{} {y}h8v8z", end - 8);
            out.empty("path", &[("class", &"sp-by-hardware"), ("d", &path)]);
        }
        let mut text_x = x + 5;
        if cell.held == Held::Dirty {
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
            text_x = x + 15;
        }
        let room = end.saturating_sub(text_x);
        let texts = texts(self.lane.holder, cell);
        if let Some(text) = texts.iter().find(|text| width_of(text) <= room) {
            let class = if self.lane.holder == Holder::Owner {
                "sp-text"
            } else {
                "sp-strong"
            };
            out.text(
                "text",
                &[("class", &class), ("x", &text_x), ("y", &(middle + 4))],
                text,
            );
        }
        out.close();
    }

    /// Everything there is to say about it.
    fn title(&self, run: &Run<'_>) -> String {
        let Run { cell, since, .. } = run;
        let part = &self.panel.parts[self.part];
        let mut text = format!(
            "{}, bytes {:#x}..{:#x}",
            self.lane.name, part.start, part.end
        );
        text += &match since.checked_sub(1) {
            None => " at first".to_owned(),
            Some(column) => format!(" after {}", self.moment(column)),
        };
        text += ": ";
        text += match cell.held {
            Held::Nothing => "absent",
            Held::Clean => "clean",
            Held::Dirty => "dirty",
            Held::Plain => "",
            Held::UnderWay => "under way",
        };
        if !cell.words.is_empty() || !cell.bytes.is_empty() {
            if cell.held != Held::Plain {
                text += ", ";
            }
            text += &cell.words;
            text += &words::runs(&cell.bytes);
        }
        if cell.stale {
            text += ", stale: not what was stored or written last";
        }
        if cell.foreign {
            text += ", left by a former owner";
        }
        if let (Some(owner), true) = (cell.owner, self.lane.holder != Holder::Owner) {
            text += &format!("; owner: {owner}");
        }
        text
    }

    fn moment(&self, column: usize) -> String {
        match &self.scene.columns[column].head {
            Head::Step(number, ..) => format!("step {number}"),
            Head::Move(event, _) => format!("the move \"{}\"", event.words),
            Head::Gap { .. } => "what is left out".to_owned(),
        }
    }
}

/// Lines across what is stale.
fn hatch(out: &mut Markup, x: usize, end: usize, y: usize, height: usize) {
    let mut path = String::new();
    let mut at = x + 2;
    while at + height <= end {
        path += &format!("M{at} {}l{height} -{height}", y + height);
        at += 8;
    }
    if path.is_empty() {
        path = format!("M{x} {}L{end} {y}", y + height);
    }
    out.empty("path", &[("class", &"sp-hatch"), ("d", &path)]);
}

/// What is written in a cell, the longest first.
fn texts(holder: Holder, cell: &Cell) -> Vec<String> {
    if holder == Holder::Owner {
        let short = match cell.owner {
            Some(Owner::Cpu) => "CPU",
            Some(Owner::Device(DataDirection::ToDevice)) => "device reads",
            Some(Owner::Device(DataDirection::FromDevice)) => "device writes",
            Some(Owner::Device(DataDirection::Bidirectional) | Owner::Both) => "both",
            Some(Owner::Ring(_)) => "ring",
            Some(Owner::Program) => "allocated",
            Some(Owner::Nobody) => "nobody",
            Some(Owner::Padding) => "padding",
            Some(Owner::Quarantine) => "quarantine",
            None => "several",
        };
        let shortest = match cell.owner {
            Some(Owner::Device(_)) => "device",
            _ => short,
        };
        return [&cell.words, short, shortest].map(str::to_owned).to_vec();
    }
    if !cell.words.is_empty() {
        let short = match cell.words.as_str() {
            "clean and invalidate" => "clean+inv",
            "invalidate" => "inval.",
            _ => "issued",
        };
        return vec![cell.words.clone(), short.to_owned()];
    }
    let value = match words::uniform(&cell.bytes) {
        Some(value) => format!("{value:02x}"),
        None => "mixed".to_owned(),
    };
    let state = match (cell.held, cell.stale) {
        (Held::Dirty, true) => Some("dirty, stale"),
        (Held::Dirty, false) => Some("dirty"),
        (_, true) => Some("stale"),
        _ => None,
    };
    let stale = cell.stale.then(|| format!("{value} stale"));
    let full = state.map(|state| format!("{value} {state}"));
    full.into_iter().chain(stale).chain([value]).collect()
}

fn owner_class(owner: Option<Owner>) -> &'static str {
    match owner {
        Some(Owner::Cpu | Owner::Program) => "sp-cpu",
        Some(Owner::Device(_)) => "sp-device",
        Some(Owner::Both | Owner::Ring(_)) => "sp-both",
        Some(Owner::Quarantine) => "sp-quarantine",
        Some(Owner::Nobody | Owner::Padding) | None => "sp-nobody",
    }
}

/// A name for what state a cell shows.
fn state_class(cell: &Cell) -> &'static str {
    match (cell.held, cell.stale) {
        (Held::Dirty, true) => "sp-is-dirty sp-is-stale",
        (Held::Dirty, false) => "sp-is-dirty",
        (_, true) => "sp-is-stale",
        _ => "sp-is-held",
    }
}
