//! `/1.3/account/tokens` (contract section 5.5): bare objects and arrays.

use std::cmp::Ordering;

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::Fields;
use crate::credentials::Token;
use crate::error::{Rule, Subject};
use crate::ip_range::IpRange;

/// A wish for a token, whose text is yet to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    pub name: String,
    /// Microseconds since 1970.
    pub expires: i64,
    pub can_create_tokens: bool,
    pub allowed_ip_ranges: Option<Vec<IpRange>>,
}

impl NewToken {
    /// `now` in microseconds since 1970.
    ///
    /// # Errors
    /// The first faulty attribute.
    pub fn of_body(body: &[u8], now: i64) -> Result<Self, Rule> {
        let mut fields = Fields::of_bare_body(body)?;
        let it = Self {
            name: fields.required("name", Subject::Request)?,
            expires: expires(&mut fields, now)?,
            can_create_tokens: fields.boolean("can_create_tokens")?.unwrap_or(false),
            allowed_ip_ranges: fields.strings("allowed_ip_ranges", Subject::Request)?,
        };
        fields.finish()?;
        Ok(it)
    }
}

/// `expires_at` as RFC 3339 has it, or `expires_in` seconds.
fn expires(fields: &mut Fields, now: i64) -> Result<i64, Rule> {
    let at = fields.string("expires_at", Subject::Request)?;
    let within = fields.integer("expires_in", Subject::Request)?;
    match (at, within) {
        (Some(text), None) => {
            let time = OffsetDateTime::parse(&text, &Rfc3339);
            let micros =
                time.ok().and_then(|t| i64::try_from(t.unix_timestamp_nanos() / 1000).ok());
            let why = "must be a time as RFC 3339 has it";
            micros.ok_or_else(|| fields.bad(Subject::Request, "expires_at", why))
        }
        (None, Some(seconds)) => {
            let end = seconds.checked_mul(1_000_000).and_then(|us| now.checked_add(us));
            let why = "must be within 8760 hours";
            end.ok_or_else(|| fields.bad(Subject::Request, "expires_in", why))
        }
        (None, None) => Err(fields.bad(Subject::Request, "expires_at", "is required")),
        (Some(_), Some(_)) => {
            Err(fields.bad(Subject::Request, "expires_in", "cannot go with expires_at"))
        }
    }
}

#[derive(Serialize)]
pub struct View<'w> {
    /// Only in the answer that makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'w str>,
    id: Uuid,
    name: &'w str,
    #[serde(rename = "type")]
    kind: &'static str,
    created_at: String,
    expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<String>,
    can_create_tokens: bool,
    allowed_ip_ranges: Vec<String>,
    gui: bool,
}

impl<'w> View<'w> {
    /// `filters` are the user's own, which hold where the token has none.
    pub fn new(it: &'w Token, filters: &[IpRange]) -> Self {
        let everywhere = IpRange::everywhere();
        let own = if filters.is_empty() { &everywhere } else { filters };
        let ranges = it.allowed_ip_ranges.as_deref().unwrap_or(own);
        Self {
            token: None,
            id: it.id,
            name: &it.name,
            kind: "workspace",
            created_at: rfc3339(it.created),
            expires_at: rfc3339(it.expires),
            last_used_at: it.last_used.map(rfc3339),
            can_create_tokens: it.can_create_tokens,
            allowed_ip_ranges: ranges.iter().map(ToString::to_string).collect(),
            gui: false,
        }
    }

    #[must_use]
    pub fn with_text(self, text: &'w str) -> Self {
        Self { token: Some(text), ..self }
    }
}

/// # Panics
/// The time is not of a token, which all lie within years of four digits.
fn rfc3339(micros: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000);
    let text = time.ok().and_then(|t| t.format(&Rfc3339).ok());
    text.expect("a token's life begins now and is short")
}

