// librdkafka, loaded when the first client is made: commands without Kafka do not pay for it and the libraries it
// brings.
#pragma once

#include <librdkafka/rdkafka.h>

#include "base/result.h"

namespace sluice::kafka {

// Pointers to the functions in use, named as in rdkafka.h without "rd_kafka_". Never unloaded: its threads may still
// be ending when the process does.
// NOLINTBEGIN(readability-identifier-naming): a name that can be looked up there
struct Api {
  // Handles.
  decltype(&::rd_kafka_new) new_ = nullptr;
  decltype(&::rd_kafka_destroy_flags) destroy_flags = nullptr;
  decltype(&::rd_kafka_name) name = nullptr;
  decltype(&::rd_kafka_version) version = nullptr;
  decltype(&::rd_kafka_version_str) version_str = nullptr;
  decltype(&::rd_kafka_conf_new) conf_new = nullptr;
  decltype(&::rd_kafka_conf_destroy) conf_destroy = nullptr;
  decltype(&::rd_kafka_conf_get) conf_get = nullptr;
  decltype(&::rd_kafka_conf_set) conf_set = nullptr;
  decltype(&::rd_kafka_conf_set_opaque) conf_set_opaque = nullptr;
  decltype(&::rd_kafka_conf_set_log_cb) conf_set_log_cb = nullptr;
  decltype(&::rd_kafka_conf_set_error_cb) conf_set_error_cb = nullptr;
  decltype(&::rd_kafka_conf_set_rebalance_cb) conf_set_rebalance_cb = nullptr;
  decltype(&::rd_kafka_conf_set_dr_msg_cb) conf_set_dr_msg_cb = nullptr;
  decltype(&::rd_kafka_opaque) opaque = nullptr;
  decltype(&::rd_kafka_last_error) last_error = nullptr;
  decltype(&::rd_kafka_fatal_error) fatal_error = nullptr;
  decltype(&::rd_kafka_poll) poll = nullptr;
  decltype(&::rd_kafka_flush) flush = nullptr;
  decltype(&::rd_kafka_purge) purge = nullptr;
  decltype(&::rd_kafka_outq_len) outq_len = nullptr;
  decltype(&::rd_kafka_set_log_level) set_log_level = nullptr;
  // Errors.
  decltype(&::rd_kafka_err2str) err2str = nullptr;
  decltype(&::rd_kafka_err2name) err2name = nullptr;
  decltype(&::rd_kafka_error_code) error_code = nullptr;
  decltype(&::rd_kafka_error_string) error_string = nullptr;
  decltype(&::rd_kafka_error_is_fatal) error_is_fatal = nullptr;
  decltype(&::rd_kafka_error_is_retriable) error_is_retriable = nullptr;
  decltype(&::rd_kafka_error_txn_requires_abort) error_txn_requires_abort = nullptr;
  decltype(&::rd_kafka_error_destroy) error_destroy = nullptr;
  // Partitions.
  decltype(&::rd_kafka_topic_partition_list_new) topic_partition_list_new = nullptr;
  decltype(&::rd_kafka_topic_partition_list_add) topic_partition_list_add = nullptr;
  decltype(&::rd_kafka_topic_partition_list_copy) topic_partition_list_copy = nullptr;
  decltype(&::rd_kafka_topic_partition_list_destroy) topic_partition_list_destroy = nullptr;
  // Cluster.
  decltype(&::rd_kafka_metadata) metadata = nullptr;
  decltype(&::rd_kafka_metadata_destroy) metadata_destroy = nullptr;
  decltype(&::rd_kafka_clusterid) clusterid = nullptr;
  decltype(&::rd_kafka_mem_free) mem_free = nullptr;
  decltype(&::rd_kafka_get_watermark_offsets) get_watermark_offsets = nullptr;
  decltype(&::rd_kafka_offsets_for_times) offsets_for_times = nullptr;
  decltype(&::rd_kafka_topic_new) topic_new = nullptr;
  decltype(&::rd_kafka_topic_destroy) topic_destroy = nullptr;
  decltype(&::rd_kafka_topic_name) topic_name = nullptr;
  // Consumer.
  decltype(&::rd_kafka_poll_set_consumer) poll_set_consumer = nullptr;
  decltype(&::rd_kafka_subscribe) subscribe = nullptr;
  decltype(&::rd_kafka_unsubscribe) unsubscribe = nullptr;
  decltype(&::rd_kafka_assign) assign = nullptr;
  decltype(&::rd_kafka_incremental_assign) incremental_assign = nullptr;
  decltype(&::rd_kafka_incremental_unassign) incremental_unassign = nullptr;
  decltype(&::rd_kafka_assignment) assignment = nullptr;
  decltype(&::rd_kafka_assignment_lost) assignment_lost = nullptr;
  decltype(&::rd_kafka_rebalance_protocol) rebalance_protocol = nullptr;
  decltype(&::rd_kafka_consumer_poll) consumer_poll = nullptr;
  decltype(&::rd_kafka_consumer_close) consumer_close = nullptr;
  decltype(&::rd_kafka_commit) commit = nullptr;
  decltype(&::rd_kafka_commit_queue) commit_queue = nullptr;
  decltype(&::rd_kafka_committed) committed = nullptr;
  decltype(&::rd_kafka_position) position = nullptr;
  decltype(&::rd_kafka_seek_partitions) seek_partitions = nullptr;
  decltype(&::rd_kafka_pause_partitions) pause_partitions = nullptr;
  decltype(&::rd_kafka_resume_partitions) resume_partitions = nullptr;
  decltype(&::rd_kafka_memberid) memberid = nullptr;
  decltype(&::rd_kafka_consumer_group_metadata) consumer_group_metadata = nullptr;
  decltype(&::rd_kafka_consumer_group_metadata_new) consumer_group_metadata_new = nullptr;
  decltype(&::rd_kafka_consumer_group_metadata_destroy) consumer_group_metadata_destroy = nullptr;
  decltype(&::rd_kafka_consumer_group_metadata_read) consumer_group_metadata_read = nullptr;
  decltype(&::rd_kafka_consumer_group_metadata_write) consumer_group_metadata_write = nullptr;
  // Queues and messages.
  decltype(&::rd_kafka_queue_get_partition) queue_get_partition = nullptr;
  decltype(&::rd_kafka_queue_get_consumer) queue_get_consumer = nullptr;
  decltype(&::rd_kafka_queue_forward) queue_forward = nullptr;
  decltype(&::rd_kafka_queue_destroy) queue_destroy = nullptr;
  decltype(&::rd_kafka_queue_new) queue_new = nullptr;
  decltype(&::rd_kafka_queue_poll) queue_poll = nullptr;
  decltype(&::rd_kafka_queue_length) queue_length = nullptr;
  decltype(&::rd_kafka_queue_yield) queue_yield = nullptr;
  decltype(&::rd_kafka_consume_batch_queue) consume_batch_queue = nullptr;
  decltype(&::rd_kafka_consume_start) consume_start = nullptr;
  decltype(&::rd_kafka_consume_stop) consume_stop = nullptr;
  decltype(&::rd_kafka_consume) consume = nullptr;
  decltype(&::rd_kafka_message_destroy) message_destroy = nullptr;
  decltype(&::rd_kafka_message_timestamp) message_timestamp = nullptr;
  decltype(&::rd_kafka_message_headers) message_headers = nullptr;
  decltype(&::rd_kafka_header_get_all) header_get_all = nullptr;
  decltype(&::rd_kafka_header_cnt) header_cnt = nullptr;
  decltype(&::rd_kafka_headers_new) headers_new = nullptr;
  decltype(&::rd_kafka_header_add) header_add = nullptr;
  decltype(&::rd_kafka_headers_destroy) headers_destroy = nullptr;
  // Producer.
  decltype(&::rd_kafka_producev) producev = nullptr;
  decltype(&::rd_kafka_produceva) produceva = nullptr;
  decltype(&::rd_kafka_produce_batch) produce_batch = nullptr;
  decltype(&::rd_kafka_init_transactions) init_transactions = nullptr;
  decltype(&::rd_kafka_begin_transaction) begin_transaction = nullptr;
  decltype(&::rd_kafka_send_offsets_to_transaction) send_offsets_to_transaction = nullptr;
  decltype(&::rd_kafka_commit_transaction) commit_transaction = nullptr;
  decltype(&::rd_kafka_abort_transaction) abort_transaction = nullptr;
  // Administration.
  decltype(&::rd_kafka_AdminOptions_new) AdminOptions_new = nullptr;
  decltype(&::rd_kafka_AdminOptions_destroy) AdminOptions_destroy = nullptr;
  decltype(&::rd_kafka_AdminOptions_set_request_timeout) AdminOptions_set_request_timeout = nullptr;
  decltype(&::rd_kafka_AdminOptions_set_operation_timeout) AdminOptions_set_operation_timeout = nullptr;
  decltype(&::rd_kafka_event_destroy) event_destroy = nullptr;
  decltype(&::rd_kafka_event_type) event_type = nullptr;
  decltype(&::rd_kafka_event_error) event_error = nullptr;
  decltype(&::rd_kafka_event_error_string) event_error_string = nullptr;
  decltype(&::rd_kafka_NewTopic_new) NewTopic_new = nullptr;
  decltype(&::rd_kafka_NewTopic_destroy) NewTopic_destroy = nullptr;
  decltype(&::rd_kafka_NewTopic_set_config) NewTopic_set_config = nullptr;
  decltype(&::rd_kafka_CreateTopics) CreateTopics = nullptr;
  decltype(&::rd_kafka_event_CreateTopics_result) event_CreateTopics_result = nullptr;
  decltype(&::rd_kafka_CreateTopics_result_topics) CreateTopics_result_topics = nullptr;
  decltype(&::rd_kafka_topic_result_error) topic_result_error = nullptr;
  decltype(&::rd_kafka_topic_result_error_string) topic_result_error_string = nullptr;
  decltype(&::rd_kafka_topic_result_name) topic_result_name = nullptr;
  decltype(&::rd_kafka_DeleteTopic_new) DeleteTopic_new = nullptr;
  decltype(&::rd_kafka_DeleteTopic_destroy) DeleteTopic_destroy = nullptr;
  decltype(&::rd_kafka_DeleteTopics) DeleteTopics = nullptr;
  decltype(&::rd_kafka_event_DeleteTopics_result) event_DeleteTopics_result = nullptr;
  decltype(&::rd_kafka_DeleteTopics_result_topics) DeleteTopics_result_topics = nullptr;
  decltype(&::rd_kafka_DeleteGroup_new) DeleteGroup_new = nullptr;
  decltype(&::rd_kafka_DeleteGroup_destroy) DeleteGroup_destroy = nullptr;
  decltype(&::rd_kafka_DeleteGroups) DeleteGroups = nullptr;
  decltype(&::rd_kafka_event_DeleteGroups_result) event_DeleteGroups_result = nullptr;
  decltype(&::rd_kafka_DeleteGroups_result_groups) DeleteGroups_result_groups = nullptr;
  decltype(&::rd_kafka_group_result_error) group_result_error = nullptr;
  decltype(&::rd_kafka_group_result_name) group_result_name = nullptr;
  decltype(&::rd_kafka_ConfigResource_new) ConfigResource_new = nullptr;
  decltype(&::rd_kafka_ConfigResource_destroy) ConfigResource_destroy = nullptr;
  decltype(&::rd_kafka_DescribeConfigs) DescribeConfigs = nullptr;
  decltype(&::rd_kafka_event_DescribeConfigs_result) event_DescribeConfigs_result = nullptr;
  decltype(&::rd_kafka_DescribeConfigs_result_resources) DescribeConfigs_result_resources = nullptr;
  decltype(&::rd_kafka_ConfigResource_configs) ConfigResource_configs = nullptr;
  decltype(&::rd_kafka_ConfigResource_error) ConfigResource_error = nullptr;
  decltype(&::rd_kafka_ConfigResource_error_string) ConfigResource_error_string = nullptr;
  decltype(&::rd_kafka_ConfigEntry_name) ConfigEntry_name = nullptr;
  decltype(&::rd_kafka_ConfigEntry_value) ConfigEntry_value = nullptr;
};
// NOLINTEND(readability-identifier-naming)

// Loads librdkafka.so.1, or what SLUICE_LIBRDKAFKA names, at the first call. Fault::refused when it is not installed.
// Thread-safe.
Result<void> load();
// The functions. load() came first.
const Api& api();

}  // namespace sluice::kafka
