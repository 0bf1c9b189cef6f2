"""Tables of a PostgreSQL 15 read once: every type, in pieces, what is pushed down, and that a copy is all or nothing."""
import contextlib
import decimal
import json
import signal
import sqlite3

import duckdb
import pytest
from type_zoo import ZOO, make_zoo, texts

def test_the_type_zoo_comes_back_into_postgresql_as_it_was(sluice, each_postgres):
    postgres = each_postgres
    make_zoo(postgres, "zoo")
    columns = ", ".join(f'c{i} {name}' for i, name in enumerate(ZOO))
    postgres.execute(f"CREATE TABLE copy(id int PRIMARY KEY, {columns})")
    # numeric(3,-2) is read as DECIMAL(5,0), whose other values it could not take back.
    into = postgres.at("copy", more="allow_lossy := true")
    sluice.sql(f"INSERT INTO {into} SELECT * FROM {postgres.at('zoo')};")
    expected, got = texts(postgres, "zoo"), texts(postgres, "copy")
    for i, name in enumerate(ZOO):
        assert [row[i + 1] for row in got] == [row[i + 1] for row in expected], name
    assert got == expected


def test_types_that_parquet_has_arrive_as_those(sluice, postgres, tmp_path):
    postgres.execute(
        "CREATE TABLE t AS SELECT 9007199254740993 AS big, 12.30::numeric(12,2) AS price, 1.5::numeric AS free, "
        "date '1969-12-31' AS day, timestamptz '2026-01-31 01:02:03.5+01' AS at, '\\x00ff'::bytea AS bytes, "
        "ARRAY[1,NULL,3] AS numbers, '{\"a\": 1}'::jsonb AS doc, true AS ok, NULL::text AS nothing"
    )
    sluice.sql(f"INSERT INTO file('out/t.parquet') SELECT * FROM {postgres.at('t')};")
    result = duckdb.sql(f"SELECT * REPLACE (epoch_us(\"at\") AS \"at\") FROM '{tmp_path}/out/t.parquet'")
    assert [str(t) for t in result.types] == [
        "BIGINT", "DECIMAL(12,2)", "VARCHAR", "DATE", "BIGINT", "BLOB", "INTEGER[]", "VARCHAR", "BOOLEAN", "VARCHAR"]
    row = result.fetchall()[0]
    assert row[0] == 9007199254740993 and row[1] == decimal.Decimal("12.30") and row[2] == "1.5"
    assert str(row[3]) == "1969-12-31" and row[4] == 1769817723500000
    assert row[5:] == (b"\x00\xff", [1, None, 3], '{"a": 1}', True, None)


@pytest.mark.parametrize("value, sentence", [
    ("'NaN'::numeric(12,2)", "column 'v', row 1 of this batch: NaN does not fit DECIMAL(12,2)"),
    ("'{{1,2},{3,4}}'::int[]", "an array of 2 dimensions is no list; read arrays with arrays_as := 'text'"),
    ("'[0:1]={1,2}'::int[]", "an array whose subscripts do not begin at 1 is no list"),
    ("interval '200000000 hours'", "an interval of 720000000000000000 microseconds does not fit nanoseconds"),
])
def test_what_no_column_can_hold_is_an_error_that_names_it(sluice, postgres, value, sentence):
    postgres.execute(f"CREATE TABLE t AS SELECT {value} AS v")
    failed = sluice.sql(f"SELECT * FROM {postgres.at('t')};", check=False)
    assert failed.returncode == 1 and sentence in failed.stderr, failed.stderr


def test_as_text_everything_can_be_read(sluice, postgres):
    postgres.execute("CREATE TABLE t AS SELECT 'NaN'::numeric(12,2) AS n, '{{1,2},{3,4}}'::int[] AS a")
    as_text = postgres.at("t", more="numeric_as := 'text', arrays_as := 'text'")
    out = sluice.sql(f"SELECT * FROM {as_text};")
    assert "NaN" in out.stdout and "{{1,2},{3,4}}" in out.stdout


def make_numbers(database, rows=20_000):
    database.execute(f"CREATE TABLE t AS SELECT g AS id, md5(g::text) AS v, g % 7 AS k FROM generate_series(1, {rows}) g")
    database.execute("ANALYZE t")