/// Sorts as `by` says, a list of attributes with `-` before those that go
/// down. Without any, in the order they were made.
///
/// # Errors
/// An attribute that tokens are not sorted by.
pub fn sort(tokens: &mut [Token], by: &str) -> Result<(), Rule> {
    // A plus sign of a query is a space.
    let keys = by.split(',').map(str::trim).filter(|key| !key.is_empty());
    let keys = keys.map(|key| match key.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (key.strip_prefix('+').unwrap_or(key), false),
    });
    let keys: Vec<(&str, bool)> = keys.collect();
    let known = ["created_at", "expires_at", "last_used_at", "name"];
    if keys.iter().any(|(key, _)| !known.contains(key)) {
        let why = format!("must be a list of {}", known.join(", "));
        return Err(Rule::bad(Subject::Request, "sort", why));
    }
    tokens.sort_by(|a, b| {
        let orders = keys.iter().map(|(key, down)| {
            let order = match *key {
                "expires_at" => a.expires.cmp(&b.expires),
                "last_used_at" => a.last_used.cmp(&b.last_used),
                "name" => a.name.cmp(&b.name),
                _ => a.created.cmp(&b.created),
            };
            if *down { order.reverse() } else { order }
        });
        let first = orders.into_iter().find(|order| order.is_ne());
        first.unwrap_or(Ordering::Equal).then((a.created, a.id).cmp(&(b.created, b.id)))
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000_000;

    fn parsed(more: &str) -> Result<NewToken, Rule> {
        NewToken::of_body(format!("{{\"name\":\"t\"{more}}}").as_bytes(), NOW)
    }

    #[test]
    fn a_life_is_given_as_an_end_or_a_length() {
        for (more, want) in [
            (r#","expires_at":"2023-11-14T22:13:21Z""#, Some(NOW + 1_000_000)),
            (r#","expires_at":"2023-11-15T00:13:20.000005+02:00""#, Some(NOW + 5)),
            (r#","expires_in":60"#, Some(NOW + 60_000_000)),
            (r#","expires_in":9223372036854775807"#, None),
            (r#","expires_in":"60""#, None),
            (r#","expires_at":"tomorrow""#, None),
            (r#","expires_at":"2023-11-14T22:13:21Z","expires_in":60"#, None),
            ("", None),
        ] {
            assert_eq!(parsed(more).ok().map(|t| t.expires), want, "{more}");
        }
    }

    #[test]
    fn ranges_that_are_absent_are_not_those_that_are_none() {
        let of = |more: &str| parsed(&format!(r#","expires_in":60{more}"#));
        assert_eq!(of("").unwrap().allowed_ip_ranges, None);
        assert_eq!(of(r#","allowed_ip_ranges":null"#).unwrap().allowed_ip_ranges, None);
        assert_eq!(of(r#","allowed_ip_ranges":[]"#).unwrap().allowed_ip_ranges, Some(vec![]));
        assert!(of(r#","allowed_ip_ranges":["x"]"#).is_err());
        assert!(of(r#","can_create_tokens":"yes""#).is_err());
        assert!(of(r#","token":"mine""#).is_err());
    }

    #[test]
    fn tokens_are_sorted_by_what_is_asked_for() {
        let token = |n: i64, name: &str, last_used| Token {
            id: Uuid::from_u128(n.unsigned_abs().into()),
            user: String::new(),
            name: name.to_owned(),
            digest: String::new(),
            created: n,
            expires: 10 - n,
            last_used,
            can_create_tokens: false,
            allowed_ip_ranges: None,
        };
        let all = [token(2, "b", None), token(1, "b", Some(5)), token(3, "a", Some(4))];
        for (by, want) in [
            ("", [1, 2, 3]),
            ("-created_at", [3, 2, 1]),
            ("expires_at", [3, 2, 1]),
            (" name,-last_used_at", [3, 1, 2]),
            ("last_used_at", [2, 3, 1]),
            ("-name,+expires_at", [2, 1, 3]),
        ] {
            let mut sorted = all.to_vec();
            sort(&mut sorted, by).unwrap();
            assert_eq!(sorted.iter().map(|t| t.created).collect::<Vec<_>>(), want, "{by}");
        }
        assert!(sort(&mut [], "token").is_err());
    }
}
