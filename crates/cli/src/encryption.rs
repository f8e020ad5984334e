//! `kannas zone encrypt` and `kannas zone keys`.

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::access::Output;
use crate::exit::Failure;
use crate::noun;
use crate::session::{Session, segment};
use crate::table;

/// Let nothing go in the clear between the hosts of two zones (for
/// administrators)
#[derive(Debug, Args)]
pub(crate) struct Encrypt {
    /// Id
    zone: String,

    /// Id of the other [default: the same, for what goes between its own hosts]
    other: Option<String>,

    /// Send in the clear again
    #[arg(long)]
    off: bool,
}

/// Show what is encrypted and how old its keys are (for administrators)
#[derive(Debug, Args)]
pub(crate) struct Keys {
    /// Have all hosts make new ones now
    #[arg(long)]
    rotate: bool,
}

const PATH: &str = "/kannas/v1/encryption";

#[derive(Deserialize)]
struct Encryption {
    generation: Option<u64>,
    since: Option<String>,
    rotating: bool,
    waits_for: Vec<String>,
    pairs: Vec<Pair>,
}

#[derive(Deserialize)]
struct Pair {
    zones: [String; 2],
    since: String,
}

impl Encrypt {
    pub(crate) fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let Self { zone, other, off } = self;
        let other = other.unwrap_or_else(|| zone.clone());
        let path = format!("{PATH}/{}/{}", segment(&zone), segment(&other));
        let answer = if off {
            session.client.delete(&path)?;
            session.client.get(PATH, &[])?
        } else {
            session.client.put(&path, &json!({}))?
        };
        let now = session.client.within(answer, &["encryption"])?;
        if session.output == Output::Json {
            return session.json(&now);
        }
        let how = if off { "in the clear" } else { "encrypted only" };
        let (zone, other) = (table::clean(&zone), table::clean(&other));
        Ok(writeln!(session.shell.out, "{zone} and {other}: {how}")?)
    }
}

impl Keys {
    pub(crate) fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let answer = if self.rotate {
            session.client.post(&format!("{PATH}/rotate"), &json!({}))?
        } else {
            session.client.get(PATH, &[])?
        };
        let now: Value = session.client.within(answer, &["encryption"])?;
        if session.output == Output::Json {
            return session.json(&now);
        }
        let it: Encryption = noun::read(now)?;
        let rotating = match (it.rotating, it.waits_for.is_empty()) {
            (false, _) => "no".to_owned(),
            (true, true) => "yes".to_owned(),
            (true, false) => format!("waits for {}", it.waits_for.join(", ")),
        };
        let generation = it.generation.map(|n| n.to_string()).unwrap_or_default();
        let card = [
            ("Generation", generation),
            ("In use since", it.since.unwrap_or_default()),
            ("Rotating", rotating),
        ];
        table::card(&card, session.shell.out)?;
        let rows = it.pairs.into_iter().map(|Pair { zones: [a, b], since }| vec![a, b, since]);
        let rows: Vec<Vec<String>> = rows.collect();
        Ok(table::table(&["ZONE", "AND", "ENCRYPTED SINCE"], &rows, session.shell.out)?)
    }
}
