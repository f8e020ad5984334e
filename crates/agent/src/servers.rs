//! The servers that a host may come to, all of one installation: any will do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rand::seq::SliceRandom;
use rustls::ClientConfig;
use tokio::net::lookup_host;

use crate::client::{Address, ClientError, Link};

/// One of several that has not answered by then gives way to the next.
const TURN: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(crate) struct Servers {
    all: Vec<Address>,
    last: Option<SocketAddr>,
}

impl Servers {
    /// # Errors
    /// One of them is no address.
    pub(crate) fn new(urls: &[String]) -> Result<Self, ClientError> {
        let all = urls.iter().map(|url| url.parse()).collect::<Result<_, _>>()?;
        Ok(Self { all, last: None })
    }

    /// Connects to one of them, in no fixed order, so that hosts spread; where
    /// it was last comes last.
    ///
    /// # Errors
    /// None can be connected to: why the last that was tried cannot. That one
    /// is not of the authority only when that is so of all.
    pub(crate) async fn open(&mut self, tls: &Arc<ClientConfig>) -> Result<Link, ClientError> {
        let mut worst = None;
        let found = self.resolve(&mut worst).await;
        let alone = found.len() == 1;
        for (at, address) in found {
            self.last = Some(address);
            let link = Link::open(&at, address, tls.clone());
            let opened = match alone {
                true => link.await,
                false => tokio::time::timeout(TURN, link).await.unwrap_or(Err(ClientError::Late)),
            };
            match opened {
                Ok(link) => return Ok(link),
                Err(ClientError::Untrusted { .. }) if worst.is_some() => {}
                Err(error) => worst = Some(error),
            }
        }
        Err(worst.unwrap_or(ClientError::Late))
    }

    /// All addresses that their names stand for.
    async fn resolve(&self, worst: &mut Option<ClientError>) -> Vec<(Address, SocketAddr)> {
        let mut found = Vec::new();
        for at in &self.all {
            match lookup_host(at.host_and_port()).await {
                Ok(addresses) => found.extend(addresses.map(|it| (at.clone(), it))),
                Err(source) => *worst = Some(at.failed(source)),
            }
        }
        found.shuffle(&mut rand::rng());
        found.sort_by_key(|(_, address)| Some(*address) == self.last);
        found
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    async fn order(servers: &Servers) -> Vec<u16> {
        let found = servers.resolve(&mut None).await;
        found.iter().map(|(_, address)| address.port()).collect()
    }

    #[tokio::test]
    async fn any_is_the_first_but_where_it_was_last() {
        let urls = [1, 2, 3].map(|port| format!("https://127.0.0.1:{port}"));
        let mut servers = Servers::new(&urls).unwrap();
        let mut first = BTreeSet::new();
        for _ in 0..200 {
            first.insert(order(&servers).await[0]);
        }
        assert_eq!(first, [1, 2, 3].into());
        servers.last = Some(([127, 0, 0, 1], 2).into());
        for _ in 0..50 {
            assert_eq!(order(&servers).await[2], 2);
        }
    }

    #[test]
    fn one_that_is_no_address_is_refused() {
        let urls = ["https://a:1", "http://b:1"].map(str::to_owned);
        assert!(matches!(Servers::new(&urls), Err(ClientError::Address(it)) if it == urls[1]));
    }
}
