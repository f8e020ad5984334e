DROP TABLE news;
DROP TABLE object;
DROP TABLE revision;
