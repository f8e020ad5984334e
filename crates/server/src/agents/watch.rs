//! One host's stream: its slice, then what changes of it.
//!
//! Nothing is queued for a slow reader: each time there is room the newest
//! slice is compared with the one that was sent last.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::host_spec::host_spec;
use model::ids::Revision;
use model::seal::Sealing;
use model::spec::HostSpec;
use model::wire::agent::{Line, changes};
use model::world::World;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use super::listener::stopped;
use super::seat::Seat;

/// How often a stream without news says that it is alive.
const IDLE: Duration = Duration::from_secs(5);

/// A reader that takes nothing for this long is given up: it may resume.
const STUCK: Duration = Duration::from_secs(30);

/// A piece of the stream, in bytes, is a line longer than this at most.
const PIECE: usize = 32 << 10;

pub(crate) type Pieces = mpsc::Sender<Result<Bytes, Infallible>>;

/// Who reads the stream.
pub(crate) struct Reader {
    pub(crate) pieces: Pieces,
    /// What it is to be asked.
    pub(crate) asks: mpsc::Receiver<Line>,
    /// It knows of encryption; to another one nothing is said of it, and what
    /// must be encrypted has no route for it.
    pub(crate) seals: bool,
}

impl Reader {
    fn slice(&self, world: &World, host: Uuid) -> HostSpec {
        let spec = host_spec(world, host);
        let sealing = if self.seals { spec.sealing } else { Sealing::default() };
        HostSpec { sealing, ..spec }
    }
}

/// Sends until the reader is gone, the host is deleted, another session of the
/// host has begun or the server stops.
pub(crate) async fn run(
    seat: Seat,
    resumed: Option<Arc<World>>,
    mut reader: Reader,
    mut stop: watch::Receiver<bool>,
) {
    let host = seat.host();
    let snapshot = resumed.is_none().then_some(Line::Snapshot);
    let mut first: Option<Vec<Line>> = Some(seat.lease().into_iter().chain(snapshot).collect());
    let mut sent = resumed.map_or_else(HostSpec::default, |world| reader.slice(&world, host));
    loop {
        let world = seat.newest();
        let is_admitted =
            world.hosts.get(&host).is_some_and(|it| it.certificates.revoked().is_none());
        if !is_admitted {
            return tracing::info!(%host, "watch ends: the host was deleted or revoked");
        }
        let slice = reader.slice(&world, host);
        let news: Vec<Line> = changes(&sent, &slice).collect();
        // The first mark is sent in any case: its answer says the host is up.
        let tell = first.is_some() || !news.is_empty();
        if !seat.looked(slice.revision, tell) {
            return tracing::info!(%host, "watch ends: the host has begun another, or lost its lease");
        }
        if tell {
            let lines = first.take().unwrap_or_default().into_iter().chain(news);
            let sent = send(&reader.pieces, lines, slice.revision).await;
            if sent.is_none() {
                return tracing::info!(%host, "watch ends: the reader is gone or stuck");
            }
        }
        sent = slice;
        if !news_to_come(&seat, &mut reader, &mut stop).await {
            return;
        }
    }
}

/// Waits for news, saying now and then that there is none. False when there
/// is nobody to send it to.
async fn news_to_come(
    seat: &Seat,
    Reader { pieces, asks, .. }: &mut Reader,
    stop: &mut watch::Receiver<bool>,
) -> bool {
    loop {
        let line = tokio::select! {
            () = seat.rung() => return true,
            () = pieces.closed() => return false,
            () = stopped(stop) => return false,
            Some(ask) = asks.recv() => ask,
            () = tokio::time::sleep(IDLE) => Line::Idle,
        };
        let mut buffer = Vec::new();
        write(&mut buffer, &line);
        if piece(pieces, buffer).await.is_none() {
            return false;
        }
    }
}

async fn send(
    pieces: &Pieces,
    lines: impl Iterator<Item = Line>,
    revision: Revision,
) -> Option<()> {
    let mut buffer = Vec::new();
    for line in lines.chain([Line::Mark { revision }]) {
        write(&mut buffer, &line);
        if buffer.len() >= PIECE {
            piece(pieces, std::mem::take(&mut buffer)).await?;
        }
    }
    if buffer.is_empty() { Some(()) } else { piece(pieces, buffer).await }
}

fn write(buffer: &mut Vec<u8>, line: &Line) {
    serde_json::to_writer(&mut *buffer, line).expect("a line is JSON and memory takes it");
    buffer.push(b'\n');
}

async fn piece(pieces: &Pieces, buffer: Vec<u8>) -> Option<()> {
    let sent = tokio::time::timeout(STUCK, pieces.send(Ok(buffer.into()))).await;
    sent.ok()?.ok()
}
