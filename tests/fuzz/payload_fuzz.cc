// Whatever the bytes: each payload of JSON and Avro, with a schema's id in front or without, is one row or bad, in the
// order of the payloads, in valid batches. The first byte says how, the others are cut into payloads at each 0xfe.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <arrow/api.h>

#include "format/avro/avro_payload.h"
#include "format/json/json_payload.h"
#include "format/protobuf/wire.h"
#include "net/schema_registry.h"
#include "port/registry.h"

using namespace sluice;

namespace {

const char* const kColumns =
    "a BIGINT, b VARCHAR, c DOUBLE, d BOOLEAN, e INT[], f STRUCT(x VARCHAR, y DECIMAL(9,2)), g MAP(VARCHAR, BIGINT), "
    "h TIMESTAMPTZ, i BLOB";

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::abort();
}
template <typename T>
T must(Result<T> result) {
  if (!result.ok()) give_up(result.error().message());
  return std::move(result).value();
}

// Nothing a payload says may lead to a request.
void unframe_all(const std::vector<Payload>& payloads) {
  for (const auto& payload : payloads) {
    if (!payload) continue;
    auto framed = net::unframe(*payload);
    if (!framed) continue;
    std::string again;
    net::append_frame(framed->schema_id, again);
    if (again + std::string(framed->body) != *payload) give_up("a frame came apart differently");
    std::vector<int32_t> path;
    const auto* begin = reinterpret_cast<const uint8_t*>(framed->body.data());
    if (protobuf::get_message_path(begin, begin + framed->body.size(), &path) == nullptr) continue;
    std::string text;
    protobuf::put_message_path(path, text);
    std::vector<int32_t> read;
    const auto* at = reinterpret_cast<const uint8_t*>(text.data());
    if (protobuf::get_message_path(at, at + text.size(), &read) == nullptr || read != path) {
      give_up("message indexes came apart differently");
    }
  }
}

void decode(Context& context, const PayloadDescriptor& descriptor, const std::vector<Payload>& payloads, int how) {
  RawOptions raw = {{"columns", {kColumns, "fuzz"}}};
  if ((how & 2) != 0) raw["unknown_fields"] = {"ignore", "fuzz"};
  auto options = must(OptionValues::parse("fuzz", descriptor.options, OptionScope::source, raw));
  auto format = must(descriptor.create(options, {"t", false}));
  DecoderOptions request;
  request.schema = must(format->infer(context, payloads));
  request.collect_rejects = true;
  if ((how & 4) != 0) request.request.columns = std::vector<ColumnPath>{{"b"}, {"f", "y"}};
  auto decoder = must(format->create_decoder(context, request));
  for (int again = 0; again < 2; ++again) {
    auto decoded = must(decoder->decode(context, payloads));
    const auto status = decoded.batch->ValidateFull();
    if (!status.ok()) give_up(status.ToString());
    const auto rows = static_cast<size_t>(decoded.batch->num_rows());
    if (rows + decoded.bad.size() != payloads.size()) give_up("a payload is neither a row nor bad");
    if (!decoded.payload_of.empty() && decoded.payload_of.size() != rows) give_up("rows of nowhere");
    if (!std::is_sorted(decoded.payload_of.begin(), decoded.payload_of.end())) give_up("rows out of order");
  }
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
    const size_t end = std::min(text.find('\xfe', at), text.size());
    payloads.emplace_back(std::string_view(text).substr(at, end - at));
    at = end + 1;
  }
  if ((data[0] & 8) != 0) payloads.emplace_back(std::nullopt);
  unframe_all(payloads);
  decode(context, (data[0] & 1) != 0 ? avro_payload() : json_payload(), payloads, data[0]);
  return 0;
}
