"""PostgreSQL 15 and 18: one server of a version for each worker, `postgres` is a new database on 15 for each test, and
`each_postgres` one on either."""
import contextlib
import itertools
import os
import pathlib
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
import zipfile

import pytest

from services.process import DEPS, Server, free_port, need

USER, PASSWORD = "postgres", "test-secret"
# Changes of small transactions stream, too; nobody's data survives a power cut here, and all of it is in one folder.
SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
wal_level = logical
max_wal_senders = 20
max_replication_slots = 20
wal_sender_timeout = 10s
logical_decoding_work_mem = 64kB
fsync = off
synchronous_commit = off
full_page_writes = off
shared_buffers = 64MB
max_connections = 60
max_prepared_transactions = 0
min_wal_size = 32MB
max_wal_size = 128MB
dynamic_shared_memory_type = mmap
"""
_numbers = itertools.count(1)


def as_nobody():
    """The server refuses to run as root. The signal: a test run that dies takes it along."""
    if os.geteuid() != 0:
        return ["setpriv", "--pdeathsig", "KILL", "--"]
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--pdeathsig", "KILL", "--"]


def programs(version):
    """Debian's, or for 18 those of a Java library that brings a server along: unpacked where it was fetched to."""
    if version == 15:
        return need(pathlib.Path("/usr/lib/postgresql/15/bin/postgres")).parent
    unpacked = DEPS / "postgresql18/server"
    if not (unpacked / "bin/postgres").exists():
        jar = next((DEPS / "postgresql18/libs").glob("*.jar"), None)
        if jar is None:
            need(unpacked / "bin/postgres")
        with tempfile.TemporaryDirectory(dir=DEPS) as folder:  # workers may do this at once: whoever is first moves it
            with zipfile.ZipFile(jar) as archive, archive.open("postgres-linux-x86_64.txz") as packed:
                with tarfile.open(fileobj=packed, mode="r|xz") as files:
                    files.extractall(folder + "/server")
            with contextlib.suppress(OSError):
                os.rename(folder + "/server", unpacked)
    return unpacked / "bin"


class Postgres:
    """A server that can be stopped, killed and started again. `prepare` is called with it before it starts."""

    def __init__(self, folder, settings="", version=15, prepare=None):
        self.programs = programs(version)
        self.folder = pathlib.Path(folder)
        self.data = self.folder / "data"
        self.port = free_port()
        self.server = None
        password = self.folder / "password"
        password.write_text(PASSWORD)
        if os.geteuid() == 0:
            shutil.chown(self.folder, "nobody", "nogroup")
            shutil.chown(password, "nobody", "nogroup")
        subprocess.run(
            [*as_nobody(), self.programs / "initdb", "-D", self.data, "-U", USER, "-A", "scram-sha-256", "--pwfile",
             password, "-E", "UTF8", "--locale=C", "--no-sync"],
            check=True, capture_output=True, cwd=self.folder,
        )
        with open(self.data / "postgresql.conf", "a") as config:
            config.write(f"{SETTINGS}\nport = {self.port}\n{settings}\n")
        if prepare is not None:
            prepare(self)
        self.start()

    def start(self):
        command = [*as_nobody(), self.programs / "postgres", "-D", self.data]
        self.server = Server(command, self.folder / "log")
        deadline = time.monotonic() + 30
        while True:
            try:
                return self.connect("postgres").close()
            except OSError:
                pass
            assert self.server.process.poll() is None, self.server.log.read_text()
            assert time.monotonic() < deadline, self.server.log.read_text()
            time.sleep(0.05)

    def stop(self, how=signal.SIGINT):
        """SIGINT: fast, clients are sent away. SIGQUIT: at once, as a crash."""
        self.server.process.send_signal(how)
        self.server.process.wait(30)

    def connect(self, database, **options):
        import psycopg  # absent without `tools/deps test`

        try:
            return psycopg.connect(host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, dbname=database,
                                   connect_timeout=5, autocommit=True, **options)
        except psycopg.OperationalError as error:
            raise OSError(str(error)) from error

    def make_database(self):
        name = f"test_{os.getpid()}_{next(_numbers)}"
        with contextlib.closing(self.connect("postgres")) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return Database(self, name)


