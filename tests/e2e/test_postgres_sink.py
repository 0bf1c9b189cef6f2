"""Rows into a PostgreSQL 15: what they become, what is refused and how, and that nothing is lost or doubled."""
import decimal
import json
import os
import pathlib
import signal
import subprocess

import duckdb
import pytest
from delivered import append, wait_until

from services.process import need

BATTERY = pathlib.Path(os.environ.get("SLUICE_BINARY", "build/sluice")).parent / "tests/connector_postgresql_test"


def write_csv(folder, name, numbers, note="note"):
    (folder / "in").mkdir(exist_ok=True)
    (folder / "in" / name).write_text("id,note\n" + "".join(f"{i},{note} {i}\n" for i in numbers))


def ids(database, table="t"):
    return [row[0] for row in database.rows(f"SELECT id FROM {table} ORDER BY id")]


def table_of(database, more="", with_options="", select="SELECT * FROM file('in/*.csv')", table="t"):
    options = f" WITH ({with_options})" if with_options else ""
    return f"CREATE TABLE p{options} AS {select} INSERT INTO {database.at(table, more)};"


def test_the_battery_of_every_sink(each_postgres):
    postgres = each_postgres
    battery = need(pathlib.Path(BATTERY).resolve(), "make")
    result = subprocess.run([battery, "--gtest_brief=1", "--gtest_filter=*PostgresSink*:*PostgresLanes*:*SinkBattery*"], capture_output=True, text=True, timeout=300,
                            env={**os.environ, "SLUICE_TEST_POSTGRES": postgres.url()})
    assert result.returncode == 0, result.stdout + result.stderr
    assert "SLUICE_TEST_POSTGRES" not in result.stdout


VALUES = {
    "bool": ("BOOLEAN", "true", "boolean", True),
    "small": ("SMALLINT", "-32768", "smallint", -32768),
    "int": ("INTEGER", "-2147483648", "integer", -2147483648),
    "big": ("BIGINT", "9007199254740993", "bigint", 9007199254740993),
    "unsigned": ("UBIGINT", "18446744073709551615", "numeric(20,0)", decimal.Decimal(18446744073709551615)),
    "single": ("FLOAT", "0.1", "real", "0.1"),
    "double": ("DOUBLE", "0.1", "double precision", 0.1),
    "price": ("DECIMAL(12,2)", "-9999999999.99", "numeric(12,2)", decimal.Decimal("-9999999999.99")),
    "exact": ("DECIMAL(38,10)", "1234567890123456789012345678.0123456789", "numeric(38,10)",
              decimal.Decimal("1234567890123456789012345678.0123456789")),
    "text": ("VARCHAR", "'日本 ''x'' \\ \t'", "text", "日本 'x' \\ \t"),
    "bytes": ("BLOB", "'\\x00\\xFF'::BLOB", "bytea", b"\x00\xff"),
    "day": ("DATE", "DATE '0044-03-15'", "date", "0044-03-15"),
    "never": ("DATE", "DATE 'infinity'", "date", "infinity"),
    "clock": ("TIME", "TIME '23:59:59.999999'", "time without time zone", "23:59:59.999999"),
    "at": ("TIMESTAMP", "TIMESTAMP '1969-12-31 23:59:59.999999'", "timestamp without time zone",
           "1969-12-31 23:59:59.999999"),
    "millis": ("TIMESTAMP_MS", "TIMESTAMP_MS '2026-01-31 01:02:03.004'", "timestamp without time zone",
               "2026-01-31 01:02:03.004"),
    "instant": ("TIMESTAMPTZ", "TIMESTAMPTZ '2026-01-31 01:02:03.5+01'", "timestamp with time zone",
                "2026-01-31 00:02:03.5+00"),
    "numbers": ("INTEGER[]", "[1, NULL, 3]", "integer[]", [1, None, 3]),
    "words": ("VARCHAR[]", "['a,b', '\"', NULL]", "text[]", ["a,b", '"', None]),
    "object": ("STRUCT(a INTEGER, b VARCHAR)", "{'a': 1, 'b': 'x\"y'}", "jsonb", {"a": 1, "b": 'x"y'}),
}


