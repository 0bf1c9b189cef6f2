#include <filesystem>
#include <fstream>

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "format/protobuf/arrow_schema.h"
#include "format/protobuf/protobuf_payload.h"
#include "format/protobuf/wire.h"
#include "net/schema_registry.h"
#include "net/test_registry.h"
#include "port/conformance/payload_expect.h"
#include "port/conformance/scratch_folder.h"
#include "port/conformance/test_context.h"

namespace sluice::protobuf {
namespace {

using namespace conformance;
using std::string_literals::operator""s;

// A field with a length: text, bytes, a message.
std::string part(int number, const std::string& content) {
  std::string out;
  put_varint(static_cast<uint64_t>(number) << 3 | 2, out);
  put_varint(content.size(), out);
  return out + content;
}
std::string varint(int number, uint64_t value) {
  std::string out;
  put_varint(static_cast<uint64_t>(number) << 3, out);
  put_varint(value, out);
  return out;
}
std::string framed(int id, const std::string& body, const std::vector<int32_t>& path = {0}) {
  std::string out;
  net::append_frame(id, out);
  put_message_path(path, out);
  return out + body;
}

class ProtobufPayloadTest : public testing::Test {
 protected:
  std::unique_ptr<PayloadFormat> with_file(const std::string& text, GivenOptions given = {}) {
    given.emplace_back("schema_file", write("test.proto", text));
    return value_of(make_payload(protobuf_payload(), given));
  }
  std::unique_ptr<PayloadFormat> with_registry(GivenOptions given = {}) {
    given.emplace_back("schema_registry", registry_.url());
    return value_of(make_payload(protobuf_payload(), given));
  }
  std::string write(const std::string& name, const std::string& text) {
    const std::string path = folder_.file(name);
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path) << text;
    return path;
  }
  // One message; or why it is bad.
  std::string row(PayloadFormat& format, const std::string& message) {
    auto got = value_of(decode(context_, format, {message}));
    return got.bad.empty() ? got.rows : got.bad[0] + "\n";
  }

  ScratchFolder folder_;
  net::TestRegistry registry_;
  TestContext context_;
};

TEST_F(ProtobufPayloadTest, EveryScalarIsReadFromTheWire) {
  auto format = with_file(R"(syntax = "proto3";
    enum Color { RED = 0; GREEN = 5; }
    message All {
      int32 a = 1; int64 b = 2; uint32 c = 3; uint64 d = 4; sint32 e = 5; sint64 f = 6; fixed32 g = 7; fixed64 h = 8;
      sfixed32 i = 9; sfixed64 j = 10; float k = 11; double l = 12; bool m = 13; string n = 14; bytes o = 15;
      Color p = 2000;
    })");
  EXPECT_EQ(
      shown(*value_of(format->infer(context_, {}))),
      "a INTEGER, b BIGINT, c UINTEGER, d UBIGINT, e INTEGER, f BIGINT, g UINTEGER, h UBIGINT, i INTEGER, j BIGINT, "
      "k FLOAT, l DOUBLE, m BOOLEAN, n VARCHAR, o BLOB, p VARCHAR");
  const std::string message = varint(1, static_cast<uint64_t>(-3)) + varint(2, static_cast<uint64_t>(INT64_MIN)) +
                              varint(3, 4294967295) + varint(4, UINT64_MAX) + varint(5, zigzag(-7)) +
                              varint(6, zigzag(INT64_MIN)) + "\x3d\x01\x00\x00\x00"s + "\x41\x02\0\0\0\0\0\0\0"s +
                              "\x4d\xff\xff\xff\xff"s + "\x51\xfe\xff\xff\xff\xff\xff\xff\xff"s +
                              "\x5d\x00\x00\x20\x40"s + "\x61\0\0\0\0\0\0\xf8\x3f"s + varint(13, 1) +
                              part(14, "h\xc3\xa9") + part(15, "\0\xff"s) + varint(2000, 5);
  EXPECT_EQ(row(*format, message),
            "{\"a\":-3,\"b\":-9223372036854775808,\"c\":4294967295,\"d\":18446744073709551615,\"e\":-7,"
            "\"f\":-9223372036854775808,\"g\":1,\"h\":2,\"i\":-1,\"j\":-2,\"k\":2.5,\"l\":1.5,\"m\":true,\"n\":\"hé\","
            "\"o\":\"AP8=\",\"p\":\"GREEN\"}\n");
  EXPECT_EQ(row(*format, ""),
            "{\"a\":0,\"b\":0,\"c\":0,\"d\":0,\"e\":0,\"f\":0,\"g\":0,\"h\":0,\"i\":0,\"j\":0,\"k\":0,\"l\":0,"
            "\"m\":false,\"n\":\"\",\"o\":\"\",\"p\":\"RED\"}\n");
  EXPECT_EQ(
      value_of(decode(context_, *format, {std::nullopt}, {.columns = std::vector<ColumnPath>{{"a"}, {"p"}}})).rows,
      "{\"a\":null,\"p\":null}\n");
  EXPECT_EQ(value_of(decode(context_, *format, {varint(2000, 9)}, {.columns = std::vector<ColumnPath>{{"p"}}})).rows,
            "{\"p\":\"9\"}\n");  // a number without a name
}

const char* const kNested = R"(syntax = "proto3";
  import "google/protobuf/timestamp.proto"; import "google/protobuf/duration.proto";
  import "google/protobuf/wrappers.proto"; import "google/protobuf/struct.proto";
  message Order {
    message Item { string sku = 1; optional int32 count = 2; }
    repeated Item items = 1;
    map<string, Item> by_sku = 2;
    repeated int32 packed = 3;
    repeated int32 loose = 4 [packed = false];
    oneof paid { string card = 5; int64 cash = 6; Item goods = 7; }
    google.protobuf.Timestamp at = 8;
    google.protobuf.Duration took = 9;
    google.protobuf.Int64Value maybe = 10;
    google.protobuf.Struct extra = 11;
    Item best = 12;
  })";

