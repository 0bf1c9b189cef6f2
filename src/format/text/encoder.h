// Batches to lines.
#pragma once

#include <memory>
#include <string>

#include "format/text/settings.h"
#include "port/format.h"

namespace sluice::text {

class TextEncoder final : public Encoder {
 public:
  static Result<std::unique_ptr<Encoder>> create(const Settings& settings, const SchemaPtr& schema,
                                                 std::shared_ptr<arrow::io::OutputStream> out);
  Result<void> write(const arrow::RecordBatch& batch) override;
  Result<void> flush() override;
  Result<void> finish() override;
  [[nodiscard]] int64_t bytes_buffered() const override { return static_cast<int64_t>(text_.size()); }
  [[nodiscard]] int64_t bytes_out() const override { return bytes_out_; }

 private:
  TextEncoder(const Settings& settings, int column, std::shared_ptr<arrow::io::OutputStream> out)
      : settings_(settings), column_(column), out_(std::move(out)) {}
  template <typename ArrayType>
  Result<void> write_values(const std::string& name, const ArrayType& values);
  Result<void> put(const std::string& name, std::string_view value);

  const Settings settings_;
  const int column_;  // place in the schema
  std::shared_ptr<arrow::io::OutputStream> out_;
  std::string text_;
  int64_t bytes_out_ = 0;
};

}  // namespace sluice::text
