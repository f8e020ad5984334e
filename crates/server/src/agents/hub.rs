//! Who is connected, what they have acted on, and the worlds to resume from.

mod seat;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model::change::{Change, Key, Object};
use model::flow::{Counted, Exchange};
use model::ids::{Revision, Vni};
use model::lease::Lease;
use model::state::Presence;
use model::touch::{Touched, touched};
use model::wire::agent::Report;
use model::wire::counters::WatchView;
use model::world::World;
use store::{Group, Store};
use time::OffsetDateTime;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::asks::Asks;
use super::leases::{LeaseArgs, Leases, Look};
use super::owed::{Owed, Work};
use super::roster::{Heard, Roster, Start, Word, host_error};
use super::tally::Tally;

pub(crate) use seat::Seat;

/// Worlds to resume from. They share structure: one costs what its write
/// changed.
const WORLDS: usize = 1024;

/// A handle; clones are the same hub.
#[derive(Clone)]
pub struct Hub {
    pub(crate) asks: Arc<Asks>,
    pub(crate) work: Arc<Work>,
    shared: Arc<Shared>,
    follower: Arc<Follower>,
}

struct Shared {
    inner: Mutex<Inner>,
    /// Told after each change of the roster, with their number.
    changed: watch::Sender<u64>,
    started: Instant,
}

struct Inner {
    roster: Roster,
    leases: Leases,
    /// One per group of writes, without gaps; the last is the newest.
    worlds: VecDeque<Arc<World>>,
    bells: BTreeMap<Uuid, Arc<Notify>>,
    owed: Owed,
    sessions: u64,
    tally: Tally,
}

/// The task that follows the store, for as long as there is a hub.
struct Follower(Mutex<Option<JoinHandle<()>>>);

impl Follower {
    fn take(&self) -> Option<JoinHandle<()>> {
        let task = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        task.inspect(JoinHandle::abort)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.take();
    }
}

/// The revision a host wants to resume from is not kept.
#[derive(Debug)]
pub(crate) struct Gone;

impl Hub {
    /// Follows `store` from now on. Needs a tokio runtime.
    pub fn start(store: Store, leases: LeaseArgs) -> Self {
        let mut groups = store.groups();
        let world = store.world();
        let inner = Inner {
            roster: Roster::new(world.revision()),
            leases: leases_of(&world, leases),
            worlds: [world].into(),
            bells: BTreeMap::new(),
            owed: Owed::default(),
            sessions: 0,
            tally: Tally::default(),
        };
        let changed = watch::channel(0).0;
        let shared =
            Arc::new(Shared { inner: Mutex::new(inner), changed, started: Instant::now() });
        let follower = shared.clone();
        let task = tokio::spawn(async move {
            loop {
                match groups.recv().await {
                    Ok(group) => follower.take(&group, &store),
                    Err(RecvError::Lagged(_)) => follower.jump(store.world()),
                    Err(RecvError::Closed) => return,
                }
            }
        });
        let follower = Arc::new(Follower(Mutex::new(Some(task))));
        Self { asks: Arc::default(), work: Arc::default(), shared, follower }
    }

    /// Follows the store no longer, and has let go of it.
    pub(crate) async fn end(&self) {
        if let Some(task) = self.follower.take() {
            // That it was cut off is how it ends.
            let _ = task.await;
        }
    }

    /// What the connected hosts say.
    pub fn presence(&self) -> Presence {
        let now = self.shared.now_ms();
        self.shared.lock().roster.presence(now)
    }

    /// What it has cost to tell hosts of their slices.
    pub(crate) fn watching(&self) -> WatchView {
        self.work.view(self.shared.lock().bells.len())
    }

    /// Tells of each commit, and of whatever connected hosts do.
    pub(crate) fn changed(&self) -> watch::Receiver<u64> {
        self.shared.changed.subscribe()
    }

