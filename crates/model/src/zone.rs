//! The zones there are (contract section 5.3).

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

pub fn exists(id: &str) -> bool {
    PUBLIC.iter().any(|(zone, _)| *zone == id)
}
