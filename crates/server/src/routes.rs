//! Every call there is, as data.

use std::pin::Pin;

use axum::http::{Method, Uri};
use axum::response::Response;
use percent_encoding::percent_decode_str;

use crate::api::{Api, Call};
use crate::problem::Problem;
use crate::{
    account, host, interface, network, openapi, peering, peering_request, port, router, server,
    unserved, zone,
};

pub(crate) type Answer = Result<Response, Problem>;

pub(crate) struct Route {
    pub(crate) caller: Caller,
    pub(crate) method: &'static str,
    /// With a name in braces for each segment that is the caller's.
    pub(crate) path: &'static str,
    pub(crate) handler: fn(Api, Call) -> Answering,
}

pub(crate) type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Who may call. What an account may do is the rules' to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    Anyone,
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
    Anyone GET "/readyz" openapi::ok;
    Anyone GET "/openapi.json" openapi::show;

    Account GET "/1.3/account" account::show;
    Account GET "/1.3/account/list" account::list;
    Account GET "/1.3/account/details/{username}" account::details;
    Account GET "/1.3/zone" zone::list;

    Account GET "/1.3/network" network::list;
    Account POST "/1.3/network" network::create;
    Account GET "/1.3/network/{uuid}" network::show;
    Account PUT "/1.3/network/{uuid}" network::modify;
    Account DELETE "/1.3/network/{uuid}" network::delete;

    Account GET "/1.3/router" router::list;
    Account POST "/1.3/router" router::create;
    Account GET "/1.3/router/{uuid}" router::show;
    Account PATCH "/1.3/router/{uuid}" router::modify;
    Account DELETE "/1.3/router/{uuid}" router::delete;

    Account GET "/1.3/network-peering" peering::list;
    Account POST "/1.3/network-peering" peering::create;
    Account GET "/1.3/network-peering/{uuid}" peering::show;
    Account PATCH "/1.3/network-peering/{uuid}" peering::modify;
    Account DELETE "/1.3/network-peering/{uuid}" peering::delete;

    Account GET "/1.3/server" server::list;
    Account POST "/1.3/server" server::create;
    Account GET "/1.3/server/{uuid}" server::show;
    Account PUT "/1.3/server/{uuid}" server::modify;
    Account DELETE "/1.3/server/{uuid}" server::delete;
    Account POST "/1.3/server/{uuid}/start" server::start;
    Account POST "/1.3/server/{uuid}/stop" server::stop;
    Account POST "/1.3/server/{uuid}/restart" server::restart;
    Account GET "/1.3/server/{uuid}/firewall_rule" server::firewall_rules;
    Account GET "/1.3/server/{uuid}/networking" server::networking;
    Account POST "/1.3/server/{uuid}/networking/interface" interface::create;
    Account PUT "/1.3/server/{uuid}/networking/interface/{index}" interface::modify;
    Account DELETE "/1.3/server/{uuid}/networking/interface/{index}" interface::delete;

    Account GET "/1.3/plan" server::plans;

    Account GET "/1.3/database" unserved::services;
    Account GET "/1.3/file-storage" unserved::services;
    Account GET "/1.3/kubernetes" unserved::services;
    Account GET "/1.3/load-balancer" unserved::services;
    Account GET "/1.3/load-balancer/certificate-bundles" unserved::services;
    Account GET "/1.3/object-storage-2" unserved::services;
    Account GET "/1.3/server-group" unserved::server_groups;
    Account GET "/1.3/storage/private" unserved::storages;
    Account GET "/1.3/tag" unserved::tags;

    Account GET "/kannas/v1/peering-requests" peering_request::list;
    Account POST "/kannas/v1/peering-requests/{uuid}/accept" peering_request::accept;
    Account POST "/kannas/v1/peering-requests/{uuid}/decline" peering_request::decline;

    Account GET "/kannas/v1/ports" port::list;
    Account POST "/kannas/v1/ports" port::create;
    Account GET "/kannas/v1/ports/{uuid}" port::show;
    Account DELETE "/kannas/v1/ports/{uuid}" port::delete;

    Account POST "/kannas/v1/zones" zone::create;
    Account DELETE "/kannas/v1/zones/{id}" zone::delete;

    Account GET "/kannas/v1/hosts" host::list;
    Account DELETE "/kannas/v1/hosts/{id}" host::delete;
    Account POST "/kannas/v1/host-tokens" host::create_token;

    Account GET "/kannas/v1/accounts" account::list_all;
    Account POST "/kannas/v1/accounts" account::create;
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
