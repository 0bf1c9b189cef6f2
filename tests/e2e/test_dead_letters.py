"""`sluice dead-letters list|replay`: what could not be delivered is shown, and delivered once when the cause is mended."""
import base64
import contextlib
import gzip
import json
import sqlite3

import pyarrow
import pyarrow.parquet
import pytest

BAD = "SELECT id, CAST(v AS BIGINT) AS v FROM file('in/*.jsonl')"
MENDED = "SELECT id, TRY_CAST(v AS BIGINT) AS v FROM file('in/*.jsonl')"


def table(select, name="orders"):
    return f"CREATE TABLE {name} WITH (dead_letters := 'file://./dead/') AS {select} INSERT INTO file('out/');"


def delivered(sluice, folder="out"):
    return sorted(
        (json.loads(line) for path in (sluice.folder / folder).rglob("*.jsonl") for line in path.read_text().splitlines()),
        key=lambda row: row["id"],
    )


def dead(sluice, name="orders"):
    return json.loads(sluice("dead-letters", "list", name, "--output", "json").stdout)


def ids(sluice):
    return [row["id"] for row in delivered(sluice)]


@pytest.fixture
def orders(sluice):
    """Two good rows, one that the SQL cannot take, one that is not JSON."""
    (sluice.folder / "in").mkdir()
    (sluice.folder / "in" / "a.jsonl").write_text('{"id": 1, "v": "10"}\n{"id": 2, "v": "x"}\n{"id": 3, "v": \n{"id": 4, "v": "40"}\n')
    sluice.sql(table(BAD))
    assert ids(sluice) == [1, 4]
    return sluice


def test_list_shows_reason_position_and_payload(orders):
    rows = dead(orders)
    assert sorted(row["stage"] for row in rows) == ["read", "transform"]
    read = next(row for row in rows if row["stage"] == "read")
    assert "a.jsonl:3" in read["position"] and read["payload"].startswith('{"id": 3') and read["reason"]
    transformed = next(row for row in rows if row["stage"] == "transform")
    assert json.loads(transformed["payload"]) == {"id": 2, "v": "x"}
    text = orders("dead-letters", "list", "orders").stdout
    assert "a.jsonl:3" in text and text.splitlines()[0].split() == ["at", "position", "reason", "payload"]
    limited = orders("dead-letters", "list", "orders", "--limit", "1")
    assert len(limited.stdout.splitlines()) == 2 and "there are more" in limited.stderr


def test_a_mended_statement_delivers_what_it_can_and_the_rest_is_dead_again(orders):
    (orders.folder / "mended.sql").write_text(table(MENDED))
    out = orders("dead-letters", "replay", "orders", "mended.sql").stdout
    assert out == "orders: 2 dead letters replayed, 1 rows delivered, 1 to the dead letters again\n"
    assert delivered(orders) == [{"id": 1, "v": 10}, {"id": 2, "v": None}, {"id": 4, "v": 40}]
    left = dead(orders)
    assert [row["stage"] for row in left] == ["read"] and left[0]["payload"].startswith('{"id": 3')
    assert "orders_replay" not in orders("status").stdout


def test_a_replay_that_mends_nothing_changes_nothing(orders):
    for _ in range(3):
        out = orders("dead-letters", "replay", "orders").stdout
        assert out == "orders: 2 dead letters replayed, 0 rows delivered, 2 to the dead letters again\n"
    assert ids(orders) == [1, 4]
    assert sorted(row["stage"] for row in dead(orders)) == ["read", "transform"]


POINTS = ["replay.prepared", "replay.begun", "state.intent.before", "state.intent.after", "state.finish.before",
          "state.finish.after", "commit.settled", "replay.delivered", "replay.removed", "replay.over"]


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_replay_goes_on_and_doubles_nothing(orders, point):
    (orders.folder / "in" / "b.jsonl").write_text("".join(f'{{"id": {i}, "v": "y"}}\n' for i in range(10, 30)))
    orders.sql(table(BAD))
    (orders.folder / "mended.sql").write_text(table(MENDED))
    killed = orders("dead-letters", "replay", "orders", "mended.sql", check=False, env={"SLUICE_CRASH_AT": point})
    assert killed.returncode == -9, f"{point} was not reached: {killed.stdout}{killed.stderr}"
    for _ in range(3):
        orders("dead-letters", "replay", "orders", "mended.sql")
    assert ids(orders) == [1, 2, 4, *range(10, 30)]
    assert [row["payload"][:8] for row in dead(orders)] == ['{"id": 3']


