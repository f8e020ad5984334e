//! `/kannas/v1/webhook`: where the caller is told of states. The sending is
//! [`crate::events`].

use axum::http::StatusCode;
use model::error::{Noun, Rule};
use model::op::Op;
use model::webhook::Wish;
use model::wire::webhook::{One, View};

use crate::api::{Api, Call};
use crate::body::{json, nothing};
use crate::problem::Problem;
use crate::routes::Answer;

pub(crate) async fn show(api: Api, call: Call) -> Answer {
    let world = api.store.world();
    let it = world.webhooks.get(&call.account).ok_or_else(|| absent(&call.account))?;
    Ok(json(StatusCode::OK, &One { webhook: View::new(it) }))
}

pub(crate) async fn set(api: Api, call: Call) -> Answer {
    let wish = Wish::of_body(&call.body)?;
    let commit = api.write(Op::Webhook { by: call.account.clone(), wish }).await?;
    tracing::info!(account = call.account, revision = commit.revision, "set a webhook");
    let it = commit.world.webhooks.get(&call.account).ok_or_else(|| absent(&call.account))?;
    Ok(json(StatusCode::OK, &One { webhook: View::new(it) }))
}

pub(crate) async fn delete(api: Api, call: Call) -> Answer {
    if !api.store.world().webhooks.contains_key(&call.account) {
        return Err(absent(&call.account));
    }
    let by = call.account.clone();
    let commit = api.write(Op::Webhook { by, wish: Wish::Delete }).await?;
    tracing::info!(account = call.account, revision = commit.revision, "deleted a webhook");
    Ok(nothing())
}

fn absent(account: &str) -> Problem {
    Problem::Rule(Rule::Absent(Noun::Webhook, format!("of account {account}")))
}
