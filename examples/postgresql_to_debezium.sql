-- The same changes as Debezium writes them: before, after, op, source, ts_ms, keyed, a tombstone behind each delete.
--   sluice run examples/postgresql_to_debezium.sql --var SHOP=app:secret@db:5432/shop --var KAFKA=localhost:9092
CREATE STREAM orders_debezium WITH (epoch_age := '1s') AS
SELECT * FROM postgresql('${SHOP}?table=orders', cdc := true)
INSERT INTO kafka('${KAFKA}/shop.public.orders', envelope := 'debezium', key := 'id');
