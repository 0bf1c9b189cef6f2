"""Avro, Protobuf and JSON with a schema registry, both ways: what Confluent's serializers write is read, what is written
their deserializers read. The registry is Apicurio's, under a path as always."""
import datetime
import decimal
import json
import struct

from delivered import ids, rows

ORDER = {
    "type": "record", "name": "Order", "namespace": "shop", "fields": [
        {"name": "id", "type": "long"},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "color", "type": {"type": "enum", "name": "Color", "symbols": ["RED", "BLUE"], "default": "RED"}},
        {"name": "note", "type": ["null", "string"], "default": None},
        {"name": "either", "type": ["null", "string", "long"], "default": None},
        {"name": "items", "type": {"type": "array", "items": {
            "type": "record", "name": "Item", "fields": [{"name": "sku", "type": "string"}]}}},
        {"name": "tags", "type": {"type": "map", "values": "int"}},
    ]}
AT = datetime.datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=datetime.timezone.utc)


def order(number, **more):
    return {"id": number, "price": decimal.Decimal("12.50"), "at": AT, "color": "BLUE", "note": None, "either": 7,
            "items": [{"sku": "x"}], "tags": {"a": 1}, **more}


def serialized(serializer, topic, values):
    from confluent_kafka.serialization import MessageField, SerializationContext

    return [serializer(value, SerializationContext(topic, MessageField.VALUE)) for value in values]


def deserialized(deserializer, messages):
    from confluent_kafka.serialization import MessageField, SerializationContext

    return [deserializer(m.value(), SerializationContext(m.topic(), MessageField.VALUE)) for m in messages]


def avro(registry, topic, schema, values):
    from confluent_kafka.schema_registry.avro import AvroSerializer

    return serialized(AvroSerializer(registry.client(), json.dumps(schema)), topic, values)


def at(kafka, registry, topic, format, more=""):
    return kafka.at(topic, f"format := '{format}', schema_registry := '{registry.url}'" + (f", {more}" if more else ""))


def preview(sluice, location, columns="*"):
    shown = sluice("preview", "-e", f"SELECT {columns} FROM {location};", "--output", "json").stdout
    return [json.loads(line) for line in shown.splitlines()]


def test_avro_of_confluents_serializer_is_read(kafka, registry, sluice):
    topic = kafka.make_topic()
    kafka.produce(topic, [*avro(registry, topic, ORDER, [order(1), order(2, note="hé", either="s")]), None])
    first, second, tombstone = preview(sluice, at(kafka, registry, topic, "avro"))
    assert (first["id"], first["price"], first["color"], first["note"]) == (1, 12.5, "BLUE", None)
    assert first["at"].startswith("2026-11-20T12:00:00.123456")
    assert (first["items"], first["tags"]) == ([{"sku": "x"}], {"a": 1})
    assert (first["either"]["member0"], first["either"]["member1"]) == (None, 7)
    assert (second["note"], second["either"]["member0"]) == ("hé", "s")
    assert set(tombstone.values()) == {None}


def test_old_and_new_avro_schemas_are_resolved_to_the_latest(kafka, registry, sluice):
    topic = kafka.make_topic()
    old = {"type": "record", "name": "R", "fields": [{"name": "id", "type": "int"}, {"name": "who", "type": "string"}]}
    new = {"type": "record", "name": "R", "fields": [
        {"name": "id", "type": "long"}, {"name": "buyer", "type": "string", "aliases": ["who"]},
        {"name": "vip", "type": "boolean", "default": True}]}
    kafka.produce(topic, [*avro(registry, topic, old, [{"id": 1, "who": "Ida"}]),
                          *avro(registry, topic, new, [{"id": 2**40, "buyer": "Bob", "vip": False}])])
    assert preview(sluice, at(kafka, registry, topic, "avro")) == [
        {"id": 1, "buyer": "Ida", "vip": True}, {"id": 2**40, "buyer": "Bob", "vip": False}]


def test_avro_with_references_is_read(kafka, registry, sluice):
    topic = kafka.make_topic()
    registry.register(f"{topic}-money", {"type": "record", "name": "Money", "fields": [{"name": "cents", "type": "int"}]})
    number = registry.register(
        f"{topic}-value", {"type": "record", "name": "R", "fields": [{"name": "price", "type": "Money"}]},
        references=[{"name": "Money", "subject": f"{topic}-money", "version": 1}])
    kafka.produce(topic, [struct.pack(">bI", 0, number) + b"\x0a"])
    assert preview(sluice, at(kafka, registry, topic, "avro")) == [{"price": {"cents": 5}}]


