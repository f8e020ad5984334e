//! All that is remembered at one revision, with the indexes the rules need.
//!
//! The maps share structure: a clone costs nothing, so every reader has a
//! picture of its own that no writer disturbs.

mod around;
mod peering_groups;
mod servers;
mod verdicts;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use uuid::Uuid;

use crate::change::{Change, Key, Object};
use crate::credentials::Credentials;
use crate::groups::{Groups, seconds};
use crate::ids::Revision;
use crate::labelled::Kind;
use crate::lease::Lease;
use crate::node::Node;
use crate::objects::{Account, Authority, Done, Host, JoinToken, Network, Nic, Peering, Port};
use crate::objects::{Router, Server, Told, Webhook, Zone};
use crate::owned::{Owned, Owners};
use crate::peering_group::PeeringGroup;
use crate::seal::Seals;
use crate::spec::Attachment;
use around::Around;
use verdicts::Open;

#[derive(Debug, Clone, Default)]
pub struct World {
    revision: Revision,
    next_vni: u32,
    authority: Option<Arc<Authority>>,
    credentials: Credentials,
    pub accounts: OrdMap<String, Arc<Account>>,
    pub hosts: OrdMap<Uuid, Arc<Host>>,
    pub join_tokens: OrdMap<String, Arc<JoinToken>>,
    /// By host.
    pub leases: OrdMap<Uuid, Arc<Lease>>,
    pub networks: OrdMap<Uuid, Arc<Network>>,
    pub nodes: OrdMap<Uuid, Arc<Node>>,
    pub peerings: OrdMap<Uuid, Arc<Peering>>,
    pub peering_groups: OrdMap<Uuid, Arc<PeeringGroup>>,
    pub ports: OrdMap<Uuid, Arc<Port>>,
    pub routers: OrdMap<Uuid, Arc<Router>>,
    pub servers: OrdMap<Uuid, Arc<Server>>,
    pub seals: Seals,
    /// Those added to the public ones.
    pub zones: OrdMap<String, Arc<Zone>>,
    // With the things themselves, as states are computed from these on every read.
    by_router: Groups<Network>,
    by_local: Groups<Peering>,
    by_peer: OrdSet<(Uuid, Uuid)>,
    by_host: OrdSet<(Uuid, Uuid)>,
    by_attachment: OrdMap<(Uuid, Attachment), Uuid>,
    /// Network, host, port.
    carriers: OrdSet<(Uuid, Uuid, Uuid)>,
    by_address: OrdMap<(Uuid, IpAddr), Uuid>,
    /// Network and port, of ports with prefixes behind them.
    by_segment: OrdSet<(Uuid, Uuid)>,
    by_nic: OrdMap<(Uuid, u8), Uuid>,
    unplaced: OrdSet<Uuid>,
    done: OrdMap<(String, String), Arc<Done>>,
    told: OrdMap<(Uuid, String), Arc<Told>>,
    /// By account.
    pub webhooks: OrdMap<String, Arc<Webhook>>,
    owners: Owners,
    around: Around,
    /// Both ways round.
    admitted: OrdSet<(Uuid, Uuid)>,
}

impl World {
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The revision of the write that is being decided.
    pub fn next_revision(&self) -> Revision {
        self.revision + 1
    }

    pub fn next_vni(&self) -> u32 {
        self.next_vni.max(1)
    }

    pub fn authority(&self) -> Option<&Arc<Authority>> {
        self.authority.as_ref()
    }

