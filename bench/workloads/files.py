"""Files into files, and how long it takes to begin."""
from commands import DATA, LIMIT, PEERS, PYTHON, SLUICE, duckdb, sql

SMALL = DATA / "small"


def workloads(rows):
    avro, ndjson, csv, parquet = (DATA / f"{rows}.{ending}" for ending in ("avro", "jsonl", "csv", "parquet"))
    projected = "id, ts, \"user\".id AS user_id, \"user\".city AS city, amount"
    condition = "event = 'buy' AND amount > 100"
    return {
        "ndjson_to_parquet": {
            "input": [ndjson],
            "sluice": sql(f"INSERT INTO file('out/', format := 'parquet') SELECT * FROM file('{ndjson}')", *LIMIT),
            "duckdb": duckdb(f"select * from read_json('{ndjson}', format='newline_delimited')", "out.parquet", "format parquet, compression zstd"),
            "pyarrow": [PYTHON, str(PEERS / "pyarrow_json.py"), str(ndjson), "out.parquet"],
            "target": {"duckdb": {"wall": 0.6, "cpu": 0.6}, "mb": 256},
        },
        "ndjson_filtered": {
            "input": [ndjson],
            "sluice": sql(f"INSERT INTO file('out/', format := 'parquet') SELECT {projected} FROM file('{ndjson}') WHERE {condition}", *LIMIT),
            "duckdb": duckdb(f"select {projected} from read_json('{ndjson}', format='newline_delimited') where {condition}", "out.parquet", "format parquet, compression zstd"),
            "target": {"duckdb": {"wall": 0.5, "cpu": 0.5}, "mb": 256},
        },
        "csv_to_parquet": {
            "input": [csv],
            "sluice": sql(f"INSERT INTO file('out/', format := 'parquet') SELECT * FROM file('{csv}')", *LIMIT),
            "duckdb": duckdb(f"select * from read_csv('{csv}', header=true)", "out.parquet", "format parquet, compression zstd"),
            "target": {"duckdb": {"wall": 1.0}, "mb": 256},
        },
        "parquet_to_ndjson_zst": {
            "input": [parquet],
            "sluice": sql(f"INSERT INTO file('out/', format := 'json', compression := 'zstd') SELECT * FROM file('{parquet}')", *LIMIT),
            "duckdb": duckdb(f"select * from read_parquet('{parquet}')", "out.json.zst", "format json, compression zstd"),
            "target": {"duckdb": {"wall": 1.0}, "mb": 256},
        },
        "parquet_to_1000_partitions": {
            "input": [parquet],
            "sluice": sql(f"INSERT INTO file('out/', format := 'parquet', partition_by := 'n') SELECT * FROM file('{parquet}')", *LIMIT),
            "duckdb": duckdb(f"select * from read_parquet('{parquet}')", "out", "format parquet, compression zstd, partition_by (n)"),
            "target": {"duckdb": {"wall": 1.0}, "mb": 256},
        },
        "avro_to_parquet": {
            "input": [avro],
            "sluice": sql(f"INSERT INTO file('out/', format := 'parquet') SELECT * FROM file('{avro}')", *LIMIT),
            "fastavro": [PYTHON, str(PEERS / "fastavro_copy.py"), str(avro), "out.parquet"],
            "target": {"fastavro": {"wall": 0.1}, "mb": 256},
        },
        "parquet_to_avro": {
            "input": [parquet],
            "sluice": sql(f"INSERT INTO file('out/', format := 'avro') SELECT * FROM file('{parquet}')", *LIMIT),
            "fastavro": [PYTHON, str(PEERS / "fastavro_copy.py"), str(parquet), "out.avro"],
            "target": {"fastavro": {"wall": 0.1}, "mb": 256},
        },
        "10000_open_partitions": {
            "input": [parquet],
            "sluice": sql(f"INSERT INTO file('out/', format := 'parquet', partition_by := 'p') SELECT *, id % 10000 AS p FROM file('{parquet}')", *LIMIT),
            "target": {"mb": 256},
            "runs": 1,
        },
        "10000_small_files": {
            "input": [SMALL],
            "sluice": sql(f"INSERT INTO file('out/', format := 'parquet') SELECT * FROM file('{SMALL}/*.jsonl')", *LIMIT),
            "cat": ["sh", "-c", f"cat {SMALL}/*.jsonl"],
            "target": {"cat": {"wall": 5.0}, "mb": 256},
        },
    }


def starts():
    return {
        "first_row": {
            "input": [SMALL],
            "sluice": sql(f"SELECT id, event FROM file('{SMALL}/00000.jsonl') LIMIT 1"),
            "target": {"seconds": 0.060},
            "runs": 15,
        },
        "help": {"input": [], "sluice": [SLUICE, "--help"], "target": {"seconds": 0.035}, "runs": 15},
    }
