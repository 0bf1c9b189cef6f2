#include "connector/kafka/record_encoder.h"

#include <algorithm>

#include <arrow/api.h>

#include "batch/arrow_result.h"
#include "batch/change.h"
#include "batch/json_text.h"

namespace sluice::kafka {
namespace {

// org.apache.kafka.common.record.DefaultRecordBatch: RECORD_BATCH_OVERHEAD.
constexpr int64_t kAroundBatch = 61;
constexpr std::string_view kVersion = SLUICE_VERSION;

std::string_view text_at(const arrow::Array& array, int64_t row) {
  if (array.type_id() == arrow::Type::BINARY) return static_cast<const arrow::BinaryArray&>(array).GetView(row);
  return static_cast<const arrow::StringArray&>(array).GetView(row);
}

bool is_text(const arrow::Array& array) {
  return array.type_id() == arrow::Type::STRING || array.type_id() == arrow::Type::BINARY;
}

// A value as the text of a key: as JSON has it, without the quotes of text.
std::string key_text(const arrow::Array& array, int64_t row) {
  std::string text;
  append_json(array, row, text);
  if (text.size() >= 2 && text.front() == '"') text = text.substr(1, text.size() - 2);
  return text;
}

int64_t partition_at(const arrow::Array& array, int64_t row) {
  return array.type_id() == arrow::Type::INT32 ? static_cast<const arrow::Int32Array&>(array).Value(row)
                                               : static_cast<const arrow::Int64Array&>(array).Value(row);
}

int64_t milliseconds(const arrow::Array& array, int64_t row) {
  const auto& times = static_cast<const arrow::TimestampArray&>(array);
  const int64_t value = times.Value(row);
  const auto floor_div = [](int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); };
  switch (static_cast<const arrow::TimestampType&>(*array.type()).unit()) {
    case arrow::TimeUnit::SECOND:
      return value * 1000;
    case arrow::TimeUnit::MILLI:
      return value;
    case arrow::TimeUnit::MICRO:
      return floor_div(value, 1000);
    case arrow::TimeUnit::NANO:
      return floor_div(value, 1'000'000);
  }
  return value;
}

std::vector<Header> headers_at(const arrow::Array& array, int64_t row) {
  std::vector<Header> headers;
  const auto& list = static_cast<const arrow::ListArray&>(array);  // a map is a list of pairs
  const auto& pairs = static_cast<const arrow::StructArray&>(*list.values());
  const auto& names = *pairs.field(0);
  const auto& values = *pairs.field(1);
  for (int64_t i = list.value_offset(row); i < list.value_offset(row) + list.value_length(row); ++i) {
    if (pairs.IsNull(i) || names.IsNull(i)) continue;
    Header& header = headers.emplace_back();
    header.name = text_at(names, i);
    if (values.IsValid(i)) header.value = std::string(text_at(values, i));
  }
  return headers;
}

std::shared_ptr<arrow::RecordBatch> columns_of(const arrow::RecordBatch& batch, const SchemaPtr& schema,
                                               const std::vector<int>& columns) {
  arrow::ArrayVector arrays;
  for (const int column : columns) arrays.push_back(batch.column(column));
  return arrow::RecordBatch::Make(schema, batch.num_rows(), std::move(arrays));
}

// What is sent of a payload that was encoded: nothing where the format says that there are no bytes at all.
int32_t payload_at(const EncodedPayloads& encoded, int32_t index) {
  const bool absent = std::binary_search(encoded.absent.begin(), encoded.absent.end(), index);
  return absent ? Record::kNone : index;
}

std::string too_large(int64_t bytes, const TargetTopic& topic) {
  if (topic.limit_is_known) {
    return fmt::format("the message has {} bytes, and topic '{}' takes {} (max.message.bytes)", bytes, topic.name,
                       topic.message_bytes_max);
  }
  return fmt::format(
      "the message has {} bytes, and {} is taken for the max.message.bytes of topic '{}', which this user may not "
      "read; "
      "grant DESCRIBE_CONFIGS on the topic, or give rdkafka.message.max.bytes",
      bytes, topic.message_bytes_max, topic.name);
}

}  // namespace

