// Batches from JSON and back, by the json format.
#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "api/runtime.h"
#include "batch/arrow_result.h"
#include "sluice/batch.h"

namespace sluice {
namespace {

Result<std::unique_ptr<Format>> json_format_of(api::Runtime& runtime) {
  const auto* descriptor = TRY(runtime.registry().format("json"));
  return descriptor->create(TRY(OptionValues::parse("json", descriptor->options, OptionScope::both, {})));
}

Input input_of(const std::shared_ptr<arrow::Buffer>& text) {
  Input input;
  input.name = "events";
  input.stream = std::make_shared<arrow::io::BufferReader>(text);
  return input;
}

}  // namespace

Result<BatchPtr> batch_from_json(std::span<const std::string> objects, const SchemaPtr& given) {
  std::string lines;
  for (const auto& object : objects) {
    // A record ends at its line feed; inside of strings JSON has none.
    for (char c : object) lines += c == '\n' || c == '\r' ? ' ' : c;
    lines += '\n';
  }
  auto text = arrow::Buffer::FromString(std::move(lines));
  api::Runtime runtime;
  auto context = runtime.context();
  auto format = TRY(json_format_of(runtime));
  DecoderOptions options;
  options.schema = given != nullptr ? given : TRY(format->infer(context, input_of(text)));
  options.request.batch_rows = static_cast<int64_t>(objects.size()) + 1;
  options.request.batch_bytes = INT64_MAX;
  auto decoder = TRY(format->create_decoder(context, options));
  TRY(decoder->open(context, input_of(text)));
  std::vector<BatchPtr> batches;
  for (bool at_end = false; !at_end;) {
    auto step = TRY(decoder->step(context));
    at_end = step.at_end;
    if (!step.full && !at_end) continue;
    if (auto rows = TRY(decoder->take(nullptr)); rows != nullptr) batches.push_back(std::move(rows));
  }
  if (batches.empty()) return to_result(arrow::RecordBatch::MakeEmpty(options.schema));
  return to_result(arrow::ConcatenateRecordBatches(batches));
}

Result<std::string> batch_to_json(const BatchPtr& batch) {
  api::Runtime runtime;
  auto context = runtime.context();
  auto format = TRY(json_format_of(runtime));
  auto out = TRY(to_result(arrow::io::BufferOutputStream::Create()));
  auto encoder = TRY(format->create_encoder(context, batch->schema(), out));
  TRY(encoder->write(*batch));
  TRY(encoder->finish());
  return TRY(to_result(out->Finish()))->ToString();
}

}  // namespace sluice
