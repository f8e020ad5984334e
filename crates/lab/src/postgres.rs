//! A PostgreSQL of a test's own: on a Unix socket in a folder of its own, with no port.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User};

use crate::eventually::eventually;

/// Debian's, which is not in the path.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";

/// A start after a crash reads the log first.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs it until standard input ends, which is when we do, in whatever way; then stops it and leaves nothing behind.
const KEEPER: &str = r#"
run() {
    "$1/postgres" -D "$2/data" -k "$2" >> "$2/log" 2>&1 &
    pid=$!
}
run "$@"
while read -r order; do
    case $order in
        start) wait $pid 2> /dev/null; run "$@" ;;
        stop) kill -INT $pid; wait $pid ;;
    esac
done
kill -QUIT $pid 2> /dev/null
wait $pid
rm -rf "$2" 2> /dev/null
"#;

/// What a test needs not: what it writes may be lost when the machine fails, but not when processes do.
const SETTINGS: &str = "
listen_addresses = ''
max_connections = 300
shared_buffers = 32MB
fsync = off
autovacuum = off
log_line_prefix = '%m %p '
";

#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    keeper: Mutex<(Child, Option<ChildStdin>)>,
    databases: AtomicU32,
    /// Names the socket, too.
    port: AtomicU16,
}

impl Cluster {
    /// Debian's package is installed.
    #[must_use]
    pub fn is_there() -> bool {
        Path::new(PROGRAMS).join("postgres").exists()
    }

    /// # Errors
    /// Debian's package postgresql-15 is not there, or its server does not start.
    pub fn start() -> Result<Self> {
        let name = format!("kannas-pg-{}-{}", std::process::id(), count());
        Self::start_in(&std::env::temp_dir().join(name), SETTINGS)
    }

