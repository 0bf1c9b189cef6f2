#include "connector/null/null_connector.h"

#include <arrow/api.h>

#include "port/conformance/expect.h"
#include "port/conformance/test_context.h"

namespace sluice::conformance {
namespace {

TEST(NullTest, RowsAreCountedAndKeptByNobody) {
  Registry registry;
  registry.add(null_connector());
  TestContext context;
  ConnectorRequest request;
  request.location.scheme = "null";
  auto sink = value_of(registry.create_sink(request));
  EXPECT_EQ(sink->traits().decision, Decision::none);
  auto writer = value_of(sink->create_writer(context, {}));
  arrow::Int64Builder builder;
  ASSERT_TRUE(builder.AppendValues({1, 2, 3}).ok());
  Rows rows;
  rows.batch = arrow::RecordBatch::Make(arrow::schema({arrow::field("n", arrow::int64())}), 3, {*builder.Finish()});
  value_of(writer->write(context, rows));
  value_of(writer->write(context, rows));
  auto prepared = value_of(writer->prepare(context, 1));
  ASSERT_EQ(prepared.size(), 1U);
  EXPECT_EQ(prepared[0].rows, 6);
  EXPECT_TRUE(value_of(writer->prepare(context, 2)).empty());
}

TEST(NullTest, OptionsAreRefusedByName) {
  Registry registry;
  registry.add(null_connector());
  ConnectorRequest request;
  request.location.scheme = "null";
  request.options["table"] = {"t", "x.sql:1:1"};
  expect_error(registry.create_sink(request), Fault::user, "table");
}

}  // namespace
}  // namespace sluice::conformance
