"""`sluice serve`: the server runs pipelines, shows them, and ends as it should."""
import json
import signal
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request

import pytest
from delivered import wait_until

from services.certificates import make_authority, make_certificate


class Server:
    """A running server: its log lines as they come, and requests to it."""

    def __init__(self, sluice, *arguments, env=None):
        self.process = sluice.start("serve", "--port", "0", "--log-format", "json", *arguments, env=env)
        self.lines = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.url = self.wait_for_log("serving")["url"]

    def _read(self):
        for line in self.process.stderr:
            self.lines.append(line)

    def wait_for_log(self, message, timeout=20):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            for line in list(self.lines):
                if message in line:
                    return json.loads(line)
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"no '{message}' in the log: {''.join(self.lines)}")

    def get(self, path, token=None, context=None, method="GET"):
        request = urllib.request.Request(self.url + path, method=method)
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=10, context=context) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def pipelines(self):
        status, body = self.get("/api/pipelines")
        assert status == 200, body
        return {pipeline["name"]: pipeline for pipeline in json.loads(body)["pipelines"]}

    def wait_for_state(self, name, state, timeout=20):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            shown = self.pipelines().get(name)
            if shown and shown["state"] == state:
                return shown
            time.sleep(0.05)
        raise AssertionError(f"{name} did not become {state}: {self.pipelines()}\n{''.join(self.lines)}")

    def metric(self, line):
        return line + "\n" in self.get("/metrics")[1]

    def stop(self):
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=20)
        self.reader.join(timeout=5)
        return self.process.returncode, time.monotonic() - began


@pytest.fixture
def serve(sluice):
    servers = []

    def start(*arguments, env=None):
        servers.append(Server(sluice, *arguments, env=env))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()


def write_pipeline(sluice, name, sql):
    folder = sluice.folder / "pipelines"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.sql").write_text(sql)


def rows_of(folder):
    return sorted(
        json.loads(line)["id"] for path in folder.glob("*.jsonl") for line in path.read_text().splitlines() if line
    )


def test_health_metrics_and_unknown_paths_are_answered(serve):
    server = serve()
    status, body = server.get("/health")
    assert status == 200
    health = json.loads(body)
    assert health["status"] == "ok" and health["version"] and health["pipelines"]["total"] == 0
    status, text = server.get("/metrics")
    assert status == 200
    for name in ("process_resident_memory_bytes", "sluice_uptime_seconds", "sluice_build_info", "sluice_http_requests_total"):
        assert f"# TYPE {name} " in text
    assert server.get("/nothing") == (404, '{"error":"there is no /nothing"}\n')
    assert json.loads(server.get("/api/pipelines")[1]) == {"pipelines": []}
    code, seconds = server.stop()
    assert code == 0 and seconds < 3


def test_streams_and_tables_run_and_a_failed_one_disturbs_nobody(sluice, serve):
    (sluice.folder / "in").mkdir()
    (sluice.folder / "in" / "a.jsonl").write_text('{"id": 1}\n{"id": 2}\n')
    write_pipeline(sluice, "stream", """
        CREATE STREAM follow WITH (epoch_age := '100ms') AS SELECT id FROM file('in/*.jsonl', watch := true)
        INSERT INTO file('out/');""")
    write_pipeline(sluice, "table", "CREATE TABLE once AS SELECT id FROM file('in/*.jsonl') INSERT INTO file('copy/');")
    write_pipeline(sluice, "broken", "CREATE TABLE broken AS SELECT * FROM file('missing.csv') INSERT INTO file('x/');")
    (sluice.folder / "sluice.yaml").write_text("pipelines: pipelines/\nlog: {level: info}\n")
    server = serve()
    server.wait_for_state("once", "finished")
    broken = server.wait_for_state("broken", "failed")
    assert "missing.csv" in broken["error"] and broken["failures"] == 1
    assert server.metric('sluice_pipeline_failed{pipeline="broken"} 1')
    server.wait_for_state("follow", "running")
    (sluice.folder / "in" / "b.jsonl").write_text('{"id": 3}\n')
    end = time.monotonic() + 20
    while not server.metric('sluice_rows_written_total{pipeline="follow"} 3') and time.monotonic() < end:
        time.sleep(0.05)
    assert server.pipelines()["follow"]["rows"] == 3
    assert rows_of(sluice.folder / "out") == [1, 2, 3]
    assert rows_of(sluice.folder / "copy") == [1, 2]
    code, _ = server.stop()
    assert code == 0
    assert not (sluice.folder / "x").exists()


