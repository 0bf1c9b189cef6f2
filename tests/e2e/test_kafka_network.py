"""A network between Sluice and the brokers that cuts, halves, delays and swallows; coordinators that die; brokers that
are not there yet. Judged by confluent-kafka past the proxy, and by Python's json."""
import json
import time

import pytest
from delivered import append, ids, wait_until

# Whoever is dead or silent is noticed within a test's patience.
QUICK = "rdkafka.session.timeout.ms=3000&rdkafka.heartbeat.interval.ms=500&rdkafka.socket.timeout.ms=2000&connect_timeout=5s"
COLUMNS = "columns := 'id BIGINT'"


def cut(proxy):
    proxy.cut()
    time.sleep(0.4)


def halve(proxy):
    proxy.halve(3)
    time.sleep(0.6)


def swallow_answers(proxy):
    """The broker does what it is asked, and nobody hears of it."""
    proxy.deafen()
    time.sleep(0.7)
    proxy.thaw()


def fall_silent(proxy):
    proxy.freeze()
    time.sleep(2.5)
    proxy.thaw()


def forget_connections(proxy):
    """Connections that some box on the way has forgotten: no one says so."""
    proxy.forget()
    time.sleep(2.5)


def slow_down(proxy):
    proxy.delay = 0.15
    time.sleep(1.5)
    proxy.delay = 0.0


TROUBLES = [cut, halve, swallow_answers, fall_silent, forget_connections, slow_down]


@pytest.fixture(params=TROUBLES, ids=lambda trouble: trouble.__name__.replace("_", "-"))
def trouble(request):
    return request.param


def numbered(numbers):
    return [json.dumps({"id": number}) for number in numbers]


def options(name="s"):
    return f"CREATE STREAM {name} WITH (epoch_age := '100ms', lanes := 2)"


def found_in(kafka, topic, partitions):
    return sorted(json.loads(message.value())["id"] for message in kafka.read_all(topic, partitions))


def through_trouble(proxy, trouble, running, write, arrived):
    """Rows flow before, in and behind each trouble; all of them have to come, once."""
    running.waits_until(lambda: len(arrived()) > 0, "the first rows")
    written = 200
    passed = proxy.passed
    for _ in range(3):
        write(range(written, written + 100))
        trouble(proxy)
        write(range(written + 100, written + 200))
        written += 200
    running.waits_until(lambda: len(arrived()) >= written, "all rows", 60)
    running.stop()
    assert sorted(arrived()) == list(range(written))
    assert proxy.passed > passed, "it does not go through the proxy"


def test_a_source_behind_a_bad_network_loses_and_doubles_nothing(proxied_kafka, start, tmp_path, trouble):
    kafka = proxied_kafka
    topic = kafka.make_topic(2)
    kafka.produce(topic, numbered(range(200)))
    source = f"kafka('{kafka.through}/{topic}?{QUICK}', {COLUMNS})"
    running = start("run", "-e", f"{options()} AS SELECT * FROM {source} INSERT INTO file('out/', format := 'json');")
    through_trouble(kafka.proxy, trouble, running, lambda numbers: kafka.produce(topic, numbered(numbers)),
                    lambda: ids(tmp_path / "out"))


def test_a_sink_behind_a_bad_network_loses_and_doubles_nothing(proxied_kafka, start, tmp_path, trouble):
    kafka = proxied_kafka
    topic = kafka.make_topic(2)
    (tmp_path / "in").mkdir()

    def write(numbers):
        append(tmp_path / "in/1.jsonl", "".join(line + "\n" for line in numbered(numbers)))

    write(range(200))
    sink = f"kafka('{kafka.through}/{topic}?rdkafka.socket.timeout.ms=2000&connect_timeout=5s', key := 'id')"
    source = f"file('in/*.jsonl', watch := true, poll_interval := '50ms', {COLUMNS})"
    running = start("run", "-e", f"{options('k' + topic.replace('-', '_'))} AS SELECT * FROM {source} INSERT INTO {sink};")
    through_trouble(kafka.proxy, trouble, running, write, lambda: found_in(kafka, topic, 2))


