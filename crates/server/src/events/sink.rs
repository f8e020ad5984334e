//! One webhook's task.

use std::collections::BTreeSet;
use std::time::Duration;

use model::audit::Origin;
use model::op::Op;
use model::webhook::{Event, due};
use tokio::time::Instant;
use uuid::Uuid;

use super::{Events, Poster};

/// What one look finds; the next look finds the rest.
const BATCH: usize = 256;

/// How often it looks even if nothing has said that anything changed: that a
/// host takes too long is told by nobody.
const TICK: Duration = Duration::from_secs(1);

/// A look takes at most one part in this of the time.
const SHARE: u32 = 20;

/// Between attempts after failures: doubled from the first to the last.
const BACKOFF: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(300)];

pub(super) async fn run(events: Events, poster: Poster) {
    let mut groups = events.store.groups();
    let mut hosts = events.hub.changed();
    let mut failures: u32 = 0;
    // What has just failed waits for the others.
    let mut failed: BTreeSet<Uuid> = BTreeSet::new();
    loop {
        let began = Instant::now();
        let batch = look(&events, poster.sink(), &mut failed);
        let rest = began.elapsed() * SHARE;
        if batch.is_empty() {
            tokio::time::sleep(rest).await;
            tokio::select! {
                _ = groups.recv() => {}
                _ = hosts.changed() => {}
                () = tokio::time::sleep(TICK) => {}
            }
            continue;
        }
        for event in batch {
            if tell(&events, &poster, &event).await {
                failures = 0;
                continue;
            }
            failures += 1;
            failed.insert(event.peering);
            tokio::time::sleep(backoff(failures, rand::random())).await;
            break;
        }
    }
}

fn look(events: &Events, sink: &str, failed: &mut BTreeSet<Uuid>) -> Vec<Event> {
    let (world, presence) = (events.store.world(), events.hub.presence());
    let all = || due(&world, &presence, events.patience(), sink);
    let fresh: Vec<Event> = all().filter(|it| !failed.contains(&it.peering)).take(BATCH).collect();
    if !fresh.is_empty() || failed.is_empty() {
        return fresh;
    }
    failed.clear();
    all().take(BATCH).collect()
}

/// True when the webhook has it and that is written down.
async fn tell(events: &Events, poster: &Poster, event: &Event) -> bool {
    let (peering, sequence) = (event.peering, event.sequence);
    if let Err(error) = poster.post(event).await {
        let error = &error as &dyn std::error::Error;
        tracing::info!(error, sink = poster.sink(), %peering, sequence, "a webhook was not told");
        return false;
    }
    let op = Op::Told(event.told(poster.sink()));
    match events.store.write(op.from(Origin::kannas("a webhook was told"))).await {
        Ok(_) => true,
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, %peering, "cannot write down that a webhook was told");
            false
        }
    }
}

/// Of `random`, a half to the whole: who failed together does not come back
/// together.
fn backoff(failures: u32, random: u8) -> Duration {
    let [first, last] = BACKOFF;
    let whole = first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(last);
    whole / 2 + whole / 2 * u32::from(random) / u32::from(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_come_ever_more_seldom_down_to_a_limit() {
        for (failures, whole) in [(1, 500), (2, 1000), (5, 8000), (10, 256_000), (99, 300_000)] {
            let whole = Duration::from_millis(whole);
            assert_eq!(backoff(failures, 0), whole / 2);
            assert_eq!(backoff(failures, u8::MAX), whole);
        }
    }
}
