//! What another server is told of the hosts that are connected here.
//!
//! Nothing is queued for a slow reader: each time there is room, how hosts
//! stand is compared with what was sent last.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use imbl::ordmap::DiffItem;
use model::ids::Revision;
use model::way::{Measured, Way, Ways};
use model::wire::peer::{Line, Told};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use crate::agents::hub::Hub;
use crate::agents::listener::stopped;
use crate::agents::roster::Here;
use crate::agents::session::Stand;

/// How often a stream without news says that it is alive.
const IDLE: Duration = Duration::from_secs(1);

/// A reader that takes nothing for this long is given up.
const STUCK: Duration = Duration::from_secs(10);

/// A piece of the stream, in bytes, is a line longer than this at most.
const PIECE: usize = 32 << 10;

/// Ways in one line.
const WAYS: usize = 4096;

pub(super) type Pieces = mpsc::Sender<Result<Bytes, Infallible>>;

impl Hub {
    fn here(&self) -> (Here, Revision, u64) {
        let now_ms = self.shared.now_ms();
        let (here, newest) = self.shared.lock().roster.here();
        (here, newest, now_ms)
    }
}

/// Sends until the reader is gone or stuck, or the server stops.
pub(super) async fn run(hub: Hub, pieces: Pieces, mut stop: watch::Receiver<bool>) {
    let mut changed = hub.changed();
    let (mut sent, mut at) = (Here::new(), None);
    loop {
        changed.mark_unchanged();
        let (here, newest, now_ms) = hub.here();
        let snapshot = at.is_none().then_some(Line::Snapshot);
        let news = changes(&sent, &here, newest, now_ms);
        if snapshot.is_some() || !news.is_empty() || at != Some(newest) {
            if send(&pieces, snapshot.into_iter().chain(news), newest).await.is_none() {
                return;
            }
            (sent, at) = (here, Some(newest));
        }
        let is_idle = tokio::select! {
            told = changed.changed() => match told {
                Ok(()) => false,
                Err(_) => return,
            },
            () = pieces.closed() => return,
            () = stopped(&mut stop) => return,
            () = tokio::time::sleep(IDLE) => true,
        };
        if is_idle && send(&pieces, std::iter::empty(), newest).await.is_none() {
            return;
        }
    }
}

/// The lines that turn who knows `old` into one who knows `new`.
fn changes(old: &Here, new: &Here, at: Revision, now_ms: u64) -> Vec<Line> {
    let mut lines = Vec::new();
    for difference in old.diff(new) {
        match difference {
            DiffItem::Add(host, stand) => tell(&mut lines, (*host, None, stand), at, now_ms),
            DiffItem::Update { old: (_, old), new: (host, new) } => {
                let same = Some(old).filter(|old| old.id == new.id);
                tell(&mut lines, (*host, same, new), at, now_ms);
            }
            DiffItem::Remove(host, _) => lines.push(Line::Gone { host: *host }),
        }
    }
    lines
}

/// How the host stands, and what of its ways is other than in `old`, which was
/// told of its session.
fn tell(
    lines: &mut Vec<Line>,
    (host, old, new): (Uuid, Option<&Arc<Stand>>, &Arc<Stand>),
    at: Revision,
    now_ms: u64,
) {
    let none = Ways::new();
    let (mut ways, mut gone) = (Vec::new(), Vec::new());
    for difference in old.map_or(&none, |old| &old.ways).diff(&new.ways) {
        match difference {
            DiffItem::Add(way, it) | DiffItem::Update { new: (way, it), .. } => {
                ways.push((*way, it.clone()));
            }
            DiffItem::Remove(way, _) => gone.push(*way),
        }
    }
    let told = |ways: Vec<(Way, Measured)>, gone, anew| {
        Line::Host(Box::new(Told {
            host,
            at,
            epoch: new.epoch,
            live: new.live,
            floor: new.floor,
            waiting_ms: new.since_ms.map_or(0, |since| now_ms.saturating_sub(since)),
            errors: new.errors.clone(),
            repairs: new.repairs.clone(),
            anew,
            ways,
            gone,
        }))
    };
    let mut parts = ways.chunks(WAYS).map(<[_]>::to_vec);
    lines.push(told(parts.next().unwrap_or_default(), gone, old.is_none()));
    lines.extend(parts.map(|part| told(part, Vec::new(), false)));
}

async fn send(pieces: &Pieces, lines: impl Iterator<Item = Line>, at: Revision) -> Option<()> {
    let mut buffer = Vec::new();
    for line in lines.chain([Line::At { revision: at }]) {
        serde_json::to_writer(&mut buffer, &line).expect("a line is JSON and memory takes it");
        buffer.push(b'\n');
        if buffer.len() >= PIECE {
            piece(pieces, std::mem::take(&mut buffer)).await?;
        }
    }
    if buffer.is_empty() { Some(()) } else { piece(pieces, buffer).await }
}

async fn piece(pieces: &Pieces, buffer: Vec<u8>) -> Option<()> {
    let sent = tokio::time::timeout(STUCK, pieces.send(Ok(buffer.into()))).await;
    sent.ok()?.ok()
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
