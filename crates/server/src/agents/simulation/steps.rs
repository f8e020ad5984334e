//! What happens in a schedule, drawn by dice.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use model::ids::Revision;
use model::objects::Configured;
use model::op::Op;

use super::Dice;
use super::check::{Consent, check_all_is_well, check_settled, check_told};
use super::host::Host;
use super::net::Reach;
use super::site::{
    HOSTS, NETWORKS, Site, attach, configure, create_half, create_port, delete_half, delete_port,
    host_id, underlay,
};

/// Milliseconds of a tick: in each, everything may happen once.
const TICK: u64 = 25;

/// The longest that an answer waits for hosts.
const HOLD: u64 = 1000;

/// After the last fault, for so long all may settle.
const END: u64 = 12_000;

/// How often each thing happened.
#[derive(Default)]
pub(super) struct Counts(pub(super) BTreeMap<&'static str, u64>);

impl Counts {
    fn one(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (what, times) in &other.0 {
            *self.0.entry(what).or_default() += times;
        }
    }
}

struct Schedule {
    site: Site,
    hosts: Vec<Host>,
    dice: Dice,
    consent: Consent,
    counts: Counts,
    ports: u64,
}

pub(super) async fn explore(seed: u64, steps: u32) -> Counts {
    let hosts = (0..HOSTS).map(|n| Host::new(host_id(n), underlay(n))).collect();
    let (site, dice) = (Site::found().await, Dice::new(seed));
    let (consent, counts) = (Consent::default(), Counts::default());
    let mut it = Schedule { site, hosts, dice, consent, counts, ports: 0 };
    // What failed is run again by its seed.
    let told = Told(seed);
    it.furnish().await;
    it.run(500).await;
    for _ in 0..steps {
        it.step().await;
        let time = it.dice.below(300);
        it.run(time).await;
    }
    it.end().await;
    std::mem::forget(told);
    it.counts
}

/// Says on the way out of a panic which schedule it was.
struct Told(u64);

impl Drop for Told {
    fn drop(&mut self) {
        super::say(&format!("KANNAS_SEED={} KANNAS_SCHEDULES=1 makes this schedule", self.0));
    }
}

impl Schedule {
    fn now(&self) -> u64 {
        self.site.now()
    }

    /// A port of each network at two hosts, and every two networks peered, so
    /// that what goes wrong is seen.
    async fn furnish(&mut self) {
        for n in 0..2 * NETWORKS {
            self.ports += 1;
            let port = create_port(self.ports, n % NETWORKS, n % HOSTS);
            assert!(self.site.write(port).await.is_some());
        }
        for a in 0..NETWORKS {
            for b in (0..NETWORKS).filter(|b| *b != a) {
                assert!(self.site.write(create_half(a, b)).await.is_some());
            }
        }
        self.site.remember();
    }

    async fn run(&mut self, ms: u64) {
        for _ in 0..ms.div_ceil(TICK) {
            self.site.clock.fetch_add(TICK, Ordering::Relaxed);
            self.tick().await;
        }
    }

    async fn tick(&mut self) {
        self.site.look_for_lost().await;
        let now = self.now();
        for n in 0..self.hosts.len() {
            settle().await;
            let host = &mut self.hosts[n];
            let got = host.act(self.site.server(), &mut self.dice, now).await;
            self.site.remember();
            let host = &mut self.hosts[n];
            check_told(&self.site, host, &got);
            let obeys = host.runs && host.reach.is_whole() && host.paused <= now;
            let obeys = obeys && host.session.as_ref().is_some_and(|it| it.epoch.is_some());
            host.obeys_since = obeys.then(|| host.obeys_since.unwrap_or(now));
        }
        self.consent.see(&self.site.world(), now);
        self.consent.check(&self.hosts, now);
    }

    async fn step(&mut self) {
        match self.dice.below(20) {
            0..=10 => self.client().await,
            11 | 12 => self.partition(),
            13 | 14 => self.heal(),
            15 => self.kill_agent(),
            16 => self.start_agents(),
            17 => self.cut_power(),
            18 => self.crash_server().await,
            _ => self.pause(),
        }
    }

    /// A write, and for some the wait that its answer makes.
    async fn client(&mut self) {
        // Some come at once, before anybody was told of the first.
        for _ in 0..self.dice.below(4) {
            let (op, _) = self.wish();
            let done = self.site.write(op).await.is_some();
            // For a moment it may be agreed upon, and told.
            self.consent.see(&self.site.world(), self.now());
            self.counts.one(if done { "writes" } else { "refusals" });
        }
        let (op, withdraws) = self.wish();
        let Some(revision) = self.site.write(op).await else { return self.counts.one("refusals") };
        self.counts.one("writes");
        self.site.remember();
        if withdraws && self.is_held(revision).await {
            self.counts.one("withdrawals that were answered");
            check_settled(&self.site, &self.hosts);
        }
    }

    /// As `hold` does it: true when every connected host has acted on it.
    async fn is_held(&mut self, revision: Revision) -> bool {
        for _ in 0..HOLD / TICK {
            if self.site.server().hub.is_settled(revision) {
                return true;
            }
            self.run(TICK).await;
        }
        false
    }

    fn wish(&mut self) -> (Op, bool) {
        let dice = &mut self.dice;
        let (a, b) = (dice.below(NETWORKS), dice.below(NETWORKS));
        match dice.below(12) {
            0..=4 => (create_half(a, b), false),
            5 => (configure(a, b, Configured::Disabled), true),
            6 => (configure(a, b, Configured::Active), false),
            7 => (delete_half(a, b), true),
            8 => (attach(a, None), true),
            9 => (attach(a, Some(a)), false),
            10 if self.site.world().ports.len() > 12 => {
                let all: Vec<_> = self.site.world().ports.keys().copied().collect();
                (delete_port(*dice.pick(&all)), false)
            }
            _ => {
                self.ports += 1;
                (create_port(self.ports, a, dice.below(HOSTS)), false)
            }
        }
    }

    fn any_host(&mut self) -> &mut Host {
        let n = self.dice.below(HOSTS);
        &mut self.hosts[usize::try_from(n).expect("few")]
    }

    fn partition(&mut self) {
        let reach = match self.dice.below(3) {
            0 => Reach { up: false, down: false },
            1 => Reach { up: true, down: false },
            _ => Reach { up: false, down: true },
        };
        self.any_host().reach = reach;
        self.counts.one("partitions");
    }

    fn heal(&mut self) {
        let host = self.any_host();
        if !host.reach.is_whole() {
            host.reach = Reach::WHOLE;
            host.forget_silent();
            self.counts.one("partitions healed");
        }
    }

    fn kill_agent(&mut self) {
        self.any_host().kill();
        self.counts.one("agent crashes");
    }

    fn start_agents(&mut self) {
        self.hosts.iter_mut().for_each(Host::start);
    }

    fn cut_power(&mut self) {
        let n = usize::try_from(self.dice.below(HOSTS)).expect("few");
        self.hosts[n].cut_power(&mut self.dice);
        self.counts.one("power cuts");
    }

    async fn crash_server(&mut self) {
        self.hosts.iter_mut().for_each(Host::lose_connection);
        self.site.crash().await;
        self.counts.one("server crashes");
    }

    /// Of one host, or of the server: then nobody's time goes by that it would
    /// have heard of.
    fn pause(&mut self) {
        let (now, time) = (self.now(), 500 + self.dice.below(6000));
        if self.dice.one_in(3) {
            self.site.clock.fetch_add(time, Ordering::Relaxed);
            for host in &mut self.hosts {
                host.obeys_since = None;
            }
        } else {
            let host = self.any_host();
            host.paused = now + time;
        }
        self.counts.one("pauses");
    }

    async fn end(&mut self) {
        for host in &mut self.hosts {
            host.reach = Reach::WHOLE;
            host.paused = 0;
            host.forget_silent();
            host.start();
        }
        self.run(END).await;
        check_all_is_well(&self.site, &self.hosts);
        let checked = self.site.server().store.log().check().expect("the log is whole");
        assert_eq!(checked.last, self.site.world().revision());
    }
}

/// Lets the server's tasks go on until there is nothing left for them to do.
async fn settle() {
    for _ in 0..16 {
        tokio::task::yield_now().await;
    }
}
