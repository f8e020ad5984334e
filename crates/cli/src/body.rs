//! Bodies of requests: attributes that were not given are left out.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::exit::Failure;

#[derive(Debug, Default)]
pub(crate) struct Body(Map<String, Value>);

impl Body {
    pub(crate) fn with(mut self, key: &str, value: Option<impl Serialize>) -> Self {
        if let Some(value) = value {
            self.0.insert(key.to_owned(), json!(value));
        }
        self
    }

    /// # Errors
    /// Nothing was given, which would change nothing.
    pub(crate) fn of_change(self) -> Result<Value, Failure> {
        if self.0.is_empty() {
            return Err(Failure::usage("nothing to change was given (try --help)"));
        }
        Ok(self.into())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Body> for Value {
    fn from(body: Body) -> Self {
        Self::Object(body.0)
    }
}

/// The API's booleans are words.
#[derive(Debug, Clone, Copy, clap::ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum YesNo {
    Yes,
    No,
}
