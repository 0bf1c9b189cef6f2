"""kill -9 at every step of unnamed statements and of `cp`: started again with the same text, each delivers every row once."""
import collections
import signal
import sqlite3

import pytest

ROWS = 300


def ids_in_csv(*paths):
    return [int(line) for path in paths for line in path.read_text().splitlines()[1:]]


def ids_in_sqlite(path):
    with sqlite3.connect(path) as connection:
        return [row[0] for row in connection.execute("select id from rows")]


FILE = ("SELECT id FROM file('in/*.csv')", lambda f: ids_in_csv(f / "out.csv"))
SINKS = {
    "exact file": ("file('out.csv')", *FILE),
    "exact file, replace": ("file('out.csv', if_exists := 'replace')", *FILE),
    "exact file of a query": (
        "file('out.csv', if_exists := 'replace')",
        "SELECT DISTINCT id FROM file('in/*.csv')",
        lambda f: ids_in_csv(f / "out.csv"),
    ),
    "folder": (
        "file('out/', format := 'csv')",
        "SELECT id FROM file('in/*.csv')",
        lambda f: ids_in_csv(*(f / "out").rglob("*.csv")),
    ),
    "sqlite": ("sqlite('out.db?table=rows', if_exists := 'error')", FILE[0], lambda f: ids_in_sqlite(f / "out.db")),
    "sqlite, append": ("sqlite('out.db?table=rows')", FILE[0], lambda f: ids_in_sqlite(f / "out.db")),
    "sqlite, replace": (
        "sqlite('out.db?table=rows', if_exists := 'replace')",
        FILE[0],
        lambda f: ids_in_sqlite(f / "out.db"),
    ),
}


# Each folder has a schema of its own in the database.
IN_POSTGRES = {
    "postgresql, error": ", if_exists := 'error'",
    "postgresql, append": "",
    "postgresql, replace": ", if_exists := 'replace'",
}


def write_input(folder):
    (folder / "in").mkdir()
    for part in range(2):
        rows = "".join(f"{i}\n" for i in range(part, ROWS, 2))
        (folder / f"in/{part}.csv").write_text("id\n" + rows)


@pytest.mark.parametrize("name", SINKS)
def test_a_killed_statement_delivers_every_row_once_when_started_again(tmp_path, sluice, record_property, name):
    sink, select, read_back = SINKS[name]
    statement = ["run", "-e", f"INSERT INTO {sink} {select};"]
    record_property("summary", killed_everywhere(tmp_path, sluice, name, lambda folder: statement, read_back))


COPIES = {
    "cp to a file": (["cp", "in/", "out.csv"], lambda f: ids_in_csv(f / "out.csv")),
    "cp to a folder": (["cp", "in/", "out/?format=csv"], lambda f: ids_in_csv(*(f / "out").rglob("*.csv"))),
}


@pytest.mark.parametrize("name", COPIES)
def test_a_killed_cp_delivers_every_row_once_when_started_again(tmp_path, sluice, record_property, name):
    command, read_back = COPIES[name]
    record_property("summary", killed_everywhere(tmp_path, sluice, name, lambda folder: command, read_back))


def test_a_killed_statement_that_replaces_a_folder_leaves_the_old_rows_or_the_new_ones(tmp_path, sluice, record_property):
    def command(folder):
        (folder / "out").mkdir()
        (folder / "out/old.csv").write_text("id\n-1\n")
        for part in range(30):
            (folder / f"in/{part}.csv").write_text("id\n" + "".join(f"{i}\n" for i in range(part, ROWS, 30)))
        source = FILE[0].replace("'in/*.csv'", "'in/*.csv', rate_limit := '1000 rows/s'")
        return ["run", "-e", f"INSERT INTO file('out/', format := 'csv', if_exists := 'replace') WITH (epoch_rows := 1, lanes := 1) {source}"]

    def seen(folder):
        return ids_in_csv(*(path for path in (folder / "out").rglob("*.csv") if not path.name.startswith(".")))

    def judge(folder):
        assert -1 in seen(folder) or sorted(seen(folder)) == list(range(ROWS))

    record_property("summary", killed_everywhere(tmp_path, sluice, "folder, replace", command, seen, after_kill=judge))


def test_a_killed_statement_that_rewrites_its_own_folder_does_so_once(tmp_path, sluice, record_property):
    sql = "INSERT INTO file('in/', format := 'csv', if_exists := 'replace') WITH (epoch_rows := 1, lanes := 2) SELECT id FROM file('in/')"

    def read_back(folder):
        return ids_in_csv(*(folder / "in").rglob("*.csv"))

    record_property("summary", killed_everywhere(tmp_path, sluice, "own folder", lambda folder: ["run", "-e", sql], read_back))