TEST_F(ProtobufPayloadTest, NestedRepeatedMapsAndOneofs) {
  auto format = with_file(kNested);
  EXPECT_EQ(shown(*value_of(format->infer(context_, {}))),
            "items STRUCT(sku VARCHAR, count INTEGER)[], by_sku MAP(VARCHAR, STRUCT(sku VARCHAR, count INTEGER)), "
            "packed INTEGER[], loose INTEGER[], card VARCHAR, cash BIGINT, goods STRUCT(sku VARCHAR, count INTEGER), "
            "at TIMESTAMP WITH TIME ZONE, took INTERVAL, maybe BIGINT, extra VARCHAR, "
            "best STRUCT(sku VARCHAR, count INTEGER)");
  ReadRequest some;
  some.columns = std::vector<ColumnPath>{{"items"}, {"by_sku"}, {"packed"}, {"loose"}, {"best"}};
  const std::string item = part(1, "x") + varint(2, 0);
  auto got = value_of(decode(
      context_, *format,
      {
          part(1, item) + part(2, part(1, "k") + part(2, item)) + part(1, "") + part(3, "\1\2\3"s) + varint(4, 7) +
              varint(4, 8),
          // Packed where it is declared loose and the other way round; a key twice; a message in two parts.
          varint(3, 5) + part(4, "\6"s) + part(2, part(1, "k")) + part(2, part(1, "k") + part(2, part(1, "later"))) +
              part(12, part(1, "one")) + part(12, varint(2, 2)),
          "",
      },
      some));
  EXPECT_EQ(got.rows,
            R"({"items":[{"sku":"x","count":0},{"sku":"","count":null}],"by_sku":{"k":{"sku":"x","count":0}},)"
            R"("packed":[1,2,3],"loose":[7,8],"best":null})"
            "\n"
            R"({"items":[],"by_sku":{"k":{"sku":"later","count":null}},"packed":[5],"loose":[6],)"
            R"("best":{"sku":"one","count":2}})"
            "\n"
            R"({"items":[],"by_sku":{},"packed":[],"loose":[],"best":null})"
            "\n");
  ReadRequest paid;
  paid.columns = std::vector<ColumnPath>{{"card"}, {"cash"}, {"goods", "sku"}};
  got =
      value_of(decode(context_, *format,
                      {part(5, "visa"), part(5, "visa") + varint(6, 0), varint(6, 3) + part(7, part(1, "hen"))}, paid));
  EXPECT_EQ(got.rows,
            "{\"card\":\"visa\",\"cash\":null,\"goods\":null}\n{\"card\":null,\"cash\":0,\"goods\":null}\n"
            "{\"card\":null,\"cash\":null,\"goods\":{\"sku\":\"hen\"}}\n");
}

