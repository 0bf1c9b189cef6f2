-- The rows that accounts had before the changes, and no memory of an earlier run.
DROP SCHEMA IF EXISTS sluice CASCADE;
DROP TABLE IF EXISTS accounts;
CREATE TABLE accounts (
  id bigint PRIMARY KEY, version int NOT NULL, balance numeric(12,2), owner text, changed timestamptz
);
INSERT INTO accounts SELECT i, i, i / 100.0, 'owner ' || i, now() FROM generate_series(1, 200000) AS i;
VACUUM (FREEZE, ANALYZE) accounts;
CHECKPOINT;
