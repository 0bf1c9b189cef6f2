"""Runs Sluice and its peers side by side and prints one table: bench/run [--rows N] [--runs N] [NAME…].

Each workload's commands run in turn (A B A B …) after one warm-up, as whole processes; wall, user+system CPU and peak
memory come from the kernel's accounting of the finished process (wait4). The medians and ratios go to bench/results/.
"""
import argparse
import contextlib
import itertools
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SLUICE = os.environ.get("SLUICE_BINARY", str(ROOT / "build" / "sluice"))
PYTHON = sys.executable
PEERS = ROOT / "bench" / "peers"
DATA = pathlib.Path(os.environ.get("SLUICE_BENCH_DATA", ROOT / "build" / "bench"))


# A Python that has DuckDB with its postgres and httpfs extensions; without one that peer is left out.
DUCKDB_POSTGRES = os.environ.get("SLUICE_BENCH_DUCKDB")
PROGRAMS = ("sluice", "duckdb", "pyarrow", "fastavro", "psql", "cat", "local", "transfer", "boto3", "python",
            "kcat")
CSV_TABLE = (
    "DROP TABLE IF EXISTS rows; CREATE TABLE rows (id bigint, user_id bigint, event text, amount double precision, "
    "city text, ts timestamp, ok bigint, score double precision, ref text, note text, agent text, day date); CHECKPOINT"
)


