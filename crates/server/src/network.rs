//! `/1.3/network` (contract section 5.1).

use axum::http::StatusCode;
use model::error::{Noun, Rule};
use model::network::{Create, Modify, Seen, all_seen, own, seen};
use model::op::{Op, Wish};
use model::scope;
use model::wire::network_view::{Many, ManyInner, One, View};
use model::world::World;
use uuid::Uuid;

use crate::api::{Api, Call};
use crate::body::{json, nothing};
use crate::hold::Kind;
use crate::problem::Problem;
use crate::routes::Answer;
use crate::terms::tagged;

pub(crate) async fn list(api: Api, call: Call) -> Answer {
    let (world, query) = (api.store.world(), &call.query);
    let scope = api.scope(&world)?;
    let all = all_seen(&world, &call.account, query.labels())
        .into_iter()
        .filter(|it| scope.has_network(it.uuid()));
    let asked_for = all.filter(|it| query.is("zone", it.zone()));
    let page = query.page(asked_for).into_iter();
    let network = page.map(|it| View::new(&world, it)).collect();
    Ok(json(StatusCode::OK, &Many { networks: ManyInner { network } }))
}

pub(crate) async fn show(api: Api, call: Call) -> Answer {
    let world = api.store.world();
    let it = seen(&world, &call.account, call.id())?;
    scope::check(api.scope(&world)?.has_network(it.uuid()), Noun::Network, it.uuid())?;
    Ok(tagged(it.revision(), StatusCode::OK, &One { network: View::new(&world, it) }))
}

/// No host carries a port of a new network, so there is none to wait for.
pub(crate) async fn create(api: Api, call: Call) -> Answer {
    let (by, uuid) = (call.account, Kind::Network.uuid());
    let wish = Wish::Create(Create::of_body(&call.body)?);
    let op = Op::Network { by: by.clone(), uuid, wish };
    if api.asked.plan {
        return api.plan(by, op).await;
    }
    let commit = api.write(op).await?;
    let world = api.picture(&commit, |w| w.network(uuid).map(|n| n.revision));
    tracing::info!(network = %uuid, revision = commit.revision, "made a network");
    answer(&world, uuid, StatusCode::CREATED)
}

pub(crate) async fn modify(api: Api, call: Call) -> Answer {
    let uuid = call.uuid(Noun::Network)?;
    let world = api.store.world();
    let wish = Wish::Modify(Modify::of_body(&call.body, own(&world, &call.account, call.id())?)?);
    let by = call.account;
    let op = Op::Network { by: by.clone(), uuid, wish };
    if api.asked.plan {
        return api.plan(by, op).await;
    }
    let commit = api.write_and_hold(op).await?;
    let world = api.picture(&commit, |w| w.network(uuid).map(|n| n.revision));
    tracing::info!(network = %uuid, revision = commit.revision, "modified a network");
    answer(&world, uuid, StatusCode::OK)
}

pub(crate) async fn delete(api: Api, call: Call) -> Answer {
    let uuid = call.uuid(Noun::Network)?;
    let op = Op::Network { by: call.account.clone(), uuid, wish: Wish::Delete };
    if api.asked.plan {
        return api.plan(call.account, op).await;
    }
    let commit = api.write(op).await?;
    tracing::info!(network = %uuid, revision = commit.revision, "deleted a network");
    Ok(nothing())
}

fn answer(world: &World, uuid: Uuid, status: StatusCode) -> Answer {
    let absent = || Problem::Rule(Rule::Absent(Noun::Network, uuid.to_string()));
    let it = world.network(uuid).ok_or_else(absent)?;
    Ok(tagged(it.revision, status, &One { network: View::new(world, Seen::Own(it)) }))
}
