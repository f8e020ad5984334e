//! PostgreSQL, for several servers at once: whoever changes the row `revision`
//! writes, and each learns from the others' groups what they have written.

mod company;
mod link;
mod migrate;
mod records;
mod rows;
mod session;
mod sight;
mod tls;
mod url;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model::ids::Revision;
use model::world::World;
use tokio::runtime::{Builder, Runtime};
use uuid::Uuid;

use crate::engine::{Batch, Company, Desk, Engine, Error, News, Outcome, Records};
use crate::log::check_end;
use crate::migration::Migrated;
use link::Fault;
use records::Reader;
use rows::Rows;
use session::{All, Session, Told};
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

/// That place, and the end of what is written down.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Head {
    place: Place,
    hash: Vec<u8>,
    at_ms: i64,
}

/// The place, for all who compare with it.
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
    /// It was when it was tried last: who comes now need not wait to find out.
    away: bool,
    head: Head,
    place: Shared,
    reader: Arc<Reader>,
    /// Groups and writes of ours since old ones were let go of.
    since: (u32, i64),
}

impl Postgres {
    /// # Errors
    /// The database cannot be reached, lets us not in, or is of a newer version.
    pub(crate) fn open(url: &Url) -> Result<Self, Error> {
        let it = Self {
            url: url.clone(),
            runtime: Some(runtime()?),
            session: None,
            away: false,
            head: Head::default(),
            place: Shared::default(),
            reader: Reader::new(url),
            since: (0, 0),
        };
        migrated(it.runtime(), url, None)?;
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
        let until = Instant::now() + if self.away { Duration::ZERO } else { AWAY };
        let [mut pause, longest] = BACKOFF;
        let mut begun = false;
        loop {
            let cause = match self.session().await {
                Ok(session) => match work(session, begun).await {
                    Ok(it) => {
                        self.away = false;
                        return Ok(it);
                    }
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
                self.away = true;
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

    fn come_to(&mut self, head: Head) {
        self.place.set(head.place);
        self.head = head;
    }

    /// What was told after `ours`, or all there is if that is not kept.
    fn understand(&mut self, ours: Place, mut told: Told) -> Result<News, Error> {
        if told.newest.place == ours {
            return Ok(News::Nothing);
        }
        match rows::groups(ours, &told)? {
            Some(groups) => {
                let Some((head, _)) = told.groups.pop() else { return Ok(News::Nothing) };
                self.come_to(head);
                Ok(News::Groups(groups))
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
        let ours = self.head.place.revision;
        let All { head, last, objects } =
            self.again(async |session, _| session.read_all().await)?;
        if head.place.revision < ours {
            return Err(Error::Replaced { ours });
        }
        check_end(head.place.revision, &head.hash, last)?;
        let world = World::restore(head.place.revision, rows::objects(objects)?);
        self.come_to(head);
        Ok(world)
    }

    /// What is old goes beside the writes, a little at a time: twice as many
    /// records at most as have come.
    fn tidy(&mut self, batch: &Batch<'_>) {
        let (groups, writes) = &mut self.since;
        *groups += 1;
        *writes += i64::try_from(batch.writes.len()).unwrap_or(0);
        if *groups < TIDY {
            return;
        }
        let (newest, most) = (self.head.place.revision, 2 * *writes);
        self.since = (0, 0);
        let forget =
            async |session: &Session, _| session.forget(newest, batch.forget_ms, most).await;
        if let Err(error) = self.again(forget) {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "cannot let go of what is old; it is tried again");
        }
    }
}

impl Engine for Postgres {
    fn load(&mut self) -> Result<World, Error> {
        self.read_all()
    }

    fn commit(&mut self, batch: &Batch<'_>) -> Result<Outcome, Error> {
        let rows = Rows::of(&self.head, batch)?;
        // One that is begun again finds what the first has done by its mark.
        let outcome = self.again(async |session, begun| {
            if session.write(&rows).await? || begun && session.has(&rows).await? {
                return Ok(Outcome::Committed);
            }
            Ok(Outcome::Overtaken)
        })?;
        if outcome == Outcome::Committed {
            self.come_to(rows.head);
            self.tidy(batch);
        }
        Ok(outcome)
    }

    fn records(&self) -> Arc<dyn Records> {
        Arc::new(self.reader.records(self.runtime().handle()))
    }

    fn news(&mut self, ours: Revision, turn: bool) -> Result<News, Error> {
        let place = self.head.place;
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

/// See [`crate::migrate`].
pub(crate) fn migrate_at(url: &Url, to: Option<i64>) -> Result<Migrated, Error> {
    let runtime = runtime()?;
    let migrated = migrated(&runtime, url, to);
    runtime.shutdown_background();
    migrated
}

fn runtime() -> Result<Runtime, Error> {
    let mut builder = Builder::new_multi_thread();
    let builder = builder.worker_threads(1).thread_name("store-postgres").enable_all();
    builder.build().map_err(Error::Thread)
}

/// Who asks may be a task of another runtime, which must not block on ours.
fn migrated(runtime: &Runtime, url: &Url, to: Option<i64>) -> Result<Migrated, Error> {
    let work = || runtime.block_on(migrate::run(url, to));
    let done = std::thread::scope(|scope| scope.spawn(work).join());
    done.map_err(|_| Error::Stopped)?
}

/// From a half of it to the whole: who failed together does not come back
/// together.
fn jittered(whole: Duration) -> Duration {
    let random = Uuid::new_v4().into_bytes()[0];
    whole / 2 + whole / 2 * u32::from(random) / u32::from(u8::MAX)
}

#[cfg(test)]
mod tests;
