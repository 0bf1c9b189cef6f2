"""Files as they are written: rotation, partitions, names, memory."""
import datetime
import json
import os
import pathlib
import re
import time

import pyarrow.parquet
import pytest
from delivered import append, files, ids, leftovers, ndjson, query, rows

MB = 1 << 20


def peak_of(sluice, *arguments):
    """Runs it; returns its peak resident memory in bytes. Pages of mapped libraries count, too.

    Not by wait4(): a child counts as large as this process was when it made it (Linux keeps the peak across exec).
    """
    process = sluice.start(*arguments)
    status = pathlib.Path(f"/proc/{process.pid}/status")
    peak = 0
    while process.poll() is None:
        highest = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE)
        if highest is not None:  # absent once it has given its memory back
            peak = int(highest[1]) * 1024
        time.sleep(0.005)
    _, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert peak > 0
    return peak


def test_rotation_by_rows_cuts_exactly(sluice):
    ndjson(sluice.folder / "a.jsonl", range(1050))
    sluice.sql("CREATE TABLE t AS SELECT id FROM file('a.jsonl') INSERT INTO file('out/', rotate_rows := 100)")
    counts = sorted(len((sluice.folder / "out" / name).read_text().splitlines()) for name in files(sluice.folder / "out"))
    assert counts == [50] + [100] * 10
    assert ids(sluice.folder / "out") == list(range(1050))


def test_rotation_by_bytes_begins_a_new_file_once_one_is_full(sluice):
    ndjson(sluice.folder / "a.jsonl", range(300_000), pad="x" * 20)
    sluice.sql("CREATE TABLE t WITH (lanes := 1) AS SELECT * FROM file('a.jsonl') INSERT INTO file('out/', rotate_bytes := '2MB')")
    sizes = [(sluice.folder / "out" / name).stat().st_size for name in files(sluice.folder / "out")]
    assert len(sizes) > 3
    assert sum(size >= 2 * MB for size in sizes) >= len(sizes) - 1
    assert max(sizes) < 8 * MB
    assert query(f"SELECT count(DISTINCT id) FROM '{sluice.folder}/out/*.jsonl'") == [(300_000,)]


def test_rotation_by_age_closes_a_file_that_still_grows(sluice, start):
    ndjson(sluice.folder / "in/a.jsonl", [0])
    stream = start("run", "-e", "CREATE STREAM s WITH (epoch_age := '1h') AS SELECT id FROM file('in/', watch := true, "
                   "poll_interval := '50ms') INSERT INTO file('out/', rotate_age := '500ms')")
    for number in range(1, 25):
        append(sluice.folder / "in/a.jsonl", '{"id": %d}\n' % number)
        time.sleep(0.05)
    stream.waits_until(lambda: len(files(sluice.folder / "out")) >= 2, "two files by age")
    stream.stop()
    assert ids(sluice.folder / "out") == list(range(25))


def test_rotation_by_idle_time_closes_a_file_nobody_adds_to(sluice, start):
    ndjson(sluice.folder / "in/a.jsonl", [0, 1])
    stream = start("run", "-e", "CREATE STREAM s WITH (epoch_age := '1h') AS SELECT id FROM file('in/', watch := true, "
                   "poll_interval := '50ms') INSERT INTO file('out/', rotate_idle := '300ms')")
    stream.waits_until(lambda: ids(sluice.folder / "out") == [0, 1], "the file closed for idleness")
    append(sluice.folder / "in/a.jsonl", '{"id": 2}\n')
    stream.waits_until(lambda: ids(sluice.folder / "out") == [0, 1, 2], "the next one")
    stream.stop()
    assert len(files(sluice.folder / "out")) == 2


def test_readers_never_see_half_a_file(sluice, start):
    ndjson(sluice.folder / "in/a.jsonl", range(200_000), pad="y" * 30)
    table = start("run", "-e", "CREATE TABLE t WITH (epoch_rows := 20000) AS SELECT * FROM file('in/', split_bytes := '1MB') "
                  "INSERT INTO file('out/', format := 'parquet', rotate_rows := 10000)")
    seen = set()
    while table.process.poll() is None:
        for path in set((sluice.folder / "out").glob("*.parquet")) - seen:
            assert pyarrow.parquet.read_metadata(path).num_rows > 0
            seen.add(path)
        time.sleep(0.001)
    code, stderr = table.end()
    assert code == 0, stderr
    assert seen != set()
    assert query(f"SELECT count(*), count(DISTINCT id) FROM '{sluice.folder}/out/*.parquet'") == [(200_000, 200_000)]