def test_every_type_lands_as_its_exact_value(sluice, each_postgres):
    postgres = each_postgres
    select = ", ".join(f"CAST({value} AS {kind}) AS \"{name}\"" for name, (kind, value, _, _) in VALUES.items())
    nulls = ", ".join(f"CAST(NULL AS {kind})" for kind, _, _, _ in VALUES.values())
    duckdb.sql(f"COPY (SELECT {select} UNION ALL SELECT {nulls}) TO '{sluice.folder}/in.parquet'")
    sluice.sql(f"INSERT INTO {postgres.at('zoo')} SELECT * FROM file('in.parquet');")
    declared = dict(postgres.rows("SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
                                  "WHERE attrelid = 'zoo'::regclass AND attnum > 0"))
    assert declared == {name: kind for name, (_, _, kind, _) in VALUES.items()}
    postgres.execute("SET timezone = 'UTC'")
    for name, (_, _, _, expected) in VALUES.items():
        shown = f'"{name}"::text' if isinstance(expected, str) else f'"{name}"'
        assert postgres.rows(f'SELECT {shown} FROM zoo ORDER BY bool NULLS LAST') == [(expected,), (None,)], name


def test_text_is_read_by_the_server_for_types_that_arrow_has_not(sluice, postgres):
    postgres.execute("CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TABLE t (at inet, period int4range, mood mood, "
                     "ref uuid, doc jsonb, raw json, price numeric(6,2), xs int[])")
    row = {"at": "10.1.2.3/8", "period": "[1,5)", "mood": "happy", "ref": "a0eebc999c0b4ef8bb6d6bb9bd380a11",
           "doc": '{"b": 1}', "raw": '{"b":  1}', "price": "12.50", "xs": "{1,NULL}"}
    (sluice.folder / "in.jsonl").write_text(json.dumps(row) + "\n")
    columns = ", ".join(f"{name} VARCHAR" for name in row)
    sluice.sql(f"INSERT INTO {postgres.at('t')} SELECT * FROM file('in.jsonl', columns := '{columns}');")
    assert postgres.rows("SELECT t::text FROM t") == [
        ('(10.1.2.3/8,"[1,5)",happy,a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11,"{""b"": 1}","{""b"":  1}",12.50,"{1,NULL}")',)]


@pytest.mark.parametrize("value, declared, says", [
    ("1.005", "numeric(6,2)", "does not fit numeric(6,2)"),
    ("abc", "numeric", "does not fit numeric"),
    ("a-b", "uuid", "does not fit uuid"),
    ("too long", "varchar(3)", "value too long"),
    ("nowhere", "inet", "invalid input syntax for type inet"),
    ("glad", "mood", "invalid input value for enum mood"),
])
def test_a_value_that_does_not_fit_fails_the_epoch_and_is_named(sluice, postgres, value, declared, says):
    postgres.execute(f"CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE t (id bigint, v {declared})")
    (sluice.folder / "in.jsonl").write_text(json.dumps({"id": 1, "v": value}) + "\n")
    sql = f"INSERT INTO {postgres.at('t')} SELECT * FROM file('in.jsonl', columns := 'id BIGINT, v VARCHAR');"
    assert says in sluice.fails("run", "-e", sql)
    assert ids(postgres) == []


@pytest.mark.parametrize("columns, declared, says", [
    ("v DOUBLE", "v numeric(10,2)", "may not hold every value of type DOUBLE"),
    ("v TIMESTAMPTZ", "v timestamp", "may not hold every value"),
    ("v BOOLEAN", "v integer", "do not go into"),
    ("v VARCHAR", "w text", "has no column 'v'"),
    ("v VARCHAR", "v text, w text NOT NULL", "column 'w' of table 'public.t' is NOT NULL without a default"),
    ("v VARCHAR", "u text, v text GENERATED ALWAYS AS (u) STORED", "generated by the server"),
])
def test_a_table_that_does_not_suit_is_refused_before_the_first_row(sluice, postgres, columns, declared, says):
    postgres.execute(f"CREATE TABLE t ({declared})")
    (sluice.folder / "in.jsonl").write_text("")
    sql = (f"INSERT INTO {postgres.at('t', 'create_table := false')} SELECT * FROM file('in.jsonl', "
           f"columns := '{columns}');")
    assert says in sluice.fails("run", "-e", sql)


