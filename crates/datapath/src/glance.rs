//! What others did that costs little to see: a program that does not run.
//! All else is seen by [`Host::observe`].

use std::ops::Bound;

use model::ids::Vni;
use uuid::Uuid;

use crate::pins::Holder;
use crate::{Host, link, prober, vtep};

/// Ports that are looked at in one glance; the next glance goes on there.
const PORTS: usize = 64;

impl Host {
    /// Where programs of ours do not run any more, and the network that a port
    /// of it is on. What cannot be read is left to [`Host::observe`].
    pub fn glance(&mut self) -> Vec<(Option<Vni>, String)> {
        let mut found = Vec::new();
        if self.is_another_layout() {
            return found;
        }
        for (holder, device) in self.programmed_devices() {
            if self.is_still(holder, &device) {
                found.push((None, format!("the program on {device} does not run")));
            }
        }
        let after = self.glanced.map_or(Bound::Unbounded, Bound::Excluded);
        let ports = self.devices.range((after, Bound::Unbounded)).take(PORTS);
        let ports: Vec<(Uuid, u32)> = ports.map(|(port, index)| (*port, *index)).collect();
        // From the first again when these are the last.
        self.glanced = ports.last().map(|(port, _)| *port).filter(|_| ports.len() == PORTS);
        for (port, index) in ports {
            let Ok(Some(link)) = link::with_index(&mut self.netlink, index) else { continue };
            if self.is_still(Holder::Port(port), &link.name) {
                let entry = self.tables.ports().ok().and_then(|all| all.get(&index).copied());
                let vni = entry.and_then(|entry| Vni::try_from(entry.vni).ok());
                found.push((vni, format!("the program on {} does not run", link.name)));
            }
        }
        found
    }

    fn programmed_devices(&mut self) -> Vec<(Holder, String)> {
        let underlay = vtep::underlay(&mut self.netlink, self.setup.underlay).ok();
        let probe = prober::device(&mut self.netlink).ok().flatten();
        let vxlan = link::named(&mut self.netlink, vtep::DEVICE).ok().flatten();
        [(Holder::Vtep, vxlan), (Holder::Underlay, underlay), (Holder::Probe, probe)]
            .into_iter()
            .filter_map(|(holder, link)| Some((holder, link?.name)))
            .collect()
    }

    fn is_still(&mut self, holder: Holder, device: &str) -> bool {
        matches!(self.programs.runs(holder, device), Ok(false))
    }
}
