"""Which changes a statement delivers: conditions, columns, with and without a snapshot."""
import contextlib
import random
import time

import pytest
from postgres_changes import OUT, changes, changes_of, copied, running, slot, sqlite_rows, stream, wait_until

from services.postgres import PASSWORD, running_postgres


@pytest.mark.parametrize("identity", ["FULL", "DEFAULT"])
@pytest.mark.parametrize("condition", ["status = 'open'", "upper(status) = 'OPEN'"])
def test_a_condition_is_decided_for_both_images(sluice, postgres, identity, condition):
    """open → closed → open: what the target holds is what the condition selects."""
    postgres.execute("CREATE TABLE t (id int PRIMARY KEY, status text, n int)")
    postgres.execute("ALTER TABLE t ALTER status SET STORAGE PLAIN")
    postgres.execute(f"ALTER TABLE t REPLICA IDENTITY {identity}")
    postgres.execute("INSERT INTO t SELECT g, CASE WHEN g % 2 = 0 THEN 'open' ELSE 'closed' END, g "
                     "FROM generate_series(1, 200) g")
    sink = "INSERT INTO sqlite('out.db?table=t', mode := 'upsert', key := 'id')"
    statement = stream(changes_of(postgres), sink, select="id, status, n", where=condition)
    expected = "SELECT id, status, n FROM t WHERE status = 'open'"
    chooser = random.Random(11)
    with running(sluice, statement) as process:
        wait_until(lambda: sqlite_rows(sluice, "SELECT id, status, n FROM t") == sorted(postgres.rows(expected)),
                   running=process)
        for _ in range(300):
            one = chooser.randrange(1, 250)
            what = chooser.randrange(6)
            if what < 3:
                postgres.execute("UPDATE t SET status = CASE status WHEN 'open' THEN 'closed' ELSE 'open' END "
                                 "WHERE id = %s", [one])
            elif what == 3:
                postgres.execute("DELETE FROM t WHERE id = %s", [one])
            elif what == 4:
                postgres.execute("INSERT INTO t VALUES (%s, 'open', 0) ON CONFLICT (id) DO UPDATE SET n = t.n + 1", [one])
            else:
                postgres.execute("UPDATE t SET id = id + 1000 WHERE id = %s AND NOT EXISTS "
                                 "(SELECT FROM t u WHERE u.id = %s)", [one, one + 1000])
        wait_until(lambda: sqlite_rows(sluice, "SELECT id, status, n FROM t") == sorted(postgres.rows(expected)),
                   running=process)


def test_each_row_of_the_condition_table_with_whole_old_rows(sluice, postgres):
    postgres.execute("CREATE TABLE t (id int PRIMARY KEY, n int)")
    postgres.execute("ALTER TABLE t REPLICA IDENTITY FULL")
    with running(sluice, stream(changes_of(postgres), where="n > 10")) as process:
        wait_until(lambda: slot(postgres) and slot(postgres)[0], running=process)
        for statement in ("INSERT INTO t VALUES (1, 20), (2, 20), (3, 1), (4, 1), (5, 20), (6, 1)",
                          "UPDATE t SET n = 30 WHERE id = 1",  # true → true
                          "UPDATE t SET n = 3 WHERE id = 2",   # true → false
                          "UPDATE t SET n = 40 WHERE id = 3",  # false → true
                          "UPDATE t SET n = 4 WHERE id = 4",   # false → false
                          "DELETE FROM t WHERE id = 5", "DELETE FROM t WHERE id = 6"):
            postgres.execute(statement)
        wait_until(lambda: len(changes(sluice.folder / "out")) == 7, running=process)
    assert [(row["_op"], row["id"], row["n"]) for row in changes(sluice.folder / "out")] == [
        ("insert", 1, 20), ("insert", 2, 20), ("insert", 5, 20), ("update", 1, 30), ("delete", 2, 20),
        ("insert", 3, 40), ("delete", 5, 20)]


def test_a_value_that_an_update_does_not_carry_is_not_computed_with(sluice, postgres):
    postgres.execute("CREATE TABLE t (id int PRIMARY KEY, v text, large text)")
    postgres.execute("ALTER TABLE t ALTER large SET STORAGE EXTERNAL")
    postgres.execute("INSERT INTO t VALUES (1, 'one', repeat('x', 10000))")
    statement = stream(changes_of(postgres), select="id, length(large) AS size")
    with running(sluice, statement) as process:
        wait_until(lambda: slot(postgres) and slot(postgres)[0], running=process)
    postgres.execute("UPDATE t SET v = 'uno'")
    assert "does not carry column 'large'" in sluice.fails("run", "-e", statement)


