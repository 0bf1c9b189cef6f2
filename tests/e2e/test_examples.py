"""Every file of examples/ runs from a fresh folder, and others read what it wrote."""
import json
import os
import pathlib
import re
import shutil
import subprocess

import pyarrow.parquet as pq
import pytest
from delivered import files, query

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def example(sluice):
    shutil.copytree(EXAMPLES, sluice.folder / "examples")
    return lambda name: sluice("run", "--output", "csv", f"examples/{name}.sql").stdout.splitlines()


def test_every_example_has_a_test():
    tested = pathlib.Path(__file__).read_text()
    assert [path.stem for path in EXAMPLES.glob("*.sql") if f'"{path.stem}"' not in tested and f"{path.stem}.sql" not in tested] == []


def by_make(target):
    """What the Makefile runs for it behind the build; only the lines of the target itself are ours to run."""
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    lines = subprocess.run(["make", "--no-print-directory", "-n", target, "BUILD=build"], cwd=EXAMPLES.parent, env=environment,
                           capture_output=True, text=True, check=True).stdout
    before, built, script = lines.partition("tools/build build sluice\n")
    assert built and before == "tools/deps\n", lines
    return script


class Newcomer:
    """Somebody in a fresh clone that is built, who has set nothing."""

    def __init__(self, sluice):
        self.folder = sluice.folder
        shutil.copytree(EXAMPLES, self.folder / "examples")
        (self.folder / "build").symlink_to(pathlib.Path(sluice.binary).resolve().parent)

    def types(self, script):
        environment = {name: value for name, value in os.environ.items() if name != "SLUICE_STATE"}
        return subprocess.run(["bash", "-euc", script], cwd=self.folder, env=environment, text=True, stdin=subprocess.DEVNULL,
                              capture_output=True, check=True, timeout=60)


def test_make_quickstart_lands_a_partitioned_lake_and_a_second_run_changes_nothing(sluice):
    newcomer, lake = Newcomer(sluice), sluice.folder / "lake"
    quickstart = by_make("quickstart")
    assert quickstart.startswith("build/sluice run examples/quickstart.sql\n")
    first = newcomer.types(quickstart)
    assert re.fullmatch(r"paid_orders: [\d,]+ rows in \d+ files, [\d.]+ \w+, exactly-once\n", first.stderr)
    written = {name: (lake / name).read_bytes() for name in files(lake)}
    assert written and all(re.fullmatch(r"paid_orders/country=\w+/[^/]+\.parquet", name) for name in written)
    expected = query(f"""
        SELECT c.country, count(*), round(sum(o.total), 2) FROM read_json('{EXAMPLES}/data/orders/*.jsonl.gz') o
        JOIN read_csv('{EXAMPLES}/data/customers.csv') c ON o.customer_id = c.id WHERE o.status = 'paid'
        GROUP BY 1 ORDER BY 3 DESC""")
    landed = query(f"SELECT country, count(*), round(sum(total), 2) FROM read_parquet('{lake}/**/*.parquet', "
                   "hive_partitioning := true) GROUP BY 1 ORDER BY 3 DESC")
    assert landed == expected and expected
    for name in written:
        assert pq.ParquetFile(lake / name).metadata.row_group(0).column(0).compression == "ZSTD"
    # The table at its end says what is in the lake; the commands below it work as they stand there.
    table, then = first.stdout.split("\nNext:\n")
    shown = [[cell.strip() for cell in line.split("│")] for line in table.splitlines()]
    assert shown[0] == ["country", "orders", "revenue", "first", "last"]
    assert [(row[0], int(row[1]), float(row[2])) for row in shown[2:]] == expected
    for command in then.splitlines():
        assert newcomer.types(command).stdout

    again = newcomer.types(quickstart)
    assert again.stderr == "paid_orders: nothing new; everything was delivered before\n"
    assert again.stdout == first.stdout
    assert {name: (lake / name).read_bytes() for name in files(lake)} == written


def test_cloudtrail_records_come_out_of_their_documents(example, sluice):
    assert example("cloudtrail") == ["who,events,denied", "ann,4,0", "bob,4,2", "eve,4,0"]
    assert query(f"SELECT who, what, bucket FROM '{sluice.folder}/lake/denied/*.csv' ORDER BY what") == [
        ("bob", "ConsoleLogin", None), ("bob", "GetObject", "invoices")]


def test_vpc_flow_logs_are_typed_and_partitioned(example, sluice):
    assert example("vpc_flow_logs") == ["action,dstport,bytes", "ACCEPT,443,15120", "ACCEPT,5432,8400", "REJECT,22,6720"]
    assert query(f"SELECT count(*), min(began)::VARCHAR FROM read_parquet('{sluice.folder}/lake/flows/*/*.parquet')") == [
        (8, "2026-01-19 00:00:00")]


