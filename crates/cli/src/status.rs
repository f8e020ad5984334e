//! `kannas status`.

use std::collections::BTreeMap;
use std::io::{self, Write};

use clap::Args;
use model::peering_group::Status as Stage;
use model::wire::peering_group::View;
use model::wire::port::HostView;
use serde_json::{Value, json};

use crate::Shell;
use crate::access::{Access, Output, Run};
use crate::exit::{Exit, Failure};
use crate::noun::{self, Row};
use crate::peering::Peering;
use crate::session::Session;
use crate::table::table;

/// Show what needs a person: hosts that are away or fail, peerings that do not work, groups that stopped
///
/// Hosts are shown to administrators only.
#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    access: Access,
}

struct Look;

/// Everything of a kind, as the API has it and as we read it.
type All<R> = Vec<(Value, R)>;

impl Status {
    pub(crate) fn run(self, shell: &mut Shell<'_>) -> Result<(), Failure> {
        self.access.run(Look, shell)
    }
}

impl Run for Look {
    fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let hosts = match all::<HostView>(session) {
            Err(failure) if failure.is(Exit::Refused) => None,
            hosts => Some(hosts?),
        };
        let peerings = all::<Peering>(session)?;
        // They are for main accounts.
        let groups = match all::<View>(session) {
            Err(failure) if failure.is(Exit::Refused) => Vec::new(),
            groups => groups?,
        };
        match session.output {
            Output::Json => {
                let hosts = hosts.map(|hosts| values(hosts, host_in_trouble));
                let peerings = values(peerings, peering_in_trouble);
                let groups = values(groups, group_in_trouble);
                session.json(&json!({"hosts": hosts, "peerings": peerings, "groups": groups}))
            }
            Output::Table => {
                let out = &mut *session.shell.out;
                match hosts {
                    Some(hosts) => show_hosts(&hosts, out)?,
                    None => writeln!(out, "hosts: for administrators")?,
                }
                show_peerings(&peerings, out)?;
                Ok(show_groups(&groups, out)?)
            }
        }
    }
}

fn all<R: Row>(session: &Session<'_, '_>) -> Result<All<R>, Failure> {
    let values = noun::list::<R>(&session.client, &[])?.into_iter();
    values.map(|value| Ok((value.clone(), noun::read(value)?))).collect()
}

fn values<R>(all: All<R>, in_trouble: fn(&R) -> bool) -> Vec<Value> {
    all.into_iter().filter(|(_, it)| in_trouble(it)).map(|(value, _)| value).collect()
}

fn host_in_trouble(it: &HostView) -> bool {
    !it.live || !it.errors.is_empty()
}

fn peering_in_trouble(it: &Peering) -> bool {
    !matches!(&*it.state, "active" | "disabled") || it.has_reasons()
}

fn group_in_trouble(it: &View) -> bool {
    it.state == Stage::Stopped
}

fn show_hosts(all: &All<HostView>, out: &mut dyn Write) -> io::Result<()> {
    let hosts = || all.iter().map(|(_, host)| host);
    let live = hosts().filter(|host| host.live).count();
    writeln!(out, "hosts: {live} of {} live", all.len())?;
    let row = |it: &HostView| {
        vec![it.name.clone(), it.zone.clone(), crate::host::live(it), it.errors.join("; ")]
    };
    let rows: Vec<_> = hosts().filter(|host| host_in_trouble(host)).map(row).collect();
    if rows.is_empty() { Ok(()) } else { table(&["HOST", "ZONE", "LIVE", "ERRORS"], &rows, out) }
}

fn show_peerings(all: &All<Peering>, out: &mut dyn Write) -> io::Result<()> {
    let peerings = || all.iter().map(|(_, peering)| peering);
    let mut counts = BTreeMap::new();
    for it in peerings() {
        *counts.entry(&*it.state).or_insert(0) += 1;
    }
    let counts = counts.into_iter().map(|(state, count)| format!("{count} {state}"));
    let counts = counts.collect::<Vec<_>>().join(", ");
    writeln!(out, "peerings: {}", if counts.is_empty() { "none" } else { &counts })?;
    let row = |it: &Peering| vec![it.name.clone(), it.uuid.to_string(), it.state.clone(), it.why()];
    let rows: Vec<_> = peerings().filter(|it| peering_in_trouble(it)).map(row).collect();
    if rows.is_empty() {
        Ok(())
    } else {
        table(&["PEERING", "UUID", "STATE", "REASON"], &rows, out)
    }
}

fn show_groups(all: &All<View>, out: &mut dyn Write) -> io::Result<()> {
    let why = |it: &View| {
        let reasons = it.reasons.iter().map(|reason| reason.message.trim_end_matches('.'));
        vec![it.name.clone(), it.uuid.to_string(), reasons.collect::<Vec<_>>().join("; ")]
    };
    let stopped = all.iter().map(|(_, it)| it).filter(|it| group_in_trouble(it));
    let rows: Vec<_> = stopped.map(why).collect();
    if rows.is_empty() { Ok(()) } else { table(&["GROUP", "UUID", "STOPPED BY"], &rows, out) }
}