TEST_F(ProtobufPayloadTest, WellKnownTypesAreWhatTheyMean) {
  auto format = with_file(kNested);
  ReadRequest some;
  some.columns = std::vector<ColumnPath>{{"at"}, {"maybe"}, {"extra"}};
  const std::string extra =
      part(1, part(1, "l") + part(2, part(6, part(1, "\x20\x01"s) + part(1, "\x08\x00"s) + part(1, part(3, "q\""))))) +
      part(1, part(1, "n") + part(2, "\x11\0\0\0\0\0\0\xf8\x3f"s)) + part(1, part(1, "o") + part(2, part(5, "")));
  auto got =
      value_of(decode(context_, *format,
                      {part(8, varint(1, 1) + varint(2, 1999)) + part(10, "") + part(11, extra),
                       part(8, varint(1, static_cast<uint64_t>(-1)) + varint(2, 999'999'000)) + part(10, varint(1, 5)),
                       part(8, varint(1, INT64_MAX))},
                      some));
  EXPECT_EQ(got.rows,
            "{\"at\":\"1970-01-01T00:00:01.000001Z\",\"maybe\":0,"
            "\"extra\":\"{\\\"l\\\":[true,null,\\\"q\\\\\\\"\\\"],\\\"n\\\":1.5,\\\"o\\\":{}}\"}\n"
            "{\"at\":\"1969-12-31T23:59:59.999999Z\",\"maybe\":5,\"extra\":null}\n");
  EXPECT_EQ(got.bad,
            (std::vector<std::string>{"2: field at: a timestamp of 9223372036854775807 seconds is out of range"}));
}

TEST_F(ProtobufPayloadTest, Proto2HasDefaultsPresenceAndRequiredFields) {
  auto format = with_file(R"(syntax = "proto2";
    message Old {
      required int32 id = 1; optional int32 n = 2 [default = 7]; optional string s = 3 [default = "x"];
      optional bool b = 4; repeated group Part = 5 { optional int32 v = 1; }
      extensions 100 to 200;
    })");
  EXPECT_EQ(row(*format, varint(1, 1)), "{\"id\":1,\"n\":7,\"s\":\"x\",\"b\":null,\"part\":[]}\n");
  EXPECT_EQ(row(*format, varint(1, 1) + "\x2b\x08\x05\x2c\x2b\x2c"s + varint(150, 9)),
            "{\"id\":1,\"n\":7,\"s\":\"x\",\"b\":null,\"part\":[{\"v\":5},{\"v\":null}]}\n");
  EXPECT_EQ(row(*format, varint(2, 1)), "0: field id: it is required and not there\n");
}

TEST_F(ProtobufPayloadTest, UnknownFieldsAreSkippedAndBadBytesAreNamed) {
  auto format = with_file(R"(syntax = "proto3"; message M { string s = 1; M2 in = 2; } message M2 { int32 x = 1; })",
                          {{"message", "M"}});
  const std::string good = part(1, "a");
  EXPECT_EQ(row(*format, varint(9, 1) + part(99, "zz") + "\x4b\x08\x01\x4c"s + good), "{\"s\":\"a\",\"in\":null}\n");
  EXPECT_EQ(row(*format, "\x0a\x05xx"s), "0: the message ends within a value, or it is not protobuf\n");
  EXPECT_EQ(row(*format, part(1, "\xff")), "0: field s: the bytes are not UTF-8\n");
  EXPECT_EQ(row(*format, varint(1, 3)),
            "0: field s: it was written with wire type 0, which is no string; was it another schema?\n");
  EXPECT_EQ(row(*format, "\0"s), "0: it is not protobuf: a field has no number\n");
  EXPECT_EQ(row(*format, part(2, "\x08")), "0: the message ends within a value, or it is not protobuf\n");
  EXPECT_EQ(row(*format, "\x0f"),
            "0: field s: it was written with wire type 7, which is no string; was it another schema?\n");
  EXPECT_EQ(row(*format, "\x4f"), "0: the message ends within a value, or it is not protobuf\n");
  // Nothing of a bad message stays, and its neighbours are rows.
  auto got = value_of(decode(context_, *format, {good, good + part(2, varint(1, 1) + "\x08"), good}));
  EXPECT_EQ(got.rows, "{\"s\":\"a\",\"in\":null}\n{\"s\":\"a\",\"in\":null}\n");
  EXPECT_EQ(got.payload_of, (std::vector<int64_t>{0, 2}));
}

