-- The number of the last committed write. One row.
CREATE TABLE revision (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    n    BIGINT  NOT NULL
);
INSERT INTO revision (only, n) VALUES (1, 0);

-- What is remembered, one object a row.
CREATE TABLE object (
    kind     TEXT   NOT NULL, -- model::change::Key::columns
    id       TEXT   NOT NULL, -- UUID, name or digest; '' where there is one
    revision BIGINT NOT NULL, -- of the write that put it
    body     TEXT   NOT NULL, -- JSON of model::change::Object
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;
