//! `/1.3/zone` (contract section 5.3), and the bodies of `/kannas/v1/zones`.

use serde::Serialize;

use super::{Fields, yes_no};
use crate::error::{Rule, Subject};
use crate::objects::Zone;
use crate::world::World;
use crate::zone;

pub const ENVELOPE: &str = "zone";

impl Zone {
    /// A wish for a zone; described by its id if it has no description.
    ///
    /// # Errors
    /// The first faulty attribute.
    pub fn of_body(body: &[u8]) -> Result<Self, Rule> {
        let mut fields = Fields::of_body(body, ENVELOPE)?;
        let id = fields.required("id", Subject::ZoneMissing)?;
        let description = fields.string("description", Subject::Request)?;
        fields.finish()?;
        Ok(Self { description: description.unwrap_or_else(|| id.clone()), id })
    }
}

#[derive(Serialize)]
pub struct View<'w> {
    id: &'w str,
    description: &'w str,
    public: &'static str,
    /// Zones that it is reached from encrypted only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    encrypted_with: Vec<&'w str>,
}

impl<'w> View<'w> {
    pub fn own(it: &'w Zone) -> Self {
        Self::new(&it.id, &it.description, false)
    }

    fn public((id, description): (&'w str, &'w str)) -> Self {
        Self::new(id, description, true)
    }

    fn new(id: &'w str, description: &'w str, public: bool) -> Self {
        Self { id, description, public: yes_no(public), encrypted_with: Vec::new() }
    }
}

#[derive(Serialize)]
pub struct One<'w> {
    pub zone: View<'w>,
}

#[derive(Serialize)]
pub struct Many<'w> {
    zones: ManyInner<'w>,
}

#[derive(Serialize)]
struct ManyInner<'w> {
    zone: Vec<View<'w>>,
}

impl<'w> Many<'w> {
    /// Every zone, by id.
    pub fn all(world: &'w World) -> Self {
        let public = zone::PUBLIC.into_iter().map(View::public);
        let own = world.zones.values().map(|it| View::own(it));
        let mut zone: Vec<View<'w>> = public.chain(own).collect();
        zone.sort_by_key(|z| z.id);
        for it in &mut zone {
            it.encrypted_with = world.seals.with(it.id).collect();
        }
        Self { zones: ManyInner { zone } }
    }
}
