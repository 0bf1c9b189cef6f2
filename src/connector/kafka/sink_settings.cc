#include "connector/kafka/sink_settings.h"

#include <algorithm>

namespace sluice::kafka {
namespace {

constexpr OptionScope kSink = OptionScope::sink;
constexpr Millis kStreamTimeout{60'000};
constexpr Millis kBoundedTimeout{900'000};  // the brokers' default for transaction.max.timeout.ms

// What a transaction is made of is not for sale.
constexpr OwnedProperty kOwnedBySink[] = {
    {"transactional.id", "transactional_id"},
    {"transaction.timeout.ms", "transaction_timeout"},
    {"enable.idempotence", ""},
    {"enable.gapless.guarantee", ""},
    {"acks", ""},
    {"request.required.acks", ""},
    {"max.in.flight", ""},
    {"max.in.flight.requests.per.connection", ""},
    {"retries", ""},
    {"message.send.max.retries", ""},
    {"delivery.report.only.error", ""},
    {"isolation.level", ""},
    {"group.id", ""},
    {"compression.type", "compression"},
    {"compression.codec", "compression"},
    {"partitioner", "partitioner"},
};

const std::vector<OptionSpec>& sink_specs() {
  static const std::vector<OptionSpec> all = {
      {.name = "format",
       .default_value = "json",
       .doc = "The format of the messages' values: json, avro, protobuf, text or raw.",
       .scope = kSink},
      {.name = "mode",
       .kind = OptionKind::choice,
       .doc = "append writes every row, changes with their _op; upsert writes rows under their key and a tombstone for "
              "a row that was deleted. Default: upsert when changes and a key arrive, else append.",
       .scope = kSink,
       .choices = {"append", "upsert"}},
      {.name = "key",
       .kind = OptionKind::list,
       .doc = "The columns that make a message's key; messages of one key keep their order.",
       .scope = kSink},
      {.name = "key_format",
       .doc = "The format of keys; by default a single column's text, json for several. Its options have key_ in front "
              "(key_schema_file); those of the value that do not say what a value is made of hold for it, too.",
       .scope = kSink},
      {.name = "envelope",
       .kind = OptionKind::choice,
       .default_value = "plain",
       .doc = "How changes are wrapped: plain columns, or Debezium's before, after, op, source and ts_ms.",
       .scope = kSink,
       .choices = {"plain", "debezium"}},
      {.name = "tombstones",
       .kind = OptionKind::boolean,
       .default_value = "true",
       .doc = "With envelope debezium: a tombstone follows each delete, so that compaction forgets the key.",
       .scope = kSink},
      {.name = "headers",
       .doc = "The column that holds the messages' headers (a MAP, or a list of STRUCT(key, value)); it is not part of "
              "the value.",
       .scope = kSink},
      {.name = "timestamp",
       .doc = "The TIMESTAMP column that becomes the messages' time; it is not part of the value.",
       .scope = kSink},
      {.name = "partition",
       .doc = "The integer column that says which partition a message goes to; it is not part of the value.",
       .scope = kSink},
      {.name = "partitioner",
       .kind = OptionKind::choice,
       .default_value = "murmur2_random",
       .doc = "How a key chooses the partition; murmur2_random agrees with Java clients.",
       .scope = kSink,
       .choices = {"murmur2_random", "murmur2", "consistent_random", "consistent", "fnv1a_random", "fnv1a", "random"}},
      {.name = "compression",
       .kind = OptionKind::choice,
       .default_value = "none",
       .doc = "How batches of messages are compressed.",
       .scope = kSink,
       .choices = {"none", "gzip", "snappy", "lz4", "zstd"}},
      {.name = "create_topic",
       .kind = OptionKind::boolean,
       .default_value = "true",
       .doc = "Create the topic when it is missing.",
       .scope = kSink},
      {.name = "partitions",
       .kind = OptionKind::integer,
       .doc = "The number of partitions of a topic that is created; by default as the brokers say.",
       .scope = kSink,
       .min = 1,
       .max = 100'000},
      {.name = "replication",
       .kind = OptionKind::integer,
       .doc = "The number of replicas of topics that are created; by default as the brokers say, and up to three for "
              "positions.",
       .scope = kSink,
       .min = 1,
       .max = 100},
      {.name = "if_exists",
       .kind = OptionKind::choice,
       .default_value = "append",
       .doc = "What an unnamed statement does with a topic that has messages: refuse it (error) or add to it.",
       .scope = kSink,
       .choices = {"error", "append"}},
      {.name = "positions_topic",
       .default_value = "__sluice_positions",
       .doc = "The compacted topic that holds how far pipelines have come, written in the transactions of their rows.",
       .scope = kSink},
      {.name = "transactional_id",
       .doc = "The producer's transactional.id; by default sluice, the pipeline and the topic. Processes with state "
              "stores of their own that share a group's "
              "partitions each need their own.",
       .scope = kSink},
      {.name = "transaction_timeout",
       .kind = OptionKind::duration,
       .doc = "How long a transaction may stay open before the brokers abort it, which is also how long a dead process "
              "may hold up readers; epochs are cut in time. Default: 1m for streams, 15m for bounded statements.",
       .scope = kSink,
       .min = 1'000,
       .max = 2'147'483'647},
  };
  return all;
}

// What the key's format is: as it was said, else JSON where one column's text is not enough.
Result<void> choose_key_format(const Registry& registry, const RawOptions& raw, SinkSettings& settings) {
  // Debezium's keys are objects, also those of one column.
  const bool object = settings.key.size() > 1 || settings.envelope == Envelope::debezium;
  if (!raw.contains("key_format") && !object) return {};
  settings.key_format = TRY(key_choice(*TRY(payload_named(registry, raw, "key_format", "json")), kSink, raw));
  return {};
}

// Named after the same as the positions are: pipelines of one name that write elsewhere do not meet.
std::string transactional_id_of(const ConnectorRequest& request) {
  return fmt::format("sluice-{}-{}", request.pipeline, request.location.path);
}

Result<void> read_key(const Registry& registry, const RawOptions& raw, SinkSettings& settings) {
  const OptionValues& options = settings.options;
  if (options.has("key")) settings.key = options.list("key");
  settings.mode_given = options.has("mode");
  settings.upsert = settings.mode_given && options.text("mode") == "upsert";
  settings.envelope = options.text("envelope") == "debezium" ? Envelope::debezium : Envelope::plain;
  settings.tombstones = options.boolean("tombstones");
  if (settings.upsert && settings.key.empty()) {
    return user_error("{}: mode := 'upsert' needs key := 'column, …'", options.where("mode"));
  }
  if (settings.upsert && settings.envelope == Envelope::debezium) {
    return user_error("{}: envelope := 'debezium' writes every change; leave out mode", options.where("mode"));
  }
  if (options.is_given("key_format") && settings.key.empty()) {
    return user_error("{}: key_format needs key := 'column, …'", options.where("key_format"));
  }
  return choose_key_format(registry, raw, settings);
}

}  // namespace

std::span<const OptionSpec> sink_option_specs() { return sink_specs(); }

Result<std::string> SinkSettings::topic_for(const TableId& table) const {
  std::string name = topic;
  for (const auto& [hole, value] : {std::pair("{schema}", table.schema), std::pair("{table}", table.name)}) {
    for (size_t at = name.find(hole); at != std::string::npos; at = name.find(hole, at + value.size())) {
      name.replace(at, std::string_view(hole).size(), value);
    }
  }
  TRY(check_topic_name(where, name));
  return name;
}

Result<SinkSettings> sink_settings(const Registry& registry, const ConnectorRequest& request) {
  SinkSettings settings;
  settings.format = TRY(payload_named(registry, request.options, "format", "json"));
  std::vector<OptionSpec> all = sink_specs();
  const auto cluster = cluster_option_specs();
  all.insert(all.end(), cluster.begin(), cluster.end());
  all.insert(all.end(), settings.format->options.begin(), settings.format->options.end());
  std::deque<std::string> names;
  if (request.options.contains("key_format")) {
    add_key_options(*TRY(payload_named(registry, request.options, "key_format", "")), kSink, names, all);
  }
  settings.options = TRY(OptionValues::parse("kafka", all, kSink, request.options));
  const OptionValues& options = settings.options;
  settings.cluster = TRY(cluster_of(request.location, options, request.pipeline, kOwnedBySink));
  settings.where = request.where;
  settings.pipeline = request.pipeline;
  settings.topic = request.location.path;
  if (settings.topic.empty()) {
    return user_error("{}: the location names no topic; write kafka('broker:9092/topic')", request.where);
  }
  if (!settings.many_tables()) TRY(check_topic_name(request.where, settings.topic));
  TRY(read_key(registry, request.options, settings));
  const auto text = [&](const char* name) { return options.has(name) ? options.text(name) : std::string(); };
  settings.headers_column = text("headers");
  settings.timestamp_column = text("timestamp");
  settings.partition_column = text("partition");
  settings.create_topic = options.boolean("create_topic");
  if (options.has("partitions")) settings.partitions = static_cast<int>(options.integer("partitions"));
  if (options.has("replication")) settings.replication = static_cast<int>(options.integer("replication"));
  if (options.is_given("if_exists") && !request.one_off) {
    return user_error("{}: if_exists is for unnamed statements; a named one adds what is new",
                      options.where("if_exists"));
  }
  settings.refuse_existing = request.one_off && options.text("if_exists") == "error";
  settings.positions_topic = options.text("positions_topic");
  TRY(check_topic_name(request.where, settings.positions_topic));
  if (settings.positions_topic == settings.topic) {
    return user_error("{}: '{}' is where positions are kept; choose another topic", request.where, settings.topic);
  }
  settings.transactional_id =
      options.has("transactional_id") ? options.text("transactional_id") : transactional_id_of(request);
  settings.transaction_timeout = options.has("transaction_timeout") ? options.duration("transaction_timeout")
                                 : request.streaming                ? kStreamTimeout
                                                                    : kBoundedTimeout;
  settings.producer.push_back({"compression.codec", Secret(options.text("compression"))});
  settings.producer.push_back({"partitioner", Secret(options.text("partitioner"))});
  return settings;
}

}  // namespace sluice::kafka
