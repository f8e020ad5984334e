//! `/kannas/v1/past/…`: what was configured at a time that is over, by undoing
//! what was done since. What hosts said then is not kept: states are those that
//! hosts without a fault would have had.

use std::sync::Arc;

use axum::http::StatusCode;
use model::error::{Rule, Subject};
use model::ids::Revision;
use model::peering::own;
use model::state::Presence;
use model::wire::Each;
use model::wire::peering::{Many, ManyInner, One, View};
use model::world::World;
use store::{From, Log};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::Semaphore;

use crate::api::{Api, Call};
use crate::aside::aside;
use crate::body::json;
use crate::problem::Problem;
use crate::routes::Answer;

/// Entries that are undone at once.
const PAGE: usize = 1000;

/// One at a time: a time long ago costs memory, and seconds of a processor.
static ONE: Semaphore = Semaphore::const_new(1);

pub(crate) async fn list(api: Api, call: Call) -> Answer {
    let world = world_at(&api, &call).await?;
    let page = call.query.page(world.peerings_with(&call.account, call.query.labels()));
    let presence = Presence::default();
    let views = View::all(&world, &presence, api.patience(), &page);
    let network_peerings = ManyInner { network_peering: Each::of(views) };
    Ok(json(StatusCode::OK, &Many { network_peerings }))
}

pub(crate) async fn show(api: Api, call: Call) -> Answer {
    let world = world_at(&api, &call).await?;
    let it = own(&world, &call.account, call.id())?;
    let network_peering = View::new(&world, &Presence::default(), api.patience(), it);
    Ok(json(StatusCode::OK, &One { network_peering }))
}

/// As it was at the time that the query has under `at`.
async fn world_at(api: &Api, call: &Call) -> Result<Arc<World>, Problem> {
    let why = "must be a time like 2026-01-31T12:00:00Z";
    let bad = || Rule::bad(Subject::Request, "at", why);
    let at = call.query.one("at").ok_or_else(bad)?;
    let at = OffsetDateTime::parse(at, &Rfc3339).map_err(|_| bad())?;
    let at_ms = i64::try_from(at.unix_timestamp_nanos() / 1_000_000).map_err(|_| bad())?;
    let (world, log) = (api.store.world(), api.store.log());
    let _turn = ONE.acquire().await.expect("it is never closed");
    let past = aside(move || {
        let revision = log.revision_at(at_ms)?.ok_or(Problem::Forgotten)?;
        Ok::<_, Problem>(Arc::new(rewound(&world, &log, revision)?))
    });
    past.await?
}

fn rewound(world: &World, log: &Log, revision: Revision) -> Result<World, Problem> {
    let mut past = world.clone();
    while past.revision() > revision {
        let mut later = log.read(From::Before(past.revision() + 1), PAGE, None)?;
        later.retain(|entry| entry.revision > revision);
        let Some(last) = later.last().map(|entry| entry.revision) else { break };
        past = past.rewound(last - 1, &later);
    }
    Ok(past)
}
