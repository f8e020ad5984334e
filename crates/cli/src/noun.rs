//! The kinds of object there are, and how one of them is named.

use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use crate::client::Client;
use crate::exit::{Exit, Failure};

/// What is listed, a line each.
pub(crate) trait Row: DeserializeOwned {
    /// Where the API lists them.
    const PATH: &'static str;
    /// The envelopes of a list; the second is that of one alone.
    const ENVELOPES: [&'static str; 2];
    const HEADS: &'static [&'static str];

    /// As many as there are heads.
    fn cells(&self) -> Vec<String>;
}

/// What has a UUID to be named by.
pub(crate) trait Noun: Row {
    /// As in "there is no NAME x".
    const NAME: &'static str;

    fn uuid(&self) -> Uuid;
    /// None where the kind has no names.
    fn name(&self) -> Option<&str>;
    /// Everything that is worth showing, with what it is.
    fn card(&self) -> Vec<(&'static str, String)>;
}

/// Fewer digits of a UUID name nothing: the first two are the same for all of
/// a kind.
const SHORTEST: usize = 4;

/// Candidates that an error lists.
const CANDIDATES: usize = 5;

/// The UUID of what `text` names: its UUID, its whole name, or at least four
/// characters that only its UUID begins with.
///
/// Names are not abbreviated: what a script deletes must not depend on what
/// else there is.
///
/// # Errors
/// Nothing is named so, or several are.
pub(crate) fn resolve<N: Noun>(client: &Client, text: &str) -> Result<Uuid, Failure> {
    if let Ok(uuid) = Uuid::try_parse(text) {
        return Ok(uuid);
    }
    let all: Vec<N> = list::<N>(client, &[])?.into_iter().map(read).collect::<Result<_, _>>()?;
    choose(&all, text)
}

/// # Errors
/// As [`Client::get`].
pub(crate) fn list<R: Row>(
    client: &Client,
    query: &[(&str, String)],
) -> Result<Vec<Value>, Failure> {
    let answer = client.get(R::PATH, query)?;
    read(client.within(answer, &R::ENVELOPES)?)
}

/// # Errors
/// As [`Client::get`].
pub(crate) fn one<N: Noun>(client: &Client, uuid: Uuid) -> Result<Value, Failure> {
    let answer = client.get(&path::<N>(uuid), &[])?;
    Ok(client.within(answer, &[N::ENVELOPES[1]])?)
}

pub(crate) fn path<N: Noun>(uuid: Uuid) -> String {
    format!("{}/{uuid}", N::PATH)
}

/// # Errors
/// It is of another shape.
pub(crate) fn read<T: DeserializeOwned>(value: Value) -> Result<T, Failure> {
    serde_json::from_value(value).map_err(|error| {
        let error = anyhow::Error::new(error).context("the server's answer cannot be read");
        Failure::new(Exit::Failed, error)
    })
}

fn choose<N: Noun>(all: &[N], text: &str) -> Result<Uuid, Failure> {
    let mut found: Vec<&N> = all.iter().filter(|it| it.name() == Some(text)).collect();
    let mut how = "are named";
    if found.is_empty() && text.len() >= SHORTEST {
        let start = text.to_ascii_lowercase();
        found = all.iter().filter(|it| it.uuid().to_string().starts_with(&start)).collect();
        how = "have UUIDs that begin with";
    }
    match *found {
        [it] => Ok(it.uuid()),
        [] => Err(not_found(format!("there is no {} {text}", N::NAME))),
        _ => {
            let shown = found.iter().take(CANDIDATES).map(|it| it.uuid().to_string());
            let shown = shown.collect::<Vec<_>>().join(", ");
            let more = found.len().saturating_sub(CANDIDATES);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let count = found.len();
            Err(not_found(format!("{count} {}s {how} {text}: {shown}{more}", N::NAME)))
        }
    }
}

fn not_found(message: String) -> Failure {
    Failure::new(Exit::NotFound, anyhow::Error::msg(message))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Thing(Uuid, String);

    impl Row for Thing {
        const PATH: &'static str = "/things";
        const ENVELOPES: [&'static str; 2] = ["things", "thing"];
        const HEADS: &'static [&'static str] = &[];

        fn cells(&self) -> Vec<String> {
            Vec::new()
        }
    }

    impl Noun for Thing {
        const NAME: &'static str = "thing";

        fn uuid(&self) -> Uuid {
            self.0
        }

        fn name(&self) -> Option<&str> {
            Some(&self.1)
        }

        fn card(&self) -> Vec<(&'static str, String)> {
            Vec::new()
        }
    }

    fn thing(first: u32, name: &str) -> Thing {
        Thing(Uuid::from_u128(u128::from(first) << 96), name.to_owned())
    }

    #[test]
    fn a_name_or_the_beginning_of_one_uuid_names_a_thing() {
        let all =
            [thing(0x03aa_0001, "blue"), thing(0x03aa_0002, "03aa0001"), thing(0x03bb_0003, "")];
        for (text, want) in [
            ("blue", Ok(0x03aa_0001)),
            ("03bb", Ok(0x03bb_0003)),
            ("03BB0003-0000", Ok(0x03bb_0003)),
            // A whole name comes first.
            ("03aa0001", Ok(0x03aa_0002)),
            ("blu", Err("kannas: there is no thing blu".to_owned())),
            ("03b", Err("kannas: there is no thing 03b".to_owned())),
            (
                "03aa",
                Err("kannas: 2 things have UUIDs that begin with 03aa: \
                     03aa0001-0000-0000-0000-000000000000, \
                     03aa0002-0000-0000-0000-000000000000"
                    .to_owned()),
            ),
        ] {
            let got = choose(&all, text).map(|uuid| (uuid.as_u128() >> 96) as u32);
            assert_eq!(got.map_err(|failure| failure.to_string()), want, "{text}");
        }
    }

    #[test]
    fn of_many_candidates_five_are_listed() {
        let all: Vec<Thing> = (0..7).map(|n| thing(n, "twin")).collect();
        let failure = choose(&all, "twin").unwrap_err();
        let line = failure.to_string();
        assert_eq!(failure.code(), 3);
        assert!(line.starts_with("kannas: 7 things are named twin: 00000000-"), "{line}");
        assert!(line.ends_with("000000000000 and 2 more"), "{line}");
    }
}
