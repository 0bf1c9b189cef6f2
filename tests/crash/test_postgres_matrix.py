"""kill -9 at every step between PostgreSQL, folders and buckets; file → postgresql is in test_matrix.py.

A copied table is one epoch: a killed copy leaves nothing and the next one copies all. Judged by psycopg and boto3.
"""
import collections
import json
import signal

import pytest
from test_matrix import visits_of

ROWS = 3000


class Place:
    """Where rows come from or go to; each attempt has a place of its own."""

    def __init__(self, kind, request, s3_servers):
        self.kind = kind
        self.database = request.getfixturevalue("postgres") if kind == "postgresql" else None
        self.bucket = s3_servers("versitygw").make_bucket() if kind == "s3" else None
        self.env = self.bucket.env if self.bucket is not None else {}

    def fill(self):
        if self.kind == "postgresql":
            self.database.execute(f"CREATE TABLE source AS SELECT g AS id, 'value ' || g AS v FROM generate_series(1, {ROWS}) g")
            self.database.execute("ANALYZE source")
        else:
            for part in range(3):
                lines = "".join(json.dumps({"id": i, "v": f"value {i}"}) + "\n" for i in range(part + 1, ROWS + 1, 3))
                self.bucket.put(f"in/{part}.jsonl", lines.encode())

    def as_source(self):
        if self.kind == "postgresql":
            return self.database.at("source", "split_rows := 1000")
        return self.bucket.at("in/", "columns := 'id BIGINT, v VARCHAR'")

    def as_sink(self, attempt):
        if self.kind == "postgresql":
            return self.database.at(f"sink_{attempt}")
        if self.kind == "s3":
            return self.bucket.at(f"out/{attempt}/", "key_strategy := 'CollectionBased'")
        return f"file('out/{attempt}/')"

    def ids(self, attempt, folder):
        if self.kind == "postgresql":
            return [row[0] for row in self.database.rows(f"SELECT id FROM sink_{attempt}")]
        if self.kind == "s3":
            assert self.bucket.uploads() == [], "an upload was left behind"
            files = [self.bucket.get(key) for key in self.bucket.keys(f"out/{attempt}/")]
        else:
            assert not [path for path in (folder / "out").rglob(".*") if path.is_file()], "leftovers"
            files = [path.read_bytes() for path in (folder / "out" / attempt).rglob("*.jsonl")]
        return [json.loads(row)["id"] for content in files for row in content.splitlines()]


PAIRS = [("postgresql", "file"), ("postgresql", "s3"), ("postgresql", "postgresql"), ("s3", "postgresql")]


@pytest.mark.parametrize("source,sink", PAIRS, ids=[f"{a} → {b}" for a, b in PAIRS])
def test_every_row_arrives_once_wherever_the_process_dies(tmp_path, sluice, request, s3_servers, source, sink, record_property):
    origin = Place(source, request, s3_servers)
    target = Place(sink, request, s3_servers)
    env = {**origin.env, **target.env}
    origin.fill()

    def sql(attempt):
        return (f"CREATE TABLE t WITH (lanes := 2, epoch_rows := 700) AS SELECT id, v FROM {origin.as_source()} "
                f"INSERT INTO {target.as_sink(attempt)};")

    def attempt_in(name):
        sluice.folder = tmp_path / name
        sluice.folder.mkdir()
        return sluice.folder

    expected = list(range(1, ROWS + 1))
    folder = attempt_in("probe")
    sluice.sql(sql("probe"), env={**env, "SLUICE_CRASH_LOG": str(tmp_path / "visits")})
    assert sorted(target.ids("probe", folder)) == expected

    kills = lost = doubled = 0
    for number, (point, count) in enumerate(visits_of(tmp_path / "visits")):
        for visit in sorted({1, (count + 1) // 2, count}):
            attempt = f"{number}_{visit}"
            folder = attempt_in(attempt)
            first = sluice.sql(sql(attempt), check=False, env={**env, "SLUICE_CRASH_AT": f"{point}:{visit}"})
            if first.returncode == -signal.SIGKILL:
                kills += 1
            else:
                assert first.returncode == 0, first.stderr  # threads took another order: the visit never came
            sluice.sql(sql(attempt), env=env)
            seen = collections.Counter(target.ids(attempt, folder))
            lost += sum(1 for i in expected if seen[i] == 0)
            doubled += sum(1 for n in seen.values() if n > 1)
    record_property("summary", f"crash matrix: {source} → {sink}: {kills} kills, lost {lost}, doubled {doubled}")
    assert kills > 5
    assert (lost, doubled) == (0, 0)
