// Values written with one schema, read with another.
#include <arrow/api.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>

#include "avro/reader.h"
#include "avro/writer.h"

namespace sluice::avro {
namespace {

SchemaRef record(const std::string& fields) {
  auto schema = Schema::parse(R"({"type":"record","name":"r","fields":[)" + fields + "]}");
  EXPECT_TRUE(schema.ok()) << schema.error().what;
  return schema.value();
}
SchemaRef one(const std::string& type) { return record(R"({"name":"v","type":)" + type + "}"); }

BatchPtr batch_of(const SchemaRef& schema, const std::string& json) {
  auto arrow = to_arrow(*schema).value();
  auto rows = arrow::json::ArrayFromJSONString(arrow::struct_(arrow->fields()), json).ValueOrDie();
  return arrow::RecordBatch::FromStructArray(rows).ValueOrDie();
}

Result<Bytes> encoded(const SchemaRef& schema, const BatchPtr& batch) {
  auto writer = TRY(RowWriter::make(schema, *batch->schema()));
  TRY(writer->bind(batch));
  Bytes out;
  EXPECT_EQ(TRY(writer->write(0, INT64_MAX, out)), batch->num_rows());
  return out;
}

Result<std::string> read(const Bytes& bytes, int64_t rows, const SchemaRef& from, const SchemaRef& to) {
  auto reader = TRY(RowReader::make(from, to, nullptr));
  auto used = TRY(reader->read(bytes.span(), rows, INT64_MAX));
  EXPECT_EQ(used, bytes.size());
  EXPECT_EQ(reader->rows(), rows);
  auto batch = TRY(reader->take());
  EXPECT_TRUE(batch->ValidateFull().ok()) << batch->ValidateFull().ToString();
  std::string text;
  for (int64_t row = 0; row < rows; ++row) {
    for (const auto& column : batch->columns()) {
      text += (text.empty() ? "" : ", ") + column->GetScalar(row).ValueOrDie()->ToString();
    }
  }
  return text;
}

// `json` as rows [{"v": …}], written as `from`, read as `to`; the values or the error.
std::string resolved(const std::string& from, const std::string& to, const std::string& json) {
  auto written = one(from);
  auto batch = batch_of(written, json);
  auto bytes = encoded(written, batch);
  if (!bytes.ok()) return bytes.error().what;
  auto text = read(bytes.value(), batch->num_rows(), written, one(to));
  return text.ok() ? text.value() : text.error().what;
}

TEST(AvroResolution, NumbersArePromoted) {
  for (const char* to : {R"("int")", R"("long")", R"("float")", R"("double")"}) {
    EXPECT_EQ(resolved(R"("int")", to, R"([{"v":-7}])"), "-7") << to;
  }
  EXPECT_EQ(resolved(R"("long")", R"("double")", R"([{"v":1099511627776}])"), "1.099511627776e+12");
  EXPECT_EQ(resolved(R"("float")", R"("double")", R"([{"v":0.5}])"), "0.5");
  EXPECT_EQ(resolved(R"("long")", R"("int")", R"([{"v":1}])"), "field v: long cannot be read as int");
}

TEST(AvroResolution, TextAndBytesAreExchangeable) {
  EXPECT_EQ(resolved(R"("string")", R"("bytes")", R"([{"v":"ab"}])"), "ab");
  EXPECT_EQ(resolved(R"("bytes")", R"("string")", R"([{"v":"ab"}])"), "ab");
}

TEST(AvroResolution, UnionsOnEitherSide) {
  EXPECT_EQ(resolved(R"("int")", R"(["null","long"])", R"([{"v":1}])"), "1");
  EXPECT_EQ(resolved(R"(["null","int"])", R"(["double","null"])", R"([{"v":1},{"v":null}])"), "1, null");
  EXPECT_EQ(resolved(R"(["null","int"])", R"("int")", R"([{"v":1}])"), "1");
  EXPECT_EQ(resolved(R"(["null","int"])", R"("int")", R"([{"v":null}])"), "field v: null cannot be read as int");
  EXPECT_EQ(resolved(R"(["int"])", R"("int")", R"([{"v":1}])"), "1");
  EXPECT_EQ(resolved(R"(["int"])", R"(["int"])", R"([{"v":1}])"), "1");
  EXPECT_EQ(resolved(R"("string")", R"(["int","string"])", R"([{"v":"x"}])"),
            "{member0:int32 = null, member1:string = x}");
}

TEST(AvroResolution, EnumsFallBackToTheReadersDefault) {
  const char* from = R"({"type":"enum","name":"e","symbols":["a","b"]})";
  EXPECT_EQ(
      resolved(from, R"({"type":"enum","name":"e","symbols":["b","c"],"default":"c"})", R"([{"v":"a"},{"v":"b"}])"),
      "c, b");
  EXPECT_EQ(resolved(from, R"({"type":"enum","name":"e","symbols":["b"]})", R"([{"v":"a"}])"),
            "field v: the reader schema has no symbol a");
}

TEST(AvroResolution, FieldsByAliasAndDefault) {
  auto from = record(R"({"name":"a","type":"int"},{"name":"b","type":"string"})");
  auto to = record(R"({"name":"d","type":["null","int"],"default":null},{"name":"c","aliases":["b"],"type":"string"},
                      {"name":"m","type":{"type":"map","values":"int"},"default":{"k":1}},
                      {"name":"e","type":{"type":"record","name":"q","fields":[]},"default":{}})");
  auto bytes = encoded(from, batch_of(from, R"([{"a":1,"b":"x"}])"));
  ASSERT_TRUE(bytes.ok()) << bytes.error().what;
  auto text = read(bytes.value(), 1, from, to);
  ASSERT_TRUE(text.ok()) << text.error().what;
  EXPECT_EQ(text.value(), "null, x, map<string, int32>[{key:string = k, value:int32 = 1}], {}");
}

TEST(AvroResolution, OtherLogicalTypesAreNotMistaken) {
  EXPECT_EQ(resolved(R"({"type":"long","logicalType":"timestamp-millis"})",
                     R"({"type":"long","logicalType":"timestamp-micros"})", "[]"),
            "field v: timestamp-millis cannot be read as timestamp-micros");
  EXPECT_EQ(resolved(R"({"type":"int","logicalType":"date"})", R"("long")", R"([{"v":3}])"), "3");
}

TEST(AvroReader, SaysWhereARowIsBroken) {
  auto schema = record(R"({"name":"a","type":"int"},{"name":"s","type":{"type":"record","name":"q","fields":[
                          {"name":"t","type":"string"}]}})");
  auto reader = RowReader::make(schema, schema, nullptr).value();
  struct Case {
    std::vector<uint8_t> bytes;
    std::string problem;
  };
  const std::vector<Case> cases = {
      {{2, 2, 'x', 2, 4, 'x'}, "field s.t: the row's bytes end within a value"},
      {{2, 2, 'x', 2, 1}, "field s.t: a length of -1 bytes"},
      {{2, 2, 'x', 2, 2, 0xff}, "field s.t: text that is not UTF-8"},
      {{2, 2, 'x', 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 'x'}, "field a: -34359738368 is no int"},
      {{2, 2, 'x', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, "field a: the row's bytes end"},
  };
  for (const auto& item : cases) {
    auto done = reader->read(item.bytes, 2, INT64_MAX);
    ASSERT_FALSE(done.ok());
    EXPECT_TRUE(done.error().what.starts_with(item.problem)) << done.error().what;
    EXPECT_EQ(reader->rows(), 1);  // the row before is there
    auto batch = reader->take().value();
    EXPECT_TRUE(batch->ValidateFull().ok());
    EXPECT_EQ(batch->num_rows(), 1);
  }
}

