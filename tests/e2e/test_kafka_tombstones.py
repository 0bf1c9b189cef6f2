"""Topics of states: a message without a value says that the row of its key is gone. As rows they are NULLs beside `_key`; with
envelope := 'upsert' they delete, whatever the payload format."""
import json
import sqlite3
import struct

import pytest


def named(topic, prefix="u"):
    return prefix + topic.replace("-", "_")


def json_by_text(kafka, topic, registry):
    kafka.produce(topic, [{"key": "1", "value": '{"id": 1, "v": "a"}'}, {"key": "2", "value": '{"id": 2, "v": "b"}'},
                          {"key": "1", "value": '{"id": 1, "v": "c"}'}, {"key": "2", "value": None}, {"key": "9", "value": None}])
    return "key := 'id'"


def json_by_json(kafka, topic, registry):
    """The value does not repeat the key."""
    kafka.produce(topic, [{"key": '{"id": 1}', "value": '{"v": "a"}'}, {"key": '{"id": 2}', "value": '{"v": "b"}'},
                          {"key": '{"id": 1}', "value": '{"v": "c"}'}, {"key": '{"id": 2}', "value": None}, {"key": '{"id": 9}', "value": None}])
    return "key_format := 'json'"


def avro(kafka, topic, registry):
    from confluent_kafka.schema_registry.avro import AvroSerializer
    from confluent_kafka.serialization import MessageField, SerializationContext

    def serializer(field, *names):
        fields = [{"name": name, "type": "long" if name == "id" else "string"} for name in names]
        schema = json.dumps({"type": "record", "name": f"R{len(names)}", "fields": fields})
        made = AvroSerializer(registry.client(), schema)
        return lambda value: made(value, SerializationContext(topic, field))

    key, value = serializer(MessageField.KEY, "id"), serializer(MessageField.VALUE, "id", "v")
    kafka.produce(topic, [{"key": key({"id": id}), "value": value({"id": id, "v": v}) if v else None}
                          for id, v in ((1, "a"), (2, "b"), (1, "c"), (2, None), (9, None))])
    return f"format := 'avro', key_format := 'avro', schema_registry := '{registry.url}'"


def protobuf(kafka, topic, registry):
    value = registry.register(f"{topic}-value", 'syntax = "proto3"; message Row { int64 id = 1; string v = 2; }', "PROTOBUF")
    key = registry.register(f"{topic}-key", 'syntax = "proto3"; message RowKey { int64 id = 1; }', "PROTOBUF")

    def framed(number, *parts):
        return struct.pack(">bI", 0, number) + b"\0" + b"".join(parts)

    kafka.produce(topic, [{"key": framed(key, b"\x08", bytes([id])),
                           "value": framed(value, b"\x08", bytes([id]), b"\x12\x01", v.encode()) if v else None}
                          for id, v in ((1, "a"), (2, "b"), (1, "c"), (2, None), (9, None))])
    return f"format := 'protobuf', key_format := 'protobuf', schema_registry := '{registry.url}'"


def bytes_by_text(kafka, topic, registry):
    kafka.produce(topic, [{"key": str(id), "value": v} for id, v in ((1, "a"), (2, "b"), (1, "c"), (2, None), (9, None))])
    return "key := 'id', column := 'v', format := "


FORMATS = {"json": json_by_text, "json by json": json_by_json, "avro": avro, "protobuf": protobuf,
           "text": bytes_by_text, "raw": bytes_by_text}


@pytest.mark.parametrize("format", FORMATS)
def test_a_message_without_a_value_deletes_the_row_of_its_key(kafka, registry, sluice, start, format):
    topic = kafka.make_topic()
    options = FORMATS[format](kafka, topic, registry) + (f"'{format}'" if format in ("text", "raw") else "")
    cast = ", CAST(v AS VARCHAR) AS v" if format == "raw" else ", v"
    source = kafka.at(topic, f"envelope := 'upsert', {options}")
    shown = sluice("run", "--output", "json", "-e", f"SELECT CAST(id AS BIGINT) AS id{cast}, _op FROM {source};").stdout
    assert [{name: json.loads(line)[name] for name in ("id", "v", "_op")} for line in shown.splitlines()] == [
        {"id": 1, "v": "a", "_op": "update"}, {"id": 2, "v": "b", "_op": "update"}, {"id": 1, "v": "c", "_op": "update"},
        {"id": 2, "v": None, "_op": "delete"}, {"id": 9, "v": None, "_op": "delete"}]
    running = start("run", "-e", f"CREATE STREAM {named(topic)} WITH (epoch_age := '100ms') AS SELECT id{cast} FROM {source} "
                    "INSERT INTO sqlite('out.db?table=t', mode := 'upsert', key := 'id');")

    def held():
        try:
            with sqlite3.connect(sluice.folder / "out.db") as database:
                return [(int(id), v) for id, v in database.execute("SELECT id, v FROM t ORDER BY id")]
        except sqlite3.OperationalError:
            return None  # not made yet

    running.waits_until(lambda: kafka.committed(f"sluice_{named(topic)}", topic) == [5], "all messages")
    running.stop()
    assert held() == [(1, "c")]