def measure(command, folder, more):
    """Wall seconds, CPU seconds and peak MB of one run in an emptied folder; `more` environment."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    environment = {**os.environ, "SLUICE_STATE": f"sqlite:{folder}/state.db", **more}
    log = open(folder / "log", "wb")
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{command} failed:\n{(folder / 'log').read_text()}")
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "mb": usage.ru_maxrss / 1024}


def sql(text, *flags):
    return [SLUICE, "run", "--quiet", *flags, "-e", text]


def duckdb(query, out, options):
    return [PYTHON, str(PEERS / "duckdb_copy.py"), query, out, options]


def s3(path):
    """In a bucket of the server that runs beside the workload."""
    return f"s3('{{bucket}}/{path}', {{options}}"


def duckdb_s3(query, out, options):
    peer = [DUCKDB_POSTGRES, str(PEERS / "duckdb_s3.py"), "{endpoint}", query, out, options]
    return {"duckdb": peer} if DUCKDB_POSTGRES else {}


def boto3_pool(*arguments):
    return [PYTHON, str(PEERS / "boto3_pool.py"), "{endpoint}", "{bucket}", *arguments]


def workloads(rows):
    avro = DATA / f"{rows}.avro"
    ndjson, csv, parquet, small = DATA / f"{rows}.jsonl", DATA / f"{rows}.csv", DATA / f"{rows}.parquet", DATA / "small"
    limit = ["--memory", "256MB"]
    projected = "id, ts, \"user\".id AS user_id, \"user\".city AS city, amount"
    condition = "event = 'buy' AND amount > 100"
    buckets = 1000
    return {
        "ndjson_to_parquet": {
            "input": [ndjson],
            "sluice": sql(f"INSERT INTO file('out/', format := 'parquet') SELECT * FROM file('{ndjson}')", *limit),
            "duckdb": duckdb(f"select * from read_json('{ndjson}', format='newline_delimited')", "out.parquet", "format parquet, compression zstd"),
            "pyarrow": [PYTHON, str(PEERS / "pyarrow_json.py"), str(ndjson), "out.parquet"],
            "target": {"duckdb": {"wall": 0.6, "cpu": 0.6}, "mb": 256},
        },
        "ndjson_filtered": {
            "input": [ndjson],
            "sluice": sql(f"INSERT INTO file('out/', format := 'parquet') SELECT {projected} FROM file('{ndjson}') WHERE {condition}", *limit),
            "duckdb": duckdb(f"select {projected} from read_json('{ndjson}', format='newline_delimited') where {condition}", "out.parquet", "format parquet, compression zstd"),
            "target": {"duckdb": {"wall": 0.5, "cpu": 0.5}, "mb": 256},
        },
        "csv_to_parquet": {
            "input": [csv],
            "sluice": sql(f"INSERT INTO file('out/', format := 'parquet') SELECT * FROM file('{csv}')", *limit),
            "duckdb": duckdb(f"select * from read_csv('{csv}', header=true)", "out.parquet", "format parquet, compression zstd"),
            "target": {"duckdb": {"wall": 1.0}, "mb": 256},
        },
        "parquet_to_ndjson_zst": {
            "input": [parquet],
            "sluice": sql(f"INSERT INTO file('out/', format := 'json', compression := 'zstd') SELECT * FROM file('{parquet}')", *limit),
            "duckdb": duckdb(f"select * from read_parquet('{parquet}')", "out.json.zst", "format json, compression zstd"),
            "target": {"duckdb": {"wall": 1.0}, "mb": 256},
        },
        "parquet_to_1000_partitions": {
            "input": [parquet],
            "sluice": sql(f"INSERT INTO file('out/', format := 'parquet', partition_by := 'n') SELECT * FROM file('{parquet}')", *limit),
            "duckdb": duckdb(f"select * from read_parquet('{parquet}')", "out", "format parquet, compression zstd, partition_by (n)"),
            "target": {"duckdb": {"wall": 1.0}, "mb": 256},
        },
        "avro_to_parquet": {
            "input": [avro],
            "sluice": sql(f"INSERT INTO file('out/', format := 'parquet') SELECT * FROM file('{avro}')", *limit),
            "fastavro": [PYTHON, str(PEERS / "fastavro_copy.py"), str(avro), "out.parquet"],
            "target": {"fastavro": {"wall": 0.1}, "mb": 256},
        },
        "parquet_to_avro": {
            "input": [parquet],
            "sluice": sql(f"INSERT INTO file('out/', format := 'avro') SELECT * FROM file('{parquet}')", *limit),
            "fastavro": [PYTHON, str(PEERS / "fastavro_copy.py"), str(parquet), "out.avro"],
            "target": {"fastavro": {"wall": 0.1}, "mb": 256},
        },
        "10000_open_partitions": {
            "input": [parquet],
            "sluice": sql(f"INSERT INTO file('out/', format := 'parquet', partition_by := 'p') SELECT *, id % 10000 AS p FROM file('{parquet}')", *limit),
            "target": {"mb": 256},
            "runs": 1,
        },
        "10000_small_files": {
            "input": [small],
            "sluice": sql(f"INSERT INTO file('out/', format := 'parquet') SELECT * FROM file('{small}/*.jsonl')", *limit),
            "cat": ["sh", "-c", f"cat {small}/*.jsonl"],
            "target": {"cat": {"wall": 5.0}, "mb": 256},
        },
        "csv_to_postgresql": {
            "input": [csv],
            "postgres": CSV_TABLE,
            "sluice": sql(f"INSERT INTO postgresql('{{location}}?table=rows') SELECT * FROM file('{csv}')", *limit),
            **({"duckdb": [DUCKDB_POSTGRES, str(PEERS / "duckdb_postgres.py"), "{url}", "rows", "--load", str(csv)]} if DUCKDB_POSTGRES else {}),
            "psql": ["psql", "{url}", "-qc", f"\\copy rows from '{csv}' csv header"],
            "target": {"duckdb": {"wall": 1.0}, "psql": {"wall": 1 / 1.7}, "mb": 256},
        },
        "s3_ndjson_to_parquet": {
            "input": [ndjson],
            "s3": {"rows.jsonl": ndjson},
            "sluice": sql(f"INSERT INTO {s3('out/')}, format := 'parquet') SELECT * FROM {s3('rows.jsonl')})", *limit),
            "local": sql(f"INSERT INTO file('out/', format := 'parquet') SELECT * FROM file('{ndjson}')", *limit),
            # Parquet of these rows has about 28 bytes each.
            "transfer": boto3_pool("transfer", "rows.jsonl", str(28 * rows)),
            **duckdb_s3("select * from read_json('s3://{bucket}/rows.jsonl', format='newline_delimited')", "s3://{bucket}/out.parquet", "format parquet, compression zstd"),
            "target": {"duckdb": {"wall": 0.7}, "sum": {"local": 1.15, "transfer": 1.0}, "mb": 256},
        },
        "s3_20000_small_objects": {
            "input": [ndjson],
            "s3": {"small/": ndjson},
            "sluice": sql(f"INSERT INTO null('null://') SELECT * FROM {s3('small/')})", *limit),
            "boto3": boto3_pool("read", "small/"),
            "target": {"boto3": {"wall": 1 / 3}, "mb": 256},
        },
        "s3_1000_partitions": {
            "input": [parquet],
            "s3": {},
            "sluice": sql(f"INSERT INTO {s3('out/')}, format := 'parquet', partition_by := 'n') SELECT * FROM file('{parquet}')", *limit),
            **duckdb_s3(f"select * from read_parquet('{parquet}')", "s3://{bucket}/out", "format parquet, compression zstd, partition_by (n), overwrite_or_ignore"),
            "target": {"mb": 256},
        },
        "kafka_to_hourly_parquet": {
            "input": [],
            "kafka": rows,
            "s3": {},
            "sluice": sql(
                "CREATE TABLE lake AS SELECT * FROM kafka('{brokers}/rows', metadata := '_timestamp') INSERT INTO "
                f"{s3('out/')}, format := 'parquet', key_strategy := 'HivePartitioned', time_column := '_timestamp')", *limit),
            "python": [PYTHON, str(PEERS / "kafka_to_parquet.py"), "{brokers}", "rows", "4", str(rows), "{endpoint}", "{bucket}"],
            "kcat": ["kcat", "-q", "-C", "-b", "{brokers}", "-t", "rows", "-o", "beginning", "-e"],
            "target": {"kcat": {"wall": 2.0}, "python": {"cpu": 0.45}, "mb": 256},
        },
        "first_row": {
            "input": [small],
            "sluice": sql(f"SELECT id, event FROM file('{small}/00000.jsonl') LIMIT 1"),
            "target": {"seconds": 0.060},
            "runs": 15,
        },
        "help": {"input": [], "sluice": [SLUICE, "--help"], "target": {"seconds": 0.035}, "runs": 15},
    }


def make_input(path, rows):
    if path.exists():
        return
    DATA.mkdir(parents=True, exist_ok=True)
    generate = [PYTHON, str(ROOT / "bench" / "generate.py")]
    if path.name == "small":
        subprocess.run([*generate, "files", str(path), "10000"], check=True)
    elif path.suffix == ".parquet":
        make_input(path.with_suffix(".jsonl"), rows)
        query = f"select * from read_json('{path.with_suffix('.jsonl')}', format='newline_delimited')"
        subprocess.run(duckdb(query, str(path), "format parquet, compression zstd"), check=True)
    elif path.suffix == ".avro":
        make_input(path.with_suffix(".parquet"), rows)
        parquet = str(path.with_suffix(".parquet"))
        subprocess.run([PYTHON, str(PEERS / "fastavro_copy.py"), parquet, str(path)], check=True)
    else:
        subprocess.run([*generate, {".jsonl": "json", ".csv": "csv"}[path.suffix], str(path), str(rows)], check=True)


@contextlib.contextmanager
def postgres_of(workload):
    """(prepare, fill): an empty table before each run, and the server's place in a command."""
    if "postgres" not in workload:
        yield lambda: None, lambda command: command
        return
    sys.path.insert(0, str(ROOT / "tests"))
    from services.postgres import running_postgres

    with running_postgres("shared_buffers = 256MB\nmax_wal_size = 8GB") as server:
        database = server.make_database()
        places = {"{location}": database.location(), "{url}": database.url()}

        def fill(command):
            for place, text in places.items():
                command = [part.replace(place, text) for part in command]
            return command

        yield lambda: database.execute(workload["postgres"]), fill


