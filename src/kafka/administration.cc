// What changes a cluster: topics and groups.
#include "kafka/client.h"

namespace sluice::kafka {
namespace {

struct EventDeleter {
  void operator()(rd_kafka_event_t* event) const { api().event_destroy(event); }
};
using Event = std::unique_ptr<rd_kafka_event_t, EventDeleter>;
struct OptionsDeleter {
  void operator()(rd_kafka_AdminOptions_t* options) const { api().AdminOptions_destroy(options); }
};
struct NewTopicDeleter {
  void operator()(rd_kafka_NewTopic_t* topic) const { api().NewTopic_destroy(topic); }
};
struct DeleteGroupDeleter {
  void operator()(rd_kafka_DeleteGroup_t* group) const { api().DeleteGroup_destroy(group); }
};
struct ConfigResourceDeleter {
  void operator()(rd_kafka_ConfigResource_t* resource) const { api().ConfigResource_destroy(resource); }
};

// Waits for the one event of an administrative request.
Result<Event> wait_for(Client& client, rd_kafka_queue_t* queue, const std::string& what, const std::stop_token& stop) {
  while (true) {
    Event event(api().queue_poll(queue, static_cast<int>(Client::kAttempt.count())));
    client.serve(Millis(0));
    if (event != nullptr) {
      const auto code = api().event_error(event.get());
      if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return event;
      return client.failure(code, what, api().event_error_string(event.get()));
    }
    if (auto error = client.broken()) return *std::move(error);
    if (stop.stop_requested()) return cancelled();
  }
}

std::unique_ptr<rd_kafka_AdminOptions_t, OptionsDeleter> options_for(const Client& client, rd_kafka_admin_op_t what) {
  std::unique_ptr<rd_kafka_AdminOptions_t, OptionsDeleter> options(api().AdminOptions_new(client.get(), what));
  char ignored[256];
  const auto timeout = static_cast<int>(client.cluster().connect_timeout.count());
  api().AdminOptions_set_request_timeout(options.get(), timeout, ignored, sizeof(ignored));
  return options;
}

}  // namespace

Result<void> Client::create_topic(const NewTopic& topic, const std::stop_token& stop) {
  const std::string what = fmt::format("topic '{}'", topic.name);
  char reason[256] = {};
  std::unique_ptr<rd_kafka_NewTopic_t, NewTopicDeleter> wanted(
      api().NewTopic_new(topic.name.c_str(), topic.partitions, topic.replication, reason, sizeof(reason)));
  if (wanted == nullptr) return user_error("{}: {}: {}", where(), what, reason);
  for (const auto& [name, value] : topic.settings) api().NewTopic_set_config(wanted.get(), name.c_str(), value.c_str());
  const auto options = options_for(*this, RD_KAFKA_ADMIN_OP_CREATETOPICS);
  const Queue queue(api().queue_new(handle_));
  rd_kafka_NewTopic_t* one = wanted.get();
  api().CreateTopics(handle_, &one, 1, options.get(), queue.get());
  const Event event = TRY(wait_for(*this, queue.get(), what, stop));
  size_t count = 0;
  const auto* results = api().CreateTopics_result_topics(api().event_CreateTopics_result(event.get()), &count);
  for (size_t i = 0; i < count; ++i) {
    const auto code = api().topic_result_error(results[i]);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) continue;
    const char* detail = api().topic_result_error_string(results[i]);
    return error_of(code, {where(), what}, detail == nullptr ? "" : detail);
  }
  return {};
}

Result<void> Client::delete_group(const std::string& group, const std::stop_token& stop) {
  const Subject subject = group_at(where(), group);
  std::unique_ptr<rd_kafka_DeleteGroup_t, DeleteGroupDeleter> wanted(api().DeleteGroup_new(group.c_str()));
  const auto options = options_for(*this, RD_KAFKA_ADMIN_OP_DELETEGROUPS);
  const Queue queue(api().queue_new(handle_));
  rd_kafka_DeleteGroup_t* one = wanted.get();
  api().DeleteGroups(handle_, &one, 1, options.get(), queue.get());
  const Event event = TRY(wait_for(*this, queue.get(), subject.what, stop));
  size_t count = 0;
  const auto* results = api().DeleteGroups_result_groups(api().event_DeleteGroups_result(event.get()), &count);
  for (size_t i = 0; i < count; ++i) {
    const rd_kafka_error_t* error = api().group_result_error(results[i]);
    if (error == nullptr || api().error_code(error) == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND) continue;
    return error_of(api().error_code(error), subject, api().error_string(error));
  }
  return {};
}

Result<std::optional<std::string>> Client::topic_setting(const std::string& topic, const std::string& setting,
                                                         const std::stop_token& stop) {
  const Subject subject = topic_at(where(), topic);
  std::unique_ptr<rd_kafka_ConfigResource_t, ConfigResourceDeleter> wanted(
      api().ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str()));
  const auto options = options_for(*this, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
  const Queue queue(api().queue_new(handle_));
  rd_kafka_ConfigResource_t* one = wanted.get();
  api().DescribeConfigs(handle_, &one, 1, options.get(), queue.get());
  const Event event = TRY(wait_for(*this, queue.get(), subject.what, stop));
  size_t resources = 0;
  const auto* results =
      api().DescribeConfigs_result_resources(api().event_DescribeConfigs_result(event.get()), &resources);
  for (size_t i = 0; i < resources; ++i) {
    if (const auto code = api().ConfigResource_error(results[i]); code != RD_KAFKA_RESP_ERR_NO_ERROR) {
      const char* detail = api().ConfigResource_error_string(results[i]);
      return error_of(code, subject, detail == nullptr ? "" : detail);
    }
    size_t entries = 0;
    const auto* configs = api().ConfigResource_configs(results[i], &entries);
    for (size_t j = 0; j < entries; ++j) {
      const char* value = api().ConfigEntry_value(configs[j]);
      if (setting == api().ConfigEntry_name(configs[j]) && value != nullptr) return std::optional<std::string>(value);
    }
  }
  return std::optional<std::string>();
}

}  // namespace sluice::kafka
