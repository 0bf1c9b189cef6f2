// Messages as rows: the value's columns as its payload format reads them, then the metadata columns that were asked
// for.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "connector/kafka/envelope.h"
#include "connector/kafka/keyed_rows.h"
#include "connector/kafka/metadata_columns.h"
#include "connector/kafka/source_settings.h"
#include "port/payload.h"
#include "port/source.h"

namespace sluice::kafka {

// How the readers of a source make rows; fixed by plan().
struct RowPlan {
  struct Column {
    int value = -1;  // index into the columns of the decoded values, or of the rows made of them; -1: metadata
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
  std::optional<std::vector<KeyColumn>> keyed;  // values are rows under their keys: so RowPlan::Column::value counts
  bool adds_columns = false;                    // for fields that the schema lacks
};

// Messages of one partition to Rows. One per reader.
class RowDecoder {
 public:
  // The full schema with the fields that these values have and it lacks; null: there is none that can be added.
  using Widen = std::function<Result<SchemaPtr>(Context&, std::span<const Payload>)>;

  RowDecoder(RowPlan plan, std::unique_ptr<PayloadDecoder> value, std::unique_ptr<PayloadDecoder> key,
             const std::atomic<bool>& one_partition, Widen widen)
      : plan_(std::move(plan)),
        value_(std::move(value)),
        key_(std::move(key)),
        one_partition_(one_partition),
        widen_(std::move(widen)) {}

  // The messages live during the call only. Rejects name `split` (topic/partition) and the offset.
  Result<Rows> decode(Context& context, std::span<rd_kafka_message_t* const> messages, const std::string& topic,
                      const SplitId& split);
  // The message of the last decode() behind the ones that its rows are of, and why they end there: the schema to read
  // it with, or null where it says that the table was emptied.
  struct Stop {
    size_t at = 0;
    SchemaPtr wider;
  };
  [[nodiscard]] const std::optional<Stop>& stopped() const { return stop_; }

 private:
  Result<Rows> decode_all(Context& context, std::span<rd_kafka_message_t* const> messages, const std::string& topic,
                          const SplitId& split);
  [[nodiscard]] bool stops_within(std::span<rd_kafka_message_t* const> messages) const {
    return stop_ && stop_->at < messages.size();
  }
  Result<void> set_aside(const rd_kafka_message_t& message, std::string reason, const SplitId& split, Rows& out) const;
  // Stops at the first one that the schema is to be made wider for.
  Result<void> drop_bad_values(Context& context, std::span<rd_kafka_message_t* const> messages, const SplitId& split,
                               std::vector<BadPayload> bad, Rows& out);
  // Rows of change envelopes in place of the envelopes.
  Result<void> open_envelopes(std::span<rd_kafka_message_t* const> messages, const SplitId& split,
                              DecodedPayloads& decoded, std::vector<int64_t>& row_of, Rows& out);
  // What keys say of the rows: the column _key, and each of the key's own.
  struct Keys {
    std::shared_ptr<arrow::Array> column;
    BatchPtr columns;
  };
  Result<void> drop_bad_keys(Context& context, MessageRows rows, const SplitId& split, DecodedPayloads& decoded,
                             std::vector<int64_t>& row_of, Keys& keys, Rows& out);
  // Rows with what their keys say, and with what happened to them.
  Result<void> add_keyed_columns(MessageRows rows, const SplitId& split, DecodedPayloads& decoded,
                                 std::vector<int64_t>& row_of, Keys& keys, Rows& out) const;

  const RowPlan plan_;
  std::unique_ptr<PayloadDecoder> value_;
  std::unique_ptr<PayloadDecoder> key_;  // null: keys are not asked for
  const std::atomic<bool>& one_partition_;
  const Widen widen_;
  std::vector<Payload> payloads_;  // kept for its memory
  std::optional<Stop> stop_;
};

// What is known of the messages' form. Used by one thread; create_decoder() by any.
class RowFormat {
 public:
  explicit RowFormat(const SourceSettings& settings) : settings_(settings), adds_columns_(settings.adds_columns) {}

  // The full schema, from values and keys of a sample; remembered.
  Result<SchemaPtr> describe(Context& context, std::span<const Payload> values, std::span<const Payload> keys);
  [[nodiscard]] const SchemaPtr& schema() const { return full_; }
  // The value's columns of this schema hold from now on: an earlier run had come to them, or (`ours`) wider() has said
  // so.
  Result<SchemaPtr> adopt(const SchemaPtr& schema, bool ours);
  // From now on messages with fields that the schema lacks are bad.
  void stop_adding_columns() { adds_columns_ = false; }
  Result<Source::Planned> plan(const ReadRequest& request);
  // `one_partition` lives as long as the decoder and may change: only while one has everything is it known which rows
  // lie before a TRUNCATE, and it can be followed.
  Result<std::unique_ptr<RowDecoder>> create_decoder(Context& context, const std::atomic<bool>& one_partition);

 private:
  // What becomes of values with this schema: the rows', without metadata.
  struct RowsOfValues {
    SchemaPtr schema;
    std::optional<std::vector<KeyColumn>> key;
  };
  [[nodiscard]] Result<RowsOfValues> rows_of(const SchemaPtr& value) const;
  [[nodiscard]] Result<SchemaPtr> with_metadata(const SchemaPtr& rows) const;
  Result<SchemaPtr> take_value(SchemaPtr value);
  // As RowDecoder::Widen; by any thread, while nobody adopts.
  Result<SchemaPtr> wider(Context& context, std::span<const Payload> values);
  Source::Planned plan_changes(const ReadRequest& request);
  void add_metadata(const ReadRequest& request, arrow::FieldVector fields);

  const SourceSettings& settings_;
  std::unique_ptr<PayloadFormat> value_format_;
  std::unique_ptr<PayloadFormat> key_format_;
  SchemaPtr value_full_;  // of the values; of envelopes: of their rows
  SchemaPtr rows_full_;   // without metadata
  SchemaPtr key_full_;
  TypePtr key_type_;
  SchemaPtr full_;
  RowPlan plan_;
  bool adds_columns_;
  // What wider() came to last.
  struct Wider {
    std::unique_ptr<PayloadFormat> format;  // knows the schemas of the registry that it has met
    SchemaPtr envelope;                     // the messages', where they are envelopes
  };
  std::mutex mutex_;
  Wider wider_;
};

}  // namespace sluice::kafka
