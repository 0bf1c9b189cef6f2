// Whatever JSON comes: as Debezium envelopes it ends in change rows, bad messages or an error that is the user's; each
// row says which message it is of, and the rows can be put into envelopes again.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <arrow/api.h>

#include "connector/kafka/envelope.h"
#include "format/json/json_payload.h"
#include "port/registry.h"

using namespace sluice;

namespace {

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::abort();
}
void must_be_valid(const arrow::RecordBatch& batch) {
  const auto status = batch.ValidateFull();
  if (!status.ok()) give_up(status.ToString() + "\n" + batch.ToString());
}

Result<void> read(Context& context, const std::vector<Payload>& payloads, bool before_images) {
  const auto descriptor = json_payload();
  auto options = TRY(OptionValues::parse("fuzz", descriptor.options, OptionScope::source, {}));
  auto format = TRY(descriptor.create(options, {"t", false}));
  auto reading = TRY(kafka::read_envelope(*TRY(format->infer(context, payloads))));
  DecoderOptions request;
  request.schema = reading.message;
  request.collect_rejects = true;
  auto decoder = TRY(format->create_decoder(context, request));
  auto decoded = TRY(decoder->decode(context, payloads));
  std::vector<std::string> positions(static_cast<size_t>(decoded.batch->num_rows()), "t/0/1");
  auto rows = TRY(kafka::from_envelope(reading, *decoded.batch, positions, before_images));
  must_be_valid(*rows.rows);
  if (!rows.rows->schema()->Equals(*reading.rows)) give_up("not the schema that was said");
  if (rows.message_of.size() != static_cast<size_t>(rows.rows->num_rows())) give_up("rows of nowhere");
  std::vector<int> columns;
  for (int i = 0; i + 4 < rows.rows->num_columns(); ++i) columns.push_back(i);
  auto again = TRY(kafka::to_envelope(*rows.rows, columns, {}, WallTime()));
  must_be_valid(*again.batch);
  return {};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  static Metrics metrics;
  static Budget memory{int64_t{1} << 30};
  static Registry registry;
  Context context{{}, system_clock(), Log(), metrics, memory, registry, ""};
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::vector<Payload> payloads;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    payloads.emplace_back(std::string_view(text).substr(at, end - at));
    at = end + 1;
  }
  auto done = read(context, payloads, (data[0] & 1) != 0);
  if (!done.ok() && done.error().fault == Fault::bug) give_up(done.error().message());
  return 0;
}