SPECIAL = ["plain", "with space", "a/b", "a=b", "per%cent", "ünïcödé", "quote'\"", "..", ".", "?*[x]", "tab\there", "", None,
           "__HIVE_DEFAULT_PARTITION__x", "x" * 200]


def test_partition_values_of_all_kinds_come_back(sluice):
    with open(sluice.folder / "a.jsonl", "w") as file:
        for number, value in enumerate(SPECIAL):
            file.write(json.dumps({"id": number, "v": value}) + "\n")
    sluice.sql("CREATE TABLE t AS SELECT * FROM file('a.jsonl') INSERT INTO file('lake/', format := 'parquet', partition_by := 'v')")
    folders = {os.path.dirname(name) for name in files(sluice.folder / "lake")}
    assert all(re.fullmatch(r"v=[^/]*", folder) for folder in folders), folders
    back = query(f"SELECT id, v FROM read_parquet('{sluice.folder}/lake/*/*.parquet', hive_partitioning := true, "
                 "hive_types := {v: VARCHAR}) ORDER BY id")
    expected = {number: value for number, value in enumerate(SPECIAL)}
    found = dict(back)
    found[11] = found[11] or ""  # others read a folder v= as NULL or as an empty text: Hive cannot tell them apart
    expected[11] = ""
    assert found == expected
    ours = sluice("run", "--output", "json", "-e", "SELECT id, v FROM file('lake/') ORDER BY id").stdout
    assert {row["id"]: row["v"] or ("" if row["id"] == 11 else None) for row in map(json.loads, ours.splitlines())} == expected


def test_partitions_by_date_number_and_boolean_are_read_by_others(sluice):
    with open(sluice.folder / "a.jsonl", "w") as file:
        for number in range(60):
            file.write(json.dumps({"id": number, "day": f"2024-01-{number % 3 + 1:02}", "n": number % 2, "b": number % 2 == 0}) + "\n")
    sluice.sql("CREATE TABLE t AS SELECT * FROM file('a.jsonl') INSERT INTO file('lake/', format := 'parquet', partition_by := ['day', 'n', 'b'])")
    assert len({os.path.dirname(name) for name in files(sluice.folder / "lake")}) == 6
    back = query(f"SELECT count(*), min(day), sum(n)::INT FROM read_parquet('{sluice.folder}/lake/**/*.parquet', hive_partitioning := true)")
    assert back == [(60, datetime.date(2024, 1, 1), 30)]


def test_names_are_the_same_for_the_same_rows_and_different_for_others(sluice):
    ndjson(sluice.folder / "in/a.jsonl", range(10))
    ndjson(sluice.folder / "in/b.jsonl", range(10))
    sql = "CREATE TABLE {name} WITH (lanes := 1) AS SELECT id FROM file('in/') INSERT INTO file('{out}/', rotate_rows := 5)"
    for name, out in (("t", "one"), ("u", "one"), ("t", "two")):
        sluice("run", "--state", f"sqlite:{name}-{out}.db", "-e", sql.format(name=name, out=out))
    two = files(sluice.folder / "two")
    assert set(two) < set(files(sluice.folder / "one"))
    assert len(files(sluice.folder / "one")) == 2 * len(two)  # t and u never collide
    assert ids(sluice.folder / "one") == sorted(list(range(10)) * 4)


def test_collection_prefix_and_extension_make_the_name(sluice):
    sluice.sql("CREATE TABLE t AS SELECT 1 AS id INSERT INTO file('out/', prefix := 'a/b', collection := 'orders', compression := 'zstd', format := 'csv')")
    name, = files(sluice.folder / "out")
    assert re.fullmatch(r"a/b/orders-[0-9a-f]{16}\.csv\.zst", name)


