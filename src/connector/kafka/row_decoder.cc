#include <algorithm>
#include <numeric>

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "batch/arrow_result.h"
#include "connector/kafka/dead_message.h"
#include "connector/kafka/row_format.h"

namespace sluice::kafka {
namespace {

std::string_view bytes_of(const void* data, size_t size) { return {static_cast<const char*>(data), size}; }

Payload value_of(const rd_kafka_message_t& message) {
  if (message.payload == nullptr) return std::nullopt;
  return bytes_of(message.payload, message.len);
}

// rd_kafka hands out an empty key and none alike but for the pointer.
Payload key_of(const rd_kafka_message_t& message) {
  if (message.key == nullptr) return std::nullopt;
  return bytes_of(message.key, message.key_len);
}

// `batch` without the rows that `bad` names (ascending).
Result<BatchPtr> without_rows(const BatchPtr& batch, const std::vector<int64_t>& bad) {
  std::vector<BatchPtr> pieces;
  int64_t from = 0;
  for (const int64_t row : bad) {
    if (row > from) pieces.push_back(batch->Slice(from, row - from));
    from = row + 1;
  }
  if (from < batch->num_rows() || pieces.empty()) pieces.push_back(batch->Slice(from));
  return to_result(arrow::ConcatenateRecordBatches(pieces));
}

// … which `row_of` forgets, too.
void forget_rows(const std::vector<int64_t>& bad, size_t messages, std::vector<int64_t>& row_of) {
  if (row_of.empty()) {
    row_of.resize(messages);
    std::iota(row_of.begin(), row_of.end(), 0);
  }
  for (auto row = bad.rbegin(); row != bad.rend(); ++row) row_of.erase(row_of.begin() + *row);
}

}  // namespace

Result<void> RowDecoder::set_aside(const rd_kafka_message_t& message, std::string reason, const SplitId& split,
                                   Rows& out) const {
  std::string where = fmt::format("{}@{}", split, message.offset);
  if (!plan_.collect_rejects) {
    return user_error("{}: {}; with dead_letters such messages are set aside", where, reason);
  }
  Reject reject;
  reject.payload = dead_payload(message);
  reject.message = dead_message(message);
  reject.reason = std::move(reason);
  reject.where = std::move(where);
  reject.split = split;
  out.rejects.push_back(std::move(reject));
  return {};
}

// The keys of the rows; rows whose key cannot be read leave `decoded` and `row_of`.
Result<void> RowDecoder::drop_bad_keys(Context& context, MessageRows rows, const SplitId& split,
                                       DecodedPayloads& decoded, std::vector<int64_t>& row_of, Keys& keys, Rows& out) {
  payloads_.clear();
  for (int64_t i = 0; i < rows.rows(); ++i) payloads_.push_back(key_of(rows.at(i)));
  auto read = TRY(key_->decode(context, payloads_));
  if (!read.bad.empty()) {
    std::vector<int64_t> bad;
    for (auto& one : read.bad) {
      TRY(set_aside(rows.at(one.index), "its key: " + one.reason, split, out));
      bad.push_back(one.index);
    }
    decoded.batch = TRY(without_rows(decoded.batch, bad));
    forget_rows(bad, rows.messages.size(), row_of);
  }
  CHECK(read.batch->num_rows() == decoded.batch->num_rows());
  keys = {read.batch->column(0), read.batch};
  if (!plan_.key_is_struct) return {};
  // A message without a key has none, not one of nulls.
  const auto count = read.batch->num_rows();
  std::shared_ptr<arrow::Buffer> valid = TRY(to_result(arrow::AllocateEmptyBitmap(count)));
  int64_t nulls = 0;
  for (int64_t i = 0; i < count; ++i) {
    const size_t message =
        row_of.empty() ? static_cast<size_t>(i) : static_cast<size_t>(row_of[static_cast<size_t>(i)]);
    const bool has = rows.messages[message]->key != nullptr;
    if (has) valid->mutable_data()[i / 8] = static_cast<uint8_t>(valid->data()[i / 8] | (1U << (i % 8)));
    nulls += has ? 0 : 1;
  }
  keys.column = std::make_shared<arrow::StructArray>(arrow::struct_(read.batch->schema()->fields()), count,
                                                     read.batch->columns(), std::move(valid), nulls);
  return {};
}

Result<void> RowDecoder::add_keyed_columns(MessageRows rows, const SplitId& split, DecodedPayloads& decoded,
                                           std::vector<int64_t>& row_of, Keys& keys, Rows& out) const {
  auto keyed = TRY(keyed_columns(*plan_.keyed, *decoded.batch, *keys.columns, rows, split));
  auto columns = std::move(keyed.value);
  columns.insert(columns.end(), keyed.more.begin(), keyed.more.end());
  decoded.batch = arrow::RecordBatch::Make(keyed_schema(*decoded.batch->schema(), *plan_.keyed),
                                           decoded.batch->num_rows(), std::move(columns));
  if (keyed.bad.empty()) return {};
  std::vector<int64_t> bad;
  for (auto& [row, reason] : keyed.bad) {
    TRY(set_aside(rows.at(row), std::move(reason), split, out));
    bad.push_back(row);
  }
  decoded.batch = TRY(without_rows(decoded.batch, bad));
  const auto column = arrow::RecordBatch::Make(arrow::schema({arrow::field("", keys.column->type())}),
                                               keys.column->length(), {keys.column});
  keys.column = TRY(without_rows(column, bad))->column(0);
  forget_rows(bad, rows.messages.size(), row_of);
  return {};
}

Result<void> RowDecoder::open_envelopes(std::span<rd_kafka_message_t* const> messages, const SplitId& split,
                                        DecodedPayloads& decoded, std::vector<int64_t>& row_of, Rows& out) {
  const auto message_at = [&](int64_t row) -> int64_t {
    return row_of.empty() ? row : row_of[static_cast<size_t>(row)];
  };
  std::vector<std::string> positions;
  positions.reserve(static_cast<size_t>(decoded.batch->num_rows()));
  for (int64_t i = 0; i < decoded.batch->num_rows(); ++i) {
    positions.push_back(change_position(split, messages[static_cast<size_t>(message_at(i))]->offset));
  }
  auto opened = TRY(from_envelope(*plan_.envelope, *decoded.batch, positions, plan_.before_images));
  if (!opened.truncates.empty() && one_partition_) {
    stop_ = Stop{static_cast<size_t>(message_at(opened.truncates.front())), nullptr};
    return {};  // rows of what lies before it are asked for alone
  }
  for (const int64_t row : opened.truncates) {
    opened.bad.emplace_back(
        row,
        "the table was truncated at the source, and out of several partitions nobody can tell which "
        "rows came before that");
  }
  for (auto& [row, reason] : opened.bad) {
    TRY(set_aside(*messages[static_cast<size_t>(message_at(row))], std::move(reason), split, out));
  }
  for (auto& message : opened.message_of) message = message_at(message);
  row_of = std::move(opened.message_of);
  decoded.batch = std::move(opened.rows);
  return {};
}

Result<void> RowDecoder::drop_bad_values(Context& context, std::span<rd_kafka_message_t* const> messages,
                                         const SplitId& split, std::vector<BadPayload> bad, Rows& out) {
  constexpr int kTriesMax = 8;  // a registry may be asked each time
  int tries = plan_.adds_columns ? kTriesMax : 0;
  bool together = true;
  for (auto& one : bad) {
    const auto at = static_cast<size_t>(one.index);
    if (one.unknown_field && tries > 0) {
      --tries;
      const auto values = std::span<const Payload>(payloads_).subspan(at);
      // What follows tells more of a new field's type; where that gets in the way, the message alone.
      SchemaPtr wider = together ? TRY(widen_(context, values)) : nullptr;
      together = together && wider != nullptr;
      if (wider == nullptr) wider = TRY(widen_(context, values.first(1)));
      if (wider != nullptr) {
        stop_ = Stop{at, std::move(wider)};
        return {};
      }
    }
    TRY(set_aside(*messages[at], std::move(one.reason), split, out));
  }
  return {};
}

Result<Rows> RowDecoder::decode(Context& context, std::span<rd_kafka_message_t* const> messages,
                                const std::string& topic, const SplitId& split) {
  stop_.reset();
  while (!messages.empty()) {
    auto rows = TRY(decode_all(context, messages, topic, split));
    if (!stop_ || stop_->at == messages.size()) return rows;
    messages = messages.first(stop_->at);
  }
  return Rows();
}

Result<Rows> RowDecoder::decode_all(Context& context, std::span<rd_kafka_message_t* const> messages,
                                    const std::string& topic, const SplitId& split) {
  Rows out;
  payloads_.clear();
  for (const auto* message : messages) {
    payloads_.push_back(value_of(*message));
    out.source_bytes += static_cast<int64_t>(message->len + message->key_len);
  }
  auto decoded = TRY(value_->decode(context, payloads_));
  TRY(drop_bad_values(context, messages, split, std::move(decoded.bad), out));
  if (stops_within(messages)) return out;
  std::vector<int64_t> row_of = std::move(decoded.payload_of);
  if (decoded.batch == nullptr) return out;
  const bool one_to_one = row_of.empty() && decoded.batch->num_rows() == static_cast<int64_t>(messages.size());
  CHECK(one_to_one || static_cast<int64_t>(row_of.size()) == decoded.batch->num_rows());
  if (plan_.envelope && decoded.batch->num_rows() > 0) TRY(open_envelopes(messages, split, decoded, row_of, out));
  if (stops_within(messages)) return out;
  if (decoded.batch->num_rows() == 0) return out;
  Keys keys;
  MessageRows rows{messages, row_of, topic};
  if (key_ != nullptr) TRY(drop_bad_keys(context, rows, split, decoded, row_of, keys, out));
  rows.row_of = row_of;
  if (plan_.keyed) TRY(add_keyed_columns(rows, split, decoded, row_of, keys, out));
  rows.row_of = row_of;
  std::vector<std::shared_ptr<arrow::Array>> columns;
  columns.reserve(plan_.columns.size());
  for (const auto& column : plan_.columns) {
    if (column.value >= 0) {
      columns.push_back(decoded.batch->column(column.value));
    } else if (column.metadata == MetadataColumn::key) {
      columns.push_back(keys.column);
    } else {
      columns.push_back(TRY(metadata_array(column.metadata, rows)));
    }
  }
  out.batch = arrow::RecordBatch::Make(plan_.schema, decoded.batch->num_rows(), std::move(columns));
  return out;
}

}  // namespace sluice::kafka
