//! `kannas explain`.

use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Shell;
use crate::access::{Access, Output, Run};
use crate::body::Body;
use crate::exit::{Exit, Failure};
use crate::noun;
use crate::session::Session;
use crate::table;

/// Say why packets of a port reach an address, or do not
///
/// Goes along the way: who agreed, what the kernels of both hosts hold, and
/// what becomes of packets that are sent to find out. The last line is what is
/// in the way, if anything is, and what to do about it; then the exit status
/// is 1.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    access: Access,

    #[command(flatten)]
    question: Question,
}

#[derive(Debug, Args)]
struct Question {
    /// A port of yours: its UUID or address
    source: String,

    /// An address, or the UUID of a port of yours
    destination: String,

    /// Protocol of the service that is to be reached
    #[arg(long, value_enum, default_value_t = Protocol::Tcp)]
    proto: Protocol,

    /// Port of the service: whether the workload listens there
    #[arg(long)]
    port: Option<u16>,

    /// Try packets of so many bytes, too
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u16).range(100..))]
    size: Option<u16>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Protocol {
    Tcp,
    Udp,
    Icmp,
}

#[derive(Deserialize)]
struct Explanation {
    reaches: Option<bool>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    step: String,
    outcome: String,
    message: String,
    fix: Option<String>,
}

impl Explain {
    pub(crate) fn run(self, shell: &mut Shell<'_>) -> Result<(), Failure> {
        self.access.run(self.question, shell)
    }
}

impl Run for Question {
    fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let protocol = match self.proto {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Icmp => "icmp",
        };
        let wish = Body::default()
            .with("source", Some(self.source))
            .with("destination", Some(self.destination))
            .with("protocol", Some(protocol))
            .with("port", self.port)
            .with("size", self.size);
        let body = json!({ "explain": Value::from(wish) });
        let answer = session.client.post("/kannas/v1/explain", &body)?;
        let answer = session.client.within(answer, &["explanation"])?;
        let it: Explanation = noun::read(answer.clone())?;
        match session.output {
            Output::Json => session.json(&answer)?,
            Output::Table => {
                let mut rows = Vec::new();
                for Step { step, outcome, message, fix } in it.steps {
                    rows.push(vec![step, outcome, message]);
                    rows.extend(fix.map(|fix| vec![" ".to_owned(), "fix".to_owned(), fix]));
                }
                table::table(&["STEP", "OUTCOME", "WHAT"], &rows, session.shell.out)?;
            }
        }
        match it.reaches {
            Some(false) => {
                let error = anyhow::Error::msg("packets do not get there: see the last step");
                Err(Failure::new(Exit::Failed, error))
            }
            Some(true) | None => Ok(()),
        }
    }
}
