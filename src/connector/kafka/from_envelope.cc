// Envelopes → change rows.
#include <algorithm>
#include <optional>

#include <arrow/api.h>
#include <arrow/compute/api_vector.h>

#include "batch/arrow_result.h"
#include "batch/change.h"
#include "connector/kafka/envelope.h"
#include "connector/kafka/new_fields.h"

namespace sluice::kafka {
namespace {

bool is_struct(const arrow::Schema& schema, const char* name) {
  auto field = schema.GetFieldByName(name);
  return field != nullptr && field->type()->id() == arrow::Type::STRUCT;
}

std::string_view op_of(std::string_view letter) {
  if (letter == "c") return "insert";
  if (letter == "r") return "snapshot";
  if (letter == "u") return "update";
  if (letter == "d") return "delete";
  return "";
}

// One column's part in the rows: values come from before or after, and a placeholder becomes null.
struct Chosen {
  int64_t message = 0;
  bool before = false;
};

class RowsOfEnvelopes {
 public:
  RowsOfEnvelopes(const EnvelopeReading& reading, const arrow::RecordBatch& messages)
      : reading_(reading), messages_(messages), before_(column("before")), after_(column("after")) {}

  Result<FromEnvelope> run(std::span<const std::string> positions, bool before_images) {
    auto ops = std::static_pointer_cast<arrow::StringArray>(column("op"));
    for (int64_t i = 0; i < messages_.num_rows(); ++i) {
      if (ops == nullptr || ops->IsNull(i)) {
        if (!is_empty(i)) out_.bad.emplace_back(i, "the message is no Debezium envelope: it has no op");
        continue;
      }
      const std::string_view letter = ops->GetView(i);
      if (letter == "t") out_.truncates.push_back(i);
      if (letter == "t" || letter == "m") continue;  // m: a message of the database's log, not a row
      const std::string_view op = op_of(letter);
      const bool deleted = letter == "d";
      const auto& image = deleted ? before_ : after_;
      if (op.empty() || image->IsNull(i)) {
        out_.bad.emplace_back(
            i, op.empty() ? fmt::format("the envelope's op '{}' is unknown", letter)
                          : fmt::format("the envelope of op '{}' has no {}", letter, deleted ? "before" : "after"));
        continue;
      }
      if (before_images && letter == "u" && before_->IsValid(i)) TRY(add(i, true, "before", positions));
      TRY(add(i, deleted, op, positions));
    }
    return finish();
  }

 private:
  [[nodiscard]] std::shared_ptr<arrow::Array> column(const char* name) const { return messages_.GetColumnByName(name); }

  // A message without bytes: all its columns are null.
  [[nodiscard]] bool is_empty(int64_t i) const {
    for (const auto& array : messages_.columns()) {
      if (array->IsValid(i)) return false;
    }
    return true;
  }

  Result<void> add(int64_t message, bool before, std::string_view op, std::span<const std::string> positions) {
    chosen_.push_back({message, before});
    out_.message_of.push_back(message);
    TRY(to_result(ops_.Append(op)));
    TRY(to_result(positions_.Append(positions[static_cast<size_t>(message)])));
    const auto ms = time_of(message);
    TRY(to_result(ms ? times_.Append(*ms * 1000) : times_.AppendNull()));
    const std::string names = unavailable(message, before);
    return to_result(names.empty() ? unchanged_.AppendNull() : unchanged_.Append(names));
  }

  // When the database changed the row; else when the envelope was made.
  [[nodiscard]] std::optional<int64_t> time_of(int64_t message) const {
    auto source = column("source");
    if (source != nullptr && source->type_id() == arrow::Type::STRUCT && source->IsValid(message)) {
      auto time = static_cast<const arrow::StructArray&>(*source).GetFieldByName("ts_ms");
      if (auto ms = number_at(time, message)) return ms;
    }
    return number_at(column("ts_ms"), message);
  }
  static std::optional<int64_t> number_at(const std::shared_ptr<arrow::Array>& array, int64_t i) {
    if (array == nullptr || array->type_id() != arrow::Type::INT64 || array->IsNull(i)) return std::nullopt;
    return static_cast<const arrow::Int64Array&>(*array).Value(i);
  }

  [[nodiscard]] std::string unavailable(int64_t message, bool before) const {
    std::string names;
    const auto& image = static_cast<const arrow::StructArray&>(before ? *before_ : *after_);
    for (int f = 0; f < image.num_fields(); ++f) {
      if (is_unavailable(*image.field(f), message)) append_name(image.struct_type()->field(f)->name(), &names);
    }
    return names;
  }
  static bool is_unavailable(const arrow::Array& array, int64_t i) {
    const auto id = array.type_id();
    if ((id != arrow::Type::STRING && id != arrow::Type::BINARY) || array.IsNull(i)) return false;
    const auto value = static_cast<const arrow::BinaryArray&>(array).GetView(i);
    return value == kUnavailable || (id == arrow::Type::STRING && value == kUnavailableBytes);
  }

