// One file being written: upload, compression around it, encoder. Destroying it unfinished leaves nothing behind.
#pragma once

#include <memory>
#include <string>

#include "connector/file/target.h"
#include "port/store.h"

namespace sluice::file {

struct Finished {
  std::string token;
  int64_t rows = 0;
  int64_t bytes = 0;
};

class OutputFile {
 public:
  static Result<std::unique_ptr<OutputFile>> open(Context& context, const Target& target, const std::string& path,
                                                  const std::string& owner, const SchemaPtr& schema);

  Result<void> write(const arrow::RecordBatch& batch);
  // Durable after the next Store::sync(), invisible until its token is published.
  Result<Finished> finish(Context& context);

  [[nodiscard]] const SchemaPtr& schema() const { return schema_; }
  [[nodiscard]] int64_t rows() const { return rows_; }
  [[nodiscard]] int64_t bytes() const { return encoder_->bytes_out() + encoder_->bytes_buffered(); }
  [[nodiscard]] int64_t bytes_buffered() const { return encoder_->bytes_buffered(); }

 private:
  OutputFile() = default;

  std::string path_;
  SchemaPtr schema_;
  std::unique_ptr<Upload> upload_;
  std::shared_ptr<arrow::io::OutputStream> raw_;
  std::shared_ptr<arrow::io::OutputStream> out_;  // compresses into raw_, or is raw_
  std::unique_ptr<Encoder> encoder_;
  int64_t rows_ = 0;
};

}  // namespace sluice::file
