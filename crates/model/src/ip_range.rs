//! Where a caller may call from: an address or a block of them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::ids::Malformed;

/// `192.0.2.1`, `192.0.2.0/24` or the like in IPv6; shown as it was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IpRange {
    text: String,
    net: IpNet,
}

impl IpRange {
    /// An IPv4 address is one however it came, also as `::ffff:192.0.2.1`.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.net.contains(&address.to_canonical())
    }

    /// All there are, of both families.
    pub fn everywhere() -> Vec<Self> {
        let all = ["0.0.0.0/0", "::/0"];
        all.iter().map(|text| text.parse().expect("both are blocks")).collect()
    }
}

impl FromStr for IpRange {
    type Err = Malformed;
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        match net {
            Ok(net) => Ok(Self { text: text.to_owned(), net }),
            Err(_) => Err(Malformed { kind: "an address or a CIDR block", text: text.to_owned() }),
        }
    }
}

impl TryFrom<String> for IpRange {
    type Error = Malformed;
    fn try_from(text: String) -> Result<Self, Malformed> {
        text.parse()
    }
}

impl From<IpRange> for String {
    fn from(it: IpRange) -> Self {
        it.text
    }
}

impl fmt::Display for IpRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_its_addresses_and_no_others() {
        for (range, address, want) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.7/24", "192.0.2.200", true),
            ("192.0.2.0/24", "::ffff:192.0.2.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8::1", true),
            ("::/0", "192.0.2.1", false),
        ] {
            let parsed: IpRange = range.parse().unwrap();
            assert_eq!(parsed.contains(address.parse().unwrap()), want, "{range} {address}");
            assert_eq!(parsed.to_string(), range);
        }
        for bad in ["", "*", "192.0.2.0/33", "192.0.2", "a/8", " 192.0.2.1"] {
            assert!(bad.parse::<IpRange>().is_err(), "{bad}");
        }
    }
}
