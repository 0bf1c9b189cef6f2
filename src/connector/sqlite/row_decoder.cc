#include "connector/sqlite/row_decoder.h"

#include <arrow/api.h>
#include <sqlite3.h>

#include <algorithm>

#include "base/json_string.h"
#include "batch/arrow_result.h"
#include "batch/utf8.h"

namespace sluice::sqlite {
namespace {

bool declares(const TableColumn& column, std::string_view word) {
  return column.declared.size() >= word.size() &&
         same_name(std::string_view(column.declared).substr(0, word.size()), word);
}

TypePtr type_of(const TableColumn& column) {
  if (declares(column, "BOOL")) return arrow::boolean();
  if (declares(column, "DATE") || declares(column, "TIME")) return arrow::utf8();  // DATETIME and TIMESTAMP too
  switch (column.affinity) {
    case Affinity::integer:
      return arrow::int64();
    case Affinity::text:
      return arrow::utf8();
    case Affinity::blob:
      return arrow::binary();
    case Affinity::real:
    case Affinity::numeric:
      return arrow::float64();
  }
  return arrow::binary();
}

constexpr int64_t kExactInDouble = int64_t{1} << 53;

std::string shown_value(const Statement& statement, int column) {
  switch (statement.type(column)) {
    case SQLITE_INTEGER:
      return fmt::format("the integer {}", statement.integer(column));
    case SQLITE_FLOAT:
      return fmt::format("the number {}", statement.real(column));
    case SQLITE_TEXT:
      return fmt::format("the text '{}'", statement.text(column).substr(0, 40));
    default:
      return "binary data";
  }
}

}  // namespace

SchemaPtr schema_of(const std::vector<TableColumn>& columns) {
  arrow::FieldVector fields;
  for (const auto& column : columns) fields.push_back(arrow::field(column.name, type_of(column)));
  return arrow::schema(std::move(fields));
}

RowDecoder::RowDecoder(std::vector<TableColumn> columns, int first_column)
    : columns_(std::move(columns)), first_column_(first_column), schema_(schema_of(columns_)) {
  for (const auto& field : schema_->fields()) {
    auto builder = arrow::MakeBuilder(field->type());
    CHECK(builder.ok());
    builders_.push_back(std::move(builder).ValueUnsafe());
  }
}

std::optional<std::string> RowDecoder::problem(const Statement& statement, size_t column) const {
  const int at = first_column_ + static_cast<int>(column);
  const int type = statement.type(at);
  bool fits = true;
  switch (schema_->field(static_cast<int>(column))->type()->id()) {
    case arrow::Type::INT64:
      fits = type == SQLITE_INTEGER;
      break;
    case arrow::Type::BOOL:
      fits = type == SQLITE_INTEGER && (statement.integer(at) | 1) == 1;
      break;
    case arrow::Type::DOUBLE:
      fits = type == SQLITE_FLOAT || (type == SQLITE_INTEGER && std::abs(statement.integer(at)) <= kExactInDouble);
      break;
    case arrow::Type::STRING: {
      if (type == SQLITE_BLOB) {
        fits = false;
        break;
      }
      fits = is_utf8(statement.text(at));  // numbers in a column of dates: their text
      break;
    }
    default:
      break;  // a column without a declared type takes every value as its bytes
  }
  if (fits || type == SQLITE_NULL) return std::nullopt;
  const auto& name = columns_[column];
  return fmt::format("column '{}' is declared {} but holds {}", name.name, name.declared, shown_value(statement, at));
}

Result<std::optional<std::string>> RowDecoder::append(Statement& statement) {
  for (size_t column = 0; column < columns_.size(); ++column) {
    if (auto found = problem(statement, column)) return found;
  }
  for (size_t column = 0; column < columns_.size(); ++column) TRY(append_value(statement, column));
  ++rows_;
  return std::optional<std::string>();
}

Result<void> RowDecoder::append_value(const Statement& statement, size_t column) {
  const int at = first_column_ + static_cast<int>(column);
  auto* builder = builders_[column].get();
  if (statement.is_null(at)) return to_result(builder->AppendNull());
  switch (builder->type()->id()) {
    case arrow::Type::INT64:
      bytes_ += 8;
      return to_result(static_cast<arrow::Int64Builder*>(builder)->Append(statement.integer(at)));
    case arrow::Type::BOOL:
      bytes_ += 1;
      return to_result(static_cast<arrow::BooleanBuilder*>(builder)->Append(statement.integer(at) != 0));
    case arrow::Type::DOUBLE:
      bytes_ += 8;
      return to_result(static_cast<arrow::DoubleBuilder*>(builder)->Append(statement.real(at)));
    case arrow::Type::STRING: {
      auto text = statement.text(at);
      bytes_ += 4 + static_cast<int64_t>(text.size());
      return to_result(static_cast<arrow::StringBuilder*>(builder)->Append(text));
    }
    default: {
      auto blob = statement.blob(at);
      bytes_ += 4 + static_cast<int64_t>(blob.size());
      return to_result(static_cast<arrow::BinaryBuilder*>(builder)->Append(blob));
    }
  }
}

Result<BatchPtr> RowDecoder::take() {
  arrow::ArrayVector arrays;
  for (auto& builder : builders_) arrays.push_back(TRY(to_result(builder->Finish())));
  bytes_ = 0;
  return arrow::RecordBatch::Make(schema_, std::exchange(rows_, 0), std::move(arrays));
}

std::string RowDecoder::row_text(const Statement& statement) const {
  std::string out = "{";
  for (size_t column = 0; column < columns_.size(); ++column) {
    const int at = first_column_ + static_cast<int>(column);
    if (column > 0) out += ',';
    append_json_string(columns_[column].name, out);
    out += ':';
    switch (statement.type(at)) {
      case SQLITE_NULL:
        out += "null";
        break;
      case SQLITE_INTEGER:
        out += std::to_string(statement.integer(at));
        break;
      case SQLITE_FLOAT:
        out += fmt::format("{}", statement.real(at));
        break;
      case SQLITE_TEXT:
        append_json_string(statement.text(at), out);
        break;
      default:
        out += fmt::format("\"{} bytes\"", statement.blob(at).size());
    }
  }
  return out + '}';
}

}  // namespace sluice::sqlite
