"""Rows into Kafka: what they become, what is refused and how, and that nothing is lost or doubled. Judged by
confluent-kafka's read_committed consumers."""
import collections
import json
import os
import pathlib
import signal
import subprocess
import time

from delivered import append, ndjson

from services.kafka import running_kafka
from services.process import need

BATTERY = pathlib.Path(os.environ.get("SLUICE_BINARY", "build/sluice")).parent / "tests/connector_kafka_test"


def rows(messages):
    return [json.loads(message.value()) for message in messages]


def ids(kafka, topic, partitions=1):
    return sorted(row["id"] for row in rows(kafka.read_all(topic, partitions)))


def named(topic, prefix="p"):
    """A pipeline of this test alone: all of them share the broker, and its positions."""
    return prefix + topic.replace("-", "_")


def arrived(kafka, topic, partitions, number):
    """Whether so many messages are there; brokers that cannot say so yet are asked again."""
    from confluent_kafka import KafkaException

    try:
        return len(kafka.read_all(topic, partitions)) >= number
    except KafkaException:
        return False


def table_of(kafka, topic, more="", with_options="", select="SELECT * FROM file('in/*.jsonl')", name="p"):
    options = f" WITH ({with_options})" if with_options else ""
    return f"CREATE TABLE {name}{options} AS {select} INSERT INTO {kafka.at(topic, more)};"


def test_the_battery_of_every_sink(kafka):
    battery = need(pathlib.Path(BATTERY).resolve(), "make")
    result = subprocess.run([battery, "--gtest_brief=1", "--gtest_filter=*KafkaSink*:*SinkBattery*"], capture_output=True,
                            text=True, timeout=300, env={**os.environ, "SLUICE_TEST_KAFKA": kafka.url().rstrip("/")})
    assert result.returncode == 0, result.stdout + result.stderr
    assert "SLUICE_TEST_KAFKA" not in result.stdout


def test_a_topic_is_made_and_delivers_what_is_new_although_the_state_store_is_lost(sluice, kafka):
    topic = kafka.make_topic() + "-new"
    ndjson(sluice.folder / "in/1.jsonl", range(500), note="ä\"x")
    sql = table_of(kafka, topic, "partitions := 3, key := 'id'", "lanes := 2, epoch_rows := 100", name=named(topic))
    first = sluice.sql(sql)
    assert "exactly-once" in first.stdout + first.stderr
    ndjson(sluice.folder / "in/2.jsonl", range(500, 1000), note="new")
    sluice.sql(sql)
    (sluice.folder / "state.db").unlink()
    sluice.sql(sql)
    messages = kafka.read_all(topic, 3)
    assert sorted(row["id"] for row in rows(messages)) == list(range(1000))
    assert {message.key() for message in messages} == {str(i).encode() for i in range(1000)}
    assert {message.partition() for message in messages} == {0, 1, 2}
    sluice("drop", named(topic))
    sluice.sql(sql)
    assert len(ids(kafka, topic, 3)) == 2000


def test_a_key_goes_where_java_clients_put_it(sluice, kafka):
    topic = kafka.make_topic(partitions=7)
    ndjson(sluice.folder / "in/1.jsonl", range(100))
    sluice.sql(table_of(kafka, topic, "key := 'id'", name=named(topic)))
    ours = {m.key(): m.partition() for m in kafka.read_all(topic, 7)}
    other = kafka.make_topic(partitions=7)
    producer = kafka.producer(partitioner="murmur2_random")
    for i in range(100):
        producer.produce(other, key=str(i), value="x")
    producer.flush(10)
    assert ours == {m.key(): m.partition() for m in kafka.read_all(other, 7)}


def test_messages_of_a_key_keep_their_order(sluice, kafka):
    topic = kafka.make_topic(partitions=3)
    (sluice.folder / "in").mkdir()
    (sluice.folder / "in/1.jsonl").write_text("".join(json.dumps({"id": i % 10, "at": i}) + "\n" for i in range(20_000)))
    sluice.sql(table_of(kafka, topic, "key := 'id'", "lanes := 2, epoch_rows := 700", name=named(topic)))
    seen = collections.defaultdict(list)
    for row in rows(kafka.read_all(topic, 3)):
        seen[row["id"]].append(row["at"])
    assert sum(map(len, seen.values())) == 20_000
    assert all(at == sorted(at) for at in seen.values())


