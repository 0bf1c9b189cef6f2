-- The same into a bucket.
--   sluice run examples/postgresql_to_s3.sql --var SHOP=app:secret@db:5432/shop --var LAKE=my-data-lake
CREATE TABLE orders_copy AS
SELECT id, customer, status, total, ordered_at, ordered_at::DATE AS day
FROM postgresql('${SHOP}?table=orders')
INSERT INTO s3('${LAKE}/orders/', format := 'parquet', partition_by := 'day');
