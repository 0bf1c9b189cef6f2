#include "format/avro/schema_file.h"

#include <fstream>
#include <iterator>

namespace sluice::avro_format_detail {

Result<avro::SchemaRef> read_schema_file(const OptionValues& options) {
  if (!options.has("schema_file") || options.text("schema_file").empty()) return avro::SchemaRef();
  const auto& path = options.text("schema_file");
  std::ifstream in(path, std::ios::binary);
  std::string json{std::istreambuf_iterator<char>(in), {}};
  if (!in.good() && json.empty()) {
    return user_error("{}: the schema file '{}' cannot be read", options.where("schema_file"), path);
  }
  auto schema = avro::Schema::parse(json);
  if (!schema.ok()) return user_error("{}: {}: {}", options.where("schema_file"), path, schema.error().what);
  if (schema.value()->root().kind != avro::Kind::record) {
    return user_error("{}: {}: the schema is no record", options.where("schema_file"), path);
  }
  return schema.value();
}

}  // namespace sluice::avro_format_detail
