#include "sluice/source.h"

#include <deque>

#include <arrow/record_batch.h>
#include <nlohmann/json.hpp>

#include "api/runtime.h"

namespace sluice {
namespace {

using api::Runtime;

// Small splits (files) share a reader, so that their rows share batches.
constexpr size_t kSplitsPerReader = 64;
// How long one of several readers is asked before the next one is.
constexpr Millis kTurn{50};

std::string text_of(const Positions& positions) {
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [split, position] : positions) json[split] = position.token;
  return json.dump();
}

Result<Positions> positions_of(const std::string& text) {
  Positions positions;
  if (text.empty()) return positions;
  auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return user_error("'{}' is not a position that a reader gave", text.substr(0, 80));
  for (const auto& [split, token] : json.items()) {
    if (!token.is_string()) return user_error("'{}' is not a position that a reader gave", text.substr(0, 80));
    positions[split] = Position{token.get<std::string>()};
  }
  return positions;
}

class SplitReader final : public DataReader {
 public:
  static Result<std::unique_ptr<DataReader>> open(std::shared_ptr<Runtime> runtime, std::unique_ptr<Source> source,
                                                  const ReadOptions& options) {
    std::unique_ptr<SplitReader> reader(new SplitReader(std::move(runtime), std::move(source), options.streaming));
    reader->positions_ = TRY(positions_of(options.from));
    auto schema = TRY(reader->source_->fetch_schema(reader->context_));
    ReadRequest request;
    request.batch_rows = options.batch_rows;
    if (!options.columns.empty()) {
      request.columns.emplace();
      for (const auto& column : options.columns) request.columns->push_back({column});
    }
    (void)TRY(reader->source_->plan(reader->context_, request));
    TRY(reader->source_->start(reader->context_, reader->positions_));
    return std::unique_ptr<DataReader>(std::move(reader));
  }

  Result<BatchPtr> read(std::chrono::milliseconds wait) override {
    auto deadline = context_.clock.steady() + wait;
    for (;;) {
      if (closed_) return user_error("the reader is closed");
      TRY(find_work(deadline));
      if (finished_) return BatchPtr();
      auto now = context_.clock.steady();
      if (!readers_.empty()) {
        auto until = readers_.size() == 1 ? deadline : std::min(deadline, now + kTurn);
        if (auto batch = TRY(next(until)); batch != nullptr) return batch;
      }
      if (context_.clock.steady() >= deadline) return BatchPtr();
    }
  }

  [[nodiscard]] bool finished() const override { return finished_; }
  [[nodiscard]] std::string position() const override { return text_of(positions_); }
  Result<void> settle(const std::string& position) override {
    return source_->settle(context_, TRY(positions_of(position)));
  }
  Result<void> close() override {
    readers_.clear();
    closed_ = true;
    return {};
  }

 private:
  SplitReader(std::shared_ptr<Runtime> runtime, std::unique_ptr<Source> source, bool streaming)
      : runtime_(std::move(runtime)),
        context_(runtime_->context("api")),
        source_(std::move(source)),
        streaming_(streaming) {}

  // Opens readers for what there is; waits for work when there is none.
  Result<void> find_work(Deadline deadline) {
    if (splits_.empty() && !listed_ && (readers_.empty() || streaming_)) {
      source_->tick(context_);
      auto until = readers_.empty() ? deadline : context_.clock.steady();
      auto events = TRY(source_->poll_splits(context_, until));
      splits_.insert(splits_.end(), events.added.begin(), events.added.end());
      listed_ = events.finished;
    }
    while (!splits_.empty() && (streaming_ || readers_.empty())) {
      auto count = streaming_ ? 1 : std::min(splits_.size(), kSplitsPerReader);
      std::vector<Split> bundle(splits_.begin(), splits_.begin() + static_cast<std::ptrdiff_t>(count));
      splits_.erase(splits_.begin(), splits_.begin() + static_cast<std::ptrdiff_t>(count));
      readers_.push_back(TRY(create_paced_reader(context_, *source_, bundle)));
    }
    finished_ = listed_ && splits_.empty() && readers_.empty();
    return {};
  }

  // Of the reader whose turn it is; null when it has nothing by `until`, or has come to its end.
  Result<BatchPtr> next(Deadline until) {
    auto reader = std::move(readers_.front());
    readers_.pop_front();
    auto event = TRY(reader->next(context_, until));
    if (std::holds_alternative<End>(event)) return BatchPtr();
    readers_.push_back(std::move(reader));
    if (auto* rows = std::get_if<Rows>(&event)) {
      if (!rows->rejects.empty()) return user_error("{}: {}", rows->rejects[0].where, rows->rejects[0].reason);
      for (const auto& progress : rows->progress) positions_[progress.split] = progress.upto;
      return rows->batch != nullptr && rows->batch->num_rows() > 0 ? rows->batch : BatchPtr();
    }
    if (std::holds_alternative<SchemaChange>(event)) {
      return user_error("the columns of '{}' changed: open a new reader from this position",
                        std::get<SchemaChange>(event).table.name);
    }
    if (std::holds_alternative<Truncate>(event)) {
      return user_error("'{}' was truncated at the source, which a reader cannot pass on: use a pipeline",
                        std::get<Truncate>(event).table.name);
    }
    return BatchPtr();
  }

  const std::shared_ptr<Runtime> runtime_;
  Context context_;
  const std::unique_ptr<Source> source_;
  const bool streaming_;
  std::deque<Split> splits_;
  std::deque<std::unique_ptr<Reader>> readers_;
  Positions positions_;
  bool listed_ = false;  // no split will be added any more
  bool finished_ = false;
  bool closed_ = false;
};

class AnySource final : public DataSource {
 public:
  AnySource(std::shared_ptr<Runtime> runtime, ConnectorRequest request, std::unique_ptr<Source> source)
      : runtime_(std::move(runtime)),
        context_(runtime_->context("api")),
        request_(std::move(request)),
        source_(std::move(source)) {}

  Result<SchemaPtr> fetch_schema() override { return source_->fetch_schema(context_); }
  [[nodiscard]] bool supports_streaming() const override { return source_->supports_streaming(); }
  [[nodiscard]] bool supports_batch() const override { return source_->supports_batch(); }
  Result<std::unique_ptr<DataReader>> create_reader(const ReadOptions& options) override {
    if (options.streaming && !supports_streaming()) {
      return user_error("{} ends with what is there now: it cannot be read as a stream{}", request_.where,
                        request_.location.scheme == "file" ? "; add watch=true" : "");
    }
    auto request = request_;
    request.streaming = options.streaming;
    return SplitReader::open(runtime_, TRY(runtime_->registry().create_source(request)), options);
  }

 private:
  const std::shared_ptr<Runtime> runtime_;
  Context context_;
  const ConnectorRequest request_;
  const std::unique_ptr<Source> source_;
};

}  // namespace

Result<std::unique_ptr<DataSource>> create_source(std::string_view uri) {
  auto runtime = std::make_shared<Runtime>();
  auto request = TRY(api::request_of(uri));
  request.pipeline = "api";
  auto source = TRY(runtime->registry().create_source(request));
  return std::unique_ptr<DataSource>(
      std::make_unique<AnySource>(std::move(runtime), std::move(request), std::move(source)));
}

}  // namespace sluice