// What becomes of one row.
struct RecordEncoder::Row {
  Record record;
  bool tombstone = false;  // in place of a value
  bool followed_by_tombstone = false;
  bool of_another = false;  // the image before a change, which has no record of its own
  std::string unfit;        // why there will be none
};

Result<PayloadFormats> payload_formats(const SinkSettings& settings, const std::string& topic) {
  PayloadFormats formats;
  formats.value = TRY(settings.format->create(settings.options, {topic, false}));
  if (settings.key_format.descriptor != nullptr && !settings.key.empty()) {
    formats.key = TRY(settings.key_format.create(topic, true));
  }
  return formats;
}

Result<std::unique_ptr<RecordEncoder>> RecordEncoder::make(Context& context, const SinkSettings& settings,
                                                           TopicPtr topic, const TableId& table,
                                                           const SchemaPtr& schema) {
  std::unique_ptr<RecordEncoder> encoder(new RecordEncoder(settings, std::move(topic), schema));
  encoder->layout_ = TRY(row_layout(*schema, settings));
  encoder->origin_ = {std::string(kVersion), settings.origin.connector,
                      settings.pipeline,     settings.origin.database,
                      table.schema,          table.name};
  auto formats = TRY(payload_formats(settings, encoder->topic_->name));
  encoder->value_format_ = std::move(formats.value);
  encoder->key_format_ = std::move(formats.key);
  encoder->value_encoder_ = TRY(encoder->value_format_->create_encoder(context, encoder->layout_.value_schema));
  if (encoder->key_format_ != nullptr) {
    encoder->key_encoder_ = TRY(encoder->key_format_->create_encoder(context, encoder->layout_.key_schema));
  }
  return encoder;
}

Result<std::vector<UnfitRow>> RecordEncoder::encode(Context& context, const arrow::RecordBatch& batch, bool judges,
                                                    Piece& out) {
  std::vector<Row> rows(static_cast<size_t>(batch.num_rows()));
  note_changes(batch, rows);
  note_null_keys(batch, layout_, rows);
  TRY(settings_.envelope == Envelope::debezium ? encode_envelopes(context, batch, judges, rows, out)
                                               : encode_values(context, batch, judges, rows, out));
  TRY(encode_keys(context, batch, judges, rows, out));
  add_metadata(batch, rows, out);
  append_records(rows, out);
  std::vector<UnfitRow> unfit;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!rows[i].unfit.empty()) unfit.push_back({static_cast<int64_t>(i), std::move(rows[i].unfit)});
  }
  return unfit;
}

void RecordEncoder::note_changes(const arrow::RecordBatch& batch, std::vector<Row>& rows) const {
  if (layout_.op >= 0) {
    const auto& ops = *batch.column(layout_.op);
    const bool follows = settings_.tombstones && !layout_.key.empty();
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      const bool gone = ops.IsValid(row) && text_at(ops, row) == "delete";
      rows[i].tombstone = gone && layout_.upsert;
      rows[i].followed_by_tombstone = gone && !layout_.upsert && follows;
    }
  }
  if (layout_.unchanged < 0 || !layout_.upsert) return;
  const auto& unchanged = *batch.column(layout_.unchanged);
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto row = static_cast<int64_t>(i);
    if (rows[i].tombstone || unchanged.IsNull(row)) continue;
    rows[i].unfit =
        "a large value was not sent because it had not changed, and a topic cannot keep the one before; set REPLICA "
        "IDENTITY FULL on the table";
  }
}

void RecordEncoder::note_null_keys(const arrow::RecordBatch& batch, const RowLayout& layout, std::vector<Row>& rows) {
  if (!layout.upsert) return;
  for (const int column : layout.key) {
    const auto& keys = *batch.column(column);
    if (keys.null_count() == 0) continue;
    for (size_t i = 0; i < rows.size(); ++i) {
      if (keys.IsNull(static_cast<int64_t>(i))) {
        rows[i].unfit = fmt::format("key column '{}' is null", batch.schema()->field(column)->name());
      }
    }
  }
}

