-- Only the orders that are open now. WHERE is decided for the row before and after each update, so an order that is
-- closed disappears from the copy and one that is opened again comes back. (orders has REPLICA IDENTITY FULL.)
--   sluice run examples/open_orders.sql --var SHOP=app:secret@db:5432/shop --var COPY=app:secret@copy:5432/shop
CREATE STREAM open_orders WITH (epoch_age := '200ms') AS
SELECT id, customer, status, total FROM postgresql('${SHOP}?table=orders', cdc := true)
WHERE status = 'open'
INSERT INTO postgresql('${COPY}?table=open_orders', mode := 'upsert', key := 'id');
