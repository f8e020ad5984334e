//! What goes on beside the writer: ears for what others have written, and the
//! lock of the one that leads.

use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};
use tokio_postgres::Client;

use super::link::Link;
use super::sight::Sight;
use super::{Shared as OurPlace, Url, jittered};
use crate::Errand;
use crate::engine::{Company, Desk};

/// How often it is looked whether this process may lead, or still does; and
/// whether others have written, should PostgreSQL have told us nothing.
const LOOK: Duration = Duration::from_secs(1);

/// What an answer may take while this process leads. With [`LOOK`] it is less
/// than PostgreSQL takes to let another one lead, after it has lost us.
const SILENCE: Duration = Duration::from_secs(3);

/// Between attempts to connect.
const PAUSE: Duration = Duration::from_millis(500);

/// Of PostgreSQL's advisory locks: who holds it leads.
const LEAD: &str = "SELECT pg_try_advisory_lock(x'6b616e6e61730002'::bigint)";

/// Another one may lead. False: this one does not.
const RESIGN: &str = "SELECT NOT pg_advisory_unlock(x'6b616e6e61730002'::bigint)";

pub(super) fn begin(url: &Url, runtime: &Runtime, desk: &Desk, place: &OurPlace) -> Company {
    let _in = runtime.enter();
    let (lead, leads) = watch::channel(false);
    let (resigned, has_resigned) = watch::channel(false);
    let errands = desk.errands.clone();
    let ears = Ears { url: url.clone(), errands, lead, resigned: has_resigned };
    tokio::spawn(ears.run());
    Company { leads, resigned, sight: Some(Sight::begin(url, desk, place)) }
}

struct Ears {
    url: Url,
    errands: mpsc::WeakSender<Errand>,
    lead: watch::Sender<bool>,
    resigned: watch::Receiver<bool>,
}

impl Ears {
    /// For as long as there is a writer.
    async fn run(mut self) {
        let mut told = false;
        loop {
            let (heard, hearing) = mpsc::channel(1);
            match Link::open(&self.url, Some(heard)).await {
                Ok(link) => {
                    told = false;
                    self.listen(&link.client, hearing).await;
                }
                Err(error) if !told => {
                    told = true;
                    let error = error.as_ref().map(|it| it as &dyn std::error::Error);
                    tracing::warn!(error, "the database is away");
                }
                Err(_) => {}
            }
            self.lead.send_if_modified(std::mem::take);
            if self.errands.strong_count() == 0 {
                return;
            }
            tokio::time::sleep(jittered(PAUSE)).await;
        }
    }

    /// Until the connection is broken. The lock that leads is the connection's.
    async fn listen(&mut self, client: &Client, mut hearing: mpsc::Receiver<()>) {
        if client.batch_execute("LISTEN kannas").await.is_err() {
            return;
        }
        let mut next = Instant::now();
        loop {
            tokio::select! {
                heard = hearing.recv() => match heard {
                    Some(()) if self.look() => {}
                    Some(()) | None => return,
                },
                Ok(()) = self.resigned.changed() => next = Instant::now(),
                () = tokio::time::sleep_until(next) => {
                    if !self.look() || !self.hold(client).await {
                        return;
                    }
                    next = Instant::now() + LOOK;
                }
            }
        }
    }

    /// Takes the lead if nobody has it, or sees that it is still ours.
    async fn hold(&self, client: &Client) -> bool {
        let sql = match (*self.resigned.borrow(), *self.lead.borrow()) {
            (true, true) => RESIGN,
            (true, false) => return true,
            (false, true) => "SELECT true",
            (false, false) => LEAD,
        };
        let Ok(Ok(row)) = timeout(SILENCE, client.query_one(sql, &[])).await else { return false };
        let leads: bool = row.get(0);
        if self.lead.send_if_modified(|it| std::mem::replace(it, leads) != leads) {
            tracing::info!(leads, "which server leads has changed");
        }
        true
    }

    /// False when the writer has ended.
    fn look(&self) -> bool {
        let Some(errands) = self.errands.upgrade() else { return false };
        // Full: the writer looks with each group that it commits.
        let _ = errands.try_send(Errand::Look);
        true
    }
}