    /// Sub-accounts and tokens.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    pub fn network(&self, uuid: Uuid) -> Option<&Arc<Network>> {
        self.networks.get(&uuid)
    }

    /// None for an account that owns nothing yet.
    pub fn owned(&self, account: &str) -> Option<&Owned> {
        self.owners.get(account)
    }

    /// The half that `local` has towards `peer`.
    pub fn half(&self, local: Uuid, peer: Uuid) -> Option<&Arc<Peering>> {
        self.by_local.get(local, peer)
    }

    /// The half that answers this one, whichever account owns it.
    pub fn mirror(&self, peering: &Peering) -> Option<&Arc<Peering>> {
        self.half(peering.peer_network, peering.network)
    }

    /// Halves whose local network is `network`, by peer network.
    pub fn halves_of(&self, network: Uuid) -> impl Iterator<Item = &Arc<Peering>> {
        self.by_local.of(network)
    }

    /// Halves whose peer network is `network`.
    pub fn halves_towards(&self, network: Uuid) -> impl Iterator<Item = &Arc<Peering>> {
        seconds(&self.by_peer, network).filter_map(|uuid| self.peerings.get(&uuid))
    }

    /// Networks attached to `router`, by UUID.
    pub fn networks_on(&self, router: Uuid) -> impl Iterator<Item = &Arc<Network>> {
        self.by_router.of(router)
    }

    /// The other networks on the same router.
    pub fn neighbours(&self, network: &Network) -> impl Iterator<Item = &Arc<Network>> {
        let own = network.uuid;
        network.router.into_iter().flat_map(|r| self.networks_on(r)).filter(move |n| n.uuid != own)
    }

    /// Ports on `network`, by their first address.
    pub fn ports_on(&self, network: Uuid) -> impl Iterator<Item = &Arc<Port>> {
        let first = IpAddr::from([0; 4]);
        let last = IpAddr::from([0xff; 16]);
        let all = self.by_address.range((network, first)..=(network, last));
        let port = |((_, address), uuid): (&(Uuid, IpAddr), &Uuid)| {
            self.ports.get(uuid).filter(|port| port.address == *address)
        };
        all.filter_map(port)
    }

    /// Those of them that have prefixes behind them, by UUID.
    pub fn segments_on(&self, network: Uuid) -> impl Iterator<Item = &Arc<Port>> {
        seconds(&self.by_segment, network).filter_map(|uuid| self.ports.get(&uuid))
    }

    pub fn port_at(&self, network: Uuid, address: IpAddr) -> Option<Uuid> {
        self.by_address.get(&(network, address)).copied()
    }

    /// Ports at `host`, by UUID.
    pub fn ports_at(&self, host: Uuid) -> impl Iterator<Item = &Arc<Port>> {
        seconds(&self.by_host, host).filter_map(|uuid| self.ports.get(&uuid))
    }

    /// The port that has this place on `host`.
    pub fn attached(&self, host: Uuid, place: &Attachment) -> Option<Uuid> {
        self.by_attachment.get(&(host, place.clone())).copied()
    }

    /// Hosts that carry a port of `network`.
    pub fn hosts_of(&self, network: Uuid) -> BTreeSet<Uuid> {
        use std::ops::Bound::{Excluded, Included};
        let mut hosts = BTreeSet::new();
        let last = Included((network, Uuid::max(), Uuid::max()));
        let mut from = Included((network, Uuid::nil(), Uuid::nil()));
        // From host to host, however many ports each has.
        while let Some((_, host, _)) = self.carriers.range((from, last)).next() {
            hosts.insert(*host);
            from = Excluded((network, *host, Uuid::max()));
        }
        hosts
    }

    /// What was done under the key with this digest.
    pub fn done(&self, account: &str, key: &str) -> Option<&Arc<Done>> {
        self.done.get(&(account.to_owned(), key.to_owned()))
    }

    /// What `sink` was told last of a peering.
    pub fn told(&self, sink: &str, peering: Uuid) -> Option<&Arc<Told>> {
        self.told.get(&(peering, sink.to_owned()))
    }

    /// Takes one committed write in.
    pub fn commit(&mut self, changes: &[Change]) {
        self.revision += 1;
        let open = Open::before(self, changes);
        changes.iter().for_each(|change| self.apply(change));
        open.after(self);
    }

    /// Puts what a store has read, at the revision it was read at.
    pub fn restore(revision: Revision, objects: impl IntoIterator<Item = Object>) -> Self {
        let mut world = Self { revision, ..Self::default() };
        for object in objects {
            world.put(object);
        }
        Open::all(&mut world);
        world
    }

    pub(crate) fn at(self, revision: Revision) -> Self {
        Self { revision, ..self }
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Put(object) => {
                self.unindex(&object.key());
                self.put(object.clone());
            }
            Change::Delete(key) => {
                self.unindex(key);
                self.remove(key);
            }
        }
    }

    fn put(&mut self, object: Object) {
        match object {
            Object::Account(it) => drop(self.accounts.insert(it.name.clone(), Arc::new(it))),
            Object::Authority(it) => self.authority = Some(Arc::new(it)),
            Object::Done(it) => {
                self.owners.of(&it.account).done.insert((it.since, it.key.clone()));
                self.done.insert((it.account.clone(), it.key.clone()), Arc::new(it));
            }
            Object::Host(it) => drop(self.hosts.insert(it.uuid, Arc::new(it))),
            Object::JoinToken(it) => drop(self.join_tokens.insert(it.digest.clone(), Arc::new(it))),
            Object::Keys(it) => self.seals.put_keys(it),
            Object::Rotation(it) => self.seals.set_rotation(Some(it)),
            Object::Seal(it) => self.seals.put(it),
            Object::Node(it) => drop(self.nodes.insert(it.id, Arc::new(it))),
            Object::Lease(it) => drop(self.leases.insert(it.host, Arc::new(it))),
            Object::Network(it) => {
                self.owners.of(&it.account).own(Kind::Network, it.uuid, &it.labels);
                let it = Arc::new(it);
                if let Some(router) = it.router {
                    self.by_router.insert(router, it.uuid, it.clone());
                }
                self.networks.insert(it.uuid, it);
            }
            Object::Peering(it) => {
                self.owners.of(&it.account).own(Kind::Peering, it.uuid, &it.labels);
                let it = Arc::new(it);
                self.by_local.insert(it.network, it.peer_network, it.clone());
                self.by_peer.insert((it.peer_network, it.uuid));
                self.peerings.insert(it.uuid, it);
            }
            Object::PeeringGroup(it) => self.put_group(it),
            Object::Port(it) => {
                self.owners.of(&it.account).ports.insert(it.uuid);
                if let Some(host) = it.host {
                    self.by_host.insert((host, it.uuid));
                    self.carriers.insert((it.network, host, it.uuid));
                    self.by_attachment.insert((host, it.attachment.clone()), it.uuid);
                }
                if let Some(Nic { server, index }) = it.nic {
                    self.by_nic.insert((server, index), it.uuid);
                }
                let addresses = it.addresses().map(|address| ((it.network, address), it.uuid));
                self.by_address.extend(addresses);
                self.by_segment.extend(it.prefixes.first().map(|_| (it.network, it.uuid)));
                self.ports.insert(it.uuid, Arc::new(it));
            }
            Object::Router(it) => {
                self.owners.of(&it.account).own(Kind::Router, it.uuid, &it.labels);
                self.routers.insert(it.uuid, Arc::new(it));
            }
            Object::Server(it) => self.put_server(*it),
            Object::SubAccount(it) => self.credentials.put_sub(*it),
            Object::Token(it) => self.credentials.put_token(it),
            Object::Told(it) => drop(self.told.insert((it.peering, it.sink.clone()), Arc::new(it))),
            Object::Webhook(it) => drop(self.webhooks.insert(it.account.clone(), Arc::new(it))),
            Object::Zone(it) => drop(self.zones.insert(it.id.clone(), Arc::new(it))),
            Object::NextVni { vni } => self.next_vni = vni,
        }
    }

    /// Takes the object at `key`, if any, out of the indexes.
    fn unindex(&mut self, key: &Key) {
        match key {
            Key::Network(uuid) => {
                if let Some(it) = self.networks.get(uuid) {
                    self.owners.take(&it.account, |o| o.disown(Kind::Network, *uuid, &it.labels));
                    if let Some(router) = it.router {
                        self.by_router.remove(router, *uuid);
                    }
                }
            }
            Key::Peering(uuid) => {
                if let Some(it) = self.peerings.get(uuid) {
                    self.owners.take(&it.account, |o| o.disown(Kind::Peering, *uuid, &it.labels));
                    self.by_local.remove(it.network, it.peer_network);
                    self.by_peer.remove(&(it.peer_network, *uuid));
                }
            }
            Key::PeeringGroup(uuid) => self.disown_group(*uuid),
            Key::Port(uuid) => {
                if let Some(it) = self.ports.get(uuid) {
                    self.owners.take(&it.account, |o| o.ports.remove(uuid));
                    if let Some(host) = it.host {
                        self.by_host.remove(&(host, *uuid));
                        self.carriers.remove(&(it.network, host, *uuid));
                        self.by_attachment.remove(&(host, it.attachment.clone()));
                    }
                    if let Some(Nic { server, index }) = it.nic {
                        self.by_nic.remove(&(server, index));
                    }
                    for address in it.addresses() {
                        self.by_address.remove(&(it.network, address));
                    }
                    self.by_segment.remove(&(it.network, *uuid));
                }
            }
            Key::Router(uuid) => {
                if let Some(it) = self.routers.get(uuid) {
                    self.owners.take(&it.account, |o| o.disown(Kind::Router, *uuid, &it.labels));
                }
            }
            Key::Server(uuid) => {
                if let Some(it) = self.servers.get(uuid) {
                    self.owners.take(&it.account, |o| o.disown(Kind::Server, *uuid, &it.labels));
                    self.unplaced.remove(uuid);
                }
            }
            Key::Done { account, key } => {
                if let Some(since) = self.done(account, key).map(|it| it.since) {
                    self.owners.take(account, |o| {
                        o.done.remove(&(since, key.clone()));
                        None
                    });
                }
            }
            // A token's indexes are made of what never changes of it.
            Key::SubAccount(_) | Key::Token(_) | Key::Webhook(_) | Key::Seal(_) | Key::Node(_) => {}
            Key::JoinToken(_) | Key::Lease(_) | Key::Zone(_) | Key::NextVni | Key::Keys(_) => {}
            Key::Account(_) | Key::Authority | Key::Host(_) | Key::Told { .. } | Key::Rotation => {}
        }
    }

    fn remove(&mut self, key: &Key) {
        match key {
            Key::Account(name) => drop(self.accounts.remove(name)),
            Key::Authority => self.authority = None,
            Key::Done { account, key } => {
                drop(self.done.remove(&(account.clone(), key.clone())));
            }
            Key::Host(uuid) => drop(self.hosts.remove(uuid)),
            Key::JoinToken(digest) => drop(self.join_tokens.remove(digest)),
            Key::Keys(host) => self.seals.remove_keys(*host),
            Key::Rotation => self.seals.set_rotation(None),
            Key::Seal(zones) => self.seals.remove(zones),
            Key::Lease(host) => drop(self.leases.remove(host)),
            Key::Node(id) => drop(self.nodes.remove(id)),
            Key::Network(uuid) => drop(self.networks.remove(uuid)),
            Key::Peering(uuid) => drop(self.peerings.remove(uuid)),
            Key::PeeringGroup(uuid) => drop(self.peering_groups.remove(uuid)),
            Key::Port(uuid) => drop(self.ports.remove(uuid)),
            Key::Router(uuid) => drop(self.routers.remove(uuid)),
            Key::Server(uuid) => drop(self.servers.remove(uuid)),
            Key::SubAccount(name) => self.credentials.remove_sub(name),
            Key::Token(id) => self.credentials.remove_token(*id),
            Key::Told { sink, peering } => drop(self.told.remove(&(*peering, sink.clone()))),
            Key::Webhook(account) => drop(self.webhooks.remove(account)),
            Key::Zone(id) => drop(self.zones.remove(id)),
            Key::NextVni => self.next_vni = 1,
        }
    }
}

#[cfg(test)]
#[path = "world_tests.rs"]
mod tests;