def test_headers_time_partition_and_key_are_written_and_are_no_values(sluice, kafka):
    source, topic = kafka.make_topic(partitions=2), kafka.make_topic(partitions=2)
    kafka.produce(source, [{"value": json.dumps({"id": i}), "key": f"k{i}", "partition": i % 2, "timestamp": 1_700_000_000_000 + i,
                            "headers": [("h", str(i).encode()), ("none", None)]} for i in range(20)])
    metadata = "metadata := '_key, _headers, _timestamp, _partition'"
    sluice.sql(table_of(kafka, topic, "key := '_key', headers := '_headers', timestamp := '_timestamp', partition := '_partition'",
                        select=f"SELECT id, _key, _headers, _timestamp, _partition FROM {kafka.at(source, metadata)}",
                        name=named(topic)))
    found = sorted((json.loads(m.value())["id"], m.key(), m.partition(), m.timestamp()[1], m.headers(), m.value())
                   for m in kafka.read_all(topic, 2))
    assert found == [(i, f"k{i}".encode(), i % 2, 1_700_000_000_000 + i, [("h", str(i).encode()), ("none", None)],
                      json.dumps({"id": i}, separators=(",", ":")).encode()) for i in range(20)]


def test_null_as_text_is_a_tombstone_and_a_null_key_is_none(sluice, kafka):
    topic = kafka.make_topic()
    target = kafka.at(topic, "format := 'text', key := 'k', key_format := 'raw'")
    sluice.sql(f"INSERT INTO {target} SELECT * FROM (VALUES ('a', 'x'), ('b', NULL), (NULL, 'y'), ('c', '')) AS t(k, value);")
    assert [(m.key(), m.value()) for m in kafka.read_all(topic)] == [
        (b"a", b"x"), (b"b", None), (None, b"y"), (b"c", b"")]


def test_a_column_that_is_the_value_is_not_the_key(sluice, kafka):
    topic = kafka.make_topic()
    for options in ("format := 'text', key := 'k', key_format := 'text'", "format := 'raw', key := 'k', key_format := 'raw'",
                    "format := 'text', key := 'id, k', key_format := 'text', key_column := 'id'"):
        target = kafka.at(topic, options + ", column := 'v'")
        sluice.sql(f"INSERT INTO {target} SELECT * FROM (VALUES (7, 'x', 'text'), (8, 'y', NULL)) AS t(id, k, v);")
    assert [(m.key(), m.value()) for m in kafka.read_all(topic)] == [
        (b"x", b"text"), (b"y", None), (b"x", b"text"), (b"y", None), (b"7", b"text"), (b"8", None)]


def test_a_partition_that_is_added_takes_messages_without_a_restart(sluice, start, kafka):
    source, topic = kafka.make_topic(), kafka.make_topic()
    kafka.produce(source, ['{"id": 1, "p": 0}'])
    stream = start("run", "-e", f"CREATE STREAM {named(topic)} WITH (epoch_age := '50ms') AS SELECT * FROM "
                   f"{kafka.at(source)} INSERT INTO {kafka.at(topic, 'partition := ' + repr('p'))};")
    stream.waits_until(lambda: arrived(kafka, topic, 1, 1), "the first row")
    kafka.add_partitions(topic, 2)
    kafka.produce(source, ['{"id": 2, "p": 1}'])
    stream.waits_until(lambda: arrived(kafka, topic, 2, 2), "the row of the new partition")
    stream.stop()
    assert sorted((row["id"], m.partition()) for m in kafka.read_all(topic, 2) for row in rows([m])) == [(1, 0), (2, 1)]