def test_a_table_delivers_what_is_new_and_a_lost_state_store_doubles_nothing(sluice, postgres):
    write_csv(sluice.folder, "1.csv", range(0, 500))
    sql = table_of(postgres, with_options="lanes := 2, epoch_rows := 100")
    sluice.sql(sql)
    write_csv(sluice.folder, "2.csv", range(500, 1000))
    sluice.sql(sql)
    (sluice.folder / "state.db").unlink()
    sluice.sql(sql)
    assert ids(postgres) == list(range(1000))
    splits = postgres.value("SELECT count(*) FROM sluice.positions WHERE pipeline = 'p' AND sink = 'public.t'")
    assert splits >= 2
    sluice("drop", "p", env={"PGPASSWORD": "test-secret"})
    assert postgres.value("SELECT count(*) FROM sluice.positions") == 0
    assert len(ids(postgres)) == 1000


def test_if_exists_decides_for_unnamed_statements(sluice, postgres):
    write_csv(sluice.folder, "1.csv", [1, 2])
    postgres.execute("CREATE TABLE t (id bigint, note text); INSERT INTO t VALUES (9, 'old')")
    insert = "INSERT INTO {} SELECT * FROM file('in/*.csv');"
    assert "already has rows" in sluice.fails("run", "-e", insert.format(postgres.at("t", "if_exists := 'error'")))
    sluice.sql(insert.format(postgres.at("t")))
    assert ids(postgres) == [1, 2, 9]
    sluice.sql(insert.format(postgres.at("t", "if_exists := 'replace'")))
    assert ids(postgres) == [1, 2]


def test_upserts_replace_by_key(sluice, postgres):
    write_csv(sluice.folder, "1.csv", [1, 2, 3], note="old")
    more = "mode := 'upsert', key := 'id'"
    sluice.sql(table_of(postgres, more))
    write_csv(sluice.folder, "2.csv", [3, 4], note="new")
    sluice.sql(table_of(postgres, more))
    assert postgres.rows("SELECT id, note FROM t ORDER BY id") == [(1, "old 1"), (2, "old 2"), (3, "new 3"), (4, "new 4")]
    postgres.execute("CREATE TABLE u (id bigint, note text)")
    assert "unique index on (id)" in sluice.fails("run", "-e", table_of(postgres, more, table="u").replace("p AS", "q AS"))


@pytest.mark.parametrize("declared, value, says", [
    ("varchar(3)", "four", "value too long"),
    ("bit(3)", "10101", "does not match type bit(3)"),
    ("bit(3)[]", "{101,10101}", "does not match type bit(3)"),
    ("numeric(4,1)", "1.25", "does not fit numeric(4,1)"),
    ('"char"', "ab", 'does not fit "char"'),
    ("flags", "10101", "does not match type bit(3)"),
    ("varchar(3)", "abc  ", 'does not fit character varying(3)'),
    ("short", "äöü ", "does not fit short"),
    ("varchar(3)[]", '{ab,"abc "}', "does not fit character varying(3)[]"),
    ("varchar(3)[]", "{abcd}", "does not fit character varying(3)[]"),
    ("numeric(4,1)[]", "{1.5,1.25}", "column 'v': {1.5,1.25} does not fit numeric(4,1)[]"),
    ("timestamp(3)[]", "{2026-01-01 00:00:00.1234}", "does not fit timestamp(3) without time zone[]"),
    ("timetz(0)", "01:02:03.5+00", "does not fit time(0) with time zone"),
])
@pytest.mark.parametrize("mode", ["append", "upsert"])
def test_what_is_too_long_or_too_exact_is_refused_and_never_cut(sluice, postgres, declared, value, says, mode):
    postgres.execute("CREATE DOMAIN flags AS bit(3); CREATE DOMAIN short AS varchar(3); "
                     f"CREATE TABLE t (id bigint PRIMARY KEY, v {declared})")
    (sluice.folder / "in.jsonl").write_text(json.dumps({"id": 1, "v": value}) + "\n")
    upsert = postgres.at("t", f"mode := '{mode}'")
    sql = f"INSERT INTO {upsert} SELECT * FROM file('in.jsonl', columns := 'id BIGINT, v VARCHAR');"
    assert says in sluice.fails("run", "-e", sql)
    assert ids(postgres) == []


