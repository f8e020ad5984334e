//! Who watches and how far they are: bookkeeping without I/O or clock.
//!
//! For each session there is a floor: the oldest write that may concern its
//! host and that the host has not answered for. What is below the floor the
//! host carries; with no floor it carries everything, as nothing since
//! concerned it. Times are milliseconds of one monotonic clock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imbl::OrdMap;
use model::ids::Revision;
use model::state::{HostError, Presence, Standing};
use model::way::News;
use model::wire::agent::{Fault, Repairs};
use model::world::World;
use uuid::Uuid;

use super::far::{self, Far};
use super::session::{Mark, Session, Stand, Start, Unseen};

#[derive(Debug, Default)]
pub(crate) struct Roster {
    newest: Revision,
    sessions: BTreeMap<Uuid, Session>,
    /// Hosts that are connected to other servers.
    pub(crate) far: Far,
    /// The sessions as other servers are told of them, where there are any.
    here: Option<Here>,
    /// The floors of live hosts that have one.
    behind: BTreeSet<(Revision, Uuid)>,
    floors: BTreeMap<Uuid, Revision>,
    /// Of live hosts.
    standings: OrdMap<Uuid, Standing>,
}

/// How each host stands that is connected to this server.
pub(crate) type Here = OrdMap<Uuid, Arc<Stand>>;

/// Where a host is.
#[derive(Debug, Clone, Copy)]
enum Place<'r> {
    Here(&'r Session),
    /// At the other server of that name.
    Far(Uuid, &'r far::Session),
}

/// What a host says, its networks by the names the API has for them.
#[derive(Debug, Default)]
pub(crate) struct Word {
    pub(crate) epoch: Option<Revision>,
    /// The mark that was acted on.
    pub(crate) revision: Revision,
    pub(crate) errors: Vec<HostError>,
    pub(crate) repairs: Repairs,
    pub(crate) ways: News,
    /// When it was said, in seconds since 1970.
    pub(crate) now: i64,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Taken,
    /// No session of that host sends over that connection.
    NoSession,
    /// It is about what the host was given under another lease.
    OldEpoch,
    /// It answers no mark that was sent.
    Unasked,
}

impl Roster {
    pub(crate) fn new(newest: Revision) -> Self {
        Self { newest, ..Self::default() }
    }

    /// The same for one server of several.
    pub(crate) fn shared(newest: Revision) -> Self {
        Self { here: Some(Here::new()), ..Self::new(newest) }
    }

    /// How hosts stand that are connected here, at the newest write.
    pub(crate) fn here(&self) -> (Here, Revision) {
        (self.here.clone().unwrap_or_default(), self.newest)
    }

    /// The other server that the host is connected to.
    pub(crate) fn node_of(&self, host: Uuid) -> Option<Uuid> {
        match self.place(host)? {
            Place::Here(_) => None,
            Place::Far(node, _) => Some(node),
        }
    }

    /// Hosts may stand otherwise.
    pub(crate) fn moved(&mut self, hosts: impl IntoIterator<Item = Uuid>) {
        hosts.into_iter().for_each(|host| self.changed(host));
    }

    pub(crate) fn newest(&self) -> Revision {
        self.newest
    }

    /// A host watches, from the slice at `resume` or from nothing. An earlier
    /// session of the host is over.
    pub(crate) fn begin(&mut self, host: Uuid, start: Start) {
        let session = Session::begin(start, self.newest);
        self.sessions.insert(host, session);
        self.changed(host);
    }

    /// The session's stream has ended. Ignored if the host has another by now.
    pub(crate) fn end(&mut self, host: Uuid, id: u64) {
        if self.session(host, id).is_some() {
            self.sessions.remove(&host);
            self.changed(host);
        }
    }

    /// The host has lost its lease: a session under it is over.
    pub(crate) fn expel(&mut self, host: Uuid, epoch: Revision) {
        let old = |s: &Session| s.epoch.is_none_or(|of| of <= epoch);
        if self.sessions.get(&host).is_some_and(old) {
            self.sessions.remove(&host);
            self.changed(host);
        }
    }

    /// The lease under which the host's session over that connection is.
    pub(crate) fn epoch_of(&self, host: Uuid, connection: u64) -> Option<Revision> {
        self.sessions.get(&host).filter(|s| s.connection == connection)?.epoch
    }

    pub(crate) fn is_current(&self, host: Uuid, connection: u64, epoch: Option<Revision>) -> bool {
        let session = self.sessions.get(&host).filter(|s| s.connection == connection);
        session.is_some_and(|s| s.epoch.is_none() || s.epoch == epoch)
    }

    /// Writes were committed, up to `newest`; each of them may concern each of
    /// `concerned`.
    pub(crate) fn committed(&mut self, newest: Revision, concerned: &BTreeSet<Uuid>, now_ms: u64) {
        let fresh = Unseen { first: self.newest + 1, last: newest, since_ms: now_ms };
        self.newest = newest;
        for host in concerned {
            let Some(session) = self.sessions.get_mut(host) else { continue };
            session.unseen = Some(Unseen { last: newest, ..session.unseen.unwrap_or(fresh) });
            self.changed(*host);
        }
        let far = self.far.committed(fresh, concerned);
        self.moved(far);
    }

    /// The session has looked at the world of `revision`, and with `tell` is
    /// about to send a mark. False when it is not the host's session any more.
    pub(crate) fn looked(&mut self, host: Uuid, id: u64, revision: Revision, tell: bool) -> bool {
        let Some(session) = self.session(host, id) else { return false };
        let seen = session.unseen;
        session.unseen = seen.and_then(|it| it.after(revision));
        if tell && let Some(Unseen { first, since_ms, .. }) = seen {
            session.ask(Mark { revision, first, since_ms });
        }
        self.changed(host);
        true
    }

    /// The host says what it has acted on.
    pub(crate) fn reported(&mut self, host: Uuid, connection: u64, word: Word) -> Heard {
        let found = self.sessions.get_mut(&host).filter(|s| s.connection == connection);
        let Some(session) = found else { return Heard::NoSession };
        if session.epoch.is_some() && session.epoch != word.epoch {
            return Heard::OldEpoch;
        }
        let asked = session.unanswered.back().map_or(session.answered, |m| m.revision);
        if word.revision > asked || word.revision < session.answered {
            return Heard::Unasked;
        }
        while session.unanswered.front().is_some_and(|m| m.revision <= word.revision) {
            session.unanswered.pop_front();
            session.live = true;
        }
        session.answered = word.revision;
        session.errors = word.errors;
        session.repairs = word.repairs;
        word.ways.apply(&mut session.ways, word.now);
        self.changed(host);
        Heard::Taken
    }

    /// Live hosts. One that is connected and has yet to answer is not.
    pub(crate) fn presence(&self, now_ms: u64) -> Presence {
        Presence { hosts: self.standings.clone(), heard: self.newest, now_ms }
    }

    /// True when every live host carries `revision`.
    pub(crate) fn settled(&self, revision: Revision, now_ms: u64) -> bool {
        let all_have = self.behind.first().is_none_or(|(floor, _)| *floor > revision);
        self.newest >= revision && all_have && !self.far.is_unsure(now_ms)
    }

    /// A session under a newer lease counts, and one here before one elsewhere.
    fn place(&self, host: Uuid) -> Option<Place<'_>> {
        let here = self.sessions.get(&host);
        let far = self.far.find(host).filter(|(_, it)| here.is_none_or(|s| it.epoch > s.epoch));
        far.map(|(node, it)| Place::Far(node, it)).or(here.map(Place::Here))
    }

    fn session(&mut self, host: Uuid, id: u64) -> Option<&mut Session> {
        self.sessions.get_mut(&host).filter(|s| s.id == id)
    }

    fn changed(&mut self, host: Uuid) {
        if let Some(floor) = self.floors.remove(&host) {
            self.behind.remove(&(floor, host));
        }
        let place = self.place(host).filter(|it| it.is_live());
        match place.map(|it| (it.floor(), it.standing())) {
            Some((floor, standing)) => {
                self.floors.extend(floor.map(|floor| (host, floor)));
                self.behind.extend(floor.map(|floor| (floor, host)));
                self.standings.insert(host, standing);
            }
            None => drop(self.standings.remove(&host)),
        }
        if let Some(here) = &mut self.here {
            match self.sessions.get(&host) {
                Some(session) => drop(here.insert(host, Arc::new(session.stand()))),
                None => drop(here.remove(&host)),
            }
        }
    }
}

