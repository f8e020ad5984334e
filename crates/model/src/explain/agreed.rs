//! Whether a network may be reached by that way, and what to do if not.

use std::net::IpAddr;

use uuid::Uuid;

use super::{Known, Step};
use crate::ids::Prefix;
use crate::objects::{Network, Peering};
use crate::state::{self, State};

/// How the destination's network is reached.
pub(super) enum Way<'w> {
    Same,
    Router(Uuid),
    Peering(&'w Peering),
    /// A static route of the router: what it is for, and its next hop.
    Static(Prefix, IpAddr),
}

impl Way<'_> {
    /// Whose port is looked for instead of the destination's.
    pub(super) fn hop(&self) -> Option<IpAddr> {
        match self {
            Self::Static(_, hop) => Some(*hop),
            Self::Same | Self::Router(_) | Self::Peering(_) => None,
        }
    }
}

/// None when the last step is in the way.
pub(super) fn steps(
    known: Known<'_>,
    (local, network): (&Network, &Network),
    way: &Way<'_>,
    steps: &mut Vec<Step>,
) -> Option<()> {
    let good = match way {
        Way::Same => Step::good("route", "Both are on the same network."),
        Way::Router(router) => {
            Step::good("route", format!("Both networks are on router {router}."))
        }
        Way::Static(prefix, hop) => Step::good(
            "route",
            format!(
                "The router has a static route to {prefix} by {hop} on network {}.",
                network.uuid
            ),
        ),
        Way::Peering(half) => match refusal(known, local, network, half) {
            None => {
                let between = format!("from network {} to {}", local.uuid, network.uuid);
                let message =
                    format!("{} {between} and its mirror are agreed and admitted.", name(half));
                Step::good("peering", message)
            }
            Some(step) => {
                steps.push(step);
                return None;
            }
        },
    };
    steps.push(good);
    Some(())
}

fn name(half: &Peering) -> String {
    format!("Peering {} ({})", half.name, half.uuid)
}

/// Why the peering carries nothing.
fn refusal(known: Known<'_>, local: &Network, network: &Network, half: &Peering) -> Option<Step> {
    let (state, reasons) = state::judge(known.world, known.presence, known.patience, half);
    let (here, there) = (local.uuid, network.uuid);
    let own = network.account == known.account && known.scope.has_network(there);
    let ask = |what: String| if own { what } else { format!("Ask its owner: {what}") };
    let mirror = known.world.mirror(half).map(|it| it.uuid);
    let (step, fix) = match state {
        State::Active | State::Provisioning | State::Error => return None,
        State::Disabled => ("peering", format!("kannas peering enable {}", half.uuid)),
        State::DeletedPeerNetwork => {
            ("peering", format!("kannas peering delete {}: there is nothing to reach.", half.uuid))
        }
        State::PendingPeer => {
            ("mirror", ask(format!("create the peering from {there} to {here}, its mirror.")))
        }
        State::PeerDisabled => match mirror.filter(|_| own) {
            Some(mirror) => ("mirror", format!("kannas peering enable {mirror}")),
            None => ("mirror", ask(format!("enable the peering from {there} to {here}."))),
        },
        State::MissingLocalRouter => ("router", format!("Attach network {here} to a router.")),
        State::MissingPeerRouter => ("router", ask(format!("attach network {there} to a router."))),
        State::ConflictSubnet => (
            "admission",
            "Give one of the networks other addresses, or delete the other peering.".to_owned(),
        ),
    };
    let because: Vec<String> = reasons.into_iter().map(|reason| reason.message).collect();
    let because = if because.is_empty() { "It is disabled.".to_owned() } else { because.join(" ") };
    let message =
        format!("{} from network {here} to {there} carries nothing. {because}", name(half));
    Some(Step::bad(step, message, capital(&fix)))
}

/// Of what is no command.
fn capital(fix: &str) -> String {
    if fix.starts_with("kannas ") { fix.to_owned() } else { crate::reasons::capital(fix) }
}