TEST_F(ProtobufPayloadTest, EveryPrefixOfAMessageIsARowOrBad) {
  auto format = with_file(kNested);
  const std::string item = part(1, "x") + varint(2, 3);
  const std::string message = part(1, item) + part(2, part(1, "k") + part(2, item)) + part(3, "\1\2"s) +
                              varint(4, 300) + part(8, varint(1, 1)) +
                              part(11, part(1, part(1, "n") + part(2, part(3, "v"))));
  Messages messages;
  for (size_t size = 0; size <= message.size(); ++size) messages.push_back(message.substr(0, size));
  auto got = value_of(decode(context_, *format, messages));
  EXPECT_EQ(std::count(got.rows.begin(), got.rows.end(), '\n') + static_cast<int64_t>(got.bad.size()),
            static_cast<int64_t>(messages.size()));
  EXPECT_EQ(std::count(got.rows.begin(), got.rows.end(), '\n'), 7);  // cuts between fields are messages, too
}

TEST_F(ProtobufPayloadTest, FilesWithImportsBesideThemAndTheirErrors) {
  write("shop/money.proto", R"(syntax = "proto3"; package shop; message Money { int64 cents = 1; })");
  const std::string path = write("shop/order.proto", R"(syntax = "proto3"; package shop; import "shop/money.proto";
    message Order { Money price = 1; } message Other { int32 x = 1; })");
  auto format = value_of(make_payload(protobuf_payload(), {{"schema_file", path}, {"message", "shop.Order"}}));
  EXPECT_EQ(row(*format, part(1, varint(1, 250))), "{\"price\":{\"cents\":250}}\n");
  expect_error(make_payload(protobuf_payload(), {{"schema_file", path}}), Fault::user,
               "order.proto has several messages; name one with message: shop.Order, shop.Other");
  expect_error(make_payload(protobuf_payload(), {{"schema_file", path}, {"message", "Ordr"}}), Fault::user,
               "the test: order.proto has no message 'Ordr' but shop.Order, shop.Other");
  expect_error(
      make_payload(protobuf_payload(), {{"schema_file", write("bad.proto", "syntax = \"proto3\";\nmessage {")}}),
      Fault::user, "the test: bad.proto:2:9: Expected message name.");
  expect_error(make_payload(protobuf_payload(), {{"schema_file", write("lost.proto", "import \"gone.proto\";")}}),
               Fault::user, "gone.proto");
  expect_error(value_of(make_payload(protobuf_payload(), {}))->infer(context_, {}), Fault::user,
               "name the schema_registry or a schema_file");
  auto recursive = with_file(R"(syntax = "proto3"; message Tree { repeated Tree below = 1; })");
  expect_error(recursive->infer(context_, {}), Fault::user, "the message Tree contains itself");
}

TEST_F(ProtobufPayloadTest, TheRegistrySaysWhichMessageAndFieldsAreKnownByTheirNumbers) {
  int v1 = registry_.add("orders-value", R"(syntax = "proto3"; message Order { int64 id = 1; string who = 2; })",
                         "PROTOBUF");
  registry_.add("orders-value",
                R"(syntax = "proto3"; message Order { int64 id = 1; string buyer = 2; double price = 3; })",
                "PROTOBUF");
  auto format = with_registry();
  auto schema = value_of(format->infer(context_, {}));
  EXPECT_EQ(shown(*schema), "id BIGINT, buyer VARCHAR, price DOUBLE");
  EXPECT_EQ(value_of(decode(context_, *format, {framed(v1, varint(1, 4) + part(2, "Ida"))}, {}, schema)).rows,
            "{\"id\":4,\"buyer\":\"Ida\",\"price\":0}\n");
  int v3 = registry_.add("orders-value",
                         R"(syntax = "proto3"; message Order { int64 id = 1; string buyer = 2; bool gift = 4; })",
                         "PROTOBUF");
  Messages newer = {framed(v3, varint(1, 4) + varint(4, 1))};
  auto got = value_of(decode(context_, *format, newer, {}, schema));
  ASSERT_EQ(got.bad.size(), 1U);
  EXPECT_EQ(got.bad[0].substr(0, 12), "0: new field");
  auto wider = value_of(unify(schema, value_of(format->infer(context_, views(newer)))));
  EXPECT_EQ(value_of(decode(context_, *format, newer, {}, wider)).rows,
            "{\"id\":4,\"buyer\":\"\",\"price\":null,\"gift\":true}\n");
  auto unknown = value_of(decode(context_, *format, {framed(77, "")}, {}, schema));
  EXPECT_THAT(unknown.bad[0], testing::HasSubstr("has no schema with the id 77 (subject orders-value)"));
}

