//! Where the threads that probe, mind the kernel and talk to the server meet.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model::explain::{Heard, Repair};
use model::ids::{Mtu, Vni};
use model::spec::{HostSpec, PortSpec, Routes};
use model::way::News;
use model::wire::agent::Fault;
use tokio::sync::watch;
use uuid::Uuid;

use super::book::{Book, Concerns};
use super::trial::{Attempt, Line, Trials};
use super::wish::Wish;

/// For how long it is told what others did, and of how many things.
const LATELY: Duration = Duration::from_secs(600);
const REPAIRS: usize = 64;

pub(crate) struct Desk {
    started: Instant,
    /// Chooses what is probed of what is too much.
    seed: u64,
    inner: Mutex<Inner>,
    /// Told when there is something for the server.
    news: watch::Sender<()>,
}

struct Inner {
    book: Book,
    /// What is probed.
    adopted: Option<(BTreeMap<Uuid, PortSpec>, Routes)>,
    trials: Trials,
    /// Wakes the thread that probes; None when there is none.
    waker: Option<UnixStream>,
    ended: bool,
    concerns: Concerns,
    /// What others did and was mended, oldest first.
    repairs: VecDeque<(Duration, Option<Vni>, String)>,
    /// How many of them the server has heard of, and when of the last.
    heard: Option<(u64, Instant)>,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let (book, concerns) = (Book::new(), Concerns::default());
        let (adopted, trials, waker) = (None, Trials::default(), None);
        let (repairs, heard, ended) = (VecDeque::new(), None, false);
        let inner = Inner { book, adopted, trials, waker, ended, concerns, repairs, heard };
        let (inner, news) = (Mutex::new(inner), watch::channel(()).0);
        Self { started: Instant::now(), seed: rand::random(), inner, news }
    }

    /// Since the agent has started.
    pub(super) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// From now on somebody probes, who is woken by what the other end of
    /// `waker` gets.
    pub(super) fn open(&self, waker: UnixStream) {
        self.lock().waker = Some(waker);
    }

    /// Probes what the kernel now carries: ways that are no more are no news
    /// of the report that follows.
    pub(crate) fn adopt(&self, slice: &HostSpec, link: Option<Mtu>) {
        let inner = self.lock();
        if inner.waker.is_none() {
            return;
        }
        let same = |(ports, routes): &(BTreeMap<Uuid, PortSpec>, Routes)| {
            *ports == slice.ports && *routes == slice.routes
        };
        if inner.adopted.as_ref().is_some_and(same) {
            drop(inner);
            return self.set_link(link);
        }
        drop(inner);
        let wish = Wish::of(slice, self.seed);
        let now = self.now();
        let mut inner = self.lock();
        inner.book.adopt(wish, link, now);
        inner.adopted = Some((slice.ports.clone(), slice.routes.clone()));
        inner.wake();
    }

    pub(crate) fn set_link(&self, link: Option<Mtu>) {
        let now = self.now();
        self.lock().book.set_link(link, now);
    }

    /// Sends a probe of so many bytes; what becomes of it is told. None when
    /// nobody probes here.
    pub(crate) fn attempt(&self, line: Line, size: u16) -> Option<Attempt> {
        let now = self.now();
        let mut inner = self.lock();
        inner.waker.as_ref()?;
        let attempt = inner.trials.begin(line, size, now);
        inner.wake();
        Some(attempt)
    }

    /// Of probes that came by just now.
    pub(crate) fn heard(&self, line: Line, sent: &[(u16, u32)]) -> Vec<Heard> {
        self.lock().trials.heard(line, sent)
    }

    /// The step that mended what somebody else did to a network, or to the host.
    pub(crate) fn mended(&self, vni: Option<Vni>, step: String) {
        let now = self.now();
        let mut inner = self.lock();
        if inner.repairs.len() == REPAIRS {
            inner.repairs.pop_front();
        }
        inner.repairs.push_back((now, vni, step));
    }

    /// The server has heard of so many repairs, at that time; true if that is
    /// more than before.
    pub(crate) fn hear(&self, count: u64, at: Instant) -> bool {
        let mut inner = self.lock();
        let more = count > inner.heard.map_or(0, |(count, _)| count);
        if more {
            inner.heard = Some((count, at));
        }
        more
    }

    pub(crate) fn heard_repairs(&self) -> Option<(u64, Instant)> {
        self.lock().heard
    }

    /// What was lately mended of that network, or of the whole host.
    pub(crate) fn repairs(&self, vni: Vni) -> Vec<Repair> {
        let now = self.now();
        let inner = self.lock();
        let concerns = |of: &Option<Vni>| of.is_none_or(|of| of == vni);
        let all = inner.repairs.iter().map(|(at, of, step)| (now.saturating_sub(*at), of, step));
        let lately = all.filter(|(ago, of, _)| *ago <= LATELY && concerns(of));
        lately.map(|(ago, _, step)| Repair { ago: ago.as_secs(), step: step.clone() }).collect()
    }

    /// Does something with the book; tells who waits for news if there are.
    /// False when it is over.
    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&mut Book, &mut Trials, Duration) -> T,
    ) -> Option<T> {
        let now = self.now();
        let mut inner = self.lock();
        if inner.ended {
            return None;
        }
        let Inner { book, trials, .. } = &mut *inner;
        let result = work(book, trials, now);
        let has_news = inner.book.has_news();
        drop(inner);
        if has_news {
            self.news.send_replace(());
        }
        Some(result)
    }

    /// For the kernel's thread.
    pub(crate) fn concern(&self, it: Concerns) {
        let mut inner = self.lock();
        inner.concerns.limits |= it.limits;
        inner.concerns.lost |= it.lost;
    }

    pub(crate) fn concerns(&self) -> Concerns {
        std::mem::take(&mut self.lock().concerns)
    }

    pub(crate) fn limits(&self) -> BTreeMap<model::ids::Vni, Mtu> {
        self.lock().book.limits()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// A server that knows nothing is told next.
    pub(crate) fn forget(&self) {
        self.lock().book.forget();
    }

    /// What is to be told, and whether there is more.
    pub(crate) fn news(&self) -> (News, Vec<Fault>, bool) {
        let mut inner = self.lock();
        let news = inner.book.news();
        (news, inner.book.faults(), inner.book.has_news())
    }

    pub(crate) fn end(&self) {
        let mut inner = self.lock();
        inner.ended = true;
        inner.wake();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn wake(&mut self) {
        if let Some(waker) = &mut self.waker {
            // One that is full wakes as well.
            let _ = waker.write(&[0]);
        }
    }
}
