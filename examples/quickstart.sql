-- Orders arrive as gzipped NDJSON, customers are a CSV file. Paid orders land in ./lake as Parquet, in one folder per
-- country. Run it again: every file has been delivered, so nothing is written twice. Drop another .jsonl.gz into
-- examples/data/orders and only that file is read.
CREATE TABLE paid_orders AS
SELECT o.id, o.ordered_at, c.name AS customer, c.country, len(o.items) AS items, o.total, o.ship_to.city AS city
FROM file('examples/data/orders/*.jsonl.gz') AS o
JOIN file('examples/data/customers.csv') AS c ON o.customer_id = c.id
WHERE o.status = 'paid'
INSERT INTO file('lake/paid_orders/', format := 'parquet', compression := 'zstd', partition_by := 'country');

-- What is in the lake now.
SELECT country, count(*) AS orders, round(sum(total), 2) AS revenue, min(ordered_at) AS first, max(ordered_at) AS last
FROM paid_orders
GROUP BY country
ORDER BY revenue DESC;
