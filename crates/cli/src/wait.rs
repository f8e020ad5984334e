//! Waiting for a peering's state.

use std::time::{Duration, Instant};

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::Value;

use crate::exit::{Exit, Failure};
use crate::noun;
use crate::peering::Peering;
use crate::session::Session;
use crate::span::Span;
use crate::table::clean;

/// Contract section 4.7.
const STATES: [&str; 10] = [
    "active",
    "conflict-subnet",
    "deleted-peer-network",
    "disabled",
    "error",
    "missing-local-router",
    "missing-peer-router",
    "peer-disabled",
    "pending-peer",
    "provisioning",
];

/// Between two questions, first and at most.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// Wait for a state [without one: active, or disabled if that is asked for]
    #[arg(
        long,
        value_name = "STATE",
        num_args = 0..=1,
        require_equals = true,
        value_parser = PossibleValuesParser::new(STATES)
    )]
    wait: Option<Option<String>>,

    /// Wait no longer than this
    #[arg(long, value_name = "TIME", default_value = "60s")]
    timeout: Span,
}

impl Wait {
    /// Shows the peering `it`: as it is, or once it is as was asked for.
    ///
    /// # Errors
    /// It is still something else when the time is over; it is gone.
    pub(crate) fn then_show(
        self,
        usual: &str,
        it: Value,
        session: &mut Session<'_, '_>,
    ) -> Result<(), Failure> {
        let it = match self.wait {
            Some(state) => until(state.as_deref().unwrap_or(usual), it, self.timeout, session)?,
            None => it,
        };
        session.show::<Peering>(it)
    }
}

fn until(
    want: &str,
    mut value: Value,
    limit: Span,
    session: &mut Session<'_, '_>,
) -> Result<Value, Failure> {
    let end = Instant::now() + limit.duration();
    let [mut pause, longest] = PAUSES;
    let mut told = String::new();
    loop {
        let it: Peering = noun::read(value.clone())?;
        if it.state == want {
            return Ok(value);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(late(&it, want, limit));
        }
        if session.shell.progress && told != it.state {
            let [name, state] = [&it.name, &it.state].map(|text| clean(text));
            writeln!(session.shell.err, "{name} is {state}, waiting for {want}")?;
            told = it.state;
        }
        sleep(pause.min(left));
        pause = (pause * 2).min(longest);
        value = noun::one::<Peering>(&session.client, it.uuid)?;
    }
}

fn late(it: &Peering, want: &str, limit: Span) -> Failure {
    let Peering { name, state, .. } = it;
    let why = it.why();
    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    let message = format!("{name} is {state}, not {want}, after {limit}{why}");
    Failure::new(Exit::Failed, anyhow::Error::msg(message))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a server does not tell of its changes or its return: it is asked again after a pause"
)]
pub(crate) fn sleep(pause: Duration) {
    std::thread::sleep(pause);
}