def test_blocks_become_transactions_with_exact_amounts(example, sluice):
    assert example("blocks")[0] == "block,transactions,ether"
    assert query(f"SELECT block, count(*), max(wei)::VARCHAR FROM '{sluice.folder}/lake/transactions/*.parquet' GROUP BY 1 ORDER BY 1") == [
        (19000000, 1, "1000000000000000000"), (19000001, 2, "2000000000000000001"),
        (19000002, 3, "3000000000000000002"), (19000003, 1, "1000000000000000003")]


def test_follow_logs_buries_the_line_that_does_not_fit(start, sluice):
    shutil.copytree(EXAMPLES, sluice.folder / "examples")
    stream = start("run", "examples/follow_logs.sql")
    stream.waits_until(lambda: files(sluice.folder / "lake/problems-dead"), "the dead letter")
    stream.stop()
    assert query(f"SELECT message FROM '{sluice.folder}/lake/problems/*.parquet' ORDER BY 1") == [
        ("request 1",), ("request 2",), ("request 4",)]
    (reason, where), = query(f"SELECT reason, position FROM read_json('{sluice.folder}/lake/problems-dead/*.jsonl')")
    assert "ms" in reason and "web-1.jsonl:6" in where


def on_s3(sluice, bucket, name, **variables):
    flags = [part for key, value in variables.items() for part in ("--var", f"{key}={value}")]
    env = {**bucket.env, "AWS_ENDPOINT_URL_S3": bucket.endpoint, "AWS_REGION": "us-east-1"}
    return sluice("run", "--output", "csv", EXAMPLES / f"{name}.sql", *flags, env=env).stdout.splitlines()


def put_all(bucket, data, prefix):
    for path in sorted((EXAMPLES / "data" / data).iterdir()):
        bucket.put(prefix + path.name, path.read_bytes())


def test_cloudtrail_from_bucket_to_bucket(sluice, gateway_bucket):
    put_all(gateway_bucket, "cloudtrail", "AWSLogs/123456789012/CloudTrail/eu-west-1/2026/01/19/")
    assert on_s3(sluice, gateway_bucket, "cloudtrail_s3", TRAIL=gateway_bucket.name, LAKE=gateway_bucket.name) == [
        "who,what,times", "bob,ConsoleLogin,1", "bob,GetObject,1"]
    keys = gateway_bucket.keys("security/")
    assert keys and all(key.startswith("security/collection=denied/year=2026/month=01/") for key in keys)


def test_vpc_flow_logs_from_bucket_to_bucket(sluice, gateway_bucket):
    put_all(gateway_bucket, "vpc-flow-logs", "AWSLogs/123456789012/vpcflowlogs/eu-west-1/2026/01/19/")
    assert on_s3(sluice, gateway_bucket, "vpc_flow_logs_s3", LOGS=gateway_bucket.name, LAKE=gateway_bucket.name) == [
        "action,dstport,bytes", "ACCEPT,443,15120", "ACCEPT,5432,8400", "REJECT,22,6720"]
    folder = gateway_bucket.download(sluice.folder, "flows/") / "flows"
    assert query(f"SELECT count(*), min(day)::VARCHAR FROM read_parquet('{folder}/*/*/*.parquet', hive_partitioning := true)") == [(8, "2026-01-19")]


def test_blocks_from_bucket_to_bucket(sluice, gateway_bucket):
    put_all(gateway_bucket, "blocks", "blocks/")
    assert on_s3(sluice, gateway_bucket, "blocks_s3", CHAIN=gateway_bucket.name, LAKE=gateway_bucket.name)[0] == "block,transactions,ether"
    folder = gateway_bucket.download(sluice.folder, "chain/") / "chain"
    assert query(f"SELECT count(*), max(wei)::VARCHAR FROM '{folder}/**/*.parquet'") == [(7, "3000000000000000002")]


ORDERS = """
    CREATE TABLE orders(id bigint PRIMARY KEY, customer text, status text, total numeric(12,2), ordered_at timestamptz);
    INSERT INTO orders SELECT g, 'c' || g % 3, CASE WHEN g % 2 = 0 THEN 'open' ELSE 'closed' END, g / 4.0,
        timestamptz '2026-01-01 00:00:00Z' + g * interval '1 hour' FROM generate_series(1, 100) g
"""


def orders_of(database, columns="id, customer, status, total", table="orders", where="true"):
    return database.rows(f"SELECT {columns} FROM {table} WHERE {where} ORDER BY id")


def test_a_table_becomes_partitioned_parquet(sluice, postgres):
    postgres.execute(ORDERS)
    sluice("run", EXAMPLES / "postgresql_to_lake.sql", "--var", f"SHOP={postgres.location()}")
    found = query("SELECT count(*), sum(total)::VARCHAR, count(DISTINCT day) "
                  f"FROM read_parquet('{sluice.folder}/lake/orders/*/*.parquet')")
    assert found == [(100, "1262.50", 5)]


