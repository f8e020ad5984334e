//! `/1.3/zone` (contract section 5.3), and an installation's own zones, which
//! are for administrators to add and delete.

use axum::http::StatusCode;
use model::objects::Zone;
use model::op::Op;
use model::wire::zone::{Many, One, View};
use time::OffsetDateTime;

use crate::api::{Api, Call};
use crate::body::{json, nothing};
use crate::routes::Answer;

pub(crate) async fn list(api: Api, _: Call) -> Answer {
    Ok(json(StatusCode::OK, &Many::all(&api.store.world())))
}

pub(crate) async fn create(api: Api, call: Call) -> Answer {
    let zone = Zone::of_body(&call.body)?;
    let commit = api.write(Op::CreateZone { by: call.account, zone: zone.clone() }).await?;
    tracing::info!(zone = zone.id, revision = commit.revision, "added a zone");
    Ok(json(StatusCode::CREATED, &One { zone: View::own(&zone) }))
}

pub(crate) async fn delete(api: Api, call: Call) -> Answer {
    let (by, id) = (call.account.clone(), call.id().to_owned());
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let commit = api.write(Op::DeleteZone { by, id, now }).await?;
    tracing::info!(zone = call.id(), revision = commit.revision, "deleted a zone");
    Ok(nothing())
}
