//! One request, from its head to its answer.

use std::any::Any;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use model::error::{Noun, Rule};
use model::policy::Policy;
use store::Store;
use uuid::Uuid;

use crate::agents::Hub;
use crate::auth::Auth;
use crate::body;
use crate::problem::Problem;
use crate::query::Query;
use crate::routes::{self, Answer, Caller};
use crate::terms::{self, Asked};

/// What a call works on. Clones share all but what the request asks.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) store: Store,
    pub(crate) hub: Hub,
    pub(crate) policy: Policy,
    /// Of the one request that this is for.
    pub(crate) asked: Asked,
    auth: Arc<Auth>,
}

/// A request whose caller is known and whose route was found.
pub(crate) struct Call {
    /// The caller's account; empty where anyone may call.
    pub(crate) account: String,
    /// What the braces of the route's path stand for.
    ids: Vec<String>,
    pub(crate) query: Query,
    pub(crate) body: Bytes,
}

impl Call {
    pub(crate) fn new(account: String, ids: Vec<String>, query: Query, body: Bytes) -> Self {
        Self { account, ids, query, body }
    }

    /// The first name in the path.
    pub(crate) fn id(&self) -> &str {
        self.ids.first().map_or("", String::as_str)
    }

    pub(crate) fn second_id(&self) -> &str {
        self.ids.get(1).map_or("", String::as_str)
    }

    /// The first name in the path, which is a UUID.
    ///
    /// # Errors
    /// [`Rule::Absent`]: what is no UUID names nothing (contract section 1.7).
    pub(crate) fn uuid(&self, noun: Noun) -> Result<Uuid, Rule> {
        Uuid::try_parse(self.id()).map_err(|_| Rule::Absent(noun, self.id().to_owned()))
    }
}

impl Api {
    pub(crate) fn new(store: Store, hub: Hub, policy: Policy) -> Self {
        Self { store, hub, policy, asked: Asked::default(), auth: Arc::new(Auth::new()) }
    }

    /// Answers, whatever happens.
    pub(crate) async fn serve(self, request: Request<Body>) -> Result<Response, Infallible> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let answer = match unwound(self.answer(request)).await {
            Ok(answer) => answer,
            Err(panic) => Err(Problem::from(panic)),
        };
        let response = answer.unwrap_or_else(Problem::into_response);
        tracing::debug!(%method, path, status = response.status().as_u16(), "answered");
        Ok(response)
    }

    /// Credentials come first, so that who has none learns nothing about
    /// which paths there are (contract section 1.3).
    async fn answer(mut self, request: Request<Body>) -> Answer {
        let (head, body) = request.into_parts();
        let found = routes::find(&head.method, &head.uri);
        let account = match &found {
            Ok((route, _)) if route.caller == Caller::Anyone => String::new(),
            Ok(_) | Err(_) => self.auth.account(&self.store.world(), &head.headers).await?,
        };
        let (route, ids) = found?;
        if !takes_json(&head.headers) {
            return Err(Problem::NotAcceptable);
        }
        let body = match head.method {
            Method::POST | Method::PUT | Method::PATCH => body::read(body).await?,
            _ => Bytes::new(),
        };
        let query = Query::of(head.uri.query().unwrap_or_default());
        self.asked = Asked::of(&head, &account, &body)?;
        let api = self.clone();
        let work = (route.handler)(self, Call { account, ids, query, body });
        match api.asked.once.clone() {
            Some(once) => api.once(once, work).await,
            None => Ok(terms::unless_had(&head.headers, work.await?)),
        }
    }
}

/// Whether `Accept` takes JSON (RFC 9110 §12.5.1). What cannot be read asks
/// for nothing.
fn takes_json(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|v| HeaderValue::to_str(v).ok());
    let mut ranges = values.flat_map(|v| v.split(',')).map(str::trim).filter(|r| !r.is_empty());
    let mut asked = false;
    let takes = ranges.any(|range| {
        asked = true;
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let refused = |p: &str| {
            p.strip_prefix("q=").is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q == 0.0))
        };
        matches!(&*kind, "*/*" | "application/*" | "application/json") && !parts.any(refused)
    });
    takes || !asked
}

/// Polls to the end; a panic on the way is an error of this request alone.
/// What it holds is not used again, and shared state is behind locks that
/// stay usable.
async fn unwound<T>(work: impl Future<Output = T>) -> Result<T, Box<dyn Any + Send>> {
    let mut work = pin!(work);
    std::future::poll_fn(|context| {
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(it)) => Poll::Ready(Ok(it)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_accept_without_json_is_refused() {
        for (accept, want) in [
            ("", true),
            ("*/*", true),
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("text/html, application/*;q=0.5", true),
            ("application/xml", false),
            ("text/*,application/json;q=0", false),
            (",;", false),
        ] {
            let value = HeaderValue::from_static(accept);
            let headers = HeaderMap::from_iter([(header::ACCEPT, value)]);
            assert_eq!(takes_json(&headers), want, "{accept}");
        }
        assert!(takes_json(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn a_panic_is_an_error_of_its_own_request() {
        let panicked = unwound(async { assert!(std::hint::black_box(false), "a bug") }).await;
        let problem = Problem::from(panicked.unwrap_err());
        assert!(matches!(&problem, Problem::Panic(text) if text == "a bug"), "{problem:?}");
        assert_eq!(problem.into_response().status(), 500);
    }
}
