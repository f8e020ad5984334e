//! The network between one host and the server, and the host's session on it.

use std::collections::VecDeque;

use axum::body::{Body, BodyDataStream};
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use model::ids::Revision;
use model::spec::HostSpec;
use model::wire::agent::{Assembly, Line};
use tokio_stream::StreamExt;
use tower::ServiceExt;

use super::super::door::Peer;
use super::Dice;

/// What may go which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reach {
    /// To the server.
    pub(super) up: bool,
    /// From the server.
    pub(super) down: bool,
}

impl Reach {
    pub(super) const WHOLE: Self = Self { up: true, down: true };

    pub(super) fn is_whole(self) -> bool {
        self == Self::WHOLE
    }
}

/// The longest that anything is on its way, in milliseconds.
pub(super) const SLOWEST: u64 = 150;

/// Pieces that are on their way at once: more wait at the server.
const WINDOW: usize = 1;

/// One watch, as the host has it.
pub(super) struct Session {
    pub(super) peer: Peer,
    body: BodyDataStream,
    /// Pieces and when they arrive.
    coming: VecDeque<(u64, Bytes)>,
    buffer: Vec<u8>,
    pub(super) assembly: Assembly,
    pub(super) epoch: Option<Revision>,
    pub(super) limit_ms: u64,
    /// When the last renewal left that was answered.
    pub(super) renewed: u64,
    /// When something was last heard.
    pub(super) heard: u64,
    pub(super) ended: bool,
    /// Whole slices that wait for the lease to hold.
    pub(super) slices: VecDeque<HostSpec>,
}

impl Session {
    pub(super) fn new(peer: Peer, body: Body, known: Option<HostSpec>, now: u64) -> Self {
        Self {
            peer,
            body: body.into_data_stream(),
            coming: VecDeque::new(),
            buffer: Vec::new(),
            assembly: Assembly::from(known.unwrap_or_default()),
            epoch: None,
            limit_ms: 0,
            renewed: now,
            heard: now,
            ended: false,
            slices: VecDeque::new(),
        }
    }

    /// Takes from the server what is there.
    pub(super) async fn pump(&mut self, dice: &mut Dice, now: u64) {
        while self.coming.len() < WINDOW && !self.ended {
            let next = std::pin::pin!(self.body.next());
            let mut next = next;
            let polled =
                std::future::poll_fn(|context| std::task::Poll::Ready(next.as_mut().poll(context)));
            match polled.await {
                std::task::Poll::Ready(Some(Ok(piece))) => {
                    let last = self.coming.back().map_or(0, |(at, _)| *at);
                    self.coming.push_back((last.max(now + dice.below(SLOWEST)), piece));
                }
                std::task::Poll::Ready(Some(Err(_)) | None) => self.ended = true,
                std::task::Poll::Pending => return,
            }
        }
    }

    /// Lines that have arrived.
    pub(super) fn arrived(&mut self, reach: Reach, now: u64) -> Vec<Line> {
        while reach.down && self.coming.front().is_some_and(|(at, _)| *at <= now) {
            let (_, piece) = self.coming.pop_front().expect("it was there");
            self.buffer.extend_from_slice(&piece);
            self.heard = now;
        }
        let mut lines = Vec::new();
        while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            lines.push(Line::parse(&self.buffer[..end]).expect("the server's own lines"));
            self.buffer.drain(..=end);
        }
        lines
    }
}

/// Makes a request over the connection of `peer`.
pub(super) async fn ask(
    router: &axum::Router,
    peer: Peer,
    method: &str,
    path: &str,
    body: String,
) -> (StatusCode, Body) {
    let request = Request::builder()
        .method(method)
        .uri(format!("/agent/v1/{path}"))
        .header("content-type", "application/json")
        .extension(peer)
        .body(Body::from(body))
        .expect("a request");
    let response = router.clone().oneshot(request).await.expect("it answers always");
    (response.status(), response.into_body())
}
