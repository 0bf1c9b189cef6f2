"""Every format × compression × place: hard values written by sluice and judged by others, and the other way round.

What a format cannot hold is an error, or it becomes what POLICY says (the format's reference says it too); it is never
silently another value or NULL. Judges: pyarrow (parquet, orc, arrow), duckdb (csv), Python's json, fastavro.
"""
import base64
import datetime
import decimal
import gzip
import io
import json
import math
import pathlib
import sys

import duckdb
import fastavro
import numpy
import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.orc
import pyarrow.parquet
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "script"))
from codecs_of_others import compressed, decompressed  # noqa: E402

LONG = "sluice 日本 " * 1000 + "".join(chr(97 + i % 26) * 1000 for i in range(10_500))  # 10.5 MB; bzip2 is slow on other repetition

# Row by row: a hard value, its negative or small relative, zero or empty, NULL.
DECIMAL = decimal.Context(prec=100)
VALUES = {
    "i8": (pa.int8(), [127, -128, 0, None]),
    "i32": (pa.int32(), [2**31 - 1, -(2**31), 0, None]),
    "i64": (pa.int64(), [2**53 + 1, -(2**63), 2**63 - 1, None]),
    "u8": (pa.uint8(), [255, 0, 1, None]),
    "u16": (pa.uint16(), [2**16 - 1, 0, 1, None]),
    "u32": (pa.uint32(), [2**32 - 1, 0, 1, None]),
    "u64": (pa.uint64(), [2**64 - 1, 2**53 + 1, 0, None]),
    "f32": (pa.float32(), [3.4028235e38, -0.0, 1e-45, None]),
    "f64": (pa.float64(), [0.1, -0.0, 5e-324, None]),
    "nan": (pa.float64(), [math.nan, math.inf, -math.inf, None]),
    "d9": (pa.decimal128(9, 2), [decimal.Decimal("1234567.89"), decimal.Decimal("-0.01"), decimal.Decimal("0.00"), None]),
    "d38": (
        pa.decimal128(38, 10),
        [decimal.Decimal("1234567890123456789012345678.0123456789"), DECIMAL.create_decimal("-0.0000000001"), decimal.Decimal("0E-10"), None],
    ),
    "d76": (pa.decimal256(76, 3), [DECIMAL.create_decimal("9" * 73 + ".001"), decimal.Decimal("-0.001"), decimal.Decimal("0.000"), None]),
    "ts_s": (pa.timestamp("s"), [-1, -2208988800, 0, None]),
    "ts_ms": (pa.timestamp("ms"), [-1, -2208988799999, 1, None]),
    "ts_us": (pa.timestamp("us"), [-1, -2208988799999999, 4102444800000001, None]),
    "ts_ns": (pa.timestamp("ns"), [-1, -2208988799999999999, 4102444800000000001, None]),
    "tz_utc": (pa.timestamp("us", "UTC"), [-1, -2208988799999999, 1772280000000000, None]),
    "tz_berlin": (pa.timestamp("us", "Europe/Berlin"), [-1, 1743296399999999, 1743296400000000, None]),
    "tz_ns": (pa.timestamp("ns", "America/St_Johns"), [-1, 1, 1772280000000000001, None]),
    "date": (pa.date32(), [-719162, 2932896, -1, None]),
    "time": (pa.time64("us"), [0, 86399999999, 1, None]),
    "took": (pa.duration("us"), [-1, 86400000000, 0, None]),
    "flag": (pa.bool_(), [True, False, True, None]),
    "text": (pa.string(), ["日本語 😀 e\u0301", " a,b;\"c\"\t'd'\\ ", "", None]),
    "like_null": (pa.string(), ["null", "NULL", "NaN", None]),
    "lines": (pa.string(), ["line\nfeed", "carriage\r\nreturn", "\u0001\u001f\u2028", None]),
    "blob": (pa.binary(), [b"\x00\xff\n\"", b"plain", b"", None]),
    "list": (pa.list_(pa.int64()), [[2**53 + 1, None], [], [0], None]),
    "struct": (
        pa.struct([("x", pa.string()), ("y", pa.list_(pa.float64()))]),
        [{"x": "ä", "y": [0.1, None]}, {"x": None, "y": []}, {"x": "", "y": None}, None],
    ),
    "structs": (pa.list_(pa.struct([("n", pa.int64()), ("s", pa.string())])), [[{"n": -(2**63), "s": "a"}, None], [], [{"n": None, "s": ""}], None]),
    "map": (pa.map_(pa.string(), pa.int64()), [[("a", 2**53 + 1), ("ä", None)], [], [("", 0)], None]),
    "long": (pa.string(), ["short", LONG, "", None]),
}
NANOS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