@pytest.mark.parametrize("target", ["out.csv", "out/"], ids=["exact object", "folder"])
def test_a_killed_statement_that_replaces_objects_delivers_every_row_once(
    tmp_path, sluice, gateway_bucket, record_property, target
):
    old = target if target == "out.csv" else target + "old.csv"

    def command(folder):
        gateway_bucket.put(f"{folder.name}/{old}", "id\n-1\n")
        sink = gateway_bucket.at(f"{folder.name}/{target}", "format := 'csv', if_exists := 'replace'")
        return ["run", "-e", f"INSERT INTO {sink} {FILE[0]};"]

    def ids(folder):
        assert gateway_bucket.uploads() == []
        objects = [gateway_bucket.get(key).decode() for key in gateway_bucket.keys(f"{folder.name}/")]
        return [int(line) for text in objects for line in text.splitlines()[1:]]

    record_property("summary", killed_everywhere(tmp_path, sluice, f"s3 {target}, replace", command, ids, gateway_bucket.env))


@pytest.mark.parametrize("name", IN_POSTGRES)
def test_a_killed_statement_into_postgresql_delivers_every_row_once(tmp_path, sluice, postgres, record_property, name):
    def table(folder):
        return "s_" + "".join(c if c.isalnum() else "_" for c in folder.name) + ".rows"

    def sql(folder):
        sink = f"postgresql('{postgres.location()}?table={table(folder)}'{IN_POSTGRES[name]})"
        return ["run", "-e", f"INSERT INTO {sink} SELECT id FROM file('in/*.csv');"]

    def ids(folder):
        return [row[0] for row in postgres.rows(f"SELECT id FROM {table(folder)}")]

    record_property("summary", killed_everywhere(tmp_path, sluice, name, sql, ids))


def killed_everywhere(tmp_path, sluice, name, command_of, read_back, env={}, after_kill=lambda folder: None):
    """Returns what is to be recorded. command_of(folder): called once for each folder."""

    def begin(name):
        sluice.folder = tmp_path / name
        sluice.folder.mkdir()
        write_input(sluice.folder)
        return sluice.folder, command_of(sluice.folder)

    folder, command = begin("probe")
    sluice(*command, env={**env, "SLUICE_CRASH_LOG": str(tmp_path / "visits")})
    assert sorted(read_back(folder)) == list(range(ROWS))
    kills = lost = doubled = 0
    for point, count in collections.Counter((tmp_path / "visits").read_text().split()).items():
        for visit in sorted({1, count}):
            folder, command = begin(f"{point}-{visit}")
            first = sluice(*command, check=False, env={**env, "SLUICE_CRASH_AT": f"{point}:{visit}"})
            assert first.returncode in (0, -signal.SIGKILL), first.stderr
            if first.returncode != 0:
                kills += 1
                after_kill(folder)
                sluice(*command, env=env)
            seen = collections.Counter(read_back(folder))
            assert set(seen) <= set(range(ROWS)), f"{point}:{visit}"
            lost += sum(1 for i in range(ROWS) if seen[i] == 0)
            doubled += sum(1 for n in seen.values() if n > 1)
    assert kills > 5
    assert (lost, doubled) == (0, 0)
    return f"crash matrix: unnamed, {name}: {kills} kills, lost {lost}, doubled {doubled}"


LIMITED = {
    "folder": ("file('out/', format := 'csv')", lambda f: ids_in_csv(*(f / "out").rglob("*.csv"))),
    "sqlite": ("sqlite('out.db?table=rows')", lambda f: ids_in_sqlite(f / "out.db")),
}


@pytest.mark.parametrize("name", LIMITED)
def test_a_limit_counts_what_the_killed_run_delivered(tmp_path, sluice, name):
    """Where a target took rows and nobody noted how many, the statement says so instead."""
    sink, read_back = LIMITED[name]
    sql = f"INSERT INTO {sink} SELECT id FROM file('in/*.csv') LIMIT 100;"
    sluice.folder = tmp_path / "probe"
    sluice.folder.mkdir()
    write_input(sluice.folder)
    sluice.sql(sql, env={"SLUICE_CRASH_LOG": str(tmp_path / "visits")})
    assert len(read_back(sluice.folder)) == 100
    went_on = 0
    for point, count in collections.Counter((tmp_path / "visits").read_text().split()).items():
        folder = sluice.folder = tmp_path / point
        folder.mkdir()
        write_input(folder)
        first = sluice.sql(sql, check=False, env={"SLUICE_CRASH_AT": f"{point}:{(count + 1) // 2}"})
        assert first.returncode in (0, -signal.SIGKILL), first.stderr
        if first.returncode != 0:
            second = sluice.sql(sql, check=False)
            if second.returncode != 0:
                assert "nobody can tell how many rows its LIMIT still allows" in second.stderr, point
                continue
            went_on += 1
        ids = read_back(folder)
        assert len(ids) == len(set(ids)) == 100, point
    assert went_on >= 3
