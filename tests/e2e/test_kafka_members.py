"""Several processes of one stream over one group and one state store, which are killed again and again: into files, where
the store decides what is delivered, and into a topic of the same cluster, where the cluster does."""
import json
import random
import signal
import time

import pytest
from delivered import ids
from kafka_feed import Committed, Feed

from services.members import Members

pytestmark = pytest.mark.xdist_group("kafka_members")

# A member that died is missed soon.
QUICK = "rdkafka.session.timeout.ms=3000&rdkafka.heartbeat.interval.ms=300"


@pytest.fixture(params=["files", "topic"])
def sink(request, kafka, tmp_path):
    """(INSERT INTO's target, what has arrived there)."""
    if request.param == "files":
        return "file('out/', format := 'json')", lambda: ids(tmp_path / "out")
    topic = kafka.make_topic(3)
    return kafka.at(topic, "key := 'id'"), Committed(kafka, topic, 3).look


def through_members(kafka, postgres, sluice, sink, trouble, assignor="cooperative-sticky"):
    """Three processes deliver while `trouble` happens to them; every row has to be there once."""
    target, arrived = sink
    source = kafka.make_topic(6)
    feed = Feed(kafka, source, 1500)
    feed.start()
    sql = (f"CREATE STREAM {source.replace('-', '_')} WITH (epoch_age := '200ms') AS SELECT * FROM "
           f"kafka('{kafka.brokers}/{source}?{QUICK}', columns := 'id BIGINT', assignor := '{assignor}') INSERT INTO {target};")
    with Members(sluice.binary, sluice.folder, sql, 3, {"SLUICE_STATE": postgres.url()}) as members:
        members.wait_until(lambda: len(arrived()) > 0, "the first rows", 30)
        trouble(members)
        written = feed.stop()
        members.wait_until(lambda: len(arrived()) >= written, "all rows", 60)
        members.stop()
    found = sorted(arrived())
    lost, doubled = set(range(written)) - set(found), len(found) - len(set(found))
    assert (len(lost), doubled) == (0, 0), f"of {written}: {sorted(lost)[:20]}"


def killed_again_and_again(members):
    chance = random.Random(11)
    for _ in range(8):
        time.sleep(chance.uniform(0.3, 2.5))
        victim = chance.randrange(3)
        members.kill(victim)
        if chance.random() < 0.5:
            time.sleep(chance.uniform(0, 3))  # long enough for others to be given what it had
        members.start(victim)


def test_members_that_are_killed_lose_and_double_nothing(kafka, postgres, sluice, sink):
    through_members(kafka, postgres, sluice, sink, killed_again_and_again)


def test_members_that_let_go_of_everything_at_each_change_lose_and_double_nothing(kafka, postgres, sluice, sink):
    through_members(kafka, postgres, sluice, sink, killed_again_and_again, assignor="range")


def test_a_member_that_was_taken_for_dead_and_wakes_up_loses_and_doubles_nothing(kafka, postgres, sluice, sink):
    """Stopped for longer than the group waits: others read what it had, and it still holds messages of it."""
    def asleep(members):
        for victim in (0, 1, 2, 0):
            members.processes[victim].send_signal(signal.SIGSTOP)
            time.sleep(4.5)
            members.processes[victim].send_signal(signal.SIGCONT)
            time.sleep(0.7)

    through_members(kafka, postgres, sluice, sink, asleep)


def test_a_member_that_has_left_is_nobody_to_fence(kafka, postgres, sluice):
    source, target, positions = kafka.make_topic(4), kafka.make_topic(2), f"positions-{kafka.make_topic(1)}"
    name, more = source.replace("-", "_"), f"positions_topic := '{positions}'"
    sql = (f"CREATE STREAM {name} WITH (epoch_age := '200ms') AS SELECT * FROM "
           f"kafka('{kafka.brokers}/{source}?{QUICK}', columns := 'id BIGINT') "
           f"INSERT INTO {kafka.at(target, more)};")

    def writers():
        """transactional.ids on record, as the topic's compaction will leave them."""
        last = {}
        for message in kafka.read_all(positions):
            key = json.loads(message.key())
            if "writer" in key:
                last[key["writer"]] = message.value()
        return sorted(writer for writer, value in last.items() if value is not None)

    feed = Feed(kafka, source, 1000)
    arrived = Committed(kafka, target, 2)
    with Members(sluice.binary, sluice.folder, sql, 2, {"SLUICE_STATE": postgres.url()}) as members:
        feed.start()
        members.wait_until(lambda: "gives partitions" in members.log(0).read_text() and "gives partitions" in members.log(1).read_text(),
                           "both having partitions", 30)
        members.wait_until(lambda: len(arrived.look()) > 0, "the first rows", 30)
        members.wait_until(lambda: len(writers()) == 2, "both on record", 30)
        leaving = members.processes.pop()
        leaving.send_signal(signal.SIGTERM)
        assert leaving.wait(30) == 0
        assert len(writers()) == 1
        written = feed.stop()
        members.wait_until(lambda: len(arrived.look()) >= written, "all rows", 30)
        assert len(writers()) == 1
        members.stop()
    arrived.close()
    assert sorted(arrived.ids) == list(range(written))
    assert writers() == []
