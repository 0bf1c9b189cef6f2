"""The five key layouts, over a folder: the names are the same in a bucket."""
import datetime
import json
import re
import time

import pytest
from delivered import files, ids, query
from key_layouts import LAYOUTS, TIMES, folder_of, pattern, write_times

@pytest.mark.parametrize("strategy", LAYOUTS)
def test_without_a_time_column_it_is_the_time_of_arrival(sluice, strategy):
    write_times(sluice.folder)
    before = datetime.datetime.now(datetime.UTC)
    sluice.sql(f"CREATE TABLE events AS SELECT * FROM file('in.jsonl') INSERT INTO file('out/', key_strategy := '{strategy}')")
    after = datetime.datetime.now(datetime.UTC)
    name, = files(sluice.folder / "out")
    assert re.fullmatch(pattern(strategy, before), name) or re.fullmatch(pattern(strategy, after), name), name
    stamp = int(re.search(r"(\d{13})-", name)[1]) / 1000
    assert before.timestamp() - 0.001 <= stamp <= after.timestamp()
    assert ids(sluice.folder / "out") == list(range(len(TIMES)))


@pytest.mark.parametrize("strategy", ["HivePartitioned", "DateHourPartitioned", "DatePartitioned"])
def test_each_record_goes_where_its_time_belongs_in_utc(sluice, strategy):
    write_times(sluice.folder)
    sluice.sql("CREATE TABLE events AS SELECT id, seen::TIMESTAMPTZ AS seen FROM file('in.jsonl', columns := 'id BIGINT, seen VARCHAR') "
               f"INSERT INTO file('out/', prefix := 'lake', key_strategy := '{strategy}', time_column := 'seen')")
    expected = {}
    for number, text in enumerate(TIMES):
        at = datetime.datetime.fromisoformat(text).astimezone(datetime.UTC)
        expected.setdefault("lake/" + folder_of(strategy, at), set()).add(number)
    found = {}
    for name in files(sluice.folder / "out"):
        rows = [json.loads(line) for line in (sluice.folder / "out" / name).read_text().splitlines()]
        folder, _, file = name.rpartition("/")
        found.setdefault(folder, set()).update(row["id"] for row in rows)
        first = datetime.datetime.fromisoformat(TIMES[rows[0]["id"]])
        epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
        assert file.startswith(f"{(first - epoch) // datetime.timedelta(milliseconds=1)}-"), name
    assert found == expected