def table_of(names):
    columns = {"id": pa.array(range(4), pa.int64())}
    for name in names:
        type, values = VALUES[name]
        columns[name] = pa.array(values, type)
    return pa.table(columns)


def plain(value, type):
    """A value as something that compares: exact numbers, nanoseconds, text of floats (so that -0.0 and NaN count)."""
    if value is None:
        return None
    if pa.types.is_timestamp(type):
        return value * NANOS[type.unit]
    if pa.types.is_floating(type):
        return repr(float(value))
    if pa.types.is_list(type):
        return [plain(item, type.value_type) for item in value]
    if pa.types.is_struct(type):
        return {field.name: plain(value[field.name], field.type) for field in type}
    if pa.types.is_map(type):
        return [(plain(key, type.key_type), plain(item, type.item_type)) for key, item in value]
    return value


def of_arrow(column):
    """A column that pyarrow read, in the same form."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    type = column.type
    if pa.types.is_dictionary(type):
        return of_arrow(column.dictionary_decode())
    if pa.types.is_timestamp(type) or pa.types.is_duration(type) or pa.types.is_time64(type):
        values = column.cast(pa.int64()).to_pylist()
    elif pa.types.is_date32(type):
        values = column.cast(pa.int32()).to_pylist()
    else:
        values = column.to_pylist()
    return [plain(value, type) for value in values]


def expected(name, policy):
    type, values = VALUES[name]
    values = pa.array(values, type).to_pylist() if pa.types.is_float32(type) else values
    values = [plain(value, type) for value in values]
    change = policy.get(name)
    return values if change is None else [None if value is None else change(value) for value in values]


# Judges: bytes of a file → {column: [value, …]}, compared after the same normalisation.


def judge_parquet(data):
    table = pa.parquet.read_table(pa.BufferReader(data))
    return {name: of_arrow(table[name]) for name in table.column_names}


def judge_orc(data):
    table = pa.orc.ORCFile(pa.BufferReader(data)).read()
    return {name: of_arrow(table[name]) for name in table.column_names}


def judge_arrow(data):
    reader = pa.ipc.open_file if data.startswith(b"ARROW1") else pa.ipc.open_stream
    table = reader(pa.BufferReader(data)).read_all()
    return {name: of_arrow(table[name]) for name in table.column_names}


def nanos_of_text(text):
    """Nanoseconds since 1970 of an ISO timestamp with up to nine digits behind the dot; zone Z, an offset or none."""
    if text is None:
        return None
    text = text.replace(" ", "T")
    zone = 0
    if text.endswith("Z"):
        text = text[:-1]
    elif text[-6] in "+-" and text[-3] == ":":
        zone = (1 if text[-6] == "+" else -1) * (int(text[-5:-3]) * 3600 + int(text[-2:]) * 60)
        text = text[:-6]
    head, _, fraction = text.partition(".")
    days = datetime.datetime.fromisoformat(head) - datetime.datetime(1970, 1, 1)
    return (days.days * 86400 + days.seconds - zone) * 10**9 + int(fraction.ljust(9, "0") or 0)


def parse_text(name, text):
    """What a text format wrote for a column, as the plain value it stands for."""
    type = VALUES[name][0]
    if text is None:
        return None
    if pa.types.is_integer(type):
        return int(text)
    if pa.types.is_float32(type):
        return repr(float(numpy.float32(text)))
    if pa.types.is_floating(type):
        return repr(float(str(text).replace("Infinity", "inf")))
    if pa.types.is_decimal(type):
        return DECIMAL.create_decimal(str(text))
    if pa.types.is_timestamp(type):
        return nanos_of_text(text)
    if pa.types.is_date32(type):
        return (datetime.date.fromisoformat(text) - datetime.date(1970, 1, 1)).days
    if pa.types.is_time64(type):
        time = datetime.time.fromisoformat(text)
        return ((time.hour * 60 + time.minute) * 60 + time.second) * 10**6 + time.microsecond
    if pa.types.is_boolean(type):
        return {"true": True, "false": False}[str(text).lower()]
    if pa.types.is_nested(type):
        return nested(json.loads(text, parse_float=str) if isinstance(text, str) else text, type)
    return text


def nested(value, type):
    if value is None:
        return None
    if pa.types.is_list(type):
        return [nested(item, type.value_type) for item in value]
    if pa.types.is_struct(type):
        return {field.name: nested(value.get(field.name), field.type) for field in type}
    if pa.types.is_map(type):
        return [(key, nested(item, type.item_type)) for key, item in value.items()]
    return repr(float(value)) if pa.types.is_floating(type) else value


def judge_json(data):
    rows = [json.loads(line, parse_float=str) for line in data.decode().split("\n") if line]
    return {name: [row["id"] if name == "id" else parse_text(name, row[name]) for row in rows] for name in rows[0]}


def judge_csv(data, folder=None):
    path = pathlib.Path(folder) / "judged.csv"
    path.write_bytes(data)
    # A quoted empty value is text, an unquoted one NULL.
    table = duckdb.sql(
        f"SELECT * FROM read_csv('{path}', all_varchar = true, header = true, delim = ',', quote = '\"', escape = '\"',"
        " nullstr = '', allow_quoted_nulls = false, max_line_size = 40000000, new_line = '\\n', strict_mode = false)"
    ).arrow()
    table = table.read_all() if hasattr(table, "read_all") else table
    return {
        name: [int(v) if name == "id" else parse_text(name, v) for v in table[name].to_pylist()] for name in table.column_names
    }


def judge_avro(data):
    reader = fastavro.reader(io.BytesIO(data))
    rows = list(reader)
    return {name: [row[name] if name == "id" else of_avro(name, row[name]) for row in rows] for name in rows[0]}


def of_avro(name, value):
    type = VALUES[name][0]
    if value is None:
        return None
    if isinstance(value, datetime.datetime):
        since = value.replace(tzinfo=None) - datetime.datetime(1970, 1, 1)
        return (since.days * 86400 + since.seconds) * 10**9 + since.microseconds * 1000
    if isinstance(value, datetime.date):
        return (value - datetime.date(1970, 1, 1)).days
    if isinstance(value, datetime.time):
        return ((value.hour * 60 + value.minute) * 60 + value.second) * 10**6 + value.microsecond
    if pa.types.is_map(type):
        return list(value.items())
    if pa.types.is_timestamp(type):
        return value  # fastavro has no timestamp-nanos: the number
    return plain(value, type)


class Format:
    def __init__(self, name, judge, codecs, refused=(), policy=None, options=None, inside=True):
        self.name, self.judge, self.codecs, self.inside = name, judge, codecs, inside
        self.refused = dict(refused)  # column → what the error says
        self.policy = policy or {}  # column → what its values become
        self.options = options or {}

    def columns(self):
        return [name for name in VALUES if name not in self.refused]


STREAM_CODECS = ["none", "gzip", "zstd", "lz4", "bzip2", "snappy"]
FORMATS = {
    "parquet": Format("parquet", judge_parquet, ["none", "snappy", "gzip", "zstd", "lz4", "brotli"]),
    "orc": Format(
        "orc",
        judge_orc,
        ["none", "zlib", "snappy", "lz4", "zstd"],
        refused={"d76": "DECIMAL(76,3)", "time": "TIME", "took": "INTERVAL"},
        policy={"u64": decimal.Decimal},
    ),
    "arrow": Format("arrow", judge_arrow, ["none", "lz4", "zstd"]),
    "arrow_stream": Format("arrow", judge_arrow, ["none", "zstd"], options={"layout": "stream"}),
    "avro": Format("avro", judge_avro, ["none", "deflate", "snappy", "zstd", "bzip2", "xz"], refused={"took": "INTERVAL"}),
    "json": Format("json", judge_json, STREAM_CODECS, refused={"nan": "nan is not a JSON number", "took": "INTERVAL"}, policy={"blob": lambda value: base64.b64encode(value).decode()}, inside=False),
    "csv": Format("csv", judge_csv, STREAM_CODECS, refused={"took": "INTERVAL"}, policy={"blob": lambda value: "\\x" + value.hex()}, inside=False),
}


class Folder:
    """Files of this machine. Another place needs location() and a way to put and get an object."""

    def __init__(self, path):
        self.path = path

    def location(self, name, **options):
        given = "".join(f", {key} := '{value}'" for key, value in options.items())
        return f"file('{self.path / name}'{given})"

    def put(self, name, data):
        (self.path / name).write_bytes(data)

    def get(self, name):
        return (self.path / name).read_bytes()

    def names(self):
        return [path.name for path in self.path.iterdir()]


class Objects:
    """Objects of a bucket. The long values make them larger than what is sent at once."""

    def __init__(self, bucket):
        self.bucket = bucket

    def location(self, name, **options):
        return self.bucket.at(name, ", ".join(f"{key} := '{value}'" for key, value in options.items()))

    def put(self, name, data):
        self.bucket.put(name, data)

    def get(self, name):
        return self.bucket.get(name)

    def names(self):
        return self.bucket.keys()


@pytest.fixture(params=["file", "s3"])
def place(request, tmp_path, monkeypatch):
    """Where the files lie: a new kind of place is a parameter here."""
    if request.param == "file":
        return Folder(tmp_path)
    bucket = request.getfixturevalue("gateway_bucket")
    for name, value in bucket.env.items():
        monkeypatch.setenv(name, value)
    return Objects(bucket)


def parquet_bytes(table):
    out = io.BytesIO()
    pa.parquet.write_table(table, out, store_schema=True)
    return out.getvalue()


def differences(found, wanted):
    """Short, also where the values are not."""
    return {
        name: (str(found.get(name))[:300], str(values)[:300]) for name, values in wanted.items() if found.get(name) != values
    }


CASES = [(name, codec) for name, format in FORMATS.items() for codec in format.codecs]


@pytest.mark.parametrize("name, codec", CASES, ids=[f"{name}-{codec}" for name, codec in CASES])
def test_what_sluice_writes_others_read(sluice, place, tmp_path, name, codec, record_property):
    format = FORMATS[name]
    columns = format.columns()
    place.put("hard.parquet", parquet_bytes(table_of(columns)))
    target = place.location("out.data", format=format.name, compression=codec, **format.options)
    sluice.sql(f"INSERT INTO {target} SELECT * FROM {place.location('hard.parquet')}")
    data = place.get("out.data")
    if not format.inside and codec != "none":
        data = decompressed(data, codec)
    found = format.judge(data, tmp_path) if name == "csv" else format.judge(data)
    wanted = {"id": [0, 1, 2, 3], **{column: expected(column, format.policy) for column in columns}}
    assert not differences(found, wanted)
    where = type(place).__name__.lower()
    record_property("summary", f"format table: {name} × {codec} × {where}: {len(columns)} hard columns, judged equal")


REFUSED = [(name, column) for name, format in FORMATS.items() for column in format.refused]


@pytest.mark.parametrize("name, column", REFUSED, ids=[f"{name}-{column}" for name, column in REFUSED])
def test_what_a_format_cannot_hold_is_an_error_that_says_so(sluice, place, tmp_path, name, column):
    format = FORMATS[name]
    place.put("hard.parquet", parquet_bytes(table_of([column])))
    target = place.location("out.data", format=format.name, **format.options)
    error = sluice.fails("run", "-e", f"INSERT INTO {target} SELECT * FROM {place.location('hard.parquet')}")
    assert column in error and format.refused[column] in error
    assert "out.data" not in place.names()


# Written by others.


def write_parquet(table, codec):
    out = io.BytesIO()
    pa.parquet.write_table(table, out, compression=codec, row_group_size=3)
    return out.getvalue()


def write_orc(table, codec):
    out = io.BytesIO()
    pa.orc.write_table(table, out, compression=codec)
    return out.getvalue()


def write_arrow(table, codec, new=pa.ipc.new_file):
    out = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=None if codec == "none" else codec)
    # Dictionaries and large types are other writers' habits.
    for column in ("text", "lines"):
        at = table.column_names.index(column)
        table = table.set_column(at, column, table[column].dictionary_encode() if column == "text" else table[column].cast(pa.large_string()))
    with new(out, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=3)
    return out.getvalue()


def write_stream(table, codec):
    return write_arrow(table, codec, pa.ipc.new_stream)


def text_of(value, type):
    if value is None:
        return None
    if pa.types.is_timestamp(type):
        nanos = value * NANOS[type.unit]
        moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=nanos // 10**9)
        return moment.isoformat(sep=" ") + f".{nanos % 10**9:09d}" + ("+00:00" if type.tz else "")
    if pa.types.is_date32(type):
        return str(datetime.date(1970, 1, 1) + datetime.timedelta(days=value))
    if pa.types.is_time64(type):
        return (datetime.datetime.min + datetime.timedelta(microseconds=value)).time().isoformat()
    if pa.types.is_floating(type):
        return repr(value).replace("inf", "Infinity").replace("nan", "NaN")
    if pa.types.is_boolean(type):
        return str(value).lower()
    return str(value)


def text_rows(table):
    for at in range(table.num_rows):
        row = {"id": str(at)}
        for name in table.column_names[1:]:
            type, values = VALUES[name]
            row[name] = values[at] if pa.types.is_nested(type) else text_of(values[at], type)
        yield row


def write_csv(table, codec):
    out = io.StringIO()
    out.write(",".join(table.column_names) + "\n")
    for row in text_rows(table):
        cells = ["" if value is None else '"' + str(value).replace('"', '""') + '"' for value in row.values()]
        out.write(",".join(cells) + "\n")
    data = out.getvalue().encode()
    return data if codec == "none" else compressed(data, codec)


def write_json(table, codec):
    lines = []
    for at, row in enumerate(text_rows(table)):
        cells = []
        for name, value in row.items():
            type = pa.int64() if name == "id" else VALUES[name][0]
            if value is None or pa.types.is_nested(type):
                text = json.dumps(dict(value) if value is not None and pa.types.is_map(type) else value, ensure_ascii=at % 2 == 0)
            elif pa.types.is_integer(type) or pa.types.is_floating(type) or pa.types.is_decimal(type) or pa.types.is_boolean(type):
                text = value
            else:
                text = json.dumps(value, ensure_ascii=at % 2 == 0)
            cells.append(json.dumps(name) + ": " + text)
        lines.append("{" + ", ".join(cells) + "}\n")
    data = "".join(lines).encode()
    return data if codec == "none" else compressed(data, codec)


def logical(type, name, **more):
    return {"type": type, "logicalType": name, **more}


PAIR = {"type": "record", "name": "pair", "fields": [{"name": "n", "type": ["null", "long"]}, {"name": "s", "type": ["null", "string"]}]}
SHAPE = {"name": "x", "type": ["null", "string"]}, {"name": "y", "type": ["null", {"type": "array", "items": ["null", "double"]}]}
AVRO_TYPES = {
    "i32": "int", "i64": "long", "f32": "float", "f64": "double", "nan": "double", "flag": "boolean",
    "d9": logical("bytes", "decimal", precision=9, scale=2), "d38": logical("bytes", "decimal", precision=38, scale=10),
    "d76": logical("bytes", "decimal", precision=76, scale=3), "ts_ms": logical("long", "local-timestamp-millis"),
    "ts_us": logical("long", "local-timestamp-micros"), "ts_ns": logical("long", "local-timestamp-nanos"),
    "tz_utc": logical("long", "timestamp-micros"), "tz_berlin": logical("long", "timestamp-micros"),
    "tz_ns": logical("long", "timestamp-nanos"), "date": logical("int", "date"), "time": logical("long", "time-micros"),
    "text": "string", "like_null": "string", "lines": "string", "long": "string", "blob": "bytes",
    "list": {"type": "array", "items": ["null", "long"]}, "struct": {"type": "record", "name": "shape", "fields": list(SHAPE)},
    "structs": {"type": "array", "items": ["null", PAIR]}, "map": {"type": "map", "values": ["null", "long"]},
}  # fmt: skip


def write_avro(table, codec):
    fields = [{"name": "id", "type": "long"}]
    fields += [{"name": name, "type": ["null", AVRO_TYPES[name]]} for name in table.column_names[1:]]
    rows = []
    for at in range(table.num_rows):
        row = {name: VALUES[name][1][at] for name in table.column_names[1:]}
        rows.append({"id": at, **{k: dict(v) if k == "map" and v is not None else v for k, v in row.items()}})
    out = io.BytesIO()
    # A block each, so that a cut falls between and within them.
    fastavro.writer(out, {"type": "record", "name": "hard", "fields": fields}, rows, codec=codec, sync_interval=1)
    return out.getvalue()


TYPES = {
    "i8": "TINYINT", "i32": "INTEGER", "i64": "BIGINT", "u8": "UTINYINT", "u16": "USMALLINT", "u32": "UINTEGER", "u64": "UBIGINT",
    "f32": "FLOAT", "f64": "DOUBLE", "nan": "DOUBLE", "d9": "DECIMAL(9,2)", "d38": "DECIMAL(38,10)", "ts_s": "TIMESTAMP_S",
    "ts_ms": "TIMESTAMP_MS", "ts_us": "TIMESTAMP", "ts_ns": "TIMESTAMP_NS", "tz_utc": "TIMESTAMPTZ", "tz_berlin": "TIMESTAMPTZ",
    "date": "DATE", "time": "TIME", "flag": "BOOLEAN", "text": "VARCHAR", "like_null": "VARCHAR", "lines": "VARCHAR",
    "list": "BIGINT[]", "struct": "STRUCT(x VARCHAR, y DOUBLE[])", "structs": "STRUCT(n BIGINT, s VARCHAR)[]",
    "map": "MAP(VARCHAR, BIGINT)", "long": "VARCHAR",
}  # fmt: skip
FOREIGN = {
    "parquet": (write_parquet, ["none", "snappy", "gzip", "zstd", "lz4", "brotli"], set(), {}),
    "orc": (write_orc, ["uncompressed", "zlib", "snappy", "lz4", "zstd"], {"d76", "time", "took", "u8", "u16", "u32", "u64"}, {}),
    "arrow": (write_arrow, ["none", "lz4", "zstd"], set(), {}),
    "arrow_stream": (write_stream, ["none", "lz4"], set(), {}),
    "avro": (write_avro, ["null", "deflate", "snappy", "zstandard", "bzip2", "xz"], set(VALUES) - set(AVRO_TYPES), {}),
    "json": (write_json, STREAM_CODECS, {"nan", "blob", "d76", "took", "tz_ns"}, {}),
    "csv": (write_csv, STREAM_CODECS, {"blob", "d76", "took", "tz_ns", "list", "struct", "structs", "map"}, {}),
}
FOREIGN_CASES = [(name, codec) for name, case in FOREIGN.items() for codec in case[1]]


@pytest.mark.parametrize("name, codec", FOREIGN_CASES, ids=[f"{name}-{codec}" for name, codec in FOREIGN_CASES])
def test_what_others_write_sluice_reads(sluice, place, name, codec, record_property):
    write, _, missing, policy = FOREIGN[name]
    columns = [column for column in VALUES if column not in missing]
    place.put("in.data", write(table_of(columns), codec))
    options = {"format": FORMATS[name].name}
    if not FORMATS[name].inside:
        options["columns"] = "id BIGINT, " + ", ".join(f"{column} {TYPES[column]}" for column in columns)
        options["compression"] = codec
    sluice.sql(f"INSERT INTO {place.location('out.parquet')} SELECT * FROM {place.location('in.data', **options)}")
    found = judge_parquet(place.get("out.parquet"))
    wanted = {"id": [0, 1, 2, 3], **{column: expected(column, policy) for column in columns}}
    assert not differences(found, wanted)
    where = type(place).__name__.lower()
    record_property("summary", f"format table: {name} × {codec} × {where}: {len(columns)} hard columns of others, read equal")


@pytest.mark.parametrize("name", ["parquet", "orc", "arrow", "arrow_stream", "avro"])
def test_a_file_cut_short_is_one_clear_sentence(sluice, place, name):
    write, codecs, _, _ = FOREIGN[name]
    data = write(table_of(["i64", "text", "lines"]), codecs[0])
    place.put("in.data", data[:-7])
    location = place.location("in.data", format=FORMATS[name].name)
    error = sluice.fails("run", "-e", f"INSERT INTO {place.location('out.parquet')} SELECT * FROM {location}")
    assert "in.data is not a complete" in error or "it was cut short" in error


def test_orc_times_beyond_nanoseconds_are_an_error_and_not_another_time(sluice, place):
    far = pa.table({"t": pa.array([253402300799999999], pa.timestamp("us"))})
    place.put("in.orc", write_orc(far, "zlib"))
    error = sluice.fails("run", "-e", f"INSERT INTO {place.location('out.parquet')} SELECT * FROM {place.location('in.orc')}")
    assert "out of range" in error and "in.orc" in error


def test_decimals_beyond_38_digits_are_refused_where_a_declared_type_cannot_hold_them(sluice, place):
    place.put("in.csv", b"d\n" + b"9" * 39 + b"\n")
    given = place.location("in.csv", columns="d DECIMAL(38,0)")
    error = sluice.fails("run", "-e", f"INSERT INTO {place.location('out.parquet')} SELECT * FROM {given}")
    assert "in.csv" in error and "DECIMAL(38,0)" in error
