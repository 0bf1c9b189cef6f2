"""rate_limit holds back every source, whatever it is: flow does it, not the connector."""
import sqlite3
import time

import pytest

ROWS, PER_SECOND = 60, 100


@pytest.fixture(params=["sqlite", "postgresql", "file"])
def source(request, sluice):
    if request.param == "postgresql":
        postgres = request.getfixturevalue("postgres")
        postgres.execute(f"CREATE TABLE rows AS SELECT g::bigint AS id FROM generate_series(1, {ROWS}) g")
        return lambda more: postgres.at("rows", more)
    if request.param == "sqlite":
        with sqlite3.connect(sluice.folder / "in.db") as database:
            database.execute("CREATE TABLE rows (id INTEGER)")
            database.executemany("INSERT INTO rows VALUES (?)", [(i,) for i in range(ROWS)])
        return lambda more: f"sqlite('in.db?table=rows', {more})"
    (sluice.folder / "in.csv").write_text("id\n" + "".join(f"{i}\n" for i in range(ROWS)))
    return lambda more: f"file('in.csv', {more})"


def test_a_source_is_read_no_faster_than_it_may_be(sluice, source):
    began = time.monotonic()
    sluice.sql(f"INSERT INTO file('out.csv') SELECT id FROM {source(f'''rate_limit := '{PER_SECOND} rows/s' ''')};")
    # The first batch, a fifth of a second's rows, is free.
    assert time.monotonic() - began >= ROWS / PER_SECOND - 0.25
    assert len((sluice.folder / "out.csv").read_text().splitlines()) == ROWS + 1
