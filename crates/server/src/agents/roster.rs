//! Who watches and how far they are: bookkeeping without I/O or clock.
//!
//! For each session there is a floor: the oldest write that may concern its
//! host and that the host has not answered for. What is below the floor the
//! host carries; with no floor it carries everything, as nothing since
//! concerned it. Times are milliseconds of one monotonic clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use imbl::OrdMap;
use model::ids::Revision;
use model::state::{HostError, Presence, Standing};
use model::way::{News, Ways};
use model::wire::agent::{Fault, Repairs};
use model::world::World;
use uuid::Uuid;

/// Marks of one session that are kept apart. Beyond that the two newest count
/// as one, so that a host that never answers costs no memory.
const MARKS: usize = 16;

#[derive(Debug, Default)]
pub(crate) struct Roster {
    newest: Revision,
    sessions: BTreeMap<Uuid, Session>,
    /// The floors of live hosts that have one.
    behind: BTreeSet<(Revision, Uuid)>,
    floors: BTreeMap<Uuid, Revision>,
    /// Of live hosts.
    standings: OrdMap<Uuid, Standing>,
}

#[derive(Debug)]
struct Session {
    id: u64,
    /// The connection its reports come over.
    connection: u64,
    /// Of the host's lease, if it has one.
    epoch: Option<Revision>,
    /// The host has answered a mark of this session.
    live: bool,
    /// Writes that may concern the host and were not looked at yet.
    unseen: Option<Unseen>,
    /// Oldest first.
    unanswered: VecDeque<Mark>,
    answered: Revision,
    errors: Vec<HostError>,
    repairs: Repairs,
    ways: Ways,
}

#[derive(Debug, Clone, Copy)]
struct Unseen {
    first: Revision,
    last: Revision,
    since_ms: u64,
}

/// A mark that was sent: it covers the writes from `first` on.
#[derive(Debug, Clone, Copy)]
struct Mark {
    revision: Revision,
    first: Revision,
    since_ms: u64,
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

    /// A host watches, from the slice at `resume` or from nothing. An earlier
    /// session of the host is over.
    pub(crate) fn begin(&mut self, host: Uuid, start: Start) {
        let first = start.resume.map_or(1, |r| r + 1);
        let session = Session {
            id: start.id,
            connection: start.connection,
            epoch: start.epoch,
            live: false,
            unseen: Some(Unseen { first, last: self.newest, since_ms: start.now_ms }),
            unanswered: VecDeque::new(),
            answered: 0,
            errors: Vec::new(),
            repairs: Repairs::default(),
            ways: Ways::new(),
        };
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

    /// A write was committed.
    pub(crate) fn committed<'h>(
        &mut self,
        newest: Revision,
        concerned: impl IntoIterator<Item = &'h Uuid>,
        now_ms: u64,
    ) {
        self.newest = newest;
        for host in concerned {
            let Some(session) = self.sessions.get_mut(host) else { continue };
            let fresh = Unseen { first: newest, last: newest, since_ms: now_ms };
            session.unseen = Some(Unseen { last: newest, ..session.unseen.unwrap_or(fresh) });
            self.changed(*host);
        }
    }

    /// The session has looked at the world of `revision`, and with `tell` is
    /// about to send a mark. False when it is not the host's session any more.
    pub(crate) fn looked(&mut self, host: Uuid, id: u64, revision: Revision, tell: bool) -> bool {
        let Some(session) = self.session(host, id) else { return false };
        let seen = session.unseen;
        session.unseen = seen
            .filter(|u| u.last > revision)
            .map(|u| Unseen { first: u.first.max(revision + 1), ..u });
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
    pub(crate) fn settled(&self, revision: Revision) -> bool {
        self.newest >= revision && self.behind.first().is_none_or(|(floor, _)| *floor > revision)
    }

    fn session(&mut self, host: Uuid, id: u64) -> Option<&mut Session> {
        self.sessions.get_mut(&host).filter(|s| s.id == id)
    }

    fn changed(&mut self, host: Uuid) {
        if let Some(floor) = self.floors.remove(&host) {
            self.behind.remove(&(floor, host));
        }
        let Some(session) = self.sessions.get(&host).filter(|s| s.live) else {
            self.standings.remove(&host);
            return;
        };
        if let Some(floor) = session.floor() {
            self.floors.insert(host, floor);
            self.behind.insert((floor, host));
        }
        self.standings.insert(host, session.standing());
    }
}

/// How a session begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    pub(crate) id: u64,
    pub(crate) connection: u64,
    pub(crate) resume: Option<Revision>,
    pub(crate) epoch: Option<Revision>,
    pub(crate) now_ms: u64,
}

impl Session {
    fn ask(&mut self, mark: Mark) {
        let full = self.unanswered.len() >= MARKS;
        match self.unanswered.back_mut() {
            Some(last) if full => last.revision = mark.revision,
            Some(_) | None => self.unanswered.push_back(mark),
        }
    }

    fn floor(&self) -> Option<Revision> {
        let asked = self.unanswered.front().map(|m| m.first);
        asked.or(self.unseen.map(|u| u.first))
    }

    fn waiting_since(&self) -> Option<u64> {
        let asked = self.unanswered.front().map(|m| m.since_ms);
        asked.or(self.unseen.map(|u| u.since_ms))
    }

    fn standing(&self) -> Standing {
        let applied = self.floor().map(|floor| floor - 1);
        let (errors, ways) = (self.errors.clone(), self.ways.clone());
        let (repairs, asked_ms) = (self.repairs.clone(), self.waiting_since());
        Standing { applied, asked_ms, errors, repairs, ways }
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
