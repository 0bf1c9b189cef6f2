"""Kafka 4.1 in KRaft mode: one broker for each worker, `kafka` is that broker with topics of the test's own.

What a test writes and reads for itself goes through confluent-kafka, never through Sluice.
"""
import contextlib
import fcntl
import functools
import itertools
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from services.certificates import make_authority, make_certificate
from services.process import DEPS, Server, free_port, need
from services.tcp_proxy import TcpProxy

FOLDER = DEPS / "kafka"
CLUSTER = "MkU3OEVBNTcwNTJENDM2Qg"
# Quick to start, one compiler tier: these brokers live for seconds.
JAVA = ["java", "-Xms96m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
COMMON = """
process.roles=broker,controller
controller.listener.names=CONTROLLER
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
"""
ALONE = """
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
"""
# admin is what the broker itself is; app and scram may do what ACLs allow, or everything where there are none.
SECURE = """
listener.security.protocol.map=SASLTLS:SASL_SSL,SASL:SASL_PLAINTEXT,TLS:SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=SASL
sasl.mechanism.inter.broker.protocol=PLAIN
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasltls.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_admin="adminpw" user_app="apppw";
listener.name.sasltls.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasltls.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username="admin" password="adminpw" user_admin="adminpw" user_app="apppw";
listener.name.sasl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location={folder}/server.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.crt
listener.name.tls.ssl.client.auth=required
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:admin;User:ANONYMOUS
allow.everyone.if.no.acl.found=true
"""
_numbers = itertools.count(1)


def newer_librdkafka():
    """That of confluent-kafka: Debian 12's (2.0) cannot log in by SCRAM to Kafka 4."""
    import confluent_kafka

    folder = pathlib.Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs"
    return str(next(folder.glob("librdkafka-*.so*")))


def class_path():
    need(FOLDER / "libs")
    return ":".join(sorted(str(jar) for jar in (FOLDER / "libs").glob("*.jar")))


def class_archive():
    """Classes as the virtual machine has them in memory, made once: a broker then starts in half the time."""
    archive = FOLDER / "classes.jsa"
    with open(FOLDER / "classes.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if archive.exists():
            return archive
        folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-kafka-classes-"))
        try:
            making = folder / "classes.jsa"
            broker = Broker(folder, 1, ALONE, java=[])
            broker.stop(timeout=60)
            broker.java = [f"-XX:ArchiveClassesAtExit={making}"]
            broker.start()
            broker.stop(timeout=60)
            if making.exists():
                shutil.move(making, archive)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return archive


def patiently(ask, seconds=30):
    """Asks again while a leader or coordinator is just being made."""
    from confluent_kafka import KafkaError, KafkaException

    passes = (KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
              KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)
    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except KafkaException as failure:
            if failure.args[0].code() not in passes or time.monotonic() > deadline:
                raise
        time.sleep(0.05)


class Broker:
    """One process, broker and controller; can be stopped, killed and started again on its data."""

    def __init__(self, folder, node, settings="", ports=None, voters=None, java=None, secure=False, format_options=(),
                 proxied=None, start=True):
        """`proxied`: (a port to listen at, the port that clients who come there are told to use)."""
        self.folder = pathlib.Path(folder) / f"node-{node}"
        self.folder.mkdir()
        self.port, self.controller_port = ports or (free_port(), free_port())
        self.secure_ports = {"SASLTLS": free_port(), "TLS": free_port()} if secure else {}
        names = {"SASL" if secure else "PLAINTEXT": self.port, **self.secure_ports}
        told = dict(names)
        if proxied is not None:
            names["PROXIED"], told["PROXIED"] = proxied
            settings += "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
        listeners, advertised = (",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items())
                                 for ports in (names, told))
        self.java = java if java is not None else [f"-XX:SharedArchiveFile={class_archive()}", "-Xshare:auto"]
        self.properties = self.folder / "server.properties"
        self.properties.write_text(
            f"{COMMON}\n{settings}\nnode.id={node}\n"
            f"controller.quorum.voters={voters or f'{node}@127.0.0.1:{self.controller_port}'}\n"
            f"listeners={listeners},CONTROLLER://127.0.0.1:{self.controller_port}\n"
            f"advertised.listeners={advertised}\nlog.dirs={self.folder}/data\n")
        self.class_path = class_path()
        subprocess.run([*JAVA, *self.java, "-cp", self.class_path, "kafka.tools.StorageTool", "format", "-t", CLUSTER,
                        "-c", self.properties, *format_options], check=True, capture_output=True)
        self.server = None
        if start:
            self.start()

    def start(self, wait=True):
        self.server = Server([*JAVA, *self.java, "-cp", self.class_path, "kafka.Kafka", self.properties], self.folder / "log")
        if wait:
            self.wait()

    def wait(self, seconds=60):
        deadline = time.monotonic() + seconds
        while b"Kafka Server started" not in self.server.log.read_bytes():
            assert self.server.process.poll() is None, self.server.log.read_text()[-3000:]
            assert time.monotonic() < deadline, self.server.log.read_text()[-3000:]
            time.sleep(0.05)

    def kill(self):
        self.server.process.kill()
        self.server.process.wait()

    def stop(self, timeout=10):
        if self.server.process.poll() is None:
            self.server.process.send_signal(signal.SIGTERM)
            try:
                self.server.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()


class Kafka:
    """A cluster as confluent-kafka sees it."""

    def __init__(self, brokers, folder=None):
        self.nodes = brokers
        self.folder = folder
        self.brokers = ",".join(f"127.0.0.1:{broker.port}" for broker in brokers)
        self.client_settings = {}

    def settings(self, **more):
        return {"bootstrap.servers": self.brokers, **self.client_settings,
                **{name.replace("_", "."): value for name, value in more.items()}}

    @functools.cached_property
    def admin(self):
        from confluent_kafka.admin import AdminClient  # absent without `tools/deps test`

        return AdminClient(self.settings())

    def make_topic(self, partitions=1, name=None, replication=1, **settings):
        from confluent_kafka.admin import NewTopic

        name = name or f"t{os.getpid()}-{next(_numbers)}"
        settings = {"retention_ms": -1, **settings}  # tests write messages of long ago
        settings = {key.replace("_", "."): str(value) for key, value in settings.items()}
        for made in self.admin.create_topics([NewTopic(name, partitions, replication, config=settings)]).values():
            made.result(30)

        def is_known():  # what the controller has made, the brokers learn a moment later
            found = self.admin.list_topics(name, timeout=10).topics[name].partitions
            return len(found) == partitions and all(partition.leader >= 0 for partition in found.values())

        deadline = time.monotonic() + 30
        while not is_known():
            assert time.monotonic() < deadline, f"topic {name} has no leaders after 30 s"
            time.sleep(0.02)
        return name

    def add_partitions(self, topic, total):
        from confluent_kafka.admin import NewPartitions

        for done in self.admin.create_partitions([NewPartitions(topic, total)]).values():
            done.result(30)

    def producer(self, **settings):
        from confluent_kafka import Producer

        return Producer(self.settings(**{"linger.ms": 5, **settings}))

    def produce(self, topic, values, **message):
        """Each of `values`: bytes, text or None, or a dict of produce()'s own arguments."""
        producer = self.producer()
        failures = []
        for value in values:
            arguments = {**message, **(value if isinstance(value, dict) else {"value": value})}
            while True:
                try:
                    producer.produce(topic, on_delivery=lambda error, _: error and failures.append(error), **arguments)
                    break
                except BufferError:
                    producer.poll(0.1)
        assert producer.flush(30) == 0
        assert not failures, failures[0]

    def transaction(self, producer, topic, values, commit):
        """One of a producer that has a transactional.id, committed or taken back."""
        producer.begin_transaction()
        for value in values:
            producer.produce(topic, value)
        producer.flush(10)
        producer.commit_transaction(10) if commit else producer.abort_transaction(10)

    def consumer(self, group=None, **settings):
        from confluent_kafka import Consumer

        return Consumer(self.settings(**{
            "group.id": group or f"judge-{os.getpid()}-{next(_numbers)}", "auto.offset.reset": "earliest",
            "enable.auto.commit": False, "isolation.level": "read_committed", **settings}))

    def committed(self, group, topic, partitions=1):
        """The group's offsets; None where it has none."""
        from confluent_kafka import TopicPartition

        consumer = self.consumer(group)
        try:
            wanted = [TopicPartition(topic, i) for i in range(partitions)]
            offsets = patiently(lambda: consumer.committed(wanted, timeout=10))
            return [one.offset if one.offset >= 0 else None for one in offsets]
        finally:
            consumer.close()

    def settled_ends(self, consumer, topic, partitions, seconds=5):
        """Of the partitions that have something. A commit is answered before each partition has its marker: until then
        nothing of that transaction is to be read there. A transaction that stays open holds this up for `seconds`."""
        from confluent_kafka import TopicPartition

        def bounds_of(asking):
            return [patiently(lambda: asking.get_watermark_offsets(TopicPartition(topic, i), timeout=10)) for i in range(partitions)]

        whole = self.consumer(**{"isolation.level": "read_uncommitted"})
        try:
            deadline = time.monotonic() + seconds
            while True:
                committed = bounds_of(consumer)
                if committed == bounds_of(whole) or time.monotonic() > deadline:
                    return {i: high for i, (low, high) in enumerate(committed) if low < high}
                time.sleep(0.02)
        finally:
            whole.close()

    def read_all(self, topic, partitions=1):
        """Every committed message, in the order of each partition."""
        from confluent_kafka import TopicPartition

        consumer = self.consumer()
        try:
            ends = self.settled_ends(consumer, topic, partitions)
            consumer.assign([TopicPartition(topic, i, 0) for i in ends])
            messages = []
            deadline = time.monotonic() + 30
            while any(position.offset < ends[position.partition]
                      for position in consumer.position([TopicPartition(topic, i) for i in ends])):
                assert time.monotonic() < deadline, "the topic was not read to its end in 30 s"
                messages += [m for m in consumer.consume(1000, 0.1) if m.error() is None]
            return messages
        finally:
            consumer.close()

    def groups(self):
        return {group.group_id for group in self.admin.list_consumer_groups().result(10).valid}

    # How a statement says where it is.

    def url(self, topic="", brokers=None):
        return f"kafka://{brokers or self.brokers}/{topic}"

    def at(self, topic="", more="", brokers=None):
        """kafka('…/topic', …): the connector call."""
        return f"kafka('{brokers or self.brokers}/{topic}'{', ' + more if more else ''})"


def make_certificates(folder):
    """A CA, the broker's certificate for localhost, a client's, and another CA that signed nothing."""
    for name in ("ca", "other"):
        make_authority(folder, name)
    for name, names in (("server", "DNS:localhost,IP:127.0.0.1"), ("client", "DNS:app")):
        make_certificate(folder, "ca", names, name)
        (folder / f"{name}.pem").write_text("".join((folder / part).read_text() for part in
                                                    (f"{name}.key", f"{name}.crt", "ca.crt")))


@contextlib.contextmanager
def _folder():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-kafka-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running_kafka(settings="", java=None):
    with _folder() as folder:
        broker = Broker(folder, 1, ALONE + settings, java=java)
        try:
            yield Kafka([broker], folder)
        finally:
            broker.kill()


class SecureKafka(Kafka):
    """SASL in the clear (what the inherited methods use, as admin), SASL over TLS, and TLS with client certificates."""

    def __init__(self, broker, folder):
        super().__init__([broker], folder)
        self.client_settings = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN",
                                "sasl.username": "admin", "sasl.password": "adminpw"}
        self.sasl_tls = f"127.0.0.1:{broker.secure_ports['SASLTLS']}"
        self.tls = f"127.0.0.1:{broker.secure_ports['TLS']}"


@contextlib.contextmanager
def running_secure_kafka():
    with _folder() as folder:
        make_certificates(folder)
        scram = [part for mechanism, user in (("SCRAM-SHA-256", "scram"), ("SCRAM-SHA-512", "scram512"))
                 for part in ("--add-scram", f"{mechanism}=[name={user},password=scrampw]")]
        broker = Broker(folder, 1, ALONE + SECURE.format(folder=folder), secure=True, format_options=scram)
        try:
            yield SecureKafka(broker, folder)
        finally:
            broker.kill()


class ProxiedKafka(Kafka):
    """`through` is the same broker behind `proxy`, and all that it tells clients who come that way is the proxy."""

    def __init__(self, broker, folder, proxy):
        super().__init__([broker], folder)
        self.proxy = proxy
        self.through = f"127.0.0.1:{proxy.port}"


@contextlib.contextmanager
def running_proxied_kafka():
    inner = free_port()
    with _folder() as folder, TcpProxy(inner) as proxy:
        broker = Broker(folder, 1, ALONE, proxied=(inner, proxy.port))
        try:
            yield ProxiedKafka(broker, folder, proxy)
        finally:
            broker.kill()


@contextlib.contextmanager
def running_cluster(nodes=3):
    with _folder() as folder:
        ports = [(free_port(), free_port()) for _ in range(nodes)]
        voters = ",".join(f"{i + 1}@127.0.0.1:{controller}" for i, (_, controller) in enumerate(ports))
        settings = f"default.replication.factor={nodes}\nmin.insync.replicas=2\n"
        # A node alone has no quorum to start with.
        brokers = [Broker(folder, i + 1, settings, pair, voters, start=False) for i, pair in enumerate(ports)]
        try:
            for broker in brokers:
                broker.start(wait=False)
            for broker in brokers:
                broker.wait()
            yield Kafka(brokers, folder)
        finally:
            for broker in brokers:
                if broker.server is not None:
                    broker.kill()


@pytest.fixture(scope="session")
def kafka_server():
    with running_kafka() as kafka:
        yield kafka


@pytest.fixture
def kafka(kafka_server):
    """The worker's broker; tests make topics of their own."""
    return kafka_server


@pytest.fixture(scope="session")
def secure_kafka():
    with running_secure_kafka() as kafka:
        yield kafka


@pytest.fixture
def own_kafka():
    """A broker that only this test uses, and may stop."""
    with running_kafka() as kafka:
        yield kafka


@pytest.fixture(scope="session")
def _kafka_cluster():
    with running_cluster() as kafka:
        yield kafka


@pytest.fixture
def kafka_cluster(_kafka_cluster):
    """Three nodes of which one may die; all are there when the test begins."""
    for node in _kafka_cluster.nodes:
        if node.server.process.poll() is not None:
            node.start()
    return _kafka_cluster


@pytest.fixture(scope="module")
def _proxied_kafka():
    with running_proxied_kafka() as kafka:
        yield kafka


@pytest.fixture
def proxied_kafka(_proxied_kafka):
    """A broker behind a proxy that is well when the test begins."""
    _proxied_kafka.proxy.delay = 0.0
    _proxied_kafka.proxy.halve(0)
    _proxied_kafka.proxy.thaw()
    return _proxied_kafka
