//! One host: its disk, its kernel, and an agent that does what ours does.

use axum::http::StatusCode;
use model::ids::{Revision, Vni};
use model::plan::{after, plan};
use model::spec::{HostSpec, HostState, RouteKey, Target};
use model::wire::agent::{Line, Renewal, Report};
use std::net::IpAddr;
use uuid::Uuid;

use super::super::door::Peer;
use super::Dice;
use super::net::{Reach, Session, ask};
use super::site::Server;

/// A connection is given up after so many milliseconds without an answer.
const PATIENCE: u64 = 3000;

/// Between two attempts to connect.
const AGAIN: u64 = 200;

/// What an agent knows and has written down: its epoch, its slice.
pub(super) type Known = (Option<Revision>, HostSpec);

pub(super) struct Host {
    pub(super) uuid: Uuid,
    pub(super) underlay: IpAddr,
    boot: u64,
    /// The agent's process is there.
    pub(super) runs: bool,
    pub(super) reach: Reach,
    /// Nothing of it runs before then.
    pub(super) paused: u64,
    known: Option<Known>,
    disk: Option<Known>,
    disk_at: Option<u64>,
    pub(super) kernel: HostState,
    pub(super) session: Option<Session>,
    /// Connections that the server has not heard the end of.
    silent: Vec<Session>,
    next_try: u64,
    next_renewal: u64,
    /// Reports that are sent once more, later: by whom, what, and when.
    echoes: Vec<(Peer, String, u64)>,
    /// Since when it could do all that it is told.
    pub(super) obeys_since: Option<u64>,
    /// Of the marks it was sent: epoch and revision.
    pub(super) last_mark: Option<(Option<Revision>, Revision)>,
}

impl Host {
    pub(super) fn new(uuid: Uuid, underlay: IpAddr) -> Self {
        Self {
            uuid,
            underlay,
            boot: 1,
            runs: true,
            reach: Reach::WHOLE,
            paused: 0,
            known: None,
            disk: None,
            disk_at: None,
            kernel: HostState::default(),
            session: None,
            silent: Vec::new(),
            next_try: 0,
            next_renewal: 0,
            echoes: Vec::new(),
            obeys_since: None,
            last_mark: None,
        }
    }

    /// `kill -9`: its kernel closes the connection.
    pub(super) fn kill(&mut self) {
        (self.runs, self.known) = (false, None);
        self.leave();
    }

    pub(super) fn start(&mut self) {
        if !self.runs {
            (self.runs, self.known) = (true, self.disk.clone());
            self.last_mark = None;
        }
    }

    /// A power cut: the server hears nothing, and the kernel is empty.
    pub(super) fn cut_power(&mut self, dice: &mut Dice) {
        // What was to be written may not have been.
        if dice.one_in(2) {
            self.write_disk();
        }
        self.silent.extend(self.session.take());
        (self.runs, self.known, self.disk_at) = (false, None, None);
        self.kernel = HostState::default();
        self.boot += 1;
        self.echoes.clear();
    }

    /// The other side learns of the end if anything gets there.
    fn leave(&mut self) {
        let session = self.session.take();
        if !self.reach.up {
            self.silent.extend(session);
        }
    }

    /// The server is gone, or the way to it is whole again: no connection is
    /// half there.
    pub(super) fn forget_silent(&mut self) {
        self.silent.clear();
    }

    pub(super) fn lose_connection(&mut self) {
        self.session = None;
        self.silent.clear();
    }

    fn write_disk(&mut self) {
        if self.disk_at.take().is_some() {
            self.disk.clone_from(&self.known);
        }
    }

    /// All that the host does until now.
    ///
    /// Gives the slices that were whole, with their epochs.
    pub(super) async fn act(&mut self, server: &Server, dice: &mut Dice, now: u64) -> Vec<Known> {
        for session in &mut self.silent {
            session.pump(dice, now).await;
        }
        if now < self.paused || !self.runs {
            return Vec::new();
        }
        if self.disk_at.is_some_and(|at| at <= now) {
            self.write_disk();
        }
        self.send_echoes(server, now).await;
        if self.session.is_none() && self.next_try <= now && self.reach.is_whole() {
            self.next_try = now + AGAIN + dice.below(AGAIN);
            self.connect(server, now).await;
        }
        let got = self.listen(dice, now).await;
        self.renew(server, now).await;
        self.apply(server, dice, now).await;
        self.watch_over(now);
        got
    }

