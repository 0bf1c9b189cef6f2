#include "connector/sqlite/cell.h"

#include <arrow/api.h>

#include <cmath>

#include "batch/json_text.h"
#include "batch/schema.h"
#include "batch/time_text.h"

namespace sluice::sqlite {
namespace {

// Binds what `get` makes of a row: int64_t, double or text. `get` returns an optional where a value may be unstorable.
template <typename ArrayType, typename Get>
class CellsOf final : public Cells {
 public:
  CellsOf(std::shared_ptr<arrow::Array> column, Get get)
      : column_(std::static_pointer_cast<ArrayType>(std::move(column))), get_(std::move(get)) {}

  void bind(int64_t row, Statement& statement, int parameter) override {
    if (column_->IsNull(row)) {
      statement.bind_null(parameter);
      return;
    }
    auto value = get_(*column_, row);
    if constexpr (kOptional) {
      CHECK(value.has_value());  // such rows were rejected when they were written
      bind_value(*std::move(value), statement, parameter);
    } else {
      bind_value(std::move(value), statement, parameter);
    }
  }
  [[nodiscard]] std::optional<std::string> problem(int64_t row) const override {
    if constexpr (kOptional) {
      if (!column_->IsNull(row) && !get_(*column_, row).has_value()) {
        std::string shown;
        append_json(*column_, row, shown);
        return "SQLite cannot hold the value " + shown;
      }
    }
    return std::nullopt;
  }
  [[nodiscard]] bool may_have_problems() const override { return kOptional; }

 private:
  using Value = std::invoke_result_t<Get, const ArrayType&, int64_t>;
  template <typename T>
  struct IsOptional : std::false_type {};
  template <typename T>
  struct IsOptional<std::optional<T>> : std::true_type {};
  static constexpr bool kOptional = IsOptional<Value>::value;

  void bind_value(int64_t value, Statement& statement, int parameter) { statement.bind(parameter, value); }
  void bind_value(double value, Statement& statement, int parameter) { statement.bind(parameter, value); }
  void bind_value(std::string_view value, Statement& statement, int parameter) { statement.bind(parameter, value); }
  void bind_value(std::string value, Statement& statement, int parameter) {
    text_ = std::move(value);
    statement.bind(parameter, std::string_view(text_));
  }

  std::shared_ptr<ArrayType> column_;
  Get get_;
  std::string text_;
};

template <typename ArrayType, typename Get>
std::unique_ptr<Cells> cells(std::shared_ptr<arrow::Array> column, Get get) {
  return std::make_unique<CellsOf<ArrayType, Get>>(std::move(column), std::move(get));
}

template <typename ArrayType>
class BlobCells final : public Cells {
 public:
  explicit BlobCells(std::shared_ptr<arrow::Array> column)
      : column_(std::static_pointer_cast<ArrayType>(std::move(column))) {}
  void bind(int64_t row, Statement& statement, int parameter) override {
    if (column_->IsNull(row)) {
      statement.bind_null(parameter);
    } else {
      statement.bind_blob(parameter, column_->GetView(row));
    }
  }
  [[nodiscard]] std::optional<std::string> problem(int64_t) const override { return std::nullopt; }
  [[nodiscard]] bool may_have_problems() const override { return false; }

 private:
  std::shared_ptr<ArrayType> column_;
};

class DictionaryCells final : public Cells {
 public:
  explicit DictionaryCells(const std::shared_ptr<arrow::Array>& column)
      : column_(std::static_pointer_cast<arrow::DictionaryArray>(column)), values_(Cells::of(column_->dictionary())) {}
  void bind(int64_t row, Statement& statement, int parameter) override {
    if (column_->IsNull(row)) {
      statement.bind_null(parameter);
    } else {
      values_->bind(column_->GetValueIndex(row), statement, parameter);
    }
  }
  [[nodiscard]] std::optional<std::string> problem(int64_t row) const override {
    return column_->IsNull(row) ? std::nullopt : values_->problem(column_->GetValueIndex(row));
  }
  [[nodiscard]] bool may_have_problems() const override { return values_->may_have_problems(); }

