// Makes records of rows: keys and values by their payload formats, tombstones of deletes, headers, times, partitions.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "connector/kafka/envelope.h"
#include "connector/kafka/record.h"
#include "connector/kafka/row_layout.h"
#include "port/context.h"

namespace sluice::kafka {

struct UnfitRow {
  int64_t row = 0;  // of the batch
  std::string reason;
};

// For rows of one schema into one topic; one lane's.
class RecordEncoder {
 public:
  static Result<std::unique_ptr<RecordEncoder>> make(Context& context, const SinkSettings& settings, TopicPtr topic,
                                                     const TableId& table, const SchemaPtr& schema);

  // Appends the batch's records. Rows that cannot be records are named, ascending, and have none; with `judges` also
  // those whose keys or values the format refuses, which else is an error.
  Result<std::vector<UnfitRow>> encode(Context& context, const arrow::RecordBatch& batch, bool judges, Piece& out);

  // Whether a row names a partition that the topic, as it is known, does not have.
  [[nodiscard]] bool lacks_partition(const arrow::RecordBatch& batch) const;

  // Appends the envelope that says that the table was emptied; without a key, as Debezium's.
  Result<void> encode_truncate(Context& context, Piece& out);

  [[nodiscard]] const TopicPtr& topic() const { return topic_; }
  [[nodiscard]] const SchemaPtr& schema() const { return schema_; }

 private:
  struct Row;
  RecordEncoder(const SinkSettings& settings, TopicPtr topic, SchemaPtr schema)
      : settings_(settings), topic_(std::move(topic)), schema_(std::move(schema)) {}
  // Keys or values to encode, and whose they are.
  struct Parts {
    BatchPtr batch;
    std::vector<int64_t> row_of;  // empty: row i's
    bool keys = false;
  };
  static void note_null_keys(const arrow::RecordBatch& batch, const RowLayout& layout, std::vector<Row>& rows);
  Result<void> encode_keys(Context& context, const arrow::RecordBatch& batch, bool judges, std::vector<Row>& rows,
                           Piece& out);
  Result<void> encode_values(Context& context, const arrow::RecordBatch& batch, bool judges, std::vector<Row>& rows,
                             Piece& out);
  Result<void> encode_envelopes(Context& context, const arrow::RecordBatch& batch, bool judges, std::vector<Row>& rows,
                                Piece& out);
  template <typename Skipped>
  Result<void> encode_runs(Context& context, const Parts& parts, const Skipped& skipped, bool judges,
                           std::vector<Row>& rows, Piece& out);
  Result<void> encode_run(Context& context, const Parts& parts, int64_t from, int64_t to, bool judges,
                          std::vector<Row>& rows, Piece& out);
  void add_metadata(const arrow::RecordBatch& batch, std::vector<Row>& rows, Piece& out) const;
  void note_changes(const arrow::RecordBatch& batch, std::vector<Row>& rows) const;
  void append_records(std::vector<Row>& rows, Piece& out) const;

  const SinkSettings& settings_;
  const TopicPtr topic_;
  const SchemaPtr schema_;
  RowLayout layout_;
  EnvelopeOrigin origin_;
  std::unique_ptr<PayloadFormat> value_format_;
  std::unique_ptr<PayloadFormat> key_format_;
  std::unique_ptr<PayloadEncoder> value_encoder_;
  std::unique_ptr<PayloadEncoder> key_encoder_;  // null: the key column's text, or no key
};

// The formats of values and keys for a topic; the key's is null where there is none or it is plain text.
struct PayloadFormats {
  std::unique_ptr<PayloadFormat> value;
  std::unique_ptr<PayloadFormat> key;
};
Result<PayloadFormats> payload_formats(const SinkSettings& settings, const std::string& topic);

}  // namespace sluice::kafka
