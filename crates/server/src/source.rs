//! Where a request comes from, also behind a proxy that ends TLS.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderValue};
use model::ip_range::IpRange;

/// The peer of the connection; or, when that is one of our `proxies`, the last
/// address of `X-Forwarded-For` that is none. What stands before that is the
/// caller's own to write, and says nothing.
pub(crate) fn of(peer: IpAddr, headers: &HeaderMap, proxies: &[IpRange]) -> IpAddr {
    let is_proxy = |address: IpAddr| proxies.iter().any(|p| p.contains(address));
    let values = headers.get_all("x-forwarded-for").iter();
    let values: Vec<&str> = values.filter_map(|v| HeaderValue::to_str(v).ok()).collect();
    let mut hops = values.iter().flat_map(|v| v.split(',')).rev();
    let mut from = peer;
    while is_proxy(from) {
        let Some(Ok(before)) = hops.next().map(|hop| hop.trim().parse()) else { break };
        from = before;
    }
    from.to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_our_proxies_wrote_is_believed() {
        for (peer, forwarded, want) in [
            ("198.51.100.1", "", "198.51.100.1"),
            ("198.51.100.1", "192.0.2.9", "198.51.100.1"),
            ("10.0.0.1", "192.0.2.9", "192.0.2.9"),
            ("10.0.0.1", "203.0.113.7, 192.0.2.9", "192.0.2.9"),
            ("10.0.0.1", "192.0.2.9,10.0.0.2", "192.0.2.9"),
            ("::ffff:10.0.0.1", "2001:db8::1", "2001:db8::1"),
            ("10.0.0.1", "192.0.2.9, unknown", "10.0.0.1"),
            ("10.0.0.1", "", "10.0.0.1"),
            ("10.0.0.1", "10.0.0.3", "10.0.0.3"),
        ] {
            let value = HeaderValue::from_str(forwarded).unwrap();
            let headers = HeaderMap::from_iter([("x-forwarded-for".parse().unwrap(), value)]);
            let from = of(peer.parse().unwrap(), &headers, &["10.0.0.0/8".parse().unwrap()]);
            assert_eq!(from.to_string(), want, "{peer} {forwarded}");
        }
        assert_eq!(of([10, 0, 0, 1].into(), &HeaderMap::new(), &[]).to_string(), "10.0.0.1");
    }
}