def test_kafka_to_kafka_over_a_bad_network_loses_and_doubles_nothing(proxied_kafka, start, trouble):
    """Rows, positions and the group's offsets are one transaction, whose answers may be lost."""
    kafka = proxied_kafka
    source, topic = kafka.make_topic(2), kafka.make_topic(2)
    kafka.produce(source, numbered(range(200)))
    sql = (f"{options('m' + topic.replace('-', '_'))} AS SELECT * FROM kafka('{kafka.through}/{source}?{QUICK}', {COLUMNS}) "
           f"INSERT INTO kafka('{kafka.through}/{topic}?rdkafka.socket.timeout.ms=2000&connect_timeout=5s', key := 'id');")
    through_trouble(kafka.proxy, trouble, start("run", "-e", sql),
                    lambda numbers: kafka.produce(source, numbered(numbers)), lambda: found_in(kafka, topic, 2))


# Coordinators.


def coordinator(kafka, log, name):
    """The node that leads the partition of `log` which holds `name`: Utils.abs(String.hashCode()) % partitions."""
    hash_code = 0
    for char in name:
        hash_code = (31 * hash_code + ord(char)) & 0xFFFFFFFF
    partitions = kafka.admin.list_topics(log, timeout=10).topics[log].partitions
    leader = partitions[(hash_code & 0x7FFFFFFF) % len(partitions)].leader
    return kafka.nodes[leader - 1] if leader > 0 else None


@pytest.mark.parametrize("log", ["__consumer_offsets", "__transaction_state"], ids=["of-the-group", "of-the-transaction"])
def test_a_coordinator_that_dies_costs_nothing(kafka_cluster, start, log):
    kafka = kafka_cluster
    source, topic = kafka.make_topic(2, replication=3), kafka.make_topic(2, replication=3)
    kafka.produce(source, numbered(range(200)))
    sql = (f"{options()} AS SELECT * FROM kafka('{kafka.brokers}/{source}?{QUICK}', {COLUMNS}) "
           f"INSERT INTO {kafka.at(topic, 'key := ' + repr('id') + ', transactional_id := ' + repr('moved'))};")
    running = start("run", "-e", sql)
    name = "sluice_s" if log == "__consumer_offsets" else "moved"

    def arrived():
        from confluent_kafka import KafkaException

        try:
            return found_in(kafka, topic, 2)
        except KafkaException:
            return []  # no leader yet

    running.waits_until(lambda: len(arrived()) == 200, "the first rows")
    written = 200
    for _ in range(2):
        node = coordinator(kafka, log, name)
        kafka.produce(source, numbered(range(written, written + 200)))
        node.kill()
        wait_until(lambda: coordinator(kafka, log, name) not in (None, node), "another coordinator", 60)
        kafka.produce(source, numbered(range(written + 200, written + 400)))
        written += 400
        running.waits_until(lambda: len(arrived()) >= written, "all rows", 90)
        node.start()
    running.stop()
    assert arrived() == list(range(written))


# Who is not there yet.


def test_brokers_that_are_down_at_the_start_are_waited_for(own_kafka, start, tmp_path):
    kafka = own_kafka
    there = kafka.make_topic()
    kafka.produce(there, numbered(range(30)))
    kafka.nodes[0].stop()
    (tmp_path / "in").mkdir()
    append(tmp_path / "in/1.jsonl", "".join(line + "\n" for line in numbered(range(50))))
    sink = f"kafka('{kafka.brokers}/made?connect_timeout=60s')"
    writing = start("run", "-e", f"{options('w')} AS SELECT * FROM file('in/*.jsonl', watch := true) INSERT INTO {sink};")
    source = f"kafka('{kafka.brokers}/{there}?connect_timeout=60s', {COLUMNS})"
    reading = start("run", "-e", f"{options('r')} AS SELECT * FROM {source} INSERT INTO file('out/', format := 'json');",
                    env={"SLUICE_STATE": f"sqlite:{tmp_path}/other.db"})
    time.sleep(1.5)
    assert writing.process.poll() is None and reading.process.poll() is None
    kafka.nodes[0].start()
    reading.waits_until(lambda: ids(tmp_path / "out") == list(range(30)), "the rows out of it")
    writing.waits_until(lambda: "made" in kafka.admin.list_topics(timeout=10).topics and
                        found_in(kafka, "made", 1) == list(range(50)), "the rows into it")
    reading.stop()
    writing.stop()
