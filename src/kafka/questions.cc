// What can be asked of a cluster: Client's questions.
#include <algorithm>
#include <set>

#include "kafka/client.h"

namespace sluice::kafka {
namespace {

constexpr Millis kPause{50};

struct MetadataDeleter {
  void operator()(const rd_kafka_metadata_t* metadata) const { api().metadata_destroy(metadata); }
};
using Metadata = std::unique_ptr<const rd_kafka_metadata_t, MetadataDeleter>;

struct TopicHandleDeleter {
  void operator()(rd_kafka_topic_t* topic) const { api().topic_destroy(topic); }
};

std::string about_topic(std::string_view topic) { return fmt::format("topic '{}'", topic); }

Topic topic_of(const rd_kafka_metadata_topic_t& metadata, const std::string& where) {
  Topic topic{metadata.topic, metadata.partition_cnt, std::nullopt};
  if (metadata.err != RD_KAFKA_RESP_ERR_NO_ERROR) topic.error = error_of(metadata.err, topic_at(where, topic.name));
  return topic;
}

std::vector<PartitionOffset> with_offset(std::span<const TopicPartition> partitions, int64_t offset) {
  std::vector<PartitionOffset> out;
  out.reserve(partitions.size());
  for (const auto& partition : partitions) out.push_back({partition, offset});
  return out;
}

// The first error that stands beside a partition of an answer.
rd_kafka_resp_err_t first_error(const rd_kafka_topic_partition_list_t& list, std::string* what) {
  for (int i = 0; i < list.cnt; ++i) {
    if (list.elems[i].err == RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    *what = fmt::format("{}, partition {}", about_topic(list.elems[i].topic), list.elems[i].partition);
    return list.elems[i].err;
  }
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

}  // namespace

Result<void> Client::ask(std::string_view what, const std::stop_token& stop,
                         const std::function<rd_kafka_resp_err_t(int timeout_ms, std::string* what)>& call) {
  Clock& clock = system_clock();
  const auto until = clock.steady() + cluster_.connect_timeout;
  std::string about(what);
  while (true) {
    const auto code = call(static_cast<int>(kAttempt.count()), &about);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
      answered_ = true;
      return {};
    }
    serve(Millis(0));
    if (auto error = broken()) return *std::move(error);
    if (stop.stop_requested()) return cancelled();
    if (error_of(code, {where(), about}).fault != Fault::transient || clock.steady() >= until) {
      return failure(code, about);
    }
    clock.sleep(kPause, stop);
  }
}

Result<std::vector<Topic>> Client::topics(const std::stop_token& stop) {
  Metadata metadata;
  TRY(ask("", stop, [&](int timeout, std::string*) {
    const rd_kafka_metadata_t* answer = nullptr;
    const auto code = api().metadata(handle_, 1, nullptr, &answer, timeout);
    metadata.reset(answer);
    return code;
  }));
  std::vector<Topic> out;
  for (const auto& topic : std::span(metadata->topics, static_cast<size_t>(metadata->topic_cnt))) {
    if (!std::string_view(topic.topic).starts_with("__")) out.push_back(topic_of(topic, where()));
  }
  std::sort(out.begin(), out.end(), [](const Topic& a, const Topic& b) { return a.name < b.name; });
  return out;
}

Result<Topic> Client::topic(const std::string& name, const std::stop_token& stop) {
  std::unique_ptr<rd_kafka_topic_t, TopicHandleDeleter> handle(api().topic_new(handle_, name.c_str(), nullptr));
  if (handle == nullptr) return failure(api().last_error(), about_topic(name));
  Topic topic;
  TRY(ask(about_topic(name), stop, [&](int timeout, std::string*) {
    const rd_kafka_metadata_t* answer = nullptr;
    const auto code = api().metadata(handle_, 0, handle.get(), &answer, timeout);
    const Metadata metadata(answer);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return code;
    if (metadata->topic_cnt == 0) return RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    topic = topic_of(metadata->topics[0], where());
    return metadata->topics[0].err;
  }));
  return topic;
}

// librdkafka goes on asking the leader it knows, also when that is dead and the topic has another by now.
void Client::look_for_leaders(const std::string& topic) {
  std::unique_ptr<rd_kafka_topic_t, TopicHandleDeleter> handle(api().topic_new(handle_, topic.c_str(), nullptr));
  if (handle == nullptr) return;
  const rd_kafka_metadata_t* answer = nullptr;
  (void)api().metadata(handle_, 0, handle.get(), &answer, static_cast<int>(kAttempt.count()));
  const Metadata metadata(answer);  // what it says is remembered
}

Result<std::string> Client::cluster_id(const std::stop_token& stop) {
  std::string id;
  TRY(ask("", stop, [&](int timeout, std::string*) {
    char* answer = api().clusterid(handle_, timeout);
    if (answer == nullptr) return RD_KAFKA_RESP_ERR__TIMED_OUT;
    id = answer;
    api().mem_free(handle_, answer);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
  }));
  return id;
}

// ListOffsets for every partition at once, `time_ms` as in the protocol: the two logical offsets ask for the ends. Not
// by rd_kafka_query_watermark_offsets(): it waits for a leader that is dead until its requests time out, however short
// the wait it is asked for, and goes back to the same one (librdkafka 2.0.2).
Result<std::vector<int64_t>> Client::list_offsets(std::span<const TopicPartition> partitions, int64_t time_ms,
                                                  const std::stop_token& stop) {
  const auto wanted = with_offset(partitions, time_ms);
  std::vector<int64_t> out;
  if (wanted.empty()) return out;
  TRY(ask("", stop, [&](int timeout, std::string* what) {
    // The time to look for stands where the offset is put.
    const PartitionList list = partition_list(wanted);
    auto code = api().offsets_for_times(handle_, list.get(), timeout);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) code = first_error(*list, what);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
      std::set<std::string> topics;
      for (const auto& partition : partitions) topics.insert(partition.topic);
      for (const auto& topic : topics) look_for_leaders(topic);
      // librdkafka knew the topic without this partition, or with nobody who leads it: whoever asks has heard of it.
      return code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ? RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE : code;
    }
    out.clear();
    for (int i = 0; i < list->cnt; ++i) out.push_back(list->elems[i].offset);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
  }));
  return out;
}

