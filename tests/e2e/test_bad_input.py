"""What is broken outside: one clear sentence, exit code 1, nothing lost, nothing doubled, no half file, a clean resume."""
import contextlib
import gzip
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import tempfile
import time

import pyarrow
import pyarrow.parquet
import pytest
from delivered import append, files, ids, leftovers, ndjson, query, rows

TABLE = "CREATE TABLE t WITH (epoch_rows := 1000) AS SELECT id FROM file('in/{}'{}) INSERT INTO file('out/')"


def nothing_half(sluice):
    out = sluice.folder / "out"
    seen = ids(out) if out.exists() else []
    assert len(seen) == len(set(seen)), "doubled"
    return seen


def everything_once(sluice, expected):
    """After a good run: all of it, and no upload of a failed one is left."""
    assert nothing_half(sluice) == sorted(expected)
    assert leftovers(sluice.folder / "out") == []


def fails_then_resumes(sluice, sql, sentence, repair, expected):
    """The error is one sentence with `sentence` in it, twice alike; after repair() everything is there once."""
    for _ in range(2):
        message = sluice.fails("run", "-e", sql)
        for part in sentence:
            assert part in message, message
        assert "\n" not in message
        before = nothing_half(sluice)
        assert set(before) <= set(expected)
    repair()
    sluice.sql(sql)
    everything_once(sluice, expected)


# Epochs of a few rows, read in batches of 200: some are committed before the third batch meets what is bad. CSV is looked
# at 256 KB at a time, so rows have to be wide.
MIDWAY = ("CREATE TABLE t WITH (epoch_rows := 10, lanes := 1) AS SELECT id, v FROM file('in/{}', rate_limit := '1000 rows/s'{}) "
          "INSERT INTO file('out/')")
ROWS = range(700)
BAD = 690
PAD = "x" * 1000


def json_of(rows):
    return "".join('{"id": %d, "v": %d, "pad": "%s"}\n' % (i, i, PAD) for i in rows)


def csv_of(rows):
    return "id,v,pad\n" + "".join(f"{i},{i},{PAD}\n" for i in rows)


def parquet_of(rows, kind=None):
    kind = kind or pyarrow.int64()
    out = pyarrow.BufferOutputStream()
    values = pyarrow.array(rows, pyarrow.int64())
    pyarrow.parquet.write_table(pyarrow.table({"id": values, "v": values.cast(kind)}), out)
    return out.getvalue().to_pybytes()