class Standby(Postgres):
    """A hot standby of a server that stands still while its files are copied, slots included; begun by start()."""

    def __init__(self, folder, primary):
        self.programs, self.server = primary.programs, None
        self.folder = pathlib.Path(folder)
        self.data = self.folder / "data"
        self.port = free_port()
        shutil.copytree(primary.data, self.data)
        (self.data / "standby.signal").touch()
        with open(self.data / "postgresql.conf", "a") as config:
            config.write(f"port = {self.port}\nprimary_conninfo = 'host=127.0.0.1 port={primary.port} user={USER} "
                         f"password={PASSWORD}'\nwal_retrieve_retry_interval = 200ms\n")
        if os.geteuid() == 0:
            for path in [self.folder, self.data, *self.data.rglob("*")]:
                shutil.chown(path, "nobody", "nogroup")

    def promote(self):
        with contextlib.closing(self.connect("postgres")) as connection:
            assert connection.execute("SELECT pg_promote()").fetchone()[0]


class Database:
    """One database, as psycopg sees it, and how a statement says where it is."""

    def __init__(self, server, name):
        self.server = server
        self.name = name
        self.connection = server.connect(name)

    def reconnect(self):
        """After the server was started again."""
        self.connection = self.server.connect(self.name)

    def execute(self, sql, parameters=None):
        return self.connection.execute(sql, parameters)

    def rows(self, sql, parameters=None):
        return self.connection.execute(sql, parameters).fetchall()

    def value(self, sql, parameters=None):
        return self.rows(sql, parameters)[0][0]

    def location(self, port=None):
        return f"{USER}:{PASSWORD}@127.0.0.1:{port or self.server.port}/{self.name}"

    def url(self, table=None, port=None):
        return f"postgresql://{self.location(port)}" + (f"?table={table}" if table else "")

    def at(self, table=None, more="", port=None):
        """postgresql('…?table=…', …): the connector call."""
        query = f"?table={table}" if table else ""
        return f"postgresql('{self.location(port)}{query}'{', ' + more if more else ''})"

    def drop(self):
        self.connection.close()
        with contextlib.closing(self.server.connect("postgres")) as connection:
            slots = "SELECT slot_name, active_pid FROM pg_replication_slots WHERE database = %s"
            for slot, pid in connection.execute(slots, [self.name]).fetchall():
                if pid is not None:
                    connection.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
                connection.execute("SELECT pg_drop_replication_slot(%s)", [slot])
            connection.execute(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")


@contextlib.contextmanager
def running_postgres(settings="", version=15, prepare=None):
    folder = tempfile.mkdtemp(prefix="sluice-postgres-")
    server = None
    try:
        server = Postgres(folder, settings, version, prepare)
        yield server
    finally:
        if server is not None and server.server is not None:
            if server.server.process.poll() is None:
                server.stop(signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server():
    with running_postgres() as server:
        yield server


@pytest.fixture
def postgres(postgres_server):
    """A new database."""
    database = postgres_server.make_database()
    yield database
    database.drop()


@pytest.fixture(scope="session")
def postgres18_server():
    with running_postgres(version=18) as server:
        yield server


@pytest.fixture(params=[15, 18])
def each_postgres(request):
    """A new database on a server of either version."""
    server = request.getfixturevalue("postgres_server" if request.param == 15 else "postgres18_server")
    database = server.make_database()
    yield database
    database.drop()


@pytest.fixture
def own_postgres():
    """A database on a server that only this test uses, and may stop."""
    with running_postgres() as server:
        yield server.make_database()
