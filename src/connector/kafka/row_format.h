// Messages as rows: the value's columns as its payload format reads them, then the metadata columns that were asked
// for.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "connector/kafka/envelope.h"
#include "connector/kafka/metadata_columns.h"
#include "connector/kafka/source_settings.h"
#include "port/payload.h"
#include "port/source.h"

namespace sluice::kafka {

// How the readers of a source make rows; fixed by plan().
struct RowPlan {
  struct Column {
    int value = -1;  // index into the decoded value's columns; -1: metadata
    MetadataColumn metadata = MetadataColumn::key;
  };
  SchemaPtr schema;
  std::vector<Column> columns;
  DecoderOptions value;
  DecoderOptions key;
  bool wants_key = false;
  bool key_is_struct = false;
  bool collect_rejects = false;
  std::optional<EnvelopeReading> envelope;  // values are changes: RowPlan::Column::value counts its rows' columns
  bool before_images = false;
};

// Messages of one partition to Rows. One per reader.
class RowDecoder {
 public:
  RowDecoder(RowPlan plan, std::unique_ptr<PayloadDecoder> value, std::unique_ptr<PayloadDecoder> key,
             const std::atomic<bool>& one_partition)
      : plan_(std::move(plan)), value_(std::move(value)), key_(std::move(key)), one_partition_(one_partition) {}

  // The messages live during the call only. Rejects name `split` (topic/partition) and the offset.
  Result<Rows> decode(Context& context, std::span<rd_kafka_message_t* const> messages, const std::string& topic,
                      const SplitId& split);
  // The message of the last decode() that says that the table was emptied; the rows are of those before it.
  [[nodiscard]] std::optional<size_t> truncated_at() const { return truncated_at_; }

 private:
  Result<Rows> decode_all(Context& context, std::span<rd_kafka_message_t* const> messages, const std::string& topic,
                          const SplitId& split);
  Result<void> set_aside(const rd_kafka_message_t& message, std::string reason, const SplitId& split, Rows& out) const;
  // Rows of change envelopes in place of the envelopes.
  Result<void> open_envelopes(std::span<rd_kafka_message_t* const> messages, const SplitId& split,
                              DecodedPayloads& decoded, std::vector<int64_t>& row_of, Rows& out);
  Result<void> drop_bad_keys(Context& context, MessageRows rows, const SplitId& split, DecodedPayloads& decoded,
                             std::vector<int64_t>& row_of, std::shared_ptr<arrow::Array>& keys, Rows& out);

  const RowPlan plan_;
  std::unique_ptr<PayloadDecoder> value_;
  std::unique_ptr<PayloadDecoder> key_;  // null: keys are not asked for
  const std::atomic<bool>& one_partition_;
  std::vector<Payload> payloads_;  // kept for its memory
  std::optional<size_t> truncated_at_;
};

// What is known of the messages' form. Used by one thread; create_decoder() by any.
class RowFormat {
 public:
  explicit RowFormat(const SourceSettings& settings) : settings_(settings) {}

  // The full schema, from values and keys of a sample; remembered.
  Result<SchemaPtr> describe(Context& context, std::span<const Payload> values, std::span<const Payload> keys);
  [[nodiscard]] const SchemaPtr& schema() const { return full_; }
  // The value's columns of this schema hold from now on (an earlier run had come to them).
  Result<SchemaPtr> adopt(const SchemaPtr& schema);
  Result<Source::Planned> plan(const ReadRequest& request);
  // `one_partition` lives as long as the decoder and may change: only while one has everything is it known which rows
  // lie before a TRUNCATE, and it can be followed.
  Result<std::unique_ptr<RowDecoder>> create_decoder(Context& context, const std::atomic<bool>& one_partition) const;

 private:
  [[nodiscard]] Result<SchemaPtr> with_metadata(const SchemaPtr& value) const;
  Source::Planned plan_envelopes(const ReadRequest& request);
  void add_metadata(const ReadRequest& request, arrow::FieldVector fields);

  const SourceSettings& settings_;
  std::unique_ptr<PayloadFormat> value_format_;
  std::unique_ptr<PayloadFormat> key_format_;
  SchemaPtr value_full_;  // of the rows, without metadata
  SchemaPtr key_full_;
  TypePtr key_type_;
  SchemaPtr full_;
  RowPlan plan_;
};

}  // namespace sluice::kafka