def test_a_server_started_again_delivers_only_what_is_new(sluice, serve):
    (sluice.folder / "in.jsonl").write_text('{"id": 1}\n')
    write_pipeline(sluice, "t", "CREATE TABLE t AS SELECT id FROM file('in*.jsonl') INSERT INTO file('out/');")
    for expected in ([1], [1, 2]):
        server = serve("--pipelines", "pipelines")
        server.wait_for_state("t", "finished")
        server.stop()
        assert rows_of(sluice.folder / "out") == expected
        (sluice.folder / "in2.jsonl").write_text('{"id": 2}\n')


def test_sigterm_commits_what_a_stream_has_read(sluice, serve):
    (sluice.folder / "in").mkdir()
    (sluice.folder / "in" / "a.jsonl").write_text("".join(f'{{"id": {i}}}\n' for i in range(1000)))
    write_pipeline(sluice, "s", """
        CREATE STREAM s WITH (epoch_age := '1h') AS SELECT id FROM file('in/*.jsonl', watch := true)
        INSERT INTO file('out/');""")
    server = serve("--pipelines", "pipelines")
    end = time.monotonic() + 20
    while not server.metric('sluice_rows_read_total{pipeline="s"} 1000') and time.monotonic() < end:
        time.sleep(0.05)
    assert server.stop()[0] == 0
    assert rows_of(sluice.folder / "out") == list(range(1000))


def test_the_admin_token_protects_the_api(sluice, serve):
    (sluice.folder / "token").write_text("s3cret\n")
    (sluice.folder / "sluice.yaml").write_text("admin_token: file:token\nlisten: ${WHERE}\n")
    server = serve(env={"WHERE": "127.0.0.1"})
    assert server.get("/api/pipelines")[0] == 401
    assert server.get("/api/pipelines", token="wrong")[0] == 401
    assert server.get("/api/pipelines", token="s3cret")[0] == 200
    assert server.get("/health")[0] == 200
    assert "s3cret" not in "".join(server.lines)


def test_a_stream_loads_its_lookups_again_on_request(sluice, serve):
    (sluice.folder / "names.csv").write_text("id,name\n1,old\n")
    (sluice.folder / "in").mkdir()
    (sluice.folder / "in/a.jsonl").write_text('{"id": 1}\n')
    write_pipeline(sluice, "named", "CREATE STREAM named WITH (epoch_age := '20ms') AS SELECT i.id, n.name FROM file('in/', "
                   "watch := true, poll_interval := '20ms') i LEFT JOIN file('names.csv') n ON i.id = n.id INSERT INTO file('out/');")
    server = serve("--pipelines", "pipelines")

    def names():
        lines = [line for path in (sluice.folder / "out").glob("*.jsonl") for line in path.read_text().splitlines()]
        return [json.loads(line)["name"] for line in lines]

    def one_more():
        seen = len(names())
        with open(sluice.folder / "in/a.jsonl", "a") as file:
            file.write('{"id": 1}\n')
        wait_until(lambda: len(names()) > seen, "the row that was appended")

    wait_until(lambda: names() == ["old"], "the first row")
    (sluice.folder / "new.csv").write_text("id,name\n1,new\n")
    (sluice.folder / "new.csv").rename(sluice.folder / "names.csv")
    one_more()
    assert names() == ["old", "old"]
    assert server.get("/api/pipelines/nobody/refresh", method="POST")[0] == 404
    status, body = server.get("/api/pipelines/named/refresh", method="POST")
    assert (status, json.loads(body)) == (202, {"name": "named", "refresh": "asked for"})
    wait_until(lambda: one_more() or "new" in names(), "a row with the new name")
    assert server.stop()[0] == 0


