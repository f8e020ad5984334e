//! A small TCP balancer on loopback, as operators put before several servers: it asks each whether it is ready, and
//! gives each connection to the next that is.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::socket;

use crate::relay::copy;

/// How often each is asked.
const LOOK: Duration = Duration::from_millis(50);

/// To connect, and to be told.
const LIMIT: Duration = Duration::from_secs(2);

/// Ends with all its threads on drop; connections end with their ends.
#[derive(Debug)]
pub struct Balancer {
    address: SocketAddr,
    state: Arc<State>,
    listener: TcpListener,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    servers: Vec<(SocketAddr, AtomicBool)>,
    next: AtomicUsize,
    stopping: AtomicBool,
}

impl Balancer {
    /// # Errors
    /// There is no port.
    pub fn start(servers: &[SocketAddr]) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("balancer")?;
        let address = listener.local_addr().context("balancer")?;
        let servers = servers.iter().map(|server| (*server, AtomicBool::new(true))).collect();
        let (next, stopping) = (AtomicUsize::new(0), AtomicBool::new(false));
        let state = Arc::new(State { servers, next, stopping });
        let (ours, accepts, looks) =
            (listener.try_clone().context("balancer")?, Arc::clone(&state), Arc::clone(&state));
        let threads = vec![
            std::thread::spawn(move || accept(&ours, &accepts)),
            std::thread::spawn(move || look(&looks)),
        ];
        Ok(Self { address, state, listener, threads })
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether the server is sent connections.
    #[must_use]
    pub fn is_ready(&self, server: SocketAddr) -> bool {
        let found = self.state.servers.iter().find(|(at, _)| *at == server);
        found.is_some_and(|(_, ready)| ready.load(Ordering::SeqCst))
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.state.stopping.store(true, Ordering::SeqCst);
        // As in Relay.
        let _ = socket::shutdown(self.listener.as_raw_fd(), socket::Shutdown::Both);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn look(state: &State) {
    while !state.stopping.load(Ordering::SeqCst) {
        for (server, ready) in &state.servers {
            ready.store(is_ready(*server).unwrap_or(false), Ordering::SeqCst);
        }
        std::thread::park_timeout(LOOK);
    }
}

fn is_ready(server: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&server, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: kannas\r\nconnection: close\r\n\r\n")?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    Ok(&status == b"HTTP/1.1 200")
}

fn accept(listener: &TcpListener, state: &Arc<State>) {
    for client in listener.incoming() {
        if state.stopping.load(Ordering::SeqCst) {
            return;
        }
        let Ok(client) = client else { continue };
        let state = Arc::clone(state);
        std::thread::spawn(move || {
            let Some(server) = state.connect() else { return };
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            std::thread::scope(|scope| {
                scope.spawn(|| copy(&client, &server));
                copy(&server, &client);
                // Over a connection that its server has closed nothing more is to be sent.
                let _ = client.shutdown(Shutdown::Both);
            });
        });
    }
}

impl State {
    /// To the next that is ready and takes the connection; to any if none is.
    fn connect(&self) -> Option<TcpStream> {
        let count = self.servers.len();
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let order = (first..first + count).map(|index| &self.servers[index % count]);
        let (ready, others): (Vec<_>, Vec<_>) =
            order.partition(|(_, ready)| ready.load(Ordering::SeqCst));
        let all = ready.into_iter().chain(others);
        all.map(|(server, _)| TcpStream::connect_timeout(server, LIMIT)).find_map(Result::ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventually;

    const SOON: Duration = Duration::from_secs(10);

    /// Answers each connection with a status and a letter, until it is told to stop.
    fn server(letter: u8) -> (SocketAddr, Arc<AtomicBool>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, ready) = (listener.local_addr().unwrap(), Arc::new(AtomicBool::new(true)));
        let is_ready = ready.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let status = if is_ready.load(Ordering::SeqCst) { "200" } else { "503" };
                let _ = stream.read(&mut [0; 1024]);
                let _ = write!(stream, "HTTP/1.1 {status} {}", letter as char);
            }
        });
        (address, ready)
    }

    fn ask(balancer: &Balancer) -> String {
        let mut stream = TcpStream::connect(balancer.address()).unwrap();
        stream.write_all(b"x").unwrap();
        io::read_to_string(stream).unwrap()
    }

    #[test]
    fn connections_go_to_those_in_turn_that_are_ready() {
        let [(a, a_ready), (b, _)] = [server(b'a'), server(b'b')];
        let balancer = Balancer::start(&[a, b]).unwrap();
        let mut said: Vec<String> = (0..4).map(|_| ask(&balancer)).collect();
        said.sort();
        assert_eq!(said, ["HTTP/1.1 200 a", "HTTP/1.1 200 a", "HTTP/1.1 200 b", "HTTP/1.1 200 b"]);
        a_ready.store(false, Ordering::SeqCst);
        eventually(SOON, "a is not ready", || (!balancer.is_ready(a)).then_some(())).unwrap();
        assert!((0..4).all(|_| ask(&balancer) == "HTTP/1.1 200 b"));
    }

    #[test]
    fn one_that_is_gone_is_passed_over() {
        let (b, _) = server(b'b');
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let balancer = Balancer::start(&[nobody, b]).unwrap();
        assert!((0..4).all(|_| ask(&balancer) == "HTTP/1.1 200 b"));
    }
}
