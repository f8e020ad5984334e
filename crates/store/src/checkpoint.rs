//! Moves what was committed from SQLite's log (WAL) to its file, beside the
//! commits and not in their way.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use crate::engine::Error;

/// Changes between two checkpoints.
const EVERY: usize = 2_000;

/// Pages of log from which it is to begin anew: about 16 MB. It can only when
/// all of it was moved and the writer, who adds to it, stands still; so the
/// writer moves the rest.
const ENOUGH: i64 = 4_000;

/// Pages that the writer moves at most.
const REST: i64 = 200;

/// Rounds in which the writer may add more than was left before.
const ROUNDS: usize = 8;

pub(crate) struct Checkpoints {
    asked: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    writers_turn: Arc<AtomicBool>,
    changes: usize,
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
        Ok(Self { asked: Some(asked), thread: Some(thread), writers_turn, changes: 0 })
    }

    /// To be told after each commit, by the writer and with its connection.
    pub(crate) fn committed(&mut self, connection: &Connection, changes: usize) {
        self.changes += changes;
        if self.changes >= EVERY {
            self.changes = 0;
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

    #[test]
    fn a_long_log_begins_anew_while_it_is_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("test.db");
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection.pragma_update(None, "synchronous", "OFF").unwrap();
        connection.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        connection.execute_batch("CREATE TABLE it (n INTEGER PRIMARY KEY, page BLOB)").unwrap();
        let mut checkpoints = Checkpoints::start(&path).unwrap();
        let begun = || {
            // The number of checkpoints before this log (SQLite's file format §4.1).
            let mut head = [0; 16];
            let mut log = std::fs::File::open(dir.path().join("test.db-wal")).unwrap();
            std::io::Read::read_exact(&mut log, &mut head).unwrap();
            u32::from_be_bytes([head[12], head[13], head[14], head[15]])
        };
        let first = begun();
        let mut rows = 0;
        while begun() == first {
            for _ in 0..20 {
                let sql = "INSERT INTO it (page) VALUES (randomblob(3500))";
                rows += connection.execute(sql, []).unwrap();
                checkpoints.committed(&connection, EVERY / 20);
            }
            assert!(rows < 50_000, "the log holds {rows} pages");
        }
        assert!(rows > 1_000, "it began anew after {rows} rows");
        drop(checkpoints);
        drop(connection);
        let sql = "SELECT count(*) FROM it";
        let connection = Connection::open(&path).unwrap();
        let count: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(usize::try_from(count).unwrap(), rows);
    }
}
