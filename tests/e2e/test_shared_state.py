"""The state store on PostgreSQL: every command works on it, and several processes meet there."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading

import pytest
from delivered import append, ids, leftovers, ndjson

from services.postgres import PASSWORD
from services.process import need

TESTS = pathlib.Path(os.environ.get("SLUICE_BINARY", "build/sluice")).parent / "tests"


@pytest.mark.parametrize(
    "battery,filters",
    [
        ("state_postgresql_test", "*"),
        ("flow_test", "*SharedPipelineTest*"),
        ("flow_test", "*SharedPipelineKill*"),
    ],
)
def test_the_batteries_against_a_server(postgres, battery, filters):
    program = need((TESTS / battery).resolve(), "make")
    result = subprocess.run(
        [program, "--gtest_brief=1", f"--gtest_filter={filters}"],
        capture_output=True, text=True, timeout=300,
        env={**os.environ, "SLUICE_TEST_POSTGRES": postgres.url()},
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "SLUICE_TEST_POSTGRES" not in result.stdout


@pytest.fixture
def shared(sluice, postgres):
    """SLUICE_STATE names the database."""
    return {"SLUICE_STATE": postgres.url()}


def table(select="id"):
    return f"CREATE TABLE orders AS SELECT {select} FROM file('in/*.jsonl', columns := 'id BIGINT') INSERT INTO file('out/');"


STREAM = """CREATE STREAM follow WITH (epoch_age := '100ms') AS
SELECT id FROM file('in/*.jsonl', watch := true, poll_interval := '50ms', columns := 'id BIGINT') INSERT INTO file('out/');"""


def test_every_command_works_on_it(sluice, shared, postgres):
    ndjson(sluice.folder / "in/a.jsonl", range(10))
    sluice.sql(table(), env=shared)
    assert "nothing new" in sluice.sql(table(), env=shared).stderr
    ndjson(sluice.folder / "in/b.jsonl", range(10, 15))
    sluice.sql(table(), env=shared)
    assert ids(sluice.folder / "out") == list(range(15))

    listed = sluice("status", env=shared).stdout
    assert "orders" in listed and "finished" in listed and "15 rows" in listed
    record = json.loads(sluice("status", "orders", "--output", "json", env=shared).stdout)
    assert record["rows"] == 15 and len(record["positions"]) == 2
    error = sluice.fails("run", "-e", table("id * 2 AS id"), env=shared)
    assert "was defined differently before" in error

    sluice("reset", "orders", env=shared)
    assert json.loads(sluice("status", "orders", "--output", "json", env=shared).stdout)["positions"] == {}
    sluice("drop", "orders", env=shared)
    assert postgres.value("SELECT count(*) FROM sluice.state_position") == 0
    error = sluice.fails("status", "orders", env=shared)
    assert "there is no pipeline 'orders' in postgresql://" in error and PASSWORD not in error
    assert not (sluice.folder / ".sluice").exists(), "nothing is kept beside it"


def test_dead_letters_are_replayed(sluice, shared):
    (sluice.folder / "in").mkdir()
    (sluice.folder / "in/a.jsonl").write_text('{"id": 1}\n{"id": "x"}\n{"id": 3}\n')
    sql = table().replace("TABLE orders", "TABLE orders WITH (dead_letters := 'dead/')")
    sluice.sql(sql, env=shared)
    assert ids(sluice.folder / "out") == [1, 3]
    assert "a.jsonl:2" in sluice("dead-letters", "list", "orders", env=shared).stdout
    (sluice.folder / "mended.sql").write_text(sql.replace("id BIGINT", "id VARCHAR").replace("SELECT id", "SELECT 2 AS id"))
    replayed = sluice("dead-letters", "replay", "orders", "mended.sql", env=shared)
    assert "1 dead letters replayed" in replayed.stdout + replayed.stderr
    assert ids(sluice.folder / "out") == [1, 2, 3]
    assert "replay" not in sluice("status", env=shared).stdout


def test_secrets_are_not_kept(sluice, shared, postgres):
    sql = f"INSERT INTO {postgres.at('copied')} SELECT 1 AS id"
    named = f"CREATE TABLE t AS SELECT 1 AS id INSERT INTO {postgres.at('copied')};"
    sluice.sql(sql, env=shared)
    sluice.sql(named, env=shared)
    tables = postgres.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'sluice' AND tablename LIKE 'state_%'")
    kept = "".join(str(postgres.rows(f"SELECT * FROM sluice.{name}")) for (name,) in tables)
    assert "copied" in kept and PASSWORD not in kept
    for command in (["status"], ["status", "t"], ["status", "nothing"], ["--log-level", "debug", "status"]):
        result = sluice(*command, env=shared, check=False)
        assert PASSWORD not in result.stdout + result.stderr


def test_a_second_process_is_told_who_runs_it_and_takes_over_at_once_after_kill_9(sluice, shared, start):
    ndjson(sluice.folder / "in/a.jsonl", range(5))
    first = start("run", "-e", STREAM, env=shared)
    first.waits_until(lambda: ids(sluice.folder / "out") == list(range(5)), "the first rows")
    error = sluice.fails("run", "-e", STREAM, env=shared)
    assert f"already running ({socket.gethostname()}:{first.process.pid}:" in error
    assert "already running" in sluice.fails("drop", "follow", env=shared)
    first.signal(signal.SIGKILL)
    first.end()
    ndjson(sluice.folder / "in/b.jsonl", range(5, 9))
    second = start("run", "-e", STREAM, env=shared)
    second.waits_until(lambda: ids(sluice.folder / "out") == list(range(9)), "the others")
    second.stop()
    assert leftovers(sluice.folder / "out") == []


def test_a_stream_outlives_a_restart_of_the_store(sluice, own_postgres, start):
    shared = {"SLUICE_STATE": own_postgres.url()}
    ndjson(sluice.folder / "in/a.jsonl", range(5))
    running = start("run", "-e", STREAM, env=shared)
    running.waits_until(lambda: ids(sluice.folder / "out") == list(range(5)), "the first rows")
    own_postgres.server.stop(signal.SIGQUIT)
    append(sluice.folder / "in/a.jsonl", '{"id": 5}\n')
    threading.Event().wait(0.5)
    own_postgres.server.start()
    running.waits_until(lambda: ids(sluice.folder / "out") == list(range(6)), "what came meanwhile")
    running.stop()


def test_a_store_that_is_not_there_is_named(sluice):
    error = sluice.fails("status", env={"SLUICE_STATE": "postgresql://nobody:secret-word@127.0.0.1:1/none"})
    assert "127.0.0.1:1" in error and "cannot connect" in error and "secret-word" not in error
    error = sluice.fails("status", env={"SLUICE_STATE": "mysql://localhost/x"})
    assert "use sqlite:PATH or postgresql://HOST/DATABASE" in error


@pytest.mark.parametrize("point", ["state.intent.before", "state.intent.after", "commit.published", "state.finish.before", "state.finish.after"])
def test_kill_9_loses_and_doubles_nothing(sluice, shared, point):
    ndjson(sluice.folder / "in/a.jsonl", range(2000))
    sql = table().replace("TABLE orders", "TABLE orders WITH (epoch_rows := 500)")
    crashed = sluice.sql(sql, check=False, env={**shared, "SLUICE_CRASH_AT": point})
    assert crashed.returncode == -signal.SIGKILL
    sluice.sql(sql, env=shared)
    assert ids(sluice.folder / "out") == list(range(2000))
    assert leftovers(sluice.folder / "out") == []

