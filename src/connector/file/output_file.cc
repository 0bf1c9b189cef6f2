#include "connector/file/output_file.h"

#include <arrow/io/interfaces.h>
#include <arrow/record_batch.h>

#include "batch/arrow_result.h"

namespace sluice::file {

Result<std::unique_ptr<OutputFile>> OutputFile::open(Context& context, const Target& target, const std::string& path,
                                                     const std::string& owner, const SchemaPtr& schema) {
  std::unique_ptr<OutputFile> file(new OutputFile());
  file->path_ = path;
  file->schema_ = schema;
  file->upload_ = TRY(target.endpoint->store->begin(context, path, owner, target.if_exists));
  file->raw_ = file->upload_->stream();
  file->out_ = TRY(open_compressed(target.codec, file->raw_));
  file->encoder_ = TRY(target.endpoint->format->create_encoder(context, schema, file->out_));
  return file;
}

Result<void> OutputFile::write(const arrow::RecordBatch& batch) {
  TRY(encoder_->write(batch).while_doing(fmt::format("writing {}", path_)));
  rows_ += batch.num_rows();
  return {};
}

Result<Finished> OutputFile::finish(Context& context) {
  auto step = fmt::format("writing {}", path_);
  TRY(encoder_->finish().while_doing(step));
  if (out_ != raw_) TRY(to_result(out_->Close()).while_doing(step));
  auto bytes = raw_->Tell();
  Finished finished;
  finished.token = TRY(upload_->finish_later(context).while_doing(step));
  finished.rows = rows_;
  finished.bytes = bytes.ok() ? *bytes : encoder_->bytes_out();
  return finished;
}

}  // namespace sluice::file
