#include "flow/stretch.h"

#include <arrow/record_batch.h>

namespace sluice {
namespace {

constexpr Millis kPoll{100};

bool one_consumer(Pipeline& pipeline) {
  return pipeline.plan().query != nullptr || pipeline.sink().traits().single_writer;
}

}  // namespace

Stretch::Stretch(Shared shared)
    : shared_(shared), pipeline_(shared.pipeline), gate_(one_consumer(shared.pipeline) ? 1 : shared.lanes) {}

Result<std::optional<Break>> Stretch::run(Context& outer, const Positions& durable) {
  // Inner stop: requested by the outer one, or by the first thread that fails.
  std::stop_callback chain(outer.stop, [this] { stop_.request_stop(); });
  Context context = outer;
  context.stop = stop_.get_token();
  Source& source = *pipeline_.inputs_[0].source;
  TRY(source.start(context, durable).while_doing("resuming the source"));
  TRY(source.settle(context, durable).while_doing("telling the source what is delivered"));
  // What an unnamed statement puts in the place of something else is complete once it is decided. There may be more to
  // read by now, such as the files that it wrote where it reads.
  if (!pipeline_.plan_.named && replaces() && delivered_before()) {
    shared_.nothing_new = true;
    return std::optional<Break>();
  }
  one_epoch_ = begins_one_epoch();
  auto result = pipeline_.plan_.query != nullptr ? start_query(context) : start_rows(context);
  if (result.ok()) {
    spawn(
        "keepalive", [this](Context& inner) { return keep(inner); }, context);
    result = control(context, outer);
  }
  end_threads();
  discard_unfinished(outer);
  if (auto error = gate_.error(); error.has_value()) return std::move(*error);
  TRY(std::move(result));
  return gate_.take_break();
}

void Stretch::end_threads() {
  gate_.close();
  stop_.request_stop();
  for (auto& feed : feeds_) {
    feed.splits.wake();
    if (feed.channel != nullptr) feed.channel->abandon();
  }
  threads_.clear();  // joins
}

// Parts of an epoch that not every lane has handed in, or that reaches into splits that were lost.
void Stretch::discard_unfinished(Context& context) {
  EpochData unfinished;
  for (auto& part : gate_.take_unfinished()) {
    std::move(part.main.begin(), part.main.end(), std::back_inserter(unfinished.main));
    std::move(part.dead_letters.begin(), part.dead_letters.end(), std::back_inserter(unfinished.dead_letters));
  }
  shared_.order.discard(context, unfinished);
}

Result<Outlet> Stretch::create_outlet(Context& context, int lane) {
  WriterId id{context.pipeline, lane, shared_.tenure.lease().generation, {}};
  id.epoch = shared_.next_epoch;
  id.collect_rejects = pipeline_.dead_letters_ != nullptr;
  // What is left of a LIMIT is counted when an epoch has been committed, as a whole.
  id.splits_stand_alone = pipeline_.inputs_[0].source->traits().splits_stand_alone && !pipeline_.row_limit_.has_value();
  auto make_writer = [this, id](Context& inner, const TableId& table, Epoch epoch) {
    WriterId own = id;
    own.table = table;
    own.epoch = epoch;
    return pipeline_.sink_->create_writer(inner, own);
  };
  Outlet::Writers writers;
  const bool several = pipeline_.tables_ != nullptr && pipeline_.tables_->many();
  if (!several) writers.emplace(TableId{}, TRY(make_writer(context, TableId{}, id.epoch)));
  std::unique_ptr<Writer> dead_letters;
  if (pipeline_.dead_letters_ != nullptr) dead_letters = TRY(pipeline_.dead_letters_->create_writer(context, id));
  return Outlet(std::move(writers), make_writer, std::move(dead_letters), context.pipeline, id.epoch);
}

void Stretch::spawn(std::string name, std::function<Result<void>(Context&)> body, Context context) {
  threads_.emplace_back([this, name = std::move(name), body = std::move(body), context]() mutable {
    Result<void> result;
    try {
      result = body(context);
    } catch (const std::exception& exception) {
      result = bug("thread '{}' ended with an exception: {}", name, exception.what());
    }
    if (result.ok()) return;
    gate_.fail(std::move(result).error());
    stop_.request_stop();
  });
}

Result<void> Stretch::start_rows(Context& context) {
  const bool streaming = pipeline_.plan_.kind == PipelineKind::stream;
  const bool single_writer = pipeline_.sink_->traits().single_writer;
  // A stream's splits may never end, and then none may wait for the turn of another.
  const int lanes = streaming && single_writer ? 1 : shared_.lanes;
  SplitQueue::Limits limits;
  limits.sticky = streaming;
  limits.lanes = lanes;
  limits.one_sequence = streaming && single_writer;
  auto& feed = feeds_.emplace_back(*pipeline_.inputs_[0].source, limits, gate_, shared_.counters, shared_.draining,
                                   shared_.rows_left);
  feed.shared.tables = pipeline_.tables_.get();
  feed.shared.on_truncate = pipeline_.options_.ignore_truncate   ? RunShared::OnTruncate::ignore
                            : pipeline_.sink_->traits().truncate ? RunShared::OnTruncate::follow
                                                                 : RunShared::OnTruncate::refuse;
  feed.shared.one_epoch = one_epoch_;
  const Epoch first_epoch = shared_.next_epoch;
  if (single_writer) {
    feed.channel = std::make_unique<OrderedChannel>(kChannelBytes);
    auto outlet = std::make_shared<Outlet>(TRY(create_outlet(context, 0)));
    start_feeding(context, feed, lanes);
    spawn(
        "writer",
        [&feed, outlet, first_epoch](Context& inner) {
          return run_channel_writer(inner, feed.shared, *feed.channel, std::move(*outlet), first_epoch);
        },
        context);
  } else {
    for (int lane = 0; lane < lanes; ++lane) {
      auto outlet = std::make_shared<Outlet>(TRY(create_outlet(context, lane)));
      spawn(
          fmt::format("lane {}", lane),
          [&feed, outlet, lane, first_epoch](Context& inner) {
            return run_writing_lane(inner, feed.shared, ReadingLane(feed.shared, lane), std::move(*outlet),
                                    first_epoch);
          },
          context);
    }
  }
  spawn(
      "discovery", [this, &feed](Context& inner) { return discover(inner, feed); }, context);
  return {};
}

void Stretch::start_feeding(Context& context, Feed& feed, int lanes) {
  feed.readers = lanes;
  for (int lane = 0; lane < lanes; ++lane) {
    spawn(
        fmt::format("reader {}", lane),
        [&feed, lane](Context& inner) {
          auto result = run_feeding_lane(inner, feed.shared, ReadingLane(feed.shared, lane), *feed.channel);
          if (--feed.readers == 0 && result.ok()) feed.channel->finish();
          return result;
        },
        context);
  }
}

Result<void> Stretch::discover(Context& context, Feed& feed) {
  while (!gate_.closed() && !shared_.draining && !gate_.lost_splits()) {
    SplitEvents events;
    {
      std::lock_guard lock(feed.source_mutex);
      events = TRY(feed.shared.source.poll_splits(context, context.clock.steady() + kPoll));
    }
    if (feed.shared.tables == nullptr && events.schema_change.has_value()) {
      return refused("the schema of '{}' changed while it was being read; start again to follow it",
                     events.schema_change->table.name);
    }
    if (events.schema_change.has_value()) gate_.ask_for_break(*std::move(events.schema_change));
    if (shared_.tenure.lease().member) note_owners(events);
    if (!events.revoked.empty() || !events.lost.empty()) {
      gate_.ask_for_break(std::move(events.revoked), std::move(events.lost));
    }
    if (gate_.breaking()) {
      // start() has everything else handed out again. Splits may still be lost until the last epoch is committed.
      context.clock.sleep(Millis(5), context.stop);
      continue;
    }
    const bool idle = events.added.empty();
    gate_.note_beginnings(events.beginnings);
    feed.splits.add(std::move(events.added));
    if (&feed == &feeds_.front()) shared_.counters.bytes_total = feed.splits.bytes_total();
    if (events.finished) {
      feed.splits.set_finished();
      return {};
    }
    if (idle) context.clock.sleep(Millis(5), context.stop);  // lets settle() have the source
  }
  return {};
}

// Another process may have read a split that comes to us: its position is that of the last recover() at most.
void Stretch::note_owners(const SplitEvents& events) {
  for (const auto* gone : {&events.revoked, &events.lost}) {
    for (const auto& split : *gone) shared_.known_splits.erase(split);
  }
  for (const auto& split : events.added) {
    if (split.endless && shared_.known_splits.insert(split.id).second) gate_.ask_for_hand_over();
  }
}

// Keepalives for the source, an eye on the lease, and lookups that are to be refreshed: by the clock or on request.
Result<void> Stretch::keep(Context& context) {
  auto lookups_loaded = context.clock.steady();
  while (!gate_.closed()) {
    for (auto& feed : feeds_) feed.shared.source.tick(context);
    TRY(shared_.tenure.check());
    auto now = context.clock.steady();
    const Millis every = pipeline_.options_.lookup_refresh;
    const bool due = shared_.counters.refresh.exchange(false) || (every.count() > 0 && now - lookups_loaded > every);
    if (due && pipeline_.tables_ != nullptr) {
      TRY(pipeline_.tables_->refresh(context).while_doing("refreshing lookup tables"));
      lookups_loaded = context.clock.steady();
    }
    for (Millis slept{0}; slept < kTick && !gate_.closed(); slept += Millis(25)) {
      if (!context.clock.sleep(Millis(25), context.stop)) return {};
    }
  }
  return {};
}

}  // namespace sluice