// "who" became "buyer", "note" was dropped, and there is "vip".
TEST_F(ProtobufPayloadTest, FieldsThatTheLatestSchemaDroppedDoNotUndoItsNames) {
  int v1 = registry_.add("orders-value",
                         R"(syntax = "proto3"; message Order { int64 id = 1; string who = 2; string note = 3; To to = 4;
                            repeated Tag tags = 5; map<string, Tag> marks = 7; oneof how { bool air = 8; bool sea = 9; }
                            message To { string town = 1; string zip = 2; } message Tag { int32 n = 1; } })",
                         "PROTOBUF");
  int v2 = registry_.add("orders-value",
                         R"(syntax = "proto3"; message Order { int64 id = 1; string buyer = 2; To to = 4;
                            repeated Tag tags = 5; bool vip = 6; map<string, Tag> marks = 7; oneof how { bool sky = 8; }
                            message To { string city = 1; } message Tag { int32 m = 1; } })",
                         "PROTOBUF");
  auto format = with_registry();
  Messages messages = {
      framed(v1, varint(1, 4) + part(2, "Ida") + part(3, "hi") + part(4, part(1, "Ur") + part(2, "z")) +
                     part(5, varint(1, 9)) + part(7, part(1, "k") + part(2, varint(1, 8))) + varint(8, 1) +
                     varint(9, 1)),
      framed(v2, varint(1, 5) + part(2, "Bob") + varint(6, 1) + varint(8, 1)),
  };
  auto sample = views(messages);
  auto schema = value_of(format->infer(context_, sample));
  EXPECT_EQ(schema->field_names(),
            (std::vector<std::string>{"id", "buyer", "to", "tags", "vip", "marks", "sky", "note", "sea"}));
  EXPECT_EQ(value_of(decode(context_, *format, messages, {}, schema)).rows,
            "{\"id\":4,\"buyer\":\"Ida\",\"to\":{\"city\":\"Ur\",\"zip\":\"z\"},\"tags\":[{\"m\":9}],\"vip\":false,"
            "\"marks\":{\"k\":{\"m\":8}},\"sky\":null,\"note\":\"hi\",\"sea\":true}\n"
            "{\"id\":5,\"buyer\":\"Bob\",\"to\":null,\"tags\":[],\"vip\":true,\"marks\":{},\"sky\":true,"
            "\"note\":null,\"sea\":null}\n");
}

TEST_F(ProtobufPayloadTest, AFieldThatCameAgainUnderAnotherNumberIsReadFromBoth) {
  int v1 = registry_.add("orders-value", R"(syntax = "proto3"; message Order { int64 id = 1; string who = 2; })",
                         "PROTOBUF");
  int v2 = registry_.add(
      "orders-value", R"(syntax = "proto3"; message Order { int64 id = 1; reserved 2; string who = 3; })", "PROTOBUF");
  auto format = with_registry();
  Messages messages = {framed(v1, varint(1, 4) + part(2, "Ida")), framed(v2, varint(1, 5) + part(3, "Bob"))};
  auto schema = value_of(format->infer(context_, {}));
  EXPECT_EQ(value_of(decode(context_, *format, messages, {}, schema)).rows,
            "{\"id\":4,\"who\":\"Ida\"}\n{\"id\":5,\"who\":\"Bob\"}\n");
}

TEST_F(ProtobufPayloadTest, ReferencesAndInnerMessages) {
  registry_.add("money", R"(syntax = "proto3"; package a; message Money { int64 cents = 1; })", "PROTOBUF");
  int id = registry_.add("orders-value", R"(syntax = "proto3"; import "a/money.proto";
      message First { int32 x = 1; } message Outer { message Inner { a.Money price = 1; } })",
                         "PROTOBUF", {{"a/money.proto", "money", 1}});
  auto format = with_registry();
  EXPECT_EQ(value_of(decode(context_, *format, {framed(id, part(1, varint(1, 9)), {1, 0})})).rows,
            "{\"price\":{\"cents\":9}}\n");
  auto other = value_of(decode(context_, *format, {framed(id, "", {1, 0}), framed(id, varint(1, 2))}));
  EXPECT_THAT(other.bad[0], testing::HasSubstr("it is a First, and Outer.Inner is what is read"));
}

