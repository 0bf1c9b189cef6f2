#include "connector/kafka/kafka_connector.h"

#include "connector/kafka/bounded_source.h"
#include "connector/kafka/group_source.h"
#include "connector/kafka/sink.h"
#include "connector/kafka/sink_settings.h"
#include "connector/kafka/source_settings.h"

namespace sluice {
namespace kafka {
namespace {

Result<std::unique_ptr<Source>> create_source(const Registry& registry, const ConnectorRequest& request) {
  auto settings = TRY(source_settings(registry, request));
  if (request.streaming) return create_group_source(std::move(settings));
  return create_bounded_source(std::move(settings));
}

}  // namespace
}  // namespace kafka

ConnectorDescriptor kafka_connector() {
  ConnectorDescriptor connector;
  connector.name = "kafka";
  connector.schemes = {"kafka"};
  connector.doc =
      "Topics of a Kafka cluster: followed by a consumer group or read once to their ends, or written, rows and "
      "positions in one transaction.";
  for (const auto specs : {kafka::source_option_specs(), kafka::sink_option_specs(), kafka::cluster_option_specs()}) {
    connector.options.insert(connector.options.end(), specs.begin(), specs.end());
  }
  connector.examples = {
      "SELECT * FROM kafka('localhost:9092/orders')",
      "CREATE STREAM lake AS SELECT * FROM kafka('b1:9092,b2:9092/orders?group_id=lake') INSERT INTO "
      "file('lake/', format := 'parquet')",
      "SELECT * FROM kafka('kafka.example.com:9093/orders', security_protocol := 'SASL_SSL', username := 'app', "
      "password := 'env:KAFKA_PASSWORD', format := 'avro', schema_registry := 'https://registry.example.com')",
      "INSERT INTO kafka('localhost:9092/orders-events', key := 'id')",
  };
  connector.create_source = kafka::create_source;
  connector.create_sink = kafka::create_sink;
  return connector;
}

}  // namespace sluice
