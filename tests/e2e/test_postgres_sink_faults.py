"""Rows into a PostgreSQL in trouble: networks that fail, a disk that is full. Nothing is lost or
doubled."""
import os
import shutil
import signal
import subprocess
import threading
import time

import pytest
from delivered import append, ndjson, wait_until

from services.tcp_proxy import TcpProxy

ROWS = 3000


def stream_into(place):
    return ("CREATE STREAM p WITH (epoch_age := '100ms', epoch_rows := 200) AS SELECT id FROM file('in/*.jsonl', watch := true, "
            f"poll_interval := '50ms', columns := 'id BIGINT') INSERT INTO {place};")


def delivered(database):
    try:
        return [row[0] for row in database.rows("SELECT id FROM t ORDER BY id")]
    except Exception:  # no table yet, or no server
        return []


class Feed(threading.Thread):
    """Appends ROWS rows over some seconds."""

    def __init__(self, folder, seconds=3):
        super().__init__(daemon=True)
        self.path = ndjson(folder / "in/a.jsonl", [])
        self.seconds = seconds
        self.start()

    def run(self):
        for first in range(0, ROWS, 100):
            append(self.path, "".join(f'{{"id": {i}}}\n' for i in range(first, first + 100)))
            time.sleep(self.seconds * 100 / ROWS)


@pytest.mark.parametrize("trouble", ["cut", "delayed", "half open"])
def test_a_network_that_fails(sluice, postgres, start, trouble):
    with TcpProxy(postgres.server.port, delay=0.005 if trouble == "delayed" else 0) as proxy:
        running = start("run", "-e", stream_into(postgres.at("t", "connect_timeout := '2s'", port=proxy.port)))
        feed = Feed(sluice.folder)
        running.waits_until(lambda: delivered(postgres), "the first rows: a start that fails is not tried again")
        for _ in range(6):
            time.sleep(0.4)
            if trouble == "cut":
                proxy.cut()
            if trouble == "half open":
                proxy.freeze()
                time.sleep(0.3)
                proxy.thaw()
        feed.join()
        running.waits_until(lambda: len(delivered(postgres)) >= ROWS, "all rows", 40)
        running.stop()
    assert delivered(postgres) == list(range(ROWS))


@pytest.fixture
def small_disk(own_postgres):
    """A tablespace `small` of 40 MB, in a file system of its own."""
    folder = own_postgres.server.folder / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "none", folder], capture_output=True, text=True)
    if mounted.returncode != 0:
        assert os.environ.get("CI") != "true", f"a file system cannot be mounted here: {mounted.stderr}"
        pytest.skip(f"a file system cannot be mounted here: {mounted.stderr}")
    try:
        shutil.chown(folder, "nobody", "nogroup")
        own_postgres.execute(f"CREATE TABLESPACE small LOCATION '{folder}'")
        yield folder
        own_postgres.server.stop(signal.SIGQUIT)
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_said_at_once_and_costs_nothing(sluice, own_postgres, small_disk):
    own_postgres.execute("CREATE TABLE t (id bigint, filler text) TABLESPACE small")
    own_postgres.execute("ALTER TABLE t ALTER filler SET STORAGE EXTERNAL")  # repeated letters shrink to nothing else
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(35 << 20))
    ndjson(sluice.folder / "in/a.jsonl", range(ROWS))
    sql = ("CREATE TABLE p WITH (epoch_rows := 1000) AS SELECT id, repeat('x', 2900) AS filler FROM "
           f"file('in/*.jsonl', columns := 'id BIGINT') INSERT INTO {own_postgres.at('t')};")
    began = time.monotonic()
    error = sluice.fails("run", "-e", sql)
    assert "No space left on device" in error and "53100" in error, error
    assert time.monotonic() - began < 10
    assert len(delivered(own_postgres)) < ROWS
    assert "No space left" in sluice("status", "p").stdout
    ballast.unlink()
    sluice.sql(sql)
    assert delivered(own_postgres) == list(range(ROWS))


def test_a_second_signal_ends_it_while_its_server_says_nothing(start, sluice, postgres):
    with TcpProxy(postgres.server.port) as proxy:
        running = start("run", "-e", stream_into(postgres.at("t", "connect_timeout := '2s'", port=proxy.port)))
        ndjson(sluice.folder / "in/a.jsonl", range(10))
        running.waits_until(lambda: len(delivered(postgres)) == 10, "the first rows")
        proxy.freeze()
        append(sluice.folder / "in/a.jsonl", '{"id": 10}\n')
        time.sleep(0.5)
        running.signal(signal.SIGTERM)
        time.sleep(0.3)
        running.signal(signal.SIGTERM)
        began = time.monotonic()
        code, _ = running.end()
        assert code == 1 and time.monotonic() - began < 3
    wait_until(lambda: postgres.value("SELECT count(*) FROM t") == 10)


def test_a_commit_that_happened_without_an_answer_replaces_the_table_once(sluice, own_postgres):
    """The server waits for a standby that is not there, in the transactions of rows only, and is cut off in the first."""
    own_postgres.execute(
        f"ALTER DATABASE {own_postgres.name} SET synchronous_commit = local; CREATE TABLE t (id bigint); "
        "CREATE FUNCTION wait_for_standby() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM set_config('synchronous_commit', 'on', true); RETURN NULL; END $$; "
        "CREATE TRIGGER wait_for_standby AFTER INSERT ON t EXECUTE FUNCTION wait_for_standby()")
    own_postgres.execute("SET synchronous_commit = local; INSERT INTO t VALUES (-1)")
    ndjson(sluice.folder / "in/a.jsonl", range(1000))
    cut = []

    def standby(name):
        own_postgres.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
        own_postgres.execute("SELECT pg_reload_conf()")

    def cut_the_first():
        def waiting():
            return own_postgres.rows("SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'")

        wait_until(waiting)
        cut.extend(waiting())
        own_postgres.execute(f"SELECT pg_terminate_backend({cut[0][0]}, 10000)")  # returns when it is gone
        standby("")  # lets all that wait go on

    standby("nobody")
    watcher = threading.Thread(target=cut_the_first)
    watcher.start()
    more = "if_exists := 'replace'"
    said = sluice("run", "--log-level", "info", "-e", f"INSERT INTO {own_postgres.at('t', more)} WITH (epoch_rows := 300, lanes := 1) "
                  "SELECT id FROM file('in/*.jsonl', columns := 'id BIGINT', rate_limit := '2000 rows/s');").stderr
    watcher.join()
    assert len(cut) == 1 and "the epoch did happen" in said
    assert own_postgres.value("SELECT count(DISTINCT xmin::text) FROM t") > 1
    assert delivered(own_postgres) == list(range(1000))
