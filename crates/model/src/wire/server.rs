//! `/1.3/server`: bodies (contract section 5.7). The views are in
//! [`super::server_view`].

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use uuid::Uuid;

use super::{Fields, labels_at};
use crate::error::{Rule, Subject};
use crate::interface::{self, Address, Link};
use crate::label::Label;
use crate::objects::{Server, Size};
use crate::provided::{self, Kind};
use crate::server::{Create, Modify};

pub const ENVELOPE: &str = "server";

/// Attributes that are kept as they are given and do nothing here, with what
/// is shown when they are not: clients compare what they read with what they
/// wrote.
pub(super) const SETTINGS: [(&str, &str); 9] = [
    ("boot_order", "disk"),
    ("firewall", "off"),
    ("metadata", "no"),
    ("nic_model", "virtio"),
    ("remote_access_enabled", "no"),
    ("remote_access_type", "vnc"),
    ("simple_backup", "no"),
    ("timezone", "UTC"),
    ("video_model", "vga"),
];

/// What is of a machine's insides, which are not Kannas's.
const IGNORED: [&str; 8] = [
    "avoid_host",
    "host",
    "login_user",
    "password_delivery",
    "remote_access_password",
    "server_group",
    "storage_devices",
    "user_data",
];

/// What a server has that says nothing of its size, as UpCloud has it.
const SMALLEST: (u32, u32) = (1, 1024);

const CUSTOM: &str = "custom";

impl Create {
    /// `port` makes UUIDs for the interfaces' ports. When it is made and which
    /// hosts are live is the caller's to say.
    ///
    /// # Errors
    /// The first faulty attribute.
    pub fn of_body(body: &[u8], mut port: impl FnMut() -> Uuid) -> Result<Self, Rule> {
        let mut fields = Fields::of_body(body, ENVELOPE)?;
        let title = fields.required("title", Subject::ServerTitleMissing)?;
        let hostname = fields.required("hostname", Subject::HostnameMissing)?;
        let zone = fields.required("zone", Subject::ZoneMissing)?;
        let size = size(&mut fields, None)?;
        let size = size.unwrap_or_else(|| custom(SMALLEST.0, SMALLEST.1));
        let labels = object_labels(&mut fields)?.unwrap_or_default();
        let settings = settings(&mut fields)?;
        let (host, netns) = match fields.object("kannas", Subject::Request)? {
            None => (None, None),
            Some(mut ours) => {
                let both = (
                    ours.string("host", Subject::Request)?,
                    ours.parsed("netns", Subject::Request)?,
                );
                ours.finish()?;
                both
            }
        };
        let interfaces = match interfaces(&mut fields, &mut port)? {
            Some(given) => given,
            None => usual(&zone, port),
        };
        fields.ignore(&IGNORED);
        fields.finish()?;
        let (now, live) = (0, BTreeSet::new());
        Ok(Self {
            title,
            hostname,
            zone,
            size,
            labels,
            settings,
            host,
            netns,
            interfaces,
            now,
            live,
        })
    }
}

impl Modify {
    /// # Errors
    /// The first faulty attribute.
    pub fn of_body(body: &[u8], now: &Server) -> Result<Self, Rule> {
        let mut fields = Fields::of_body(body, ENVELOPE)?;
        let host = match fields.object("kannas", Subject::Request)? {
            None => None,
            Some(mut ours) => {
                let host = ours.string("host", Subject::Request)?;
                ours.finish()?;
                host
            }
        };
        let it = Self {
            title: fields.string("title", Subject::ServerTitle)?,
            hostname: fields.string("hostname", Subject::Hostname)?,
            size: size(&mut fields, Some(&now.size))?,
            labels: object_labels(&mut fields)?,
            settings: settings(&mut fields)?,
            host,
            power: None,
        };
        if fields.string("zone", Subject::Zone)?.is_some_and(|z| z != now.zone) {
            return Err(fields.bad(Subject::Zone, "zone", "cannot be changed"));
        }
        fields.ignore(&IGNORED);
        fields.finish()?;
        Ok(it)
    }
}

/// `labels.label`: servers have them in an object (contract section 2).
fn object_labels(fields: &mut Fields) -> Result<Option<Vec<Label>>, Rule> {
    let Some(mut outer) = fields.object("labels", Subject::Request)? else { return Ok(None) };
    let labels = labels_at(&mut outer, "label")?;
    outer.finish()?;
    Ok(labels)
}

fn settings(fields: &mut Fields) -> Result<BTreeMap<String, String>, Rule> {
    let mut given = BTreeMap::new();
    for (key, _) in SETTINGS {
        let Some(value) = fields.string(key, Subject::Request)? else { continue };
        if value.len() > 255 {
            return Err(fields.bad(Subject::Request, key, "must be at most 255 bytes"));
        }
        given.insert(key.to_owned(), value);
    }
    Ok(given)
}

