//! One host's stream: its slice, then what changes of it.
//!
//! Nothing is queued for a slow reader: each time there is room it is told what
//! of the newest slice is another than when it was told last. No slice is kept
//! to see that, but the world of then and what was touched since.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::host_spec::host_spec;
use model::ids::Revision;
use model::slice::{delta, lines};
use model::touch::Touched;
use model::wire::agent::{Line, changes};
use model::world::World;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use super::listener::stopped;
use super::owed::Debt;
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
    fn hears(&self, line: &Line) -> bool {
        self.seals || !line.is_of_sealing()
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
    let mut news = match resumed {
        Some(world) => News::Since(world),
        None => News::All,
    };
    loop {
        if let Err(why) = tell(&seat, &reader, news).await {
            return tracing::info!(%host, "watch ends: {why}");
        }
        news = News::Owed;
        if !news_to_come(&seat, &mut reader, &mut stop).await {
            return;
        }
    }
}

/// What a host is to be told of.
enum News {
    /// It begins with nothing.
    All,
    /// It has its slice of that world.
    Since(Arc<World>),
    /// What it was not told so far.
    Owed,
}

const OVER: &str = "the host has begun another, or lost its lease";

async fn tell(seat: &Seat, reader: &Reader, news: News) -> Result<(), &'static str> {
    let host = seat.host();
    let (world, debt) = seat.next().ok_or(OVER)?;
    let known = world.hosts.get(&host).ok_or("the host was deleted")?;
    if known.certificates.revoked().is_some() {
        return Err("the host was revoked");
    }
    let first = !matches!(news, News::Owed);
    let these: Option<Vec<Line>> = match news {
        News::All => None,
        News::Since(before) => {
            seat.work().resumed();
            Some(differences(&before, &world, host))
        }
        News::Owed => Some(owed(seat, debt, &world)),
    };
    let these = these.map(|mut it| {
        it.retain(|line| reader.hears(line));
        it
    });
    // The first mark is sent in any case: its answer says the host is up.
    let is_news = first || these.as_ref().is_none_or(|it| !it.is_empty());
    if !seat.looked(world.revision(), is_news) {
        return Err(OVER);
    }
    if !is_news {
        return Ok(());
    }
    let lease = first.then(|| seat.lease()).flatten().into_iter();
    let sent = match these {
        Some(these) => send(seat, &reader.pieces, lease.chain(these), world.revision()).await,
        None => {
            seat.work().snapshot();
            let all = lines(&world, host).filter(|line| reader.hears(line));
            let all = lease.chain([Line::Snapshot]).chain(all);
            send(seat, &reader.pieces, all, world.revision()).await
        }
    };
    sent.ok_or("the reader is gone or stuck")
}

fn owed(seat: &Seat, debt: Option<Debt>, world: &World) -> Vec<Line> {
    let Some(Debt { before, touched }) = debt else { return Vec::new() };
    match touched {
        Touched::Parts(parts) => {
            seat.work().look();
            delta(&before, world, seat.host(), &parts)
        }
        Touched::Whole => {
            seat.work().recomputed();
            differences(&before, world, seat.host())
        }
    }
}

/// By making both slices.
fn differences(before: &World, after: &World, host: Uuid) -> Vec<Line> {
    changes(&host_spec(before, host), &host_spec(after, host)).collect()
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
    seat: &Seat,
    pieces: &Pieces,
    lines: impl Iterator<Item = Line>,
    revision: Revision,
) -> Option<()> {
    let (mut buffer, mut count) = (Vec::new(), 0);
    for line in lines.chain([Line::Mark { revision }]) {
        count += 1;
        write(&mut buffer, &line);
        if buffer.len() >= PIECE {
            piece(pieces, std::mem::take(&mut buffer)).await?;
        }
    }
    seat.work().told(count);
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
