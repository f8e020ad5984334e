//! Every call there is, as data.

use std::pin::Pin;

use axum::http::{Method, Uri};
use axum::response::Response;
use percent_encoding::percent_decode_str;

use crate::api::{Api, Call};
use crate::problem::Problem;
use crate::{
    account, audit, counters, encryption, explain, host, interface, network, openapi, past,
    peering, peering_group, peering_request, port, router, server, sub_account, token, unserved,
    webhook, zone,
};

pub(crate) type Answer = Result<Response, Problem>;

pub(crate) struct Route {
    pub(crate) caller: Caller,
    pub(crate) method: &'static str,
    /// With a name in braces for each segment that is the caller's.
    pub(crate) path: &'static str,
    pub(crate) handler: fn(Api, Call) -> Answering,
}

impl Route {
    /// It answers with a stream of events (HTML, section 9.2) and not with JSON.
    pub(crate) fn streams(&self) -> bool {
        self.path.ends_with("/stream")
    }
}

pub(crate) type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Who may call. What an account may do is the rules' to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    Anyone,
    /// Accounts and their sub-accounts, which its handler keeps to what they
    /// have access to.
    User,
    /// Accounts alone.
    Account,
}

macro_rules! routes {
    ($($caller:ident $method:ident $path:literal $handler:path;)*) => {
        &[$(Route {
            caller: Caller::$caller,
            method: stringify!($method),
            path: $path,
            handler: |api, call| Box::pin($handler(api, call)),
        }),*]
    };
}

pub(crate) static ROUTES: &[Route] = routes! {
    Anyone GET "/livez" openapi::ok;
    Anyone GET "/readyz" openapi::ready;
    Anyone GET "/openapi.json" openapi::show;

    User GET "/1.3/account" account::show;
    User GET "/1.3/account/list" account::list;
    User GET "/1.3/account/details/{username}" account::details;
    Account POST "/1.3/account/sub" sub_account::create;
    Account PUT "/1.3/account/sub/{username}" sub_account::modify;
    Account DELETE "/1.3/account/sub/{username}" sub_account::delete;
    User GET "/1.3/account/tokens" token::list;
    User POST "/1.3/account/tokens" token::create;
    User GET "/1.3/account/tokens/{id}" token::show;
    User DELETE "/1.3/account/tokens/{id}" token::delete;
    Account GET "/1.3/permission" sub_account::permissions;
    Account POST "/1.3/permission/grant" sub_account::grant;
    Account POST "/1.3/permission/revoke" sub_account::revoke;
    User GET "/1.3/zone" zone::list;

    User GET "/1.3/network" network::list;
    User POST "/1.3/network" network::create;
    User GET "/1.3/network/{uuid}" network::show;
    User PUT "/1.3/network/{uuid}" network::modify;
    User DELETE "/1.3/network/{uuid}" network::delete;

    User GET "/1.3/router" router::list;
    User POST "/1.3/router" router::create;
    User GET "/1.3/router/{uuid}" router::show;
    User PATCH "/1.3/router/{uuid}" router::modify;
    User DELETE "/1.3/router/{uuid}" router::delete;

    User GET "/1.3/network-peering" peering::list;
    User POST "/1.3/network-peering" peering::create;
    User GET "/1.3/network-peering/{uuid}" peering::show;
    User PATCH "/1.3/network-peering/{uuid}" peering::modify;
    User DELETE "/1.3/network-peering/{uuid}" peering::delete;

    User GET "/1.3/server" server::list;
    User POST "/1.3/server" server::create;
    User GET "/1.3/server/{uuid}" server::show;
    User PUT "/1.3/server/{uuid}" server::modify;
    User DELETE "/1.3/server/{uuid}" server::delete;
    User POST "/1.3/server/{uuid}/start" server::start;
    User POST "/1.3/server/{uuid}/stop" server::stop;
    User POST "/1.3/server/{uuid}/restart" server::restart;
    User GET "/1.3/server/{uuid}/firewall_rule" server::firewall_rules;
    User GET "/1.3/server/{uuid}/networking" server::networking;
    User POST "/1.3/server/{uuid}/networking/interface" interface::create;
    User PUT "/1.3/server/{uuid}/networking/interface/{index}" interface::modify;
    User DELETE "/1.3/server/{uuid}/networking/interface/{index}" interface::delete;

    User GET "/1.3/plan" server::plans;

    User GET "/1.3/database" unserved::services;
    User GET "/1.3/file-storage" unserved::services;
    User GET "/1.3/kubernetes" unserved::services;
    User GET "/1.3/load-balancer" unserved::services;
    User GET "/1.3/load-balancer/certificate-bundles" unserved::services;
    User GET "/1.3/object-storage-2" unserved::services;
    User GET "/1.3/server-group" unserved::server_groups;
    User GET "/1.3/storage" unserved::storages;
    User GET "/1.3/storage/{kind}" unserved::storages_of;
    User GET "/1.3/tag" unserved::tags;

    User GET "/kannas/v1/peering-requests" peering_request::list;
    User POST "/kannas/v1/peering-requests/{uuid}/accept" peering_request::accept;
    User POST "/kannas/v1/peering-requests/{uuid}/decline" peering_request::decline;

    Account GET "/kannas/v1/events" audit::list;
    Account GET "/kannas/v1/events/check" audit::check;
    Account GET "/kannas/v1/events/stream" audit::follow;
    Account GET "/kannas/v1/history/{uuid}" audit::history;
    Account GET "/kannas/v1/past/network-peering" past::list;
    Account GET "/kannas/v1/past/network-peering/{uuid}" past::show;

    Account GET "/kannas/v1/peering-groups" peering_group::list;
    Account POST "/kannas/v1/peering-groups" peering_group::create;
    Account GET "/kannas/v1/peering-groups/{uuid}" peering_group::show;
    Account PATCH "/kannas/v1/peering-groups/{uuid}" peering_group::modify;
    Account DELETE "/kannas/v1/peering-groups/{uuid}" peering_group::delete;
    Account POST "/kannas/v1/peering-groups/{uuid}/undo" peering_group::undo;

    User GET "/kannas/v1/peerings/{uuid}/counters" counters::of_peering;
    User POST "/kannas/v1/explain" explain::explain;

    Account GET "/kannas/v1/webhook" webhook::show;
    Account PUT "/kannas/v1/webhook" webhook::set;
    Account DELETE "/kannas/v1/webhook" webhook::delete;

    User GET "/kannas/v1/ports" port::list;
    User POST "/kannas/v1/ports" port::create;
    User GET "/kannas/v1/ports/{uuid}" port::show;
    User DELETE "/kannas/v1/ports/{uuid}" port::delete;

    Account POST "/kannas/v1/zones" zone::create;
    Account DELETE "/kannas/v1/zones/{id}" zone::delete;

    Account GET "/kannas/v1/encryption" encryption::show;
    Account POST "/kannas/v1/encryption/rotate" encryption::rotate;
    Account PUT "/kannas/v1/encryption/{zone}/{other}" encryption::set;
    Account DELETE "/kannas/v1/encryption/{zone}/{other}" encryption::delete;

    Account GET "/kannas/v1/hosts" host::list;
    Account DELETE "/kannas/v1/hosts/{id}" host::delete;
    Account POST "/kannas/v1/hosts/{id}/renew" host::renew;
    Account POST "/kannas/v1/hosts/{id}/revoke" host::revoke;
    Account GET "/kannas/v1/hosts/{id}/counters" counters::of_host;
    Account GET "/kannas/v1/counters" counters::of_server;
    Account GET "/kannas/v1/host-pairs" host::pairs;
    Account POST "/kannas/v1/host-tokens" host::create_token;

    Account GET "/kannas/v1/accounts" account::list_all;
    Account POST "/kannas/v1/accounts" account::create;
    User PUT "/kannas/v1/accounts/{name}" account::set_password;
    Account PUT "/kannas/v1/accounts/{name}/limits" account::set_limits;
    Account DELETE "/kannas/v1/accounts/{name}" account::delete;
};

