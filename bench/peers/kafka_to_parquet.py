"""What a careful person writes by hand: confluent-kafka and pyarrow, hourly Parquet on S3; no offsets are committed.

kafka_to_parquet.py BROKERS TOPIC PARTITIONS MESSAGES S3_ENDPOINT BUCKET; the credentials are in the environment.
"""
import os
import sys
import uuid

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj
import pyarrow.parquet as pq
from confluent_kafka import Consumer, TopicPartition
from pyarrow import fs

HOUR_MS = 3_600_000


class Lake:
    def __init__(self, endpoint, bucket):
        self.bucket = bucket
        self.s3 = fs.S3FileSystem(access_key=os.environ["AWS_ACCESS_KEY_ID"], secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
                                  endpoint_override=endpoint, scheme="http", region="us-east-1")
        self.writers = {}

    def write(self, messages):
        table = pj.read_json(pa.BufferReader(b"\n".join(messages)), read_options=pj.ReadOptions(block_size=8 << 20))
        hours = pc.divide(table["ts"], HOUR_MS)
        for hour in pc.unique(hours).to_pylist():
            if hour not in self.writers:
                path = f"{self.bucket}/out/hour={hour}/p.parquet"
                self.writers[hour] = pq.ParquetWriter(path, table.schema, compression="zstd", filesystem=self.s3)
            self.writers[hour].write_table(table.filter(pc.equal(hours, hour)))

    def close(self):
        for writer in self.writers.values():
            writer.close()


def main():
    brokers, topic, partitions, total, endpoint, bucket = sys.argv[1:7]
    consumer = Consumer({
        "bootstrap.servers": brokers, "group.id": "p" + uuid.uuid4().hex, "auto.offset.reset": "earliest",
        "enable.auto.commit": False, "queued.max.messages.kbytes": 200000, "queued.min.messages": 500000,
        "fetch.message.max.bytes": 4 << 20, "check.crcs": False})
    consumer.assign([TopicPartition(topic, i, 0) for i in range(int(partitions))])
    lake = Lake(endpoint, bucket)
    held, seen = [], 0
    while seen < int(total):
        batch = consumer.consume(50000, 1.0)
        seen += len(batch)
        held += [message.value() for message in batch]
        if len(held) >= 200000 or seen >= int(total):
            lake.write(held)
            held = []
    lake.close()


main()
