ALTER TABLE revision DROP COLUMN digest;
