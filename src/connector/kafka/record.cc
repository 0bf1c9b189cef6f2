#include "connector/kafka/record.h"

namespace sluice::kafka {

int64_t Piece::payload_bytes(const Record& record) const {
  // org.apache.kafka.common.record.DefaultRecord: at most 21 bytes around a record, a varint before each header's
  // parts.
  constexpr int64_t kAroundRecord = 21;
  constexpr int64_t kAroundHeader = 10;
  int64_t bytes = kAroundRecord;
  if (auto key = key_of(record); key.has_value()) bytes += static_cast<int64_t>(key->size());
  if (auto value = value_of(record); value.has_value()) bytes += static_cast<int64_t>(value->size());
  if (record.headers == Record::kNone) return bytes;
  for (const auto& header : headers[static_cast<size_t>(record.headers)]) {
    bytes += kAroundHeader + static_cast<int64_t>(header.name.size() + header.value.value_or("").size());
  }
  return bytes;
}

void Piece::clear() {
  for (EncodedPayloads* payloads : {&keys, &values}) {
    payloads->bytes.clear();
    payloads->ends.clear();
    payloads->absent.clear();
  }
  headers.clear();
  records.clear();
  memory = {};
}

int64_t Piece::held_bytes() const {
  size_t bytes = keys.bytes.capacity() + values.bytes.capacity() +
                 (keys.ends.capacity() + values.ends.capacity()) * sizeof(int64_t) +
                 records.capacity() * sizeof(Record);
  for (const auto& list : headers) {
    for (const auto& header : list) bytes += sizeof(Header) + header.name.size() + header.value.value_or("").size();
  }
  return static_cast<int64_t>(bytes);
}

int32_t append_payload(std::string_view bytes, EncodedPayloads& out) {
  out.bytes += bytes;
  out.ends.push_back(static_cast<int64_t>(out.bytes.size()));
  return static_cast<int32_t>(out.ends.size() - 1);
}

}  // namespace sluice::kafka