@pytest.mark.parametrize("mode", ["never", "only"])
def test_a_snapshot_can_be_all_or_nothing_of_it(sluice, postgres, mode):
    postgres.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
    postgres.execute("INSERT INTO t VALUES (1, 'one')")
    source = changes_of(postgres, more=f"snapshot := '{mode}'")
    if mode == "only":
        sluice.sql(f"CREATE TABLE s AS SELECT * FROM {source} {OUT};")
        postgres.execute("INSERT INTO t VALUES (2, 'two')")
        sluice.sql(f"CREATE TABLE s AS SELECT * FROM {source} {OUT};")
        assert [(row["_op"], row["id"]) for row in changes(sluice.folder / "out")] == [("snapshot", 1)]
        assert slot(postgres) is None  # which nobody would read, and the server's log would grow
        return
    with running(sluice, stream(source)) as process:
        wait_until(lambda: slot(postgres) and slot(postgres)[0], running=process)
        postgres.execute("INSERT INTO t VALUES (2, 'two')")
        wait_until(lambda: len(changes(sluice.folder / "out")) > 0, running=process)
    assert [(row["_op"], row["id"]) for row in changes(sluice.folder / "out")] == [("insert", 2)]


def test_a_snapshot_alone_needs_nothing_that_only_changes_need(sluice):
    """Neither wal_level = logical nor the right to replicate, a key or a publication."""
    with running_postgres("wal_level = replica") as server:
        database = server.make_database()
        database.execute("CREATE TABLE t (id int, v text)")
        database.execute("INSERT INTO t VALUES (1, 'one'), (2, NULL)")
        database.execute("CREATE ROLE reader LOGIN PASSWORD 'x'; GRANT SELECT ON t TO reader")
        source = changes_of(database, more="snapshot := 'only'").replace(f"postgres:{PASSWORD}", "reader:x")
        statement = f"CREATE TABLE s AS SELECT * FROM {source} {OUT};"
        assert "slot" not in sluice("check", "-e", statement).stdout
        sluice.sql(statement)
        assert sorted((row["_op"], row["id"], row["v"]) for row in changes(sluice.folder / "out")) == [
            ("snapshot", 1, "one"), ("snapshot", 2, None)]
        assert database.value("SELECT count(*) FROM pg_publication") == 0


@contextlib.contextmanager
def role_of(database, rights, name="follower"):
    """One that may read t, and how a statement says that it is used."""
    role = f"{name}_{database.name}"
    database.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x' {rights}; GRANT SELECT ON t TO {role}")
    try:
        yield lambda text: text.replace(f"postgres:{PASSWORD}", f"{role}:x")
    finally:
        database.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_rows_that_a_policy_hides_are_not_left_out_of_the_copy(sluice, postgres):
    """The stream has them."""
    postgres.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
    postgres.execute("INSERT INTO t VALUES (1, 'one'), (2, 'two')")
    postgres.execute("CREATE PUBLICATION p FOR TABLE t WITH (publish_via_partition_root = true)")
    with role_of(postgres, "REPLICATION") as used:
        statement = used(stream(changes_of(postgres, more="publication := 'p'")))
        postgres.execute("ALTER TABLE t ENABLE ROW LEVEL SECURITY")
        postgres.execute("CREATE POLICY first ON t USING (id = 1)")
        error = sluice.fails("run", "-e", statement)
        assert "has to read every row" in error and "row-level security" in error and "BYPASSRLS" in error, error
        assert changes(sluice.folder / "out") == []
        # A table that is read once is what its reader may see.
        assert "two" not in sluice.sql(f"SELECT * FROM {used(postgres.at('t'))};").stdout
        postgres.execute("ALTER TABLE t DISABLE ROW LEVEL SECURITY")
        with running(sluice, statement) as process:
            wait_until(lambda: copied(sluice, postgres), running=process)


def test_a_member_of_rds_replication_may_try(sluice, own_postgres):
    """Amazon's servers let it replicate; this one says itself that it may not."""
    own_postgres.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
    own_postgres.execute("CREATE PUBLICATION p FOR TABLE t WITH (publish_via_partition_root = true)")
    with role_of(own_postgres, "") as used:
        statement = used(stream(changes_of(own_postgres, more="publication := 'p'")))
        for _ in range(2):  # where there is no such role, and where one is not a member
            error = sluice.fails("check", "-e", statement)
            assert "this role may not replicate" in error and "rds_replication" in error, error
            own_postgres.execute("DROP ROLE IF EXISTS rds_replication; CREATE ROLE rds_replication")
        own_postgres.execute(f"GRANT rds_replication TO follower_{own_postgres.name}")
        assert "s: ok" in sluice("check", "-e", statement).stdout
        error = sluice.fails("run", "-e", statement)
        assert "replication" in error and "role" in error, error


