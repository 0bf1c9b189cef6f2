"""kill -9 of a run that recovers: the first is killed in the middle of a commit, the second at each step that follows.

The steps are those that an undisturbed second run visits (SLUICE_CRASH_LOG) before it begins to deliver what is left:
completing what was decided, discarding and sweeping what was not. The third run goes through: nothing is lost, doubled
or left behind.
"""
import collections
import itertools
import json
import signal

import pytest
from test_matrix import BAD_EVERY, ROWS, expected, ids_in_files, ids_in_postgres, ids_in_sqlite, schema_of, visits_of, write_input

PAD = "x" * 30_000


class FileSink:
    """Also what the other kinds do, unless they say otherwise. `bad`: some lines are, and go to dead letters."""

    bad = False
    kills_first_at = ["commit.prepared", "commit.decided", "commit.published"]
    env = {}

    def __init__(self, request):
        pass

    def fill(self, folder):
        write_input(folder, self.bad)

    def call(self, folder):
        return "file('out/', format := 'parquet')"

    def ids(self, folder):
        return ids_in_files(folder / "out")


class PostgresSink(FileSink):
    """Its dead letters are what a predecessor leaves to decide about."""

    bad = True
    kills_first_at = ["commit.decided", "commit.dead_letters"]

    def __init__(self, request):
        self.database = request.getfixturevalue("postgres")

    def call(self, folder):
        return f"postgresql('{self.database.location()}?table={schema_of(folder)}.rows')"

    def ids(self, folder):
        return ids_in_postgres(self.database, schema_of(folder))

    def dead_letters(self, folder):
        return "dead/?format=json"

    def dead(self, folder):
        assert [path for path in (folder / "dead").rglob(".*") if path.is_file()] == [], folder.name
        return [line for path in (folder / "dead").rglob("*.jsonl") for line in path.read_text().splitlines()]


class SqliteSink(PostgresSink):
    """With dead letters in a bucket."""

    def __init__(self, request):
        self.bucket = request.getfixturevalue("gateway_bucket")
        self.env = self.bucket.env

    def call(self, folder):
        return "sqlite('out.db?table=rows')"

    def ids(self, folder):
        return ids_in_sqlite(folder / "out.db")

    def dead_letters(self, folder):
        return self.bucket.url(f"dead/{folder.name}/") + "&format=json"

    def dead(self, folder):
        assert [path for path in folder.rglob("spool/*") if path.is_file()] == [], folder.name
        return [line for key in self.bucket.keys(f"dead/{folder.name}/") for line in self.bucket.get(key).splitlines()]


class S3Sink(FileSink):
    """One file is wide enough for a multipart upload, which a start may have to abort."""

    kills_first_at = ["commit.prepared", "commit.decided"]

    def __init__(self, request):
        self.bucket = request.getfixturevalue("gateway_bucket")
        self.env = self.bucket.env

    def fill(self, folder):
        (folder / "in").mkdir()
        wide = "".join(json.dumps({"id": i, "v": PAD}) + "\n" for i in range(300))
        narrow = "".join(json.dumps({"id": i, "v": ""}) + "\n" for i in range(300, ROWS))
        (folder / "in/0.jsonl").write_text(wide)
        (folder / "in/1.jsonl").write_text(narrow)

    def call(self, folder):
        return self.bucket.at(f"out/{folder.name}/", "key_strategy := 'CollectionBased'")

    def ids(self, folder):
        assert self.bucket.uploads() == [], "an upload was left behind"
        assert [path for path in folder.rglob("spool/*") if path.is_file()] == []
        return [json.loads(row)["id"] for key in self.bucket.keys(f"out/{folder.name}/")
                for row in self.bucket.get(key).splitlines()]


def points_of(folder):
    return [point for point, _ in visits_of(folder / "visits")]


SINKS = {"file": FileSink, "s3": S3Sink, "sqlite": SqliteSink, "postgresql": PostgresSink}


@pytest.mark.parametrize("kind", SINKS)
def test_every_row_arrives_once_wherever_a_recovery_dies(tmp_path, sluice, request, kind, record_property):
    sink = SINKS[kind](request)

    def begin(name):
        sluice.folder = tmp_path / name
        sluice.folder.mkdir()
        sink.fill(sluice.folder)
        return sluice.folder

    def run(env):
        options = "lanes := 1, epoch_rows := 700" + (f", dead_letters := '{sink.dead_letters(sluice.folder)}'" if sink.bad else "")
        result = sluice.sql(f"CREATE TABLE t WITH ({options}) AS SELECT id, v FROM file('in/*.jsonl', columns := "
                            f"'id BIGINT, v VARCHAR') INSERT INTO {sink.call(sluice.folder)};", check=False, env={**sink.env, **env})
        assert result.returncode in (0, -signal.SIGKILL), result.stderr
        return result.returncode != 0

    def check(folder):
        seen = collections.Counter(sink.ids(folder))
        if sink.bad:
            assert len(sink.dead(folder)) == ROWS // BAD_EVERY, folder.name
        return sum(1 for i in expected(sink.bad) if seen[i] == 0), sum(1 for n in seen.values() if n > 1)

    folder = begin("undisturbed")
    assert not run({"SLUICE_CRASH_LOG": str(folder / "visits")})
    assert check(folder) == (0, 0)
    delivering = set(itertools.takewhile(lambda point: point != "commit.prepared", points_of(folder)))
    kills = lost = doubled = 0
    for first in sink.kills_first_at:
        folder = begin(f"{first}-probe")
        assert run({"SLUICE_CRASH_AT": first}), first
        assert not run({"SLUICE_CRASH_LOG": str(folder / "visits")})
        assert check(folder) == (0, 0), first
        for point in itertools.takewhile(lambda point: point not in delivering, points_of(folder)):
            folder = begin(f"{first}-{point}")
            assert run({"SLUICE_CRASH_AT": first}), first
            assert run({"SLUICE_CRASH_AT": point}), point
            kills += 1
            assert not run({})
            some = check(folder)
            lost, doubled = lost + some[0], doubled + some[1]
    record_property("summary", f"crash matrix: recovering file → {kind}: {kills} kills, lost {lost}, doubled {doubled}")
    assert kills > 6
    assert (lost, doubled) == (0, 0)
