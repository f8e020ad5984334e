//! `/kannas/v1/hosts` and the tokens that machines join by: for
//! administrators.

use axum::http::StatusCode;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use model::certificate::Wish;
use model::host::find;
use model::objects::JoinToken;
use model::op::{self, Op};
use model::wire::health::HostPairView;
use model::wire::port::{HostView, NewToken};
use model::world::World;
use serde_json::json;
use sha2::{Digest, Sha256};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::agents;
use crate::api::{Api, Call};
use crate::body::{json as answer, nothing, secret};
use crate::routes::Answer;

pub(crate) async fn list(api: Api, call: Call) -> Answer {
    let world = api.store.world();
    op::admin(&world, &call.account)?;
    let presence = api.hub.presence();
    let asked_for = world.hosts.values().filter(|it| call.query.is("zone", &it.zone));
    let page = call.query.page(asked_for);
    let hosts: Vec<HostView> = page.iter().map(|it| HostView::new(&world, it, &presence)).collect();
    Ok(answer(StatusCode::OK, &json!({"hosts": {"host": hosts}})))
}

/// What the connected hosts measure of each other.
pub(crate) async fn pairs(api: Api, call: Call) -> Answer {
    let world = api.store.world();
    op::admin(&world, &call.account)?;
    let presence = api.hub.presence();
    let hosts = world.hosts.values().filter(|it| call.query.is("host", &it.name));
    let pairs = hosts.flat_map(|it| HostPairView::all_of(&world, &presence, it.uuid));
    let page = call.query.page(pairs);
    Ok(answer(StatusCode::OK, &json!({"host_pairs": {"host_pair": page}})))
}

pub(crate) async fn delete(api: Api, call: Call) -> Answer {
    let (by, id) = (call.account.clone(), call.id().to_owned());
    let commit = api.write(Op::DeleteHost { by, id }).await?;
    tracing::info!(host = call.id(), revision = commit.revision, "deleted a host");
    Ok(nothing())
}

/// The host is to have another certificate; one that is connected gets it at
/// once.
pub(crate) async fn renew(api: Api, call: Call) -> Answer {
    let (by, id) = (call.account.clone(), call.id().to_owned());
    let commit = api.write(Op::Certificate(Wish::Renew { by, id })).await?;
    tracing::info!(host = call.id(), revision = commit.revision, "a host's certificate is due");
    view(&api, &commit.world, call.id())
}

/// Whoever has its key is no longer the host, and what is sent to it is
/// withdrawn.
pub(crate) async fn revoke(api: Api, call: Call) -> Answer {
    let (by, id) = (call.account.clone(), call.id().to_owned());
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let commit = api.write(Op::Certificate(Wish::Revoke { by, id, now })).await?;
    tracing::warn!(host = call.id(), revision = commit.revision, "revoked a host");
    view(&api, &commit.world, call.id())
}

fn view(api: &Api, world: &World, id: &str) -> Answer {
    let view = HostView::new(world, find(world, id)?, &api.hub.presence());
    Ok(answer(StatusCode::OK, &json!({ "host": view })))
}

/// The token names the authority by its fingerprint, so that a machine that
/// joins knows the server that it talks to. Only the secret's digest is kept.
pub(crate) async fn create_token(api: Api, call: Call) -> Answer {
    let wish = NewToken::of_body(&call.body)?;
    let expires = OffsetDateTime::now_utc() + Duration::seconds(wish.valid_seconds);
    let random = BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    let world = api.store.world();
    op::admin(&world, &call.account)?;
    let back = wish.host.map(|id| find(&world, &id)).transpose()?;
    let zone = wish.zone.or_else(|| back.map(|host| host.zone.clone())).unwrap_or_default();
    let token = JoinToken {
        digest: hex(&Sha256::digest(&random)),
        zone: zone.clone(),
        expires: expires.unix_timestamp(),
        host: back.map(|host| host.uuid),
    };
    let commit = api.write(Op::AllowJoin { by: call.account, token }).await?;
    let authority = commit.world.authority().map(|a| agents::fingerprint(a)).unwrap_or_default();
    tracing::info!(zone, revision = commit.revision, "made a host token");
    let expires_at = expires.replace_nanosecond(0).unwrap_or(expires).format(&Rfc3339);
    let host_token = json!({
        "token": format!("kjt_{random}.{authority}"),
        "zone": zone,
        "expires_at": expires_at.expect("years have four digits"),
    });
    Ok(secret(StatusCode::CREATED, &json!({ "host_token": host_token })))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
