//! How a command ends: an exit code, and one line when it failed.

use std::fmt;
use std::io;

pub(crate) const HELP: &str = "\
Exit codes:
  0    done
  1    failed
  2    the command line or a file it names makes no sense
  3    there is no such object, or more than one of that name
  4    refused: by a rule, or for want of permission
  5    the server cannot be reached, or failed
  103  wrong username or password";

/// Documented in [`HELP`]; 103 as upctl has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Ok = 0,
    Failed = 1,
    Usage = 2,
    NotFound = 3,
    Refused = 4,
    Unavailable = 5,
    Credentials = 103,
}

impl Exit {
    pub(crate) fn code(self) -> u8 {
        self as u8
    }
}

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    error: anyhow::Error,
}

impl Failure {
    pub(crate) fn new(exit: Exit, error: anyhow::Error) -> Self {
        Self { exit, error }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, anyhow::Error::msg(message.into()))
    }

    pub(crate) fn code(&self) -> u8 {
        self.exit.code()
    }

    pub(crate) fn is(&self, exit: Exit) -> bool {
        self.exit == exit
    }

    /// Whoever read our output wanted no more of it, as in `kannas ... | head`.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        let kind = self.error.downcast_ref::<io::Error>().map(io::Error::kind);
        kind == Some(io::ErrorKind::BrokenPipe)
    }
}

/// One line, whatever the causes say: they may quote others.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:#}", self.error);
        write!(f, "kannas: {}", text.replace(char::is_control, " "))
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_failure_is_one_line_with_its_causes() {
        let error = anyhow::anyhow!("the\nkernel \u{1b}[31mrefuses");
        let error = Err::<(), _>(error).context("cannot open").unwrap_err();
        let failure = Failure::new(Exit::Failed, error);
        assert_eq!(failure.to_string(), "kannas: cannot open: the kernel  [31mrefuses");
        assert_eq!(failure.code(), 1);
    }
}