// FileDescriptorProto {name "x.proto", message_type {name "Order", field {name "id", number 1, label optional, type
// int64, json_name "id"}}, syntax "proto3"}.
TEST_F(ProtobufPayloadTest, ASchemaMayBeADescriptorInBase64) {
  int id = registry_.add("orders-value", "Cgd4LnByb3RvIhcKBU9yZGVyEg4KAmlkGAEgASgDUgJpZGIGcHJvdG8z", "PROTOBUF");
  EXPECT_EQ(value_of(decode(context_, *with_registry(), {framed(id, varint(1, 300))})).rows, "{\"id\":300}\n");
  int bad = registry_.add("bad-value", "AAAA", "PROTOBUF");
  auto got = value_of(decode(context_, *with_registry(), {framed(bad, "")}));
  EXPECT_EQ(got.bad.size(), 1U);
}

TEST_F(ProtobufPayloadTest, WhatIsWrittenKeepsItsNumbersFromVersionToVersion) {
  auto first =
      value_of(parse_columns("id BIGINT, name VARCHAR, tags VARCHAR[], at TIMESTAMPTZ, u STRUCT(a INT, b DOUBLE)"));
  auto text = value_of(from_arrow(*first, "Orders", nullptr));
  EXPECT_EQ(text, R"(syntax = "proto3";
import "google/protobuf/timestamp.proto";
message Orders {
  optional int64 id = 1;
  optional string name = 2;
  repeated string tags = 3;
  google.protobuf.Timestamp at = 4;
  message U {
    optional int32 a = 1;
    optional double b = 2;
  }
  U u = 5;
}
)");
  auto schema = value_of(Schema::parse({"a.proto", text}, {}));
  auto second = value_of(parse_columns("u STRUCT(b DOUBLE, c BOOLEAN), name BIGINT, at TIMESTAMPTZ, id BIGINT"));
  auto next = value_of(from_arrow(*second, "Orders", value_of(schema->message("Orders"))));
  EXPECT_EQ(next, R"(syntax = "proto3";
import "google/protobuf/timestamp.proto";
message Orders {
  message U {
    optional double b = 2;
    optional bool c = 3;
    reserved 1;
  }
  U u = 5;
  optional int64 name = 6;
  google.protobuf.Timestamp at = 4;
  optional int64 id = 1;
  reserved 2;
  reserved 3;
}
)");
  auto third = value_of(Schema::parse({"b.proto", next}, {}));
  auto tags = value_of(parse_columns("tags VARCHAR[]"));
  EXPECT_THAT(value_of(from_arrow(*tags, "Orders", value_of(third->message("")))),
              testing::HasSubstr("repeated string tags = 7;"));
  expect_error(from_arrow(*value_of(parse_columns("\"a b\" INT")), "X", nullptr), Fault::user, "does not allow");
  expect_error(from_arrow(*value_of(parse_columns("a INT[][]")), "X", nullptr), Fault::user, "no lists of lists");
}

TEST_F(ProtobufPayloadTest, WhatAWeakImportNamesNeedNotBeThere) {
  auto schema = value_of(Schema::parse(
      {"a.proto", R"(syntax = "proto2"; import weak "not_there.proto"; message M { optional int64 id = 1; })"}, {}));
  EXPECT_EQ(value_of(schema->message("M"))->fields.size(), 1U);
  EXPECT_TRUE(schema->imports().empty());
  expect_error(Schema::parse({"a.proto", R"(syntax = "proto2"; import "not_there.proto"; message M {})"}, {}),
               Fault::user, "not_there.proto");
}

