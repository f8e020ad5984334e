//! `/1.3/account/sub` and `/1.3/permission` (contract section 5.4): a main
//! account's sub-accounts. They answer as they were recorded of UpCloud.

use axum::http::StatusCode;
use model::access::{Modify, Permission, Wish};
use model::account::{check_name, check_password};
use model::credentials::SubAccount;
use model::op::Op;
use serde_json::{Value, json};

use crate::api::{Api, Call};
use crate::body::{json as answer, nothing};
use crate::password;
use crate::routes::Answer;

pub(crate) async fn create(api: Api, call: Call) -> Answer {
    call.check_makes_credentials()?;
    let (mut it, password) = SubAccount::of_body(&call.body, &call.account)?;
    check_password(&it.name, &password, "sub_account.password")?;
    // Before the work of hashing, which a refusal would have been for nothing.
    check_name(&api.store.world(), &it.name, "sub_account.username")?;
    it.password = password::hash_aside(password).await?;
    write(&api, call, Wish::CreateSub(Box::new(it))).await
}

pub(crate) async fn modify(api: Api, call: Call) -> Answer {
    call.check_makes_credentials()?;
    let (mut wish, password) = Modify::of_body(&call.body)?;
    if let Some(password) = password {
        check_password(call.id(), &password, "account.password")?;
        wish.password = Some(password::hash_aside(password).await?);
    }
    let name = call.id().to_owned();
    write(&api, call, Wish::ModifySub(name, Box::new(wish))).await
}

pub(crate) async fn delete(api: Api, call: Call) -> Answer {
    let name = call.id().to_owned();
    write(&api, call, Wish::DeleteSub(name)).await
}

pub(crate) async fn permissions(api: Api, call: Call) -> Answer {
    let world = api.store.world();
    let all = world.credentials().subs_of(&call.account).flat_map(|it| Permission::all_of(it));
    let page: Vec<Value> = call.query.page(all).iter().map(Permission::view).collect();
    Ok(answer(StatusCode::OK, &json!({"permissions": {"permission": page}})))
}

pub(crate) async fn grant(api: Api, call: Call) -> Answer {
    call.check_makes_credentials()?;
    let permission = Permission::of_body(&call.body)?;
    let shown = json!({"permission": permission.view()});
    write(&api, call, Wish::Grant(permission)).await?;
    Ok(answer(StatusCode::OK, &shown))
}

pub(crate) async fn revoke(api: Api, call: Call) -> Answer {
    let permission = Permission::of_body(&call.body)?;
    write(&api, call, Wish::Revoke(permission)).await
}

async fn write(api: &Api, call: Call, wish: Wish) -> Answer {
    let commit = api.write(Op::Access { by: call.account.clone(), wish }).await?;
    let revision = commit.revision;
    tracing::info!(account = call.account, sub = call.id(), revision, "wrote a sub-account");
    Ok(nothing())
}
