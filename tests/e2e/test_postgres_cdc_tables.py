"""Tables and columns that come to be while a stream follows a schema."""
import random
import time

import pytest
from postgres_changes import changes, changes_of, running, slot, stream, wait_until


def replica_of(database, more=""):
    """Into tables of another schema of the same database, as many as there are."""
    return f"INSERT INTO {database.at(None, 'schema := ' + repr('copy') + ', key := ' + repr('id') + more)}"


def same(database, *tables):
    def is_same():
        try:
            return all(database.rows(f"SELECT * FROM {table} ORDER BY id") ==
                       database.rows(f"SELECT * FROM copy.{table} ORDER BY id") for table in tables)
        except Exception:  # it is not there yet
            return False
    return is_same


def whole_schema(database, more=""):
    return database.at(None, "cdc := true" + more)


def flowing(database, process):
    wait_until(lambda: slot(database) and slot(database)[0], running=process)


@pytest.mark.parametrize("publication", ["ours", "of the schema"])
def test_a_table_that_is_made_is_picked_up_while_it_is_written_to(sluice, each_postgres, publication):
    """Rows before its changes are published, in transactions that go on across that moment, and after it."""
    database = each_postgres
    database.execute("CREATE TABLE a (id bigint PRIMARY KEY, v text)")
    database.execute("INSERT INTO a VALUES (1, 'one')")
    more = ""
    if publication == "of the schema":
        database.execute("CREATE PUBLICATION everything FOR TABLES IN SCHEMA public")
        more = ", publication := 'everything'"
    with running(sluice, stream(whole_schema(database, more), replica_of(database))) as process:
        flowing(database, process)
        database.execute("CREATE TABLE b (id bigint PRIMARY KEY, v text, n int)")
        writers = [database.server.connect(database.name) for _ in range(3)]
        chooser = random.Random(5)
        numbers = iter(range(1, 1_000_000))
        for writer in writers:
            writer.autocommit = False
        end = time.monotonic() + 9  # it is looked for every 5 s
        while time.monotonic() < end:
            writer = chooser.choice(writers)
            for _ in range(chooser.randrange(1, 10)):
                writer.execute("INSERT INTO b VALUES (%s, 'b', 0)", [next(numbers)])
            with database.connection.transaction():
                database.execute("UPDATE b SET n = n + 1 WHERE id %% 7 = %s", [chooser.randrange(7)])
                database.execute("UPDATE a SET v = v || '+'")
            if chooser.randrange(3) == 0:
                writer.commit()
            time.sleep(0.01)
        for writer in writers:
            writer.commit()
            writer.close()
        wait_until(same(database, "a", "b"), running=process)
        database.execute("DELETE FROM b WHERE id % 2 = 0")
        wait_until(same(database, "a", "b"), running=process)
    # A start is one like any other.
    with running(sluice, stream(whole_schema(database, more), replica_of(database))) as process:
        flowing(database, process)
        database.execute("UPDATE b SET v = 'again'")
        wait_until(same(database, "a", "b"), running=process)


def test_a_table_that_was_made_while_nobody_looked_is_copied_at_the_next_start(sluice, postgres):
    """Also after kill -9 at any step of that."""
    postgres.execute("CREATE TABLE a (id bigint PRIMARY KEY, v text)")
    postgres.execute("INSERT INTO a VALUES (1, 'one')")
    statement = stream(whole_schema(postgres, ", split_rows := 1000, batch_size := 500"), replica_of(postgres))
    with running(sluice, statement) as process:
        flowing(postgres, process)
        wait_until(same(postgres, "a"), running=process)
    postgres.execute("CREATE TABLE b (id bigint PRIMARY KEY, v text)")
    postgres.execute("INSERT INTO b SELECT g, repeat('b', 100) FROM generate_series(1, 20000) g")
    postgres.execute("CREATE TABLE c (id bigint PRIMARY KEY, v text)")
    postgres.execute("UPDATE a SET v = 'uno'")
    for point in ("postgresql.published", "postgresql.slot", "postgresql.commit.inside", "postgresql.commit.after"):
        process = sluice.start("run", "-e", statement, env={"SLUICE_CRASH_AT": point})
        wait_until(lambda: process.poll() is not None)
        assert process.returncode == -9, process.communicate()
        postgres.execute("UPDATE b SET v = v || '+' WHERE id % 3 = 0")
        postgres.execute("INSERT INTO c SELECT coalesce(max(id), 0) + 1, 'c' FROM c")
    with running(sluice, statement) as process:
        wait_until(same(postgres, "a", "b", "c"), running=process)
        postgres.execute("DELETE FROM c")
        wait_until(same(postgres, "a", "b", "c"), running=process)


def test_a_transaction_that_wrote_to_the_table_before_is_waited_for(sluice, postgres):
    postgres.execute("CREATE TABLE a (id bigint PRIMARY KEY, v text)")
    statement = stream(whole_schema(postgres), replica_of(postgres))
    with running(sluice, statement) as process:
        flowing(postgres, process)
    postgres.execute("CREATE TABLE b (id bigint PRIMARY KEY, v text)")
    writer = postgres.server.connect(postgres.name)
    writer.autocommit = False
    writer.execute("INSERT INTO b VALUES (1, 'before it is published')")
    published = "SELECT count(*) FROM pg_publication_tables WHERE tablename = 'b'"
    with running(sluice, statement) as process:
        wait_until(lambda: postgres.value(published) == 1, running=process)
        time.sleep(0.5)
        writer.execute("INSERT INTO b VALUES (2, 'after it')")
        writer.commit()
        writer.close()
        wait_until(same(postgres, "b"), running=process)
        assert postgres.value("SELECT count(*) FROM copy.b") == 2


