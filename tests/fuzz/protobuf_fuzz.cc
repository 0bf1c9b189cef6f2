// Whatever the bytes: messages of a schema that has everything in it are rows of valid batches or bad, and nothing of a
// bad one stays. What was read can be written and read again. Schemas end well or in the user's error.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <arrow/api.h>

#include "batch/arrow_result.h"
#include "format/protobuf/arrow_schema.h"
#include "format/protobuf/reader.h"
#include "format/protobuf/wire.h"
#include "format/protobuf/writer.h"

using namespace sluice;

namespace {

const char* const kSchema = R"(syntax = "proto3";
import "google/protobuf/timestamp.proto"; import "google/protobuf/duration.proto";
import "google/protobuf/wrappers.proto"; import "google/protobuf/struct.proto";
message All {
  enum Color { RED = 0; BLUE = 3; }
  message Item { optional string sku = 1; optional int32 count = 2; repeated sint64 packed = 3; }
  optional int32 a = 1; optional sint64 b = 2; optional fixed32 c = 3; optional double d = 4; optional bool e = 5;
  optional string f = 6; optional bytes g = 7; optional Color h = 8;
  repeated Item items = 9; map<string, Item> by_sku = 10; map<int32, string> names = 11;
  oneof either { string left = 12; Item right = 13; }
  google.protobuf.Timestamp at = 14; google.protobuf.Duration took = 15; google.protobuf.Int64Value maybe = 16;
  repeated float loose = 17 [packed = false]; optional uint64 big = 2000;
  google.protobuf.Struct extra = 18;
})";

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::abort();
}
template <typename T>
T must(Result<T> result) {
  if (!result.ok()) give_up(result.error().message());
  return std::move(result).value();
}

ByteSpan bytes_of(const std::string& text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

// All its columns but `extra`, which cannot be written.
void write_again(const protobuf::SchemaRef& schema, const protobuf::Message& message, const BatchPtr& batch) {
  const auto rows = must(to_result(batch->RemoveColumn(batch->schema()->GetFieldIndex("extra"))));
  auto writer = must(protobuf::MessageWriter::make(schema, message, *rows->schema()));
  auto reader = must(protobuf::MessageReader::make(schema, message, rows->schema().get()));
  auto bound = writer->bind(rows);
  if (!bound.ok()) give_up(bound.error().message());
  for (int64_t i = 0; i < rows->num_rows(); ++i) {
    std::string text;
    auto written = writer->write(i, text);
    if (!written.ok()) give_up(written.error().message());
    if (!reader->read(bytes_of(text))) give_up(reader->problem());
  }
  const auto back = must(reader->take());
  if (!back->Equals(*rows, false, arrow::EqualOptions::Defaults().nans_equal(true))) {
    give_up("written " + rows->ToString() + "\nread " + back->ToString());
  }
}

void decode(const std::string& text) {
  static const auto schema = must(protobuf::Schema::parse({"fuzz.proto", kSchema}, {}));
  static const auto* message = must(schema->message("All"));
  auto reader = must(protobuf::MessageReader::make(schema, *message, nullptr));
  int64_t rows = 0;
  // Twice, with a good one behind each: what a bad message left would show there.
  for (int i = 0; i < 2; ++i) {
    rows += reader->read(bytes_of(text)) ? 1 : 0;
    if (!reader->read({})) give_up(reader->problem());
    ++rows;
  }
  const auto batch = must(reader->take());
  if (batch->num_rows() != rows) give_up("rows were lost");
  const auto status = batch->ValidateFull();
  if (!status.ok()) give_up(status.ToString());
  write_again(schema, *message, batch);
}

void parse(const std::string& text) {
  auto schema = protobuf::Schema::parse({"a.proto", text}, {});
  if (!schema.ok()) {
    if (schema.error().fault == Fault::bug) give_up(schema.error().message());
    return;
  }
  auto message = schema.value()->message("");
  if (!message.ok()) return;
  auto columns = protobuf::to_arrow(*message.value());
  if (!columns.ok() || columns.value()->num_fields() > 100) return;
  auto again = protobuf::from_arrow(*columns.value(), "Again", message.value());
  if (again.ok()) must(protobuf::Schema::parse({"b.proto", again.value()}, {}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 'P') {
    parse(text);
  } else {
    decode(text);
  }
  return 0;
}
