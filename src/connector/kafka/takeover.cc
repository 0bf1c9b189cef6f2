#include "connector/kafka/takeover.h"

#include <unistd.h>

#include <algorithm>
#include <stop_token>
#include <thread>
#include <utility>

namespace sluice::kafka {
namespace {

constexpr Millis kNamePatience{2'000};
// So long a member waits for another one's transaction before it looks who is alive.
constexpr Millis kMemberPatience{4'000};
constexpr Millis kLeavePatience{3'000};

std::string owner_name() {
  char host[256] = "localhost";
  ::gethostname(host, sizeof host - 1);
  return fmt::format("{}:{}", host, ::getpid());
}

// Limits follow those of the topics, which may have been altered.
bool same_shape(const ProducerShape& a, const ProducerShape& b) {
  return a.transactional_id == b.transactional_id && a.message_bytes_max == b.message_bytes_max &&
         a.batch_bytes_max == b.batch_bytes_max;
}

}  // namespace

Takeover::Takeover(const SinkSettings& settings)
    : settings_(settings), topic_(settings.positions_topic, settings.pipeline, settings.topic) {}

std::string Takeover::session() const {
  std::lock_guard lock(mutex_);
  return session_;
}

Result<void> Takeover::mark(Context& context, Producer& producer, PositionReader& reader,
                            const std::set<std::string>& gone, RememberedState& state,
                            const PositionReader::OnSilence& on_silence) {
  WriterEntry entry;
  entry.owner = owner_name();
  {
    std::lock_guard lock(mutex_);
    session_ = fmt::format("{}/{}/{}", entry.owner, format_utc(context.clock.wall()), ++marks_);
    entry.session = session_;
  }
  Piece piece = topic_.piece();
  for (const auto& id : gone) topic_.add_writer(id, std::nullopt, piece);
  topic_.add_writer(producer.shape().transactional_id, entry, piece);
  TRY(producer.begin(context));
  TRY(producer.send(context, piece));
  TRY(producer.commit(context));
  return reader.read_until(context, entry.session, state, on_silence);
}

Result<Takeover::Taken> Takeover::take(Context& context, const ProducerShape& shape, const IsDead& is_dead,
                                       std::unique_ptr<Producer> own) {
  Taken taken;
  const bool goes_on = own != nullptr && own->at_rest() && same_shape(own->shape(), shape);
  if (goes_on) {
    taken.producer = std::move(own);
  } else {
    own.reset();  // before another one of its id begins
    taken.producer = TRY(Producer::open(context, settings_.cluster, shape));
  }
  crash_point("kafka.fence.taken");
  auto reader = TRY(PositionReader::open(context, settings_.cluster, topic_));
  RememberedState state;
  std::set<std::string> fenced;
  const auto fence_the_dead = [&]() -> Result<void> {
    for (const auto& [id, entry] : state.writers) {
      if (id == shape.transactional_id || fenced.contains(id) || !is_dead(id)) continue;
      ProducerShape other = shape;
      other.transactional_id = id;
      (void)TRY(Producer::open(context, settings_.cluster, other).while_doing("fencing a predecessor"));
      crash_point("kafka.fence.other");
      fenced.insert(id);
    }
    return {};
  };
  // It may be one of them that died with a transaction open, and our own record lies behind that.
  const auto on_silence = [&](Millis silent) -> Result<void> {
    TRY(fence_the_dead());
    const bool others = std::any_of(state.writers.begin(), state.writers.end(), [&](const auto& writer) {
      return writer.first != shape.transactional_id && !fenced.contains(writer.first);
    });
    if (!member_ || !others || silent < kMemberPatience) return {};
    return transient("{}: another member of pipeline '{}' has a transaction open, or has died with it meanwhile",
                     settings_.cluster.where, settings_.pipeline);
  };
  // Another member that looked before we joined may take us for dead, at any time: also while we did nothing.
  bool may_be_opened_again = goes_on && member_;
  const auto mark_ours = [&](const std::set<std::string>& gone) -> Result<void> {
    auto marked = mark(context, *taken.producer, *reader, gone, state, on_silence);
    if (marked.ok() || !taken.producer->fenced()) return marked;
    if (!std::exchange(may_be_opened_again, false)) return explain(context, *taken.producer);
    taken.producer.reset();
    taken.producer = TRY(Producer::open(context, settings_.cluster, shape));
    return mark(context, *taken.producer, *reader, gone, state, on_silence);
  };
  TRY(mark_ours({}));
  crash_point("kafka.fence.marked");
  TRY(fence_the_dead());
  if (!fenced.empty()) {
    // What they committed before they were fenced stands before this record.
    TRY(mark_ours(fenced));
    crash_point("kafka.fence.others");
  }
  taken.held = std::move(state.positions);
  return taken;
}

Result<void> Takeover::leave(Context& context, Producer& producer) const {
  if (!producer.at_rest()) return {};
  Piece piece = topic_.piece();
  topic_.add_writer(producer.shape().transactional_id, std::nullopt, piece);
  std::stop_source enough;
  const std::stop_callback also_then(context.stop, [&] { enough.request_stop(); });
  const std::jthread timer([&](const std::stop_token& over) {
    if (system_clock().sleep(kLeavePatience, over)) enough.request_stop();
  });
  Context briefly = context;
  briefly.stop = enough.get_token();
  TRY(producer.begin(briefly));
  TRY(producer.send(briefly, piece));
  return producer.commit(briefly);
}

Error Takeover::explain(Context& context, const Producer& producer) {
  auto reader = PositionReader::open(context, settings_.cluster, topic_);
  std::optional<WriterEntry> other;
  if (reader.ok()) other = (*reader)->find_other(context, producer.shape().transactional_id, session(), kNamePatience);
  const Fault fault = member_ ? Fault::transient : Fault::refused;
  if (other.has_value()) {
    return make_error(fault, "{}: another process ({}) has taken over pipeline '{}'", settings_.cluster.where,
                      other->owner, settings_.pipeline);
  }
  const Millis timeout = producer.shape().transaction_timeout;
  if (context.clock.steady() - producer.began() < timeout) {
    return make_error(fault, "{}: another process has taken over pipeline '{}' (transactional.id '{}')",
                      settings_.cluster.where, settings_.pipeline, producer.shape().transactional_id);
  }
  return transient(
      "{}: the brokers gave up a transaction that was open for longer than {}; a longer transaction_timeout or a "
      "shorter epoch_age keeps them apart",
      settings_.cluster.where, format_duration(timeout));
}

}  // namespace sluice::kafka
