#include "format/json/encoded.h"

#include <utility>

#include "batch/arrow_result.h"
#include "codec/encoding.h"

namespace sluice::json {
namespace {

class EncodedDecoder final : public Decoder {
 public:
  EncodedDecoder(std::string encoding, std::unique_ptr<Decoder> utf8)
      : encoding_(std::move(encoding)), utf8_(std::move(utf8)) {}

  Result<void> open(Context& context, Input input) override {
    begin_ = input.begin;
    head_ = std::move(input.head);
    text_ = TRY(open_encoded(encoding_, {std::move(input.stream), head_, input.tail}));
    input.stream = text_;
    input.end = INT64_MAX;               // never cut into ranges
    input.count_lines_before = nullptr;  // a line feed may be other bytes in this encoding
    return utf8_->open(context, std::move(input));
  }

  Result<Step> step(Context& context) override {
    auto step = TRY(utf8_->step(context));
    step.position = TRY(to_result(in_file(step.position)));
    return step;
  }

  [[nodiscard]] std::optional<int64_t> reached() const override {
    auto position = utf8_->reached();
    if (!position.has_value()) return std::nullopt;
    auto place = in_file(*position);
    return place.ok() ? std::optional(*place) : std::nullopt;
  }

  Result<BatchPtr> take(std::vector<Reject>* rejects) override { return utf8_->take(rejects); }

 private:
  [[nodiscard]] arrow::Result<int64_t> in_file(int64_t position) const {
    ARROW_ASSIGN_OR_RAISE(auto offset, text_->encoded_offset(position - begin_));
    return begin_ + offset;
  }

  const std::string encoding_;
  const std::unique_ptr<Decoder> utf8_;
  std::string head_;
  std::shared_ptr<Utf8Stream> text_;
  int64_t begin_ = 0;
};

}  // namespace

std::unique_ptr<Decoder> decode_encoded(std::string encoding, std::unique_ptr<Decoder> utf8) {
  return std::make_unique<EncodedDecoder>(std::move(encoding), std::move(utf8));
}

Result<Input> as_utf8(const std::string& encoding, Input input) {
  input.stream = TRY(open_encoded(encoding, {std::move(input.stream), {}, input.tail}));
  return input;
}

}  // namespace sluice::json
