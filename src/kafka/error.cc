#include "kafka/error.h"

#include <algorithm>

namespace sluice::kafka {
namespace {

struct Meaning {
  rd_kafka_resp_err_t code;
  Fault fault;
  std::string_view sentence;
};

constexpr Meaning kMeanings[] = {
    // Wrong where it was written.
    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, Fault::user, "does not exist; create it or correct the name"},
    {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, Fault::user, "does not exist; create it or correct the name"},
    {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, Fault::user, "has no such partition"},
    {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, Fault::user, "is not a name that the brokers take"},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM, Fault::user,
     "the brokers do not offer this sasl_mechanism; name one of theirs"},
    {RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL, Fault::user,
     "other members share its partitions out by another strategy; set 'assignor' to theirs"},
    {RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT, Fault::user,
     "the transaction timeout is longer than the brokers allow (transaction.max.timeout.ms)"},
    {RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT, Fault::user,
     "the session timeout is outside of what the brokers allow (group.min/max.session.timeout.ms)"},
    {RD_KAFKA_RESP_ERR_INVALID_GROUP_ID, Fault::user, "is not a name that the brokers take for a group"},
    {RD_KAFKA_RESP_ERR__INVALID_ARG, Fault::user, "librdkafka does not take an argument or a property"},
    // Refused by the brokers.
    {RD_KAFKA_RESP_ERR__AUTHENTICATION, Fault::refused,
     "the brokers refuse this login; correct username, password and sasl_mechanism"},
    {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, Fault::refused,
     "the brokers refuse this login; correct username, password and sasl_mechanism"},
    {RD_KAFKA_RESP_ERR__SSL, Fault::refused,
     "the TLS connection failed; check ca_file (who signed the broker's certificate), the host name in it, and "
     "cert_file and key_file where brokers ask for a client's certificate"},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, Fault::refused,
     "this user may not use it; grant READ and DESCRIBE to read, WRITE and DESCRIBE to write (ACLs)"},
    {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, Fault::refused,
     "this user may not use it; grant READ on the group (ACLs), or name another with group_id"},
    {RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, Fault::refused,
     "this user may not use the transactional id; grant WRITE and DESCRIBE on it (ACLs)"},
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, Fault::refused,
     "this user may not do that on the cluster; grant it (ACLs)"},
    {RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, Fault::refused, "the offset to go on from is not there any more"},
    {RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, Fault::refused, "the offset to go on from is not there any more"},
    {RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP, Fault::refused, "it still has members; stop them first"},
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, Fault::refused,
     "a message is larger than the topic or the client allows; raise max.message.bytes of the topic and "
     "rdkafka.message.max.bytes"},
    {RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, Fault::refused,
     "a batch of messages is larger than a segment of the topic; lower rdkafka.batch.size"},
    {RD_KAFKA_RESP_ERR_INVALID_RECORD, Fault::refused,
     "the brokers refuse a message as invalid (a compacted topic takes none without a key)"},
    {RD_KAFKA_RESP_ERR__FENCED, Fault::refused, "another process has taken over this transactional id"},
    {RD_KAFKA_RESP_ERR_PRODUCER_FENCED, Fault::refused, "another process has taken over this transactional id"},
    {RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, Fault::refused, "another process has taken over this transactional id"},
    {RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, Fault::refused, "another process has taken over this group.instance.id"},
    {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, Fault::refused, "a policy of the cluster forbids it"},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION, Fault::refused, "the brokers are too old for it"},
    {RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE, Fault::refused, "the brokers are too old for it"},
    // Passes.
    {RD_KAFKA_RESP_ERR__TRANSPORT, Fault::transient, "the brokers cannot be reached"},
    {RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, Fault::transient, "none of the brokers can be reached"},
    {RD_KAFKA_RESP_ERR__RESOLVE, Fault::transient, "a broker's host name cannot be resolved"},
    {RD_KAFKA_RESP_ERR__TIMED_OUT, Fault::transient, "the brokers do not answer"},
    {RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE, Fault::transient, "the brokers do not answer"},
    {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, Fault::transient, "the brokers did not take a message in time"},
    {RD_KAFKA_RESP_ERR__WAIT_COORD, Fault::transient, "its coordinator is not known yet"},
    {RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, Fault::transient, "its coordinator is starting"},
    {RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, Fault::transient, "its coordinator is not available"},
    {RD_KAFKA_RESP_ERR_NOT_COORDINATOR, Fault::transient, "its coordinator has moved"},
    {RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, Fault::transient, "the brokers did not finish in time"},
    {RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, Fault::transient, "a partition has no leader now"},
    {RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, Fault::transient, "a partition's leader has moved"},
    {RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE, Fault::transient, "a broker is not available"},
    {RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE, Fault::transient, "a replica is not available"},
    {RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION, Fault::transient, "the connection to a broker broke"},
    {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, Fault::transient,
     "fewer replicas are in sync than min.insync.replicas asks"},
    {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, Fault::transient,
     "fewer replicas are in sync than min.insync.replicas asks"},
    {RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, Fault::transient, "a broker's disk failed"},
    {RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH, Fault::transient, "a partition's leader has moved"},
    {RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH, Fault::transient, "a partition's leader has moved"},
    {RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE, Fault::transient, "a partition's leader has just been elected"},
    {RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT, Fault::transient, "a transaction on its offsets is still open"},
    {RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS, Fault::transient, "the transaction before is still being completed"},
    {RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, Fault::transient, "this process is no member of it any more"},
    {RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, Fault::transient, "it was rebalanced meanwhile"},
    {RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, Fault::transient, "it is being rebalanced"},
    {RD_KAFKA_RESP_ERR_MEMBER_ID_REQUIRED, Fault::transient, "it is being rebalanced"},
    {RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST, Fault::transient, "its partitions were given to somebody else"},
    {RD_KAFKA_RESP_ERR__NO_OFFSET, Fault::transient, "there is no offset to commit"},
    {RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED, Fault::transient, "this process was silent for too long and was sent away"},
    {RD_KAFKA_RESP_ERR__RETRY, Fault::transient, "librdkafka asks to try again"},
    {RD_KAFKA_RESP_ERR__DESTROY, Fault::cancelled, "the client is being closed"},
};

