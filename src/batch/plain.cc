#include "batch/plain.h"

#include <algorithm>
#include <set>
#include <utility>

#include <arrow/extension_type.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/byte_size.h>

#include "batch/arrow_result.h"

namespace sluice {
namespace {

using arrow::Type;
using Path = std::vector<std::string>;

// Batches of fewer rows are not made, however wide the rows are said to be.
constexpr int64_t kRowsMin = 64;

std::shared_ptr<arrow::Field> plain_field(const std::shared_ptr<arrow::Field>& field) {
  return field->WithType(plain_type(field->type()))->RemoveMetadata();
}

std::string dotted(const Path& path) {
  std::string text;
  for (const auto& part : path) text += (text.empty() ? "" : ".") + part;
  return text;
}

// Paths below one column, without that column's own name.
Result<arrow::FieldVector> project_fields(const arrow::FieldVector& fields, const std::vector<Path>& paths,
                                          size_t depth) {
  for (const auto& path : paths) {
    if (std::none_of(fields.begin(), fields.end(), [&](const auto& field) { return field->name() == path[depth]; })) {
      return user_error("there is no column {}", dotted(path));
    }
  }
  arrow::FieldVector kept;
  for (const auto& field : fields) {
    std::vector<Path> below;
    bool whole = false;
    for (const auto& path : paths) {
      if (path[depth] != field->name()) continue;
      if (path.size() == depth + 1 || field->type()->id() != Type::STRUCT) whole = true;
      below.push_back(path);
    }
    if (whole) {
      kept.push_back(field);
    } else if (!below.empty()) {
      kept.push_back(field->WithType(arrow::struct_(TRY(project_fields(field->type()->fields(), below, depth + 1)))));
    }
  }
  return kept;
}

Result<void> refuse_doubles(std::string_view where, const arrow::FieldVector& fields) {
  std::set<std::string> seen;
  for (const auto& field : fields) {
    if (!seen.insert(field->name()).second) return user_error("{} has two columns named {}", where, field->name());
    if (field->type()->id() == Type::STRUCT) TRY(refuse_doubles(where, field->type()->fields()));
  }
  return {};
}

arrow::FieldVector narrowed_fields(const arrow::FieldVector& natural, const arrow::FieldVector& wanted) {
  arrow::FieldVector fields;
  for (const auto& field : natural) {
    for (const auto& other : wanted) {
      if (other->name() != field->name()) continue;
      const bool both = field->type()->id() == arrow::Type::STRUCT && other->type()->id() == arrow::Type::STRUCT;
      fields.push_back(
          both ? field->WithType(arrow::struct_(narrowed_fields(field->type()->fields(), other->type()->fields())))
               : field);
      break;
    }
  }
  return fields;
}

}  // namespace

SchemaPtr narrowed(const arrow::Schema& natural, const arrow::Schema& wanted) {
  return arrow::schema(narrowed_fields(natural.fields(), wanted.fields()));
}

TypePtr plain_type(const TypePtr& type) {
  switch (type->id()) {
    case Type::LARGE_STRING:
    case Type::STRING_VIEW:
      return arrow::utf8();
    case Type::LARGE_BINARY:
    case Type::BINARY_VIEW:
      return arrow::binary();
    case Type::HALF_FLOAT:
      return arrow::float32();
    case Type::DATE64:
      return arrow::date32();
    case Type::DICTIONARY:
      return plain_type(static_cast<const arrow::DictionaryType&>(*type).value_type());
    case Type::EXTENSION:
      return plain_type(static_cast<const arrow::ExtensionType&>(*type).storage_type());
    case Type::DECIMAL32:
    case Type::DECIMAL64: {
      const auto& decimal = static_cast<const arrow::DecimalType&>(*type);
      return arrow::decimal128(decimal.precision(), decimal.scale());
    }
    case Type::STRUCT: {
      arrow::FieldVector fields;
      for (const auto& field : type->fields()) fields.push_back(plain_field(field));
      return arrow::struct_(fields);
    }
    case Type::LIST:
    case Type::LARGE_LIST:
    case Type::LIST_VIEW:
    case Type::LARGE_LIST_VIEW:
      return arrow::list(plain_field(type->field(0)));
    case Type::FIXED_SIZE_LIST:
      return arrow::fixed_size_list(plain_field(type->field(0)),
                                    static_cast<const arrow::FixedSizeListType&>(*type).list_size());
    case Type::MAP: {
      const auto& map = static_cast<const arrow::MapType&>(*type);
      return std::make_shared<arrow::MapType>(plain_field(map.key_field())->WithNullable(false),
                                              plain_field(map.item_field()));
    }
    default:
      return type;
  }
}

SchemaPtr plain_schema(const arrow::Schema& schema) {
  arrow::FieldVector fields;
  for (const auto& field : schema.fields()) fields.push_back(plain_field(field));
  return arrow::schema(std::move(fields));
}

Result<SchemaPtr> project(const SchemaPtr& schema, const std::vector<std::vector<std::string>>& columns) {
  return arrow::schema(TRY(project_fields(schema->fields(), columns, 0)));
}

const arrow::DataType* type_named(const arrow::FieldVector& fields, std::string_view name) {
  auto found = std::find_if(fields.begin(), fields.end(), [&](const auto& field) { return field->name() == name; });
  return found == fields.end() ? nullptr : (*found)->type().get();
}

bool names_more(const arrow::FieldVector& fields, const arrow::FieldVector& others) {
  for (const auto& field : fields) {
    const auto* same = type_named(others, field->name());
    if (same == nullptr) return true;
    const bool structs = field->type()->id() == Type::STRUCT && same->id() == Type::STRUCT;
    if (structs && names_more(field->type()->fields(), same->fields())) return true;
  }
  return false;
}

Result<void> refuse_double_names(std::string_view where, const arrow::Schema& schema) {
  return refuse_doubles(where, schema.fields());
}

Result<int64_t> BatchAssembler::feed(BatchPtr rows) {
  CHECK(rest_ == nullptr);
  if (rows->num_rows() == 0) return 0;
  auto referenced = arrow::util::ReferencedBufferSize(*rows);
  int64_t bytes = referenced.ok() ? *referenced : arrow::util::TotalBufferSize(*rows);
  row_bytes_ = static_cast<double>(bytes) / static_cast<double>(rows->num_rows());
  rest_ = std::move(rows);
  return refill();
}

Result<int64_t> BatchAssembler::refill() {
  if (rest_ == nullptr) return 0;
  int64_t rows = rest_->num_rows();
  int64_t fit = rows_max_ - ready_rows_;
  if (row_bytes_ > 0) {
    // An empty batch takes at least some rows, whatever they weigh: reading has to go on.
    int64_t least = ready_.empty() ? std::min(kRowsMin, rows_max_) : 0;
    double room = static_cast<double>(bytes_max_ - ready_bytes_) / row_bytes_;
    fit = std::min(fit, std::max(least, static_cast<int64_t>(std::max(room, 0.0))));
  }
  int64_t taken = std::min(rows, fit);
  if (taken > 0) {
    ready_.push_back(taken == rows ? rest_ : rest_->Slice(0, taken));
    ready_rows_ += taken;
    ready_bytes_ += static_cast<int64_t>(row_bytes_ * static_cast<double>(taken));
  }
  rest_ = taken == rows ? nullptr : rest_->Slice(taken);
  full_ = rest_ != nullptr || ready_rows_ >= rows_max_ || ready_bytes_ >= bytes_max_;
  return taken;
}

Result<BatchPtr> BatchAssembler::take() {
  auto batches = std::exchange(ready_, {});
  ready_rows_ = ready_bytes_ = 0;
  full_ = false;
  if (batches.empty()) return BatchPtr();
  if (batches.size() == 1) return batches[0];
  return to_result(arrow::ConcatenateRecordBatches(batches));
}

int64_t BatchAssembler::rows_wanted(int64_t unmeasured) const {
  int64_t rows = row_bytes_ == 0 ? unmeasured : static_cast<int64_t>(static_cast<double>(bytes_max_) / row_bytes_);
  return std::clamp(rows, std::min(kRowsMin, rows_max_), rows_max_);
}

}  // namespace sluice
