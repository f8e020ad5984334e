//! The zones there are: the public ones (contract section 5.3) and those that
//! an installation's administrators have added.

use crate::change::{Change, Key, Object};
use crate::error::{Noun, Rule, Subject};
use crate::objects::Zone;
use crate::seal;
use crate::world::World;

/// Id and description of each public zone, by id.
pub const PUBLIC: [(&str, &str); 15] = [
    ("au-syd1", "Sydney #1"),
    ("de-fra1", "Frankfurt #1"),
    ("dk-cph1", "Copenhagen #1"),
    ("es-mad1", "Madrid #1"),
    ("fi-hel1", "Helsinki #1"),
    ("fi-hel2", "Helsinki #2"),
    ("nl-ams1", "Amsterdam #1"),
    ("no-svg1", "Stavanger #1"),
    ("pl-waw1", "Warsaw #1"),
    ("se-sto1", "Stockholm #1"),
    ("sg-sin1", "Singapore #1"),
    ("uk-lon1", "London #1"),
    ("us-chi1", "Chicago #1"),
    ("us-nyc1", "New York #1"),
    ("us-sjo1", "San Jose #1"),
];

fn is_public(id: &str) -> bool {
    PUBLIC.iter().any(|(zone, _)| *zone == id)
}

/// # Errors
/// [`Rule::Absent`].
pub fn check(world: &World, id: &str) -> Result<(), Rule> {
    if is_public(id) || world.zones.contains_key(id) {
        return Ok(());
    }
    Err(Rule::Absent(Noun::Zone, id.to_owned()))
}

/// # Errors
/// An id that cannot be, or that a zone has already; a description that is
/// empty or too long.
pub fn create(world: &World, it: &Zone) -> Result<Vec<Change>, Rule> {
    let fits = (2..=32).contains(&it.id.len());
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !fits || !it.id.chars().all(plain) || it.id.starts_with('-') || it.id.ends_with('-') {
        let why = "must be 2 to 32 lower-case letters, digits and hyphens, no hyphen at either end";
        return Err(Rule::bad(Subject::Zone, "zone.id", why));
    }
    if !(1..=255).contains(&it.description.chars().count()) {
        let why = "must be 1 to 255 characters";
        return Err(Rule::bad(Subject::Request, "zone.description", why));
    }
    if check(world, &it.id).is_ok() {
        return Err(Rule::Exists(Noun::Zone, it.id.clone()));
    }
    Ok(vec![Change::Put(Object::Zone(it.clone()))])
}

/// Takes along the zone's join tokens that have expired at `now`, in seconds
/// since 1970: nobody can use them, and nobody else would delete them.
///
/// # Errors
/// [`Rule::ZonePublic`]; [`Rule::ZoneInUse`] names what is still there; an
/// unknown zone.
pub fn delete(world: &World, id: &str, now: i64) -> Result<Vec<Change>, Rule> {
    if is_public(id) {
        return Err(Rule::ZonePublic(id.to_owned()));
    }
    check(world, id)?;
    let tokens = || world.join_tokens.values().filter(|t| t.zone == id);
    let user = if world.hosts.values().any(|h| h.zone == id) {
        Some("hosts")
    } else if world.networks.values().any(|n| n.zone == id) {
        Some("networks")
    } else if world.servers.values().any(|s| s.zone == id) {
        Some("servers")
    } else if tokens().any(|t| t.expires > now) {
        Some("host tokens that have not expired")
    } else {
        None
    };
    if let Some(by) = user {
        return Err(Rule::ZoneInUse { zone: id.to_owned(), by });
    }
    let expired = tokens().map(|t| Change::Delete(Key::JoinToken(t.digest.clone())));
    let seals = seal::of_zone(world, id);
    Ok(expired.chain(seals).chain([Change::Delete(Key::Zone(id.to_owned()))]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::JoinToken;

    fn home() -> Zone {
        Zone { id: "home-1".to_owned(), description: "The cellar".to_owned() }
    }

    #[test]
    fn an_id_is_short_plain_and_not_taken() {
        let mut world = World::default();
        let long = "x".repeat(33);
        for id in ["", "x", "-x", "x-", "X1", "a b", "a/b", "ä1", &long, "fi-hel1"] {
            let it = Zone { id: id.to_owned(), ..home() };
            assert!(create(&world, &it).is_err(), "{id}");
        }
        assert!(check(&world, "home-1").is_err());
        world.commit(&create(&world, &home()).unwrap());
        assert_eq!(check(&world, "home-1"), Ok(()));
        assert!(matches!(create(&world, &home()), Err(Rule::Exists(Noun::Zone, _))));
    }

    #[test]
    fn a_zone_stays_for_as_long_as_a_token_of_it_is_good() {
        let mut world = World::default();
        world.commit(&create(&world, &home()).unwrap());
        let token = JoinToken { digest: "00".to_owned(), zone: home().id, expires: 10, host: None };
        world.commit(&[Change::Put(Object::JoinToken(token))]);
        assert!(matches!(delete(&world, "home-1", 9), Err(Rule::ZoneInUse { .. })));
        world.commit(&delete(&world, "home-1", 10).unwrap());
        assert!(world.join_tokens.is_empty() && world.zones.is_empty());
        assert!(matches!(delete(&world, "home-1", 10), Err(Rule::Absent(Noun::Zone, _))));
        assert!(matches!(delete(&world, "fi-hel1", 10), Err(Rule::ZonePublic(_))));
    }
}
