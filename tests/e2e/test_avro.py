"""Avro files of others read, ours read by others: fastavro is the judge, pyarrow of what became of the values."""
import datetime
import decimal
import io
import json
import math
import uuid

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

fastavro = pytest.importorskip("fastavro")

ROWS = 1000
UTC = datetime.timezone.utc


def record(*fields):
    return {"type": "record", "name": "r", "fields": [{"name": name, "type": kind} for name, kind in fields]}


def write(path, schema, rows, codec="null", **options):
    with open(path, "wb") as out:
        fastavro.writer(out, schema, rows, codec=codec, **options)


def written(path):
    """Schema and rows of a file that Sluice wrote."""
    with open(path, "rb") as file:
        reader = fastavro.reader(file)
        return reader.writer_schema, list(reader)


def read(sluice, source="in.avro", select="*", options=""):
    """What Sluice makes of a file, as Parquet says it."""
    sluice.sql(f"INSERT INTO file('out.parquet') SELECT {select} FROM file('{source}'{options})")
    table = pq.read_table(sluice.folder / "out.parquet")
    (sluice.folder / "out.parquet").unlink()
    return table


def logical(kind, name, **more):
    return {"type": kind, "logicalType": name, **more}


MOMENT = datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
# Avro type, value as fastavro takes it, value as pyarrow gives it.
VALUES = {
    "boolean": ("boolean", True, True),
    "int": ("int", -(2**31), -(2**31)),
    "long": ("long", 2**53 + 1, 2**53 + 1),
    "float": ("float", 0.5, 0.5),
    "double": ("double", 5e-324, 5e-324),
    "bytes": ("bytes", b"\0\xff", b"\0\xff"),
    "string": ("string", "日本 😀", "日本 😀"),
    "enum": ({"type": "enum", "name": "e", "symbols": ["red", "green"]}, "green", "green"),
    "fixed": ({"type": "fixed", "name": "f", "size": 3}, b"abc", b"abc"),
    "array": ({"type": "array", "items": ["null", "long"]}, [1, None, 3], [1, None, 3]),
    "map": ({"type": "map", "values": "double"}, {"a": 1.5}, [("a", 1.5)]),
    "struct": ({"type": "record", "name": "s", "fields": [{"name": "x", "type": "int"}, {"name": "y", "type": ["null", "string"]}]}, {"x": 1, "y": None}, {"x": 1, "y": None}),
    "decimal": (logical("bytes", "decimal", precision=38, scale=10), decimal.Decimal("-1234567890123456789012345678.0123456789"), decimal.Decimal("-1234567890123456789012345678.0123456789")),
    "decimal_fixed": ({"type": "fixed", "name": "d", "size": 6, "logicalType": "decimal", "precision": 12, "scale": 2}, decimal.Decimal("-0.01"), decimal.Decimal("-0.01")),
    "decimal_large": (logical("bytes", "decimal", precision=60, scale=3), decimal.Decimal("9" * 50 + ".123"), decimal.Decimal("9" * 50 + ".123")),
    "uuid": (logical("string", "uuid"), uuid.UUID(int=7), str(uuid.UUID(int=7))),
    "uuid_fixed": ({"type": "fixed", "name": "u", "size": 16, "logicalType": "uuid"}, bytes(range(16)), str(uuid.UUID(bytes=bytes(range(16))))),
    # A scale in each value: no type of a column. Its bytes are the number's length, the number and the scale.
    "big_decimal": (logical("bytes", "big-decimal"), b"\x04\x04\xd2\x04", b"\x04\x04\xd2\x04"),
    "date": (logical("int", "date"), datetime.date(1900, 1, 1), datetime.date(1900, 1, 1)),
    "time_millis": (logical("int", "time-millis"), datetime.time(23, 59, 59, 999000), datetime.time(23, 59, 59, 999000)),
    "time_micros": (logical("long", "time-micros"), datetime.time(1, 2, 3, 4), datetime.time(1, 2, 3, 4)),
    "timestamp_millis": (logical("long", "timestamp-millis"), MOMENT.replace(microsecond=999000), MOMENT.replace(microsecond=999000)),
    "timestamp_micros": (logical("long", "timestamp-micros"), MOMENT, MOMENT),
    "local_millis": (logical("long", "local-timestamp-millis"), datetime.datetime(2026, 2, 28, 12), datetime.datetime(2026, 2, 28, 12)),
    "local_micros": (logical("long", "local-timestamp-micros"), datetime.datetime(1900, 1, 1, 0, 0, 0, 1), datetime.datetime(1900, 1, 1, 0, 0, 0, 1)),
}


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("nullable", [False, True])
def test_every_type_of_fastavro_is_read(sluice, kind, nullable):
    avro, given, wanted = VALUES[kind]
    rows = [{"v": given}, {"v": None}, {"v": given}] if nullable else [{"v": given}] * 3
    write(sluice.folder / "in.avro", record(("v", ["null", avro] if nullable else avro)), rows)
    if kind == "decimal_large":  # more digits than SQL has: passed through as they are
        table = read(sluice)
    else:
        table = read(sluice, select="v")
    assert table["v"].to_pylist() == [wanted, None if nullable else wanted, wanted]


