//! `/1.3/account` (contract section 5.4), and the accounts of `/kannas/v1`.

use axum::http::StatusCode;
use model::access::{Wish, check_password_setter, own_sub};
use model::error::{Noun, Rule};
use model::objects::Account;
use model::op::{self, Op};
use model::policy::Quota;
use model::wire::account::{self as wire, AccountView, NewAccount};
use model::wire::sub_account;
use model::world::World;
use serde_json::json;

use crate::api::{Api, Call};
use crate::body::{json as answer, nothing};
use crate::password;
use crate::problem::Problem;
use crate::routes::Answer;

pub(crate) async fn show(api: Api, call: Call) -> Answer {
    let limits = api.policy.limits_of(&api.store.world(), &call.account);
    Ok(answer(StatusCode::OK, &wire::view(&call.user.name, &limits)))
}

/// The caller's own and its sub-accounts': who else there is, is for
/// administrators.
pub(crate) async fn details(api: Api, call: Call) -> Answer {
    let world = api.store.world();
    let name = call.id();
    if name == call.account && !call.user.is_sub {
        return Ok(answer(StatusCode::OK, &wire::details(named(&world, name)?)));
    }
    if name != call.user.name && call.user.is_sub {
        return Err(absent(name));
    }
    let sub = own_sub(&world, &call.account, name)?;
    Ok(answer(StatusCode::OK, &sub_account::details(sub)))
}

pub(crate) async fn list(api: Api, call: Call) -> Answer {
    let world = api.store.world();
    if call.user.is_sub {
        let sub = own_sub(&world, &call.account, &call.user.name)?;
        return Ok(answer(StatusCode::OK, &wire::list_of_sub(sub)));
    }
    let subs = world.credentials().subs_of(&call.account).map(|it| &**it);
    Ok(answer(StatusCode::OK, &wire::list(named(&world, &call.account)?, subs)))
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
    call.check_makes_credentials()?;
    let NewAccount { username, password, admin } = NewAccount::of_body(&call.body)?;
    let hash = password::hash_aside(password).await?;
    let account =
        Account { name: username.clone(), password: hash, admin, quota: Quota::default() };
    let commit = api.write(Op::CreateAccount { by: call.account, account }).await?;
    let revision = commit.revision;
    tracing::info!(account = username, admin, revision, "made an account");
    let made = AccountView::new(named(&commit.world, &username)?);
    Ok(answer(StatusCode::CREATED, &json!({ "account": made })))
}

/// A new password: for a user's own, for administrators, and for a main
/// account's sub-accounts.
pub(crate) async fn set_password(api: Api, call: Call) -> Answer {
    let name = call.id().to_owned();
    check_password_setter(&api.store.world(), &call.user.name, &name)?;
    call.check_makes_credentials()?;
    let password = wire::password_of_body(&call.body, &name)?;
    let hash = password::hash_aside(password).await?;
    let wish = Wish::SetPassword(name, model::access::Hash(hash));
    let commit = api.write(Op::Access { by: call.user.name.clone(), wish }).await?;
    tracing::info!(user = call.id(), revision = commit.revision, "changed a password");
    Ok(nothing())
}

/// What an account may have, in place of what all may.
pub(crate) async fn set_limits(api: Api, call: Call) -> Answer {
    op::admin(&api.store.world(), &call.account)?;
    let wish = Wish::SetQuota(call.id().to_owned(), wire::quota_of_body(&call.body)?);
    let commit = api.write(Op::Access { by: call.account.clone(), wish }).await?;
    tracing::info!(account = call.id(), revision = commit.revision, "set an account's limits");
    let it = AccountView::new(named(&commit.world, call.id())?);
    Ok(answer(StatusCode::OK, &json!({ "account": it })))
}

pub(crate) async fn delete(api: Api, call: Call) -> Answer {
    let wish = Wish::DeleteAccount(call.id().to_owned());
    let commit = api.write(Op::Access { by: call.account.clone(), wish }).await?;
    tracing::info!(account = call.id(), revision = commit.revision, "deleted an account");
    Ok(nothing())
}

fn named<'w>(world: &'w World, name: &str) -> Result<&'w Account, Problem> {
    world.accounts.get(name).map(|a| &**a).ok_or_else(|| absent(name))
}

fn absent(name: &str) -> Problem {
    Problem::Rule(Rule::Absent(Noun::Account, name.to_owned()))
}
