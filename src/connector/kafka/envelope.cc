// Change rows → envelopes.
#include "connector/kafka/envelope.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include <arrow/api.h>
#include <arrow/compute/api_vector.h>
#include <arrow/util/bit_util.h>

#include "batch/arrow_result.h"
#include "batch/change.h"

namespace sluice::kafka {
namespace {

// Column `name` of the batch as texts; null when there is none.
const arrow::StringArray* texts(const arrow::RecordBatch& batch, std::string_view name) {
  const int index = batch.schema()->GetFieldIndex(std::string(name));
  if (index < 0 || batch.column(index)->type_id() != arrow::Type::STRING) return nullptr;
  return static_cast<const arrow::StringArray*>(batch.column(index).get());
}

std::string_view text_at(const arrow::StringArray* array, int64_t row, std::string_view otherwise) {
  return array == nullptr || array->IsNull(row) ? otherwise : array->GetView(row);
}

std::optional<std::string_view> letter_of(std::string_view op) {
  if (op == "insert") return "c";
  if (op == "update") return "u";
  if (op == "delete") return "d";
  if (op == "snapshot") return "r";
  if (op == "truncate") return "t";
  return std::nullopt;
}

std::optional<int64_t> milliseconds_at(const arrow::RecordBatch& batch, int64_t row) {
  auto array = batch.GetColumnByName(std::string(kTsColumn));
  if (array == nullptr || array->type_id() != arrow::Type::TIMESTAMP || array->IsNull(row)) return std::nullopt;
  const auto& type = static_cast<const arrow::TimestampType&>(*array->type());
  const int64_t value = static_cast<const arrow::TimestampArray&>(*array).Value(row);
  switch (type.unit()) {
    case arrow::TimeUnit::SECOND:
      return value * 1000;
    case arrow::TimeUnit::MILLI:
      return value;
    case arrow::TimeUnit::MICRO:
      return value >= 0 ? value / 1000 : (value - 999) / 1000;
    default:
      return value >= 0 ? value / 1'000'000 : (value - 999'999) / 1'000'000;
  }
}

// "0000000016B374D8-00000003" begins with PostgreSQL's LSN; other positions have none.
std::optional<int64_t> lsn_of(std::string_view pos) {
  constexpr size_t kDigits = 16;
  uint64_t lsn = 0;
  if (pos.size() < kDigits || (pos.size() > kDigits && pos[kDigits] != '-')) return std::nullopt;
  auto parsed = std::from_chars(pos.data(), pos.data() + kDigits, lsn, 16);
  if (parsed.ec != std::errc() || parsed.ptr != pos.data() + kDigits) return std::nullopt;
  return static_cast<int64_t>(lsn);
}

arrow::FieldVector source_fields() {
  auto text = [](const char* name) { return arrow::field(name, arrow::utf8()); };
  auto number = [](const char* name) { return arrow::field(name, arrow::int64()); };
  return {text("version"), text("connector"), text("name"),  number("ts_ms"),  text("snapshot"),
          text("db"),      text("schema"),    text("table"), text("sequence"), number("lsn")};
}

arrow::FieldVector row_fields(const arrow::Schema& schema, std::span<const int> columns) {
  arrow::FieldVector fields;
  for (int column : columns) fields.push_back(schema.field(column)->WithNullable(true));
  return fields;
}

// Where the rows of one envelope are; -1: there is none.
struct Images {
  int64_t before = -1;
  int64_t after = -1;
};

// The same batch's columns with the placeholder where a value was not sent. Rows of columns that cannot hold it are
// unfit.
class Placeholders {
 public:
  Placeholders(const arrow::RecordBatch& rows, std::span<const int> columns) : rows_(rows), columns_(columns) {
    unchanged_ = std::dynamic_pointer_cast<arrow::StringArray>(rows.GetColumnByName(std::string(kUnchangedColumn)));
  }

  Result<arrow::ArrayVector> fill(std::vector<std::string>& unfit) {
    arrow::ArrayVector arrays;
    for (int column : columns_) arrays.push_back(rows_.column(column));
    if (unchanged_ == nullptr || unchanged_->null_count() == unchanged_->length()) return arrays;
    std::vector<std::vector<bool>> missing(columns_.size());
    for (int64_t row = 0; row < rows_.num_rows(); ++row) note(row, missing, unfit);
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (!missing[i].empty()) arrays[i] = TRY(filled(*arrays[i], missing[i]));
    }
    return arrays;
  }

 private:
  void note(int64_t row, std::vector<std::vector<bool>>& missing, std::vector<std::string>& unfit) const {
    if (unchanged_->IsNull(row)) return;
    for (const auto& name : list_of_names(unchanged_->GetView(row))) {
      for (size_t i = 0; i < columns_.size(); ++i) {
        const auto& field = *rows_.schema()->field(columns_[i]);
        if (field.name() != name) continue;
        const auto id = field.type()->id();
        if (id == arrow::Type::STRING || id == arrow::Type::BINARY) {
          missing[i].resize(static_cast<size_t>(rows_.num_rows()));
          missing[i][static_cast<size_t>(row)] = true;
        } else {
          unfit[static_cast<size_t>(row)] = fmt::format(
              "the value of '{}' was not sent because it had not changed, and a {} has no placeholder for that; set "
              "REPLICA IDENTITY FULL on the table",
              field.name(), type_name(*field.type()));
        }
      }
    }
  }

  static Result<std::shared_ptr<arrow::Array>> filled(const arrow::Array& array, const std::vector<bool>& missing) {
    const auto& values = static_cast<const arrow::BinaryArray&>(array);
    arrow::BinaryBuilder builder(array.type(), arrow::default_memory_pool());
    TRY(to_result(builder.ReserveData(values.total_values_length())));
    for (int64_t row = 0; row < values.length(); ++row) {
      if (missing[static_cast<size_t>(row)]) {
        TRY(to_result(builder.Append(kUnavailable)));
      } else if (values.IsNull(row)) {
        TRY(to_result(builder.AppendNull()));
      } else {
        TRY(to_result(builder.Append(values.GetView(row))));
      }
    }
    std::shared_ptr<arrow::Array> made = TRY(to_result(builder.Finish()));
    if (made->type()->Equals(array.type())) return made;
    auto data = made->data()->Copy();
    data->type = array.type();
    return arrow::MakeArray(data);
  }

  const arrow::RecordBatch& rows_;
  std::span<const int> columns_;
  std::shared_ptr<arrow::StringArray> unchanged_;
};

// The structs that `image` chooses. Where each is the row at its own place, nothing is copied.
Result<std::shared_ptr<arrow::Array>> images_of(const arrow::ArrayVector& columns, const arrow::FieldVector& fields,
                                                int64_t rows, const std::vector<Images>& all, int64_t Images::*image) {
  const auto count = static_cast<int64_t>(all.size());
  bool in_place = count == rows;
  for (int64_t i = 0; in_place && i < count; ++i) {
    const int64_t row = all[static_cast<size_t>(i)].*image;
    in_place = row < 0 || row == i;
  }
  if (in_place) {
    std::shared_ptr<arrow::Buffer> validity = TRY(to_result(arrow::AllocateEmptyBitmap(count)));
    int64_t nulls = 0;
    for (int64_t i = 0; i < count; ++i) {
      const bool there = all[static_cast<size_t>(i)].*image >= 0;
      arrow::bit_util::SetBitTo(validity->mutable_data(), i, there);
      nulls += there ? 0 : 1;
    }
    return std::make_shared<arrow::StructArray>(arrow::struct_(fields), count, columns, validity, nulls);
  }
  arrow::Int64Builder indices;
  for (const auto& one : all) TRY(to_result(one.*image < 0 ? indices.AppendNull() : indices.Append(one.*image)));
  auto whole = std::make_shared<arrow::StructArray>(arrow::struct_(fields), rows, columns);
  return to_result(
      arrow::compute::Take(*whole, *TRY(to_result(indices.Finish())), arrow::compute::TakeOptions::NoBoundsCheck()));
}

Result<std::shared_ptr<arrow::Array>> sources_of(const arrow::RecordBatch& rows, const std::vector<int64_t>& row_of,
                                                 const EnvelopeOrigin& origin) {
  auto type = arrow::struct_(source_fields());
  std::unique_ptr<arrow::ArrayBuilder> made = TRY(to_result(arrow::MakeBuilder(type)));
  auto& builder = static_cast<arrow::StructBuilder&>(*made);
  auto text = [&](int field, std::string_view value) {
    return static_cast<arrow::StringBuilder*>(builder.field_builder(field))->Append(value);
  };
  auto number = [&](int field, std::optional<int64_t> value) {
    auto* numbers = static_cast<arrow::Int64Builder*>(builder.field_builder(field));
    return value ? numbers->Append(*value) : numbers->AppendNull();
  };
  const auto* ops = texts(rows, kOpColumn);
  const auto* positions = texts(rows, kPosColumn);
  for (int64_t row : row_of) {
    const std::string_view pos = text_at(positions, row, "");
    TRY(to_result(builder.Append()));
    TRY(to_result(text(0, origin.version)));
    TRY(to_result(text(1, origin.connector)));
    TRY(to_result(text(2, origin.name)));
    TRY(to_result(number(3, milliseconds_at(rows, row))));
    TRY(to_result(text(4, text_at(ops, row, "insert") == "snapshot" ? "true" : "false")));
    TRY(to_result(text(5, origin.db)));
    TRY(to_result(text(6, origin.schema)));
    TRY(to_result(text(7, origin.table)));
    TRY(to_result(text(8, pos.empty() ? "" : fmt::format("[\"{}\"]", pos))));
    TRY(to_result(number(9, lsn_of(pos))));
  }
  return to_result(builder.Finish());
}

}  // namespace

SchemaPtr envelope_schema(const arrow::Schema& schema, std::span<const int> columns) {
  auto row = arrow::struct_(row_fields(schema, columns));
  return arrow::schema({arrow::field("before", row), arrow::field("after", row),
                        arrow::field("source", arrow::struct_(source_fields())), arrow::field("op", arrow::utf8()),
                        arrow::field("ts_ms", arrow::int64())});
}

Result<Enveloped> to_envelope(const arrow::RecordBatch& rows, std::span<const int> columns,
                              const EnvelopeOrigin& origin, WallTime now) {
  std::vector<std::string> unfit(static_cast<size_t>(rows.num_rows()));
  const auto arrays = TRY(Placeholders(rows, columns).fill(unfit));
  const auto* ops = texts(rows, kOpColumn);
  const auto* positions = texts(rows, kPosColumn);
  Enveloped out;
  std::vector<Images> images;
  arrow::StringBuilder letters;
  int64_t old_row = -1;  // with _op 'before'
  for (int64_t row = 0; row < rows.num_rows(); ++row) {
    const std::string_view op = text_at(ops, row, "insert");
    if (op == "before") {
      old_row = row;
      continue;
    }
    const int64_t before = std::exchange(old_row, -1);
    const auto letter = letter_of(op);
    if (!letter) unfit[static_cast<size_t>(row)] = fmt::format("'{}' is no change", op);
    if (!unfit[static_cast<size_t>(row)].empty()) {
      out.unfit.emplace_back(row, std::move(unfit[static_cast<size_t>(row)]));
      continue;
    }
    const bool same = before >= 0 && text_at(positions, before, "") == text_at(positions, row, "");
    Images image;
    if (*letter == "d") {
      image.before = same ? before : row;
    } else if (*letter != "t") {
      image.before = same ? before : -1;
      image.after = row;
    }
    images.push_back(image);
    out.row_of.push_back(row);
    TRY(to_result(letters.Append(*letter)));
  }
  const auto fields = row_fields(*rows.schema(), columns);
  const auto count = static_cast<int64_t>(images.size());
  auto before = TRY(images_of(arrays, fields, rows.num_rows(), images, &Images::before));
  auto after = TRY(images_of(arrays, fields, rows.num_rows(), images, &Images::after));
  auto source = TRY(sources_of(rows, out.row_of, origin));
  const int64_t ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  auto times = TRY(to_result(arrow::MakeArrayFromScalar(arrow::Int64Scalar(ms), count)));
  out.batch = arrow::RecordBatch::Make(envelope_schema(*rows.schema(), columns), count,
                                       {before, after, source, TRY(to_result(letters.Finish())), times});
  return out;
}

}  // namespace sluice::kafka
