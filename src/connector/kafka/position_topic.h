// What the cluster remembers of pipelines, in one compacted topic:
//   {"pipeline":"p","sink":"orders","split":"a.json"}    → {"position":"…"}
//   {"pipeline":"p","sink":"orders","writer":"sluice-p-orders"} → {"owner":"host:17","session":"…"}
// Positions are written in the transactions of their rows. A writer record names each transactional.id that wrote for
// the pipeline and has not been fenced or left since; whoever takes over writes its own first, and has read everything
// once that one comes by.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "connector/kafka/record.h"
#include "kafka/client.h"
#include "port/context.h"
#include "port/position.h"

namespace sluice::kafka {

struct WriterEntry {
  std::string owner;    // "host:pid", for whoever is refused
  std::string session;  // of its latest start
};

struct RememberedState {
  Positions positions;
  std::map<std::string, WriterEntry> writers;  // by transactional.id
};

class PositionTopic {
 public:
  // `sink`: the topic as declared. A pipeline pointed at another one starts from its beginning.
  PositionTopic(std::string name, std::string pipeline, std::string sink);

  // Makes it where it is missing. `replication` -1: up to three replicas. One that is there and is not compacted alone
  // is Fault::refused: positions in it would expire.
  Result<void> create(Context& context, Client& cluster, int replication) const;
  Result<bool> exists(Context& context, Client& cluster) const;

  // Records to be sent with a transaction. Unset: forgotten.
  void add(const SplitId& split, const std::optional<Position>& position, Piece& out) const;
  void add_writer(const std::string& id, const std::optional<WriterEntry>& entry, Piece& out) const;
  [[nodiscard]] Piece piece() const;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& key_prefix() const { return key_prefix_; }

 private:
  Result<void> check_policy(Context& context, Client& cluster) const;

  std::string name_;
  std::string key_prefix_;  // of this pipeline's keys
};

// Reads the topic from its beginning, committed records only, with a client of its own.
class PositionReader {
 public:
  static Result<std::unique_ptr<PositionReader>> open(Context& context, const Cluster& cluster,
                                                      const PositionTopic& topic);
  ~PositionReader();
  PositionReader(const PositionReader&) = delete;
  PositionReader& operator=(const PositionReader&) = delete;

  // Reads on until the writer record of `session` has come by: everything committed before it is in `state` then. While
  // an open transaction holds that up, `on_silence` is asked twice a second, and told for how long.
  using OnSilence = std::function<Result<void>(Millis)>;
  Result<void> read_until(Context& context, const std::string& session, RememberedState& state,
                          const OnSilence& on_silence);
  // Looks for `patience` whether somebody else than `session` writes under this id; for whoever wants to tell a name.
  std::optional<WriterEntry> find_other(Context& context, const std::string& id, const std::string& session,
                                        Millis patience);

 private:
  explicit PositionReader(const PositionTopic& topic) : topic_(topic) {}
  // The session of a writer record that was read; nothing for everything else.
  Result<std::optional<std::string>> read_one(Millis patience, RememberedState& state);

  struct TopicDeleter {
    void operator()(rd_kafka_topic_t* topic) const { api().topic_destroy(topic); }
  };
  const PositionTopic& topic_;
  std::unique_ptr<Client> client_;
  std::unique_ptr<rd_kafka_topic_t, TopicDeleter> handle_;
  SteadyTime heard_ = system_clock().steady();  // when the last record came
  bool started_ = false;
};

}  // namespace sluice::kafka
