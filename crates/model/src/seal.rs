//! Encryption between zones: which pairs are sealed, the public keys of hosts,
//! and the steps by which all hosts go from one generation of keys to the next.
//!
//! What is sent between two sealed zones goes through WireGuard or not at all.
//! A host has a tunnel of its own for each generation, with a key that it has
//! made itself; both ends of a pair use the same generation, so a host that
//! knows its peer's key of two generations can be sent to over either, and none
//! is lost when one takes over from the other.

mod rotation;
mod spec;
mod steps;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use rotation::{Rotation, next, rotate, waited_for};
pub(crate) use spec::sealing_for;
pub use spec::{PeerKey, Sealing, may_send, sealing};
pub(crate) use steps::steps;

use crate::change::{Change, Key, Object};
use crate::error::{Noun, Rule};
use crate::ids::{Malformed, Revision, text_conversions};
use crate::op;
use crate::world::World;
use crate::zone;

/// Of keys: the first is 1.
pub type Generation = u64;

/// Of X25519 (RFC 7748 §6.1); in text 64 hexadecimal digits, as WireGuard's
/// configuration protocol has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    pub fn octets(self) -> [u8; 32] {
        self.0
    }
}

impl From<[u8; 32]> for PublicKey {
    fn from(octets: [u8; 32]) -> Self {
        Self(octets)
    }
}

impl FromStr for PublicKey {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let bad = || Malformed { kind: "a public key (64 hexadecimal digits)", text: text.into() };
        if text.len() != 64 || !text.is_ascii() {
            return Err(bad());
        }
        let mut octets = [0; 32];
        for (at, octet) in octets.iter_mut().enumerate() {
            let digits = &text[2 * at..2 * at + 2];
            *octet = u8::from_str_radix(digits, 16).map_err(|_| bad())?;
        }
        Ok(Self(octets))
    }
}

text_conversions!(PublicKey);

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// A host's end of its tunnels of one generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct End {
    pub key: PublicKey,
    /// UDP port that it listens on.
    pub port: u16,
}

/// Two zones, or one with itself, between whose hosts nothing goes in the clear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// In order.
    pub zones: (String, String),
    /// Seconds since 1970.
    pub since: i64,
}

/// The public keys of a host whose agent can encrypt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    pub host: Uuid,
    #[serde(with = "pairs")]
    pub ends: BTreeMap<Generation, End>,
    /// They have come or gone at this revision.
    pub since: Revision,
}

impl Keys {
    pub fn public(&self) -> BTreeMap<Generation, PublicKey> {
        self.ends.iter().map(|(generation, end)| (*generation, end.key)).collect()
    }
}

/// As a list: a map of JSON has texts for keys, which read back as no numbers
/// inside an object that is told by its kind.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{End, Generation};

    pub(super) fn serialize<S: Serializer>(
        it: &BTreeMap<Generation, End>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        it.iter().collect::<Vec<_>>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<Generation, End>, D::Error> {
        Ok(Vec::<(Generation, End)>::deserialize(from)?.into_iter().collect())
    }
}

/// All of it that is remembered.
#[derive(Debug, Clone, Default)]
pub struct Seals {
    pairs: OrdMap<(String, String), Arc<Seal>>,
    keys: OrdMap<Uuid, Arc<Keys>>,
    rotation: Option<Rotation>,
}

impl Seals {
    pub(crate) fn put(&mut self, it: Seal) {
        self.pairs.insert(it.zones.clone(), Arc::new(it));
    }

    pub(crate) fn remove(&mut self, zones: &(String, String)) {
        self.pairs.remove(zones);
    }

    pub(crate) fn put_keys(&mut self, it: Keys) {
        self.keys.insert(it.host, Arc::new(it));
    }

    pub(crate) fn remove_keys(&mut self, host: Uuid) {
        self.keys.remove(&host);
    }

    pub(crate) fn set_rotation(&mut self, it: Option<Rotation>) {
        self.rotation = it;
    }

    /// By the names of their zones.
    pub fn pairs(&self) -> impl Iterator<Item = &Arc<Seal>> {
        self.pairs.values()
    }

    pub fn pair(&self, a: &str, b: &str) -> Option<&Arc<Seal>> {
        let is = |it: &&Arc<Seal>| {
            let (one, other) = (it.zones.0.as_str(), it.zones.1.as_str());
            (one, other) == (a, b) || (one, other) == (b, a)
        };
        // There are few, and this is asked for each port.
        self.pairs.values().find(is)
    }

    /// True when hosts of the zone have somebody to encrypt for.
    pub fn concerns(&self, zone: &str) -> bool {
        self.with(zone).next().is_some()
    }