COLUMNS = ", columns := 'id BIGINT, v BIGINT, pad VARCHAR'"
# What is bad → the files in their order, the one that is bad, how it is bad, and what the error names.
BROKEN = {
    "malformed json": ("jsonl", [json_of(ROWS)], 0, lambda good: good.replace('{"id": 690, ', '{"id": 690 '), ["in/0.jsonl:691"], ""),
    "json of another type": ("jsonl", [json_of(ROWS)], 0, lambda good: good.replace('"v": 690', '"v": [1, 2]'),
                             ["in/0.jsonl:691", "'v'", "BIGINT"], COLUMNS),
    "csv with a surplus field": ("csv", [csv_of(ROWS)], 0, lambda good: good.replace("690,690", "690,690,surplus"),
                                 ["in/0.csv:692", "4 fields", "header has 3"], ""),
    "csv that lacks a field": ("csv", [csv_of(ROWS)], 0, lambda good: good.replace("690,690", "690"),
                               ["in/0.csv:692", "2 fields", "header has 3", "ragged := pad"], ""),
    "csv of another type": ("csv", [csv_of(ROWS)], 0, lambda good: good.replace("690,690", "690,many"),
                            ["in/0.csv:692", "'v'", "many", "BIGINT"], COLUMNS),
    "parquet of another type": ("parquet", [parquet_of(range(BAD)), parquet_of(range(BAD, 700))], 1,
                                lambda good: parquet_of(range(BAD, 700), pyarrow.string()),
                                ["in/1.parquet", "'v'", "BIGINT"], COLUMNS),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_bad_midway_is_named_and_what_came_before_is_kept(sluice, what):
    extension, files, broken, spoil, sentence, options = BROKEN[what]
    contents = [content if isinstance(content, bytes) else content.encode() for content in files]
    (sluice.folder / "in").mkdir()
    paths = [sluice.folder / f"in/{number}.{extension}" for number in range(len(contents))]
    for path, content in zip(paths, contents):
        path.write_bytes(content)
    spoiled = spoil(files[broken])
    paths[broken].write_bytes(spoiled if isinstance(spoiled, bytes) else spoiled.encode())
    sql = MIDWAY.format(f"*.{extension}", options)
    seen = set()
    for _ in range(8):  # how much is committed by then is a matter of time
        message = sluice.fails("run", "-e", sql)
        assert all(part in message for part in sentence) and "\n" not in message, message
        now = set(nothing_half(sluice))
        assert seen <= now < set(ROWS)
        if seen:
            break  # this run began behind what the one before had delivered
        seen = now
    assert seen, "nothing was delivered before the error"
    paths[broken].write_bytes(contents[broken])
    sluice.sql(sql)
    everything_once(sluice, ROWS)


@pytest.mark.parametrize("extension, bad, where, options", [
    ("jsonl", b'{"id": 777', "in/a.jsonl:778: ", ""),
    ("csv", b"777,1,surplus", "in/a.csv:779: ", ""),
    ("csv", b"777,1,surplus", "in/a.csv:779: ", ", quote := ''"),  # cut anywhere: the first line of a part is another's
    ("txt", b"777,\xff", "in/a.txt:778: ", ""),
])
def test_a_bad_row_far_behind_the_first_range_of_a_cut_file_is_named_by_its_line(sluice, extension, bad, where, options):
    line = {"jsonl": '{"id": %d}', "csv": "%d,1", "txt": "%d,1"}[extension]
    lines = [(line % number).encode() for number in range(1000)]
    lines[777] = bad
    path = sluice.folder / f"in/a.{extension}"
    path.parent.mkdir()
    path.write_bytes(b"\n".join(([b"id,v"] if extension == "csv" else []) + lines) + b"\n")
    message = sluice.fails("run", "-e", f"INSERT INTO null('null://') SELECT * FROM file('in/a.{extension}', split_bytes := '1KB'{options})")
    assert where in message, message


def test_an_unclosed_quote_is_named_by_the_line_where_it_opens(sluice):
    bad = sluice.folder / "in/a.csv"
    bad.parent.mkdir()
    good = "id,name\n" + "".join(f"{i},n\n" for i in range(50))
    bad.write_text(good.replace("41,n", '41,"n'))
    fails_then_resumes(sluice, TABLE.format("a.csv", ""), ["in/a.csv:43"], lambda: bad.write_text(good), range(50))


@pytest.mark.parametrize("rows", [20, 200_000])
def test_a_truncated_gzip_is_named(sluice, rows):
    bad = sluice.folder / "in/a.jsonl.gz"
    bad.parent.mkdir()
    good = gzip.compress(("".join('{"id": %d}\n' % i for i in range(rows))).encode())
    bad.write_bytes(good[: len(good) * 2 // 3])
    fails_then_resumes(sluice, TABLE.format("*.gz", ", columns := 'id BIGINT'"), ["in/a.jsonl.gz"],
                       lambda: bad.write_bytes(good), range(rows))


def test_a_gzip_that_is_none_is_named(sluice):
    bad = ndjson(sluice.folder / "in/a.jsonl", range(3))
    os.rename(bad, sluice.folder / "in/a.jsonl.gz")
    fails_then_resumes(sluice, TABLE.format("*.gz", ", columns := 'id BIGINT'"), ["in/a.jsonl.gz", "gzip"],
                       lambda: ndjson(sluice.folder / "in/a.jsonl.gz", range(3)), range(3))


@pytest.mark.parametrize("keep", [0.3, 0.95])
def test_a_parquet_file_cut_short_is_named(sluice, keep):
    path = sluice.folder / "in/a.parquet"
    path.parent.mkdir()
    pyarrow.parquet.write_table(pyarrow.table({"id": range(10_000)}), path, row_group_size=1000)
    good = path.read_bytes()
    path.write_bytes(good[: int(len(good) * keep)])
    fails_then_resumes(sluice, TABLE.format("*.parquet", ", columns := 'id BIGINT'"), ["in/a.parquet"],
                       lambda: path.write_bytes(good), range(10_000))


def test_a_parquet_file_with_a_broken_page_loses_and_doubles_nothing(sluice):
    path = sluice.folder / "in/a.parquet"
    path.parent.mkdir()
    pyarrow.parquet.write_table(pyarrow.table({"id": range(100_000)}), path, row_group_size=1000, compression="zstd",
                                use_dictionary=False)
    good = path.read_bytes()
    middle = len(good) // 2
    path.write_bytes(good[:middle] + bytes(200) + good[middle + 200 :])
    fails_then_resumes(sluice, TABLE.format("*.parquet", ""), ["in/a.parquet"], lambda: path.write_bytes(good), range(100_000))


def test_two_files_that_do_not_fit_together_are_both_named(sluice):
    ndjson(sluice.folder / "in/a.jsonl", [1], v=1)
    other = ndjson(sluice.folder / "in/b.jsonl", [2], v={"x": 1})
    sql = TABLE.format("*.jsonl", "").replace("SELECT id", "SELECT id, v")
    fails_then_resumes(sluice, sql, ["a.jsonl", "b.jsonl", "'v'"], lambda: ndjson(other, [2], v=2), [1, 2])


def test_a_column_that_the_sample_did_not_have_is_never_lost_silently(sluice):
    """Sixty-four files are looked at for the schema: the last of 65 is none of them."""
    (sluice.folder / "in").mkdir()
    for number in range(64):
        (sluice.folder / f"in/{number:02}.csv").write_text(f"id\n{number}\n")
    (sluice.folder / "in/64.csv").write_text("id,extra\n64,x\n")
    sql = "CREATE TABLE t AS SELECT * FROM file('in/*.csv'{}) INSERT INTO file('out/')"
    message = sluice.fails("run", "-e", sql.format(""))
    for part in ("in/64.csv", "column 'extra'", "sample_files := 0", "columns := "):
        assert part in message, message
    nothing_half(sluice)
    sluice.sql(sql.format(", sample_files := 0").replace("CREATE", "CREATE OR REPLACE"))
    everything_once(sluice, range(65))


@pytest.mark.parametrize("extension", ["csv", "jsonl", "parquet", "avro", "orc", "arrow"])
def test_an_unknown_column_is_an_error_in_every_format_where_all_are_wanted(sluice, extension):
    ndjson(sluice.folder / "a.jsonl", [1])
    ndjson(sluice.folder / "b.jsonl", [2], extra="x")
    for name in "ab":
        sluice("cp", f"{name}.jsonl", f"in/{name}.{extension}")
    read = lambda what, options: sluice("run", "--output", "json", "-e", f"SELECT {what} FROM file('in/*.{extension}', {options})").stdout
    message = sluice.fails("run", "-e", f"SELECT * FROM file('in/*.{extension}', sample_files := 1)")
    assert f"in/b.{extension}" in message and "'extra'" in message and "sample_files" in message and "columns := " in message, message
    some = '{"id":1}\n{"id":2}\n'
    assert read("id", "sample_files := 1") == some
    if extension != "jsonl":  # JSON is strict here, too, unless told otherwise
        assert read("*", "columns := 'id BIGINT'") == some
    assert read("*", "sample_files := 0") == '{"id":1,"extra":null}\n{"id":2,"extra":"x"}\n'


@pytest.mark.parametrize("extension", ["parquet", "orc", "arrow"])
def test_an_unknown_field_inside_of_a_column_is_an_error_too(sluice, extension):
    ndjson(sluice.folder / "a.jsonl", [1], items=[{"x": 1}])
    ndjson(sluice.folder / "b.jsonl", [2], items=[{"x": 1, "y": 2}])
    for name in "ab":
        sluice("cp", f"{name}.jsonl", f"in/{name}.{extension}")
    message = sluice.fails("run", "-e", f"SELECT * FROM file('in/*.{extension}', sample_files := 1)")
    assert f"in/b.{extension}" in message and "'items.y'" in message, message


def test_partitions_that_only_some_files_repeat_are_no_unknown_columns(sluice):
    for day, header in ((1, "id"), (2, "id,day")):
        path = sluice.folder / f"in/day={day}/a.csv"
        path.parent.mkdir(parents=True)
        path.write_text(f"{header}\n{day}{',7' if ',' in header else ''}\n")
    result = sluice("run", "--output", "json", "-e", "SELECT * FROM file('in/', sample_files := 1)").stdout
    assert result == '{"id":1,"day":1}\n{"id":2,"day":2}\n'


@pytest.fixture
def small_disk():
    """A file system of 1 MB."""
    folder = tempfile.mkdtemp(prefix="sluice-small-disk-")
    mounted = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True).returncode == 0
    try:
        if not mounted:
            if os.environ.get("CI") == "true":
                pytest.fail("a full disk cannot be tested: mounting a tmpfs needs root")
            pytest.skip("NOT TESTED: a full disk; mounting a tmpfs needs root")
        yield pathlib.Path(folder)
    finally:
        if mounted:
            subprocess.run(["umount", "-l", folder], check=True)
        os.rmdir(folder)


@pytest.mark.parametrize("format", ["json", "parquet"])
def test_a_full_disk_is_told_and_leaves_no_half_file(sluice, small_disk, format):
    with open(sluice.folder / "a.jsonl", "w") as file:
        for number in range(60_000):
            file.write('{"id": %d, "pad": "%s"}\n' % (number, os.urandom(30).hex()))
    sql = f"CREATE TABLE t AS SELECT * FROM file('a.jsonl') INSERT INTO file('{small_disk}/out/', format := '{format}')"
    message = sluice.fails("run", "-e", sql)
    assert "No space left" in message or "disk is full" in message or "no space" in message.lower(), message
    assert str(small_disk) in message
    assert files(small_disk) == []
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    sluice.sql(sql)
    found = query(f"SELECT count(*), count(DISTINCT id) FROM '{small_disk}/out/*.{'jsonl' if format == 'json' else format}'")
    assert found == [(60_000, 60_000)]
    assert leftovers(small_disk) == []


def fill(folder):
    """Leaves no room; returns the file that takes it."""
    filler = folder / "filler"
    with open(filler, "wb", buffering=0) as file:
        with pytest.raises(OSError):
            while True:
                file.write(bytes(4096))
    return filler


def test_a_full_disk_under_a_sqlite_target_is_told_and_resumed(sluice, small_disk):
    with open(sluice.folder / "a.jsonl", "w") as file:
        for number in range(10_000):
            file.write('{"id": %d, "pad": "%0200d"}\n' % (number, number))
    sql = f"CREATE TABLE t AS SELECT * FROM file('a.jsonl') INSERT INTO sqlite('{small_disk}/t.db?table=t')"
    for _ in range(2):
        message = sluice.fails("run", "-e", sql)
        assert "t.db" in message and "full" in message, message
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    sluice.sql(sql)
    with contextlib.closing(sqlite3.connect(small_disk / "t.db")) as database:
        assert database.execute("SELECT count(*), count(DISTINCT id) FROM t").fetchall() == [(10_000, 10_000)]


def test_a_full_disk_under_the_dead_letters_is_told_and_each_row_is_in_one_place(sluice, small_disk):
    ndjson(sluice.folder / "in/a.jsonl", range(10))
    append(sluice.folder / "in/a.jsonl", "".join('{"id": "%0200d"}\n' % number for number in range(100)))
    filler = fill(small_disk)
    sql = (f"CREATE TABLE t WITH (dead_letters := 'file://{small_disk}/dead/') AS SELECT id FROM file('in/*.jsonl', columns := 'id BIGINT') "
           "INSERT INTO file('out/')")
    message = sluice.fails("run", "-e", sql)
    assert str(small_disk) in message and ("No space left" in message or "no space" in message.lower()), message
    assert nothing_half(sluice) == [], "the good rows of an epoch appear with its bad ones or not at all"
    filler.unlink()
    sluice.sql(sql)
    everything_once(sluice, range(10))
    assert len(rows(small_disk / "dead")) == 100
    assert leftovers(small_disk) == []


def test_a_full_disk_under_the_state_store_is_told(sluice, small_disk):
    ndjson(sluice.folder / "in/a.jsonl", range(10))
    state = f"sqlite:{small_disk}/state.db"
    filler = fill(small_disk)
    sql = TABLE.format("*.jsonl", "")
    message = sluice.fails("run", "--state", state, "-e", sql)
    assert "state.db" in message and "full" in message, message
    assert nothing_half(sluice) == []
    filler.unlink()
    sluice("run", "--state", state, "-e", sql)
    assert nothing_half(sluice) == list(range(10))


def make_read_only(folder):
    if os.geteuid() != 0:
        folder.chmod(0o555)
        return
    subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)


@pytest.fixture
def read_only(sluice):
    """A folder that nobody may write to, root neither: a read-only bind mount, or permissions for everybody else."""
    folder = sluice.folder / "readonly"
    folder.mkdir()
    if os.geteuid() != 0:
        make_read_only(folder)
        yield folder, lambda: folder.chmod(0o755)
        folder.chmod(0o755)
        return
    bound = subprocess.run(["mount", "--bind", str(folder), str(folder)], capture_output=True).returncode == 0
    if not bound:
        if os.environ.get("CI") == "true":
            pytest.fail("a read-only folder cannot be tested: root may not mount here")
        pytest.skip("NOT TESTED: a read-only folder; root may not mount here")
    make_read_only(folder)
    try:
        yield folder, lambda: subprocess.run(["mount", "-o", "remount,rw,bind", str(folder)], check=True)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_read_only_folder_is_told_by_check_and_by_run(sluice, read_only):
    folder, make_writable = read_only
    ndjson(sluice.folder / "a.jsonl", range(10))
    sql = f"CREATE TABLE t AS SELECT id FROM file('a.jsonl') INSERT INTO file('{folder}/out/')"
    for command in ("check", "run"):
        message = sluice.fails(command, "-e", sql)
        assert str(folder) in message and ("ead-only" in message or "ermission" in message), message
    make_writable()
    sluice.sql(sql)
    assert ids(folder / "out") == list(range(10))


def test_a_state_store_that_becomes_read_only_is_told_and_resumed_when_it_is_no_longer(sluice, read_only):
    folder, make_writable = read_only
    ndjson(sluice.folder / "in/a.jsonl", range(10))
    run = ["--state", f"sqlite:{folder}/state.db", "-e", TABLE.format("*.jsonl", "")]
    assert "readonly" in sluice.fails("run", *run)
    assert nothing_half(sluice) == []
    make_writable()
    sluice("run", *run)
    everything_once(sluice, range(10))
    make_read_only(folder)
    ndjson(sluice.folder / "in/b.jsonl", range(10, 20))
    assert "readonly" in sluice.fails("run", *run)
    everything_once(sluice, range(10))
    make_writable()
    sluice("run", *run)
    everything_once(sluice, range(20))


def test_an_output_folder_that_vanishes_mid_epoch_loses_nothing(sluice, start):
    ndjson(sluice.folder / "in/a.jsonl", range(20_000))
    sql = ("CREATE {}TABLE t WITH (epoch_age := '1h') AS SELECT id FROM file('in/*.jsonl', rate_limit := '{} rows/s', split_bytes := '10KB') "
           "INSERT INTO file('out/')")
    table = start("run", "-e", sql.format("", 10_000))
    table.waits_until(lambda: (sluice.folder / "out").exists() and any((sluice.folder / "out").rglob("*")), "the first upload")
    shutil.rmtree(sluice.folder / "out")
    code, stderr = table.end()
    errors = [line for line in stderr.splitlines() if line.startswith("error: ")]
    assert (code, len(errors)) == (1, 1), stderr
    assert "out" in errors[0]
    sluice.sql(sql.format("OR REPLACE ", 10_000_000))
    everything_once(sluice, range(20_000))


def test_a_dead_letter_folder_that_vanishes_mid_epoch_loses_nothing(sluice, start):
    path = ndjson(sluice.folder / "in/a.jsonl", range(4000))
    path.write_text(path.read_text().replace('{"id": 7}', '{"id": }').replace('{"id": 3999}', '{"id": }'))
    sql = ("CREATE {}TABLE t WITH (epoch_age := '1h', dead_letters := 'file://./dead/') AS SELECT id "
           "FROM file('in/*.jsonl', rate_limit := '{} rows/s', split_bytes := '10KB') INSERT INTO file('out/')")
    table = start("run", "-e", sql.format("", 4000))
    table.waits_until(lambda: (sluice.folder / "dead").exists() and any((sluice.folder / "dead").rglob("*")), "the first dead letter")
    shutil.rmtree(sluice.folder / "dead")
    code, stderr = table.end()
    errors = [line for line in stderr.splitlines() if line.startswith("error: ")]
    assert (code, len(errors)) == (1, 1), stderr
    assert "dead" in errors[0]
    assert nothing_half(sluice) == []
    sluice.sql(sql.format("OR REPLACE ", 10_000_000))
    everything_once(sluice, set(range(4000)) - {7, 3999})
    assert [row["payload"] for row in rows(sluice.folder / "dead")] == ['{"id": }'] * 2


def test_a_streams_output_folder_that_vanishes_loses_nothing_that_comes(sluice, start):
    """What was delivered and then deleted is its owner's business; what comes is delivered, once."""
    ndjson(sluice.folder / "in/a.jsonl", range(10))
    stream = start("run", "-e", "CREATE STREAM s WITH (epoch_age := '50ms') AS SELECT id FROM file('in/*.jsonl', watch := true, "
                                "poll_interval := '50ms') INSERT INTO file('out/')")
    stream.waits_until(lambda: nothing_half(sluice) == list(range(10)), "the first rows")
    shutil.rmtree(sluice.folder / "out")
    append(sluice.folder / "in/a.jsonl", "".join('{"id": %d}\n' % number for number in range(10, 20)))
    stream.waits_until(lambda: nothing_half(sluice) == list(range(10, 20)), "what came after")
    stream.stop()
    everything_once(sluice, range(10, 20))


def test_an_input_folder_that_vanishes_mid_epoch_is_told_and_resumed(sluice, start):
    for number in range(40):
        ndjson(sluice.folder / f"in/{number:02}.jsonl", range(number * 100, number * 100 + 100))
    sql = "CREATE {}TABLE t WITH (lanes := 1) AS SELECT id FROM file('in/', rate_limit := '{} rows/s') INSERT INTO file('out/', rotate_rows := 100)"
    table = start("run", "-e", sql.format("", 1000))
    table.waits_until(lambda: (sluice.folder / "out").exists() and any((sluice.folder / "out").rglob("*")), "the first upload")
    os.rename(sluice.folder / "in", sluice.folder / "away")
    code, stderr = table.end()
    errors = [line for line in stderr.splitlines() if line.startswith("error: ")]
    assert (code, len(errors)) == (1, 1), stderr
    assert "in/" in errors[0] and ".jsonl" in errors[0]
    nothing_half(sluice)
    os.rename(sluice.folder / "away", sluice.folder / "in")
    sluice.sql(sql.format("OR REPLACE ", 10_000_000))
    everything_once(sluice, range(4000))


def test_a_file_that_was_replaced_since_it_was_read_is_read_as_new(sluice):
    ndjson(sluice.folder / "in/a.jsonl", [1, 2])
    sql = TABLE.format("*.jsonl", "")
    sluice.sql(sql)
    time.sleep(0.01)
    (sluice.folder / "in/a.jsonl").unlink()
    ndjson(sluice.folder / "in/a.jsonl", [3, 4, 5])
    sluice.sql(sql)
    assert nothing_half(sluice) == [1, 2, 3, 4, 5]


def test_an_input_that_may_not_be_read_is_named(sluice):
    if os.geteuid() == 0:
        path = sluice.folder / "in/a.jsonl"
        path.mkdir(parents=True)  # root reads everything, but no folder as a file
        sql = "SELECT * FROM file('in/a.jsonl/b.jsonl')"
        assert "a.jsonl" in sluice.fails("run", "-e", sql)
        return
    path = ndjson(sluice.folder / "in/a.jsonl", [1])
    path.chmod(0)
    assert "ermission" in sluice.fails("run", "-e", "SELECT * FROM file('in/a.jsonl')")


def test_a_value_that_cannot_be_cast_names_it(sluice):
    ndjson(sluice.folder / "in/a.jsonl", [1, 2], v="x")
    sql = TABLE.format("*.jsonl", "").replace("SELECT id", "SELECT id, v::INTEGER AS v")
    message = sluice.fails("run", "-e", sql)
    assert "'x'" in message and "-e:1" in message
    assert nothing_half(sluice) == []


def test_a_folder_in_the_place_of_the_output_file_is_told(sluice):
    (sluice.folder / "out.csv").mkdir()
    (sluice.folder / "out.csv/x").write_text("")
    ndjson(sluice.folder / "a.jsonl", [1])
    assert "out.csv" in sluice.fails("cp", "a.jsonl", "out.csv")


def test_json_that_nobody_asked_for_is_no_obstacle(sluice):
    """Fields that the SELECT does not need are not parsed beyond JSON's syntax."""
    with open(sluice.folder / "a.jsonl", "w") as file:
        for number in range(10):
            file.write(json.dumps({"id": number, "mixed": number if number % 2 else {"deep": [number]}}) + "\n")
    sluice.sql("CREATE TABLE t AS SELECT id FROM file('a.jsonl', columns := 'id BIGINT, mixed BIGINT') INSERT INTO file('out/')")
    assert ids(sluice.folder / "out") == list(range(10))


def test_names_that_are_not_utf8_are_read_shown_and_not_replaced(sluice):
    (sluice.folder / "in").mkdir()
    (sluice.folder / "out").mkdir()
    name = os.fsencode(sluice.folder) + b"/in/caf\xe9.jsonl"
    with open(name, "w") as file:
        file.write('{"id": 1}\n')
    sluice.sql("CREATE TABLE t AS SELECT id FROM file('in/') INSERT INTO file('out/')")
    for arguments in (["status"], ["status", "t"]):
        json.loads(sluice(*arguments, "--output", "json").stdout)
    os.rename(name, os.fsencode(sluice.folder) + b"/out/caf\xe9.jsonl")
    error = sluice.fails("run", "-e", "INSERT INTO file('out/', if_exists := 'replace') SELECT 2 AS id")
    assert "its name is not UTF-8" in error
