//! One host's session.

use std::collections::VecDeque;

use model::ids::Revision;
use model::state::HostError;
use model::way::Ways;
use model::wire::agent::Repairs;

/// Marks of one session that are kept apart. Beyond that the two newest count
/// as one, so that a host that never answers costs no memory.
pub(super) const MARKS: usize = 16;

#[derive(Debug)]
pub(crate) struct Session {
    pub(super) id: u64,
    /// The connection its reports come over.
    pub(super) connection: u64,
    /// Of the host's lease, if it has one.
    pub(super) epoch: Option<Revision>,
    /// The host has answered a mark of this session.
    pub(super) live: bool,
    /// Writes that may concern the host and were not looked at yet.
    pub(super) unseen: Option<Unseen>,
    /// Oldest first.
    pub(super) unanswered: VecDeque<Mark>,
    pub(super) answered: Revision,
    pub(super) errors: Vec<HostError>,
    pub(super) repairs: Repairs,
    pub(super) ways: Ways,
}

/// A mark that was sent: it covers the writes from `first` on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    pub(super) revision: Revision,
    pub(super) first: Revision,
    pub(super) since_ms: u64,
}

/// Writes that may concern a host and that are not answered for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unseen {
    pub(crate) first: Revision,
    pub(crate) last: Revision,
    pub(crate) since_ms: u64,
}

impl Unseen {
    /// Those after `revision`.
    pub(crate) fn after(self, revision: Revision) -> Option<Self> {
        let first = self.first.max(revision + 1);
        (self.last > revision).then_some(Self { first, ..self })
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

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stand {
    /// Of the session.
    pub(crate) id: u64,
    pub(crate) epoch: Option<Revision>,
    pub(crate) live: bool,
    pub(crate) floor: Option<Revision>,
    pub(crate) since_ms: Option<u64>,
    pub(crate) errors: Vec<HostError>,
    pub(crate) repairs: Repairs,
    pub(crate) ways: Ways,
}

impl Session {
    /// From the slice at `resume` or from nothing; `newest` is the newest write.
    pub(super) fn begin(start: Start, newest: Revision) -> Self {
        let first = start.resume.map_or(1, |r| r + 1);
        Self {
            id: start.id,
            connection: start.connection,
            epoch: start.epoch,
            live: false,
            unseen: Some(Unseen { first, last: newest, since_ms: start.now_ms }),
            unanswered: VecDeque::new(),
            answered: 0,
            errors: Vec::new(),
            repairs: Repairs::default(),
            ways: Ways::new(),
        }
    }

    pub(super) fn ask(&mut self, mark: Mark) {
        let full = self.unanswered.len() >= MARKS;
        match self.unanswered.back_mut() {
            Some(last) if full => last.revision = mark.revision,
            Some(_) | None => self.unanswered.push_back(mark),
        }
    }

    pub(super) fn floor(&self) -> Option<Revision> {
        let asked = self.unanswered.front().map(|m| m.first);
        asked.or(self.unseen.map(|u| u.first))
    }

    pub(super) fn waiting_since(&self) -> Option<u64> {
        let asked = self.unanswered.front().map(|m| m.since_ms);
        asked.or(self.unseen.map(|u| u.since_ms))
    }

    pub(super) fn stand(&self) -> Stand {
        Stand {
            id: self.id,
            epoch: self.epoch,
            live: self.live,
            floor: self.floor(),
            since_ms: self.waiting_since(),
            errors: self.errors.clone(),
            repairs: self.repairs.clone(),
            ways: self.ways.clone(),
        }
    }
}
