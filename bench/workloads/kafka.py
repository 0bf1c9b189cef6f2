"""From topics: into a lake, into other topics."""
from commands import LIMIT, PEERS, PYTHON, s3, sql, stream
from rebalancing import Disturbed, measure_rebalances
from topics import holds_messages, is_settled


def in_group(messages, target):
    """All of the topic `rows` in a group of the run's own, until its offsets are committed. Of several members none says
    that it delivered all."""
    return stream(f"CREATE STREAM bench_{{run}} WITH (epoch_age := '1s') AS SELECT * FROM kafka('{{brokers}}/rows', group_id := 'bench-{{run}}') INSERT INTO {target}",
                  is_settled("bench-{run}", "rows", 4, messages), flags=LIMIT)


def workloads(rows):
    several = 4 * rows  # they last for a few rebalances
    to_files = in_group(several, "file('out/', format := 'parquet')")
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
        "kafka_to_kafka": {
            "input": [],
            "kafka": {"messages": rows, "topic": "copy-{run}"},
            "sluice": in_group(rows, "kafka('{brokers}/copy-{run}', compression := 'lz4')"),
            "verify": holds_messages("copy-{run}", 4, rows),
            "target": {"rate": {"rows": rows, "least": 500_000}, "mb": 256},
        },
        "kafka_rebalances": {
            "input": [],
            "kafka": {"messages": several},
            "sluice": Disturbed(*vars(to_files).values()),
            "alone": to_files,
            "measure": measure_rebalances,
            "target": {"alone": {"wall": 1 / 0.9}, "mb": 256},
            "runs": 3,
        },
    }
