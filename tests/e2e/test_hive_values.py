"""Values of partition columns in the names of folders: what we write DuckDB and pyarrow read as it was, and the other way
round, on disk and in a bucket."""
import json

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

# What separates folders, escapes or hides them, what shells and URLs make something of, and what looks like something else.
VALUES = ["plain", "a b", " a ", "a/b", "/", "100%", "%2F", "a%2Fb", "x=y", "=", "ü", "日本", "😀", "e\u0301", "new\nline", "tab\t",
          "\x01\x7f", "a:b", "back\\slash", "quote'\"", "*?[x]{y}", "+", "#?&;", ".", "..", ".hidden", "_under", "~", "NULL", "null",
          "", "__HIVE_DEFAULT_PARTITION__", "x" * 200]
ROWS = dict(enumerate([*VALUES, None]))
# Others write NULL under Hive's name for it, and a text that is that name as well.
OF_OTHERS = {number: value for number, value in ROWS.items() if value != "__HIVE_DEFAULT_PARTITION__"}


class Folder:
    """A lake on disk."""

    def __init__(self, sluice):
        self.folder = sluice.folder / "lake"
        self.location = "file('lake/', format := 'parquet'"
        self.env = {}

    def below(self):
        return self.folder

    def fill(self, write):
        write(self.folder)


class Keys:
    """The same in a bucket; others see what boto3 fetches, and fill it by boto3."""

    def __init__(self, sluice, bucket):
        self.scratch = sluice.folder
        self.bucket = bucket
        self.location = f"s3('{bucket.name}/lake/', {bucket.options()}, format := 'parquet'"
        self.env = bucket.env

    def below(self):
        return self.bucket.download(self.scratch / "fetched", "lake/") / "lake"

    def fill(self, write):
        write(self.scratch / "filled")
        for path in (self.scratch / "filled").rglob("*.parquet"):
            self.bucket.put(f"lake/{path.relative_to(self.scratch / 'filled')}", path.read_bytes())


@pytest.fixture(params=["file", "s3"])
def lake(request, sluice):
    return Folder(sluice) if request.param == "file" else Keys(sluice, request.getfixturevalue("gateway_bucket"))


def ours(sluice, lake):
    """What we read."""
    lines = sluice("run", "--output", "json", "-e", f"SELECT id, k FROM {lake.location})", env=lake.env).stdout.splitlines()
    return {row["id"]: row["k"] for row in map(json.loads, lines)}


def written_by_us(sluice, lake):
    lines = [json.dumps({"id": number, "k": value}) + "\n" for number, value in ROWS.items()]
    (sluice.folder / "rows.jsonl").write_text("".join(lines))
    sluice.sql(f"CREATE TABLE t AS SELECT * FROM file('rows.jsonl') INSERT INTO {lake.location}, partition_by := 'k')", env=lake.env)


def test_what_we_write_is_read_as_it_was(sluice, lake):
    written_by_us(sluice, lake)
    assert ours(sluice, lake) == ROWS
    folder = lake.below()
    assert len(list(folder.iterdir())) == len(ROWS)
    with duckdb.connect() as connection:
        rows = connection.execute(f"FROM read_parquet('{folder}/*/*.parquet', hive_partitioning := true, "
                                  "hive_types := {'k': VARCHAR}) SELECT id, k").fetchall()
    assert dict(rows) == ROWS
    partitioning = ds.partitioning(pa.schema([("k", pa.string())]), flavor="hive")
    table = ds.dataset(folder, format="parquet", partitioning=partitioning, ignore_prefixes=[]).to_table(["id", "k"])
    # To pyarrow the text of that name is NULL, however it is spelled.
    expected = {number: None if value == "__HIVE_DEFAULT_PARTITION__" else value for number, value in ROWS.items()}
    assert dict(zip(table["id"].to_pylist(), table["k"].to_pylist())) == expected


def test_a_filter_finds_each_of_them(sluice, lake):
    written_by_us(sluice, lake)
    conditions = ["k IS NULL" if value is None else "k = '{}'".format(value.replace("'", "''")) for value in ROWS.values()]
    selects = [f"SELECT id FROM {lake.location}) WHERE {condition};" for condition in conditions]
    found = sluice("run", "--output", "json", "-e", "\n".join(selects), env=lake.env).stdout
    assert [json.loads(line)["id"] for line in found.splitlines()] == list(ROWS)


def rows_of_others():
    return pa.table({"id": pa.array(OF_OTHERS.keys(), pa.int64()), "k": pa.array(OF_OTHERS.values(), pa.string())})


def test_what_duckdb_writes_is_read_as_it_was(sluice, lake):
    def write(folder):
        rows = rows_of_others()
        with duckdb.connect() as connection:
            connection.execute(f"COPY (FROM rows) TO '{folder}' (FORMAT parquet, PARTITION_BY (k))")
            assert rows.num_rows == len(OF_OTHERS)

    lake.fill(write)
    assert ours(sluice, lake) == OF_OTHERS


def test_what_pyarrow_writes_is_read_as_it_was(sluice, lake):
    def write(folder):
        ds.write_dataset(rows_of_others(), folder, format="parquet",
                         partitioning=ds.partitioning(pa.schema([("k", pa.string())]), flavor="hive"))

    lake.fill(write)
    assert ours(sluice, lake) == OF_OTHERS
