"""A standby that takes over: what the stream had delivered may not have happened there."""
import contextlib
import shutil
import tempfile

import pytest
from postgres_changes import changes, changes_of, copied, running, slot, stream, wait_until

from services.postgres import Standby, running_postgres
from services.tcp_proxy import TcpProxy


@contextlib.contextmanager
def standby_of(primary):
    """Made while the primary is stopped."""
    folder = tempfile.mkdtemp(prefix="sluice-standby-")
    primary.stop()
    standby = Standby(folder, primary)
    primary.start()
    try:
        yield standby
    finally:
        if standby.server is not None and standby.server.process.poll() is None:
            standby.stop()
        shutil.rmtree(folder, ignore_errors=True)


def replayed(standby, lsn):
    with contextlib.closing(standby.connect("postgres")) as connection:
        return connection.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", [lsn]).fetchone()[0]


@pytest.mark.parametrize("version", [15, 18])
@pytest.mark.parametrize("when", ["behind", "ahead"])
def test_a_promoted_standby_is_followed_where_it_has_all_that_was_delivered(sluice, version, when):
    with running_postgres(version=version) as primary, TcpProxy(primary.port) as proxy:
        database = primary.make_database()
        database.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
        database.execute("INSERT INTO t VALUES (1, 'one')")
        statement = stream(changes_of(database).replace(f":{primary.port}/", f":{proxy.port}/"))
        with running(sluice, statement) as process:
            wait_until(lambda: copied(sluice, database) and slot(database)[0], running=process)
        with standby_of(primary) as standby:
            database.reconnect()
            if when == "behind":
                standby.start()
            with running(sluice, statement) as process:
                database.execute("INSERT INTO t VALUES (2, 'two')")
                wait_until(lambda: copied(sluice, database), running=process)
            if when == "behind":
                end = database.value("SELECT pg_current_wal_lsn()")
                wait_until(lambda: replayed(standby, end))
            primary.stop()
            if when == "ahead":  # the second row never came to it
                standby.start()
            standby.promote()
            database.server = standby
            database.reconnect()
            proxy.target = ("127.0.0.1", standby.port)
            database.execute("INSERT INTO t VALUES (3, 'three')")
            if when == "ahead":
                error = sluice.fails("run", "-e", statement)
                assert "the server was promoted at" in error and "never happened there" in error, error
                assert "sluice reset" in error, error
                return
            for row in (4, 5):  # the second start is one on the new timeline
                with running(sluice, statement) as process:
                    wait_until(lambda: copied(sluice, database), running=process)
                    database.execute("INSERT INTO t VALUES (%s, 'more')", [row])
                    wait_until(lambda: copied(sluice, database), running=process)


def test_a_copy_that_was_interrupted_does_not_go_on_at_a_standby(sluice):
    """Whose snapshots count transactions that are running as if they had ended."""
    with running_postgres(version=18) as primary, TcpProxy(primary.port) as proxy:
        database = primary.make_database()
        database.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
        database.execute("INSERT INTO t SELECT g, repeat('x', 1000) FROM generate_series(1, 10000) g")
        database.execute("ANALYZE t")
        more = "split_rows := 2000, batch_size := 500, rate_limit := '4000 rows/s'"
        statement = stream(changes_of(database, more=more).replace(f":{primary.port}/", f":{proxy.port}/"))
        process = sluice.start("run", "-e", statement)
        wait_until(lambda: len(changes(sluice.folder / "out")) > 0, running=process)
        process.kill()
        process.communicate()
        with standby_of(primary) as standby:
            standby.start()
            proxy.target = ("127.0.0.1", standby.port)
            error = sluice.fails("run", "-e", statement)
            assert "this is a standby" in error and "cannot go on here" in error, error
            proxy.target = ("127.0.0.1", primary.port)
            database.reconnect()
            with running(sluice, statement) as process:
                wait_until(lambda: copied(sluice, database), running=process)