    /// With what it writes on the disk before it says so, in a new folder; for measuring.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn durable(folder: &Path) -> Result<Self> {
        Self::start_in(folder, "listen_addresses = ''\n")
    }

    fn start_in(folder: &Path, settings: &str) -> Result<Self> {
        fs::create_dir(folder).with_context(|| folder.display().to_string())?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
        let made = Self::init(folder, settings).and_then(|()| Self::keep(folder));
        if made.is_err() {
            let _ = fs::remove_dir_all(folder);
        }
        made
    }

    fn init(folder: &Path, settings: &str) -> Result<()> {
        let mut initdb = as_postgres("initdb")?;
        if let Some(user) = other_user()? {
            chown(folder, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
        }
        initdb.args([
            "--auth=trust",
            "--username=kannas",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
            "-D",
        ]);
        let out = initdb.arg(folder.join("data")).output().context("initdb")?;
        ensure!(out.status.success(), "initdb: {}", String::from_utf8_lossy(&out.stderr));
        fs::write(folder.join("data/postgresql.conf"), settings).context("postgresql.conf")
    }

    fn keep(folder: &Path) -> Result<Self> {
        let mut shell = as_user(Command::new("sh"))?;
        shell.args(["-c", KEEPER, "keeper", PROGRAMS]).arg(folder).stdin(Stdio::piped());
        // A ^C for us is none for it.
        let mut child = shell.process_group(0).spawn().context("sh")?;
        let orders = child.stdin.take();
        let it = Self {
            folder: folder.to_owned(),
            keeper: Mutex::new((child, orders)),
            databases: AtomicU32::new(0),
            port: AtomicU16::new(5432),
        };
        it.ready()?;
        Ok(it)
    }

    /// Waits until it answers.
    fn ready(&self) -> Result<()> {
        let answers = || {
            let mut ready = Command::new(format!("{PROGRAMS}/pg_isready"));
            let ready = ready.arg("-q").args(self.socket()).status();
            ready.is_ok_and(|status| status.success()).then_some(())
        };
        eventually(PATIENCE, "PostgreSQL answers", answers).with_context(|| self.log())
    }

    /// Flags of PostgreSQL's own programs.
    fn socket(&self) -> [String; 4] {
        let port = self.port.load(Ordering::Relaxed).to_string();
        ["-h".to_owned(), self.folder.display().to_string(), "-p".to_owned(), port]
    }

    /// What it has said.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_else(|error| error.to_string())
    }

    /// Where a database is.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let folder = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://kannas@{folder}:{}/{database}", self.port.load(Ordering::Relaxed))
    }

    /// The folder of its socket.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// An empty database; its URL.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn database(&self) -> Result<String> {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"))?;
        Ok(self.url(&name))
    }

    /// Runs statements by themselves, and gives the rows, columns parted by `|`.
    ///
    /// # Errors
    /// One of them fails.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String> {
        let mut psql = Command::new(format!("{PROGRAMS}/psql"));
        psql.args(["-XqtA", "-v", "ON_ERROR_STOP=1", "-U", "kannas", "-d", database, "-c", sql]);
        let out = psql.args(self.socket()).output().context("psql")?;
        ensure!(out.status.success(), "{sql}: {}", String::from_utf8_lossy(&out.stderr));
        Ok(String::from_utf8(out.stdout)?)
    }

    /// Has it serve on a port of 127.0.0.1 too, encrypted and no other way; gives the port.
    ///
    /// # Errors
    /// It does not start with that certificate.
    pub fn serve_tls(&self, certificate_pem: &str, key_pem: &str) -> Result<u16> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let data = self.folder.join("data");
        for (name, text) in [("server.crt", certificate_pem), ("server.key", key_pem)] {
            let file = data.join(name);
            fs::write(&file, text)?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
            if let Some(user) = other_user()? {
                chown(&file, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
            }
        }
        let access = "local all all trust\nhostssl all all 127.0.0.1/32 trust\n";
        fs::write(data.join("pg_hba.conf"), access)?;
        let settings = "ssl = on\nlisten_addresses = '127.0.0.1'\n";
        fs::write(data.join("postgresql.conf"), format!("{SETTINGS}{settings}port = {port}\n"))?;
        self.stop()?;
        self.port.store(port, Ordering::Relaxed);
        self.order("start")?;
        self.ready()?;
        Ok(port)
    }

    /// The process that all others of it are children of.
    ///
    /// # Errors
    /// It does not run.
    pub fn pid(&self) -> Result<Pid> {
        let text =
            fs::read_to_string(self.folder.join("data/postmaster.pid")).context("its pid")?;
        Ok(Pid::from_raw(text.lines().next().unwrap_or_default().parse().context("its pid")?))
    }

    /// SIGKILL to that process; its children end when they see it.
    ///
    /// # Errors
    /// It does not run.
    pub fn kill9(&self) -> Result<()> {
        kill(self.pid()?, Signal::SIGKILL).context("kill")
    }

    /// Starts it again after [`Self::kill9`] or [`Self::stop`].
    ///
    /// # Errors
    /// It does not start.
    pub fn start_again(&self) -> Result<()> {
        // Children of the last one keep the next one out for a moment.
        let started = || {
            self.order("start").ok()?;
            self.ready().ok()
        };
        eventually(PATIENCE, "PostgreSQL starts again", started).with_context(|| self.log())
    }

    /// As an operator does: sessions are cut off, and what was committed is written.
    ///
    /// # Errors
    /// It does not stop.
    pub fn stop(&self) -> Result<()> {
        self.order("stop")?;
        let gone = || (!self.folder.join("data/postmaster.pid").exists()).then_some(());
        eventually(PATIENCE, "PostgreSQL stops", gone)
    }

    fn order(&self, order: &str) -> Result<()> {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        let orders = keeper.1.as_mut().context("it is to end")?;
        io::Write::write_all(orders, format!("{order}\n").as_bytes()).context("its keeper is gone")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let keeper = self.keeper.get_mut().unwrap_or_else(PoisonError::into_inner);
        keeper.1 = None;
        let _ = keeper.0.wait();
        // Where only root may take a folder away.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Where a database is whose server has its socket in `folder`.
#[must_use]
pub fn url_at(folder: &Path, database: &str) -> String {
    let folder = folder.display().to_string().replace('/', "%2F");
    format!("postgres://kannas@{folder}/{database}")
}

fn count() -> u32 {
    static CLUSTERS: AtomicU32 = AtomicU32::new(0);
    CLUSTERS.fetch_add(1, Ordering::Relaxed)
}

fn as_postgres(program: &str) -> Result<Command> {
    let path = format!("{PROGRAMS}/{program}");
    ensure!(Path::new(&path).exists(), "{path} is not there: install Debian's postgresql-15");
    as_user(Command::new(path))
}

/// It refuses to run as root.
fn as_user(mut command: Command) -> Result<Command> {
    if let Some(user) = other_user()? {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw()).current_dir("/");
    }
    Ok(command)
}

fn other_user() -> Result<Option<User>> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(None);
    }
    Ok(Some(User::from_name("postgres")?.context("there is no user postgres")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_what_was_committed_when_killed_and_leaves_nothing_behind() {
        let cluster = Cluster::start().unwrap();
        let url = cluster.database().unwrap();
        assert!(url.ends_with("/test0"), "{url}");
        cluster.sql("test0", "CREATE TABLE t AS SELECT 7 AS n").unwrap();
        let pid = cluster.pid().unwrap();
        cluster.kill9().unwrap();
        cluster.start_again().unwrap();
        assert_ne!(cluster.pid().unwrap(), pid);
        assert_eq!(cluster.sql("test0", "SELECT n FROM t").unwrap(), "7\n");
        cluster.stop().unwrap();
        cluster.start_again().unwrap();
        assert_eq!(cluster.sql("test0", "SELECT n FROM t").unwrap(), "7\n");
        let (pid, folder) = (cluster.pid().unwrap(), cluster.folder.clone());
        drop(cluster);
        assert!(!folder.exists() && kill(pid, None).is_err());
    }
}
