-- Slot `template` with :transactions transactions of ten changes to table accounts: four inserts, four updates and two
-- deletes. Then slot `bench` is copied from it for each run. Function delivered(slot) says whether the last one was.
CREATE TABLE accounts (
  id bigint PRIMARY KEY, version int NOT NULL, balance numeric(12,2), owner text, changed timestamptz DEFAULT now()
);
INSERT INTO accounts SELECT i, i, i / 100.0, 'owner ' || i, now() FROM generate_series(1, 200000) AS i;
VACUUM (FREEZE, ANALYZE) accounts;
CREATE PUBLICATION accounts_pub FOR TABLE accounts;
CREATE PROCEDURE make_changes(first bigint, transactions bigint) LANGUAGE plpgsql AS $$
DECLARE
  base bigint;
BEGIN
  FOR i IN first .. first + transactions - 1 LOOP
    base := 10000000 + i * 4;
    INSERT INTO accounts SELECT base + n, n, n / 7.0, 'new owner ' || n, now() FROM generate_series(0, 3) AS n;
    UPDATE accounts SET version = version + 1, balance = balance + 1
    WHERE id BETWEEN i * 37 % 190000 + 1 AND i * 37 % 190000 + 4;
    DELETE FROM accounts WHERE id IN (base, base + 1);
    COMMIT;
  END LOOP;
END $$;
SELECT pg_create_logical_replication_slot('template', 'pgoutput');
CALL make_changes(1, :transactions - 1);
CREATE TABLE last_change AS SELECT pg_current_wal_insert_lsn() AS begins_behind;
CALL make_changes(:transactions, 1);
CREATE FUNCTION delivered(slot text) RETURNS boolean LANGUAGE sql AS $$
  SELECT confirmed_flush_lsn > begins_behind FROM pg_replication_slots, last_change WHERE slot_name = slot
$$;
CHECKPOINT;
