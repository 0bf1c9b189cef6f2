"""Reading and writing buckets on every server there is, judged by boto3, pyarrow, DuckDB and fastavro."""
import contextlib
import datetime
import http.server
import io
import json
import re
import threading

import pyarrow.orc
import pyarrow.parquet
import pytest
from codecs_of_others import decompressed
from delivered import query
from key_layouts import LAYOUTS, TIMES, folder_of, pattern, write_times

from services.s3 import ACCESS_KEY, SECRET_KEY


def lines(*numbers, **more):
    return "".join(json.dumps({"id": number, **more}) + "\n" for number in numbers)


def rows_in(bucket, prefix=""):
    """The rows of all NDJSON objects below the prefix."""
    return [json.loads(line) for key in bucket.keys(prefix) for line in bucket.get(key).decode().splitlines()]


def ids_in(bucket, prefix=""):
    return sorted(row["id"] for row in rows_in(bucket, prefix))


def select(sluice, bucket, sql):
    """The rows of a query as Sluice prints them."""
    out = sluice("run", "--output", "json", "-e", sql, env=bucket.env).stdout
    return [json.loads(line) for line in out.splitlines()]


@pytest.fixture(params=LAYOUTS)
def strategy(request):
    return request.param


def test_each_key_strategy_has_the_seeds_pattern(sluice, bucket, strategy):
    write_times(sluice.folder)
    before = datetime.datetime.now(datetime.UTC)
    into = bucket.at("lake/", f"prefix := 'p', key_strategy := '{strategy}'")
    sluice.sql(f"CREATE TABLE events AS SELECT * FROM file('in.jsonl') INSERT INTO {into}", env=bucket.env)
    after = datetime.datetime.now(datetime.UTC)
    key, = bucket.keys()
    assert any(re.fullmatch("lake/p/" + pattern(strategy, at), key) for at in (before, after)), key
    assert ids_in(bucket) == list(range(len(TIMES)))


def test_records_land_by_their_own_time(sluice, bucket):
    write_times(sluice.folder)
    into = bucket.at("lake/", "key_strategy := 'HivePartitioned', time_column := 'seen'")
    sluice.sql("CREATE TABLE events AS SELECT id, seen::TIMESTAMPTZ AS seen FROM file('in.jsonl', columns := 'id BIGINT, seen VARCHAR') "
               f"INSERT INTO {into}", env=bucket.env)
    expected = {"lake/" + folder_of("HivePartitioned", datetime.datetime.fromisoformat(text).astimezone(datetime.UTC)) for text in TIMES}
    assert {key.rpartition("/")[0] for key in bucket.keys()} == expected
    assert ids_in(bucket) == list(range(len(TIMES)))
    back = select(sluice, bucket, f"SELECT id, collection, hour FROM {bucket.at('lake/')} WHERE year = 2025 AND hour = 11")
    assert back == [{"id": 4, "collection": "events", "hour": 11}]


def test_dates_and_hours_are_the_default(sluice, bucket):
    write_times(sluice.folder)
    sluice.sql(f"CREATE TABLE t AS SELECT * FROM file('in.jsonl') INSERT INTO {bucket.at()}", env=bucket.env)
    key, = bucket.keys()
    assert re.fullmatch(r"t/\d{4}/\d\d/\d\d/\d\d/\d{13}-[0-9a-f]{16}\.jsonl", key)


def test_an_exact_name_and_partition_by_go_first(sluice, bucket):
    sql = "CREATE TABLE {} AS SELECT 1 AS id, 'NO' AS country INSERT INTO {}"
    sluice.sql(sql.format("a", bucket.at("out/exact.csv.gz")), env=bucket.env)
    sluice.sql(sql.format("b", bucket.at("b/", "partition_by := 'country'")), env=bucket.env)
    exact, hive = sorted(bucket.keys(), reverse=True)
    assert exact == "out/exact.csv.gz"
    assert re.fullmatch(r"b/country=NO/b-[0-9a-f]{16}\.jsonl", hive)


