//! What is written down of each write, in PostgreSQL.

use std::sync::{Arc, Weak};

use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio_postgres::{Row as SqlRow, Statement};

use super::Url;
use super::link::Link;
use crate::engine::{Error, From, Records, Row};

const AFTER: &str = "SELECT revision, at_ms, body, prev, hash FROM log \
    WHERE revision > $1 AND ($3::text IS NULL OR strpos(body, $3) > 0) ORDER BY revision LIMIT $2";
const BEFORE: &str = "SELECT revision, at_ms, body, prev, hash FROM log \
    WHERE revision < $1 AND ($3::text IS NULL OR strpos(body, $3) > 0) ORDER BY revision DESC LIMIT $2";

/// A connection of its own, made when the first record is read.
pub(super) struct PostgresRecords {
    runtime: Handle,
    /// Ends with the writer, as its runtime does.
    reader: Weak<Reader>,
}

pub(super) struct Reader {
    url: Url,
    open: Mutex<Option<Open>>,
}

struct Open {
    link: Link,
    after: Statement,
    before: Statement,
}

impl Reader {
    pub(super) fn new(url: &Url) -> Arc<Self> {
        Arc::new(Self { url: url.clone(), open: Mutex::new(None) })
    }

    pub(super) fn records(self: &Arc<Self>, runtime: &Handle) -> PostgresRecords {
        PostgresRecords { runtime: runtime.clone(), reader: Arc::downgrade(self) }
    }

    async fn read(&self, from: From, limit: i64, text: Option<String>) -> Result<Vec<Row>, Error> {
        let mut open = self.open.lock().await;
        if open.as_ref().is_none_or(|it| it.link.client.is_closed()) {
            *open = Some(self.connect().await?);
        }
        let Some(Open { link, after, before }) = open.as_ref() else { return Err(Error::Stopped) };
        let (statement, revision) = match from {
            From::After(revision) => (after, revision),
            From::Before(revision) => (before, revision),
        };
        let revision = i64::try_from(revision).unwrap_or(i64::MAX);
        // Looking for a text takes as long as the log is.
        let rows = link.client.query(statement, &[&revision, &limit, &text]).await?;
        rows.iter().map(row_of).collect::<Result<_, _>>().map_err(Error::Postgres)
    }

    async fn connect(&self) -> Result<Open, Error> {
        let link = Link::open(&self.url, None).await.map_err(Error::Away)?;
        let client = &link.client;
        let (after, before) = tokio::try_join!(client.prepare(AFTER), client.prepare(BEFORE))?;
        Ok(Open { link, after, before })
    }
}

impl Records for PostgresRecords {
    fn read(&self, from: From, limit: usize, text: Option<&str>) -> Result<Vec<Row>, Error> {
        let reader = self.reader.upgrade().ok_or(Error::Stopped)?;
        let (limit, text) = (i64::try_from(limit).unwrap_or(i64::MAX), text.map(str::to_owned));
        let (tell, told) = std::sync::mpsc::channel();
        self.runtime.spawn(async move { tell.send(reader.read(from, limit, text).await) });
        told.recv().map_err(|_| Error::Stopped)?
    }
}

fn row_of(row: &SqlRow) -> Result<Row, tokio_postgres::Error> {
    Ok(Row {
        revision: row.try_get::<_, i64>(0)?.cast_unsigned(),
        at_ms: row.try_get(1)?,
        body: row.try_get(2)?,
        prev: row.try_get(3)?,
        hash: row.try_get(4)?,
    })
}
