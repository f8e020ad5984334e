//! Who a host is: how it joins, its certificates, and which of them are good.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use model::certificate::Wish;
use model::host;
use model::objects::Authority;
use model::op::Op;
use model::wire::agent::{Join, Joined, Renew, Renewed};
use model::world::World;
use store::Commit;
use uuid::Uuid;

use super::authority::{Draft, HostKey, hex_digest, issue_host};
use super::door::{Door, Member, Refusal, fresh, now};

pub(super) async fn join(
    State(door): State<Door>,
    body: Result<Json<Join>, JsonRejection>,
) -> Result<Json<Joined>, Refusal> {
    let Json(wish) = body?;
    // Before the token is used up.
    let key = key_of(&wish.request_pem)?;
    let digest = hex_digest(wish.secret.as_bytes());
    let Join { name, zone, underlay, .. } = wish;
    let (world, now) = (fresh(&door).await?, now());
    let back = world.join_tokens.get(&digest).and_then(|token| world.hosts.get(&token.host?));
    let since = back.map_or(now, |host| host.certificates.next_since(now));
    let draft = Draft::new(since, door.hub.certificate_days());
    let certificate = Some(draft.it.clone());
    let host = back.map_or_else(Uuid::new_v4, |host| host.uuid);
    let wish = host::Join { digest, name, zone, underlay, now, certificate };
    let commit = door.write(host, "join", Op::Join { uuid: host, wish }).await?;
    let authority = authority_of(&commit)?;
    let certificate_pem = sign(&authority, host, &key, &draft)?;
    tracing::info!(%host, again = back.is_some(), "a host has joined");
    let authority_pem = authority.certificate_pem.clone();
    Ok(Json(Joined { host, certificate_pem, authority_pem }))
}

/// It is remembered before the host has it: what was signed is known.
pub(super) async fn renew(
    member: Member,
    State(door): State<Door>,
    body: Result<Json<Renew>, JsonRejection>,
) -> Result<Json<Renewed>, Refusal> {
    let Json(Renew { request_pem }) = body?;
    let key = key_of(&request_pem)?;
    let Member { host, shown, .. } = member;
    let now = now();
    let world = fresh(&door).await?;
    let since = world.hosts.get(&host).map_or(now, |it| it.certificates.next_since(now));
    let draft = Draft::new(since, door.hub.certificate_days());
    let wish = Wish::Issue { host, shown, new: draft.it.clone() };
    let commit = door.write(host, "renewal of its certificate", Op::Certificate(wish)).await?;
    let certificate_pem = sign(&*authority_of(&commit)?, host, &key, &draft)?;
    tracing::info!(%host, until = draft.it.until, "a host has a new certificate");
    Ok(Json(Renewed { certificate_pem }))
}

fn key_of(request_pem: &str) -> Result<HostKey, Refusal> {
    HostKey::from_request(request_pem).map_err(|error| {
        let sentence = format!("The certificate request cannot be used: {error}.");
        Refusal::new(StatusCode::BAD_REQUEST, sentence)
    })
}

fn authority_of(commit: &Commit) -> Result<Arc<Authority>, Refusal> {
    commit.world.authority().cloned().ok_or_else(|| {
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "The server has no authority.")
    })
}

fn sign(it: &Authority, host: Uuid, key: &HostKey, draft: &Draft) -> Result<String, Refusal> {
    issue_host(it, host, key, draft).map_err(|error| Refusal::internal(&error))
}

impl Member {
    /// That it is there, and that what it has shown is good.
    pub(super) async fn check(&self, door: &Door) -> Result<(), Refusal> {
        let Self { host, shown, .. } = self;
        let judged = |world: &World| {
            world.hosts.get(host).map(|known| known.certificates.judge(shown, now()))
        };
        let mut world = door.store.world();
        if judged(&world) != Some(Ok(())) {
            // It may be so by another server.
            world = fresh(door).await?;
        }
        let Some(known) = world.hosts.get(host) else {
            let sentence = format!("The host {host} does not exist or was deleted.");
            return Err(Refusal::new(StatusCode::FORBIDDEN, sentence));
        };
        if let Err(fault) = known.certificates.judge(shown, now()) {
            let sentence = format!(
                "{fault} To let it in again: kannas host token --host {}, and start its agent \
                 with that token.",
                known.name
            );
            return Err(Refusal::new(StatusCode::FORBIDDEN, sentence));
        }
        if known.certificates.is_first_use(shown) {
            let used = Wish::Used { host: *host, shown: shown.clone() };
            door.write(*host, "first use of a certificate", Op::Certificate(used)).await?;
        }
        Ok(())
    }
}