def test_two_pipelines_and_many_lanes_never_meet_under_one_name(sluice, bucket):
    for number in range(8):
        (sluice.folder / f"in-{number}.jsonl").write_text(lines(number))
    for name in ("a", "b"):
        into = bucket.at("same/", "collection := 'c', key_strategy := 'Flat', rotate_rows := 1")
        sluice.sql(f"CREATE TABLE {name} WITH (lanes := 4) AS SELECT id FROM file('in-*.jsonl') INSERT INTO {into}", env=bucket.env)
    assert len(bucket.keys()) == 16
    assert ids_in(bucket) == sorted(list(range(8)) * 2)


def test_names_from_a_time_column_are_repeatable(sluice, bucket):
    write_times(sluice.folder)
    for out in ("one", "two"):
        into = bucket.at(out + "/", "key_strategy := 'DatePartitioned', time_column := 'seen'")
        sluice("run", "--state", f"sqlite:{out}.db", "-e",
               "CREATE TABLE e WITH (lanes := 1) AS SELECT id, seen::TIMESTAMP AS seen FROM file('in.jsonl', columns := 'id BIGINT, seen VARCHAR') "
               f"INSERT INTO {into}", env=bucket.env)
    assert [key.removeprefix("one") for key in bucket.keys("one/")] == [key.removeprefix("two") for key in bucket.keys("two/")]


def test_globs_folders_and_single_objects_are_read(sluice, bucket):
    bucket.put("logs/2024/a.jsonl", lines(1))
    bucket.put("logs/2024/b.jsonl", lines(2))
    bucket.put("logs/2025/c.jsonl", lines(3))
    bucket.put("logs/2025/.hidden.jsonl", lines(90))
    bucket.put("logs/2025/notes.txt", "not ours\n")
    bucket.put("other/d.jsonl", lines(91))
    for path, expected in [("logs/2024/a.jsonl", [1]), ("logs/2024/*.jsonl", [1, 2]), ("logs/", [1, 2, 3]), ("logs", [1, 2, 3]),
                           ("logs/*/*.jsonl", [1, 2, 3]), ("logs/**/c.jsonl", [3]), ("logs/{2024,2026}/*.jsonl", [1, 2]),
                           ("logs/202[5-9]/%3F.jsonl", [3])]:
        found = select(sluice, bucket, f"SELECT id FROM {bucket.at(path)} ORDER BY id")
        assert [row["id"] for row in found] == expected, path


def test_objects_of_other_partitions_are_not_read(sluice, gateway_bucket, faulty):
    bucket = gateway_bucket
    for year in range(2000, 2030):
        for month in (1, 2, 3):
            bucket.put(f"lake/year={year}/month={month}/a.jsonl", lines(year * 100 + month))
    sql = f"SELECT id, year, month FROM {bucket.at('lake/', 'sample_files := 1', endpoint=faulty.endpoint)} WHERE year = 2007 AND month = 2"
    assert "partitions: 1 of 90 read" in sluice("explain", "-e", sql, env=bucket.env).stdout
    faulty.requests.clear()
    assert select(sluice, bucket, sql) == [{"id": 200702, "year": 2007, "month": 2}]
    assert len({line for line in faulty.requests if line.startswith("GET ") and "a.jsonl" in line}) == 2  # the sample, too


def test_a_table_delivers_new_and_replaced_objects_only(sluice, bucket):
    bucket.put("in/a.jsonl", lines(1))
    sql = f"CREATE TABLE t AS SELECT id FROM {bucket.at('in/')} INSERT INTO {bucket.at('out/')}"
    sluice.sql(sql, env=bucket.env)
    assert "nothing new" in sluice.sql(sql, env=bucket.env).stderr
    bucket.put("in/b.jsonl", lines(2))
    sluice.sql(sql, env=bucket.env)
    assert ids_in(bucket, "out/") == [1, 2]
    bucket.put("in/a.jsonl", lines(3, 4))
    sluice.sql(sql, env=bucket.env)
    assert ids_in(bucket, "out/") == [1, 2, 3, 4]


