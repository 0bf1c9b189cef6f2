"""Changes of PostgreSQL in Debezium's envelope, as its documentation shows them ("Data change events" of the connector for
PostgreSQL), and read back out of the topic."""
import json

from delivered import wait_until


def named(topic, prefix="d"):
    return prefix + topic.replace("-", "_")


def messages(kafka, topic):
    return [(message.key() and json.loads(message.key()), message.value() and json.loads(message.value()))
            for message in kafka.read_all(topic)]


def into(kafka, postgres, topic, table, select="*", where=""):
    return (f"CREATE STREAM {named(topic)} WITH (epoch_age := '50ms') AS SELECT {select} FROM "
            f"{postgres.at(table, 'cdc := true')}{where} INSERT INTO {kafka.at(topic, 'envelope := ' + repr('debezium') + ', key := ' + repr('id'))};")


def test_an_envelope_has_the_row_before_and_where_it_comes_from(kafka, postgres, start):
    topic = kafka.make_topic()
    postgres.execute("CREATE SCHEMA shop; CREATE TABLE shop.orders (id bigint PRIMARY KEY, v text, n int); "
                     "ALTER TABLE shop.orders REPLICA IDENTITY FULL; INSERT INTO shop.orders VALUES (1, 'a', 10), (2, 'b', 20)")
    running = start("run", "-e", into(kafka, postgres, topic, "shop.orders", select="id, v, n * 2 AS n"))
    running.waits_until(lambda: len(messages(kafka, topic)) == 2, "the snapshot")
    postgres.execute("BEGIN; UPDATE shop.orders SET v = 'c' WHERE id = 1; DELETE FROM shop.orders WHERE id = 2; "
                     "UPDATE shop.orders SET id = 3 WHERE id = 1; INSERT INTO shop.orders VALUES (4, 'd', NULL); COMMIT")
    running.waits_until(lambda: len(messages(kafka, topic)) == 9, "the changes")
    said = running.stop()
    found = [(key["id"], value and (value["op"], value["before"], value["after"])) for key, value in messages(kafka, topic)]

    def row(id, v, n):
        return {"id": id, "v": v, "n": n}

    assert sorted(found[:2]) == [(1, ("r", None, row(1, "a", 20))), (2, ("r", None, row(2, "b", 40)))]
    assert found[2:] == [
        (1, ("u", row(1, "a", 20), row(1, "c", 20))), (2, ("d", row(2, "b", 40), None)), (2, None),
        (1, ("d", row(1, "c", 20), None)), (1, None), (3, ("c", None, row(3, "c", 20))), (4, ("c", None, row(4, "d", None)))]
    # Tombstones and rows before a change are no rows of their own.
    assert f"{named(topic)}: 7 rows" in said
    for _, value in messages(kafka, topic):
        if value is None:
            continue
        source = value["source"]
        assert set(value) == {"before", "after", "source", "op", "ts_ms"}
        assert (source["connector"], source["name"], source["db"], source["schema"], source["table"]) == (
            "postgresql", named(topic), postgres.name, "shop", "orders")
        assert source["snapshot"] == ("true" if value["op"] == "r" else "false")
        assert isinstance(value["ts_ms"], int) and isinstance(source["version"], str)
        if value["op"] != "r":
            assert isinstance(source["lsn"], int) and abs(value["ts_ms"] - source["ts_ms"]) < 60_000
            assert json.loads(source["sequence"])


def test_without_the_old_row_there_is_the_key_of_a_delete(kafka, postgres, start):
    topic = kafka.make_topic()
    postgres.execute("CREATE TABLE t (id bigint PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a')")
    running = start("run", "-e", into(kafka, postgres, topic, "t"))
    running.waits_until(lambda: len(messages(kafka, topic)) == 1, "the snapshot")
    postgres.execute("UPDATE t SET v = 'b'; DELETE FROM t")
    running.waits_until(lambda: len(messages(kafka, topic)) == 4, "the changes")
    running.stop()
    assert [value and (value["op"], value["before"], value["after"]) for _, value in messages(kafka, topic)][1:] == [
        ("u", None, {"id": 1, "v": "b"}), ("d", {"id": 1, "v": None}, None), None]


def test_what_was_is_read_back_and_decides_a_condition(kafka, postgres, start):
    """An update that leaves the condition is a delete, which only the row before tells; an append-only sink shows it."""
    topic = kafka.make_topic()
    postgres.execute("CREATE TABLE t (id bigint PRIMARY KEY, v text); ALTER TABLE t REPLICA IDENTITY FULL; "
                     "INSERT INTO t VALUES (1, 'open'), (2, 'open'), (3, 'closed')")
    writing = start("run", "-e", into(kafka, postgres, topic, "t"))
    writing.waits_until(lambda: len(messages(kafka, topic)) == 3, "the snapshot")
    reading = start("run", "-e", f"CREATE STREAM {named(topic, 'r')} WITH (epoch_age := '50ms') AS SELECT * FROM "
                    f"{kafka.at(topic, 'envelope := ' + repr('debezium'))} WHERE v = 'open' INSERT INTO {postgres.at('log', 'mode := ' + repr('append'))};")
    postgres.execute("UPDATE t SET v = 'closed' WHERE id = 1; UPDATE t SET v = 'open' WHERE id = 3; UPDATE t SET v = 'closed!' WHERE id = 1; "
                     "DELETE FROM t WHERE id = 2")

    def log():
        made = postgres.value("SELECT to_regclass('log')") is not None
        return postgres.rows("SELECT _op, id FROM log ORDER BY _pos") if made else []

    wait_until(lambda: len(log()) == 5)
    for running in (reading, writing):
        running.stop()
    assert log()[2:] == [("delete", 1), ("insert", 3), ("delete", 2)]
    assert sorted(log()[:2]) == [("snapshot", 1), ("snapshot", 2)]
