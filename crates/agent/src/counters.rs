//! Tells the server what the host has counted, when that has changed.

use std::path::Path;
use std::time::Duration;

use model::flow::{Counted, Counters};

use crate::client::{ClientError, Link};
use crate::reconcile::chain;

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(2);

/// In one request, which may have a MiB.
const FLOWS: usize = 4096;

/// Until the connection fails. All is told anew over each connection.
pub(crate) async fn tell(link: &Link, pins: &Path) -> ClientError {
    let mut told: Option<Counters> = None;
    loop {
        let pins = pins.to_owned();
        let read = tokio::task::spawn_blocking(move || {
            let (flows, verdicts) = (datapath::flows(&pins)?, datapath::verdicts(&pins)?);
            Ok::<_, datapath::Error>(Counters { flows, verdicts })
        });
        match read.await {
            Ok(Ok(now)) => {
                let news = Counted::between(told.as_ref(), &now);
                for part in news.into_iter().flat_map(|news| news.parts(FLOWS)) {
                    if let Err(error) = link.post("counters", &part).await {
                        return error;
                    }
                }
                told = Some(now);
            }
            // Before the programs are loaded there are none.
            Ok(Err(error)) => tracing::debug!(error = chain(&error), "no counters"),
            Err(_) => return ClientError::Ended,
        }
        tokio::time::sleep(PERIOD).await;
    }
}
