// Writes files that appear whole or not at all. Journal-decided: writers prepare uploads, the committer publishes them
// after flow has saved the intent. An exact file name is one file for the whole run; a folder takes as many as epochs,
// lanes, rotation and partitions make. With {table} in the location there is one such file or folder per table.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "connector/file/targets.h"
#include "port/replaces.h"
#include "port/sink.h"

namespace sluice::file {

class FileSink final : public Sink, public Replaces {
 public:
  static Result<std::unique_ptr<Sink>> create(const Registry& registry, const ConnectorRequest& request);

  [[nodiscard]] SinkTraits traits() const override;
  [[nodiscard]] bool replaces() const override { return common_.replaces; }
  Result<void> validate_schema(Context& context, const arrow::Schema& schema) override;
  Result<void> probe(Context& context) override;
  Result<void> open(Context& context, const arrow::Schema& schema, bool resumed) override;
  Result<void> open_table(Context& context, const TableId& table, const arrow::Schema& schema, bool resumed) override;
  Result<void> evolve(Context& context, const SchemaChange& change) override;
  Result<std::unique_ptr<Writer>> create_writer(Context& context, const WriterId& id) override;
  Result<std::unique_ptr<Committer>> create_committer(Context& context) override;
  Result<void> drop(Context& context) override;

 private:
  explicit FileSink(std::unique_ptr<Targets> targets) : targets_(std::move(targets)), common_(targets_->pattern()) {}
  // Asks `if_exists` about what stands where we want to write. Once per target; under mutex_.
  Result<void> open_target(Context& context, Target& target, const arrow::Schema& schema, bool resumed);
  Result<std::unique_ptr<Writer>> create_writer(Context& context, Target& target, const WriterId& id) const;

  const std::unique_ptr<Targets> targets_;
  Target& common_;
  std::mutex mutex_;  // lanes open tables as their first rows come
  std::atomic<bool> resumed_{false};
};

}  // namespace sluice::file