def test_avro_that_is_written_is_what_confluents_deserializer_reads(kafka, registry, sluice, tmp_path):
    from confluent_kafka.schema_registry.avro import AvroDeserializer

    topic = kafka.make_topic()
    (tmp_path / "in.jsonl").write_text(
        '{"id": 1, "price": "3.25", "at": "2026-11-20T12:00:00.123456Z", "tags": ["a", "b"], "u": {"x": 1}}\n'
        '{"id": 2}\n')
    source = ("file('in.jsonl', columns := 'id BIGINT, price DECIMAL(9,2), at TIMESTAMPTZ, tags VARCHAR[], "
              "u STRUCT(x INT)')")
    target = at(kafka, registry, topic, "avro", "schema_compatibility := 'FULL'")
    sluice.sql(f"INSERT INTO {target} SELECT * FROM {source};")
    got = deserialized(AvroDeserializer(registry.client()), kafka.read_all(topic))
    assert got == [{"id": 1, "price": decimal.Decimal("3.25"), "at": AT, "tags": ["a", "b"], "u": {"x": 1}},
                   {"id": 2, "price": None, "at": None, "tags": None, "u": None}]
    assert registry.ask("GET", f"/config/{topic}-value")["compatibilityLevel"] == "FULL"
    # What that forbids is refused before anything is written.
    error = sluice.fails("run", "-e", f"INSERT INTO {target} SELECT CAST(id AS VARCHAR) AS id FROM {source};")
    assert "incompatible" in error and f"{topic}-value" in error
    assert len(kafka.read_all(topic)) == 2


def order_class():
    """message Order { int64 id = 1; optional string note = 2; repeated int32 n = 3; Color color = 4; map<string, Item>
    items = 5; google.protobuf.Timestamp at = 6; oneof paid { string card = 7; int64 cash = 8; } message Item { string
    sku = 1; } enum Color { RED = 0; BLUE = 3; } }, made without protoc."""
    from google.protobuf import descriptor_pb2 as pb, descriptor_pool, message_factory, timestamp_pb2

    file = pb.FileDescriptorProto(name="shop/order.proto", package="shop", syntax="proto3",
                                  dependency=["google/protobuf/timestamp.proto"])
    message = file.message_type.add(name="Order")
    one, many = pb.FieldDescriptorProto.LABEL_OPTIONAL, pb.FieldDescriptorProto.LABEL_REPEATED
    kinds = pb.FieldDescriptorProto
    message.field.add(name="id", number=1, label=one, type=kinds.TYPE_INT64)
    message.field.add(name="note", number=2, label=one, type=kinds.TYPE_STRING, proto3_optional=True, oneof_index=1)
    message.field.add(name="n", number=3, label=many, type=kinds.TYPE_INT32)
    message.field.add(name="color", number=4, label=one, type=kinds.TYPE_ENUM, type_name=".shop.Order.Color")
    message.field.add(name="items", number=5, label=many, type=kinds.TYPE_MESSAGE, type_name=".shop.Order.ItemsEntry")
    message.field.add(name="at", number=6, label=one, type=kinds.TYPE_MESSAGE, type_name=".google.protobuf.Timestamp")
    message.field.add(name="card", number=7, label=one, type=kinds.TYPE_STRING, oneof_index=0)
    message.field.add(name="cash", number=8, label=one, type=kinds.TYPE_INT64, oneof_index=0)
    message.oneof_decl.add(name="paid")
    message.oneof_decl.add(name="_note")
    item = message.nested_type.add(name="Item")
    item.field.add(name="sku", number=1, label=one, type=kinds.TYPE_STRING)
    entry = message.nested_type.add(name="ItemsEntry", options=pb.MessageOptions(map_entry=True))
    entry.field.add(name="key", number=1, label=one, type=kinds.TYPE_STRING)
    entry.field.add(name="value", number=2, label=one, type=kinds.TYPE_MESSAGE, type_name=".shop.Order.Item")
    color = message.enum_type.add(name="Color")
    color.value.add(name="RED", number=0)
    color.value.add(name="BLUE", number=3)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("shop.Order"))


ORDER_PROTO = """syntax = "proto3"; package shop; import "google/protobuf/timestamp.proto";
message Order {
  int64 id = 1; optional string note = 2; repeated int32 n = 3; Color color = 4; map<string, Item> items = 5;
  google.protobuf.Timestamp at = 6;
  oneof paid { string card = 7; int64 cash = 8; }
  message Item { string sku = 1; }
  enum Color { RED = 0; BLUE = 3; }
}
"""
PROTO_ROWS = [
    {"id": 1, "note": "hé", "n": [1, -2, 300], "color": "BLUE", "items": {"a": {"sku": "x"}},
     "at": "2026-11-20T12:00:00.123456Z", "card": None, "cash": 5},
    {"id": 0, "note": None, "n": [], "color": "RED", "items": {}, "at": None, "card": None, "cash": None},
]