@contextlib.contextmanager
def s3_of(workload):
    """(prepare, fill, environment): a bucket without what an earlier run wrote, and its place in a command."""
    if "s3" not in workload:
        yield lambda: None, lambda command: command, {}
        return
    sys.path.insert(0, str(ROOT / "tests"))
    from services.s3 import running_s3

    folder = DATA / "s3"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with running_s3("versitygw", str(folder)) as server:
        bucket = server.make_bucket("bench")
        for key, path in workload["s3"].items():
            put_objects(bucket, key, path)
        places = {"{bucket}": bucket.name, "{endpoint}": bucket.endpoint, "{options}": bucket.options()}

        def fill(command):
            for place, text in places.items():
                command = [part.replace(place, text) for part in command]
            return command

        def prepare():
            for key in bucket.keys("out"):
                bucket.client.delete_object(Bucket=bucket.name, Key=key)

        yield prepare, fill, {name: value for name, value in bucket.env.items() if value}
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def kafka_of(workload):
    """fill: the brokers that hold the topic `rows`, in a command."""
    if "kafka" not in workload:
        yield lambda command: command
        return
    sys.path.insert(0, str(ROOT / "tests"))
    from services.kafka import running_kafka

    with running_kafka() as kafka:
        generate = [PYTHON, str(ROOT / "bench" / "generate.py"), "topic", kafka.brokers, str(workload["kafka"])]
        subprocess.run(generate, check=True)
        yield lambda command: [part.replace("{brokers}", kafka.brokers) for part in command]


