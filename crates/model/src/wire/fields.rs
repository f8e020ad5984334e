//! An object of a body, taken apart attribute by attribute.

use std::fmt::Display;
use std::str::FromStr;

use serde_json::{Map, Value};

use crate::error::{Rule, Subject};

/// What is left of a JSON object, and where it stands in the body.
#[derive(Debug)]
pub struct Fields {
    at: String,
    left: Map<String, Value>,
}

impl Fields {
    /// The object below the one key `name` of a body.
    ///
    /// # Errors
    /// Not JSON, not an object, another envelope.
    pub fn of_body(body: &[u8], name: &str) -> Result<Self, Rule> {
        let refuse = |why: &str| Rule::bad(Subject::Request, name, why);
        let value: Value = serde_json::from_slice(body)
            .map_err(|e| refuse(&format!("cannot be read: the body is not JSON ({e})")))?;
        let Value::Object(mut outer) = value else {
            return Err(refuse("is required: the body must be an object"));
        };
        let inner = outer.remove(name).ok_or_else(|| refuse("is required"))?;
        if let Some(other) = outer.keys().next() {
            return Err(Rule::UnknownAttribute(other.clone()));
        }
        Self::of_value(inner, name.to_owned(), Subject::Request)
    }

    /// The object that is the whole body.
    ///
    /// # Errors
    /// Not JSON, not an object.
    pub fn of_bare_body(body: &[u8]) -> Result<Self, Rule> {
        let refuse = |e| {
            let why = format!("cannot be read: the body is not JSON ({e})");
            Rule::bad(Subject::Request, "body", why)
        };
        let value: Value = serde_json::from_slice(body).map_err(refuse)?;
        let it = Self::of_value(value, "body".to_owned(), Subject::Request)?;
        Ok(Self { at: String::new(), ..it })
    }

    fn of_value(value: Value, at: String, subject: Subject) -> Result<Self, Rule> {
        match value {
            Value::Object(left) => Ok(Self { at, left }),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Err(Rule::bad(subject, at, "must be an object")),
        }
    }

    /// The full path of an attribute of this object.
    pub fn path(&self, key: &str) -> String {
        if self.at.is_empty() { key.to_owned() } else { format!("{}.{key}", self.at) }
    }

    pub fn bad(&self, subject: Subject, key: &str, why: impl Into<String>) -> Rule {
        Rule::bad(subject, self.path(key), why)
    }

    /// Takes an attribute out; null counts as absent.
    fn take(&mut self, key: &str) -> Option<Value> {
        self.left.remove(key).filter(|v| !v.is_null())
    }

    /// True when the attribute is there, null or not.
    pub fn has(&self, key: &str) -> bool {
        self.left.contains_key(key)
    }