impl Place<'_> {
    fn is_live(self) -> bool {
        match self {
            Self::Here(it) => it.live,
            Self::Far(_, it) => it.live,
        }
    }

    fn floor(self) -> Option<Revision> {
        match self {
            Self::Here(it) => it.floor(),
            Self::Far(_, it) => it.floor(),
        }
    }

    fn waiting_since(self) -> Option<u64> {
        match self {
            Self::Here(it) => it.waiting_since(),
            Self::Far(_, it) => it.waiting_since(),
        }
    }

    fn standing(self) -> Standing {
        let (errors, repairs, ways) = match self {
            Self::Here(it) => (&it.errors, &it.repairs, &it.ways),
            Self::Far(_, it) => (&it.errors, &it.repairs, &it.ways),
        };
        let applied = self.floor().map(|floor| floor - 1);
        let (errors, repairs, ways) = (errors.clone(), repairs.clone(), ways.clone());
        Standing { applied, asked_ms: self.waiting_since(), errors, repairs, ways }
    }
}

/// None when the network was deleted: then nobody's state depends on it.
pub(super) fn host_error(world: &World, fault: Fault) -> Option<HostError> {
    let network = match fault.vni {
        Some(vni) => Some(world.networks.values().find(|n| n.vni == vni)?.uuid),
        None => None,
    };
    Some(HostError { network, message: fault.message, breach: fault.breach })
}

#[cfg(test)]
#[path = "roster_tests.rs"]
mod tests;
