-- A table as Parquet by day, read in pieces of one snapshot side by side.
--   sluice run examples/postgresql_to_lake.sql --var SHOP=app:secret@db:5432/shop
CREATE TABLE orders_copy AS
SELECT id, customer, status, total, ordered_at, ordered_at::DATE AS day
FROM postgresql('${SHOP}?table=orders')
INSERT INTO file('lake/orders/', format := 'parquet', partition_by := 'day');
