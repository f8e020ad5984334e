//! Text that is under review: a test compares what came out with a file in the repository.

use std::path::Path;

/// Compares `actual` with the file; with `UPDATE=1` in the environment writes the file instead.
///
/// # Panics
/// The file differs from `actual` or cannot be read; or cannot be written under `UPDATE=1`.
#[track_caller]
pub fn assert_golden(path: impl AsRef<Path>, actual: &str) {
    let update = std::env::var_os("UPDATE").is_some_and(|value| value == "1");
    if let Err(message) = check(path.as_ref(), actual, update) {
        panic!("{message}");
    }
}

fn check(path: &Path, actual: &str, update: bool) -> Result<(), String> {
    let shown = path.display();
    if update {
        let folder = path.parent().unwrap_or(Path::new("."));
        return std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(path, actual))
            .map_err(|error| format!("{shown} cannot be written: {error}"));
    }
    let wanted = match std::fs::read_to_string(path) {
        Ok(wanted) => wanted,
        Err(error) => {
            return Err(format!(
                "{shown} cannot be read: {error}; run with UPDATE=1 and read the diff"
            ));
        }
    };
    if wanted == actual {
        return Ok(());
    }
    Err(format!(
        "{shown} differs; run with UPDATE=1 and read the diff\n{}",
        first_difference(&wanted, actual)
    ))
}

fn first_difference(wanted: &str, actual: &str) -> String {
    let same =
        wanted.lines().zip(actual.lines()).take_while(|(wanted, actual)| wanted == actual).count();
    let line = |text: &str| {
        text.lines().nth(same).map_or("(the end)".to_owned(), |line| format!("{line:?}"))
    };
    format!("line {}: file {}, now {}", same + 1, line(wanted), line(actual))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_shown_with_its_line_and_update_settles_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sub/help.txt");
        assert!(check(&file, "a\n", false).unwrap_err().contains("run with UPDATE=1"));
        check(&file, "a\nb\n", true).unwrap();
        check(&file, "a\nb\n", false).unwrap();
        let message = check(&file, "a\nc\n", false).unwrap_err();
        let start = format!("{} differs; run with UPDATE=1 and read the diff\n", file.display());
        assert_eq!(message.strip_prefix(&start), Some("line 2: file \"b\", now \"c\""));
    }
}