def put_objects(bucket, key, path):
    """The file under that key; below a key that ends in '/': objects of 50 of its lines (10 KB), up to 20,000."""
    if not key.endswith("/"):
        bucket.client.upload_file(str(path), bucket.name, key)
        return
    with open(path, "rb") as lines:
        for number in range(20_000):
            content = b"".join(itertools.islice(lines, 50))
            if not content:
                return
            bucket.put(f"{key}{number:05}.jsonl", content)


def median(runs, figure):
    return statistics.median(run[figure] for run in runs)


def verdicts(workload, medians):
    target = workload["target"]
    mine = medians["sluice"]
    if "mb" in target:
        yield f"{mine['mb']:.0f} MB ≤ {target['mb']}", mine["mb"] <= target["mb"]
    if "seconds" in target:
        yield f"{mine['wall'] * 1000:.0f} ms ≤ {target['seconds'] * 1000:.0f}", mine["wall"] <= target["seconds"]
    if "sum" in target:
        most = sum(medians[part]["wall"] * times for part, times in target["sum"].items())
        text = " + ".join(f"{times} × {part}" for part, times in target["sum"].items())
        yield f"wall {mine['wall']:.2f} s ≤ {text} = {most:.2f} s", mine["wall"] <= most
    for peer, limits in target.items():
        if peer not in medians or peer == "sum":
            continue
        for figure, limit in limits.items():
            ratio = mine[figure] / medians[peer][figure]
            yield f"{figure} {ratio:.2f} × {peer} ≤ {limit}", ratio <= limit


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--keep", action="store_true", help="write bench/results")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    scratch = DATA / "run"
    results = {}
    for name, workload in workloads(arguments.rows).items():
        if arguments.names and name not in arguments.names:
            continue
        for path in workload["input"]:
            make_input(path, arguments.rows)
        commands = {key: workload[key] for key in PROGRAMS if key in workload}
        runs = {key: [] for key in commands}
        with contextlib.ExitStack() as services:
            empty_table, in_database = services.enter_context(postgres_of(workload))
            empty_bucket, in_bucket, environment = services.enter_context(s3_of(workload))
            in_cluster = services.enter_context(kafka_of(workload))
            for turn in range(workload.get("runs", arguments.runs) + 1):
                for key, command in commands.items():
                    empty_table()
                    empty_bucket()
                    figures = measure(in_cluster(in_bucket(in_database(command))), scratch / key, environment)
                    if turn > 0 or workload.get("runs") == 1:
                        runs[key].append(figures)
        medians = {key: {figure: median(values, figure) for figure in ("wall", "cpu", "mb")} for key, values in runs.items()}
        results[name] = {"medians": medians, "runs": runs}
        print(f"\n{name}")
        for key, figures in medians.items():
            print(f"  {key:8} {figures['wall']:7.3f} s wall {figures['cpu']:7.3f} s CPU {figures['mb']:6.0f} MB")
        for text, good in verdicts(workload, medians):
            print(f"  {'ok  ' if good else 'MISS'} {text}")
            results[name].setdefault("verdicts", []).append({"text": text, "ok": good})
    shutil.rmtree(scratch, ignore_errors=True)
    if arguments.keep:
        folder = ROOT / "bench" / "results"
        folder.mkdir(exist_ok=True)
        machine = {"cores": os.cpu_count(), "kernel": platform.release(), "rows": arguments.rows, "date": time.strftime("%Y-%m-%d")}
        (folder / f"{time.strftime('%Y-%m-%d')}.json").write_text(json.dumps({"machine": machine, "workloads": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
