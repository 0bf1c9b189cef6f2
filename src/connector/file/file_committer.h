// Publishes what writers prepared. Goes forward only: a payload says everything, so that another process can finish.
#pragma once

#include <string>
#include <utility>

#include "connector/file/target.h"
#include "port/sink.h"

namespace sluice::file {

class FileCommitter final : public Committer {
 public:
  // Everything that was written lies at or below `root`. The sink outlives this.
  FileCommitter(const Endpoint& endpoint, std::string root, Replaced& replaced)
      : endpoint_(endpoint), root_(std::move(root)), replaced_(replaced) {}

  Result<std::optional<Positions>> fence_and_load(Context& context, Generation generation) override;
  Result<std::optional<Positions>> join_and_load(Context& context, Generation generation,
                                                 std::span<const Generation> spared) override;
  Result<void> commit(Context& context, std::span<const Prepared> prepared, const Positions& from,
                      const Positions& upto) override;
  Result<Outcome> resume(Context& context, std::span<const Prepared> prepared) override;
  Result<void> discard(Context& context, std::span<const Prepared> prepared) override;

 private:
  const Endpoint& endpoint_;
  const std::string root_;
  Replaced& replaced_;
  Generation generation_ = 0;
  std::vector<Generation> spared_;  // sorted
};

}  // namespace sluice::file
