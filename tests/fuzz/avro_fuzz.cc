// Whatever the bytes: schemas, files and rows end in batches that are valid or in an error that is the user's, and what
// was read can be written and read again.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <arrow/api.h>
#include <arrow/io/api.h>

#include "avro/container.h"
#include "avro/reader.h"

using namespace sluice;

namespace {

constexpr int64_t kMemory = 64 << 20;
constexpr int64_t kRowsMax = 20'000;

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::abort();
}

void must_be_valid(const BatchPtr& batch) {
  const auto status = batch->ValidateFull();
  if (!status.ok()) give_up(status.ToString() + "\n" + batch->ToString());
}

Result<BatchPtr> read_back(const avro::SchemaRef& schema, const avro::Bytes& bytes, int64_t rows) {
  auto reader = TRY(avro::RowReader::make(schema, schema, nullptr));
  TRY(reader->read(bytes.span(), rows, INT64_MAX));
  if (reader->rows() != rows) std::abort();
  return reader->take();
}

// Durations and the like are only kept by the file's own schema.
Result<void> write_again(const avro::SchemaRef& schema, const BatchPtr& batch) {
  if (schema->root().kind != avro::Kind::record) return {};
  auto writer = TRY(avro::RowWriter::make(schema, *batch->schema()));
  TRY(writer->bind(batch));
  avro::Bytes bytes;
  if (TRY(writer->write(0, INT64_MAX, bytes)) != batch->num_rows()) std::abort();
  auto back = read_back(schema, bytes, batch->num_rows());
  if (!back.ok()) give_up(back.error().what);
  must_be_valid(back.value());
  if (!back.value()->Equals(*batch, false, arrow::EqualOptions::Defaults().nans_equal(true))) {
    give_up("written " + batch->ToString() + "\nread " + back.value()->ToString());
  }
  return {};
}

Result<void> read_rows(avro::RowReader& reader, const avro::SchemaRef& schema, ByteSpan payload, int64_t rows,
                       bool whole) {
  while (rows > 0) {
    auto read = reader.read(payload, rows, 1 << 20);
    rows -= reader.rows();
    auto batch = TRY(reader.take());
    must_be_valid(batch);
    if (whole) TRY(write_again(schema, batch));
    payload = payload.subspan(static_cast<size_t>(TRY(std::move(read))));
  }
  return {};
}

// Another schema than the file's own: wider and other types, and a field more, so that resolving has something to do.
Result<avro::SchemaRef> another(const avro::Schema& schema) {
  std::string json(schema.json());
  auto replace = [&](std::string_view from, std::string_view to) {
    for (size_t at = 0; (at = json.find(from, at)) != std::string::npos; at += to.size()) {
      json.replace(at, from.size(), to);
    }
  };
  replace("\"float\"", "\"double\"");
  replace("\"long\"", "\"float\"");
  replace("\"int\"", "\"long\"");
  replace("\"bytes\"", "\"string\"");
  replace("\"fields\":[{", R"("fields":[{"name":"more","type":["null","long"],"default":null},{)");
  return avro::Schema::parse(json);
}

Result<void> decode(const std::string& text, bool first_column_only, bool as_another) {
  auto file = TRY(avro::ContainerReader::open(
      "fuzz", std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(text)), 64));
  const auto& schema = file->schema();
  TRY(avro::Schema::parse(schema->json()));
  const auto wanted_schema = as_another ? TRY(another(*schema)) : schema;
  auto all = TRY(avro::to_arrow(*wanted_schema));
  SchemaPtr wanted = all;
  if (first_column_only && all->num_fields() > 1) wanted = arrow::schema({all->field(0)});
  auto reader = TRY(avro::RowReader::make(schema, wanted_schema, wanted.get()));
  reader->limit_memory(kMemory);
  while (TRY(file->next())) {
    const auto payload = TRY(file->payload());
    const int64_t rows = std::min(file->block().rows, kRowsMax);
    TRY(read_rows(*reader, wanted_schema, payload, rows, wanted == all));
  }
  return {};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  auto done =
      decode(std::string(reinterpret_cast<const char*>(data) + 1, size - 1), (data[0] & 1) != 0, (data[0] & 2) != 0);
  if (!done.ok() && done.error().fault == Fault::bug) std::abort();
  return 0;
}
