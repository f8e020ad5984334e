//! `/1.3/server/{uuid}/networking/interface` (contract section 5.7).

use axum::http::StatusCode;
use model::error::{Noun, Rule};
use model::interface::{Create, Modify, Wish};
use model::op::Op;
use model::wire::interface::{One, View};
use uuid::Uuid;

use crate::api::{Api, Call};
use crate::body::{json, nothing};
use crate::hold::Kind;
use crate::routes::Answer;

pub(crate) async fn create(api: Api, call: Call) -> Answer {
    let (server, port) = (call.server()?, Kind::Port.uuid());
    let wish = Wish::Create(Create::of_body(&call.body, port)?);
    write(api, call.account, server, port, wish).await
}

pub(crate) async fn modify(api: Api, call: Call) -> Answer {
    let (server, index) = (call.server()?, index(&call)?);
    let wish = Modify::of_body(&call.body)?;
    let world = api.store.world();
    let port = world.nic(server, index).map(|p| p.uuid).unwrap_or_default();
    write(api, call.account, server, port, Wish::Modify(index, wish)).await
}

pub(crate) async fn delete(api: Api, call: Call) -> Answer {
    let (server, index) = (call.server()?, index(&call)?);
    let op = Op::Interface { by: call.account, server, wish: Wish::Delete(index) };
    let commit = api.write_and_hold(op).await?;
    tracing::info!(%server, index, revision = commit.revision, "deleted an interface");
    Ok(nothing())
}

/// The path's second name. What is no index is no interface's.
fn index(call: &Call) -> Result<u8, Rule> {
    let text = call.second_id();
    text.parse().map_err(|_| Rule::Absent(Noun::Interface, text.to_owned()))
}

/// `port` is the one that the wish makes or changes.
async fn write(api: Api, by: String, server: Uuid, port: Uuid, wish: Wish) -> Answer {
    let status = match wish {
        Wish::Create(_) => StatusCode::CREATED,
        Wish::Modify(..) | Wish::Delete(_) => StatusCode::OK,
    };
    let commit = api.write_and_hold(Op::Interface { by, server, wish }).await?;
    let revision = commit.revision;
    let absent = || Rule::Absent(Noun::Port, port.to_string());
    let it = commit.world.ports.get(&port).ok_or_else(absent)?;
    let index = it.nic.ok_or_else(absent)?.index;
    tracing::info!(%server, index, port = %port, revision, "wrote an interface");
    Ok(json(status, &One { interface: View::new(index, it) }))
}
