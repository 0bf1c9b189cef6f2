#include "port/payload_groups.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

BatchPtr numbers(const TypePtr& type, const std::vector<int64_t>& values) {
  arrow::Int64Builder builder;
  EXPECT_TRUE(builder.AppendValues(values).ok());
  std::shared_ptr<arrow::Array> array = *builder.Finish();
  auto batch = arrow::RecordBatch::Make(arrow::schema({arrow::field("n", arrow::int64())}),
                                        static_cast<int64_t>(values.size()), {array});
  return type->id() == arrow::Type::INT64 ? batch : conform(batch, arrow::schema({arrow::field("n", type)})).value();
}

std::string shown(const arrow::RecordBatch& batch) {
  EXPECT_TRUE(batch.ValidateFull().ok());
  std::string out;
  for (int64_t i = 0; i < batch.num_rows(); ++i) out += batch.column(0)->GetScalar(i).ValueOrDie()->ToString() + " ";
  return out;
}

const SchemaPtr kPlanned = arrow::schema({arrow::field("n", arrow::int32())});

TEST(PayloadGroups, PartsComeTogetherInTheOrderOfThePayloads) {
  PayloadGroups groups(kPlanned, 6, true);
  ASSERT_TRUE(groups.add_rows(numbers(arrow::int64(), {10, 14}), {0, 4}).ok());
  groups.add_absent(2);
  ASSERT_TRUE(groups.add_bad(5, "late").ok());
  ASSERT_TRUE(groups.add_rows(numbers(arrow::int8(), {11}), {1}).ok());
  ASSERT_TRUE(groups.add_bad(3, "early", true).ok());
  auto out = groups.finish().value();
  EXPECT_EQ(shown(*out.batch), "10 11 null 14 ");
  EXPECT_TRUE(out.batch->schema()->Equals(*kPlanned));
  EXPECT_EQ(out.payload_of, (std::vector<int64_t>{0, 1, 2, 4}));
  ASSERT_EQ(out.bad.size(), 2U);
  EXPECT_EQ(out.bad[0].reason, "early");
  EXPECT_TRUE(out.bad[0].unknown_field);
  EXPECT_EQ(out.bad[1].index, 5);
}

TEST(PayloadGroups, WhereEachPayloadIsARowNobodyIsTold) {
  PayloadGroups groups(kPlanned, 2, true);
  ASSERT_TRUE(groups.add_rows(numbers(arrow::int64(), {2}), {1}).ok());
  groups.add_absent(0);
  auto out = groups.finish().value();
  EXPECT_EQ(shown(*out.batch), "null 2 ");
  EXPECT_TRUE(out.payload_of.empty());
}

TEST(PayloadGroups, OfRowsThatDoNotFitOnlyTheseAreBad) {
  PayloadGroups groups(kPlanned, 3, true);
  ASSERT_TRUE(groups.add_rows(numbers(arrow::int64(), {1, int64_t{1} << 40, 3}), {0, 1, 2}).ok());
  auto out = groups.finish().value();
  EXPECT_EQ(shown(*out.batch), "1 3 ");
  EXPECT_EQ(out.payload_of, (std::vector<int64_t>{0, 2}));
  ASSERT_EQ(out.bad.size(), 1U);
  EXPECT_EQ(out.bad[0].index, 1);
  PayloadGroups strict(kPlanned, 1, false);
  auto added = strict.add_rows(numbers(arrow::int64(), {int64_t{1} << 40}), {0});
  ASSERT_FALSE(added.ok());
  EXPECT_EQ(added.error().what.substr(0, 11), "message 1: ");
}

TEST(PayloadGroups, WithoutColumnsRowsAreCounted) {
  auto none = arrow::schema(arrow::FieldVector{});
  PayloadGroups groups(none, 3, true);
  ASSERT_TRUE(groups.add_rows(arrow::RecordBatch::Make(none, 2, arrow::ArrayVector{}), {1, 2}).ok());
  groups.add_absent(0);
  EXPECT_EQ(groups.finish().value().batch->num_rows(), 3);
  PayloadGroups empty(kPlanned, 0, true);
  EXPECT_EQ(empty.finish().value().batch->num_rows(), 0);
}

}  // namespace
}  // namespace sluice
