//! `/kannas/v1/ports`: NICs of workloads, which UpCloud has as interfaces of
//! its servers.

use axum::http::StatusCode;
use model::error::Noun;
use model::objects::Port;
use model::op::Op;
use model::port::{Create, own};
use model::scope;
use model::wire::port::PortView;
use model::world::World;
use serde_json::json;

use crate::api::{Api, Call};
use crate::body::{json as answer, nothing};
use crate::hold::Kind;
use crate::routes::Answer;

pub(crate) async fn list(api: Api, call: Call) -> Answer {
    let (world, query) = (api.store.world(), &call.query);
    let scope = api.scope(&world)?;
    let asked_for = world.ports_of_account(&call.account).filter(|it| {
        scope.has_port(it)
            && query.is_uuid("network", it.network)
            && it.host.map_or(!query.has("host"), |host| query.is_uuid("host", host))
    });
    let page = query.page(asked_for);
    let ports: Vec<PortView> = page.iter().map(|it| view(&world, it)).collect();
    Ok(answer(StatusCode::OK, &json!({"ports": {"port": ports}})))
}

pub(crate) async fn show(api: Api, call: Call) -> Answer {
    let world = api.store.world();
    let it = own(&world, &call.account, call.id())?;
    scope::check(api.scope(&world)?.has_port(it), Noun::Port, it.uuid)?;
    Ok(answer(StatusCode::OK, &json!({"port": view(&world, it)})))
}

pub(crate) async fn create(api: Api, call: Call) -> Answer {
    let (by, uuid) = (call.account.clone(), Kind::Port.uuid());
    let wish = Create::of_body(&call.body)?;
    let commit = api.write_and_hold(Op::CreatePort { by, uuid, wish }).await?;
    let it = own(&commit.world, &call.account, &uuid.to_string())?;
    let revision = commit.revision;
    tracing::info!(port = %uuid, network = %it.network, host = ?it.host, revision, "made a port");
    Ok(answer(StatusCode::CREATED, &json!({"port": view(&commit.world, it)})))
}

pub(crate) async fn delete(api: Api, call: Call) -> Answer {
    let uuid = call.uuid(Noun::Port)?;
    let commit = api.write_and_hold(Op::DeletePort { by: call.account, uuid }).await?;
    tracing::info!(port = %uuid, revision = commit.revision, "deleted a port");
    Ok(nothing())
}

fn view(world: &World, it: &Port) -> PortView {
    PortView::new(it, it.host.and_then(|host| world.hosts.get(&host)).map(|h| &**h))
}
