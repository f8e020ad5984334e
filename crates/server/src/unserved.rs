//! What UpCloud has and Kannas has not. An account has none of it, which
//! clients that list everything must be told (contract section 6.2).

use axum::http::StatusCode;
use model::error::{Noun, Rule};
use serde_json::{Value, json};

use crate::api::{Api, Call};
use crate::body::json as answer;
use crate::routes::Answer;

/// Of the newer services, whose lists are bare.
pub(crate) async fn services(_: Api, _: Call) -> Answer {
    none(&json!([]))
}

pub(crate) async fn server_groups(_: Api, _: Call) -> Answer {
    none(&json!({"server_groups": {"server_group": []}}))
}

pub(crate) async fn storages(_: Api, _: Call) -> Answer {
    none(&json!({"storages": {"storage": []}}))
}

/// Those of a kind; what is no kind would be the UUID of one.
pub(crate) async fn storages_of(api: Api, call: Call) -> Answer {
    const KINDS: [&str; 7] =
        ["backup", "cdrom", "favorite", "normal", "private", "public", "template"];
    if KINDS.contains(&call.id()) {
        return storages(api, call).await;
    }
    Err(Rule::Absent(Noun::Storage, call.id().to_owned()).into())
}

pub(crate) async fn tags(_: Api, _: Call) -> Answer {
    none(&json!({"tags": {"tag": []}}))
}

fn none(list: &Value) -> Answer {
    Ok(answer(StatusCode::OK, list))
}
