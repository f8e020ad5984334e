//! `kannas events` and `kannas history`.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::Shell;
use crate::access::{Access, Output, Run};
use crate::client::CallError;
use crate::exit::{Exit, Failure};
use crate::noun;
use crate::peering::Peering;
use crate::session::Session;
use crate::table;
use crate::wait::sleep;

const HEADS: &[&str] = &["AT", "REVISION", "WHO", "WHAT"];

/// Attempts to go on after a stream was cut, and the pause before each.
const ATTEMPTS: u32 = 30;
const PAUSE: Duration = Duration::from_secs(1);

/// What follows from the rest, or only counts.
const UNTOLD: [&str; 5] = ["kind", "revision", "router_since", "subnets_since", "configured_since"];

/// Show what was done, and by whom
///
/// The newest comes last. Administrators see that other accounts' things were
/// changed, and not what they are.
#[derive(Debug, Args)]
pub(crate) struct Events {
    #[command(flatten)]
    access: Access,

    #[command(flatten)]
    asked: Asked,
}

#[derive(Debug, Args)]
struct Asked {
    /// Go on telling as things happen
    #[arg(long)]
    follow: bool,

    /// Only what was done after this revision
    #[arg(long, value_name = "REVISION")]
    after: Option<u64>,

    /// As many at most
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1000))]
    limit: u64,

    /// Compare all that was written down with its hashes (for administrators)
    #[arg(long, conflicts_with_all = ["follow", "after"])]
    check: bool,
}

/// Show what was done to a peering or anything else, and by whom
#[derive(Debug, Args)]
pub(crate) struct History {
    #[command(flatten)]
    access: Access,

    #[command(flatten)]
    of: Of,
}

#[derive(Debug, Args)]
struct Of {
    /// Peering: its name, UUID, or its beginning; or the UUID of anything, also
    /// of what is gone
    what: String,
}

#[derive(Deserialize)]
struct Event {
    revision: u64,
    at: String,
    who: String,
    from: Option<String>,
    cause: String,
    changes: Vec<Change>,
}

#[derive(Deserialize)]
struct Change {
    kind: String,
    id: String,
    change: String,
    before: Option<Map<String, Value>>,
    after: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
struct Check {
    entries: Option<u64>,
    first: Option<u64>,
    last: Option<u64>,
    broken: Option<u64>,
}

impl Events {
    pub(crate) fn run(self, shell: &mut Shell<'_>) -> Result<(), Failure> {
        self.access.run(self.asked, shell)
    }
}

impl History {
    pub(crate) fn run(self, shell: &mut Shell<'_>) -> Result<(), Failure> {
        self.access.run(self.of, shell)
    }
}

impl Run for Of {
    fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let uuid = session.resolve::<Peering>(&self.what)?;
        let answer = session.client.get(&format!("/kannas/v1/history/{uuid}"), &[])?;
        let mut events = events_of(session, answer)?;
        events.reverse();
        show(session, events)
    }
}

impl Run for Asked {
    fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        if self.check {
            return check(session);
        }
        let limit = ("limit", self.limit.to_string());
        let query: Vec<_> =
            self.after.map(|it| ("after", it.to_string())).into_iter().chain([limit]).collect();
        let answer = session.client.get("/kannas/v1/events", &query)?;
        let mut events = events_of(session, answer)?;
        if self.after.is_none() {
            events.reverse();
        }
        let newest = events.last().and_then(|it| it["revision"].as_u64());
        if self.follow && session.output == Output::Json {
            events.iter().try_for_each(|it| line(session, it))?;
        } else {
            show(session, events)?;
        }
        if self.follow { follow(session, newest.or(self.after)) } else { Ok(()) }
    }
}

fn events_of(session: &Session<'_, '_>, answer: Value) -> Result<Vec<Value>, Failure> {
    noun::read(session.client.within(answer, &["events", "event"])?)
}

fn show(session: &mut Session<'_, '_>, events: Vec<Value>) -> Result<(), Failure> {
    if session.output == Output::Json {
        return session.json(&events);
    }
    let mut rows = Vec::new();
    for event in events {
        rows.extend(noun::read::<Event>(event)?.rows());
    }
    Ok(table::table(HEADS, &rows, session.shell.out)?)
}