def test_csv_records_get_their_header_back_each_file_its_own(sluice):
    (sluice.folder / "in").mkdir()
    (sluice.folder / "in" / "a.csv").write_text('id,v\n1,10\n2,"x,y"\n')
    (sluice.folder / "in" / "b.csv").write_text("v,id\n30,3\nz,4\n")

    def statement(kind):
        return table(f"SELECT id, v FROM file('in/*.csv', columns := 'id BIGINT, v {kind}')")

    sluice.sql(statement("BIGINT"))
    assert ids(sluice) == [1, 3]
    (sluice.folder / "mended.sql").write_text(statement("VARCHAR"))
    sluice("dead-letters", "replay", "orders", "mended.sql")
    assert delivered(sluice) == [{"id": 1, "v": 10}, {"id": 2, "v": "x,y"}, {"id": 3, "v": 30}, {"id": 4, "v": "z"}]
    assert dead(sluice) == []
    assert sluice("dead-letters", "replay", "orders").stdout == "orders: there are no dead letters to replay\n"


def test_csv_records_whose_file_is_gone_stay_with_one_sentence(sluice):
    (sluice.folder / "in").mkdir()
    (sluice.folder / "in" / "a.csv").write_text("id,v\n1,10\n2,x\n")
    (sluice.folder / "in" / "b.csv").write_text("id,v\n3,30\n")
    sluice.sql(table("SELECT id, v FROM file('in/*.csv', columns := 'id BIGINT, v BIGINT')"))
    (sluice.folder / "in" / "a.csv").unlink()
    result = sluice("dead-letters", "replay", "orders", check=False)
    assert result.returncode == 1
    assert "a.csv" in result.stderr and "columns" in result.stderr
    assert len(dead(sluice)) == 1 and ids(sluice) == [1, 3]


def test_a_file_with_an_unknown_column_is_not_replayed_without_it(sluice):
    (sluice.folder / "in").mkdir()
    (sluice.folder / "in/a.csv").write_text("id\n1\n")
    (sluice.folder / "in/b.csv").write_text("id,extra\n2,x\n")
    sluice.sql(table("SELECT * FROM file('in/*.csv', sample_files := 1)"))
    assert ids(sluice) == [1]
    result = sluice("dead-letters", "replay", "orders", check=False)
    assert result.returncode == 1 and "in/b.csv: column 'extra'" in result.stderr and "sample_files := 0" in result.stderr
    assert ids(sluice) == [1] and len(dead(sluice)) == 1
    (sluice.folder / "mended.sql").write_text(table("SELECT * FROM file('in/*.csv', sample_files := 0)"))
    sluice("dead-letters", "replay", "orders", "mended.sql")
    assert delivered(sluice) == [{"id": 1}, {"id": 2, "extra": "x"}] and dead(sluice) == []


@pytest.mark.parametrize("format", ["parquet", "avro"])
def test_rows_of_typed_files_that_do_not_fit_the_columns_are_dead_one_by_one(sluice, format):
    (sluice.folder / "in").mkdir()
    values = [10, 5_000_000_000, 30] + list(range(40, 2000)) + [-6_000_000_000]
    pyarrow.parquet.write_table(pyarrow.table({"id": range(len(values)), "v": values}), sluice.folder / "a.parquet", row_group_size=500)
    sluice("cp", "a.parquet", f"in/a.{format}")

    def statement(kind):
        return table(f"SELECT id, v FROM file('in/*.{format}', columns := 'id BIGINT, v {kind}')")

    sluice.sql(statement("INTEGER"))
    last = len(values) - 1
    assert ids(sluice) == [0] + list(range(2, last))
    letters = sorted(dead(sluice), key=lambda row: len(row["position"]))
    assert [row["position"].split("/")[-1] for row in letters] == [f"a.{format} (row 1)", f"a.{format} (row {last})"]
    assert [json.loads(row["payload"]) for row in letters] == [{"id": 1, "v": 5_000_000_000}, {"id": last, "v": -6_000_000_000}]
    assert "column 'v'" in letters[0]["reason"] and "5000000000" in letters[0]["reason"]
    (sluice.folder / "mended.sql").write_text(statement("BIGINT"))
    sluice("dead-letters", "replay", "orders", "mended.sql")
    assert [row["v"] for row in delivered(sluice)] == values
    assert dead(sluice) == []


