"""PostgreSQL's own types, all of them, with values at their limits; compared by what psql prints."""

# Every type with what psql prints of it.
ZOO = {
    "boolean": ["true", "false"],
    "smallint": ["-32768", "32767"],
    "integer": ["-2147483648", "2147483647"],
    "bigint": ["-9223372036854775808", "9007199254740993"],
    "real": ["0.1", "-3.4028235e38", "NaN", "Infinity", "-Infinity"],
    "double precision": ["0.1", "5e-324", "NaN", "Infinity", "-0"],
    "numeric": ["NaN", "Infinity", "-Infinity", "1e-20", "12345678901234567890123456789012345678901234567890.5", "0.000"],
    "numeric(12,2)": ["-9999999999.99", "0.01", "0"],
    "numeric(38,10)": ["1234567890123456789012345678.0123456789"],
    "numeric(50,3)": ["12345678901234567890123456789012345678901234567.125"],
    "numeric(3,-2)": ["12300", "-99900"],
    "numeric(2,5)": ["0.00012"],
    "date": ["2026-01-31", "1969-12-31", "0044-03-15 BC", "4714-11-24 BC", "5874897-12-31", "infinity", "-infinity"],
    "time": ["00:00:00", "23:59:59.999999", "24:00:00"],
    "timetz": ["12:00:00+05:30"],
    "timestamp": ["1969-12-31 23:59:59.999999", "0001-01-01 00:00:00 BC", "infinity", "-infinity"],
    "timestamptz": ["2026-01-31 01:02:03.5+01", "294246-12-31 23:59:59+00", "infinity"],
    "interval": ["1 year 2 mons -3 days 04:05:06.7", "-178000000 years", "00:00:00.000001"],
    "text": ["", "日本 'x' \\ \t\n", "NULL"],
    "varchar(5)": ["abc", "\u00e4\u00f6\u00fc"],
    "char(5)": ["ab"],
    "name": ["a_name"],
    "bytea": ["\\x00ff", "\\x"],
    "uuid": ["00112233-4455-6677-8899-aabbccddeeff"],
    "json": ['{"a" :  1, "a": 2}', "null"],
    "jsonb": ['{"b": [1, 2.50], "a": null}'],
    "xml": ["<a>b</a>"],
    "inet": ["192.168.0.1/24", "::1"],
    "cidr": ["10.0.0.0/8"],
    "macaddr": ["08:00:2b:01:02:03"],
    "macaddr8": ["08:00:2b:01:02:03:04:05"],
    "bit(3)": ["101"],
    "varbit": ["10101"],
    "money": ["$1,234.56"],
    "point": ["(1,2.5)"],
    "polygon": ["((0,0),(1,1),(2,0))"],
    "line": ["{1,-1,0.5}"],
    "lseg": ["[(0,0),(1,1)]"],
    "box": ["(2,2),(1,1)"],
    "path": ["((0,0),(1,1))", "[(0,0),(1,1)]"],
    "circle": ["<(1,2),3.5>"],
    "tsvector": ["'fat':2 'rat':3"],
    "tsquery": ["'fat' & 'rat'"],
    "int4range": ["[1,10)", "empty", "(,)"],
    "tstzrange": ['["2026-01-01 00:00:00+00",infinity)'],
    "numrange": ["(1.5,2.50]"],
    "daterange": ["[2026-01-01,infinity)"],
    "int4multirange": ["{[1,3),[5,9)}"],
    "datemultirange": ["{[2026-01-01,2026-02-01)}", "{}"],
    "jsonpath": ['$."a"[*]?(@ > 1)'],
    '"char"': ["a", "\\377"],
    "xid8": ["18446744073709551615"],
    "pg_lsn": ["16/B374D848"],
    "oid": ["4294967295"],
    "integer[]": ["{1,NULL,3}", "{}"],
    "text[]": ['{"a \\"b\\"",NULL,"NULL",""}'],
    "numeric(12,2)[]": ["{1.50,-2.00}"],
    "timestamptz[]": ['{"2026-01-31 00:00:00+00",infinity}'],
    "mood": ["happy", "so so"],
    "mood[]": ['{happy,"so so"}'],
    "boolean[]": ["{t,NULL,f}"],
    "double precision[]": ["{NaN,-Infinity,0.1}"],
    "bytea[]": ['{"\\\\x00ff",NULL}'],
    "uuid[]": ["{00112233-4455-6677-8899-aabbccddeeff}"],
    "date[]": ["{infinity,2026-01-31}"],
    "jsonb[]": ['{"{\\"a\\": 1}",NULL}'],
    "interval[]": ['{"1 year -2 days",NULL}'],
    "char(3)[]": ['{"a  ",NULL}'],
    "varchar(3)[]": ["{abc,NULL}"],
    "bit(3)[]": ["{101,NULL}"],
    "inet[]": ['{10.0.0.1/8,NULL,"::1"}', "{}"],
    "int4range[]": ['{"[1,5)",empty}'],
    "pair[]": ['{"(1,\\"a b\\")",NULL}'],
    "box[]": ["{(2,2),(1,1);(4,4),(3,3)}"],
    "timestamp(3)": ["2026-01-31 01:02:03.004"],
    "time(0)": ["01:02:03"],
    "interval(0)": ["1 day 00:00:01"],
    "tags": ['{a,"b c"}'],
    "positive": ["7"],
    "pair": ['(1,"a b")', "(,)"],
    '"Odd Type"': ["x"],
}


def make_types(database):
    database.execute("CREATE TYPE mood AS ENUM ('happy', 'so so')")
    database.execute('CREATE TYPE "Odd Type" AS ENUM (\'x\')')
    database.execute("CREATE DOMAIN positive AS numeric(12,2) CHECK (VALUE > 0)")
    database.execute("CREATE TYPE pair AS (a int, b text)")
    database.execute("CREATE DOMAIN tags AS text[]")


def make_zoo(database, table):
    make_types(database)
    columns = ", ".join(f'c{i} {name}' for i, name in enumerate(ZOO))
    database.execute(f"CREATE TABLE {table}(id int PRIMARY KEY, {columns})")
    for row in range(max(len(values) for values in ZOO.values()) + 1):
        values = [values[row] if row < len(values) else None for values in ZOO.values()]
        marks = ", ".join(f"%s::{name}" for name in ZOO)
        database.execute(f"INSERT INTO {table} VALUES ({row}, {marks})", values)


def texts(database, table):
    """What psql prints: every column cast to text by the server."""
    columns = ", ".join(f"c{i}::text" for i in range(len(ZOO)))
    database.execute("SET timezone = 'UTC'")
    return database.rows(f"SELECT id, {columns} FROM {table} ORDER BY id")