// Of the rows that are to have a record, as their values say.
Result<void> RecordEncoder::encode_keys(Context& context, const arrow::RecordBatch& batch, bool judges,
                                        std::vector<Row>& rows, Piece& out) {
  if (layout_.key.empty()) return {};
  const auto none = [](const Row& row) { return row.of_another || !row.unfit.empty(); };
  if (key_encoder_ != nullptr) {
    const Parts keys{columns_of(batch, layout_.key_schema, layout_.key), {}, true};
    return encode_runs(context, keys, none, judges, rows, out);
  }
  const auto& keys = *batch.column(layout_.key.front());
  const bool text = is_text(keys);
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto row = static_cast<int64_t>(i);
    if (keys.IsNull(row) || none(rows[i])) continue;
    rows[i].record.key =
        text ? append_payload(text_at(keys, row), out.keys) : append_payload(key_text(keys, row), out.keys);
  }
  return {};
}

Result<void> RecordEncoder::encode_values(Context& context, const arrow::RecordBatch& batch, bool judges,
                                          std::vector<Row>& rows, Piece& out) {
  const Parts values{columns_of(batch, layout_.value_schema, layout_.value), {}};
  // Tombstones have no value, and their columns but the key's are null, which a schema may not allow.
  const auto none = [](const Row& row) { return row.tombstone || !row.unfit.empty(); };
  return encode_runs(context, values, none, judges, rows, out);
}

Result<void> RecordEncoder::encode_envelopes(Context& context, const arrow::RecordBatch& batch, bool judges,
                                             std::vector<Row>& rows, Piece& out) {
  auto enveloped = TRY(to_envelope(batch, layout_.value, origin_, context.clock.wall()));
  for (auto& row : rows) row.of_another = true;
  for (const int64_t row : enveloped.row_of) rows[static_cast<size_t>(row)].of_another = false;
  for (auto& [row, why] : enveloped.unfit) rows[static_cast<size_t>(row)].unfit = std::move(why);
  const Parts values{std::move(enveloped.batch), std::move(enveloped.row_of)};
  if (values.batch == nullptr || values.batch->num_rows() == 0) return {};
  return encode_run(context, values, 0, values.batch->num_rows(), judges, rows, out);
}

Result<void> RecordEncoder::encode_truncate(Context& context, Piece& out) {
  CHECK(settings_.envelope == Envelope::debezium);
  arrow::ArrayVector columns;
  for (const auto& field : schema_->fields()) {
    const bool op = field->name() == kOpColumn;
    columns.push_back(TRY(to_result(op ? arrow::MakeArrayFromScalar(arrow::StringScalar("truncate"), 1)
                                       : arrow::MakeArrayOfNull(field->type(), 1))));
  }
  const auto row = arrow::RecordBatch::Make(schema_, 1, std::move(columns));
  const auto enveloped = TRY(to_envelope(*row, layout_.value, origin_, context.clock.wall()));
  Record record;
  record.value = static_cast<int32_t>(out.values.ends.size());
  TRY(value_encoder_->encode(context, *enveloped.batch, out.values));
  out.records.push_back(record);
  return {};
}

// The rows that follow each other without one that is skipped are encoded together.
template <typename Skipped>
Result<void> RecordEncoder::encode_runs(Context& context, const Parts& parts, const Skipped& skipped, bool judges,
                                        std::vector<Row>& rows, Piece& out) {
  const auto count = static_cast<int64_t>(rows.size());
  for (int64_t from = 0; from < count;) {
    int64_t to = from;
    while (to < count && !skipped(rows[static_cast<size_t>(to)])) ++to;
    if (to > from) TRY(encode_run(context, parts, from, to, judges, rows, out));
    from = to;
    while (from < count && skipped(rows[static_cast<size_t>(from)])) ++from;
  }
  return {};
}