def test_where_and_columns_are_left_to_the_server(sluice, postgres):
    postgres.execute("CREATE TABLE t (id int PRIMARY KEY, v text, secret text)")
    postgres.execute("INSERT INTO t VALUES (1, 'one', 's'), (2, 'two', 's')")
    with running(sluice, stream(changes_of(postgres, more="columns := 'id,v', where := 'id > 1'"))) as process:
        wait_until(lambda: slot(postgres) and slot(postgres)[0], running=process)
        postgres.execute("INSERT INTO t VALUES (0, 'zero', 's'), (3, 'three', 's')")
        wait_until(lambda: len(changes(sluice.folder / "out")) == 2, running=process)
    rows = changes(sluice.folder / "out")
    assert [(row["id"], row["v"]) for row in rows] == [(2, "two"), (3, "three")]
    assert "secret" not in rows[0]


@pytest.mark.parametrize("sink", ["postgresql", "sqlite"])
@pytest.mark.parametrize("select, where", [("*", ""), ("id, k, upper(v) AS v", "n >= 0")])
def test_a_sink_may_have_a_key_of_its_own_where_old_rows_are_known(sluice, postgres, sink, select, where):
    """A change of that key alone is an update of the same row at the source and moves the row in the target."""
    postgres.execute("CREATE TABLE t (id int PRIMARY KEY, k int UNIQUE DEFERRABLE, v text, n int)")
    postgres.execute("ALTER TABLE t REPLICA IDENTITY FULL")
    postgres.execute("INSERT INTO t SELECT g, g * 10, 'v', 0 FROM generate_series(1, 100) g")
    into = (f"INSERT INTO {postgres.at('copy', more='key := ' + repr('k'))}" if sink == "postgresql" else
            "INSERT INTO sqlite('out.db?table=copy', mode := 'upsert', key := 'k')")
    expected = "SELECT id, k, upper(v) AS v FROM t WHERE n >= 0 ORDER BY k"

    def same():
        query = "SELECT id, k, upper(v) AS v FROM copy ORDER BY k"
        try:
            rows = sorted(sqlite_rows(sluice, query) or [], key=lambda row: row[1]) if sink == "sqlite" else postgres.rows(query)
        except Exception:  # it is not there yet
            return False
        return rows == postgres.rows(expected)

    chooser = random.Random(4)
    with running(sluice, stream(changes_of(postgres), into, select=select, where=where)) as process:
        wait_until(lambda: slot(postgres) and slot(postgres)[0], running=process)
        for step in range(200):
            one = chooser.randrange(1, 120)
            what = chooser.randrange(5)
            if what == 0:
                postgres.execute("UPDATE t SET k = %s WHERE id = %s", [2000 + step, one])
            elif what == 1:
                postgres.execute("UPDATE t SET id = %s, k = k + 5000 WHERE id = %s", [1000 + step, one])
            elif what == 2:
                postgres.execute("UPDATE t SET v = v || '+', n = CASE WHEN n = 0 AND %s THEN -1 ELSE 0 END WHERE id = %s",
                                 [bool(where), one])
            elif what == 3:
                postgres.execute("DELETE FROM t WHERE id = %s", [one])
            else:
                postgres.execute("INSERT INTO t VALUES (%s, %s, 'new', 0) ON CONFLICT (id) DO NOTHING", [one, 9000 + step])
        wait_until(same, running=process)


def test_a_computed_key_deletes_the_row_that_it_made(sluice, postgres):
    postgres.execute("CREATE TABLE t (id int PRIMARY KEY, active bool)")
    postgres.execute("INSERT INTO t VALUES (1, true), (2, true), (3, false), (1001, true)")
    into = f"INSERT INTO {postgres.at('copy', more='key := ' + repr('id'))}"
    statement = stream(changes_of(postgres), into, select="* REPLACE (id + 1000 AS id)", where="active")
    for command in ("check", "run"):
        assert "key column 'id' is not a column of the source as it is" in sluice.fails(command, "-e", statement)
    postgres.execute("ALTER TABLE t REPLICA IDENTITY FULL")

    def copied():
        there = postgres.value("SELECT to_regclass('copy') IS NOT NULL")
        return there and [row[0] for row in postgres.rows("SELECT id FROM copy ORDER BY id")]

    with running(sluice, statement) as process:
        wait_until(lambda: copied() == [1001, 1002, 2001], running=process)
        postgres.execute("DELETE FROM t WHERE id = 1")
        postgres.execute("UPDATE t SET active = NOT active WHERE id IN (2, 3)")
        wait_until(lambda: copied() == [1003, 2001], running=process)


