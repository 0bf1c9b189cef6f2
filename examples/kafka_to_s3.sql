-- The same into a bucket, once: what is in the topic now. Run again, it adds what came since.
--   sluice run examples/kafka_to_s3.sql --var KAFKA=localhost:9092 --var BUCKET=my-bucket
CREATE TABLE clicks_archive AS
SELECT * FROM kafka('${KAFKA}/clicks', columns := 'id BIGINT, page VARCHAR', metadata := '_timestamp')
INSERT INTO s3('${BUCKET}/clicks/', format := 'parquet', key_strategy := 'HivePartitioned', time_column := '_timestamp');
