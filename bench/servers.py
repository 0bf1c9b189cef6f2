"""The servers that run beside a workload, in the state that each of its commands finds them in.

postgres: {"settings": of postgresql.conf, "once": a file of sql/, "each": another, run before each command, "replica":
another, run in a second database, "variables": of those files}. s3: what objects there are. kafka: {"messages": how many
the topic `rows` has, "topic": another one, new for each command}.
"""
import contextlib
import os
import shutil
import subprocess
import sys
import time

from commands import DATA, ROOT
from inputs import make_topic, put_objects

sys.path.insert(0, str(ROOT / "tests"))

SQL = ROOT / "bench" / "sql"
# Transactions reach a subscriber whole, as they do by default.
SETTINGS = """
shared_buffers = 256MB
max_wal_size = 8GB
logical_decoding_work_mem = 64MB
wal_sender_timeout = 60s
autovacuum = off
"""


# Both compiler tiers and the heap that Kafka's own scripts give a broker; those of tests only have to start quickly.
JAVA = ["-XX:TieredStopAtLevel=4", "-Xms1g", "-Xmx1g"]


class Beside:
    """What the servers of one workload are to its commands."""

    def __init__(self):
        self.places = {}
        self.environment = {}
        self.before_each = []
        self.database = None
        self.replica = None
        self.kafka = None
        self.commands_prepared = 0
        self.server_processes = 0

    def prepare(self):
        """For one command: what an earlier one wrote is gone; {run} is a name of its own."""
        self.commands_prepared += 1
        self.places["{run}"] = str(self.commands_prepared)
        for step in self.before_each:
            step()
        if self.database is not None:
            import psutil

            time.sleep(0.1)  # the last of the preparing connections ends
            self.server_processes = len(psutil.Process(self.database.server.server.process.pid).children())

    def fill(self, command):
        for place, text in self.places.items():
            command = [part.replace(place, text) for part in command]
        return command

    def holds(self, condition):
        """A function of ours, or a query in the database."""
        return condition(self) if callable(condition) else self.database.value(condition) is True

    def server_cpu(self):
        """CPU seconds of the PostgreSQL server until now; nothing where there is none."""
        if self.database is None:
            return None
        import psutil

        postmaster = psutil.Process(self.database.server.server.process.pid)
        deadline = time.monotonic() + 2
        while len(postmaster.children()) > self.server_processes and time.monotonic() < deadline:
            time.sleep(0.01)  # those of the command's connections: the server has their times once it has reaped them
        times = postmaster.cpu_times()
        seconds = times.user + times.system + times.children_user + times.children_system
        for child in postmaster.children():
            with contextlib.suppress(psutil.NoSuchProcess):
                seconds += sum(child.cpu_times()[:2])
        return seconds


def psql(database, file, variables):
    command = ["psql", database.url(), "-XAtq", "-v", "ON_ERROR_STOP=1", "-f", str(SQL / file)]
    for name, value in variables.items():
        command += ["-v", f"{name}={value}"]
    quiet = {**os.environ, "PGOPTIONS": "-c client_min_messages=warning"}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=quiet)


def add_postgres(beside, services, wanted):
    from services.postgres import PASSWORD, USER, running_postgres

    server = services.enter_context(running_postgres(SETTINGS + wanted.get("settings", "")))
    variables = wanted.get("variables", {})
    beside.database = database = server.make_database()
    beside.places |= {"{location}": database.location(), "{url}": database.url(), "{host}": "127.0.0.1",
                      "{port}": str(server.port), "{user}": USER, "{database}": database.name}
    beside.environment["PGPASSWORD"] = PASSWORD
    if "once" in wanted:
        psql(database, wanted["once"], variables)
    if "each" in wanted:
        beside.before_each.append(lambda: psql(database, wanted["each"], variables))
    if "replica" in wanted:
        beside.replica = server.make_database()
        beside.places["{replica}"] = beside.replica.location()
        beside.before_each.append(lambda: psql(beside.replica, wanted["replica"], variables))


def add_s3(beside, services, objects):
    from services.s3 import running_s3

    folder = DATA / "s3"
    services.callback(shutil.rmtree, folder, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    server = services.enter_context(running_s3("versitygw", str(folder)))
    bucket = server.make_bucket("bench")
    for key, path in objects.items():
        put_objects(bucket, key, path)
    beside.places |= {"{bucket}": bucket.name, "{endpoint}": bucket.endpoint, "{options}": bucket.options()}
    beside.environment |= {name: value for name, value in bucket.env.items() if value}

    def empty():
        keys = bucket.keys("out")
        for at in range(0, len(keys), 1000):  # as many as one request may name
            bucket.client.delete_objects(Bucket=bucket.name, Delete={"Objects": [{"Key": key} for key in keys[at : at + 1000]]})

    beside.before_each.append(empty)


def add_kafka(beside, services, wanted):
    from services.kafka import running_kafka

    beside.kafka = kafka = services.enter_context(running_kafka(java=JAVA))
    if "messages" in wanted:
        make_topic(kafka.brokers, wanted["messages"])
    if "topic" in wanted:
        beside.before_each.append(lambda: kafka.make_topic(4, beside.fill([wanted["topic"]])[0]))
    beside.places["{brokers}"] = kafka.brokers
    services.callback(lambda: vars(kafka).pop("admin", None))  # it would go on looking for brokers that are gone


@contextlib.contextmanager
def running(workload):
    beside = Beside()
    with contextlib.ExitStack() as services:
        for name, add in (("postgres", add_postgres), ("s3", add_s3), ("kafka", add_kafka)):
            if name in workload:
                add(beside, services, workload[name])
        yield beside
