-- What was written down is gone with it.
ALTER TABLE news DROP COLUMN at_ms;
ALTER TABLE news DROP COLUMN head;
ALTER TABLE revision DROP COLUMN at_ms;
ALTER TABLE revision DROP COLUMN head;
DROP TABLE log;
DROP FUNCTION log_goes_oldest_first;
DROP FUNCTION log_is_only_added_to;
