//! Where everything is on the sheet: columns in rows as wide as the sheet, and below one another the head and the copies of
//! each line. All lengths are in pixels.

use super::{
    panel::{Holder, Panel},
    scene::{Column, Head, Scene},
    text::wrap,
};

/// The sheet.
pub(super) const WIDTH: usize = 1200;
pub(super) const MARGIN: usize = 12;

/// The names of the copies, at the left, at the least.
const NAMES: usize = 104;

/// What the copies hold before the first column of a row.
const BEFORE: usize = 60;

/// Columns by what is in them.
const STEP: usize = 92;
const MOVE: usize = 88;
const GAP: usize = 30;

/// The part of a column in which arrows are.
pub(super) const GUTTER: usize = 24;

/// What one copy holds of one part, and the distance to the next copy.
pub(super) const PART: usize = 22;
const LANE_DISTANCE: usize = 7;

/// A badge with its number, and one line of the words below it.
const BADGE: usize = 28;
pub(super) const WORDS_LINE: usize = 13;
const PANEL_DISTANCE: usize = 14;

/// Columns are drawn at most this much wider, in percent, where there is room.
const WIDEST: usize = 190;

/// An upper estimate of the width of a text in small letters.
pub(super) fn width_of(text: &str) -> usize {
    text.chars().count() * 68 / 10
}

impl Column {
    fn width(&self) -> usize {
        match self.head {
            Head::Step(..) => STEP,
            Head::Move(..) => MOVE,
            Head::Gap { changes: false, .. } => GAP,
            Head::Gap { changes: true, .. } => GAP + BEFORE,
        }
    }
}

/// A column, and where it begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) column: usize,
    pub(super) x: usize,
    pub(super) end: usize,
}

impl Span {
    /// The words below the badge, in lines that fit.
    pub(super) fn words(&self, column: &Column) -> Vec<String> {
        match &column.head {
            Head::Step(_, event, _) | Head::Move(event, _) => wrap(
                &event.words,
                (self.end - self.x) / (width_of("0123456789") / 10 + 1),
            ),
            Head::Gap { .. } => Vec::new(),
        }
    }

    /// Where a copy's new contents begin.
    pub(super) fn cells(&self) -> usize {
        (self.x + GUTTER).min(self.end)
    }
}

/// One row of columns.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) y: usize,
    /// Where what the copies hold before the first column begins.
    pub(super) before: usize,
    pub(super) spans: Vec<Span>,
    /// The top of each line's copies.
    pub(super) panels: Vec<usize>,
    pub(super) bottom: usize,
}

impl Row {
    pub(super) fn span(&self, column: usize) -> Option<&Span> {
        self.spans.iter().find(|span| span.column == column)
    }
}

/// The rows, from `y` downwards.
pub(super) fn rows(scene: &Scene, y: usize) -> Vec<Row> {
    let lanes = scene.panels.iter().flat_map(|panel| &panel.lanes);
    let names = lanes.map(|lane| width_of(&lane.name) + 6);
    let before = MARGIN + names.max().unwrap_or(0).max(NAMES);
    let mut y = y;
    let mut placed = Vec::new();
    for spans in spans(&scene.columns, before + BEFORE) {
        let lines = spans
            .iter()
            .map(|span| span.words(&scene.columns[span.column]).len());
        let head = BADGE + lines.max().unwrap_or(0) * WORDS_LINE;
        let mut bottom = y + head;
        let mut panels = Vec::new();
        for panel in &scene.panels {
            panels.push(bottom + PANEL_DISTANCE / 2);
            bottom += PANEL_DISTANCE + panel.height();
        }
        placed.push(Row {
            y,
            before,
            spans,
            panels,
            bottom,
        });
        y = bottom + PANEL_DISTANCE;
    }
    placed
}

/// The columns in as few rows as they need from `left` on, all about as long, and as wide as there is room.
fn spans(columns: &[Column], left: usize) -> Vec<Vec<Span>> {
    let room = WIDTH - MARGIN - left;
    let fewest = broken(columns, room).len();
    let limits = (STEP..=room).rev();
    let limit = limits.take_while(|limit| broken(columns, *limit).len() == fewest);
    let limit = limit.last().unwrap_or(room);
    let broken = broken(columns, limit);
    let lengths = broken.iter().map(|widths| widths.iter().sum());
    let percent = (room * 100 / lengths.max().unwrap_or(0).max(1)).min(WIDEST);

    let mut column = 0;
    let mut rows = Vec::new();
    for widths in broken {
        let mut x = left;
        let mut row = Vec::new();
        for width in widths {
            let end = x + width * percent / 100;
            row.push(Span { column, x, end });
            column += 1;
            x = end;
        }
        rows.push(row);
    }
    rows
}

/// The widths of the columns, in rows no longer than `limit`.
fn broken(columns: &[Column], limit: usize) -> Vec<Vec<usize>> {
    let mut rows: Vec<Vec<usize>> = vec![Vec::new()];
    let mut length = 0;
    for column in columns {
        let width = column.width();
        if length + width > limit {
            length = 0;
            rows.push(Vec::new());
        }
        length += width;
        if let Some(row) = rows.last_mut() {
            row.push(width);
        }
    }
    rows
}

impl Panel {
    pub(super) fn height(&self) -> usize {
        let lanes = self.lanes.iter().map(|lane| self.lane_height(lane.holder));
        lanes.sum::<usize>() + LANE_DISTANCE
    }

    /// The height of a copy with the distance to the next.
    fn lane_height(&self, holder: Holder) -> usize {
        match holder {
            Holder::Maintenance => PART + LANE_DISTANCE,
            _ => self.parts.len() * PART + LANE_DISTANCE,
        }
    }

    /// The top of a part of a copy, below the top of the panel.
    pub(super) fn part_top(&self, holder: Holder, part: usize) -> usize {
        let above = self.lanes.iter().take_while(|lane| lane.holder != holder);
        let above: usize = above.map(|lane| self.lane_height(lane.holder)).sum();
        let part = if holder == Holder::Maintenance {
            0
        } else {
            part
        };
        LANE_DISTANCE + above + part * PART
    }

    /// The parts of a copy that are drawn: maintenance is of the whole line.
    pub(super) fn drawn_parts(&self, holder: Holder) -> usize {
        match holder {
            Holder::Maintenance => 1,
            _ => self.parts.len(),
        }
    }
}
