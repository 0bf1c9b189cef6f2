"""Files that workloads read, made when they are missing."""
import itertools
import subprocess

from commands import DATA, DEBEZIUM, PEERS, PYTHON, ROOT, duckdb

GENERATE = [PYTHON, str(ROOT / "bench" / "generate.py")]


def make_input(path, rows):
    if path.exists():
        return
    DATA.mkdir(parents=True, exist_ok=True)
    if path.name == "small":
        subprocess.run([*GENERATE, "files", str(path), "10000"], check=True)
    elif path.suffix == ".parquet":
        make_input(path.with_suffix(".jsonl"), rows)
        query = f"select * from read_json('{path.with_suffix('.jsonl')}', format='newline_delimited')"
        subprocess.run(duckdb(query, str(path), "format parquet, compression zstd"), check=True)
    elif path.suffix == ".avro":
        make_input(path.with_suffix(".parquet"), rows)
        parquet = str(path.with_suffix(".parquet"))
        subprocess.run([PYTHON, str(PEERS / "fastavro_copy.py"), parquet, str(path)], check=True)
    else:
        subprocess.run([*GENERATE, {".jsonl": "json", ".csv": "csv"}[path.suffix], str(path), str(rows)], check=True)


def make_topic(brokers, rows):
    subprocess.run([*GENERATE, "topic", brokers, str(rows)], check=True)


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


def compile_debezium():
    out = DATA / "debezium"
    out.mkdir(parents=True, exist_ok=True)
    program = PEERS / "debezium" / "DrainSlot.java"
    subprocess.run(["javac", "-cp", f"{DEBEZIUM / 'libs'}/*", "-d", str(out), str(program)], check=True)
