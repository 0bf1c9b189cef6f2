#include "connector/kafka/position_topic.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json_string.h"

namespace sluice::kafka {
namespace {

constexpr Millis kStep{200};
constexpr Millis kSayAfter{3'000};
constexpr Millis kRecordsSilence{500};

std::string field(const char* name, const std::string& value) {
  std::string out = fmt::format("\"{}\":", name);
  append_json_string(value, out);
  return out;
}

// An object's member that is text; empty where there is none.
std::string text_of(const nlohmann::json& object, const char* name) {
  auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// As many as answer for now; one when none does.
int brokers_of(const Client& cluster) {
  constexpr int kPatienceMs = 800;
  const rd_kafka_metadata_t* metadata = nullptr;
  if (api().metadata(cluster.get(), 0, nullptr, &metadata, kPatienceMs) != RD_KAFKA_RESP_ERR_NO_ERROR) return 1;
  const int brokers = metadata->broker_cnt;
  api().metadata_destroy(metadata);
  return brokers;
}

}  // namespace

PositionTopic::PositionTopic(std::string name, std::string pipeline, std::string sink)
    : name_(std::move(name)), key_prefix_("{" + field("pipeline", pipeline) + "," + field("sink", sink) + ",") {}

Result<bool> PositionTopic::exists(Context& context, Client& cluster) const {
  auto topic = cluster.topic(name_, context.stop);
  if (topic.ok()) return true;
  if (topic.error().fault == Fault::user) return false;
  return std::move(topic).error();
}

Result<void> PositionTopic::create(Context& context, Client& cluster, int replication) const {
  if (TRY(exists(context, cluster))) return check_policy(context, cluster);
  Client::NewTopic topic;
  topic.name = name_;
  topic.partitions = 1;  // one order of everything, which reading up to one's own record needs
  topic.replication = replication;
  if (replication < 0) topic.replication = std::min(3, brokers_of(cluster));
  // Small segments: compaction leaves the last one alone, and all of it is read at each start.
  topic.settings = {{"cleanup.policy", "compact"}, {"segment.bytes", "16777216"}};
  TRY(cluster.create_topic(topic, context.stop).while_doing("making the topic that holds positions"));
  context.log.info("made the topic that holds positions", {{"topic", name_}, {"replicas", topic.replication}});
  return {};
}

Result<void> PositionTopic::check_policy(Context& context, Client& cluster) const {
  auto policy = cluster.topic_setting(name_, "cleanup.policy", context.stop);
  if (!policy.ok() && policy.error().fault != Fault::refused) return std::move(policy).error();
  if (!policy.ok() || !policy->has_value()) {
    context.log.warn("whether positions expire cannot be seen: the topic's settings may not be read",
                     {{"topic", name_}});
    return {};
  }
  if (**policy == "compact") return {};
  return refused(
      "{}: topic '{}' holds positions and has cleanup.policy '{}', under which they expire; set it to compact, or name "
      "another topic with positions_topic",
      cluster.where(), name_, **policy);
}

Piece PositionTopic::piece() const {
  Piece piece;
  piece.topic = std::make_shared<TargetTopic>(TargetTopic{name_, 1, INT64_MAX});
  return piece;
}

void PositionTopic::add(const SplitId& split, const std::optional<Position>& position, Piece& out) const {
  Record record;
  record.partition = 0;
  record.key = append_payload(key_prefix_ + field("split", split) + "}", out.keys);
  if (position.has_value()) {
    record.value = append_payload("{" + field("position", position->token) + "}", out.values);
  }
  out.records.push_back(record);
}

void PositionTopic::add_writer(const std::string& id, const std::optional<WriterEntry>& entry, Piece& out) const {
  Record record;
  record.partition = 0;
  record.key = append_payload(key_prefix_ + field("writer", id) + "}", out.keys);
  if (entry.has_value()) {
    record.value =
        append_payload("{" + field("owner", entry->owner) + "," + field("session", entry->session) + "}", out.values);
  }
  out.records.push_back(record);
}

Result<std::unique_ptr<PositionReader>> PositionReader::open(Context& context, const Cluster& cluster,
                                                             const PositionTopic& topic) {
  std::unique_ptr<PositionReader> reader(new PositionReader(topic));
  // Somebody waits for what is read: at the end of the topic, for a record that is about to be there.
  const Properties own = {{"isolation.level", Secret("read_committed")},
                          {"fetch.wait.max.ms", Secret("20")},
                          {"fetch.error.backoff.ms", Secret("50")},
                          {"topic.metadata.refresh.fast.interval.ms", Secret("50")}};
  reader->client_ = TRY(Client::open(RD_KAFKA_CONSUMER, cluster, own, context.log));
  reader->handle_.reset(api().topic_new(reader->client_->get(), topic.name().c_str(), nullptr));
  const std::string what = fmt::format("topic '{}'", topic.name());
  if (reader->handle_ == nullptr) return reader->client_->failure(api().last_error(), what);
  // Where a partition's leader is not known yet, librdkafka comes back to it half a second later.
  (void)TRY(reader->client_->topic(topic.name(), context.stop));
  if (api().consume_start(reader->handle_.get(), 0, RD_KAFKA_OFFSET_BEGINNING) != 0) {
    return reader->client_->failure(api().last_error(), what);
  }
  reader->started_ = true;
  return reader;
}

PositionReader::~PositionReader() {
  if (started_) api().consume_stop(handle_.get(), 0);
}

Result<std::optional<std::string>> PositionReader::read_one(Millis patience, RememberedState& state) {
  const std::optional<std::string> nothing;
  const Message message(api().consume(handle_.get(), 0, static_cast<int>(patience.count())));
  if (message == nullptr || message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) return nothing;
  const std::string what = fmt::format("topic '{}'", topic_.name());
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    Error error = client_->failure(message->err, what);
    if (error.fault == Fault::transient) return nothing;  // librdkafka tries on; the caller's patience ends
    return error;
  }
  heard_ = system_clock().steady();
  const std::string_view key(static_cast<const char*>(message->key), message->key_len);
  if (!key.starts_with(topic_.key_prefix())) return nothing;
  const auto name = nlohmann::json::parse(key, nullptr, /*allow_exceptions=*/false);
  if (name.is_discarded()) return nothing;
  if (name.contains("split")) {
    if (message->payload == nullptr) {
      state.positions.erase(text_of(name, "split"));
      return nothing;
    }
  } else if (message->payload == nullptr) {
    state.writers.erase(text_of(name, "writer"));
    return nothing;
  }
  const auto* begin = static_cast<const char*>(message->payload);
  const auto value = nlohmann::json::parse(begin, begin + message->len, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded() || !value.is_object()) {
    return refused("{}: {}: the record at offset {} is not one of Sluice's; give positions a topic of their own",
                   client_->where(), what, message->offset);
  }
  if (name.contains("split")) {
    state.positions[text_of(name, "split")] = Position{text_of(value, "position")};
    return nothing;
  }
  WriterEntry& entry = state.writers[text_of(name, "writer")];
  entry = {text_of(value, "owner"), text_of(value, "session")};
  return std::optional(entry.session);
}

Result<void> PositionReader::read_until(Context& context, const std::string& session, RememberedState& state,
                                        const OnSilence& on_silence) {
  const auto began = context.clock.steady();
  auto told = began;
  auto asked = heard_ = began;
  while (true) {
    if (context.stop.stop_requested()) return cancelled();
    const auto seen = TRY(read_one(kStep, state));
    if (seen == session) return {};
    if (auto broken = client_->broken(); broken.has_value()) return *std::move(broken);
    const auto now = context.clock.steady();
    if (now - std::max(asked, heard_) >= kRecordsSilence) {
      TRY(on_silence(std::chrono::duration_cast<Millis>(now - heard_)));
      asked = context.clock.steady();
    }
    if (now - told < kSayAfter) continue;
    // Records become readable in their order: a transaction of a process that died just before its commit holds up
    // those behind it, until it is fenced, starts again or times out.
    told = now;
    (void)TRY(client_->topic(topic_.name(), context.stop));  // or nobody answers at all
    context.log.info(
        "waiting until positions can be read: another transaction is still open",
        {{"topic", topic_.name()}, {"waited", format_duration(std::chrono::duration_cast<Millis>(now - began))}});
  }
}

std::optional<WriterEntry> PositionReader::find_other(Context& context, const std::string& id,
                                                      const std::string& session, Millis patience) {
  RememberedState state;
  bool past_ours = false;
  const auto until = context.clock.steady() + patience;
  while (context.clock.steady() < until && !context.stop.stop_requested()) {
    auto seen = read_one(kStep, state);
    if (!seen.ok()) break;
    past_ours = past_ours || *seen == session;
    auto now = state.writers.find(id);
    if (past_ours && (now == state.writers.end() || now->second.session != session)) break;
  }
  auto last = state.writers.find(id);
  if (last == state.writers.end() || last->second.session == session) return std::nullopt;
  return last->second;
}

}  // namespace sluice::kafka
