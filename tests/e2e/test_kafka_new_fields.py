"""Fields that producers add while a stream runs: they become columns where the sink takes them, and else their messages are
bad ones; judged by pyarrow and psycopg."""
import json
import pathlib
import signal
import struct

import pyarrow.parquet as pq
import pytest
from delivered import ids, rows

FILES = "file('out/', format := 'parquet')"


def named(topic):
    return "s" + topic.replace("-", "_")


def stream(topic, source, sink=FILES, options="", select="*"):
    return (f"CREATE STREAM {named(topic)} WITH (epoch_age := '100ms'{options}) AS SELECT {select} FROM {source} "
            f"INSERT INTO {sink};")


def dumped(*messages):
    return [json.dumps(message) for message in messages]


def parquet(folder):
    """The rows of each file, without the columns that it lacks, by id."""
    paths = sorted(path for path in pathlib.Path(folder).rglob("*.parquet") if not path.name.startswith("."))
    return sorted((row for path in paths for row in pq.ParquetFile(path).read().to_pylist()), key=lambda row: row["id"])


def names(folder):
    return {tuple(pq.ParquetFile(path).schema_arrow.names) for path in pathlib.Path(folder).rglob("*.parquet")}


def has(folder, count):
    return pathlib.Path(folder).exists() and len(parquet(folder)) >= count


def test_a_new_field_becomes_a_column_of_the_files_that_follow(kafka, start, tmp_path):
    topic = kafka.make_topic()
    sql = stream(topic, kafka.at(topic))
    kafka.produce(topic, dumped({"id": 1, "user": {"name": "Ida"}}))
    running = start("run", "-e", sql)
    running.waits_until(lambda: has(tmp_path / "out", 1), "the first row")
    # What follows tells that `price` is no whole number.
    kafka.produce(topic, dumped({"id": 2, "user": {"name": "Bob"}, "price": None}, {"id": 3, "user": {"name": "Eve", "age": 7}, "price": 1},
                                {"id": 4, "user": {"name": "Tim"}, "price": 1.5}))
    running.waits_until(lambda: has(tmp_path / "out", 4), "the rows with new fields")
    running.stop()
    # The stream remembers; and what another process does not know it learns as well.
    running = start("run", "-e", sql)
    kafka.produce(topic, dumped({"id": 5, "price": 2.5, "user": {"name": "Ann", "age": 8}, "tags": ["x"]}))
    running.waits_until(lambda: has(tmp_path / "out", 5), "the row of the second run")
    running.stop()
    assert parquet(tmp_path / "out") == [
        {"id": 1, "user": {"name": "Ida"}}, {"id": 2, "user": {"name": "Bob"}},
        {"id": 3, "user": {"name": "Eve", "age": 7}, "price": 1.0}, {"id": 4, "user": {"name": "Tim", "age": None}, "price": 1.5},
        {"id": 5, "user": {"name": "Ann", "age": 8}, "price": 2.5, "tags": ["x"]}]
    assert names(tmp_path / "out") == {("id", "user"), ("id", "user", "price"), ("id", "user", "price", "tags")}


def test_a_new_field_becomes_a_column_of_the_table(kafka, postgres, start):
    topic = kafka.make_topic(2)
    kafka.produce(topic, dumped({"id": 1}), partition=0)
    kafka.produce(topic, dumped({"id": 2}), partition=1)
    running = start("run", "-e", stream(topic, kafka.at(topic), postgres.at("t")))

    def held():
        if postgres.value("SELECT to_regclass('t')") is None:
            return []
        return [row[0] for row in postgres.rows("SELECT to_jsonb(t) FROM t ORDER BY id")]

    running.waits_until(lambda: len(held()) == 2, "the first rows")
    # Each partition has a field of its own, and their order is nobody's.
    kafka.produce(topic, dumped({"id": 3, "note": "three"}, {"id": 5}), partition=0)
    kafka.produce(topic, dumped({"id": 4, "n": 4}, {"id": 6, "n": 6, "note": "six"}), partition=1)
    running.waits_until(lambda: len(held()) == 6, "the rows with new fields")
    running.stop()
    assert held() == [{"id": 1, "n": None, "note": None}, {"id": 2, "n": None, "note": None},
                      {"id": 3, "n": None, "note": "three"}, {"id": 4, "n": 4, "note": None},
                      {"id": 5, "n": None, "note": None}, {"id": 6, "n": 6, "note": "six"}]