/// Of a plan, whose name tells, or of numbers of one's own.
fn size(fields: &mut Fields, now: Option<&Size>) -> Result<Option<Size>, Rule> {
    let plan = fields.string("plan", Subject::Plan)?.filter(|p| !p.is_empty());
    let cores = fields.number("core_number", Subject::Cores)?;
    let memory = fields.number("memory_amount", Subject::Memory)?;
    let numbers = now.map_or(SMALLEST, |n| (n.cores, n.memory_mib));
    match plan {
        Some(plan) if plan != CUSTOM => {
            let of_plan = || {
                let why = "must be \"custom\" or tell cores and memory, like 2xCPU-4GB";
                fields.bad(Subject::Plan, "plan", why)
            };
            let (cores, memory_mib) = numbers_of(&plan).ok_or_else(of_plan)?;
            Ok(Some(Size { plan, cores, memory_mib }))
        }
        None if cores.is_none() && memory.is_none() => Ok(None),
        Some(_) | None => Ok(Some(custom(cores.unwrap_or(numbers.0), memory.unwrap_or(numbers.1)))),
    }
}

fn custom(cores: u32, memory_mib: u32) -> Size {
    Size { plan: CUSTOM.to_owned(), cores, memory_mib }
}

/// `HICPU-8xCPU-12GB` has 8 cores and 12 GiB.
fn numbers_of(plan: &str) -> Option<(u32, u32)> {
    let (before, after) = plan.split_once("xCPU-")?;
    let cores = before.rsplit('-').next()?.parse().ok()?;
    let gib: u32 = after.split_once("GB")?.0.parse().ok()?;
    Some((cores, gib.checked_mul(1024)?))
}

/// `GET /1.3/plan`: names that clients offer or check against. A server may
/// have any other plan whose name tells its size.
#[derive(Serialize)]
pub struct Plans {
    plans: PlansInner,
}

#[derive(Serialize)]
struct PlansInner {
    plan: Vec<Plan>,
}

#[derive(Serialize)]
struct Plan {
    name: String,
    core_number: u32,
    memory_amount: u32,
    public_traffic_out: u32,
    storage_size: u32,
    storage_tier: &'static str,
}

/// Cores and GiB of UpCloud's plans for general purposes.
const PLANS: [(u32, u32); 10] =
    [(1, 1), (1, 2), (2, 4), (4, 8), (6, 16), (8, 32), (12, 48), (16, 64), (20, 96), (20, 128)];

impl Plans {
    pub fn all() -> Self {
        let plan = |(cores, gib)| Plan {
            name: format!("{cores}xCPU-{gib}GB"),
            core_number: cores,
            memory_amount: gib * 1024,
            public_traffic_out: 0,
            storage_size: 0,
            storage_tier: "maxiops",
        };
        Self { plans: PlansInner { plan: PLANS.into_iter().map(plan).collect() } }
    }
}

/// `networking.interfaces.interface`.
fn interfaces(
    fields: &mut Fields,
    port: &mut impl FnMut() -> Uuid,
) -> Result<Option<Vec<interface::Create>>, Rule> {
    let Some(mut networking) = fields.object("networking", Subject::Request)? else {
        return Ok(None);
    };
    let inner = networking.object("interfaces", Subject::Request)?;
    networking.finish()?;
    let Some(mut inner) = inner else { return Ok(None) };
    let entries = inner.array("interface", Subject::Request)?;
    inner.finish()?;
    let made = |entry| interface::Create::of_fields(entry, port());
    entries.map(|all| all.into_iter().map(made).collect()).transpose()
}

/// The interfaces that UpCloud gives who asks for none, as far as the zone has
/// networks for them.
fn usual(zone: &str, mut port: impl FnMut() -> Uuid) -> Vec<interface::Create> {
    let wanted = [
        (Kind::Public, Address::AnyIpv4),
        (Kind::Utility, Address::AnyIpv4),
        (Kind::Public, Address::AnyIpv6),
    ];
    let there = wanted.into_iter().filter(|(kind, address)| {
        provided::in_zone(zone, *kind, *address == Address::AnyIpv4).is_some()
    });
    let made = |(kind, address)| {
        let link = Link::Provided(kind);
        interface::Create { port: port(), link, index: None, address }
    };
    there.map(made).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_plan_tells_its_size() {
        for (plan, want) in [
            ("1xCPU-2GB", Some((1, 2048))),
            ("HICPU-8xCPU-12GB", Some((8, 12_288))),
            ("DEV-1xCPU-1GB-10GB", Some((1, 1024))),
            ("xCPU-2GB", None),
            ("2xCPU-2", None),
            ("2xCPU-9999999GB", None),
            ("large", None),
            ("", None),
        ] {
            assert_eq!(numbers_of(plan), want, "{plan}");
        }
    }
}
