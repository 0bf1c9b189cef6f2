// How a MessageWriter writes one field. Inside src/format/protobuf only.
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include <arrow/array.h>
#include <arrow/util/bit_util.h>

#include "batch/schema.h"
#include "format/protobuf/schema.h"

namespace sluice::protobuf {

struct WriteNode {
  const Field* field = nullptr;     // null: the root
  std::string path;                 // "user.city"
  std::string tag;                  // as it stands in front of a value
  TypePtr type;                     // of the column, a plain one
  std::vector<WriteNode> children;  // fields of a message; of a list its element, of a map its key and value
  std::map<std::string, int32_t, std::less<>> symbols;  // of an enumeration
  bool has_default = false;  // the field cannot say whether it is there: NULL has no spelling
  bool omits_zero = false;   // … and zeros and empty texts are what is read where it is not
  bool packed = false;

  // The arrays of the batch.
  const arrow::Array* array = nullptr;
  const uint8_t* validity = nullptr;
  const uint8_t* values = nullptr;
  int64_t offset = 0;

  [[nodiscard]] bool is_null(int64_t i) const {
    if (type->id() == arrow::Type::NA) return true;
    return validity != nullptr && !arrow::bit_util::GetBit(validity, offset + i);
  }
  template <typename T>
  [[nodiscard]] T at(int64_t i) const {
    T value;
    std::memcpy(&value, values + (offset + i) * static_cast<int64_t>(sizeof(T)), sizeof(T));
    return value;
  }
  void bind(const arrow::Array& bound);

  static Result<WriteNode> of_message(const Message& message, const arrow::FieldVector& columns,
                                      const std::string& path);

 private:
  static Result<WriteNode> of_field(const Field& field, const TypePtr& type, const std::string& path);
  static Result<void> of_value(WriteNode& node);
};

}  // namespace sluice::protobuf
