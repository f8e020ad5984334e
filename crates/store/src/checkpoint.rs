//! Moves what was committed from SQLite's log (WAL) to its file, beside the
//! commits and not in their way.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use crate::engine::Error;

/// Pages that may be written between two checkpoints.
const EVERY: usize = 1_000;

/// Pages of log from which it is to begin anew: about 4 MB. It can only when
/// all of it was moved and the writer, who adds to it, stands still; so the
/// writer moves the rest.
const ENOUGH: i64 = 1_000;

/// Pages that the writer moves at most.
const REST: i64 = 200;

/// Rounds in which the writer may add more than was left before.
const ROUNDS: usize = 8;

pub(crate) struct Checkpoints {
    asked: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    writers_turn: Arc<AtomicBool>,
    pages: usize,
}

/// Pages in the log, and how many of them the file has too.
struct Log {
    pages: i64,
    moved: i64,
}

impl Checkpoints {
    /// # Errors
    /// No second connection to the database, or no thread.
    pub(crate) fn start(path: &Path) -> Result<Self, Error> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        let writers_turn = Arc::new(AtomicBool::new(false));
        let (asked, queue) = sync_channel(1);
        let turn = writers_turn.clone();
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || run(&queue, &connection, &turn))
            .map_err(Error::Thread)?;
        Ok(Self { asked: Some(asked), thread: Some(thread), writers_turn, pages: 0 })
    }

    /// To be told after each commit, by the writer and with its connection;
    /// `pages` is how many it has written at most.
    pub(crate) fn committed(&mut self, connection: &Connection, pages: usize) {
        self.pages += pages;
        if self.pages >= EVERY {
            self.pages = 0;
            // Full: it was asked and has yet to begin.
            let _ = self.asked.as_ref().map(|asked| asked.try_send(()));
        }
        if self.writers_turn.swap(false, Ordering::Relaxed) {
            checkpoint(connection);
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.asked = None;
        // A panicked thread has said so already.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn run(asked: &Receiver<()>, connection: &Connection, writers_turn: &AtomicBool) {
    for () in asked {
        for _ in 0..ROUNDS {
            let Some(log) = checkpoint(connection) else { break };
            if log.pages < ENOUGH {
                break;
            }
            if log.pages - log.moved <= REST {
                writers_turn.store(true, Ordering::Relaxed);
                break;
            }
        }
    }
}

/// One that disturbs nobody (PASSIVE). The log stays whole if it fails.
fn checkpoint(connection: &Connection) -> Option<Log> {
    let row = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        Ok(Log { pages: row.get(1)?, moved: row.get(2)? })
    });
    match row {
        Ok(log) => Some(log),
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "checkpoint failed; it is tried again"
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One connection of a writer, and a checkpointer beside it.
    struct Log {
        dir: tempfile::TempDir,
        connection: Connection,
        checkpoints: Checkpoints,
    }

    impl Log {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("test.db");
            let connection = Connection::open(&path).unwrap();
            connection.pragma_update(None, "journal_mode", "WAL").unwrap();
            connection.pragma_update(None, "synchronous", "OFF").unwrap();
            connection.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
            connection.execute_batch("CREATE TABLE it (page BLOB)").unwrap();
            let checkpoints = Checkpoints::start(&path).unwrap();
            Self { dir, connection, checkpoints }
        }

        /// Adds at least so many pages, in one commit.
        fn write(&self, pages: i64) {
            let sql = "
                WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
                INSERT INTO it SELECT randomblob(4000) FROM n";
            self.connection.execute(sql, [pages]).unwrap();
        }

        /// How often the log began anew (SQLite's file format, section 4.1).
        fn begun(&self) -> u32 {
            let mut head = [0; 16];
            let mut log = std::fs::File::open(self.dir.path().join("test.db-wal")).unwrap();
            std::io::Read::read_exact(&mut log, &mut head).unwrap();
            u32::from_be_bytes([head[12], head[13], head[14], head[15]])
        }

        /// Bytes in the file.
        fn moved(&self) -> u64 {
            std::fs::metadata(self.dir.path().join("test.db")).unwrap().len()
        }

        fn wait_for_the_writers_turn(&self) {
            let start = std::time::Instant::now();
            while !self.checkpoints.writers_turn.load(Ordering::Relaxed) {
                assert!(start.elapsed().as_secs() < 20, "it is never the writer's turn");
                std::thread::yield_now();
            }
        }
    }

    #[test]
    fn a_long_log_is_moved_and_then_it_is_the_writers_turn() {
        let mut log = Log::new();
        log.write(ENOUGH);
        log.checkpoints.committed(&log.connection, EVERY);
        log.wait_for_the_writers_turn();
        assert!(log.moved() > u64::try_from(ENOUGH).unwrap() * 4000);
    }

    #[test]
    fn the_writer_moves_the_rest_so_that_the_log_begins_anew() {
        let mut log = Log::new();
        let first = log.begun();
        log.write(10);
        log.checkpoints.committed(&log.connection, 1);
        log.write(10);
        assert_eq!(log.begun(), first, "pages that were not moved keep it");
        log.checkpoints.writers_turn.store(true, Ordering::Relaxed);
        log.checkpoints.committed(&log.connection, 1);
        log.write(1);
        assert_eq!(log.begun(), first + 1);
        let count = "SELECT count(*) FROM it";
        let rows: i64 = log.connection.query_row(count, [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 21);
    }

    #[test]
    fn the_writer_is_left_alone_while_the_log_is_short() {
        let mut log = Log::new();
        let before = log.moved();
        log.write(100);
        assert_eq!(log.moved(), before, "a commit moves nothing");
        log.checkpoints.committed(&log.connection, EVERY - 1);
        log.checkpoints.committed(&log.connection, 1);
        // Ends the thread, which does first what it was asked to.
        drop(log.checkpoints.asked.take());
        log.checkpoints.thread.take().unwrap().join().unwrap();
        assert!(log.moved() > before + 100 * 4000);
        assert!(!log.checkpoints.writers_turn.load(Ordering::Relaxed));
    }
}