def test_nanoseconds_are_read_and_written(sluice):
    table = pa.table({"at": pa.array([1, -1, None], pa.timestamp("ns", "UTC")), "here": pa.array([2, None, -2], pa.timestamp("ns"))})
    pq.write_table(table, sluice.folder / "in.parquet")
    sluice.sql("INSERT INTO file('mid.avro') SELECT * FROM file('in.parquet')")
    schema, rows = written(sluice.folder / "mid.avro")
    assert [field["type"][1]["logicalType"] for field in schema["fields"]] == ["timestamp-nanos", "local-timestamp-nanos"]
    assert [row["at"] for row in rows] == [1, -1, None]  # fastavro hands nanoseconds out as they are
    assert read(sluice, "mid.avro").equals(table)


def test_durations_are_intervals(sluice):
    schema = record(("v", {"type": "fixed", "name": "d", "size": 12, "logicalType": "duration"}))
    value = (14).to_bytes(4, "little") + (3).to_bytes(4, "little") + (1500).to_bytes(4, "little")
    write(sluice.folder / "in.avro", schema, [{"v": value}])
    sluice.sql("INSERT INTO file('out.avro') SELECT * FROM file('in.avro')")
    schema, rows = written(sluice.folder / "out.avro")
    assert rows == [{"v": value}] and schema["fields"][0]["type"]["logicalType"] == "duration"
    assert read(sluice, select="v::VARCHAR AS v")["v"].to_pylist() == ["1 year 2 months 3 days 00:00:01.5"]


def test_unions_become_structs_and_go_back(sluice):
    schema = record(("v", ["null", "int", "string", {"type": "array", "items": "long"}]))
    rows = [{"v": 1}, {"v": "a"}, {"v": None}, {"v": [1, 2]}]
    write(sluice.folder / "in.avro", schema, rows)
    assert read(sluice)["v"].to_pylist() == [
        {"member0": 1, "member1": None, "member2": None},
        {"member0": None, "member1": "a", "member2": None},
        None,
        {"member0": None, "member1": None, "member2": [1, 2]},
    ]
    (sluice.folder / "r.avsc").write_text(json.dumps(schema))
    sluice.sql("INSERT INTO file('out.avro', schema_file := 'r.avsc') SELECT * FROM file('in.avro')")
    assert written(sluice.folder / "out.avro")[1] == rows


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2", "xz", "snappy", "zstandard"])
def test_every_codec_both_ways(sluice, codec):
    rows = [{"id": i, "s": f"name {i % 7}" * 5} for i in range(ROWS)]
    schema = record(("id", "long"), ("s", "string"))
    try:
        write(sluice.folder / "in.avro", schema, rows, codec, sync_interval=4000)
    except ValueError:
        pytest.skip(f"this fastavro has no {codec}")
    assert read(sluice).to_pylist() == rows
    sluice.sql(f"INSERT INTO file('out.avro', compression := '{codec}', block_bytes := '4KB') SELECT * FROM file('in.avro')")
    schema, back = written(sluice.folder / "out.avro")
    assert back == rows
    assert codec.encode() in (sluice.folder / "out.avro").read_bytes()[:400]
    assert fastavro.block_reader is not None
    with open(sluice.folder / "out.avro", "rb") as file:
        assert len(list(fastavro.block_reader(file))) > 5


