//! What servers that share one memory say to each other, over HTTP/2 with
//! mutual TLS, on the port for agents.
//!
//! `GET /peer/v1/watch` answers with one [`Line`] of JSON per line and stays
//! open: after `snapshot` all hosts that are connected there, then what changes
//! of them. Each run ends with `at`. `POST /peer/v1/ask` with [`Ask`] is
//! answered by what the host has found, or null; `/peer/v1/exchange` with
//! [`Pair`] by [`Counts`], and `/peer/v1/tally` with [`OfHost`] by [`Tally`]
//! or null.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::explain::Look;
use crate::flow::Exchange;
use crate::ids::{Revision, Vni};
use crate::state::HostError;
use crate::way::{Measured, Way};
use crate::wire::agent::Repairs;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "line")]
pub enum Line {
    /// What is not said again up to the next `at` is not so any more.
    Snapshot,
    Host(Box<Told>),
    /// It is not connected there any more.
    Gone {
        host: Uuid,
    },
    /// What was said is all there is to say of hosts at this revision.
    At {
        revision: Revision,
    },
}

/// How a host that is connected stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub host: Uuid,
    /// It is so when the server has heard of all writes up to this one.
    pub at: Revision,
    /// Of its lease.
    pub epoch: Option<Revision>,
    /// It has answered.
    pub live: bool,
    /// The oldest write that may concern it and that it has not answered for.
    pub floor: Option<Revision>,
    /// For how long.
    pub waiting_ms: u64,
    pub errors: Vec<HostError>,
    #[serde(default, skip_serializing_if = "Repairs::is_none")]
    pub repairs: Repairs,
    /// What was said before of its ways is forgotten.
    pub anew: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ways: Vec<(Way, Measured)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<Way>,
}

/// A question to a host, and how long its answer is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    pub host: Uuid,
    pub look: Look,
    pub limit_ms: u64,
}

/// Two networks, seen from the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    pub local: Vni,
    pub peer: Vni,
}

/// What hosts have counted between two networks, and when one last told of
/// anything: seconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub at: Option<i64>,
    pub hosts: Vec<Counted>,
}

/// What one host has counted between two networks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    pub host: Uuid,
    /// Seconds since 1970.
    pub at: i64,
    pub exchange: Exchange,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfHost {
    pub host: Uuid,
}

/// What a host has counted in all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Packets by verdict.
    pub verdicts: BTreeMap<String, u64>,
    /// Seconds since 1970.
    pub at: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::way::{Measure, Passage};

    #[test]
    fn a_line_is_the_same_after_it_was_sent() {
        let vni = |n| Vni::try_from(n).unwrap();
        let way = Way { from: vni(1), to: vni(2), vtep: Some([192, 0, 2, 1].into()) };
        let measure = Measure { passage: Passage::Open, ..Measure::UNTRIED };
        let told = Told {
            host: Uuid::from_u128(1),
            at: 9,
            epoch: Some(3),
            live: true,
            floor: Some(8),
            waiting_ms: 5,
            errors: vec![HostError { message: "no".to_owned(), ..HostError::default() }],
            repairs: Repairs { count: 1, last: vec!["a".to_owned()] },
            anew: false,
            ways: vec![(way, Measured { measure, since: 1, at: 2 })],
            gone: vec![Way { vtep: None, ..way }],
        };
        for line in [
            Line::Snapshot,
            Line::Host(Box::new(told)),
            Line::Gone { host: Uuid::nil() },
            Line::At { revision: 7 },
        ] {
            let text = serde_json::to_string(&line).unwrap();
            assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line, "{text}");
        }
    }
}
