"""Change streams in trouble: what cannot be followed, servers that crash, networks that fail, everything killed."""
import json
import random
import re
import signal
import time

import pytest
from postgres_changes import Writer, changes_of, copied, running, slot, stream, wait_until

from services.postgres import running_postgres
from services.tcp_proxy import TcpProxy


@pytest.mark.parametrize("prepare, more, message", [
    ("ALTER TABLE t REPLICA IDENTITY NOTHING", "", "REPLICA IDENTITY NOTHING"),
    ("ALTER TABLE t DROP CONSTRAINT t_pkey", "", "no primary key"),
    ("CREATE PUBLICATION other FOR TABLE u", "publication := 'other'", "does not publish public.t"),
    ("SELECT pg_create_logical_replication_slot('td', 'test_decoding')", "slot := 'td'", "test_decoding"),
    ("CREATE VIEW w AS SELECT * FROM t", "table := 'w'", "only tables have changes"),
    ("ALTER TABLE t ADD _op text", "", "reserved"),
])
def test_what_cannot_be_followed_is_said_in_one_sentence(sluice, postgres, prepare, more, message):
    postgres.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
    postgres.execute("CREATE TABLE u (id int PRIMARY KEY)")
    postgres.execute(prepare)
    source = changes_of(postgres, None if "table" in more else "t", more)
    error = sluice.fails("run", "-e", stream(source), code=1 if "slot" in more else 1)
    assert message in error, error


def test_wal_level_and_a_slot_in_use(sluice, postgres):
    postgres.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
    with running(sluice, stream(changes_of(postgres, more="application_name := 'first'"))) as process:
        wait_until(lambda: slot(postgres) and slot(postgres)[0], running=process)
        pid = slot(postgres)[3]
        other = stream(changes_of(postgres, more="slot := 'sluice_s'"), name="other",
                       sink="INSERT INTO file('other/', format := 'json')")
        assert f"in use by process {pid}" in sluice.fails("run", "-e", other)
    with running_postgres("wal_level = replica") as server:
        database = server.make_database()
        database.execute("CREATE TABLE t (id int PRIMARY KEY)")
        assert "wal_level = logical" in sluice.fails("run", "-e", stream(changes_of(database), name="third"))


def test_drop_removes_the_slot_and_the_publication(sluice, postgres):
    postgres.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
    with running(sluice, stream(changes_of(postgres))) as process:
        wait_until(lambda: slot(postgres) and slot(postgres)[0], running=process)
        postgres.execute("INSERT INTO t VALUES (1, 'one')")
        wait_until(lambda: copied(sluice, postgres), running=process)
    assert postgres.value("SELECT count(*) FROM pg_publication") == 1
    sluice("drop", "s", env={"PGPASSWORD": postgres.connection.info.password})
    assert slot(postgres) is None
    assert postgres.value("SELECT count(*) FROM pg_publication") == 0


def test_a_crash_of_the_server_is_waited_out(sluice, own_postgres):
    own_postgres.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
    with running(sluice, stream(changes_of(own_postgres))) as process:
        wait_until(lambda: slot(own_postgres) and slot(own_postgres)[0], running=process)
        own_postgres.execute("INSERT INTO t VALUES (1, 'one')")
        own_postgres.server.stop(signal.SIGQUIT)
        own_postgres.server.start()
        own_postgres.reconnect()
        own_postgres.execute("INSERT INTO t VALUES (2, 'two')")
        wait_until(lambda: copied(sluice, own_postgres), running=process, seconds=60)

def flows_through(sluice, database, proxy, statement, trouble, seconds=40):
    """A row, then trouble, then another row: both arrive, and nothing twice."""
    database.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
    database.execute("INSERT INTO t SELECT g, repeat('x', 1000) FROM generate_series(1, 2000) g")
    with running(sluice, statement) as process:
        wait_until(lambda: slot(database) and slot(database)[0], running=process)
        database.execute("UPDATE t SET v = 'one' WHERE id % 2 = 0")
        wait_until(lambda: copied(sluice, database), running=process)
        trouble(process)
        database.execute("UPDATE t SET v = 'two' WHERE id % 3 = 0")
        database.execute("DELETE FROM t WHERE id % 5 = 0")
        wait_until(lambda: copied(sluice, database), running=process, seconds=seconds)


