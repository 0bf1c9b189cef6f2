"""A schema registry with Confluent's API (Apicurio 2.6): one for each worker, empty when it starts."""
import base64
import http.server
import json
import os
import shutil
import tarfile
import threading
import urllib.error
import urllib.request

import pytest

from services.process import DEPS, Server, free_port, need

FOLDER = DEPS / "registry"
JAVA = ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]


def program():
    """The unpacked registry: fetched as an archive."""
    unpacked = FOLDER / "app"
    if not unpacked.exists():
        archive = next((FOLDER / "libs").glob("*.tar.gz"), None)
        if archive is None:
            need(unpacked)
        folder = FOLDER / f"app.{os.getpid()}"
        with tarfile.open(archive) as files:
            files.extractall(folder)
        try:
            os.rename(folder, unpacked)  # another worker may have been quicker
        except OSError:
            shutil.rmtree(folder)
    return next(unpacked.glob("*-runner.jar"))


class Registry:
    """Its API as curl would use it; `url` has a path, as Apicurio's always does."""

    def __init__(self, url):
        self.url = url

    def ask(self, method, path, body=None):
        request = urllib.request.Request(self.url + path, method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/vnd.schemaregistry.v1+json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def register(self, subject, schema, kind="AVRO", references=()):
        if not isinstance(schema, str):
            schema = json.dumps(schema)
        return self.ask("POST", f"/subjects/{subject}/versions",
                        {"schema": schema, "schemaType": kind, "references": list(references)})["id"]

    def latest(self, subject):
        return self.ask("GET", f"/subjects/{subject}/versions/latest")

    def versions(self, subject):
        return self.ask("GET", f"/subjects/{subject}/versions")

    def client(self):
        """Confluent's own client for Python."""
        from confluent_kafka.schema_registry import SchemaRegistryClient

        return SchemaRegistryClient({"url": self.url})


@pytest.fixture(scope="session")
def registry(tmp_path_factory):
    port = free_port()
    server = Server([*JAVA, "-jar", program()], tmp_path_factory.mktemp("registry") / "log",
                    env={"QUARKUS_HTTP_HOST": "127.0.0.1", "QUARKUS_HTTP_PORT": str(port)})
    try:
        url = f"http://127.0.0.1:{port}/apis/ccompat/v7"
        server.wait_http(url + "/subjects", 90)
        yield Registry(url)
    finally:
        server.stop()


class Guard:
    """Stands in front of a registry: asks for a password, and can be down."""

    def __init__(self, url, user, password):
        self.allowed = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self.down = False
        self.turned_away = 0  # while it was down
        guard = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def reply(self, status, body):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def pass_on(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
                if guard.down:
                    guard.turned_away += 1
                    return self.reply(503, b"down for repairs")
                if self.headers.get("Authorization") != guard.allowed:
                    return self.reply(401, b"who are you?")
                kind = self.headers.get("Content-Type")
                request = urllib.request.Request(url + self.path, data=body, method=self.command,
                                                 headers={"Content-Type": kind} if kind else {})
                try:
                    with urllib.request.urlopen(request, timeout=10) as answer:
                        return self.reply(answer.status, answer.read())
                except urllib.error.HTTPError as error:
                    return self.reply(error.code, error.read())

            do_GET = do_POST = do_PUT = pass_on

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def guarded(registry):
    """The registry behind user `me` and password `p/w`."""
    guard = Guard(registry.url, "me", "p/w")
    yield guard
    guard.stop()