def test_a_table_that_cannot_be_followed_is_told_of_and_the_others_go_on(sluice, start, postgres):
    postgres.execute("CREATE TABLE a (id bigint PRIMARY KEY, v text)")
    process = start("run", "-e", stream(whole_schema(postgres), replica_of(postgres)))
    process.waits_until(lambda: slot(postgres) and slot(postgres)[0], "it to flow")
    postgres.execute("CREATE TABLE b (id bigint)")
    time.sleep(6)  # it is looked for every 5 s
    postgres.execute("INSERT INTO a VALUES (1, 'one')")
    postgres.execute("INSERT INTO b VALUES (1)")
    process.waits_until(same(postgres, "a"), "changes of the other one")
    error = process.stop()
    assert error.count("a new table is not followed") == 1 and "public.b has no primary key" in error, error


def test_patterns_say_which_new_tables_are_followed(sluice, postgres):
    postgres.execute("CREATE TABLE item_a (id bigint PRIMARY KEY)")
    source = whole_schema(postgres, ", tables := 'item_*'")
    with running(sluice, stream(source, "INSERT INTO file('{table}/', format := 'parquet')")) as process:
        flowing(postgres, process)
        for table in ("other", "item_b", "item_c"):
            postgres.execute(f"CREATE TABLE {table} (id bigint PRIMARY KEY)")
            postgres.execute(f"INSERT INTO {table} VALUES (1)")
        for table in ("item_b", "item_c"):
            wait_until(lambda: len(changes(sluice.folder / table)) == 1, running=process)
        assert not (sluice.folder / "other").exists()


DEFAULTS = {  # column: type, default, what the replica's column is
    "n": ("int", "5"), "words": ("text[]", "'{\"a b\",NULL}'"), "price": ("numeric(6,2)", "1.5"),
    "at": ("timestamptz", "'2026-01-31 01:02:03.5+01'"), "day": ("date", "'infinity'"), "raw": ("bytea", "'\\x00ff'"),
    "note": ("text", "'it''s \\'"), "span": ("interval", "'1 year -2 days'"), "ok": ("boolean", "true"),
    "nothing": ("text", "NULL"), "free": ("numeric", "'NaN'"), "numbers": ("int[]", "'{}'"),
}


@pytest.mark.parametrize("partitioned", [False, True])
def test_rows_that_were_there_have_the_default_of_a_column_that_is_added(sluice, each_postgres, partitioned):
    database = each_postgres
    database.execute("CREATE TABLE a (id bigint PRIMARY KEY, v text)" + (" PARTITION BY RANGE (id)" if partitioned else ""))
    if partitioned:
        database.execute("CREATE TABLE a_low PARTITION OF a FOR VALUES FROM (0) TO (10)")
        database.execute("CREATE TABLE a_high PARTITION OF a FOR VALUES FROM (10) TO (100)")
    database.execute("INSERT INTO a SELECT g, 'v' FROM generate_series(1, 20) g")
    with running(sluice, stream(whole_schema(database), replica_of(database))) as process:
        flowing(database, process)
        wait_until(same(database, "a"), running=process)
        for name, (kind, default) in DEFAULTS.items():
            database.execute(f'ALTER TABLE a ADD "{name}" {kind} DEFAULT {default}')
        database.execute("INSERT INTO a (id, v) VALUES (30, 'new')")
        database.execute("INSERT INTO a (id, n) VALUES (31, NULL)")
        columns = ", ".join(f'"{name}"::text' for name in DEFAULTS)

        def rows(table):
            return database.rows(f"SELECT id, v, {columns} FROM {table} ORDER BY id")

        wait_until(lambda: database.value("SELECT count(*) FROM copy.a") == 22, running=process)
        assert rows("copy.a") == rows("a")
        # The table of the replica has no defaults of its own.
        assert database.value("SELECT count(*) FROM pg_attrdef WHERE adrelid = 'copy.a'::regclass") == 0
        database.execute("UPDATE a SET n = n + 1")
        wait_until(lambda: rows("copy.a") == rows("a"), running=process)


def test_a_default_that_each_row_computes_is_warned_of(sluice, start, postgres):
    postgres.execute("CREATE TABLE a (id bigint PRIMARY KEY)")
    postgres.execute("INSERT INTO a VALUES (1)")
    process = start("run", "-e", stream(whole_schema(postgres), replica_of(postgres)))
    process.waits_until(lambda: slot(postgres) and slot(postgres)[0], "it to flow")
    postgres.execute("ALTER TABLE a ADD u uuid DEFAULT gen_random_uuid()")
    postgres.execute("INSERT INTO a VALUES (2)")
    process.waits_until(lambda: postgres.value("SELECT count(*) FROM copy.a") == 2, "the row")
    error = process.stop()
    assert "whose default each row computes" in error and "column=u" in error, error
    assert postgres.rows("SELECT id, u IS NULL FROM copy.a ORDER BY id") == [(1, True), (2, False)]
