//! What the writer says to PostgreSQL.

use std::cell::Cell;

use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};
use uuid::Uuid;

use super::link::{Fault, Link};
use super::rows::Batch;
use super::{Place, Url};
use model::ids::Revision;

/// The whole of a group in one statement, which is a transaction of its own:
/// it does nothing unless the row `revision` is as it was left.
const WRITE: &str = "
    WITH won AS (
        UPDATE revision SET n = $2, mark = $4 WHERE n = $1 AND mark = $3 RETURNING n
    ), told AS (
        INSERT INTO news (last, mark, body) SELECT n, $4, $5 FROM won
    ), put AS (
        INSERT INTO object (kind, id, revision, body)
        SELECT it.* FROM won, unnest($6::text[], $7::text[], $8::bigint[], $9::text[]) AS it
        ON CONFLICT (kind, id) DO UPDATE SET revision = excluded.revision, body = excluded.body
    ), gone AS (
        DELETE FROM object USING won, unnest($10::text[], $11::text[]) AS it (kind, id)
        WHERE object.kind = it.kind AND object.id = it.id
    )
    SELECT pg_notify('kannas', n::text) FROM won";

const HAS: &str = "SELECT 1 FROM news WHERE last = $1 AND mark = $2";
const PLACE: &str = "SELECT n, mark FROM revision";
const TAKE_TURN: &str = "SELECT n, mark FROM revision FOR UPDATE";
const NEWS: &str = "SELECT last, mark, body FROM news WHERE last >= $1 ORDER BY last";
const FORGET: &str = "DELETE FROM news WHERE last < $1";

/// Revisions of which the news is kept. Who is further behind reads all.
const KEPT: i64 = 20_000;

/// Objects that are read at a time.
const FETCH: &str = "FETCH 10000 FROM everything";

/// Each statement of ours names few rows, by their names; nor is one worth
/// compiling.
const BY_INDEX: &str = "SET jit = off; SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off";

const ALL: &str = "
    SET LOCAL enable_seqscan = on;
    DECLARE everything NO SCROLL CURSOR FOR SELECT kind, id, body FROM object";

pub(super) struct Session {
    link: Link,
    write: Statement,
    has: Statement,
    place: Statement,
    take_turn: Statement,
    news: Statement,
    forget: Statement,
    /// A transaction holds the row that every writer changes.
    turn: Cell<bool>,
}

/// What there is at and after a place.
pub(super) struct Told {
    pub(super) newest: Place,
    /// Last revision, mark and body of each group.
    pub(super) groups: Vec<(Place, String)>,
}

impl Told {
    /// How far the groups lead, beginning at `ours`.
    pub(super) fn newest_told(&self, ours: Place) -> Place {
        self.groups.last().map_or(ours, |(place, _)| *place)
    }
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
                client.prepare(PLACE),
                client.prepare(TAKE_TURN),
                client.prepare(NEWS),
                client.prepare(FORGET),
            )
        };
        let prepared = Link::within(preparing).await.map_err(Option::from)?;
        let (write, has, place, take_turn, news, forget) = prepared;
        Ok(Self { link, write, has, place, take_turn, news, forget, turn: Cell::new(false) })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.link.client.is_closed()
    }

    pub(super) fn has_turn(&self) -> bool {
        self.turn.get()
    }

    /// False when others have written since, and nothing was done.
    pub(super) async fn write(&self, batch: &Batch) -> Result<bool, Fault> {
        let (ours, last) = (batch.ours.revision.cast_signed(), batch.place.revision.cast_signed());
        let client = &self.link.client;
        let values: [&(dyn ToSql + Sync); 11] = [
            &ours,
            &last,
            &batch.ours.mark,
            &batch.place.mark,
            &batch.news,
            &batch.put_kinds,
            &batch.put_ids,
            &batch.put_revisions,
            &batch.put_bodies,
            &batch.gone_kinds,
            &batch.gone_ids,
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
    pub(super) async fn has(&self, batch: &Batch) -> Result<bool, Fault> {
        let Place { revision, mark } = batch.place;
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
            Link::within(client.query_one(&self.place, &[])).await?
        };
        let newest = place_of(&newest)?;
        if newest == ours {
            return Ok(Told { newest, groups: Vec::new() });
        }
        let from = ours.revision.cast_signed();
        let rows = Link::within(client.query(&self.news, &[&from])).await?;
        let group = |row: &Row| Ok((place_of(row)?, row.try_get(2)?));
        Ok(Told { newest, groups: rows.iter().map(group).collect::<Result<_, Fault>>()? })
    }

    /// Others write again.
    pub(super) async fn pass(&self) -> Result<(), Fault> {
        if self.turn.replace(false) {
            Link::within(self.link.client.batch_execute("ROLLBACK")).await?;
        }
        Ok(())
    }

    pub(super) async fn forget(&self, newest: Revision) -> Result<(), Fault> {
        let before = newest.cast_signed() - KEPT;
        Link::within(self.link.client.execute(&self.forget, &[&before])).await?;
        Ok(())
    }

    /// All there is, at one moment. Who has the turn keeps it.
    pub(super) async fn read_all(&self) -> Result<(Place, Vec<Columns>), Fault> {
        let client = &self.link.client;
        if !self.turn.get() {
            let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
            Link::within(client.batch_execute(begin)).await?;
        }
        let place = place_of(&Link::within(client.query_one(&self.place, &[])).await?)?;
        Link::within(client.batch_execute(ALL)).await?;
        let mut all = Vec::new();
        loop {
            let rows = Link::within(client.query(FETCH, &[])).await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                all.push((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
            }
        }
        let end = if self.turn.get() { "CLOSE everything" } else { "COMMIT" };
        Link::within(client.batch_execute(end)).await?;
        Ok((place, all))
    }
}

pub(super) fn place_of(row: &Row) -> Result<Place, tokio_postgres::Error> {
    let (revision, mark): (i64, Uuid) = (row.try_get(0)?, row.try_get(1)?);
    Ok(Place { revision: revision.cast_unsigned(), mark })
}