def test_a_table_becomes_partitioned_parquet_in_a_bucket(sluice, postgres, bucket):
    postgres.execute(ORDERS)
    on_s3(sluice, bucket, "postgresql_to_s3", SHOP=postgres.location(), LAKE=bucket.name)
    assert {key.split("/")[1] for key in bucket.keys()} == {f"day=2026-01-0{day}" for day in range(1, 6)}


def test_files_go_into_postgresql(example, sluice, postgres):
    sluice("run", "examples/files_into_postgresql.sql", "--var", f"SHOP={postgres.location()}")
    customers = query(f"SELECT id, name FROM '{EXAMPLES}/data/customers.csv' ORDER BY id")
    assert postgres.rows("SELECT id, name FROM customers ORDER BY id") == customers
    assert postgres.rows("SELECT id, name FROM customer_names ORDER BY id") == [(i, n.upper()) for i, n in customers]


def test_changes_become_rows_of_parquet(start, sluice, postgres):
    postgres.execute(ORDERS)
    stream = start("run", EXAMPLES / "postgresql_changes.sql", "--var", f"SHOP={postgres.location()}")
    lake = f"{sluice.folder}/lake/order_changes/*.parquet"
    stream.waits_until(lambda: files(sluice.folder / "lake"), "the snapshot")
    postgres.execute("UPDATE orders SET status = 'paid' WHERE id = 1; DELETE FROM orders WHERE id = 2")
    ops = f"SELECT _op, count(*) FROM '{lake}' GROUP BY 1 ORDER BY 1"
    stream.waits_until(lambda: query(ops) == [("delete", 1), ("snapshot", 100), ("update", 1)], "the changes")
    stream.stop()


def test_a_replica_stays_equal(start, postgres):
    postgres.execute(ORDERS)
    copy = postgres.server.make_database()
    stream = start("run", EXAMPLES / "postgresql_replica.sql", "--var", f"SHOP={postgres.location()}", "--var",
                   f"COPY={copy.location()}")
    stream.waits_until(lambda: copy.value("SELECT to_regclass('orders')") is not None
                       and orders_of(copy) == orders_of(postgres), "the snapshot")
    postgres.execute("UPDATE orders SET total = total + 1 WHERE id % 3 = 0; DELETE FROM orders WHERE id % 7 = 0; "
                     "UPDATE orders SET id = id + 1000 WHERE id % 11 = 0; INSERT INTO orders VALUES (5000, 'new', 'open', 1, now())")
    stream.waits_until(lambda: orders_of(copy) == orders_of(postgres), "the changes")
    stream.stop()
    copy.drop()


def test_a_filtered_replica_stays_right_through_open_closed_open(start, postgres):
    postgres.execute(ORDERS + "; ALTER TABLE orders REPLICA IDENTITY FULL")
    copy = postgres.server.make_database()
    stream = start("run", EXAMPLES / "open_orders.sql", "--var", f"SHOP={postgres.location()}", "--var",
                   f"COPY={copy.location()}")
    equal = lambda: orders_of(copy, table="open_orders") == orders_of(postgres, where="status = 'open'")
    stream.waits_until(lambda: copy.value("SELECT to_regclass('open_orders')") is not None and equal(), "the snapshot")
    for change in ("UPDATE orders SET status = 'closed' WHERE id IN (2, 4)", "UPDATE orders SET status = 'open' WHERE id IN (1, 2)",
                   "DELETE FROM orders WHERE id = 6", "UPDATE orders SET total = 0 WHERE id < 20"):
        postgres.execute(change)
        stream.waits_until(equal, change)
    stream.stop()
    copy.drop()


def in_kafka(kafka, topic, partitions=1):
    """(key, value) of every message, in the order of each partition."""
    return [(m.key() and m.key().decode(), m.value() and json.loads(m.value())) for m in kafka.read_all(topic, partitions)]


