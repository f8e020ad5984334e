//! `/1.3/server` (contract section 5.7): names for workloads whose interfaces
//! are ports.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use model::error::{Noun, Rule};
use model::objects::Server;
use model::op::{Op, Wish};
use model::scope;
use model::server::{Create, Modify, Power, own};
use model::wire::server::Plans;
use model::wire::server_view::{Details, Many, ManyInner, Networking, One, View};
use model::world::World;
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::api::{Api, Call};
use crate::body::{json as answer, nothing};
use crate::hold::Kind;
use crate::problem::Problem;
use crate::routes::Answer;

impl Call {
    /// The server that the path begins with.
    ///
    /// # Errors
    /// [`Rule::ServerInvalid`]: here UpCloud tells what is no UUID from what
    /// is nobody's (contract section 1.7).
    pub(crate) fn server(&self) -> Result<Uuid, Rule> {
        Uuid::try_parse(self.id()).map_err(|_| Rule::ServerInvalid)
    }
}

pub(crate) async fn list(api: Api, call: Call) -> Answer {
    let (world, query) = (api.store.world(), &call.query);
    let scope = api.scope(&world)?;
    let own =
        world.servers_with(&call.account, query.labels()).filter(|it| scope.has_server(it.uuid));
    let page = query.page(own);
    let server = page.iter().map(|it| View::new(&world, it)).collect();
    Ok(answer(StatusCode::OK, &Many { servers: ManyInner { server } }))
}

pub(crate) async fn show(api: Api, call: Call) -> Answer {
    let world = api.store.world();
    let it = seen(&api, &world, &call)?;
    Ok(answer(StatusCode::OK, &One { server: Details::new(&world, it) }))
}

pub(crate) async fn networking(api: Api, call: Call) -> Answer {
    let world = api.store.world();
    let it = seen(&api, &world, &call)?;
    Ok(answer(StatusCode::OK, &Networking::new(&world, it)))
}

/// The server that the path begins with, if the caller may see it.
fn seen<'w>(api: &Api, world: &'w World, call: &Call) -> Result<&'w Server, Rule> {
    let it = own(world, &call.account, call.server()?)?;
    scope::check(api.scope(world)?.has_server(it.uuid), Noun::Server, it.uuid)?;
    Ok(it)
}

pub(crate) async fn plans(_: Api, _: Call) -> Answer {
    Ok(answer(StatusCode::OK, &Plans::all()))
}

/// Nothing filters a server's packets but its networks.
pub(crate) async fn firewall_rules(api: Api, call: Call) -> Answer {
    seen(&api, &api.store.world(), &call)?;
    Ok(answer(StatusCode::OK, &json!({"firewall_rules": {"firewall_rule": []}})))
}

pub(crate) async fn create(api: Api, call: Call) -> Answer {
    let live: BTreeSet<Uuid> = api.hub.presence().hosts.keys().copied().collect();
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let wish = Create { live, now, ..Create::of_body(&call.body, || Kind::Port.uuid())? };
    write(api, call.account, Kind::Server.uuid(), Wish::Create(wish)).await
}

pub(crate) async fn modify(api: Api, call: Call) -> Answer {
    let uuid = call.server()?;
    let world = api.store.world();
    let wish = Modify::of_body(&call.body, own(&world, &call.account, uuid)?)?;
    write(api, call.account, uuid, Wish::Modify(wish)).await
}

pub(crate) async fn start(api: Api, call: Call) -> Answer {
    power(api, call, Power::Start).await
}

pub(crate) async fn stop(api: Api, call: Call) -> Answer {
    power(api, call, Power::Stop).await
}

pub(crate) async fn restart(api: Api, call: Call) -> Answer {
    power(api, call, Power::Restart).await
}

/// How long a machine may take to stop and what is to happen then is in the
/// body; here nothing takes time.
async fn power(api: Api, call: Call, power: Power) -> Answer {
    let uuid = call.server()?;
    let wish = Modify { power: Some(power), ..Modify::default() };
    write(api, call.account, uuid, Wish::Modify(wish)).await
}

pub(crate) async fn delete(api: Api, call: Call) -> Answer {
    let uuid = call.server()?;
    let op = Op::Server { by: call.account, uuid, wish: Wish::Delete };
    let commit = api.write_and_hold(op).await?;
    tracing::info!(server = %uuid, revision = commit.revision, "deleted a server");
    Ok(nothing())
}

async fn write(api: Api, by: String, uuid: Uuid, wish: Wish<Create, Modify>) -> Answer {
    let status = match wish {
        Wish::Create(_) => StatusCode::ACCEPTED,
        Wish::Modify(_) | Wish::Delete => StatusCode::OK,
    };
    let commit = api.write_and_hold(Op::Server { by, uuid, wish }).await?;
    let world = api.picture(&commit, |w| w.servers.get(&uuid).map(|s| s.revision));
    tracing::info!(server = %uuid, revision = commit.revision, "wrote a server");
    let absent = || Problem::Rule(Rule::Absent(Noun::Server, uuid.to_string()));
    let it = world.servers.get(&uuid).ok_or_else(absent)?;
    Ok(answer(status, &One { server: Details::new(&world, it) }))
}
