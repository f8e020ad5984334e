//! Who is connected, what they have acted on, and the worlds to resume from.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use imbl::OrdMap;
use model::change::{Change, Key, Object};
use model::ids::Revision;
use model::lease::Lease;
use model::node::Node;
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
use super::bars::bars;
use super::closing::Closed;
use super::leases::{LeaseArgs, Leases, Look};
use super::owed::{Owed, Work};
use super::peers::{Among, Peers};
use super::roster::{Heard, Roster, Word, host_error};
use super::seat::Seat;
use super::session::Start;
use super::tally::Tally;

/// Worlds to resume from. They share structure: one costs what its write
/// changed.
const WORLDS: usize = 1024;

/// Gives the milliseconds since some moment; never fewer than before.
pub(super) type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// A handle; clones are the same hub.
#[derive(Clone)]
pub struct Hub {
    pub(crate) asks: Arc<Asks>,
    pub(super) work: Arc<Work>,
    /// The other servers, if this is one of several.
    pub(crate) peers: Arc<Peers>,
    pub(super) shared: Arc<Shared>,
    follower: Arc<Follower>,
}

pub(super) struct Shared {
    inner: Mutex<Inner>,
    pub(super) among: Option<Among>,
    /// The servers that there are, this one among them.
    pub(super) nodes: watch::Sender<OrdMap<Uuid, Arc<Node>>>,
    /// Hosts are to go to other servers.
    pub(super) closed: watch::Sender<Closed>,
    /// Told after each change of the roster, with their number.
    changed: watch::Sender<u64>,
    /// Told when hosts were revoked or deleted.
    pub(super) barred: watch::Sender<u64>,
    /// For how long certificates of hosts are good; 90 if nobody says.
    pub(super) certificate_days: OnceLock<u32>,
    clock: Clock,
}

pub(super) struct Inner {
    pub(super) roster: Roster,
    pub(super) leases: Leases,
    /// One per group of writes, without gaps; the last is the newest.
    worlds: VecDeque<Arc<World>>,
    pub(super) bells: BTreeMap<Uuid, Arc<Notify>>,
    pub(super) owed: Owed,
    sessions: u64,
    pub(super) tally: Tally,
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
        Self::start_among(store, leases, None)
    }

    /// The same for one server of several.
    pub fn start_among(store: Store, leases: LeaseArgs, among: Option<Among>) -> Self {
        let started = Instant::now();
        let ms = move || u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Self::start_by(Arc::new(ms), store, leases, among)
    }

    /// The same by another clock.
    pub(super) fn start_by(
        clock: Clock,
        store: Store,
        leases: LeaseArgs,
        among: Option<Among>,
    ) -> Self {
        let mut groups = store.groups();
        let world = store.world();
        let own = among.as_ref().map(|it| it.id);
        let inner = Inner {
            roster: own.map_or(Roster::new(world.revision()), |_| Roster::shared(world.revision())),
            leases: leases_of(&world, Leases::new(leases, own)),
            worlds: [world].into(),
            bells: BTreeMap::new(),
            owed: Owed::default(),
            sessions: 0,
            tally: Tally::default(),
        };
        let (changed, nodes) = (watch::channel(0).0, watch::channel(OrdMap::new()).0);
        let closed = watch::channel(Closed::default()).0;
        let (barred, certificate_days) = (watch::channel(0).0, OnceLock::new());
        let inner = Mutex::new(inner);
        let shared =
            Shared { inner, among, nodes, closed, changed, barred, certificate_days, clock };
        let shared = Arc::new(shared);
        shared.look_for_nodes(&store.world());
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
        let (asks, work, peers) = Default::default();
        Self { asks, work, peers, shared, follower }
    }

    /// Follows the store no longer, and has let go of it.
    pub(crate) async fn end(&self) {
        if let Some(task) = self.follower.take() {
            // That it was cut off is how it ends.
            let _ = task.await;
        }
    }

    /// Which of several servers this is.
    pub(crate) fn node(&self) -> Option<Uuid> {
        self.shared.among.as_ref().map(|it| it.id)
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
        if inner.is_past(host, epoch) {
            return Err(Gone);
        }
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
        let leads = self.shared.among.as_ref().is_none_or(Among::leads);
        let mut inner = self.shared.lock();
        inner.leases.lead(leads, now_ms);
        let world = inner.newest();
        let all = match self.shared.among {
            Some(_) => {
                let watched = |it: &&Arc<Lease>| inner.leases.watches(it.node, now_ms);
                world.leases.values().filter(watched).count()
            }
            None => world.leases.len(),
        };
        inner.leases.look(all, now_ms)
    }
}

/// At the start all hosts that hold a lease have the grace to come back.
fn leases_of(world: &World, mut leases: Leases) -> Leases {
    world.leases.values().for_each(|lease| leases.put(lease, 0));
    leases
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self) {
        self.changed.send_modify(|times| *times += 1);
    }

    pub(super) fn settled(&self, revision: Revision) -> bool {
        let now_ms = self.now_ms();
        self.lock().roster.settled(revision, now_ms)
    }

    pub(super) fn now_ms(&self) -> u64 {
        (self.clock)()
    }

    fn take(&self, group: &Group, store: &Store) {
        let newest = self.lock().newest();
        if group.world.revision() <= newest.revision() {
            return;
        }
        let first = group.commits.first().map(|it| it.revision);
        if first != Some(newest.next_revision()) {
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
        if changes().any(bars) {
            self.barred.send_modify(|times| *times += 1);
        }
        self.look_for_nodes(&group.world);
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
        inner.worlds = [world.clone()].into();
        let everybody = inner.bells.keys().copied().chain(inner.roster.far.hosts());
        let everybody = everybody.map(|host| (host, Touched::Whole)).collect();
        inner.announce(&before, everybody, now_ms);
        drop(inner);
        self.barred.send_modify(|times| *times += 1);
        self.look_for_nodes(&world);
        self.tell();
    }
}

impl Inner {
    pub(super) fn newest(&self) -> Arc<World> {
        self.worlds.back().cloned().unwrap_or_default()
    }

    /// The host has taken a newer lease since.
    fn is_past(&self, host: Uuid, epoch: Option<Revision>) -> bool {
        let newest = self.newest().leases.get(&host).map(|it| it.epoch);
        epoch.is_some() && newest > epoch
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
        } else if lease.node != self.leases.own() {
            // It has gone to another server; its session here ends.
            self.roster.expel(lease.host, lease.epoch.saturating_sub(1));
            self.bells.get(&lease.host).into_iter().for_each(|bell| bell.notify_one());
        }
    }

    fn announce(&mut self, before: &Arc<World>, touched: BTreeMap<Uuid, Touched>, now_ms: u64) {
        let hosts: BTreeSet<Uuid> = touched.keys().copied().collect();
        self.roster.committed(self.newest().revision(), &hosts, now_ms);
        for (host, touched) in touched {
            if let Some(bell) = self.bells.get(&host) {
                self.owed.add(before, host, touched);
                bell.notify_one();
            }
        }
    }
}
