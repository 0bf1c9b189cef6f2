"""Topics into a lake."""
from commands import LIMIT, PEERS, PYTHON, s3, sql


def workloads(rows):
    return {
        "kafka_to_hourly_parquet": {
            "input": [],
            "kafka": {"messages": rows},
            "s3": {},
            "sluice": sql(
                "CREATE TABLE lake AS SELECT * FROM kafka('{brokers}/rows', metadata := '_timestamp') INSERT INTO "
                f"{s3('out/')}, format := 'parquet', key_strategy := 'HivePartitioned', time_column := '_timestamp')", *LIMIT),
            "python": [PYTHON, str(PEERS / "kafka_to_parquet.py"), "{brokers}", "rows", "4", str(rows), "{endpoint}", "{bucket}"],
            "kcat": ["kcat", "-q", "-C", "-b", "{brokers}", "-t", "rows", "-o", "beginning", "-e"],
            "target": {"kcat": {"wall": 2.0}, "python": {"cpu": 0.45}, "mb": 256},
        },
    }
