"""kill -9 at every step from Kafka into folders, buckets and PostgreSQL: a topic read once, and one followed in a group.

As in test_matrix.py the points come from an undisturbed run. Judged by pyarrow, boto3 and psycopg.
"""
import collections
import json
import signal
import time

import pyarrow.parquet as pq
import pytest
from test_matrix import visits_of

from services.process import listens

ROWS = 3000
EXPECTED = list(range(ROWS))


class Sink:
    """Where rows go; each attempt has a place of its own."""

    def __init__(self, kind, request):
        self.kind = kind
        self.bucket = request.getfixturevalue("gateway_bucket") if kind == "s3" else None
        self.database = request.getfixturevalue("postgres") if kind == "postgresql" else None
        self.env = self.bucket.env if self.bucket is not None else {}

    def call(self, attempt):
        if self.kind == "s3":
            return self.bucket.at(f"out/{attempt}/", "key_strategy := 'CollectionBased'")
        if self.kind == "postgresql":
            return self.database.at(f"sink_{attempt}")
        return "file('out/', format := 'parquet')"

    def ids(self, attempt, folder):
        if self.kind == "s3":
            lines = [line for key in self.bucket.keys(f"out/{attempt}/") for line in self.bucket.get(key).splitlines()]
            return [json.loads(line)["id"] for line in lines]
        if self.kind == "postgresql":
            if self.database.value("SELECT to_regclass(%s)", [f"sink_{attempt}"]) is None:
                return []
            return [row[0] for row in self.database.rows(f"SELECT id FROM sink_{attempt}")]
        return [number for path in sorted((folder / "out").rglob("*.parquet")) if not path.name.startswith(".")
                for number in pq.read_table(path).column("id").to_pylist()]


def run_stream(sluice, sql, done, env):
    """Runs until it dies or everything is delivered, then ends it in an orderly way: its exit code."""
    process = sluice.start("run", "-e", sql, env=env)
    deadline = time.monotonic() + 40
    while process.poll() is None and not done():
        assert time.monotonic() < deadline, "not everything was delivered in 40 s"
        time.sleep(0.05)
    while process.poll() is None and not listens(process):
        time.sleep(0.01)
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode in (0, -signal.SIGKILL), stderr
    return process.returncode


CASES = [("table", "file"), ("table", "s3"), ("stream", "file"), ("stream", "s3"), ("stream", "postgresql")]


@pytest.mark.parametrize("kind,sink", CASES, ids=[f"{kind} → {sink}" for kind, sink in CASES])
def test_every_row_arrives_once_wherever_the_process_dies(tmp_path, sluice, request, kafka, kind, sink, record_property):
    topic = kafka.make_topic(3)
    kafka.produce(topic, [json.dumps({"id": i, "v": f"value {i}"}) for i in range(ROWS)])
    target = Sink(sink, request)

    def attempt_in(name):
        sluice.folder = tmp_path / name
        sluice.folder.mkdir()
        return sluice.folder

    def run(attempt, env):
        options = "columns := 'id BIGINT, v VARCHAR'"
        if kind == "stream":  # a member that comes back under its name waits for nobody
            options += f", instance_id := 'one', group_id := 'g-{topic}-{attempt}'"
        sql = (f"CREATE {kind.upper()} t WITH (lanes := 2, epoch_rows := 700, epoch_age := '100ms') AS "
               f"SELECT id, v FROM {kafka.at(topic, options)} INSERT INTO {target.call(attempt)};")
        env = {**target.env, **env}
        if kind == "table":
            result = sluice.sql(sql, check=False, env=env)
            assert result.returncode in (0, -signal.SIGKILL), result.stderr
            return result.returncode
        return run_stream(sluice, sql, lambda: len(target.ids(attempt, folder)) >= ROWS, env)

    folder = attempt_in("probe")
    assert run("probe", {"SLUICE_CRASH_LOG": str(tmp_path / "visits")}) == 0
    assert sorted(target.ids("probe", folder)) == EXPECTED

    kills = lost = doubled = 0
    for number, (point, count) in enumerate(visits_of(tmp_path / "visits")):
        for visit in sorted({1, (count + 1) // 2}):
            attempt = f"a{number}_{visit}"
            folder = attempt_in(attempt)
            kills += run(attempt, {"SLUICE_CRASH_AT": f"{point}:{visit}"}) == -signal.SIGKILL
            assert run(attempt, {}) == 0
            seen = collections.Counter(target.ids(attempt, folder))
            lost += sum(1 for i in EXPECTED if seen[i] == 0)
            doubled += sum(1 for n in seen.values() if n > 1)
    record_property("summary", f"crash matrix: kafka {kind} → {sink}: {kills} kills, lost {lost}, doubled {doubled}")
    assert kills > 5
    assert (lost, doubled) == (0, 0)