def test_changes_become_messages(start, kafka, postgres):
    postgres.execute(ORDERS)
    where = ("--var", f"SHOP={postgres.location()}", "--var", f"KAFKA={kafka.brokers}")
    plain = start("run", EXAMPLES / "postgresql_to_kafka.sql", *where)
    debezium = start("run", EXAMPLES / "postgresql_to_debezium.sql", *where)
    topic = lambda name: in_kafka(kafka, name) if name in kafka.admin.list_topics(timeout=10).topics else []
    debezium.waits_until(lambda: len(topic("shop.public.orders")) == 100, "the snapshot")
    postgres.execute("UPDATE orders SET status = 'paid' WHERE id = 1; DELETE FROM orders WHERE id = 2")
    debezium.waits_until(lambda: len(topic("shop.public.orders")) == 103, "the changes")
    plain.waits_until(lambda: len(topic("orders-events")) == 102, "the changes")
    plain.stop()
    debezium.stop()
    assert [(value["id"], value["_op"]) for _, value in topic("orders-events")[100:]] == [(1, "update"), (2, "delete")]
    messages = topic("shop.public.orders")
    assert {value["op"] for _, value in messages[:100]} == {"r"}
    (key, update), (_, delete), tombstone = messages[100:]
    assert (json.loads(key), update["op"], update["after"]["status"]) == ({"id": 1}, "u", "paid")
    assert (delete["op"], delete["before"]["id"], delete["after"]) == ("d", 2, None)
    assert (json.loads(tombstone[0]), tombstone[1]) == ({"id": 2}, None)


def test_files_go_into_kafka(example, sluice, kafka):
    for _ in range(2):
        sluice("run", "examples/files_into_kafka.sql", "--var", f"KAFKA={kafka.brokers}")
    assert sorted((int(key), value) for key, value in in_kafka(kafka, "customers", 3)) == [
        (i, {"id": i, "name": name, "country": country})
        for i, name, country in query(f"SELECT id, name, country FROM '{EXAMPLES}/data/customers.csv' ORDER BY id")]


def test_orders_are_filtered_and_looked_up_between_topics(example, sluice, start, kafka):
    kafka.make_topic(partitions=2, name="orders")
    kafka.produce("orders", [json.dumps({"id": i, "customer_id": 1 + i % 3, "total": i * 10.5}) for i in range(100)])
    stream = start("run", "examples/kafka_to_kafka.sql", "--var", f"KAFKA={kafka.brokers}")
    stream.waits_until(lambda: "large-orders" in kafka.admin.list_topics(timeout=10).topics
                       and len(in_kafka(kafka, "large-orders")) >= 90, "the orders")
    stream.stop()
    names = dict(query(f"SELECT id, name FROM '{EXAMPLES}/data/customers.csv'"))
    assert sorted((value["id"], value["name"]) for _, value in in_kafka(kafka, "large-orders")) == [
        (i, names[1 + i % 3]) for i in range(10, 100)]


def test_the_latest_message_of_each_key_is_a_row(start, kafka, postgres):
    kafka.make_topic(name="order-states")
    kafka.produce("order-states", [json.dumps({"id": i % 10, "status": f"s{i}", "total": f"{i}.25"}) for i in range(100)])
    stream = start("run", EXAMPLES / "kafka_to_postgresql.sql", "--var", f"SHOP={postgres.location()}", "--var",
                   f"KAFKA={kafka.brokers}")
    rows = lambda: postgres.rows("SELECT id, status, total::text FROM latest_orders ORDER BY id")
    stream.waits_until(lambda: postgres.value("SELECT to_regclass('latest_orders')") is not None and len(rows()) == 10, "the rows")
    stream.stop()
    assert rows() == [(i, f"s{90 + i}", f"{90 + i}.25") for i in range(10)]


@pytest.fixture
def clicks(kafka):
    """A topic of 100 messages, half of them an hour after the others."""
    if "clicks" not in kafka.admin.list_topics(timeout=10).topics:
        kafka.make_topic(partitions=2, name="clicks")
        kafka.produce("clicks", [{"value": json.dumps({"id": i, "page": f"/{i % 7}"}), "timestamp": 1_700_000_000_000 + i % 2 * 3_600_000}
                                 for i in range(100)])
    return kafka


HOURS = [("22", 50), ("23", 50)]


def test_messages_land_in_hourly_folders(example, sluice, start, clicks):
    stream = start("run", "examples/kafka_to_lake.sql", "--var", f"KAFKA={clicks.brokers}")
    lake = f"read_parquet('{sluice.folder}/lake/**/*.parquet', hive_partitioning := true, hive_types_autocast := false)"
    landed = lambda: query(f"SELECT hour, count(DISTINCT id) FROM {lake} GROUP BY 1 ORDER BY 1")
    stream.waits_until(lambda: bool(files(sluice.folder / "lake")) and landed() == HOURS, "both hours")
    stream.stop()
    assert query(f"SELECT count(*), min(year || month || day) FROM {lake}") == [(100, "20231114")]


def test_messages_land_in_hourly_folders_of_a_bucket(sluice, gateway_bucket, clicks):
    for _ in range(2):
        on_s3(sluice, gateway_bucket, "kafka_to_s3", KAFKA=clicks.brokers, BUCKET=gateway_bucket.name)
    keys = gateway_bucket.keys("clicks/")
    assert len({key.split("/hour=")[1][:2] for key in keys}) == 2 and all(key.endswith(".parquet") for key in keys)