def test_a_file_that_was_given_up_is_read_from_where_it_stopped(sluice):
    (sluice.folder / "in").mkdir()
    whole = gzip.compress("".join(f'{{"id": {i}, "v": "{i}"}}\n' for i in range(50_000)).encode(), mtime=0)
    path = sluice.folder / "in" / "a.jsonl.gz"
    path.write_bytes(whole[: len(whole) // 2])
    (sluice.folder / "in" / "b.jsonl.gz").write_bytes(gzip.compress(b'{"id": 50000, "v": "1"}\n'))
    sluice.sql(table("SELECT id, v FROM file('in/*.gz')"))
    before = ids(sluice)
    assert 0 < len(before) < 50_001
    given_up = dead(sluice)
    assert len(given_up) == 1 and given_up[0]["payload"].endswith("in/a.jsonl.gz")
    result = sluice("dead-letters", "replay", "orders", check=False)
    assert result.returncode == 1 and "still cannot be read" in result.stderr
    assert ids(sluice) == before
    path.write_bytes(whole)
    sluice("dead-letters", "replay", "orders")
    assert ids(sluice) == list(range(50_001))
    assert dead(sluice) == []


def test_what_cannot_be_replayed_is_said(sluice, orders):
    assert "there is no pipeline 'nobody'" in sluice.fails("dead-letters", "list", "nobody")
    sluice.sql("CREATE TABLE plain AS SELECT id FROM file('in/*.jsonl', columns := 'id BIGINT') WHERE id < 0 INSERT INTO file('plain/');", check=False)
    (sluice.folder / "ok.jsonl").write_text('{"id": 1}\n')
    sluice.sql("CREATE TABLE clean AS SELECT id FROM file('ok.jsonl') INSERT INTO file('clean/');")
    assert "it was not defined WITH (dead_letters" in sluice.fails("dead-letters", "list", "clean")
    (sluice.folder / "other.sql").write_text(table(MENDED, name="other"))
    assert "there is no 'orders' in other.sql" in sluice.fails("dead-letters", "replay", "orders", "other.sql")
    assert "neither list nor replay" in sluice.fails("dead-letters", "show", "orders", code=2)


@pytest.mark.parametrize("point", ["replay.begun", "sqlite.commit.before", "sqlite.commit.after", "commit.dead_letters",
                                   "commit.settled", "replay.delivered", "replay.over"])
def test_a_sink_that_decides_itself_doubles_nothing_either(orders, point):
    def statement(select):
        return f"CREATE TABLE t WITH (dead_letters := 'file://./dead_t/') AS {select} INSERT INTO sqlite('out.db?table=t');"

    def rows():
        with contextlib.closing(sqlite3.connect(orders.folder / "out.db")) as database:
            return database.execute("SELECT id, v FROM t ORDER BY id").fetchall()

    orders.sql(statement(BAD))
    assert rows() == [(1, 10), (4, 40)]
    (orders.folder / "mended.sql").write_text(statement(MENDED))
    killed = orders("dead-letters", "replay", "t", "mended.sql", check=False, env={"SLUICE_CRASH_AT": point})
    assert killed.returncode == -9
    for _ in range(2):
        orders("dead-letters", "replay", "t", "mended.sql")
    assert rows() == [(1, 10), (2, None), (4, 40)]
    assert len(dead(orders, "t")) == 1


def test_rows_that_the_sink_refused_are_replayed_past_the_sql(sluice):
    (sluice.folder / "in.jsonl").write_text('{"id": 1, "v": 5}\n{"id": 2, "v": 18446744073709551615}\n')
    select = "SELECT id, CAST(v AS UBIGINT) AS v FROM file('in.jsonl', columns := 'id BIGINT, v UBIGINT')"
    sluice.sql(f"CREATE TABLE t WITH (dead_letters := 'file://./dead/') AS {select} INSERT INTO sqlite('out.db?table=t');")
    assert [row["stage"] for row in dead(sluice, "t")] == ["write"]
    mended = f"CREATE TABLE t WITH (dead_letters := 'file://./dead/') AS {select} INSERT INTO file('out/');"
    (sluice.folder / "mended.sql").write_text(mended)
    sluice("dead-letters", "replay", "t", "mended.sql")
    assert delivered(sluice) == [{"id": 2, "v": 18446744073709551615}]
    assert dead(sluice, "t") == []


def test_bad_rows_of_a_joined_input_are_dead_letters_too(sluice):
    (sluice.folder / "a.jsonl").write_text('{"id": 1}\n{"id": 2}\n')
    (sluice.folder / "b.jsonl").write_text('{"id": 1, "name": "one"}\n{"id": 2, "na\n')
    columns = "columns := 'id BIGINT, name VARCHAR'"
    sluice.sql(
        "CREATE TABLE t WITH (dead_letters := 'file://./dead/') AS SELECT count(*) AS id, count(b.name) AS names "
        f"FROM file('a.jsonl') AS a LEFT JOIN file('b.jsonl', {columns}) AS b ON a.id = b.id INSERT INTO file('out/');"
    )
    assert delivered(sluice) == [{"id": 2, "names": 1}]
    assert len(dead(sluice, "t")) == 1


@pytest.mark.parametrize("kind", ["json", "csv", "parquet"])
@pytest.mark.parametrize("source", ["csv", "json"])
def test_a_record_that_is_not_utf8_is_kept_byte_for_byte(sluice, source, kind):
    (sluice.folder / "in").mkdir()
    lines = {"csv": ["id,name", "1,plain", "2,caf\xe9"], "json": ['{"id":1,"name":"plain"}', '{"id":2,"name":"caf\xe9"}']}[source]
    (sluice.folder / f"in/a.{source}").write_bytes("".join(line + "\n" for line in lines).encode("latin-1"))

    def statement(more=""):
        return (f"CREATE TABLE orders WITH (dead_letters := 'file://./dead/?format={kind}') AS SELECT id, name "
                f"FROM file('in/*.{source}', columns := 'id BIGINT, name VARCHAR'{more}) INSERT INTO file('out/', format := 'json');")

    sluice.sql(statement())
    assert ids(sluice) == [1]
    (letter,) = dead(sluice)
    assert letter["payload"] == lines[-1].replace("\xe9", "\ufffd")
    assert base64.b64decode(letter["message"]["value"]["base64"]) == lines[-1].encode("latin-1")
    assert "orders: 1 dead letters replayed, 0 rows" in sluice("dead-letters", "replay", "orders").stdout
    assert dead(sluice)[0]["message"] == letter["message"]
    (sluice.folder / "mended.sql").write_text(statement(", encoding := 'latin1'"))
    sluice("dead-letters", "replay", "orders", "mended.sql")
    assert delivered(sluice) == [{"id": 1, "name": "plain"}, {"id": 2, "name": "caf\xe9"}] and dead(sluice) == []


def test_a_pipeline_whose_name_begins_alike_is_another(sluice):
    (sluice.folder / "in").mkdir()
    (sluice.folder / "in/a.jsonl").write_text('{"id": 1, "v": "x"}\n')
    sluice.sql(table(BAD))
    sluice.sql(table(BAD, name="orders_replay_old"))
    sluice.sql(table(BAD, name="orders_replays"))
    assert [row["pipeline"] for row in dead(sluice)] == ["orders"]
    assert "orders: 1 dead letters replayed" in sluice("dead-letters", "replay", "orders").stdout
    assert [row["pipeline"] for row in dead(sluice)] == ["orders_replay"]
    for name in ["orders_replay_old", "orders_replays"]:
        assert [row["pipeline"] for row in dead(sluice, name)] == [name]


def test_a_file_that_cannot_be_read_keeps_no_other_from_being_listed_and_replayed(orders):
    (letters,) = (orders.folder / "dead").iterdir()
    damaged = {"a.jsonl": letters.read_text()[:-20], "b.parquet": "no parquet"}
    for name, text in damaged.items():
        (orders.folder / "dead" / name).write_text(text)
    listed = orders("dead-letters", "list", "orders", "--output", "json", check=False)
    assert listed.returncode == 1 and len(json.loads(listed.stdout)) == 2
    (orders.folder / "mended.sql").write_text(table(MENDED))
    replayed = orders("dead-letters", "replay", "orders", "mended.sql", check=False)
    assert replayed.returncode == 1 and "orders: 2 dead letters replayed, 1 rows delivered" in replayed.stdout
    for name, text in damaged.items():
        assert f"{name} is left out: " in listed.stderr and f"{name} stays: " in replayed.stderr
        assert (orders.folder / "dead" / name).read_text() == text
    assert ids(orders) == [1, 2, 4]
