"""A writer of numbered messages into a topic, and a reader of what is committed in one: both confluent-kafka's."""
import json
import threading
import time


class Feed(threading.Thread):
    """Writes numbered messages until it is stopped."""

    def __init__(self, kafka, topic, rows_per_second):
        super().__init__(daemon=True)
        self.kafka, self.topic, self.rows_per_second = kafka, topic, rows_per_second
        self.written = 0
        self.stopping = threading.Event()

    def run(self):
        producer = self.kafka.producer(**{"enable.idempotence": True})  # brokers are restarted under it
        began = time.monotonic()
        while not self.stopping.wait(0.02):
            while self.written < (time.monotonic() - began) * self.rows_per_second:
                producer.produce(self.topic, json.dumps({"id": self.written}))
                self.written += 1
            producer.poll(0)
        assert producer.flush(30) == 0

    def stop(self):
        self.stopping.set()
        self.join(60)
        return self.written


class Committed:
    """What read_committed consumers have seen of a topic so far."""

    def __init__(self, kafka, topic, partitions):
        from confluent_kafka import TopicPartition

        self.consumer = kafka.consumer()
        self.consumer.assign([TopicPartition(topic, i, 0) for i in range(partitions)])
        self.ids = []

    def look(self):
        while messages := self.consumer.consume(5000, 0.2):
            self.ids += [json.loads(message.value())["id"] for message in messages if message.error() is None]
        return self.ids

    def close(self):
        self.consumer.close()
