//! Labels and the filters over them (contract section 2).

use serde::{Deserialize, Serialize};

use crate::error::{Rule, Subject};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    pub key: String,
    pub value: String,
}

/// The most labels one object carries; bounds the size of a list answer.
pub const MAX_LABELS: usize = 64;

/// Says whether a whole set of labels may be. `at` is the attribute's path.
///
/// # Errors
/// A [`Rule::Bad`] that names the first faulty label by its index.
pub fn check(labels: &[Label], at: &str) -> Result<(), Rule> {
    if labels.len() > MAX_LABELS {
        return Err(Rule::bad(
            Subject::Request,
            at,
            format!("must have at most {MAX_LABELS} entries"),
        ));
    }
    for (i, label) in labels.iter().enumerate() {
        check_key(&label.key, &format!("{at}.{i}.key"))?;
        if label.value.chars().count() > 255 {
            let at = format!("{at}.{i}.value");
            return Err(Rule::bad(Subject::LabelValue, at, "must be at most 255 characters"));
        }
        if labels[..i].iter().any(|l| l.key == label.key) {
            let why = format!("repeats the key {:?}", label.key);
            return Err(Rule::bad(Subject::LabelKeys, format!("{at}.{i}.key"), why));
        }
    }
    Ok(())
}

fn check_key(key: &str, at: &str) -> Result<(), Rule> {
    let why = if !(2..=32).contains(&key.chars().count()) {
        "must be 2 to 32 characters"
    } else if !key.chars().all(|c| (' '..='~').contains(&c)) {
        "must be printable ASCII"
    } else if key.starts_with('_') {
        "must not start with an underscore: such keys are the system's"
    } else {
        return Ok(());
    };
    Err(Rule::bad(Subject::LabelKey, at, why))
}

/// One `label=` of a query: has the key, or has the key with the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    key: String,
    value: Option<String>,
}

impl Filter {
    /// Takes the parameter's value after URL decoding; the first `=` divides.
    pub fn new(text: &str) -> Self {
        match text.split_once('=') {
            Some((key, value)) => Self { key: key.to_owned(), value: Some(value.to_owned()) },
            None => Self { key: text.to_owned(), value: None },
        }
    }

    /// Has just this label.
    pub fn exactly(label: &Label) -> Self {
        Self { key: label.key.clone(), value: Some(label.value.clone()) }
    }

    pub fn key(&self) -> &str {
        &self.key
    }

    /// None asks for the key alone.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    fn matches(&self, label: &Label) -> bool {
        label.key == self.key && self.value.as_ref().is_none_or(|v| *v == label.value)
    }
}

/// True when every filter finds its label: repeated filters mean AND.
pub fn all_match(filters: &[Filter], labels: &[Label]) -> bool {
    filters.iter().all(|f| labels.iter().any(|l| f.matches(l)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(key: &str, value: &str) -> Label {
        Label { key: key.to_owned(), value: value.to_owned() }
    }

    #[test]
    fn each_fault_of_a_label_has_its_subject() {
        let long = "x".repeat(256);
        for (labels, want) in [
            (vec![label("x", "")], Subject::LabelKey),
            (vec![label("_sys", "")], Subject::LabelKey),
            (vec![label(&"k".repeat(33), "")], Subject::LabelKey),
            (vec![label("å!", "")], Subject::LabelKey),
            (vec![label("key", &long)], Subject::LabelValue),
            (vec![label("key", "1"), label("key", "2")], Subject::LabelKeys),
            (vec![label("key", "1"); 65], Subject::Request),
        ] {
            match check(&labels, "labels") {
                Err(Rule::Bad { subject, .. }) => assert_eq!(subject, want, "{labels:?}"),
                other => panic!("{other:?} for {labels:?}"),
            }
        }
        assert_eq!(
            check(&[label("ab", ""), label(&"k".repeat(32), &"v".repeat(255))], "labels"),
            Ok(())
        );
    }

    #[test]
    fn filters_ask_for_a_key_or_a_pair_and_all_must_hold() {
        let labels = [label("env", "prod"), label("empty", ""), label("eq", "a=b")];
        for (filters, want) in [
            (&["env"][..], true),
            (&["env=prod"], true),
            (&["env=Prod"], false),
            (&["env="], false),
            (&["empty="], true),
            (&["eq=a=b"], true),
            (&["env=prod", "empty"], true),
            (&["env=prod", "nope"], false),
            (&[], true),
        ] {
            let parsed: Vec<Filter> = filters.iter().map(|f| Filter::new(f)).collect();
            assert_eq!(all_match(&parsed, &labels), want, "{filters:?}");
        }
    }
}
