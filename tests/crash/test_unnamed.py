"""kill -9 at every step of unnamed statements: started again with the same text, each delivers every row once."""
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
def test_a_killed_statement_delivers_every_row_once_when_started_again(tmp_path, sluice, name):
    sink, select, read_back = SINKS[name]
    killed_everywhere(tmp_path, sluice, lambda folder: f"INSERT INTO {sink} {select};", read_back)


@pytest.mark.parametrize("name", IN_POSTGRES)
def test_a_killed_statement_into_postgresql_delivers_every_row_once(tmp_path, sluice, postgres, name):
    def table(folder):
        return "s_" + "".join(c if c.isalnum() else "_" for c in folder.name) + ".rows"

    def sql(folder):
        sink = f"postgresql('{postgres.location()}?table={table(folder)}'{IN_POSTGRES[name]})"
        return f"INSERT INTO {sink} SELECT id FROM file('in/*.csv');"

    def ids(folder):
        return [row[0] for row in postgres.rows(f"SELECT id FROM {table(folder)}")]

    killed_everywhere(tmp_path, sluice, sql, ids)


def killed_everywhere(tmp_path, sluice, sql_of, read_back):
    probe = tmp_path / "probe"
    probe.mkdir()
    write_input(probe)
    sluice.folder = probe
    sluice.sql(sql_of(sluice.folder), env={"SLUICE_CRASH_LOG": str(tmp_path / "visits")})
    assert sorted(read_back(probe)) == list(range(ROWS))
    for point, count in collections.Counter((tmp_path / "visits").read_text().split()).items():
        for visit in sorted({1, count}):
            folder = tmp_path / f"{point}-{visit}"
            folder.mkdir()
            write_input(folder)
            sluice.folder = folder
            first = sluice.sql(sql_of(sluice.folder), check=False, env={"SLUICE_CRASH_AT": f"{point}:{visit}"})
            assert first.returncode in (0, -signal.SIGKILL), first.stderr
            if first.returncode != 0:
                sluice.sql(sql_of(sluice.folder))
            assert sorted(read_back(folder)) == list(range(ROWS)), f"{point}:{visit}"


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
