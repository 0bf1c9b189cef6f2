// Every payload format of the registry passes the battery of its kind: a new one is tested by being listed.
#include <arrow/json/from_string.h>

#include <fstream>
#include <map>

#include "app/components.h"
#include "port/conformance/payload_battery.h"

namespace sluice::conformance {
namespace {

BatchPtr batch_of(const arrow::FieldVector& fields, const std::string& json) {
  return arrow::RecordBatch::FromStructArray(
             arrow::json::ArrayFromJSONString(arrow::struct_(fields), json).ValueOrDie())
      .ValueOrDie();
}

// What messages of several columns carry.
BatchPtr orders() {
  return batch_of({arrow::field("id", arrow::int64()), arrow::field("note", arrow::utf8()),
                   arrow::field("price", arrow::float64())},
                  R"([{"id": 1, "note": "ü \"x\"\n", "price": 1.5},
                      {"id": 9007199254740993, "note": null, "price": -0.25},
                      {"id": -3, "note": "", "price": 1e300}])");
}

GivenOptions columns_of_orders(const ScratchFolder&) { return {{"columns", "id BIGINT, note VARCHAR, price DOUBLE"}}; }

GivenOptions proto_of_orders(const ScratchFolder& folder) {
  std::ofstream(folder.file("order.proto")) << R"(syntax = "proto3";
message Order { optional int64 id = 1; optional string note = 2; optional double price = 3; })";
  return {{"schema_file", folder.file("order.proto")}};
}

// What each can hold, and what is none of its messages.
PayloadCase case_of(const PayloadDescriptor& descriptor) {
  PayloadCase item{std::string(descriptor.name), descriptor, nullptr};
  if (descriptor.name == "json") {
    item.rows = orders();
    item.bad = {R"({"id": )", "[1]", ""};
  } else if (descriptor.name == "avro") {
    item.rows = orders();
    item.options = columns_of_orders;
    item.bad = {"\x02", std::string(40, '\xff')};
  } else if (descriptor.name == "protobuf") {
    item.rows = orders();
    item.options = proto_of_orders;
    item.bad = {"\x12\x05six", std::string(12, '\xff')};
  } else if (descriptor.name == "text") {
    item.rows =
        batch_of({arrow::field("value", arrow::utf8())}, R"([{"value": "a"}, {"value": ""}, {"value": "ü\n"}])");
    item.bad = {"\xff"};
  } else if (descriptor.name == "raw") {
    item.rows =
        batch_of({arrow::field("value", arrow::binary())}, R"([{"value": "a"}, {"value": ""}, {"value": "\u0000ü"}])");
  }
  return item;
}

std::vector<PayloadCase> all_payloads() {
  std::vector<PayloadCase> cases;
  const Registry registry = all_components();
  for (const auto& payload : registry.payloads()) cases.push_back(case_of(payload));
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Registry, PayloadBattery, testing::ValuesIn(all_payloads()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sluice::conformance
