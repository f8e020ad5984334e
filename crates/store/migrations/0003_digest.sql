-- XOR of 16 bytes of a hash of each object's kind, id and body, so that a page
-- that a disk has lost is seen at the next start. Empty: not worked out yet.
ALTER TABLE revision ADD COLUMN digest BLOB NOT NULL DEFAULT x'';
