// What a message has beside its value, as columns: _key, _timestamp, _partition, _offset, _headers and _topic.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <librdkafka/rdkafka.h>

#include <arrow/type_fwd.h>

#include "batch/schema.h"

namespace sluice::kafka {

enum class MetadataColumn { key, timestamp, partition, offset, headers, topic };

inline constexpr std::string_view kKeyColumn = "_key";              // as key_format says
inline constexpr std::string_view kTimestampColumn = "_timestamp";  // timestamp[us, UTC]; null where there is none
inline constexpr std::string_view kPartitionColumn = "_partition";  // int32
inline constexpr std::string_view kOffsetColumn = "_offset";        // int64
inline constexpr std::string_view kHeadersColumn = "_headers";      // list<struct<key: utf8, value: binary>>
inline constexpr std::string_view kTopicColumn = "_topic";          // utf8

inline constexpr std::pair<std::string_view, MetadataColumn> kMetadataColumns[] = {
    {kKeyColumn, MetadataColumn::key},
    {kTimestampColumn, MetadataColumn::timestamp},
    {kPartitionColumn, MetadataColumn::partition},
    {kOffsetColumn, MetadataColumn::offset},
    {kHeadersColumn, MetadataColumn::headers},
    {kTopicColumn, MetadataColumn::topic},
};
std::string_view name_of(MetadataColumn column);
TypePtr headers_type();
// `key_type`: of kKeyColumn.
TypePtr type_of(MetadataColumn column, const TypePtr& key_type);

// The messages of one partition that a batch was made of; row i is messages[row_of[i]], or messages[i] when `row_of` is
// empty.
struct MessageRows {
  std::span<rd_kafka_message_t* const> messages;
  std::span<const int64_t> row_of;
  std::string_view topic;

  [[nodiscard]] int64_t rows() const { return static_cast<int64_t>(row_of.empty() ? messages.size() : row_of.size()); }
  [[nodiscard]] const rd_kafka_message_t& at(int64_t row) const {
    return *messages[static_cast<size_t>(row_of.empty() ? row : row_of[static_cast<size_t>(row)])];
  }
};
// Every column but the key's, which is decoded as payloads are.
Result<std::shared_ptr<arrow::Array>> metadata_array(MetadataColumn column, const MessageRows& rows);

}  // namespace sluice::kafka
