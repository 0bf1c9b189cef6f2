-- A table kept equal in another database: inserts, updates, deletes and changed keys arrive by the primary key.
--   sluice run examples/postgresql_replica.sql --var SHOP=app:secret@db:5432/shop --var COPY=app:secret@copy:5432/shop
CREATE STREAM orders_replica WITH (epoch_age := '200ms') AS
SELECT * FROM postgresql('${SHOP}?table=orders', cdc := true)
INSERT INTO postgresql('${COPY}?table=orders', mode := 'upsert', key := 'id');
