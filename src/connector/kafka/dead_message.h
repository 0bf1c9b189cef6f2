// Messages as dead letters hold them.
#pragma once

#include <string>

#include <librdkafka/rdkafka.h>

namespace sluice::kafka {

// The value as text. Where it is none: with replacement characters in place of what is no UTF-8.
std::string dead_payload(const rd_kafka_message_t& message);

// Reject::message.
std::string dead_message(const rd_kafka_message_t& message);

}  // namespace sluice::kafka
