//! How far all processes on the database have come, for reads that must see
//! what any of them has answered.

use std::sync::Arc;
use std::time::Duration;

use model::ids::Revision;
use model::world::World;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_postgres::Statement;

use super::link::Link;
use super::session::place_of;
use super::{Place, Shared as OurPlace, Url};
use crate::engine::{Desk, Error};
use crate::{Errand, Shared};

/// The newest revision, as of a moment after it was asked for.
type Answer = oneshot::Sender<Result<Revision, Error>>;

/// Reads that may wait at once. More wait in their callers.
const WAITING: usize = 4096;

/// The longest that a read waits.
const LIMIT: Duration = Duration::from_secs(5);

pub(crate) struct Sight {
    asked: mpsc::Sender<Answer>,
    shared: Arc<Shared>,
    errands: mpsc::WeakSender<Errand>,
}

impl Sight {
    /// Needs a runtime.
    pub(super) fn begin(url: &Url, desk: &Desk, place: &OurPlace) -> Self {
        let (asked, asking) = mpsc::channel(WAITING);
        let eye = Eye { url: url.clone(), place: place.clone(), open: None };
        tokio::spawn(eye.run(asking));
        Self { asked, shared: desk.shared.clone(), errands: desk.errands.clone() }
    }

    /// See [`crate::Store::fresh`].
    pub(crate) async fn fresh(&self) -> Result<Arc<World>, Error> {
        timeout(LIMIT, self.seen()).await.map_err(|_| Error::Away(None))?
    }

    async fn seen(&self) -> Result<Arc<World>, Error> {
        let (answer, answered) = oneshot::channel();
        self.asked.send(answer).await.map_err(|_| Error::Stopped)?;
        let newest = answered.await.map_err(|_| Error::Stopped)??;
        let mut worlds = self.shared.newest.subscribe();
        if worlds.borrow().revision() < newest {
            // The notification of it may be on its way, or lost.
            if let Some(errands) = self.errands.upgrade() {
                let _ = errands.try_send(Errand::Look);
            }
        }
        let seen = worlds.wait_for(|world| world.revision() >= newest).await;
        seen.map(|world| world.clone()).map_err(|_| Error::Stopped)
    }
}

struct Eye {
    url: Url,
    place: OurPlace,
    open: Option<(Link, Statement)>,
}

impl Eye {
    /// All who wait at one moment are answered by one look that begins then.
    async fn run(mut self, mut asking: mpsc::Receiver<Answer>) {
        let mut waiting = Vec::new();
        while asking.recv_many(&mut waiting, WAITING).await > 0 {
            // A connection that has broken since the last look is made anew.
            let mut seen = self.look().await;
            if matches!(seen, Err(Error::Away(_))) {
                seen = self.look().await;
            }
            let cause = match seen {
                Ok(revision) => {
                    waiting.drain(..).for_each(|answer| drop(answer.send(Ok(revision))));
                    continue;
                }
                Err(error) => Arc::new(error),
            };
            for answer in waiting.drain(..) {
                let _ = answer.send(Err(Error::Sight(cause.clone())));
            }
        }
    }

    async fn look(&mut self) -> Result<Revision, Error> {
        if self.open.as_ref().is_none_or(|(link, _)| link.client.is_closed()) {
            self.open = None;
            let link = Link::open(&self.url, None).await.map_err(Error::Away)?;
            let statement = link.client.prepare("SELECT n, mark FROM revision").await?;
            self.open = Some((link, statement));
        }
        let Some((link, statement)) = &self.open else { return Err(Error::Away(None)) };
        let ours: Place = self.place.get();
        let row = match Link::within(link.client.query_one(statement, &[])).await {
            Ok(row) => row,
            Err(fault) => {
                self.open = None;
                return Err(Error::Away(fault.into()));
            }
        };
        let newest = place_of(&row)?;
        // It never goes back, and no two groups are at one place.
        if newest.revision < ours.revision
            || newest.revision == ours.revision && newest.mark != ours.mark
        {
            return Err(Error::Replaced { ours: ours.revision });
        }
        Ok(newest.revision)
    }
}
