//! What the server asks this host: to look at what it has, and to try.

use std::path::Path;

use model::explain::{Fate, Found, Look, Trial};
use model::wire::agent::Answer;
use tokio::sync::mpsc;

use crate::client::{ClientError, Link};
use crate::probe::{Attempt, Desk, Line};
use crate::reconcile::chain;

/// Questions that wait; more are not answered.
pub(crate) const WAITING: usize = 16;

/// One after the other, until the connection fails.
pub(crate) async fn answer(
    link: &Link,
    pins: &Path,
    desk: &Desk,
    asks: &mut mpsc::Receiver<(u64, Look)>,
) -> ClientError {
    while let Some((id, look)) = asks.recv().await {
        let found = find(pins, desk, look).await;
        if let Err(error) = link.post("answer", &Answer { id, found }).await {
            return error;
        }
    }
    // Who hands on the questions ends the session by itself.
    std::future::pending().await
}

async fn find(pins: &Path, desk: &Desk, look: Look) -> Found {
    let line = Line { vni: look.vni, local: look.local, remote: look.remote };
    let attempts: Vec<_> = look.send.iter().filter_map(|size| desk.attempt(line, *size)).collect();
    let heard = desk.heard(line, &look.heard);
    let (pins, vni) = (pins.to_owned(), look.vni);
    let seen = tokio::task::spawn_blocking(move || datapath::inspect(&pins, &look)).await;
    let mut sent = Vec::new();
    for Attempt { size, token, told } in attempts {
        // The prober may have ended meanwhile.
        let fate = told.await.unwrap_or(Fate::Silent);
        sent.push(Trial { size, token, fate });
    }
    let seen = match seen {
        Ok(Ok(seen)) => seen,
        Ok(Err(error)) => {
            let fault = Some(format!("the kernel cannot be read: {}", chain(&error)));
            datapath::Inspection { fault, ..datapath::Inspection::default() }
        }
        Err(_) => datapath::Inspection::default(),
    };
    let datapath::Inspection { fault, away, home, mtu, listens } = seen;
    let repairs = desk.repairs(vni);
    Found { fault, away, home, mtu, sent, heard, listens, repairs }
}
