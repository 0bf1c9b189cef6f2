// Taking a pipeline over at its target: fence first, then look.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "connector/kafka/position_topic.h"
#include "connector/kafka/producer.h"
#include "connector/kafka/sink_settings.h"

namespace sluice::kafka {

// Owned by the sink. Used by the commit thread; explain() by any.
class Takeover {
 public:
  explicit Takeover(const SinkSettings& settings);

  struct Taken {
    std::unique_ptr<Producer> producer;
    Positions held;
  };
  // Besides the id of `shape`, those on record are fenced that `is_dead` says nobody may use any more.
  using IsDead = std::function<bool(const std::string& transactional_id)>;
  // `own`, where it is at rest and of this shape, goes on. Null: one is opened.
  Result<Taken> take(Context& context, const ProducerShape& shape, const IsDead& is_dead,
                     std::unique_ptr<Producer> own = nullptr);
  // A member that is at rest goes for good: nobody has to fence it. Tried for a moment only.
  Result<void> leave(Context& context, Producer& producer) const;

  // Why a producer of ours was fenced: by a successor (refused, with its name), or by the coordinator because its
  // transaction was open for too long (transient). A member that was taken for dead joins anew (transient).
  Error explain(Context& context, const Producer& producer);
  void set_member(bool member) { member_ = member; }

  [[nodiscard]] const PositionTopic& topic() const { return topic_; }

 private:
  // Writes our own record in a transaction, forgets `gone`, and reads up to it.
  Result<void> mark(Context& context, Producer& producer, PositionReader& reader, const std::set<std::string>& gone,
                    RememberedState& state, const PositionReader::OnSilence& on_silence);
  std::string session() const;

  const SinkSettings& settings_;
  const PositionTopic topic_;
  mutable std::mutex mutex_;
  std::string session_;
  uint64_t marks_ = 0;
  std::atomic<bool> member_{false};
};

}  // namespace sluice::kafka
