//! `/1.3/server`: what is shown (contract section 5.7).

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;
use uuid::Uuid;

use super::interface::{self, family, kind};
use super::server::SETTINGS;
use crate::label::Label;
use crate::objects::{Port, Server};
use crate::world::World;

/// As an entry of a list.
#[derive(Serialize)]
pub struct View<'w> {
    uuid: Uuid,
    title: &'w str,
    hostname: &'w str,
    zone: &'w str,
    state: &'static str,
    plan: &'w str,
    // The Go SDK reads these two as strings only.
    core_number: String,
    memory_amount: String,
    labels: Labels<'w>,
    tags: Tags,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<u32>,
    created: i64,
    license: u8,
    plan_ipv4_bytes: &'static str,
    plan_ipv6_bytes: &'static str,
    server_group: Option<&'static str>,
    #[serde(flatten)]
    settings: BTreeMap<&'w str, &'w str>,
    kannas: Ours<'w>,
}

#[derive(Serialize)]
struct Labels<'w> {
    label: &'w [Label],
}

#[derive(Serialize)]
struct Tags {
    tag: [(); 0],
}

/// Where the ports are, which UpCloud has no words for.
#[derive(Serialize)]
struct Ours<'w> {
    /// Null until a host of the zone is connected.
    host: Option<&'w str>,
    host_uuid: Option<Uuid>,
    netns: &'w str,
}

impl<'w> View<'w> {
    pub fn new(world: &'w World, it: &'w Server) -> Self {
        let mut settings: BTreeMap<&str, &str> = SETTINGS.into_iter().collect();
        settings.extend(it.settings.iter().map(|(key, value)| (&**key, &**value)));
        let host = it.host.and_then(|uuid| world.hosts.get(&uuid));
        Self {
            uuid: it.uuid,
            title: &it.title,
            hostname: &it.hostname,
            zone: &it.zone,
            state: if it.started { "started" } else { "stopped" },
            plan: &it.size.plan,
            core_number: it.size.cores.to_string(),
            memory_amount: it.size.memory_mib.to_string(),
            labels: Labels { label: &it.labels },
            tags: Tags { tag: [] },
            host: it.host.map(number_of),
            created: it.created,
            license: 0,
            plan_ipv4_bytes: "0",
            plan_ipv6_bytes: "0",
            server_group: None,
            settings,
            kannas: Ours {
                host: host.map(|h| &*h.name),
                host_uuid: it.host,
                netns: it.netns.as_str(),
            },
        }
    }
}

/// UpCloud has numbers for hosts.
fn number_of(host: Uuid) -> u32 {
    let [.., a, b, c, d] = *host.as_bytes();
    u32::from_be_bytes([a, b, c, d])
}

#[derive(Serialize)]
pub struct Details<'w> {
    #[serde(flatten)]
    view: View<'w>,
    ip_addresses: Addresses,
    #[serde(flatten)]
    networking: Networking,
    storage_devices: StorageDevices,
}

#[derive(Serialize)]
struct Addresses {
    ip_address: Vec<AddressView>,
}

#[derive(Serialize)]
struct AddressView {
    access: &'static str,
    address: IpAddr,
    family: &'static str,
}

#[derive(Serialize)]
struct StorageDevices {
    storage_device: [(); 0],
}

impl<'w> Details<'w> {
    pub fn new(world: &'w World, it: &'w Server) -> Self {
        let address = |port: &Port| AddressView {
            access: kind(port),
            address: port.address,
            family: family(port),
        };
        let ip_address = world.nics_of(it.uuid).map(|(_, port)| address(port)).collect();
        Self {
            view: View::new(world, it),
            ip_addresses: Addresses { ip_address },
            networking: Networking::new(world, it),
            storage_devices: StorageDevices { storage_device: [] },
        }
    }
}

/// `GET /1.3/server/{uuid}/networking`, and a part of the details.
#[derive(Serialize)]
pub struct Networking {
    networking: NetworkingInner,
}

#[derive(Serialize)]
struct NetworkingInner {
    interfaces: Interfaces,
}

#[derive(Serialize)]
struct Interfaces {
    interface: Vec<interface::View>,
}

impl Networking {
    pub fn new(world: &World, it: &Server) -> Self {
        let all = world.nics_of(it.uuid);
        let interface = all.map(|(index, port)| interface::View::new(index, port)).collect();
        Self { networking: NetworkingInner { interfaces: Interfaces { interface } } }
    }
}

#[derive(Serialize)]
pub struct One<'w> {
    pub server: Details<'w>,
}

#[derive(Serialize)]
pub struct Many<'w> {
    pub servers: ManyInner<'w>,
}

#[derive(Serialize)]
pub struct ManyInner<'w> {
    pub server: Vec<View<'w>>,
}