def test_what_fits_types_with_a_length_is_upserted(sluice, postgres):
    row = {"id": 1, "k": "101", "bits": "101", "few": "1", "lists": "{101,NULL}", "one": "a", "byte": "\\377",
           "flags": "101", "short": "äöü", "words": '{abc,"a  ",NULL}', "numbers": "{1.5,NULL,NaN}",
           "times": '{"2026-01-01 00:00:00.123",infinity}', "clock": "01:02:03+00"}
    postgres.execute("CREATE DOMAIN flags AS bit(3); CREATE TABLE t (id bigint, k bit(3), bits bit(3), few varbit(3), "
                     "lists bit(3)[], one \"char\", byte \"char\", flags flags, short varchar(3), words varchar(3)[], "
                     "numbers numeric(4,1)[], times timestamp(3)[], clock timetz(0), PRIMARY KEY (k, id))")
    (sluice.folder / "in.jsonl").write_text(2 * (json.dumps(row) + "\n"))
    columns = "id BIGINT, " + ", ".join(f"{name} VARCHAR" for name in row if name != "id")
    upsert = postgres.at("t", "mode := 'upsert'")
    sluice.sql(f"INSERT INTO {upsert} SELECT * FROM file('in.jsonl', columns := '{columns}');")
    shown = ", ".join(f"{name}::text" for name in row)
    assert postgres.rows(f"SELECT {shown} FROM t") == [tuple(str(value) for value in row.values())]


def test_an_array_of_what_only_the_server_reads_takes_a_list(sluice, postgres):
    postgres.execute("CREATE TABLE t (id bigint PRIMARY KEY, xs inet[], periods int4range[])")
    (sluice.folder / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in (
        {"id": 1, "xs": ["10.0.0.1/8", None], "periods": ["[1,5)", "empty"]}, {"id": 2, "xs": [], "periods": None})))
    columns = "id BIGINT, xs VARCHAR[], periods VARCHAR[]"
    sluice.sql(f"INSERT INTO {postgres.at('t')} SELECT * FROM file('in.jsonl', columns := '{columns}');")
    assert postgres.rows("SELECT t::text FROM t ORDER BY id") == [
        ('(1,"{10.0.0.1/8,NULL}","{""[1,5)"",empty}")',), ("(2,{},)",)]


def test_a_row_that_is_too_exact_goes_to_the_dead_letters(sluice, postgres):
    postgres.execute("CREATE TABLE t (id bigint PRIMARY KEY, v numeric(4,1)[])")
    (sluice.folder / "in.jsonl").write_text("".join(
        json.dumps({"id": i, "v": "{1.25}" if i == 3 else "{1.5}"}) + "\n" for i in range(5)))
    sluice.sql(table_of(postgres, with_options="dead_letters := 'dead/?format=json'",
                        select="SELECT * FROM file('in.jsonl', columns := 'id BIGINT, v VARCHAR')"))
    assert ids(postgres) == [0, 1, 2, 4]
    dead = [json.loads(line) for path in (sluice.folder / "dead").rglob("*.jsonl") for line in path.read_text().splitlines()]
    assert [json.loads(row["payload"])["id"] for row in dead] == [3]
    assert "does not fit numeric(4,1)[]" in dead[0]["reason"]


def test_rows_the_table_refuses_go_to_the_dead_letters(sluice, postgres):
    postgres.execute("CREATE TABLE t (id bigint PRIMARY KEY, note text CHECK (note NOT LIKE '%7'))")
    write_csv(sluice.folder, "1.csv", [*range(0, 50), 3])
    sluice.sql(table_of(postgres, with_options="dead_letters := 'dead/?format=json', epoch_rows := 10"))
    assert ids(postgres) == [i for i in range(50) if i % 10 != 7]
    dead = [json.loads(line) for path in (sluice.folder / "dead").rglob("*.jsonl") for line in path.read_text().splitlines()]
    assert sorted(json.loads(row["payload"])["id"] for row in dead) == [3, 7, 17, 27, 37, 47]
    assert {row["stage"] for row in dead} == {"write"}
    assert any('"t_pkey"' in row["reason"] and "Key (id)=(3) already exists" in row["reason"] for row in dead)


def test_a_refused_row_without_dead_letters_names_row_and_constraint(sluice, postgres):
    postgres.execute("CREATE TABLE t (id bigint PRIMARY KEY, note text)")
    write_csv(sluice.folder, "1.csv", [1, 2, 2])
    error = sluice.fails("run", "-e", table_of(postgres))
    assert '"t_pkey"' in error and "Key (id)=(2) already exists" in error and "public.t" in error
    assert ids(postgres) == []


