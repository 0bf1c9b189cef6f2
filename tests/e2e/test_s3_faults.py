"""A bucket that is not there, says no, is slow, hangs, or is cut off: a clear sentence, or the rows once each."""
import json
import signal
import time

import pytest
from delivered import files, ids, wait_until

MB = 1 << 20


def lines(numbers, pad=""):
    return "".join(json.dumps({"id": number, "pad": pad}) + "\n" for number in numbers)


def ids_in(bucket, prefix="out/"):
    return sorted(json.loads(line)["id"] for key in bucket.keys(prefix) for line in bucket.get(key).decode().splitlines())


def copy(bucket, endpoint=None, source="file('in.jsonl')", more="", options=""):
    return (f"CREATE TABLE t WITH (lanes := 2{options}) AS SELECT id, pad FROM {source} "
            f"INSERT INTO {bucket.at('out/', more, endpoint=endpoint)}")


@pytest.fixture
def large(sluice):
    """20 MB: three parts."""
    (sluice.folder / "in.jsonl").write_text(lines(range(20_000), "x" * 1000))
    return sluice.folder / "in.jsonl"


@pytest.fixture
def small(sluice):
    (sluice.folder / "in.jsonl").write_text(lines(range(10)))
    return sluice.folder / "in.jsonl"


# What is wrong for good: one sentence, at once.


def test_a_missing_bucket_is_named(sluice, bucket, small):
    sql = copy(bucket).replace(bucket.name, "no-such-bucket-here")
    error = sluice.fails("run", "-e", sql, env=bucket.env)
    assert "no-such-bucket-here" in error and "does not exist" in error
    error = sluice.fails("run", "-e", f"SELECT * FROM {bucket.at('a.json')}".replace(bucket.name, "no-such-bucket-here"), env=bucket.env)
    assert "no-such-bucket-here" in error and "does not exist" in error
    error = sluice.fails("check", "-e", sql, env=bucket.env)
    assert "no-such-bucket-here" in error


def test_a_missing_object_is_named(sluice, bucket):
    error = sluice.fails("run", "-e", f"SELECT * FROM {bucket.at('nothing/here.json')}", env=bucket.env)
    assert "nothing/here.json" in error


@pytest.mark.parametrize("wrong", ["secret", "key"])
def test_wrong_credentials_stop_at_once_and_are_never_printed(sluice, gateway_bucket, small, wrong):
    bucket = gateway_bucket
    env = {**bucket.env, "AWS_SECRET_ACCESS_KEY" if wrong == "secret" else "AWS_ACCESS_KEY_ID": "hunter2-wrong"}
    began = time.monotonic()
    for arguments in (("run", copy(bucket)), ("run", f"SELECT * FROM {bucket.at('in/*.jsonl')}"), ("check", copy(bucket)),
                      ("check", f"SELECT * FROM {bucket.at('in/a.jsonl')}")):
        result = sluice(arguments[0], "-e", arguments[1], env=env, check=False)
        assert result.returncode == 1
        assert "hunter2" not in result.stdout + result.stderr
        error, = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
        assert "access key" in error
    assert time.monotonic() - began < 20
    assert bucket.keys() == []