def test_mistakes_in_the_configuration_are_one_sentence_with_their_place(sluice):
    def complaint(text, *arguments, **options):
        (sluice.folder / "sluice.yaml").write_text(text)
        return sluice.fails("serve", *arguments, **options)

    assert complaint("port: 1\nlissten: x\n") == "error: sluice.yaml:2:1: unknown key 'lissten'; did you mean 'listen'?"
    assert complaint("gateway: {}\n") == "error: sluice.yaml:1:1: 'gateway' is not available yet; leave it out"
    assert "needs an admin_token" in complaint("listen: 0.0.0.0\n", "--port", "0")
    assert complaint("", "--config", "missing.yaml").startswith("error: cannot read 'missing.yaml'")
    write_pipeline(sluice, "bad", "CREATE STREAM s AS SELECT count(*) FROM file('in/', watch := true) INSERT INTO file('o/');")
    assert complaint("pipelines: pipelines\n").startswith("error: pipelines/bad.sql:1:")
    write_pipeline(sluice, "bad", "INSERT INTO file('o/') SELECT 1 AS a;")
    assert "a server runs CREATE STREAM and CREATE TABLE only" in complaint("pipelines: pipelines\n")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        (sluice.folder / "pipelines" / "bad.sql").unlink()
        error = complaint("", "--port", taken.getsockname()[1])
        assert "another program uses that port" in error


def test_https_with_a_certificate_of_ones_own(sluice, serve):
    authority = make_authority(sluice.folder, "ours")
    make_certificate(sluice.folder, "ours", "IP:127.0.0.1")
    (sluice.folder / "sluice.yaml").write_text("tls: {cert: server.crt, key: server.key}\n")
    server = serve()
    assert server.url.startswith("https://")
    trust = ssl.create_default_context(cafile=authority)
    assert server.get("/health", context=trust)[0] == 200
    assert server.stop()[0] == 0


def test_a_stream_that_tries_again_says_why_and_is_seen_by_alerts(sluice, serve, own_postgres):
    (sluice.folder / "in").mkdir()
    (sluice.folder / "in/a.jsonl").write_text('{"id": 1}\n')
    write_pipeline(sluice, "s", "CREATE STREAM s WITH (epoch_age := '50ms') AS SELECT id FROM file('in/', watch := true, "
                   f"poll_interval := '50ms') INSERT INTO {own_postgres.at('rows')};")
    server = serve("--pipelines", "pipelines")
    wait_until(lambda: server.metric('sluice_rows_written_total{pipeline="s"} 1'), "the first row")
    assert server.metric('sluice_pipeline_retrying{pipeline="s"} 0')
    own_postgres.server.stop(signal.SIGQUIT)
    with open(sluice.folder / "in/a.jsonl", "a") as file:
        file.write('{"id": 2}\n')
    shown = server.wait_for_state("s", "retrying")
    assert str(own_postgres.server.port) in shown["error"] and shown["failures"] == 0
    assert server.metric('sluice_pipeline_retrying{pipeline="s"} 1')
    assert not server.metric('sluice_pipeline_retries_total{pipeline="s"} 0')
    own_postgres.server.start()
    wait_until(lambda: server.metric('sluice_rows_written_total{pipeline="s"} 2'), "the second row")
    assert "error" not in server.wait_for_state("s", "running")
    assert server.metric('sluice_pipeline_retrying{pipeline="s"} 0')


def test_two_servers_on_one_store_stand_by_for_each_other(sluice, serve):
    (sluice.folder / "in").mkdir()
    (sluice.folder / "in/a.jsonl").write_text('{"id": 1}\n')
    write_pipeline(sluice, "s", "CREATE STREAM s WITH (epoch_age := '50ms') AS SELECT id FROM file('in/', watch := true, "
                   "poll_interval := '50ms') INSERT INTO file('out/');")
    first = serve("--pipelines", "pipelines")
    wait_until(lambda: first.metric('sluice_rows_written_total{pipeline="s"} 1'), "the first row")
    second = serve("--pipelines", "pipelines")
    shown = second.wait_for_state("s", "retrying")
    assert "already running" in shown["error"] and shown["failures"] == 0
    assert second.metric('sluice_pipeline_retrying{pipeline="s"} 0'), "standing by is no trouble"
    assert first.stop()[0] == 0
    second.wait_for_state("s", "running")
    with open(sluice.folder / "in/a.jsonl", "a") as file:
        file.write('{"id": 2}\n')
    wait_until(lambda: second.metric('sluice_rows_written_total{pipeline="s"} 1'), "the second row")
    assert rows_of(sluice.folder / "out") == [1, 2]
