//! The query of a request: parameters that are not known are ignored.

use model::label::Filter;
use uuid::Uuid;

/// Decoded as HTML forms are (`+` is a space); a `%` that begins no code
/// stands for itself.
#[derive(Debug, Default)]
pub(crate) struct Query {
    parameters: Vec<(String, String)>,
    labels: Vec<Filter>,
}

impl Query {
    pub(crate) fn of(text: &str) -> Self {
        let parameters: Vec<_> = form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        let labels = parameters.iter().filter(|(name, _)| name == "label");
        let labels = labels.map(|(_, value)| Filter::new(value)).collect();
        Self { parameters, labels }
    }

    /// All of them, in their order.
    pub(crate) fn parameters(&self) -> &[(String, String)] {
        &self.parameters
    }

    /// Each `label` of the query: all must match.
    pub(crate) fn labels(&self) -> &[Filter] {
        &self.labels
    }

    /// The first value of `name`.
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// True when every parameter `name` has this value; so also without any.
    pub(crate) fn is(&self, name: &str, value: &str) -> bool {
        self.all(name).all(|v| v == value)
    }

    /// As [`Self::is`], for a UUID in any of its spellings.
    pub(crate) fn is_uuid(&self, name: &str, uuid: Uuid) -> bool {
        self.all(name).all(|v| Uuid::try_parse(v) == Ok(uuid))
    }

    /// The page that `limit` and `offset` ask for; everything without them.
    pub(crate) fn page<T>(&self, all: impl Iterator<Item = T>) -> Vec<T> {
        let number = |name| self.all(name).find_map(|v| v.parse::<usize>().ok());
        let rest = all.skip(number("offset").unwrap_or(0));
        rest.take(number("limit").unwrap_or(usize::MAX)).collect()
    }

    pub(crate) fn first(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.parameters.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_taken_only_when_asked_for_in_numbers() {
        for (text, want) in [
            ("", &[1, 2, 3][..]),
            ("limit=2", &[1, 2]),
            ("offset=1", &[2, 3]),
            ("limit=1&offset=2", &[3]),
            ("limit=9&offset=9", &[]),
            ("limit=x&offset=-1", &[1, 2, 3]),
            ("limit", &[1, 2, 3]),
        ] {
            assert_eq!(Query::of(text).page([1, 2, 3].into_iter()), want, "{text}");
        }
    }

    #[test]
    fn a_query_that_is_no_form_is_read_as_far_as_it_goes() {
        for text in ["%", "label=%zz", "=&&==", "%ff=%fe", "zone=a;b", "label"] {
            let query = Query::of(text);
            assert!(query.is("other", "x"), "{text}");
        }
        assert!(Query::of("zone=50%").is("zone", "50%"));
        assert!(!Query::of("zone=fi-hel1&zone=fi-hel2").is("zone", "fi-hel1"));
        assert!(
            Query::of("uuid=0300000000004000800000000000000A")
                .is_uuid("uuid", "03000000-0000-4000-8000-00000000000a".parse().unwrap())
        );
        assert!(!Query::of("uuid=x").is_uuid("uuid", Uuid::nil()));
    }
}
