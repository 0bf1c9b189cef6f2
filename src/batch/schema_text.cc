#include "batch/schema_text.h"

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/api.h>
#include <arrow/util/base64.h>

#include "batch/arrow_result.h"

namespace sluice {

Result<std::string> schema_to_text(const arrow::Schema& schema) {
  auto bytes = TRY(to_result(arrow::ipc::SerializeSchema(schema)));
  return arrow::util::base64_encode(bytes->ToString());
}

Result<SchemaPtr> schema_from_text(const std::string& text) {
  auto bytes = TRY(to_result(arrow::util::base64_decode(text)));
  arrow::io::BufferReader reader(arrow::Buffer::FromString(std::move(bytes)));
  arrow::ipc::DictionaryMemo dictionaries;
  auto schema = arrow::ipc::ReadSchema(&reader, &dictionaries);
  if (schema.ok()) return *schema;
  return refused("a recorded schema cannot be read: {}", schema.status().message());
}

}  // namespace sluice
