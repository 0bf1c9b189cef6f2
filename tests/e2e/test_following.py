"""Schema changes that are followed while a stream runs: nothing lost, nothing doubled, also under kill -9."""
import collections
import json
import signal
import sqlite3
import time

import duckdb
import pytest


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to that")


def drop_file(folder, name, rows):
    """A file appears whole."""
    hidden = folder / f".{name}"
    hidden.write_text("".join(json.dumps(row) + "\n" for row in rows))
    hidden.rename(folder / name)


def stream(sink, select="*", options=""):
    return (
        f"CREATE STREAM s WITH (epoch_age := '200ms', lanes := 2) AS SELECT {select} "
        f"FROM file('in/', format := 'json', watch := true, poll_interval := '50ms'{options}) {sink};"
    )


SINKS = {
    "sqlite": "INSERT INTO sqlite('out.db?table=t')",
    "parquet": "INSERT INTO file('out/', format := 'parquet')",
    "json": "INSERT INTO file('out/', format := 'json')",
}


def rows_in(folder, sink):
    """id → extra (None where there is none), and how often each id is there."""
    if sink == "sqlite":
        if not (folder / "out.db").exists():
            return {}, collections.Counter()
        with sqlite3.connect(folder / "out.db") as connection:
            names = [row[1] for row in connection.execute("PRAGMA table_info(t)")]
            if "id" not in names:
                return {}, collections.Counter()
            extra = "extra" if "extra" in names else "NULL"
            found = connection.execute(f"SELECT id, {extra} FROM t").fetchall()
    else:
        files = [str(p) for p in (folder / "out").rglob("*") if p.is_file() and not p.name.startswith(".")]
        if not files:
            return {}, collections.Counter()
        reader = "read_parquet" if sink == "parquet" else "read_json"
        relation = duckdb.sql(f"SELECT * FROM {reader}({files}, union_by_name := true)")
        extra = "extra" if "extra" in relation.columns else "NULL"
        found = duckdb.sql(f"SELECT id, {extra} FROM relation").fetchall()
    return dict(found), collections.Counter(row[0] for row in found)


def write_first(folder):
    data = folder / "in"
    data.mkdir()
    drop_file(data, "a.jsonl", [{"id": i} for i in range(100)])
    return data


def write_second(data):
    drop_file(data, "b.jsonl", [{"id": i} for i in range(100, 150)])
    drop_file(data, "c.jsonl", [{"id": i, "extra": f"x{i}"} for i in range(150, 200)])


EXPECTED = {i: (f"x{i}" if i >= 150 else None) for i in range(200)}


@pytest.mark.parametrize("sink", SINKS)
def test_a_new_column_arrives_while_the_stream_runs(tmp_path, sluice, sink):
    data = write_first(tmp_path)
    process = sluice.start("run", "-e", stream(SINKS[sink]))
    try:
        wait_until(lambda: len(rows_in(tmp_path, sink)[0]) == 100)
        write_second(data)
        wait_until(lambda: len(rows_in(tmp_path, sink)[0]) == 200)
        assert process.poll() is None
        drop_file(data, "d.jsonl", [{"id": 200, "other": 1.5}])
        wait_until(lambda: len(rows_in(tmp_path, sink)[0]) == 201)
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    rows, seen = rows_in(tmp_path, sink)
    assert {**EXPECTED, 200: None} == rows
    assert set(seen.values()) == {1}


def test_listed_columns_stay_as_they_are_and_stop_and_ignore_do_as_they_say(tmp_path, sluice):
    data = write_first(tmp_path)
    process = sluice.start("run", "-e", stream(SINKS["sqlite"], select="id"))
    wait_until(lambda: len(rows_in(tmp_path, "sqlite")[0]) == 100)
    write_second(data)
    wait_until(lambda: len(rows_in(tmp_path, "sqlite")[0]) == 200)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    with sqlite3.connect(tmp_path / "out.db") as connection:
        assert [row[1] for row in connection.execute("PRAGMA table_info(t)")] == ["id"]

    other = stream("INSERT INTO sqlite('stop.db?table=t')", options=", on_schema_change := 'stop'").replace("STREAM s", "STREAM stops")
    process = sluice.start("run", "-e", other)
    wait_until(lambda: (tmp_path / "stop.db").exists())
    time.sleep(0.5)
    drop_file(data, "e.jsonl", [{"id": 300, "new_one": 1}])
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "new column 'new_one'" in errors and "on_schema_change is 'stop'" in errors


@pytest.mark.parametrize("sink", ["sqlite", "parquet"])
def test_a_schema_change_loses_and_doubles_nothing_wherever_the_process_dies(tmp_path, sluice, sink, record_property):
    kills = 0
    points = ["change.committed", "change.evolved", "change.saved", "break.released"]
    points += ["commit.decided", "commit.published"]
    if sink == "sqlite":
        points += ["sqlite.evolve.before", "sqlite.evolve.inside"]
    for point in points:
        folder = tmp_path / point
        folder.mkdir()
        data = write_first(folder)
        sluice.folder = folder
        visit = 2 if point.startswith("commit") else 1  # the first epoch is to be seen
        process = sluice.start("run", "-e", stream(SINKS[sink]), env={"SLUICE_CRASH_AT": f"{point}:{visit}"})
        wait_until(lambda: len(rows_in(folder, sink)[0]) == 100)
        write_second(data)
        process.wait(timeout=20)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, point
        kills += 1
        process = sluice.start("run", "-e", stream(SINKS[sink]))
        drop_file(data, "d.jsonl", [{"id": 200}])  # tells that the second process has come so far
        wait_until(lambda: len(rows_in(folder, sink)[0]) == 201)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 0, errors
        rows, seen = rows_in(folder, sink)
        assert rows == {**EXPECTED, 200: None}, point
        assert set(seen.values()) == {1}, point
    record_property("summary", f"schema change into {sink}: {kills} kills, lost 0, doubled 0")


def test_what_was_followed_is_known_to_the_next_start(tmp_path, sluice):
    """The file that brought the column is gone by then: the stream still has it."""
    data = write_first(tmp_path)
    process = sluice.start("run", "-e", stream(SINKS["parquet"]))
    wait_until(lambda: len(rows_in(tmp_path, "parquet")[0]) == 100)
    write_second(data)
    wait_until(lambda: len(rows_in(tmp_path, "parquet")[0]) == 200)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    (data / "c.jsonl").unlink()
    process = sluice.start("run", "-e", stream(SINKS["parquet"]))
    time.sleep(0.5)
    drop_file(data, "f.jsonl", [{"id": 500}])
    wait_until(lambda: len(rows_in(tmp_path, "parquet")[0]) == 201)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    newest = max((p for p in (tmp_path / "out").glob("*.parquet")), key=lambda p: p.stat().st_mtime)
    assert duckdb.sql(f"SELECT * FROM read_parquet('{newest}')").columns == ["id", "extra"]


def test_a_null_sink_reads_everything_and_keeps_nothing(tmp_path, sluice):
    write_first(tmp_path)
    sluice.sql("INSERT INTO null('null://') SELECT * FROM file('in/*.jsonl');")
    sluice("cp", "in/a.jsonl", "null://")
    assert sorted(p.name for p in tmp_path.iterdir()) in (["in"], ["in", "state.db"], ["in", "state.db", "state.db-lease"])