fn check(session: &mut Session<'_, '_>) -> Result<(), Failure> {
    let answer = session.client.get("/kannas/v1/events/check", &[])?;
    let answer = session.client.within(answer, &["check"])?;
    let it: Check = noun::read(answer.clone())?;
    if let Some(revision) = it.broken {
        let message = format!(
            "what was written down of revision {revision} is not what was written, or the one \
             before it is gone"
        );
        return Err(Failure::new(Exit::Failed, anyhow::Error::msg(message)));
    }
    if session.output == Output::Json {
        return session.json(&answer);
    }
    let [entries, first, last] = [it.entries, it.first, it.last].map(Option::unwrap_or_default);
    let text = format!("{entries} events, revisions {first} to {last}: each is as it was written");
    Ok(writeln!(session.shell.out, "{text}")?)
}

/// Until somebody ends it, or the server stays away.
fn follow(session: &mut Session<'_, '_>, mut last: Option<u64>) -> Result<(), Failure> {
    let mut failed = 0;
    loop {
        let path = match last {
            Some(last) => format!("/kannas/v1/events/stream?after={last}"),
            None => "/kannas/v1/events/stream".to_owned(),
        };
        match session.client.stream(&path) {
            Ok(stream) => {
                failed = 0;
                last = take(session, BufReader::new(stream))?.or(last);
            }
            Err(error @ CallError::Refused { .. }) => return Err(error.into()),
            Err(error) if failed == ATTEMPTS => return Err(error.into()),
            Err(_) => {}
        }
        failed += 1;
        sleep(PAUSE);
    }
}

/// Gives the last revision that was told of. That the stream was cut is how it
/// ends.
fn take(session: &mut Session<'_, '_>, lines: impl BufRead) -> Result<Option<u64>, Failure> {
    let mut last = None;
    for text in lines.lines().map_while(Result::ok) {
        let Some(data) = text.strip_prefix("data: ") else { continue };
        let Ok(value) = serde_json::from_str::<Value>(data) else { continue };
        last = value["revision"].as_u64().or(last);
        line(session, &value)?;
        session.shell.out.flush()?;
    }
    Ok(last)
}

/// One event in what is followed: JSON without line breaks, or as in the table.
fn line(session: &mut Session<'_, '_>, event: &Value) -> Result<(), Failure> {
    if session.output == Output::Json {
        return Ok(writeln!(session.shell.out, "{event}")?);
    }
    for row in noun::read::<Event>(event.clone())?.rows() {
        let cells: Vec<String> = row.iter().map(|cell| table::clean(cell)).collect();
        writeln!(session.shell.out, "{}", cells.join("  "))?;
    }
    Ok(())
}

impl Event {
    fn rows(self) -> Vec<Vec<String>> {
        // Of a request, what it did says what it was.
        let why = match self.from {
            Some(from) => format!(" from {from}"),
            None if self.cause.starts_with(char::is_lowercase) => format!(": {}", self.cause),
            None => String::new(),
        };
        let who = self.who + &why;
        let head = |what| vec![self.at.clone(), self.revision.to_string(), who.clone(), what];
        self.changes.iter().map(|it| head(it.text())).collect()
    }
}

impl Change {
    fn text(&self) -> String {
        let object = self.after.as_ref().or(self.before.as_ref());
        let name = object.and_then(|it| it.get("name").or_else(|| it.get("title")));
        let name = name.and_then(Value::as_str).filter(|name| *name != self.id);
        let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
        let what = format!("{} {} {}{name}", self.change, self.kind, self.id);
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => format!("{what}: {}", differences(before, after)),
            _ => what,
        }
    }
}

fn differences(before: &Map<String, Value>, after: &Map<String, Value>) -> String {
    let text = |it: Option<&Value>| match it {
        None | Some(Value::Null) => "none".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| !UNTOLD.contains(&name.as_str()) && before.get(*name) != after.get(*name));
    let one =
        |name: &String| format!("{name} {} -> {}", text(before.get(name)), text(after.get(name)));
    names.into_iter().map(one).collect::<Vec<_>>().join(", ")
}