def test_cp_meets_existing_objects_by_if_exists(sluice, bucket):
    (sluice.folder / "a.jsonl").write_text(lines(1, 2))
    sluice("cp", "a.jsonl", bucket.url("out/"), env=bucket.env)
    error = sluice.fails("cp", "a.jsonl", bucket.url("out/"), env=bucket.env)
    assert "not empty" in error
    assert ids_in(bucket) == [1, 2]
    (sluice.folder / "b.jsonl").write_text(lines(3))
    sluice("cp", "b.jsonl", bucket.url("out/"), "--if-exists", "append", env=bucket.env)
    assert ids_in(bucket) == [1, 2, 3]
    sluice("cp", "b.jsonl", bucket.url("out/"), "--if-exists", "replace", env=bucket.env)
    assert ids_in(bucket) == [3]
    sluice("cp", bucket.url("out/"), "back.jsonl", env=bucket.env)
    assert json.loads((sluice.folder / "back.jsonl").read_text()) == {"id": 3}
    sluice("cp", "a.jsonl", bucket.url("exact.jsonl"), env=bucket.env)
    assert "exists already" in sluice.fails("cp", "b.jsonl", bucket.url("exact.jsonl"), env=bucket.env)
    assert ids_in(bucket, "exact.jsonl") == [1, 2]


def test_an_object_named_like_the_folder_is_not_what_is_replaced(sluice, s3_servers):
    bucket = s3_servers("moto").make_bucket()  # the gateway keeps files, whose names cannot be both
    bucket.put("data", "not ours")
    bucket.put("data/old.jsonl", lines(9))
    (sluice.folder / "a.jsonl").write_text(lines(1, 2))
    assert "not empty (1 file)" in sluice.fails("cp", "a.jsonl", bucket.url("data/"), env=bucket.env)
    sluice("cp", "a.jsonl", bucket.url("data/"), "--if-exists", "replace", env=bucket.env)
    assert bucket.get("data") == b"not ours"
    assert ids_in(bucket, "data/") == [1, 2]


def test_dead_letters_go_to_a_bucket(sluice, bucket):
    bucket.put("in/a.jsonl", lines(1) + "{oops\n" + lines(2))
    dead = bucket.url("dead/")
    sluice.sql(f"CREATE TABLE t WITH (dead_letters := '{dead}&format=json') AS SELECT id FROM {bucket.at('in/', 'columns := $$id BIGINT$$').replace('$$', chr(39))} "
               f"INSERT INTO {bucket.at('out/')}", env=bucket.env)
    assert ids_in(bucket, "out/") == [1, 2]
    letter, = rows_in(bucket, "dead/")
    assert "a.jsonl" in letter["position"] and letter["reason"]


def test_large_objects_are_multipart_uploads_and_read_in_ranges(sluice, bucket):
    rows = 120_000
    with open(sluice.folder / "in.jsonl", "w") as out:
        for number in range(rows):
            out.write('{"id": %d, "pad": "%0100d"}\n' % (number, number * 7919))
    sluice.sql(f"CREATE TABLE t WITH (lanes := 1) AS SELECT * FROM file('in.jsonl') INSERT INTO {bucket.at('big/')}", env=bucket.env)
    sizes = [bucket.client.head_object(Bucket=bucket.name, Key=key)["ContentLength"] for key in bucket.keys()]
    assert max(sizes) > 12 << 20
    assert any("-" in bucket.client.head_object(Bucket=bucket.name, Key=key)["ETag"] for key in bucket.keys())
    assert bucket.uploads() == []
    back = bucket.at("big/", "split_bytes := '2MB'")
    found = select(sluice, bucket, f"SELECT count(*) AS n, count(DISTINCT id) AS d, max(pad) AS p FROM {back}")
    assert found == [{"n": rows, "d": rows, "p": "%0100d" % ((rows - 1) * 7919)}]


def test_objects_with_awkward_names_are_read_and_partition_values_come_back(sluice, bucket):
    for number, name in enumerate(["with space.jsonl", "plus+and&.jsonl", "ünï.jsonl", "per%20cent.jsonl", "a=b.jsonl"]):
        bucket.put("odd/" + name, lines(number))
    assert [row["id"] for row in select(sluice, bucket, f"SELECT id FROM {bucket.at('odd/')} ORDER BY id")] == list(range(5))
    values = ["with space", "a/b", "per%cent", "ünïcödé", "q'\"", "x+y&z"]
    with open(sluice.folder / "in.jsonl", "w") as out:
        for number, value in enumerate(values):
            out.write(json.dumps({"id": number, "v": value}) + "\n")
    sluice.sql(f"CREATE TABLE t AS SELECT * FROM file('in.jsonl') INSERT INTO {bucket.at('lake/', 'partition_by := [$v$]').replace('$', chr(39))}", env=bucket.env)
    found = select(sluice, bucket, f"SELECT id, v FROM {bucket.at('lake/')} ORDER BY id")
    assert [row["v"] for row in found] == values


