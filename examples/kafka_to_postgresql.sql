-- The latest message of each key as a row of a table.
--   sluice run examples/kafka_to_postgresql.sql --var KAFKA=localhost:9092 --var SHOP=app:secret@db:5432/shop
CREATE STREAM latest_orders WITH (epoch_age := '500ms') AS
SELECT id, status, total FROM kafka('${KAFKA}/order-states', columns := 'id BIGINT, status VARCHAR, total DECIMAL(12,2)')
INSERT INTO postgresql('${SHOP}?table=latest_orders', mode := 'upsert', key := 'id');
