"""S3 over HTTPS: whom `ca_file` trusts, and through a proxy."""
import json

import pytest

from services.certificates import make_authority, make_certificate
from services.s3 import running_versitygw
from services.tcp_proxy import ConnectProxy

ROWS = "".join(json.dumps({"id": number}) + "\n" for number in range(3))


class Secured:
    def __init__(self, bucket, ours, others):
        self.bucket = bucket
        self.ours = ours
        self.others = others
        self.env = {**bucket.env, **{name: "" for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy")}}

    def at(self, path, ca_file=None, endpoint=None):
        return self.bucket.at(path, f"max_retries := 0, ca_file := '{ca_file}'" if ca_file else "max_retries := 0", endpoint=endpoint)

    def copy(self, ca_file=None, endpoint=None):
        return (f"CREATE TABLE t AS SELECT id FROM {self.at('in/', ca_file, endpoint)} "
                f"INSERT INTO {self.at('out/', ca_file, endpoint)}")

    def delivered(self):
        return b"".join(self.bucket.get(key) for key in self.bucket.keys("out/")).decode().replace('":', '": ')


@pytest.fixture(scope="module")
def secured_server(tmp_path_factory):
    """Its certificate names the address and not `localhost`."""
    folder = tmp_path_factory.mktemp("tls")
    ours, others = make_authority(folder, "ours"), make_authority(folder, "others")
    make_certificate(folder, "ours", "IP:127.0.0.1")
    with running_versitygw(tmp_path_factory.mktemp("gateway"), ours) as server:
        yield server, ours, others


@pytest.fixture
def secured(secured_server):
    server, ours, others = secured_server
    bucket = server.make_bucket()
    bucket.put("in/a.jsonl", ROWS)
    return Secured(bucket, ours, others)


def test_a_bucket_behind_a_trusted_certificate_is_read_and_written(sluice, secured):
    sluice.sql(secured.copy(secured.ours), env=secured.env)
    assert secured.delivered() == ROWS


def test_a_certificate_that_nobody_vouches_for_is_said_once_and_nothing_is_sent(sluice, secured):
    for ca_file, endpoint in ((None, None), (secured.others, None),
                              (secured.ours, secured.bucket.endpoint.replace("127.0.0.1", "localhost"))):
        error = sluice.fails("run", "-e", secured.copy(ca_file, endpoint), env=secured.env)
        assert "is not trusted" in error and "ca_file" in error
    assert secured.bucket.keys() == ["in/a.jsonl"]


def test_a_ca_file_that_is_none_is_named(sluice, secured):
    (sluice.folder / "notes.txt").write_text("no certificate\n")
    for name in ("notes.txt", "missing.pem"):
        error = sluice.fails("run", "-e", secured.copy(name), env=secured.env)
        assert f"the file of trusted certificates {name} cannot be used" in error


def test_https_goes_through_the_proxy_of_the_environment(sluice, secured):
    with ConnectProxy() as proxy:
        sluice.sql(secured.copy(secured.ours), env={**secured.env, "HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"})
        assert set(proxy.asked_for) == {f"127.0.0.1:{secured.bucket.server.port}"}
        assert proxy.passed > 0
        asked = len(proxy.asked_for)
        assert secured.delivered() == ROWS
        error = sluice.fails("run", "-e", f"SELECT * FROM {secured.at('in/')}",
                             env={**secured.env, "HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"})
        assert "is not trusted" in error  # the tunnel is not looked into
        assert len(proxy.asked_for) > asked
