// Lines to batches.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/type_fwd.h>

#include "codec/encoding.h"
#include "format/text/settings.h"
#include "port/format.h"

namespace sluice::text {

class TextDecoder final : public Decoder {
 public:
  TextDecoder(Settings settings, const DecoderOptions& options, SchemaPtr planned);
  ~TextDecoder() override;

  Result<void> open(Context& context, Input input) override;
  Result<Step> step(Context& context) override;
  Result<BatchPtr> take(std::vector<Reject>* rejects) override;

 private:
  Result<bool> read_more();
  Result<void> take_lines(bool finish);
  Result<void> add_line(std::string_view line);
  [[nodiscard]] size_t line_bytes() const;  // of the next line, with its line feed; 0: there is no whole one
  [[nodiscard]] bool is_ours() const;       // the next line begins before the end of the input's range
  void leave(size_t bytes);

  const Settings settings_;
  const DecoderOptions options_;
  const SchemaPtr planned_;
  const int64_t batch_rows_;

  Input input_;
  std::shared_ptr<arrow::io::InputStream> stream_;  // UTF-8
  std::shared_ptr<Utf8Stream> encoded_;
  bool skip_line_ = false;   // the input begins inside a line
  bool file_start_ = false;  // a byte order mark may come
  bool at_end_of_stream_ = false;
  std::vector<char> buffer_;
  size_t size_ = 0;         // bytes in it
  size_t used_ = 0;         // of them, lines already taken
  int64_t offset_ = 0;      // of buffer_[0] in the stream
  int64_t lines_ = 0;       // before buffer_[used_]
  int64_t bytes_read_ = 0;  // since the last step
  bool valid_ = false;      // buffer_[0, size_) is valid UTF-8

  std::unique_ptr<arrow::StringBuilder> values_;
  int64_t rows_ = 0;
  std::vector<Reject> rejects_;
};

}  // namespace sluice::text
