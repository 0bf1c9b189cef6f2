"""SIGTERM drains and commits; a second signal aborts; what comes next finds nothing lost and nothing doubled."""
import contextlib
import json
import signal
import sqlite3
import time

import pytest
from delivered import append, ids, leftovers, ndjson, wait_until

STREAM = "CREATE STREAM s WITH (epoch_age := '{age}') AS SELECT id FROM file('in/', watch := true, poll_interval := '100ms') INSERT INTO file('out/')"


def test_sigterm_commits_what_was_read(sluice, start):
    ndjson(sluice.folder / "in/a.jsonl", range(100))
    stream = start("run", "-e", STREAM.format(age="1h"))
    # One batch has all rows, and a file is begun with it; only the epoch's age keeps it from being seen.
    stream.waits_until(lambda: leftovers(sluice.folder / "out") != [], "a file that is begun")
    assert ids(sluice.folder / "out") == []
    stream.stop()
    assert ids(sluice.folder / "out") == list(range(100))
    assert leftovers(sluice.folder / "out") == []


def test_sigint_does_the_same(sluice, start):
    ndjson(sluice.folder / "in/a.jsonl", [1])
    stream = start("run", "-e", STREAM.format(age="100ms"))
    stream.waits_until(lambda: ids(sluice.folder / "out") == [1], "the row")
    stream.signal(signal.SIGINT)
    code, stderr = stream.end()
    assert code == 0, stderr


def test_a_second_signal_aborts_within_a_second_and_nothing_is_half_seen(sluice, start):
    ndjson(sluice.folder / "in/a.jsonl", range(400_000))
    stream = start("run", "-e", "CREATE TABLE t AS SELECT id FROM file('in/', rate_limit := '20000 rows/s') INSERT INTO file('out/')")
    stream.waits_until(lambda: leftovers(sluice.folder / "out") != [], "a file that is begun")
    stream.signal()
    time.sleep(0.25)  # sooner it would be the same wish
    stream.signal(signal.SIGINT)
    began = time.monotonic()
    code, stderr = stream.end()
    assert time.monotonic() - began < 1.5
    assert code in (0, 1), stderr
    seen = ids(sluice.folder / "out") if (sluice.folder / "out").exists() else []
    assert len(seen) == len(set(seen))
    sluice("run", "-e", "CREATE TABLE t AS SELECT id FROM file('in/', rate_limit := '20000000 rows/s') INSERT INTO file('out/')", check=False)
    sluice("drop", "t")
    assert leftovers(sluice.folder / "out") == []