@pytest.mark.parametrize("bytes", [1, 9_000_000], ids=["put", "multipart"])
def test_tags_class_acl_and_encryption_are_set(sluice, s3_servers, bytes):
    bucket = s3_servers("moto").make_bucket()  # which keeps them all
    into = bucket.at("out/x.json", "tags := 'team=data, stage=raw', storage_class := 'STANDARD_IA', sse := 'AES256', acl := 'public-read'")
    sluice.sql(f"CREATE TABLE t AS SELECT repeat('x', {bytes}) AS text INSERT INTO {into}", env=bucket.env)
    place = {"Bucket": bucket.name, "Key": "out/x.json"}
    tags = bucket.client.get_object_tagging(**place)["TagSet"]
    assert {(tag["Key"], tag["Value"]) for tag in tags} == {("team", "data"), ("stage", "raw")}
    grants = [grant for grant in bucket.client.get_object_acl(**place)["Grants"] if grant["Grantee"]["Type"] == "Group"]
    assert [(grant["Grantee"]["URI"].rpartition("/")[2], grant["Permission"]) for grant in grants] == [("AllUsers", "READ")]
    head = bucket.client.head_object(**place)
    assert (head["StorageClass"], head["ServerSideEncryption"]) == ("STANDARD_IA", "AES256")
    assert ("-" in head["ETag"]) == (bytes > 1)


def test_more_objects_than_a_page_lists_are_each_read_once(sluice, gateway_bucket):
    bucket = gateway_bucket
    rows = 1_100
    # Not through the gateway, which takes seconds for it; it serves the files of its folder as they are, without ETags.
    folder = bucket.server.data / bucket.name / "in"
    folder.mkdir()
    for number in range(rows):
        (folder / f"{number}.jsonl").write_text(lines(number))
    page = bucket.client.list_objects_v2(Bucket=bucket.name, Prefix="in/")
    assert len(page["Contents"]) == 1_000 and page["IsTruncated"]
    found = select(sluice, bucket, f"SELECT count(*) AS n, count(DISTINCT id) AS ids, max(id) AS last FROM {bucket.at('in/')}")
    assert found == [{"n": rows, "ids": rows, "last": rows - 1}]


def test_check_says_exactly_once_and_leaves_nothing_behind(sluice, bucket):
    bucket.put("in/a.jsonl", lines(1))
    sql = f"CREATE TABLE t AS SELECT id FROM {bucket.at('in/')} INSERT INTO {bucket.at('out/')}"
    assert "exactly-once" in sluice("check", "-e", sql, env=bucket.env).stdout
    assert bucket.keys() == ["in/a.jsonl"]
    assert bucket.uploads() == []


def test_a_stream_is_advised_to_queue(sluice, gateway_bucket):
    bucket = gateway_bucket
    sql = f"CREATE STREAM s AS SELECT id FROM {bucket.at('in/')} INSERT INTO file('out/')"
    assert "s3queue" in sluice.fails("run", "-e", sql, env=bucket.env)
    sql = f"CREATE TABLE s AS SELECT id FROM {bucket.at('in/', 'watch := true')} INSERT INTO file('out/')"
    assert "s3queue" in sluice.fails("run", "-e", sql, env=bucket.env)


# Each format and compression: written to the bucket, judged by others, read back.

HARD = [
    {"id": 1, "big": 9007199254740993, "text": "plain", "real": 1.5, "flag": True},
    {"id": 2, "big": -9223372036854775808, "text": "ünï 🦆 \"quoted\", \n", "real": -0.0, "flag": False},
    {"id": 3, "big": 9223372036854775807, "text": "", "real": 1e300, "flag": None},
    {"id": 4, "big": None, "text": None, "real": None, "flag": True},
]
AROUND = ["none", "gzip", "zstd", "snappy", "lz4", "bzip2"]
FORMATS = ([("json", codec) for codec in AROUND] + [("csv", codec) for codec in AROUND] +
           [("parquet", codec) for codec in ("none", "zstd", "snappy", "gzip", "lz4")] +
           [("avro", codec) for codec in ("none", "deflate", "gzip", "snappy", "zstd")] +
           [("orc", codec) for codec in ("none", "zstd", "zlib", "gzip", "snappy", "lz4")] +
           [("arrow", codec) for codec in ("none", "lz4", "zstd")])