@pytest.mark.parametrize("point", ["change.committed", "change.evolved", "change.saved"])
def test_kill_9_around_a_new_field_loses_and_doubles_nothing(kafka, postgres, sluice, start, point):
    topic = kafka.make_topic()
    kafka.produce(topic, dumped({"id": 1}))
    sql = stream(topic, kafka.at(topic, "instance_id := 'one'"), postgres.at("t"))

    def held(columns="id"):
        return postgres.rows(f"SELECT {columns} FROM t ORDER BY id") if postgres.value("SELECT to_regclass('t')") else []

    running = start("run", "-e", sql, env={"SLUICE_CRASH_AT": point})
    running.waits_until(lambda: held() == [(1,)], "the first row")
    kafka.produce(topic, dumped({"id": 2}, {"id": 3, "note": "three"}, {"id": 4}))
    assert running.end()[0] == -signal.SIGKILL
    running = start("run", "-e", sql)
    running.waits_until(lambda: len(held()) == 4, "all rows")
    running.stop()
    assert held("id, note") == [(1, None), (2, None), (3, "three"), (4, None)]


def serialized(serializer, topic, value):
    from confluent_kafka.serialization import MessageField, SerializationContext

    return serializer(value, SerializationContext(topic, MessageField.VALUE))


def test_a_field_that_a_newer_avro_schema_has_becomes_a_column(kafka, registry, start, tmp_path):
    from confluent_kafka.schema_registry.avro import AvroSerializer

    topic = kafka.make_topic()
    old = [{"name": "id", "type": "long"}]
    new = [*old, {"name": "vip", "type": "boolean", "default": False}, {"name": "note", "type": ["null", "string"], "default": None}]
    old, new = (AvroSerializer(registry.client(), json.dumps({"type": "record", "name": "R", "fields": fields})) for fields in (old, new))
    kafka.produce(topic, [serialized(old, topic, {"id": 1})])
    location = kafka.at(topic, f"format := 'avro', schema_registry := '{registry.url}'")
    running = start("run", "-e", stream(topic, location))
    running.waits_until(lambda: has(tmp_path / "out", 1), "the first row")
    kafka.produce(topic, [serialized(new, topic, {"id": 2, "vip": True, "note": "two"}), serialized(old, topic, {"id": 3})])
    running.waits_until(lambda: has(tmp_path / "out", 3), "the rows with new fields")
    running.stop()
    # A message of the older schema has the newer one's defaults, as it would have from the start.
    assert parquet(tmp_path / "out") == [{"id": 1}, {"id": 2, "vip": True, "note": "two"}, {"id": 3, "vip": False, "note": None}]


def test_a_field_that_a_newer_protobuf_schema_has_becomes_a_column(kafka, registry, start, tmp_path):
    topic = kafka.make_topic()
    text = 'syntax = "proto3"; message Row {{ int64 id = 1; {} }}'

    def message(number, *parts):
        return struct.pack(">bI", 0, number) + b"\0" + b"".join(parts)

    old = registry.register(f"{topic}-value", text.format(""), "PROTOBUF")
    kafka.produce(topic, [message(old, b"\x08\x01")])
    location = kafka.at(topic, f"format := 'protobuf', schema_registry := '{registry.url}'")
    running = start("run", "-e", stream(topic, location))
    running.waits_until(lambda: has(tmp_path / "out", 1), "the first row")
    new = registry.register(f"{topic}-value", text.format("string note = 2;"), "PROTOBUF")
    kafka.produce(topic, [message(new, b"\x08\x02", b"\x12\x03two"), message(old, b"\x08\x03")])
    running.waits_until(lambda: has(tmp_path / "out", 3), "the rows with new fields")
    running.stop()
    assert parquet(tmp_path / "out") == [{"id": 1}, {"id": 2, "note": "two"}, {"id": 3, "note": ""}]


def test_a_column_that_a_debezium_envelope_brings_becomes_one_of_the_table(kafka, postgres, start):
    topic = kafka.make_topic()

    def change(op, before, after, **source):
        return {"before": before, "after": after, "op": op, "ts_ms": 5, "source": {"ts_ms": 1_700_000_000_000, **source}}

    kafka.produce(topic, dumped(change("c", None, {"id": 1, "v": "one"}), change("c", None, {"id": 2, "v": "two"})))
    running = start("run", "-e", stream(topic, kafka.at(topic, "envelope := 'debezium'"), postgres.at("t", "key := 'id'")))

    def held(columns):
        return postgres.rows(f"SELECT {columns} FROM t ORDER BY id") if postgres.value("SELECT to_regclass('t')") else []

    running.waits_until(lambda: len(held("id")) == 2, "the first rows")
    # The connector has become newer, too: the source's own fields are no columns.
    kafka.produce(topic, dumped(change("u", None, {"id": 1, "v": "uno"}, ts_us=1_700_000_000_000_001),
                                change("u", None, {"id": 1, "v": "uno", "note": "new"}), change("d", {"id": 2, "v": "two"}, None)))
    running.waits_until(lambda: len(held("id")) == 1, "the changes")
    running.stop()
    assert held("id, v, note") == [(1, "uno", "new")]