    async fn connect(&mut self, server: &Server, now: u64) {
        let peer = Peer::played(self.uuid);
        let boot = format!("watch?boot=boot-{}", self.boot);
        let mut path = boot.clone();
        let mut known = None;
        if let Some((epoch, spec)) = &self.known {
            path += &epoch.map(|it| format!("&epoch={it}")).unwrap_or_default();
            known = Some(spec.clone());
        }
        let resume = known.as_ref().map(|spec| format!("{path}&revision={}", spec.revision));
        let first = resume.unwrap_or_else(|| path.clone());
        let (mut status, mut body) =
            ask(&server.router, peer.clone(), "GET", &first, String::new()).await;
        if status == StatusCode::GONE {
            known = None;
            (status, body) = ask(&server.router, peer.clone(), "GET", &path, String::new()).await;
        }
        if status.is_success() {
            self.session = Some(Session::new(peer, body, known, now));
            self.next_renewal = now;
        }
    }

    async fn listen(&mut self, dice: &mut Dice, now: u64) -> Vec<Known> {
        let Some(session) = &mut self.session else { return Vec::new() };
        session.pump(dice, now).await;
        let mut got = Vec::new();
        for line in session.arrived(self.reach, now) {
            if let Line::Lease { epoch, limit_ms } = line {
                if self.known.as_ref().is_some_and(|(known, _)| *known > Some(epoch)) {
                    session.ended = true;
                    break;
                }
                (session.epoch, session.limit_ms, session.renewed) = (Some(epoch), limit_ms, now);
            }
            if let Some(spec) = session.assembly.take(line) {
                got.push((session.epoch, spec.clone()));
                session.slices.push_back(spec.clone());
            }
        }
        got
    }

    async fn renew(&mut self, server: &Server, now: u64) {
        let Some(session) = &mut self.session else { return };
        let Some(epoch) = session.epoch.filter(|_| self.next_renewal <= now) else { return };
        self.next_renewal = now + session.limit_ms * 3 / 10;
        if !self.reach.up {
            return;
        }
        let body = serde_json::to_string(&Renewal { epoch }).expect("JSON");
        let (status, _) = ask(&server.router, session.peer.clone(), "POST", "renew", body).await;
        if !self.reach.down {
            return;
        }
        session.heard = now;
        if status.is_success() {
            session.renewed = now;
        } else {
            session.ended = true;
        }
    }

    /// Works by the newest slice if the lease holds, and says so.
    async fn apply(&mut self, server: &Server, dice: &mut Dice, now: u64) {
        let Some(session) = &mut self.session else { return };
        if session.epoch.is_some() && now - session.renewed > session.limit_ms {
            return;
        }
        let Some(want) = session.slices.pop_back() else { return };
        session.slices.clear();
        for step in plan(&want, &self.kernel) {
            after(&mut self.kernel, &step);
        }
        let report = Report { epoch: session.epoch, revision: want.revision, ..Report::default() };
        let report = serde_json::to_string(&report).expect("JSON");
        let (peer, epoch) = (session.peer.clone(), session.epoch);
        self.known = Some((epoch, want));
        self.disk_at = self.disk_at.or(Some(now + dice.below(300)));
        if dice.one_in(8) {
            self.echoes.push((peer.clone(), report.clone(), now + dice.below(3000)));
        }
        if self.reach.up {
            let _ = ask(&server.router, peer, "POST", "report", report).await;
        }
    }

    /// A report of an older session, or one that comes twice, says nothing.
    async fn send_echoes(&mut self, server: &Server, now: u64) {
        let due = self.echoes.extract_if(.., |(_, _, at)| *at <= now);
        for (peer, report, _) in due.collect::<Vec<_>>() {
            let _ = ask(&server.router, peer, "POST", "report", report).await;
        }
    }

    fn watch_over(&mut self, now: u64) {
        let Some(session) = &self.session else { return };
        if session.ended || now.saturating_sub(session.heard) > PATIENCE {
            self.leave();
        }
    }

    /// Where a packet of network `from` goes.
    pub(super) fn way(&self, from: Vni, to: IpAddr) -> Option<Target> {
        let fits = |key: &RouteKey| key.vni == from && key.prefix.contains(to);
        let all = self.kernel.routes.iter().filter(|(key, _)| fits(key));
        all.max_by_key(|(key, _)| key.prefix.len()).map(|(_, target)| *target)
    }
}
