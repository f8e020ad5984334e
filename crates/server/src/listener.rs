//! The API's connections: HTTP/1.1, within TLS or without, all bounded.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Request, header};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::api::Api;
use crate::stopped;
use crate::tls::Greeting;

/// Connections at a time; more wait to be accepted.
const CONNECTIONS: usize = 4096;

/// From one request's end, or the start, to the next request's whole head.
const HEAD: Duration = Duration::from_secs(60);

/// How long requests may go on after a stop.
const FAREWELL: Duration = Duration::from_secs(10);

/// Serves until `stop` says so or is dropped, then ends what is under way.
/// Begins when it is known which hosts are at other servers.
pub(crate) async fn serve(
    listener: TcpListener,
    greeting: Option<Greeting>,
    api: Api,
    mut stop: watch::Receiver<bool>,
) {
    api.hub.introduced().await;
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    let stopping = stop.clone();
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            (stream, peer, permit) = accept(&listener, &room) => {
                let (api, stop) = (api.clone(), stopping.clone());
                let connection = connect(stream, greeting.clone(), peer, api, stop);
                connections.spawn(async move {
                    connection.await;
                    drop(permit);
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    // Those that do not end by themselves are cut.
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(FAREWELL, all).await;
}

async fn answer(
    api: Api,
    request: Request<Incoming>,
    peer: IpAddr,
) -> Result<Response, Infallible> {
    let hub = api.hub.clone();
    let mut response = api.serve(request.map(Body::new), peer).await?;
    if hub.is_closed() {
        // The next request is another server's. So no connection is closed
        // over which one may be on its way.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> (TcpStream, IpAddr, OwnedSemaphorePermit) {
    let permit = room.clone().acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer.ip(), permit),
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
    greeting: Option<Greeting>,
    peer: IpAddr,
    api: Api,
    mut stop: watch::Receiver<bool>,
) {
    // Answers are written whole and waited for.
    let _ = stream.set_nodelay(true);
    let Some(greeting) = greeting else { return converse(stream, peer, api, stop).await };
    let greeted = tokio::select! {
        greeted = greeting.shake_hands(stream) => greeted,
        () = stopped(&mut stop) => None,
    };
    if let Some(stream) = greeted {
        converse(stream, peer, api, stop).await;
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: IpAddr,
    api: Api,
    mut stop: watch::Receiver<bool>,
) {
    let service = service_fn(|request| answer(api.clone(), request, peer));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = &error as &dyn std::error::Error, "a connection broke");
    }
}
