//! New-types: the only way to have one is to have a good one.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// The number of a committed write. 0 is "before the first".
pub type Revision = u64;

/// A text that is not a value of the type it was parsed as.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {kind}")]
pub struct Malformed {
    pub kind: &'static str,
    pub text: String,
}

impl Malformed {
    fn new(kind: &'static str, text: impl fmt::Display) -> Self {
        Self { kind, text: text.to_string() }
    }
}

/// VXLAN network identifier: 1 to 2^24-1 (RFC 7348 §5 gives it 24 bits).
///
/// 0 is a legal value on the wire. We keep it unassigned, so that a zeroed
/// BPF map entry never matches a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Vni(u32);

impl Vni {
    pub const MAX: u32 = (1 << 24) - 1;
}

impl TryFrom<u32> for Vni {
    type Error = Malformed;
    fn try_from(n: u32) -> Result<Self, Malformed> {
        if n == 0 || n > Self::MAX {
            return Err(Malformed::new("a VNI (1 to 16777215)", n));
        }
        Ok(Self(n))
    }
}

impl From<Vni> for u32 {
    fn from(vni: Vni) -> Self {
        vni.0
    }
}

impl fmt::Display for Vni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A unicast Ethernet address, printed as `0a:00:00:00:00:01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac([u8; 6]);

impl Mac {
    /// A locally administered unicast address made of 40 bits of the caller's
    /// choice (IEEE 802 c: second least bit of the first octet set).
    pub fn local(tail: [u8; 5]) -> Self {
        Self([0x0a, tail[0], tail[1], tail[2], tail[3], tail[4]])
    }

    pub fn octets(self) -> [u8; 6] {
        self.0
    }
}

impl TryFrom<[u8; 6]> for Mac {
    type Error = Malformed;
    fn try_from(octets: [u8; 6]) -> Result<Self, Malformed> {
        if octets[0] & 1 == 1 || octets == [0; 6] {
            return Err(Malformed::new("a unicast MAC address", Hex(octets)));
        }
        Ok(Self(octets))
    }
}

impl FromStr for Mac {
    type Err = Malformed;
    fn from_str(s: &str) -> Result<Self, Malformed> {
        let bad = || Malformed::new("a unicast MAC address", s);
        let mut octets = [0; 6];
        let mut parts = s.split(':');
        for octet in &mut octets {
            let part = parts.next().filter(|p| p.len() == 2).ok_or_else(bad)?;
            *octet = u8::from_str_radix(part, 16).map_err(|_| bad())?;
        }
        if parts.next().is_some() {
            return Err(bad());
        }
        Self::try_from(octets).map_err(|_| bad())
    }
}

struct Hex([u8; 6]);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(self.0).fmt(f)
    }
}

/// An IP prefix without host bits (RFC 4632 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Prefix(IpNet);

impl Prefix {
    /// The prefix that holds exactly one address: /32 or /128.
    pub fn host(address: IpAddr) -> Self {
        Self(IpNet::from(address))
    }

    /// None when there is no such length, or it has host bits.
    pub fn new(address: IpAddr, len: u8) -> Option<Self> {
        IpNet::new(address, len).ok().filter(|net| net.trunc() == *net).map(Self)
    }

    /// The prefix that `net` lies in, its host bits dropped.
    pub fn containing(net: IpNet) -> Self {
        Self(net.trunc())
    }

    /// The default route of an address's family.
    pub fn everything(family: IpAddr) -> Self {
        let any = match family {
            IpAddr::V4(_) => IpAddr::from([0; 4]),
            IpAddr::V6(_) => IpAddr::from([0; 16]),
        };
        Self(IpNet::new(any, 0).expect("0 is a length of both families"))
    }

    pub fn net(self) -> IpNet {
        self.0
    }

    pub fn address(self) -> IpAddr {
        self.0.addr()
    }

    /// Length in bits, of the address family's own 32 or 128.
    pub fn len(self) -> u8 {
        self.0.prefix_len()
    }

    pub fn is_empty(self) -> bool {
        false
    }

    pub fn is_everything(self) -> bool {
        self.0.prefix_len() == 0
    }

    pub fn is_host(self) -> bool {
        self.0.prefix_len() == self.0.max_prefix_len()
    }

    pub fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }

    /// True when an address exists that lies in both; never across families.
    pub fn overlaps(self, other: Self) -> bool {
        self.0.contains(&other.0) || other.0.contains(&self.0)
    }
}

impl FromStr for Prefix {
    type Err = Malformed;
    fn from_str(s: &str) -> Result<Self, Malformed> {
        let net: IpNet = s.parse().map_err(|_| Malformed::new("an IP prefix", s))?;
        if net.trunc() != net {
            return Err(Malformed::new("an IP prefix without host bits", s));
        }
        Ok(Self(net))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Name of a network device: 1 to 15 bytes, no `/`, `:` or white space, not
/// `.` or `..` (kernel: `dev_valid_name` in net/core/dev.c).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceName(String);

impl FromStr for DeviceName {
    type Err = Malformed;
    fn from_str(s: &str) -> Result<Self, Malformed> {
        let good = (1..16).contains(&s.len()) && !matches!(s, "." | "..");
        if !good || s.chars().any(|c| c == '/' || c == ':' || c.is_whitespace() || c.is_control()) {
            return Err(Malformed::new("a device name (1 to 15 bytes, no slash or space)", s));
        }
        Ok(Self(s.to_owned()))
    }
}

/// Name of a network namespace as `ip netns` keeps them: a file name below
/// /run/netns (ip-netns(8)), at most 64 bytes here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NetnsName(String);

impl FromStr for NetnsName {
    type Err = Malformed;
    fn from_str(s: &str) -> Result<Self, Malformed> {
        let good = (1..65).contains(&s.len()) && !matches!(s, "." | "..");
        if !good || s.chars().any(|c| c == '/' || c.is_whitespace() || c.is_control()) {
            return Err(Malformed::new("a namespace name (1 to 64 bytes, no slash or space)", s));
        }
        Ok(Self(s.to_owned()))
    }
}

macro_rules! text_conversions {
    ($($name:ident)*) => {$(
        impl TryFrom<String> for $name {
            type Error = $crate::ids::Malformed;
            fn try_from(s: String) -> Result<Self, Self::Error> {
                s.parse()
            }
        }
        impl From<$name> for String {
            fn from(it: $name) -> Self {
                it.to_string()
            }
        }
    )*};
}
pub(crate) use text_conversions;
text_conversions!(Mac Prefix DeviceName NetnsName);

macro_rules! text_view {
    ($($name:ident)*) => {$(
        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}
text_view!(DeviceName NetnsName);

/// Size in bytes of the largest IP packet a link takes: 576 (every IPv4 host
/// must take that much, RFC 791 §3.1) to 65535.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Mtu(u16);

impl Mtu {
    /// The MTU of a port whose packets travel in VXLAN over a link of this
    /// MTU: less outer IP header (20 bytes, or 40 for IPv6), UDP 8, VXLAN 8
    /// and inner Ethernet header 14 (RFC 7348 §5).
    ///
    /// # Errors
    /// When less than the smallest [`Mtu`] would remain.
    pub fn inside_vxlan(self, outer: IpAddr) -> Result<Self, Malformed> {
        let overhead = if outer.is_ipv4() { 50 } else { 70 };
        Self::try_from(u32::from(self.0).saturating_sub(overhead))
    }
}

impl TryFrom<u32> for Mtu {
    type Error = Malformed;
    fn try_from(bytes: u32) -> Result<Self, Malformed> {
        match u16::try_from(bytes) {
            Ok(n) if n >= 576 => Ok(Self(n)),
            Ok(_) | Err(_) => Err(Malformed::new("an MTU (576 to 65535 bytes)", bytes)),
        }
    }
}

impl From<Mtu> for u32 {
    fn from(mtu: Mtu) -> Self {
        mtu.0.into()
    }
}

impl From<Mtu> for u16 {
    fn from(mtu: Mtu) -> Self {
        mtu.0
    }
}

impl fmt::Display for Mtu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The 16 bytes that stand for an address in maps and keys: IPv6 as it is,
/// IPv4 as `::ffff:a.b.c.d` (RFC 4291 §2.5.5.2).
pub fn mapped(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// The reverse of [`mapped`].
pub fn unmapped(octets: [u8; 16]) -> IpAddr {
    Ipv6Addr::from(octets).to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_values_cannot_be_built() {
        assert!(Vni::try_from(0).is_err());
        assert!(Vni::try_from(1 << 24).is_err());
        assert!(Vni::try_from(Vni::MAX).is_ok());
        for bad in [
            "",
            "0a:00",
            "01:00:00:00:00:01",
            "00:00:00:00:00:00",
            "0a:00:00:00:00:0g",
            "0a:00:00:00:00:01:02",
        ] {
            assert!(bad.parse::<Mac>().is_err(), "{bad}");
        }
        for bad in ["", "10.0.0.1/24", "10.0.0.0/33", "x/8", "10.0.0.0"] {
            assert!(bad.parse::<Prefix>().is_err(), "{bad}");
        }
        for bad in ["", ".", "..", "a b", "a/b", "a:b", "sixteen-bytes-xx"] {
            assert!(bad.parse::<DeviceName>().is_err(), "{bad}");
        }
        for bad in ["", "..", "a/b", "a\n"] {
            assert!(bad.parse::<NetnsName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn prefixes_overlap_only_within_their_family() {
        let p = |s: &str| s.parse::<Prefix>().unwrap();
        assert!(p("10.0.0.0/8").overlaps(p("10.1.2.0/24")));
        assert!(p("10.1.2.0/24").overlaps(p("10.0.0.0/8")));
        assert!(!p("10.0.0.0/24").overlaps(p("10.0.1.0/24")));
        assert!(!p("0.0.0.0/0").overlaps(p("::/0")));
    }

    #[test]
    fn vxlan_costs_50_bytes_over_ipv4_and_70_over_ipv6() {
        let mtu = Mtu::try_from(1500).unwrap();
        assert_eq!(u32::from(mtu.inside_vxlan("192.0.2.1".parse().unwrap()).unwrap()), 1450);
        assert_eq!(u32::from(mtu.inside_vxlan("2001:db8::1".parse().unwrap()).unwrap()), 1430);
        assert!(Mtu::try_from(600).unwrap().inside_vxlan("192.0.2.1".parse().unwrap()).is_err());
    }

    #[test]
    fn addresses_survive_the_128_bit_form() {
        for text in ["10.0.0.1", "2001:db8::7", "0.0.0.0"] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(unmapped(mapped(address)), address);
        }
    }
}
