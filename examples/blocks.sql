-- Blocks of a chain as newline JSON: one row per transaction, amounts exact (a uint256 needs more than a BIGINT).
CREATE TABLE transactions AS
SELECT number AS block, make_timestamp("timestamp" * 1000000) AS at, t.hash, t."from" AS sender, t."to" AS receiver, t.value::DECIMAL(38, 0) AS wei
FROM (SELECT number, "timestamp", unnest(transactions) AS t FROM file('examples/data/blocks/*.jsonl'))
INSERT INTO file('lake/transactions/', format := 'parquet');

SELECT block, count(*) AS transactions, sum(wei) / 1000000000000000000 AS ether
FROM transactions
GROUP BY block
ORDER BY block;
