"""What the server is asked to send: a publication of ours is made to fit, somebody else's is compared, and changes that it
did not send are not passed over."""
import pytest
from postgres_changes import changes, changes_of, copied, running, slot, stream, wait_until


def flows(database, process, name="sluice_s"):
    wait_until(lambda: slot(database, name) and slot(database, name)[0], running=process)


def reset(sluice, database):
    sluice("reset", "s", env={"PGPASSWORD": database.connection.info.password})


@pytest.mark.parametrize("publication, more, message", [
    ("t WITH (publish = 'insert, delete')", "", "does not publish UPDATE"),
    ("t WHERE (id > 1)", "", "write where := '(id > 1)'"),
    ("t WHERE (id > 1)", "where := 'id > 2'", "write where := '(id > 1)'"),
    ("t", "where := 'id > 1'", "all rows of public.t"),
    ("t (id)", "", "leaves out column 'v' of public.t"),
    ("t (id, v) WHERE (id > 1)", "columns := 'v', where := 'id > 1'", None),
])
def test_somebody_elses_publication_has_to_send_what_is_asked_for(sluice, postgres, publication, more, message):
    postgres.execute("CREATE TABLE t (id int PRIMARY KEY, v text, w text)" if message is None else
                     "CREATE TABLE t (id int PRIMARY KEY, v text)")
    postgres.execute(f"CREATE PUBLICATION other FOR TABLE {publication}")
    statement = stream(changes_of(postgres, more=f"publication := 'other'{', ' if more else ''}{more}"))
    if message is None:
        assert "s: ok" in sluice("check", "-e", statement).stdout
    else:
        assert message in sluice.fails("check", "-e", statement)


def test_our_publication_follows_the_statement(sluice, postgres):
    postgres.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
    postgres.execute("INSERT INTO t VALUES (2, 'two')")
    with running(sluice, stream(changes_of(postgres, more="where := 'id > 1'"))) as process:
        wait_until(lambda: copied(sluice, postgres), running=process)
    postgres.execute("INSERT INTO t VALUES (1, 'one')")
    other = stream(changes_of(postgres, more="where := 'id < 2'"), "INSERT INTO file('other/', format := 'parquet')")
    seen = lambda: [(row["_op"], row["v"]) for row in changes(sluice.folder / "other")]
    with running(sluice, other.replace("CREATE", "CREATE OR REPLACE")) as process:
        wait_until(lambda: seen() == [("snapshot", "one")], running=process)
        postgres.execute("UPDATE t SET v = v || '!'")
        wait_until(lambda: seen() == [("snapshot", "one"), ("update", "one!")], running=process)


def test_a_publication_that_was_away_for_a_while_is_noticed(sluice, postgres):
    postgres.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
    postgres.execute("INSERT INTO t VALUES (1, 'one')")
    with running(sluice, stream(changes_of(postgres))) as process:
        wait_until(lambda: copied(sluice, postgres), running=process)
    for statement in ("ALTER PUBLICATION sluice_s DROP TABLE t", "UPDATE t SET v = 'lost'",
                      "ALTER PUBLICATION sluice_s ADD TABLE ONLY t"):
        postgres.execute(statement)
    assert "was changed since" in sluice.fails("run", "-e", stream(changes_of(postgres)))
    postgres.execute("DROP PUBLICATION sluice_s")
    assert "publication 'sluice_s' is gone" in sluice.fails("run", "-e", stream(changes_of(postgres)))
    assert postgres.value("SELECT count(*) FROM pg_publication") == 0


def test_a_condition_that_would_break_the_tables_own_writes_is_refused(sluice, postgres):
    postgres.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
    postgres.execute("INSERT INTO t VALUES (1, 'one')")
    error = sluice.fails("run", "-e", stream(changes_of(postgres, more="where := 'id > 0 AND v > ''a'''")))
    assert "where needs column 'v' of public.t" in error and "REPLICA IDENTITY FULL" in error
    postgres.execute("UPDATE t SET v = 'uno'")
    assert postgres.value("SELECT count(*) FROM pg_publication") == 0


