//! A way through the wall of a namespace for one TCP service, without a link that packets could take.
//!
//! Each connection is accepted on one side and made anew on the other.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::socket;

use crate::netns::{Netns, run_in};

const CONNECT: Duration = Duration::from_secs(5);

/// Listens on 127.0.0.1 of one namespace; stops, with all its connections, on drop.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    state: Arc<State>,
    listener: TcpListener,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    /// Where `target` is: None is the namespace that the relay was started in.
    inside: Option<OwnedFd>,
    target: SocketAddr,
    stopping: AtomicBool,
    open: Mutex<BTreeMap<u64, [TcpStream; 2]>>,
}

impl Relay {
    /// In: forwards each connection to our 127.0.0.1:`port` (0: any free one) to `target` as `inside` sees it.
    ///
    /// A target that cannot be reached closes the connection at once; later ones are tried again.
    ///
    /// # Errors
    /// The port is taken.
    pub fn start(port: u16, inside: &Netns, target: SocketAddr) -> Result<Self> {
        Self::over(listen(port)?, Some(inside.handle()?), target)
    }

    /// Out: forwards each connection to 127.0.0.1:`port` (0: any free one) of `inside` to `target` as we see it.
    ///
    /// # Errors
    /// As [`Relay::start`].
    pub fn start_out(port: u16, inside: &Netns, target: SocketAddr) -> Result<Self> {
        Self::over(inside.run(|| listen(port))??, None, target)
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    fn over(listener: TcpListener, inside: Option<OwnedFd>, target: SocketAddr) -> Result<Self> {
        let address = listener.local_addr().context("relay address")?;
        let (stopping, open) = (AtomicBool::new(false), Mutex::default());
        let state = Arc::new(State { inside, target, stopping, open });
        let (ours, shared) = (listener.try_clone().context("relay")?, Arc::clone(&state));
        let accepting = Some(std::thread::spawn(move || accept(&ours, &shared)));
        Ok(Self { address, state, listener, accepting })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.state.stopping.store(true, Ordering::SeqCst);
        self.state.shut_all();
        // Wakes the listener from accept(2); only Linux lets a listening socket be shut.
        let _ = socket::shutdown(self.listener.as_raw_fd(), socket::Shutdown::Both);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        // A connection that was being made while the first ones were shut.
        self.state.shut_all();
    }
}

impl State {
    fn shut_all(&self) {
        for stream in self.open.lock().unwrap_or_else(PoisonError::into_inner).values().flatten() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn connect(&self) -> Result<TcpStream> {
        let connect = || TcpStream::connect_timeout(&self.target, CONNECT);
        Ok(match &self.inside {
            Some(inside) => run_in(inside, connect)??,
            None => connect()?,
        })
    }
}

fn listen(port: u16) -> Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).with_context(|| format!("relay port {port}"))
}

fn accept(listener: &TcpListener, state: &Arc<State>) {
    for (id, outside) in (0..).zip(listener.incoming()) {
        if state.stopping.load(Ordering::SeqCst) {
            return;
        }
        let Ok(outside) = outside else { continue };
        let state = Arc::clone(state);
        std::thread::spawn(move || {
            // The client sees an end of its connection: all that a failed forward can say.
            let _ = forward(id, &outside, &state);
            let _ = outside.shutdown(Shutdown::Both);
            state.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        });
    }
}

fn forward(id: u64, outside: &TcpStream, state: &State) -> Result<()> {
    let inside = state.connect()?;
    let _ = (outside.set_nodelay(true), inside.set_nodelay(true));
    let ends = [outside.try_clone()?, inside.try_clone()?];
    state.open.lock().unwrap_or_else(PoisonError::into_inner).insert(id, ends);
    if state.stopping.load(Ordering::SeqCst) {
        state.shut_all();
    }
    std::thread::scope(|scope| {
        scope.spawn(|| copy(outside, &inside));
        copy(&inside, outside);
    });
    Ok(())
}

/// Passes the end of the one direction on; the other may still be in use.
pub(crate) fn copy(mut from: &TcpStream, mut to: &TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use crate::netns::prefix;

    fn echo_in(netns: &Netns) -> SocketAddr {
        let listener = netns.run(|| TcpListener::bind("127.0.0.1:0")).unwrap().unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || io::copy(&mut &stream, &mut &stream));
            }
        });
        address
    }

    fn client(relay: &Relay) -> TcpStream {
        let client = TcpStream::connect(relay.address()).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        client
    }

    #[test]
    fn a_server_inside_answers_outside_and_sees_the_end_of_the_question() {
        let netns = Netns::new(format!("{}relay", prefix("kt"))).unwrap();
        let relay = Relay::start(0, &netns, echo_in(&netns)).unwrap();
        for _ in 0..3 {
            let mut client = client(&relay);
            client.write_all(b"hello").unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            assert_eq!(io::read_to_string(client).unwrap(), "hello");
        }
    }

    #[test]
    fn a_drop_ends_open_connections_and_frees_the_port() {
        let netns = Netns::new(format!("{}relay-drop", prefix("kt"))).unwrap();
        let relay = Relay::start(0, &netns, echo_in(&netns)).unwrap();
        let mut client = client(&relay);
        client.write_all(b"x").unwrap();
        client.read_exact(&mut [0]).unwrap();
        let address = relay.address();
        drop(relay);
        assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)));
        TcpStream::connect(address).unwrap_err();
    }

    #[test]
    fn a_client_inside_reaches_a_server_outside_and_nothing_else_of_it() {
        let netns = Netns::new(format!("{}relay-out", prefix("kt"))).unwrap();
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = server.local_addr().unwrap();
        let relay = Relay::start_out(0, &netns, target).unwrap();
        let connect = |address: SocketAddr| netns.run(|| TcpStream::connect(address)).unwrap();
        let mut client = connect(relay.address()).unwrap();
        let (mut accepted, _) = server.accept().unwrap();
        client.write_all(b"out").unwrap();
        let mut text = [0; 3];
        accepted.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"out");
        connect(target).unwrap_err();
        drop(relay);
        assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)));
    }

    #[test]
    fn nobody_inside_closes_the_connection() {
        let netns = Netns::new(format!("{}relay-none", prefix("kt"))).unwrap();
        let relay = Relay::start(0, &netns, SocketAddr::from(([127, 0, 0, 1], 9))).unwrap();
        assert!(matches!(client(&relay).read(&mut [0]), Ok(0) | Err(_)));
    }
}