TEST_F(ProtobufPayloadTest, RowsGoOutAndComeBack) {
  auto schema = value_of(parse_columns(
      "a BOOLEAN, b TINYINT, c UBIGINT, d FLOAT, e VARCHAR, f BLOB, g TIMESTAMPTZ, h INT[], i MAP(VARCHAR, BIGINT), "
      "j STRUCT(x VARCHAR, y STRUCT(z DOUBLE)), k STRUCT(q INT)[]"));
  auto full = [&](const char* text, const TypePtr& type) {
    auto scalar = arrow::Scalar::Parse(type, text);
    return *arrow::MakeArrayFromScalar(**scalar, 1);
  };
  arrow::ArrayVector nulls;
  arrow::ArrayVector values;
  for (const auto& field : schema->fields()) nulls.push_back(*arrow::MakeArrayOfNull(field->type(), 1));
  values = nulls;
  values[0] = full("false", arrow::boolean());
  values[1] = full("-5", arrow::int8());
  values[2] = full("18446744073709551615", arrow::uint64());
  values[3] = full("2.5", arrow::float32());
  values[4] = full("", arrow::utf8());
  values[6] = full("1969-12-31T23:59:59.999999Z", schema->field(6)->type());
  auto batch = arrow::RecordBatch::Make(schema, 1, values);
  auto format = with_registry();
  auto written = value_of(encode(context_, *format, batch));
  ASSERT_EQ(written.size(), 1U);
  EXPECT_EQ(written[0], framed(1, varint(1, 0) + varint(2, static_cast<uint64_t>(-5)) + varint(3, UINT64_MAX) +
                                      "\x25\x00\x00\x20\x40"s + part(5, "") +
                                      part(7, varint(1, static_cast<uint64_t>(-1)) + varint(2, 999'999'000))));
  EXPECT_EQ(registry_.latest("orders-value")["schemaType"], "PROTOBUF");
  auto back = value_of(decode(context_, *with_registry(), Messages(written.begin(), written.end())));
  EXPECT_EQ(back.rows,
            "{\"a\":false,\"b\":-5,\"c\":18446744073709551615,\"d\":2.5,\"e\":\"\",\"f\":null,"
            "\"g\":\"1969-12-31T23:59:59.999999Z\",\"h\":[],\"i\":{},\"j\":null,\"k\":[]}\n");
  auto none = value_of(encode(context_, *with_registry(), arrow::RecordBatch::Make(schema, 1, nulls)));
  EXPECT_EQ(none[0], framed(1, ""));
}

TEST_F(ProtobufPayloadTest, WritingIntoAFileChecksEachValue) {
  auto format = with_file(R"(syntax = "proto3"; import "google/protobuf/wrappers.proto"; enum C { RED = 0; BLUE = 3; }
    message M { int32 n = 1; C c = 2; google.protobuf.StringValue s = 3; sint64 z = 4; fixed32 f = 5; string d = 6; })");
  auto rows = [&](const char* columns, const arrow::ArrayVector& arrays) {
    return arrow::RecordBatch::Make(value_of(parse_columns(columns)), arrays[0]->length(), arrays);
  };
  auto of = [](const char* text, const TypePtr& type) {
    return *arrow::MakeArrayFromScalar(**arrow::Scalar::Parse(type, text), 1);
  };
  auto batch = rows(
      "n BIGINT, c VARCHAR, s VARCHAR, z BIGINT, f BIGINT, d DECIMAL(9,2)",
      {of("0", arrow::int64()), of("BLUE", arrow::utf8()), of("", arrow::utf8()), of("-1", arrow::int64()),
       of("7", arrow::int64()),
       *arrow::MakeArrayFromScalar(arrow::Decimal128Scalar(arrow::Decimal128(-1250), arrow::decimal128(9, 2)), 1)});
  EXPECT_EQ(value_of(encode(context_, *format, batch))[0],
            varint(2, 3) + part(3, "") + varint(4, 1) + "\x2d\x07\0\0\0"s + part(6, "-12.50"));
  expect_error(encode(context_, *format, rows("n BIGINT", {of("3000000000", arrow::int64())})), Fault::user,
               "row 0: column 'n': 3000000000 is out of range for int32");
  expect_error(encode(context_, *format, rows("n BIGINT", {*arrow::MakeArrayOfNull(arrow::int64(), 1)})), Fault::user,
               "NULL, and the field cannot be absent; declare it optional");
  expect_error(encode(context_, *format, rows("c VARCHAR", {of("PINK", arrow::utf8())})), Fault::user,
               "'PINK' is not one of C");
  expect_error(encode(context_, *format, rows("x INT", {of("1", arrow::int32())})), Fault::user,
               "the message M has no field for column 'x'");
  expect_error(encode(context_, *format, rows("n DOUBLE", {of("1", arrow::float64())})), Fault::user,
               "column 'n' is a DOUBLE, which the field int32 n cannot hold");
}

}  // namespace
}  // namespace sluice::protobuf
