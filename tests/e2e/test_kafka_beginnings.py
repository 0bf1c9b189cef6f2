"""Where reading begins in partitions and topics that come to be while a pipeline is there: at their first message, whatever
`offset` says, for what was written before they were found would be lost else."""
import json

from delivered import ids, wait_until

QUICK = "rdkafka.topic.metadata.refresh.interval.ms=300"
LONG_AGO = 1_500_000_000_000


def numbered(numbers):
    return [json.dumps({"id": number}) for number in numbers]


def stream(source, name):
    return f"CREATE STREAM {name} WITH (epoch_age := '100ms') AS SELECT * FROM {source} INSERT INTO file('out/', format := 'json');"


def named(topic):
    return "s" + topic.replace("-", "_")


def test_a_time_says_nothing_of_partitions_that_are_added(kafka, start, tmp_path):
    topic = kafka.make_topic(1)
    kafka.produce(topic, numbered(range(5)), timestamp=LONG_AGO)
    location = f"{kafka.brokers}/{topic}?offset=2026-01-01T00:00:00Z&{QUICK}"
    running = start("run", "-e", stream(f"kafka('{location}', columns := 'id BIGINT')", named(topic)))
    running.waits_until(lambda: kafka.committed(f"sluice_{named(topic)}", topic) == [5], "the beginning")
    kafka.add_partitions(topic, 2)
    kafka.produce(topic, numbered(range(10, 20)), partition=1, timestamp=LONG_AGO)
    running.waits_until(lambda: ids(tmp_path / "out") == list(range(10, 20)), "the new partition's rows")
    running.stop()


def test_the_first_topic_of_a_pattern_is_read_from_its_first_message(kafka, start, slowly, tmp_path):
    base = kafka.make_topic()
    source = f"kafka('{kafka.brokers}?offset=latest&{QUICK}', topic_pattern := '{base}-[0-9]+', columns := 'id BIGINT')"
    running = start("run", "-e", stream(source, named(base)))
    wait_until(running.listens)
    slowly(2)  # it joins no group before there is a topic
    topic = kafka.make_topic(2, name=f"{base}-1")
    for partition in (0, 1):
        kafka.produce(topic, numbered(range(10 * partition, 10 * partition + 10)), partition=partition)
    running.waits_until(lambda: ids(tmp_path / "out") == list(range(20)), "the rows")
    running.stop()


def test_a_table_that_begins_at_the_end_delivers_what_comes_after_its_first_run(kafka, sluice, tmp_path):
    topic = kafka.make_topic(1)
    kafka.produce(topic, numbered(range(5)))
    source = kafka.at(topic, "columns := 'id BIGINT', offset := 'latest'")
    sql = f"CREATE TABLE {named(topic)} AS SELECT * FROM {source} INSERT INTO file('out/', format := 'json');"
    sluice.sql(sql)
    assert ids(tmp_path / "out") == []
    kafka.produce(topic, numbered(range(5, 10)))
    kafka.add_partitions(topic, 2)
    kafka.produce(topic, numbered(range(10, 15)), partition=1)
    sluice.sql(sql)
    assert ids(tmp_path / "out") == list(range(5, 15))
    assert "nothing new" in sluice.sql(sql).stderr
