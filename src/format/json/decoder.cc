#include "format/json/decoder.h"

#include <new>

#include <arrow/type.h>

#include "format/json/columns.h"
#include "format/json/selection.h"

namespace sluice::json {
namespace {

constexpr size_t kRejectsMax = 1024;  // then the caller takes them, with whatever rows there are
class JsonDecoder : public Decoder {
 public:
  JsonDecoder(const DecodeOptions& decode, const ColumnsOptions& columns, const ReadRequest& request,
              bool collect_rejects, std::optional<int64_t> limit)
      : columns_(columns),
        parser_(decode.parser != nullptr ? *decode.parser : best_parser()),
        records_(decode.records, parser_.rows, parser_),
        collect_rejects_(collect_rejects),
        rows_left_(limit.value_or(INT64_MAX)),
        batch_rows_(std::max<int64_t>(1, request.batch_rows)),
        batch_bytes_(std::min(request.batch_bytes, kBatchBytesMax)) {
    records_.parse().root = &columns_.root();
  }

  Result<void> open(Context& context, Input input) override {
    bytes_reported_ = 0;
    return records_.open(context, std::move(input));
  }

  Result<Step> step(Context& context) override try {
    Step step;
    while (!step.full && !step.at_end) {
      if (rows_left_ <= 0) {
        step.at_end = true;
        break;
      }
      int64_t before = columns_.rows();
      int64_t rows_max = std::min(batch_rows_, rows_left_ > INT64_MAX - before ? INT64_MAX : before + rows_left_);
      auto event = TRY(records_.run(context, rows_max));
      if (rows_left_ != INT64_MAX) rows_left_ -= columns_.rows() - before;
      step.at_end = event == Records::Event::end;
      if (event == Records::Event::flaw) TRY(reject());
      step.full = columns_.rows() >= batch_rows_ || columns_.bytes() >= batch_bytes_ ||
                  rejects_.size() >= kRejectsMax || reject_bytes_ >= batch_bytes_;
    }
    if (step.at_end) step.full = columns_.rows() >= batch_rows_ || columns_.bytes() >= batch_bytes_;
    step.position = records_.position();
    step.bytes_read = records_.bytes_read() - bytes_reported_;
    bytes_reported_ = records_.bytes_read();
    return step;
  } catch (const std::bad_alloc&) {
    return refused("out of memory while decoding JSON; lower --memory's batch size or the record's");
  }

  [[nodiscard]] std::optional<int64_t> reached() const override { return records_.position(); }

  Result<BatchPtr> take(std::vector<Reject>* rejects) override try {
    if (rejects != nullptr) {
      for (auto& reject : rejects_) rejects->push_back(std::move(reject));
    }
    rejects_.clear();
    reject_bytes_ = 0;
    return columns_.take();
  } catch (const std::bad_alloc&) {
    return refused("out of memory while decoding JSON");
  }

 private:
  Result<void> reject() {
    std::string what = records_.describe_flaw(columns_);
    std::string place = records_.place();
    if (!collect_rejects_) return user_error("{}: {}", place, what);
    Reject reject;
    reject.reason = fmt::format("{}: {}", place, what);
    reject.where = records_.place_with_byte();
    if (!records_.skip_bad_record(&reject.payload)) return user_error("{}: {}", place, what);
    reject_bytes_ += static_cast<int64_t>(reject.payload.size());
    rejects_.push_back(std::move(reject));
    return {};
  }

  Columns columns_;
  const Parser& parser_;
  Records records_;
  bool collect_rejects_;
  int64_t rows_left_;
  int64_t batch_rows_;
  int64_t batch_bytes_;
  int64_t bytes_reported_ = 0;
  std::vector<Reject> rejects_;
  int64_t reject_bytes_ = 0;
};

}  // namespace

Result<Format::Planned> plan(const SchemaPtr& schema, const ReadRequest& request) {
  Format::Planned planned;
  SchemaPtr decoded = TRY(decoded_schema(*schema));
  planned.schema = request.columns ? TRY(select(decoded, *request.columns)) : decoded;
  planned.pushed.columns = request.columns.has_value();
  planned.pushed.filter_exact = plan_filter(*decoded, request.filter);
  bool all_exact = true;
  for (bool exact : planned.pushed.filter_exact) all_exact = all_exact && exact;
  planned.pushed.limit = request.limit.has_value() && all_exact;
  return planned;
}

Result<std::unique_ptr<Decoder>> create_decoder(const DecodeOptions& decode, const DecoderOptions& options) {
  Format::Planned planned = TRY(plan(options.schema, options.request));
  ColumnsOptions columns;
  columns.schema = TRY(decoded_schema(*options.schema));
  columns.planned = planned.schema;
  columns.refuse_unknown = decode.refuse_unknown && !options.request.columns.has_value();
  columns.batch_rows = options.request.batch_rows;
  for (size_t i = 0; i < options.request.filter.size(); ++i) {
    if (planned.pushed.filter_exact[i]) columns.filter.push_back(options.request.filter[i]);
  }
  std::optional<int64_t> limit = planned.pushed.limit ? options.request.limit : std::nullopt;
  return std::make_unique<JsonDecoder>(decode, columns, options.request, options.collect_rejects, limit);
}

}  // namespace sluice::json