Result<std::vector<int64_t>> Client::offsets_at(std::span<const TopicPartition> partitions, int64_t time_ms,
                                                const std::stop_token& stop) {
  auto out = TRY(list_offsets(partitions, time_ms, stop));
  // Behind the last message the answer is the logical end.
  for (size_t i = 0; i < out.size(); ++i) {
    if (out[i] < 0) out[i] = TRY(list_offsets(partitions.subspan(i, 1), RD_KAFKA_OFFSET_END, stop)).front();
  }
  return out;
}

Result<std::vector<Watermarks>> Client::watermarks(std::span<const TopicPartition> partitions,
                                                   const std::stop_token& stop) {
  const auto lows = TRY(list_offsets(partitions, RD_KAFKA_OFFSET_BEGINNING, stop));
  const auto highs = TRY(list_offsets(partitions, RD_KAFKA_OFFSET_END, stop));
  std::vector<Watermarks> out;
  out.reserve(partitions.size());
  for (size_t i = 0; i < partitions.size(); ++i) out.push_back({lows[i], highs[i]});
  return out;
}

Result<std::vector<std::optional<Client::Committed>>> Client::committed(std::span<const TopicPartition> partitions,
                                                                        const std::stop_token& stop) {
  const auto wanted = with_offset(partitions, RD_KAFKA_OFFSET_INVALID);
  std::vector<std::optional<Committed>> out;
  if (wanted.empty()) return out;
  TRY(ask("the group's offsets", stop, [&](int timeout, std::string* what) {
    const PartitionList list = partition_list(wanted);
    const auto code = api().committed(handle_, list.get(), timeout);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return code;
    if (const auto error = first_error(*list, what); error != RD_KAFKA_RESP_ERR_NO_ERROR) return error;
    out.clear();
    for (int i = 0; i < list->cnt; ++i) {
      const auto& one = list->elems[i];
      auto& committed = out.emplace_back();
      if (one.offset < 0) continue;
      committed.emplace(one.offset, std::string(static_cast<const char*>(one.metadata), one.metadata_size));
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
  }));
  return out;
}

}  // namespace sluice::kafka
