//! `/kannas/v1/peering-groups`: networks with certain labels, peered.

use axum::http::StatusCode;
use model::error::{Noun, Rule};
use model::forecast::Now;
use model::op::Op;
use model::peering_group::{PeeringGroup, STEP, Wish, own, progress};
use model::wire::peering_group::{Many, ManyInner, One, View};
use model::world::World;
use uuid::Uuid;

use crate::api::{Api, Call};
use crate::body::{json, nothing};
use crate::hold::Kind;
use crate::problem::Problem;
use crate::routes::Answer;
use crate::terms::tagged;

pub(crate) async fn list(api: Api, call: Call) -> Answer {
    let world = api.store.world();
    let page = call.query.page(world.peering_groups_of(&call.account));
    let peering_group = page.into_iter().map(|it| view(&api, &world, it)).collect();
    Ok(json(StatusCode::OK, &Many { peering_groups: ManyInner { peering_group } }))
}

pub(crate) async fn show(api: Api, call: Call) -> Answer {
    let world = api.store.world();
    let it = own(&world, &call.account, call.id())?;
    let peering_group = view(&api, &world, it);
    Ok(tagged(it.revision, StatusCode::OK, &One { peering_group }))
}

pub(crate) async fn create(api: Api, call: Call) -> Answer {
    let wish = Wish::create_of_body(&call.body)?;
    write(api, call.account, Kind::PeeringGroup.uuid(), wish).await
}

pub(crate) async fn modify(api: Api, call: Call) -> Answer {
    let uuid = call.uuid(Noun::PeeringGroup)?;
    let wish = Wish::modify_of_body(&call.body)?;
    write(api, call.account, uuid, wish).await
}

pub(crate) async fn undo(api: Api, call: Call) -> Answer {
    let uuid = call.uuid(Noun::PeeringGroup)?;
    write(api, call.account, uuid, Wish::Undo).await
}

pub(crate) async fn delete(api: Api, call: Call) -> Answer {
    let uuid = call.uuid(Noun::PeeringGroup)?;
    write(api, call.account, uuid, Wish::Delete).await
}

async fn write(api: Api, by: String, uuid: Uuid, wish: Wish) -> Answer {
    let deletes = wish == Wish::Delete;
    let status = match wish {
        Wish::Create { .. } => StatusCode::CREATED,
        Wish::Modify(_) | Wish::Undo | Wish::Delete => StatusCode::OK,
    };
    // A plan says all that it would do, however many steps that takes.
    let most = if api.asked.plan { usize::MAX } else { STEP };
    let op = Op::PeeringGroup { by: by.clone(), uuid, wish, most };
    if api.asked.plan {
        return api.plan(by, op).await;
    }
    let commit = api.write_and_hold(op).await?;
    let (revision, changes) = (commit.revision, commit.changes.len());
    tracing::info!(group = %uuid, revision, changes, "wrote a peering group");
    if deletes {
        return Ok(nothing());
    }
    let world = api.picture(&commit, |w| w.peering_groups.get(&uuid).map(|it| it.revision));
    let absent = || Problem::Rule(Rule::Absent(Noun::PeeringGroup, uuid.to_string()));
    let it = world.peering_groups.get(&uuid).ok_or_else(absent)?;
    Ok(tagged(it.revision, status, &One { peering_group: view(&api, &world, it) }))
}

fn view(api: &Api, world: &World, it: &PeeringGroup) -> View {
    let (presence, patience) = (api.hub.presence(), api.patience());
    let now = Now { world, presence: &presence, patience };
    View::new(it, progress(now, api.policy, it))
}
