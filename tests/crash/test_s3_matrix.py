"""kill -9 at every step between folders and buckets: {file, s3} × {file, s3}; file → file is in test_matrix.py.

As there, the points come from an undisturbed run. The rows of one file are wide enough for a multipart upload, so that
its parts and its completion are among the points. Judged by boto3.
"""
import collections
import json
import signal

import pytest
from services.s3 import SERVERS
from test_matrix import visits_of

WIDE, NARROW, BAD_EVERY = 600, 1500, 300
PAD = "x" * 30_000


def inputs(bad):
    """name → bytes: three small files and one of 18 MB; with `bad`, some lines are not JSON."""
    out = {}
    for part in range(3):
        out[f"small-{part}.jsonl"] = "".join(line(i, "", bad) for i in range(WIDE + part, WIDE + NARROW, 3)).encode()
    out["wide.jsonl"] = "".join(line(i, PAD, bad) for i in range(WIDE)).encode()
    return out


def line(number, pad, bad):
    return "{oops\n" if bad and number % BAD_EVERY == 0 else json.dumps({"id": number, "pad": pad}) + "\n"


def expected(bad):
    return [i for i in range(WIDE + NARROW) if not (bad and i % BAD_EVERY == 0)]


def ids_in_bucket(bucket, prefix):
    return [json.loads(row)["id"] for key in bucket.keys(prefix) for row in bucket.get(key).splitlines()]


def ids_in_folder(folder):
    assert not [path for path in folder.rglob(".*") if path.is_file()], "leftovers"
    return [json.loads(row)["id"] for path in folder.rglob("*.jsonl") for row in path.read_bytes().splitlines()]


class Pair:
    """A source and a sink; each attempt writes to a place of its own."""

    def __init__(self, bucket, folder, source, sink, bad):
        self.bucket, self.folder, self.sink, self.bad = bucket, folder, sink, bad
        self.source = "file('{}/in/')".format(folder)
        (folder / "in").mkdir()
        for name, content in inputs(bad).items():
            if source == "s3":
                bucket.put("in/" + name, content)
            else:
                (folder / "in" / name).write_bytes(content)
        if source == "s3":
            self.source = bucket.at("in/")
        self.source = self.source.replace(")", ", columns := 'id BIGINT, pad VARCHAR')")

    def sql(self, attempt):
        into = f"file('out/{attempt}/')" if self.sink == "file" else self.bucket.at(f"out/{attempt}/", "key_strategy := 'CollectionBased'")
        options = "lanes := 2, epoch_rows := 1400"
        if self.bad:
            options += f", dead_letters := '{self.bucket.url(f'dead/{attempt}/')}&format=json'"
        return f"CREATE TABLE t WITH ({options}) AS SELECT id, pad FROM {self.source} INSERT INTO {into};"

    def ids(self, attempt, folder):
        return ids_in_folder(folder / "out" / attempt) if self.sink == "file" else ids_in_bucket(self.bucket, f"out/{attempt}/")

    def dead(self, attempt):
        return sum(len(self.bucket.get(key).splitlines()) for key in self.bucket.keys(f"dead/{attempt}/"))

    def forget(self, attempt):
        for key in self.bucket.keys(f"out/{attempt}/"):
            self.bucket.client.delete_object(Bucket=self.bucket.name, Key=key)


def abort_all(bucket):
    """The keys of unfinished uploads."""
    uploads = bucket.client.list_multipart_uploads(Bucket=bucket.name).get("Uploads", [])
    for upload in uploads:
        bucket.client.abort_multipart_upload(Bucket=bucket.name, Key=upload["Key"], UploadId=upload["UploadId"])
    return [upload["Key"] for upload in uploads]


CASES = [
    ("versitygw", "file", "s3", False),
    ("versitygw", "s3", "file", False),
    ("versitygw", "s3", "s3", False),
    ("versitygw", "s3", "s3", True),
    ("moto", "s3", "s3", False),
    *([("minio", "s3", "s3", False)] if "minio" in SERVERS else []),
]


@pytest.mark.parametrize("server,source,sink,bad", CASES,
                         ids=[f"{a} → {b}{', dead letters' if bad else ''} on {server}" for server, a, b, bad in CASES])
def test_every_row_arrives_once_wherever_the_process_dies(tmp_path, sluice, s3_servers, server, source, sink, bad, record_property):
    pair = Pair(s3_servers(server).make_bucket(), tmp_path, source, sink, bad)
    env = pair.bucket.env

    def attempt_in(name):
        sluice.folder = tmp_path / name
        sluice.folder.mkdir()
        return sluice.folder

    folder = attempt_in("probe")
    sluice.sql(pair.sql("probe"), env={**env, "SLUICE_CRASH_LOG": str(tmp_path / "visits")})
    assert sorted(pair.ids("probe", folder)) == expected(bad)
    points = visits_of(tmp_path / "visits")
    if sink == "s3":
        assert "store.s3.part" in dict(points), "no multipart upload took part"

    kills = lost = doubled = 0
    left = []  # where uploads stayed
    for point, count in points:
        for visit in sorted({1, (count + 1) // 2, count}):
            attempt = f"{point}-{visit}"
            folder = attempt_in(attempt)
            first = sluice.sql(pair.sql(attempt), check=False, env={**env, "SLUICE_CRASH_AT": f"{point}:{visit}"})
            if first.returncode == -signal.SIGKILL:
                kills += 1
            else:
                assert first.returncode == 0, first.stderr  # threads took another order: the visit never came
            sluice.sql(pair.sql(attempt), env=env)
            seen = collections.Counter(pair.ids(attempt, folder))
            lost += sum(1 for i in expected(bad) if seen[i] == 0)
            doubled += sum(1 for n in seen.values() if n > 1)
            left += [(point, visit, key) for key in abort_all(pair.bucket)]
            spooled = [path for path in (folder / ".sluice").rglob("*") if path.is_file() and path.parent.name == "spool"]
            assert spooled == [], (point, visit)
            if bad:
                assert pair.dead(attempt) == (WIDE + NARROW) // BAD_EVERY, (point, visit)
            pair.forget(attempt)
    name = f"{source} → {sink}{' + dead letters' if bad else ''} on {server}"
    record_property("summary", f"crash matrix: {name}: {kills} kills, lost {lost}, doubled {doubled}, uploads left {len(left)}")
    assert kills > 5
    assert (lost, doubled, left) == (0, 0, [])
