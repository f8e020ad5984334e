//! Problems as UpCloud's newer services tell them (RFC 9457; contract section
//! 1.6): those of tokens.

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use model::error::Rule;
use serde_json::{Value, json};

use crate::problem::Problem;
use crate::token;

/// The Go SDK compares it for equality, so no charset.
const KIND: HeaderValue = HeaderValue::from_static("application/problem+json");

/// As the others are, but for the body.
pub(crate) fn response(problem: Problem) -> Response {
    let (status, code) = problem.number();
    let fault = if let Problem::Rule(rule) = &problem { fault(rule) } else { None };
    let code = if matches!(problem, Problem::Rule(Rule::Absent(..))) {
        "RESOURCE_NOT_FOUND"
    } else if fault.is_some() {
        "INVALID_REQUEST"
    } else {
        code
    };
    let id = token::ulid();
    let mut body = json!({
        "type": format!("https://developers.upcloud.com/1.3/errors#ERROR_{code}"),
        "title": problem.sentence(),
        "status": status.as_u16(),
        "correlation_id": id,
    });
    if let Some(fault) = fault {
        body["invalid_params"] = json!([fault]);
    }
    tracing::debug!(correlation_id = id, code, "refused");
    let mut response = problem.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, KIND);
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = Body::from(body.to_string());
    response
}

fn fault(rule: &Rule) -> Option<Value> {
    if let Rule::UnknownAttribute(at) = rule {
        return Some(json!({"name": at, "reason": "is not known here"}));
    }
    let Rule::Bad { at, why, .. } = rule else { return None };
    Some(json!({"name": at, "reason": why}))
}