Result<void> RecordEncoder::encode_run(Context& context, const Parts& parts, int64_t from, int64_t to, bool judges,
                                       std::vector<Row>& rows, Piece& out) {
  auto& encoder = parts.keys ? *key_encoder_ : *value_encoder_;
  auto& payloads = parts.keys ? out.keys : out.values;
  const auto first = static_cast<int32_t>(payloads.ends.size());
  const size_t bytes = payloads.bytes.size();
  const auto row_of = [&](int64_t i) -> Row& {
    return rows[static_cast<size_t>(parts.row_of.empty() ? i : parts.row_of[static_cast<size_t>(i)])];
  };
  const bool whole = from == 0 && to == parts.batch->num_rows();
  auto encoded = whole ? encoder.encode(context, *parts.batch, payloads)
                       : encoder.encode(context, *parts.batch->Slice(from, to - from), payloads);
  if (encoded.ok()) {
    for (int64_t i = from; i < to; ++i) {
      auto& record = row_of(i).record;
      (parts.keys ? record.key : record.value) = payload_at(payloads, first + static_cast<int32_t>(i - from));
    }
    return {};
  }
  const Fault fault = encoded.error().fault;
  if (!judges || (fault != Fault::user && fault != Fault::refused)) {
    return parts.keys ? std::move(encoded).while_doing("encoding keys") : std::move(encoded);
  }
  payloads.bytes.resize(bytes);
  payloads.ends.resize(static_cast<size_t>(first));
  if (to - from == 1) {
    row_of(from).unfit = (parts.keys ? "the key: " : "") + encoded.error().what;
    return {};
  }
  const int64_t middle = from + (to - from) / 2;
  TRY(encode_run(context, parts, from, middle, judges, rows, out));
  return encode_run(context, parts, middle, to, judges, rows, out);
}

bool RecordEncoder::lacks_partition(const arrow::RecordBatch& batch) const {
  if (layout_.partition < 0) return false;
  const auto& column = *batch.column(layout_.partition);
  for (int64_t row = 0; row < batch.num_rows(); ++row) {
    if (column.IsValid(row) && partition_at(column, row) >= topic_->partitions) return true;
  }
  return false;
}

void RecordEncoder::add_metadata(const arrow::RecordBatch& batch, std::vector<Row>& rows, Piece& out) const {
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto row = static_cast<int64_t>(i);
    Record& record = rows[i].record;
    if (layout_.timestamp >= 0 && batch.column(layout_.timestamp)->IsValid(row)) {
      record.timestamp_ms = milliseconds(*batch.column(layout_.timestamp), row);
      // librdkafka sends the time of sending for 0, too.
      if (record.timestamp_ms <= 0) rows[i].unfit = "a message's time has to be after 1970-01-01 00:00:00";
    }
    if (layout_.partition >= 0 && batch.column(layout_.partition)->IsValid(row)) {
      const int64_t partition = partition_at(*batch.column(layout_.partition), row);
      if (partition < 0 || partition >= topic_->partitions) {
        rows[i].unfit =
            fmt::format("topic '{}' has no partition {}; it has {}", topic_->name, partition, topic_->partitions);
        continue;
      }
      record.partition = static_cast<int32_t>(partition);
    }
    if (layout_.headers >= 0 && batch.column(layout_.headers)->IsValid(row)) {
      auto headers = headers_at(*batch.column(layout_.headers), row);
      if (headers.empty()) continue;
      out.headers.push_back(std::move(headers));
      record.headers = static_cast<int32_t>(out.headers.size() - 1);
    }
  }
}

void RecordEncoder::append_records(std::vector<Row>& rows, Piece& out) const {
  out.records.reserve(out.records.size() + rows.size());
  for (auto& row : rows) {
    if (row.of_another || !row.unfit.empty()) continue;
    const int64_t bytes = out.payload_bytes(row.record) + kAroundBatch;
    if (bytes > topic_->message_bytes_max) {
      row.unfit = too_large(bytes, *topic_);
      continue;
    }
    out.records.push_back(row.record);
    if (!row.followed_by_tombstone) continue;
    row.record.value = Record::kNone;
    out.records.push_back(row.record);
  }
}

}  // namespace sluice::kafka
