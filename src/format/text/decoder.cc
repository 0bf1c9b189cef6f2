#include "format/text/decoder.h"

#include <algorithm>
#include <cstring>

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/io/interfaces.h>
#include <arrow/record_batch.h>
#include <simdjson.h>

#include "batch/arrow_result.h"

namespace sluice::text {
namespace {

constexpr size_t kReadBytes = 256 << 10;
constexpr size_t kLineBytesMax = 64 << 20;
constexpr size_t kPayloadBytesMax = 64 << 10;  // of a reject
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

}  // namespace

TextDecoder::TextDecoder(Settings settings, const DecoderOptions& options, SchemaPtr planned)
    : settings_(std::move(settings)),
      options_(options),
      planned_(std::move(planned)),
      batch_rows_(
          std::max<int64_t>(1, std::min(options.request.batch_rows, options.request.limit.value_or(INT64_MAX)))),
      values_(std::make_unique<arrow::StringBuilder>()) {}

TextDecoder::~TextDecoder() = default;

Result<void> TextDecoder::open(Context&, Input input) {
  input_ = std::move(input);
  stream_ = input_.stream;
  encoded_.reset();
  if (settings_.encoding != kUtf8) {
    encoded_ = TRY(open_encoded(settings_.encoding, {stream_, input_.head, input_.tail}));
    stream_ = encoded_;
  }
  skip_line_ = !input_.at_record_start;
  file_start_ = input_.begin == 0;
  at_end_of_stream_ = false;
  size_ = 0;
  used_ = 0;
  offset_ = 0;
  lines_ = 0;
  return {};
}

void TextDecoder::leave(size_t bytes) {
  size_ -= bytes;
  offset_ += static_cast<int64_t>(bytes);
  if (size_ > 0) std::memmove(buffer_.data(), buffer_.data() + bytes, size_);
}

// Reads on; false at the end of the stream.
Result<bool> TextDecoder::read_more() {
  leave(std::exchange(used_, 0));
  do {
    if (at_end_of_stream_) return false;
    if (size_ > kLineBytesMax) return user_error("{}: a line is longer than {} MB", input_.name, kLineBytesMax >> 20);
    if (buffer_.size() < size_ + kReadBytes / 2) buffer_.resize(std::max(kReadBytes, buffer_.size() * 2));
    auto read = to_result(stream_->Read(static_cast<int64_t>(buffer_.size() - size_), buffer_.data() + size_));
    if (!read.ok()) {
      auto error = std::move(read).error();
      error.what = fmt::format("{}: {}", input_.name, error.what);
      return error;
    }
    size_ += static_cast<size_t>(read.value());
    bytes_read_ += read.value();
    at_end_of_stream_ = read.value() == 0;
  } while (file_start_ && size_ < kByteOrderMark.size());
  if (std::exchange(file_start_, false) && std::string_view(buffer_.data(), size_).starts_with(kByteOrderMark)) {
    leave(kByteOrderMark.size());
  }
  valid_ = simdjson::validate_utf8(buffer_.data(), size_);
  return !at_end_of_stream_;
}

size_t TextDecoder::line_bytes() const {
  const char* begin = buffer_.data() + used_;
  const void* line_feed = used_ == size_ ? nullptr : std::memchr(begin, '\n', size_ - used_);
  return line_feed == nullptr ? 0 : static_cast<size_t>(static_cast<const char*>(line_feed) - begin) + 1;
}

bool TextDecoder::is_ours() const {
  return encoded_ != nullptr || input_.end == INT64_MAX ||
         input_.begin + offset_ + static_cast<int64_t>(used_) < input_.end;
}

Result<Decoder::Step> TextDecoder::step(Context& context) {
  if (context.stop.stop_requested()) return cancelled();
  const bool more = line_bytes() > 0 || !is_ours() || TRY(read_more());
  const bool finish = !more && !input_.tail;
  TRY(take_lines(finish));
  const bool rest = line_bytes() > 0 || (finish && used_ < size_);
  Step step;
  step.at_end = !is_ours() || (!more && !rest);
  step.bytes_read = std::exchange(bytes_read_, 0);
  const int64_t offset = skip_line_ || file_start_ ? 0 : offset_ + static_cast<int64_t>(used_);
  step.position = input_.begin + (encoded_ == nullptr ? offset : TRY(to_result(encoded_->encoded_offset(offset))));
  step.full = rows_ >= batch_rows_ || values_->value_data_length() + 4 * rows_ >= options_.request.batch_bytes;
  return step;
}

// Adds complete lines until the batch is full; with `finish` the last one needs no line feed.
Result<void> TextDecoder::take_lines(bool finish) {
  while (rows_ < batch_rows_ && is_ours()) {
    size_t bytes = line_bytes();
    if (bytes == 0 && finish) bytes = size_ - used_;
    if (bytes == 0) break;
    std::string_view line(buffer_.data() + used_, bytes);
    if (line.ends_with('\n')) line.remove_suffix(1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!std::exchange(skip_line_, false)) TRY(add_line(line));
    used_ += bytes;
    ++lines_;
  }
  return {};
}

Result<void> TextDecoder::add_line(std::string_view line) {
  if (!valid_ && !simdjson::validate_utf8(line.data(), line.size())) {
    // In another encoding a line feed may be other bytes than those that are counted.
    const auto before = encoded_ == nullptr || input_.begin == 0 ? input_.lines_before() : std::nullopt;
    std::string where = before.has_value() ? fmt::format("{}:{}", input_.name, *before + lines_ + 1)
                                           : fmt::format("{} (byte {})", input_.name,
                                                         input_.begin + offset_ + static_cast<int64_t>(used_));
    std::string reason = "the line is not valid UTF-8; set encoding to the file's, for example latin1";
    if (!options_.collect_rejects) return user_error("{}: {}", where, reason);
    rejects_.push_back({std::string(line.substr(0, kPayloadBytesMax)), reason, where, {}});
    return {};
  }
  ++rows_;
  if (planned_->num_fields() == 0) return {};
  return to_result(values_->Append(line));
}

Result<BatchPtr> TextDecoder::take(std::vector<Reject>* rejects) {
  if (rejects != nullptr) std::move(rejects_.begin(), rejects_.end(), std::back_inserter(*rejects));
  rejects_.clear();
  if (rows_ == 0) return BatchPtr();
  arrow::ArrayVector arrays;
  if (planned_->num_fields() > 0) arrays.push_back(TRY(to_result(values_->Finish())));
  return BatchPtr(arrow::RecordBatch::Make(planned_, std::exchange(rows_, 0), std::move(arrays)));
}

}  // namespace sluice::text
