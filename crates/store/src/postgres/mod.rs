//! PostgreSQL, for several servers at once: whoever changes the row `revision`
//! writes, and each learns from the others' groups what they have written.

mod company;
mod link;
mod migrate;
mod rows;
mod session;
mod sight;
mod tls;
mod url;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model::change::Change;
use model::ids::Revision;
use model::world::World;
use tokio::runtime::{Builder, Runtime};
use uuid::Uuid;

use crate::engine::{Company, Desk, Engine, Error, News, Outcome};
use link::Fault;
use rows::Batch;
use session::{Session, Told};
pub(crate) use sight::Sight;
pub use url::Url;

/// How long it is tried to reach a database that is away.
const AWAY: Duration = Duration::from_secs(5);

/// Between attempts, at first and at last.
const BACKOFF: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(500)];

/// Groups of our own after which old news is let go of.
const TIDY: u32 = 64;

/// How far this process has come: the newest revision, and the mark of the
/// group that it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Place {
    revision: Revision,
    mark: Uuid,
}

/// The same for all who compare with it.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Place>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Place> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self) -> Place {
        *self.lock()
    }

    fn set(&self, place: Place) {
        *self.lock() = place;
    }
}

pub(crate) struct Postgres {
    url: Url,
    /// None only while it ends.
    runtime: Option<Runtime>,
    session: Option<Session>,
    place: Shared,
    groups: u32,
}

impl Postgres {
    /// # Errors
    /// The database cannot be reached, lets us not in, or is of a newer version.
    pub(crate) fn open(url: &Url) -> Result<Self, Error> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("store-postgres")
            .enable_all()
            .build()
            .map_err(Error::Thread)?;
        // Who opens it may be a task of another runtime, which must not block on ours.
        let opened =
            std::thread::scope(|scope| scope.spawn(|| runtime.block_on(migrate::up(url))).join());
        let it = Self {
            url: url.clone(),
            runtime: Some(runtime),
            session: None,
            place: Shared::default(),
            groups: 0,
        };
        opened.map_err(|_| Error::Stopped)??;
        Ok(it)
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("it is there until the end")
    }

    /// Has `work` done by a session, by another one if the first breaks; `work`
    /// is told whether it was begun before, so that some of it may be done.
    fn again<T>(
        &mut self,
        work: impl AsyncFn(&Session, bool) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        let runtime = self.runtime.take().ok_or(Error::Stopped)?;
        let done = runtime.block_on(self.attempts(work));
        self.runtime = Some(runtime);
        done
    }

    async fn attempts<T>(
        &mut self,
        work: impl AsyncFn(&Session, bool) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        let until = Instant::now() + AWAY;
        let [mut pause, longest] = BACKOFF;
        let mut begun = false;
        loop {
            let cause = match self.session().await {
                Ok(session) => match work(session, begun).await {
                    Ok(it) => return Ok(it),
                    Err(Fault::Refused(error)) => {
                        // It may be amid a transaction.
                        self.session = None;
                        let all = if begun { Error::Unknown(Some(error)) } else { error.into() };
                        return Err(all);
                    }
                    Err(Fault::Broken(error)) => {
                        begun = true;
                        self.session = None;
                        error
                    }
                },
                Err(error) => error,
            };
            if Instant::now() >= until {
                return Err(if begun { Error::Unknown(cause) } else { Error::Away(cause) });
            }
            tokio::time::sleep(jittered(pause)).await;
            pause = longest.min(pause * 2);
        }
    }

    async fn session(&mut self) -> Result<&Session, Option<tokio_postgres::Error>> {
        if self.session.as_ref().is_none_or(Session::is_closed) {
            self.session = None;
            self.session = Some(Session::open(&self.url).await?);
        }
        self.session.as_ref().ok_or(None)
    }

    /// What was told after `ours`, or all there is if that is not kept.
    fn understand(&mut self, ours: Place, told: Told) -> Result<News, Error> {
        if told.newest == ours {
            return Ok(News::Nothing);
        }
        match rows::groups(ours, &told)? {
            Some(groups) => {
                self.place.set(told.newest_told(ours));
                Ok(if groups.is_empty() { News::Nothing } else { News::Groups(groups) })
            }
            None => {
                let world = self.read_all()?;
                if world.revision() <= ours.revision {
                    return Err(Error::Replaced { ours: ours.revision });
                }
                Ok(News::World(Box::new(world)))
            }
        }
    }

    fn read_all(&mut self) -> Result<World, Error> {
        let ours = self.place.get();
        let (place, objects) = self.again(async |session, _| session.read_all().await)?;
        let world = World::restore(place.revision, rows::objects(objects)?);
        if place.revision < ours.revision {
            return Err(Error::Replaced { ours: ours.revision });
        }
        self.place.set(place);
        Ok(world)
    }

    /// Old news goes beside the writes, a little at a time.
    fn tidy(&mut self) {
        self.groups += 1;
        if self.groups < TIDY {
            return;
        }
        self.groups = 0;
        let newest = self.place.get().revision;
        let done = self.again(async |session, _| session.forget(newest).await);
        if let Err(error) = done {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "cannot let go of old news; it is tried again");
        }
    }
}

impl Engine for Postgres {
    fn load(&mut self) -> Result<World, Error> {
        self.read_all()
    }

    fn commit(&mut self, first: Revision, writes: &[&[Change]]) -> Result<Outcome, Error> {
        let batch = Batch::of(self.place.get(), first, writes)?;
        // One that is begun again finds what the first has done by its mark.
        let outcome = self.again(async |session, begun| {
            if session.write(&batch).await? || begun && session.has(&batch).await? {
                return Ok(Outcome::Committed);
            }
            Ok(Outcome::Overtaken)
        })?;
        if outcome == Outcome::Committed {
            self.place.set(batch.place);
            self.tidy();
        }
        Ok(outcome)
    }

    fn news(&mut self, ours: Revision, turn: bool) -> Result<News, Error> {
        let place = self.place.get();
        debug_assert_eq!(ours, place.revision, "the world is what was read and written");
        let told = self.again(async |session, _| session.told_since(place, turn).await);
        // Reading does nothing.
        let told = told.map_err(|error| {
            if let Error::Unknown(cause) = error { Error::Away(cause) } else { error }
        })?;
        self.understand(place, told)
    }

    fn pass(&mut self) {
        if self.session.as_ref().is_some_and(Session::has_turn) {
            // What cannot be told any more ends with its connection.
            let _ = self.again(async |session, _| session.pass().await);
        }
    }

    fn accompany(&mut self, desk: &Desk) -> Company {
        company::begin(&self.url, self.runtime(), desk, &self.place)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// From a half of it to the whole: who failed together does not come back
/// together.
fn jittered(whole: Duration) -> Duration {
    let random = Uuid::new_v4().into_bytes()[0];
    whole / 2 + whole / 2 * u32::from(random) / u32::from(u8::MAX)
}

#[cfg(test)]
mod tests;