constexpr rd_kafka_resp_err_t kSilence[] = {
    RD_KAFKA_RESP_ERR__TRANSPORT,       RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, RD_KAFKA_RESP_ERR__TIMED_OUT,
    RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE, RD_KAFKA_RESP_ERR__MSG_TIMED_OUT,    RD_KAFKA_RESP_ERR__WAIT_COORD,
    RD_KAFKA_RESP_ERR__RESOLVE,
};

const Meaning* meaning_of(rd_kafka_resp_err_t code) {
  const auto* found = std::find_if(std::begin(kMeanings), std::end(kMeanings),
                                   [&](const Meaning& meaning) { return meaning.code == code; });
  return found == std::end(kMeanings) ? nullptr : found;
}

}  // namespace

Subject topic_at(std::string_view where, std::string_view topic) {
  return {std::string(where), fmt::format("topic '{}'", topic)};
}

Subject group_at(std::string_view where, std::string_view group) {
  return {std::string(where), fmt::format("group '{}'", group)};
}

bool has_meaning(rd_kafka_resp_err_t code) { return meaning_of(code) != nullptr; }

Error error_of(rd_kafka_resp_err_t code, const Subject& subject, std::string_view detail) {
  const Meaning* meaning = meaning_of(code);
  std::string text = subject.where;
  text += ": ";
  if (!subject.what.empty()) text += subject.what + ": ";
  text += meaning != nullptr ? meaning->sentence : std::string_view(api().err2str(code));
  if (!detail.empty() && detail != api().err2str(code)) text += fmt::format(" ({})", detail);
  return Error{meaning != nullptr ? meaning->fault : Fault::refused, std::move(text), {}};
}

Result<void> result_of(ErrorPtr error, const Subject& subject) {
  if (error == nullptr) return {};
  Error out = error_of(api().error_code(error.get()), subject, api().error_string(error.get()));
  if (api().error_is_retriable(error.get()) != 0) out.fault = Fault::transient;
  return out;
}

bool is_silence(rd_kafka_resp_err_t code) {
  return std::find(std::begin(kSilence), std::end(kSilence), code) != std::end(kSilence);
}

}  // namespace sluice::kafka