TEST(AvroReader, CountsThatTheBytesCannotHoldAreRefused) {
  const std::vector<uint8_t> bytes = {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0};
  for (const char* items : {"int", "null"}) {
    auto schema = one(fmt::format(R"({{"type":"array","items":"{}"}})", items));
    auto reader = RowReader::make(schema, schema, nullptr).value();
    auto done = reader->read(bytes, 1, INT64_MAX);
    ASSERT_FALSE(done.ok());
    EXPECT_NE(done.error().what.find("more than the row can hold"), std::string::npos) << done.error().what;
  }
}

TEST(AvroReader, BlocksWithASizeAreReadAndSkipped) {
  // "If a block's count is negative, … followed by a long block size": {-2, 2 bytes, 1, 2}, {1, 3}, end; then "x".
  const std::vector<uint8_t> bytes = {3, 4, 2, 4, 2, 6, 0, 2, 'x'};
  auto schema = record(R"({"name":"l","type":{"type":"array","items":"int"}},{"name":"s","type":"string"})");
  for (bool all : {true, false}) {
    auto wanted = arrow::schema({arrow::field("s", arrow::utf8())});
    auto reader = RowReader::make(schema, schema, all ? nullptr : wanted.get()).value();
    auto done = reader->read(bytes, 1, INT64_MAX);
    ASSERT_TRUE(done.ok()) << done.error().what;
    EXPECT_EQ(done.value(), std::ssize(bytes));
    auto batch = reader->take().value();
    EXPECT_EQ(batch->num_columns(), all ? 2 : 1);
    EXPECT_EQ(batch->GetColumnByName("s")->GetScalar(0).ValueOrDie()->ToString(), "x");
    if (!all) continue;
    auto list = arrow::json::ArrayFromJSONString(batch->column(0)->type(), "[[1,2,3]]").ValueOrDie();
    EXPECT_TRUE(batch->column(0)->Equals(list));
  }
}

