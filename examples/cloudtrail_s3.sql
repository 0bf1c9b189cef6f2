-- CloudTrail as AWS lays it out in a bucket: one document per file, rows below Records. What was denied lands as Parquet
-- by the hour of each event; Athena and Spark see the folders as columns.
--   sluice run examples/cloudtrail_s3.sql --var TRAIL=my-trail-bucket --var LAKE=my-data-lake
CREATE TABLE denied AS
SELECT eventTime AS happened, userIdentity.userName AS who, eventName AS what, requestParameters.bucketName AS bucket, sourceIPAddress AS address
FROM s3('${TRAIL}/AWSLogs/*/CloudTrail/*/2026/**/*.json.gz', records_path := 'Records')
WHERE errorCode = 'AccessDenied'
INSERT INTO s3('${LAKE}/security/', format := 'parquet', key_strategy := 'HivePartitioned', time_column := 'happened');

SELECT who, what, count(*) AS times
FROM denied
GROUP BY ALL
ORDER BY what;
