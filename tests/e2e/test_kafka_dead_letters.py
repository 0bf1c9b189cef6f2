"""Messages that could not be read: the dead letters keep all of them, and a replay asks the topic for them again."""
import base64
import json
import signal
import struct

import pytest
from delivered import rows


def named(topic):
    return "l" + topic.replace("-", "_")


def table(topic, source, select="*"):
    return (f"CREATE TABLE {named(topic)} WITH (dead_letters := 'dead/?format=json') AS SELECT {select} FROM {source} "
            "INSERT INTO file('out/', format := 'json');")


def delivered(sluice):
    return sorted(rows(sluice.folder / "out"), key=lambda row: row["id"])


def replay(sluice, topic, sql, **options):
    (sluice.folder / "mended.sql").write_text(sql)
    return sluice("dead-letters", "replay", named(topic), "mended.sql", **options)


def test_a_dead_letter_has_key_headers_time_and_bytes(kafka, sluice):
    topic = kafka.make_topic()
    kafka.produce(topic, [
        {"value": b"\xff\xfe{", "key": b"\x01\xff", "timestamp": 1_700_000_000_123, "headers": [("trace", b"a"), ("bin", b"\xfe"), ("no", None)]},
        {"value": '{"id": "x"}', "key": "k2", "timestamp": 1_700_000_001_000},
        {"value": "", "timestamp": 1_700_000_002_000}])
    sluice.sql(table(topic, kafka.at(topic, "columns := 'id BIGINT'")))
    first, second, third = sorted(rows(sluice.folder / "dead"), key=lambda row: row["position"])
    assert first["position"] == f"{topic}/0@0" and first["payload"] == "\ufffd\ufffd{"
    assert json.loads(first["message"]) == {
        "key": {"base64": base64.b64encode(b"\x01\xff").decode()},
        "headers": [{"key": "trace", "value": "a"}, {"key": "bin", "value": {"base64": "/g=="}}, {"key": "no", "value": None}],
        "timestamp": 1_700_000_000_123, "value": {"base64": base64.b64encode(b"\xff\xfe{").decode()}}
    assert (second["payload"], json.loads(second["message"])) == (
        '{"id": "x"}', {"key": "k2", "headers": [], "timestamp": 1_700_000_001_000})
    assert (third["payload"], json.loads(third["message"])["key"]) == ("", None)
    listed = json.loads(sluice("dead-letters", "list", named(topic), "--output", "json").stdout)
    assert {letter["position"]: letter["message"]["key"] for letter in listed}[f"{topic}/0@1"] == "k2"


def test_a_mended_statement_reads_the_messages_again_with_all_they_have(kafka, sluice):
    topic = kafka.make_topic(2)
    for partition in (0, 1):
        kafka.produce(topic, [{"value": json.dumps({"id": f"x{i}" if i % 10 == 5 else i}), "key": f"k{i}", "partition": partition}
                              for i in range(100 * partition, 100 * partition + 30)])
    metadata = ", metadata := '_key, _offset'"
    sluice.sql(table(topic, kafka.at(topic, "columns := 'id BIGINT'" + metadata)))
    assert len(delivered(sluice)) == 54
    mended = table(topic, kafka.at(topic, "columns := 'id VARCHAR'" + metadata), "CAST(ltrim(id, 'x') AS BIGINT) AS id, _key, _offset")
    assert "6 dead letters replayed, 6 rows delivered, 0 to the dead letters again" in replay(sluice, topic, mended).stdout
    assert delivered(sluice) == [{"id": i, "_key": f"k{i}", "_offset": i % 100} for i in [*range(30), *range(100, 130)]]
    assert rows(sluice.folder / "dead") == []


def test_what_is_bad_still_is_a_dead_letter_again(kafka, sluice):
    topic = kafka.make_topic()
    kafka.produce(topic, ['{"id": 1}', "{oops", '{"id": "x3"}'])
    sluice.sql(table(topic, kafka.at(topic, "columns := 'id BIGINT'")))
    mended = table(topic, kafka.at(topic, "columns := 'id VARCHAR'"), "CAST(ltrim(id, 'x') AS BIGINT) AS id")
    assert "2 dead letters replayed, 1 rows delivered, 1 to the dead letters again" in replay(sluice, topic, mended).stdout
    assert [row["id"] for row in delivered(sluice)] == [1, 3]
    (dead,) = rows(sluice.folder / "dead")
    assert dead["payload"] == "{oops" and dead["position"] == f"{topic}/0@1"


