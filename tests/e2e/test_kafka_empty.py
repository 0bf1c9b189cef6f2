"""Streams that are started before there is a message to learn the schema from."""
import json

import pytest
from delivered import rows, wait_until

QUICK = "rdkafka.topic.metadata.refresh.interval.ms=300"


def stream(source):
    return f"CREATE STREAM s WITH (epoch_age := '100ms') AS SELECT * FROM {source} INSERT INTO file('out/', format := 'json');"


@pytest.mark.parametrize("offset", ["earliest", "latest"])
def test_a_stream_waits_for_the_first_messages_to_learn_what_they_are(kafka, sluice, start, tmp_path, offset):
    """They are not passed over: nothing was there when it began, so the latest offset was the first one."""
    topic = kafka.make_topic(2)
    sql = stream(kafka.at(topic, f"offset := '{offset}'"))
    for command in ("check", "explain"):
        assert "there is no message yet to take the schema from" in sluice.fails(command, "-e", sql)
    running = start("run", "-e", sql)
    kafka.produce(topic, [{"key": "gone", "value": None}], partition=0)  # what has no bytes tells nothing
    with pytest.raises(AssertionError):
        wait_until(lambda: running.process.poll() is not None, seconds=2)
    kafka.produce(topic, ['{"id": 1}', '{"id": 2, "note": "two"}'], partition=1)
    running.waits_until(lambda: len(rows(tmp_path / "out")) == 3, "the rows")
    found = rows(tmp_path / "out")
    assert {"id": 1, "note": None} in found and {"id": 2, "note": "two"} in found and {"id": None, "note": None} in found
    assert "waiting for the first messages" in running.stop()


def test_a_stream_that_waits_for_topics_of_a_pattern_is_stopped_as_any_other(kafka, start, tmp_path):
    base = kafka.make_topic()
    source = f"kafka('{kafka.brokers}?{QUICK}', topic_pattern := '{base}-[0-9]+')"
    running = start("run", "-e", stream(source))
    with pytest.raises(AssertionError):
        wait_until(lambda: running.process.poll() is not None, seconds=1.5)
    assert "waiting for the first messages" in running.stop()
    running = start("run", "-e", stream(source))
    topic = kafka.make_topic(name=f"{base}-1")
    kafka.produce(topic, [json.dumps({"id": i}) for i in range(5)])
    running.waits_until(lambda: len(rows(tmp_path / "out")) == 5, "the rows")
    running.stop()


def test_a_bounded_statement_does_not_wait(kafka, sluice):
    topic = kafka.make_topic()
    error = sluice.fails("run", "-e", f"SELECT * FROM {kafka.at(topic)};")
    assert "there is no message yet to take the schema from" in error and "columns" in error
