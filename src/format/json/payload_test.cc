#include <gtest/gtest.h>

#include "format/json/json_fixture.h"
#include "format/json/json_payload.h"
#include "format/json/json_schema.h"
#include "format/json/payload_decoder.h"
#include "format/json/payload_encoder.h"
#include "net/test_registry.h"

namespace sluice::json {
namespace {

using Messages = std::vector<std::optional<std::string>>;

struct Shown {
  std::string rows;  // NDJSON; or "error: …"
  std::vector<int64_t> payload_of;
  std::vector<std::string> bad;  // "index: reason"
};

std::vector<Payload> views(const Messages& messages) {
  std::vector<Payload> payloads;
  for (const auto& message : messages) {
    payloads.push_back(message ? Payload(std::string_view(*message)) : std::nullopt);
  }
  return payloads;
}

Result<std::string> encoded(Context& context, const arrow::RecordBatch& batch) {
  auto encoder = TRY(create_payload_encoder({}, batch.schema()));
  EncodedPayloads out;
  TRY(encoder->encode(context, batch, out));
  std::string text;
  for (size_t i = 0; i < out.ends.size(); ++i) {
    auto begin = static_cast<size_t>(i == 0 ? 0 : out.ends[i - 1]);
    text += out.bytes.substr(begin, static_cast<size_t>(out.ends[i]) - begin) + "\n";
  }
  return text;
}

Result<Shown> decode_with(const Parser& parser, const Messages& messages, const std::string& columns,
                          const ReadRequest& request, bool collect_rejects, bool refuse_unknown) {
  World world;
  DecoderOptions options{TRY(parse_columns(columns)), request, collect_rejects};
  auto decoder = TRY(create_payload_decoder({refuse_unknown, true, {}, &parser}, options));
  Shown shown;
  std::string rows;
  for (int again = 0; again < 2; ++again) {  // a decoder goes on after each call
    auto decoded = TRY(decoder->decode(world.context, views(messages)));
    EXPECT_TRUE(decoded.batch->ValidateFull().ok());
    shown.rows = TRY(encoded(world.context, *decoded.batch));
    shown.payload_of = decoded.payload_of;
    shown.bad.clear();
    for (const auto& bad : decoded.bad) {
      shown.bad.push_back(fmt::format("{}: {}{}", bad.index, bad.unknown_field ? "new field: " : "", bad.reason));
    }
    EXPECT_EQ(shown.rows, again == 0 ? shown.rows : rows);
    rows = shown.rows;
  }
  return shown;
}

Shown decode(const Messages& messages, const std::string& columns, const ReadRequest& request = {},
             bool collect_rejects = true, bool refuse_unknown = true) {
  Shown first;
  for (const Parser* parser : all_parsers()) {
    Shown shown;
    auto result = decode_with(*parser, messages, columns, request, collect_rejects, refuse_unknown);
    if (result.ok()) {
      shown = result.value();
    } else {
      shown.rows = "error: " + result.error().message();
    }
    if (parser == &kBaselineParser) {
      first = shown;
    } else {
      EXPECT_EQ(shown.rows, first.rows) << parser->name;
      EXPECT_EQ(shown.payload_of, first.payload_of) << parser->name;
      EXPECT_EQ(shown.bad, first.bad) << parser->name;
    }
  }
  return first;
}

TEST(JsonPayload, EachMessageIsARowHoweverItIsLaidOut) {
  auto shown =
      decode({R"({"a":1,"b":"x"})", "\n{\n  \"b\": \"y\\n\",\r\n\t\"a\": 2\n}\n", R"({})"}, "a INT, b VARCHAR");
  EXPECT_EQ(shown.rows, "{\"a\":1,\"b\":\"x\"}\n{\"a\":2,\"b\":\"y\\n\"}\n{\"a\":null,\"b\":null}\n");
  EXPECT_TRUE(shown.payload_of.empty());
  EXPECT_TRUE(shown.bad.empty());
}

TEST(JsonPayload, AMessageWithoutBytesIsARowOfNullsAndAnEmptyOneIsBad) {
  auto shown = decode({R"({"a":1})", std::nullopt, "", " \n"}, "a INT");
  EXPECT_EQ(shown.rows, "{\"a\":1}\n{\"a\":null}\n");
  EXPECT_EQ(shown.payload_of, (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(shown.bad, (std::vector<std::string>{"2: the message is empty; JSON has at least {}",
                                                 "3: the message is empty; JSON has at least {}"}));
}

TEST(JsonPayload, BadMessagesAreNamedByTheirIndexAndTheOthersAreRows) {
  auto shown = decode(
      {
          R"({"a":1})",
          R"({"a":)",           // cut off: what follows in memory must not complete it
          R"(2})",              //
          R"({"a":3} {"a":4})"  // two
          ,
          R"({"a":5}])",
          R"({"a":"x"})",
          R"([{"a":6}])",
          R"(null)",
          "{\"a\":7}\xff",
          "{\"s\":\"\xc3",  // the first half of a character, and its second half in the next message
          "\xa9\"}",
          std::string("{\"a\":8}\0", 8),
          R"({"a":9,"zz":1})",
          R"({"a":10})",
      },
      "a INT, s VARCHAR");
  EXPECT_EQ(shown.rows, "{\"a\":1,\"s\":null}\n{\"a\":10,\"s\":null}\n");
  EXPECT_EQ(shown.payload_of, (std::vector<int64_t>{0, 13}));
  EXPECT_EQ(shown.bad,
            (std::vector<std::string>{
                "1: the record ends early",
                "2: a record must be an object, but 2 is here",
                R"(3: more follows the JSON object: '{"a":4}')",
                "4: more follows the JSON object: ']'",
                R"(5: column 'a': "x" is not a INTEGER; declare the column VARCHAR to keep it)",
                R"(6: a record must be an object, but [{"a":6}] is here)",
                "7: a record must be an object, but null is here",
                "8: the bytes are not UTF-8",
                "9: the bytes are not UTF-8",
                "10: the bytes are not UTF-8",
                "11: more follows the JSON object: '?'",
                "12: new field: field 'zz' is not in the schema; name it in columns := '…' or set unknown_fields := "
                "ignore",
            }));
}

TEST(JsonPayload, EveryPrefixOfAMessageIsBad) {
  std::string message = R"({"a":12,"s":"é\n\u00e9","l":[1,2],"o":{"x":1.5,"y":"z"},"m":{"k":true}})";
  const char* columns = "a INT, s VARCHAR, l INT[], o STRUCT(x DOUBLE, y VARCHAR), m MAP(VARCHAR, BOOLEAN)";
  Messages messages;
  for (size_t size = 0; size < message.size(); ++size) messages.push_back(message.substr(0, size));
  messages.push_back(message);
  auto shown = decode(messages, columns);
  EXPECT_EQ(shown.rows, "{\"a\":12,\"s\":\"é\\né\",\"l\":[1,2],\"o\":{\"x\":1.5,\"y\":\"z\"},\"m\":{\"k\":true}}\n");
  EXPECT_EQ(shown.bad.size(), message.size());
  // Only one field wanted: the rest is skipped without looking, but its end must be there.
  auto one = decode(messages, columns, {.columns = std::vector<ColumnPath>{{"a"}}});
  EXPECT_EQ(one.rows, "{\"a\":12}\n");
  EXPECT_EQ(one.bad.size(), message.size());
}

TEST(JsonPayload, ColumnsAndFiltersArePushedIntoTheDecoder) {
  ReadRequest request;
  request.columns = std::vector<ColumnPath>{{"b"}};
  request.filter = {{{"a"}, Predicate::Op::gt, {arrow::MakeScalar(int64_t{1})}}};
  auto shown = decode({R"({"a":1,"b":"x"})", R"({"a":2,"b":"y"})", std::nullopt, "no", R"({"a":3,"b":"z"})"},
                      "a BIGINT, b VARCHAR", request);
  EXPECT_EQ(shown.rows, "{\"b\":\"y\"}\n{\"b\":\"z\"}\n");
  EXPECT_EQ(shown.payload_of, (std::vector<int64_t>{1, 4}));
  EXPECT_EQ(shown.bad.size(), 1U);
}

TEST(JsonPayload, WithoutColumnsRowsAreCounted) {
  ReadRequest request;
  request.columns = std::vector<ColumnPath>{};
  EXPECT_EQ(decode({R"({"a":1})", R"({"b":{}})"}, "a BIGINT", request).rows, "{}\n{}\n");
}

TEST(JsonPayload, UnknownFieldsCanBeIgnored) {
  EXPECT_EQ(decode({R"({"b":[1,{"c":2}],"a":1})"}, "a BIGINT", {}, true, false).rows, "{\"a\":1}\n");
}

TEST(JsonPayload, WithoutRejectsABadMessageIsAnError) {
  EXPECT_EQ(decode({"{}", "{"}, "a INT", {}, false).rows, "error: message 2: the record ends early");
}

TEST(JsonPayload, ManyMessagesOfManySizesKeepTheirPlaces) {
  Messages messages;
  std::string expected;
  for (int i = 0; i < 3000; ++i) {
    std::string text(static_cast<size_t>(i % 97 == 0 ? 200'000 : i % 61), static_cast<char>('a' + i % 26));
    if (i % 500 == 499) {
      messages.push_back("{" + text);
      continue;
    }
    messages.push_back(fmt::format(R"({{"i":{},"s":"{}"}})", i, text));
    expected += *messages.back() + "\n";
  }
  auto shown = decode(messages, "i INT, s VARCHAR");
  EXPECT_EQ(shown.rows, expected);
  EXPECT_EQ(shown.bad.size(), 6U);
  ASSERT_EQ(shown.payload_of.size(), 2994U);
  EXPECT_EQ(shown.payload_of[499], 500);
}

Result<std::string> inferred_of(const Messages& messages, RawOptions raw = {}) {
  World world;
  auto descriptor = json_payload();
  auto options = TRY(OptionValues::parse("kafka", descriptor.options, OptionScope::source, raw));
  auto format = TRY(descriptor.create(options, {"orders", false}));
  auto schema = TRY(format->infer(world.context, views(messages)));
  std::string out;
  for (const auto& field : schema->fields()) {
    out += (out.empty() ? "" : ", ") + field->name() + " " + type_name(*field->type());
  }
  return out;
}

TEST(JsonPayload, TheSchemaIsThatOfTheSample) {
  EXPECT_EQ(inferred_of({R"({"a":1})", std::nullopt, "{\n\"b\":\"2026-01-01\"}", "bad"}).value(), "a BIGINT, b DATE");
  EXPECT_EQ(inferred_of({R"({"b":"2026-01-01"})"}, {{"timestamps", {"text", "test"}}}).value(), "b VARCHAR");
  EXPECT_EQ(inferred_of({"bad"}).error().what, "the first record is bad: it is not valid JSON near 'bad'");
  EXPECT_EQ(inferred_of({std::nullopt}).error().what,
            "there is no message yet to take the schema from; give it with columns := 'name TYPE, …'");
  EXPECT_EQ(inferred_of({}, {{"columns", {"x UUID", "test"}}}).value(), "x VARCHAR");
  EXPECT_EQ(inferred_of({}, {{"columns", {"x", "the URI"}}}).error().what.substr(0, 7), "the URI");
}

TEST(JsonPayload, ConnectsMessagesWithSchemasAreTheirPayload) {
  const std::string schema = R"({"type":"struct","fields":[{"type":"int32","field":"a"}]})";
  auto shown = decode(
      {
          "{\"schema\":" + schema + ",\"payload\":{\"a\":1}}",
          " {\n \"schema\" : " + schema + " , \"payload\" : { \"a\" : 2 } } ",
          "{\"schema\":null,\"payload\":null}",
          R"({"a":3})",
          "{\"schema\":" + schema + ",\"payload\":{\"a\":4}",  // cut
          "{\"schema\":" + schema + ",\"payload\":{\"a\":5},\"more\":1}",
          R"({"a":6})",
      },
      "a INT");
  EXPECT_EQ(shown.rows, "{\"a\":1}\n{\"a\":2}\n{\"a\":null}\n{\"a\":3}\n{\"a\":6}\n");
  EXPECT_EQ(shown.payload_of, (std::vector<int64_t>{0, 1, 2, 3, 6}));
  EXPECT_EQ(shown.bad.size(), 2U);
  EXPECT_EQ(inferred_of({"{\"schema\":" + schema + ",\"payload\":{\"a\":1}}"}).value(), "a BIGINT");
  EXPECT_EQ(inferred_of({R"({"schema":{"x":1},"payload":2})"}, {{"connect_schema", {"keep", "test"}}}).value(),
            "schema STRUCT(x BIGINT), payload BIGINT");
}

TEST(JsonPayload, WithARegistryMessagesHaveAnIdInFrontAndTheSchemaIsRegistered) {
  net::TestRegistry registry;
  World world;
  auto format_of = [&](OptionScope side, RawOptions raw = {}) {
    raw["schema_registry"] = {registry.url(), "test"};
    auto descriptor = json_payload();
    return descriptor.create(OptionValues::parse("kafka", descriptor.options, side, raw).value(), {"orders", false})
        .value();
  };
  auto schema = parse_columns("id BIGINT NOT NULL, at TIMESTAMPTZ, tags VARCHAR[], m MAP(VARCHAR, DOUBLE)").value();
  arrow::ArrayVector arrays;
  for (const auto& field : schema->fields()) arrays.push_back(arrow::MakeArrayOfNull(field->type(), 1).ValueOrDie());
  arrays[0] = arrow::MakeArrayFromScalar(arrow::Int64Scalar(7), 1).ValueOrDie();
  auto encoder = format_of(OptionScope::sink)->create_encoder(world.context, schema).value();
  EncodedPayloads out;
  ASSERT_TRUE(encoder->encode(world.context, *arrow::RecordBatch::Make(schema, 1, arrays), out).ok());
  EXPECT_EQ(out.bytes, std::string("\0\0\0\0\1", 5) + R"({"id":7,"at":null,"tags":null,"m":null})");
  EXPECT_EQ(registry.latest("orders-value")["schemaType"], "JSON");

  auto format = format_of(OptionScope::source);
  auto inferred = format->infer(world.context, {}).value();
  EXPECT_TRUE(inferred->field(1)->type()->Equals(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")));
  EXPECT_EQ(inferred->num_fields(), 4);
  auto decoder = format->create_decoder(world.context, {inferred, {}, true}).value();
  Messages messages = {out.bytes, "{}", std::string("\0\0\0\0\x09{}", 7), std::nullopt};
  auto decoded = decoder->decode(world.context, views(messages)).value();
  EXPECT_EQ(encoded(world.context, *decoded.batch).value(),
            "{\"id\":7,\"at\":null,\"tags\":null,\"m\":null}\n{\"id\":null,\"at\":null,\"tags\":null,\"m\":null}\n");
  ASSERT_EQ(decoded.bad.size(), 2U);
  EXPECT_EQ(decoded.bad[0].reason.substr(0, 32), "the message does not begin with ");
  EXPECT_NE(decoded.bad[1].reason.find("has no schema with the id 9 (subject orders-value)"), std::string::npos);
}

TEST(JsonPayload, JsonSchemasAreReadWhereTheyAreSimple) {
  auto columns = [](const char* text) -> std::string {
    auto schema = from_json_schema(text);
    if (!schema) return "no";
    std::string out;
    for (const auto& field : (*schema)->fields()) out += field->name() + " " + type_name(*field->type()) + ";";
    return out;
  };
  EXPECT_EQ(columns(R"({"type":"object","properties":{"a":{"type":["null","integer"]},"b":{"anyOf":[{"type":"string"},)"
                    R"({"type":"null"}]},"c":{"type":"array","items":{"type":"number"}},"d":{"type":"object",)"
                    R"("properties":{"x":{"type":"boolean"}}},"e":{"type":"string","format":"date"}}})"),
            "a BIGINT;b VARCHAR;c DOUBLE[];d STRUCT(x BOOLEAN);e DATE;");
  EXPECT_EQ(columns(R"({"type":"object","properties":{"a":{"$ref":"#/definitions/a"}}})"), "no");
  EXPECT_EQ(columns(R"({"type":"object","properties":{"a":{"$ref":"other.json"}}})"), "no");
  EXPECT_EQ(columns(R"({"type":"object","properties":{"a":{"$ref":"#/definitions/a/~1"}},"definitions":{"a":{"/":{
      "oneOf":[{"type":"null"},{"$ref":"#/$defs/b"}]}}},"$defs":{"b":{"type":"integer"}}})"),
            "a BIGINT;");
  EXPECT_EQ(columns(R"({"$ref":"#/$defs/row","$defs":{"row":{"type":"object","properties":{"a":{"type":"string"}}}}})"),
            "a VARCHAR;");
  EXPECT_EQ(columns(R"({"type":"object","properties":{"child":{"$ref":"#"}}})"), "no");  // contains itself
  EXPECT_EQ(columns(R"({"type":"object","properties":{"a":{"type":["string","integer"]}}})"), "no");
  EXPECT_EQ(columns(R"({"type":"object"})"), "no");
  EXPECT_EQ(columns("{"), "no");
}

TEST(JsonPayload, EncodingAppendsAndAnErrorLeavesNothing) {
  World world;
  arrow::DoubleBuilder builder;
  ASSERT_TRUE(builder.AppendValues({1.5, std::numeric_limits<double>::quiet_NaN()}).ok());
  auto batch = arrow::RecordBatch::Make(arrow::schema({arrow::field("x", arrow::float64())}), 2,
                                        {builder.Finish().ValueOrDie()});
  auto encoder = create_payload_encoder({}, batch->schema()).value();
  EncodedPayloads out;
  ASSERT_TRUE(encoder->encode(world.context, *batch->Slice(0, 1), out).ok());
  auto failed = encoder->encode(world.context, *batch, out);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().message(),
            "column 'x': nan is not a JSON number; set nan := null or nan := text (while writing row 1 as JSON)");
  ASSERT_TRUE(encoder->encode(world.context, *batch->Slice(0, 1), out).ok());
  EXPECT_EQ(out.bytes, R"({"x":1.5}{"x":1.5})");
  EXPECT_EQ(out.ends, (std::vector<int64_t>{9, 18}));
  EXPECT_TRUE(out.absent.empty());
}

}  // namespace
}  // namespace sluice::json
