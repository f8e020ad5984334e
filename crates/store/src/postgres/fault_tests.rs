//! A network between the store and PostgreSQL that fails as it is told to, and
//! one that is encrypted.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::conformance::Database;
use crate::wishes::{found, id, router};
use crate::{Commit, Store, WriteError};

/// Ends a test that would wait for ever.
const LIMIT: Duration = Duration::from_secs(40);

#[derive(Default)]
struct Weather {
    /// The next group goes to PostgreSQL; its answer is kept back, and its
    /// connection is cut.
    cut: AtomicBool,
    /// No new connection is let through.
    closed: AtomicBool,
    cuts: AtomicUsize,
}

/// Between the store and a database.
struct Between {
    own: Own,
    url: Url,
    weather: Arc<Weather>,
}

impl Between {
    fn new() -> Self {
        let own = Own::new();
        let weather = Arc::<Weather>::default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let name = own.url.config.get_dbname().unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = format!("postgres://kannas@127.0.0.1:{port}/{name}?sslmode=disable");
        let (socket, there) = (socket_of(&own.url), weather.clone());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, socket, weather) = (client.unwrap(), socket.clone(), there.clone());
                std::thread::spawn(move || carry(client, &socket, &weather));
            }
        });
        Self { url: url.parse().unwrap(), own, weather }
    }
}

fn socket_of(url: &Url) -> PathBuf {
    match &url.config.get_hosts()[0] {
        tokio_postgres::config::Host::Unix(dir) => dir.join(".s.PGSQL.5432"),
        tokio_postgres::config::Host::Tcp(name) => panic!("{name} is no socket"),
    }
}

/// Both ways, until either ends.
fn carry(client: TcpStream, socket: &Path, weather: &Arc<Weather>) {
    if weather.closed.load(Ordering::SeqCst) {
        return;
    }
    let Ok(server) = UnixStream::connect(socket) else { return };
    let (mut from_server, mut to_client) =
        (server.try_clone().unwrap(), client.try_clone().unwrap());
    let cutting = Arc::new(AtomicBool::new(false));
    let kept_back = cutting.clone();
    std::thread::spawn(move || {
        let mut bytes = [0; 1 << 16];
        while let Ok(read @ 1..) = from_server.read(&mut bytes) {
            // It has answered, so it has done what it was asked.
            if kept_back.load(Ordering::SeqCst) || to_client.write_all(&bytes[..read]).is_err() {
                break;
            }
        }
        let _ = to_client.shutdown(Shutdown::Both);
        let _ = from_server.shutdown(Shutdown::Both);
    });
    let (mut from_client, mut to_server) = (client, server);
    let mut bytes = [0; 1 << 16];
    while let Ok(read @ 1..) = from_client.read(&mut bytes) {
        // Only a group has records, and each says what the write was caused by.
        let is_group = bytes[..read].windows(9).any(|it| it == b"\"edits\":[");
        if is_group && weather.cut.swap(false, Ordering::SeqCst) {
            weather.cuts.fetch_add(1, Ordering::SeqCst);
            cutting.store(true, Ordering::SeqCst);
        }
        if to_server.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    let _ = to_server.shutdown(Shutdown::Write);
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, work).await.expect("in time")
}

async fn write(store: &Store, n: u128) -> Arc<Commit> {
    in_time(store.write(router(id(n)))).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_whose_answer_was_lost_is_found_to_be_there_and_not_done_twice() {
    let between = Between::new();
    let store = Store::connect(&between.url).unwrap();
    let beside = Store::connect(&between.own.url).unwrap();
    in_time(store.write(found())).await.unwrap();
    let mut expected = 1;
    for n in 1..=5 {
        between.weather.cut.store(true, Ordering::SeqCst);
        let commit = write(&store, n).await;
        expected += 1;
        assert_eq!(commit.revision, expected);
        assert_eq!(between.weather.cuts.load(Ordering::SeqCst) as u128, n, "it was cut");
        // Others go on from there.
        expected += 1;
        assert_eq!(write(&beside, 100 + n).await.revision, expected);
    }
    let world = in_time(store.fresh()).await.unwrap();
    assert_eq!((world.revision(), world.routers.len()), (11, 10));
    assert_eq!(store.log().check().unwrap().entries, 11);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_known_is_not_called_undone_and_is_seen_when_it_is() {
    let between = Between::new();
    let store = Store::connect(&between.url).unwrap();
    in_time(store.write(found())).await.unwrap();
    between.weather.cut.store(true, Ordering::SeqCst);
    between.weather.closed.store(true, Ordering::SeqCst);
    let answer = in_time(store.write(router(id(1)))).await;
    let Err(WriteError::Store(error)) = answer else { panic!("{answer:?}") };
    assert!(!error.is_away(), "it may be there, and is: {error:?}");
    assert_eq!(store.world().routers.len(), 0);
    let refused = in_time(store.write(router(id(2)))).await;
    let Err(WriteError::Store(error)) = refused else { panic!("{refused:?}") };
    assert!(error.is_away(), "this one was never sent: {error:?}");
    between.weather.closed.store(false, Ordering::SeqCst);
    let commit = write(&store, 2).await;
    assert_eq!(commit.revision, 3);
    assert!(commit.world.routers.contains_key(&id(1)), "the one that was not known of");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_only_a_server_with_a_good_certificate_is_talked_to() {
    let cluster = lab::Cluster::start().unwrap();
    let authority = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let file = authority.path().join("authority.pem");
    std::fs::write(&file, made.cert.pem()).unwrap();
    let port = cluster.serve_tls(&made.cert.pem(), &made.signing_key.serialize_pem()).unwrap();
    let name = cluster.database().unwrap().rsplit('/').next().unwrap().to_owned();
    let url = |host: &str, more: &str| -> Url {
        format!("postgres://kannas@{host}:{port}/{name}?{more}").parse().unwrap()
    };
    let trusted = format!("sslrootcert={}", file.display());
    let store = Store::connect(&url("localhost", &trusted)).unwrap();
    in_time(store.write(found())).await.unwrap();
    assert_eq!(in_time(store.fresh()).await.unwrap().revision(), 1);
    in_time(store.leads().wait_for(|leads| *leads)).await.unwrap();
    let encrypted = "SELECT count(*) > 2 AND bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity \
        USING (pid) WHERE application_name = 'kannas'";
    assert_eq!(cluster.sql(&name, encrypted).unwrap(), "t\n", "each connection of it");
    for (what, url) in [
        ("an authority that nobody knows", url("localhost", "")),
        ("another name", url("127.0.0.1", &trusted)),
        ("without encryption", url("localhost", "sslmode=disable")),
    ] {
        assert!(Store::connect(&url).is_err(), "{what}");
    }
}
