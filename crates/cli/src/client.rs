//! One account's calls of the HTTP API.

use std::io::{self, Read};
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::Value;
use ureq::http::{Method, Request, StatusCode, header};
use ureq::tls::{RootCerts, TlsConfig};

use crate::access::Base;
use crate::exit::{Exit, Failure};

/// To be connected.
const CONNECT: Duration = Duration::from_secs(10);

/// To have the whole answer.
const ANSWER: Duration = Duration::from_secs(60);

/// To read what does not end; then it is asked anew, as the other side may be
/// gone without a word.
const STREAM: Duration = Duration::from_secs(600);

/// Bytes of the largest answer that is taken.
const LARGEST: u64 = 1 << 30;

#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("cannot reach the server at {base}")]
    Unreachable { base: String, source: io::Error },
    #[error("{message} ({code})")]
    Refused { status: StatusCode, code: String, message: String },
    #[error("what answers at {base} is not the API: it said {status} and no JSON of ours")]
    Foreign { base: String, status: StatusCode },
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let exit = match &error {
            CallError::Unreachable { .. } => Exit::Unavailable,
            CallError::Refused { status, .. } | CallError::Foreign { status, .. }
                if status.is_server_error() =>
            {
                Exit::Unavailable
            }
            CallError::Refused { status, .. } => match *status {
                StatusCode::UNAUTHORIZED => Exit::Credentials,
                StatusCode::NOT_FOUND => Exit::NotFound,
                _ => Exit::Refused,
            },
            CallError::Foreign { .. } => Exit::Failed,
        };
        Self::new(exit, error.into())
    }
}

pub(crate) struct Client {
    agent: ureq::Agent,
    /// Without a limit to the time of an answer.
    follower: ureq::Agent,
    base: String,
    authorization: String,
}

impl Client {
    pub(crate) fn new(at: &Base, roots: RootCerts, username: &str, password: &str) -> Self {
        let tls = TlsConfig::builder().root_certs(roots).build();
        let config = || {
            let config = ureq::Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .tls_config(tls.clone())
                .timeout_connect(Some(CONNECT))
                .timeout_recv_response(Some(ANSWER))
                .user_agent(concat!("kannas/", env!("CARGO_PKG_VERSION")));
            // A proxy cannot reach what is meant by the loopback address.
            if at.is_loopback { config.proxy(None) } else { config }
        };
        let pair = BASE64_STANDARD.encode(format!("{username}:{password}"));
        Self {
            agent: config().timeout_global(Some(ANSWER)).build().into(),
            follower: config().timeout_recv_body(Some(STREAM)).build().into(),
            base: at.to_string(),
            authorization: format!("Basic {pair}"),
        }
    }

    /// # Errors
    /// So for all below: no answer, a refusal, an answer of something else.
    pub(crate) fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Value, CallError> {
        if query.is_empty() {
            return self.call(&Method::GET, path, None);
        }
        let mut text = form_urlencoded::Serializer::new(format!("{path}?"));
        text.extend_pairs(query);
        self.call(&Method::GET, &text.finish(), None)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value, CallError> {
        self.call(&Method::POST, path, Some(body))
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Result<Value, CallError> {
        self.call(&Method::PUT, path, Some(body))
    }

    pub(crate) fn patch(&self, path: &str, body: &Value) -> Result<Value, CallError> {
        self.change(&Method::PATCH, path, body)
    }

    pub(crate) fn change(
        &self,
        method: &Method,
        path: &str,
        body: &Value,
    ) -> Result<Value, CallError> {
        self.call(method, path, Some(body))
    }

    /// What the call would do, if it were not for being asked so.
    pub(crate) fn plan(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, CallError> {
        self.call(method, &format!("{path}?plan=1"), body)
    }

    pub(crate) fn delete(&self, path: &str) -> Result<(), CallError> {
        self.call(&Method::DELETE, path, None).map(drop)
    }

    /// An answer that is read as it comes.
    ///
    /// # Errors
    /// As for the others.
    pub(crate) fn stream(&self, path: &str) -> Result<impl Read + use<>, CallError> {
        let request = Request::get(format!("{}{path}", self.base))
            .header(header::AUTHORIZATION, &self.authorization)
            .header(header::ACCEPT, "text/event-stream, application/json");
        let unreachable = |error: ureq::Error| CallError::Unreachable {
            base: self.base.clone(),
            source: error.into_io(),
        };
        let request = request.body(()).map_err(|error| unreachable(error.into()))?;
        let mut answer = self.follower.run(request).map_err(unreachable)?;
        if answer.status().is_success() {
            return Ok(answer.into_body().into_reader());
        }
        let status = answer.status();
        let text = answer.body_mut().read_to_string().map_err(unreachable)?;
        let body: Option<Value> = serde_json::from_str(&text).ok();
        Err(self.refusal(status, body.unwrap_or_default()))
    }

    /// What is in an object under its envelope.
    ///
    /// # Errors
    /// There is no such thing in `answer`.
    pub(crate) fn within(&self, mut answer: Value, keys: &[&str]) -> Result<Value, CallError> {
        let inner = keys.iter().try_fold(&mut answer, |value, key| value.get_mut(key));
        inner.map(Value::take).ok_or_else(|| self.foreign(StatusCode::OK))
    }

    fn call(&self, method: &Method, path: &str, body: Option<&Value>) -> Result<Value, CallError> {
        let (status, text) = self.exchange(method, path, body).map_err(|error| {
            CallError::Unreachable { base: self.base.clone(), source: error.into_io() }
        })?;
        if status.is_success() && text.is_empty() {
            return Ok(Value::Null);
        }
        let body: Option<Value> = serde_json::from_str(&text).ok();
        let body = body.ok_or_else(|| self.foreign(status))?;
        if status.is_success() {
            return Ok(body);
        }
        Err(self.refusal(status, body))
    }

    fn refusal(&self, status: StatusCode, body: Value) -> CallError {
        let said = |key: &str| body["error"][key].as_str().map(str::to_owned);
        match (said("error_code"), said("error_message")) {
            (Some(code), Some(message)) => CallError::Refused { status, code, message },
            _ => self.foreign(status),
        }
    }

    fn exchange(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, String), ureq::Error> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header::AUTHORIZATION, &self.authorization)
            .header(header::ACCEPT, "application/json");
        let mut answer = match body {
            Some(body) => {
                let request = request.header(header::CONTENT_TYPE, "application/json");
                self.agent.run(request.body(body.to_string())?)?
            }
            None => self.agent.run(request.body(())?)?,
        };
        let status = answer.status();
        let text = answer.body_mut().with_config().limit(LARGEST).lossy_utf8(true);
        Ok((status, text.read_to_string()?))
    }

    fn foreign(&self, status: StatusCode) -> CallError {
        CallError::Foreign { base: self.base.clone(), status }
    }
}
