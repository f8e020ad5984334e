//! Questions to hosts, over their watch, and the answers that they post.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::explain::{Found, Look};
use model::wire::agent::{Answer, Line};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

/// Questions to one host that wait to be sent.
const WAITING: usize = 16;

#[derive(Default)]
pub(crate) struct Asks(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    last: u64,
    waiting: BTreeMap<u64, (Uuid, oneshot::Sender<Found>)>,
    hosts: BTreeMap<Uuid, mpsc::Sender<Line>>,
}

impl Asks {
    /// The questions to a host from now on, if it answers any.
    pub(crate) fn open(&self, host: Uuid, answers: bool) -> mpsc::Receiver<Line> {
        let (ask, asked) = mpsc::channel(WAITING);
        let mut inner = self.lock();
        if answers {
            inner.hosts.insert(host, ask);
        } else {
            inner.hosts.remove(&host);
        }
        asked
    }

    /// None when the host does not answer within `limit`.
    pub(crate) async fn ask(&self, host: Uuid, look: Look, limit: Duration) -> Option<Found> {
        let (tell, told) = oneshot::channel();
        let id = {
            let mut inner = self.lock();
            inner.last += 1;
            let id = inner.last;
            inner.hosts.get(&host)?.try_send(Line::Ask { id, look }).ok()?;
            inner.waiting.insert(id, (host, tell));
            id
        };
        let found = tokio::time::timeout(limit, told).await;
        self.lock().waiting.remove(&id);
        found.ok()?.ok()
    }

    /// Nothing of an answer that nobody waits for, or that another host gives.
    pub(crate) fn answered(&self, host: Uuid, answer: Answer) {
        let mut inner = self.lock();
        if inner.waiting.get(&answer.id).is_some_and(|(asked, _)| *asked == host)
            && let Some((_, tell)) = inner.waiting.remove(&answer.id)
        {
            // It may just have become too late.
            let _ = tell.send(answer.found);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look() -> Look {
        let [local, remote] = [[10, 0, 1, 2], [10, 0, 2, 2]].map(Into::into);
        let vni = 7.try_into().unwrap();
        let (send, heard, service) = (vec![], vec![], None);
        Look { port: Uuid::nil(), vni, local, remote, send, heard, service }
    }

    #[tokio::test]
    async fn an_answer_is_for_who_asked_and_from_who_was_asked() {
        let asks = Asks::default();
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let limit = Duration::from_secs(10);
        assert_eq!(asks.ask(one, look(), limit).await, None, "it is not there");
        let mut asked = asks.open(one, true);
        let host = async {
            let Some(Line::Ask { id, .. }) = asked.recv().await else { panic!("nothing asked") };
            let lie = Found { mtu: Some(1), ..Found::default() };
            asks.answered(other, Answer { id, found: lie });
            asks.answered(one, Answer { id, found: Found::default() });
            asks.answered(one, Answer { id, found: Found { mtu: Some(2), ..Found::default() } });
        };
        let (found, ()) = tokio::join!(asks.ask(one, look(), limit), host);
        assert_eq!(found, Some(Found::default()));
        assert_eq!(asks.ask(one, look(), Duration::ZERO).await, None, "too late");
        drop(asks.open(one, false));
        assert_eq!(asks.ask(one, look(), limit).await, None, "it answers nothing");
    }
}
