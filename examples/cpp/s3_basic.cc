// Lands two events as one object of JSON lines: s3://$S3_BUCKET/mongodb/events/users/YYYY/MM/DD/HH/….jsonl
#include <vector>

#include "s3_settings.h"

namespace {

sluice::Result<void> run() {
  auto config = config_from_environment().prefix("mongodb/events").collection("users").build();
  if (!config.ok()) return config.error();
  auto destination = sluice::S3Destination::create(*config);
  if (!destination.ok()) return destination.error();

  const std::vector<std::string> events = {
      R"({"operation": "insert", "id": 1, "name": "Ada", "at": "2025-01-15T10:20:30Z"})",
      R"({"operation": "insert", "id": 2, "name": "Grace", "at": "2025-01-15T10:20:31Z"})",
  };
  if (auto written = destination->write_batch(events); !written.ok()) return written;
  return destination->close();
}

}  // namespace

int main() { return report(run()); }
