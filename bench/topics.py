"""What a topic holds, and how far a group has come, as confluent-kafka sees it."""
import time


def messages_with_value(kafka, topic, partitions):
    """How many committed ones there are. None is kept: what this process holds counts in the peak of those it starts."""
    from confluent_kafka import TopicPartition

    consumer = kafka.consumer()
    ends = {i: consumer.get_watermark_offsets(TopicPartition(topic, i), timeout=10)[1] for i in range(partitions)}
    places = [TopicPartition(topic, i, 0) for i, end in ends.items() if end > 0]
    consumer.assign(places)
    found = 0
    deadline = time.monotonic() + 300
    while any(place.offset < ends[place.partition] for place in consumer.position(places)):
        assert time.monotonic() < deadline, f"{topic} was not read to its end"
        found += sum(message.error() is None and message.value() is not None for message in consumer.consume(10_000, 0.2))
    consumer.close()
    return found


def holds_messages(topic, partitions, count):
    """A workload's `verify`: the topic has this many committed messages with a value."""
    def check(beside):
        found = messages_with_value(beside.kafka, beside.fill([topic])[0], partitions)
        assert found == count, f"{found} of {count} messages are in the topic"
    return check


def is_settled(group, topic, partitions, messages):
    """A Stream's `until`: the group has committed offsets behind so many messages."""
    consumers = {}  # by group: one is asked every few milliseconds

    def check(beside):
        from confluent_kafka import TopicPartition
        from services.kafka import patiently

        name = beside.fill([group])[0]
        consumer = consumers.get(name) or consumers.setdefault(name, beside.kafka.consumer(name))
        wanted = [TopicPartition(topic, i) for i in range(partitions)]
        offsets = patiently(lambda: consumer.committed(wanted, timeout=10))
        if sum(max(one.offset, 0) for one in offsets) != messages:
            return False
        consumers.pop(name).close()
        return True
    return check
