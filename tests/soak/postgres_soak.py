"""A replica of a PostgreSQL table while everything is killed at random for SOAK_MINUTES: the client (SIGKILL, SIGTERM), the
server (fast, immediate) and the network between them (cut, half-open), under a writer that inserts, updates, deletes,
changes keys and rolls back. Then the copy has to equal the table, row by row; else the exit code is 1.
"""
import contextlib
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from e2e.postgres_changes import Writer  # noqa: E402
from services.postgres import running_postgres  # noqa: E402
from services.tcp_proxy import TcpProxy  # noqa: E402

BINARY = os.environ.get("SLUICE_BINARY", str(ROOT / "build" / "sluice"))
MINUTES = float(os.environ.get("SOAK_MINUTES", "15"))
SEED = int(os.environ.get("SOAK_SEED", str(time.time_ns() % 1_000_000)))
DRAIN_SECONDS = 120


class Soak:
    def __init__(self, server, proxy, folder):
        self.server, self.proxy, self.folder = server, proxy, folder
        self.chance = random.Random(SEED)
        self.database = server.make_database()
        self.database.execute("CREATE TABLE t (id bigint PRIMARY KEY, v text)")
        self.database.execute("INSERT INTO t SELECT g, 'v' || g FROM generate_series(0, 19999) g")
        self.database.execute("CREATE DATABASE replica")
        replica = self.database.location(proxy.port).rsplit("/", 1)[0] + "/replica"
        self.sql = (f"CREATE STREAM s WITH (epoch_age := '200ms') AS SELECT * FROM {self.database.at('t', 'cdc := true', port=proxy.port)} "
                    f"INSERT INTO postgresql('{replica}?table=t', key := 'id', connect_timeout := '2s');")
        self.counts = {}
        self.writers = 0
        self.client = self.writer = None

    def start_client(self):
        with open(self.folder / "client.log", "a") as log:
            self.client = subprocess.Popen([BINARY, "run", "-e", self.sql], cwd=self.folder, stdin=subprocess.DEVNULL,
                                           stdout=log, stderr=log, env={**os.environ, "SLUICE_STATE": "sqlite:state.db"})

    def start_writer(self):
        self.writers += 1
        self.writer = Writer(self.database, pause=0.01)
        self.writer.next += self.writers * 1_000_000
        self.writer.random.seed(SEED + self.writers)
        self.writer.start()

    def stop_writer(self):
        with contextlib.suppress(Exception):  # its server was killed under it
            self.writer.stop()

    def trouble(self):
        what = self.chance.choice(["kill", "kill", "stop", "cut", "half open", "crash", "restart"])
        self.counts[what] = self.counts.get(what, 0) + 1
        if what in ("kill", "stop"):
            self.client.send_signal(signal.SIGKILL if what == "kill" else signal.SIGTERM)
            self.client.wait(60)
            self.start_client()
        elif what == "cut":
            self.proxy.cut()
        elif what == "half open":
            self.proxy.freeze()
            time.sleep(self.chance.uniform(0.2, 2))
            self.proxy.thaw()
        else:
            self.server.stop(signal.SIGQUIT if what == "crash" else signal.SIGINT)
            self.server.start()
            self.database.reconnect()
            self.stop_writer()
            self.start_writer()

    def same(self):
        query = "SELECT id, v FROM t ORDER BY id"
        with contextlib.closing(self.server.connect("replica")) as replica:
            try:
                return replica.execute(query).fetchall() == self.database.rows(query)
            except Exception:  # no table yet
                return False

    def run(self):
        self.start_client()
        self.start_writer()
        end = time.monotonic() + MINUTES * 60
        while time.monotonic() < end:
            time.sleep(self.chance.uniform(0.5, 5))
            if self.client.poll() is not None:
                return f"the client ended by itself with {self.client.returncode}; see client.log"
            self.trouble()
        self.stop_writer()
        deadline = time.monotonic() + DRAIN_SECONDS
        while not self.same():
            if self.client.poll() is not None:
                return f"the client ended by itself with {self.client.returncode}; see client.log"
            if time.monotonic() > deadline:
                return "the copy does not become equal"
            time.sleep(0.5)
        self.client.terminate()
        return None if self.client.wait(60) == 0 else "the client did not end well"


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-soak-"))
    print(f"seed {SEED}, {MINUTES} minutes, {folder}", flush=True)
    with running_postgres() as server, TcpProxy(server.port) as proxy:
        soak = Soak(server, proxy, folder)
        try:
            problem = soak.run()
        finally:
            if soak.client is not None and soak.client.poll() is None:
                soak.client.kill()
        rows = soak.database.value("SELECT count(*) FROM t")
        print(f"{problem or 'equal'}: {rows} rows after {soak.counts}")
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
