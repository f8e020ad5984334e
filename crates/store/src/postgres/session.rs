//! What the writer says to PostgreSQL.

use std::cell::Cell;

use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};
use uuid::Uuid;

use super::link::{Fault, Link};
use super::rows::Rows;
use super::{Head, Place, Url};
use model::ids::Revision;

/// The whole of a group in one statement, which is a transaction of its own:
/// it does nothing unless the row `revision` is as it was left.
const WRITE: &str = "
    WITH won AS (
        UPDATE revision SET n = $2, mark = $4, head = $5, at_ms = $6
        WHERE n = $1 AND mark = $3 RETURNING n
    ), told AS (
        INSERT INTO news (last, mark, head, at_ms, body) SELECT n, $4, $5, $6, $7 FROM won
    ), put AS (
        INSERT INTO object (kind, id, revision, body)
        SELECT it.* FROM won, unnest($8::text[], $9::text[], $10::bigint[], $11::text[]) AS it
        ON CONFLICT (kind, id) DO UPDATE SET revision = excluded.revision, body = excluded.body
    ), gone AS (
        DELETE FROM object USING won, unnest($12::text[], $13::text[]) AS it (kind, id)
        WHERE object.kind = it.kind AND object.id = it.id
    ), written AS (
        INSERT INTO log (revision, at_ms, body, prev, hash)
        SELECT it.revision, $6, it.body, it.prev, it.hash
        FROM won, unnest($14::bigint[], $15::text[], $16::bytea[], $17::bytea[])
            AS it (revision, body, prev, hash)
    )
    SELECT pg_notify('kannas', n::text) FROM won";

const HAS: &str = "SELECT 1 FROM news WHERE last = $1 AND mark = $2";
const HEAD: &str = "SELECT n, mark, head, at_ms FROM revision";
const TAKE_TURN: &str = "SELECT n, mark, head, at_ms FROM revision FOR UPDATE";
const NEWS: &str = "SELECT last, mark, head, at_ms, body FROM news WHERE last >= $1 ORDER BY last";
const FORGET_NEWS: &str = "DELETE FROM news WHERE last < $1";

/// Of so many of the oldest records, those that are too old.
const FORGET_RECORDS: &str = "
    DELETE FROM log WHERE revision IN (
        SELECT revision FROM (
            SELECT revision, at_ms FROM log WHERE revision < $1 ORDER BY revision LIMIT $2
        ) AS oldest WHERE at_ms < $3
    )";

const LAST_RECORD: &str = "SELECT revision, hash FROM log ORDER BY revision DESC LIMIT 1";

/// Revisions of which the news is kept. Who is further behind reads all.
const KEPT: i64 = 20_000;

/// Objects that are read at a time.
const FETCH: &str = "FETCH 10000 FROM everything";

/// Each statement of ours names few rows, by their names.
const BY_INDEX: &str =
    "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off";

const ALL: &str = "
    SET LOCAL enable_seqscan = on;
    DECLARE everything NO SCROLL CURSOR FOR SELECT kind, id, body FROM object";

pub(super) struct Session {
    link: Link,
    write: Statement,
    has: Statement,
    head: Statement,
    take_turn: Statement,
    news: Statement,
    /// A transaction holds the row that every writer changes.
    turn: Cell<bool>,
}

/// What there is at and after a place.
pub(super) struct Told {
    pub(super) newest: Head,
    /// The end and the body of each group.
    pub(super) groups: Vec<(Head, String)>,
}

/// All there is.
pub(super) struct All {
    pub(super) head: Head,
    /// Revision and hash of the newest record.
    pub(super) last: Option<(Revision, Vec<u8>)>,
    pub(super) objects: Vec<Columns>,
}

/// Kind, id and body of an object.
pub(super) type Columns = (String, String, String);

impl Session {
    pub(super) async fn open(url: &Url) -> Result<Self, Option<tokio_postgres::Error>> {
        let link = Link::open(url, None).await?;
        let preparing = async {
            let client = &link.client;
            client.batch_execute(BY_INDEX).await?;
            tokio::try_join!(
                client.prepare(WRITE),
                client.prepare(HAS),
                client.prepare(HEAD),
                client.prepare(TAKE_TURN),
                client.prepare(NEWS),
            )
        };
        let prepared = Link::within(preparing).await.map_err(Option::from)?;
        let (write, has, head, take_turn, news) = prepared;
        Ok(Self { link, write, has, head, take_turn, news, turn: Cell::new(false) })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.link.client.is_closed()
    }

    pub(super) fn has_turn(&self) -> bool {
        self.turn.get()
    }

