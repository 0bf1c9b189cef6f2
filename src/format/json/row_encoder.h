// Rows of Arrow as JSON objects, one after another in memory: what the encoders of files and of payloads are made of.
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include <arrow/array/data.h>
#include <arrow/type.h>

#include "batch/schema.h"
#include "format/json/encoder.h"
#include "format/json/output.h"

namespace sluice::json {

// One thread. Usage: prepare() once, bind() a batch, row() for each of its rows; the text gathers in Output.
class RowEncoder : protected Output {
 public:
  explicit RowEncoder(const EncodeOptions& options) : options_(options) {}
  // Error: a column that JSON cannot hold.
  Result<void> prepare(const arrow::Schema& schema);
  // The batch stays alive until the next bind().
  void bind(const arrow::RecordBatch& batch);
  // Appends {…}. After an error nothing of the row is there.
  Result<void> row(int64_t i);

 protected:
  EncodeOptions options_;

 private:
  // One node of the schema, bound to the arrays of the batch being written.
  struct Node {
    const arrow::DataType* type = nullptr;
    arrow::Type::type id = arrow::Type::NA;
    std::string key;  // ,"name":
    std::string path;
    std::vector<Node*> children;
    int64_t units_per_second = 1;

    const arrow::ArrayData* data = nullptr;
    const uint8_t* validity = nullptr;  // null: no nulls
    const uint8_t* values = nullptr;
    const uint8_t* text = nullptr;
    int64_t offset = 0;

    int64_t date = INT64_MIN;  // the last one written, as text
    char date_text[16] = {};

    [[nodiscard]] bool is_null(int64_t i) const {
      if (id == arrow::Type::NA) return true;
      i += offset;
      return validity != nullptr && (validity[i >> 3] >> (i & 7) & 1) == 0;
    }
    template <typename T>
    [[nodiscard]] T at(int64_t i) const {
      T value;
      memcpy(&value, values + (i + offset) * static_cast<int64_t>(sizeof(T)), sizeof(T));
      return value;
    }
  };

  Result<Node*> add(const std::string& name, const std::string& path, const TypePtr& type);
  static bool is_scalar(const arrow::DataType& type);
  void bind(Node& node, const arrow::ArrayData* data);
  std::string quoted(const std::string& name);
  void record(Node& node, int64_t i);
  void element(Node& node, int64_t i);
  void list(Node& node, int64_t begin, int64_t end);
  void map(Node& node, int64_t i);
  template <typename Offset>
  void string_at(Node& node, int64_t i);
  template <typename Offset>
  void bytes_at(Node& node, int64_t i);
  void value(Node& node, int64_t i);
  void rare_value(Node& node, int64_t i);
  void dictionary(Node& node, int64_t i);
  template <typename T>
  void number(Node& node, T value);
  void not_a_number(Node& node, double value);
  void decimal(Node& node, int64_t i);
  void put_decimal(std::string digits, int32_t scale);
  bool date_text(Node& node, int64_t days);
  void date(Node& node, int64_t days);
  void timestamp(Node& node, int64_t value);
  void time_of_day(Node& node, int64_t value);
  void fail(const Node& node, const std::string& what);

  std::deque<Node> nodes_;
  Node root_;
  std::optional<Error> failed_;
};

}  // namespace sluice::json