/// The route, and what its braces stand for in `uri`, decoded.
///
/// A slash more or less, at the end or doubled, makes no difference: clients
/// disagree on it, and a redirect would turn a POST into a GET (contract
/// section 1.4).
///
/// # Errors
/// [`Problem::NotFound`] and [`Problem::MethodNotAllowed`].
pub(crate) fn find(method: &Method, uri: &Uri) -> Result<(&'static Route, Vec<String>), Problem> {
    let given: Vec<&str> = uri.path().split('/').filter(|s| !s.is_empty()).collect();
    let mut methods = Vec::new();
    for route in ROUTES {
        let Some(ids) = matched(route.path, &given) else { continue };
        if route.method == method.as_str() {
            return Ok((route, ids));
        }
        methods.push(route.method);
    }
    if methods.is_empty() {
        return Err(Problem::NotFound);
    }
    Err(Problem::MethodNotAllowed(methods.join(", ")))
}

fn matched(path: &str, given: &[&str]) -> Option<Vec<String>> {
    let mut ids = Vec::new();
    let mut rest = given.iter();
    for segment in path.split('/').filter(|s| !s.is_empty()) {
        let text = percent_decode_str(rest.next()?).decode_utf8_lossy();
        if segment.starts_with('{') {
            ids.push(text.into_owned());
        } else if segment != text {
            return None;
        }
    }
    rest.next().is_none().then_some(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_and_percent_codes_lead_to_the_same_route() {
        for (uri, path, ids) in [
            ("/1.3/network", "/1.3/network", &[][..]),
            ("/1.3/network/", "/1.3/network", &[]),
            ("//1.3///network//?zone=x", "/1.3/network", &[]),
            ("/1.3/network/x/", "/1.3/network/{uuid}", &["x"]),
            ("/1.3/network/a%2fb", "/1.3/network/{uuid}", &["a/b"]),
            ("/1.3/network/%ff%", "/1.3/network/{uuid}", &["\u{fffd}%"]),
            ("/1.3/network%2Dpeering", "/1.3/network-peering", &[]),
            ("/1.3/account/list", "/1.3/account/list", &[]),
        ] {
            let found = find(&Method::GET, &uri.parse().unwrap());
            let (route, found) = found.unwrap_or_else(|e| panic!("{uri}: {e:?}"));
            assert_eq!(route.path, path, "{uri}");
            assert_eq!(found, ids, "{uri}");
        }
        for uri in ["/", "*", "/1.3", "/1.2/network", "/1.3/network/x/y", "/1.3%2Fnetwork"] {
            let found = find(&Method::GET, &uri.parse().unwrap());
            assert!(matches!(found, Err(Problem::NotFound)), "{uri}");
        }
    }

    #[test]
    fn a_verb_that_a_path_has_not_is_told_which_it_has() {
        let found = find(&Method::PUT, &"/1.3/router/x".parse().unwrap());
        let Err(Problem::MethodNotAllowed(methods)) = found else { panic!("found something") };
        assert_eq!(methods, "GET, PATCH, DELETE");
    }
}
