//! `/kannas/v1/encryption`: which zones are reached encrypted only; for
//! administrators.

use std::sync::Arc;

use axum::http::StatusCode;
use model::error::{Rule, Subject};
use model::op::{self, Op};
use model::seal::next;
use model::wire::seal::One;
use store::Commit;
use time::OffsetDateTime;

use crate::api::{Api, Call};
use crate::body::{json, nothing};
use crate::problem::Problem;
use crate::routes::Answer;

pub(crate) async fn show(api: Api, call: Call) -> Answer {
    let world = api.store.world();
    op::admin(&world, &call.account)?;
    Ok(json(StatusCode::OK, &One::new(&world, &api.hub.presence())))
}

pub(crate) async fn set(api: Api, call: Call) -> Answer {
    let commit = write(&api, &call, true).await?;
    Ok(json(StatusCode::OK, &One::new(&commit.world, &api.hub.presence())))
}

pub(crate) async fn delete(api: Api, call: Call) -> Answer {
    write(&api, &call, false).await?;
    Ok(nothing())
}

async fn write(api: &Api, call: &Call, on: bool) -> Result<Arc<Commit>, Problem> {
    let zones = (call.id().to_owned(), call.second_id().to_owned());
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let op = Op::Seals(model::seal::Wish::Set {
        by: call.account.clone(),
        zones: zones.clone(),
        on,
        now,
    });
    let commit = api.write_and_hold(op).await?;
    let revision = commit.revision;
    tracing::info!(zones = ?zones, on, revision, "set encryption between zones");
    Ok(commit)
}

/// New keys for all hosts, whatever the age of those they have. Again, while
/// that is under way, changes nothing.
pub(crate) async fn rotate(api: Api, call: Call) -> Answer {
    let world = api.store.world();
    op::admin(&world, &call.account)?;
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let under_way = world.seals.rotation().is_some_and(|it| it.is_under_way());
    if let Some(to) = next(&world, &api.hub.presence(), 0, now).filter(|_| !under_way) {
        api.write(Op::Seals(model::seal::Wish::Rotate(to))).await?;
    } else if world.seals.pairs().next().is_none() {
        let why = "must be encrypted before it has keys";
        return Err(Rule::bad(Subject::Request, "encryption", why).into());
    }
    Ok(json(StatusCode::OK, &One::new(&api.store.world(), &api.hub.presence())))
}
