#include "connector/null/null_connector.h"

#include <arrow/record_batch.h>

namespace sluice {
namespace {

class NullWriter final : public Writer {
 public:
  Result<WriteAck> write(Context&, const Rows& rows) override {
    if (rows.batch != nullptr) rows_ += rows.batch->num_rows();
    return WriteAck{};
  }
  // What was counted, for the closing summary.
  Result<std::vector<Prepared>> prepare(Context&, Epoch) override {
    std::vector<Prepared> prepared;
    if (rows_ > 0) prepared.push_back({"{}", std::exchange(rows_, 0), 0, 0});
    return prepared;
  }

 private:
  int64_t rows_ = 0;
};

class NullCommitter final : public Committer {
 public:
  Result<std::optional<Positions>> fence_and_load(Context&, Generation) override { return std::optional<Positions>(); }
  Result<void> commit(Context&, std::span<const Prepared>, const Positions&, const Positions&) override { return {}; }
  Result<void> truncate(Context&, const TableId&, const Positions&, const Positions&) override { return {}; }
  Result<Outcome> resume(Context&, std::span<const Prepared>) override { return Outcome::nothing_to_do; }
  Result<void> discard(Context&, std::span<const Prepared>) override { return {}; }
};

class NullSink final : public Sink {
 public:
  [[nodiscard]] SinkTraits traits() const override {
    SinkTraits traits;
    traits.decision = Decision::none;
    traits.upsert = true;
    traits.truncate = true;
    traits.many_tables = true;
    return traits;
  }
  Result<void> validate_schema(Context&, const arrow::Schema&) override { return {}; }
  Result<void> probe(Context&) override { return {}; }
  Result<void> open(Context&, const arrow::Schema&, bool) override { return {}; }
  Result<void> open_table(Context&, const TableId&, const arrow::Schema&, bool) override { return {}; }
  Result<void> evolve(Context&, const SchemaChange&) override { return {}; }
  Result<std::unique_ptr<Writer>> create_writer(Context&, const WriterId&) override {
    return std::unique_ptr<Writer>(std::make_unique<NullWriter>());
  }
  Result<std::unique_ptr<Committer>> create_committer(Context&) override {
    return std::unique_ptr<Committer>(std::make_unique<NullCommitter>());
  }
};

Result<std::unique_ptr<Sink>> create_sink(const Registry&, const ConnectorRequest& request) {
  TRY(OptionValues::parse("null", {}, OptionScope::sink, request.options));
  return std::unique_ptr<Sink>(std::make_unique<NullSink>());
}

}  // namespace

ConnectorDescriptor null_connector() {
  ConnectorDescriptor connector;
  connector.name = "null";
  connector.schemes = {"null"};
  connector.doc =
      "A sink that keeps nothing: for measuring sources and SQL. Epochs are committed as for any sink, so that a "
      "source "
      "hears what it may let go; nothing is remembered, so that every run begins where the source itself stands.";
  connector.examples = {"null('null://')", "null://"};
  connector.create_sink = create_sink;
  return connector;
}

}  // namespace sluice
