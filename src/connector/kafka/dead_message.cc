#include "connector/kafka/dead_message.h"

#include <string_view>

#include <arrow/util/base64.h>
#include <fmt/format.h>

#include "base/json_string.h"
#include "batch/utf8.h"
#include "kafka/api.h"

namespace sluice::kafka {
namespace {

std::string_view bytes_at(const void* data, size_t size) { return {static_cast<const char*>(data), size}; }

void append_bytes(const void* data, size_t size, std::string& out) {
  const auto bytes = bytes_at(data, size);
  if (data == nullptr) {
    out += "null";
  } else if (is_utf8(bytes)) {
    append_json_string(bytes, out);
  } else {
    out += R"({"base64":)";
    append_json_string(arrow::util::base64_encode(bytes), out);
    out += '}';
  }
}

void append_headers(const rd_kafka_message_t& message, std::string& out) {
  rd_kafka_headers_t* list = nullptr;
  if (api().message_headers(&message, &list) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
  const char* name = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  for (size_t at = 0; api().header_get_all(list, at, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++at) {
    out += at == 0 ? R"({"key":)" : R"(,{"key":)";
    append_bytes(name, std::string_view(name).size(), out);
    out += R"(,"value":)";
    append_bytes(value, size, out);
    out += '}';
  }
}

}  // namespace

std::string dead_payload(const rd_kafka_message_t& message) {
  return as_utf8(bytes_at(message.payload, message.payload == nullptr ? 0 : message.len));
}

std::string dead_message(const rd_kafka_message_t& message) {
  std::string out = R"({"key":)";
  append_bytes(message.key, message.key_len, out);
  out += R"(,"headers":[)";
  append_headers(message, out);
  out += ']';
  rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  const int64_t time = api().message_timestamp(&message, &type);
  if (type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE) out += fmt::format(R"(,"timestamp":{})", time);
  // A tombstone is no empty text.
  const bool whole = message.payload != nullptr && is_utf8(bytes_at(message.payload, message.len));
  if (!whole) {
    out += R"(,"value":)";
    append_bytes(message.payload, message.len, out);
  }
  out += '}';
  return out;
}

}  // namespace sluice::kafka
