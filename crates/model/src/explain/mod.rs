//! Why packets of a port reach an address or do not: one step after the other,
//! from who agreed to what the kernels hold and what a packet met.
//!
//! The steps end with the first that is in the way, as all that follows rests
//! on it. Of what belongs to somebody else they tell no more than the reasons
//! of a peering do.

mod agreed;
mod evidence;
mod walk;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::Vni;
use crate::spec::Target;

pub use evidence::conclude;
pub use walk::{Known, walk};

/// Of the caller's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// A port of the caller's: its UUID or one of its addresses. Another address
    /// is what a workload might send from.
    pub source: String,
    /// An address, or a port of the caller's.
    pub destination: String,
    /// Bytes of the IP packet; None for one of the usual size.
    pub size: Option<u16>,
    pub service: Option<Service>,
}

/// What is to be talked to in the workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    pub protocol: Protocol,
    pub port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    Tcp,
    Udp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Good,
    /// In the way.
    Bad,
    /// Nobody could say.
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Stable.
    pub step: &'static str,
    pub outcome: Outcome,
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Step {
    fn good(step: &'static str, message: impl Into<String>) -> Self {
        Self { step, outcome: Outcome::Good, message: message.into(), fix: None }
    }

    fn bad(step: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { step, outcome: Outcome::Bad, message: message.into(), fix: Some(fix.into()) }
    }

    fn unknown(step: &'static str, message: impl Into<String>) -> Self {
        Self { step, outcome: Outcome::Unknown, message: message.into(), fix: None }
    }
}

/// One end of the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    pub port: Uuid,
    pub network: Uuid,
    pub vni: Vni,
    pub address: IpAddr,
    pub host: Uuid,
    /// The caller's own.
    pub own: bool,
}

/// What is agreed and placed: packets ought to take this way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trail {
    pub from: End,
    pub to: End,
    pub size: Option<u16>,
    pub service: Option<Service>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    pub steps: Vec<Step>,
    /// None when a step is in the way.
    pub trail: Option<Trail>,
}

/// What a host is asked to look at, and to try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    pub port: Uuid,
    /// Of that port, and the other end's.
    pub vni: Vni,
    pub local: IpAddr,
    pub remote: IpAddr,
    /// Probes of these sizes are sent, in bytes of the IP packet.
    #[serde(default)]
    pub send: Vec<u16>,
    /// Those of another host are told of that came by just now: their sizes and
    /// tokens.
    #[serde(default)]
    pub heard: Vec<(u16, u32)>,
    /// Whether the workload listens there.
    #[serde(default)]
    pub service: Option<Service>,
}

/// What it found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// What is wrong with the host's devices and programs, and with the port.
    pub fault: Option<String>,
    /// The kernel's routes for the remote address, and for the local one.
    pub away: Option<Target>,
    pub home: Option<Target>,
    /// Bytes of the largest packet that the port may send.
    pub mtu: Option<u32>,
    pub sent: Vec<Trial>,
    pub heard: Vec<Heard>,
    /// None: nobody could look.
    pub listens: Option<bool>,
    /// What others did lately to the port's network, or to the whole host, and
    /// the agent has mended; oldest first.
    #[serde(default)]
    pub repairs: Vec<Repair>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repair {
    /// Seconds since then.
    pub ago: u64,
    /// The step that mended it.
    pub step: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    pub size: u16,
    /// By which another host tells it from others.
    pub token: u32,
    pub fate: Fate,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It came back after so many microseconds.
    Back(u32),
    /// This host did not send it on; a verdict.
    Stopped(String),
    Silent,
}

/// A probe that came by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    pub size: u16,
    pub verdict: String,
}

/// Bytes of the packet that tells whether any crosses.
pub const SMALL: u16 = 107;

impl Trail {
    /// What to ask the host of the source, before the other.
    pub fn first(&self) -> Look {
        let sizes = std::iter::once(SMALL).chain(self.size).collect();
        Look { send: sizes, ..look(&self.from, &self.to) }
    }

    /// What to ask the other host, when the first has answered. If it has not,
    /// it is the other that sends.
    pub fn second(&self, first: Option<&Found>) -> Look {
        let sent = first.map_or(&[][..], |found| &found.sent);
        let heard = sent.iter().map(|trial| (trial.size, trial.token)).collect();
        let send = if first.is_none() { vec![SMALL] } else { Vec::new() };
        let service = self.service.filter(|_| self.to.own);
        Look { send, heard, service, ..look(&self.to, &self.from) }
    }
}

fn look(here: &End, there: &End) -> Look {
    Look {
        port: here.port,
        vni: here.vni,
        local: here.address,
        remote: there.address,
        send: Vec::new(),
        heard: Vec::new(),
        service: None,
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
