//! Connections: TLS with the authority's certificates, HTTP/2, all bounded.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use model::objects::Authority;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use store::Store;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use uuid::Uuid;

use super::authority::{CertificateError, issue_server};
use super::door::{Door, Peer, router};
use super::hub::Hub;
use super::signed::Signed;
use super::{lessor, peers};

/// Connections at a time; more wait to be accepted.
const CONNECTIONS: usize = 16 << 10;

/// From the first byte to a finished TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A connection without a certificate is for one join, and one of a host that
/// is not let in to be told so.
const STRANGER: Duration = Duration::from_secs(30);

/// How long requests may go on after a stop.
const FAREWELL: Duration = Duration::from_secs(2);

/// Serves agents until `shutdown`, then ends their streams.
///
/// # Errors
/// There is no authority, or it cannot be used.
pub async fn serve(
    listener: TcpListener,
    store: Store,
    hub: Hub,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let authority = store.world().authority().cloned();
    let authority = authority.ok_or_else(|| io::Error::other("the store has no authority"))?;
    let (tls, peer_tls) = tls(&authority, hub.node()).map_err(io::Error::other)?;
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let (stopping, stop) = watch::channel(false);
    let others = async {
        tokio::join!(
            lessor::run(store.clone(), hub.clone()),
            peers::hear(hub.clone(), Arc::new(peer_tls)),
            peers::beat(store.clone(), hub.clone()),
            peers::touch(store.clone(), hub.clone()),
        )
    };
    let router = router(Door { store: store.clone(), hub: hub.clone(), stop: stop.clone() });
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown, others);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            _ = &mut others => {}
            stream = accept(&listener, &room) => {
                let (stream, permit) = stream;
                let (acceptor, router, hub) = (acceptor.clone(), router.clone(), hub.clone());
                let connection = connect(stream, acceptor, router, hub, stop.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(permit);
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    stopping.send_replace(true);
    // Those that do not end by themselves are cut.
    let _ =
        tokio::time::timeout(FAREWELL, async { while connections.join_next().await.is_some() {} })
            .await;
    peers::end(&store, &hub).await;
    Ok(())
}

/// Waits until the server is to stop, or is gone.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> (TcpStream, tokio::sync::OwnedSemaphorePermit) {
    let permit = room.clone().acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            Err(error) => {
                // Out of descriptors, or a client that was gone at once: the
                // next may do.
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connect(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    router: Router,
    hub: Hub,
    mut stop: watch::Receiver<bool>,
) {
    // Lines are small and waited for.
    let _ = stream.set_nodelay(true);
    let stream = match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            return tracing::debug!(error = &error as &dyn std::error::Error, "no TLS");
        }
        Err(_) => return tracing::debug!("a TLS handshake took too long"),
    };
    let certificates = stream.get_ref().1.peer_certificates();
    let shown = certificates.and_then(|chain| chain.first());
    let peer = Peer::new(shown);
    let (host, node) = (peer.host, peer.node);
    let service = TowerToHyperService::new(router.layer(Extension(peer)));
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(20))
        .max_concurrent_streams(if node.is_some() { 128 } else { 8 })
        .max_header_list_size(16 << 10)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let over = async {
        match (host, node) {
            (_, Some(_)) => std::future::pending().await,
            (Some(host), None) => {
                // It may have joined a moment ago.
                let known = hub.until(|| hub.admits(host));
                let _ = tokio::time::timeout(STRANGER, known).await;
                hub.is_barred(host).await;
            }
            (None, None) => tokio::time::sleep(STRANGER).await,
        }
    };
    tokio::select! {
        ended = connection.as_mut() => {
            if let Err(error) = ended {
                tracing::debug!(error = &error as &dyn std::error::Error, "a connection broke");
            }
            return;
        }
        () = stopped(&mut stop) => {}
        () = over => if let Some(host) = host {
            return tracing::info!(%host, "cut off a host that is not let in");
        },
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(FAREWELL, connection).await;
}

#[derive(Debug, thiserror::Error)]
enum TlsError {
    #[error("cannot use the authority")]
    Authority(#[from] CertificateError),
    #[error("cannot set up TLS")]
    Rustls(#[from] rustls::Error),
    #[error("cannot set up the check of hosts' certificates")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

/// A certificate of the client is checked if there is one: a machine that
/// joins has none yet. Beside it how other servers are reached.
fn tls(
    authority: &Authority,
    node: Option<Uuid>,
) -> Result<(ServerConfig, ClientConfig), TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let root = CertificateDer::from_pem_slice(authority.certificate_pem.as_bytes())
        .map_err(CertificateError::from)?;
    let server = issue_server(authority, node)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(server.signing_key.serialize_der()));
    let mut roots = RootCertStore::empty();
    roots.add(root.clone())?;
    let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone())
        .allow_unauthenticated()
        .build()?;
    let chain = vec![server.cert.der().clone(), root.clone()];
    let peers = peers::client(root, chain.clone(), key.clone_key())?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(Signed(clients)))
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    // Hosts stay connected; so tickets would be memory for nothing.
    config.send_tls13_tickets = 0;
    Ok((config, peers))
}
