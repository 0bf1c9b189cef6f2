"""Credentials that may do what the guide's minimal policy says, and less: versitygw judges every request by it."""
import copy
import itertools
import json
import pathlib
import re

import pytest

GUIDE = pathlib.Path(__file__).resolve().parents[2] / "docs/guides/s3.md"
_numbers = itertools.count(1)


class Policed:
    """A bucket, and somebody who may do what `policy` says; versitygw is behind a proxy that hides as AWS does."""

    def __init__(self, bucket, faulty):
        self.bucket = bucket
        self.proxy = faulty
        self.user = f"{bucket.name}-user-{next(_numbers)}"
        self.env = {**bucket.env, **bucket.server.make_user(self.user)}
        text = next(block for block in re.findall(r"```json\n(.*?)```", GUIDE.read_text(), re.DOTALL) if '"Statement"' in block)
        self.policy = json.loads(text.replace("my-data-lake", bucket.name))
        self.allow(self.policy)

    def allow(self, policy):
        named = copy.deepcopy(policy)
        for statement in named["Statement"]:
            statement["Principal"] = {"AWS": [self.user]}
        self.bucket.client.put_bucket_policy(Bucket=self.bucket.name, Policy=json.dumps(named))

    def without(self, action):
        """The policy less this action."""
        less = copy.deepcopy(self.policy)
        for statement in less["Statement"]:
            statement["Action"] = [one for one in statement["Action"] if one != action]
        less["Statement"] = [statement for statement in less["Statement"] if statement["Action"]]
        return less

    def at(self, path, more=""):
        return self.bucket.at(path, more, endpoint=self.proxy.endpoint)


@pytest.fixture
def policed(gateway_bucket, faulty):
    # A name that may not be listed without a prefix is denied and not missing; versitygw would say 404.
    faulty.veil("^(HEAD|GET) /[^?]*$")
    return Policed(gateway_bucket, faulty)


def write_rows(folder, *numbers):
    rows = [{"id": number, "happened": f"2025-01-15T1{number % 10}:40:00Z"} for number in numbers]
    (folder / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def land(policed, more=""):
    """The guide's pipeline: its names come from the rows, so each is looked for before it is written."""
    into = policed.at("events/", "format := 'parquet', key_strategy := 'HivePartitioned', time_column := 'happened'" + more)
    return f"CREATE TABLE events AS SELECT id, happened::TIMESTAMPTZ AS happened FROM file('in.jsonl') INSERT INTO {into}"


def test_the_guides_policy_is_enough_to_check_write_and_read_back(sluice, policed):
    write_rows(sluice.folder, 0, 1)
    assert "exactly-once" in sluice("check", "-e", land(policed), env=policed.env).stdout
    assert policed.bucket.keys() == []
    sluice.sql(land(policed), env=policed.env)
    assert any(line.startswith("HEAD ") for line in policed.proxy.requests)
    rows = sluice("run", "--output", "json", "-e", f"SELECT id FROM {policed.at('events/')} WHERE hour = 11", env=policed.env).stdout
    assert json.loads(rows) == {"id": 1}
    exact = f"CREATE TABLE one AS SELECT id FROM file('in.jsonl') INSERT INTO {policed.at('events/one.jsonl')}"
    sluice.sql(exact, env=policed.env)
    assert policed.bucket.get("events/one.jsonl") == b'{"id":0}\n{"id":1}\n'
    error = sluice.fails("run", "-e", f"SELECT * FROM {policed.at('events/missing.jsonl')}", env=policed.env)
    assert "events/missing.jsonl does not exist" in error


@pytest.mark.parametrize("action", ["s3:PutObject", "s3:AbortMultipartUpload", "s3:GetObject", "s3:ListBucket"])
def test_check_names_the_permission_that_the_policy_lacks(sluice, policed, action):
    policed.bucket.put("events/in/a.jsonl", '{"id": 1}\n')
    policed.allow(policed.without(action))
    sql = f"CREATE TABLE t AS SELECT id FROM {policed.at('events/in/')} INSERT INTO {policed.at('events/out/')}"
    error = sluice.fails("check", "-e", sql, env=policed.env)
    assert "access denied" in error and action in error
    assert policed.bucket.keys() == ["events/in/a.jsonl"]


def test_check_reads_also_where_the_columns_are_given(sluice, policed):
    for day in range(3):
        policed.bucket.put(f"events/in/day={day}/a.jsonl", '{"id": 1}\n')
    source = policed.at("events/in/", "columns := 'id BIGINT'")
    sql = f"CREATE TABLE t AS SELECT a.id FROM file('in.jsonl') AS a JOIN {source} AS b ON a.id = b.id INSERT INTO file('out/')"
    write_rows(sluice.folder, 0, 1)
    assert "exactly-once" in sluice("check", "-e", sql, env=policed.env).stdout
    policed.allow(policed.without("s3:GetObject"))
    for statement in (sql, f"SELECT id FROM {source}"):
        error = sluice.fails("check", "-e", statement, env=policed.env)
        assert "access denied" in error and "s3:GetObject" in error


def test_check_wants_to_remove_where_objects_are_to_be_replaced(sluice, policed):
    write_rows(sluice.folder, 0)
    error = sluice.fails("check", "-e", land(policed, ", if_exists := 'replace'"), env=policed.env)
    assert "s3:DeleteObject" in error
    policed.policy["Statement"][0]["Action"].append("s3:DeleteObject")
    policed.allow(policed.policy)
    assert "exactly-once" in sluice("check", "-e", land(policed, ", if_exists := 'replace'"), env=policed.env).stdout


def test_another_prefix_is_out_of_reach(sluice, policed):
    write_rows(sluice.folder, 0)
    error = sluice.fails("check", "-e", land(policed).replace("events/'", "other/'"), env=policed.env)
    assert "other" in error and "access denied" in error