def proto_messages():
    Order = order_class()
    full = Order(id=1, note="hé", n=[1, -2, 300], color=3, cash=5)
    full.items["a"].sku = "x"
    full.at.FromDatetime(AT)
    return Order, [full, Order()]


def test_protobuf_of_confluents_serializer_is_read(kafka, registry, sluice):
    from confluent_kafka.schema_registry.protobuf import ProtobufSerializer

    topic = kafka.make_topic()
    Order, messages = proto_messages()
    serializer = ProtobufSerializer(Order, registry.client(), {"use.deprecated.format": False,
                                                               "skip.known.types": True})
    kafka.produce(topic, serialized(serializer, topic, messages))
    assert preview(sluice, at(kafka, registry, topic, "protobuf")) == PROTO_ROWS


def test_protobuf_without_registry_by_file(kafka, sluice, tmp_path):
    topic = kafka.make_topic()
    _, messages = proto_messages()
    kafka.produce(topic, [*(m.SerializeToString() for m in messages), b"\x0a\xff"])
    (tmp_path / "order.proto").write_text(ORDER_PROTO)
    location = kafka.at(topic, "format := 'protobuf', schema_file := 'order.proto', message := 'Order'")
    error = sluice.fails("preview", "-e", f"SELECT * FROM {location};")
    assert f"{topic}/0@2" in error and "is no int64" in error
    sluice.sql(f"CREATE TABLE t WITH (dead_letters := 'dead/') AS SELECT * FROM {location} INSERT INTO file('out/', format := 'json');")
    assert rows(tmp_path / "out") == PROTO_ROWS


def test_protobuf_that_is_written_is_what_its_class_reads(kafka, registry, sluice, tmp_path):
    topic = kafka.make_topic()
    Order, messages = proto_messages()
    (tmp_path / "order.proto").write_text(ORDER_PROTO)
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in PROTO_ROWS))
    source = ("file('in.jsonl', columns := 'id BIGINT, note VARCHAR, n INT[], color VARCHAR, items MAP(VARCHAR, "
              "STRUCT(sku VARCHAR)), at TIMESTAMPTZ, card VARCHAR, cash BIGINT')")
    target = at(kafka, registry, topic, "protobuf", "schema_file := 'order.proto'")
    sluice.sql(f"INSERT INTO {target} SELECT * FROM {source};")
    values = [m.value() for m in kafka.read_all(topic)]
    latest = registry.latest(f"{topic}-value")
    assert latest["schemaType"] == "PROTOBUF"
    assert {value[:6] for value in values} == {struct.pack(">bI", 0, latest["id"]) + b"\0"}
    assert [Order.FromString(value[6:]) for value in values] == messages
    # A schema made of the columns keeps its numbers when columns come and go.
    made = kafka.make_topic()
    for columns in ("id, note", "cash, id"):
        sluice.sql(f"INSERT INTO {at(kafka, registry, made, 'protobuf')} SELECT {columns} FROM {source};")
    assert registry.versions(f"{made}-value") == [1, 2]
    text = registry.latest(f"{made}-value")["schema"]
    assert "int64 id = 1;" in text and "int64 cash = 3;" in text and "reserved 2;" in text
    assert [m.value()[6:] for m in kafka.read_all(made)] == [b"\x08\x01\x12\x03h\xc3\xa9", b"\x08\x00", b"\x18\x05\x08\x01", b"\x08\x00"]


JSON_SCHEMA = json.dumps({
    "$schema": "http://json-schema.org/draft-07/schema#", "title": "Order", "type": "object",
    "properties": {"id": {"type": "integer"}, "who": {"oneOf": [{"type": "null"}, {"type": "string"}]},
                   "n": {"type": "array", "items": {"type": "number"}}}})


