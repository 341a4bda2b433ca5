//! What every copy holds of the drawn lines, after each drawn entry.

use std::ops::Range;

use crate::{
    history::{Entry, History, advance},
    layout::Mapping,
    state::State,
    violation::{Oracle, Violation},
};

use super::{
    choice::{self, Shown},
    panel::{Cell, Held, Holder, Panel},
    traffic::{self, Flow, Traffic},
    words::{self, Event, Name},
};

/// A history, as it is drawn.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) columns: Vec<Column>,
    pub(super) panels: Vec<Panel>,
    /// Lines that have to do with it and for which there is no room.
    pub(super) lines_left_out: usize,
    /// Where the first thing is that is wrong.
    pub(super) wrong: Option<Place>,
}

/// One entry, or a row of them that is left out.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) head: Head,
    pub(super) flows: Vec<Flow>,
}

/// What stands above a column.
#[derive(Debug)]
pub(super) enum Head {
    /// A step of the program or of a device, with its number and all there is to say.
    Step(usize, Event, String),
    /// A move of the hardware.
    Move(Event, String),
    /// So many steps are left out; whether anything that is drawn changes in them.
    Gap { steps: usize, changes: bool },
}

/// A place in the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The head of a column.
    Head { column: usize },
    /// What a copy holds of a line's part.
    Cell {
        column: usize,
        panel: usize,
        holder: Holder,
        part: usize,
    },
}

impl Scene {
    pub(super) fn new(history: &History, violation: Option<&Violation>) -> Self {
        let end = violation.and_then(|_| choice::found_at(history));
        let end = end.unwrap_or(history.entries.len().saturating_sub(1));
        let lines = choice::lines(history, violation);
        let shown = choice::columns(history, &lines.drawn, end);

        let panels = lines.drawn.iter().map(|line| Panel::new(history, *line));
        let mut scene = Self {
            columns: Vec::new(),
            panels: panels.collect(),
            lines_left_out: lines.left_out,
            wrong: None,
        };
        let last = scene.film(history, &shown);
        if let (Some(violation), Some(column)) = (violation, scene.columns.len().checked_sub(1)) {
            scene.wrong = Some(scene.place(violation, column, &last));
        }
        for panel in &mut scene.panels {
            panel.keep_what_holds_something();
        }
        scene
    }

    /// Lets it all happen again and looks at the moments that are drawn.
    fn film(&mut self, history: &History, shown: &[Shown]) -> State {
        let mut state = history.start();
        self.look(&state);
        let one = self.panels.len() == 1 && self.panels.iter().all(|panel| panel.parts.len() == 1);
        let name = if one { Name::It } else { Name::Range };
        let (mut index, mut number) = (0, 0);
        for shown in shown {
            let (Shown::Entry(target) | Shown::Gap { last: target, .. }) = *shown;
            for entry in &history.entries[index..target] {
                advance(&mut state, entry);
                number += usize::from(matches!(entry, Entry::Step(_)));
            }
            let entry = &history.entries[target];
            let event = words::event(entry, &state, name);
            let all = history.describe(entry);
            let traffic = traffic::of(entry, &state);
            advance(&mut state, entry);
            let changes = self.look(&state);
            self.columns.push(match (shown, entry) {
                (Shown::Gap { steps, .. }, _) => Column {
                    head: Head::Gap {
                        steps: *steps,
                        changes,
                    },
                    flows: Vec::new(),
                },
                (Shown::Entry(_), Entry::Step(_)) => {
                    self.column(Head::Step(number, event, all), &traffic)
                }
                (Shown::Entry(_), Entry::Move(_)) => self.column(Head::Move(event, all), &traffic),
            });
            number += usize::from(matches!(entry, Entry::Step(_)));
            index = target + 1;
        }
        state
    }

    /// Looks at one more moment, and says whether anything has changed since the last.
    fn look(&mut self, state: &State) -> bool {
        let mut changes = false;
        for panel in &mut self.panels {
            changes |= panel.look(state);
        }
        changes
    }

    fn column(&self, head: Head, traffic: &Traffic) -> Column {
        let panels = self.panels.iter().enumerate();
        let flows = panels.flat_map(|(index, panel)| traffic::flows(traffic, index, panel));
        Column {
            head,
            flows: flows.collect(),
        }
    }

    /// Where a violation is: in the copy that is wrong, or in the step that is.
    fn place(&self, violation: &Violation, column: usize, state: &State) -> Place {
        let Range { start: byte, end } = violation.bytes;
        let found = self.panels.iter().enumerate().find_map(|(index, panel)| {
            let part = panel.parts.iter().position(|part| part.contains(&byte))?;
            let moment = panel.lanes.iter().map(|lane| {
                let cells = lane.moments.last();
                (lane.holder, cells.and_then(|cells| cells.get(part)))
            });
            let moment = moment.filter_map(|(holder, cell)| Some((holder, cell?)));
            Some((index, part, culprit(violation, state, moment)?))
        });
        match found {
            Some((panel, part, holder)) if byte < end => Place::Cell {
                column,
                panel,
                holder,
                part,
            },
            _ => Place::Head { column },
        }
    }
}

