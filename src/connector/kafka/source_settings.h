// What a location and its options say to a source, once.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "connector/kafka/metadata_columns.h"
#include "connector/kafka/partition.h"
#include "connector/kafka/payload_choice.h"
#include "kafka/settings.h"

namespace sluice::kafka {

// Where reading begins in a partition that has no position and no offset of the group.
struct Beginning {
  enum class Kind { earliest, latest, time };
  Kind kind = Kind::earliest;
  int64_t time_ms = 0;  // since 1970
};
// "earliest", "latest", "2026-01-31T00:00:00Z" (a time without zone is UTC), or milliseconds since 1970.
Result<Beginning> parse_beginning(const std::string& text);

struct SourceSettings {
  Cluster cluster;
  std::string where;     // the call, for errors
  std::string pipeline;  // empty outside of one
  bool streaming = false;
  std::vector<std::string> topics;  // by name, or …
  std::string pattern;              // … all whose whole name this (POSIX extended) regular expression matches
  std::string group;
  std::string instance;  // group.instance.id; empty: a dynamic member
  std::string assignor;
  Beginning beginning;
  std::vector<PartitionOffset> messages;  // these only, ascending; none: all
  bool adds_columns = false;              // for fields that messages have and the schema lacks
  bool debezium = false;                  // values are Debezium's envelopes
  bool keyed = false;                     // they are rows under their keys: a message without one deletes
  std::vector<std::string> key_names;     // the key's columns; empty: all of them, as they are called
  std::vector<MetadataColumn> metadata;
  PayloadChoice value;
  PayloadChoice key;  // without descriptor: keys are not asked for
  int64_t sample_messages = 0;

  // "topic 'orders'", "topics '…'": for errors and TableId.
  [[nodiscard]] std::string subject() const;
  // What registries and errors call it, where there are several topics: the first one.
  [[nodiscard]] std::string topic_name() const { return topics.empty() ? pattern : topics.front(); }
};

std::span<const OptionSpec> source_option_specs();
Result<SourceSettings> source_settings(const Registry& registry, const ConnectorRequest& request);

// The group and, by default, everything else at the cluster that carries the pipeline's name.
std::string group_of(std::string_view pipeline);

}  // namespace sluice::kafka
