-- Messages land in hourly folders of Parquet files, by their own time and exactly once.
--   sluice run examples/kafka_to_lake.sql --var KAFKA=localhost:9092
CREATE STREAM clicks_lake WITH (epoch_age := '500ms') AS
SELECT * FROM kafka('${KAFKA}/clicks', columns := 'id BIGINT, page VARCHAR', metadata := '_timestamp')
INSERT INTO file('lake/', format := 'parquet', key_strategy := 'HivePartitioned', time_column := '_timestamp');
