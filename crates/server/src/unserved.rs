//! What UpCloud has and Kannas has not. An account has none of it, which
//! clients that list everything must be told (contract section 6.2).

use axum::http::StatusCode;
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

pub(crate) async fn tags(_: Api, _: Call) -> Answer {
    none(&json!({"tags": {"tag": []}}))
}

fn none(list: &Value) -> Answer {
    Ok(answer(StatusCode::OK, list))
}
