"""{schema} and {table} in the location of files and objects: each table of a stream has a folder of its own."""
import collections
import random
import time

import pyarrow.parquet
from delivered import wait_until


def make_tables(postgres, names, rows):
    for name in names:
        postgres.execute(f"CREATE TABLE {name} (id bigint PRIMARY KEY, from_{name} text)")
        postgres.execute(f"INSERT INTO {name} SELECT g, '{name}' FROM generate_series(1, {rows}) g")


def delivered(folder, table):
    """Rows by id, of all files of a table."""
    rows = [row for path in sorted((folder / "public" / table).glob("*.parquet"))
            for row in pyarrow.parquet.read_table(path).to_pylist()]
    return collections.Counter((row["id"], row["_op"], row[f"from_{table}"]) for row in rows)


def test_the_tables_of_a_change_stream_have_folders_of_their_own_also_under_kill_9(sluice, start, postgres):
    make_tables(postgres, ("a", "b"), 3000)
    statement = (f"CREATE STREAM s WITH (epoch_age := '100ms', epoch_rows := 300) AS SELECT * FROM "
                 f"{postgres.at(None, 'cdc := true, split_rows := 1000')} "
                 f"INSERT INTO file('out/{{schema}}/{{table}}/', format := 'parquet');")
    chooser = random.Random(4)
    for round in range(4):
        process = sluice.start("run", "-e", statement)
        sent = "SELECT count(*) FROM pg_stat_replication WHERE state <> 'startup'"
        wait_until(lambda: process.poll() is not None or postgres.value(sent), "changes to be sent")
        assert process.poll() is None, process.communicate()
        for number in range(3001 + round * 100, 3101 + round * 100):
            with postgres.connection.transaction():
                for name in ("a", "b"):
                    postgres.execute(f"INSERT INTO {name} VALUES (%s, 'new')", [number])
        time.sleep(chooser.uniform(0, 0.3))
        process.kill()
        process.communicate()
    running = start("run", "-e", statement)
    out = sluice.folder / "out"
    ids = {(i, name) for i in range(1, 3401) for name in ("a", "b")}

    def all_there():
        return {(key[0], name) for name in ("a", "b") for key in delivered(out, name)} == ids

    running.waits_until(all_there, "all rows")
    running.stop()
    for name in ("a", "b"):
        rows = delivered(out, name)
        assert max(rows.values()) == 1
        assert sorted(key[0] for key in rows) == list(range(1, 3401)), "each row once, as it was copied or inserted"
    assert sorted(path.name for path in (out / "public").iterdir()) == ["a", "b"]
    assert not list(out.rglob(".*")), "leftovers"


def test_the_tables_of_a_schema_become_objects(sluice, postgres, gateway_bucket):
    make_tables(postgres, ("orders", "items"), 100)
    into = gateway_bucket.at("lake/{table}/", "format := 'parquet', key_strategy := 'HivePartitioned'")
    sluice.sql(f"CREATE TABLE t AS SELECT * FROM {postgres.at(None)} INSERT INTO {into};", env=gateway_bucket.env)
    keys = gateway_bucket.keys("lake/")
    assert {key.split("/")[1:3][0] for key in keys} == {"orders", "items"}
    assert {key.split("/")[2] for key in keys} == {"collection=orders", "collection=items"}
    folder = gateway_bucket.download(sluice.folder / "got", "lake/")
    for name in ("orders", "items"):
        files = list((folder / "lake" / name).rglob("*.parquet"))
        assert sum(pyarrow.parquet.ParquetFile(path).metadata.num_rows for path in files) == 100
        assert pyarrow.parquet.read_schema(files[0]).names == ["id", f"from_{name}"]


def test_the_tables_of_a_schema_become_one_file_each(sluice, postgres):
    make_tables(postgres, ("orders", "items"), 10)
    sluice.sql(f"INSERT INTO file('out/{{table}}.csv') SELECT * FROM {postgres.at(None)};")
    assert (sluice.folder / "out/orders.csv").read_text().splitlines()[:2] == ["id,from_orders", "1,orders"]
    assert len((sluice.folder / "out/items.csv").read_text().splitlines()) == 11


def test_one_table_fills_the_holes_too_and_a_query_has_no_name_for_them(sluice):
    (sluice.folder / "orders.csv").write_text("id\n1\n")
    sluice.sql("CREATE TABLE t AS SELECT id FROM file('orders.csv') INSERT INTO file('out/{table}/', format := 'csv');")
    assert [path.parent.name for path in (sluice.folder / "out").rglob("*.csv")] == ["orders"]
    error = sluice.fails("run", "-e", "INSERT INTO file('sums/{table}/') SELECT sum(id) AS s FROM file('orders.csv');")
    assert "come from no single table that could stand for {table}" in error