def test_what_is_written_others_read(sluice):
    table = pa.table({
        "i": pa.array([1, None, -(2**63)], pa.int64()),
        "small": pa.array([1, 2, None], pa.int16()),
        "u": pa.array([2**64 - 1, None, 0], pa.uint64()),
        "f": pa.array([float("nan"), float("-inf"), None]),
        "s": pa.array(["", None, "😀"]),
        "b": pa.array([b"", None, b"\0"]),
        "d": pa.array([decimal.Decimal("-1.50"), None, decimal.Decimal("9" * 36 + ".99")], pa.decimal128(38, 2)),
        "t": pa.array([datetime.time(1), None, datetime.time(2)], pa.time64("us")),
        "day": pa.array([datetime.date(1969, 1, 1), None, datetime.date(2026, 1, 1)]),
        "at": pa.array([MOMENT, None, MOMENT], pa.timestamp("us", "UTC")),
        "nested": pa.array([{"x": 1, "l": [{"y": "a"}, None]}, None, {"x": None, "l": []}], pa.struct([("x", pa.int32()), ("l", pa.list_(pa.struct([("y", pa.string())])))])),
        "m": pa.array([[("a", 1)], None, []], pa.map_(pa.string(), pa.int64())),
        "im": pa.array([[(1, "a")], None, []], pa.map_(pa.int64(), pa.string())),
    })
    pq.write_table(table, sluice.folder / "in.parquet")
    sluice.sql("INSERT INTO file('out.avro') SELECT * FROM file('in.parquet')")
    schema, rows = written(sluice.folder / "out.avro")
    assert math.isnan(rows[0]["f"]) and rows[1]["f"] == -math.inf
    assert [row["u"] for row in rows] == [2**64 - 1, None, 0]
    for name in ("i", "small", "s", "b", "d", "t", "day", "at", "nested"):
        assert [row[name] for row in rows] == table[name].to_pylist(), name
    assert [row["m"] for row in rows] == [{"a": 1}, None, {}]
    assert [row["im"] for row in rows] == [[{"key": 1, "value": "a"}], None, []]
    back = read(sluice, "out.avro")
    for name in ("d", "nested", "m", "im", "at", "t"):
        assert back[name].equals(table[name]), name


def test_names_that_avro_does_not_allow_come_back(sluice):
    sluice.sql("INSERT INTO file('out.avro') SELECT 1 AS \"a b\", 2 AS \"1st\", 3 AS \"größe\"")
    schema, rows = written(sluice.folder / "out.avro")
    assert rows == [{"a_x20b": 1, "_1st": 2, "gr_xC3_xB6_xC3_x9Fe": 3}]
    assert read(sluice, "out.avro").column_names == ["a b", "1st", "größe"]
    error = sluice.fails("run", "-e", "INSERT INTO file('two.avro') SELECT 1 AS \"a b\", 2 AS a_x20b")
    assert "'a b' and 'a_x20b' would both be named a_x20b" in error


def test_a_reader_schema_resolves(sluice):
    write(sluice.folder / "in.avro", record(("id", "int"), ("old", "string"), ("gone", "bytes"), ("e", {"type": "enum", "name": "c", "symbols": ["a", "z"]})), [{"id": 7, "old": "x", "gone": b"g", "e": "z"}])
    reader = {
        "type": "record",
        "name": "r",
        "fields": [
            {"name": "added", "type": "string", "default": "none"},
            {"name": "renamed", "type": "bytes", "aliases": ["old"]},
            {"name": "id", "type": ["null", "double"]},
            {"name": "e", "type": {"type": "enum", "name": "c", "symbols": ["a", "other"], "default": "other"}},
            {"name": "list", "type": {"type": "array", "items": "int"}, "default": [1, 2]},
        ],
    }
    (sluice.folder / "r.avsc").write_text(json.dumps(reader))
    rows = read(sluice, options=", schema_file := 'r.avsc'").to_pylist()
    assert rows == [{"added": "none", "renamed": b"x", "id": 7.0, "e": "other", "list": [1, 2]}]


