//! `--plan`: what a command would do, in place of doing it.

use clap::Args;
use model::state::State;
use model::wire::forecast::{HostView, ImportView, NetworkView, One, PeeringView, View, Way};
use serde_json::Value;
use ureq::http::Method;

use crate::access::Output;
use crate::exit::Failure;
use crate::noun;
use crate::session::Session;
use crate::table::{clean, table};

#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// Do nothing: say what it would do to peerings, networks and hosts
    #[arg(long)]
    pub(crate) plan: bool,
}

/// Shows what this call would do.
///
/// # Errors
/// It would be refused, and why.
pub(crate) fn show(
    session: &mut Session<'_, '_>,
    method: &Method,
    path: &str,
    body: Option<&Value>,
) -> Result<(), Failure> {
    let answer = session.client.plan(method, path, body)?;
    if session.output == Output::Json {
        let plan = session.client.within(answer, &["plan"])?;
        return session.json(&plan);
    }
    let One { plan } = noun::read(answer)?;
    write(&plan, session)
}

fn write(plan: &View, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    let out = &mut *session.shell.out;
    writeln!(out, "Nothing was written. At revision {} it would do this:", plan.revision)?;
    let tables = [
        (&PEERINGS[..], plan.peerings.iter().map(peering).collect::<Vec<_>>()),
        (&IMPORTS[..], plan.networks.iter().flat_map(imports).collect()),
        (&HOSTS[..], plan.hosts.iter().map(host).collect()),
    ];
    let quiet = tables.iter().all(|(_, rows)| rows.is_empty());
    for (heads, rows) in tables.iter().filter(|(_, rows)| !rows.is_empty()) {
        writeln!(out)?;
        table(heads, rows, out)?;
    }
    if quiet {
        writeln!(out, "no peering, network or host of yours would be another")?;
    }
    let lines = lines(plan);
    if !lines.is_empty() {
        writeln!(out)?;
    }
    for line in lines {
        writeln!(out, "{}", clean(&line))?;
    }
    Ok(())
}

const PEERINGS: [&str; 4] = ["PEERING", "UUID", "BEFORE", "AFTER"];
const IMPORTS: [&str; 4] = ["NETWORK", "REACHES", "PREFIX", "THROUGH"];
const HOSTS: [&str; 5] = ["HOST", "ROUTES ADDED", "CHANGED", "REMOVED", "PORTS CHANGED"];

fn peering(it: &PeeringView) -> Vec<String> {
    let uuid = it.uuid.map_or_else(|| "new".to_owned(), |uuid| uuid.to_string());
    let after = it.after.map_or("gone", State::name).to_owned();
    let before = it.before.map_or("", State::name).to_owned();
    vec![it.name.clone(), uuid, before, after]
}

fn imports(it: &NetworkView) -> Vec<Vec<String>> {
    let row = |what: &str, import: &ImportView| {
        let through = match import.through {
            Way::Peering => format!("peering {}", import.name),
            Way::Router => format!("router {}", import.name),
        };
        vec![it.name.clone(), what.to_owned(), import.prefix.to_string(), through]
    };
    let lost = it.loses.iter().map(|import| row("no more", import));
    lost.chain(it.gains.iter().map(|import| row("from then on", import))).collect()
}

fn host(it: &HostView) -> Vec<String> {
    let numbers = [it.routes_added, it.routes_changed, it.routes_removed, it.ports_changed];
    std::iter::once(it.name.clone()).chain(numbers.map(|n| n.to_string())).collect()
}

/// What a table cannot say.
fn lines(plan: &View) -> Vec<String> {
    let breaks = plan.peerings.iter().filter(|it| it.breaks);
    let breaks = breaks.map(|it| format!("breaks: the peering {}, which works now", it.name));
    let why = |it: &PeeringView| {
        let reasons = it.reasons.iter().filter(|reason| reason.code != "subnet-overlap");
        let name = it.name.clone();
        reasons.map(move |reason| format!("{name}: {}", reason.message)).collect::<Vec<_>>()
    };
    let clashes = plan.clashes.iter().map(|it| format!("clash: {}", it.message));
    let warnings = plan.warnings.iter().map(|it| format!("warning: {}", it.message));
    let limits = plan.limits.iter().map(|it| {
        format!("limit: {} of {} {} would be used", it.used, it.most, it.limit.replace('_', " "))
    });
    let all = breaks.chain(plan.peerings.iter().flat_map(why)).chain(clashes);
    all.chain(warnings).chain(limits).collect()
}
