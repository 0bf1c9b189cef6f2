#include "kafka/api.h"

#include <dlfcn.h>

#include <cstdlib>

#include "base/symbols.h"

namespace sluice::kafka {
namespace {

// The C interface's name in Debian and elsewhere; it only grows.
constexpr const char* kLibrary = "librdkafka.so.1";
// Names a newer one than the system's.
constexpr const char* kLibraryVariable = "SLUICE_LIBRDKAFKA";

void load_client(Symbols& load, Api& api) {
  load(api.new_, "rd_kafka_new");
  load(api.destroy_flags, "rd_kafka_destroy_flags");
  load(api.name, "rd_kafka_name");
  load(api.version_str, "rd_kafka_version_str");
  load(api.version, "rd_kafka_version");
  load(api.conf_new, "rd_kafka_conf_new");
  load(api.conf_destroy, "rd_kafka_conf_destroy");
  load(api.conf_get, "rd_kafka_conf_get");
  load(api.conf_set, "rd_kafka_conf_set");
  load(api.conf_set_opaque, "rd_kafka_conf_set_opaque");
  load(api.conf_set_log_cb, "rd_kafka_conf_set_log_cb");
  load(api.conf_set_error_cb, "rd_kafka_conf_set_error_cb");
  load(api.conf_set_rebalance_cb, "rd_kafka_conf_set_rebalance_cb");
  load(api.conf_set_dr_msg_cb, "rd_kafka_conf_set_dr_msg_cb");
  load(api.opaque, "rd_kafka_opaque");
  load(api.last_error, "rd_kafka_last_error");
  load(api.fatal_error, "rd_kafka_fatal_error");
  load(api.poll, "rd_kafka_poll");
  load(api.flush, "rd_kafka_flush");
  load(api.purge, "rd_kafka_purge");
  load(api.outq_len, "rd_kafka_outq_len");
  load(api.set_log_level, "rd_kafka_set_log_level");
  load(api.err2str, "rd_kafka_err2str");
  load(api.err2name, "rd_kafka_err2name");
  load(api.error_code, "rd_kafka_error_code");
  load(api.error_string, "rd_kafka_error_string");
  load(api.error_is_fatal, "rd_kafka_error_is_fatal");
  load(api.error_is_retriable, "rd_kafka_error_is_retriable");
  load(api.error_txn_requires_abort, "rd_kafka_error_txn_requires_abort");
  load(api.error_destroy, "rd_kafka_error_destroy");
  load(api.topic_partition_list_new, "rd_kafka_topic_partition_list_new");
  load(api.topic_partition_list_add, "rd_kafka_topic_partition_list_add");
  load(api.topic_partition_list_copy, "rd_kafka_topic_partition_list_copy");
  load(api.topic_partition_list_destroy, "rd_kafka_topic_partition_list_destroy");
  load(api.metadata, "rd_kafka_metadata");
  load(api.metadata_destroy, "rd_kafka_metadata_destroy");
  load(api.clusterid, "rd_kafka_clusterid");
  load(api.mem_free, "rd_kafka_mem_free");
  load(api.get_watermark_offsets, "rd_kafka_get_watermark_offsets");
  load(api.offsets_for_times, "rd_kafka_offsets_for_times");
  load(api.topic_new, "rd_kafka_topic_new");
  load(api.topic_destroy, "rd_kafka_topic_destroy");
  load(api.topic_name, "rd_kafka_topic_name");
  load(api.poll_set_consumer, "rd_kafka_poll_set_consumer");
  load(api.subscribe, "rd_kafka_subscribe");
  load(api.unsubscribe, "rd_kafka_unsubscribe");
  load(api.assign, "rd_kafka_assign");
  load(api.incremental_assign, "rd_kafka_incremental_assign");
  load(api.incremental_unassign, "rd_kafka_incremental_unassign");
  load(api.assignment, "rd_kafka_assignment");
  load(api.assignment_lost, "rd_kafka_assignment_lost");
  load(api.rebalance_protocol, "rd_kafka_rebalance_protocol");
  load(api.consumer_poll, "rd_kafka_consumer_poll");
  load(api.consumer_close, "rd_kafka_consumer_close");
  load(api.commit, "rd_kafka_commit");
  load(api.commit_queue, "rd_kafka_commit_queue");
  load(api.committed, "rd_kafka_committed");
  load(api.position, "rd_kafka_position");
  load(api.seek_partitions, "rd_kafka_seek_partitions");
  load(api.pause_partitions, "rd_kafka_pause_partitions");
  load(api.resume_partitions, "rd_kafka_resume_partitions");
  load(api.memberid, "rd_kafka_memberid");
  load(api.consumer_group_metadata, "rd_kafka_consumer_group_metadata");
  load(api.consumer_group_metadata_new, "rd_kafka_consumer_group_metadata_new");
  load(api.consumer_group_metadata_destroy, "rd_kafka_consumer_group_metadata_destroy");
  load(api.consumer_group_metadata_read, "rd_kafka_consumer_group_metadata_read");
  load(api.consumer_group_metadata_write, "rd_kafka_consumer_group_metadata_write");
  load(api.queue_get_partition, "rd_kafka_queue_get_partition");
  load(api.queue_get_consumer, "rd_kafka_queue_get_consumer");
  load(api.queue_forward, "rd_kafka_queue_forward");
  load(api.queue_destroy, "rd_kafka_queue_destroy");
  load(api.queue_new, "rd_kafka_queue_new");
  load(api.queue_poll, "rd_kafka_queue_poll");
  load(api.queue_length, "rd_kafka_queue_length");
  load(api.queue_yield, "rd_kafka_queue_yield");
  load(api.consume_batch_queue, "rd_kafka_consume_batch_queue");
  load(api.consume_start, "rd_kafka_consume_start");
  load(api.consume_stop, "rd_kafka_consume_stop");
  load(api.consume, "rd_kafka_consume");
  load(api.message_destroy, "rd_kafka_message_destroy");
  load(api.message_timestamp, "rd_kafka_message_timestamp");
  load(api.message_headers, "rd_kafka_message_headers");
  load(api.header_get_all, "rd_kafka_header_get_all");
  load(api.header_cnt, "rd_kafka_header_cnt");
  load(api.headers_new, "rd_kafka_headers_new");
  load(api.header_add, "rd_kafka_header_add");
  load(api.headers_destroy, "rd_kafka_headers_destroy");
  load(api.producev, "rd_kafka_producev");
  load(api.produceva, "rd_kafka_produceva");
  load(api.produce_batch, "rd_kafka_produce_batch");
  load(api.init_transactions, "rd_kafka_init_transactions");
  load(api.begin_transaction, "rd_kafka_begin_transaction");
  load(api.send_offsets_to_transaction, "rd_kafka_send_offsets_to_transaction");
  load(api.commit_transaction, "rd_kafka_commit_transaction");
  load(api.abort_transaction, "rd_kafka_abort_transaction");
}

void load_administration(Symbols& load, Api& api) {
  load(api.AdminOptions_new, "rd_kafka_AdminOptions_new");
  load(api.AdminOptions_destroy, "rd_kafka_AdminOptions_destroy");
  load(api.AdminOptions_set_request_timeout, "rd_kafka_AdminOptions_set_request_timeout");
  load(api.AdminOptions_set_operation_timeout, "rd_kafka_AdminOptions_set_operation_timeout");
  load(api.event_destroy, "rd_kafka_event_destroy");
  load(api.event_type, "rd_kafka_event_type");
  load(api.event_error, "rd_kafka_event_error");
  load(api.event_error_string, "rd_kafka_event_error_string");
  load(api.NewTopic_new, "rd_kafka_NewTopic_new");
  load(api.NewTopic_destroy, "rd_kafka_NewTopic_destroy");
  load(api.NewTopic_set_config, "rd_kafka_NewTopic_set_config");
  load(api.CreateTopics, "rd_kafka_CreateTopics");
  load(api.event_CreateTopics_result, "rd_kafka_event_CreateTopics_result");
  load(api.CreateTopics_result_topics, "rd_kafka_CreateTopics_result_topics");
  load(api.topic_result_error, "rd_kafka_topic_result_error");
  load(api.topic_result_error_string, "rd_kafka_topic_result_error_string");
  load(api.topic_result_name, "rd_kafka_topic_result_name");
  load(api.DeleteTopic_new, "rd_kafka_DeleteTopic_new");
  load(api.DeleteTopic_destroy, "rd_kafka_DeleteTopic_destroy");
  load(api.DeleteTopics, "rd_kafka_DeleteTopics");
  load(api.event_DeleteTopics_result, "rd_kafka_event_DeleteTopics_result");
  load(api.DeleteTopics_result_topics, "rd_kafka_DeleteTopics_result_topics");
  load(api.DeleteGroup_new, "rd_kafka_DeleteGroup_new");
  load(api.DeleteGroup_destroy, "rd_kafka_DeleteGroup_destroy");
  load(api.DeleteGroups, "rd_kafka_DeleteGroups");
  load(api.event_DeleteGroups_result, "rd_kafka_event_DeleteGroups_result");
  load(api.DeleteGroups_result_groups, "rd_kafka_DeleteGroups_result_groups");
  load(api.group_result_error, "rd_kafka_group_result_error");
  load(api.group_result_name, "rd_kafka_group_result_name");
  load(api.ConfigResource_new, "rd_kafka_ConfigResource_new");
  load(api.ConfigResource_destroy, "rd_kafka_ConfigResource_destroy");
  load(api.DescribeConfigs, "rd_kafka_DescribeConfigs");
  load(api.event_DescribeConfigs_result, "rd_kafka_event_DescribeConfigs_result");
  load(api.DescribeConfigs_result_resources, "rd_kafka_DescribeConfigs_result_resources");
  load(api.ConfigResource_configs, "rd_kafka_ConfigResource_configs");
  load(api.ConfigResource_error, "rd_kafka_ConfigResource_error");
  load(api.ConfigResource_error_string, "rd_kafka_ConfigResource_error_string");
  load(api.ConfigEntry_name, "rd_kafka_ConfigEntry_name");
  load(api.ConfigEntry_value, "rd_kafka_ConfigEntry_value");
}

Result<Api> load_api() {
  const char* named = std::getenv(kLibraryVariable);
  const char* name = named != nullptr && *named != '\0' ? named : kLibrary;
  void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return refused("Kafka needs {}, which cannot be loaded ({}); install librdkafka1", name, dlerror());
  }
  Symbols load(library);
  Api api;
  load_client(load, api);
  load_administration(load, api);
  if (load.missing() != nullptr) {
    return refused("the installed {} is too old: it has no {}; install librdkafka 2.0 or newer", name, load.missing());
  }
  return api;
}

const Result<Api>& loaded() {
  static const Result<Api> api = load_api();
  return api;
}

}  // namespace

Result<void> load() {
  if (!loaded().ok()) return loaded().error();
  return {};
}

const Api& api() {
  CHECK(loaded().ok());
  return loaded().value();
}

}  // namespace sluice::kafka
