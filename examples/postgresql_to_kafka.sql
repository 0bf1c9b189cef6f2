-- Every change of a table as a message: _op, _ts and _pos say what happened, when, and in which order. Rows and the
-- position in the change log are one transaction of the cluster.
--   sluice run examples/postgresql_to_kafka.sql --var SHOP=app:secret@db:5432/shop --var KAFKA=localhost:9092
CREATE STREAM orders_stream AS
SELECT * FROM postgresql('${SHOP}?table=orders&cdc=true')
INSERT INTO kafka('${KAFKA}/orders-events');
