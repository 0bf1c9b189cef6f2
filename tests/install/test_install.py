"""`cmake --install` into an empty folder: the program runs from there, and another project finds the library."""
import fcntl
import json
import os
import pathlib
import re
import subprocess

import boto3
import pytest
from moto.server import ThreadedMotoServer

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("SLUICE_BUILD", pathlib.Path(os.environ.get("SLUICE_BINARY", ROOT / "build" / "sluice")).parent))

pytestmark = pytest.mark.xdist_group("install")  # one installation for all


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=600, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    folder = tmp_path_factory.mktemp("install")
    with open(BUILD / "sdk.lock", "w") as lock:  # test workers run side by side, ninja does not
        fcntl.flock(lock, fcntl.LOCK_EX)
        run("cmake", "--build", BUILD, "--target", "sluice_sdk")
    run("cmake", "--install", BUILD, "--prefix", folder / "stage")
    # Moved, so that nothing may depend on where it was installed first.
    (folder / "stage").rename(folder / "there")
    return folder / "there"


def build(source, folder, prefix):
    run("cmake", "-S", source, "-B", folder, f"-DCMAKE_PREFIX_PATH={prefix}", "-DCMAKE_BUILD_TYPE=Debug")
    run("cmake", "--build", folder, "--parallel", "2")
    return folder


def test_the_installed_program_runs_with_the_libraries_beside_it(prefix, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"n": 1}\n{"n": 2}\n')
    printed = run(prefix / "bin" / "sluice", "run", "-e", "SELECT sum(n) AS total FROM file('a.jsonl')", "--output", "csv", cwd=tmp_path)
    assert printed.split() == ["total", "3"]
    loaded = run("ldd", prefix / "bin" / "sluice")
    arrow = [line for line in loaded.splitlines() if "libarrow" in line or "libparquet" in line]
    assert arrow and all(str(prefix / "lib" / "sluice") in os.path.realpath(line.split()[2]) for line in arrow)
    assert "not found" not in loaded


def test_find_package_gives_a_project_all_it_needs(prefix, tmp_path):
    folder = build(ROOT / "tests" / "install", tmp_path / "build", prefix)
    data = tmp_path / "data"
    data.mkdir()
    printed = run(folder / "consumer", data)
    assert printed.splitlines() == [
        "3 rows built",
        "delivered exactly-once",
        '{"total":6}',
        'S3Config needs a region: builder().region("us-east-1")',
    ]


def test_the_examples_build_and_the_copy_is_exactly_once(prefix, tmp_path):
    folder = build(ROOT / "examples" / "cpp", tmp_path / "build", prefix)
    (tmp_path / "in.jsonl").write_text('{"id": 1}\n{"id": 2}\n')
    for _ in range(2):  # a second run finds everything delivered
        run(folder / "copy", f"file://{tmp_path}/in.jsonl", f"file://{tmp_path}/out/?format=json", cwd=tmp_path)
    files = sorted((tmp_path / "out").glob("*.jsonl"))
    assert "".join(file.read_text() for file in files) == '{"id":1}\n{"id":2}\n'
    bad = subprocess.run([folder / "s3_basic"], capture_output=True, text=True, env={"PATH": os.environ["PATH"]}, timeout=60)
    assert bad.returncode == 1 and "S3Config needs a bucket" in bad.stderr


@pytest.fixture
def s3():
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    credentials = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key", "AWS_REGION": "us-east-1"}
    endpoint = f"http://127.0.0.1:{port}"
    client = boto3.client("s3", endpoint_url=endpoint, aws_access_key_id="id", aws_secret_access_key="key", region_name="us-east-1")
    client.create_bucket(Bucket="lake")
    yield client, {**os.environ, **credentials, "S3_BUCKET": "lake", "S3_ENDPOINT": endpoint}
    server.stop()


def test_the_s3_examples_land_objects_under_the_patterns_they_chose(prefix, tmp_path, s3):
    client, environment = s3
    folder = build(ROOT / "examples" / "cpp", tmp_path / "build", prefix)
    for example in ("s3_basic", "s3_with_compression", "s3_advanced", "s3_advanced"):  # the last has nothing left to do
        run(folder / example, env=environment, cwd=tmp_path)
    keys = [item["Key"] for item in client.list_objects_v2(Bucket="lake")["Contents"]]
    name = r"\d{13}-[0-9a-f]{16}"
    hive = r"collection=clicks/year=\d{4}/month=\d\d/day=\d\d/hour=\d\d"
    patterns = [
        (5, rf"analytics/clicks/{hive}/{name}\.parquet"),
        (1, rf"events/gzip/users/\d{{4}}/\d\d/\d\d/{name}\.jsonl\.gz"),
        (1, rf"events/zstd/users/\d{{4}}/\d\d/\d\d/{name}\.jsonl\.zst"),
        (1, rf"mongodb/events/users/\d{{4}}/\d\d/\d\d/\d\d/{name}\.jsonl"),
    ]
    assert [sum(re.fullmatch(pattern, key) is not None for key in keys) for _, pattern in patterns] == [5, 1, 1, 1], keys
    assert len(keys) == 8
    lines = client.get_object(Bucket="lake", Key=keys[-1])["Body"].read().decode().splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["Ada", "Grace"]