def test_schemas_that_do_not_resolve_say_which_field(sluice):
    write(sluice.folder / "in.avro", record(("id", "string")), [{"id": "7"}])
    (sluice.folder / "r.avsc").write_text(json.dumps(record(("id", "long"))))
    error = sluice.fails("run", "-e", "SELECT * FROM file('in.avro', schema_file := 'r.avsc')")
    assert "in.avro: field id: string cannot be read as long" in error
    (sluice.folder / "r.avsc").write_text(json.dumps(record(("id", "string"), ("more", "long"))))
    error = sluice.fails("run", "-e", "SELECT * FROM file('in.avro', schema_file := 'r.avsc')")
    assert "field more: it was not written, and the reader schema gives no default" in error


def test_files_with_different_schemas_are_one_table(sluice):
    write(sluice.folder / "a.avro", record(("id", "int"), ("a", "string")), [{"id": 1, "a": "x"}])
    write(sluice.folder / "b.avro", record(("b", "double"), ("id", "long")), [{"id": 2**40, "b": 0.5}])
    assert read(sluice, "*.avro").to_pylist() == [{"id": 1, "a": "x", "b": None}, {"id": 2**40, "a": None, "b": 0.5}]


def test_a_recursive_schema_is_refused_clearly(sluice):
    schema = {"type": "record", "name": "Node", "fields": [{"name": "v", "type": "int"}, {"name": "next", "type": ["null", "Node"]}]}
    write(sluice.folder / "in.avro", schema, [{"v": 1, "next": {"v": 2, "next": None}}])
    error = sluice.fails("run", "-e", "SELECT * FROM file('in.avro')")
    assert 'field "next": record Node holds itself' in error and "schema_file" in error
    (sluice.folder / "r.avsc").write_text(json.dumps(record(("v", "int"))))
    assert read(sluice, options=", schema_file := 'r.avsc'").to_pylist() == [{"v": 1}]


def make_blocks(path, codec="null"):
    write(path, record(("id", "long"), ("s", "string")), [{"id": i, "s": f"row {i}"} for i in range(ROWS)], codec, sync_interval=1000)
    return path.read_bytes()


@pytest.mark.parametrize(
    "damage, wanted",
    [
        (lambda b: b[:-200], "was cut short"),
        (lambda b: b[:-5], "was cut short"),
        (lambda b: b[:100], "it ends within its header"),
        (lambda b: b"", "it is empty (0 bytes)"),
        (lambda b: b"PAR1" + b[4:], "does not begin with 'Obj'"),
        (lambda b: b[:-3] + b"xyz", "the sync marker behind it is wrong"),
        (lambda b: b.replace(b"null", b"lzma"), "unknown codec 'lzma'; those that can be read are null, deflate, snappy"),
    ],
)
def test_damaged_files_are_one_clear_sentence(sluice, damage, wanted):
    path = sluice.folder / "in.avro"
    path.write_bytes(damage(make_blocks(path)))
    error = sluice.fails("run", "-e", "INSERT INTO file('out.parquet') SELECT * FROM file('in.avro')")
    assert wanted in error and "in.avro" in error


def test_a_wrong_checksum_is_noticed(sluice):
    path = sluice.folder / "in.avro"
    good = make_blocks(path, "snappy")
    path.write_bytes(good[:-17] + bytes([good[-17] ^ 1]) + good[-16:])
    error = sluice.fails("run", "-e", "INSERT INTO file('out.parquet') SELECT * FROM file('in.avro')")
    assert "CRC32" in error and "block" in error and "after row" in error


def test_large_files_are_cut_at_blocks(sluice):
    rows = [{"id": i, "s": "x" * 100} for i in range(50_000)]
    write(sluice.folder / "in.avro", record(("id", "long"), ("s", "string")), rows)
    sluice.sql("INSERT INTO file('out/', format := 'parquet') SELECT * FROM file('in.avro', split_bytes := '1MB')", env={"SLUICE_LANES": "2"})
    ids = pq.read_table(sluice.folder / "out")["id"].to_pylist()
    assert sorted(ids) == list(range(50_000))


