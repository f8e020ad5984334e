//! From the hosts: what their kernels hold, and what a packet met.

use super::walk::Known;
use super::{End, Fate, Found, Outcome, Repair, SMALL, Step, Trail, Trial, Walk};
use crate::host_spec;
use crate::spec::Target;

/// What to do about a host that is not as it should be.
const MENDS: &str = "The agent mends this within a minute; if it comes back, somebody changes it.";

/// Adds what the hosts of a trail have found; None when one did not answer.
pub fn conclude(
    known: Known<'_>,
    walk: Walk,
    first: Option<&Found>,
    second: Option<&Found>,
) -> Vec<Step> {
    let Walk { mut steps, trail } = walk;
    if let Some(trail) = trail {
        let look = Looks { known, trail: &trail, first, second };
        for step in look.steps() {
            let bad = step.outcome == Outcome::Bad;
            steps.push(step);
            if bad {
                break;
            }
        }
    }
    steps
}

struct Looks<'a> {
    known: Known<'a>,
    trail: &'a Trail,
    first: Option<&'a Found>,
    second: Option<&'a Found>,
}

impl Looks<'_> {
    fn steps(&self) -> impl Iterator<Item = Step> {
        let Trail { from, to, .. } = self.trail;
        let ends = [
            self.tables("source-host", from, to, self.first),
            self.repairs(from, self.first),
            self.tables("destination-host", to, from, self.second),
            self.repairs(to, self.second),
        ];
        let rest = [self.packet(), self.size(), self.service()];
        ends.into_iter().chain(rest).flatten()
    }

    /// As the caller may know it.
    fn name(&self, end: &End) -> String {
        let host = self.known.world.hosts.get(&end.host).filter(|_| end.own);
        host.map_or_else(|| format!("that carries network {}", end.network), |h| h.name.clone())
    }

    fn tables(
        &self,
        step: &'static str,
        here: &End,
        there: &End,
        found: Option<&Found>,
    ) -> Option<Step> {
        let name = self.name(here);
        let Some(found) = found else {
            let fix = "See to the host and its agent: it did not answer in time.".to_owned();
            let message = format!("Host {name} did not say what its kernel holds.");
            return Some(Step { fix: Some(fix), ..Step::unknown(step, message) });
        };
        if let Some(fault) = &found.fault {
            let what = if here.own { fault.as_str() } else { "its owner is told what" };
            return Some(Step::bad(step, format!("On host {name} {what}."), MENDS));
        }
        let ends = [(there.address, found.away), (here.address, found.home)];
        for (address, have) in ends {
            let network = self.known.world.network(here.network)?;
            let want = host_spec::target(self.known.world, here.host, network, address);
            if want != have {
                let text = |it: Option<Target>| it.map_or("nowhere".to_owned(), |t| t.to_string());
                let message = format!(
                    "Host {name} sends packets of network {} to {address} to {}, not to {}.",
                    here.network,
                    text(have),
                    text(want)
                );
                let message = if here.own {
                    message
                } else {
                    format!("Host {name} has another route to {address} than it should.")
                };
                return Some(Step::bad(step, message, MENDS));
            }
        }
        Some(Step::good(step, format!("Host {name} holds the port and the routes as it should.")))
    }

    /// What is over, and may happen again.
    fn repairs(&self, here: &End, found: Option<&Found>) -> Option<Step> {
        let Repair { ago, step } = found?.repairs.last()?;
        let name = self.name(here);
        let what = if here.own { step.as_str() } else { "its owner is told what" };
        let message = format!(
            "On host {name} somebody else changed the kernel {ago} s ago, and the agent mended it: {what}."
        );
        let fix =
            "If it comes back, find out what else changes that host's devices, programs and maps.";
        Some(Step { fix: Some(fix.to_owned()), ..Step::good("repairs", message) })
    }

    fn packet(&self) -> Option<Step> {
        let Some(first) = self.first else { return self.packet_back() };
        let trial = first.sent.iter().find(|trial| trial.size == SMALL)?;
        Some(match &trial.fate {
            Fate::Back(us) => {
                let message = format!(
                    "A packet of {SMALL} bytes crossed and its answer came back in {us} us."
                );
                Step::good("packet", message)
            }
            Fate::Stopped(verdict) => self.stopped(&self.trail.from, verdict),
            Fate::Silent => self.silent(SMALL),
        })
    }

    /// The other host's, when nobody sends one here.
    fn packet_back(&self) -> Option<Step> {
        let trial = self.second?.sent.iter().find(|trial| trial.size == SMALL)?;
        let [here, there] = [&self.trail.from, &self.trail.to].map(|end| self.name(end));
        Some(match &trial.fate {
            Fate::Back(us) => {
                let message = format!(
                    "A packet of {SMALL} bytes from host {there} to host {here} came back in {us} us; nobody looked at the port there."
                );
                Step::unknown("packet", message)
            }
            Fate::Stopped(verdict) => self.stopped(&self.trail.to, verdict),
            Fate::Silent => {
                let message = format!(
                    "A packet of {SMALL} bytes from host {there} was not answered by host {here}."
                );
                let fix = format!(
                    "Start the agent of host {here}, which mends what it finds there; then see to the underlay between them."
                );
                Step::bad("underlay", message, fix)
            }
        })
    }

    fn stopped(&self, at: &End, verdict: &str) -> Step {
        let name = self.name(at);
        let message = format!("Host {name} does not send the packet on: {}.", meaning(verdict));
        Step::bad("packet", message, MENDS)
    }

    /// One was sent and none came back.
    fn silent(&self, size: u16) -> Step {
        let [here, there] = [&self.trail.from, &self.trail.to].map(|end| self.name(end));
        let heard = self.second.map(|it| it.heard.iter().find(|heard| heard.size == size));
        let (message, fix) = match heard {
            Some(Some(heard)) if heard.verdict == "delivered" => (
                format!("A packet of {size} bytes arrived at host {there}; its answer did not come back."),
                format!("Look for what drops UDP on the VXLAN port from {there} to {here}."),
            ),
            Some(Some(heard)) => (
                format!("Host {there} drops the packet: {}.", meaning(&heard.verdict)),
                MENDS.to_owned(),
            ),
            Some(None) => (
                format!("A packet of {size} bytes from host {here} did not arrive at host {there}."),
                "See to the underlay between them: link, address, firewalls (UDP on the VXLAN port).".to_owned(),
            ),
            None => (
                format!("A packet of {size} bytes from host {here} was not answered."),
                format!("See to host {there}, and to the underlay between them."),
            ),
        };
        Step::bad("underlay", message, fix)
    }

    fn size(&self) -> Option<Step> {
        let (size, first) = (self.trail.size?, self.first?);
        let most = first.mtu?;
        if u32::from(size) > most {
            let message = format!(
                "A packet of {size} bytes is larger than the port's MTU of {most}: it is fragmented, or its sender is told what fits (ICMP)."
            );
            return Some(Step::bad("size", message, format!("Send at most {most} bytes.")));
        }
        let Trial { fate, .. } = first.sent.iter().find(|trial| trial.size == size)?;
        Some(match fate {
            Fate::Back(us) => {
                Step::good("size", format!("A packet of {size} bytes came back in {us} us."))
            }
            Fate::Stopped(verdict) => self.stopped(&self.trail.from, verdict),
            Fate::Silent => Step {
                step: "size",
                fix: Some("A path between the hosts carries less than their links; the MTU of ports follows once it is measured.".to_owned()),
                ..self.silent(size)
            },
        })
    }

    fn service(&self) -> Option<Step> {
        let service = self.trail.service?;
        let protocol = match service.protocol {
            super::Protocol::Tcp => "TCP",
            super::Protocol::Udp => "UDP",
        };
        let what = format!("on {protocol} port {}", service.port);
        Some(match self.second.and_then(|it| it.listens) {
            Some(true) => Step::good("service", format!("The workload listens {what}.")),
            Some(false) => {
                let message = format!("Nothing in the workload listens {what}.");
                Step::bad("service", message, "Start it there, and have it listen on that address.")
            }
            None => Step::unknown(
                "service",
                format!("Whether anything listens {what} is the workload's business."),
            ),
        })
    }
}

/// What a datapath's verdict says, to end a sentence.
fn meaning(verdict: &str) -> String {
    let known = match verdict {
        "no-route" => "the network may not reach that address",
        "no-port" => "nobody has that address",
        "no-such-port" => "the source is no port of it",
        "no-return" => "the receiving network has no route back to the source",
        "wrong-vtep" => "the source is at another host than the one that sent it",
        "foreign" => "it carries no port of that network",
        "unsealed" => "it came in the clear from a host whose packets are to come encrypted",
        "no-tunnel" => "it is to be encrypted, and its tunnel is gone",
        "tunnel" => "it has no tunnel to send it through",
        "too-big" => "it is too large for the underlay",
        other => return other.to_owned(),
    };
    format!("{known} ({verdict})")
}
