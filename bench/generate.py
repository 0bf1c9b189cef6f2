"""Makes the benchmarks' input, the same bytes each time: generate.py json|csv OUT ROWS, or generate.py files OUT COUNT,
or generate.py topic BROKERS ROWS.

json: nested NDJSON of 8 fields, about 207 bytes a row (5 M rows: 1,034 MB). csv: 12 columns, quoted fields, about 155
bytes a row (5 M rows: 774 MB). files: COUNT files of about 1 KB of NDJSON. topic: messages of about
196 bytes of JSON into the topic `rows` of 4 partitions, 250 a second of their own time (5 M: 5.5 hours).
"""
import pathlib
import random
import sys
from time import gmtime, strftime

CITIES = ["Berlin", "Madrid", "Paris", "Oslo", "Rome", "Tokyo", "Lima", "Quito"]
EVENTS = ["view", "click", "cart", "buy", "login", "logout"]
AGENTS = ["Mozilla/5.0 (X11; Linux x86_64)", "curl/8.5.0", "Mozilla/5.0 (iPhone; CPU OS 17_4)"]
BEGIN = 1_760_000_000  # seconds since the epoch; 50 rows a second


def json_row(i, r, iso):
    note = "null" if (r >> 50) % 10 == 0 else f'"note {(r >> 50) % 1000}"'
    cents = (r >> 24) % 1_000_000
    return (
        f'{{"id":{i},"ts":"{iso}.{(r >> 5) % 1000:03}Z","event":"{EVENTS[(r >> 20) % 6]}","user":{{"id":{r % 200000},'
        f'"city":"{CITIES[(r >> 40) % 8]}","agent":"{AGENTS[(r >> 44) % 3]}"}},"amount":{cents // 100}.{cents % 100:02},'
        f'"ok":{"true" if r & 1 else "false"},"ref":"{r >> 16:012x}","note":{note},"n":{(r >> 33) % 1000}}}\n'
    )


def csv_row(i, r, stamp, day):
    note = "" if (r >> 50) % 10 == 0 else f"note {(r >> 50) % 1000}"
    if (r >> 12) % 16 == 0 and note:
        note = f'"{note}, ""q"""'
    ref = f"{r >> 16:012x}"
    cents = (r >> 24) % 1_000_000
    return (
        f"{i},{r % 200000},{EVENTS[(r >> 20) % 6]},{cents // 100}.{cents % 100:02},{CITIES[(r >> 40) % 8]},{stamp},{r & 1},"
        f"{((r >> 8) % 10_000_000) / 1e6:.6f},{ref * 3}{ref[:8]},{note},{AGENTS[(r >> 44) % 3]},{day}\n"
    )


def rows(kind, out, count):
    rng = random.Random(42)
    second, iso, stamp, day = None, "", "", ""
    with open(out, "w", buffering=1 << 20) as file:
        if kind == "csv":
            file.write("id,user_id,event,amount,city,ts,ok,score,ref,note,agent,day\n")
        for i in range(count):
            if BEGIN + i // 50 != second:
                second = BEGIN + i // 50
                now = gmtime(second)
                iso, stamp, day = strftime("%Y-%m-%dT%H:%M:%S", now), strftime("%Y-%m-%d %H:%M:%S", now), strftime("%Y-%m-%d", now)
            r = rng.getrandbits(64)
            file.write(json_row(i, r, iso) if kind == "json" else csv_row(i, r, stamp, day))


def files(out, count):
    rng = random.Random(7)
    folder = pathlib.Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        (folder / f"{i:05}.jsonl").write_text("".join(json_row(i * 5 + k, rng.getrandbits(64), "2025-10-09T08:53:20") for k in range(5)))


def message(i, r):
    """A JSON message and its time in milliseconds."""
    time = BEGIN * 1000 + i * 4
    return (
        f'{{"id":{i},"ts":{time},"user":{r % 200000},"event":"{EVENTS[(r >> 20) & 3]}","amount":{(r >> 24) % 10000}.'
        f'{(r >> 40) % 100:02},"path":"/api/v1/items/{(r >> 8) % 100000}","ip":"10.{r & 255}.{(r >> 8) & 255}.'
        f'{(r >> 16) & 255}","ref":"{r:016x}","ua":"Mozilla/5.0 (X11; Linux x86_64) v{(r >> 30) % 100}"}}'
    ), time


def topic(brokers, count):
    from confluent_kafka import Producer
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": brokers})
    for made in admin.create_topics([NewTopic("rows", 4, 1, config={"retention.ms": "-1"})]).values():
        made.result(30)
    producer = Producer({"bootstrap.servers": brokers, "linger.ms": 50, "batch.num.messages": 20000, "batch.size": 500000,
                         "queue.buffering.max.messages": 500000, "queue.buffering.max.kbytes": 1000000,
                         "compression.type": "lz4"})
    rng = random.Random(7)
    for i in range(count):
        value, time = message(i, rng.getrandbits(64))
        while True:
            try:
                producer.produce("rows", value, partition=i & 3, timestamp=time)
                break
            except BufferError:
                producer.poll(0.05)
        if not i & 4095:
            producer.poll(0)
    assert producer.flush(60) == 0


if __name__ == "__main__":
    kind, out, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    {"files": files, "topic": topic}.get(kind, lambda *arguments: rows(kind, *arguments))(out, count)
