//! What goes wrong, as the API tells it: the one table of statuses and codes.

use std::any::Any;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::error::{Noun, Rule, Subject};
use serde_json::{Value, json};
use store::WriteError;

use crate::body;

/// A request that did not get what it asked for.
#[derive(Debug)]
pub(crate) enum Problem {
    Rule(Rule),
    Store(store::Error),
    /// A bug; the text is what the panic said.
    Panic(String),
    NoCredentials,
    BadCredentials,
    BadToken,
    /// Too much was asked: why, and how many milliseconds to wait.
    Busy(Busy, u64),
    NotFound,
    /// The methods there are, as the header `Allow` lists them.
    MethodNotAllowed(String),
    NotAcceptable,
    TooLarge,
    TooSlow,
    BodyCut,
    /// What is asked for was written down, and is forgotten.
    Forgotten,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Busy {
    /// Passwords that were wrong.
    Guessing,
    /// More requests than an account may make.
    Rate,
    /// More requests at once than the server takes, of all or of one account.
    Load,
}

impl From<Rule> for Problem {
    fn from(rule: Rule) -> Self {
        Self::Rule(rule)
    }
}

impl From<WriteError> for Problem {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Rule(rule) => Self::Rule(rule),
            WriteError::Store(error) => error.into(),
        }
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        if matches!(error, store::Error::Busy) {
            Self::Busy(Busy::Load, 1000)
        } else {
            Self::Store(error)
        }
    }
}

impl From<Box<dyn Any + Send>> for Problem {
    fn from(panic: Box<dyn Any + Send>) -> Self {
        let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Self::Panic(text.unwrap_or_default())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.log();
        let (status, code) = self.number();
        let mut response = body::json(status, &self.body(status, code));
        let headers = response.headers_mut();
        match self {
            Self::NoCredentials | Self::BadCredentials | Self::BadToken => {
                // RFC 6750 §3.1: who sent no token is told of no error in it.
                let bearer = if matches!(self, Self::BadToken) {
                    "Bearer realm=\"kannas\", error=\"invalid_token\""
                } else {
                    "Bearer realm=\"kannas\""
                };
                for scheme in ["Basic realm=\"kannas\"", bearer] {
                    let scheme = HeaderValue::from_static(scheme);
                    headers.append(header::WWW_AUTHENTICATE, scheme);
                }
            }
            Self::Busy(_, wait_ms) => {
                let seconds = HeaderValue::from(wait_ms.div_ceil(1000).max(1));
                headers.insert(header::RETRY_AFTER, seconds);
            }
            Self::MethodNotAllowed(methods) => {
                let methods = HeaderValue::try_from(methods).expect("names of methods are ASCII");
                headers.insert(header::ALLOW, methods);
            }
            // What is left of the body is not read.
            Self::TooLarge | Self::TooSlow | Self::BodyCut => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Self::Store(error) if error.is_away() => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Self::Rule(_) | Self::Store(_) | Self::Panic(_) => {}
            Self::NotFound | Self::NotAcceptable | Self::Forgotten => {}
        }
        response
    }
}

