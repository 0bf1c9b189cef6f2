"""S3 servers. `bucket` is a new bucket on each of them in turn; `gateway_bucket` one on versitygw only."""
import contextlib
import itertools
import os
import pathlib
import shutil
import ssl
import subprocess
import tempfile

import pytest

from services.fault_proxy import FaultProxy
from services.process import DEPS, Server, free_port, need

ACCESS_KEY, SECRET_KEY, REGION = "test-access", "test-secret-key", "us-east-1"
_numbers = itertools.count(1)


class S3:
    """A running server."""

    def __init__(self, name, port, authority=None):
        self.name = name
        self.port = port
        self.endpoint = f"http{'s' if authority else ''}://127.0.0.1:{port}"
        import boto3  # 0.3 s, and absent without `tools/deps test`: only where a server runs
        import botocore.config

        self.client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name=REGION,
            verify=str(authority) if authority else None,
            config=botocore.config.Config(s3={"addressing_style": "path"}, retries={"max_attempts": 2}),
        )

    def make_bucket(self, name=None):
        name = name or f"bucket-{os.getpid()}-{next(_numbers)}"
        self.client.create_bucket(Bucket=name)
        return Bucket(self, name)


    def make_user(self, name):
        """On versitygw: somebody who may do what the buckets' policies allow. Their environment."""
        tool = [DEPS / "go/bin/versitygw", "admin", "--allow-insecure", "--endpoint-url", self.endpoint,
                "--access", ACCESS_KEY, "--secret", SECRET_KEY]
        subprocess.run([*tool, "create-user", "--access", name, "--secret", name + "-secret", "--role", "user"],
                       check=True, capture_output=True)
        return {"AWS_ACCESS_KEY_ID": name, "AWS_SECRET_ACCESS_KEY": name + "-secret"}


class Bucket:
    """One bucket, as boto3 sees it, and how a statement says where it is."""

    def __init__(self, server, name):
        self.server = server
        self.name = name
        self.client = server.client
        self.endpoint = server.endpoint
        self.env = {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_SESSION_TOKEN": "",
            "AWS_PROFILE": "",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def options(self, endpoint=None):
        """The options of s3('…') that every statement needs."""
        return f"region := '{REGION}', endpoint_url := '{endpoint or self.endpoint}', force_path_style := true"

    def at(self, path="", more="", endpoint=None):
        """s3('bucket/path', …): the connector call."""
        return f"s3('{self.name}/{path}', {self.options(endpoint)}{', ' + more if more else ''})"

    def url(self, path=""):
        return f"s3://{self.name}/{path}?region={REGION}&endpoint_url={self.endpoint}&force_path_style=true"

    def put(self, key, content):
        body = content.encode() if isinstance(content, str) else content
        return self.client.put_object(Bucket=self.name, Key=key, Body=body)

    def get(self, key):
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()

    def keys(self, prefix=""):
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return sorted(item["Key"] for page in pages for item in page.get("Contents", []))

    def uploads(self):
        """Keys of multipart uploads that nobody finished."""
        found = self.client.list_multipart_uploads(Bucket=self.name)
        return sorted(item["Key"] for item in found.get("Uploads", []))

    def download(self, folder, prefix=""):
        """Everything below the prefix, as files of the same names below `folder`."""
        for key in self.keys(prefix):
            target = folder / key
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self.get(key))
        return folder


@contextlib.contextmanager
def running_versitygw(folder, authority=None):
    """With an authority: over TLS, by the certificate `server` beside it."""
    binary = need(DEPS / "go/bin/versitygw")
    port = free_port()
    # Object attributes live in the sidecar: extended attributes are not to be had on every /tmp.
    for name in ("data", "meta", "iam"):
        os.mkdir(os.path.join(folder, name))
    # Not --keep-alive: with it 1.8.0 answers some requests of the AWS SDK with 400.
    secured = ["--cert", authority.with_name("server.crt"), "--key", authority.with_name("server.key")] if authority else []
    server = Server(
        [binary, *secured, "--port", f"127.0.0.1:{port}", "--quiet", "--health", "/health", "--iam-dir", os.path.join(folder, "iam"),
         "posix", "--sidecar", os.path.join(folder, "meta"), os.path.join(folder, "data")],
        os.path.join(folder, "log"),
        env={"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY},
    )
    try:
        s3 = S3("versitygw", port, authority)
        s3.data = pathlib.Path(folder, "data")
        server.wait_http(s3.endpoint + "/health", context=ssl.create_default_context(cafile=authority) if authority else None)
        yield s3
    finally:
        server.stop()


@contextlib.contextmanager
def _moto(folder):
    binary = need(DEPS / "venv/bin/moto_server")
    port = free_port()
    server = Server([binary, "-H", "127.0.0.1", "-p", port], os.path.join(folder, "log"))
    try:
        server.wait_http(f"http://127.0.0.1:{port}/moto-api/")
        yield S3("moto", port)
    finally:
        server.stop()


@contextlib.contextmanager
def _minio(folder):
    binary = need(DEPS / "go/bin/minio", "tools/deps test-minio")
    port = free_port()
    server = Server(
        [binary, "server", "--address", f"127.0.0.1:{port}", "--quiet", os.path.join(folder, "data")],
        os.path.join(folder, "log"),
        env={"MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": SECRET_KEY, "MINIO_BROWSER": "off"},
    )
    try:
        server.wait_http(f"http://127.0.0.1:{port}/minio/health/ready")
        yield S3("minio", port)
    finally:
        server.stop()


_STARTS = {"versitygw": running_versitygw, "moto": _moto, "minio": _minio}
# MinIO takes minutes to build: it takes part where somebody has built it.
SERVERS = ["versitygw", "moto"] + (["minio"] if (DEPS / "go/bin/minio").exists() else [])


def running_s3(name, folder):
    """A context manager: that server, with its data in an existing empty folder."""
    return _STARTS[name](folder)


@pytest.fixture(scope="session")
def s3_servers():
    """start(name): that server, once for all tests of this worker."""
    running = {}
    with contextlib.ExitStack() as stack:

        def start(name):
            if name not in running:
                folder = tempfile.mkdtemp(prefix=f"sluice-{name}-")
                stack.callback(shutil.rmtree, folder, ignore_errors=True)
                running[name] = stack.enter_context(_STARTS[name](folder))
            return running[name]

        yield start


@pytest.fixture(params=SERVERS)
def bucket(request, s3_servers):
    return s3_servers(request.param).make_bucket()


@pytest.fixture
def gateway_bucket(s3_servers):
    """For what does not depend on the server."""
    return s3_servers("versitygw").make_bucket()


@pytest.fixture
def faulty(gateway_bucket):
    """A proxy in front of the bucket's server, which does as it is told."""
    with FaultProxy(gateway_bucket.server.port) as proxy:
        yield proxy