def test_a_topic_for_positions_that_would_expire_is_refused(sluice, kafka):
    topic, positions = kafka.make_topic(), kafka.make_topic(cleanup_policy="compact,delete")
    ndjson(sluice.folder / "in/1.jsonl", range(3))
    error = sluice.fails("run", "-e", table_of(kafka, topic, f"positions_topic := '{positions}'", name=named(topic)))
    assert f"topic '{positions}' holds positions and has cleanup.policy 'compact,delete'" in error
    assert ids(kafka, topic) == []


def test_changes_become_upserts_and_tombstones(sluice, start, kafka, postgres):
    topic = kafka.make_topic()
    postgres.execute("CREATE TABLE orders (id bigint PRIMARY KEY, v text); INSERT INTO orders SELECT g, 'a' FROM generate_series(1, 3) g")
    stream = start("run", "-e", f"CREATE STREAM {named(topic)} WITH (epoch_age := '50ms') AS SELECT * FROM "
                   f"postgresql('{postgres.location()}?table=orders&cdc=true') INSERT INTO {kafka.at(topic, 'key := ' + repr('id'))};")
    stream.waits_until(lambda: arrived(kafka, topic, 1, 3), "the snapshot")
    postgres.execute("UPDATE orders SET v = 'b' WHERE id = 1; DELETE FROM orders WHERE id = 2; INSERT INTO orders VALUES (4, 'c')")
    stream.waits_until(lambda: arrived(kafka, topic, 1, 6), "the changes")
    stream.stop()
    assert [(m.key(), m.value() and json.loads(m.value())) for m in kafka.read_all(topic)] == [
        (b"1", {"id": 1, "v": "a"}), (b"2", {"id": 2, "v": "a"}), (b"3", {"id": 3, "v": "a"}),
        (b"1", {"id": 1, "v": "b"}), (b"2", None), (b"4", {"id": 4, "v": "c"})]


def test_a_message_that_is_too_large_goes_to_the_dead_letters_or_stops(sluice, kafka):
    topic = kafka.make_topic(max_message_bytes=2000)
    (sluice.folder / "in").mkdir()
    lines = [{"id": i, "v": "x" * (3000 if i == 50 else 100)} for i in range(500)]
    (sluice.folder / "in/1.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    error = sluice.fails("run", "-e", table_of(kafka, topic, name=named(topic)))
    assert "max.message.bytes" in error and topic in error
    assert ids(kafka, topic) == []
    sluice.sql(table_of(kafka, topic, with_options="dead_letters := 'dead/?format=json'", name=named(topic, "q")))
    assert ids(kafka, topic) == [i for i in range(500) if i != 50]
    dead = [json.loads(line) for path in (sluice.folder / "dead").rglob("*.jsonl") for line in path.read_text().splitlines()]
    assert [json.loads(row["payload"])["id"] for row in dead] == [50]
    assert "2000" in dead[0]["reason"]


def test_a_key_that_its_format_refuses_goes_to_the_dead_letters(sluice, kafka):
    topic = kafka.make_topic()
    (sluice.folder / "in").mkdir()
    lines = [{"id": i, "k": None if i == 50 else f"k{i}"} for i in range(500)]
    (sluice.folder / "in/1.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (sluice.folder / "key.avsc").write_text(json.dumps(
        {"type": "record", "name": "Key", "fields": [{"name": "k", "type": "string"}]}))
    more = "key := 'k', mode := 'append', key_format := 'avro', key_schema_file := 'key.avsc'"
    error = sluice.fails("run", "-e", table_of(kafka, topic, more, name=named(topic)))
    assert "encoding keys" in error and ids(kafka, topic) == []
    sluice.sql(table_of(kafka, topic, more, "dead_letters := 'dead/?format=json'", name=named(topic, "q")))
    messages = kafka.read_all(topic)
    assert {json.loads(message.value())["id"]: message.key() for message in messages} == {
        i: bytes([2 * len(f"k{i}")]) + f"k{i}".encode() for i in range(500) if i != 50}
    dead = [json.loads(line) for path in (sluice.folder / "dead").rglob("*.jsonl") for line in path.read_text().splitlines()]
    assert [json.loads(row["payload"])["id"] for row in dead] == [50]
    assert "key" in dead[0]["reason"]


