#include "sluice/sink.h"

#include <random>

#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include "api/runtime.h"
#include "flow/commit.h"

namespace sluice {
namespace {

using api::Runtime;

// All that is written comes from one split, the caller; its position says how many batches that is, for names of files
// that repeat after a crash and never otherwise, and what the caller committed.
constexpr const char* kSplit = "caller";

Position position_at(int64_t batches, const std::string& callers) {
  return {nlohmann::json{{"batches", batches}, {"position", callers}}.dump()};
}

std::string random_name() {
  std::random_device random;
  return fmt::format("api_{:08x}{:08x}", random(), random());
}

class CommittingWriter final : public DataWriter {
 public:
  static Result<std::unique_ptr<DataWriter>> open(std::shared_ptr<Runtime> runtime, ConnectorRequest request,
                                                  const WriterOptions& options) {
    std::unique_ptr<CommittingWriter> writer(new CommittingWriter(std::move(runtime), options));
    request.pipeline = writer->context_.pipeline;
    request.one_off = options.name.empty();
    writer->sink_ = TRY(writer->runtime_->registry().create_sink(request));
    if (!options.name.empty()) TRY(writer->take_name(request, options));
    auto recovered = writer->recover();
    if (!recovered.ok()) {
      (void)writer->release();
      return std::move(recovered).error();
    }
    return std::unique_ptr<DataWriter>(std::move(writer));
  }

  ~CommittingWriter() override {
    writer_.reset();
    if (order_ != nullptr && dirty_) order_->discard(context_, {});
    (void)release();
  }

  Result<void> write(const BatchPtr& batch) override {
    TRY(check_usable());
    if (batch == nullptr || batch->num_rows() == 0) return {};
    auto written = take(batch);
    failed_ = !written.ok();
    return written;
  }

  [[nodiscard]] bool wants_commit() const override { return wants_commit_; }
  [[nodiscard]] const std::string& position() const override { return position_; }

  Result<void> commit(const std::string& position) override {
    TRY(check_usable());
    if (!dirty_ && position == position_) return {};
    auto committed = decide(position);
    failed_ = !committed.ok();
    return committed;
  }

  Result<void> close() override {
    if (closed_) return {};
    if (!failed_ && dirty_) TRY(commit(position_));
    closed_ = true;
    writer_.reset();
    return release();
  }

 private:
  CommittingWriter(std::shared_ptr<Runtime> runtime, const WriterOptions& options)
      : runtime_(std::move(runtime)),
        context_(runtime_->context(options.name.empty() ? random_name() : options.name)),
        collection_(options.collection) {}

  // The lease on the name, and what is known under it.
  Result<void> take_name(const ConnectorRequest& request, const WriterOptions& options) {
    coordinator_ = TRY(api::open_state(options.state));
    char host[256] = "localhost";
    ::gethostname(host, sizeof host - 1);
    lease_ = TRY(coordinator_->acquire(options.name, fmt::format("{}:{}", host, ::getpid())));
    auto known = TRY(coordinator_->load(options.name));
    const std::string definition = "writer to " + request.location.redacted();
    if (known.has_value() && !known->definition.empty() && known->definition != definition) {
      auto error = user_error("'{}' is '{}' in {}: choose another name, or drop it", options.name, known->definition,
                              options.state);
      (void)release();
      return error;
    }
    if (known.has_value()) record_ = std::move(*known);
    record_.name = options.name;
    record_.kind = "writer";
    record_.definition = definition;
    record_.sink = request.location.redacted();
    return coordinator_->define(*lease_, record_);
  }

  Result<void> recover() {
    CommitOrder::Parts parts;
    parts.coordinator = coordinator_.get();
    parts.lease = lease_.value_or(Lease{context_.pipeline, 1, {}});
    parts.decision = sink_->traits().decision;
    parts.main = TRY(sink_->create_committer(context_));
    order_ = std::make_unique<CommitOrder>(std::move(parts));
    auto durable = TRY(order_->recover(context_, record_));
    epoch_ = record_.last_epoch;
    for (const auto& intent : record_.intents) epoch_ = std::max(epoch_, intent.epoch);
    resumed_ = record_.last_epoch > 0 || !record_.intents.empty();
    auto found = durable.find(kSplit);
    if (found == durable.end()) return {};
    auto json = nlohmann::json::parse(found->second.token, nullptr, false);
    if (!json.is_object()) return refused("the position recorded for '{}' is not a writer's", context_.pipeline);
    batches_ = json.value("batches", int64_t{0});
    position_ = json.value("position", std::string());
    return {};
  }

