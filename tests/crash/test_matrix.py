"""kill -9 at every step of both commit orders, judged by readers that are not ours.

The points are found by a first, undisturbed run (SLUICE_CRASH_LOG); then each is visited again with SLUICE_CRASH_AT, at
its first, middle and last visit, and the pipeline is started again until it is through. Every row has to arrive once.
"""
import collections
import json
import signal
import sqlite3

import duckdb
import pytest

ROWS = 3000
BAD_EVERY = 500


def write_input(folder, bad, row_bytes=0):
    """Four files; with `bad`, some lines are not JSON."""
    data = folder / "in"
    data.mkdir()
    for part in range(4):
        with open(data / f"{part}.jsonl", "w") as out:
            for i in range(part, ROWS, 4):
                out.write("{oops\n" if bad and i % BAD_EVERY == 0 else json.dumps({"id": i, "v": f"value {i}".ljust(row_bytes)}) + "\n")
    return data


def ids_in_files(folder, pattern="*.parquet"):
    files = [str(p) for p in folder.rglob(pattern)]
    assert not [p for p in folder.rglob("*") if p.name.startswith(".sluice") and p.is_file()], "leftovers"
    if not files:
        return []
    return [row[0] for row in duckdb.sql(f"select id from read_parquet({files})").fetchall()]


def ids_in_sqlite(path):
    with sqlite3.connect(path) as connection:
        return [row[0] for row in connection.execute("select id from rows")]


def ids_in_postgres(database, schema):
    return [row[0] for row in database.rows(f'SELECT id FROM "{schema}".rows')]


def schema_of(folder):
    return "s_" + "".join(c if c.isalnum() else "_" for c in folder.name)


# The sink's call, what others see there, and for some the bytes of a row; `{database}` is a PostgreSQL, where each folder
# has a schema.
PAIRS = {
    "file → file": ("INSERT INTO file('out/', format := 'parquet')", lambda f: ids_in_files(f / "out")),
    "file → file, partitioned": (
        "INSERT INTO file('out/', format := 'parquet', partition_by := 'p')",
        lambda f: ids_in_files(f / "out"),
    ),
    "file → sqlite": ("INSERT INTO sqlite('out.db?table=rows')", lambda f: ids_in_sqlite(f / "out.db")),
    "file → postgresql": ("INSERT INTO postgresql('{database}?table={schema}.rows')", ids_in_postgres),
    # Rows so large that each lane gets some and sends them before the epoch ends: into a transaction of its own.
    "file → postgresql, side by side": ("INSERT INTO postgresql('{database}?table={schema}.rows')", ids_in_postgres, 3000),
    "file → postgresql, upsert": (
        "INSERT INTO postgresql('{database}?table={schema}.rows', mode := 'upsert', key := 'id')",
        ids_in_postgres,
    ),
}


class Target:
    """One pair's sink: for each folder its statement and the rows that are there."""

    def __init__(self, pair, dead_letters, request):
        self.sink, self.read, self.row_bytes = (*PAIRS[pair], 0)[:3]
        self.dead_letters = dead_letters
        self.database = request.getfixturevalue("postgres") if "{database}" in self.sink else None

    def sql(self, folder):
        sink = self.sink
        if self.database is not None:
            sink = sink.format(database=self.database.location(), schema=schema_of(folder))
        return pipeline(sink, self.dead_letters)

    def ids(self, folder):
        return self.read(folder) if self.database is None else self.read(self.database, schema_of(folder))


def pipeline(sink, dead_letters):
    options = "lanes := 2, epoch_rows := 700" + (", dead_letters := 'dead/?format=json'" if dead_letters else "")
    return f"CREATE TABLE t WITH ({options}) AS SELECT id, v, id % 3 AS p FROM file('in/*.jsonl', columns := 'id BIGINT, v VARCHAR') {sink};"


def visits_of(log):
    return list(collections.Counter(log.read_text().split()).items())


# With dead letters an epoch has one transaction.
CASES = [(pair, dead_letters) for pair in PAIRS for dead_letters in (False, True)
         if not (dead_letters and pair.endswith("side by side"))]


@pytest.mark.parametrize("pair, dead_letters", CASES, ids=[f"{pair} + dead letters" if bad else pair for pair, bad in CASES])
def test_every_row_arrives_once_wherever_the_process_dies(
    tmp_path, sluice, request, pair, dead_letters, record_property
):
    target = Target(pair, dead_letters, request)
    probe = tmp_path / "probe"
    probe.mkdir()
    write_input(probe, dead_letters, target.row_bytes)
    sluice.folder = probe
    sluice.sql(target.sql(probe), env={"SLUICE_CRASH_LOG": str(tmp_path / "visits")})
    assert sorted(target.ids(probe)) == expected(dead_letters)

    kills = lost = doubled = 0
    for point, count in visits_of(tmp_path / "visits"):
        for visit in sorted({1, (count + 1) // 2, count}):
            folder = tmp_path / f"{point}-{visit}"
            folder.mkdir()
            write_input(folder, dead_letters, target.row_bytes)
            sluice.folder = folder
            first = sluice.sql(target.sql(folder), check=False, env={"SLUICE_CRASH_AT": f"{point}:{visit}"})
            if first.returncode == -signal.SIGKILL:
                kills += 1
            else:
                assert first.returncode == 0, first.stderr  # threads took another order: the visit never came
            sluice.sql(target.sql(folder))
            seen = collections.Counter(target.ids(folder))
            lost += sum(1 for i in expected(dead_letters) if seen[i] == 0)
            doubled += sum(1 for n in seen.values() if n > 1)
            if dead_letters:
                dead = [p for p in (folder / "dead").rglob("*.jsonl")]
                assert sum(len(p.read_text().splitlines()) for p in dead) == ROWS // BAD_EVERY, point
    name = pair + (" + dead letters" if dead_letters else "")
    record_property("summary", f"crash matrix: {name}: {kills} kills, lost {lost}, doubled {doubled}")
    assert kills > 5
    assert (lost, doubled) == (0, 0)
    if pair.endswith("side by side"):
        assert "postgresql.commit.some" in (tmp_path / "visits").read_text()


def expected(dead_letters):
    return [i for i in range(ROWS) if not (dead_letters and i % BAD_EVERY == 0)]