    /// How often [`Self::changed`] has told of something.
    pub(crate) fn word(&self) -> u64 {
        *self.shared.changed.borrow()
    }

    /// A host tells what it has counted, `at` seconds since 1970.
    pub(crate) fn counted(&self, host: Uuid, counted: Counted, at: i64) {
        let mut inner = self.shared.lock();
        let world = inner.newest();
        inner.tally.take(&world, host, counted, at);
    }

    /// Packets between two networks, and when a host last told of any.
    pub(crate) fn exchange(&self, local: Vni, peer: Vni) -> (Exchange, Option<i64>) {
        self.shared.lock().tally.between(local, peer)
    }

    /// What a host has counted in all, and when it said so.
    pub(crate) fn tally(&self, host: Uuid) -> Option<(BTreeMap<String, u64>, i64)> {
        let inner = self.shared.lock();
        inner.tally.of(host).map(|host| (host.verdicts.clone(), host.at))
    }

    /// Waits until every connected host has acted on `revision`, or `limit`
    /// has passed.
    pub async fn settled(&self, revision: Revision, limit: Duration) {
        let mut changed = self.shared.changed.subscribe();
        let all_have = async {
            while !self.shared.lock().roster.settled(revision) {
                if changed.changed().await.is_err() {
                    return;
                }
            }
        };
        // That the limit has passed is seen in the presence.
        let _ = tokio::time::timeout(limit, all_have).await;
    }

    /// Waits until this hub has heard of `revision`, which was committed.
    pub(crate) async fn heard(&self, revision: Revision) {
        self.until(|| self.shared.lock().newest().revision() >= revision).await;
    }

