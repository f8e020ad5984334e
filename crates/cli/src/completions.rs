//! `kannas completions`.

use clap::Args;
use clap_complete::Shell as Kind;

use crate::Shell;
use crate::exit::Failure;

/// Print what makes a shell complete kannas' commands and flags
///
/// For bash: kannas completions bash > /etc/bash_completion.d/kannas
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell to teach
    #[arg(value_name = "SHELL")]
    kind: Kind,
}

impl Completions {
    pub(crate) fn run(&self, shell: &mut Shell<'_>) -> Result<(), Failure> {
        let mut text = Vec::new();
        clap_complete::generate(self.kind, &mut crate::command(), "kannas", &mut text);
        Ok(shell.out.write_all(&text)?)
    }
}
