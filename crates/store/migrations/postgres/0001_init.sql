-- The number of the last committed write, and the mark of the group that it
-- was in. One row: who changes it has the turn to write.
CREATE TABLE revision (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    n    BIGINT NOT NULL,
    mark UUID   NOT NULL
);
INSERT INTO revision (one, n, mark) VALUES (1, 0, '00000000-0000-0000-0000-000000000000');

-- What is remembered, one object a row.
CREATE TABLE object (
    kind     TEXT   NOT NULL, -- model::change::Key::columns
    id       TEXT   NOT NULL, -- UUID, name or digest; '' where there is one
    revision BIGINT NOT NULL, -- of the write that put it
    body     TEXT   NOT NULL, -- JSON of model::change::Object
    PRIMARY KEY (kind, id)
);

-- The newest groups of writes, for servers to follow each other's. Older ones
-- are let go of.
CREATE TABLE news (
    last BIGINT PRIMARY KEY, -- revision of the last write in it
    mark UUID   NOT NULL,    -- of who wrote it, another for each group
    body TEXT   NOT NULL     -- JSON: for each write its changes
);
