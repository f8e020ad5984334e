//! `/1.3/zone` (contract section 5.3).

use axum::http::StatusCode;
use model::wire::account::zones;

use crate::api::{Api, Call};
use crate::body::json;
use crate::routes::Answer;

pub(crate) async fn list(_: Api, _: Call) -> Answer {
    Ok(json(StatusCode::OK, &zones()))
}