@pytest.mark.parametrize("identity, key, message", [
    ("DEFAULT", "k", "key column 'k' is not in the replica identity of the source"),
    ("USING INDEX t_k", "id", "key column 'id' is not in the replica identity of the source"),
    ("USING INDEX t_k", "k", None),
    ("FULL", "k", None),
])
def test_a_key_whose_changes_the_source_does_not_tell_is_refused(sluice, postgres, identity, key, message):
    postgres.execute("CREATE TABLE t (id int PRIMARY KEY, k int NOT NULL)")
    postgres.execute("CREATE UNIQUE INDEX t_k ON t (k)")
    postgres.execute(f"ALTER TABLE t REPLICA IDENTITY {identity}")
    statement = stream(changes_of(postgres), f"INSERT INTO {postgres.at('copy', more=f'key := {key!r}')}")
    if message is None:
        assert "s: ok" in sluice("check", "-e", statement).stdout
        return
    for command in ("check", "run"):
        assert message in sluice.fails(command, "-e", statement)
    appended = stream(changes_of(postgres), f"INSERT INTO {postgres.at('log', more='mode := ' + repr('append'))}")
    assert "s: ok" in sluice("check", "-e", appended).stdout


def partitioned(database, identity, columns="id int PRIMARY KEY, n int, large text"):
    database.execute(f"CREATE TABLE t ({columns}) PARTITION BY RANGE (id)")
    for name, first in (("t_low", 0), ("t_high", 10)):
        database.execute(f"CREATE TABLE {name} PARTITION OF t FOR VALUES FROM ({first}) TO ({first + 10})")
    database.execute(f"ALTER TABLE t REPLICA IDENTITY {identity}")


@pytest.mark.parametrize("identity", ["FULL", "USING INDEX t_code", "DEFAULT"])
def test_the_replica_identity_of_partitions_is_theirs(sluice, each_postgres, identity):
    """ALTER TABLE … REPLICA IDENTITY of the root alone changes nothing of what the log holds."""
    database = each_postgres
    partitioned(database, "DEFAULT", "id int PRIMARY KEY, n int NOT NULL, code int NOT NULL, large text")
    database.execute("CREATE UNIQUE INDEX t_code ON t (id, code)")
    database.execute(f"ALTER TABLE t REPLICA IDENTITY {identity}")
    if identity == "DEFAULT":
        database.execute("ALTER TABLE t_low REPLICA IDENTITY NOTHING")
        database.execute("ALTER TABLE t_high REPLICA IDENTITY FULL")  # which is more
    database.execute("INSERT INTO t SELECT g, 0, g, repeat(md5(g::text), 400) FROM generate_series(1, 19) g")
    database.execute("ALTER TABLE t ALTER large SET STORAGE EXTERNAL")
    statement = stream(changes_of(database))
    error = sluice.fails("check", "-e", statement)
    assert "REPLICA IDENTITY of public.t does not hold for its partitions" in error, error
    mends = [part.split(" (")[0].strip() for part in error.split(";")[1:]]
    for mend in mends:
        assert mend.startswith("ALTER TABLE "), error
        database.execute(mend)
    assert len(mends) == (1 if identity == "DEFAULT" else 2), error
    with running(sluice, statement) as process:
        wait_until(lambda: slot(database) and slot(database)[0], running=process)
        database.execute("UPDATE t SET n = n + 1")
        if identity == "FULL":
            database.execute("UPDATE t SET id = 0, code = 20 WHERE id = 1")
        database.execute("DELETE FROM t WHERE id = 2")
        wait_until(lambda: copied(sluice, database), running=process)


