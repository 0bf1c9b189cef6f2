"""`sluice status NAME`: how far a stream that reads topics is behind what confluent-kafka has written."""
import json
import re
import time

from delivered import ids, wait_until


def numbered(numbers):
    return [json.dumps({"id": number}) for number in numbers]


def stream(source, name="s"):
    return f"CREATE STREAM {name} WITH (epoch_age := '100ms') AS SELECT * FROM {source} INSERT INTO file('out/', format := 'json');"


def lag(sluice, name="s", **options):
    shown = sluice("status", name, "--output", "json", check=False, **options).stdout  # it may not be on record yet
    return json.loads(shown).get("lag", {}) if shown else {}


def test_status_says_how_many_messages_a_stream_is_behind_in_all_and_by_partition(kafka, sluice, start, tmp_path):
    topic = kafka.make_topic(3)
    kafka.produce(topic, numbered(range(10)), partition=0)
    kafka.produce(topic, numbered(range(10, 15)), partition=1)
    running = start("run", "-e", stream(kafka.at(topic, "columns := 'id BIGINT'")))
    running.waits_until(lambda: ids(tmp_path / "out") == list(range(15)), "the rows")
    nothing = {f"{topic}/{i}": 0 for i in range(3)}
    running.waits_until(lambda: lag(sluice) == {"messages": 0, "seconds": 0.0, "splits": nothing}, "nothing to wait")
    running.stop()

    written = time.time()
    kafka.produce(topic, numbered(range(15, 22)), partition=0)
    kafka.produce(topic, numbered(range(22, 26)), partition=2)
    time.sleep(1.1)
    behind = lag(sluice)
    assert behind["messages"] == 11
    assert behind["splits"] == {f"{topic}/0": 7, f"{topic}/1": 0, f"{topic}/2": 4}
    assert 1 <= behind["seconds"] <= time.time() - written + 1
    shown = sluice("status", "s").stdout
    assert re.search(r"behind: 11 messages, [\d.]+s\n", shown), shown
    assert f"{topic}/0: 10, 7 messages behind\n" in shown and f"{topic}/1: 5, 0 messages behind\n" in shown
    # Asking makes nobody a member and moves nothing.
    assert kafka.committed("sluice_s", topic, 3)[:2] == [10, 5]

    running = start("run", "-e", stream(kafka.at(topic, "columns := 'id BIGINT'")))
    running.waits_until(lambda: lag(sluice) == {"messages": 0, "seconds": 0.0, "splits": nothing}, "it to catch up")
    running.stop()


def test_what_transactions_leave_behind_is_nothing_to_wait_for(kafka, sluice, start, tmp_path):
    """Behind the last message lie the marks of transactions and what they took back: offsets, but no messages."""
    topic = kafka.make_topic()
    producer = kafka.producer(**{"transactional.id": f"t-{topic}"})
    producer.init_transactions(10)

    def transaction(numbers, commit):
        kafka.transaction(producer, topic, numbered(numbers), commit)

    transaction(range(5), True)
    running = start("run", "-e", stream(kafka.at(topic, "columns := 'id BIGINT'")))
    running.waits_until(lambda: ids(tmp_path / "out") == list(range(5)), "the rows")
    running.stop()
    transaction(range(5, 30), False)
    assert lag(sluice)["messages"] == 0
    producer.begin_transaction()
    producer.produce(topic, "open")
    producer.flush(10)
    assert lag(sluice)["messages"] == 0, "nobody may read it yet"
    producer.abort_transaction(10)
    transaction(range(30, 33), True)
    assert lag(sluice)["messages"] == 4, "the three, and the mark of their transaction"


def test_a_stream_that_begins_at_the_latest_is_behind_by_what_came_since(kafka, sluice, start, tmp_path):
    topic = kafka.make_topic()
    kafka.produce(topic, numbered(range(100)))
    running = start("run", "-e", stream(kafka.at(topic, "offset := 'latest', columns := 'id BIGINT'")))
    running.waits_until(lambda: kafka.committed("sluice_s", topic) == [100], "the beginning to be on record")
    running.stop()
    assert lag(sluice)["messages"] == 0
    kafka.produce(topic, numbered(range(100, 103)))
    assert lag(sluice)["messages"] == 3


def test_what_is_gone_and_what_cannot_be_asked_is_said(own_kafka, sluice, start, tmp_path):
    from confluent_kafka import TopicPartition

    topic = own_kafka.make_topic()
    own_kafka.produce(topic, numbered(range(10)))
    source = own_kafka.at(topic, "columns := 'id BIGINT', connect_timeout := '1s'")
    running = start("run", "-e", stream(source))
    running.waits_until(lambda: own_kafka.committed("sluice_s", topic) == [10], "the rows")
    running.stop()
    own_kafka.produce(topic, numbered(range(10, 30)))
    for done in own_kafka.admin.delete_records([TopicPartition(topic, 0, 25)]).values():
        done.result(10)
    assert "offset 10 is not there any more, the oldest is 25" in lag(sluice)["error"]
    own_kafka.nodes[0].kill()
    assert "cannot be reached" in lag(sluice)["error"]
    assert "behind: not known: " in sluice("status", "s").stdout


def test_a_secured_cluster_is_asked_with_a_password_from_the_environment(secure_kafka, sluice, start, tmp_path):
    topic = secure_kafka.make_topic()
    secure_kafka.produce(topic, numbered(range(4)))
    login = "security_protocol := 'SASL_PLAINTEXT', username := 'app', password := 'env:ITS_PASSWORD', columns := 'id BIGINT'"
    running = start("run", "-e", stream(secure_kafka.at(topic, login)), env={"ITS_PASSWORD": "apppw"})
    running.waits_until(lambda: secure_kafka.committed("sluice_s", topic) == [4], "the rows")
    running.stop()
    secure_kafka.produce(topic, numbered(range(4, 6)))
    assert "SLUICE_KAFKA_PASSWORD" in lag(sluice)["error"]
    password = {"SLUICE_KAFKA_PASSWORD": "apppw"}
    assert lag(sluice, env=password)["messages"] == 2
    sluice("drop", "s", env=password)
    wait_until(lambda: "sluice_s" not in secure_kafka.groups(), "the group to be deleted")
