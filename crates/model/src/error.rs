//! Every refusal: each 4xx of the API is one of these.

use std::net::IpAddr;

use uuid::Uuid;

/// A rule of the product said no. The text is for the one who asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    /// The attribute at `at` cannot be taken.
    #[error("The attribute {at} {why}.")]
    Bad { subject: Subject, at: String, why: String },
    #[error("The attribute {0} is not known here.")]
    UnknownAttribute(String),
    #[error("The {0} {1} does not exist.")]
    Absent(Noun, String),
    #[error("The network {0} belongs to another account.")]
    NetworkForbidden(Uuid),
    #[error(
        "The network {0} is the provider's: it cannot be changed, deleted, peered or given ports."
    )]
    NetworkProvided(Uuid),
    #[error("The networks have a peering in this direction already: {0}.")]
    PeeringExists(Uuid),
    #[error("A network cannot be peered with itself.")]
    PeeringWithItself,
    #[error("The local network {0} has no router attached.")]
    LocalNetworkNoRouter(Uuid),
    #[error("The peering {0} is not disabled.")]
    PeeringNotDisabled(Uuid),
    #[error("The network {0} has peerings; delete them first.")]
    NetworkHasPeerings(Uuid),
    #[error("The network {0} has ports; delete them first.")]
    NetworkHasPorts(Uuid),
    #[error("The router {0} has networks attached; detach them first.")]
    RouterAttached(Uuid),
    #[error(
        "The network cannot use this router: its {mine} overlaps {theirs}, which network {network} reaches already."
    )]
    OverlapsOnRouter { mine: String, theirs: String, network: Uuid },
    #[error("The address {0} is in use on the network already.")]
    AddressTaken(IpAddr),
    #[error("The network {0} has no free address left.")]
    NoFreeAddress(Uuid),
    #[error("A port is attached at {0} of that host already.")]
    AttachmentTaken(String),
    #[error("The {0} {1} exists already.")]
    Exists(Noun, String),
    #[error("The host {0} carries ports or servers; delete or move them first.")]
    HostNotEmpty(String),
    #[error("The host {0} is revoked; it can join again with a token for it.")]
    HostRevoked(String),
    #[error("The host {0} has had a newer certificate since, and has used it.")]
    CertificateReplaced(String),
    #[error("The server UUID is invalid.")]
    ServerInvalid,
    #[error("The server {uuid} is {state} already.")]
    ServerState { uuid: Uuid, state: &'static str },
    #[error("The server has an interface {0} already.")]
    InterfaceExists(u8),
    #[error("The server has as many interfaces as it can have.")]
    InterfacesFull,
    #[error("The zone {0} is public: it cannot be deleted.")]
    ZonePublic(String),
    #[error("The zone {zone} has {by}.")]
    ZoneInUse { zone: String, by: &'static str },
    #[error("The {0} is in zone {1}, the {2} in zone {3}.")]
    ZoneMismatch(Noun, String, Noun, String),
    #[error("The join token is not known, was used already or has expired.")]
    JoinTokenInvalid,
    #[error("The account {0} may not do this: it is for administrators.")]
    AdminOnly(String),
    #[error("The account has as many networks as it may have: {0}.")]
    NetworkLimit(u32),
    #[error("The account has as many network peerings as it may have: {0}.")]
    PeeringLimit(u32),
    #[error("The account has as many routers as it may have: {0}.")]
    RouterLimit(u32),
    #[error("This was done already.")]
    DoneBefore,
    #[error("The Idempotency-Key was used for another request.")]
    KeyReused,
    #[error("This was done already, but what was answered is not known any more.")]
    AnswerLost,
    #[error("The object is not as If-Match has it.")]
    PreconditionFailed,
    #[error("The other half, {0}, belongs to another account: both cannot be deleted.")]
    PeerHalfForbidden(Uuid),
    #[error("The sub-account may not use the {0} {1}.")]
    Forbidden(Noun, String),
    #[error("The sub-account may not make a {0}: that takes access to all (*).")]
    ForbiddenToMake(Noun),
    #[error("The sub-account {0} may not do this: it is for the main account.")]
    MainOnly(String),
    #[error("The user {0} may not use the API, or not from this address.")]
    ApiForbidden(String),
    #[error("This token may not make credentials.")]
    TokenMakesNone,
    #[error("The account {0} owns things or has sub-accounts; delete them first.")]
    AccountNotEmpty(String),
    #[error("The account {0} is the last administrator.")]
    LastAdministrator(String),
    #[error("The user has as many tokens as it may have: {0}.")]
    TokenLimit(usize),
    #[error("The account has as many sub-accounts as it may have: {0}.")]
    SubAccountLimit(usize),
    #[error("The account has as many peering groups as it may have: {0}.")]
    PeeringGroupLimit(usize),
    #[error("The peering group {0} is being deleted.")]
    PeeringGroupLeaving(Uuid),
    #[error("The intent of the peering group {0} was never changed.")]
    NothingToUndo(Uuid),
    #[error(
        "These labels of the network {0} make it part of a peering group or part it from one: that takes access to all networks (*)."
    )]
    GroupLabels(Uuid),
    #[error("No VNI is left: every number up to 16777215 was given out.")]
    NoVniLeft,
}

impl Rule {
    pub fn bad(subject: Subject, at: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Bad { subject, at: at.into(), why: why.into() }
    }
}

/// What a bad attribute is about; the API has a code for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    Request,
    Name,
    NetworkNameMissing,
    NetworkName,
    RouterNameMissing,
    RouterName,
    ZoneMissing,
    Zone,
    Network,
    NetworkType,
    Router,
    IpAddress,
    LabelKey,
    LabelValue,
    LabelKeys,
    Route,
    RouteDuplicate,
    Nexthop,
    ServerTitleMissing,
    ServerTitle,
    HostnameMissing,
    Hostname,
    Plan,
    Cores,
    Memory,
}

/// A kind of thing, as the API's sentences name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noun {
    Peering,
    Network,
    PeerNetwork,
    PeeringRequest,
    PeeringGroup,
    Webhook,
    Router,
    Zone,
    Host,
    Port,
    Account,
    Server,
    Interface,
    Token,
    Permission,
    Storage,
    Seal,
    /// Of any kind.
    Object,
}

impl std::fmt::Display for Noun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Peering => "peering",
            Self::Network => "network",
            Self::PeerNetwork => "peer network",
            Self::Webhook => "webhook",
            Self::PeeringRequest => "peering request",
            Self::PeeringGroup => "peering group",
            Self::Router => "router",
            Self::Zone => "zone",
            Self::Host => "host",
            Self::Port => "port",
            Self::Account => "account",
            Self::Server => "server",
            Self::Storage => "storage",
            Self::Seal => "encryption",
            Self::Object => "object",
            Self::Interface => "interface",
            Self::Token => "token",
            Self::Permission => "permission",
        })
    }
}