def test_no_credentials_at_all_say_where_they_were_looked_for(sluice, gateway_bucket, small):
    env = {**gateway_bucket.env, "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    error = sluice.fails("run", "-e", copy(gateway_bucket), env=env)
    assert "credentials" in error


def test_access_denied_names_object_and_permission(sluice, gateway_bucket, faulty, small):
    faulty.answer("^(PUT|POST) ", 403, "AccessDenied")
    error = sluice.fails("run", "-e", copy(gateway_bucket, faulty.endpoint), env=gateway_bucket.env)
    assert "s3:PutObject" in error and gateway_bucket.name in error
    assert len([line for line in faulty.requests if line[:3] in ("PUT", "POS")]) <= 4  # not retried
    error = sluice.fails("check", "-e", copy(gateway_bucket, faulty.endpoint), env=gateway_bucket.env)
    assert "s3:PutObject" in error
    faulty.answer("^GET .*list-type", 403, "AccessDenied")
    error = sluice.fails("run", "-e", f"SELECT * FROM {gateway_bucket.at('in/', endpoint=faulty.endpoint)}", env=gateway_bucket.env)
    assert "s3:ListBucket" in error


def test_the_wrong_region_names_the_right_one(sluice, gateway_bucket, faulty, small):
    faulty.answer("", 400, "AuthorizationHeaderMalformed", xml="<Region>eu-central-1</Region>")
    error = sluice.fails("run", "-e", copy(gateway_bucket, faulty.endpoint), env=gateway_bucket.env)
    assert "region := 'eu-central-1'" in error
    assert len(faulty.requests) == 1


def test_a_redirect_to_another_region_names_it(sluice, gateway_bucket, faulty, small):
    faulty.answer("", 301, "PermanentRedirect", headers="x-amz-bucket-region: eu-west-3\r\n")
    error = sluice.fails("run", "-e", copy(gateway_bucket, faulty.endpoint), env=gateway_bucket.env)
    assert "eu-west-3" in error


def test_expired_tokens_and_a_wrong_clock_are_said(sluice, gateway_bucket, faulty, small):
    expired = faulty.answer("", 400, "ExpiredToken", "The provided token has expired.", times=50)
    error = sluice.fails("run", "-e", copy(gateway_bucket, faulty.endpoint), env={**gateway_bucket.env, "AWS_SESSION_TOKEN": "t0ken"})
    assert "expired" in error and "t0ken" not in error
    assert len(faulty.requests) == 1
    expired.left = 0
    faulty.requests.clear()
    faulty.answer("", 403, "RequestTimeTooSkewed")
    error = sluice.fails("run", "-e", copy(gateway_bucket, faulty.endpoint), env=gateway_bucket.env)
    assert "clock" in error
    assert len(faulty.requests) == 1


def test_nobody_listens_at_the_endpoint(sluice, gateway_bucket, small):
    error = sluice.fails("run", "-e", copy(gateway_bucket, "http://127.0.0.1:9", more="max_retries := 1"), env=gateway_bucket.env)
    assert "127.0.0.1" in error


def test_a_name_that_is_also_a_folder(sluice, bucket):
    """Allowed on S3; a store over folders says that it cannot."""
    bucket.put("out/a", "x")
    sql = f"CREATE TABLE t AS SELECT 1 AS id INSERT INTO {bucket.at('out/a/b.json')}"
    if bucket.server.name == "versitygw":
        error = sluice.fails("run", "-e", sql, env=bucket.env)
        assert "out/a/b.json" in error and "folder" in error
    else:
        sluice.sql(sql, env=bucket.env)
        # MinIO keeps both and lists the first one only.
        assert bucket.get("out/a") == b"x" and bucket.get("out/a/b.json") == b'{"id":1}\n'
    if bucket.server.name == "moto":
        bucket.put("out/a", '{"id": 2}\n')
        for path, id in (("out/a", 2), ("out/a/", 1)):
            rows = sluice("run", "--output", "json", "-e", f"SELECT id FROM {bucket.at(path)}", env=bucket.env).stdout
            assert json.loads(rows) == {"id": id}


# What passes: tried again, and nothing is lost or doubled.


@pytest.mark.parametrize("match", ["", "^GET ", "^PUT ", "^POST ", "^HEAD "], ids=["all", "GET", "PUT", "POST", "HEAD"])
def test_slow_down_for_a_while_is_waited_out(sluice, gateway_bucket, faulty, large, match):
    gateway_bucket.put("in/a.jsonl", large.read_bytes())
    faulty.slow_down(match, times=4)
    faulty.answer(match, 500, "InternalError", times=1)
    sluice.sql(copy(gateway_bucket, faulty.endpoint, gateway_bucket.at("in/", endpoint=faulty.endpoint)), env=gateway_bucket.env)
    assert ids_in(gateway_bucket) == list(range(20_000))


def test_slow_down_that_does_not_end_is_an_error_after_max_retries(sluice, gateway_bucket, faulty, small):
    faulty.answer("", 500, "InternalError")
    error = sluice.fails("run", "-e", copy(gateway_bucket, faulty.endpoint, more="max_retries := 2"), env=gateway_bucket.env)
    assert "InternalError" in error and "tried 3 times" in error


@pytest.mark.parametrize("step", ["^POST .*uploads", "^PUT .*partNumber", "^POST .*uploadId", "^PUT "], ids=["create", "part", "complete", "put"])
@pytest.mark.parametrize("how", ["cut_request", "cut_response"])
def test_connections_cut_while_writing(sluice, gateway_bucket, faulty, large, step, how):
    getattr(faulty, how)(step, after=100 if how == "cut_request" else 0, times=2)
    sluice.sql(copy(gateway_bucket, faulty.endpoint), env=gateway_bucket.env)
    assert ids_in(gateway_bucket) == list(range(20_000))
    # Also those whose creation was answered into a cut connection are found, and aborted.
    assert gateway_bucket.uploads() == []


def test_connections_cut_while_reading(sluice, gateway_bucket, faulty, large):
    gateway_bucket.put("in/a.jsonl", large.read_bytes())
    faulty.cut_response(r"^GET .*a\.jsonl", after=100_000, times=3)
    source = gateway_bucket.at("in/", "split_bytes := '4MB'", endpoint=faulty.endpoint)
    sluice.sql(f"CREATE TABLE t AS SELECT id FROM {source} INSERT INTO file('back/')", env=gateway_bucket.env)
    assert ids(sluice.folder / "back") == list(range(20_000))


def test_an_answer_that_never_came_after_the_object_did(sluice, gateway_bucket, faulty, small):
    """The object is there although the write seemed to fail: found to be ours, not refused and not doubled."""
    faulty.cut_response("^PUT .*out/", after=0, times=1)
    sluice.sql(copy(gateway_bucket, faulty.endpoint), env=gateway_bucket.env)
    assert ids_in(gateway_bucket) == list(range(10))


def test_an_endpoint_that_hangs_is_left_at_the_second_signal(sluice, start, gateway_bucket, faulty, small):
    """The first one waits for the commit under way."""
    hang = faulty.hang()
    table = start("run", "-e", copy(gateway_bucket, faulty.endpoint), env=gateway_bucket.env)
    wait_until(lambda: faulty.requests, "the first request")
    table.signal(signal.SIGTERM)
    time.sleep(1)
    table.signal(signal.SIGTERM)
    began = time.monotonic()
    code, _ = table.end(timeout=20)
    assert time.monotonic() - began < 10
    assert code != 0
    assert gateway_bucket.keys() == []
    hang.left = 0
    sluice.sql(copy(gateway_bucket, faulty.endpoint), env=gateway_bucket.env)
    assert ids_in(gateway_bucket) == list(range(10))


def test_an_object_replaced_while_it_is_read_is_not_mixed(sluice, gateway_bucket, faulty):
    old, new = lines(range(20_000), "o" * 1000), lines(range(50_000, 70_000), "n" * 1000)
    gateway_bucket.put("in/a.jsonl", old)
    faulty.call(r"^GET .*a\.jsonl", lambda: gateway_bucket.put("in/a.jsonl", new), skip=3, times=1)
    source = gateway_bucket.at("in/", "split_bytes := '4MB'", endpoint=faulty.endpoint)
    sql = f"CREATE TABLE t WITH (lanes := 1) AS SELECT id FROM {source} INSERT INTO file('back/')"
    error = sluice.fails("run", "-e", sql, env=gateway_bucket.env)
    assert "a.jsonl" in error and "replaced" in error
    assert files(sluice.folder / "back") == []
    sluice.sql(sql, env=gateway_bucket.env)
    assert ids(sluice.folder / "back") == list(range(50_000, 70_000))


def test_a_foreign_object_is_never_replaced(sluice, gateway_bucket, faulty, small):
    """Somebody writes the same name between our look and our write."""
    faulty.call(r"^PUT .*out/x\.jsonl", lambda: gateway_bucket.put("out/x.jsonl", "theirs\n"), times=1)
    sql = f"CREATE TABLE t AS SELECT id FROM file('in.jsonl') INSERT INTO {gateway_bucket.at('out/x.jsonl', endpoint=faulty.endpoint)}"
    error = sluice.fails("run", "-e", sql, env=gateway_bucket.env)
    assert "exists already" in error
    assert gateway_bucket.get("out/x.jsonl") == b"theirs\n"


def test_a_pipeline_that_failed_half_way_finishes_when_the_service_is_back(sluice, gateway_bucket, faulty, large):
    # Somebody else's, who is not done yet.
    gateway_bucket.client.create_multipart_upload(Bucket=gateway_bucket.name, Key="out/theirs.jsonl")
    fault = faulty.answer("^POST .*uploadId", 403, "AccessDenied")
    sluice.fails("run", "-e", copy(gateway_bucket, faulty.endpoint), env=gateway_bucket.env)
    assert gateway_bucket.keys() == []
    fault.left = 0
    sluice.sql(copy(gateway_bucket, faulty.endpoint), env=gateway_bucket.env)
    assert ids_in(gateway_bucket) == list(range(20_000))
    assert gateway_bucket.uploads() == ["out/theirs.jsonl"]
    assert not [path for path in (sluice.folder / ".sluice").rglob("*") if path.suffix in (".data", ".upload")]
