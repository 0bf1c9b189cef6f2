-- Rows of files as messages, keyed by customer; run again, only new files are delivered.
--   sluice run examples/files_into_kafka.sql --var KAFKA=localhost:9092
CREATE TABLE customers_in AS
SELECT id, name, country FROM file('examples/data/customers.csv')
INSERT INTO kafka('${KAFKA}/customers', key := 'id', partitions := 3);
