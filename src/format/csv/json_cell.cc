// Lists, structs and maps as JSON in a cell.
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include <arrow/array.h>
#include <arrow/extension_type.h>

#include "format/csv/cell.h"

namespace sluice::csv {
namespace {

// JSON of the values inside lists, structs and maps.
class Json {
 public:
  virtual ~Json() = default;
  virtual void put(int64_t row, std::string* out) const = 0;
};
Result<std::unique_ptr<Json>> create_json(std::string_view name, const arrow::Array& array);

void put_json_text(std::string_view text, std::string* out) {
  out->push_back('"');
  for (char c : text) {
    switch (c) {
      case '"':
        *out += "\\\"";
        break;
      case '\\':
        *out += "\\\\";
        break;
      case '\n':
        *out += "\\n";
        break;
      case '\r':
        *out += "\\r";
        break;
      case '\t':
        *out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          fmt::format_to(std::back_inserter(*out), "\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out->push_back(c);
        }
    }
  }
  out->push_back('"');
}

// Numbers and booleans bare, everything else as a string.
class JsonScalar final : public Json {
 public:
  JsonScalar(const arrow::Array& array, std::unique_ptr<Cells> cells) : array_(array), cells_(std::move(cells)) {
    auto id = array.type_id();
    bare_ = arrow::is_integer(id) || arrow::is_decimal(id) || id == arrow::Type::BOOL;
    floating_ = arrow::is_floating(id);
  }
  void put(int64_t row, std::string* out) const override {
    if (array_.IsNull(row)) {
      *out += "null";
      return;
    }
    std::string scratch;
    std::string_view text = cells_->text(row, &scratch);
    bool finite = floating_ && text.back() != 'N' && text.back() != 'y';  // JSON has no NaN and Infinity
    if (bare_ || finite) {
      out->append(text);
    } else {
      put_json_text(text, out);
    }
  }

 private:
  const arrow::Array& array_;
  std::unique_ptr<Cells> cells_;
  bool bare_;
  bool floating_;
};

class JsonStruct final : public Json {
 public:
  static Result<std::unique_ptr<Json>> create(std::string_view name, const arrow::Array& array) {
    const auto& record = static_cast<const arrow::StructArray&>(array);
    auto json = std::make_unique<JsonStruct>();
    json->array_ = &record;
    for (int i = 0; i < record.num_fields(); ++i) {
      json->arrays_.push_back(record.field(i));
      json->fields_.push_back(TRY(create_json(name, *json->arrays_.back())));
    }
    return std::unique_ptr<Json>(std::move(json));
  }
  void put(int64_t row, std::string* out) const override {
    if (array_->IsNull(row)) {
      *out += "null";
      return;
    }
    char before = '{';
    for (size_t i = 0; i < fields_.size(); ++i) {
      out->push_back(std::exchange(before, ','));
      put_json_text(array_->type()->field(static_cast<int>(i))->name(), out);
      out->push_back(':');
      fields_[i]->put(row, out);
    }
    *out += fields_.empty() ? "{}" : "}";
  }

 private:
  const arrow::StructArray* array_ = nullptr;
  std::vector<std::shared_ptr<arrow::Array>> arrays_;
  std::vector<std::unique_ptr<Json>> fields_;
};

template <typename ArrayType>
class JsonList final : public Json {
 public:
  static Result<std::unique_ptr<Json>> create(std::string_view name, const arrow::Array& array) {
    auto json = std::make_unique<JsonList>();
    json->array_ = &static_cast<const ArrayType&>(array);
    json->values_ = json->array_->values();
    json->value_ = TRY(create_json(name, *json->values_));
    return std::unique_ptr<Json>(std::move(json));
  }
  void put(int64_t row, std::string* out) const override {
    if (array_->IsNull(row)) {
      *out += "null";
      return;
    }
    out->push_back('[');
    int64_t begin = array_->value_offset(row);
    for (int64_t i = 0; i < array_->value_length(row); ++i) {
      if (i > 0) out->push_back(',');
      value_->put(begin + i, out);
    }
    out->push_back(']');
  }

 private:
  const ArrayType* array_ = nullptr;
  std::shared_ptr<arrow::Array> values_;
  std::unique_ptr<Json> value_;
};

// An object whose keys are the texts of the map's keys.
class JsonMap final : public Json {
 public:
  static Result<std::unique_ptr<Json>> create(std::string_view name, const arrow::Array& array) {
    auto json = std::make_unique<JsonMap>();
    json->array_ = &static_cast<const arrow::MapArray&>(array);
    json->keys_ = TRY(create_cells(name, *json->array_->keys()));
    json->value_ = TRY(create_json(name, *json->array_->items()));
    return std::unique_ptr<Json>(std::move(json));
  }
  void put(int64_t row, std::string* out) const override {
    if (array_->IsNull(row)) {
      *out += "null";
      return;
    }
    out->push_back('{');
    std::string scratch;
    for (int64_t i = array_->value_offset(row); i < array_->value_offset(row + 1); ++i) {
      if (i > array_->value_offset(row)) out->push_back(',');
      put_json_text(keys_->text(i, &scratch), out);
      out->push_back(':');
      value_->put(i, out);
    }
    out->push_back('}');
  }

 private:
  const arrow::MapArray* array_ = nullptr;
  std::unique_ptr<Cells> keys_;
  std::unique_ptr<Json> value_;
};

class JsonDictionary final : public Json {
 public:
  JsonDictionary(const arrow::DictionaryArray& array, std::unique_ptr<Json> values)
      : array_(array), values_(std::move(values)) {}
  void put(int64_t row, std::string* out) const override {
    if (array_.IsNull(row)) {
      *out += "null";
    } else {
      values_->put(array_.GetValueIndex(row), out);
    }
  }

 private:
  const arrow::DictionaryArray& array_;
  std::unique_ptr<Json> values_;
};

Result<std::unique_ptr<Json>> create_json(std::string_view name, const arrow::Array& array) {
  switch (array.type_id()) {
    case arrow::Type::STRUCT:
      return JsonStruct::create(name, array);
    case arrow::Type::LIST:
      return JsonList<arrow::ListArray>::create(name, array);
    case arrow::Type::LARGE_LIST:
      return JsonList<arrow::LargeListArray>::create(name, array);
    case arrow::Type::FIXED_SIZE_LIST:
      return JsonList<arrow::FixedSizeListArray>::create(name, array);
    case arrow::Type::MAP:
      return JsonMap::create(name, array);
    case arrow::Type::EXTENSION:
      return create_json(name, *static_cast<const arrow::ExtensionArray&>(array).storage());
    case arrow::Type::DICTIONARY: {
      const auto& dictionary = static_cast<const arrow::DictionaryArray&>(array);
      return std::unique_ptr<Json>(
          std::make_unique<JsonDictionary>(dictionary, TRY(create_json(name, *dictionary.dictionary()))));
    }
    default:
      return std::unique_ptr<Json>(std::make_unique<JsonScalar>(array, TRY(create_cells(name, array))));
  }
}

class JsonCells final : public Cells {
 public:
  explicit JsonCells(std::unique_ptr<Json> json) : json_(std::move(json)) {}
  std::string_view text(int64_t row, std::string* scratch) const override {
    scratch->clear();
    json_->put(row, scratch);
    return *scratch;
  }

 private:
  std::unique_ptr<Json> json_;
};

}  // namespace

Result<std::unique_ptr<Cells>> create_json_cells(std::string_view name, const arrow::Array& array) {
  return std::unique_ptr<Cells>(std::make_unique<JsonCells>(TRY(create_json(name, array))));
}

}  // namespace sluice::csv
