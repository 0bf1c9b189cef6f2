-- Blocks of a chain, newline JSON in a bucket, into one row per transaction; amounts exact (a uint256 needs more than a
-- BIGINT). The objects get the date of their block, and the same rows would get the same names again.
--   sluice run examples/blocks_s3.sql --var CHAIN=my-chain-bucket --var LAKE=my-data-lake
CREATE TABLE transactions AS
SELECT number AS block, make_timestamp("timestamp" * 1000000) AS mined, t.hash, t."from" AS sender, t."to" AS receiver, t.value::DECIMAL(38, 0) AS wei
FROM (SELECT number, "timestamp", unnest(transactions) AS t FROM s3('${CHAIN}/blocks/*.jsonl'))
INSERT INTO s3('${LAKE}/chain/', format := 'parquet', key_strategy := 'DatePartitioned', time_column := 'mined');

SELECT block, count(*) AS transactions, sum(wei) / 1000000000000000000 AS ether
FROM transactions
GROUP BY block
ORDER BY block;