/// The copy that is wrong, of those that may hold the byte; none if it is not a copy that is.
fn culprit<'a>(
    violation: &Violation,
    state: &State,
    mut copies: impl Iterator<Item = (Holder, &'a Cell)>,
) -> Option<Holder> {
    let byte = violation.bytes.start;
    let seen_by_the_cpu =
        |holder: Holder| match (holder, state.layout.effective(state.used_by[byte], byte)) {
            (Holder::Cache(cache), Mapping::Cached(colour)) => {
                cache == state.layout.inner(state.core, colour)
                    || Some(cache) == state.layout.outer()
            }
            (holder, _) => holder == Holder::Memory,
        };
    let found = copies.find(|(holder, cell)| {
        let in_cache = matches!(holder, Holder::Cache(_));
        match violation.oracle {
            Oracle::CpuSeesStale | Oracle::Leaked => {
                seen_by_the_cpu(*holder) && cell.held != Held::Nothing
            }
            Oracle::StaleAtHandBack => in_cache && cell.stale,
            Oracle::DirtyOverDevice if violation.values.is_none() => {
                in_cache && cell.held == Held::Dirty
            }
            Oracle::DeviceSeesStale
            | Oracle::LostAtTheEnd
            | Oracle::NeighbourLost
            | Oracle::DirtyOverDevice => *holder == Holder::Memory,
            Oracle::DiscardedForeign => in_cache,
            Oracle::MissingBarrier => {
                let waits = matches!(
                    holder,
                    Holder::Maintenance | Holder::StoreBuffer | Holder::Posted
                );
                waits && cell.held != Held::Nothing
            }
            Oracle::CpuTouchedDevices
            | Oracle::Reused
            | Oracle::OutsideAnyBuffer
            | Oracle::DeviceStrayed
            | Oracle::DriverFailed => false,
        }
    });
    found.map(|(holder, _)| holder)
}

#[cfg(test)]
mod tests {
    use dma_api::{DataDirection, Limits, Snooping};

    use super::*;
    use crate::{
        config::{Config, Start},
        cpu::Cpu,
        engine::DmaEngine,
        layout::CacheId,
        machine::SimMachine,
        picture::traffic::End,
    };

    fn machine() -> SimMachine {
        SimMachine::new(Config {
            cached_len: 128,
            uncached_len: 0,
            start: Start::Empty,
            store_buffer: 0,
            ..Config::default()
        })
        .expect("a machine")
    }

    /// What is drawn of a driver.
    fn scene(driver: impl Fn(&Cpu<'_>, &DmaEngine<'_>)) -> Scene {
        let machine = machine();
        let cpu = Cpu::new(&machine);
        let engine = DmaEngine::new(&machine, Limits::UNLIMITED, machine.config().snooping);
        driver(&cpu, &engine);
        let history = machine.history();
        drop(machine.verdict());
        Scene::new(&history, history.violation().as_ref())
    }

    fn receive(cpu: &Cpu<'_>, engine: &DmaEngine<'_>) {
        cpu.own(0, 64);
        cpu.store(0, &[1; 64]);
        cpu.done(0, 64);
        cpu.clean(0, 64);
        cpu.before_doorbell();
        cpu.lend(0, 64, DataDirection::FromDevice);
        engine.write(cpu.dma(0), &[2; 64]).expect("it is there");
        cpu.after_completion();
    }

    /// What a copy holds after the last column.
    fn last(scene: &Scene, holder: Holder) -> (Held, bool, bool, Option<u8>) {
        let lanes = &scene.panels[0].lanes;
        let lane = lanes.iter().find(|lane| lane.holder == holder);
        let cell = lane
            .and_then(|lane| lane.moments.last())
            .map(|cells| &cells[0]);
        let cell = cell.expect("it is drawn");
        (
            cell.held,
            cell.stale,
            cell.foreign,
            words::uniform(&cell.bytes),
        )
    }

    const L1: Holder = Holder::Cache(CacheId(0));

    #[test]
    fn what_is_held_is_told_from_how_it_is_held() {
        let fresh = scene(|cpu, _| cpu.own(0, 64));
        assert_eq!(last(&fresh, L1), (Held::Nothing, false, false, None));
        let memory = (Held::Plain, false, true, Some(0xa5));
        assert_eq!(last(&fresh, Holder::Memory), memory);

        let stored = scene(|cpu, _| {
            cpu.own(0, 64);
            cpu.store(0, &[1; 64]);
        });
        assert_eq!(last(&stored, L1), (Held::Dirty, false, false, Some(1)));
        let memory = (Held::Plain, true, true, Some(0xa5));
        assert_eq!(last(&stored, Holder::Memory), memory);

        let received = scene(receive);
        assert_eq!(last(&received, L1), (Held::Clean, true, false, Some(1)));
        let memory = (Held::Plain, false, false, Some(2));
        assert_eq!(last(&received, Holder::Memory), memory);
    }

