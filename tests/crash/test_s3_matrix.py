"""kill -9 at every step between folders and buckets: {file, s3} × {file, s3}; file → file is in test_matrix.py.

As there, the points come from an undisturbed run. The rows of one file are wide enough for a multipart upload, so that
its parts and its completion are among the points; but for the shapes that do without it. Judged by boto3 and pyarrow.
"""
import collections
import io
import json
import signal

import pyarrow.parquet
import pytest
from services.s3 import SERVERS
from test_matrix import visits_of

WIDE, NARROW, BAD_EVERY = 300, 1500, 300
PAD = "x" * 30_000


def inputs(shape):
    """name → bytes: three small files, and one of 9 MB unless small ones are asked for."""
    bad = shape == "dead letters"
    pad = "" if shape in ("small", "partitioned") else PAD
    out = {}
    for part in range(3):
        out[f"small-{part}.jsonl"] = "".join(line(i, "", bad) for i in range(WIDE + part, WIDE + NARROW, 3)).encode()
    out["wide.jsonl"] = "".join(line(i, pad, bad) for i in range(WIDE)).encode()
    return out


def line(number, pad, bad):
    return "{oops\n" if bad and number % BAD_EVERY == 0 else json.dumps({"id": number, "p": number % 3, "pad": pad}) + "\n"


def expected(bad):
    return [i for i in range(WIDE + NARROW) if not (bad and i % BAD_EVERY == 0)]


def ids_in_bucket(bucket, prefix):
    return [json.loads(row)["id"] for key in bucket.keys(prefix) for row in bucket.get(key).splitlines()]


def ids_in_partitions(bucket, prefix):
    found = []
    for key in bucket.keys(prefix):
        ids = pyarrow.parquet.read_table(io.BytesIO(bucket.get(key))).column("id").to_pylist()
        assert {f"p={number % 3}" for number in ids} == {key.split("/")[-2]}, key
        found += ids
    return found


def ids_in_folder(folder):
    assert not [path for path in folder.rglob(".*") if path.is_file()], "leftovers"
    return [json.loads(row)["id"] for path in folder.rglob("*.jsonl") for row in path.read_bytes().splitlines()]


class Pair:
    """A source and a sink; each attempt writes to a place of its own."""

    def __init__(self, bucket, folder, source, sink, shape):
        self.bucket, self.folder, self.sink = bucket, folder, sink
        self.bad, self.partitioned = shape == "dead letters", shape == "partitioned"
        self.source = "file('{}/in/')".format(folder)
        (folder / "in").mkdir()
        for name, content in inputs(shape).items():
            if source == "s3":
                bucket.put("in/" + name, content)
            else:
                (folder / "in" / name).write_bytes(content)
        if source == "s3":
            self.source = bucket.at("in/")
        self.source = self.source.replace(")", ", columns := 'id BIGINT, p BIGINT, pad VARCHAR')")

    def into(self, attempt):
        if self.sink == "file":
            return f"file('out/{attempt}/')"
        layout = "format := 'parquet', partition_by := 'p'" if self.partitioned else "key_strategy := 'CollectionBased'"
        return self.bucket.at(f"out/{attempt}/", layout)

    def sql(self, attempt):
        options = "lanes := 2, epoch_rows := 1400"
        if self.bad:
            options += f", dead_letters := '{self.bucket.url(f'dead/{attempt}/')}&format=json'"
        return f"CREATE TABLE t WITH ({options}) AS SELECT id, p, pad FROM {self.source} INSERT INTO {self.into(attempt)};"

    def ids(self, attempt, folder):
        if self.sink == "file":
            return ids_in_folder(folder / "out" / attempt)
        return (ids_in_partitions if self.partitioned else ids_in_bucket)(self.bucket, f"out/{attempt}/")

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
    ("versitygw", "file", "s3", ""),
    ("versitygw", "s3", "file", ""),
    ("versitygw", "s3", "s3", ""),
    ("versitygw", "s3", "s3", "dead letters"),
    ("versitygw", "file", "s3", "partitioned"),
    ("moto", "s3", "s3", ""),
    ("moto", "file", "s3", "small"),
    ("moto", "s3", "file", "small"),
    *([("minio", "s3", "s3", "")] if "minio" in SERVERS else []),
]


def name_of(server, source, sink, shape):
    return f"{source} → {sink}{', ' + shape if shape else ''} on {server}"


@pytest.mark.parametrize("server,source,sink,shape", CASES, ids=[name_of(*case) for case in CASES])
def test_every_row_arrives_once_wherever_the_process_dies(tmp_path, sluice, s3_servers, server, source, sink, shape, record_property):
    pair = Pair(s3_servers(server).make_bucket(), tmp_path, source, sink, shape)
    env, bad = pair.bucket.env, pair.bad

    def attempt_in(name):
        sluice.folder = tmp_path / name
        sluice.folder.mkdir()
        return sluice.folder

    folder = attempt_in("probe")
    sluice.sql(pair.sql("probe"), env={**env, "SLUICE_CRASH_LOG": str(tmp_path / "visits")})
    assert sorted(pair.ids("probe", folder)) == expected(bad)
    points = visits_of(tmp_path / "visits")
    if sink == "s3" and shape in ("", "dead letters"):
        assert "store.s3.part" in dict(points), "no multipart upload took part"

    kills = lost = doubled = 0
    left = []  # where uploads stayed
    for point, count in points:
        for visit in sorted({1} if shape == "small" else {1, (count + 1) // 2, count}):
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
            # Empty: the other lane was about to write the record. Such files are swept once they are a minute old.
            assert [path for path in folder.rglob("spool/*") if path.stat().st_size > 0] == [], (point, visit)
            if bad:
                assert pair.dead(attempt) == (WIDE + NARROW) // BAD_EVERY, (point, visit)
            pair.forget(attempt)
    record_property("summary", f"crash matrix: {name_of(server, source, sink, shape)}: {kills} kills, lost {lost}, "
                    f"doubled {doubled}, uploads left {len(left)}")
    assert kills > 5
    assert (lost, doubled, left) == (0, 0, [])