  // Values of field `f`, from where each row says.
  Result<std::shared_ptr<arrow::Array>> values(int f) const {
    const auto count = messages_.num_rows();
    auto before = static_cast<const arrow::StructArray&>(*before_).field(f);
    auto after = static_cast<const arrow::StructArray&>(*after_).field(f);
    const bool mixed = std::any_of(chosen_.begin(), chosen_.end(), [](const auto& one) { return one.before; });
    auto both = mixed ? TRY(to_result(arrow::Concatenate({after, before}))) : after;
    arrow::Int64Builder indices;
    for (const auto& one : chosen_) {
      const auto& from = one.before ? *before : *after;
      TRY(to_result(is_unavailable(from, one.message) ? indices.AppendNull()
                                                      : indices.Append(one.message + (one.before ? count : 0))));
    }
    return to_result(
        arrow::compute::Take(*both, *TRY(to_result(indices.Finish())), arrow::compute::TakeOptions::NoBoundsCheck()));
  }

  Result<FromEnvelope> finish() {
    arrow::ArrayVector arrays;
    for (int f = 0; f < after_->type()->num_fields(); ++f) arrays.push_back(TRY(values(f)));
    arrays.push_back(TRY(to_result(ops_.Finish())));
    arrays.push_back(TRY(to_result(times_.Finish())));
    arrays.push_back(TRY(to_result(positions_.Finish())));
    arrays.push_back(TRY(to_result(unchanged_.Finish())));
    out_.rows = arrow::RecordBatch::Make(reading_.rows, static_cast<int64_t>(chosen_.size()), std::move(arrays));
    return std::move(out_);
  }

  const EnvelopeReading& reading_;
  const arrow::RecordBatch& messages_;
  const std::shared_ptr<arrow::Array> before_;
  const std::shared_ptr<arrow::Array> after_;
  std::vector<Chosen> chosen_;
  arrow::StringBuilder ops_;
  arrow::StringBuilder positions_;
  arrow::TimestampBuilder times_{arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), arrow::default_memory_pool()};
  arrow::StringBuilder unchanged_;
  FromEnvelope out_;
};

}  // namespace

Result<EnvelopeReading> read_envelope(const arrow::Schema& inferred) {
  const bool before = is_struct(inferred, "before");
  const bool after = is_struct(inferred, "after");
  const auto op = inferred.GetFieldByName("op");
  const bool named = op != nullptr && (op->type()->id() == arrow::Type::STRING || op->type()->id() == arrow::Type::NA);
  if (!named || (!before && !after)) {
    return user_error(
        "the messages are no Debezium envelopes: they have the columns {} and not before, after and op (a text); "
        "leave out envelope",
        fmt::join(inferred.field_names(), ", "));
  }
  SchemaPtr row;
  for (const char* name : {"after", "before"}) {
    if (!is_struct(inferred, name)) continue;
    auto fields = arrow::schema(inferred.GetFieldByName(name)->type()->fields());
    row = row == nullptr ? fields : TRY(unify(row, fields));
  }
  TRY(refuse_reserved_columns(*row, "the envelopes' rows"));
  arrow::FieldVector columns;
  for (const auto& field : row->fields()) {
    columns.push_back(arrow::field(field->name(), type_read(field->type())));
  }
  const auto type = arrow::struct_(columns);
  arrow::FieldVector message;
  for (const auto& field : inferred.fields()) {
    const bool image = field->name() == "before" || field->name() == "after";
    message.push_back(arrow::field(field->name(), image ? type : type_read(field->type())));
  }
  for (const char* name : {"before", "after"}) {
    if (inferred.GetFieldIndex(name) < 0) message.push_back(arrow::field(name, type));
  }
  columns.push_back(arrow::field(std::string(kOpColumn), arrow::utf8()));
  columns.push_back(arrow::field(std::string(kTsColumn), arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")));
  columns.push_back(arrow::field(std::string(kPosColumn), arrow::utf8()));
  columns.push_back(arrow::field(std::string(kUnchangedColumn), arrow::utf8()));
  return EnvelopeReading{arrow::schema(std::move(message)), arrow::schema(std::move(columns))};
}

Result<FromEnvelope> from_envelope(const EnvelopeReading& reading, const arrow::RecordBatch& messages,
                                   std::span<const std::string> positions, bool before_images) {
  CHECK(positions.size() == static_cast<size_t>(messages.num_rows()));
  return RowsOfEnvelopes(reading, messages).run(positions, before_images);
}

}  // namespace sluice::kafka