@pytest.mark.parametrize("point", ["replay.begun", "commit.prepared", "commit.decided", "replay.delivered", "replay.removed"])
def test_a_killed_replay_goes_on_and_doubles_nothing(kafka, sluice, point):
    topic = kafka.make_topic(2)
    kafka.produce(topic, ['{"id": 1}', '{"id": "x2"}'], partition=0)
    kafka.produce(topic, ['{"id": "x3"}', '{"id": "x4"}'], partition=1)
    sluice.sql(table(topic, kafka.at(topic, "columns := 'id BIGINT'")))
    mended = table(topic, kafka.at(topic, "columns := 'id VARCHAR'"), "CAST(ltrim(id, 'x') AS BIGINT) AS id")
    killed = replay(sluice, topic, mended, check=False, env={"SLUICE_CRASH_AT": point})
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    replay(sluice, topic, mended)
    assert [row["id"] for row in delivered(sluice)] == [1, 2, 3, 4]
    assert rows(sluice.folder / "dead") == []


def avro_and_newer(registry, topic):
    ids = [registry.register(f"{topic}-value", {"type": "record", "name": "R", "fields": fields}) for fields in (
        [{"name": "id", "type": "long"}], [{"name": "id", "type": "long"}, {"name": "note", "type": "string", "default": ""}])]
    return [struct.pack(">bI", 0, ids[0]) + b"\x02", struct.pack(">bI", 0, ids[1]) + b"\x04\x06two"]


def protobuf_and_newer(registry, topic):
    ids = [registry.register(f"{topic}-value", f'syntax = "proto3"; message Row {{ int64 id = 1; {more} }}', "PROTOBUF")
           for more in ("", "string note = 2;")]
    return [struct.pack(">bI", 0, ids[0]) + b"\0\x08\x01", struct.pack(">bI", 0, ids[1]) + b"\0\x08\x02\x12\x03two"]


@pytest.mark.parametrize("format,messages", [("avro", avro_and_newer), ("protobuf", protobuf_and_newer)])
def test_payloads_of_a_registry_are_replayed(kafka, registry, sluice, format, messages):
    topic = kafka.make_topic()
    kafka.produce(topic, messages(registry, topic))
    location = f"format := '{format}', schema_registry := '{registry.url}', columns := "
    sluice.sql(table(topic, kafka.at(topic, location + "'id BIGINT'")))
    assert delivered(sluice) == [{"id": 1}]
    assert "field 'note'" in rows(sluice.folder / "dead")[0]["reason"]
    mended = table(topic, kafka.at(topic, location + "'id BIGINT, note VARCHAR'"))
    assert "1 dead letters replayed, 1 rows delivered" in replay(sluice, topic, mended).stdout
    assert delivered(sluice) == [{"id": 1}, {"id": 2, "note": "two"}]


def test_a_message_that_is_gone_stays_a_dead_letter_with_the_reason(kafka, sluice):
    from confluent_kafka import TopicPartition

    topic = kafka.make_topic()
    kafka.produce(topic, ['{"id": "x1"}', '{"id": 2}'])
    sluice.sql(table(topic, kafka.at(topic, "columns := 'id BIGINT'")))
    for done in kafka.admin.delete_records([TopicPartition(topic, 0, 1)]).values():
        done.result(10)
    left = replay(sluice, topic, table(topic, kafka.at(topic, "columns := 'id VARCHAR'")), check=False)
    assert left.returncode == 1 and f"there is no message {topic}/0@0 any more" in left.stderr
    assert len(rows(sluice.folder / "dead")) == 1


def test_single_messages_are_read_by_their_positions(kafka, sluice):
    topic = kafka.make_topic(2)
    for partition in (0, 1):
        kafka.produce(topic, [json.dumps({"id": i}) for i in range(100 * partition, 100 * partition + 20)], partition=partition)
    places = f"messages := '{topic}/1@3, {topic}/0@17, {topic}/0@2, {topic}/1@19'"
    shown = sluice("run", "--output", "json", "-e", f"SELECT id FROM {kafka.at(topic, places)};").stdout
    assert sorted(json.loads(line)["id"] for line in shown.splitlines()) == [2, 17, 103, 119]
    for place, said in ((f"{topic}/0@20", "there is no message"), (f"{topic}/2@0", "there is no partition"), ("nonsense", "is written topic/partition@offset")):
        assert said in sluice.fails("run", "-e", f"SELECT id FROM {kafka.at(topic, f'messages := {place!r}')};")
    stream = f"CREATE STREAM {named(topic)} AS SELECT * FROM {kafka.at(topic, places)} INSERT INTO file('out/');"
    assert "a stream reads all messages" in sluice.fails("run", "-e", stream)
