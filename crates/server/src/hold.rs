//! Answers to writes wait for the hosts.

use std::sync::Arc;
use std::time::Duration;

use model::audit::Origin;
use model::consent::Patience;
use model::op::Op;
use model::state::{State, judge};
use model::terms::Terms;
use model::world::World;
use store::{Commit, WriteError};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::api::Api;
use crate::terms::Asked;

/// The longest that an answer waits. A host that takes longer shows in the
/// peering's state, `provisioning`, and clients poll that.
const LIMIT: Duration = Duration::from_secs(1);

/// UUIDs begin with two digits that tell the kind (contract section 1.4).
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Server = 0x00,
    Network = 0x03,
    Router = 0x04,
    Port = 0x05,
    Token = 0x0c,
    Peering = 0x0f,
    PeeringGroup = 0x10,
}

impl Kind {
    /// A new random UUID (RFC 9562 §5.4) of this kind.
    pub(crate) fn uuid(self) -> Uuid {
        let mut bytes = Uuid::new_v4().into_bytes();
        bytes[0] = self as u8;
        Uuid::from_bytes(bytes)
    }
}

impl Api {
    /// Writes what is wished on the terms there are.
    ///
    /// # Errors
    /// As [`store::Store::write`].
    pub(crate) async fn write(&self, op: Op) -> Result<Arc<Commit>, WriteError> {
        self.store.write(self.on_terms(op).from(Origin::clone(&self.origin))).await
    }

    /// As the installation's policy and the request have it, and within what
    /// the caller has access to.
    pub(crate) fn on_terms(&self, op: Op) -> Op {
        let op = match &self.sub {
            Some(name) => Op::AsSub { name: name.clone(), op: Box::new(op) },
            None => op,
        };
        let Asked { expected, once, .. } = self.asked.clone();
        let Patience { now, .. } = self.patience();
        let terms = Terms { policy: self.policy, now, expected, once };
        Op::Under { terms, op: Box::new(op) }
    }

    /// With what nobody answers, at this moment.
    pub(crate) fn patience(&self) -> Patience {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        Patience { now, days: self.policy.request_days }
    }

    /// Writes, then waits until every connected host that the write concerns
    /// has acted on it, at most a second.
    ///
    /// So what an answer says is true of packets: a peering that can be active
    /// is answered as active, which saves Terraform its first poll of five
    /// seconds; and when the answer to a DELETE or to `disabled` is out, no
    /// packet crosses any more. A write that concerns no connected host is
    /// answered at once.
    ///
    /// # Errors
    /// As [`store::Store::write`].
    pub(crate) async fn write_and_hold(&self, op: Op) -> Result<Arc<Commit>, WriteError> {
        let commit = self.write(op).await?;
        self.hub.settled(commit.world.revision(), LIMIT).await;
        Ok(commit)
    }

    /// The same for a write that makes or changes a peering, and until probes
    /// have crossed between hosts that carry it.
    ///
    /// # Errors
    /// As [`store::Store::write`].
    pub(crate) async fn write_peering(
        &self,
        op: Op,
        uuid: Uuid,
    ) -> Result<Arc<Commit>, WriteError> {
        let commit = self.write(op).await?;
        let decided = || {
            let world = self.store.world();
            let state = |it| judge(&world, &self.hub.presence(), self.patience(), it).0;
            world.peerings.get(&uuid).is_none_or(|it| state(it) != State::Provisioning)
        };
        let holds = async {
            self.hub.settled(commit.world.revision(), LIMIT).await;
            self.hub.until(decided).await;
        };
        // What the limit cuts off shows in the state.
        let _ = tokio::time::timeout(LIMIT, holds).await;
        Ok(commit)
    }

    /// The picture to answer a write from: the newest one, as others may have
    /// written what makes the object's state meanwhile; or the write's own
    /// when somebody has written or deleted the object itself since, as the
    /// answer shows what was written. `revision_of` finds the object's
    /// revision.
    pub(crate) fn picture(
        &self,
        commit: &Commit,
        revision_of: impl Fn(&World) -> Option<u64>,
    ) -> Arc<World> {
        let newest = self.store.world();
        if revision_of(&newest) == revision_of(&commit.world) {
            newest
        } else {
            commit.world.clone()
        }
    }
}
