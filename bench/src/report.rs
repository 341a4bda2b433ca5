//! The page that is checked in: how it was measured, who was compared, and the tables.

use core::fmt::{self, Write as _};

use crate::figures::{Figures, Measure, short};
use crate::peer::{Books, Row};
use crate::versions::version;

/// The page of the pools.
#[must_use]
pub fn page(method: &str, rows: &[Row], figures: &Figures) -> String {
    let mut page = method.to_owned();
    // Writing to a string does not fail.
    let _ = write_page(&mut page, rows, figures);
    page
}

fn write_page(page: &mut String, rows: &[Row], figures: &Figures) -> fmt::Result {
    writeln!(page, "\n## Who is compared\n")?;
    writeln!(page, "| name | package | books | |\n|---|---|---|---|")?;
    for row in rows {
        let package = match row.package {
            Some(name) => format!("{name} {}", version(name).unwrap_or("?")),
            None => "this workspace".to_owned(),
        };
        let books = match row.books {
            Books::Side => "outside",
            Books::InBand => "in the memory",
            Books::None => "none",
        };
        writeln!(
            page,
            "| {} | {package} | {books} | {} |",
            row.name, row.note
        )?;
    }

    for measure in Measure::ALL {
        let workloads = figures.workloads(measure);
        if workloads.is_empty() {
            continue;
        }
        writeln!(page, "\n## {}\n", measure.title())?;
        writeln!(page, "| | {} |", workloads.join(" | "))?;
        writeln!(page, "|---|{}", "---:|".repeat(workloads.len()))?;
        for peer in figures.peers() {
            let values: Vec<Option<f64>> = workloads
                .iter()
                .map(|workload| Some(figures.get(peer, workload, measure)?.median))
                .collect();
            if values.iter().all(Option::is_none) {
                continue;
            }
            let cells: Vec<String> = values
                .into_iter()
                .map(|value| value.map_or("–".to_owned(), short))
                .collect();
            writeln!(page, "| {peer} | {} |", cells.join(" | "))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_the_method_the_rows_and_a_table_for_each_measure_that_has_figures() {
        let row = Row {
            name: "one",
            package: None,
            books: Books::Side,
            note: "a note",
        };
        let mut figures = Figures::default();
        figures.add("one", "pair", Measure::Nanos, 12.345);
        figures.add("two", "bulk", Measure::Nanos, 4321.0);

        let page = page("# Method\n", &[row], &figures);

        assert_eq!(
            page,
            "# Method\n\n## Who is compared\n\n| name | package | books | |\n|---|---|---|---|\n\
             | one | this workspace | outside | a note |\n\n## nanoseconds per call (median)\n\n\
             | | pair | bulk |\n|---|---:|---:|\n| one | 12.3 | – |\n| two | – | 4321 |\n"
        );
    }
}
