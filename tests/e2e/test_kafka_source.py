"""Topics as a source: read once and followed in a group; what semantics.md asks of Kafka, judged by pyarrow and
confluent-kafka."""
import collections
import contextlib
import json
import pathlib
import signal
import sqlite3
import time

import pyarrow.parquet as pq
import pytest
from delivered import ids, rows, wait_until

from services.kafka import newer_librdkafka

# Noticed within a test's patience: new partitions and topics, a member that died.
QUICK = "rdkafka.topic.metadata.refresh.interval.ms=300&rdkafka.session.timeout.ms=1500&rdkafka.heartbeat.interval.ms=300"


def numbered(numbers, **more):
    return [json.dumps({"id": number, **more}) for number in numbers]


def stream(source, sink="file('out/', format := 'json')", name="s", options="epoch_age := '150ms'"):
    return f"CREATE STREAM {name} WITH ({options}) AS SELECT * FROM {source} INSERT INTO {sink};"


def columns(more=""):
    return "columns := 'id BIGINT'" + (f", {more}" if more else "")


def parquet_rows(folder):
    return [row for path in sorted(pathlib.Path(folder).rglob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def test_a_topic_is_read_to_its_end_and_only_what_is_new_the_next_time(kafka, sluice, tmp_path):
    topic = kafka.make_topic(4)
    kafka.produce(topic, numbered(range(1000)))
    sql = f"CREATE TABLE t AS SELECT * FROM {kafka.at(topic)} INSERT INTO file('out/', format := 'parquet');"
    sluice.sql(sql)
    assert sorted(row["id"] for row in parquet_rows(tmp_path / "out")) == list(range(1000))
    assert "nothing new" in sluice.sql(sql).stderr
    kafka.produce(topic, numbered(range(1000, 1010)))
    sluice.sql(sql)
    assert sorted(row["id"] for row in parquet_rows(tmp_path / "out")) == list(range(1010))
    assert "sluice_t" not in kafka.groups()


def test_a_stream_goes_on_where_it_stopped_and_its_group_shows_how_far(kafka, sluice, start, tmp_path):
    topic = kafka.make_topic(2)
    kafka.produce(topic, numbered(range(100)))
    sql = stream(kafka.at(topic), name="orders")
    for upto in (100, 200):
        running = start("run", "-e", sql)
        running.waits_until(lambda: ids(tmp_path / "out") == list(range(upto)), "the rows")
        wait_until(lambda: sum(offset or 0 for offset in kafka.committed("sluice_orders", topic, 2)) == upto)
        running.stop()
        kafka.produce(topic, numbered(range(upto, upto + 100)))
    assert "sluice_orders" in kafka.groups()
    sluice("drop", "orders")
    assert "sluice_orders" not in kafka.groups()


def test_keys_timestamps_headers_and_tombstones_are_columns(kafka, sluice):
    topic = kafka.make_topic()
    kafka.produce(topic, [
        {"value": '{"id": 1}', "key": "a", "timestamp": 1_700_000_000_123, "headers": [("trace", b"x"), ("trace", None)]},
        {"value": None, "key": "b", "timestamp": 1_700_000_001_000},
        {"value": '{"id": 3}', "timestamp": 1_700_000_002_000},
    ])
    location = kafka.at(topic, "metadata := 'all'")
    shown = sluice("preview", "-e", f"SELECT * FROM {location};", "--output", "json").stdout
    first, tombstone, third = [json.loads(line) for line in shown.splitlines()]
    assert (first["id"], first["_key"], first["_offset"], first["_partition"], first["_topic"]) == (1, "a", 0, 0, topic)
    assert first["_timestamp"].startswith("2023-11-14T22:13:20.123")
    assert [header["key"] for header in first["_headers"]] == ["trace", "trace"]
    assert first["_headers"][1]["value"] is None
    assert (tombstone["id"], tombstone["_key"], tombstone["_headers"]) == (None, "b", [])
    assert (third["_key"], third["_offset"]) == (None, 2)
    assert "_key" not in sluice("preview", "-e", f"SELECT * FROM {kafka.at(topic)};", "--output", "json").stdout


def test_changes_in_debeziums_envelope_are_followed(kafka, start, tmp_path):
    topic = kafka.make_topic()

    def change(op, before, after):
        return json.dumps({"before": before, "after": after, "op": op, "ts_ms": 5, "source": {"ts_ms": 1_700_000_000_000}})

    kafka.produce(topic, [
        change("r", None, {"id": 1, "v": "one"}), change("c", None, {"id": 2, "v": "two"}), None,
        change("u", {"id": 1, "v": "one"}, {"id": 1, "v": "uno"}), change("d", {"id": 2, "v": "two"}, None), None])
    sink = "sqlite('out.db?table=rows', mode := 'upsert', key := 'id')"
    running = start("run", "-e", stream(kafka.at(topic, "envelope := 'debezium'"), sink))

    def held():
        if not (tmp_path / "out.db").exists():
            return None
        with sqlite3.connect(tmp_path / "out.db") as connection:
            try:
                return connection.execute("SELECT id, v FROM rows").fetchall()
            except sqlite3.OperationalError:
                return None  # not made yet

    running.waits_until(lambda: held() == [(1, "uno")], "the changes")
    running.stop()


def test_rows_of_aborted_transactions_never_come(kafka, sluice, start, tmp_path):
    topic = kafka.make_topic()
    producer = kafka.producer(**{"transactional.id": f"t-{topic}"})
    producer.init_transactions(10)

    def transaction(numbers, commit):
        kafka.transaction(producer, topic, numbered(numbers), commit)

    transaction(range(10), True)
    transaction(range(10, 20), False)
    sluice.sql(f"CREATE TABLE once AS SELECT * FROM {kafka.at(topic)} INSERT INTO file('once/', format := 'json');")
    assert ids(tmp_path / "once") == list(range(10))
    running = start("run", "-e", stream(kafka.at(topic)))
    running.waits_until(lambda: ids(tmp_path / "out") == list(range(10)), "the committed rows")
    transaction(range(20, 30), False)
    transaction(range(30, 40), True)
    running.waits_until(lambda: ids(tmp_path / "out") == [*range(10), *range(30, 40)], "the committed rows")
    # Behind the marks of the transactions nothing is left to read: the group has no lag.
    wait_until(lambda: kafka.committed("sluice_s", topic) == [44], "the end")
    running.stop()


def test_a_partition_that_is_added_is_read_from_its_first_message(kafka, start, tmp_path):
    topic = kafka.make_topic(1)
    location = f"{kafka.brokers}/{topic}?offset=latest&{QUICK}&rdkafka.metadata.max.age.ms=900000"  # what one client knows another may not
    running = start("run", "-e", stream(f"kafka('{location}', {columns()})"))
    running.waits_until(lambda: kafka.committed("sluice_s", topic) == [0], "the beginning")
    kafka.produce(topic, numbered(range(10)))
    kafka.add_partitions(topic, 3)
    for partition in (1, 2):
        kafka.produce(topic, numbered(range(partition * 10, partition * 10 + 10)), partition=partition)
    running.waits_until(lambda: ids(tmp_path / "out") == list(range(30)), "rows of all three")
    running.stop()


def test_a_read_from_a_time_that_dies_goes_on_from_that_time_in_partitions_it_had_not_come_to(kafka, sluice, tmp_path):
    topic = kafka.make_topic(2)
    for partition in (0, 1):
        first = 1000 * partition
        for numbers, time_ms in ((range(first, first + 100), 1_600_000_000_000), (range(first + 100, first + 400), 1_760_000_000_000)):
            kafka.produce(topic, [{"value": value, "timestamp": time_ms} for value in numbered(numbers)], partition=partition)
    source = kafka.at(topic, columns("offset := '2025-01-01', rate_limit := '500 rows/s'"))
    sql = (f"CREATE TABLE t WITH (lanes := 1, epoch_rows := 20) AS SELECT * FROM {source} "
           "INSERT INTO file('out/', format := 'json');")
    assert sluice.sql(sql, check=False, env={"SLUICE_CRASH_AT": "commit.finished:1"}).returncode == -9
    assert 0 < len(ids(tmp_path / "out")) < 300
    sluice.sql(sql)
    assert ids(tmp_path / "out") == [*range(100, 400), *range(1100, 1400)]


def test_topics_by_pattern_also_those_that_come_later(kafka, start, tmp_path):
    base = kafka.make_topic()
    first = kafka.make_topic(name=f"{base}.eu.a")
    kafka.make_topic(name=f"{base}.us.a")
    kafka.produce(first, numbered(range(5)))
    kafka.produce(f"{base}.us.a", numbered(range(100, 105)))
    source = f"kafka('{kafka.brokers}?{QUICK}', topic_pattern := '{base}\\.eu\\..*', metadata := '_topic', {columns()})"
    running = start("run", "-e", stream(source))
    running.waits_until(lambda: len(rows(tmp_path / "out")) == 5, "the first topic")
    second = kafka.make_topic(name=f"{base}.eu.b")
    kafka.produce(second, numbered(range(5, 10)))
    running.waits_until(lambda: ids(tmp_path / "out") == list(range(10)), "the second topic")
    assert collections.Counter(row["_topic"] for row in rows(tmp_path / "out")) == {first: 5, second: 5}
    running.stop()


def test_an_idle_topic_still_flushes_by_time(kafka, start, tmp_path):
    topic = kafka.make_topic(2)
    kafka.produce(topic, numbered(range(3)), partition=0)
    sink = "file('out/', format := 'json', rotate_idle := '300ms')"
    running = start("run", "-e", stream(kafka.at(topic), sink))
    running.waits_until(lambda: ids(tmp_path / "out") == [0, 1, 2], "a flush, although nothing comes", 10)
    running.stop()


def test_a_sample_of_uneven_partitions_asks_nothing_behind_their_ends(kafka, sluice):
    topic = kafka.make_topic(8)
    kafka.produce(topic, numbered(range(3000), text="x" * 1000), partition=7)
    for partition in range(7):
        kafka.produce(topic, numbered([partition]), partition=partition)
    for _ in range(5):
        sample = kafka.at(topic, "sample_messages := 800")
        shown = sluice("preview", "-e", f"SELECT max(id) AS last FROM {sample};", "--output", "json").stdout
        assert json.loads(shown)["last"] == 2999


def test_offset_says_where_to_begin(kafka, sluice):
    topic = kafka.make_topic()
    kafka.produce(topic, [{"value": value, "timestamp": 1_700_000_000_000 + 1000 * i} for i, value in enumerate(numbered(range(10)))])

    def read(offset):
        sql = f"SELECT id FROM {kafka.at(topic, columns(f'offset := {offset!r}'))};"
        return [json.loads(line)["id"] for line in sluice("run", "-e", sql, "--output", "json").stdout.splitlines()]

    assert read("earliest") == list(range(10))
    assert read("latest") == []
    assert read("2023-11-14T22:13:25Z") == read("1700000005000") == list(range(5, 10))
    error = sluice.fails("run", "-e", f"SELECT * FROM {kafka.at(topic, 'offset := soon'.replace('soon', repr('soon')))};")
    assert "'soon' is not earliest, latest or a time" in error


def test_latest_means_the_same_after_a_crash(kafka, start, tmp_path):
    topic = kafka.make_topic()
    kafka.produce(topic, numbered(range(5)))
    sql = stream(kafka.at(topic, columns("offset := 'latest', instance_id := 'one'")))
    running = start("run", "-e", sql)
    running.waits_until(lambda: kafka.committed("sluice_s", topic) == [5], "the beginning to be on record")
    running.signal(signal.SIGKILL)
    running.process.wait()
    kafka.produce(topic, numbered(range(5, 8)))
    running = start("run", "-e", sql)
    running.waits_until(lambda: ids(tmp_path / "out") == [5, 6, 7], "what came while nobody read")
    running.stop()


def test_messages_that_retention_removed_are_an_error_not_a_gap(kafka, sluice, start, tmp_path):
    from confluent_kafka import TopicPartition

    topic = kafka.make_topic()
    kafka.produce(topic, numbered(range(10)))
    sql = stream(kafka.at(topic, columns()), name="gap")
    running = start("run", "-e", sql)
    running.waits_until(lambda: ids(tmp_path / "out") == list(range(10)), "the first rows")
    running.stop()
    kafka.produce(topic, numbered(range(10, 30)))
    for done in kafka.admin.delete_records([TopicPartition(topic, 0, 25)]).values():
        done.result(10)
    error = sluice.fails("run", "-e", sql)
    assert "offset 10 is not there any more, the oldest is 25" in error and "removed 15 messages" in error
    assert ids(tmp_path / "out") == list(range(10))
    sluice("reset", "gap", "--to", "earliest")
    running = start("run", "-e", sql)
    running.waits_until(lambda: ids(tmp_path / "out") == [*range(10), *range(25, 30)], "what is there")
    running.stop()


def test_a_pipeline_is_moved_to_an_offset_and_its_group_with_it(kafka, sluice, start, tmp_path):
    topic = kafka.make_topic()
    kafka.produce(topic, numbered(range(10)))
    sql = stream(kafka.at(topic, columns()), name="moved")
    running = start("run", "-e", sql)
    running.waits_until(lambda: kafka.committed("sluice_moved", topic) == [10], "all rows")
    running.stop()
    sluice("reset", "moved", "--to", f"{topic}/0@7")
    assert kafka.committed("sluice_moved", topic) == [7]
    running = start("run", "-e", sql)
    running.waits_until(lambda: ids(tmp_path / "out") == sorted([*range(10), 7, 8, 9]), "the last three again")
    running.stop()
    assert "no partition" in sluice.fails("reset", "moved", "--to", f"{topic}/9@0")


@pytest.mark.parametrize("sink", ["file('out/', format := 'json')", "sqlite('out.db?table=moved')"], ids=["file", "sqlite"])
def test_partitions_that_a_reset_does_not_name_stay_where_they_are(kafka, sluice, tmp_path, sink):
    topic = kafka.make_topic(2)
    for partition in (0, 1):
        kafka.produce(topic, numbered(range(10 * partition, 10 * partition + 10)), partition=partition)
    sql = f"CREATE TABLE moved AS SELECT * FROM {kafka.at(topic, columns())} INSERT INTO {sink};"
    sluice.sql(sql)
    sluice("reset", "moved", "--to", f"{topic}/0@7")
    sluice.sql(sql)
    if sink.startswith("file"):
        found = ids(tmp_path / "out")
    else:
        with contextlib.closing(sqlite3.connect(tmp_path / "out.db")) as database:
            found = [id for id, in database.execute("SELECT id FROM moved ORDER BY id")]
    assert found == sorted([*range(20), 7, 8, 9])


def test_a_column_with_a_name_of_change_data_is_refused_and_can_be_left_out(kafka, sluice):
    topic = kafka.make_topic()
    kafka.produce(topic, ['{"id": 1, "_op": "delete"}'])
    error = sluice.fails("run", "-e", f"SELECT * FROM {kafka.at(topic)};")
    assert f"topic '{topic}'" in error and "column '_op' has a name that is reserved for change data" in error
    without = kafka.at(topic, columns("unknown_fields := 'ignore'"))
    assert '"id":1' in sluice("run", "--output", "json", "-e", f"SELECT * FROM {without};").stdout.replace(" ", "")


def test_what_cannot_be_decoded_goes_to_the_dead_letters(kafka, sluice, tmp_path):
    topic = kafka.make_topic()
    kafka.produce(topic, ['{"id": 1}', "{oops", '{"id": 3}'])
    location = kafka.at(topic, columns())
    error = sluice.fails("run", "-e", f"CREATE TABLE t AS SELECT * FROM {location} INSERT INTO file('out/', format := 'json');")
    assert f"{topic}/0@1" in error and "dead_letters" in error
    sluice.sql(f"CREATE TABLE u WITH (dead_letters := 'dead/?format=json') AS SELECT * FROM {location} "
               "INSERT INTO file('good/', format := 'json');")
    assert ids(tmp_path / "good") == [1, 3]
    (letter,) = rows(tmp_path / "dead")
    assert letter["payload"] == "{oops" and letter["position"] == f"{topic}/0@1" and letter["reason"]


def test_a_topic_that_is_missing_is_named_with_the_nearest(kafka, sluice):
    topic = kafka.make_topic()
    error = sluice.fails("run", "-e", f"SELECT * FROM {kafka.at(topic + 'x')};")
    assert f"topic '{topic}x' does not exist; did you mean '{topic}'?" in error
    assert f"{topic}x" not in kafka.admin.list_topics(timeout=10).topics


def test_another_pipeline_with_the_same_group_is_refused(kafka, sluice, start, tmp_path):
    topic = kafka.make_topic()
    kafka.produce(topic, numbered(range(3)))
    source = kafka.at(topic, columns(f"group_id := 'g-{topic}'"))
    running = start("run", "-e", stream(source, name="first"))
    running.waits_until(lambda: kafka.committed(f"g-{topic}", topic) == [3], "the first to deliver")
    running.stop()
    error = sluice.fails("run", "-e", stream(source, name="second"))
    assert f"group 'g-{topic}' belongs to pipeline 'first'" in error


@pytest.mark.parametrize("assignor", ["cooperative-sticky", "range"], ids=["cooperative", "eager"])
def test_partitions_that_go_to_another_member_and_come_back_lose_and_double_nothing(kafka, start, tmp_path, assignor):
    topic = kafka.make_topic(4)
    kafka.produce(topic, numbered(range(2000)))
    group = f"g-{topic}"
    location = f"{kafka.brokers}/{topic}?group_id={group}&assignor={assignor}&{QUICK}"
    running = start("run", "-e", stream(f"kafka('{location}', {columns()})"))
    running.waits_until(lambda: len(ids(tmp_path / "out")) == 2000, "the rows before")

    theirs = []
    other = kafka.consumer(group, **{"partition.assignment.strategy": assignor, "session.timeout.ms": 6000})
    other.subscribe([topic])
    wait_until(lambda: other.consume(1, 0.1) is not None and len(other.assignment()) == 2, "two of four partitions")
    kafka.produce(topic, numbered(range(2000, 4000)))

    def read_theirs():
        theirs.extend(json.loads(message.value())["id"] for message in other.consume(500, 0.1) if message.error() is None)
        return len(theirs) + len(ids(tmp_path / "out")) >= 4000

    wait_until(read_theirs, "everybody's rows")
    other.commit(asynchronous=False)
    other.close()
    kafka.produce(topic, numbered(range(4000, 5000)))
    running.waits_until(lambda: len(theirs) + len(ids(tmp_path / "out")) >= 5000, "the rows after")
    running.stop()
    assert theirs, "the other member got rows of its own"
    assert sorted(theirs + ids(tmp_path / "out")) == list(range(5000))


def test_two_processes_with_stores_of_their_own_share_a_group_and_lose_nothing(kafka, sluice, start, tmp_path):
    topic = kafka.make_topic(4)
    location = f"{kafka.brokers}/{topic}?group_id=g-{topic}&{QUICK}"
    processes = []
    folders = [tmp_path / "one", tmp_path / "two"]
    produced = 0

    def delivered():
        return [number for folder in folders for number in (ids(folder / "out") if folder.exists() else [])]

    def more(count):
        nonlocal produced
        kafka.produce(topic, numbered(range(produced, produced + count)))
        produced += count

    for folder in folders:
        folder.mkdir()
        sluice.folder = folder
        processes.append(start("run", "-e", stream(f"kafka('{location}', {columns()})")))
        more(1000)
        processes[-1].waits_until(lambda: len(delivered()) >= produced, "rows")
    wait_until(lambda: (more(40), time.sleep(0.1), ids(folders[1] / "out"))[-1], "rows of the second")
    processes[1].stop()
    more(1000)
    processes[0].waits_until(lambda: len(delivered()) >= produced, "the second's partitions to come back")
    processes[0].stop()
    # With separate state stores the group's offsets are all that one knows of the other: when they cannot be committed in
    # the middle of a rebalance, an epoch comes twice. Exactly-once among processes takes one store (decision 0009).
    assert set(delivered()) == set(range(produced))


# Logging in and TLS.


def secure(kafka, broker, more):
    return f"SELECT count(*) AS n FROM kafka('{broker}/secure', {columns(more)});"


@pytest.fixture
def secured(secure_kafka):
    if "secure" not in secure_kafka.admin.list_topics(timeout=10).topics:
        secure_kafka.make_topic(name="secure")
        secure_kafka.produce("secure", numbered(range(7)))
    return secure_kafka


@pytest.mark.parametrize("mechanism,user,password", [
    ("PLAIN", "app", "apppw"), ("SCRAM-SHA-256", "scram", "scrampw"), ("SCRAM-SHA-512", "scram512", "scrampw")])
def test_logging_in_over_tls(secured, sluice, mechanism, user, password):
    more = (f"security_protocol := 'SASL_SSL', sasl_mechanism := '{mechanism}', username := '{user}', "
            f"password := 'env:KAFKA_PASSWORD', ca_file := '{secured.folder}/ca.crt'")
    env = {"KAFKA_PASSWORD": password}
    if mechanism != "PLAIN":
        env["SLUICE_LIBRDKAFKA"] = newer_librdkafka()
    shown = sluice("run", "-e", secure(secured, secured.sasl_tls, more), "--output", "json", env=env)
    assert json.loads(shown.stdout) == {"n": 7}


def test_a_wrong_password_is_told_at_once_and_never_repeated(secured, sluice):
    more = (f"security_protocol := 'SASL_SSL', username := 'app', password := 'wrong-secret', "
            f"ca_file := '{secured.folder}/ca.crt'")
    began = time.monotonic()
    result = sluice("run", "-e", secure(secured, secured.sasl_tls, more), check=False)
    assert result.returncode == 1 and time.monotonic() - began < 8
    assert "refuse this login; correct username, password and sasl_mechanism" in result.stderr
    assert "wrong-secret" not in result.stderr + result.stdout


def test_a_broker_whose_ca_is_not_trusted_is_told_at_once(secured, sluice):
    more = (f"security_protocol := 'SASL_SSL', username := 'app', password := 'apppw', "
            f"ca_file := '{secured.folder}/other.crt'")
    error = sluice.fails("run", "-e", secure(secured, secured.sasl_tls, more))
    assert "the TLS connection failed; check ca_file" in error and "certificate" in error


def test_a_client_certificate_logs_in_and_its_lack_is_told(secured, sluice):
    ca = f"security_protocol := 'SSL', ca_file := '{secured.folder}/ca.crt'"
    pair = f"{ca}, cert_file := '{secured.folder}/client.crt', key_file := '{secured.folder}/client.key'"
    shown = sluice("run", "-e", secure(secured, secured.tls, pair), "--output", "json")
    assert json.loads(shown.stdout) == {"n": 7}
    assert "cert_file and key_file where brokers ask" in sluice.fails("run", "-e", secure(secured, secured.tls, ca))


def test_a_topic_that_may_not_be_read_says_what_to_grant(secured, sluice):
    from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, ResourcePatternType, ResourceType

    topic = secured.make_topic()
    rule = AclBinding(ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, "User:somebody", "*", AclOperation.READ,
                      AclPermissionType.ALLOW)
    for done in secured.admin.create_acls([rule]).values():
        done.result(10)
    more = (f"security_protocol := 'SASL_SSL', username := 'app', password := 'apppw', ca_file := '{secured.folder}/ca.crt'")
    error = sluice.fails("run", "-e", f"SELECT * FROM kafka('{secured.sasl_tls}/{topic}', {columns(more)});")
    assert f"'{topic}'" in error and "grant READ" in error


# Batches that are damaged.


def test_a_damaged_batch_is_not_passed_over(own_kafka, sluice, start, tmp_path):
    topic = own_kafka.make_topic()
    for number in range(3):
        own_kafka.produce(topic, numbered([number], note=f"this is {number}"))
    (log,) = (own_kafka.nodes[0].folder / "data" / f"{topic}-0").glob("*.log")

    def damage(before, after):
        whole = log.read_bytes()
        with log.open("r+b") as file:
            file.seek(whole.index(before))
            file.write(after)

    damage(b"this is 1", b"this is 7")
    location = f"kafka('{own_kafka.brokers}/{topic}?{QUICK}&rdkafka.check.crcs=true', columns := 'id BIGINT, note VARCHAR')"
    table = f"CREATE TABLE t AS SELECT * FROM {location} INSERT INTO file('table/', format := 'json');"
    error = sluice.fails("run", "-e", table)
    assert f"topic '{topic}', partition 0" in error and "CRC" in error, error
    sql = stream(location, options="epoch_rows := 1, epoch_age := '10ms'")
    for _ in range(2):
        code, said = start("run", "-e", sql).end()
        assert code == 1 and f"topic '{topic}', partition 0" in said and "CRC" in said, said
        assert ids(tmp_path / "out") in ([], [0]), said
    damage(b"this is 7", b"this is 1")
    sluice.sql(table)
    assert ids(tmp_path / "table") == [0, 1, 2]
    running = start("run", "-e", sql)
    running.waits_until(lambda: ids(tmp_path / "out") == [0, 1, 2], "the rows")
    running.stop()


# Brokers that are down.


def test_a_broker_that_is_down_at_the_start_is_told_in_time(sluice):
    error = sluice.fails("run", "-e", f"SELECT * FROM kafka('127.0.0.1:1/t?connect_timeout=1s', {columns()});")
    assert "kafka://127.0.0.1:1" in error and "cannot be reached" in error


def test_a_broker_that_is_killed_mid_way_and_started_again_loses_and_doubles_nothing(own_kafka, start, tmp_path):
    topic = own_kafka.make_topic(2)
    own_kafka.produce(topic, numbered(range(1000)))
    running = start("run", "-e", stream(own_kafka.at(topic, columns())))
    running.waits_until(lambda: len(ids(tmp_path / "out")) == 1000, "the rows before")
    own_kafka.nodes[0].kill()
    time.sleep(1)
    assert running.process.poll() is None
    own_kafka.nodes[0].start()
    own_kafka.produce(topic, numbered(range(1000, 2000)))
    running.waits_until(lambda: ids(tmp_path / "out") == list(range(2000)), "the rows after", 60)
    running.stop()
