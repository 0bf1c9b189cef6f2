"""From PostgreSQL, into it, and what changes in it."""
from commands import DATA, DUCKDB, LIMIT, PEERS, debezium, duckdb_postgres, s3, sql, stream
from latency import measure_latency
from topics import holds_messages

DELIVERED = "SELECT delivered('bench')"
FOLLOW = "postgresql('{location}?table=accounts', cdc := true, slot := 'bench', publication := 'accounts_pub', snapshot := 'never')"


def follow(epoch_age, target):
    return f"CREATE STREAM bench_{{run}} WITH (epoch_age := '{epoch_age}') AS SELECT * FROM {FOLLOW} INSERT INTO {target}"


def is_equal(beside):
    """The replica holds what the source holds."""
    query = "SELECT count(*), sum(hashtextextended((id, version, balance, owner)::text, 0)) FROM accounts"
    source, replica = beside.database.rows(query), beside.replica.rows(query)
    assert source == replica, f"the replica differs: {source} and {replica}"


def tables(rows):
    csv = DATA / f"{rows}.csv"
    wide = {"once": "wide_rows.sql", "variables": {"rows": rows}}
    table = "postgresql('{location}?table=wide_rows')"
    to_s3 = {"duckdb": [DUCKDB, str(PEERS / "duckdb_postgres.py"), "{url}", "wide_rows", "s3://{bucket}/out.parquet", "{endpoint}"]}
    return {
        "postgresql_to_parquet": {
            "input": [],
            "postgres": wide,
            "sluice": sql(f"INSERT INTO file('out/', format := 'parquet') SELECT * FROM {table}", *LIMIT),
            **duckdb_postgres("wide_rows", "out.parquet"),
            "target": {"duckdb": {"wall": 0.9, "cpu": 0.9}, "mb": 200},
        },
        "postgresql_to_s3": {
            "input": [],
            "postgres": wide,
            "s3": {},
            "sluice": sql(f"INSERT INTO {s3('out/')}, format := 'parquet') SELECT * FROM {table}", *LIMIT),
            **(to_s3 if DUCKDB else {}),
            "target": {"duckdb": {"wall": 0.9, "cpu": 0.9}, "mb": 200},
        },
        "csv_to_postgresql": {
            "input": [csv],
            "postgres": {"each": "csv_table.sql"},
            "sluice": sql(f"INSERT INTO postgresql('{{location}}?table=rows') SELECT * FROM file('{csv}')", *LIMIT),
            **duckdb_postgres("rows", "--load", str(csv)),
            "psql": ["psql", "{url}", "-qc", f"\\copy rows from '{csv}' csv header"],
            "target": {"duckdb": {"wall": 1.0}, "psql": {"wall": 1 / 1.7}, "mb": 256},
        },
    }


def changes(rows):
    """A fifth of `rows` changes in transactions of ten, and one transaction of four times `rows`."""
    count = rows // 5
    source = {"once": "changes.sql", "each": "next_slot.sql", "variables": {"transactions": count // 10}}
    single = {"once": "one_transaction.sql", "each": "next_slot.sql", "variables": {"rows": 4 * rows}}
    kafka = "kafka('{brokers}/changes-{run}', envelope := 'debezium', key := 'id', compression := 'lz4')"
    return {
        "changes_to_nothing": {
            "input": [],
            "postgres": source,
            # Told to the slot ten times a second.
            "sluice": stream(follow("100ms", "null('null://')"), DELIVERED, flags=["--memory", "128MB"]),
            **debezium(count),
            "target": {"debezium": {"wall": 1 / 8, "cpu": 0.1}, "mb": 128},
        },
        "changes_to_replica": {
            "input": [],
            "postgres": {**source, "replica": "replica.sql"},
            "sluice": stream(follow("1s", "postgresql('{replica}?table=accounts')"), DELIVERED, count, LIMIT),
            "verify": is_equal,
            "target": {"rate": {"rows": count, "least": 40_000}, "mb": 256},
        },
        "changes_to_kafka": {
            "input": [],
            "postgres": source,
            "kafka": {"topic": "changes-{run}"},
            "sluice": stream(follow("500ms", kafka), DELIVERED, count, ["--memory", "128MB"]),
            **debezium(count, "{brokers}", "changes-{run}"),
            "verify": holds_messages("changes-{run}", 4, count),
            "target": {"debezium": {"wall": 1 / 4, "cpu": 1 / 8}, "mb": 128},
        },
        "one_transaction": {
            "input": [],
            "postgres": single,
            "sluice": stream(follow("1s", "null('null://')"), DELIVERED, flags=LIMIT),
            "target": {"mb": 256},
            "runs": 1,
        },
        "replica_latency": {
            "input": [],
            # A log that is written later is also sent later, by wal_writer_delay.
            "postgres": {"settings": "track_commit_timestamp = on\nsynchronous_commit = on", "once": "changes.sql", "each": "next_slot.sql",
                         "replica": "replica.sql", "variables": {"transactions": 10}},
            "sluice": stream(follow("100ms", "postgresql('{replica}?table=accounts')"), DELIVERED, flags=LIMIT),
            "measure": measure_latency,
            "target": {"p99": 0.250, "mb": 256},
            "runs": 3,
        },
    }


def workloads(rows):
    return {**tables(rows), **changes(rows)}
