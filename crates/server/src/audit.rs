//! `/kannas/v1/events` and `/kannas/v1/history`: what was done, to whom it
//! concerns.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use model::error::{Noun, Rule, Subject};
use model::ids::Revision;
use model::op;
use model::wire::audit::{Many, ManyInner, View, Viewer};
use serde::Serialize;
use store::{Checked, From};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::api::{Api, Call};
use crate::aside::aside;
use crate::body::json;
use crate::problem::Problem;
use crate::routes::Answer;
use crate::stopped;

/// Events of an answer, unless it asks for fewer or more.
const USUAL: usize = 100;
const MOST: usize = 1000;

/// Entries that are read from the log at once.
const PAGE: usize = 1000;

/// Between two looks at the log of one who follows it.
const PAUSE: Duration = Duration::from_millis(100);

/// How often one who follows is told that there is nothing new.
const IDLE: Duration = Duration::from_secs(15);

/// The newest first; with `after`, the oldest after that revision first.
pub(crate) async fn list(api: Api, call: Call) -> Answer {
    let from = match (number(&call, "after")?, number(&call, "before")?) {
        (Some(after), _) => From::After(after),
        (None, before) => From::Before(before.unwrap_or(Revision::MAX)),
    };
    let limit = limit(&call)?;
    let looks = Looks::of(&api, &call)?;
    let event = looks.reading(move |looks| looks.read(from, limit)).await?;
    Ok(json(StatusCode::OK, &Many { events: ManyInner { event } }))
}

/// What was done to one object, the newest first, back to when it was made.
pub(crate) async fn history(api: Api, call: Call) -> Answer {
    let uuid = call.uuid(Noun::Object)?;
    let limit = limit(&call)?;
    let looks = Looks::of(&api, &call)?;
    let event = looks.reading(move |looks| looks.about(&uuid.to_string(), limit)).await?;
    if event.is_empty() {
        return Err(Rule::Absent(Noun::Object, uuid.to_string()).into());
    }
    Ok(json(StatusCode::OK, &Many { events: ManyInner { event } }))
}

#[derive(Serialize)]
struct Check {
    check: CheckView,
}

#[derive(Serialize)]
struct CheckView {
    #[serde(flatten)]
    checked: Option<Checked>,
    /// The first that is not as it was written, or follows one that is gone.
    broken: Option<Revision>,
}

/// Compares every entry with its hash.
pub(crate) async fn check(api: Api, call: Call) -> Answer {
    op::admin(&api.store.world(), &call.account)?;
    let log = api.store.log();
    let check = match aside(move || log.check()).await? {
        Ok(checked) => CheckView { checked: Some(checked), broken: None },
        Err(store::Error::Broken(revision)) => CheckView { checked: None, broken: Some(revision) },
        Err(error) => return Err(error.into()),
    };
    Ok(json(StatusCode::OK, &Check { check }))
}

