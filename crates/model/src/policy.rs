//! How strict an installation is, and how much of each thing an account may
//! have: the operator's to say, for all accounts and for one.

use serde::{Deserialize, Serialize};

use crate::error::Rule;
use crate::rate::Rate;
use crate::world::World;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// A peering is refused while its local network has no router, as
    /// UpCloud's reference has it; else it is made, and waits.
    pub strict_router: bool,
    /// A peering is deleted only when it is disabled, as UpCloud's clients
    /// expect it; else whatever its state is.
    pub strict_delete: bool,
    /// Days after which a half that nobody has answered is no request any
    /// more; 0 is never.
    pub request_days: u32,
    pub limits: Limits,
    /// Of each account's requests.
    pub rate: Rate,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            strict_router: false,
            strict_delete: false,
            request_days: 7,
            rate: Rate::default(),
            limits: Limits::default(),
        }
    }
}

/// What one account may have, where that is not as for all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Quota {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub networks: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_peerings: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routers: Option<u32>,
    /// Requests in a second; 0 sets no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<u32>,
    /// Requests at once after a pause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
}

impl Policy {
    fn quota(world: &World, account: &str) -> Quota {
        world.accounts.get(account).map(|it| it.quota).unwrap_or_default()
    }

    pub fn limits_of(&self, world: &World, account: &str) -> Limits {
        let quota = Self::quota(world, account);
        Limits {
            networks: quota.networks.unwrap_or(self.limits.networks),
            peerings: quota.network_peerings.unwrap_or(self.limits.peerings),
            routers: quota.routers.unwrap_or(self.limits.routers),
        }
    }

    pub fn rate_of(&self, world: &World, account: &str) -> Rate {
        let Quota { requests, burst, .. } = Self::quota(world, account);
        Rate {
            per_second: requests.unwrap_or(self.rate.per_second),
            burst: burst.unwrap_or(self.rate.burst),
        }
    }
}

/// The most that one account may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub networks: u32,
    pub peerings: u32,
    pub routers: u32,
}

impl Default for Limits {
    /// So many that who runs into one has lost a loop, not a business.
    fn default() -> Self {
        Self { networks: 100_000, peerings: 100_000, routers: 100_000 }
    }
}

impl Limits {
    /// # Errors
    /// [`Rule::NetworkLimit`].
    pub fn check_networks(&self, world: &World, account: &str) -> Result<(), Rule> {
        let has = world.owned(account).map_or(0, |o| o.networks.len());
        if below(has, self.networks) { Ok(()) } else { Err(Rule::NetworkLimit(self.networks)) }
    }

    /// # Errors
    /// [`Rule::PeeringLimit`].
    pub fn check_peerings(&self, world: &World, account: &str) -> Result<(), Rule> {
        let has = world.owned(account).map_or(0, |o| o.peerings.len());
        if below(has, self.peerings) { Ok(()) } else { Err(Rule::PeeringLimit(self.peerings)) }
    }

    /// # Errors
    /// [`Rule::RouterLimit`].
    pub fn check_routers(&self, world: &World, account: &str) -> Result<(), Rule> {
        let has = world.owned(account).map_or(0, |o| o.routers.len());
        if below(has, self.routers) { Ok(()) } else { Err(Rule::RouterLimit(self.routers)) }
    }
}

fn below(has: usize, limit: u32) -> bool {
    u32::try_from(has).is_ok_and(|has| has < limit)
}
