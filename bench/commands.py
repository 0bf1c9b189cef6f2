"""The commands that workloads are made of. A place in braces ({url}, {bucket}, …) is filled in by the server that runs
beside the workload: see servers.py."""
import dataclasses
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SLUICE = os.environ.get("SLUICE_BINARY", str(ROOT / "build" / "sluice"))
PYTHON = sys.executable
PEERS = ROOT / "bench" / "peers"
DATA = pathlib.Path(os.environ.get("SLUICE_BENCH_DATA", ROOT / "build" / "bench"))
LIMIT = ["--memory", "256MB"]

# What `tools/deps bench` fetches; without them these peers are left out.
_duckdb = os.environ.get("SLUICE_BENCH_DUCKDB", str(ROOT / ".deps" / "bench-duckdb" / "bin" / "python"))
DUCKDB = _duckdb if pathlib.Path(_duckdb).exists() else None
_debezium = pathlib.Path(os.environ.get("SLUICE_BENCH_DEBEZIUM", ROOT / ".deps" / "debezium"))
DEBEZIUM = _debezium if (_debezium / "libs").is_dir() else None


@dataclasses.dataclass
class Stream:
    """A command that does not end by itself: its time is until `until` holds, and then it is told to end. That is a query
    in the workload's database that says true, or a function of what runs beside it. `rows`: what its log has to say that
    it delivered (into a null sink it says nothing)."""

    command: list
    until: object
    rows: int = 0


@dataclasses.dataclass
class Timed:
    """A command that prints how long it took ("seconds 1.25"), without the start of its virtual machine."""

    command: list


def sql(text, *flags):
    return [SLUICE, "run", "--quiet", *flags, "-e", text]


def stream(text, until, rows=0, flags=()):
    return Stream([SLUICE, "run", *flags, "-e", text], until, rows)


def duckdb(query, out, options):
    return [PYTHON, str(PEERS / "duckdb_copy.py"), query, out, options]


def s3(path):
    """In a bucket of the server that runs beside the workload."""
    return f"s3('{{bucket}}/{path}', {{options}}"


def duckdb_s3(query, out, options):
    peer = [DUCKDB, str(PEERS / "duckdb_s3.py"), "{endpoint}", query, out, options]
    return {"duckdb": peer} if DUCKDB else {}


def duckdb_postgres(*arguments):
    return {"duckdb": [DUCKDB, str(PEERS / "duckdb_postgres.py"), "{url}", *arguments]} if DUCKDB else {}


def boto3_pool(*arguments):
    return [PYTHON, str(PEERS / "boto3_pool.py"), "{endpoint}", "{bucket}", *arguments]


def debezium(changes, brokers="-", topic="-"):
    """Debezium's engine on slot `bench`: into Kafka, or nowhere."""
    if DEBEZIUM is None:
        return {}
    classes = f"{DATA / 'debezium'}:{DEBEZIUM / 'libs'}/*"
    arguments = ["{host}", "{port}", "{user}", "{database}", "bench", "accounts_pub", "public.accounts", str(changes)]
    return {"debezium": Timed(["java", "-cp", classes, "DrainSlot", *arguments, brokers, topic])}