def test_with_columns_given_its_message_is_a_bad_one(kafka, start, tmp_path):
    topic = kafka.make_topic()
    kafka.produce(topic, dumped({"id": 1}, {"id": 2, "x": 2}, {"id": 3}))
    source = kafka.at(topic, "columns := 'id BIGINT'")
    code, stderr = start("run", "-e", stream(topic, source)).end()
    assert code == 1 and f"{topic}/0@1: field 'x' is not in the schema" in stderr
    running = start("run", "-e", stream(topic + "d", source, "file('good/', format := 'json')", ", dead_letters := 'dead/?format=json'"))
    running.waits_until(lambda: pathlib.Path(tmp_path / "good").exists() and ids(tmp_path / "good") == [1, 3], "the others")
    running.stop()
    (dead,) = rows(tmp_path / "dead")
    assert json.loads(dead["payload"]) == {"id": 2, "x": 2} and "field 'x'" in dead["reason"]


def test_on_schema_change_says_what_becomes_of_it(kafka, start, tmp_path):
    topic = kafka.make_topic()
    kafka.produce(topic, dumped({"id": 1}))
    runs = {policy: start("run", "-e", stream(topic + policy, kafka.at(topic, f"on_schema_change := '{policy}'"),
                                              f"file('{policy}/', format := 'json')")) for policy in ("stop", "ignore")}
    for policy, running in runs.items():
        running.waits_until(lambda: (tmp_path / policy).exists() and ids(tmp_path / policy) == [1], "the first row")
    kafka.produce(topic, dumped({"id": 2, "x": 2}))
    runs["ignore"].waits_until(lambda: len(rows(tmp_path / "ignore")) == 2, "the row without the field")
    runs["ignore"].stop()
    assert {"id": 2} in rows(tmp_path / "ignore")
    code, stderr = runs["stop"].end()
    assert code == 1 and f"{topic}/0@1: field 'x' is not in the schema" in stderr


def test_what_the_sink_cannot_take_goes_to_the_dead_letters_or_ends_the_stream(kafka, postgres, start, tmp_path):
    topic = kafka.make_topic()
    postgres.execute("CREATE TABLE t (id bigint, x date)")
    kafka.produce(topic, dumped({"id": 1}))
    sql = stream(topic, kafka.at(topic), postgres.at("t"))
    running = start("run", "-e", sql)
    held = lambda: [id for id, in postgres.rows("SELECT id FROM t ORDER BY id")]
    running.waits_until(lambda: held() == [1], "the first row")
    kafka.produce(topic, dumped({"id": 2, "x": "no date"}, {"id": 3}))
    code, stderr = running.end()
    assert code == 1 and "following a schema change" in stderr and "'x'" in stderr
    running = start("run", "-e", sql.replace("CREATE STREAM", "CREATE OR REPLACE STREAM").replace(
        "'100ms'", "'100ms', dead_letters := 'dead/?format=json'"))
    running.waits_until(lambda: held() == [1, 3], "the row without the field")
    kafka.produce(topic, dumped({"id": 4, "x": "neither"}, {"id": 5}))
    running.waits_until(lambda: held() == [1, 3, 5], "the others")
    assert "rows that have them go to the dead letters" in running.stop()
    assert sorted(json.loads(row["payload"])["id"] for row in rows(tmp_path / "dead")) == [2, 4]


def test_a_topic_whose_schema_is_given_takes_no_column(kafka, start, tmp_path):
    source, topic = kafka.make_topic(), kafka.make_topic()
    (tmp_path / "row.avsc").write_text('{"type": "record", "name": "Row", "fields": [{"name": "id", "type": "long"}]}')
    kafka.produce(source, dumped({"id": 1}))
    running = start("run", "-e", stream(topic, kafka.at(source, "timestamps := 'text'"),
                                        kafka.at(topic, "format := 'avro', schema_file := 'row.avsc'"), ", dead_letters := 'dead/?format=json'"))
    running.waits_until(lambda: len(kafka.read_all(topic)) == 1, "the first row")
    kafka.produce(source, dumped({"id": 2, "x": 2}, {"id": 3}))
    running.waits_until(lambda: len(kafka.read_all(topic)) == 2, "the row without the field")
    running.stop()
    assert [message.value() for message in kafka.read_all(topic)] == [b"\x02", b"\x06"]
    assert [json.loads(row["payload"])["id"] for row in rows(tmp_path / "dead")] == [2]


def test_a_name_that_is_reserved_is_no_column(kafka, start, tmp_path):
    topic = kafka.make_topic()
    kafka.produce(topic, dumped({"id": 1}))
    sql = stream(topic, kafka.at(topic), options=", dead_letters := 'dead/?format=json'")
    running = start("run", "-e", sql)
    running.waits_until(lambda: has(tmp_path / "out", 1), "the first row")
    kafka.produce(topic, dumped({"id": 2, "_op": "delete"}, {"id": 3, "x": 3}))
    running.waits_until(lambda: has(tmp_path / "out", 2), "the row with a good name")
    running.stop()
    assert parquet(tmp_path / "out") == [{"id": 1}, {"id": 3, "x": 3}]
    assert [json.loads(row["payload"])["id"] for row in rows(tmp_path / "dead")] == [2]