impl Problem {
    pub(crate) fn number(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Rule(rule) => rule_number(rule),
            Self::Store(error) if error.is_away() => {
                (StatusCode::SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE")
            }
            Self::Store(_) | Self::Panic(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR")
            }
            Self::NoCredentials => (StatusCode::UNAUTHORIZED, "AUTHENTICATION_REQUIRED"),
            Self::BadCredentials | Self::BadToken => {
                (StatusCode::UNAUTHORIZED, "AUTHENTICATION_FAILED")
            }
            Self::Busy(Busy::Guessing, _) => {
                (StatusCode::TOO_MANY_REQUESTS, "AUTHENTICATION_SUSPENDED")
            }
            Self::Busy(Busy::Rate, _) => (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMIT_EXCEEDED"),
            Self::Busy(Busy::Load, _) => (StatusCode::SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE"),
            Self::NotFound => (StatusCode::NOT_FOUND, "NOT_FOUND"),
            Self::MethodNotAllowed(_) => (StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED"),
            Self::NotAcceptable => (StatusCode::NOT_ACCEPTABLE, "NOT_ACCEPTABLE"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "REQUEST_TOO_LARGE"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "REQUEST_TIMEOUT"),
            Self::BodyCut => (StatusCode::BAD_REQUEST, "REQUEST_INVALID"),
            Self::Forgotten => (StatusCode::GONE, "EVENT_GONE"),
        }
    }

    pub(crate) fn sentence(&self) -> String {
        let fixed = match self {
            Self::Rule(rule) => return rule.to_string(),
            Self::Store(error) if error.is_away() => {
                "The service is unavailable for now; nothing was done."
            }
            Self::Store(_) | Self::Panic(_) => "Internal error.",
            Self::NoCredentials => "Authentication is required: username and password.",
            Self::BadCredentials => "Authentication failed using the given username and password.",
            Self::BadToken => "Authentication failed using the given token.",
            Self::Busy(Busy::Guessing, _) => {
                "Authentication has failed too often; try again later."
            }
            Self::Busy(Busy::Load, _) => {
                "The server has too much to do; nothing was done, try again."
            }
            Self::Busy(Busy::Rate, _) => "The account makes too many requests; try again later.",
            Self::NotFound => "The requested resource does not exist.",
            Self::MethodNotAllowed(_) => "The method is not allowed for this resource.",
            Self::NotAcceptable => "Answers are application/json, which Accept leaves out.",
            Self::TooLarge => "The body is larger than 1 MiB.",
            Self::TooSlow => "The body took too long to arrive.",
            Self::BodyCut => "The body could not be read.",
            Self::Forgotten => "What is asked for is older than what is kept.",
        };
        fixed.to_owned()
    }

    fn body(&self, status: StatusCode, code: &str) -> Value {
        let mut body = json!({"error": {"error_code": code, "error_message": self.sentence()}});
        // Valid under both of the readings that clients give this answer
        // (contract section 1.3).
        if matches!(self, Self::NoCredentials) {
            body["type"] =
                "https://developers.upcloud.com/1.3/errors#ERROR_AUTHENTICATION_REQUIRED".into();
            body["title"] = "Authentication is required.".into();
            body["status"] = status.as_u16().into();
        }
        body
    }

    fn log(&self) {
        match self {
            Self::Store(error) => {
                let error = error as &(dyn std::error::Error + 'static);
                tracing::error!(error, "the store failed a request");
            }
            Self::Panic(error) => tracing::error!(error, "a request met a bug"),
            Self::Rule(_) | Self::NoCredentials | Self::BadCredentials | Self::BadToken => {}
            Self::Busy(..) | Self::NotFound | Self::MethodNotAllowed(_) | Self::NotAcceptable => {}
            Self::TooLarge | Self::TooSlow | Self::BodyCut | Self::Forgotten => {}
        }
    }
}

/// Contract sections 1.7, 4.4, 5.1 and 5.2. Codes that UpCloud has none of
/// are ours: those of hosts, ports and accounts, and of limits.
fn rule_number(rule: &Rule) -> (StatusCode, &'static str) {
    const CONFLICT: StatusCode = StatusCode::CONFLICT;
    match rule {
        Rule::Bad { subject, .. } => (StatusCode::BAD_REQUEST, subject_code(*subject)),
        Rule::UnknownAttribute(_) => (StatusCode::BAD_REQUEST, "UNKNOWN_ATTRIBUTE"),
        Rule::Absent(noun, _) => (StatusCode::NOT_FOUND, absent_code(*noun)),
        Rule::NetworkForbidden(_) | Rule::NetworkProvided(_) => {
            (StatusCode::FORBIDDEN, "NETWORK_FORBIDDEN")
        }
        Rule::Forbidden(noun, _) | Rule::ForbiddenToMake(noun) => {
            (StatusCode::FORBIDDEN, forbidden_code(*noun))
        }
        Rule::MainOnly(_) | Rule::ApiForbidden(_) | Rule::TokenMakesNone => {
            (StatusCode::FORBIDDEN, "ACCOUNT_FORBIDDEN")
        }
        Rule::AccountNotEmpty(_) => (CONFLICT, "ACCOUNT_NOT_EMPTY"),
        Rule::LastAdministrator(_) => (CONFLICT, "ACCOUNT_LAST_ADMINISTRATOR"),
        Rule::TokenLimit(_) => (CONFLICT, "TOKEN_LIMIT_REACHED"),
        Rule::SubAccountLimit(_) => (CONFLICT, "ACCOUNT_LIMIT_REACHED"),
        Rule::AdminOnly(_) => (StatusCode::FORBIDDEN, "ACCOUNT_FORBIDDEN"),
        Rule::JoinTokenInvalid => (StatusCode::FORBIDDEN, "HOST_TOKEN_INVALID"),
        Rule::PeeringExists(_) | Rule::PeeringWithItself => (CONFLICT, "PEERING_CONFLICT"),
        Rule::LocalNetworkNoRouter(_) => (CONFLICT, "LOCAL_NETWORK_NO_ROUTER"),
        Rule::PeeringNotDisabled(_) => (CONFLICT, "PEERING_NOT_DISABLED"),
        Rule::NetworkHasPeerings(_) | Rule::NetworkHasPorts(_) => (CONFLICT, "NETWORK_NOT_EMPTY"),
        Rule::RouterAttached(_) => (CONFLICT, "ROUTER_ATTACHED"),
        Rule::OverlapsOnRouter { .. } => (CONFLICT, "NETWORK_CONFLICT"),
        Rule::AddressTaken(_) => (CONFLICT, "ADDRESS_ATTACHED"),
        Rule::NoFreeAddress(_) => (CONFLICT, "IP_ADDRESS_RESOURCES_UNAVAILABLE"),
        Rule::AttachmentTaken(_) => (CONFLICT, "DEVICE_ADDRESS_IN_USE"),
        Rule::Exists(noun, _) => (CONFLICT, exists_code(*noun)),
        Rule::HostNotEmpty(_) => (CONFLICT, "HOST_NOT_EMPTY"),
        Rule::HostRevoked(_) => (CONFLICT, "HOST_REVOKED"),
        Rule::CertificateReplaced(_) => (CONFLICT, "CERTIFICATE_REPLACED"),
        Rule::ServerInvalid => (StatusCode::BAD_REQUEST, "SERVER_INVALID"),
        Rule::ServerState { .. } => (CONFLICT, "SERVER_STATE_ILLEGAL"),
        Rule::InterfaceExists(_) => (CONFLICT, "INTERFACE_EXISTS"),
        Rule::InterfacesFull => (CONFLICT, "SERVER_IP_LIMIT_REACHED"),
        Rule::ZonePublic(_) => (StatusCode::FORBIDDEN, "ZONE_FORBIDDEN"),
        Rule::ZoneInUse { .. } => (CONFLICT, "ZONE_NOT_EMPTY"),
        Rule::ZoneMismatch(..) => (CONFLICT, "ZONE_MISMATCH"),
        Rule::DoneBefore | Rule::AnswerLost => (CONFLICT, "ANSWER_LOST"),
        Rule::KeyReused => (CONFLICT, "IDEMPOTENCY_KEY_REUSED"),
        Rule::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, "PRECONDITION_FAILED"),
        Rule::PeerHalfForbidden(_) => (StatusCode::FORBIDDEN, "PEER_HALF_FORBIDDEN"),
        Rule::NoVniLeft | Rule::NetworkLimit(_) => (CONFLICT, "NETWORK_LIMIT_REACHED"),
        Rule::PeeringLimit(_) => (CONFLICT, "PEERING_LIMIT_REACHED"),
        Rule::RouterLimit(_) => (CONFLICT, "ROUTER_LIMIT_REACHED"),
        Rule::PeeringGroupLimit(_) => (CONFLICT, "PEERING_GROUP_LIMIT_REACHED"),
        Rule::PeeringGroupLeaving(_) => (CONFLICT, "PEERING_GROUP_LEAVING"),
        Rule::NothingToUndo(_) => (CONFLICT, "NOTHING_TO_UNDO"),
        Rule::GroupLabels(_) => (StatusCode::FORBIDDEN, "NETWORK_FORBIDDEN"),
    }
}

fn subject_code(subject: Subject) -> &'static str {
    match subject {
        Subject::Request | Subject::Router => "REQUEST_INVALID",
        Subject::Name | Subject::RouterName => "NAME_INVALID",
        Subject::NetworkNameMissing => "NETWORK_NAME_MISSING",
        Subject::NetworkName => "NETWORK_NAME_INVALID",
        Subject::RouterNameMissing => "ROUTER_NAME_MISSING",
        Subject::ZoneMissing => "ZONE_MISSING",
        Subject::Zone => "ZONE_INVALID",
        Subject::Network => "NETWORK_INVALID",
        Subject::NetworkType => "NETWORK_TYPE_INVALID",
        Subject::IpAddress => "IP_ADDRESS_INVALID",
        Subject::LabelKey => "INVALID_LABEL_KEY",
        Subject::LabelValue => "INVALID_LABEL_VALUE",
        Subject::LabelKeys => "DUPLICATE_LABEL_KEYS",
        Subject::Route => "INVALID_ROUTE",
        Subject::RouteDuplicate => "DUPLICATE_ROUTE",
        Subject::Nexthop => "NEXTHOP_INVALID",
        Subject::ServerTitleMissing => "SERVER_TITLE_MISSING",
        Subject::ServerTitle => "SERVER_TITLE_INVALID",
        Subject::HostnameMissing => "HOSTNAME_MISSING",
        Subject::Hostname => "HOSTNAME_INVALID",
        Subject::Plan => "PLAN_INVALID",
        Subject::Cores => "CORE_NUMBER_INVALID",
        Subject::Memory => "MEMORY_AMOUNT_INVALID",
    }
}

fn forbidden_code(noun: Noun) -> &'static str {
    match noun {
        Noun::Network | Noun::PeerNetwork => "NETWORK_FORBIDDEN",
        Noun::Peering | Noun::PeeringRequest | Noun::PeeringGroup => "PEERING_FORBIDDEN",
        Noun::Router => "ROUTER_FORBIDDEN",
        Noun::Server => "SERVER_FORBIDDEN",
        Noun::Storage => "STORAGE_FORBIDDEN",
        Noun::Interface => "INTERFACE_FORBIDDEN",
        Noun::Port => "PORT_FORBIDDEN",
        Noun::Zone | Noun::Host | Noun::Account | Noun::Seal | Noun::Object => "ACCOUNT_FORBIDDEN",
        Noun::Token | Noun::Permission | Noun::Webhook => "ACCOUNT_FORBIDDEN",
    }
}

fn absent_code(noun: Noun) -> &'static str {
    match noun {
        Noun::Peering => "PEERING_NOT_FOUND",
        Noun::PeeringGroup => "PEERING_GROUP_NOT_FOUND",
        Noun::PeeringRequest => "PEERING_REQUEST_NOT_FOUND",
        Noun::Webhook => "WEBHOOK_NOT_FOUND",
        Noun::Network => "NETWORK_NOT_FOUND",
        Noun::PeerNetwork => "PEER_NETWORK_NOT_FOUND",
        Noun::Router => "ROUTER_NOT_FOUND",
        Noun::Zone => "ZONE_NOT_FOUND",
        Noun::Host => "HOST_NOT_FOUND",
        Noun::Port => "PORT_NOT_FOUND",
        Noun::Account => "ACCOUNT_NOT_FOUND",
        Noun::Token => "TOKEN_NOT_FOUND",
        Noun::Permission => "PERMISSION_NOT_FOUND",
        Noun::Server => "SERVER_NOT_FOUND",
        Noun::Storage => "STORAGE_NOT_FOUND",
        Noun::Interface => "INTERFACE_NOT_FOUND",
        Noun::Seal => "ENCRYPTION_NOT_FOUND",
        Noun::Object => "OBJECT_NOT_FOUND",
    }
}

fn exists_code(noun: Noun) -> &'static str {
    match noun {
        Noun::Webhook => "WEBHOOK_EXISTS",
        Noun::Peering | Noun::PeerNetwork | Noun::PeeringRequest => "PEERING_CONFLICT",
        Noun::PeeringGroup => "PEERING_GROUP_EXISTS",
        Noun::Network => "NETWORK_EXISTS",
        Noun::Router => "ROUTER_EXISTS",
        Noun::Zone => "ZONE_EXISTS",
        Noun::Host => "HOST_EXISTS",
        Noun::Port => "PORT_EXISTS",
        Noun::Account => "ACCOUNT_EXISTS",
        Noun::Token | Noun::Permission => "REQUEST_INVALID",
        Noun::Server => "SERVER_EXISTS",
        Noun::Storage => "STORAGE_EXISTS",
        Noun::Interface => "INTERFACE_EXISTS",
        Noun::Seal => "ENCRYPTION_EXISTS",
        Noun::Object => "OBJECT_EXISTS",
    }
}
