//! What may be asked without credentials: whether the server lives, and what
//! it serves.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::api::{Api, Call};
use crate::body::JSON;
use crate::routes::Answer;

/// OpenAPI 3.1; a test holds it to the table of routes.
const DOCUMENT: &str = include_str!("../openapi.json");

pub(crate) async fn show(_: Api, _: Call) -> Answer {
    Ok(text(DOCUMENT, JSON))
}

/// The store is open and the world loaded before the first connection is
/// accepted, so a server that answers is ready, unless it is about to stop or
/// has lost the store.
pub(crate) async fn ready(api: Api, call: Call) -> Answer {
    if !api.hub.is_closed() {
        return ok(api, call).await;
    }
    let mut response = text("not ready", HeaderValue::from_static("text/plain; charset=utf-8"));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    Ok(response)
}

pub(crate) async fn ok(_: Api, _: Call) -> Answer {
    Ok(text("ok", HeaderValue::from_static("text/plain; charset=utf-8")))
}

fn text(text: &'static str, kind: HeaderValue) -> Response {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::routes::{Caller, ROUTES};

    #[test]
    fn the_document_has_the_operations_of_the_routes_and_no_other() {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        let mut documented = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in
                item.as_object().unwrap().iter().filter(|(k, _)| *k != "parameters")
            {
                let open = operation["security"] == Value::Array(Vec::new());
                documented.insert((path.clone(), method.to_uppercase(), open));
            }
        }
        let served = |r: &crate::routes::Route| {
            (r.path.to_owned(), r.method.to_owned(), r.caller == Caller::Anyone)
        };
        assert_eq!(documented, ROUTES.iter().map(served).collect());
    }

    #[test]
    fn every_reference_of_the_document_leads_somewhere() {
        fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
            match value {
                Value::Object(map) => {
                    found.extend(map.get("$ref").and_then(Value::as_str));
                    map.values().for_each(|v| references(v, found));
                }
                Value::Array(values) => values.iter().for_each(|v| references(v, found)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(!found.is_empty());
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }
}