def test_a_topic_that_is_missing_or_has_messages_is_refused_where_asked(sluice, kafka):
    ndjson(sluice.folder / "in/1.jsonl", range(3))
    missing = kafka.make_topic() + "-missing"
    assert f"there is no topic '{missing}'" in sluice.fails("run", "-e", table_of(kafka, missing, "create_topic := false"))
    topic = kafka.make_topic()
    insert = f"INSERT INTO {kafka.at(topic, 'if_exists := ' + repr('error'))} SELECT * FROM file('in/*.jsonl');"
    sluice.sql(insert)
    ndjson(sluice.folder / "in/2.jsonl", range(3, 6))
    assert "already has messages" in sluice.fails("run", "-e", insert)
    sluice.sql(f"INSERT INTO {kafka.at(topic)} SELECT * FROM file('in/*.jsonl');")
    assert len(ids(kafka, topic)) == 9


def test_a_transaction_the_brokers_do_not_allow_is_explained(sluice, kafka):
    ndjson(sluice.folder / "in/1.jsonl", range(3))
    error = sluice.fails("run", "-e", table_of(kafka, kafka.make_topic(), "transaction_timeout := '2h'", name="too_long"))
    assert "transaction.max.timeout.ms" in error and "transaction_timeout" in error


def test_tables_go_to_topics_of_their_names(sluice, start, kafka, postgres):
    prefix = kafka.make_topic()
    postgres.execute("CREATE TABLE a (id bigint PRIMARY KEY); CREATE TABLE b (id bigint PRIMARY KEY); "
                     "INSERT INTO a VALUES (1); INSERT INTO b VALUES (2)")
    stream = start("run", "-e", f"CREATE STREAM {named(prefix)} WITH (epoch_age := '50ms') AS SELECT * FROM "
                   f"postgresql('{postgres.location()}?cdc=true') INSERT INTO {kafka.at(prefix + '.{schema}.{table}', 'key := ' + repr('id'))};")
    topics = lambda: {name for name in kafka.admin.list_topics(timeout=10).topics if name.startswith(prefix + ".")}
    stream.waits_until(lambda: topics() == {f"{prefix}.public.a", f"{prefix}.public.b"} and
                       [ids(kafka, f"{prefix}.public.{name}") for name in "ab"] == [[1], [2]], "both tables")
    stream.stop()


# --- nothing lost, nothing doubled ---

def following(kafka, topic, name, more=""):
    return (f"CREATE STREAM {name} WITH (epoch_age := '100ms', lanes := 2) AS SELECT * FROM file('in/*.jsonl', watch := true) "
            f"INSERT INTO {kafka.at(topic, more)};")


def test_a_zombie_that_wakes_up_delivers_nothing_and_says_who_took_over(sluice, start, kafka):
    topic = kafka.make_topic(partitions=2)
    name = named(topic)
    ndjson(sluice.folder / "in/1.jsonl", range(1000))
    zombie = start("run", "-e", following(kafka, topic, name))
    zombie.waits_until(lambda: arrived(kafka, topic, 2, 1000), "the first rows")
    zombie.signal(signal.SIGSTOP)
    ndjson(sluice.folder / "in/2.jsonl", range(1000, 2000))
    # Another machine with a state store of its own: nothing but the target tells the two apart.
    successor = start("run", "-e", following(kafka, topic, name), env={"SLUICE_STATE": f"sqlite:{sluice.folder}/other.db"})
    successor.waits_until(lambda: arrived(kafka, topic, 2, 2000), "the successor's rows")
    zombie.signal(signal.SIGCONT)
    ndjson(sluice.folder / "in/3.jsonl", range(2000, 3000))
    code, stderr = zombie.end()
    assert code == 1 and "has taken over pipeline" in stderr and str(successor.process.pid) in stderr
    successor.waits_until(lambda: arrived(kafka, topic, 2, 3000), "all rows")
    successor.stop()
    assert ids(kafka, topic, 2) == list(range(3000))


