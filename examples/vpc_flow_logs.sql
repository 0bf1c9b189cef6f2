-- VPC flow logs are lines of words behind a header, gzipped; '-' stands for nothing. One Parquet folder per action.
CREATE TABLE flows AS
SELECT srcaddr, dstaddr, srcport, dstport, bytes, make_timestamp("start" * 1000000) AS began, action
FROM file('examples/data/vpc-flow-logs/*.log.gz', format := 'csv', delimiter := ' ', null := '-')
WHERE "log-status" = 'OK'
INSERT INTO file('lake/flows/', format := 'parquet', partition_by := 'action');

SELECT action, dstport, sum(bytes)::BIGINT AS bytes
FROM flows
GROUP BY ALL
ORDER BY bytes DESC;
