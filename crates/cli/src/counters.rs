//! `kannas peering counters` and `kannas host counters`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::access::Output;
use crate::exit::Failure;
use crate::noun;
use crate::session::Session;
use crate::table;

/// Shows the counters at `path`: as they are, or what `rows` makes of them
/// under `heads`.
pub(crate) fn show<T: DeserializeOwned>(
    session: &mut Session<'_, '_>,
    path: &str,
    heads: &[&str],
    rows: impl FnOnce(T) -> Vec<Vec<String>>,
) -> Result<(), Failure> {
    let answer = session.client.get(&format!("{path}/counters"), &[])?;
    let counters = session.client.within(answer, &["counters"])?;
    match session.output {
        Output::Json => session.json(&counters),
        Output::Table => Ok(table::table(heads, &rows(noun::read(counters)?), session.shell.out)?),
    }
}

#[derive(Deserialize)]
pub(crate) struct Peering {
    sent: Traffic,
    received: Traffic,
    dropped: Vec<Dropped>,
}

#[derive(Deserialize)]
struct Traffic {
    packets: u64,
    bytes: u64,
}

#[derive(Deserialize)]
struct Dropped {
    reason: String,
    #[serde(flatten)]
    traffic: Traffic,
}

impl Peering {
    pub(crate) const HEADS: &'static [&'static str] = &["WHAT", "PACKETS", "BYTES"];

    pub(crate) fn rows(self) -> Vec<Vec<String>> {
        let row =
            |what: String, it: &Traffic| vec![what, it.packets.to_string(), it.bytes.to_string()];
        let mut rows =
            vec![row("sent".to_owned(), &self.sent), row("received".to_owned(), &self.received)];
        let dropped = self.dropped.iter();
        rows.extend(dropped.map(|it| row(format!("dropped: {}", it.reason), &it.traffic)));
        rows
    }
}

#[derive(Deserialize)]
pub(crate) struct Host {
    packets: BTreeMap<String, u64>,
}

impl Host {
    pub(crate) const HEADS: &'static [&'static str] = &["WHAT", "PACKETS"];

    /// What never happened is left out.
    pub(crate) fn rows(self) -> Vec<Vec<String>> {
        let happened = self.packets.into_iter().filter(|(_, packets)| *packets > 0);
        happened.map(|(what, packets)| vec![what, packets.to_string()]).collect()
    }
}
