//! The prefixes around a network or a router, to find those that overlap one
//! without looking at all of them.

use imbl::OrdSet;
use ipnet::IpNet;
use uuid::Uuid;

use crate::ids::Prefix;

/// By who has it around itself: a prefix, and the network it is of.
#[derive(Debug, Clone, Default)]
pub(super) struct Around(OrdSet<(Uuid, Prefix, Uuid)>);

impl Around {
    pub(super) fn insert(&mut self, at: Uuid, prefix: Prefix, of: Uuid) {
        self.0.insert((at, prefix, of));
    }

    pub(super) fn remove(&mut self, at: Uuid, prefix: Prefix, of: Uuid) {
        self.0.remove(&(at, prefix, of));
    }

    /// Networks around `at` with a prefix that shares addresses with `prefix`;
    /// one may be named more than once.
    pub(super) fn overlapping(&self, at: Uuid, prefix: Prefix) -> Vec<Uuid> {
        let mut found = self.covering(at, prefix);
        // What lies in a prefix comes after it, and before all else that does.
        let rest = self.0.range((at, prefix, Uuid::nil())..);
        let inside = rest.take_while(|it| it.0 == at && prefix.contains(it.1.address()));
        found.extend(inside.filter(|it| it.1 != prefix).map(|it| it.2));
        found
    }

    /// Networks around `at` with a prefix that all of `prefix` lies in.
    ///
    /// What covers a prefix comes before it. So does the nearest neighbour
    /// before it, and what covers both is no longer than what they have in
    /// common: there the search goes on, with fewer bits each time.
    pub(super) fn covering(&self, at: Uuid, prefix: Prefix) -> Vec<Uuid> {
        let mut found = Vec::new();
        let mut upper = prefix;
        loop {
            let before = self.0.get_prev(&(at, upper, Uuid::max()));
            let Some((_, near, of)) = before.filter(|it| it.0 == at) else { return found };
            let Some(mut bits) = common_bits(*near, prefix) else { return found };
            if bits == near.len() {
                let same = (at, *near, Uuid::nil())..=(at, *near, *of);
                found.extend(self.0.range(same).map(|it| it.2));
                let Some(fewer) = bits.checked_sub(1) else { return found };
                bits = fewer;
            }
            let Some(shorter) = shortened(prefix, bits) else { return found };
            upper = shorter;
        }
    }
}

/// How many bits two prefixes begin with alike; None of two families.
fn common_bits(a: Prefix, b: Prefix) -> Option<u8> {
    let alike = match (a.net(), b.net()) {
        (IpNet::V4(a), IpNet::V4(b)) => (a.addr().to_bits() ^ b.addr().to_bits()).leading_zeros(),
        (IpNet::V6(a), IpNet::V6(b)) => (a.addr().to_bits() ^ b.addr().to_bits()).leading_zeros(),
        (IpNet::V4(_), IpNet::V6(_)) | (IpNet::V6(_), IpNet::V4(_)) => return None,
    };
    Some(u8::try_from(alike).unwrap_or(u8::MAX).min(a.len()).min(b.len()))
}

fn shortened(prefix: Prefix, bits: u8) -> Option<Prefix> {
    IpNet::new(prefix.address(), bits).ok().map(Prefix::containing)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Few addresses, so that many lie in others.
    fn prefix() -> impl Strategy<Value = Prefix> {
        let short = |bits: u32, len: u8, v6: bool| {
            let net = if v6 {
                IpNet::new(std::net::Ipv6Addr::from_bits(u128::from(bits) << 96).into(), len)
            } else {
                IpNet::new(std::net::Ipv4Addr::from_bits(bits).into(), len)
            };
            Prefix::containing(net.unwrap())
        };
        let bits = (0..8u32, 0..4u32, 0..4u32).prop_map(|(a, b, c)| a << 29 | b << 14 | c);
        (bits, 0..=32u8, any::<bool>()).prop_map(move |(bits, len, v6)| short(bits, len, v6))
    }

    proptest! {
        #[test]
        fn it_finds_what_brute_force_finds(
            all in vec((0..3u128, prefix(), 0..5u128), 0..40),
            asked in vec((0..3u128, prefix()), 1..20),
        ) {
            let uuid = Uuid::from_u128;
            let mut around = Around::default();
            for (at, prefix, of) in &all {
                around.insert(uuid(*at), *prefix, uuid(*of));
            }
            for (at, prefix) in asked {
                let here = || all.iter().filter(|it| it.0 == at);
                let overlaps = here().filter(|it| it.1.overlaps(prefix)).map(|it| uuid(it.2));
                let found: BTreeSet<Uuid> =
                    around.overlapping(uuid(at), prefix).into_iter().collect();
                prop_assert_eq!(found, overlaps.collect::<BTreeSet<_>>());
                let covers = here().filter(|it| it.1.net().contains(&prefix.net()));
                let covers: BTreeSet<Uuid> = covers.map(|it| uuid(it.2)).collect();
                let found: BTreeSet<Uuid> = around.covering(uuid(at), prefix).into_iter().collect();
                prop_assert_eq!(found, covers);
            }
        }
    }
}