    /// Waits until `is_so`, which is asked again whenever a host says something.
    pub(crate) async fn until(&self, is_so: impl Fn() -> bool) {
        let mut changed = self.shared.changed.subscribe();
        while !is_so() {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// A host begins to watch, from the slice at `resume` or from nothing.
    pub(crate) fn begin(
        &self,
        host: Uuid,
        connection: u64,
        resume: Option<Revision>,
        epoch: Option<Revision>,
    ) -> Result<(Seat, Option<Arc<World>>), Gone> {
        let now_ms = self.shared.now_ms();
        let mut inner = self.shared.lock();
        let world = match resume {
            Some(revision) => Some(inner.world_at(revision).ok_or(Gone)?),
            None => None,
        };
        inner.sessions += 1;
        let id = inner.sessions;
        inner.roster.begin(host, Start { id, connection, resume, epoch, now_ms });
        if let Some(epoch) = epoch {
            inner.leases.begin(host, epoch, id, now_ms);
        }
        let bell = Arc::new(Notify::new());
        if let Some(older) = inner.bells.insert(host, bell.clone()) {
            older.notify_one();
        }
        drop(inner);
        self.shared.tell();
        Ok((Seat { hub: self.clone(), host, id, epoch, bell }, world))
    }

    pub(crate) fn report(&self, host: Uuid, connection: u64, report: Report) -> Heard {
        let now_ms = self.shared.now_ms();
        let mut inner = self.shared.lock();
        let world = inner.newest();
        let errors = report.errors.into_iter().filter_map(|fault| host_error(&world, fault));
        let errors = errors.collect();
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let Report { epoch, revision, ways, repairs, .. } = report;
        let word = Word { epoch, revision, errors, repairs, ways, now };
        let heard = inner.roster.reported(host, connection, word);
        if let (Some(epoch), Heard::Taken) = (epoch, &heard) {
            inner.leases.renew(host, epoch, now_ms);
        }
        drop(inner);
        self.shared.tell();
        heard
    }

    /// The session over that connection is the host's, under that lease.
    pub(crate) fn is_current(&self, host: Uuid, connection: u64, epoch: Option<Revision>) -> bool {
        self.shared.lock().roster.is_current(host, connection, epoch)
    }

    /// The host is there: false when its lease is lost, or is not the one of
    /// the session over that connection.
    pub(crate) fn renew(&self, host: Uuid, connection: u64, epoch: Revision) -> bool {
        let now_ms = self.shared.now_ms();
        let mut inner = self.shared.lock();
        inner.roster.epoch_of(host, connection) == Some(epoch)
            && inner.leases.renew(host, epoch, now_ms)
    }

    pub(crate) fn lease_settings(&self) -> LeaseArgs {
        self.shared.lock().leases.settings()
    }

    /// Which leases are lost by now.
    pub(crate) fn look(&self) -> Look {
        let now_ms = self.shared.now_ms();
        let mut inner = self.shared.lock();
        let all = inner.worlds.back().map_or(0, |world| world.leases.len());
        inner.leases.look(all, now_ms)
    }
}

/// At the start all hosts that hold a lease have the grace to come back.
fn leases_of(world: &World, settings: LeaseArgs) -> Leases {
    let mut leases = Leases::new(settings);
    world.leases.values().for_each(|lease| leases.put(lease, 0));
    leases
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        self.changed.send_modify(|times| *times += 1);
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn take(&self, group: &Group, store: &Store) {
        let newest = self.lock().newest();
        let [first, ..] = &*group.commits else { return };
        if group.world.revision() <= newest.revision() {
            return;
        }
        if first.revision != newest.next_revision() {
            return self.jump(store.world());
        }
        let changes = || group.commits.iter().flat_map(|it| &it.changes);
        let touched = touched(&newest, &group.world, changes());
        let now_ms = self.now_ms();
        let mut inner = self.lock();
        inner.worlds.push_back(group.world.clone());
        if inner.worlds.len() > WORLDS {
            inner.worlds.pop_front();
        }
        inner.take_leases(changes(), now_ms);
        inner.announce(&newest, touched, now_ms);
        drop(inner);
        self.tell();
    }

    /// Goes on from `world` when commits were missed.
    fn jump(&self, world: Arc<World>) {
        let now_ms = self.now_ms();
        let mut inner = self.lock();
        inner.leases.retain(|host| world.leases.contains_key(&host));
        for lease in world.leases.values() {
            inner.take_lease(lease, now_ms);
        }
        let before = inner.newest();
        inner.worlds = [world].into();
        let everybody = inner.bells.keys().map(|host| (*host, Touched::Whole)).collect();
        inner.announce(&before, everybody, now_ms);
        drop(inner);
        self.tell();
    }
}

impl Inner {
    fn newest(&self) -> Arc<World> {
        self.worlds.back().cloned().unwrap_or_default()
    }

    /// None for one between two that were told of, too.
    fn world_at(&self, revision: Revision) -> Option<Arc<World>> {
        let at = self.worlds.binary_search_by_key(&revision, |it| it.revision()).ok()?;
        self.worlds.get(at).cloned()
    }

    fn take_leases<'c>(&mut self, changes: impl Iterator<Item = &'c Change>, now_ms: u64) {
        for change in changes {
            if let Change::Put(Object::Lease(lease)) = change {
                self.take_lease(lease, now_ms);
            } else if let Change::Delete(Key::Lease(host)) = change {
                self.leases.remove(*host);
            }
        }
    }

    fn take_lease(&mut self, lease: &Lease, now_ms: u64) {
        self.leases.put(lease, now_ms);
        if lease.lost.is_some() {
            self.roster.expel(lease.host, lease.epoch);
        }
    }

    fn announce(&mut self, before: &Arc<World>, touched: BTreeMap<Uuid, Touched>, now_ms: u64) {
        let watching = touched.into_iter().filter(|(host, _)| self.bells.contains_key(host));
        let watching: BTreeMap<Uuid, Touched> = watching.collect();
        self.roster.committed(self.newest().revision(), watching.keys(), now_ms);
        for bell in watching.keys().filter_map(|host| self.bells.get(host)) {
            bell.notify_one();
        }
        self.owed.add(before, watching.into_iter());
    }
}