def test_ten_thousand_small_files_are_read_once_each(sluice):
    folder = sluice.folder / "in"
    folder.mkdir()
    for number in range(10_000):
        (folder / f"{number}.jsonl").write_text('{"id": %d}\n' % number)
    sql = "CREATE TABLE t AS SELECT id FROM file('in/') INSERT INTO file('out/', format := 'parquet')"
    sluice.sql(sql)
    assert query(f"SELECT count(*), count(DISTINCT id), max(id) FROM '{sluice.folder}/out/*.parquet'") == [(10_000, 10_000, 9_999)]
    assert len(files(sluice.folder / "out")) < 20
    assert "nothing new" in sluice.sql(sql).stderr


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """200 MB of NDJSON."""
    path = tmp_path_factory.mktemp("large") / "large.jsonl"
    block = "".join('{"id": %d, "name": "customer %d", "price": %d.25, "tags": ["a", "b"], "note": "%s"}\n'
                    % (number, number % 1000, number % 500, "lorem ipsum dolor " * 7) for number in range(10_000))
    with open(path, "w") as file:
        for _ in range(200 * MB // len(block) + 1):
            file.write(block)
    yield path
    path.unlink()


def test_memory_holds_for_200_mb_into_parquet(sluice, large, record_property):
    peak = peak_of(sluice, "run", "--memory", "256MB", "-e",
                   f"CREATE TABLE t AS SELECT * FROM file('{large}') INSERT INTO file('out/', format := 'parquet')")
    record_property("summary", f"peak memory under --memory 256MB, 200 MB of NDJSON into Parquet: {peak / MB:.0f} MB")
    assert peak < 256 * MB, f"{peak / MB:.0f} MB"


def test_memory_holds_for_a_sort_that_spills(sluice, large, record_property):
    peak = peak_of(sluice, "run", "--memory", "256MB", "-e",
                   f"CREATE TABLE t AS SELECT * FROM file('{large}') ORDER BY note, name, id DESC INSERT INTO file('out/', format := 'parquet')")
    record_property("summary", f"peak memory under --memory 256MB, a sort of 200 MB that spills: {peak / MB:.0f} MB")
    assert peak < 256 * MB, f"{peak / MB:.0f} MB"
    assert query(f"SELECT count(*) > 700000 FROM '{sluice.folder}/out/*.parquet'") == [(True,)]


def test_memory_holds_for_ten_thousand_open_partitions(sluice, record_property):
    path = sluice.folder / "a.jsonl"
    with open(path, "w") as file:
        for number in range(300_000):
            file.write('{"id": %d, "p": %d, "pad": "%032d"}\n' % (number, number * 7919 % 10_000, number))
    peak = peak_of(sluice, "run", "--memory", "256MB", "-e",
                   "CREATE TABLE t AS SELECT * FROM file('a.jsonl') INSERT INTO file('lake/', format := 'parquet', partition_by := 'p')")
    record_property("summary", f"peak memory under --memory 256MB, 10,000 open partitions: {peak / MB:.0f} MB")
    assert peak < 256 * MB, f"{peak / MB:.0f} MB"
    names = files(sluice.folder / "lake")
    assert len({os.path.dirname(name) for name in names}) == 10_000
    assert len(names) < 20_001
    assert leftovers(sluice.folder / "lake") == []
    sample = sluice.folder / "lake" / names[123]
    assert pyarrow.parquet.read_table(sample).num_rows > 0
    total = sum(pyarrow.parquet.read_metadata(sluice.folder / "lake" / name).num_rows for name in names)
    assert total == 300_000


def test_many_streams_in_one_file_run_together(sluice, start):
    ndjson(sluice.folder / "in/a.jsonl", [1])
    text = "".join(f"CREATE STREAM s{i} WITH (epoch_age := '50ms') AS SELECT id + {i} AS id FROM file('in/', watch := true) INSERT INTO file('out{i}/');\n"
                   for i in range(4))
    stream = start("run", "-e", text)
    stream.waits_until(lambda: all(rows(sluice.folder / f"out{i}") == [{"id": 1 + i}] for i in range(4)), "four streams")
    stream.stop()


def test_a_lookup_join_in_a_stream_keeps_rows_in_order(sluice, start):
    (sluice.folder / "c.csv").write_text("id,name\n" + "".join(f"{i},name{i}\n" for i in range(0, 1000, 2)))
    ndjson(sluice.folder / "in/a.jsonl", range(1000))
    stream = start("run", "-e", "CREATE STREAM s WITH (epoch_age := '50ms', lanes := 1) AS SELECT o.id, c.name FROM file('in/', watch := true) o "
                   "LEFT JOIN file('c.csv') c ON o.id = c.id INSERT INTO file('out/')")
    stream.waits_until(lambda: len(rows(sluice.folder / "out")) == 1000, "all rows")
    stream.stop()
    assert rows(sluice.folder / "out") == [{"id": i, "name": f"name{i}" if i % 2 == 0 else None} for i in range(1000)]


def test_files_that_hold_one_array_are_json_to_anybody(sluice):
    ndjson(sluice.folder / "a.jsonl", range(1050), name='a "quoted" name')
    sql = "INSERT INTO file('{}', format := 'json', layout := 'array'{}) SELECT * FROM file('a.jsonl')"
    sluice.sql(sql.format("all.json", ""))
    expected = [{"id": number, "name": 'a "quoted" name'} for number in range(1050)]
    assert json.loads((sluice.folder / "all.json").read_text()) == expected
    sluice.sql(sql.format("out/", ", rotate_rows := 100"))
    parts = [json.loads((sluice.folder / "out" / name).read_text()) for name in files(sluice.folder / "out")]
    assert sorted(map(len, parts)) == [50] + [100] * 10
    assert sorted((row for part in parts for row in part), key=lambda row: row["id"]) == expected
    back = "SELECT count(*) AS n, sum(id)::BIGINT AS s FROM file('out/', format := 'json', layout := 'array')"
    assert sluice("run", "--output", "csv", "-e", back).stdout == f"n,s\n1050,{sum(range(1050))}\n"
    sluice.sql(sql.format("none.json", "") + " WHERE id < 0")
    assert json.loads((sluice.folder / "none.json").read_text()) == []


REPLACE = ("INSERT INTO file('{}/', if_exists := 'replace') WITH (lanes := 1, epoch_rows := 1) "
           "SELECT id FROM file('{}', columns := 'id BIGINT'{})")


def test_a_folder_keeps_its_old_files_until_the_new_ones_are_complete(sluice):
    """Also where epochs would be small: a bad row behind many good ones leaves what was there, and nothing else."""
    ndjson(sluice.folder / "out/old.jsonl", [9])
    ndjson(sluice.folder / "in/a.jsonl", range(20_000))
    append(sluice.folder / "in/a.jsonl", '{"id": oops}\n')
    sql = REPLACE.format("out", "in/", ", rate_limit := '40000 rows/s'")
    assert "a.jsonl:20001" in sluice.fails("run", "-e", sql)
    assert files(sluice.folder / "out") == ["old.jsonl"]
    assert ids(sluice.folder / "out") == [9]
    ndjson(sluice.folder / "in/a.jsonl", range(20_000))
    sluice.sql(sql)
    assert ids(sluice.folder / "out") == list(range(20_000))


def test_a_folder_that_is_being_replaced_is_left_alone_when_somebody_stops_it(sluice, start):
    ndjson(sluice.folder / "out/old.jsonl", [9])
    ndjson(sluice.folder / "in/a.jsonl", range(5_000))
    running = start("run", "-e", REPLACE.format("out", "in/", ", rate_limit := '1000 rows/s'"))
    running.waits_until(lambda: leftovers(sluice.folder / "out") != [], "the first hidden file")
    running.waits_until(running.listens, "it to listen for signals")
    running.signal()
    running.end()
    assert files(sluice.folder / "out") == ["old.jsonl"]
    sluice.sql(REPLACE.format("out", "in/", ""))
    assert ids(sluice.folder / "out") == list(range(5_000))


def test_a_folder_can_be_rewritten_from_its_own_files(sluice):
    for part in range(8):
        ndjson(sluice.folder / f"lake/{part}.jsonl", range(part * 1000, part * 1000 + 1000))
    sluice.sql(REPLACE.format("lake", "lake/", ", rate_limit := '8000 rows/s'"))
    assert ids(sluice.folder / "lake") == list(range(8000))
    assert not (sluice.folder / "lake/0.jsonl").exists()


def test_a_folder_that_is_replaced_may_have_files_closed_by_age(sluice):
    """They wait, closed, for the others: nobody waits for an epoch that is not to come."""
    ndjson(sluice.folder / "in/a.jsonl", range(2_000))
    sluice.sql(REPLACE.format("out", "in/", ", rate_limit := '1000 rows/s'").replace("'replace'", "'replace', rotate_age := '50ms'"))
    assert len(files(sluice.folder / "out")) > 1
    assert ids(sluice.folder / "out") == list(range(2_000))
