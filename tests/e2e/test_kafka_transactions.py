"""The producer's transactions: epochs end before the brokers give one up, and the offsets of a group on the same cluster are
in them (KIP-447)."""
import json
import signal
import time

import pytest
from delivered import ndjson, wait_until
from kafka_feed import Committed


def named(topic):
    return "k" + topic.replace("-", "_")


def test_an_epoch_that_would_be_longer_than_its_transaction_may_is_cut_in_time(kafka, sluice, start):
    topic = kafka.make_topic()
    ndjson(sluice.folder / "in/1.jsonl", range(600))
    source = "file('in/*.jsonl', watch := true, rate_limit := '50 rows/s')"
    began = time.monotonic()
    running = start("run", "-e", f"CREATE STREAM {named(topic)} WITH (epoch_age := '10m') AS SELECT * FROM {source} "
                    f"INSERT INTO {kafka.at(topic, 'transaction_timeout := ' + repr('3s'))};")
    arrived = Committed(kafka, topic, 1)
    seen = []  # how many were there, whenever more were

    def all_there():
        count = len(arrived.look())
        if count and count != (seen[-1] if seen else 0):
            seen.append(count)
        return count >= 600

    running.waits_until(all_there, "all rows", 60)
    took = time.monotonic() - began
    said = running.stop()
    assert sorted(arrived.look()) == list(range(600))
    assert took > 10 and len(seen) >= took / 3 - 1, (took, seen)
    assert "gave up a transaction" not in said and "tried again" not in said


def group_offset(kafka, group, topic):
    """Also while a transaction of a dead process is open: what is committed without it."""
    from confluent_kafka import TopicPartition

    consumer = kafka.consumer(group, **{"isolation.level": "read_uncommitted"})
    try:
        return max(0, consumer.committed([TopicPartition(topic, 0)], timeout=10)[0].offset)
    finally:
        consumer.close()


@pytest.mark.parametrize("point", ["kafka.commit.before:3", "kafka.commit.rows:3", "kafka.commit.positions:3", "kafka.commit.after:3"])
def test_a_groups_offset_is_what_was_delivered_wherever_the_process_dies(kafka, start, point):
    source, topic = kafka.make_topic(), kafka.make_topic()
    reading = kafka.at(source, "columns := 'id BIGINT', instance_id := 'one'")
    sql = (f"CREATE STREAM {named(topic)} WITH (epoch_age := '100ms') AS SELECT id FROM {reading} "
           f"INSERT INTO {kafka.at(topic)};")
    arrived = Committed(kafka, topic, 1)
    equal = lambda: len(arrived.look()) == group_offset(kafka, f"sluice_{named(topic)}", source)
    running = start("run", "-e", sql, env={"SLUICE_CRASH_AT": point})
    for first in range(0, 1000, 250):  # at least an epoch for each: the third dies
        kafka.produce(source, [json.dumps({"id": i}) for i in range(first, first + 250)])
        wait_until(lambda: running.process.poll() is not None or len(arrived.look()) >= first + 250, "rows, or the end", 30)
    assert running.end()[0] == -signal.SIGKILL
    # A commit is decided a moment before its marks are in the partitions.
    wait_until(equal, "offset and rows to agree", 10)
    assert len(arrived.look()) > 0
    assert sorted(arrived.look()) == list(range(len(arrived.look())))
    running = start("run", "-e", sql)
    running.waits_until(lambda: len(arrived.look()) >= 1000, "all rows")
    running.stop()
    assert sorted(arrived.look()) == list(range(1000)) and equal()
