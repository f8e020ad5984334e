-- What was written down is gone with it.
ALTER TABLE revision DROP COLUMN at_ms;
ALTER TABLE revision DROP COLUMN head;
DROP TABLE log;
