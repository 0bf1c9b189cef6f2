"""TLS as libpq has it: ssl_mode and sslrootcert, for sources, sinks, change streams and the state store."""
import os
import shutil

import pytest

from services.certificates import make_authority, make_certificate
from services.postgres import running_postgres

REQUIRED = "ssl_mode := 'require'"


class Secured:
    def __init__(self, database, authorities):
        self.database = database
        self.ours = authorities / "ours.crt"
        self.others = authorities / "others.crt"

    def at(self, table, host="127.0.0.1", **options):
        more = "".join(f", {name} := '{value}'" for name, value in options.items())
        place = self.database.location().replace("127.0.0.1", host)
        return f"postgresql('{place}?table={table}'{more})"


@pytest.fixture(scope="module")
def secured_server(tmp_path_factory):
    """Takes encrypted connections only; its certificate names the address and not `localhost`."""
    folder = tmp_path_factory.mktemp("tls")
    make_authority(folder, "ours")
    make_authority(folder, "others")
    make_certificate(folder, "ours", "IP:127.0.0.1")

    def prepare(server):
        for name in ("server.crt", "server.key"):
            shutil.copy(folder / name, server.data / name)
            os.chmod(server.data / name, 0o600)
            if os.geteuid() == 0:
                shutil.chown(server.data / name, "nobody", "nogroup")
        (server.data / "pg_hba.conf").write_text("hostssl all all all scram-sha-256\nhostssl replication all all scram-sha-256\n")

    with running_postgres("ssl = on", prepare=prepare) as server:
        yield server, folder


@pytest.fixture
def secured(secured_server):
    server, folder = secured_server
    database = server.make_database()
    database.execute("CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 10) g")
    yield Secured(database, folder)
    database.drop()


def test_a_trusted_server_is_read_and_written(sluice, secured):
    trusted = {"ssl_mode": "verify-full", "sslrootcert": secured.ours}
    sluice.sql(f"CREATE TABLE p AS SELECT id FROM {secured.at('t', **trusted)} INSERT INTO {secured.at('u', **trusted)};")
    assert secured.database.value("SELECT count(*) FROM u") == 10
    versions = "SELECT bool_and(ssl) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE a.backend_type = 'client backend'"
    assert secured.database.value(versions) is True
    state = f"{secured.database.url()}?ssl_mode=verify-full&sslrootcert={secured.ours}"
    assert "no pipelines" in sluice("status", env={"SLUICE_STATE": state}).stdout


@pytest.mark.parametrize("mode,host,authority,complaint", [
    ("verify-full", "127.0.0.1", "others", "certificate verify failed"),
    ("verify-ca", "127.0.0.1", "others", "certificate verify failed"),
    ("verify-full", "localhost", "ours", "does not match host name"),
    ("disable", "127.0.0.1", "ours", "no encryption"),
])  # fmt: skip
@pytest.mark.parametrize("side", ["source", "sink", "changes", "state"])
def test_a_mismatch_is_one_sentence_and_not_tried_again(sluice, secured, mode, host, authority, complaint, side):
    certificate = getattr(secured, authority)
    place = secured.at("t", host, ssl_mode=mode, sslrootcert=certificate)
    if side == "state":
        url = secured.database.url().replace("127.0.0.1", host) + f"?ssl_mode={mode}&sslrootcert={certificate}"
        error = sluice.fails("status", env={"SLUICE_STATE": url}, timeout=10)
    elif side == "sink":
        error = sluice.fails("run", "-e", f"INSERT INTO {place} SELECT 1 AS id", timeout=10)
    else:
        kind, more = ("STREAM", ", cdc := true)") if side == "changes" else ("TABLE", ")")
        error = sluice.fails("run", "-e", f"CREATE {kind} p AS SELECT * FROM {place[:-1]}{more} INSERT INTO file('out/');", timeout=10)
    assert complaint in error and "test-secret" not in error, error


def test_a_server_without_tls_is_refused_where_it_is_required(sluice, postgres):
    postgres.execute("CREATE TABLE t (id int)")
    error = sluice.fails("run", "-e", f"SELECT * FROM {postgres.at('t', REQUIRED)}")
    assert "server does not support SSL" in error