@pytest.mark.parametrize("limit, transactions", [(-1, (2, 3)), (1, (1,))], ids=["", "of one connection"])
def test_lanes_append_side_by_side_as_a_user_who_may_only_insert(sluice, postgres, limit, transactions):
    role = f"writer_{postgres.name}"
    postgres.execute("CREATE TABLE t (id bigint, note text)")
    postgres.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x' CONNECTION LIMIT {limit}; GRANT INSERT ON t TO {role}; "
                     f"GRANT CREATE ON DATABASE {postgres.name} TO {role}")
    for part in range(3):
        rows = "".join(f"{i},{'x' * 100}\n" for i in range(part * 50_000, (part + 1) * 50_000))
        (sluice.folder / f"in{part}.csv").write_text("id,note\n" + rows)
    try:
        sluice.sql(f"CREATE TABLE p WITH (lanes := 3) AS SELECT * FROM file('in*.csv', split_bytes := '1MB') INSERT INTO "
                   f"{postgres.at('t').replace('postgres:test-secret', f'{role}:x')};")
        assert postgres.rows("SELECT count(*), count(DISTINCT id) FROM t") == [(150_000, 150_000)]
        # On a busy machine a lane may get nothing to read.
        seen = postgres.value("SELECT count(DISTINCT xmin::text) FROM t")
        assert seen in transactions
        assert postgres.value("SELECT count(DISTINCT xmin::text) FROM sluice.positions") == seen
    finally:
        postgres.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.mark.parametrize("kind", ["a copy", "changes"])
def test_pieces_of_one_table_arrive_in_one_transaction(sluice, postgres, start, kind):
    """Positions of some pieces say that the whole table was read, or how its changes go on: none may come alone."""
    postgres.execute("CREATE TABLE s (id bigint PRIMARY KEY, note text); "
                     "INSERT INTO s SELECT i, repeat('x', 100) FROM generate_series(1, 120000) i")
    source = postgres.at("s", "split_rows := 20000" + (", cdc := true" if kind == "changes" else ""))
    sql = f"CREATE {{}} p WITH (lanes := 3) AS SELECT id, note FROM {source} INSERT INTO {postgres.at('t', 'mode := ' + repr('append'))};"
    dies = {"SLUICE_CRASH_AT": "postgresql.commit.some"}
    if kind == "a copy":
        sluice.sql(sql.format("TABLE"), env=dies)
    else:
        running = start("run", "-e", sql.format("STREAM"), env=dies)
        running.waits_until(lambda: postgres.rows("SELECT to_regclass('t')") != [(None,)] and postgres.value("SELECT count(*) FROM t") > 0,
                            "the copy", 30)
        running.stop()
        sluice("drop", "p", env={"PGPASSWORD": postgres.connection.info.password})
    assert postgres.rows("SELECT count(*), count(DISTINCT id), count(DISTINCT xmin::text) FROM t") == [(120_000, 120_000, 1)]


def test_a_query_of_any_size_is_one_epoch(sluice, postgres):
    write_csv(sluice.folder, "1.csv", range(1000))
    sluice.sql(f"INSERT INTO {postgres.at('t')} SELECT a.id * 1000 + b.id AS id, repeat('x', 50) AS note FROM "
               "file('in/*.csv') a CROSS JOIN file('in/*.csv') b;", timeout=120)
    assert postgres.rows("SELECT count(*), count(DISTINCT id) FROM t") == [(1_000_000, 1_000_000)]
    assert postgres.value("SELECT count(DISTINCT xmin::text) FROM t") == 1


def test_a_wrong_password_a_missing_table_and_a_read_only_server_say_so(sluice, postgres):
    write_csv(sluice.folder, "1.csv", [1])
    wrong = table_of(postgres).replace("test-secret", "wrong")
    error = sluice.fails("run", "-e", wrong)
    assert "password authentication failed" in error and "wrong@" not in error
    assert "there is no table 'public.t'" in sluice.fails("run", "-e", table_of(postgres, "create_table := false"))
    postgres.execute(f"ALTER DATABASE {postgres.name} SET default_transaction_read_only = on")
    sluice.sql(table_of(postgres))  # what the role was told by default is no refusal
    assert ids(postgres) == [1]
    assert "postgresql" in sluice.fails("run", "-e", table_of(postgres).replace(f":{postgres.server.port}", ":1")
                                       .replace("TABLE p", "TABLE q"))


