DROP TABLE object;
DROP TABLE revision;
