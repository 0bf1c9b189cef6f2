// Rows as Kafka's records: encoded, in order, ready to be sent.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/budget.h"
#include "port/payload.h"

namespace sluice::kafka {

// A topic that is there, and what it takes. Shared by lanes and the commit thread.
struct TargetTopic {
  std::string name;
  int32_t partitions = 0;
  int64_t message_bytes_max = 0;  // its max.message.bytes
  bool limit_is_known = true;     // else that is a guess: it may not be read
};
using TopicPtr = std::shared_ptr<const TargetTopic>;

struct Header {
  std::string name;
  std::optional<std::string> value;
};

struct Record {
  static constexpr int32_t kNone = -1;
  int32_t key = kNone;        // into Piece::keys
  int32_t value = kNone;      // into Piece::values; none: a tombstone
  int32_t headers = kNone;    // into Piece::headers
  int32_t partition = kNone;  // none: as the partitioner says
  int64_t timestamp_ms = 0;   // 0, which librdkafka takes as unset: when it is sent
};

// Records of one topic. Moved from the lane that encodes to whoever sends.
struct Piece {
  TopicPtr topic;
  EncodedPayloads keys;
  EncodedPayloads values;
  std::vector<std::vector<Header>> headers;
  std::vector<Record> records;
  Budget::Reservation memory;

  [[nodiscard]] Payload key_of(const Record& record) const { return at(keys, record.key); }
  [[nodiscard]] Payload value_of(const Record& record) const { return at(values, record.value); }
  // Of keys, values and headers, as they are sent.
  [[nodiscard]] int64_t payload_bytes(const Record& record) const;
  // Keeps the buffers.
  void clear();
  // In memory, about.
  [[nodiscard]] int64_t held_bytes() const;

 private:
  static Payload at(const EncodedPayloads& encoded, int32_t index) {
    if (index == Record::kNone) return std::nullopt;
    const auto i = static_cast<size_t>(index);
    const int64_t begin = i == 0 ? 0 : encoded.ends[i - 1];
    return std::string_view(encoded.bytes.data() + begin, static_cast<size_t>(encoded.ends[i] - begin));
  }
};
using Pieces = std::deque<Piece>;

// Appends a payload of its own.
int32_t append_payload(std::string_view bytes, EncodedPayloads& out);

}  // namespace sluice::kafka