def test_checking_leaves_nothing_behind(sluice, postgres):
    write_csv(sluice.folder, "1.csv", [1])
    out = sluice("check", "-e", table_of(postgres)).stdout
    assert "exactly-once" in out
    assert postgres.rows("SELECT nspname FROM pg_namespace WHERE nspname = 'sluice'") == []
    assert postgres.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []


def test_a_user_who_may_not_write_is_told(sluice, postgres):
    write_csv(sluice.folder, "1.csv", [1])
    postgres.execute("CREATE TABLE t (id bigint, note text)")
    role = f"reader_{postgres.name}"
    postgres.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'; GRANT CREATE ON DATABASE {postgres.name} TO {role}")
    try:
        sql = table_of(postgres).replace("postgres:test-secret", f"{role}:x")
        error = sluice.fails("check", "-e", sql)
        assert "INSERT on table 'public.t' is not granted" in error
    finally:
        postgres.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.mark.parametrize("state, says", [("53100", "[53100]"), ("55000", "[55000]")])
def test_a_full_disk_is_not_tried_again(sluice, postgres, state, says):
    raising_table(postgres, f"RAISE EXCEPTION 'could not extend file' USING ERRCODE = '{state}'")
    write_csv(sluice.folder, "1.csv", [1])
    assert says in sluice.fails("run", "-e", table_of(postgres, with_options="retry_for := '30s'"))
    assert ids(postgres) == []


def test_a_deadlock_is_tried_again(sluice, postgres):
    # A sequence keeps counting when its transaction is rolled back.
    postgres.execute("CREATE SEQUENCE attempts")
    raising_table(postgres, "IF nextval('attempts') < 3 THEN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = "
                            "'40P01'; END IF; RETURN NULL")
    write_csv(sluice.folder, "1.csv", range(10))
    sluice.sql(table_of(postgres, with_options="retry_for := '30s'"))
    assert ids(postgres) == list(range(10))


def raising_table(postgres, body):
    postgres.execute(f"CREATE TABLE t (id bigint, note text); CREATE FUNCTION raise() RETURNS trigger LANGUAGE plpgsql AS "
                     f"$$ BEGIN {body}; END $$; "
                     "CREATE TRIGGER raise AFTER INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION raise()")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "immediate"])
def test_a_server_that_is_restarted_loses_and_doubles_nothing(sluice, start, own_postgres, how):
    folder = sluice.folder / "in"
    folder.mkdir()
    (folder / "a.csv").write_text("id,note\n" + "".join(f"{i},x\n" for i in range(100)))
    running = start("run", "-e", "CREATE STREAM s WITH (epoch_age := '50ms', retry_for := '60s') AS SELECT * FROM "
                    "file('in/*.csv', watch := true, poll_interval := '100ms') "
                    f"INSERT INTO {own_postgres.at('t')};")
    exists = "SELECT count(*) FROM pg_tables WHERE tablename = 't'"
    running.waits_until(lambda: own_postgres.value(exists) and len(ids(own_postgres)) == 100, "the first rows")
    for turn in range(1, 4):
        own_postgres.server.stop(how)
        append(folder / "a.csv", "".join(f"{i},x\n" for i in range(turn * 100, turn * 100 + 100)))
        own_postgres.server.start()
        own_postgres.reconnect()
        running.waits_until(lambda: len(ids(own_postgres)) >= turn * 100 + 100, "rows after a restart", seconds=60)
    running.stop()
    assert ids(own_postgres) == list(range(400))


def test_a_zombie_is_fenced_off(sluice, postgres):
    write_csv(sluice.folder, "1.csv", range(100))
    sluice.sql(table_of(postgres))
    generation = "SELECT generation FROM sluice.fence WHERE pipeline = 'p'"
    before = postgres.value(generation)
    (sluice.folder / "state.db").unlink()
    sluice.sql(table_of(postgres))
    assert postgres.value(generation) > before


def test_tables_of_several_schemas_are_made(sluice, postgres):
    write_csv(sluice.folder, "1.csv", [1])
    sluice.sql(f"INSERT INTO {postgres.at('Sales.My Orders')} SELECT id, note AS \"Note\" FROM file('in/*.csv');")
    assert postgres.rows('SELECT id, "Note" FROM "Sales"."My Orders"') == [(1, "note 1")]
    wait_until(lambda: postgres.value("SELECT count(*) FROM sluice.positions") == 0, "positions of a statement that is through")
