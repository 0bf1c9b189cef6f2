"""`sluice reset` and `drop` of a pipeline that is running are refused, and do nothing to it: neither here nor at its ends."""
import json
import sqlite3

import pytest
from delivered import ids, ndjson
from kafka_feed import Committed

pytestmark = pytest.mark.xdist_group("kafka_server")


def into_files(sluice, request):
    return "file('out/', format := 'json')", lambda: ids(sluice.folder / "out")


def into_sqlite(sluice, request):
    def held():
        try:
            with sqlite3.connect(sluice.folder / "out.db") as database:
                return sorted(id for id, in database.execute("SELECT id FROM t"))
        except sqlite3.OperationalError:
            return []  # not made yet

    return "sqlite('out.db?table=t')", held


def into_postgresql(sluice, request):
    database = request.getfixturevalue("postgres")

    def held():
        made = database.value("SELECT to_regclass('t')") is not None
        return [id for id, in database.rows("SELECT id FROM t ORDER BY id")] if made else []

    return database.at("t"), held


def into_kafka(sluice, request):
    kafka = request.getfixturevalue("kafka")
    topic = kafka.make_topic()
    return kafka.at(topic), lambda seen=Committed(kafka, topic, 1): sorted(seen.look())


SINKS = {"files": into_files, "sqlite": into_sqlite, "postgresql": into_postgresql, "kafka": into_kafka}


@pytest.mark.parametrize("sink", SINKS)
@pytest.mark.parametrize("command", [["reset", "held"], ["drop", "held"], ["drop", "held", "--force"]], ids=" ".join)
def test_what_runs_goes_on_undisturbed(sluice, start, request, sink, command):
    target, held = SINKS[sink](sluice, request)
    ndjson(sluice.folder / "in/1.jsonl", range(5))
    running = start("run", "-e", "CREATE STREAM held WITH (epoch_age := '100ms', retry_for := '0s') AS SELECT * FROM "
                    f"file('in/*.jsonl', watch := true, poll_interval := '50ms') INSERT INTO {target};")
    running.waits_until(lambda: held() == list(range(5)), "the first rows")
    error = sluice.fails(*command)
    assert "pipeline 'held' is already running" in error and str(running.process.pid) in error
    ndjson(sluice.folder / "in/2.jsonl", range(5, 10))
    running.waits_until(lambda: held() == list(range(10)), "the others")
    running.stop()
    assert held() == list(range(10))


def test_a_group_that_is_being_read_is_not_moved(sluice, start, kafka):
    source, topic = kafka.make_topic(2), kafka.make_topic()
    name = "r" + topic.replace("-", "_")
    kafka.produce(source, [json.dumps({"id": i}) for i in range(100)])
    arrived = Committed(kafka, topic, 1)
    sql = (f"CREATE STREAM {name} WITH (epoch_age := '100ms', retry_for := '0s') AS SELECT id FROM "
           f"{kafka.at(source, 'columns := ' + repr('id BIGINT'))} INSERT INTO {kafka.at(topic)};")
    running = start("run", "-e", sql)
    running.waits_until(lambda: len(arrived.look()) == 100, "the first rows")
    for to in ("earliest", f"{source}/0@1"):
        assert "is already running" in sluice.fails("reset", name, "--to", to)
    kafka.produce(source, [json.dumps({"id": i}) for i in range(100, 200)])
    running.waits_until(lambda: len(arrived.look()) == 200, "the others")
    running.stop()
    assert sorted(arrived.look()) == list(range(200))
    sluice("reset", name, "--to", "earliest")
    assert sum(kafka.committed(f"sluice_{name}", source, 2)) == 0
