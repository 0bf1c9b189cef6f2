"""Three processes of one stream in one group, with one state store on PostgreSQL, from a topic into another one, for
SOAK_MINUTES: one of them is killed (SIGKILL, SIGTERM), or stopped for longer than the group waits, every few seconds, and the
broker is restarted twice, once by kill -9. Then a read_committed consumer of confluent-kafka counts: a row that is lost or
there twice, or a process that ends by itself, is exit code 1, and the folder is kept.
"""
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from e2e.kafka_feed import Committed, Feed  # noqa: E402
from services.kafka import running_kafka  # noqa: E402
from services.members import Members  # noqa: E402
from services.postgres import running_postgres  # noqa: E402

BINARY = os.environ.get("SLUICE_BINARY", str(ROOT / "build" / "sluice"))
MINUTES = float(os.environ.get("SOAK_MINUTES", "15"))
ROWS_PER_SECOND = int(os.environ.get("SOAK_ROWS_PER_SECOND", "2000"))
SEED = int(os.environ.get("SOAK_SEED", str(time.time_ns() % 1_000_000)))
DRAIN_SECONDS = 180
GROUP = "rdkafka.session.timeout.ms=6000&rdkafka.heartbeat.interval.ms=1000"


class Soak:
    def __init__(self, kafka, members):
        self.kafka, self.members = kafka, members
        self.chance = random.Random(SEED)
        self.counts = {}

    def trouble(self):
        what = self.chance.choice(["kill", "kill", "kill", "stop", "sleep"])
        self.counts[what] = self.counts.get(what, 0) + 1
        victim = self.chance.randrange(len(self.members.processes))
        process = self.members.processes[victim]
        if what == "kill":
            self.members.kill(victim)
        elif what == "stop":
            self.members.check()
            process.terminate()
            process.wait(90)
        else:
            process.send_signal(signal.SIGSTOP)
            time.sleep(self.chance.uniform(1, 10))
            process.send_signal(signal.SIGCONT)
            return
        time.sleep(self.chance.choice([0, 0, 3, 8]))
        self.members.start(victim)

    def restart_broker(self):
        how = "killed" if self.counts.setdefault("broker restarts", 0) == 0 else "stopped"
        self.counts["broker restarts"] += 1
        broker = self.kafka.nodes[0]
        broker.kill() if how == "killed" else broker.stop(60)
        time.sleep(self.chance.uniform(0, 5))
        broker.start()

    def run(self, until):
        began = time.monotonic()
        restarts = [began + (until - began) * part for part in (1 / 3, 2 / 3)]
        while time.monotonic() < until:
            time.sleep(self.chance.uniform(1, 5))
            self.members.check()
            if restarts and time.monotonic() > restarts[0]:
                restarts.pop(0)
                self.restart_broker()
            else:
                self.trouble()


def soak(folder):
    with running_kafka() as kafka, running_postgres() as postgres:
        source, target = kafka.make_topic(6), kafka.make_topic(3)
        sql = (f"CREATE STREAM soak WITH (epoch_age := '200ms') AS SELECT * FROM kafka('{kafka.brokers}/{source}?{GROUP}', "
               f"columns := 'id BIGINT') INSERT INTO {kafka.at(target, 'key := ' + repr('id'))};")
        state = postgres.make_database().url()
        feed = Feed(kafka, source, ROWS_PER_SECOND)
        with Members(BINARY, folder, sql, 3, {"SLUICE_STATE": state}) as members:
            feed.start()
            trouble = Soak(kafka, members)
            trouble.run(time.monotonic() + MINUTES * 60)
            written = feed.stop()
            committed = Committed(kafka, target, 3)
            deadline = time.monotonic() + DRAIN_SECONDS
            while len(set(committed.look())) < written and time.monotonic() < deadline:
                members.check()
                time.sleep(0.5)
            members.stop(90)
        found = committed.look()
    lost, doubled = written - len(set(found)), len(found) - len(set(found))
    print(f"soak: {MINUTES:g} minutes, {trouble.counts}, {written} rows, lost {lost}, doubled {doubled}")
    return lost == doubled == 0


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-soak-"))
    print(f"soak: seed {SEED}, in {folder}", flush=True)
    try:
        well = soak(folder)
    except AssertionError as failure:
        print(f"soak: {failure}")
        well = False
    if well:
        shutil.rmtree(folder)
        return 0
    print(f"soak: SOAK_SEED={SEED}; the members' logs are in {folder}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