  Result<void> check_usable() const {
    if (closed_) return user_error("the writer is closed");
    if (failed_) return user_error("the writer failed before: make a new one, which begins behind the last commit");
    return {};
  }

  Result<void> take(const BatchPtr& batch) {
    TRY(follow(batch->schema()));
    if (writer_ == nullptr) {
      WriterId id;
      id.pipeline = context_.pipeline;
      id.generation = lease_.has_value() ? lease_->generation : 1;
      writer_ = TRY(sink_->create_writer(context_, id));
    }
    Rows rows;
    rows.table.name = collection_;
    rows.batch = batch;
    rows.progress.push_back({kSplit, position_at(++batches_, position_)});
    dirty_ = true;
    auto ack = TRY(writer_->write(context_, rows));
    if (!ack.rejects.empty()) return user_error("{}: {}", ack.rejects[0].where, ack.rejects[0].reason);
    rows_ += batch->num_rows();
    wants_commit_ = wants_commit_ || ack.wants_cut;
    return {};
  }

  // Opens the sink with the first schema, and tells it of another one.
  Result<void> follow(const SchemaPtr& schema) {
    if (schema_ != nullptr && schema_->Equals(*schema)) return {};
    TRY(sink_->validate_schema(context_, *schema));
    if (schema_ == nullptr) {
      TRY(sink_->open(context_, *schema, resumed_));
    } else {
      if (dirty_) return user_error("the columns of a batch differ from those before it: commit() in between");
      writer_.reset();
      TRY(sink_->evolve(context_, SchemaChange{{}, schema_, schema}));
    }
    schema_ = schema;
    return {};
  }

  Result<void> decide(const std::string& position) {
    EpochData data;
    data.epoch = ++epoch_;
    if (writer_ != nullptr) data.main = TRY(writer_->prepare(context_, data.epoch));
    data.upto[kSplit] = position_at(batches_, position);
    data.rows = std::exchange(rows_, 0);
    for (const auto& part : data.main) data.bytes += part.bytes;
    TRY(order_->commit(context_, data));
    position_ = position;
    dirty_ = wants_commit_ = false;
    return {};
  }

  Result<void> release() {
    if (!lease_.has_value()) return {};
    auto released = coordinator_->release(*lease_);
    lease_.reset();
    return released;
  }

  const std::shared_ptr<Runtime> runtime_;
  Context context_;
  const std::string collection_;
  std::unique_ptr<Sink> sink_;
  std::unique_ptr<Coordinator> coordinator_;
  std::optional<Lease> lease_;
  PipelineRecord record_;
  std::unique_ptr<CommitOrder> order_;
  std::unique_ptr<Writer> writer_;
  SchemaPtr schema_;
  std::string position_;
  Epoch epoch_ = 0;
  int64_t batches_ = 0;  // written ever under this name
  int64_t rows_ = 0;     // since the last commit
  bool resumed_ = false;
  bool dirty_ = false;
  bool wants_commit_ = false;
  bool failed_ = false;
  bool closed_ = false;
};

class AnySink final : public DataSink {
 public:
  AnySink(std::shared_ptr<Runtime> runtime, ConnectorRequest request, std::unique_ptr<Sink> sink)
      : runtime_(std::move(runtime)),
        context_(runtime_->context("api")),
        request_(std::move(request)),
        sink_(std::move(sink)) {}

  Result<void> validate_schema(const arrow::Schema& schema) override {
    return sink_->validate_schema(context_, schema);
  }
  [[nodiscard]] bool supports_transactions() const override { return sink_->supports_transactions(); }
  [[nodiscard]] bool supports_upsert() const override { return sink_->supports_upsert(); }
  Result<std::unique_ptr<DataWriter>> create_writer(const WriterOptions& options) override {
    return CommittingWriter::open(runtime_, request_, options);
  }

 private:
  const std::shared_ptr<Runtime> runtime_;
  Context context_;
  const ConnectorRequest request_;
  const std::unique_ptr<Sink> sink_;
};

}  // namespace

Result<std::unique_ptr<DataSink>> create_sink(std::string_view uri) {
  auto runtime = std::make_shared<Runtime>();
  auto request = TRY(api::request_of(uri));
  request.pipeline = "api";
  auto sink = TRY(runtime->registry().create_sink(request));
  return std::unique_ptr<DataSink>(std::make_unique<AnySink>(std::move(runtime), std::move(request), std::move(sink)));
}

}  // namespace sluice
