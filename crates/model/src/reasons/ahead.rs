//! What will be in the way of packets once they are let through, in the words
//! that a peering's owner may hear.

use uuid::Uuid;

use super::{Owner, Reason, capital};
use crate::health::Arrives;
use crate::ids::Mtu;
use crate::objects::Peering;
use crate::world::World;

/// Between two hosts, one of which carries each network of a peering.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ahead {
    pub(crate) hosts: [Uuid; 2],
    pub(crate) kind: Omen,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Omen {
    /// Probes for other networks do not come back.
    Closed,
    /// Packets larger than `path` are lost, though a link takes `link` bytes.
    Narrow { path: Mtu, link: Mtu },
    /// Their links take packets of different sizes, in the order of the hosts.
    Uneven([Mtu; 2]),
    /// Nothing goes in the clear, for so many more bytes.
    Encrypted(u8),
}

/// For the owner of `it`.
pub(crate) fn words(world: &World, it: &Peering, ahead: &Ahead) -> Reason {
    let owner = Owner { world, it };
    let [one, other] = ahead.hosts;
    let [here, there] = owner.pair(ahead.hosts);
    match &ahead.kind {
        Omen::Closed => {
            let message = owner.no_path(ahead.hosts, Arrives::Nothing, None);
            Reason::new("no-path", message)
        }
        Omen::Narrow { path, link } => {
            let message = format!(
                "Packets of more than {path} bytes are lost between {here} and {there}, whose \
                 links take {link}; ports will be told to send no larger ones."
            );
            Reason::new("mtu-black-hole", message)
        }
        Omen::Uneven([mine, theirs]) => {
            let (small, large, least) =
                if mine < theirs { (one, other, mine) } else { (other, one, theirs) };
            let most = mine.max(theirs);
            let [small, large] = [small, large].map(|host| owner.named(host));
            let message = format!(
                "{} takes packets of {least} bytes, {large} of {most}: larger ones between them \
                 are fragmented, or their senders told what fits.",
                capital(&small)
            );
            Reason::new("uneven-mtu", message)
        }
        Omen::Encrypted(bytes) => {
            let message = format!(
                "Packets between {here} and {there} will be encrypted, which takes {bytes} bytes \
                 of each: ports of both take so much less than in the clear."
            );
            Reason::new("encryption-overhead", message)
        }
    }
}