    /// The zones that `zone` is sealed with.
    pub fn with<'a>(&'a self, zone: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.values().filter_map(move |it| match (it.zones.0.as_str(), it.zones.1.as_str()) {
            (a, b) if a == zone => Some(b),
            (a, b) if b == zone => Some(a),
            _ => None,
        })
    }

    /// None of a host whose agent cannot encrypt, or has not said so yet.
    pub fn keys(&self, host: Uuid) -> Option<&Arc<Keys>> {
        self.keys.get(&host)
    }

    /// None until something was sealed for the first time.
    pub fn rotation(&self) -> Option<Rotation> {
        self.rotation
    }
}

fn ordered(a: &str, b: &str) -> (String, String) {
    let (a, b) = if a <= b { (a, b) } else { (b, a) };
    (a.to_owned(), b.to_owned())
}

/// What is wished of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// By an administrator: nothing goes in the clear between two zones any
    /// more, or it does again.
    Set {
        by: String,
        zones: (String, String),
        on: bool,
        /// Seconds since 1970.
        now: i64,
    },
    /// By a host: the public keys that it has; None of one that cannot encrypt.
    Keys { host: Uuid, ends: Option<BTreeMap<Generation, End>> },
    /// By nobody: keys have been used for long enough, or hosts have new ones.
    Rotate(Rotation),
}

/// # Errors
/// Of [`seal`], [`unseal`] and [`take_keys`]; [`Rule::AdminOnly`].
pub fn decide(world: &World, wish: &Wish) -> Result<Vec<Change>, Rule> {
    match wish {
        Wish::Set { by, zones: (a, b), on, now } => {
            op::admin(world, by)?;
            if *on { seal(world, (a, b), *now) } else { unseal(world, (a, b)) }
        }
        Wish::Keys { host, ends } => take_keys(world, *host, ends.as_ref()),
        Wish::Rotate(to) => Ok(rotate(world, to)),
    }
}

/// Nothing goes in the clear between two zones from now on; `now` in seconds
/// since 1970. Again changes nothing.
///
/// # Errors
/// An unknown zone.
pub fn seal(world: &World, (a, b): (&str, &str), now: i64) -> Result<Vec<Change>, Rule> {
    zone::check(world, a)?;
    zone::check(world, b)?;
    if world.seals.pair(a, b).is_some() {
        return Ok(Vec::new());
    }
    let pair = Change::Put(Object::Seal(Seal { zones: ordered(a, b), since: now }));
    let first = || Change::Put(Object::Rotation(Rotation::first(world.next_revision(), now)));
    let rotation = world.seals.rotation().is_none().then(first);
    Ok(rotation.into_iter().chain([pair]).collect())
}

/// # Errors
/// They are not sealed.
pub fn unseal(world: &World, (a, b): (&str, &str)) -> Result<Vec<Change>, Rule> {
    let pair = world.seals.pair(a, b);
    let pair = pair.ok_or_else(|| Rule::Absent(Noun::Seal, format!("of {a} and {b}")))?;
    Ok(vec![Change::Delete(Key::Seal(pair.zones.clone()))])
}

/// Those of a zone that goes.
pub(crate) fn of_zone(world: &World, zone: &str) -> Vec<Change> {
    let pairs = world.seals.pairs().filter(|it| it.zones.0 == zone || it.zones.1 == zone);
    pairs.map(|it| Change::Delete(Key::Seal(it.zones.clone()))).collect()
}

/// The host's agent says which keys it has; None: it knows nothing of them.
///
/// # Errors
/// An unknown host.
pub fn take_keys(
    world: &World,
    host: Uuid,
    ends: Option<&BTreeMap<Generation, End>>,
) -> Result<Vec<Change>, Rule> {
    if !world.hosts.contains_key(&host) {
        return Err(Rule::Absent(Noun::Host, host.to_string()));
    }
    let known = world.seals.keys(host);
    let Some(ends) = ends else {
        return Ok(known.map(|_| Change::Delete(Key::Keys(host))).into_iter().collect());
    };
    let wanted = world.seals.rotation().map(|it| it.generations());
    let of_use = |it: &Generation| wanted.as_ref().is_some_and(|wanted| wanted.contains(it));
    let ends: BTreeMap<Generation, End> =
        ends.iter().filter(|(it, _)| of_use(it)).map(|(it, end)| (*it, *end)).collect();
    if known.map_or(ends.is_empty(), |known| known.ends == ends) {
        return Ok(Vec::new());
    }
    Ok(vec![Change::Put(Object::Keys(Keys { host, ends, since: world.next_revision() }))])
}

#[cfg(test)]
pub(crate) mod play;

#[cfg(test)]
#[path = "seal/tests.rs"]
mod tests;