    #[test]
    fn arrows_say_where_the_bytes_went() {
        let scene = scene(|cpu, engine| {
            receive(cpu, engine);
            cpu.invalidate(0, 64);
            cpu.take_back(0, 64);
            assert_eq!(cpu.load(0, 64), [2; 64]);
        });

        let flows = scene.columns.iter().flat_map(|column| &column.flows);
        let found: Vec<(End, End)> = flows.map(|flow| (flow.from, flow.to)).collect();

        let (l1, memory) = (End::Holder(L1), End::Holder(Holder::Memory));
        let bus = End::Holder(Holder::Posted);
        let expected = [
            (End::Cpu, l1),
            (l1, memory),
            (End::Device, bus),
            (bus, memory),
            (l1, End::Cpu),
            (memory, l1),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_discarded_goes_nowhere_and_a_store_has_one_arrow() {
        let scene = scene(|cpu, _| {
            cpu.own(0, 64);
            // What memory holds already: the line is read for it as well.
            cpu.store(0, &[0xa5; 64]);
            cpu.store(0, &[1; 64]);
            cpu.before_doorbell();
            cpu.invalidate(0, 64);
        });

        let flows = scene.columns.iter().flat_map(|column| &column.flows);
        let found: Vec<(End, End)> = flows.map(|flow| (flow.from, flow.to)).collect();
        let store = (End::Cpu, End::Holder(L1));
        assert_eq!(found, [store, store]);
    }

    #[test]
    fn what_a_device_reads_comes_from_memory() {
        let scene = scene(|cpu, engine| {
            cpu.own(0, 64);
            cpu.store(0, &[1; 64]);
            cpu.before_doorbell();
            cpu.lend(0, 64, DataDirection::ToDevice);
            let read = engine.read(cpu.dma(0), 64);
            assert_eq!(read, Ok(vec![0xa5; 64]));
        });

        let column = scene.columns.len() - 1;
        let flows = &scene.columns[column].flows;
        assert_eq!(flows.len(), 1);
        assert_eq!(flows[0].from, End::Holder(Holder::Memory));
        assert_eq!(flows[0].to, End::Device);
        let place = Place::Cell {
            column,
            panel: 0,
            holder: Holder::Memory,
            part: 0,
        };
        assert_eq!(scene.wrong, Some(place));
    }

    #[test]
    fn what_a_device_reads_that_snoops_comes_from_a_dirty_copy() {
        let machine = SimMachine::new(Config {
            snooping: Snooping::Snoops,
            ..machine().config().clone()
        })
        .expect("a machine");
        let cpu = Cpu::new(&machine);
        let engine = DmaEngine::new(&machine, Limits::UNLIMITED, Snooping::Snoops);
        cpu.own(0, 64);
        cpu.store(0, &[1; 64]);
        cpu.before_doorbell();
        cpu.lend(0, 64, DataDirection::ToDevice);
        let first = engine.read(cpu.dma(0), 64);
        cpu.issue(crate::steps::Operation::CleanAndInvalidate, 0, 64);
        cpu.complete();
        let second = engine.read(cpu.dma(0), 64);
        assert_eq!([first, second], [Ok(vec![1; 64]), Ok(vec![1; 64])]);

        let scene = Scene::new(&machine.history(), None);

        let read = |flow: &&Flow| flow.to == End::Device;
        let flows = scene.columns.iter().flat_map(|column| &column.flows);
        let found: Vec<End> = flows.filter(read).map(|flow| flow.from).collect();
        let expected = [L1, Holder::Memory].map(End::Holder);
        assert_eq!(found, expected);
        drop(machine.verdict());
    }

    #[test]
    fn what_is_wrong_is_in_the_copy_or_in_the_step() {
        let stale = scene(|cpu, engine| {
            receive(cpu, engine);
            cpu.take_back(0, 64);
        });
        let touched = scene(|cpu, engine| {
            receive(cpu, engine);
            cpu.store(0, &[3]);
        });

        let column = stale.columns.len() - 1;
        let place = Place::Cell {
            column,
            panel: 0,
            holder: L1,
            part: 0,
        };
        assert_eq!(stale.wrong, Some(place));
        let column = touched.columns.len() - 1;
        assert_eq!(touched.wrong, Some(Place::Head { column }));
    }

    #[test]
    fn a_line_is_cut_where_its_parts_have_different_owners() {
        let scene = scene(|cpu, _| {
            cpu.own(0, 24);
            cpu.own(24, 40);
            cpu.clean(0, 24);
            cpu.before_doorbell();
            cpu.lend(0, 24, DataDirection::ToDevice);
        });

        assert_eq!(scene.panels[0].parts, [0..24, 24..64]);
    }
}