    /// # Errors
    /// Not a string, with the code of `subject`.
    pub fn string(&mut self, key: &str, subject: Subject) -> Result<Option<String>, Rule> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.bad(subject, key, "must be a string")),
        }
    }

    /// # Errors
    /// Absent or not a string, with the code of `subject`.
    pub fn required(&mut self, key: &str, subject: Subject) -> Result<String, Rule> {
        self.string(key, subject)?.ok_or_else(|| self.bad(subject, key, "is required"))
    }

    /// A string that is a value of some type of ours.
    ///
    /// # Errors
    /// Not a string, or not such a value.
    pub fn parsed<T>(&mut self, key: &str, subject: Subject) -> Result<Option<T>, Rule>
    where
        T: FromStr,
        T::Err: Display,
    {
        let Some(text) = self.string(key, subject)? else { return Ok(None) };
        text.parse()
            .map(Some)
            .map_err(|e: T::Err| self.bad(subject, key, format!("is not valid: {e}")))
    }

    /// A JSON number without fraction.
    ///
    /// # Errors
    /// Anything else, with the code of `subject`.
    pub fn integer(&mut self, key: &str, subject: Subject) -> Result<Option<i64>, Rule> {
        match self.take(key) {
            None => Ok(None),
            Some(value) => match value.as_i64() {
                Some(number) => Ok(Some(number)),
                None => Err(self.bad(subject, key, "must be an integer")),
            },
        }
    }

    /// A whole number, or the text of one.
    ///
    /// # Errors
    /// Anything else, with the code of `subject`.
    pub fn number<T>(&mut self, key: &str, subject: Subject) -> Result<Option<T>, Rule>
    where
        T: FromStr + TryFrom<i64>,
    {
        let number = match self.take(key) {
            None => return Ok(None),
            Some(Value::String(text)) => text.parse().ok(),
            Some(value) => value.as_i64().and_then(|n| T::try_from(n).ok()),
        };
        let why = "must be a whole number that is not too large";
        number.map(Some).ok_or_else(|| self.bad(subject, key, why))
    }

    /// `"yes"` or `"no"`.
    ///
    /// # Errors
    /// Anything else.
    pub fn yes_no(&mut self, key: &str) -> Result<Option<bool>, Rule> {
        match self.string(key, Subject::Request)?.as_deref() {
            None => Ok(None),
            Some("yes") => Ok(Some(true)),
            Some("no") => Ok(Some(false)),
            Some(_) => Err(self.bad(Subject::Request, key, "must be \"yes\" or \"no\"")),
        }
    }

    /// JSON's own true or false.
    ///
    /// # Errors
    /// Anything else.
    pub fn boolean(&mut self, key: &str) -> Result<Option<bool>, Rule> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Bool(it)) => Ok(Some(it)),
            Some(_) => Err(self.bad(Subject::Request, key, "must be true or false")),
        }
    }

    /// # Errors
    /// Not an object.
    pub fn object(&mut self, key: &str, subject: Subject) -> Result<Option<Self>, Rule> {
        let at = self.path(key);
        self.take(key).map(|v| Self::of_value(v, at, subject)).transpose()
    }

    /// An array of objects; a lone object counts as an array of one, as the
    /// Python SDK sends it.
    ///
    /// # Errors
    /// Not an array, or an entry that is not an object.
    pub fn array(&mut self, key: &str, subject: Subject) -> Result<Option<Vec<Self>>, Rule> {
        let at = self.path(key);
        let values = match self.take(key) {
            None => return Ok(None),
            Some(Value::Array(values)) => values,
            Some(lone @ Value::Object(_)) => vec![lone],
            Some(_) => return Err(Rule::bad(subject, at, "must be an array")),
        };
        let entry = |(i, value)| Self::of_value(value, format!("{at}.{i}"), subject);
        values.into_iter().enumerate().map(entry).collect::<Result<_, _>>().map(Some)
    }

    /// As [`Self::array`], where null is an empty one.
    ///
    /// # Errors
    /// As [`Self::array`].
    pub fn array_or_null(
        &mut self,
        key: &str,
        subject: Subject,
    ) -> Result<Option<Vec<Self>>, Rule> {
        let null = self.left.get(key).is_some_and(Value::is_null);
        Ok(self.array(key, subject)?.or(null.then(Vec::new)))
    }

    /// An array of strings that are values of some type of ours.
    ///
    /// # Errors
    /// Not an array, or an entry that is not such a value.
    pub fn strings<T>(&mut self, key: &str, subject: Subject) -> Result<Option<Vec<T>>, Rule>
    where
        T: FromStr,
        T::Err: Display,
    {
        let at = self.path(key);
        let values = match self.take(key) {
            None => return Ok(None),
            Some(Value::Array(values)) => values,
            Some(_) => return Err(Rule::bad(subject, at, "must be an array")),
        };
        let entry = |(i, value): (usize, Value)| {
            let refuse = |why: String| Rule::bad(subject, format!("{at}.{i}"), why);
            let text = value.as_str().ok_or_else(|| refuse("must be a string".to_owned()))?;
            text.parse().map_err(|e: T::Err| refuse(format!("is not valid: {e}")))
        };
        values.into_iter().enumerate().map(entry).collect::<Result<_, _>>().map(Some)
    }

    /// Nothing may be left.
    ///
    /// # Errors
    /// [`Rule::UnknownAttribute`].
    pub fn finish(self) -> Result<(), Rule> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(key) => Err(Rule::UnknownAttribute(self.path(key))),
        }
    }

    /// Takes attributes that clients send and that change nothing.
    pub fn ignore(&mut self, keys: &[&str]) {
        for key in keys {
            self.left.remove(*key);
        }
    }
}

#[cfg(test)]
#[path = "fields_tests.rs"]
mod tests;
