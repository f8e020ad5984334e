//! Where the server may be sent to by its users: it stands where they do not,
//! so what it can reach is not theirs to reach through it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use model::ip_range::IpRange;

#[derive(Debug, Clone)]
pub(crate) enum Reach {
    /// The operator's own webhook.
    Anywhere,
    /// Addresses of the Internet, and these.
    Public(Arc<[IpRange]>),
}

impl Reach {
    pub(crate) fn allows(&self, address: IpAddr) -> bool {
        match self {
            Self::Anywhere => true,
            Self::Public(ranges) => {
                is_public(address.to_canonical()) || ranges.iter().any(|r| r.contains(address))
            }
        }
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(it) => is_public_v4(it),
        IpAddr::V6(it) => is_public_v6(it),
    }
}

/// Not in the IANA registry of special-purpose addresses (RFC 6890).
fn is_public_v4(it: Ipv4Addr) -> bool {
    let [a, b, c, _] = it.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let protocols = (a, b, c) == (192, 0, 0) || (a, b, c) == (192, 88, 99);
    let benchmark = a == 198 && (b == 18 || b == 19);
    let odd = it.is_loopback() || it.is_private() || it.is_link_local() || it.is_documentation();
    !(a == 0 || a >= 224 || odd || shared || protocols || benchmark)
}

/// Global unicast is 2000::/3; of that, what leads to IPv4 or is special is
/// left out.
fn is_public_v6(it: Ipv6Addr) -> bool {
    let [a, b, ..] = it.segments();
    let special = a == 0x2002 || (a == 0x2001 && (b < 0x0200 || b == 0x0db8)) || a == 0x3fff;
    (0x2000..0x4000).contains(&a) && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_internet_are_reached_for_users() {
        let reach = Reach::Public(Arc::new(["10.7.0.0/16".parse().unwrap()]));
        for (address, want) in [
            ("8.8.8.8", true),
            ("10.7.1.1", true),
            ("::ffff:10.7.1.1", true),
            ("2606:4700::1", true),
            ("10.8.1.1", false),
            ("127.0.0.1", false),
            ("0.0.0.0", false),
            ("169.254.169.254", false),
            ("100.64.0.1", false),
            ("172.16.0.1", false),
            ("192.168.0.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("::ffff:127.0.0.1", false),
            ("::1", false),
            ("::", false),
            ("fe80::1", false),
            ("fd00::1", false),
            ("ff02::1", false),
            ("64:ff9b::7f00:1", false),
            ("2002:7f00:1::", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(reach.allows(address.parse().unwrap()), want, "{address}");
            assert!(Reach::Anywhere.allows(address.parse().unwrap()));
        }
    }
}