@pytest.mark.parametrize("condition", ["", "n < 5"])
def test_a_partition_that_comes_later_with_another_identity_overwrites_nothing(sluice, start, postgres, condition):
    partitioned(postgres, "FULL")
    for name in ("t_low", "t_high"):
        postgres.execute(f"ALTER TABLE {name} REPLICA IDENTITY FULL")
    process = start("run", "-e", stream(changes_of(postgres), where=condition))
    process.waits_until(lambda: slot(postgres) and slot(postgres)[0], "it to flow")
    postgres.execute("CREATE TABLE t_more PARTITION OF t FOR VALUES FROM (20) TO (30)")
    postgres.execute("ALTER TABLE t_more ALTER large SET STORAGE EXTERNAL")
    postgres.execute("INSERT INTO t VALUES (20, 1, repeat('x', 10000))")
    process.waits_until(lambda: copied(sluice, postgres), "what says all of a row")
    postgres.execute("UPDATE t SET n = n + 1")
    code, error = process.end()
    assert code != 0 and "a partition has another identity" in error and "'sluice reset'" in error, error
    assert all(row["large"] for row in changes(sluice.folder / "out"))


@pytest.mark.parametrize("publication", ["made by us", "made by hand"])
def test_a_slot_that_is_older_than_the_publication_is_brought_up_to_it(sluice, each_postgres, publication):
    """One of its own kind, made by hand: the server would look for the publication as of the slot's beginning."""
    database = each_postgres
    database.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
    database.execute("SELECT pg_create_logical_replication_slot('sluice_s', 'pgoutput')")
    database.execute("INSERT INTO t VALUES (1, 'one'), (2, 'two')")
    writer = database.server.connect(database.name)
    writer.autocommit = False
    writer.execute("INSERT INTO t VALUES (3, 'in flight')")
    more = ""
    if publication == "made by hand":
        database.execute("CREATE PUBLICATION p FOR TABLE t WITH (publish_via_partition_root = true)")
        more = "publication := 'p'"
    with running(sluice, stream(changes_of(database, more=more))) as process:
        wait_until(lambda: database.value("SELECT count(*) FROM pg_publication_tables WHERE tablename = 't'") == 1,
                   running=process)
        time.sleep(2)
        writer.execute("INSERT INTO t VALUES (4, 'published')")
        writer.commit()
        writer.close()
        wait_until(lambda: slot(database)[0], running=process)
        database.execute("UPDATE t SET v = v || '+'")
        wait_until(lambda: copied(sluice, database), running=process)


def test_without_a_copy_a_slot_that_is_there_is_read_from_where_it_stands(sluice, postgres):
    postgres.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
    postgres.execute("CREATE PUBLICATION p FOR TABLE t WITH (publish_via_partition_root = true)")
    postgres.execute("INSERT INTO t VALUES (1, 'one')")
    postgres.execute("SELECT pg_create_logical_replication_slot('sluice_s', 'pgoutput')")
    postgres.execute("INSERT INTO t VALUES (2, 'two')")
    with running(sluice, stream(changes_of(postgres, more="publication := 'p', snapshot := 'never'"))) as process:
        wait_until(lambda: len(changes(sluice.folder / "out")) > 0, running=process)
    assert [(row["_op"], row["id"]) for row in changes(sluice.folder / "out")] == [("insert", 2)]


@pytest.mark.parametrize("asked, refused", [("*", True), ("id, v", False)])
def test_a_key_that_changes_beside_a_large_value_is_refused_where_that_is_delivered(sluice, start, postgres, asked, refused):
    postgres.execute("CREATE TABLE t (id int PRIMARY KEY, v text, large text)")
    postgres.execute("ALTER TABLE t ALTER large SET STORAGE EXTERNAL")
    postgres.execute("INSERT INTO t VALUES (1, 'one', repeat('x', 10000))")
    process = start("run", "-e", stream(changes_of(postgres), select=asked))
    process.waits_until(lambda: slot(postgres) and slot(postgres)[0], "it to flow")
    postgres.execute("UPDATE t SET id = 2")
    if refused:
        code, error = process.end()
        assert code != 0 and "carries no value for column 'large'" in error and "public.t" in error, error
        return
    process.waits_until(lambda: len(changes(sluice.folder / "out")) == 3, "the delete and the insert")
    process.stop()


def test_a_row_that_the_servers_filter_takes_in_without_its_large_value_is_refused(sluice, start, postgres):
    postgres.execute("CREATE TABLE t (id int PRIMARY KEY, v text, large text)")
    postgres.execute("ALTER TABLE t ALTER large SET STORAGE EXTERNAL")
    postgres.execute("INSERT INTO t VALUES (1, 'one', repeat('x', 10000))")
    process = start("run", "-e", stream(changes_of(postgres, more="where := 'id > 1'")))
    process.waits_until(lambda: slot(postgres) and slot(postgres)[0], "it to flow")
    postgres.execute("UPDATE t SET id = 2")
    code, error = process.end()
    assert code != 0 and "filter (where)" in error and "column 'large'" in error, error
    assert changes(sluice.folder / "out") == []