@pytest.mark.parametrize("identity", ["FULL", "USING INDEX t_k"])
def test_columns_leave_the_tables_own_writes_as_they_are(sluice, postgres, identity):
    """Whatever the identity is, which the server needs, only these columns are delivered."""
    postgres.execute("CREATE TABLE t (id int PRIMARY KEY, v text, k int NOT NULL, secret text)")
    postgres.execute("CREATE UNIQUE INDEX t_k ON t (k)")
    postgres.execute(f"ALTER TABLE t REPLICA IDENTITY {identity}")
    with running(sluice, stream(changes_of(postgres, more="columns := 'id,v'"))) as process:
        flows(postgres, process)
        postgres.execute("INSERT INTO t VALUES (1, 'one', 1, 's')")
        postgres.execute("UPDATE t SET v = 'uno'")
        wait_until(lambda: len(changes(sluice.folder / "out")) == 2, running=process)
    assert [row["v"] for row in changes(sluice.folder / "out")] == ["one", "uno"]
    assert not {"k", "secret"} & set(changes(sluice.folder / "out")[0])


@pytest.mark.parametrize("how, message", [
    (["ALTER TABLE t RENAME TO u", "INSERT INTO u VALUES (2, 'two')", "ALTER TABLE u RENAME TO t"],
     "public.t was renamed to public.u"),
    (["DROP TABLE t", "CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t VALUES (2, 'two')"],
     "was dropped and made anew"),
])
def test_a_table_that_is_not_what_it_was_is_not_passed_over(sluice, postgres, how, message):
    postgres.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
    postgres.execute("CREATE PUBLICATION everything FOR ALL TABLES")
    statement = stream(changes_of(postgres, more="publication := 'everything'"))
    process = sluice.start("run", "-e", statement)
    flows(postgres, process)
    for one in how:
        postgres.execute(one)
    _, error = process.communicate(timeout=30)
    assert process.returncode != 0 and message in error, error
    reset(sluice, postgres)
    with running(sluice, statement.replace("CREATE", "CREATE OR REPLACE").replace("out/", "other/")) as process:
        flows(postgres, process)
        postgres.execute("INSERT INTO t VALUES (3, 'three')")
        wait_until(lambda: [(row["_op"], row["id"]) for row in changes(sluice.folder / "other")] ==
                   [("snapshot", 2), ("insert", 3)], running=process)


def test_a_table_that_inherits_from_another_is_a_table_of_its_own(sluice, postgres):
    postgres.execute("CREATE TABLE a (id int PRIMARY KEY, v text)")
    postgres.execute("CREATE TABLE b (PRIMARY KEY (id)) INHERITS (a)")
    postgres.execute("INSERT INTO a VALUES (1, 'one')")
    postgres.execute("INSERT INTO b VALUES (2, 'two')")
    source = postgres.at(None, "cdc := true, where := 'id > 0'")
    with running(sluice, stream(source, "INSERT INTO file('{table}/', format := 'parquet')")) as process:
        flows(postgres, process)
        postgres.execute("UPDATE a SET v = v || '!'")  # of both
        wait_until(lambda: len(changes(sluice.folder / "a")) >= 2 and len(changes(sluice.folder / "b")) >= 2,
                   running=process)
    for table, id, v in (("a", 1, "one"), ("b", 2, "two")):
        assert [(row["_op"], row["id"], row["v"]) for row in changes(sluice.folder / table)] == [
            ("snapshot", id, v), ("update", id, v + "!")]


@pytest.mark.parametrize("identity, note", [
    ("USING INDEX t_k", "public.t: the primary key is not in the replica identity, so that a change of it alone is not "
                        "seen; a sink's key should be k"),
    ("FULL", None),
])
def test_a_key_whose_changes_are_not_seen_is_told_of(sluice, postgres, identity, note):
    postgres.execute("CREATE TABLE t (id int PRIMARY KEY, k int NOT NULL)")
    postgres.execute("CREATE UNIQUE INDEX t_k ON t (k)")
    postgres.execute(f"ALTER TABLE t REPLICA IDENTITY {identity}")
    checked = sluice("check", "-e", stream(changes_of(postgres))).stdout
    assert note in checked if note else "key" not in checked, checked
    if note is None:
        postgres.execute("ALTER TABLE t DROP CONSTRAINT t_pkey")
        assert "without a primary key every UPDATE is one of the same row" in sluice(
            "check", "-e", stream(changes_of(postgres))).stdout