def test_json_with_a_registry_both_ways(kafka, registry, sluice):
    from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer

    topic, copy = kafka.make_topic(), kafka.make_topic()
    values = [{"id": 1, "who": "Ida", "n": [1.5]}, {"id": 2, "who": None, "n": []}]
    kafka.produce(topic, serialized(JSONSerializer(JSON_SCHEMA, registry.client()), topic, values))
    location = at(kafka, registry, topic, "json")
    assert preview(sluice, location) == values
    sluice.sql(f"CREATE TABLE t AS SELECT * FROM {location} INSERT INTO {at(kafka, registry, copy, 'json')};")
    written = json.loads(registry.latest(f"{copy}-value")["schema"])
    assert written["properties"]["who"] == {"oneOf": [{"type": "null"}, {"type": "string"}]}
    # Validates each message by the schema that was registered.
    deserializer = JSONDeserializer(json.dumps(written), schema_registry_client=registry.client())
    assert deserialized(deserializer, kafka.read_all(copy)) == values


def test_an_unknown_schema_id_is_an_error_or_a_dead_letter(kafka, registry, sluice, tmp_path):
    topic = kafka.make_topic()
    schema = {"type": "record", "name": "R", "fields": [{"name": "id", "type": "int"}]}
    good = avro(registry, topic, schema, [{"id": 1}, {"id": 2}])
    kafka.produce(topic, [good[0], struct.pack(">bI", 0, 987654) + b"\x02", b"no frame", good[1]])
    location = at(kafka, registry, topic, "avro")
    error = sluice.fails("preview", "-e", f"SELECT * FROM {location};")
    assert "987654" in error and f"{topic}-value" in error and f"{topic}/0@1" in error
    sluice.sql(f"CREATE TABLE t WITH (dead_letters := 'dead/') AS SELECT * FROM {location} INSERT INTO file('out/', format := 'json');")
    assert ids(tmp_path / "out") == [1, 2]
    dead = rows(tmp_path / "dead")
    assert len(dead) == 2 and "987654" in dead[0]["reason"] and "schema id" in dead[1]["reason"]


def test_a_registry_that_is_down_is_waited_for_and_a_wrong_password_is_said(kafka, registry, guarded, sluice, start, tmp_path):
    topic = kafka.make_topic()
    schema = {"type": "record", "name": "R", "fields": [{"name": "id", "type": "int"}]}
    kafka.produce(topic, avro(registry, topic, schema, [{"id": 1}]))
    url = f"http://me:p%2Fw@127.0.0.1:{guarded.port}"

    def stream(url):
        location = kafka.at(topic, f"format := 'avro', schema_registry := '{url}'")
        return (f"CREATE STREAM s WITH (epoch_age := '150ms') AS SELECT * FROM {location} "
                f"INSERT INTO file('out/', format := 'json');")

    wrong = url.replace("p%2Fw", "wrong-secret")
    error = sluice.fails("run", "-e", stream(wrong))
    assert "refuses access" in error and "401" in error and "wrong-secret" not in error
    running = start("run", "-e", stream(url))
    running.waits_until(lambda: rows(tmp_path / "out") == [{"id": 1}], "the first row")
    # A schema that the process has not seen comes while the registry is down.
    guarded.down = True
    kafka.produce(topic, avro(registry, topic, {**schema, "doc": "another"}, [{"id": 2}]))
    running.waits_until(lambda: guarded.turned_away > 1, "it to try again")
    guarded.down = False
    running.waits_until(lambda: ids(tmp_path / "out") == [1, 2], "the second row")
    said = running.stop()
    assert "503" in said and "p/w" not in said and "p%2Fw" not in said


def test_a_registry_that_is_down_at_the_start_is_waited_for(kafka, registry, guarded, sluice, start, tmp_path):
    from confluent_kafka.schema_registry.avro import AvroSerializer
    from confluent_kafka.serialization import MessageField, SerializationContext

    topic = kafka.make_topic()
    schema = json.dumps({"type": "record", "name": "R", "fields": [{"name": "id", "type": "int"}]})
    serializer = AvroSerializer(registry.client(), schema)
    kafka.produce(topic, [serializer({"id": 1}, SerializationContext(topic, MessageField.VALUE))])
    url = f"http://me:p%2Fw@127.0.0.1:{guarded.port}"

    def stream(patience):
        source = kafka.at(topic, f"format := 'avro', schema_registry := '{url}', schema_registry_timeout := '{patience}'")
        return f"CREATE STREAM s WITH (epoch_age := '100ms') AS SELECT * FROM {source} INSERT INTO file('out/', format := 'json');"

    guarded.down = True
    error = sluice.fails("run", "-e", stream("300ms"))
    assert "the schema registry" in error and "503" in error and "p/w" not in error
    running = start("run", "-e", stream("60s"))
    turned_away = guarded.turned_away
    running.waits_until(lambda: guarded.turned_away > turned_away + 2, "it to ask again")
    guarded.down = False
    running.waits_until(lambda: ids(tmp_path / "out") == [1], "the row")
    running.stop()
