#include "connector/kafka/source_settings.h"

#include <regex.h>

#include <algorithm>
#include <charconv>
#include <tuple>

#include <arrow/scalar.h>
#include <arrow/type.h>

namespace sluice::kafka {
namespace {

constexpr OptionScope kSource = OptionScope::source;

const std::vector<OptionSpec>& source_specs() {
  static const std::vector<OptionSpec> all = {
      {.name = "topics",
       .kind = OptionKind::list,
       .doc = "Several topics, in place of the one in the location.",
       .scope = kSource},
      {.name = "topic_pattern",
       .doc = "All topics whose whole name this regular expression matches, also those that come later.",
       .scope = kSource},
      {.name = "group_id", .doc = "The consumer group; by default sluice_ and the pipeline's name.", .scope = kSource},
      {.name = "offset",
       .default_value = "earliest",
       .doc = "Where to begin in partitions that were never read: earliest, latest, a time (2026-01-31T00:00:00Z, or "
              "milliseconds since 1970).",
       .scope = kSource},
      {.name = "messages",
       .kind = OptionKind::list,
       .doc = "These messages and no others, each as topic/partition@offset, as errors and dead letters name them.",
       .scope = kSource},
      {.name = "format", .default_value = "json", .doc = "What the values of messages are.", .scope = kSource},
      {.name = "key_format",
       .default_value = "text",
       .doc = "What the keys of messages are, for the column _key; its options have key_ in front (key_columns).",
       .scope = kSource},
      {.name = "envelope",
       .kind = OptionKind::choice,
       .default_value = "plain",
       .doc = "What values are: rows; changes in Debezium's envelope; or rows under their keys (upsert), each in the "
              "place of the one before, and a message without a value deletes it. The last two become change rows with "
              "_op, _ts and _pos.",
       .scope = kSource,
       .choices = {"plain", "debezium", "upsert"}},
      {.name = "key",
       .kind = OptionKind::list,
       .doc =
           "With envelope upsert: the columns that a message's key says; one where keys are text, by default all that "
           "key_format has.",
       .scope = kSource},
      {.name = "on_schema_change",
       .kind = OptionKind::choice,
       .default_value = "add",
       .doc =
           "What a stream does with a field that no column is for: add one, treat the message as bad (stop), or leave "
           "the field out (ignore). With columns or schema_file given, none is added.",
       .scope = kSource,
       .choices = {"add", "stop", "ignore"}},
      {.name = "metadata",
       .kind = OptionKind::list,
       .doc = "Columns to add: _key, _timestamp, _partition, _offset, _headers, _topic, or all.",
       .scope = kSource},
      {.name = "assignor",
       .kind = OptionKind::choice,
       .default_value = "cooperative-sticky",
       .doc = "How the members of the group share partitions out; all of them have to agree. range and roundrobin are "
              "eager: at each change everybody lets go of everything.",
       .scope = kSource,
       .choices = {"cooperative-sticky", "range", "roundrobin"}},
      {.name = "instance_id",
       .doc = "A name of this very process in the group (group.instance.id): after a restart, also after a crash, it "
              "has its partitions back at once. No two processes may share one.",
       .scope = kSource},
      {.name = "sample_messages",
       .kind = OptionKind::integer,
       .default_value = "1000",
       .doc = "How many messages the schema is taken from, where nothing else says it.",
       .scope = kSource,
       .min = 1,
       .max = 1'000'000},
  };
  return all;
}

// What the source sets itself.
constexpr OwnedProperty kOwnedBySource[] = {
    {"group.id", "group_id"},
    {"group.instance.id", "instance_id"},
    {"partition.assignment.strategy", "assignor"},
    {"auto.offset.reset", "offset"},
    {"enable.auto.commit", ""},
    {"enable.auto.offset.store", ""},
    {"auto.commit.interval.ms", ""},
    {"isolation.level", ""},
    {"enable.partition.eof", ""},
    {"allow.auto.create.topics", ""},
    {"topic.blacklist", "topic_pattern"},
};

Result<std::vector<MetadataColumn>> metadata_of(const OptionValues& options) {
  std::vector<MetadataColumn> out;
  if (!options.has("metadata")) return out;
  for (const auto& name : options.list("metadata")) {
    bool known = false;
    for (const auto& [column, which] : kMetadataColumns) {
      if (name != "all" && name != column && name != column.substr(1)) continue;
      known = true;
      if (std::find(out.begin(), out.end(), which) == out.end()) out.push_back(which);
    }
    if (known) continue;
    return user_error("{}: messages have no '{}'; there are _key, _timestamp, _partition, _offset, _headers and _topic",
                      options.where("metadata"), name);
  }
  return out;
}

// What is said of new fields goes for payload formats, too: they call it unknown_fields.
RawOptions with_unknown_fields(RawOptions raw, const PayloadDescriptor& value) {
  const auto policy = raw.find("on_schema_change");
  const bool ignores = policy != raw.end() && policy->second.value == "ignore";
  if (ignores && declares(value, "unknown_fields")) raw.try_emplace("unknown_fields", policy->second);
  return raw;
}

// Who says which columns there are means those.
bool adds_columns(const SourceSettings& settings) {
  const auto& [descriptor, options] = settings.value;
  const auto given = [&](const char* name) { return declares(*descriptor, name) && options.is_given(name); };
  return settings.streaming && options.text("on_schema_change") == "add" && !given("columns") && !given("schema_file");
}

Result<void> choose_topics(const ConnectorRequest& request, const OptionValues& options, SourceSettings& settings) {
  const bool named = !request.location.path.empty();
  if (named + options.has("topics") + options.has("topic_pattern") != 1) {
    return user_error("{}: name a topic in the location (kafka://broker:9092/topic), or topics, or topic_pattern",
                      settings.where);
  }
  if (named) settings.topics = {request.location.path};
  if (options.has("topics")) settings.topics = options.list("topics");
  for (const auto& topic : settings.topics) TRY(check_topic_name(settings.where, topic));
  if (!options.has("topic_pattern")) return {};
  settings.pattern = options.text("topic_pattern");
  regex_t compiled;
  if (regcomp(&compiled, settings.pattern.c_str(), REG_EXTENDED | REG_NOSUB) != 0) {
    return user_error("{}: '{}' is no regular expression", options.where("topic_pattern"), settings.pattern);
  }
  regfree(&compiled);
  return {};
}

Result<void> choose_messages(const OptionValues& options, SourceSettings& settings) {
  if (!options.has("messages")) return {};
  const std::string& where = options.where("messages");
  if (settings.streaming) return user_error("{}: a stream reads all messages; use CREATE TABLE for some", where);
  for (const auto& text : options.list("messages")) {
    auto message = message_of(text);
    if (!message.ok()) return user_error("{}: {}", where, message.error().what);
    settings.messages.push_back(std::move(message).value());
  }
  const auto place = [](const PartitionOffset& one) { return std::tie(one.partition, one.offset); };
  std::sort(settings.messages.begin(), settings.messages.end(),
            [&](const auto& a, const auto& b) { return place(a) < place(b); });
  const auto same = [&](const auto& a, const auto& b) { return place(a) == place(b); };
  settings.messages.erase(std::unique(settings.messages.begin(), settings.messages.end(), same),
                          settings.messages.end());
  return {};
}

}  // namespace

std::span<const OptionSpec> source_option_specs() { return source_specs(); }

std::string group_of(std::string_view pipeline) { return fmt::format("sluice_{}", pipeline); }

std::string SourceSettings::subject() const {
  if (topics.empty()) return fmt::format("topics '{}'", pattern);
  if (topics.size() == 1) return fmt::format("topic '{}'", topics.front());
  return fmt::format("topics '{}'", fmt::join(topics, "', '"));
}

Result<Beginning> parse_beginning(const std::string& text) {
  if (text == "earliest") return Beginning{};
  if (text == "latest") return Beginning{Beginning::Kind::latest, 0};
  Beginning beginning{Beginning::Kind::time, 0};
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), beginning.time_ms);
  if (failed == std::errc() && end == text.data() + text.size() && beginning.time_ms >= 0) return beginning;
  for (const char* zone : {"UTC", ""}) {
    auto parsed = arrow::Scalar::Parse(arrow::timestamp(arrow::TimeUnit::MILLI, zone), text);
    if (!parsed.ok()) continue;
    beginning.time_ms = static_cast<const arrow::TimestampScalar&>(**parsed).value;
    return beginning;
  }
  return user_error("'{}' is not earliest, latest or a time (2026-01-31T00:00:00Z, or milliseconds since 1970)", text);
}

