// Parquet under Hive folders (Athena and Spark find the partitions), several batches with retries, exactly once under a
// name: killed at any moment and started again, it goes on behind the last batch that was landed.
#include <vector>

#include "s3_settings.h"

namespace {

constexpr int kBatches = 5;
constexpr int kEventsPerBatch = 1000;

sluice::Result<sluice::BatchPtr> events_of(int batch) {
  std::vector<std::string> events;
  for (int i = 0; i < kEventsPerBatch; ++i) {
    int id = batch * kEventsPerBatch + i;
    events.push_back(R"({"id": )" + std::to_string(id) + R"(, "kind": "click", "tags": ["a", "b"]})");
  }
  auto schema = sluice::parse_columns("id BIGINT, kind VARCHAR, tags VARCHAR[]");
  if (!schema.ok()) return schema.error();
  return sluice::batch_from_json(events, *schema);
}

sluice::Result<void> run() {
  auto config = config_from_environment()
                    .prefix("analytics/clicks")
                    .collection("clicks")
                    .format(sluice::SerializationFormat::Parquet)
                    .compression(sluice::Compression::Zstd)
                    .key_strategy(sluice::KeyGenerationStrategy::HivePartitioned)
                    .max_retries(5)
                    .build();
  if (!config.ok()) return config.error();
  auto sink = sluice::create_sink(config->uri());
  if (!sink.ok()) return sink.error();
  auto writer = (*sink)->create_writer(
      {.name = "example_clicks", .state = "sqlite:example_clicks.db", .collection = config->collection()});
  if (!writer.ok()) return writer.error();

  const auto& landed = (*writer)->position();
  for (int batch = landed.empty() ? 0 : std::stoi(landed); batch < kBatches; ++batch) {
    auto events = events_of(batch);
    if (!events.ok()) return events.error();
    if (auto written = (*writer)->write(*events); !written.ok()) return written;
    if (auto committed = (*writer)->commit(std::to_string(batch + 1)); !committed.ok()) return committed;
  }
  return (*writer)->close();
}

}  // namespace

int main() { return report(run()); }
