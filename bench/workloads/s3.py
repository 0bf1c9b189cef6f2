"""To and from buckets."""
from commands import DATA, LIMIT, boto3_pool, duckdb_s3, s3, sql


def workloads(rows):
    ndjson, parquet = DATA / f"{rows}.jsonl", DATA / f"{rows}.parquet"
    return {
        "s3_ndjson_to_parquet": {
            "input": [ndjson],
            "s3": {"rows.jsonl": ndjson},
            "sluice": sql(f"INSERT INTO {s3('out/')}, format := 'parquet') SELECT * FROM {s3('rows.jsonl')})", *LIMIT),
            "local": sql(f"INSERT INTO file('out/', format := 'parquet') SELECT * FROM file('{ndjson}')", *LIMIT),
            # Parquet of these rows has about 28 bytes each.
            "transfer": boto3_pool("transfer", "rows.jsonl", str(28 * rows)),
            **duckdb_s3("select * from read_json('s3://{bucket}/rows.jsonl', format='newline_delimited')", "s3://{bucket}/out.parquet", "format parquet, compression zstd"),
            "target": {"duckdb": {"wall": 0.7}, "sum": {"local": 1.15, "transfer": 1.0}, "mb": 256},
        },
        "s3_20000_small_objects": {
            "input": [ndjson],
            "s3": {"small/": ndjson},
            "sluice": sql(f"INSERT INTO null('null://') SELECT * FROM {s3('small/')})", *LIMIT),
            "boto3": boto3_pool("read", "small/"),
            "target": {"boto3": {"wall": 1 / 3}, "mb": 256},
        },
        "s3_1000_partitions": {
            "input": [parquet],
            "s3": {},
            "sluice": sql(f"INSERT INTO {s3('out/')}, format := 'parquet', partition_by := 'n') SELECT * FROM file('{parquet}')", *LIMIT),
            **duckdb_s3(f"select * from read_parquet('{parquet}')", "s3://{bucket}/out", "format parquet, compression zstd, partition_by (n), overwrite_or_ignore"),
            "target": {"mb": 256},
        },
    }