def judged(format, data, codec):
    """The rows of an object, by somebody else."""
    if format == "parquet":
        return pyarrow.parquet.read_table(io.BytesIO(data)).to_pylist()
    if format == "orc":
        return pyarrow.orc.read_table(io.BytesIO(data)).to_pylist()
    if format == "arrow":
        return pyarrow.ipc.open_file(data).read_all().to_pylist()
    if format == "avro":
        import fastavro  # absent without `tools/deps test`

        return list(fastavro.reader(io.BytesIO(data)))
    text = decompressed(data, codec) if codec != "none" else data
    if format == "json":
        return [json.loads(line) for line in text.decode().splitlines()]
    return None


@pytest.mark.parametrize("format,codec", FORMATS, ids=[f"{f}-{c}" for f, c in FORMATS])
def test_every_format_and_compression_round_trips(sluice, gateway_bucket, format, codec):
    bucket = gateway_bucket
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(HARD), sluice.folder / "in.parquet")
    into = bucket.at("out/", f"format := '{format}', compression := '{codec}', key_strategy := 'Flat'")
    sluice.sql(f"CREATE TABLE t AS SELECT * FROM file('in.parquet') INSERT INTO {into}", env=bucket.env)
    key, = bucket.keys()
    theirs = judged(format, bucket.get(key), codec)
    if theirs is not None:
        assert sorted(theirs, key=lambda row: row["id"]) == HARD
    # Formats that compress inside do not need to be told, and may be.
    sluice("cp", bucket.url("out/") + f"&format={format}&compression={codec}", "back.parquet", env=bucket.env)
    ours = query(f"SELECT id, big, text, real, flag FROM '{sluice.folder}/back.parquet' ORDER BY id")
    expected = [tuple(row.values()) for row in HARD]
    if format == "csv":  # which cannot tell NULL from an empty text
        ours = [(*row[:2], row[2] or "", *row[3:]) for row in ours]
        expected = [(*row[:2], row[2] or "", *row[3:]) for row in expected]
    assert ours == expected


@contextlib.contextmanager
def agent_of_a_container(credentials, token):
    """Stands in for the agent that ECS and EKS run beside a container: hands out the role's credentials for its token."""

    class Agent(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            allowed = self.path == "/v1/role" and self.headers["Authorization"] == token
            self.send_response(200 if allowed else 401)
            self.end_headers()
            self.wfile.write(json.dumps(credentials).encode() if allowed else b"who are you?")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Agent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1/role"
        server.shutdown()


def test_a_container_is_asked_for_the_credentials_of_its_role(sluice, gateway_bucket):
    (sluice.folder / "in.jsonl").write_text(lines(1, 2))
    sql = f"CREATE TABLE t AS SELECT id FROM file('in.jsonl') INSERT INTO {gateway_bucket.at('out/')}"
    role = {"AccessKeyId": ACCESS_KEY, "SecretAccessKey": SECRET_KEY, "Expiration": "2099-01-01T00:00:00Z"}
    none = {**gateway_bucket.env, "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    with agent_of_a_container(role, "sesame") as url:
        env = {**none, "AWS_CONTAINER_CREDENTIALS_FULL_URI": url}
        error = sluice.fails("run", "-e", sql, env=env)
        assert f"the container's credentials at {url} are refused with status 401" in error
        (sluice.folder / "token").write_text("sesame\n")  # as EKS mounts it
        sluice.sql(sql, env={**env, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(sluice.folder / "token")})
        assert ids_in(gateway_bucket) == [1, 2]
        sluice("drop", "t")
        sluice.sql(sql, env={**env, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "sesame"})
        assert ids_in(gateway_bucket) == [1, 1, 2, 2]
    error = sluice.fails("check", "-e", sql, env={**env, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "sesame"})
    assert "container" in error and url.split("/")[2] in error
    error = sluice.fails("check", "-e", sql, env=none)
    assert "no AWS credentials" in error
