"""kill -9 at every step into Kafka: from files, a bucket, PostgreSQL, a topic read once and one followed in a group; and with
dead letters, which are files of the same epoch.

As in test_matrix.py the points come from an undisturbed run. Judged by a read_committed consumer of confluent-kafka.
"""
import collections
import contextlib
import json
import signal
import time

import pytest
from e2e.delivered import rows
from e2e.kafka_feed import Committed
from test_kafka_matrix import run_stream
from test_matrix import visits_of

ROWS = 3000
BAD_EVERY = 250


class Origin:
    """Where rows come from; filled once, read by every attempt."""

    def __init__(self, kind, request, kafka, folder):
        self.kind = kind
        self.kafka = kafka
        self.folder = folder
        self.bucket = request.getfixturevalue("gateway_bucket") if kind == "s3" else None
        self.database = request.getfixturevalue("postgres") if kind == "postgresql" else None
        self.env = self.bucket.env if self.bucket is not None else {}
        self.bad = [i for i in range(0, ROWS, BAD_EVERY)] if kind.endswith("dead letters") else []
        self.good = sorted(set(range(ROWS)) - set(self.bad))
        lines = [f"{{oops {i}" if i in self.bad else json.dumps({"id": i, "v": f"value {i}"}) for i in range(ROWS)]
        parts = ["".join(line + "\n" for line in lines[part::4]) for part in range(4)]
        if kind.startswith("file"):
            (folder / "in").mkdir()
            for number, part in enumerate(parts):
                (folder / "in" / f"{number}.jsonl").write_text(part)
        elif kind == "s3":
            for number, part in enumerate(parts):
                self.bucket.put(f"in/{number}.jsonl", part.encode())
        elif kind == "postgresql":
            self.database.execute(f"CREATE TABLE source AS SELECT g AS id, 'value ' || g AS v FROM generate_series(0, {ROWS - 1}) g")
            self.database.execute("ANALYZE source")
        else:
            self.topic = kafka.make_topic(3)
            kafka.produce(self.topic, lines)

    def call(self, attempt):
        if self.kind.startswith("file"):
            watch = ", watch := true" if "followed" in self.kind else ""
            return f"file('{self.folder}/in/*.jsonl', columns := 'id BIGINT, v VARCHAR'{watch})"
        if self.kind == "s3":
            return self.bucket.at("in/", "columns := 'id BIGINT, v VARCHAR'")
        if self.kind == "postgresql":
            return self.database.at("source", "split_rows := 1000")
        options = "columns := 'id BIGINT, v VARCHAR'"
        if self.kind.startswith("kafka, followed"):  # a member that comes back under its name waits for nobody
            options += f", instance_id := 'one', group_id := 'g-{self.topic}-{attempt}'"
        return self.kafka.at(self.topic, options)


KINDS = ["file", "file, followed", "s3", "postgresql", "kafka", "kafka, followed", "file, dead letters",
         "kafka, followed, dead letters"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_row_arrives_once_wherever_the_process_dies(tmp_path, sluice, request, kafka, kind, record_property):
    from confluent_kafka import KafkaError, KafkaException

    origin = Origin(kind, request, kafka, tmp_path)
    stream = "followed" in kind
    expected = origin.good
    base = kafka.make_topic()

    def ids(attempt):
        topic = f"{base}-{attempt}"
        if topic not in kafka.admin.list_topics(timeout=10).topics:
            return []
        while True:
            try:
                return [json.loads(message.value())["id"] for message in kafka.read_all(topic, 2)]
            except KafkaException as error:  # the topic was made this very moment
                assert error.args[0].code() == KafkaError.NOT_LEADER_FOR_PARTITION
                time.sleep(0.05)

    @contextlib.contextmanager
    def arriving(topic):
        """Asked again and again: one consumer, from when the topic is there."""
        consumers = []

        def look():
            if not consumers and topic in kafka.admin.list_topics(timeout=10).topics:
                consumers.append(Committed(kafka, topic, 2))
            return consumers[0].look() if consumers else []

        try:
            yield look
        finally:
            for consumer in consumers:
                consumer.close()

    def run(attempt, env):
        sluice.folder = tmp_path / attempt
        sluice.folder.mkdir(exist_ok=True)
        dead_letters = ", dead_letters := 'dead/?format=json'" if origin.bad else ""
        sql = (f"CREATE {'STREAM' if stream else 'TABLE'} t WITH (lanes := 2, epoch_rows := 700, epoch_age := '100ms'{dead_letters}) AS "
               f"SELECT id, v FROM {origin.call(attempt)} INSERT INTO {kafka.at(f'{base}-{attempt}', more)};")
        env = {**origin.env, **env}
        if stream:
            with arriving(f"{base}-{attempt}") as arrived:
                return run_stream(sluice, sql, lambda: len(arrived()) >= len(expected) and len(dead(attempt)) >= len(origin.bad), env)
        result = sluice.sql(sql, check=False, env=env)
        assert result.returncode in (0, -signal.SIGKILL), result.stderr
        return result.returncode

    def dead(attempt):
        return sorted(int(row["payload"].split()[1]) for row in rows(tmp_path / attempt / "dead"))

    def committed(attempt):
        # A commit is decided before its markers are in every partition (KIP-98): consumers see the rows a moment later.
        deadline = time.monotonic() + 10
        while len(found := ids(attempt)) < len(expected) and time.monotonic() < deadline:
            time.sleep(0.1)
        return found

    more = "key := 'id', partitions := 2"
    assert run("probe", {"SLUICE_CRASH_LOG": str(tmp_path / "visits")}) == 0
    assert sorted(committed("probe")) == expected and dead("probe") == origin.bad

    kills = lost = doubled = 0
    for number, (point, count) in enumerate(visits_of(tmp_path / "visits")):
        for visit in sorted({1, (count + 1) // 2}):
            attempt = f"a{number}-{visit}"
            kills += run(attempt, {"SLUICE_CRASH_AT": f"{point}:{visit}"}) == -signal.SIGKILL
            assert run(attempt, {}) == 0
            seen = collections.Counter(committed(attempt))
            seen.update(dead(attempt))
            lost += sum(1 for i in range(ROWS) if seen[i] == 0)
            doubled += sum(1 for n in seen.values() if n > 1)
    record_property("summary", f"crash matrix: {kind} → kafka: {kills} kills, lost {lost}, doubled {doubled}")
    assert kills > 5
    assert (lost, doubled) == (0, 0)
