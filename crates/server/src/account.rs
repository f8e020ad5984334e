//! `/1.3/account` (contract section 5.4), and the accounts of `/kannas/v1`.

use axum::http::StatusCode;
use model::error::{Noun, Rule};
use model::objects::Account;
use model::op::{self, Op};
use model::wire::account::{self as wire, AccountView, NewAccount};
use model::world::World;
use serde_json::json;

use crate::api::{Api, Call};
use crate::auth;
use crate::body::json as answer;
use crate::problem::Problem;
use crate::routes::Answer;

pub(crate) async fn show(api: Api, call: Call) -> Answer {
    let world = api.store.world();
    Ok(answer(StatusCode::OK, &wire::view(named(&world, &call.account)?, &api.policy.limits)))
}

/// The caller's own only: who else there is, is for administrators.
pub(crate) async fn details(api: Api, call: Call) -> Answer {
    let world = api.store.world();
    if call.id() != call.account {
        return Err(absent(call.id()));
    }
    Ok(answer(StatusCode::OK, &wire::details(named(&world, &call.account)?)))
}

/// The caller's own only, as it has no sub-accounts.
pub(crate) async fn list(api: Api, call: Call) -> Answer {
    let world = api.store.world();
    Ok(answer(StatusCode::OK, &wire::list(named(&world, &call.account)?)))
}

pub(crate) async fn list_all(api: Api, call: Call) -> Answer {
    let world = api.store.world();
    op::admin(&world, &call.account)?;
    let page = call.query.page(world.accounts.values());
    let accounts: Vec<AccountView<'_>> = page.into_iter().map(|it| AccountView::new(it)).collect();
    Ok(answer(StatusCode::OK, &json!({"accounts": {"account": accounts}})))
}

pub(crate) async fn create(api: Api, call: Call) -> Answer {
    // Before the password is hashed: that is the caller's work to ask for
    // only if the write may be.
    op::admin(&api.store.world(), &call.account)?;
    let NewAccount { username, password, admin } = NewAccount::of_body(&call.body)?;
    let hash = tokio::task::spawn_blocking(move || auth::hash(&password)).await;
    let hash = hash.map_err(|error| Problem::Panic(error.to_string()))?;
    let account = Account { name: username.clone(), password: hash, admin };
    let commit = api.write(Op::CreateAccount { by: call.account, account }).await?;
    let revision = commit.world.revision();
    tracing::info!(account = username, admin, revision, "made an account");
    let made = AccountView::new(named(&commit.world, &username)?);
    Ok(answer(StatusCode::CREATED, &json!({ "account": made })))
}

fn named<'w>(world: &'w World, name: &str) -> Result<&'w Account, Problem> {
    world.accounts.get(name).map(|a| &**a).ok_or_else(|| absent(name))
}

fn absent(name: &str) -> Problem {
    Problem::Rule(Rule::Absent(Noun::Account, name.to_owned()))
}
