"""Large values that an update left as they were and PostgreSQL therefore does not send: whoever merges keeps what it has,
whoever cannot says so, and none writes NULL in their place."""
import base64
import json
import random
import sqlite3

import pytest
from postgres_changes import changes_of, stream

LARGE = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz", k=10_000))


@pytest.fixture
def source(postgres):
    """A table with a value that is stored aside, and what happens to it while a stream runs."""
    postgres.execute("CREATE TABLE t (id int PRIMARY KEY, v text, large text, bytes bytea)")
    postgres.execute("ALTER TABLE t ALTER large SET STORAGE EXTERNAL, ALTER bytes SET STORAGE EXTERNAL")
    postgres.execute("INSERT INTO t VALUES (1, 'one', %s, %s), (2, 'two', %s, NULL)", [LARGE, LARGE.encode(), LARGE])
    return postgres


def updates(source):
    source.execute("UPDATE t SET v = 'uno' WHERE id = 1")
    source.execute("UPDATE t SET v = 'due', large = NULL WHERE id = 2")
    source.execute("INSERT INTO t (id, v, large) VALUES (3, 'three', %s)", [LARGE])
    source.execute("UPDATE t SET v = 'tre' WHERE id = 3")


MERGED = [(1, "uno", LARGE, LARGE.encode()), (2, "due", None, None), (3, "tre", LARGE, None)]


def deliver(start, source, sink, arrived, name="s"):
    """Through the snapshot, which makes `arrived` say 2, and the updates after it."""
    running = start("run", "-e", stream(changes_of(source), sink, name=name))
    running.waits_until(lambda: arrived() == 2, "the snapshot")
    updates(source)
    return running


def replica(source, columns="id, v, large, bytes"):
    if source.value("SELECT to_regclass('replica')") is None:
        return []
    return [tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)
            for row in source.rows(f"SELECT {columns} FROM replica ORDER BY id")]


def begins(rows):
    return [row[:2] for row in rows]


def test_a_replica_keeps_them(start, source):
    sink = f"INSERT INTO postgresql('{source.location()}?table=replica', key := 'id')"
    running = deliver(start, source, sink, lambda: len(replica(source)))
    running.waits_until(lambda: begins(replica(source)) == begins(MERGED), "the updates")
    running.stop()
    assert replica(source) == MERGED


def test_sqlite_keeps_them(start, sluice, source):
    def rows():
        with sqlite3.connect(sluice.folder / "replica.db") as database:
            exists = database.execute("SELECT count(*) FROM sqlite_master WHERE name = 't'").fetchone()[0]
            return database.execute("SELECT id, v, large, bytes FROM t ORDER BY id").fetchall() if exists else []

    running = deliver(start, source, "INSERT INTO sqlite('replica.db?table=t', key := 'id')", lambda: len(rows()))
    running.waits_until(lambda: begins(rows()) == begins(MERGED), "the updates")
    running.stop()
    assert rows() == MERGED


def enveloped(start, source, kafka, topic):
    """What PostgreSQL → topic of envelopes has written."""
    sink = f"INSERT INTO {kafka.at(topic, 'envelope := ' + repr('debezium') + ', key := ' + repr('id'))}"
    running = deliver(start, source, sink, lambda: len(kafka.read_all(topic)), topic.replace("-", "_"))
    running.waits_until(lambda: len(kafka.read_all(topic)) == 6, "the changes")
    running.stop()
    return [json.loads(message.value()) for message in kafka.read_all(topic)]


def in_base64(value):
    """Bytes as JSON has them."""
    return None if value is None else base64.b64encode(value).decode()


def test_an_envelope_holds_the_placeholder_and_is_merged_by_it(start, source, kafka):
    topic = kafka.make_topic()
    absent = "__debezium_unavailable_value"
    found = [message["after"] for message in enveloped(start, source, kafka, topic)]
    assert [row["large"] for row in found] == [LARGE, LARGE, absent, None, LARGE, absent]
    bytes_found = [row["bytes"] for row in found]
    assert bytes_found == [in_base64(LARGE.encode()), None, in_base64(absent.encode()), None, None, None]
    sink = f"INSERT INTO postgresql('{source.location()}?table=replica', key := 'id')"
    back = start("run", "-e", stream(kafka.at(topic, "envelope := 'debezium'"), sink, name=topic.replace("-", "_") + "_back"))
    back.waits_until(lambda: begins(replica(source, "id, v")) == begins(MERGED), "the changes")
    back.stop()
    assert replica(source) == [(*row[:3], in_base64(row[3])) for row in MERGED]


def test_a_topic_of_states_refuses_them(start, source, kafka):
    topic = kafka.make_topic()
    sink = f"INSERT INTO {kafka.at(topic, 'key := ' + repr('id'))}"
    running = deliver(start, source, sink, lambda: len(kafka.read_all(topic)), topic.replace("-", "_"))
    code, said = running.end()
    assert code == 1 and "a large value was not sent because it had not changed" in said, said