def test_brokers_that_die_in_the_middle_of_transactions_cost_nothing(sluice, start):
    with running_kafka() as kafka:
        topic = kafka.make_topic(partitions=2)
        ndjson(sluice.folder / "in/1.jsonl", range(200))
        stream = start("run", "-e", following(kafka, topic, "restarted"))
        stream.waits_until(lambda: arrived(kafka, topic, 2, 200), "the first rows")
        written = 200
        for _ in range(2):
            for _ in range(4):
                append(sluice.folder / "in/1.jsonl", "".join(json.dumps({"id": i}) + "\n" for i in range(written, written + 200)))
                written += 200
                time.sleep(0.06)
            kafka.nodes[0].kill()
            append(sluice.folder / "in/1.jsonl", "".join(json.dumps({"id": i}) + "\n" for i in range(written, written + 200)))
            written += 200
            kafka.nodes[0].start()
        stream.waits_until(lambda: arrived(kafka, topic, 2, written), "all rows", seconds=60)
        stream.stop()
        assert ids(kafka, topic, 2) == list(range(written))


def test_kafka_to_kafka_commits_the_groups_offsets_with_the_rows(sluice, start, kafka):
    source, topic = kafka.make_topic(partitions=2), kafka.make_topic(partitions=2)
    name = named(topic)
    kafka.produce(source, [json.dumps({"id": i}) for i in range(1000)])
    sql = (f"CREATE STREAM {name} WITH (epoch_age := '100ms') AS SELECT id FROM {kafka.at(source, 'instance_id := ' + repr('one'))} WHERE id % 2 = 0 "
           f"INSERT INTO {kafka.at(topic, 'key := ' + repr('id'))};")
    for attempt in range(3):
        stream = start("run", "-e", sql)
        stream.waits_until(lambda: arrived(kafka, topic, 2, 500 * (attempt + 1)), "the rows")
        if attempt == 1:
            stream.signal(signal.SIGKILL)
            stream.process.wait()
        else:
            stream.stop()
        if attempt < 2:
            kafka.produce(source, [json.dumps({"id": i}) for i in range(1000 * (attempt + 1), 1000 * (attempt + 2))])
    assert ids(kafka, topic, 2) == list(range(0, 3000, 2))
    offsets = kafka.committed(f"sluice_{name}", source, 2)
    assert sum(offset or 0 for offset in offsets) == 3000


def test_any_node_may_die_while_transactions_are_open(sluice, start, kafka_cluster):
    """Leaders of partitions and the transaction's coordinator move to other nodes."""
    kafka = kafka_cluster
    topic = kafka.make_topic(partitions=3, replication=3)
    ndjson(sluice.folder / "in/1.jsonl", range(300))
    stream = start("run", "-e", following(kafka, topic, "moved"))
    stream.waits_until(lambda: arrived(kafka, topic, 3, 300), "the first rows")
    written = 300
    for node in kafka.nodes[:2]:
        for dead in (False, True):
            append(sluice.folder / "in/1.jsonl", "".join(json.dumps({"id": i}) + "\n" for i in range(written, written + 300)))
            written += 300
            time.sleep(0.15)
            if not dead:
                node.kill()
        node.start()
        stream.waits_until(lambda: arrived(kafka, topic, 3, written), "all rows", seconds=60)
    stream.stop()
    assert ids(kafka, topic, 3) == list(range(written))


# --- what is refused ---

def as_app(kafka, topic, more=""):
    """As a user that ACLs hold for."""
    return kafka.at(topic, "security_protocol := 'SASL_PLAINTEXT', username := 'app', password := 'apppw'" + more)


def reserve(kafka, kind, name, operation):
    """Nobody but `other` may do that from now on."""
    from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, ResourcePatternType, ResourceType

    acl = AclBinding(ResourceType[kind], name, ResourcePatternType.LITERAL, "User:other", "*", AclOperation[operation],
                     AclPermissionType.ALLOW)
    for done in kafka.admin.create_acls([acl]).values():
        done.result(10)