/// Server-sent events (HTML, section 9.2), from the one after `Last-Event-ID` or
/// `after`, or from now on.
pub(crate) async fn follow(api: Api, call: Call) -> Answer {
    let asked = number(&call, "after")?;
    let looks = Looks::of(&api, &call)?;
    let last = match api.asked.last_event.or(asked) {
        Some(last) => {
            looks.clone().reading(move |looks| looks.check_kept(last).map(|()| last)).await?
        }
        None => api.store.world().revision(),
    };
    let (pieces, stream) = mpsc::channel(2);
    tokio::spawn(tell(api, looks, last, pieces));
    let mut response = Response::new(Body::from_stream(ReceiverStream::new(stream)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

type Pieces = mpsc::Sender<Result<Bytes, Infallible>>;

/// Until the reader is gone, no longer may read, or the server stops.
async fn tell(api: Api, looks: Looks, mut last: Revision, pieces: Pieces) {
    let mut groups = api.store.groups();
    let mut stop = api.stop.clone();
    loop {
        // Before it is read: what is written meanwhile is for the next look.
        let newest = api.store.world().revision();
        let found = looks.clone().reading(move |looks| looks.read(From::After(last), PAGE)).await;
        let Ok(found) = found.inspect_err(|problem| tracing::warn!(?problem, "cannot follow"))
        else {
            return;
        };
        last = if found.len() < PAGE { newest.max(last) } else { last };
        last = found.last().map_or(last, |event| event.revision.max(last));
        for event in &found {
            if pieces.send(Ok(piece(event))).await.is_err() {
                return;
            }
        }
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = pieces.closed() => return,
            _ = groups.recv(), if found.len() < PAGE => tokio::time::sleep(PAUSE).await,
            () = std::future::ready(()), if found.len() == PAGE => {}
            () = tokio::time::sleep(IDLE) => {
                if pieces.send(Ok(Bytes::from_static(b": nothing new\n\n"))).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn piece(event: &View) -> Bytes {
    let data = serde_json::to_string(event).expect("views are structs, lists and strings");
    format!("id: {}\nevent: change\ndata: {data}\n\n", event.revision).into()
}

/// Whose events are read.
#[derive(Clone)]
struct Looks {
    api: Api,
    account: String,
    admin: bool,
}

impl Looks {
    fn of(api: &Api, call: &Call) -> Result<Self, Problem> {
        let admin = op::admin(&api.store.world(), &call.account).is_ok();
        Ok(Self { api: api.clone(), account: call.account.clone(), admin })
    }

    async fn reading<T: Send + 'static>(
        self,
        read: impl FnOnce(Self) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        aside(move || read(self)).await?
    }

    /// # Errors
    /// Some of what came after `last` is forgotten.
    fn check_kept(&self, last: Revision) -> Result<(), Problem> {
        let oldest = self.api.store.log().read(From::After(0), 1, None)?.pop();
        match oldest {
            Some(oldest) if oldest.revision > last.saturating_add(1) => Err(Problem::Forgotten),
            Some(_) | None => Ok(()),
        }
    }

    /// At most `limit` of those that the account may see.
    fn read(&self, from: From, limit: usize) -> Result<Vec<View>, Problem> {
        if let From::After(last) = from
            && last > 0
        {
            self.check_kept(last)?;
        }
        // Found by the name, and then looked at closely.
        let name = serde_json::to_string(&self.account).expect("a name is JSON");
        self.search(from, (!self.admin).then_some(&*name), limit, |_| false)
    }

    /// What was done to the object of this UUID.
    fn about(&self, uuid: &str, limit: usize) -> Result<Vec<View>, Problem> {
        let mut found = self.search(From::Before(Revision::MAX), Some(uuid), limit, |view| {
            view.changes.iter().any(|it| it.id == uuid && it.change == "created")
        })?;
        for view in &mut found {
            view.changes.retain(|it| it.id == uuid);
        }
        found.retain(|view| !view.changes.is_empty());
        Ok(found)
    }

    fn search(
        &self,
        mut from: From,
        text: Option<&str>,
        limit: usize,
        is_last: impl Fn(&View) -> bool,
    ) -> Result<Vec<View>, Problem> {
        let (log, world) = (self.api.store.log(), self.api.store.world());
        let viewer = Viewer { account: &self.account, admin: self.admin };
        let mut found = Vec::new();
        loop {
            let page = log.read(from, PAGE.min(limit), text)?;
            let (Some(last), count) = (page.last().map(|it| it.revision), page.len()) else {
                return Ok(found);
            };
            for view in page.into_iter().filter_map(|entry| viewer.view(&world, entry)) {
                let end = is_last(&view);
                found.push(view);
                if end || found.len() == limit {
                    return Ok(found);
                }
            }
            if count < PAGE.min(limit) {
                return Ok(found);
            }
            from = match from {
                From::After(_) => From::After(last),
                From::Before(_) => From::Before(last),
            };
        }
    }
}

fn number(call: &Call, name: &'static str) -> Result<Option<u64>, Problem> {
    let parse = |text: &str| {
        text.parse::<u64>().map_err(|_| Rule::bad(Subject::Request, name, "must be a number"))
    };
    Ok(call.query.one(name).map(parse).transpose()?)
}

fn limit(call: &Call) -> Result<usize, Problem> {
    let limit = number(call, "limit")?.map_or(USUAL, |n| usize::try_from(n).unwrap_or(MOST));
    if (1..=MOST).contains(&limit) {
        return Ok(limit);
    }
    Err(Rule::bad(Subject::Request, "limit", "must be from 1 to 1000").into())
}
