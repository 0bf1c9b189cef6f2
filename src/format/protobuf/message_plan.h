// How a MessageReader reads one message type. Inside src/format/protobuf only.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "batch/raw_column.h"
#include "format/protobuf/schema.h"

namespace sluice::protobuf {

struct MessagePlan;

struct FieldPlan {
  const Field* field = nullptr;
  std::string path;                      // "user.city"
  bool wanted = false;                   // else it is skipped
  bool never_null = false;               // the value of a map: an absent message is an empty one
  RawColumn* out = nullptr;              // the list or map where it is repeated
  std::unique_ptr<MessagePlan> message;  // of structs, wrappers, moments and entries of maps

  // What the message at hand holds.
  bool seen = false;
  uint64_t bits = 0;              // of a number
  ByteSpan span;                  // of text, bytes and messages
  std::vector<ByteSpan> entries;  // of a map
};

struct MessagePlan {
  std::vector<FieldPlan> fields;
  std::vector<int32_t> by_number;            // small numbers: the field's index, -1: unknown
  std::map<int32_t, int32_t> large_numbers;  // the others

  [[nodiscard]] int32_t index_of(uint32_t number) const {
    if (number < by_number.size()) return by_number[number];
    auto found = large_numbers.find(static_cast<int32_t>(number));
    return found == large_numbers.end() ? -1 : found->second;
  }

  // A message whose fields go to the columns of their names; those without one are skipped.
  static std::unique_ptr<MessagePlan> of_columns(const Message& message, const arrow::Schema& schema,
                                                 const std::vector<std::unique_ptr<RawColumn>>& columns);
};

}  // namespace sluice::protobuf
