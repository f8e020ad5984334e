//! Text for people.

use std::io::{self, Write};

/// Columns under their heads, two spaces apart.
///
/// # Errors
/// `out` cannot be written.
pub(crate) fn table(heads: &[&str], rows: &[Vec<String>], out: &mut dyn Write) -> io::Result<()> {
    let heads = heads.iter().map(|head| (*head).to_owned()).collect();
    let rows = rows.iter().map(|row| row.iter().map(|cell| clean(cell)).collect());
    let lines: Vec<Vec<String>> = std::iter::once(heads).chain(rows).collect();
    let columns = lines[0].len();
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    out.write_all(text.as_bytes())
}

/// A line for each thing that is known.
///
/// # Errors
/// `out` cannot be written.
pub(crate) fn card(lines: &[(&'static str, String)], out: &mut dyn Write) -> io::Result<()> {
    let width = lines.iter().map(|(what, _)| what.len() + 1).max().unwrap_or(0);
    let line =
        |(what, it): &(&str, String)| format!("{:width$}  {}\n", format!("{what}:"), clean(it));
    out.write_all(lines.iter().map(line).collect::<String>().as_bytes())
}

/// Others gave things their names: nothing in them may move the cursor.
pub(crate) fn clean(text: &str) -> String {
    if text.is_empty() {
        return "-".to_owned();
    }
    text.replace(char::is_control, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["å".to_owned(), "x".to_owned()], vec!["three".to_owned(), String::new()]];
        let mut out = Vec::new();
        table(&["A", "B"], &rows, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "A      B\nå      x\nthree  -\n");
    }

    #[test]
    fn a_name_cannot_write_on_the_terminal() {
        let mut out = Vec::new();
        card(&[("Name", "\u{1b}[2Jx\n".to_owned()), ("Id", "1".to_owned())], &mut out).unwrap();
        let want = "Name:  \u{fffd}[2Jx\u{fffd}\nId:    1\n";
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }
}