def test_a_large_table_is_read_in_pieces_without_loss_or_overlap(sluice, each_postgres, tmp_path):
    postgres = each_postgres
    make_numbers(postgres)
    sluice.sql(f"INSERT INTO file('out/', format := 'parquet') SELECT * FROM {postgres.at('t', more='split_rows := 1000')};")
    count, distinct, total = duckdb.sql(f"SELECT count(*), count(DISTINCT id), sum(id) FROM '{tmp_path}/out/*.parquet'").fetchall()[0]
    assert (count, distinct, total) == (20_000, 20_000, 20_000 * 20_001 // 2)


def test_partitions_are_read_through_their_root(sluice, postgres, tmp_path):
    postgres.execute("CREATE TABLE t(id int, d date) PARTITION BY RANGE (d)")
    for year in (2024, 2025, 2026):
        postgres.execute(f"CREATE TABLE t{year} PARTITION OF t FOR VALUES FROM ('{year}-01-01') TO ('{year + 1}-01-01')")
    postgres.execute("INSERT INTO t SELECT g, date '2024-01-01' + g % 1000 FROM generate_series(1, 5000) g")
    sluice.sql(f"INSERT INTO file('out/', format := 'parquet') SELECT * FROM {postgres.at('t')};")
    assert duckdb.sql(f"SELECT count(*), count(DISTINCT id) FROM '{tmp_path}/out/*.parquet'").fetchall()[0] == (5000, 5000)


def test_large_partitions_are_cut_by_the_planners_estimate(sluice, postgres):
    """From a million on it is printed as 1e+06."""
    postgres.execute("CREATE TABLE t(id int) PARTITION BY RANGE (id)")
    postgres.execute("CREATE TABLE t_all PARTITION OF t FOR VALUES FROM (0) TO (10000)")
    postgres.execute("INSERT INTO t SELECT g FROM generate_series(1, 2000) g")
    postgres.execute("UPDATE pg_class SET reltuples = 2e6 WHERE relname = 't_all'")
    sluice.sql(f"CREATE TABLE n AS SELECT * FROM {postgres.at('t', 'split_rows := 1000')} "
               "INSERT INTO file('out/', format := 'parquet');")
    with contextlib.closing(sqlite3.connect(sluice.folder / "state.db")) as state:
        pieces = state.execute("SELECT count(*) FROM position WHERE split LIKE 'public.t_all%'").fetchall()[0][0]
    assert pieces == postgres.value("SELECT pg_relation_size('t_all') / 8192") > 1


def test_columns_filters_and_limits_are_the_servers_work(sluice, postgres):
    make_numbers(postgres, 1000)
    explained = sluice("explain", "-e", f"SELECT id FROM {postgres.at('t')} WHERE id > 990 AND v >= 'a';").stdout
    assert """SELECT "id", "v" FROM "public"."t" WHERE "id" > '990'::int8 AND ("v"::text COLLATE "C") >= 'a'""" in explained
    explained = sluice("explain", "-e", f"SELECT id FROM {postgres.at('t')} LIMIT 3;").stdout
    assert 'SELECT "id" FROM "public"."t" LIMIT 3' in explained
    out = sluice.sql(f"SELECT id FROM {postgres.at('t')} WHERE id IN (3, 5, 2000) OR id = 7 ORDER BY id;").stdout
    assert [line.strip() for line in out.splitlines()[2:5]] == ["3", "5", "7"]
    threes = postgres.at("t", more="where := 'k = 3'")
    out = sluice.sql(f"SELECT count(*) AS n FROM {threes};").stdout
    assert "143" in out


@pytest.mark.parametrize("filter_sql, expected", [
    ("v < 'b'", ["A", "Z", "a"]),  # bytes order, whatever the database's collation
    ("v = 'a'", ["a"]),
    ("v <> 'a'", ["A", "Z", "b", "ä"]),
    ("v IS NULL", [None]),
])
def test_text_compares_by_bytes_as_everywhere(sluice, postgres, tmp_path, filter_sql, expected):
    postgres.execute("CREATE TABLE t(v text)")
    for value in ["a", "A", "b", "Z", "ä", None]:
        postgres.execute("INSERT INTO t VALUES (%s)", [value])
    sluice.sql(f"INSERT INTO file('out/o.parquet') SELECT v FROM {postgres.at('t')} WHERE {filter_sql};")
    rows = duckdb.sql(f"SELECT v FROM '{tmp_path}/out/o.parquet'").fetchall()
    assert sorted((row[0] for row in rows), key=lambda v: (v or "").encode()) == expected


def test_what_the_server_casts_to_another_text_than_is_read_is_compared_as_it_is_read(sluice, postgres):
    postgres.execute("CREATE DOMAIN code AS char(5); CREATE TABLE t(id int, c char(5), d code, i inet)")
    postgres.execute("INSERT INTO t VALUES (1, 'ab', 'ab', '10.0.0.1'), (2, 'cd', 'cd', '10.0.0.0/8')")
    expected = {
        "c = 'ab   '": [1],  # as it is delivered, with its blanks
        "c <> 'ab'": [1, 2],
        "c = 'ab'": [],
        "d = 'ab   '": [1],
        "i = '10.0.0.1'": [1],  # it would be 10.0.0.1/32 as the server casts it to text
    }
    sluice.sql("".join(f"INSERT INTO file('{n}.jsonl') SELECT id FROM {postgres.at('t')} WHERE {condition};"
                       for n, condition in enumerate(expected)))
    found = [(sluice.folder / f"{n}.jsonl").read_text().splitlines() for n in range(len(expected))]
    assert dict(zip(expected, ([json.loads(line)["id"] for line in lines] for lines in found))) == expected


def test_a_composite_is_null_only_where_it_is_no_value(sluice, postgres):
    postgres.execute("CREATE TYPE pair AS (a int, b text); CREATE TABLE t (id int, p pair)")
    postgres.execute("INSERT INTO t VALUES (1, (1, 'x')), (2, (NULL, NULL)), (3, NULL), (4, (1, NULL))")
    expected = {"p IS NULL": [3], "p IS NOT NULL": [1, 2, 4]}
    sluice.sql("".join(f"INSERT INTO file('{n}.jsonl') SELECT id FROM {postgres.at('t')} WHERE {condition};"
                       for n, condition in enumerate(expected)))
    found = [(sluice.folder / f"{n}.jsonl").read_text().splitlines() for n in range(len(expected))]
    assert dict(zip(expected, (sorted(json.loads(line)["id"] for line in lines) for lines in found))) == expected


def test_a_query_is_read_like_a_table(sluice, postgres):
    make_numbers(postgres, 10)
    out = sluice.sql(f"SELECT n FROM postgresql('{postgres.location()}', query := 'SELECT count(*) AS n FROM t') WHERE n > 3;").stdout
    assert "10" in out


def test_views_can_be_read(sluice, postgres):
    make_numbers(postgres, 10)
    postgres.execute("CREATE VIEW even AS SELECT * FROM t WHERE id % 2 = 0")
    assert "5" in sluice.sql(f"SELECT count(*) AS n FROM {postgres.at('even')};").stdout


def test_all_pieces_see_one_moment(sluice, start, postgres, tmp_path):
    """Money moves between accounts all the time; its sum never changes in a snapshot."""
    postgres.execute("CREATE TABLE t AS SELECT g AS id, 100 AS money FROM generate_series(1, 3000) g")
    postgres.execute("ANALYZE t")
    mover = postgres.server.connect(postgres.name)
    running = start("run", "-e", f"INSERT INTO file('out/', format := 'parquet') SELECT * FROM {postgres.at('t', more='split_rows := 1000')};")
    while running.process.poll() is None:
        mover.execute("UPDATE t SET money = money + CASE id WHEN 1 THEN -1 ELSE 1 END WHERE id IN (1, 3000)")
    code, stderr = running.end()
    assert code == 0, stderr
    assert duckdb.sql(f"SELECT sum(money), count(*) FROM '{tmp_path}/out/*.parquet'").fetchall()[0] == (300_000, 3000)
    mover.close()


def test_killed_half_way_nothing_is_visible_and_the_next_run_copies_all(sluice, postgres, tmp_path):
    make_numbers(postgres)
    sql = f"CREATE TABLE p WITH (epoch_rows := 1000) AS SELECT * FROM {postgres.at('t', more='split_rows := 1000')} INSERT INTO file('out/', format := 'parquet');"
    log = tmp_path / "visits"
    sluice.sql(sql, env={"SLUICE_CRASH_LOG": str(log)})
    points = sorted(set(log.read_text().split()))
    kills = 0
    for point in points:
        folder = tmp_path / point
        folder.mkdir()
        sluice.folder = folder
        died = sluice.sql(sql, check=False, env={"SLUICE_CRASH_AT": point})
        if died.returncode == -signal.SIGKILL:
            kills += 1
        sluice.sql(sql)
        found = duckdb.sql(f"SELECT count(*), count(DISTINCT id) FROM '{folder}/out/*.parquet'").fetchall()[0]
        assert found == (20_000, 20_000), point
    assert kills >= 5


def test_a_named_copy_run_again_says_that_it_was_delivered(sluice, postgres):
    make_numbers(postgres, 10)
    sql = f"CREATE TABLE p AS SELECT * FROM {postgres.at('t')} INSERT INTO file('out/', format := 'parquet');"
    sluice.sql(sql)
    again = sluice.sql(sql)
    assert "nothing new" in again.stderr and "cdc" in again.stderr, again.stderr


@pytest.mark.parametrize("change, sentence", [
    (lambda d: d.location().replace("test-secret", "wrong"), "password authentication failed"),
    (lambda d: d.location().replace(d.name, "nowhere"), 'database "nowhere" does not exist'),
    (lambda d: d.location() + "?table=oders", "there is no table 'public.oders'; did you mean 'public.orders'?"),
    (lambda d: d.location() + "?table=orders&schema=saels", "there is no table in schema 'saels'"),
    (lambda d: d.location() + "?table=orders&slto=x", "unknown option 'slto' for postgresql; did you mean 'slot'?"),
    (lambda d: d.location() + "?table=orders&slot=x", "'slot' needs cdc := true"),
    (lambda d: d.location() + "?table=orders&ssl_mode=require", "server does not support SSL"),
])
def test_what_is_wrong_is_said_in_one_sentence(sluice, postgres, change, sentence):
    postgres.execute("CREATE TABLE orders AS SELECT 1 AS id")
    failed = sluice.sql(f"SELECT * FROM postgresql('{change(postgres)}');", check=False)
    assert failed.returncode in (1, 2) and sentence in failed.stderr, failed.stderr
    assert "test-secret" not in failed.stderr


def test_a_stream_needs_cdc(sluice, postgres):
    make_numbers(postgres, 10)
    failed = sluice.sql(f"CREATE STREAM s AS SELECT * FROM {postgres.at('t')} INSERT INTO file('out/');", check=False)
    assert failed.returncode != 0 and "cdc := true" in failed.stderr, failed.stderr


@pytest.mark.parametrize("how", ["a query", "row by row", "passed through"])
def test_columns_of_one_name_are_numbered_whatever_runs_the_statement(sluice, postgres, how):
    postgres.execute("CREATE TABLE c AS SELECT 7 AS id, 'Ada' AS name, 1 AS id_1")
    postgres.execute("CREATE TABLE o AS SELECT 1 AS id, 7 AS c_id")
    orders, customers = postgres.at("o"), postgres.at("c")
    join = f"SELECT o.*, c.* FROM {orders} o JOIN {customers} c ON c.id = o.c_id"
    select = {"a query": join + " ORDER BY o.id", "row by row": join, "passed through": f"SELECT *, id, c_id FROM {orders}"}[how]
    sluice.sql(f"INSERT INTO file('out.jsonl') {select}; INSERT INTO {postgres.at('result')} {select};")
    expected = ({"id": 1, "c_id": 7, "id_1": 1, "c_id_1": 7} if how == "passed through" else
                {"id": 1, "c_id": 7, "id_2": 7, "name": "Ada", "id_1": 1})
    assert json.loads((sluice.folder / "out.jsonl").read_text()) == expected
    assert postgres.rows("SELECT * FROM result") == [tuple(expected.values())]


def test_csv_and_parquet_go_into_postgresql_and_back(sluice, postgres, tmp_path):
    (tmp_path / "in.csv").write_text("id,name,price\n1,ä,1.50\n2,,2.25\n")
    sluice.sql(f"INSERT INTO file('in.parquet') SELECT id, name, price::DECIMAL(12,2) AS price FROM file('in.csv');")
    sluice.sql(f"INSERT INTO {postgres.at('t')} SELECT * FROM file('in.parquet');")
    assert postgres.rows("SELECT id, name, price FROM t ORDER BY id") == [
        (1, "ä", decimal.Decimal("1.50")), (2, None, decimal.Decimal("2.25"))]
    sluice.sql(f"INSERT INTO file('back.jsonl') SELECT id, name FROM {postgres.at('t')};")
    assert sorted((json.loads(line) for line in (tmp_path / "back.jsonl").read_text().splitlines()), key=lambda r: r["id"]) == [
        {"id": 1, "name": "ä"}, {"id": 2, "name": None}]


@pytest.mark.parametrize("sink", ["sqlite('out.db?table=t')", "file('out/', format := 'csv', rotate_age := '100ms')"])
def test_a_sink_that_would_end_the_epoch_waits_for_the_whole_table(sluice, postgres, tmp_path, sink):
    """It is one epoch, however full a writer is or however old its file."""
    postgres.execute("CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 300000) g")
    sluice.sql(f"CREATE TABLE p AS SELECT * FROM {postgres.at('t', 'rate_limit := ' + repr('1000000 rows/s'))} INSERT INTO {sink};")
    if sink.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(tmp_path / "out.db")) as out:
            assert out.execute("SELECT count(*), count(DISTINCT id) FROM t").fetchall() == [(300_000, 300_000)]
    else:
        found = duckdb.sql(f"SELECT count(*), count(DISTINCT id) FROM '{tmp_path}/out/*.csv'")
        assert found.fetchall() == [(300_000, 300_000)]
