//! The headers by which a caller makes a request depend on something:
//! `Idempotency-Key`, `If-Match` and `If-None-Match`. All are optional.

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use model::error::{Rule, Subject};
use model::ids::Revision;
use model::terms::{Expected, Once};
use sha2::{Digest, Sha256};

use crate::problem::Problem;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What a caller asks of the write that its request is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) expected: Option<Expected>,
    pub(crate) once: Option<Once>,
    /// `Last-Event-ID` of who follows events: the last revision it has seen.
    pub(crate) last_event: Option<Revision>,
    /// It is not to be done: only to be said what it would do.
    pub(crate) plan: bool,
}

impl Asked {
    /// A key is taken with POST, whose repetition would do it again.
    ///
    /// # Errors
    /// A key that cannot be one.
    pub(crate) fn of(head: &Parts, user: &str, body: &Bytes) -> Result<Self, Problem> {
        let expected = expected(&head.headers);
        if head.method != Method::POST || user.is_empty() {
            let last_event = head.headers.get("last-event-id").and_then(|it| it.to_str().ok());
            let last_event = last_event.and_then(|it| it.parse().ok());
            return Ok(Self { expected, once: None, last_event, plan: false });
        }
        let once = key(&head.headers)?.map(|key| Once {
            account: user.to_owned(),
            key: hex(&Sha256::digest(key)),
            request: request_digest(head, body),
        });
        Ok(Self { expected, once, last_event: None, plan: false })
    }

    /// What is only planned leaves nothing to be remembered under a key.
    pub(crate) fn planned(self) -> Self {
        Self { once: None, plan: true, ..self }
    }
}

fn key(headers: &HeaderMap) -> Result<Option<&[u8]>, Problem> {
    let mut all = headers.get_all(KEY).iter();
    let Some(value) = all.next() else { return Ok(None) };
    let key = value.as_bytes();
    let visible = key.iter().all(|c| (0x21..=0x7e).contains(c));
    if (1..=255).contains(&key.len()) && visible && all.next().is_none() {
        return Ok(Some(key));
    }
    let why = "must be one value of 1 to 255 visible ASCII characters";
    Err(Problem::Rule(Rule::bad(Subject::Request, "Idempotency-Key", why)))
}

fn request_digest(head: &Parts, body: &[u8]) -> String {
    let path = head.uri.path_and_query().map_or("", |it| it.as_str());
    let whole = Sha256::new().chain_update(path).chain_update([0]).chain_update(body);
    hex(&whole.finalize())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes all");
        text
    })
}

/// What cannot be read, and a weak tag, match nothing: a write that was to be
/// guarded is never done unguarded.
fn expected(headers: &HeaderMap) -> Option<Expected> {
    let mut tags = tags(headers, header::IF_MATCH)?;
    if tags.iter().any(|tag| tag == "*") {
        return Some(Expected::Any);
    }
    tags.retain(|tag| !tag.starts_with("W/"));
    Some(Expected::Revisions(tags.iter().filter_map(|tag| revision_of(tag)).collect()))
}

fn tags(headers: &HeaderMap, name: HeaderName) -> Option<Vec<String>> {
    let values = headers.get_all(name).iter();
    let mut found = values.map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned()).peekable();
    found.peek()?;
    let all = found.flat_map(|v| v.split(',').map(|t| t.trim().to_owned()).collect::<Vec<_>>());
    Some(all.collect())
}

/// `"<revision>-<digest>"`: the first part is what a write is judged by, both
/// are what a cache is judged by (docs/decisions/0010).
fn revision_of(tag: &str) -> Option<Revision> {
    let (revision, _) = tag.strip_prefix('"')?.strip_suffix('"')?.split_once('-')?;
    revision.parse().ok()
}

fn tag(revision: Revision, body: &[u8]) -> HeaderValue {
    let digest = hex(&Sha256::digest(body)[..8]);
    HeaderValue::try_from(format!("\"{revision}-{digest}\"")).expect("digits and letters")
}

/// The answer, with the entity tag of what it shows.
pub(crate) fn tagged(
    revision: Revision,
    status: StatusCode,
    it: &impl serde::Serialize,
) -> Response {
    let body = crate::body::text_of(it);
    let tag = tag(revision, &body);
    let mut response = crate::body::labelled(status, body);
    response.headers_mut().insert(header::ETAG, tag);
    response
}

/// 304 in place of what the caller says it has (RFC 9110 §13.1.2).
pub(crate) fn unless_had(headers: &HeaderMap, response: Response) -> Response {
    let Some(tag) = response.headers().get(header::ETAG).cloned() else { return response };
    let had = tags(headers, header::IF_NONE_MATCH).is_some_and(|had| {
        let same = |t: &String| t.strip_prefix("W/").unwrap_or(t).as_bytes() == tag.as_bytes();
        had.iter().any(|t| t == "*" || same(t))
    });
    if response.status() != StatusCode::OK || !had {
        return response;
    }
    let mut unchanged = Response::new(Body::empty());
    *unchanged.status_mut() = StatusCode::NOT_MODIFIED;
    unchanged.headers_mut().insert(header::ETAG, tag);
    unchanged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|v| (name.clone(), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn a_write_expects_what_its_tags_say_and_nothing_from_others() {
        let revisions = |all: &[Revision]| Some(Expected::Revisions(all.to_vec()));
        for (values, want) in [
            (&[][..], None),
            (&["*"], Some(Expected::Any)),
            (&["\"7-ab\""], revisions(&[7])),
            (&["\"7-ab\", \"8-cd\"", "\"9-\""], revisions(&[7, 8, 9])),
            (&["W/\"7-ab\""], revisions(&[])),
            (&["7-ab"], revisions(&[])),
            (&["\"x-ab\"", "\"\"", ",", "\""], revisions(&[])),
            (&[""], revisions(&[])),
        ] {
            assert_eq!(expected(&headers(header::IF_MATCH, values)), want, "{values:?}");
        }
    }

    #[test]
    fn a_key_is_one_value_that_can_be_seen() {
        let long: &'static str = Box::leak("k".repeat(256).into_boxed_str());
        for values in [&[""][..], &["a b"], &["a", "b"], &["\t"], &[long]] {
            assert!(key(&headers(KEY, values)).is_err(), "{values:?}");
        }
        assert!(matches!(key(&headers(KEY, &["k-1"])), Ok(Some(b"k-1"))));
        assert!(matches!(key(&HeaderMap::new()), Ok(None)));
    }

    #[test]
    fn only_what_the_caller_has_is_left_out() {
        let response = || tagged(7, StatusCode::OK, &"it");
        let tag = response().headers()[header::ETAG].to_str().unwrap().to_owned();
        for (had, status) in [
            (tag.clone(), 304),
            (format!("\"x\", W/{tag}"), 304),
            ("*".to_owned(), 304),
            ("\"7-0000000000000000\"".to_owned(), 200),
            (String::new(), 200),
        ] {
            let value = HeaderValue::try_from(&had).unwrap();
            let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, value)]);
            assert_eq!(unless_had(&headers, response()).status(), status, "{had}");
        }
        assert_eq!(unless_had(&HeaderMap::new(), response()).status(), 200);
    }
}
