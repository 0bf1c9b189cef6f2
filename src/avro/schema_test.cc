#include "avro/schema.h"

#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>
#include <gtest/gtest.h>

#include "avro/arrow_schema.h"

namespace sluice::avro {
namespace {

SchemaRef parsed(const std::string& json) {
  auto schema = Schema::parse(json);
  EXPECT_TRUE(schema.ok()) << schema.error().what;
  return schema.ok() ? schema.value() : nullptr;
}
std::string refusal(const std::string& json) {
  auto schema = Schema::parse(json);
  EXPECT_FALSE(schema.ok());
  return schema.ok() ? "" : schema.error().what;
}
std::string fields(const std::string& fields) { return R"({"type":"record","name":"a.r","fields":[)" + fields + "]}"; }

TEST(AvroSchema, NamesAreResolvedInTheirNamespace) {
  auto schema = parsed(fields(R"({"name":"x","type":{"type":"fixed","name":"f","size":2}},
                                 {"name":"y","type":"f"},{"name":"z","type":"a.f"})"));
  const auto& root = schema->root();
  EXPECT_EQ(root.fields[0].type->name, "a.f");
  EXPECT_EQ(root.fields[1].type, root.fields[0].type);
  EXPECT_EQ(root.fields[2].type, root.fields[0].type);
}

TEST(AvroSchema, UnknownAndMisplacedLogicalTypesAreIgnored) {
  auto schema = parsed(fields(R"({"name":"x","type":{"type":"long","logicalType":"epoch"}},
                                 {"name":"y","type":{"type":"string","logicalType":"date"}},
                                 {"name":"z","type":{"type":"bytes","logicalType":"decimal","precision":2,"scale":3}})"));
  for (const auto& field : schema->root().fields) EXPECT_EQ(field.type->logical, Logical::none) << field.name;
}

TEST(AvroSchema, WhatIsWrongIsNamed) {
  EXPECT_EQ(refusal("{"), "the schema is not JSON");
  EXPECT_EQ(refusal(R"("nothing")"), "unknown type \"nothing\"");
  EXPECT_EQ(refusal(fields(R"({"name":"x","type":"b"})")), "field \"x\": unknown type \"b\"");
  EXPECT_EQ(refusal(fields(R"({"name":"x","type":"int"},{"name":"x","type":"int"})")),
            "record a.r has two fields \"x\"");
  EXPECT_EQ(refusal(R"(["int",["null","string"]])"), "a union directly inside a union");
  EXPECT_EQ(refusal(R"(["int","int"])"), "a union with two branches of type int");
  EXPECT_EQ(refusal(R"({"type":"fixed","name":"f","size":-1})"), "fixed f without a \"size\" from 0 to 1048576");
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += R"({"type":"array","items":)";
  EXPECT_EQ(refusal(deep + "\"int\"" + std::string(100, '}')), "types nested deeper than 64 levels");
}

TEST(AvroSchema, RecursiveTypesAreParsedButAreNoTable) {
  auto schema = parsed(R"({"type":"record","name":"Node","fields":[{"name":"next","type":["null","Node"]}]})");
  auto arrow = to_arrow(*schema);
  ASSERT_FALSE(arrow.ok());
  EXPECT_EQ(arrow.error().what,
            "field \"next\": record Node holds itself, which no table can; leave that field out with a reader schema "
            "(schema_file)");
}

TEST(AvroSchema, ASmallSchemaCannotDescribeEndlesslyManyColumns) {
  std::string json = R"({"name":"f0","type":{"type":"record","name":"r0","fields":[{"name":"x","type":"int"}]}})";
  for (int i = 1; i < 40; ++i) {
    json += fmt::format(
        R"(,{{"name":"f{0}","type":{{"type":"record","name":"r{0}","fields":[{{"name":"a","type":"r{1}"}},{{"name":"b","type":"r{1}"}}]}}}})",
        i, i - 1);
  }
  auto arrow = to_arrow(*parsed(fields(json)));
  ASSERT_FALSE(arrow.ok());
  EXPECT_NE(arrow.error().what.find("more than 50000 columns"), std::string::npos);
}

TEST(AvroSchema, DecimalsBeyondArrowsAreRefused) {
  auto schema =
      parsed(fields(R"({"name":"x","type":{"type":"bytes","logicalType":"decimal","precision":80,"scale":2}})"));
  auto arrow = to_arrow(*schema);
  ASSERT_FALSE(arrow.ok());
  EXPECT_NE(arrow.error().what.find("decimal(80,2) has more than 76 digits"), std::string::npos);
}

TEST(AvroSchema, ArrowSchemasGoThroughAvroAndBack) {
  auto with_id = [](const std::shared_ptr<arrow::Field>& field, int id) {
    return field->WithMetadata(arrow::key_value_metadata({kFieldId}, {std::to_string(id)}));
  };
  auto inner = arrow::struct_({with_id(arrow::field("x", arrow::int32(), false), 4)});
  auto schema = arrow::schema({
      with_id(arrow::field("id", arrow::int64(), false), 1),
      with_id(arrow::field("a b", arrow::list(with_id(arrow::field("item", inner), 3))), 2),
      arrow::field("m", arrow::map(arrow::utf8(), arrow::decimal128(20, 3))),
      arrow::field("im", arrow::map(arrow::int64(), arrow::utf8())),
      arrow::field("when", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
      arrow::field("here", arrow::timestamp(arrow::TimeUnit::NANO)),
      arrow::field("big", arrow::decimal256(76, 6)),
      arrow::field("raw", arrow::fixed_size_binary(5)),
      arrow::field("nothing", arrow::null()),
  });
  auto made = from_arrow(*schema, "row");
  ASSERT_TRUE(made.ok()) << made.error().what;
  auto back = to_arrow(*parsed(made.value()->json()));
  ASSERT_TRUE(back.ok()) << back.error().what;
  EXPECT_TRUE(back.value()->Equals(*schema, /*check_metadata=*/true)) << back.value()->ToString(true);
}

TEST(AvroSchema, StructsOfOneNameGetDifferentRecords) {
  auto a = arrow::field("b_c", arrow::struct_({arrow::field("x", arrow::int32())}));
  auto b = arrow::field("b", arrow::struct_({arrow::field("c", arrow::struct_({arrow::field("y", arrow::int32())}))}));
  auto made = from_arrow(*arrow::schema({a, b}), "r");
  ASSERT_TRUE(made.ok()) << made.error().what;
  parsed(made.value()->json());
}

TEST(AvroSchema, TypesThatAvroLacksAreRefusedWithAdvice) {
  auto made = from_arrow(*arrow::schema({arrow::field("d", arrow::duration(arrow::TimeUnit::MICRO))}), "r");
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().what, "column 'd': Avro cannot hold INTERVAL; cast it to text or a number");
}

}  // namespace
}  // namespace sluice::avro
