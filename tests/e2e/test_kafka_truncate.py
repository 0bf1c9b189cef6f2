"""TRUNCATE in Debezium's envelopes: written as Debezium's connector for PostgreSQL does, and followed out of a topic."""
import json
import signal
import sqlite3

import pytest


def named(topic, prefix="p"):
    return prefix + topic.replace("-", "_")


def messages(kafka, topic, partitions=1):
    return [(message.key() and json.loads(message.key())["id"], message.value() and json.loads(message.value()))
            for message in kafka.read_all(topic, partitions)]


def into_topic(kafka, postgres, topic, more=""):
    sink = kafka.at(topic, "envelope := 'debezium', key := 'id'" + more)
    return (f"CREATE STREAM {named(topic)} WITH (epoch_age := '50ms') AS SELECT * FROM "
            f"postgresql('{postgres.location()}?table=t&cdc=true') INSERT INTO {sink};")


def held(path):
    if not path.exists():
        return None
    with sqlite3.connect(path) as connection:
        try:
            return connection.execute("SELECT id, v FROM t ORDER BY id").fetchall()
        except sqlite3.OperationalError:
            return None  # not made yet


def test_a_truncate_is_an_event_without_key_and_rows_in_its_place(start, kafka, postgres):
    topic = kafka.make_topic()
    postgres.execute("CREATE TABLE t (id bigint PRIMARY KEY, v text NOT NULL); INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    stream = start("run", "-e", into_topic(kafka, postgres, topic))
    stream.waits_until(lambda: len(messages(kafka, topic)) == 2, "the snapshot")
    postgres.execute("BEGIN; UPDATE t SET v = 'c' WHERE id = 1; TRUNCATE t; INSERT INTO t VALUES (3, 'd'); COMMIT")
    stream.waits_until(lambda: len(messages(kafka, topic)) == 5, "the changes")
    stream.stop()
    found = messages(kafka, topic)
    assert [(key, value["op"], value["after"] and value["after"]["id"]) for key, value in found] == [
        (1, "r", 1), (2, "r", 2), (1, "u", 1), (None, "t", None), (3, "c", 3)]
    truncate = found[3][1]
    assert truncate["before"] is None and truncate["after"] is None
    assert (truncate["source"]["schema"], truncate["source"]["table"]) == ("public", "t")
    assert truncate["ts_ms"] > 1_600_000_000_000


def test_the_schema_of_a_registry_holds_for_a_truncate_too(start, kafka, registry, postgres):
    from confluent_kafka.schema_registry.avro import AvroDeserializer
    from confluent_kafka.serialization import MessageField, SerializationContext

    topic = kafka.make_topic()
    postgres.execute("CREATE TABLE t (id bigint PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a')")
    avro = f", format := 'avro', key_format := 'avro', schema_registry := '{registry.url}'"
    stream = start("run", "-e", into_topic(kafka, postgres, topic, avro))
    stream.waits_until(lambda: len(kafka.read_all(topic)) == 1, "the snapshot")
    postgres.execute("TRUNCATE t")
    stream.waits_until(lambda: len(kafka.read_all(topic)) == 2, "the truncate")
    stream.stop()
    last = kafka.read_all(topic)[-1]
    value = AvroDeserializer(registry.client())(last.value(), SerializationContext(topic, MessageField.VALUE))
    assert last.key() is None and (value["op"], value["before"], value["after"]) == ("t", None, None)


@pytest.mark.parametrize("point", ["truncate.before", "kafka.commit.rows", "kafka.commit.positions", "truncate.done", "truncate.finished"])
def test_kill_9_around_a_truncate_writes_it_once(sluice, start, kafka, postgres, point):
    topic = kafka.make_topic()
    postgres.execute("CREATE TABLE t (id bigint PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a')")
    sql = into_topic(kafka, postgres, topic)
    stream = start("run", "-e", sql)
    stream.waits_until(lambda: len(messages(kafka, topic)) == 1, "the snapshot")
    stream.stop()
    postgres.execute("TRUNCATE t")
    # Nothing else is written: the first visit is the TRUNCATE's.
    stream = start("run", "-e", sql, env={"SLUICE_CRASH_AT": point})
    assert stream.end()[0] == -signal.SIGKILL
    postgres.execute("INSERT INTO t VALUES (2, 'b')")
    stream = start("run", "-e", sql)
    stream.waits_until(lambda: len(messages(kafka, topic)) >= 3, "the rows")
    stream.stop()
    assert [(key, value["op"]) for key, value in messages(kafka, topic)] == [(1, "r"), (None, "t"), (2, "c")]


def test_a_truncate_out_of_a_topic_empties_the_target_in_its_place(start, kafka, tmp_path):
    """As Debezium wrote them; all of it in one batch."""
    topic = kafka.make_topic()

    def change(op, after=None):
        return json.dumps({"before": None, "after": after, "op": op, "ts_ms": 5, "source": {"ts_ms": 1_700_000_000_000}})

    kafka.produce(topic, [change("c", {"id": i, "v": "x"}) for i in range(50)] + [change("t"), change("t")] +
                  [change("c", {"id": i, "v": "y"}) for i in range(100, 103)])
    source = kafka.at(topic, "envelope := 'debezium'")
    sql = (f"CREATE STREAM {named(topic)} WITH (epoch_age := '50ms') AS SELECT * FROM {source} "
           "INSERT INTO sqlite('out.db?table=t', mode := 'upsert', key := 'id');")
    running = start("run", "-e", sql)
    running.waits_until(lambda: held(tmp_path / "out.db") == [(100, "y"), (101, "y"), (102, "y")], "the rows behind it")
    kafka.produce(topic, [change("c", {"id": 200, "v": "z"}), change("t"), change("c", {"id": 201, "v": "z"}), change("t")])
    running.waits_until(lambda: held(tmp_path / "out.db") == [], "nothing, which is what the last one left")
    kafka.produce(topic, [change("c", {"id": 300, "v": "z"})])
    running.waits_until(lambda: held(tmp_path / "out.db") == [(300, "z")], "what came since")
    running.stop()


def test_a_truncate_that_cannot_be_followed_is_said_or_ignored(sluice, start, kafka, tmp_path):
    change = {"before": None, "after": {"id": 1}, "op": "c", "ts_ms": 5}
    truncate = {"before": None, "after": None, "op": "t", "ts_ms": 6}
    topic = kafka.make_topic()
    kafka.produce(topic, [json.dumps(one) for one in (change, truncate, change)])
    files = "INSERT INTO file('out/', format := 'json')"
    error = sluice.fails("run", "-e", f"CREATE TABLE a AS SELECT * FROM {kafka.at(topic, 'envelope := ' + repr('debezium'))} {files};")
    assert f"table '{topic}' was truncated" in error and "on_truncate" in error
    several = kafka.make_topic(2)
    kafka.produce(several, [json.dumps(one) for one in (change, truncate, change)], partition=0)
    location = kafka.at(several, "envelope := 'debezium'")
    error = sluice.fails("run", "-e", f"CREATE TABLE b AS SELECT * FROM {location} INSERT INTO sqlite('b.db?table=t', key := 'id');")
    assert "out of several partitions" in error and f"{several}/0@1" in error
    sql = f"CREATE TABLE c WITH (dead_letters := 'dead/', on_truncate := 'ignore') AS SELECT * FROM {location} {files};"
    sluice.sql(sql.replace(several, topic).replace("TABLE c", "TABLE d").replace("out/", "d/"))
    assert len((tmp_path / "d").glob("*.jsonl").__next__().read_text().splitlines()) == 2
    sluice.sql(sql)
    (letter,) = [json.loads(line) for path in (tmp_path / "dead").rglob("*.jsonl") for line in path.read_text().splitlines()]
    assert "several partitions" in letter["reason"]


def test_a_tables_truncate_goes_through_a_topic_into_its_replica(start, kafka, postgres, tmp_path):
    topic = kafka.make_topic()
    postgres.execute("CREATE TABLE t (id bigint PRIMARY KEY, v text); INSERT INTO t SELECT g, 'a' FROM generate_series(1, 100) g")
    writing = start("run", "-e", into_topic(kafka, postgres, topic))
    writing.waits_until(lambda: len(kafka.read_all(topic)) == 100, "the snapshot")
    source = kafka.at(topic, "envelope := 'debezium'")
    reading = start("run", "-e", f"CREATE STREAM {named(topic, 'r')} WITH (epoch_age := '50ms') AS SELECT * FROM {source} "
                    "INSERT INTO sqlite('out.db?table=t', mode := 'upsert', key := 'id');",
                    env={"SLUICE_STATE": f"sqlite:{tmp_path}/other.db"})
    reading.waits_until(lambda: len(held(tmp_path / "out.db") or []) == 100, "the copy")
    for step in range(3):
        postgres.execute(f"UPDATE t SET v = 'b'; TRUNCATE t; INSERT INTO t SELECT g, '{step}' FROM generate_series({step}, 5) g")
    reading.waits_until(lambda: held(tmp_path / "out.db") == postgres.rows("SELECT id, v FROM t ORDER BY id"), "the same rows")
    reading.stop()
    writing.stop()