@pytest.mark.parametrize("kind", ["TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "DATE"])
def test_time_columns_of_every_type(sluice, kind):
    sluice.sql(f"CREATE TABLE e AS SELECT 1 AS id, '2025-03-04 05:06:07'::{kind} AS seen "
               "INSERT INTO file('out/', format := 'parquet', key_strategy := 'DateHourPartitioned', time_column := 'seen')")
    name, = files(sluice.folder / "out")
    assert name.startswith("e/2025/03/04/00/" if kind == "DATE" else "e/2025/03/04/05/"), name


def test_a_record_without_a_time_goes_where_its_arrival_belongs(sluice):
    write_times(sluice.folder, ["2020-02-02T02:00:00Z", None])
    sluice.sql("CREATE TABLE e AS SELECT id, seen::TIMESTAMPTZ AS seen FROM file('in.jsonl', columns := 'id BIGINT, seen VARCHAR') "
               "INSERT INTO file('out/', key_strategy := 'DatePartitioned', time_column := 'seen')")
    years = sorted(name.split("/")[1] for name in files(sluice.folder / "out"))
    assert years[0] == "2020"
    assert int(years[1]) >= time.gmtime().tm_year - 1
    assert ids(sluice.folder / "out") == [0, 1]


def test_names_from_a_time_column_are_the_same_for_the_same_rows(sluice):
    write_times(sluice.folder)
    names = []
    for out in ("one", "two"):
        sluice("run", "--state", f"sqlite:{out}.db", "-e",
               "CREATE TABLE events WITH (lanes := 1) AS SELECT id, seen::TIMESTAMPTZ AS seen FROM file('in.jsonl', columns := 'id BIGINT, seen VARCHAR') "
               f"INSERT INTO file('{out}/', key_strategy := 'HivePartitioned', time_column := 'seen')")
        names.append(files(sluice.folder / out))
    assert names[0] == names[1]
    sluice("reset", "events", "--state", "sqlite:one.db", "--to", "earliest")
    sluice("run", "--state", "sqlite:one.db", "-e",
           "CREATE TABLE events WITH (lanes := 1) AS SELECT id, seen::TIMESTAMPTZ AS seen FROM file('in.jsonl', columns := 'id BIGINT, seen VARCHAR') "
           "INSERT INTO file('one/', key_strategy := 'HivePartitioned', time_column := 'seen')")
    again = files(sluice.folder / "one")
    assert set(names[0]) < set(again)  # delivered once more beside the first, over nobody's name
    assert len(again) == 2 * len(names[0])


def test_files_written_in_the_same_millisecond_never_collide(sluice):
    for number in range(40):
        (sluice.folder / f"in-{number}.jsonl").write_text('{"id": %d}\n' % number)
    sluice.sql("CREATE TABLE e WITH (lanes := 4, epoch_rows := 1) AS SELECT id FROM file('in-*.jsonl') "
               "INSERT INTO file('out/', key_strategy := 'Flat', rotate_rows := 1)")
    assert ids(sluice.folder / "out") == list(range(40))
    assert len(files(sluice.folder / "out")) == 40


def test_the_hive_layout_is_read_back_as_columns(sluice):
    write_times(sluice.folder, TIMES[1:])
    sluice.sql("CREATE TABLE e AS SELECT id, seen::TIMESTAMP AS seen FROM file('in.jsonl', columns := 'id BIGINT, seen VARCHAR') "
               "INSERT INTO file('out/', format := 'parquet', key_strategy := 'HivePartitioned', time_column := 'seen', collection := 'a/b c')")
    assert all(name.startswith("collection=a%2Fb c/year=202") for name in files(sluice.folder / "out"))
    expected = [(3, "a/b c", 2025, 1, 15, 11)]
    assert query("SELECT id, collection, year::INT, month::INT, day::INT, hour::INT FROM "
                 f"read_parquet('{sluice.folder}/out/**/*.parquet', hive_partitioning := true) WHERE hour::INT = 11") == expected
    ours = sluice("run", "--output", "json", "-e", "SELECT id, collection, year, month, day, hour FROM file('out/') WHERE hour = 11")
    assert [tuple(json.loads(line).values()) for line in ours.stdout.splitlines()] == expected


def test_an_exact_name_goes_before_partition_by_and_that_before_key_strategy(sluice):
    select = "AS SELECT 1 AS id, 'NO' AS country INSERT INTO"
    sluice.sql(f"CREATE TABLE a {select} file('a/exact.json', key_strategy := 'Flat')")
    sluice.sql(f"CREATE TABLE b {select} file('b/', key_strategy := 'Flat', partition_by := 'country')")
    assert files(sluice.folder / "a") == ["exact.json"]
    name, = files(sluice.folder / "b")
    assert re.fullmatch(r"country=NO/b-[0-9a-f]{16}\.jsonl", name)


def test_what_a_key_strategy_cannot_do_is_said(sluice):
    into = "CREATE TABLE t AS SELECT 1 AS id, 'x' AS text, DATE '2025-01-01' AS day INSERT INTO file('out/', {})"
    error = sluice.fails("run", "-e", into.format("key_strategy := 'Hourly'"))
    assert "HivePartitioned" in error
    error = sluice.fails("run", "-e", into.format("key_strategy := 'Flat', time_column := 'dya'"))
    assert "did you mean 'day'?" in error
    error = sluice.fails("run", "-e", into.format("key_strategy := 'Flat', time_column := 'text'"))
    assert "'text' of type VARCHAR" in error and "cast it" in error
    error = sluice.fails("run", "-e", into.format("time_column := 'day'"))
    assert "key_strategy" in error
    error = sluice.fails("run", "-e", "CREATE TABLE t AS SELECT 1 AS id, TIMESTAMP '9999-12-31 23:00:00' + INTERVAL 2 HOUR AS seen "
                         "INSERT INTO file('out/', key_strategy := 'DatePartitioned', time_column := 'seen')")
    assert "years 0 to 9999" in error
    assert files(sluice.folder / "out") == []
