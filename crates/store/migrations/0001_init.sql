-- The number of the last committed write. One row.
CREATE TABLE revision (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    n    BIGINT  NOT NULL
);
INSERT INTO revision (only, n) VALUES (1, 0);

-- What is remembered, one object a row, in the order it was made: new rows go
-- to the end, so that a group of them fills few pages. There is no index over
-- the names, which are random and would cost a page each: the one writer knows
-- the number of every name.
CREATE TABLE object (
    number   INTEGER PRIMARY KEY,
    kind     TEXT   NOT NULL, -- model::change::Key::columns
    id       TEXT   NOT NULL, -- UUID, name or digest; '' where there is one
    revision BIGINT NOT NULL, -- of the write that put it
    body     TEXT   NOT NULL  -- JSON of model::change::Object
);
