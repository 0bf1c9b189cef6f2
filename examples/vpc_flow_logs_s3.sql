-- VPC flow logs from the bucket they are delivered to: gzipped lines of words behind a header, '-' for nothing. They
-- become Parquet, one folder per day and action.
--   sluice run examples/vpc_flow_logs_s3.sql --var LOGS=my-log-bucket --var LAKE=my-data-lake
CREATE TABLE flows AS
SELECT srcaddr, dstaddr, srcport, dstport, bytes, make_timestamp("start" * 1000000) AS began, make_timestamp("start" * 1000000)::DATE AS day, action
FROM s3('${LOGS}/AWSLogs/*/vpcflowlogs/*/2026/**/*.log.gz', format := 'csv', delimiter := ' ', null := '-')
WHERE "log-status" = 'OK'
INSERT INTO s3('${LAKE}/flows/', format := 'parquet', partition_by := ['day', 'action']);

SELECT action, dstport, sum(bytes)::BIGINT AS bytes
FROM flows
GROUP BY ALL
ORDER BY bytes DESC;
