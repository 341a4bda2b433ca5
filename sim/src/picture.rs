//! Histories as pictures: what every copy of a line holds, after each thing that happened, up to what is wrong.
//!
//! Time goes from left to right. Each column is one step of the program or of a device, which are numbered, or one move of the
//! hardware. Below its head are the copies of each line from the CPU's side to the device's, for as long as they hold the same;
//! arrows show where bytes went. Only lines that something is wrong with or that devices use are drawn, and of a
//! long history the end, with moves of the hardware before it. Everything has a title that says it in words.
//!
//! This driver invalidates its line before the transfer, and not after it:
//!
#![doc = include_str!("../doc/missing-invalidate.svg")]

mod text;

mod words;

mod advice;

mod choice;

mod panel;

mod traffic;

mod scene;

mod sheet;

mod ground;

mod cells;

mod arrows;

mod heads;

mod legend;

mod page;

use std::{fs, io, path::Path};

use crate::{history::History, machine::Failure, violation::Violation};

use scene::Scene;
use sheet::{MARGIN, WIDTH};
use text::Markup;

const STYLE: &str = include_str!("picture/style.css");

impl History {
    /// A page of HTML with [`svg`](Self::svg) in it and everything that happened as a table. It needs no other file.
    #[must_use]
    pub fn picture(&self) -> String {
        let violation = self.violation();
        page_of(self, violation.as_ref(), "")
    }

    /// The picture alone, which is a file of its own or a part of a page. It has no line without a character, so it may
    /// stand in Markdown.
    #[must_use]
    pub fn svg(&self) -> String {
        svg_of(self, self.violation().as_ref())
    }
}

impl Failure {
    /// The page that shows the failure: see [`History::picture`].
    #[must_use]
    pub fn picture(&self) -> String {
        let about = format!("Machine: {}. Adversary: {}.", self.machine, self.adversary);
        page_of(&self.history, Some(&self.violation), &about)
    }

    /// The picture alone: see [`History::svg`].
    #[must_use]
    pub fn svg(&self) -> String {
        svg_of(&self.history, Some(&self.violation))
    }

    /// Writes the page to a file.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_picture(&self, path: &Path) -> io::Result<()> {
        fs::write(path, self.picture())
    }
}

fn page_of(history: &History, violation: Option<&Violation>, about: &str) -> String {
    let title = violation.map_or("Nothing is wrong", |violation| violation.oracle.meaning());
    let (title, _) = title.split_once(" (").unwrap_or((title, ""));
    page::page(history, title, about, &svg_of(history, violation))
}

fn svg_of(history: &History, violation: Option<&Violation>) -> String {
    let scene = Scene::new(history, violation);
    let rows = sheet::rows(&scene, MARGIN);
    let mut body = Markup::default();
    for row in &rows {
        ground::draw(&mut body, &scene, row);
        cells::draw(&mut body, &scene, row);
        arrows::draw(&mut body, &scene, row);
        heads::draw(&mut body, &scene, row);
    }
    let bottom = rows.last().map_or(MARGIN, |row| row.bottom);
    let bottom = legend::message(&mut body, violation, scene.lines_left_out, bottom);
    let bottom = legend::legend(&mut body, bottom + MARGIN);
    let height = bottom + MARGIN;

    let mut out = Markup::default();
    out.open(
        "svg",
        &[
            ("xmlns", &"http://www.w3.org/2000/svg"),
            ("class", &"sim-picture"),
            ("role", &"img"),
            ("width", &WIDTH),
            ("height", &height),
            ("viewBox", &format!("0 0 {WIDTH} {height}")),
        ],
    );
    let title = violation.map_or("A history in which nothing is wrong", |violation| {
        violation.oracle.meaning()
    });
    out.text("title", &[], title);
    out.open("style", &[]);
    out.raw(STYLE);
    out.close();
    out.empty(
        "rect",
        &[
            ("class", &"sp-paper"),
            ("x", &"0.5"),
            ("y", &"0.5"),
            ("width", &(WIDTH - 1)),
            ("height", &(height - 1)),
            ("rx", &6),
        ],
    );
    out.raw(&body.finish());
    out.finish()
}

#[cfg(test)]
mod tests {
    use crate::{
        config::{Config, Start},
        cpu::Cpu,
        machine::SimMachine,
    };

    fn marks(driver: impl Fn(&Cpu<'_>)) -> [usize; 4] {
        let machine = SimMachine::new(Config {
            cached_len: 64,
            uncached_len: 0,
            start: Start::Empty,
            store_buffer: 0,
            ..Config::default()
        })
        .expect("a machine");
        driver(&Cpu::new(&machine));
        let svg = machine.history().svg();
        drop(machine.verdict());
        // The legend has one of each as well, without these classes.
        ["sp-absent", "sp-is-dirty", "sp-is-stale", "sp-violation"]
            .map(|class| svg.matches(&format!("\"{class}\"")).count())
    }

    #[test]
    fn each_state_has_its_mark_for_as_long_as_it_lasts() {
        // The cache holds nothing at first, and nothing when the owner is another.
        assert_eq!(marks(|cpu| cpu.own(0, 64)), [2, 0, 0, 0]);
        // A dirty line, and memory behind it that is not up to date.
        let stores = |cpu: &Cpu<'_>| {
            cpu.own(0, 64);
            cpu.store(0, &[1; 64]);
            cpu.before_doorbell();
        };
        assert_eq!(marks(stores), [2, 1, 1, 0]);
        // Both end with the clean.
        let cleans = |cpu: &Cpu<'_>| {
            stores(cpu);
            cpu.clean(0, 64);
        };
        assert_eq!(marks(cleans), [2, 1, 1, 0]);
        // The cache holds nothing once more, and what was stored is lost.
        let discards = |cpu: &Cpu<'_>| {
            stores(cpu);
            cpu.invalidate(0, 64);
        };
        assert_eq!(marks(discards), [3, 1, 2, 1]);
    }
}
