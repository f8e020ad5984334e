//! Bodies: taken in whole and bounded, given out as JSON.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Serialize;

use crate::problem::Problem;

/// Bytes of the largest body that is read.
const LIMIT: usize = 1 << 20;

/// How long a client may take to send one.
const PATIENCE: Duration = Duration::from_secs(30);

/// As UpCloud's core services label their answers (contract section 1.1).
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=UTF-8");

/// # Errors
/// Larger than 1 MiB, slower than 30 seconds, or cut off.
pub(crate) async fn read(body: Body) -> Result<Bytes, Problem> {
    let whole = tokio::time::timeout(PATIENCE, Limited::new(body, LIMIT).collect()).await;
    match whole.map_err(|_| Problem::TooSlow)? {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Problem::TooLarge),
        Err(_) => Err(Problem::BodyCut),
    }
}

/// # Panics
/// `it` has a map whose keys are no strings, which none of ours has.
pub(crate) fn json(status: StatusCode, it: &impl Serialize) -> Response {
    labelled(status, text_of(it))
}

/// What is told once, and kept nowhere on the way.
pub(crate) fn secret(status: StatusCode, it: &impl Serialize) -> Response {
    kept_nowhere(json(status, it))
}

pub(crate) fn kept_nowhere(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// # Panics
/// As [`json`].
pub(crate) fn text_of(it: &impl Serialize) -> Vec<u8> {
    text_of_about(128, it)
}

/// With room for so many bytes: a text of megabytes that grows is copied, and
/// its memory asked for, again and again.
///
/// # Panics
/// As [`json`].
pub(crate) fn text_of_about(bytes: usize, it: &impl Serialize) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes);
    serde_json::to_writer(&mut text, it).expect("views are structs, lists and strings");
    text
}

/// `text` is JSON.
pub(crate) fn labelled(status: StatusCode, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response
}

/// 204: neither body nor content type, as clients decode what is labelled.
pub(crate) fn nothing() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}
