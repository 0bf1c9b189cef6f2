#include "format/avro/avro_payload.h"

#include <fstream>

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "net/schema_registry.h"
#include "net/test_registry.h"
#include "port/conformance/payload_expect.h"
#include "port/conformance/test_context.h"

namespace sluice::conformance {
namespace {

using std::string_literals::operator""s;

const char* const kOrderV1 =
    R"({"type":"record","name":"Order","fields":[{"name":"id","type":"long"},{"name":"who","type":"string"}]})";
// "who" became "buyer", and there is a price now.
const char* const kOrderV2 =
    R"({"type":"record","name":"Order","fields":[{"name":"id","type":"long"},)"
    R"({"name":"buyer","type":"string","aliases":["who"]},{"name":"price","type":"double","default":9.5}]})";

std::string framed(int id, const std::string& body) {
  std::string out;
  net::append_frame(id, out);
  return out + body;
}

class AvroPayloadTest : public testing::Test {
 protected:
  std::unique_ptr<PayloadFormat> with_registry(GivenOptions given = {}, bool key = false) {
    given.emplace_back("schema_registry", registry_.url());
    return value_of(make_payload(avro_payload(), given, key));
  }
  net::TestRegistry registry_;
  TestContext context_;
};

TEST_F(AvroPayloadTest, MessagesAreReadWithTheSchemasThatTheirIdsName) {
  int v1 = registry_.add("orders-value", kOrderV1);
  int v2 = registry_.add("orders-value", kOrderV2);
  auto format = with_registry();
  Messages messages = {
      framed(v1, "\x02\x06Ida"),
      framed(v2, "\x04\x06"s + "Bob" + "\0\0\0\0\0\0\xf8\x3f"s),  // 1.5
      std::nullopt,
      framed(v1, "\x06\x00"s),
  };
  auto got = value_of(decode(context_, *format, messages, {}, value_of(format->infer(context_, {}))));
  EXPECT_EQ(got.rows,
            "{\"id\":1,\"buyer\":\"Ida\",\"price\":9.5}\n"  // alias and default of the reader's schema
            "{\"id\":2,\"buyer\":\"Bob\",\"price\":1.5}\n"
            "{\"id\":null,\"buyer\":null,\"price\":null}\n"
            "{\"id\":3,\"buyer\":\"\",\"price\":9.5}\n");
  EXPECT_TRUE(got.payload_of.empty());
  EXPECT_TRUE(got.bad.empty());
}

TEST_F(AvroPayloadTest, SchemasAreAskedForOncePerId) {
  int v1 = registry_.add("orders-value", kOrderV1);
  auto format = with_registry();
  auto schema = value_of(format->infer(context_, {}));
  Messages many(1000, framed(v1, "\x02\x06Ida"));
  for (int i = 0; i < 3; ++i) value_of(decode(context_, *format, many, {}, schema));
  EXPECT_EQ(registry_.requests(), 2U);  // the latest, and the id
}

TEST_F(AvroPayloadTest, BadMessagesAreNamedAndLeaveNothingBehind) {
  int v1 = registry_.add("orders-value", kOrderV1);
  int json = registry_.add("others-value", "{}", "JSON");
  int broken = registry_.add("broken-value", "{\"type\":\"what\"}");
  auto format = with_registry();
  auto got = value_of(decode(context_, *format,
                             {
                                 framed(v1, "\x02\x06Id"),         // cut
                                 framed(v1, "\x02\x06Ida!"),       // too long
                                 framed(v1, "\x02\x04\xff\xff"s),  // not UTF-8
                                 "\x02\x06Ida"s,                   // no frame
                                 framed(999, "x"),
                                 framed(json, "{}"),
                                 framed(broken, "x"),
                                 framed(v1, "\x04\x02z"),
                                 "",
                             },
                             {}, value_of(parse_columns("id BIGINT, who VARCHAR"))));
  EXPECT_EQ(got.rows, "{\"id\":2,\"who\":\"z\"}\n");
  EXPECT_EQ(got.payload_of, (std::vector<int64_t>{7}));
  ASSERT_EQ(got.bad.size(), 8U);
  EXPECT_EQ(got.bad[0], "0: field who: the row's bytes end within a value");
  EXPECT_EQ(got.bad[1], "1: 1 bytes are left behind the value");
  EXPECT_THAT(got.bad[2], testing::HasSubstr("2: field who: "));
  EXPECT_EQ(got.bad[3],
            "3: the message does not begin with a zero byte and a schema id; leave out schema_registry where messages "
            "carry none");
  EXPECT_EQ(got.bad[4],
            "4: the schema registry " + registry_.url() + " has no schema with the id 999 (subject orders-value)");
  EXPECT_EQ(got.bad[5],
            fmt::format("5: the schema {} of orders-value is one of JSON, not Avro; set format := json", json));
  EXPECT_THAT(got.bad[6], testing::HasSubstr("unknown type \"what\""));
  expect_error(
      decode(context_, *format, {framed(v1, "")}, {}, value_of(parse_columns("id BIGINT, who VARCHAR")), false),
      Fault::user, "message 1: field id: the row's bytes end within a value");
}

TEST_F(AvroPayloadTest, AnUnknownIdIsAskedForAgainOnceItIsThere) {
  auto format = with_registry({{"columns", "id BIGINT, who VARCHAR"}});
  auto schema = value_of(format->infer(context_, {}));
  auto decoder = value_of(format->create_decoder(context_, {schema, {}, true}));
  Messages messages = {framed(1, "\x02\x06Ida")};
  EXPECT_EQ(value_of(decoder->decode(context_, views(messages))).bad.size(), 1U);
  ASSERT_EQ(registry_.add("orders-value", kOrderV1), 1);
  EXPECT_EQ(value_of(decoder->decode(context_, views(messages))).batch->num_rows(), 1);
}

TEST_F(AvroPayloadTest, ARegistryThatIsDownIsTransientAndNothingIsDecoded) {
  int v1 = registry_.add("orders-value", kOrderV1);
  auto format = with_registry();
  auto schema = value_of(format->infer(context_, {}));
  registry_.go_down(true);
  auto decoder = value_of(format->create_decoder(context_, {schema, {}, true}));
  Messages messages = {framed(v1, "\x02\x06Ida")};
  expect_error(decoder->decode(context_, views(messages)), Fault::transient, "status 503");
  registry_.go_down(false);
  EXPECT_EQ(shown(*value_of(decoder->decode(context_, views(messages))).batch), "{\"id\":1,\"who\":\"Ida\"}\n");
}

TEST_F(AvroPayloadTest, AFieldOfANewerSchemaIsReportedOrIgnored) {
  registry_.add("orders-value", kOrderV1);
  auto format = with_registry();
  auto schema = value_of(format->infer(context_, {}));
  int v2 = registry_.add(
      "orders-value",
      R"({"type":"record","name":"Order","fields":[{"name":"id","type":"long"},{"name":"who","type":"string"},)"
      R"({"name":"more","type":{"type":"record","name":"More","fields":[{"name":"x","type":"int"}]}}]})");
  Messages messages = {framed(v2, "\x02\x06Ida\x0e")};
  auto got = value_of(decode(context_, *format, messages, {}, schema));
  ASSERT_EQ(got.bad.size(), 1U);
  EXPECT_EQ(got.bad[0], fmt::format("0: new field: written with schema {}: field 'more' is not in the schema that is "
                                    "read with; set unknown_fields := ignore to drop it",
                                    v2));
  // As a connector goes on: the schema of the new messages, unified with the old.
  auto payloads = views(messages);
  auto wider = value_of(unify(schema, value_of(format->infer(context_, payloads))));
  EXPECT_EQ(value_of(decode(context_, *format, messages, {}, wider)).rows,
            "{\"id\":1,\"who\":\"Ida\",\"more\":{\"x\":7}}\n");
  auto lenient = with_registry({{"unknown_fields", "ignore"}});
  EXPECT_EQ(value_of(decode(context_, *lenient, messages, {}, schema)).rows, "{\"id\":1,\"who\":\"Ida\"}\n");
}

// "who" became "buyer", "note" was dropped, and "vip" has a default.
TEST_F(AvroPayloadTest, FieldsThatTheLatestSchemaDroppedDoNotUndoItsNamesAndDefaults) {
  int v1 = registry_.add("orders-value", R"({"type":"record","name":"Order","fields":[{"name":"id","type":"long"},)"
                                         R"({"name":"who","type":"string"},{"name":"note","type":"string"},)"
                                         R"({"name":"to","type":["null",{"type":"record","name":"Place","fields":[)"
                                         R"({"name":"town","type":"string"},{"name":"zip","type":"string"}]}]}]})");
  int v2 = registry_.add("orders-value", R"({"type":"record","name":"Order","fields":[{"name":"id","type":"long"},)"
                                         R"({"name":"buyer","type":"string","aliases":["who"]},)"
                                         R"({"name":"vip","type":"boolean","default":true},)"
                                         R"({"name":"to","type":["null",{"type":"record","name":"Place","fields":[)"
                                         R"({"name":"city","type":"string","aliases":["town"]}]}]}]})");
  auto format = with_registry();
  Messages messages = {framed(v1, "\x02\x06Ida\x04hi\x02\x04Ur\x02z"), framed(v2, "\x04\x06"s + "Bob\0\0"s)};
  auto sample = views(messages);
  auto schema = value_of(format->infer(context_, sample));
  EXPECT_EQ(schema->field_names(), (std::vector<std::string>{"id", "buyer", "vip", "to", "note"}));
  EXPECT_EQ(value_of(decode(context_, *format, messages, {}, schema)).rows,
            "{\"id\":1,\"buyer\":\"Ida\",\"vip\":true,\"to\":{\"city\":\"Ur\",\"zip\":\"z\"},\"note\":\"hi\"}\n"
            "{\"id\":2,\"buyer\":\"Bob\",\"vip\":false,\"to\":null,\"note\":null}\n");
}

TEST_F(AvroPayloadTest, WhatDoesNotResolveComesAsItWasWrittenUnderTheReadersNames) {
  int v1 = registry_.add("orders-value", R"({"type":"record","name":"Order","fields":[{"name":"who","type":"string"},)"
                                         R"({"name":"price","type":"long"},{"name":"note","type":"string"}]})");
  registry_.add("orders-value",
                R"({"type":"record","name":"Order","fields":[{"name":"buyer","type":"string","aliases":["who"]},)"
                R"({"name":"price","type":"int"}]})");
  auto format = with_registry({{"unknown_fields", "ignore"}});
  Messages messages = {framed(v1, "\x06Ida\x0e\x04hi")};
  auto narrow = value_of(format->infer(context_, {}));
  EXPECT_EQ(value_of(decode(context_, *format, messages, {}, narrow)).rows, "{\"buyer\":\"Ida\",\"price\":7}\n");
  auto payloads = views(messages);
  auto wide = value_of(format->infer(context_, payloads));
  EXPECT_EQ(value_of(decode(context_, *format, messages, {}, wide)).rows,
            "{\"buyer\":\"Ida\",\"price\":7,\"note\":\"hi\"}\n");
}

TEST_F(AvroPayloadTest, ReferencesAreResolved) {
  registry_.add("money",
                R"({"type":"record","name":"Money","namespace":"a","fields":[{"name":"cents","type":"int"}]})");
  registry_.add("price", R"({"type":"record","name":"Price","namespace":"a","fields":[{"name":"net","type":"Money"}]})",
                "AVRO", {{"a.Money", "money", 1}});
  int id =
      registry_.add("orders-value", R"({"type":"record","name":"Order","fields":[{"name":"price","type":"a.Price"}]})",
                    "AVRO", {{"a.Price", "price", 1}});
  auto format = with_registry();
  EXPECT_EQ(value_of(decode(context_, *format, {framed(id, "\x0a")})).rows, "{\"price\":{\"net\":{\"cents\":5}}}\n");
}

TEST_F(AvroPayloadTest, WithoutASubjectTheMessagesThemselvesTellTheSchema) {
  int id = registry_.add("com.shop.Order", kOrderV1);  // another naming of subjects
  auto format = with_registry();
  EXPECT_EQ(value_of(decode(context_, *format, {framed(id, "\x02\x02x")})).rows, "{\"id\":1,\"who\":\"x\"}\n");
  expect_error(with_registry()->infer(context_, {}), Fault::user, "has no subject orders-value");
  expect_error(value_of(make_payload(avro_payload(), {}))->infer(context_, {}), Fault::user,
               "name the schema_registry, a schema_file or columns");
}

TEST_F(AvroPayloadTest, ColumnsArePushedDownAndKeepTheirOrder) {
  int v1 = registry_.add("orders-value", kOrderV1);
  auto format = with_registry();
  ReadRequest request;
  request.columns = std::vector<ColumnPath>{{"who"}};
  EXPECT_EQ(value_of(decode(context_, *format, {framed(v1, "\x02\x02x"), std::nullopt}, request)).rows,
            "{\"who\":\"x\"}\n{\"who\":null}\n");
  request.columns = std::vector<ColumnPath>{};
  EXPECT_EQ(value_of(decode(context_, *format, {framed(v1, "\x02\x02x"), std::nullopt, ""}, request)).rows, "{}\n{}\n");
}

BatchPtr some_rows() {
  auto schema = value_of(parse_columns(
      "id BIGINT NOT NULL, price DECIMAL(9,2), at TIMESTAMPTZ, day DATE, tags VARCHAR[], \"at home\" BOOLEAN, "
      "u STRUCT(a INT, b BLOB), m MAP(VARCHAR, DOUBLE)"));
  arrow::ArrayVector columns;
  for (const auto& field : schema->fields()) columns.push_back(*arrow::MakeArrayOfNull(field->type(), 1));
  columns[0] = *arrow::MakeArrayFromScalar(arrow::Int64Scalar(7), 1);
  columns[1] =
      *arrow::MakeArrayFromScalar(arrow::Decimal128Scalar(arrow::Decimal128(-1250), arrow::decimal128(9, 2)), 1);
  columns[3] = *arrow::MakeArrayFromScalar(arrow::Date32Scalar(20000), 1);
  columns[5] = *arrow::MakeArrayFromScalar(arrow::BooleanScalar(true), 1);
  return arrow::RecordBatch::Make(schema, 1, columns);
}

TEST_F(AvroPayloadTest, WhatIsWrittenIsRegisteredFramedAndReadBack) {
  auto batch = some_rows();
  auto format = with_registry({{"schema_compatibility", "FULL"}});
  auto written = value_of(encode(context_, *format, batch));
  ASSERT_EQ(written.size(), 1U);
  // id 7; branch 1: two bytes 0xfb1e; null; branch 1: 20000; null; branch 1: true; null; null.
  EXPECT_EQ(written[0], framed(1, "\x0e\x02\x04\xfb\x1e\x00\x02\xc0\xb8\x02\x00\x02\x01\x00\x00"s));
  EXPECT_EQ(registry_.compatibility("orders-value"), "FULL");
  auto registered = nlohmann::json::parse(registry_.latest("orders-value")["schema"].get<std::string>());
  EXPECT_EQ(registered["name"], "orders");
  EXPECT_EQ(registered["fields"][1]["type"][1]["logicalType"], "decimal");
  EXPECT_EQ(registered["fields"][1]["default"], nullptr);
  auto back = value_of(decode(context_, *with_registry(), {written[0]}));
  EXPECT_EQ(back.rows, shown(*batch));
  auto key = value_of(encode(context_, *with_registry({}, true), *batch->SelectColumns({0})));
  EXPECT_EQ(key[0], framed(2, "\x0e"));
  EXPECT_EQ(nlohmann::json::parse(registry_.latest("orders-key")["schema"].get<std::string>())["name"], "orders_key");
}

TEST_F(AvroPayloadTest, WithoutARegistryASchemaFileOrColumnsSayWhatItIs) {
  const std::string path = testing::TempDir() + "sluice-order.avsc";
  std::ofstream(path) << kOrderV1;
  auto by_file = value_of(make_payload(avro_payload(), {{"schema_file", path}}));
  EXPECT_EQ(value_of(decode(context_, *by_file, {"\x02\x02x"s, "\x02"s})).rows, "{\"id\":1,\"who\":\"x\"}\n");
  auto columns = value_of(make_payload(avro_payload(), {{"columns", "id BIGINT NOT NULL, who VARCHAR"}}));
  EXPECT_EQ(value_of(decode(context_, *columns, {"\x02\x02\x02x"s})).rows, "{\"id\":1,\"who\":\"x\"}\n");
  auto batch = value_of(decode(context_, *by_file, {}));
  EXPECT_EQ(batch.rows, "");
  expect_error(make_payload(avro_payload(), {{"schema_file", "/nowhere"}}), Fault::user, "cannot be read");
}

}  // namespace
}  // namespace sluice::conformance
