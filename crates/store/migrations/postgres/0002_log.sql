-- What each write did, oldest first, one row a write, as SQLite's 0002 has it.
CREATE TABLE log (
    revision BIGINT PRIMARY KEY,
    at_ms    BIGINT NOT NULL, -- since 1970, never less than the row before
    body     TEXT   NOT NULL, -- JSON of model::audit::Record
    prev     BYTEA  NOT NULL,
    hash     BYTEA  NOT NULL
);

CREATE FUNCTION log_is_only_added_to() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the log is only added to';
END $$;

CREATE TRIGGER log_is_not_changed BEFORE UPDATE OR TRUNCATE ON log
    EXECUTE FUNCTION log_is_only_added_to();

CREATE FUNCTION log_goes_oldest_first() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM log WHERE revision < (SELECT max(revision) FROM gone)) THEN
        RAISE EXCEPTION 'only the oldest of the log may go';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER log_goes_oldest_first AFTER DELETE ON log
    REFERENCING OLD TABLE AS gone EXECUTE FUNCTION log_goes_oldest_first();

-- The hash of the newest row, and its time; so a row cannot be taken from the end.
ALTER TABLE revision ADD COLUMN head BYTEA NOT NULL DEFAULT '';
ALTER TABLE revision ADD COLUMN at_ms BIGINT NOT NULL DEFAULT 0;

-- The same of the last write of each group.
ALTER TABLE news ADD COLUMN head BYTEA NOT NULL DEFAULT '';
ALTER TABLE news ADD COLUMN at_ms BIGINT NOT NULL DEFAULT 0;
