//! Rows of text under headings, each column as wide as its widest cell.

/// The rows under the headings, one line each; numbers stand at the right of their column.
pub(crate) fn format<const COLUMNS: usize>(
    headings: [&str; COLUMNS],
    rows: &[[String; COLUMNS]],
) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells
            .chain([headings[column].chars().count()])
            .max()
            .unwrap_or_default()
    };
    let mut text = String::new();
    for row in [headings.map(str::to_owned)].iter().chain(rows) {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = width(column);
            if cell.starts_with(|first: char| first.is_ascii_digit()) {
                line.push_str(&format!("{cell:>width$}  "));
            } else {
                line.push_str(&format!("{cell:<width$}  "));
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let rows = [
            ["a".to_owned(), "1".to_owned()],
            ["long".to_owned(), "12345".to_owned()],
        ];

        assert_eq!(
            format(["name", "n"], &rows),
            "name  n\na         1\nlong  12345\n"
        );
    }
}