Result<SourceSettings> source_settings(const Registry& registry, const ConnectorRequest& request) {
  SourceSettings settings;
  settings.where = request.where;
  settings.pipeline = request.pipeline;
  settings.streaming = request.streaming;
  const auto* value = TRY(payload_named(registry, request.options, "format", "json"));
  const auto* key = TRY(payload_named(registry, request.options, "key_format", "text"));
  // The connector's own come first: a name that a format declares, too, is the connector's.
  std::vector<OptionSpec> all = source_specs();
  all.insert(all.end(), value->options.begin(), value->options.end());
  const auto cluster = cluster_option_specs();
  all.insert(all.end(), cluster.begin(), cluster.end());
  std::deque<std::string> names;
  add_key_options(*key, kSource, names, all);
  settings.value = {value,
                    TRY(OptionValues::parse("kafka", all, kSource, with_unknown_fields(request.options, *value)))};
  const OptionValues& options = settings.value.options;
  settings.cluster = TRY(cluster_of(request.location, options, request.pipeline, kOwnedBySource));
  settings.metadata = TRY(metadata_of(options));
  const bool keys =
      std::find(settings.metadata.begin(), settings.metadata.end(), MetadataColumn::key) != settings.metadata.end();
  settings.keyed = options.text("envelope") == "upsert";
  if (options.has("key")) settings.key_names = options.list("key");
  if (!settings.keyed && options.has("key")) {
    return user_error("{}: key needs envelope := 'upsert'; metadata := '_key' has the keys of messages",
                      options.where("key"));
  }
  if (keys || settings.keyed) settings.key = TRY(key_choice(*key, kSource, request.options));
  if (!keys && !settings.keyed && options.is_given("key_format")) {
    return user_error("{}: key_format needs metadata := ['_key']", options.where("key_format"));
  }
  TRY(choose_topics(request, options, settings));
  TRY(choose_messages(options, settings));
  settings.group = options.has("group_id") ? options.text("group_id") : group_of(request.pipeline);
  if (options.has("instance_id")) settings.instance = options.text("instance_id");
  settings.adds_columns = adds_columns(settings);
  settings.debezium = options.text("envelope") == "debezium";
  settings.assignor = options.text("assignor");
  auto beginning = parse_beginning(options.text("offset"));
  if (!beginning.ok()) return user_error("{}: offset {}", options.where("offset"), beginning.error().what);
  settings.beginning = beginning.value();
  // All there is came after the stream began.
  if (request.waited && settings.beginning.kind == Beginning::Kind::latest) settings.beginning = {};
  settings.sample_messages = options.integer("sample_messages");
  return settings;
}

}  // namespace sluice::kafka
