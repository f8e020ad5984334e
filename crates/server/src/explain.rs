//! `/kannas/v1/explain`: why packets of a port reach an address or do not.

use std::time::Duration;

use axum::http::StatusCode;
use model::explain::{Found, Known, Look, Question, conclude, walk};
use model::wire::explain::{One, View};

use crate::api::{Api, Call};
use crate::body::json;
use crate::routes::Answer;

/// A host that has not answered by then does not. It waits half a second for a
/// packet that does not come back.
const LIMIT: Duration = Duration::from_secs(2);

pub(crate) async fn explain(api: Api, call: Call) -> Answer {
    let question = Question::of_body(&call.body)?;
    let (world, presence) = (api.store.world(), api.hub.presence());
    let patience = api.patience();
    let scope = api.scope(&world)?;
    let account = &call.account;
    let known = Known { world: &world, presence: &presence, patience, account, scope };
    let walk = walk(known, &question)?;
    let ask = async |host, look: Look| api.hub.ask(host, look, LIMIT).await;
    let found: [Option<Found>; 2] = match &walk.trail {
        // The second is asked what it has heard of the first.
        Some(trail) => {
            let first = ask(trail.from.host, trail.first()).await;
            let second = trail.second(first.as_ref());
            [first, ask(trail.to.host, second).await]
        }
        None => [None, None],
    };
    let [first, second] = found.each_ref().map(Option::as_ref);
    let explanation = View::new(conclude(known, walk, first, second));
    Ok(json(StatusCode::OK, &One { explanation }))
}