TEST(AvroReader, MemoryHasALimit) {
  auto schema = one(R"({"type":"array","items":["null",{"type":"fixed","name":"f","size":65536}]})");
  std::vector<uint8_t> bytes = {0x80, 0x20};  // 2048 nulls of 64 KB
  bytes.resize(2 + 2048, 0);
  bytes.push_back(0);
  auto reader = RowReader::make(schema, schema, nullptr).value();
  reader->limit_memory(32 << 20);
  auto done = reader->read(bytes, 1, INT64_MAX);
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().what, "field v[]: the row takes too much memory");
}

TEST(AvroWriter, SlicesAndNestedSlicesAreWrittenAsTheyAre) {
  auto schema = record(R"({"name":"l","type":["null",{"type":"array","items":{"type":"record","name":"q","fields":[
                          {"name":"x","type":["null","int"]},{"name":"m","type":{"type":"map","values":"string"}}]}}]})");
  auto all = batch_of(
      schema,
      R"([{"l":[{"x":1,"m":[["a","b"]]}]},{"l":null},{"l":[{"x":null,"m":[]},{"x":3,"m":[["c","d"],["e","f"]]}]},
                                 {"l":[]}])");
  auto rest = all->Slice(1);
  auto bytes = encoded(schema, rest);
  ASSERT_TRUE(bytes.ok()) << bytes.error().what;
  auto reader = RowReader::make(schema, schema, nullptr).value();
  ASSERT_TRUE(reader->read(bytes.value().span(), 3, INT64_MAX).ok());
  auto back = reader->take().value();
  EXPECT_TRUE(back->column(0)->Equals(rest->column(0))) << back->ToString();
}

TEST(AvroWriter, DecimalsTakeAsFewBytesAsTheyNeed) {
  auto schema = one(R"({"type":"bytes","logicalType":"decimal","precision":30,"scale":1})");
  auto bytes =
      encoded(schema, batch_of(schema, R"([{"v":"0.0"},{"v":"12.7"},{"v":"12.8"},{"v":"-12.8"},{"v":"-12.9"}])"));
  ASSERT_TRUE(bytes.ok()) << bytes.error().what;
  const std::vector<uint8_t> wanted = {2, 0, 2, 0x7f, 4, 0, 0x80, 2, 0x80, 4, 0xff, 0x7f};
  auto got = bytes.value().span();
  EXPECT_EQ(std::vector<uint8_t>(got.begin(), got.end()), wanted);
}

TEST(AvroWriter, NullsThatTheSchemaForbidsAreNamed) {
  auto schema = record(R"({"name":"s","type":{"type":"record","name":"q","fields":[{"name":"x","type":"int"}]}})");
  auto nullable = arrow::schema({arrow::field("s", arrow::struct_({arrow::field("x", arrow::int32())}))});
  auto rows = arrow::json::ArrayFromJSONString(arrow::struct_(nullable->fields()), R"([{"s":{"x":1}},{"s":null}])")
                  .ValueOrDie();
  auto bytes = encoded(schema, arrow::RecordBatch::FromStructArray(rows).ValueOrDie());
  ASSERT_FALSE(bytes.ok());
  EXPECT_EQ(bytes.error().what, "row 1: column 's': NULL, which the Avro schema does not allow");
}

}  // namespace
}  // namespace sluice::avro