def test_a_table_goes_through_a_topic_of_states_into_its_replica(kafka, postgres, start):
    """An upsert sink at one end, the same key at the other."""
    topic = kafka.make_topic(3)
    postgres.execute("CREATE TABLE t (id bigint PRIMARY KEY, v text); INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 50) g")
    writing = start("run", "-e", f"CREATE STREAM {named(topic, 'w')} WITH (epoch_age := '50ms') AS SELECT * FROM "
                    f"{postgres.at('t', 'cdc := true')} INSERT INTO {kafka.at(topic, 'key := ' + repr('id'))};")
    writing.waits_until(lambda: len(kafka.read_all(topic, 3)) == 50, "the snapshot")
    reading = start("run", "-e", f"CREATE STREAM {named(topic, 'r')} WITH (epoch_age := '50ms') AS SELECT * FROM "
                    f"{kafka.at(topic, 'envelope := ' + repr('upsert') + ', key := ' + repr('id'))} INSERT INTO {postgres.at('replica', 'key := ' + repr('id'))};")
    postgres.execute("UPDATE t SET v = v || '!' WHERE id % 2 = 0; DELETE FROM t WHERE id % 5 = 0; INSERT INTO t VALUES (99, 'new'); "
                     "UPDATE t SET id = 100 WHERE id = 1")

    def same():
        if postgres.value("SELECT to_regclass('replica')") is None:
            return False
        return postgres.rows("SELECT id, v FROM replica ORDER BY id") == postgres.rows("SELECT id, v FROM t ORDER BY id")

    reading.waits_until(same, "the replica")
    for running in (reading, writing):
        running.stop()


def test_what_deletes_nothing_is_a_bad_message(kafka, sluice):
    topic = kafka.make_topic()
    kafka.produce(topic, [{"key": "1", "value": '{"id": 1}'}, {"value": None}, {"key": "no number", "value": None}, {"key": "1", "value": None}])
    source = kafka.at(topic, "envelope := 'upsert', key := 'id', columns := 'id BIGINT'")
    sluice.sql(f"CREATE TABLE {named(topic)} WITH (dead_letters := 'dead/?format=json') AS SELECT * FROM {source} INSERT INTO file('out/', format := 'json');")
    found = [json.loads(line) for path in (sluice.folder / "out").rglob("*.jsonl") for line in path.read_text().splitlines()]
    assert [(row["id"], row["_op"]) for row in found] == [(1, "update"), (1, "delete")]
    dead = [json.loads(line) for path in (sluice.folder / "dead").rglob("*.jsonl") for line in path.read_text().splitlines()]
    assert [(row["position"][-1], row["reason"]) for row in sorted(dead, key=lambda row: row["position"])] == [
        ("1", "the message has neither key nor value, so that it deletes nothing"),
        ("2", "its key is no BIGINT for column 'id'")]
    named_keys = kafka.make_topic()
    kafka.produce(named_keys, [{"key": '{"id": 1}', "value": '{"v": 1}'}])
    assert "the messages' keys have no column 'nothing'; they have id" in sluice.fails(
        "run", "-e", f"SELECT * FROM {kafka.at(named_keys, 'envelope := ' + repr('upsert') + ', key_format := ' + repr('json') + ', key := ' + repr('nothing'))};")
    for options, said in (("", "name the one column that the messages' keys are"), (", key := 'a, b'", "name the one column")):
        assert said in sluice.fails("run", "-e", f"SELECT * FROM {kafka.at(topic, 'envelope := ' + repr('upsert') + options)};")
    assert "key needs envelope := 'upsert'" in sluice.fails("run", "-e", f"SELECT * FROM {kafka.at(topic, 'key := ' + repr('id'))};")