def test_connections_that_are_cut_lose_nothing(sluice, postgres):
    with TcpProxy(postgres.server.port) as proxy:
        source = postgres.at("t", "cdc := true", port=proxy.port)

        def trouble(_):
            for _ in range(3):
                proxy.cut()
                postgres.execute("UPDATE t SET v = v || '+' WHERE id < 100")
                time.sleep(0.3)

        flows_through(sluice, postgres, proxy, stream(source), trouble)


def test_a_slow_network_only_takes_longer(sluice, postgres):
    with TcpProxy(postgres.server.port, delay=0.02) as proxy:
        source = postgres.at("t", "cdc := true", port=proxy.port)
        flows_through(sluice, postgres, proxy, stream(source), lambda _: None)


def test_a_host_that_is_gone_without_a_word_is_noticed(sluice, postgres):
    """The server would wait 10 s for us (wal_sender_timeout): so long we wait for it."""
    with TcpProxy(postgres.server.port) as proxy:
        source = postgres.at("t", "cdc := true, connect_timeout := '2s'", port=proxy.port)

        def trouble(process):
            proxy.freeze()
            status = lambda: sluice("status", "s", check=False).stdout
            wait_until(lambda: "said nothing" in status() or "cannot connect" in status() or "no connection" in status(), running=process)
            proxy.thaw()

        flows_through(sluice, postgres, proxy, stream(source), trouble)


def test_status_says_how_far_behind_a_stream_is(sluice, postgres):
    password = {"PGPASSWORD": postgres.connection.info.password}
    postgres.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
    statement = stream(changes_of(postgres, more="heartbeat := '1s'"))

    def lag():
        return json.loads(sluice("status", "s", "--output", "json", env=password).stdout).get("lag", {})

    with running(sluice, statement) as process:
        wait_until(lambda: slot(postgres) and slot(postgres)[0], running=process)
        postgres.execute("INSERT INTO t VALUES (1, 'one')")
        wait_until(lambda: copied(sluice, postgres), running=process)
        wait_until(lambda: lag().get("bytes", 1 << 30) < 100_000, running=process)
    time.sleep(1.1)
    postgres.execute("INSERT INTO t SELECT g, repeat('x', 1000) FROM generate_series(2, 2000) g")
    wait_until(lambda: lag()["bytes"] > 500_000)  # a server that commits asynchronously writes its WAL a moment later
    behind = lag()
    assert 1 <= behind["seconds"] < 60, behind
    assert re.search(r"behind: [\d.]+ [KM]B, [\d.]+s", sluice("status", "s", env=password).stdout)
    # The recorded location has no password: what cannot be asked is said to be so.
    unknown = json.loads(sluice("status", "s", "--output", "json").stdout)["lag"]
    assert "password" in unknown["error"]


def test_a_replica_stays_equal_while_everything_is_killed(sluice, own_postgres):
    """A writer that inserts, updates, deletes, changes keys and rolls back; the client is killed, the server crashes."""
    database = own_postgres
    database.execute("CREATE TABLE t (id bigint PRIMARY KEY, v text)")
    database.execute("INSERT INTO t SELECT g, 'v' || g FROM generate_series(0, 19999) g")
    database.execute("CREATE DATABASE replica")
    target = f"postgresql('postgres:{database.connection.info.password}@127.0.0.1:{database.server.port}/replica?table=t'"
    statement = stream(changes_of(database, more="split_rows := 2000"), f"INSERT INTO {target}, key := 'id')")
    chooser = random.Random(2)
    for step in range(5):
        writer = Writer(database, pause=0.01)
        writer.next += step * 1_000_000
        writer.start()
        process = sluice.start("run", "-e", statement)
        time.sleep(chooser.uniform(0.5, 2.0))
        writer.stop()
        process.kill()
        process.wait()
        if step == 2:
            database.server.stop(signal.SIGQUIT)
            database.server.start()
            database.reconnect()
    with running(sluice, statement) as process:
        replica = None

        def same():
            nonlocal replica
            replica = replica or database.server.connect("replica")
            try:
                return replica.execute("SELECT id, v FROM t ORDER BY 1").fetchall() == \
                    database.rows("SELECT id, v FROM t ORDER BY 1")
            except Exception:
                return False

        wait_until(same, running=process, seconds=60)
