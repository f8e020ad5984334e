//! What hosts have counted: of a peering for its owner, of a host for
//! administrators; and what the server has.

use axum::http::StatusCode;
use model::error::Noun;
use model::peering::own;
use model::wire::counters::{HostView, One, PeeringView, ServerView};
use model::{host, op, scope};

use crate::api::{Api, Call};
use crate::body::json;
use crate::peering_request::calendar;
use crate::routes::Answer;

pub(crate) async fn of_peering(api: Api, call: Call) -> Answer {
    let world = api.store.world();
    let it = own(&world, &call.account, call.id())?;
    scope::check(api.scope(&world)?.has_peering(it), Noun::Peering, it.uuid)?;
    let vni = |uuid| world.network(uuid).map(|network| network.vni);
    let networks = vni(it.network).zip(vni(it.peer_network));
    let (exchange, at) = match networks {
        Some((local, peer)) => api.hub.exchange(local, peer).await,
        None => Default::default(),
    };
    Ok(json(StatusCode::OK, &One { counters: PeeringView::new(exchange, at.map(calendar)) }))
}

pub(crate) async fn of_server(api: Api, call: Call) -> Answer {
    op::admin(&api.store.world(), &call.account)?;
    let counters = ServerView { watch: api.hub.watching() };
    Ok(json(StatusCode::OK, &One { counters }))
}

pub(crate) async fn of_host(api: Api, call: Call) -> Answer {
    let world = api.store.world();
    op::admin(&world, &call.account)?;
    let it = host::find(&world, call.id())?;
    let (packets, at) = api.hub.tally(it.uuid).await.unzip();
    let counters = HostView { packets: packets.unwrap_or_default(), counted_at: at.map(calendar) };
    Ok(json(StatusCode::OK, &One { counters }))
}