 private:
  std::shared_ptr<arrow::DictionaryArray> column_;
  std::unique_ptr<Cells> values_;
};

template <typename ArrayType>
std::unique_ptr<Cells> integer_cells(std::shared_ptr<arrow::Array> column) {
  return cells<ArrayType>(std::move(column),
                          [](const ArrayType& array, int64_t row) { return static_cast<int64_t>(array.Value(row)); });
}

std::optional<double> stored(double value) { return std::isnan(value) ? std::nullopt : std::optional(value); }

template <typename ArrayType>
std::unique_ptr<Cells> real_cells(std::shared_ptr<arrow::Array> column) {
  return cells<ArrayType>(std::move(column), [](const ArrayType& array, int64_t row) {
    if constexpr (std::is_same_v<ArrayType, arrow::HalfFloatArray>) {
      return stored(arrow::util::Float16::FromBits(array.Value(row)).ToDouble());
    } else {
      return stored(array.Value(row));
    }
  });
}

template <typename ArrayType>
std::unique_ptr<Cells> text_cells(std::shared_ptr<arrow::Array> column) {
  return cells<ArrayType>(std::move(column),
                          [](const ArrayType& array, int64_t row) { return std::string_view(array.GetView(row)); });
}

template <typename ArrayType>
std::unique_ptr<Cells> decimal_cells(std::shared_ptr<arrow::Array> column) {
  return cells<ArrayType>(std::move(column),
                          [](const ArrayType& array, int64_t row) { return array.FormatValue(row); });
}

template <typename ArrayType, typename TypeClass>
std::unique_ptr<Cells> time_cells(std::shared_ptr<arrow::Array> column) {
  auto unit = static_cast<const TypeClass&>(*column->type()).unit();
  return cells<ArrayType>(std::move(column), [unit](const ArrayType& array, int64_t row) {
    return time_of_day_text(array.Value(row), unit);
  });
}

std::unique_ptr<Cells> timestamp_cells(std::shared_ptr<arrow::Array> column) {
  const auto& type = static_cast<const arrow::TimestampType&>(*column->type());
  return cells<arrow::TimestampArray>(std::move(column), [unit = type.unit(), utc = !type.timezone().empty()](
                                                             const arrow::TimestampArray& array, int64_t row) {
    return timestamp_text(array.Value(row), unit, utc);
  });
}

std::unique_ptr<Cells> date_cells(std::shared_ptr<arrow::Array> column) {
  if (column->type_id() == arrow::Type::DATE32) {
    return cells<arrow::Date32Array>(
        std::move(column), [](const arrow::Date32Array& array, int64_t row) { return date_text(array.Value(row)); });
  }
  return cells<arrow::Date64Array>(std::move(column), [](const arrow::Date64Array& array, int64_t row) {
    return date_text(array.Value(row) / 86'400'000);
  });
}

std::unique_ptr<Cells> json_cells(std::shared_ptr<arrow::Array> column) {
  return cells<arrow::Array>(std::move(column), [](const arrow::Array& array, int64_t row) {
    std::string text;
    append_json(array, row, text);
    return text;
  });
}

}  // namespace

std::string_view declared_type(Storage storage) {
  switch (storage) {
    case Storage::integer:
      return "INTEGER";
    case Storage::real:
      return "REAL";
    case Storage::text:
      return "TEXT";
    case Storage::blob:
      return "BLOB";
  }
  return "BLOB";
}

Result<Storage> storage_of(const arrow::Field& field) {
  const auto id = field.type()->id();
  if (id == arrow::Type::BOOL || arrow::is_integer(id)) return Storage::integer;
  if (arrow::is_floating(id)) return Storage::real;
  if (arrow::is_decimal(id) || arrow::is_nested(id)) {
    if (!arrow::is_union(id)) return Storage::text;
  }
  switch (id) {
    case arrow::Type::NA:
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
    case arrow::Type::DATE32:
    case arrow::Type::DATE64:
    case arrow::Type::TIME32:
    case arrow::Type::TIME64:
    case arrow::Type::TIMESTAMP:
      return Storage::text;
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::BINARY_VIEW:
    case arrow::Type::FIXED_SIZE_BINARY:
      return Storage::blob;
    case arrow::Type::DICTIONARY:
      return storage_of(
          *arrow::field(field.name(), static_cast<const arrow::DictionaryType&>(*field.type()).value_type()));
    default:
      break;
  }
  return user_error("column '{}' has type {}, which SQLite cannot hold; cast it in the SELECT", field.name(),
                    type_name(*field.type()));
}

std::unique_ptr<Cells> Cells::of(std::shared_ptr<arrow::Array> column) {
  switch (column->type_id()) {
    case arrow::Type::BOOL:
      return integer_cells<arrow::BooleanArray>(std::move(column));
    case arrow::Type::INT8:
      return integer_cells<arrow::Int8Array>(std::move(column));
    case arrow::Type::INT16:
      return integer_cells<arrow::Int16Array>(std::move(column));
    case arrow::Type::INT32:
      return integer_cells<arrow::Int32Array>(std::move(column));
    case arrow::Type::INT64:
      return integer_cells<arrow::Int64Array>(std::move(column));
    case arrow::Type::UINT8:
      return integer_cells<arrow::UInt8Array>(std::move(column));
    case arrow::Type::UINT16:
      return integer_cells<arrow::UInt16Array>(std::move(column));
    case arrow::Type::UINT32:
      return integer_cells<arrow::UInt32Array>(std::move(column));
    case arrow::Type::UINT64:
      return cells<arrow::UInt64Array>(std::move(column), [](const arrow::UInt64Array& array, int64_t row) {
        const uint64_t value = array.Value(row);
        return value > INT64_MAX ? std::nullopt : std::optional(static_cast<int64_t>(value));
      });
    case arrow::Type::HALF_FLOAT:
      return real_cells<arrow::HalfFloatArray>(std::move(column));
    case arrow::Type::FLOAT:
      return real_cells<arrow::FloatArray>(std::move(column));
    case arrow::Type::DOUBLE:
      return real_cells<arrow::DoubleArray>(std::move(column));
    case arrow::Type::STRING:
      return text_cells<arrow::StringArray>(std::move(column));
    case arrow::Type::LARGE_STRING:
      return text_cells<arrow::LargeStringArray>(std::move(column));
    case arrow::Type::STRING_VIEW:
      return text_cells<arrow::StringViewArray>(std::move(column));
    case arrow::Type::BINARY:
      return std::make_unique<BlobCells<arrow::BinaryArray>>(std::move(column));
    case arrow::Type::LARGE_BINARY:
      return std::make_unique<BlobCells<arrow::LargeBinaryArray>>(std::move(column));
    case arrow::Type::BINARY_VIEW:
      return std::make_unique<BlobCells<arrow::BinaryViewArray>>(std::move(column));
    case arrow::Type::FIXED_SIZE_BINARY:
      return std::make_unique<BlobCells<arrow::FixedSizeBinaryArray>>(std::move(column));
    case arrow::Type::DECIMAL32:
      return decimal_cells<arrow::Decimal32Array>(std::move(column));
    case arrow::Type::DECIMAL64:
      return decimal_cells<arrow::Decimal64Array>(std::move(column));
    case arrow::Type::DECIMAL128:
      return decimal_cells<arrow::Decimal128Array>(std::move(column));
    case arrow::Type::DECIMAL256:
      return decimal_cells<arrow::Decimal256Array>(std::move(column));
    case arrow::Type::DATE32:
    case arrow::Type::DATE64:
      return date_cells(std::move(column));
    case arrow::Type::TIMESTAMP:
      return timestamp_cells(std::move(column));
    case arrow::Type::TIME32:
      return time_cells<arrow::Time32Array, arrow::Time32Type>(std::move(column));
    case arrow::Type::TIME64:
      return time_cells<arrow::Time64Array, arrow::Time64Type>(std::move(column));
    case arrow::Type::DICTIONARY:
      return std::make_unique<DictionaryCells>(column);
    default:
      return json_cells(std::move(column));  // nested; storage_of() let nothing else through
  }
}

}  // namespace sluice::sqlite
