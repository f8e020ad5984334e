//! `/1.3/network-peering` (seed; contract section 4).

use axum::http::StatusCode;
use model::error::{Noun, Rule, Subject};
use model::op::{Op, Wish};
use model::peering::{Create, Modify, own};
use model::scope;
use model::wire::Each;
use model::wire::peering::{Many, ManyInner, One, View};
use store::Commit;
use uuid::Uuid;

use crate::api::{Api, Call};
use crate::body::{labelled, nothing, text_of_about};
use crate::hold::Kind;
use crate::memo::Seen;
use crate::problem::Problem;
use crate::routes::Answer;
use crate::terms::tagged;

/// Bytes of one in a list, with two labels and an IPv4 subnet on each side.
const EACH: usize = 512;

pub(crate) async fn list(api: Api, call: Call) -> Answer {
    let word = api.hub.word();
    let (world, query, patience) = (api.store.world(), &call.query, api.patience());
    let seen = Seen { revision: world.revision(), word, second: patience.now };
    let asked = (call.account.clone(), api.sub.clone(), query.parameters().to_vec());
    if let Some(text) = api.lists.get(&asked, seen) {
        return Ok(labelled(StatusCode::OK, text));
    }
    let scope = api.scope(&world)?;
    let asked_for = world.peerings_with(&call.account, query.labels()).filter(|it| {
        scope.has_peering(it)
            && query.is_uuid("uuid", it.uuid)
            && query.is_uuid("network_uuid_local", it.network)
            && query.is_uuid("network_uuid_peer", it.peer_network)
    });
    let page = query.page(asked_for);
    let presence = api.hub.presence();
    let views = View::all(&world, &presence, patience, &page);
    let network_peerings = ManyInner { network_peering: Each::of(views) };
    let text = text_of_about(page.len() * EACH, &Many { network_peerings }).into();
    api.lists.put(asked, seen, &text);
    Ok(labelled(StatusCode::OK, text))
}

pub(crate) async fn show(api: Api, call: Call) -> Answer {
    let world = api.store.world();
    let it = own(&world, &call.account, call.id())?;
    scope::check(api.scope(&world)?.has_peering(it), Noun::Peering, it.uuid)?;
    let network_peering = View::new(&world, &api.hub.presence(), api.patience(), it);
    Ok(tagged(it.revision, StatusCode::OK, &One { network_peering }))
}

pub(crate) async fn create(api: Api, call: Call) -> Answer {
    let wish = Wish::Create(Create::of_body(&call.body)?);
    write(api, call.account, Kind::Peering.uuid(), wish).await
}

pub(crate) async fn modify(api: Api, call: Call) -> Answer {
    let uuid = call.uuid(Noun::Peering)?;
    let wish = Wish::Modify(Modify::of_body(&call.body)?);
    write(api, call.account, uuid, wish).await
}

pub(crate) async fn delete(api: Api, call: Call) -> Answer {
    let uuid = call.uuid(Noun::Peering)?;
    let both = match call.query.one("both") {
        None => false,
        Some("1") => true,
        Some(_) => return Err(Rule::bad(Subject::Request, "both", "must be \"1\"").into()),
    };
    let by = call.account;
    let op = if both {
        Op::DeleteBoth { by: by.clone(), uuid }
    } else {
        Op::Peering { by: by.clone(), uuid, wish: Wish::Delete }
    };
    if api.asked.plan {
        return api.plan(by, op).await;
    }
    let commit = api.write_and_hold(op).await?;
    tracing::info!(peering = %uuid, revision = commit.revision, "deleted a peering");
    Ok(nothing())
}

async fn write(api: Api, by: String, uuid: Uuid, wish: Wish<Create, Modify>) -> Answer {
    let status = match wish {
        Wish::Create(_) => StatusCode::CREATED,
        Wish::Modify(_) | Wish::Delete => StatusCode::OK,
    };
    let op = Op::Peering { by: by.clone(), uuid, wish };
    if api.asked.plan {
        return api.plan(by, op).await;
    }
    let commit = api.write_peering(op, uuid).await?;
    answer(&api, &commit, uuid, status)
}

pub(crate) fn answer(api: &Api, commit: &Commit, uuid: Uuid, status: StatusCode) -> Answer {
    let world = api.picture(commit, |w| w.peerings.get(&uuid).map(|p| p.revision));
    let absent = || Problem::Rule(Rule::Absent(Noun::Peering, uuid.to_string()));
    let it = world.peerings.get(&uuid).ok_or_else(absent)?;
    let network_peering = View::new(&world, &api.hub.presence(), api.patience(), it);
    let revision = commit.revision;
    tracing::info!(peering = %uuid, revision, state = ?network_peering.state(), "wrote a peering");
    Ok(tagged(it.revision, status, &One { network_peering }))
}
