// The same events compressed with gzip and with Zstandard, for comparison: ….jsonl.gz and ….jsonl.zst
#include <vector>

#include "s3_settings.h"

namespace {

sluice::Result<void> run(sluice::Compression compression, const std::string& prefix) {
  auto config = config_from_environment()
                    .prefix(prefix)
                    .collection("users")
                    .compression(compression)
                    .key_strategy(sluice::KeyGenerationStrategy::DatePartitioned)
                    .build();
  if (!config.ok()) return config.error();
  auto destination = sluice::S3Destination::create(*config);
  if (!destination.ok()) return destination.error();

  std::vector<std::string> events;
  for (int id = 0; id < 1000; ++id) {
    events.push_back(R"({"id": )" + std::to_string(id) + R"(, "country": "NO", "note": "compresses well"})");
  }
  if (auto written = destination->write_batch(events); !written.ok()) return written;
  return destination->close();
}

}  // namespace

int main() {
  if (int failed = report(run(sluice::Compression::Gzip, "events/gzip")); failed != 0) return failed;
  return report(run(sluice::Compression::Zstd, "events/zstd"));
}
