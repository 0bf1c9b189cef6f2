"""Every type of PostgreSQL through the copy, inserts and updates of a change stream into a replica, as psql prints it."""
import pytest
from postgres_changes import changes_of, running, slot, stream, wait_until
from type_zoo import ZOO, make_types

# What pgoutput sends in a binary form that is known here; one other column, and all come as text.
WITHOUT_BINARY_FORM = {
    "timetz", "xml", "inet", "cidr", "macaddr", "macaddr8", "bit(3)", "varbit", "money", "point", "polygon", "line",
    "lseg", "box", "path", "circle", "tsvector", "tsquery", "int4range", "tstzrange", "numrange", "daterange",
    "int4multirange", "datemultirange", "jsonpath", '"char"', "xid8", "pg_lsn", "pair", "bit(3)[]", "inet[]",
    "int4range[]", "pair[]", "box[]",
}
# What no decimal and no list holds.
ONLY_AS_TEXT = {
    "numeric(12,2)": ["NaN", "1.50"],
    "integer[]": ["{{1,2},{3,NULL}}", "[0:1]={1,2}"],
    "text[]": ['{{"a b",NULL},{"",x}}'],
    "numeric(6,1)[]": ["{NaN,1.5}", "[2:2]={1.0}"],
    "int4range[]": ['{{"[1,5)",empty}}'],
}


def fill(database, table, zoo, first):
    """A row for each value of the longest column, and one of NULLs."""
    rows = max(len(values) for values in zoo.values()) + 1
    for row in range(rows):
        values = [values[row] if row < len(values) else None for values in zoo.values()]
        marks = ", ".join(f"%s::{name}" for name in zoo)
        database.execute(f"INSERT INTO {table} VALUES ({first + row}, {marks})", values)
    return rows


def texts(database, table, zoo):
    columns = ", ".join(f"c{i}::text" for i in range(len(zoo)))
    return database.rows(f"SELECT id, {columns} FROM {table} ORDER BY id")


def differences(database, zoo):
    expected, got = texts(database, "zoo", zoo), texts(database, "copy", zoo)
    if [row[0] for row in expected] != [row[0] for row in got]:
        return {"id": ([row[0] for row in expected], [row[0] for row in got])}
    return {name: (a[i + 1], b[i + 1]) for i, name in enumerate(zoo) for a, b in zip(expected, got) if a[i + 1] != b[i + 1]}


@pytest.mark.parametrize("identity", ["DEFAULT", "FULL"])
@pytest.mark.parametrize("form", ["binary", "text", "as text"])
def test_the_type_zoo_stays_equal_in_a_replica(sluice, each_postgres, form, identity):
    postgres = each_postgres
    zoo = {"binary": {name: values for name, values in ZOO.items() if name not in WITHOUT_BINARY_FORM},
           "text": ZOO, "as text": ONLY_AS_TEXT}[form]
    make_types(postgres)
    columns = ", ".join(f"c{i} {name}" for i, name in enumerate(zoo))
    for table in ("zoo", "copy"):
        postgres.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, {columns})")
    postgres.execute(f"ALTER TABLE zoo REPLICA IDENTITY {identity}")
    postgres.execute("SET timezone = 'UTC'")
    rows = fill(postgres, "zoo", zoo, 0)
    # numeric(3,-2) is read as DECIMAL(5,0), whose other values it could not take back.
    sink = postgres.at("copy", more="allow_lossy := true")
    more = "numeric_as := 'text', arrays_as := 'text'" if form == "as text" else ""
    with running(sluice, stream(changes_of(postgres, "zoo", more), f"INSERT INTO {sink}")) as process:
        wait_until(lambda: slot(postgres) and slot(postgres)[0], running=process)
        wait_until(lambda: len(texts(postgres, "copy", zoo)) == rows, running=process)
        assert differences(postgres, zoo) == {}, "the copy"
        fill(postgres, "zoo", zoo, 100)
        wait_until(lambda: len(texts(postgres, "copy", zoo)) == 2 * rows, running=process)
        assert differences(postgres, zoo) == {}, "inserts"
        names = ", ".join(f"c{i}" for i in range(len(zoo)))
        with postgres.connection.transaction():
            postgres.execute(f"UPDATE zoo z SET ({names}) = (SELECT {names} FROM zoo o WHERE o.id = (z.id + 1) % {rows}) "
                             "WHERE id < 100")
            postgres.execute("INSERT INTO zoo (id) VALUES (1000)")
        wait_until(lambda: texts(postgres, "copy", zoo)[-1][0] == 1000, running=process)
        assert differences(postgres, zoo) == {}, "updates"
        postgres.execute("DELETE FROM zoo WHERE id >= 100")
        wait_until(lambda: len(texts(postgres, "copy", zoo)) == rows, running=process)
        assert differences(postgres, zoo) == {}, "deletes"
