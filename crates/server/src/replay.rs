//! What was done under an `Idempotency-Key` is answered as it was answered.
//!
//! That it was done is remembered in the write that did it. What was answered
//! is known only when the hosts have settled, so it is written down then; a
//! server that dies between the two answers a repetition with the object as
//! it is.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use http_body_util::BodyExt;
use model::audit::Origin;
use model::error::Rule;
use model::objects::{Done, Outcome};
use model::op::Op;
use model::terms::Once;
use uuid::Uuid;

use crate::api::{Api, Call};
use crate::auth::User;
use crate::body;
use crate::problem::Problem;
use crate::query::Query;
use crate::routes::{self, Answer, Answering};

/// For how long a repetition waits for the first answer: longer than an
/// answer takes.
const PATIENCE: Duration = Duration::from_secs(5);

impl Api {
    /// Ends what was begun, whether or not the caller is still there: one that
    /// gave up asks again, under the same key.
    pub(crate) async fn once(self, once: Once, caller: User, work: Answering) -> Answer {
        let ended = tokio::spawn(async move {
            match work.await {
                Ok(response) if response.status().is_success() => self.keep(once, response).await,
                Ok(refusal) => Ok(refusal),
                Err(Problem::Rule(Rule::DoneBefore)) => self.replay(once, caller).await,
                // Nothing was done, and the same may be asked again.
                Err(problem) => Err(problem),
            }
        });
        ended.await.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => Err(Problem::from(panic)),
            Err(error) => Err(Problem::Panic(error.to_string())),
        })
    }

    /// The answer, once it is written down.
    async fn keep(self, once: Once, response: Response) -> Answer {
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|_| Problem::BodyCut)?.to_bytes();
        let secret = head.headers.contains_key(header::CACHE_CONTROL);
        let told = || Outcome::Told {
            status: head.status.as_u16(),
            body: String::from_utf8_lossy(&body).into_owned(),
        };
        let outcome = if secret { Outcome::Secret } else { told() };
        let written = self
            .store
            .write(Op::Answered { once, outcome }.from(Origin::clone(&self.origin)))
            .await;
        if let Err(error) = written {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "an answer could not be kept for its repetition");
        }
        Ok(Response::from_parts(head, Body::from(body)))
    }

    async fn replay(self, once: Once, caller: User) -> Answer {
        // A repetition waits as long for the answer as its first did; then
        // it is taken for lost.
        let _ = tokio::time::timeout(PATIENCE, self.answered(&once)).await;
        let world = self.store.world();
        let Done { made, outcome, .. } =
            world.done(&once.account, &once.key).ok_or(Rule::AnswerLost)?.as_ref();
        match outcome {
            Outcome::Told { status, body } => told(*status, body),
            Outcome::Secret => Err(Rule::AnswerLost.into()),
            Outcome::Unknown => {
                let made = made.ok_or(Rule::AnswerLost)?;
                let response = self.clone().show_made(caller, made).await?;
                self.keep(once, response).await
            }
        }
    }

    async fn answered(&self, once: &Once) {
        let mut groups = self.store.groups();
        let open = || {
            let world = self.store.world();
            // The write that did it may be in a group that is not committed yet.
            let done = world.done(&once.account, &once.key);
            done.is_none_or(|it| it.outcome == Outcome::Unknown)
        };
        while open() {
            // Behind or not, the world tells.
            let _ = groups.recv().await;
        }
    }

    /// The object as its creation would be answered.
    async fn show_made(self, caller: User, made: Uuid) -> Answer {
        let (path, status) = place_of(made).ok_or(Rule::AnswerLost)?;
        let uri = path.parse().expect("our paths are URIs");
        let (route, ids) = routes::find(&Method::GET, &uri)?;
        let call = Call::new(caller, ids, Query::default(), Bytes::new());
        let mut response = (route.handler)(self, call).await?;
        *response.status_mut() = status;
        Ok(response)
    }
}

fn told(status: u16, text: &str) -> Answer {
    if text.is_empty() {
        return Ok(body::nothing());
    }
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    Ok(body::labelled(status, text.as_bytes().to_vec()))
}

/// Where the object of this UUID is shown, as its first two digits tell the
/// kind, and what its creation is answered with.
fn place_of(uuid: Uuid) -> Option<(String, StatusCode)> {
    use crate::hold::Kind;
    let kinds = [
        (Kind::Server, "/1.3/server", StatusCode::ACCEPTED),
        (Kind::Network, "/1.3/network", StatusCode::CREATED),
        (Kind::Router, "/1.3/router", StatusCode::CREATED),
        (Kind::Port, "/kannas/v1/ports", StatusCode::CREATED),
        (Kind::Peering, "/1.3/network-peering", StatusCode::CREATED),
        (Kind::PeeringGroup, "/kannas/v1/peering-groups", StatusCode::CREATED),
    ];
    let found = kinds.into_iter().find(|(kind, _, _)| *kind as u8 == uuid.as_bytes()[0]);
    found.map(|(_, collection, status)| (format!("{collection}/{uuid}"), status))
}
