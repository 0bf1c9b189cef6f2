"""kill -9 at every step of a change stream into folders, buckets, tables and topics, while a writer inserts, updates, deletes,
changes keys and rolls back.

The points come from an undisturbed run. One stream is killed at each of them, one after the other, and started again; then
what was delivered is replayed strictly (a lost or doubled change shows) or compared with the table.
"""
import contextlib
import json
import pathlib
import signal
import subprocess

import pytest
from e2e.postgres_changes import Writer, changes, changes_of, replay, running, stream, table_of, wait_until
from test_matrix import visits_of

SECONDS_PER_KILL = 6


class Sink:
    """Where changes go, and the table that they make there."""

    def __init__(self, kind, request, folder):
        self.kind = kind
        self.folder = pathlib.Path(folder)
        self.database = request.getfixturevalue("postgres")
        self.bucket = request.getfixturevalue("s3_servers")("versitygw").make_bucket() if kind == "s3" else None
        self.env = self.bucket.env if self.bucket is not None else {}
        self.kafka = request.getfixturevalue("kafka") if kind.startswith("kafka") else None
        self.topic = self.kafka.make_topic() if self.kafka is not None else None

    def call(self, name):
        if self.kind == "kafka":
            return f"INSERT INTO {self.kafka.at(f'{self.topic}.{name}', 'partitions := 2, key := ' + repr('id') + ', mode := ' + repr('append'))}"
        if self.kind == "kafka, debezium":
            return f"INSERT INTO {self.kafka.at(f'{self.topic}.{name}', 'partitions := 2, key := ' + repr('id') + ', envelope := ' + repr('debezium'))}"
        if self.kind == "postgresql":
            return f"INSERT INTO {self.database.at('r_' + name, 'key := ' + repr('id'))}"
        if self.kind == "s3":
            return f"INSERT INTO {self.bucket.at(f'out/{name}/', 'format := ' + repr('parquet'))}"
        return f"INSERT INTO file('out/{name}/', format := 'parquet')"

    def table(self, name):
        if self.kafka is not None:
            return replay(sorted(self.messages(f"{self.topic}.{name}"), key=lambda row: row["_pos"]))
        if self.kind == "postgresql":
            with contextlib.suppress(Exception):  # it is not there yet
                return table_of(self.database, "r_" + name)
            return {}
        if self.kind == "s3":
            for key in self.bucket.keys(f"out/{name}/"):
                path = self.folder / key
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(self.bucket.get(key))
        return replay(changes(self.folder / "out" / name))


    def messages(self, topic):
        """What a read_committed consumer sees, as rows of changes."""
        with contextlib.suppress(Exception):  # the topic is not there yet, or was made this very moment
            values = [json.loads(m.value()) for m in self.kafka.read_all(topic, 2) if m.value() is not None]
            return values if self.kind == "kafka" else [row_of(value) for value in values]
        return []


def row_of(envelope):
    op = {"r": "snapshot", "c": "insert", "u": "update", "d": "delete"}[envelope["op"]]
    (pos,) = json.loads(envelope["source"]["sequence"])
    return {**(envelope["before"] if op == "delete" else envelope["after"]), "_op": op, "_pos": pos}


@pytest.mark.parametrize("kind", ["file", "s3", "postgresql", "kafka", "kafka, debezium"])
def test_a_change_stream_loses_and_doubles_nothing_wherever_it_dies(sluice, request, kind, tmp_path, record_property):
    sink = Sink(kind, request, sluice.folder)
    database = sink.database
    database.execute("CREATE TABLE t (id bigint PRIMARY KEY, v text)")
    database.execute("INSERT INTO t SELECT g, 'v' || g FROM generate_series(0, 1999) g")

    def statement(name):
        return stream(changes_of(database, more="split_rows := 1000"), sink.call(name), name=name)

    def arrived(name):
        try:
            return sink.table(name) == table_of(database)
        except AssertionError:
            return False

    log = tmp_path / "visits"
    probe = sluice.start("run", "-e", statement("probe"), env={**sink.env, "SLUICE_CRASH_LOG": str(log)})
    writer = Writer(database, keys=2000, pause=0.01)
    writer.start()
    wait_until(lambda: log.exists() and log.read_text().count("commit.settled") > 3, running=probe)
    writer.stop()
    wait_until(lambda: arrived("probe"), running=probe)
    probe.send_signal(signal.SIGTERM)
    assert probe.wait(30) == 0, probe.stderr.read()

    writer = Writer(database, keys=2000, pause=0.01)
    writer.next += 1_000_000
    writer.start()
    kills = 0
    for point, _ in visits_of(log):
        process = sluice.start("run", "-e", statement("main"), env={**sink.env, "SLUICE_CRASH_AT": point})
        try:
            kills += process.wait(SECONDS_PER_KILL) == -signal.SIGKILL
        except subprocess.TimeoutExpired:  # a step of the first run only
            process.kill()
            process.wait()
    writer.stop()
    with contextlib.ExitStack() as stack:
        for name, value in sink.env.items():
            stack.enter_context(pytest.MonkeyPatch.context()).setenv(name, value)
        process = stack.enter_context(running(sluice, statement("main")))
        wait_until(lambda: arrived("main"), running=process)
    record_property("summary", f"crash matrix: postgresql, changes → {kind}: {kills} kills, lost 0, doubled 0")
    assert kills > 8
