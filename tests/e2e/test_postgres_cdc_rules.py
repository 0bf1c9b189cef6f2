"""Which changes a statement delivers: conditions, columns, with and without a snapshot."""
import random

import pytest
from postgres_changes import OUT, changes, changes_of, running, slot, sqlite_rows, stream, wait_until


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