    /// False when others have written since, and nothing was done.
    pub(super) async fn write(&self, rows: &Rows) -> Result<bool, Fault> {
        let Rows { ours, head, news, put, gone, log } = rows;
        let (first, last) = (ours.revision.cast_signed(), head.place.revision.cast_signed());
        let client = &self.link.client;
        let values: [&(dyn ToSql + Sync); 17] = [
            &first,
            &last,
            &ours.mark,
            &head.place.mark,
            &head.hash,
            &head.at_ms,
            news,
            &put.kinds,
            &put.ids,
            &put.revisions,
            &put.bodies,
            &gone.kinds,
            &gone.ids,
            &log.revisions,
            &log.bodies,
            &log.prevs,
            &log.hashes,
        ];
        let statement = client.query(&self.write, &values);
        let rows = if self.turn.replace(false) {
            let both = async { tokio::try_join!(statement, client.batch_execute("COMMIT")) };
            Link::within(both).await?.0
        } else {
            Link::within(statement).await?
        };
        Ok(!rows.is_empty())
    }

    /// True when the group is there, whoever else has written after it.
    pub(super) async fn has(&self, rows: &Rows) -> Result<bool, Fault> {
        let Place { revision, mark } = rows.head.place;
        let last = revision.cast_signed();
        let rows = Link::within(self.link.client.query(&self.has, &[&last, &mark])).await?;
        Ok(!rows.is_empty())
    }

    /// With `turn` nobody else writes until [`Self::write`] or [`Self::pass`].
    pub(super) async fn told_since(&self, ours: Place, turn: bool) -> Result<Told, Fault> {
        self.pass().await?;
        let client = &self.link.client;
        let newest = if turn {
            Link::within(client.batch_execute("BEGIN")).await?;
            self.turn.set(true);
            Link::within(client.query_one(&self.take_turn, &[])).await?
        } else {
            Link::within(client.query_one(&self.head, &[])).await?
        };
        let newest = head_of(&newest)?;
        if newest.place == ours {
            return Ok(Told { newest, groups: Vec::new() });
        }
        let from = ours.revision.cast_signed();
        let rows = Link::within(client.query(&self.news, &[&from])).await?;
        let group = |row: &Row| Ok((head_of(row)?, row.try_get(4)?));
        Ok(Told { newest, groups: rows.iter().map(group).collect::<Result<_, Fault>>()? })
    }

    /// Others write again.
    pub(super) async fn pass(&self) -> Result<(), Fault> {
        if self.turn.replace(false) {
            Link::within(self.link.client.batch_execute("ROLLBACK")).await?;
        }
        Ok(())
    }

    /// Lets go of old news, and of what was written down before `at_ms`: of
    /// `most` records at most.
    pub(super) async fn forget(
        &self,
        newest: Revision,
        at_ms: i64,
        most: i64,
    ) -> Result<(), Fault> {
        let (newest, client) = (newest.cast_signed(), &self.link.client);
        Link::within(client.execute(FORGET_NEWS, &[&(newest - KEPT)])).await?;
        if at_ms > 0 {
            Link::within(client.execute(FORGET_RECORDS, &[&newest, &most, &at_ms])).await?;
        }
        Ok(())
    }

    /// All there is, at one moment. Who has the turn keeps it.
    pub(super) async fn read_all(&self) -> Result<All, Fault> {
        let client = &self.link.client;
        if !self.turn.get() {
            let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
            Link::within(client.batch_execute(begin)).await?;
        }
        let head = head_of(&Link::within(client.query_one(&self.head, &[])).await?)?;
        let last = match Link::within(client.query_opt(LAST_RECORD, &[])).await? {
            Some(row) => Some((row.try_get::<_, i64>(0)?.cast_unsigned(), row.try_get(1)?)),
            None => None,
        };
        Link::within(client.batch_execute(ALL)).await?;
        let mut objects = Vec::new();
        loop {
            let rows = Link::within(client.query(FETCH, &[])).await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                objects.push((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
            }
        }
        let end = if self.turn.get() { "CLOSE everything" } else { "COMMIT" };
        Link::within(client.batch_execute(end)).await?;
        Ok(All { head, last, objects })
    }
}

fn head_of(row: &Row) -> Result<Head, tokio_postgres::Error> {
    Ok(Head { place: place_of(row)?, hash: row.try_get(2)?, at_ms: row.try_get(3)? })
}

/// Of the first two columns.
pub(super) fn place_of(row: &Row) -> Result<Place, tokio_postgres::Error> {
    let (revision, mark): (i64, Uuid) = (row.try_get(0)?, row.try_get(1)?);
    Ok(Place { revision: revision.cast_unsigned(), mark })
}
