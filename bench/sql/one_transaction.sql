-- Slot `template` with one transaction of :rows inserts.
CREATE TABLE accounts (id bigint PRIMARY KEY, version int NOT NULL, owner text);
CREATE PUBLICATION accounts_pub FOR TABLE accounts;
SELECT pg_create_logical_replication_slot('template', 'pgoutput');
CREATE TABLE last_change AS SELECT pg_current_wal_insert_lsn() AS begins_behind;
INSERT INTO accounts SELECT i, i % 1000, 'owner ' || i FROM generate_series(1, :rows) AS i;
CREATE FUNCTION delivered(slot text) RETURNS boolean LANGUAGE sql AS $$
  SELECT confirmed_flush_lsn > begins_behind FROM pg_replication_slots, last_change WHERE slot_name = slot
$$;
CHECKPOINT;