def test_what_acls_forbid_is_said(sluice, secure_kafka):
    ndjson(sluice.folder / "in/1.jsonl", range(3))
    insert = "CREATE TABLE {} AS SELECT * FROM file('in/*.jsonl') INSERT INTO {};"
    topic = secure_kafka.make_topic()
    sluice.sql(insert.format("allowed", as_app(secure_kafka, topic)))
    assert ids(secure_kafka, topic) == [0, 1, 2]
    reserve(secure_kafka, "TOPIC", topic, "DESCRIBE")
    error = sluice.fails("run", "-e", insert.format("hidden", as_app(secure_kafka, topic)))
    assert topic in error and "ACLs" in error and "apppw" not in error
    topic = secure_kafka.make_topic()
    reserve(secure_kafka, "TOPIC", topic, "WRITE")
    error = sluice.fails("run", "-e", insert.format("unwritable", as_app(secure_kafka, topic)))
    assert topic in error and "ACLs" in error
    topic = secure_kafka.make_topic()
    reserve(secure_kafka, "TRANSACTIONAL_ID", "mine", "WRITE")
    error = sluice.fails("run", "-e", insert.format("unnamed", as_app(secure_kafka, topic, ", transactional_id := 'mine'")))
    assert "transactional id" in error and "ACLs" in error
    assert ids(secure_kafka, topic) == []
    error = sluice.fails("run", "-e", insert.format("wrong", as_app(secure_kafka, topic).replace("apppw", "oops")))
    assert "refuse this login" in error and "oops" not in error


def permit(kafka, name, *operations):
    """What the user `app` may do with a topic, and nothing else."""
    from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, ResourcePatternType, ResourceType

    acls = [AclBinding(ResourceType.TOPIC, name, ResourcePatternType.LITERAL, "User:app", "*", AclOperation[operation],
                       AclPermissionType.ALLOW) for operation in operations]
    for done in kafka.admin.create_acls(acls).values():
        done.result(10)


def test_a_limit_that_the_user_may_not_read_is_not_told_as_a_fact(sluice, secure_kafka):
    topic = secure_kafka.make_topic(max_message_bytes=10_000_000)
    (sluice.folder / "in").mkdir()
    lines = [{"id": i, "v": "x" * (2_000_000 if i == 1 else 100)} for i in range(3)]
    (sluice.folder / "in/1.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    insert = "CREATE TABLE {} AS SELECT * FROM file('in/*.jsonl') INSERT INTO {};"
    permit(secure_kafka, topic, "WRITE", "DESCRIBE")
    error = sluice.fails("run", "-e", insert.format("guessed", as_app(secure_kafka, topic)))
    assert "DESCRIBE_CONFIGS" in error and "1048588" in error and "rdkafka.message.max.bytes" in error, error
    assert ids(secure_kafka, topic) == []
    said = as_app(secure_kafka, topic).replace(topic, f"{topic}?rdkafka.message.max.bytes=9000000")
    sluice.sql(insert.format("told", said))
    assert ids(secure_kafka, topic) == [0, 1, 2]
    # Where that is more than the topic takes, its brokers say so.
    small = secure_kafka.make_topic(max_message_bytes=1_000_000)
    permit(secure_kafka, small, "WRITE", "DESCRIBE")
    error = sluice.fails("run", "-e", insert.format("told_wrongly", said.replace(topic, small)))
    assert f"topic '{small}'" in error and "raise max.message.bytes" in error, error
    assert ids(secure_kafka, small) == []
    permit(secure_kafka, topic, "DESCRIBE_CONFIGS")
    sluice.sql(insert.format("known", as_app(secure_kafka, topic)))
    assert ids(secure_kafka, topic) == [0, 0, 1, 1, 2, 2]


def test_brokers_that_are_not_there_are_named(sluice):
    ndjson(sluice.folder / "in/1.jsonl", range(3))
    error = sluice.fails("run", "-e", "CREATE TABLE p AS SELECT * FROM file('in/*.jsonl') INSERT INTO "
                         "kafka('127.0.0.1:1/t', connect_timeout := '1s');")
    assert "kafka://127.0.0.1:1" in error and "Connection refused" in error
