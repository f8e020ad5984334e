//! `/kannas/v1/peering-requests`: what others ask of the caller's networks.

use axum::http::StatusCode;
use model::consent::{Accept, requests};
use model::error::Noun;
use model::op::Op;
use model::wire::peering_request::{Many, ManyInner, View};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::api::{Api, Call};
use crate::body::{json, nothing};
use crate::hold::Kind;
use crate::peering;
use crate::routes::Answer;

pub(crate) async fn list(api: Api, call: Call) -> Answer {
    let (world, patience) = (api.store.world(), api.patience());
    let scope = api.scope(&world)?;
    let asked_for = requests(&world, &call.account, patience).filter(|it| {
        scope.has_network(it.peer_network)
            && call.query.is_uuid("network_uuid_local", it.peer_network)
            && call.query.is_uuid("network_uuid_peer", it.network)
    });
    let page = call.query.page(asked_for).into_iter();
    let peering_request = page.map(|it| View::new(&world, patience, calendar, it)).collect();
    Ok(json(StatusCode::OK, &Many { peering_requests: ManyInner { peering_request } }))
}

/// Answers as the POST of a peering does.
pub(crate) async fn accept(api: Api, call: Call) -> Answer {
    let (uuid, request) = (Kind::Peering.uuid(), call.uuid(Noun::PeeringRequest)?);
    let wish = Accept::of_body(&call.body)?;
    let op = Op::Accept { by: call.account, uuid, request, wish };
    let commit = api.write_peering(op, uuid).await?;
    tracing::info!(peering = %uuid, %request, "accepted a request");
    peering::answer(&api, &commit, uuid, StatusCode::CREATED)
}

pub(crate) async fn decline(api: Api, call: Call) -> Answer {
    let request = call.uuid(Noun::PeeringRequest)?;
    if !call.body.is_empty() {
        model::wire::Fields::of_body(&call.body, model::wire::peering_request::ENVELOPE)?
            .finish()?;
    }
    api.write(Op::Decline { by: call.account, request }).await?;
    tracing::info!(%request, "declined a request");
    Ok(nothing())
}

/// RFC 3339 of seconds since 1970; years that it cannot write are shown as
/// its last.
pub(crate) fn calendar(seconds: i64) -> String {
    let last = "9999-12-31T23:59:59Z";
    let date = OffsetDateTime::from_unix_timestamp(seconds).ok();
    date.and_then(|date| date.format(&Rfc3339).ok()).unwrap_or_else(|| last.to_owned())
}
