//! One request, from its head to its answer.

use std::any::Any;
use std::convert::Infallible;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use model::audit::Origin;
use model::error::{Noun, Rule};
use model::ip_range::IpRange;
use model::policy::Policy;
use model::scope::Scope;
use model::world::World;
use store::Store;
use tokio::sync::watch;
use uuid::Uuid;

use crate::agents::Hub;
use crate::auth::{Auth, Moment, User};
use crate::body;
use crate::load::Load;
use crate::memo::Memo;
use crate::plan;
use crate::problem::Problem;
use crate::query::Query;
use crate::routes::{self, Answer, Caller};
use crate::source;
use crate::terms::{self, Asked};

/// What a call works on. Clones share all but what the request asks.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) store: Store,
    pub(crate) hub: Hub,
    pub(crate) policy: Policy,
    pub(crate) auth: Arc<Auth>,
    pub(crate) lists: Arc<Memo>,
    proxies: Arc<[IpRange]>,
    load: Load,
    /// Says that the server is to stop.
    pub(crate) stop: watch::Receiver<bool>,
    /// Of a request that may write: what is written down with that.
    pub(crate) origin: Arc<Origin>,
    /// The caller, if it is a sub-account: all that is written by this is
    /// held to what it has access to.
    pub(crate) sub: Option<String>,
    /// Of the one request that this is for.
    pub(crate) asked: Asked,
}

/// How an installation has it.
pub(crate) struct Setting {
    pub(crate) policy: Policy,
    pub(crate) proxies: Vec<IpRange>,
    /// For requests at once.
    pub(crate) room: usize,
}

/// A request whose caller is known and whose route was found.
pub(crate) struct Call {
    /// Whose things are asked for: the caller's account or its main account;
    /// empty where anyone may call.
    pub(crate) account: String,
    pub(crate) user: User,
    /// What the braces of the route's path stand for.
    ids: Vec<String>,
    pub(crate) query: Query,
    pub(crate) body: Bytes,
}

impl Call {
    pub(crate) fn new(user: User, ids: Vec<String>, query: Query, body: Bytes) -> Self {
        Self { account: user.account.clone(), user, ids, query, body }
    }

    /// The first name in the path.
    pub(crate) fn id(&self) -> &str {
        self.ids.first().map_or("", String::as_str)
    }

    pub(crate) fn second_id(&self) -> &str {
        self.ids.get(1).map_or("", String::as_str)
    }

    /// # Errors
    /// [`Rule::TokenMakesNone`].
    pub(crate) fn check_makes_credentials(&self) -> Result<(), Rule> {
        if self.user.makes_credentials { Ok(()) } else { Err(Rule::TokenMakesNone) }
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
    pub(crate) fn new(
        store: Store,
        hub: Hub,
        setting: Setting,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let Setting { policy, proxies, room } = setting;
        let (auth, lists, load) = (Arc::new(Auth::new()), Arc::default(), Load::new(room));
        let proxies = proxies.into();
        let (origin, asked) = (Origin::kannas("").into(), Asked::default());
        Self { store, hub, policy, auth, lists, proxies, load, stop, origin, sub: None, asked }
    }

    pub(crate) fn now(&self) -> Moment {
        self.auth.now()
    }

    /// What of its account's the caller may see.
    ///
    /// # Errors
    /// As [`Scope::of`].
    pub(crate) fn scope<'w>(&self, world: &'w World) -> Result<Scope<'w>, Rule> {
        Scope::of(world, self.sub.as_deref())
    }

    /// Answers, whatever happens.
    pub(crate) async fn serve(
        self,
        request: Request<Body>,
        peer: IpAddr,
    ) -> Result<Response, Infallible> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let answer = match unwound(self.answer(request, peer)).await {
            Ok(answer) => answer,
            Err(panic) => Err(Problem::from(panic)),
        };
        let response = answer.unwrap_or_else(Problem::into_response);
        tracing::debug!(%method, path, status = response.status().as_u16(), "answered");
        Ok(response)
    }

    /// Credentials come first, so that who has none learns nothing about
    /// which paths there are (contract section 1.3).
    async fn answer(mut self, request: Request<Body>, peer: IpAddr) -> Answer {
        let (head, body) = request.into_parts();
        let found = routes::find(&head.method, &head.uri);
        let from = source::of(peer, &head.headers, &self.proxies);
        let user = match &found {
            Ok((route, _)) if route.caller == Caller::Anyone => User::default(),
            Ok(_) | Err(_) => self.user(&head.headers, from).await?,
        };
        let (route, ids) = found?;
        // What only says whether the server lives is said whatever it has to do.
        let _turn = match route.caller {
            Caller::Anyone => None,
            Caller::User | Caller::Account => Some(self.load.enter(&user.account)?),
        };
        if user.is_sub && route.caller == Caller::Account {
            return Err(Problem::Rule(Rule::MainOnly(user.name)));
        }
        self.sub = user.is_sub.then(|| user.name.clone());
        let takes = if route.streams() { takes_events } else { takes_json };
        if !takes(&head.headers) {
            return Err(Problem::NotAcceptable);
        }
        let body = match head.method {
            Method::POST | Method::PUT | Method::PATCH => body::read(body).await?,
            _ => Bytes::new(),
        };
        let query = Query::of(head.uri.query().unwrap_or_default());
        self.asked = Asked::of(&head, &user.name, &body)?;
        if plan::is_asked_for(route, &query)? {
            self.asked = self.asked.planned();
        }
        if head.method != Method::GET {
            let cause = format!("{} {}", head.method, head.uri.path());
            self.origin = Origin { who: user.name.clone(), from: Some(from), cause }.into();
        }
        let (api, caller) = (self.clone(), user.clone());
        let work = (route.handler)(self, Call::new(user, ids, query, body));
        match api.asked.once.clone() {
            Some(once) => api.once(once, caller, work).await,
            None => Ok(terms::unless_had(&head.headers, work.await?)),
        }
    }

    async fn user(&self, headers: &HeaderMap, from: IpAddr) -> Result<User, Problem> {
        // Whatever the handler reads is at least as new.
        let (world, now) = (self.store.fresh().await?, self.now());
        let user = self.auth.user(&world, headers, from, now).await?;
        self.auth.count(&user.account, self.policy.rate_of(&world, &user.account), now)?;
        Ok(user)
    }
}

/// Whether `Accept` takes JSON (RFC 9110 §12.5.1). What cannot be read asks
/// for nothing.
fn takes_json(headers: &HeaderMap) -> bool {
    takes(headers, &["*/*", "application/*", "application/json"])
}

/// The same for a stream of events.
fn takes_events(headers: &HeaderMap) -> bool {
    takes(headers, &["*/*", "text/*", "text/event-stream"])
}

fn takes(headers: &HeaderMap, kinds: &[&str]) -> bool {
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
        kinds.contains(&&*kind) && !parts.any(refused)
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
