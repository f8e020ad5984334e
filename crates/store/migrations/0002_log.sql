-- What each write did, oldest first, one row a write. `hash` is SHA-256 over
-- `prev`, `revision`, `at_ms` and `body`, and `prev` the hash of the row before,
-- so that no row can be changed or taken out of the middle unnoticed.
CREATE TABLE log (
    revision INTEGER PRIMARY KEY,
    at_ms    BIGINT NOT NULL, -- since 1970, never less than the row before
    body     TEXT   NOT NULL, -- JSON of model::audit::Record
    prev     BLOB   NOT NULL,
    hash     BLOB   NOT NULL
);

CREATE TRIGGER log_is_not_changed BEFORE UPDATE ON log
BEGIN SELECT RAISE(ABORT, 'the log is only added to'); END;

CREATE TRIGGER log_goes_oldest_first BEFORE DELETE ON log
WHEN OLD.revision > (SELECT min(revision) FROM log)
BEGIN SELECT RAISE(ABORT, 'only the oldest of the log may go'); END;

-- The hash of the newest row, and its time; so a row cannot be taken from the end.
ALTER TABLE revision ADD COLUMN head BLOB NOT NULL DEFAULT x'';
ALTER TABLE revision ADD COLUMN at_ms BIGINT NOT NULL DEFAULT 0;
