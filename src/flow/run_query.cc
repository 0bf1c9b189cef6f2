// A whole query over bounded inputs: reading lanes feed one channel per input, the query pulls from them on its own
// thread and writes what comes out. One epoch: it happened when the query is through, or not at all.
#include "flow/stretch.h"

#include <arrow/record_batch.h>

namespace sluice {
namespace {

class ChannelStream final : public BatchStream {
 public:
  ChannelStream(OrderedChannel& channel, SchemaPtr schema, Context& context)
      : channel_(channel), schema_(std::move(schema)), context_(context) {}

  [[nodiscard]] SchemaPtr schema() const override { return schema_; }

  Result<BatchPtr> next() override {
    std::lock_guard lock(mutex_);
    while (true) {
      if (context_.stop.stop_requested()) return cancelled();
      auto rows = channel_.pop(context_.clock.steady() + Millis(100), context_.stop);
      if (!rows.has_value()) {
        if (channel_.abandoned()) return cancelled();
        if (channel_.ended()) return BatchPtr();
        continue;
      }
      for (auto& step : rows->progress) upto_[step.split] = std::move(step.upto);
      std::move(rows->rejects.begin(), rows->rejects.end(), std::back_inserter(rejects_));
      if (rows->batch != nullptr && rows->batch->num_rows() > 0) return std::move(rows->batch);
    }
  }

  [[nodiscard]] const Positions& upto() const { return upto_; }
  std::vector<Reject> take_rejects() { return std::exchange(rejects_, {}); }

 private:
  OrderedChannel& channel_;
  SchemaPtr schema_;
  Context& context_;
  std::mutex mutex_;
  Positions upto_;
  std::vector<Reject> rejects_;
};

}  // namespace

Result<void> Stretch::start_query(Context& context) {
  for (size_t i = 0; i < pipeline_.inputs_.size(); ++i) {
    auto& input = pipeline_.inputs_[i];
    // Only the driving input is incremental; what it is joined with is read whole each time.
    if (i > 0) TRY(input.source->start(context, {}));
    auto& feed =
        feeds_.emplace_back(*input.source, SplitQueue::Limits{}, gate_, shared_.counters, shared_.draining, INT64_MAX);
    feed.channel = std::make_unique<OrderedChannel>(kQueryChannelBytes);
  }
  auto outlet = std::make_shared<Outlet>(TRY(create_outlet(context, 0)));
  for (auto& feed : feeds_) {
    int lanes = &feed == &feeds_.front() ? shared_.lanes : 1;
    start_feeding(context, feed, lanes);
    spawn(
        "discovery", [this, &feed](Context& inner) { return discover(inner, feed); }, context);
  }
  const Epoch epoch = shared_.next_epoch;
  spawn(
      "query", [this, outlet, epoch](Context& inner) { return query_thread(inner, std::move(*outlet), epoch); },
      context);
  return {};
}

Result<void> Stretch::query_thread(Context& context, Outlet outlet, Epoch epoch) {
  std::vector<std::unique_ptr<ChannelStream>> streams;
  std::vector<BatchStream*> inputs;
  size_t i = 0;
  for (auto& feed : feeds_) {
    streams.push_back(std::make_unique<ChannelStream>(*feed.channel, pipeline_.inputs_[i++].planned.schema, context));
    inputs.push_back(streams.back().get());
  }
  if (pipeline_.plan_.source.connector.empty()) inputs.clear();  // SELECT 1
  // Names of written files derive from the first position: a query's rows all come from its beginning.
  const Progress origin{"query", Position{std::to_string(epoch)}};
  int64_t rows_left = shared_.rows_left;
  auto emit = [&](BatchPtr batch) -> Result<void> {
    if (shared_.draining) return cancelled();
    Rows rows;
    rows.batch = batch->num_rows() > rows_left ? batch->Slice(0, rows_left) : std::move(batch);
    rows_left -= rows.batch->num_rows();
    rows.progress.push_back(origin);
    return outlet.deliver(context, std::move(rows));
  };
  // The answer of an unnamed statement is one: once decided it is delivered, whatever a LIMIT left unread. A target
  // that decides may be alone in knowing it.
  const bool decided = delivered_before();
  if (!pipeline_.plan_.named && shared_.tenure.resumed() && decided) shared_.nothing_new = true;
  // A table that is run again with nothing new must not deliver the query's answer to "no rows" (count(*) = 0).
  if (!shared_.nothing_new && shared_.tenure.resumed() && decided) {
    auto& driving = feeds_.front();
    while (driving.splits.added() == 0 && !driving.channel->ended() && !context.stop.stop_requested()) {
      context.clock.sleep(Millis(5), context.stop);
    }
    shared_.nothing_new = driving.channel->ended();
  }
  if (!shared_.nothing_new) TRY(pipeline_.plan_.query->run(context, inputs, emit));
  // A LIMIT may leave inputs unread; what was read of the driving one is what the positions say.
  Rows rest;
  for (auto& stream : streams) {
    auto rejects = stream->take_rejects();
    std::move(rejects.begin(), rejects.end(), std::back_inserter(rest.rejects));
  }
  for (const auto& [split, position] : streams.front()->upto()) rest.progress.push_back({split, position});
  if (shared_.draining) return cancelled();
  TRY(outlet.deliver(context, std::move(rest)));
  for (auto& feed : feeds_) feed.channel->abandon();
  gate_.ask_for_cut();
  while (!gate_.closed() && !gate_.cut_wanted(epoch)) context.clock.sleep(Millis(1), context.stop);
  if (!gate_.cut_wanted(epoch)) return {};
  auto prepared = outlet.prepare(context, epoch);
  if (!prepared.ok()) {
    gate_.give_up(outlet.take_unfinished());
    return std::move(prepared).error();
  }
  auto part = std::move(prepared).value();
  // It names files and is no place in the source, unless that calls a split of its own the same.
  if (!streams.front()->upto().contains(origin.split)) part.upto.erase(origin.split);
  // Without positions a target that decides would not know afterwards that it has the answer.
  const bool target_decides = pipeline_.sink_->traits().decision == Decision::target;
  if (part.upto.empty() && target_decides) part.upto[kAnswered] = origin.upto;
  gate_.hand_in(std::move(part));
  return {};
}

}  // namespace sluice
