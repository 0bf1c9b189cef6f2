#include "connector/kafka/metadata_columns.h"

#include <algorithm>

#include <arrow/builder.h>
#include <arrow/type.h>

#include "batch/arrow_result.h"
#include "kafka/api.h"

namespace sluice::kafka {
namespace {

using Array = Result<std::shared_ptr<arrow::Array>>;

Array finish(arrow::ArrayBuilder& builder) { return to_result(builder.Finish()); }

template <typename Builder, typename ValueOf>
Array fixed(Builder builder, const MessageRows& rows, ValueOf value_of) {
  TRY(to_result(builder.Reserve(rows.rows())));
  for (int64_t i = 0; i < rows.rows(); ++i) builder.UnsafeAppend(value_of(rows.at(i)));
  return finish(builder);
}

Array timestamps(const MessageRows& rows) {
  arrow::TimestampBuilder builder(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), arrow::default_memory_pool());
  TRY(to_result(builder.Reserve(rows.rows())));
  auto* const timestamp_of = api().message_timestamp;
  for (int64_t i = 0; i < rows.rows(); ++i) {
    rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    const int64_t millis = timestamp_of(&rows.at(i), &type);
    constexpr int64_t kMost = INT64_MAX / 1000;
    if (type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE || millis < 0 || millis > kMost) {
      builder.UnsafeAppendNull();
    } else {
      builder.UnsafeAppend(millis * 1000);
    }
  }
  return finish(builder);
}

Array headers(const MessageRows& rows) {
  auto keys = std::make_shared<arrow::StringBuilder>();
  auto values = std::make_shared<arrow::BinaryBuilder>();
  const auto type = std::static_pointer_cast<arrow::ListType>(headers_type());
  auto pairs = std::make_shared<arrow::StructBuilder>(type->value_type(), arrow::default_memory_pool(),
                                                      std::vector<std::shared_ptr<arrow::ArrayBuilder>>{keys, values});
  arrow::ListBuilder builder(arrow::default_memory_pool(), pairs, type);
  TRY(to_result(builder.Reserve(rows.rows())));
  for (int64_t i = 0; i < rows.rows(); ++i) {
    TRY(to_result(builder.Append()));
    rd_kafka_headers_t* list = nullptr;
    if (api().message_headers(&rows.at(i), &list) != RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    const char* name = nullptr;
    const void* value = nullptr;
    size_t size = 0;
    for (size_t at = 0; api().header_get_all(list, at, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++at) {
      TRY(to_result(pairs->Append()));
      TRY(to_result(keys->Append(name)));
      TRY(to_result(value == nullptr ? values->AppendNull()
                                     : values->Append(static_cast<const uint8_t*>(value), static_cast<int32_t>(size))));
    }
  }
  return finish(builder);
}

Array topics(const MessageRows& rows) {
  arrow::StringBuilder builder;
  TRY(to_result(builder.Reserve(rows.rows())));
  TRY(to_result(builder.ReserveData(rows.rows() * static_cast<int64_t>(rows.topic.size()))));
  for (int64_t i = 0; i < rows.rows(); ++i) builder.UnsafeAppend(rows.topic);
  return finish(builder);
}

}  // namespace

std::string_view name_of(MetadataColumn column) {
  const auto* found = std::find_if(std::begin(kMetadataColumns), std::end(kMetadataColumns),
                                   [&](const auto& one) { return one.second == column; });
  return found->first;
}

TypePtr headers_type() {
  return arrow::list(
      arrow::struct_({arrow::field("key", arrow::utf8(), false), arrow::field("value", arrow::binary())}));
}

TypePtr type_of(MetadataColumn column, const TypePtr& key_type) {
  switch (column) {
    case MetadataColumn::key:
      return key_type;
    case MetadataColumn::timestamp:
      return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    case MetadataColumn::partition:
      return arrow::int32();
    case MetadataColumn::offset:
      return arrow::int64();
    case MetadataColumn::headers:
      return headers_type();
    case MetadataColumn::topic:
      return arrow::utf8();
  }
  return nullptr;
}

Result<std::shared_ptr<arrow::Array>> metadata_array(MetadataColumn column, const MessageRows& rows) {
  switch (column) {
    case MetadataColumn::timestamp:
      return timestamps(rows);
    case MetadataColumn::partition:
      return fixed(arrow::Int32Builder(), rows, [](const auto& message) { return message.partition; });
    case MetadataColumn::offset:
      return fixed(arrow::Int64Builder(), rows, [](const auto& message) { return message.offset; });
    case MetadataColumn::headers:
      return headers(rows);
    case MetadataColumn::topic:
      return topics(rows);
    case MetadataColumn::key:
      break;
  }
  return bug("keys are decoded by their payload format");
}

}  // namespace sluice::kafka
