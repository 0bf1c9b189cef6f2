"""A topic that is deleted and made anew while positions in it are on record."""
import json
import time

from delivered import ids


def named(topic):
    return "a" + topic.replace("-", "_")


def stream(kafka, topic):
    location = f"{kafka.brokers}/{topic}?rdkafka.topic.metadata.refresh.interval.ms=300"
    return (f"CREATE STREAM {named(topic)} WITH (epoch_age := '100ms') AS SELECT * FROM kafka('{location}', columns := 'id BIGINT') "
            f"INSERT INTO file('out/', format := 'json');")


def numbered(numbers):
    return [json.dumps({"id": number}) for number in numbers]


def make_anew(kafka, topic):
    for done in kafka.admin.delete_topics([topic]).values():
        done.result(30)
    deadline = time.monotonic() + 30
    while True:
        try:
            return kafka.make_topic(name=topic)
        except Exception:  # it is still being deleted
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_a_position_beyond_its_end_is_an_error_that_says_so(kafka, sluice, start, tmp_path):
    topic = kafka.make_topic()
    kafka.produce(topic, numbered(range(10)))
    sql = stream(kafka, topic)
    running = start("run", "-e", sql)
    running.waits_until(lambda: ids(tmp_path / "out") == list(range(10)), "the rows")
    running.stop()
    make_anew(kafka, topic)
    kafka.produce(topic, numbered(range(100, 103)))
    error = sluice.fails("run", "-e", sql)
    assert f"topic '{topic}', partition 0: offset 10 is behind the end, 3: the topic was deleted and made anew" in error
    assert f"'sluice reset {named(topic)} --to earliest' reads what is there" in error
    assert ids(tmp_path / "out") == list(range(10))
    sluice("reset", named(topic), "--to", "earliest")
    running = start("run", "-e", sql)
    running.waits_until(lambda: ids(tmp_path / "out") == [*range(10), *range(100, 103)], "what is there")
    running.stop()


def test_a_stream_that_runs_meanwhile_ends_with_an_error(kafka, start, tmp_path):
    topic = kafka.make_topic()
    kafka.produce(topic, numbered(range(10)))
    running = start("run", "-e", stream(kafka, topic))
    running.waits_until(lambda: ids(tmp_path / "out") == list(range(10)), "the rows")
    make_anew(kafka, topic)
    kafka.produce(topic, numbered(range(100, 103)))
    code, stderr = running.end(60)
    assert code == 1 and topic in stderr
    assert any(said in stderr for said in ("made anew", "does not exist", "is not there any more")), stderr
    assert ids(tmp_path / "out") == list(range(10))
