// Arrow batches to CSV text.
#pragma once

#include <memory>
#include <string>

#include "format/csv/dialect.h"
#include "port/format.h"

namespace sluice::csv {

class CsvEncoder final : public Encoder {
 public:
  static Result<std::unique_ptr<Encoder>> create(const Dialect& dialect, const SchemaPtr& schema,
                                                 std::shared_ptr<arrow::io::OutputStream> out);
  Result<void> write(const arrow::RecordBatch& batch) override;
  Result<void> flush() override;
  Result<void> finish() override;
  [[nodiscard]] int64_t bytes_buffered() const override { return static_cast<int64_t>(text_.size()); }
  [[nodiscard]] int64_t bytes_out() const override { return bytes_out_; }

 private:
  CsvEncoder(const Dialect& dialect, SchemaPtr schema, std::shared_ptr<arrow::io::OutputStream> out);
  Result<void> put(std::string_view column, std::string_view value);
  Result<void> put_header();

  const Dialect dialect_;
  const SchemaPtr schema_;
  std::shared_ptr<arrow::io::OutputStream> out_;
  bool needs_quotes_[256] = {};  // bytes that may only stand inside quotes
  bool header_pending_;
  std::string text_;
  std::string scratch_;
  int64_t bytes_out_ = 0;
};

}  // namespace sluice::csv
