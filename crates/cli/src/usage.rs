//! Command lines that make no sense, in one line each.

use clap::error::ErrorKind;

use crate::Shell;
use crate::exit::Failure;

/// So that help is the same everywhere.
pub(crate) fn hide_env_values(command: clap::Command) -> clap::Command {
    command.mut_args(|arg| arg.hide_env_values(true)).mut_subcommands(hide_env_values)
}

/// Gives the help that was asked for.
///
/// # Errors
/// None was asked for: what is wrong with the command line.
pub(crate) fn tell(error: &clap::Error, shell: &mut Shell<'_>) -> Result<(), Failure> {
    let text = error.render().to_string();
    if !error.use_stderr() {
        return Ok(write!(shell.out, "{text}")?);
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        writeln!(shell.err, "{text}")?;
        return Err(Failure::usage("one of these commands is needed"));
    }
    Err(Failure::usage(sentence(&text)))
}

/// What clap says, without its usage and pointers. Paragraphs become clauses:
/// what is wrong, then the tips.
fn sentence(text: &str) -> String {
    let said = text.trim_start_matches("error: ");
    let end = said.find("\n\nUsage: ").or_else(|| said.find("\n\nFor more information"));
    let said = &said[..end.unwrap_or(said.len())];
    let paragraphs = said.split("\n\n").map(|paragraph| {
        let lines: Vec<&str> = paragraph.lines().map(str::trim).collect();
        lines.join(" ").trim_start_matches("tip: ").to_owned()
    });
    format!("{} (try --help)", paragraphs.collect::<Vec<_>>().join("; "))
}