def test_columns_nobody_asks_for_are_skipped(sluice):
    write(sluice.folder / "in.avro", record(("a", {"type": "array", "items": {"type": "map", "values": ["null", "bytes"]}}), ("id", "long"), ("s", ["null", {"type": "record", "name": "q", "fields": [{"name": "x", "type": "int"}, {"name": "y", "type": "string"}]}])), [{"a": [{"k": b"v", "n": None}, {}], "id": i, "s": {"x": i, "y": "y"} if i % 2 else None} for i in range(10)])
    assert read(sluice, select="id").to_pylist() == [{"id": i} for i in range(10)]
    assert read(sluice, select="s.y AS y").to_pylist() == [{"y": "y" if i % 2 else None} for i in range(10)]
    assert read(sluice, select="count(*) AS n").to_pylist() == [{"n": 10}]


def test_field_ids_stay(sluice):
    schema = {"type": "record", "name": "r", "fields": [
        {"name": "id", "type": "long", "field-id": 1},
        {"name": "l", "type": {"type": "array", "items": "int", "element-id": 3}, "field-id": 2},
        {"name": "m", "type": {"type": "map", "values": "int", "key-id": 5, "value-id": 6}, "field-id": 4},
    ]}
    write(sluice.folder / "in.avro", schema, [{"id": 1, "l": [1], "m": {"a": 1}}])
    sluice.sql("INSERT INTO file('out.avro') SELECT * FROM file('in.avro')")
    back = json.loads(dict(fastavro.reader(open(sluice.folder / "out.avro", "rb")).metadata)["avro.schema"])
    by_name = {field["name"]: field for field in back["fields"]}
    assert [by_name[name]["field-id"] for name in ("id", "l", "m")] == [1, 2, 4]
    assert by_name["l"]["type"]["element-id"] == 3
    assert (by_name["m"]["type"]["key-id"], by_name["m"]["type"]["value-id"]) == (5, 6)


def test_a_writer_schema_is_kept_to(sluice):
    schema = record(("id", "int"), ("kind", {"type": "enum", "name": "k", "symbols": ["a", "b"]}), ("key", {"type": "fixed", "name": "u", "size": 16, "logicalType": "uuid"}))
    schema["fields"].append({"name": "extra", "type": "string", "default": "dflt"})
    (sluice.folder / "w.avsc").write_text(json.dumps(schema))
    key = "00000000-0000-0000-0000-000000000007"
    insert = "INSERT INTO file('{}', schema_file := 'w.avsc') SELECT {}::BIGINT AS id, '{}' AS kind, '{}' AS key"
    sluice.sql(insert.format("out.avro", 1, "b", key))
    _, rows = written(sluice.folder / "out.avro")
    assert rows[0]["id"] == 1 and rows[0]["kind"] == "b" and rows[0]["extra"] == "dflt"
    assert "'c' is no symbol of enum k" in sluice.fails("run", "-e", insert.format("b.avro", 1, "c", key))
    assert "does not fit" in sluice.fails("run", "-e", insert.format("c.avro", 2**40, "a", key))
    assert "text that is no UUID" in sluice.fails("run", "-e", insert.format("d.avro", 1, "a", "7"))
    assert "no field for column 'more'" in sluice.fails("run", "-e", insert.format("e.avro", 1, "a", key) + ", 1 AS more")
    assert "NULL" in sluice.fails("run", "-e", "INSERT INTO file('f.avro', schema_file := 'w.avsc') SELECT NULL::INT AS id, 'a' AS kind, '" + key + "' AS key")
    assert "a column 'kind'" in sluice.fails("run", "-e", "INSERT INTO file('g.avro', schema_file := 'w.avsc') SELECT 1 AS id")


def test_the_same_rows_make_the_same_bytes(sluice):
    for name in ("a", "b"):
        sluice.sql(f"INSERT INTO file('{name}.avro') SELECT 1 AS x UNION ALL SELECT 2 ORDER BY 1")
    assert (sluice.folder / "a.avro").read_bytes() == (sluice.folder / "b.avro").read_bytes()


def test_a_file_without_rows_is_a_file(sluice):
    write(sluice.folder / "in.avro", record(("id", "long")), [])
    sluice.sql("INSERT INTO file('out.avro') SELECT * FROM file('in.avro')")
    schema, rows = written(sluice.folder / "out.avro")
    assert rows == [] and [field["name"] for field in schema["fields"]] == ["id"]
    assert io.BytesIO((sluice.folder / "out.avro").read_bytes()).read(4) == b"Obj\x01"