def test_a_second_signal_aborts_what_waits_for_a_lock(sluice, start, slowly):
    ndjson(sluice.folder / "in/a.jsonl", range(100))
    sql = "CREATE TABLE t AS SELECT id FROM file('in/') INSERT INTO sqlite('out.db?table=rows')"
    with contextlib.closing(sqlite3.connect(sluice.folder / "out.db", isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("CREATE TABLE rows (id BIGINT)")
        sluice("check", "-e", sql)
        other.execute("BEGIN IMMEDIATE")
        table = start("run", "-e", sql)
        table.waits_until(table.listens, "it to listen for signals")
        table.signal()
        slowly(0.5)
        assert table.process.poll() is None, "after the first signal it still waits for its turn"
        table.signal()
        began = time.monotonic()
        code, stderr = table.end()
        assert time.monotonic() - began < 1.5
        assert code == 1, stderr
        other.execute("ROLLBACK")
        sluice.sql(sql)
        assert sorted(other.execute("SELECT id FROM rows").fetchall()) == [(number,) for number in range(100)]


def test_a_table_that_was_stopped_goes_on(sluice, start):
    ndjson(sluice.folder / "in/a.jsonl", range(30_000))
    sql = "CREATE TABLE t AS SELECT id FROM file('in/', rate_limit := '{} rows/s') INSERT INTO file('out/')"
    table = start("run", "-e", sql.format(20_000))
    time.sleep(0.8)
    table.stop()
    assert len(ids(sluice.folder / "out")) < 30_000
    sluice.sql(sql.format(20_000).replace("CREATE", "CREATE OR REPLACE").replace("20000 rows/s", "900000 rows/s"))
    assert ids(sluice.folder / "out") == list(range(30_000))


def test_killed_streams_lose_and_double_nothing(sluice, start):
    (sluice.folder / "in").mkdir()
    path = sluice.folder / "in/a.jsonl"
    path.write_text("")
    written = 0
    for attempt in range(5):
        stream = start("run", "-e", STREAM.format(age="20ms").replace("'in/'", "'in/', columns := 'id BIGINT'"))
        for _ in range(8):
            append(path, "".join('{"id": %d}\n' % number for number in range(written, written + 50)))
            written += 50
            time.sleep(0.03 + 0.01 * attempt)
        stream.process.kill()
        stream.end()
    stream = start("run", "-e", STREAM.format(age="20ms").replace("'in/'", "'in/', columns := 'id BIGINT'"))
    stream.waits_until(lambda: len(ids(sluice.folder / "out")) >= written, "all rows")
    stream.stop()
    assert ids(sluice.folder / "out") == list(range(written))
    assert leftovers(sluice.folder / "out") == []


def test_a_stopped_table_goes_on_in_the_middle_of_a_csv_file_that_was_cut(sluice, start):
    (sluice.folder / "in").mkdir()
    (sluice.folder / "in/a.csv").write_text("id,text\n" + "".join(f'{i},"a\nb"\n' for i in range(40_000)))
    sql = "CREATE TABLE t AS SELECT id FROM file('in/', split_bytes := '64KB', rate_limit := '{} rows/s') INSERT INTO file('out/', format := 'json')"
    table = start("run", "-e", sql.format(20_000))
    time.sleep(0.8)
    table.stop()
    assert len(ids(sluice.folder / "out")) < 40_000
    sluice.sql(sql.format(20_000).replace("CREATE", "CREATE OR REPLACE").replace("20000 rows/s", "900000 rows/s"))
    assert ids(sluice.folder / "out") == list(range(40_000))


@pytest.mark.parametrize("query", ["SELECT 1 AS id", "SELECT * FROM range(3) AS r(id)", "SELECT count(*) AS id FROM file('none/*.jsonl', columns := 'id BIGINT')"])
@pytest.mark.parametrize("head", ["CREATE TABLE n AS {} INSERT INTO {}", "INSERT INTO {1} {0}"], ids=["named", "unnamed"])
@pytest.mark.parametrize("point", ["commit.published", "sqlite.commit.after", "sqlite.commit.inside"])
def test_the_answer_of_a_query_that_reads_nothing_is_delivered_once(sluice, query, head, point):
    (sluice.folder / "none").mkdir()
    sql = head.format(query, "sqlite('out.db?table=rows')")
    assert sluice.sql(sql, check=False, env={"SLUICE_CRASH_AT": point}).returncode == -signal.SIGKILL
    for _ in range(1 if head.startswith("INSERT") else 3):
        sluice.sql(sql)
    with contextlib.closing(sqlite3.connect(sluice.folder / "out.db")) as out:
        seen = out.execute("SELECT id FROM rows").fetchall()
    assert len(seen) == len(set(seen)) == (3 if "range" in query else 1)


def test_a_signal_that_comes_twice_at_once_is_one_wish(sluice, start):
    ndjson(sluice.folder / "in/a.jsonl", range(400_000))
    table = start("run", "-e", "CREATE TABLE t AS SELECT id FROM file('in/', rate_limit := '20000 rows/s') INSERT INTO file('out/')")
    table.waits_until(lambda: leftovers(sluice.folder / "out") != [], "a file that is begun")
    for _ in range(20):  # as timeout(1) does it: the process, then its group
        table.signal()
        table.signal(signal.SIGINT)
    code, stderr = table.end()
    assert code == 0 and "stopped on request" in stderr, stderr
    assert ids(sluice.folder / "out") != []


def test_a_table_that_was_stopped_early_does_not_say_that_nothing_is_new(sluice, start):
    ndjson(sluice.folder / "in/a.jsonl", [1])
    sql = "CREATE TABLE t AS SELECT id FROM file('in/', rate_limit := '1 rows/s') INSERT INTO file('out/')"
    sluice.sql(sql)
    ndjson(sluice.folder / "in/b.jsonl", range(1000))
    table = start("run", "-e", sql)
    table.waits_until(table.listens, "it to listen for signals")
    stderr = table.stop()
    assert "nothing new" not in stderr and "stopped on request" in stderr, stderr


def test_a_query_that_was_stopped_has_not_failed(sluice, start):
    ndjson(sluice.folder / "in/a.jsonl", range(1000))
    query = start("run", "-e", "CREATE TABLE q AS SELECT count(*) AS n FROM file('in/', rate_limit := '1 rows/s') INSERT INTO file('out/')")
    query.waits_until(query.listens, "it to listen for signals")
    wait_until(lambda: (sluice.folder / "state.db").exists() and "running" in sluice("status").stdout, "it to run")
    query.signal()
    code, stderr = query.end()
    assert code == 1 and "stopped on request" in stderr, stderr
    shown = json.loads(sluice("status", "q", "--output", "json").stdout)
    assert shown["state"] == "stopped" and "error" not in shown
