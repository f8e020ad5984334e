//! Servers that were made when no host of their zone was connected get one as
//! soon as there is one.

use std::collections::BTreeSet;

use model::audit::Origin;
use model::op::Op;
use model::server::place;
use store::Store;
use tokio::sync::watch;
use uuid::Uuid;

use crate::agents::Hub;
use crate::stopped;

/// Places servers until `stop` says so. Whatever wakes it, it looks at all
/// that waits and at every host that is there.
pub(crate) async fn run(store: Store, hub: Hub, mut stop: watch::Receiver<bool>) {
    let mut changed = hub.changed();
    let mut leads = store.leads();
    loop {
        if *leads.borrow_and_update() {
            place_all(&store, &hub).await;
        }
        tokio::select! {
            Ok(()) = leads.changed() => {}
            () = stopped(&mut stop) => return,
            told = changed.changed() => if told.is_err() { return },
        }
    }
}

async fn place_all(store: &Store, hub: &Hub) {
    let world = store.world();
    if world.unplaced().next().is_none() {
        return;
    }
    let live: BTreeSet<Uuid> = hub.presence().hosts.keys().copied().collect();
    // Most of what wakes us places nobody, and needs no write to find that out.
    if place(&world, &live).is_empty() {
        return;
    }
    match store
        .write(Op::PlaceServers { live }.from(Origin::kannas("hosts came for servers")))
        .await
    {
        Ok(commit) => {
            let revision = commit.revision;
            tracing::info!(revision, changes = commit.changes.len(), "placed servers");
        }
        // The next change wakes us again.
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "cannot place servers");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::host::Join;
    use model::objects::{Account, JoinToken};
    use model::op::Wish;
    use model::policy::Quota;
    use model::wire::agent::Report;

    use super::*;
    use crate::agents::LeaseArgs;

    const HOST: Uuid = Uuid::from_u128(6);
    const BODY: &[u8] = br#"{"server": {"title": "t", "hostname": "h", "zone": "fi-hel1"}}"#;

    async fn make_server(store: &Store, n: u128) {
        let wish = model::server::Create::of_body(BODY, Uuid::new_v4).unwrap();
        let uuid = Uuid::from_u128(n);
        let op = Op::Server { by: "a".to_owned(), uuid, wish: Wish::Create(wish) };
        store.write(op).await.unwrap();
    }

    async fn furnish(store: &Store) {
        let by = || "a".to_owned();
        let admin =
            Account { name: by(), password: String::new(), admin: true, quota: Quota::default() };
        let authority = crate::agents::new_authority();
        let zone = "fi-hel1".to_owned();
        let token = JoinToken { digest: String::new(), zone: zone.clone(), expires: 1, host: None };
        let (name, underlay) = ("h".to_owned(), [192, 0, 2, 1].into());
        let wish = Join { digest: String::new(), name, zone, underlay, now: 0, certificate: None };
        for op in [
            Op::Found { admin, authority },
            Op::AllowJoin { by: by(), token },
            Op::Join { uuid: HOST, wish },
        ] {
            store.write(op).await.unwrap();
        }
    }

    async fn all_placed(store: &Store) {
        let mut groups = store.groups();
        let placed = async {
            while store.world().unplaced().next().is_some() {
                groups.recv().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(20), placed).await.expect("all get a host");
    }

    #[tokio::test]
    async fn servers_get_a_host_when_it_comes_and_when_they_come_after_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        furnish(&store).await;
        let hub = Hub::start(store.clone(), LeaseArgs::default());
        let (stopping, stop) = watch::channel(false);
        let running = tokio::spawn(run(store.clone(), hub.clone(), stop));

        make_server(&store, 1).await;
        make_server(&store, 2).await;
        assert_eq!(store.world().unplaced().count(), 2, "the host is not connected");
        let (seat, _) = hub.begin(HOST, 1, None, None).unwrap();
        let revision = seat.next().unwrap().0.revision();
        seat.looked(revision, true);
        hub.report(HOST, 1, Report { revision, ..Report::default() });
        all_placed(&store).await;
        // Whoever writes it does not know that the host is there.
        make_server(&store, 3).await;
        all_placed(&store).await;
        assert!(store.world().servers.values().all(|s| s.host == Some(HOST)));

        stopping.send_replace(true);
        running.await.unwrap();
    }
}
