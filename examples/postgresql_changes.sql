-- Every change of a table as rows of Parquet: _op, _ts and _pos say what happened, when, and in which order.
--   sluice run examples/postgresql_changes.sql --var SHOP=app:secret@db:5432/shop
CREATE STREAM order_changes WITH (epoch_age := '1s') AS
SELECT * FROM postgresql('${SHOP}?table=orders', cdc := true)
INSERT INTO file('lake/order_changes/', format := 'parquet');
