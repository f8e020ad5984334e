//! `/1.3/router` (contract section 5.2).

use axum::http::StatusCode;
use model::error::{Noun, Rule};
use model::op::{Op, Wish};
use model::router::{Create, Modify, own};
use model::scope;
use model::wire::router::{Many, ManyInner, One, View};
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
    let own =
        world.routers_with(&call.account, query.labels()).filter(|it| scope.sees_router(it.uuid));
    let page = query.page(own);
    let router = page.iter().map(|it| View::new(&world, it)).collect();
    Ok(json(StatusCode::OK, &Many { routers: ManyInner { router } }))
}

pub(crate) async fn show(api: Api, call: Call) -> Answer {
    let world = api.store.world();
    let it = own(&world, &call.account, call.id())?;
    scope::check(api.scope(&world)?.sees_router(it.uuid), Noun::Router, it.uuid)?;
    Ok(tagged(it.revision, StatusCode::OK, &One { router: View::new(&world, it) }))
}

pub(crate) async fn create(api: Api, call: Call) -> Answer {
    let wish = Wish::Create(Create::of_body(&call.body)?);
    write(api, call.account, Kind::Router.uuid(), wish).await
}

pub(crate) async fn modify(api: Api, call: Call) -> Answer {
    let uuid = call.uuid(Noun::Router)?;
    let wish = Wish::Modify(Modify::of_body(&call.body)?);
    write(api, call.account, uuid, wish).await
}

pub(crate) async fn delete(api: Api, call: Call) -> Answer {
    let uuid = call.uuid(Noun::Router)?;
    let op = Op::Router { by: call.account.clone(), uuid, wish: Wish::Delete };
    if api.asked.plan {
        return api.plan(call.account, op).await;
    }
    let commit = api.write(op).await?;
    tracing::info!(router = %uuid, revision = commit.revision, "deleted a router");
    Ok(nothing())
}

async fn write(api: Api, by: String, uuid: Uuid, wish: Wish<Create, Modify>) -> Answer {
    let status = match wish {
        Wish::Create(_) => StatusCode::CREATED,
        Wish::Modify(_) | Wish::Delete => StatusCode::OK,
    };
    let op = Op::Router { by: by.clone(), uuid, wish };
    if api.asked.plan {
        return api.plan(by, op).await;
    }
    let commit = api.write(op).await?;
    let world = api.picture(&commit, |w| w.routers.get(&uuid).map(|r| r.revision));
    tracing::info!(router = %uuid, revision = commit.revision, "wrote a router");
    let absent = || Problem::Rule(Rule::Absent(Noun::Router, uuid.to_string()));
    let it = world.routers.get(&uuid).ok_or_else(absent)?;
    Ok(tagged(it.revision, status, &One { router: View::new(&world, it) }))
}
