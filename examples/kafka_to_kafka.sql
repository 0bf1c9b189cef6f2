-- From topic to topic with a filter and a lookup. What was read and what is written become visible at once: the group's
-- offsets are committed in the transaction of the rows.
--   sluice run examples/kafka_to_kafka.sql --var KAFKA=localhost:9092
CREATE STREAM large_orders WITH (epoch_age := '500ms') AS
SELECT o.id, o.total, c.name, c.country
FROM kafka('${KAFKA}/orders', columns := 'id BIGINT, customer_id BIGINT, total DOUBLE') o
JOIN file('examples/data/customers.csv') c ON o.customer_id = c.id
WHERE o.total >= 100
INSERT INTO kafka('${KAFKA}/large-orders', key := 'id');
