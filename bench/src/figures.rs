//! All that was measured, as a table to read and as a file.

use core::fmt::Write as _;

use crate::roster::OURS;
use crate::stats::Spread;

/// What a figure says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Nanoseconds per call.
    Nanos,
    /// Nanoseconds per call, beside ours in the same round.
    Ratio,
    /// Nanoseconds per call, less what the harness takes.
    Over,
    /// Instructions per call.
    Instructions,
    /// Nanoseconds of the slowest call.
    Worst,
    /// Nanoseconds that 99 of 100 calls do not exceed.
    Percentile99,
    /// The slowest call beside the median call.
    WorstRatio,
    /// Nanoseconds per call with the same blocks in a region of that length.
    Growth,
    /// Percent of requests that were refused.
    Refused,
    /// Percent of what was to be had that could be had.
    Success,
    /// Bits of books per page.
    Bits,
    /// Two threads' throughput beside one's.
    Speedup,
}

impl Measure {
    /// In the order of the tables.
    pub const ALL: [Self; 12] = [
        Self::Instructions,
        Self::Nanos,
        Self::Over,
        Self::Ratio,
        Self::Percentile99,
        Self::Worst,
        Self::WorstRatio,
        Self::Growth,
        Self::Refused,
        Self::Success,
        Self::Bits,
        Self::Speedup,
    ];

    /// The heading of its table.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Nanos => "nanoseconds per call (median)",
            Self::Over => "nanoseconds per call over the harness (median)",
            Self::Ratio => "nanoseconds beside ours (median of rounds)",
            Self::Instructions => "instructions per call",
            Self::Worst => "nanoseconds of the slowest call",
            Self::Percentile99 => "nanoseconds of the call that is slower than 99 of 100",
            Self::WorstRatio => "the slowest call beside the median call",
            Self::Growth => "nanoseconds per call with the same blocks in larger regions (median)",
            Self::Refused => "percent of requests refused",
            Self::Success => "percent that could be had",
            Self::Bits => "bits of books per page",
            Self::Speedup => "two threads' throughput beside one's",
        }
    }

    /// Its name in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nanos => "ns",
            Self::Over => "ns_over_harness",
            Self::Ratio => "ratio",
            Self::Instructions => "instructions",
            Self::Worst => "worst_ns",
            Self::Percentile99 => "p99_ns",
            Self::WorstRatio => "worst_ratio",
            Self::Growth => "growth_ns",
            Self::Refused => "refused_percent",
            Self::Success => "success_percent",
            Self::Bits => "bits_per_page",
            Self::Speedup => "speedup",
        }
    }
}

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Whose.
    pub peer: &'static str,
    /// In which workload.
    pub workload: String,
    /// What it says.
    pub measure: Measure,
    /// Its value; where there is but one, all three are the same.
    pub value: Spread,
}

/// All figures of a run.
#[derive(Clone, Debug, Default)]
pub struct Figures(Vec<Figure>);

impl Figures {
    /// Adds one that is measured once.
    pub fn add(&mut self, peer: &'static str, workload: &str, measure: Measure, value: f64) {
        let value = Spread {
            low: value,
            median: value,
            high: value,
        };
        self.add_spread(peer, workload, measure, value);
    }

    /// Adds one.
    pub fn add_spread(
        &mut self,
        peer: &'static str,
        workload: &str,
        measure: Measure,
        value: Spread,
    ) {
        self.0.push(Figure {
            peer,
            workload: workload.to_owned(),
            measure,
            value,
        });
    }

    /// That figure, if it was measured.
    #[must_use]
    pub fn get(&self, peer: &str, workload: &str, measure: Measure) -> Option<Spread> {
        let found = self.0.iter().find(|figure| {
            figure.peer == peer && figure.workload == workload && figure.measure == measure
        });
        found.map(|figure| figure.value)
    }

    /// The workloads that have such figures, in the order they were measured.
    #[must_use]
    pub fn workloads(&self, measure: Measure) -> Vec<&str> {
        distinct(
            self.0
                .iter()
                .filter(|figure| figure.measure == measure)
                .map(|figure| figure.workload.as_str()),
        )
    }

    /// Whoever has figures, in the order of the roster.
    #[must_use]
    pub fn peers(&self) -> Vec<&'static str> {
        distinct(self.0.iter().map(|figure| figure.peer))
    }

    /// A table for each measure that has figures.
    #[must_use]
    pub fn tables(&self) -> String {
        let mut text = String::new();
        for measure in Measure::ALL {
            let workloads = self.workloads(measure);
            if workloads.is_empty() {
                continue;
            }
            line(&mut text, format_args!("\n{}", measure.title()));
            let mut heading = format!("{:18}", "");
            for workload in &workloads {
                cell(&mut heading, workload);
            }
            line(&mut text, format_args!("{heading}"));
            for peer in self.peers() {
                let values: Vec<Option<Spread>> = workloads
                    .iter()
                    .map(|workload| self.get(peer, workload, measure))
                    .collect();
                if values.iter().all(Option::is_none) {
                    continue;
                }
                let mut row = format!("{peer:18}");
                for value in values {
                    cell(&mut row, &value.map_or("-".to_owned(), |v| short(v.median)));
                }
                line(&mut text, format_args!("{row}"));
            }
        }
        text
    }

    /// A line for each figure.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut text = String::from("peer,workload,measure,median,lower_quartile,upper_quartile\n");
        for figure in &self.0 {
            let Spread { low, median, high } = figure.value;
            line(
                &mut text,
                format_args!(
                    "{},{},{},{median:.4},{low:.4},{high:.4}",
                    figure.peer,
                    figure.workload,
                    figure.measure.name()
                ),
            );
        }
        text
    }

    /// Adds how long each took beside ours; `ratios` are of one workload.
    pub fn add_ratio(&mut self, peer: &'static str, workload: &str, ratio: Spread) {
        if peer != OURS {
            self.add_spread(peer, workload, Measure::Ratio, ratio);
        }
    }
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    for name in names {
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

fn cell(row: &mut String, text: &str) {
    // Writing to a string does not fail.
    let _ = write!(row, " {text:>9}");
}

fn line(text: &mut String, content: core::fmt::Arguments<'_>) {
    // As above.
    let _ = writeln!(text, "{content}");
}

/// Three digits, or all before the point.
#[must_use]
pub fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_line_for_each_figure_and_a_table_a_column_for_each_workload() {
        let mut figures = Figures::default();
        figures.add("one", "pair", Measure::Nanos, 12.345);
        figures.add("two", "bulk", Measure::Nanos, 4321.0);

        assert_eq!(
            figures.csv(),
            "peer,workload,measure,median,lower_quartile,upper_quartile\n\
             one,pair,ns,12.3450,12.3450,12.3450\ntwo,bulk,ns,4321.0000,4321.0000,4321.0000\n"
        );
        assert_eq!(
            figures.tables(),
            "\nnanoseconds per call (median)\n                        pair      bulk\n\
             one                     12.3         -\ntwo                        -      4321\n"
        );
    }
}
