//! Which halves a group wants.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{PeeringGroup, Shape};
use crate::label::Filter;
use crate::world::World;

pub struct Wanted {
    members: BTreeSet<Uuid>,
    /// Of a hub that is there.
    shape: Option<Shape>,
}

impl Wanted {
    pub fn of(world: &World, group: &PeeringGroup) -> Self {
        let filters: Vec<Filter> = group.intent.labels.iter().map(Filter::exactly).collect();
        let members = world.networks_with(&group.account, &filters).map(|it| it.uuid);
        let shape = match group.intent.shape {
            Shape::Hub(hub) => world.network(hub).map(|_| Shape::Hub(hub)),
            Shape::Mesh => Some(Shape::Mesh),
        };
        let shape = shape.filter(|_| !group.leaving);
        Self { members: members.collect(), shape }
    }

    pub fn members(&self) -> usize {
        self.members.len()
    }

    pub fn has(&self, [from, to]: [Uuid; 2]) -> bool {
        let is_in = |uuid| self.members.contains(&uuid);
        from != to
            && match self.shape {
                None => false,
                Some(Shape::Mesh) => is_in(from) && is_in(to),
                Some(Shape::Hub(hub)) => from == hub && is_in(to) || to == hub && is_in(from),
            }
    }

    /// Of pairs, both ways round.
    pub fn count(&self) -> usize {
        let n = self.members.len();
        match self.shape {
            None => 0,
            Some(Shape::Mesh) => n.saturating_mul(n.saturating_sub(1)),
            Some(Shape::Hub(hub)) => 2 * (n - usize::from(self.members.contains(&hub))),
        }
    }

    /// The two halves of a pair one after the other.
    pub fn pairs(&self) -> impl Iterator<Item = [Uuid; 2]> {
        let all = || self.members.iter().copied();
        let (mesh, hub) = match self.shape {
            None => (false, None),
            Some(Shape::Mesh) => (true, None),
            Some(Shape::Hub(hub)) => (false, Some(hub)),
        };
        let mesh = all().filter(move |_| mesh);
        let mesh =
            mesh.flat_map(move |one| all().filter(move |it| one < *it).map(move |it| [one, it]));
        let spokes = hub
            .into_iter()
            .flat_map(move |hub| all().filter(move |it| *it != hub).map(move |it| [hub, it]));
        mesh.chain(spokes).flat_map(|[one, other]| [[one, other], [other, one]])
    }

    /// Those with one end at `network`.
    pub fn pairs_of(&self, network: Uuid) -> impl Iterator<Item = [Uuid; 2]> {
        let hub = match self.shape {
            Some(Shape::Hub(hub)) => Some(hub),
            Some(Shape::Mesh) | None => None,
        };
        let others =
            self.members.iter().copied().chain(hub.filter(|it| !self.members.contains(it)));
        let both = others.flat_map(move |other| [[network, other], [other, network]]);
        both.filter(|pair| self.has(*pair))
    }
}
